//! What is held for cases: every held byte, against what was recorded.

use super::{line, reportable, show, usable};
use crate::config::Storage;
use crate::error::Result;
use crate::wire::store_error;
use std::path::Path;
use std::sync::Arc;
use watchbook_base::Kind;
use watchbook_base::fs::RealFs;
use watchbook_store::vault::{ClosedVault, VaultReport, known_vault};
use watchbook_store::{Keys, Register, open_existing_index, open_index};

/// What there is of a vault.
#[derive(Debug, PartialEq)]
pub enum Found {
    /// The station has never had one.
    None,
    /// The one that the station has is not there: why, and what to do.
    Missing(String),
    /// It is there, and what it holds cannot be told: why.
    Unreadable(String),
    /// It was read.
    Checked(VaultReport),
}

impl Found {
    /// True when no held byte is missing or damaged.
    pub fn is_clean(&self) -> bool {
        match self {
            Self::None => true,
            Self::Missing(_) | Self::Unreadable(_) => false,
            Self::Checked(report) => report.is_clean(),
        }
    }

    /// Held runs whose digest nobody could verify without their key.
    pub fn unopened_runs(&self) -> u64 {
        match self {
            Self::Checked(report) => report.runs_unopened,
            Self::None | Self::Missing(_) | Self::Unreadable(_) => 0,
        }
    }
}

/// Checks the vault that the register knows of, or any that is there. With `rebuild` its index is emptied, unless something is damaged: the next start makes it again.
/// What cannot be opened or read is told by what was found.
///
/// # Errors
/// When the recorder has it open, it may not be read, or the register cannot be.
pub fn check(storage: &Storage, register: &Register, keys: Option<&Arc<Keys>>, rebuild: bool) -> Result<Found> {
    let (path, known) = (storage.vault_path(), known_vault(register).map_err(store_error)?);
    let vault = match (ClosedVault::open(&path, Arc::new(RealFs)), known) {
        (Ok(vault), Some(known)) if vault.id() != known => {
            let text = format!("vault {}: MISSING: {} is there and {known} belongs there", path.display(), vault.id());
            return Ok(Found::Missing(format!("{text}; mount its disk")));
        }
        (Ok(vault), _) => vault,
        (Err(error), None) if error.kind == Kind::NotFound => return Ok(Found::None),
        (Err(error), Some(known)) if error.kind == Kind::NotFound => {
            let text = format!("vault {}: MISSING: {known} is not there; mount its disk", path.display());
            return Ok(Found::Missing(text));
        }
        (Err(error), _) => return unreadable(&path, error),
    };
    let open = if rebuild {
        open_index(&storage.state_dir, vault.id()).map(Some)
    } else {
        open_existing_index(&storage.state_dir, vault.id())
    };
    let (index, why) = usable(open)?;
    let (keys, mut shown) = (keys.map(|keys| &**keys), |progress| show("reading", progress));
    let report = match &index {
        Some(index) if rebuild => vault.check_and_empty(keys, &**index, &mut shown),
        _ => vault.check(keys, index.as_deref(), &mut shown),
    };
    eprintln!();
    match report {
        Ok(mut report) => {
            report.index_error = why.or(report.index_error.take());
            Ok(Found::Checked(report))
        }
        Err(error) => unreadable(&path, error),
    }
}

fn unreadable(path: &Path, error: watchbook_store::Error) -> Result<Found> {
    let why = reportable(error)?;
    Ok(Found::Unreadable(format!("vault {}: DAMAGED: {why}", path.display())))
}

/// What was found, for people.
pub fn described(found: &Found) -> String {
    match found {
        Found::None => String::new(),
        Found::Missing(text) | Found::Unreadable(text) => format!("{text}\n"),
        Found::Checked(report) => described_report(report),
    }
}

