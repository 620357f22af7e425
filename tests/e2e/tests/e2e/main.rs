//! End to end: real camera servers → the real recorder → what a client gets.

mod cameras;
mod crash;
mod footage;
mod record;
