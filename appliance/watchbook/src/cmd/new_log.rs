//! `watchbook new-log`: the way on after a register was restored from a backup on purpose.

use crate::config::Config;
use crate::error::Result;
use crate::station::log_keeper::begin_anew;
use crate::wire::{open_keys, store_error, web_error};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use watchbook_base::clock::SystemClock;
use watchbook_store::register::Register;

/// Gives the audit log another name and another key, and writes into it which one it continues and why. The entries stay; whoever kept a checkpoint of before sees that the
/// log is another one. The recorder must be stopped.
///
/// # Errors
/// When the reason is empty or too long, when the recorder runs, or when the register or the keys cannot be opened.
pub fn new_log(path: &Path, reason: &str) -> Result<ExitCode> {
    let config = Config::read(path)?;
    let dir = config.storage.state_dir.join("register");
    let register = Arc::new(Register::open(&dir, Arc::new(SystemClock)).map_err(store_error)?);
    let keys = open_keys(&config.storage, false)?;
    let line = begin_anew(&register, &keys, &config.storage.ring_dir, reason).map_err(web_error)?;
    super::super::print(&format!("{line}\n"))
}
