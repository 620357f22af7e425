//! Accounts, sessions and the claim. All of it is in memory; every change is in the register before it is in force.

mod book;
mod claim;
mod password;
mod session;
mod throttle;

pub(crate) use book::{AccountBook, Who};
pub use password::HashCost;
pub(crate) use session::{SESSION_MAX_S, SessionKey};
