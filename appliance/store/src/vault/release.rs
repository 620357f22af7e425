//! Giving a hold up, so that its bytes cannot be read by anybody: FORMAT.md "Release".

use super::cells;
use super::hold::HoldId;
use super::state::{OpenVault, VaultDeps};
use crate::error::Result;

/// Finishes every release whose segments are still there: key, rows, files. Gives the holds that it finished.
///
/// # Errors
/// When a key file, the index or the directory cannot be written; the next call goes on.
pub(crate) fn finish(vault: &OpenVault, deps: &VaultDeps) -> Result<Vec<HoldId>> {
    let released: Vec<(HoldId, u32)> = {
        let state = vault.state();
        let with_segments = state.slots.values().map(|slot| slot.hold).collect::<std::collections::BTreeSet<_>>();
        let released = with_segments.iter().filter_map(|id| state.holds.get(id).map(|hold| (*id, hold)));
        released.filter(|(_, hold)| !hold.is_active()).map(|(id, hold)| (id, hold.logged.key_id)).collect()
    };
    for (id, key_id) in &released {
        deps.keys.destroy(*key_id)?;
        remove_segments(vault, *id)?;
    }
    Ok(released.into_iter().map(|(id, _)| id).collect())
}

/// Steps 3 and 4.
fn remove_segments(vault: &OpenVault, id: HoldId) -> Result<()> {
    let slots = vault.state().slots_of(id);
    for (slot, info) in &slots {
        vault.dir.ring.slots.take_away(*slot);
        cells::remove_rows(&*vault.kv, *slot, info.generation)?;
        vault.dir.remove(*slot)?;
    }
    vault.dir.sync_segments()?;
    let mut state = vault.state();
    for (slot, _) in slots {
        state.slots.remove(&slot);
        state.unsound.remove(&slot);
        state.rot.remove(&slot);
    }
    Ok(())
}
