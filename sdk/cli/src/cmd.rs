//! The commands.

mod build;

use crate::Command;

/// All commands, in the order in which an author meets them.
pub(crate) const COMMANDS: &[Command] = &[build::COMMAND];
