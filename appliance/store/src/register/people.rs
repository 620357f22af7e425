//! The audit log as people read it: what they and the recorder did, without walking through the hashes of footage between, or those alone.
//!
//! Table `audit_people`: number u64 big-endian of each entry that is no footage leaf; no value. It is written with the entry. A register that is older than
//! this table gets it when it is opened.

use super::{AUDIT, AUDIT_PEOPLE, AUDIT_STATE, AuditRow, Register, decode_row};
use crate::error::Result;
use crate::kv::{Batch, Keys, Kv, Table};
use watchbook_evidence::Leaf;

/// In `audit_state`: the table of people's entries is complete.
const COMPLETE_KEY: &[u8] = b"people";
/// Rows of one batch while an older log gets the table: 16 bytes each in memory.
const BATCH_ROWS: usize = 65_536;
/// Entries looked at for one page of footage leaves; a page that ends there is shorter, and the next one goes on.
const LOOKED_AT_MAX: usize = 10_000;
/// How the body of a footage leaf begins, and no other: those of people's entries have no `kind`.
const FOOTAGE_BODY: &[u8] = b"{\"kind\":";

/// Which entries are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuditKind {
    /// Who did or tried what, and what the recorder did.
    People,
    /// Hashes of footage.
    Footage,
    /// Both.
    All,
}

/// A page of the audit log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditPage {
    /// Newest first.
    pub rows: Vec<AuditRow>,
    /// The next page has entries below this number; `None`: there are none.
    pub next: Option<u64>,
}

/// Notes that entry `index` is one of people's.
pub(super) fn put(batch: &mut Batch, index: u64) {
    batch.put(AUDIT_PEOPLE, index.to_be_bytes(), []);
}

/// Makes the table for a log that is older than it. Again from the beginning when the power goes meanwhile.
pub(super) fn complete(kv: &dyn Kv) -> Result<()> {
    if kv.get(AUDIT_STATE, COMPLETE_KEY)?.is_some() {
        return Ok(());
    }
    let mut batch = Batch::default();
    let mut written = Ok(());
    kv.scan(AUDIT, &Keys::prefix(b""), &mut |key, leaf| {
        if !is_footage(leaf) {
            batch.put(AUDIT_PEOPLE, key, []);
        }
        if batch.changes.len() >= BATCH_ROWS {
            written = kv.write(&std::mem::take(&mut batch), false);
        }
        written.is_ok()
    })?;
    written?;
    batch.put(AUDIT_STATE, COMPLETE_KEY, []);
    kv.write(&batch, true)
}

/// True for the stored form of a footage leaf.
fn is_footage(leaf: &[u8]) -> bool {
    Leaf::decode(leaf).is_ok_and(|leaf| leaf.body.starts_with(FOOTAGE_BODY))
}

impl Register {
    /// At most `limit` (at most [`super::AUDIT_PAGE_MAX`]) entries of this kind below number `before`, or the newest, newest first. A page of footage leaves may be
    /// shorter although more follow.
    ///
    /// # Errors
    /// `Corrupt` when an entry does not decode.
    pub fn audit_page(&self, kind: AuditKind, before: Option<u64>, limit: usize) -> Result<AuditPage> {
        let limit = limit.clamp(1, super::AUDIT_PAGE_MAX);
        match kind {
            AuditKind::People => self.people_page(before, limit),
            AuditKind::Footage => self.walk(before, limit, is_footage),
            AuditKind::All => self.walk(before, limit, |_| true),
        }
    }

    fn people_page(&self, before: Option<u64>, limit: usize) -> Result<AuditPage> {
        let mut found = Vec::new();
        self.below(AUDIT_PEOPLE, before, &mut |key, _| {
            found.push(key.to_vec());
            found.len() <= limit
        })?;
        let more = found.len() > limit;
        found.truncate(limit);
        let last = found.last().and_then(|key| key.as_slice().try_into().ok()).map(u64::from_be_bytes);
        let mut rows = Vec::new();
        for key in &found {
            // One that is missing is found by [`Register::verify`], and hides no other.
            if let Some(leaf) = self.kv.get(AUDIT, key)? {
                rows.push(decode_row(key, &leaf)?);
            }
        }
        Ok(AuditPage { rows, next: last.filter(|_| more) })
    }

