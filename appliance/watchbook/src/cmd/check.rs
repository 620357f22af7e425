//! `watchbook check`: read everything, believe nothing, say what was found.

mod ring;
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
use watchbook_store::kv::Kv;
use watchbook_store::register::{Register, Unclaimed};
use watchbook_store::{Progress, open_existing_index, open_index};

/// Exit code when something is damaged.
const DAMAGED: u8 = 1;

/// A ring that is locked, or the line about one that is not there or cannot be read.
type Opened = std::result::Result<ClosedRing, String>;
/// An index, if there is one.
type Index = Option<Arc<dyn Kv>>;

/// Checks every ring with its index, the vault and the audit log; with `rebuild` makes the indexes anew from the rings first. The recorder must be stopped. What
/// is missing or cannot be read is told, and the rest is checked.
///
/// # Errors
/// When there is no ring at all and no register, the recorder has one open, or it may not be read.
pub fn check(path: &Path, rebuild: bool) -> Result<ExitCode> {
    let config = Config::read(path)?;
    let state_dir = &config.storage.state_dir;
    let named: Vec<PathBuf> = config.storage.rings().into_iter().map(|(dir, _)| dir.to_owned()).collect();
    // The rings' locks come first: what a running recorder has open is not touched.
    let mut rings = named.iter().map(|dir| open_ring(dir)).collect::<Result<Vec<_>>>()?;
    if rings.iter().all(Opened::is_err) {
        named.iter().try_for_each(|dir| must_be_there(&dir.join("segments")))?;
    }
    let register_dir = state_dir.join("register");
    must_be_there(&register_dir.join("CURRENT"))?;
    let register = Arc::new(Register::open(&register_dir, Arc::new(SystemClock)).map_err(store_error)?);
    let mut added = watchbook_store::added_rings(&register).map_err(store_error)?;
    added.retain(|dir| !named.contains(dir));
    rings.extend(added.iter().map(|dir| open_ring(dir)).collect::<Result<Vec<_>>>()?);
    let (keys, keys_found) = keys(&config);
    let mut reports = Vec::new();
    for (dir, ring) in named.into_iter().chain(added).zip(rings) {
        let report = match ring {
            Ok(ring) => Ok(check_ring(ring.with_log(Arc::clone(&register)), state_dir, keys.as_ref(), rebuild)?),
            Err(line) => Err(line),
        };
        reports.push((dir, report));
    }
    let vault = vault::check(&config.storage, &register, keys.as_ref(), rebuild)?;
    let audit = register.verify().map(|root| root.size).map_err(|error| error.to_string());
    let unclaimed = register.unclaimed_leaves().map_err(|error| error.to_string());
    let (text, is_clean) = Findings { rings: reports, vault, keys: keys_found, audit, unclaimed }.described();
    print(&text)?;
    Ok(if is_clean { ExitCode::SUCCESS } else { ExitCode::from(DAMAGED) })
}

/// How the keys are.
enum KeysFound {
    /// As they should be.
    Whole,
    /// They were opened, and this is wrong with them.
    Wrong(String),
    /// They could not be opened: why.
    Lost(String),
}

/// All that was found, before it is put into words.
struct Findings {
    /// By directory; the line about a ring that could not be read.
    rings: Vec<(PathBuf, std::result::Result<Report, String>)>,
    vault: vault::Found,
    keys: KeysFound,
    /// How many entries the audit log has, or what is wrong with it.
    audit: std::result::Result<u64, String>,
    /// Leaves of footage without a row that says where it lies, or why nobody can tell.
    unclaimed: std::result::Result<Unclaimed, String>,
}

