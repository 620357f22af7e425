//! What the vault has to say to people.

use super::state::OpenVault;
use crate::alarm::{AlarmKind, Alarms};
use crate::error::Error;
use crate::format::DiskId;
use std::collections::BTreeSet;
use watchbook_base::{Kind, UtcNanos};

/// From here on the vault counts as nearly full.
const NEARLY_FULL_PERCENT: u64 = 80;
/// Holds that an alarm names; the rest is counted.
const NAMED_MAX: usize = 8;

/// A size for people.
pub(crate) fn size(bytes: u64) -> String {
    let tenths_of = |unit: u64| bytes.saturating_mul(10) / unit;
    match bytes {
        0..0x10_0000 => format!("{} kB", bytes / 1000),
        0x10_0000..0x4000_0000 => format!("{}.{} MiB", tenths_of(1 << 20) / 10, tenths_of(1 << 20) % 10),
        _ => format!("{}.{} GiB", tenths_of(1 << 30) / 10, tenths_of(1 << 30) % 10),
    }
}

/// Publishes the alarms of an open vault.
pub(crate) fn tell(alarms: &Alarms, vault: &OpenVault, quota_bytes: u64, now: UtcNanos) {
    let disk = Some(vault.dir.disk());
    let info = vault.info(quota_bytes);
    let wanted = info.held_bytes.saturating_add(info.reserved_bytes);
    let nearly = wanted >= quota_bytes / 100 * NEARLY_FULL_PERCENT;
    let nearly_full = nearly.then(|| {
        format!(
            "the vault holds {}, and holds that are being copied need about {} more, of {} in all; release holds that are no longer needed, or raise vault_gib",
            size(info.held_bytes),
            size(info.reserved_bytes),
            size(quota_bytes)
        )
    });
    let (mut full, mut failed, mut lost) = (None, None, Vec::new());
    for (id, hold) in vault.state().holds.iter().filter(|(_, hold)| hold.is_active()) {
        let full_now = hold.trouble_kind == Some(Kind::Exhausted);
        if let Some(trouble) = &hold.trouble {
            let place = if full_now { &mut full } else { &mut failed };
            place.get_or_insert(format!("hold {id} is not copied now: {trouble}; recording goes on"));
        }
        if hold.has_losses {
            lost.push(format!("{id} (case {})", hold.logged.request.case));
        }
    }
    if let Some(told) = unsound(vault).or_else(|| rotten(vault)).or_else(|| refused(vault)) {
        failed.get_or_insert(told);
    }
    let more = match lost.len().saturating_sub(NAMED_MAX) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    lost.truncate(NAMED_MAX);
    let incomplete = (!lost.is_empty()).then(|| {
        format!(
            "footage of hold {}{more} was lost; the list of the hold says what is missing and why. Tell who works on the case",
            lost.join(", ")
        )
    });
    alarms.set(AlarmKind::VaultNearlyFull, disk, nearly_full, now);
    alarms.set(AlarmKind::VaultFull, disk, full, now);
    alarms.set(AlarmKind::VaultFailed, disk, failed, now);
    alarms.set(AlarmKind::HoldIncomplete, disk, incomplete, now);
}

/// The segments that are not as they should be.
fn unsound(vault: &OpenVault) -> Option<String> {
    let state = vault.state();
    let (slot, first) = state.unsound.first_key_value()?;
    let hold = state.slots.get(slot).map(|info| info.hold).filter(|hold| state.holds.contains_key(hold));
    let of = hold.map_or_else(String::new, |hold| format!(" of hold {hold}"));
    let more = match state.unsound.len() - 1 {
        0 => String::new(),
        more => format!(", and {more} more"),
    };
    Some(format!(
        "held footage{of} in segment {slot:06} of the vault cannot be used: {}{more}; nothing of it is removed. Check the vault's disk; recording goes on",
        first.why
    ))
}

/// Held footage that does not check out any more, by camera and case.
fn rotten(vault: &OpenVault) -> Option<String> {
    let state = vault.state();
    let (mut runs, mut places, mut cameras, mut of, mut segments) =
        (0_usize, 0_u64, BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for (slot, rot) in state.rot.iter().filter(|(_, rot)| !rot.runs.is_empty() || rot.places > 0) {
        let hold = state.slots.get(slot).map(|info| info.hold);
        let Some((id, hold)) = hold.and_then(|id| Some((id, state.holds.get(&id)?))) else { continue };
        if !hold.is_active() {
            continue;
        }
        (runs, places) = (runs + rot.runs.len(), places + rot.places);
        cameras.extend(rot.runs.iter().map(|run| run.stream.camera.to_string()));
        of.insert(format!("{id} (case {})", hold.logged.request.case));
        segments.insert(format!("{slot:06}"));
    }
    if segments.is_empty() {
        return None;
    }
    let what = match runs {
        0 => format!("{places} places without footage"),
        _ => format!("{runs} runs of cameras {}", some(&cameras)),
    };
    Some(format!(
        "held footage of hold {} has rotted on the vault's disk: {what} in segment {} do not check out any more. What a ring or another hold still has is \
         copied again, the rest is listed with the hold. Look at the disk's own error counters (SMART) and replace it; recording goes on",
        some(&of),
        some(&segments)
    ))
}

/// The first ones, and how many more.
fn some(names: &BTreeSet<String>) -> String {
    let first: Vec<&str> = names.iter().take(NAMED_MAX).map(String::as_str).collect();
    match names.len() - first.len() {
        0 => first.join(", "),
        more => format!("{} and {more} more", first.join(", ")),
    }
}

/// Held footage that the disk does not give now.
fn refused(vault: &OpenVault) -> Option<String> {
    let state = vault.state();
    let (slot, why) = state.rot.iter().find_map(|(slot, rot)| Some((slot, rot.refused.as_ref()?)))?;
    let hold = state.slots.get(slot).map(|info| info.hold).filter(|hold| state.holds.contains_key(hold))?;
    Some(format!(
        "the vault's disk does not give a part of the footage of hold {hold} in segment {slot:06}: {why}. It is read again, and counts as held. Check the \
         vault's disk; recording goes on"
    ))
}

/// Says that the vault cannot be opened.
pub(crate) fn tell_closed(alarms: &Alarms, known: Option<DiskId>, error: &Error, now: UtcNanos) {
    let text = format!(
        "nothing can be held and held footage cannot be read: {error}. Check the vault's disk; recording goes on"
    );
    alarms.set(AlarmKind::VaultFailed, known, Some(text), now);
}

/// The vault is open.
pub(crate) fn clear_closed(alarms: &Alarms, known: Option<DiskId>, now: UtcNanos) {
    alarms.set(AlarmKind::VaultFailed, known, None, now);
}

#[cfg(test)]
mod tests {
    use super::size;

    #[test]
    fn sizes_are_for_people() {
        assert_eq!((size(12_345), size(3 << 19), size(5 << 30)), ("12 kB".into(), "1.5 MiB".into(), "5.0 GiB".into()));
    }
}