    /// Entries that `wanted` takes.
    fn walk(&self, before: Option<u64>, limit: usize, wanted: impl Fn(&[u8]) -> bool) -> Result<AuditPage> {
        let (mut found, mut looked_at, mut last) = (Vec::new(), 0, None);
        self.below(AUDIT, before, &mut |key, leaf| {
            looked_at += 1;
            last = key.try_into().ok().map(u64::from_be_bytes);
            if wanted(leaf) {
                found.push((key.to_vec(), leaf.to_vec()));
            }
            found.len() < limit && looked_at < LOOKED_AT_MAX
        })?;
        let rows = found.iter().map(|(key, leaf)| decode_row(key, leaf)).collect::<Result<_>>()?;
        // Entries are numbered from 0 without holes: behind number 0 there is none.
        Ok(AuditPage { rows, next: last.filter(|last| *last > 0) })
    }

    fn below(&self, table: Table, before: Option<u64>, visit: &mut dyn FnMut(&[u8], &[u8]) -> bool) -> Result<()> {
        let keys = match before {
            Some(before) => Keys::between([], before.to_be_bytes()),
            None => Keys::prefix(b""),
        };
        self.kv.scan(table, &keys.reversed(), visit)
    }
}

#[cfg(test)]
mod tests {
    use super::super::footage::FootageLeaves;
    use super::super::{Stretch, tests::*};
    use super::*;
    use crate::format::DiskId;
    use crate::kv::collect;
    use crate::kv::model::ModelKv;
    use watchbook_access::AuditLog as _;

    fn footage(register: &Register, from_seq: u64, leaves: usize) {
        let stretch = Stretch { disk: DiskId([1; 16]), generation: 1, slot: 1, from_seq, to_seq: from_seq + 1 };
        let segments = vec![br#"{"kind":"segment"}"#.to_vec(); leaves];
        register.append_footage(&stretch, FootageLeaves { segments, gaps: Vec::new() }).unwrap();
    }

    fn indices(register: &Register, kind: AuditKind, before: Option<u64>, limit: usize) -> (Vec<u64>, Option<u64>) {
        let page = register.audit_page(kind, before, limit).unwrap();
        (page.rows.iter().map(|row| row.index).collect(), page.next)
    }

    #[test]
    fn what_people_did_is_found_between_the_hashes_of_footage_and_the_other_way_round() {
        let register = register(&ModelKv::new());
        register.append(&entry(1)).unwrap();
        footage(&register, 1, 300);
        register.append(&entry(2)).unwrap();
        footage(&register, 2, 3);
        assert_eq!(indices(&register, AuditKind::People, None, 10), (vec![301, 0], None));
        assert_eq!(indices(&register, AuditKind::People, None, 1), (vec![301], Some(301)));
        assert_eq!(indices(&register, AuditKind::People, Some(301), 1), (vec![0], None));
        assert_eq!(indices(&register, AuditKind::Footage, None, 4), (vec![304, 303, 302, 300], Some(300)));
        assert_eq!(indices(&register, AuditKind::Footage, Some(2), 4), (vec![1], None));
        assert_eq!(indices(&register, AuditKind::All, None, 5), (vec![304, 303, 302, 301, 300], Some(300)));
        assert_eq!(indices(&register, AuditKind::All, Some(2), 5), (vec![1, 0], None));
    }

    #[test]
    fn a_page_of_footage_looks_at_a_bounded_number_of_entries_and_goes_on() {
        let register = register(&ModelKv::new());
        footage(&register, 1, 1);
        let people: Vec<Vec<u8>> = vec![br#"{"account":1}"#.to_vec(); LOOKED_AT_MAX];
        register.append_leaves(people, |_, _| Ok(())).unwrap();
        assert_eq!(indices(&register, AuditKind::Footage, None, 9), (vec![], Some(1)));
        assert_eq!(indices(&register, AuditKind::Footage, Some(1), 9), (vec![0], None));
    }

    #[test]
    fn a_log_that_is_older_than_the_table_gets_it_when_it_is_opened() {
        let kv = ModelKv::new();
        let before = register(&kv);
        (0..5).for_each(|account| assert!(before.append(&entry(account)).is_ok()));
        footage(&before, 1, 2);
        before.append(&entry(9)).unwrap();
        let mut batch = Batch::default();
        collect(&kv, AUDIT_PEOPLE, &Keys::prefix(b""))
            .unwrap()
            .into_iter()
            .for_each(|(key, _)| batch.delete(AUDIT_PEOPLE, key));
        batch.delete(AUDIT_STATE, COMPLETE_KEY);
        kv.write(&batch, true).unwrap();
        let after = register(&kv);
        assert_eq!(indices(&after, AuditKind::People, None, 9), (vec![7, 4, 3, 2, 1, 0], None));
    }
}