impl Findings {
    /// Every finding in a line, the outcome in the last one; and true when all was verified and is whole.
    fn described(&self) -> (String, bool) {
        let mut text = String::new();
        for (dir, report) in &self.rings {
            match report {
                Ok(report) => {
                    line(&mut text, format_args!("{}:", dir.display()));
                    text.push_str(&ring::described(report));
                }
                Err(missing) => line(&mut text, format_args!("{missing}")),
            }
        }
        text.push_str(&vault::described(&self.vault));
        match &self.keys {
            KeysFound::Whole => {}
            KeysFound::Wrong(why) => line(&mut text, format_args!("keys: DAMAGED: {why}")),
            KeysFound::Lost(why) => line(&mut text, format_args!("keys: LOST: they cannot be opened: {why}")),
        }
        match &self.audit {
            Ok(entries) => line(&mut text, format_args!("audit log: {entries} entries, the root checks out")),
            Err(why) => line(&mut text, format_args!("audit log: DAMAGED: {why}")),
        }
        text.push_str(&unclaimed(&self.unclaimed));
        let (outcome, is_clean) = self.outcome();
        line(&mut text, format_args!("{outcome}"));
        (text, is_clean)
    }

    /// The last line; and true when all was verified and is whole.
    fn outcome(&self) -> (String, bool) {
        let is_ring_whole =
            |(_, report): &(_, std::result::Result<Report, String>)| report.as_ref().is_ok_and(Report::is_clean);
        let is_whole = self.rings.iter().all(is_ring_whole)
            && self.vault.is_clean()
            && self.audit.is_ok()
            && self.unclaimed.as_ref().is_ok_and(|found| found.count == 0)
            && !matches!(self.keys, KeysFound::Wrong(_));
        let found = if is_whole { "" } else { "DAMAGE FOUND" };
        if !matches!(self.keys, KeysFound::Lost(_)) {
            return (if is_whole { "no damage found" } else { found }.to_owned(), is_whole);
        }
        let of_rings = self.rings.iter().filter_map(|(_, report)| report.as_ref().ok());
        let runs = of_rings.map(|report| report.unreadable_runs).sum::<u64>() + self.vault.unopened_runs();
        let and = if is_whole { "" } else { "; " };
        let outcome = format!(
            "{found}{and}NOT VERIFIED: the digests of {runs} sealed runs; put right what is said of the keys, and check again"
        );
        (outcome, false)
    }
}

/// Entries about footage of which the register does not say any more where it lies.
fn unclaimed(found: &std::result::Result<Unclaimed, String>) -> String {
    let mut text = String::new();
    let found = match found {
        Ok(found) => found,
        Err(why) => {
            line(
                &mut text,
                format_args!("audit log: NOT COMPARED: the register's rows of footage cannot be read: {why}"),
            );
            return text;
        }
    };
    for leaf in &found.listed {
        let stream =
            watchbook_base::StreamId::from_u32(leaf.stream).map_or_else(String::new, |stream| format!("{stream}, "));
        line(
            &mut text,
            format_args!(
                "audit log: DAMAGED: entry {} tells of footage of {stream}recording {}, and the row that says where it lies was removed from the register",
                leaf.leaf, leaf.recording
            ),
        );
    }
    let more = found.count.saturating_sub(found.listed.len() as u64);
    if more > 0 {
        line(&mut text, format_args!("audit log: DAMAGED: {more} more entries of that kind"));
    }
    text
}

/// The ring in `dir`, if there is one that can be read.
fn open_ring(dir: &Path) -> Result<Opened> {
    if !dir.join("segments").exists() {
        return Ok(Err(format!("ring {}: MISSING: there is none; mount its disk", dir.display())));
    }
    match ClosedRing::open(dir, Arc::new(RealFs)) {
        Ok(ring) => Ok(Ok(ring)),
        Err(error) => reportable(error).map(|why| Err(format!("ring {}: DAMAGED: {why}", dir.display()))),
    }
}

/// An error that belongs into the report. That somebody has something open, or that it may not be read, says nothing about it and ends the command.
fn reportable(error: watchbook_store::Error) -> Result<String> {
    match error.kind {
        Kind::Conflict | Kind::Denied => Err(store_error(error)),
        _ => Ok(error.message),
    }
}