fn described_report(report: &VaultReport) -> String {
    let mut text = String::new();
    let gb = report.payload_bytes as f64 / 1e9;
    let (holds, segments, runs) = (report.holds, report.segments, report.runs + report.runs_unopened);
    line(&mut text, format_args!("vault: {holds} holds in {segments} segments, {runs} runs, {gb:.3} GB verified"));
    if report.runs_unopened > 0 {
        let runs = report.runs_unopened;
        line(&mut text, format_args!("{runs} held runs: their key is not at hand, only their checksums are verified"));
    }
    for damage in &report.damage {
        let (slot, from, to) = (damage.slot, damage.from, damage.to);
        line(&mut text, format_args!("DAMAGED: vault segment {slot:06}, bytes {from} to {to} cannot be read"));
    }
    for bad in &report.bad_segments {
        let hold = bad.hold.map_or_else(String::new, |hold| format!("hold {hold}, "));
        line(&mut text, format_args!("DAMAGED: {hold}vault segment {:06}: {}", bad.slot, bad.what));
    }
    for run in &report.bad_runs {
        line(
            &mut text,
            format_args!(
                "DAMAGED: hold {}, {}, vault segment {:06} offset {}: {}",
                run.hold, run.stream, run.slot, run.offset, run.what
            ),
        );
    }
    let unlisted = report.bad_run_count.saturating_sub(report.bad_runs.len() as u64);
    if unlisted > 0 {
        line(&mut text, format_args!("DAMAGED: {unlisted} more held runs"));
    }
    if !report.leftovers.is_empty() {
        let count = report.leftovers.len();
        line(
            &mut text,
            format_args!("{count} vault segments are of released holds or hold nothing; the next start removes them"),
        );
    }
    if report.index_kept {
        let why = "it may tell what the damaged segments do not tell any more";
        line(&mut text, format_args!("the vault's index is kept as it is: {why}"));
    }
    if let Some(why) = &report.index_error {
        line(
            &mut text,
            format_args!(
                "DAMAGED: the vault's index cannot be used: {why}; `watchbook check --rebuild` empties it, and the next start makes it again"
            ),
        );
    }
    if let Some(behind) = report.behind_in_index.filter(|behind| *behind > 0) {
        line(&mut text, format_args!("the vault's index lacks {behind} segments; the next start makes them"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use watchbook_base::clock::SystemClock;
    use watchbook_store::HoldId;
    use watchbook_store::register::{Change, Namespace};
    use watchbook_store::vault::BadSegment;

    #[test]
    fn a_station_without_a_vault_has_nothing_to_check() {
        let dir = tempfile::tempdir().unwrap();
        let text = format!("[storage]\nring_dir = '{0}/ring'\nstate_dir = '{0}/state'", dir.path().display());
        let config: Config = toml::from_str(&text).unwrap();
        let register = Register::open(&dir.path().join("register"), Arc::new(SystemClock)).unwrap();
        assert_eq!(check(&config.storage, &register, None, true).unwrap(), Found::None);
        assert!(!dir.path().join("vault").exists() && !dir.path().join("state").exists(), "and nothing is made");
    }

    #[test]
    fn a_known_vault_that_is_not_there_is_missing() {
        let dir = tempfile::tempdir().unwrap();
        let text = format!("[storage]\nring_dir = '{0}/ring'\nstate_dir = '{0}/state'", dir.path().display());
        let config: Config = toml::from_str(&text).unwrap();
        let register = Register::open(&dir.path().join("register"), Arc::new(SystemClock)).unwrap();
        register.apply(&[Change::put(Namespace::Setting, b"vault", [7; 16])]).unwrap();
        // The mount point is gone, and it is there and empty.
        for made in [false, true] {
            if made {
                std::fs::create_dir(dir.path().join("vault")).unwrap();
            }
            let found = check(&config.storage, &register, None, false).unwrap();
            assert!(!found.is_clean());
            let text = described(&found);
            assert!(text.contains("MISSING") && text.contains("mount its disk"), "{text}");
        }
    }

    #[test]
    fn damage_in_the_vault_is_named() {
        let lost = BadSegment { slot: 5, hold: Some(HoldId(2)), what: "its file is missing".to_owned() };
        let report = VaultReport { bad_run_count: 3, holds: 2, bad_segments: vec![lost], ..VaultReport::default() };
        let found = Found::Checked(report);
        let text = described(&found);
        assert!(!found.is_clean() && text.contains("2 holds") && text.contains("DAMAGED: 3 more held runs"), "{text}");
        assert!(text.contains("DAMAGED: hold 2, vault segment 000005: its file is missing"), "{text}");
        assert!(!described(&Found::Checked(VaultReport::default())).contains("DAMAGED"));
        let kept = VaultReport { index_kept: true, ..VaultReport::default() };
        assert!(described(&Found::Checked(kept)).contains("index is kept as it is"));
        let without = VaultReport { index_error: Some("a bad block".to_owned()), ..VaultReport::default() };
        assert!(described(&Found::Checked(without)).contains("DAMAGED: the vault's index cannot be used: a bad block"));
        let unreadable = Found::Unreadable("vault /v: DAMAGED: no log".to_owned());
        assert!(!unreadable.is_clean() && described(&unreadable) == "vault /v: DAMAGED: no log\n");
    }
}
