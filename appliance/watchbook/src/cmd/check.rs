//! `watchbook check`: read everything, believe nothing, say what was found.

use crate::config::Config;
use crate::error::{Error, Result};
use crate::wire::store_error;
use std::fmt::Write as _;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use watchbook_base::clock::SystemClock;
use watchbook_base::fs::RealFs;
use watchbook_store::check::{Report, check as check_ring, rebuild_index};
use watchbook_store::register::Register;
use watchbook_store::{Progress, open_index};

/// Exit code when something is damaged.
const DAMAGED: u8 = 1;

/// Checks ring, index and audit log; with `rebuild` makes the index anew from the ring first. The recorder must be stopped.
///
/// # Errors
/// When it cannot even be read: no ring there, or the recorder has it open.
pub fn check(path: &Path, rebuild: bool) -> Result<ExitCode> {
    let config = Config::read(path)?;
    let (ring_dir, state_dir) = (&config.storage.ring_dir, &config.storage.state_dir);
    let fs = Arc::new(RealFs);
    let index = open_index(state_dir).map_err(store_error)?;
    if rebuild {
        rebuild_index(ring_dir, fs.clone(), index.clone(), &mut |progress| show("rebuilding the index", progress))
            .map_err(store_error)?;
        eprintln!();
    }
    let report =
        check_ring(ring_dir, fs, Some(&*index), &mut |progress| show("reading", progress)).map_err(store_error)?;
    eprintln!();
    let register = Register::open(&state_dir.join("register"), Arc::new(SystemClock)).map_err(store_error)?;
    let audit = register.verify();
    let mut text = described(&report);
    let clean = report.is_clean() && audit.is_ok();
    match audit {
        Ok(root) => line(&mut text, format_args!("audit log: {} entries, the root checks out", root.size)),
        Err(error) => line(&mut text, format_args!("audit log: DAMAGED: {error}")),
    }
    line(&mut text, format_args!("{}", if clean { "no damage found" } else { "DAMAGE FOUND" }));
    print(&text)?;
    Ok(if clean { ExitCode::SUCCESS } else { ExitCode::from(DAMAGED) })
}

fn described(report: &Report) -> String {
    let mut text = String::new();
    if let Some(disk) = report.disk {
        line(&mut text, format_args!("ring {disk}: {} of {} segments in use", report.segments, report.slots));
    }
    line(
        &mut text,
        format_args!(
            "{} commits, {} runs, {:.3} GB of samples verified, newest commit {}",
            report.commits,
            report.runs,
            report.payload_bytes as f64 / 1e9,
            report.last_seq
        ),
    );
    for damage in &report.damage {
        let (slot, from, to) = (damage.slot, damage.from, damage.to);
        line(
            &mut text,
            format_args!(
                "DAMAGED: segment {slot:06}, bytes {from} to {to}: commits {} to {} cannot be read",
                damage.seq_from, damage.seq_to
            ),
        );
    }
    for run in &report.bad_runs {
        line(
            &mut text,
            format_args!(
                "DAMAGED: {}, segment {:06} offset {}, commit {}: {}",
                run.stream, run.slot, run.offset, run.seq, run.what
            ),
        );
    }
    let unlisted = report.bad_run_count.saturating_sub(report.bad_runs.len() as u64);
    if unlisted > 0 {
        line(&mut text, format_args!("DAMAGED: {unlisted} more runs"));
    }
    if let (Some(missing), Some(surplus)) = (report.missing_in_index, report.only_in_index) {
        match (missing, surplus) {
            (0, 0) => line(&mut text, format_args!("the index agrees with the ring")),
            _ => line(
                &mut text,
                format_args!(
                    "the index lacks {missing} runs and has {surplus} too many; `watchbook check --rebuild` makes it again"
                ),
            ),
        }
    }
    text
}

fn line(text: &mut String, what: std::fmt::Arguments<'_>) {
    // Writing to a String cannot fail.
    let _ = writeln!(text, "{what}");
}

fn print(text: &str) -> Result<()> {
    use std::io::Write as _;
    std::io::stdout().write_all(text.as_bytes()).map_err(|error| Error::io("writing to standard output", &error))
}

fn show(what: &str, progress: Progress) {
    eprint!("\r{what}: segment {} of {}", progress.segments_done, progress.segments);
}
