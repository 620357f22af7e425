//! The commands.

mod build;
mod deploy;
mod diff;
mod inspect;
mod keygen;
mod logs;
mod new;
mod pack;
mod package;
mod sign;
mod station;
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
    deploy::COMMAND,
    logs::COMMAND,
];