/// An index to compare with, or why there is none that can be read.
fn usable(index: watchbook_store::Result<Index>) -> Result<(Index, Option<String>)> {
    match index {
        Ok(index) => Ok((index, None)),
        Err(error) => reportable(error).map(|why| (None, Some(why))),
    }
}

/// The keys, if they can be opened, and how they are.
fn keys(config: &Config) -> (Option<Arc<watchbook_store::Keys>>, KeysFound) {
    match crate::wire::open_keys(&config.storage, false) {
        Ok(keys) => {
            let alarms = keys.alarms();
            let wrong = [alarms.copy_missing, alarms.damaged].into_iter().flatten().collect::<Vec<_>>().join("; ");
            (Some(Arc::new(keys)), if wrong.is_empty() { KeysFound::Whole } else { KeysFound::Wrong(wrong) })
        }
        // Checksums can be verified without keys.
        Err(error) => (None, KeysFound::Lost(error.to_string())),
    }
}

/// Checks one ring and its index, which is made anew first if wanted.
fn check_ring(
    ring: ClosedRing,
    state_dir: &Path,
    keys: Option<&Arc<watchbook_store::Keys>>,
    rebuild: bool,
) -> Result<Report> {
    let (index, why) = usable(index_of(&ring, state_dir, rebuild))?;
    let ring = match keys {
        Some(keys) => ring.with_keys(Arc::clone(keys)),
        None => ring,
    };
    let mut report = ring.check(index.as_deref(), &mut |progress| show("reading", progress));
    eprintln!();
    report.index_error = why.or(report.index_error.take());
    Ok(report)
}

