//! The commands.

mod build;
mod diff;
mod inspect;
mod keygen;
mod new;
mod pack;
mod package;
mod sign;
mod validate;
mod verify;

use crate::Command;

/// All commands, in the order in which an author meets them.
pub(crate) const COMMANDS: &[Command] = &[
    new::COMMAND,
    build::COMMAND,
    validate::COMMAND,
    pack::COMMAND,
    keygen::COMMAND,
    sign::COMMAND,
    verify::COMMAND,
    inspect::COMMAND,
    diff::COMMAND,
];
