//! The commands.

mod build;
mod new;

use crate::Command;

/// All commands, in the order in which an author meets them.
pub(crate) const COMMANDS: &[Command] = &[new::COMMAND, build::COMMAND];
