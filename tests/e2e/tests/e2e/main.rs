//! End to end: real camera servers → the real recorder → what a client gets.

mod author;
mod bad_input;
mod cameras;
mod crash;
mod footage;
mod record;
mod storage;