/// The index of a ring, made anew first if wanted; `None` when there is none.
fn index_of(ring: &ClosedRing, state_dir: &Path, rebuild: bool) -> watchbook_store::Result<Index> {
    if !rebuild {
        return open_existing_index(state_dir, ring.disk());
    }
    let index = open_index(state_dir, ring.disk())?;
    ring.rebuild_index(Arc::clone(&index), &mut |progress| show("rebuilding the index", progress))?;
    eprintln!();
    Ok(Some(index))
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
    use watchbook_store::check::{BadLeaf, BadSlot};
    use watchbook_store::register::{Loss, UnclaimedLeaf};
    use watchbook_store::vault::VaultReport;

    /// One ring with a vault, of which this was found.
    fn found(report: Report, keys: KeysFound) -> (String, bool) {
        let vault = VaultReport { runs_unopened: 2, ..VaultReport::default() };
        let rings = vec![(PathBuf::from("/ring"), Ok(report))];
        Findings { rings, vault: vault::Found::Checked(vault), keys, audit: Ok(3), unclaimed: Ok(Unclaimed::default()) }
            .described()
    }

    #[test]
    fn what_could_not_be_verified_without_the_keys_is_never_called_undamaged() {
        let sealed = || Report { unreadable_runs: 7, ..Report::default() };
        let (text, is_clean) = found(sealed(), KeysFound::Whole);
        assert!(is_clean && text.ends_with("no damage found\n"), "{text}");
        let (text, is_clean) = found(sealed(), KeysFound::Lost("put it back".to_owned()));
        assert!(!is_clean && text.contains("keys: LOST: they cannot be opened: put it back"), "{text}");
        let last = text.lines().last().unwrap_or_default();
        assert!(
            last.starts_with("NOT VERIFIED: the digests of 9 sealed runs") && !text.contains("no damage"),
            "{text}"
        );
        let bad = Report { bad_run_count: 1, ..sealed() };
        let (text, is_clean) = found(bad, KeysFound::Lost(String::new()));
        assert!(!is_clean && text.contains("\nDAMAGE FOUND; NOT VERIFIED: "), "{text}");
        let (text, is_clean) = found(sealed(), KeysFound::Wrong("a copy is missing".to_owned()));
        assert!(!is_clean && text.contains("keys: DAMAGED: a copy") && text.ends_with("DAMAGE FOUND\n"), "{text}");
    }

    #[test]
    fn footage_that_is_not_what_the_audit_log_says_is_named() {
        let what = "its hashes are others".to_owned();
        let bad = BadLeaf { slot: 4, generation: 9, stream: 257, recording: 31, leaf: Some(12), what };
        let report = Report { leaves: 5, bad_leaves: vec![bad], bad_leaf_count: 2, ..Report::default() };
        let (text, is_clean) = found(report, KeysFound::Whole);
        assert!(!is_clean && text.ends_with("DAMAGE FOUND\n"), "{text}");
        for part in
            ["recording 31, segment 000004 of generation 9: its hashes are others (entry 12", "1 more recordings"]
        {
            assert!(text.contains(part), "{part}: {text}");
        }
        let report = Report { logged_beyond: Some(8), ..Report::default() };
        let (text, is_clean) = found(report, KeysFound::Whole);
        assert!(!is_clean && text.contains("tells of commits up to 7, and the ring ends before"), "{text}");
    }

    #[test]
    fn what_was_lost_and_what_nobody_finds_any_more_is_named() {
        let loss = Loss {
            disk: watchbook_store::format::DiskId([1; 16]),
            entry: 77,
            found: watchbook_base::UtcNanos(0),
            from_seq: 30,
            to_seq: 40,
            told_from_seq: 25,
            entries: Some((60, 64)),
        };
        let report = Report { losses: vec![loss], unprovable_runs: 10, past_losses: 2, ..Report::default() };
        let (text, is_clean) = found(report, KeysFound::Whole);
        let told = "LOST: commits 30 to 39, of which entries 60 to 64 tell, were not there at a start on 1970-";
        assert!(!is_clean && text.contains(told) && text.contains(": entry 77 of the audit log"), "{text}");
        assert!(text.contains("NOT PROVABLE") && text.contains("2 earlier losses"), "{text}");
        let past = Report { past_losses: 2, ..Report::default() };
        assert!(found(past, KeysFound::Whole).1, "what would have been overwritten since is no damage");
        let leaf = UnclaimedLeaf { leaf: 9, stream: 257, recording: 31 };
        let findings = Findings {
            rings: Vec::new(),
            vault: vault::Found::None,
            keys: KeysFound::Whole,
            audit: Ok(10),
            unclaimed: Ok(Unclaimed { listed: vec![leaf], count: 3 }),
        };
        let (text, is_clean) = findings.described();
        assert!(!is_clean && text.contains("entry 9 tells of footage") && text.contains("recording 31"), "{text}");
        assert!(text.contains("2 more entries") && text.ends_with("DAMAGE FOUND\n"), "{text}");
    }

    #[test]
    fn damage_beside_the_commits_is_named() {
        let slot = BadSlot { slot: 4, what: "its header is damaged".to_owned() };
        let report = Report {
            bad_superblock: Some("wrong checksum".to_owned()),
            bad_slots: vec![slot],
            index_error: Some("a bad block".to_owned()),
            ..Report::default()
        };
        let (text, is_clean) = found(report, KeysFound::Whole);
        assert!(!is_clean && text.ends_with("DAMAGE FOUND\n"), "{text}");
        for what in
            ["the superblock: wrong checksum", "segment 000004: its header", "the index cannot be used: a bad block"]
        {
            assert!(text.contains(&format!("DAMAGED: {what}")), "{text}");
        }
        let rings = vec![(PathBuf::from("/ring"), Err("ring /ring: MISSING: there is none".to_owned()))];
        let missing = Findings {
            rings,
            vault: vault::Found::None,
            keys: KeysFound::Whole,
            audit: Err("torn".to_owned()),
            unclaimed: Ok(Unclaimed::default()),
        };
        let (text, is_clean) = missing.described();
        assert!(!is_clean && text.contains("MISSING") && text.contains("audit log: DAMAGED: torn"), "{text}");
    }

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
