//! What is held for cases: every held byte, against what was recorded.

use super::{line, show};
use crate::config::Storage;
use crate::error::Result;
use crate::wire::store_error;
use std::sync::Arc;
use watchbook_base::Kind;
use watchbook_base::fs::RealFs;
use watchbook_store::vault::{ClosedVault, VaultReport};
use watchbook_store::{Keys, open_existing_index, open_index};

/// Checks the vault; `None` when there is none yet. With `rebuild` its index is emptied: the next start makes it again.
///
/// # Errors
/// When the recorder has it open, or it cannot be read.
pub fn check(storage: &Storage, keys: Option<&Arc<Keys>>, rebuild: bool) -> Result<Option<VaultReport>> {
    let vault = match ClosedVault::open(&storage.vault_path(), Arc::new(RealFs)) {
        Ok(vault) => vault,
        Err(error) if error.kind == Kind::NotFound => return Ok(None),
        Err(error) => return Err(store_error(error)),
    };
    if rebuild {
        open_index(&storage.state_dir, vault.id()).and_then(|index| index.renew()).map_err(store_error)?;
    }
    let index = open_existing_index(&storage.state_dir, vault.id()).map_err(store_error)?;
    let report = vault.check(keys.map(|keys| &**keys), index.as_deref(), &mut |progress| show("reading", progress));
    eprintln!();
    report.map(Some).map_err(store_error)
}

/// What was found, for people.
pub fn described(report: &VaultReport) -> String {
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
        line(&mut text, format_args!("{count} vault segments are of released holds; the next start removes them"));
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

    #[test]
    fn a_station_without_a_vault_has_nothing_to_check() {
        let dir = tempfile::tempdir().unwrap();
        let text = format!("[storage]\nring_dir = '{0}/ring'\nstate_dir = '{0}/state'", dir.path().display());
        let config: Config = toml::from_str(&text).unwrap();
        assert_eq!(check(&config.storage, None, true).unwrap(), None);
        assert!(!dir.path().join("vault").exists() && !dir.path().join("state").exists(), "and nothing is made");
    }

    #[test]
    fn damage_in_the_vault_is_named() {
        let report = VaultReport { bad_run_count: 3, holds: 2, ..VaultReport::default() };
        let text = described(&report);
        assert!(!report.is_clean() && text.contains("2 holds") && text.contains("DAMAGED: 3 more held runs"), "{text}");
        assert!(!described(&VaultReport::default()).contains("DAMAGED"));
    }
}
