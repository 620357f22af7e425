//! Tests of the whole crate on doubles of its ports.

mod accounts;
mod cameras;
mod cases;
mod counts;
mod decisions;
mod doubles;
mod events;
mod exports;
mod factor;
mod live;
mod log;
mod mirror;
mod page;
mod plugins;
mod policies;
mod proposals;
mod ptz;
mod rederive;
mod report;
mod requests;
mod station;
mod storage;
mod transcode;
mod video;
mod walk;
