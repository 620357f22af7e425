//! What the crate makes, seen from outside: any part of a file equals the slice of the whole, and other programs read the files as meant.

mod memory;
mod plans;
mod ranges;
