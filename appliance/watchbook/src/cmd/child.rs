//! `watchbook child`: what the system starts for each connection to the socket of children, under a user of its own.

use crate::error::{Error, Result};
use std::path::Path;
use std::process::ExitCode;
use watchbook_confine::recorder as wall;

/// Starts the child program that is asked for over standard input, and ends with it.
///
/// # Errors
/// When standard input is no such connection, or the connection breaks.
pub fn child() -> Result<ExitCode> {
    super::run::start_log();
    let programs = super::run::child_programs(Path::new(""))?;
    let lacks = wall::bind_starter(&programs).map_err(|error| Error::io("giving up what is not needed", &error))?;
    lacks.missing.iter().for_each(|missing| tracing::warn!(missing, "any program could be started"));
    watchbook_starter::hold(programs).map_err(|error| Error::io("holding a child program", &error))?;
    Ok(ExitCode::SUCCESS)
}
