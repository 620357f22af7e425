//! The commands.

mod bench;
mod build;
mod deploy;
mod diff;
mod input;
mod inspect;
mod keygen;
mod logs;
mod new;
mod pack;
mod package;
mod profile;
mod rerun;
mod run;
mod runs;
mod sign;
mod station;
mod test;
mod validate;
mod verify;

use crate::Command;

/// All commands, in the order in which an author meets them.
pub(crate) const COMMANDS: &[Command] = &[
    new::COMMAND,
    build::COMMAND,
    test::COMMAND,
    run::COMMAND,
    bench::COMMAND,
    profile::COMMAND,
    validate::COMMAND,
    pack::COMMAND,
    keygen::COMMAND,
    sign::COMMAND,
    verify::COMMAND,
    inspect::COMMAND,
    diff::COMMAND,
    deploy::COMMAND,
    logs::COMMAND,
    rerun::COMMAND,
];
