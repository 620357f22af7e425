//! `watchbook check`: read everything, believe nothing, say what was found.

mod vault;

use crate::config::Config;
use crate::error::{Error, Result};
use crate::wire::store_error;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use watchbook_base::Kind;
use watchbook_base::clock::SystemClock;
use watchbook_base::fs::RealFs;
use watchbook_store::check::{ClosedRing, Report};
use watchbook_store::register::Register;
use watchbook_store::{Progress, open_existing_index, open_index};

/// Exit code when something is damaged.
const DAMAGED: u8 = 1;

/// Checks every ring with its index, the vault and the audit log; with `rebuild` makes the indexes anew from the rings first. The recorder must be stopped.
///
/// # Errors
/// When it cannot even be read: no ring there, or the recorder has it open.
pub fn check(path: &Path, rebuild: bool) -> Result<ExitCode> {
    let config = Config::read(path)?;
    let state_dir = &config.storage.state_dir;
    let named: Vec<PathBuf> = config.storage.rings().into_iter().map(|(dir, _)| dir.to_owned()).collect();
    // The rings' locks come first: what a running recorder has open is not touched.
    let mut rings = named.iter().map(|dir| open_ring(dir)).collect::<Result<Vec<_>>>()?;
    if rings.iter().all(Option::is_none) {
        named.iter().try_for_each(|dir| must_be_there(&dir.join("segments")))?;
    }
    let register_dir = state_dir.join("register");
    must_be_there(&register_dir.join("CURRENT"))?;
    let register = Arc::new(Register::open(&register_dir, Arc::new(SystemClock)).map_err(store_error)?);
    let mut added = watchbook_store::added_rings(&register).map_err(store_error)?;
    added.retain(|dir| !named.contains(dir));
    rings.extend(added.iter().map(|dir| open_ring(dir)).collect::<Result<Vec<_>>>()?);
    let (keys, keys_line) = keys(&config);
    let mut text = String::new();
    let mut clean = true;
    for (dir, ring) in named.iter().chain(&added).zip(rings) {
        let Some(ring) = ring else {
            clean = false;
            line(&mut text, format_args!("ring {}: MISSING: there is none; mount its disk", dir.display()));
            continue;
        };
        let report = check_ring(ring, state_dir, keys.as_ref(), rebuild)?;
        clean &= report.is_clean();
        line(&mut text, format_args!("{}:", dir.display()));
        text.push_str(&described(&report));
    }
    let vault = vault::check(&config.storage, &register, keys.as_ref(), rebuild)?;
    clean &= vault.is_clean();
    text.push_str(&vault::described(&vault));
    if !keys_line.is_empty() {
        line(&mut text, format_args!("keys: {keys_line}"));
    }
    match register.verify() {
        Ok(root) => line(&mut text, format_args!("audit log: {} entries, the root checks out", root.size)),
        Err(error) => {
            clean = false;
            line(&mut text, format_args!("audit log: DAMAGED: {error}"));
        }
    }
    line(&mut text, format_args!("{}", if clean { "no damage found" } else { "DAMAGE FOUND" }));
    print(&text)?;
    Ok(if clean { ExitCode::SUCCESS } else { ExitCode::from(DAMAGED) })
}

/// The ring in `dir`, locked; `None` when there is none.
fn open_ring(dir: &Path) -> Result<Option<ClosedRing>> {
    if !dir.join("segments").exists() {
        return Ok(None);
    }
    ClosedRing::open(dir, Arc::new(RealFs)).map(Some).map_err(store_error)
}

/// The keys, if they can be opened, and what is wrong with them.
fn keys(config: &Config) -> (Option<Arc<watchbook_store::Keys>>, String) {
    match crate::wire::open_keys(&config.storage, false) {
        Ok(keys) => {
            let alarms = keys.alarms();
            let wrong = [alarms.copy_missing, alarms.damaged].into_iter().flatten().collect::<Vec<_>>().join("; ");
            (Some(Arc::new(keys)), wrong)
        }
        // Checksums can be verified without keys.
        Err(error) => (None, format!("the keys cannot be opened, so no digest can be verified: {error}")),
    }
}

/// Checks one ring and its index, which is made anew first if wanted.
fn check_ring(
    ring: ClosedRing,
    state_dir: &Path,
    keys: Option<&Arc<watchbook_store::Keys>>,
    rebuild: bool,
) -> Result<Report> {
    let index = match rebuild {
        true => Some(open_index(state_dir, ring.disk()).map_err(store_error)?),
        false => open_existing_index(state_dir, ring.disk()).map_err(store_error)?,
    };
    if let Some(index) = index.clone().filter(|_| rebuild) {
        ring.rebuild_index(index, &mut |progress| show("rebuilding the index", progress)).map_err(store_error)?;
        eprintln!();
    }
    let ring = match keys {
        Some(keys) => ring.with_keys(Arc::clone(keys)),
        None => ring,
    };
    let report = ring.check(index.as_deref(), &mut |progress| show("reading", progress)).map_err(store_error)?;
    eprintln!();
    Ok(report)
}

/// What is neither good nor damaged.
fn unverified(report: &Report) -> String {
    let mut text = String::new();
    if let Some(seq) = report.torn_seq {
        line(
            &mut text,
            format_args!(
                "commit {seq} was torn by a power cut; it was never acknowledged, and the next start drops it"
            ),
        );
    }
    if report.unreadable_runs > 0 {
        let runs = report.unreadable_runs;
        line(
            &mut text,
            format_args!("{runs} runs are erased, or their key is not at hand: only their checksums are verified"),
        );
    }
    text
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
    text.push_str(&unverified(report));
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
    for link in &report.broken_links {
        line(
            &mut text,
            format_args!(
                "DAMAGED: segment {:06}: its first commit, {}, does not follow from the commit before it; one of the two was written anew",
                link.slot, link.seq
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
    } else {
        line(&mut text, format_args!("there is no index, or an empty one; `watchbook check --rebuild` makes it"));
    }
    text
}

/// Refuses a path that is not there, before anything could make it.
fn must_be_there(path: &Path) -> Result<()> {
    match path.exists() {
        true => Ok(()),
        false => Err(Error::new(Kind::NotFound, format!("checking: {} is not there", path.display()))),
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_makes_nothing_and_wants_the_recorder_stopped() {
        let dir = tempfile::tempdir().unwrap();
        let (ring, state, file) =
            (dir.path().join("ring"), dir.path().join("state"), dir.path().join("watchbook.toml"));
        let text = format!("[storage]\nring_dir = '{}'\nstate_dir = '{}'\n", ring.display(), state.display());
        std::fs::write(&file, text).unwrap();
        let refused = |what: &str| {
            let message = check(&file, false).unwrap_err().to_string();
            assert!(message.contains(what), "{message}");
        };
        refused("ring/segments is not there");
        assert!(!ring.exists() && !state.exists());
        let config = watchbook_store::Config::new(&ring, 16 << 20);
        let other = dir.path().join("other");
        let index: watchbook_store::OpenIndex = Arc::new(move |disk| open_index(&other, disk));
        let deps = watchbook_store::Deps {
            fs: Arc::new(RealFs),
            clock: Arc::new(SystemClock),
            index,
            keys: None,
            register: None,
        };
        let recorder = watchbook_store::Store::open(&[config], &deps).unwrap();
        refused("stop the recorder first");
        recorder.close().unwrap();
        refused("state/register/CURRENT is not there");
        assert!(!state.exists());
        drop(Register::open(&state.join("register"), Arc::new(SystemClock)).unwrap());
        check(&file, false).unwrap();
        assert!(!state.join("index").exists());
    }
}
