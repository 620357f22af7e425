//! Tests of the whole crate on doubles of its ports.

mod accounts;
mod cameras;
mod doubles;
mod live;
mod page;
mod station;
mod storage;
mod video;
mod walk;
