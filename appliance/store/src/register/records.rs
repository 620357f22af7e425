//! Leaves that evidence bundles hand on, beside those of footage.

use super::{Change, Register};
use crate::error::Result;
use std::sync::PoisonError;
use watchbook_evidence::record::Record;

impl Register {
    /// Appends leaves with these records, and makes the changes that `changes` names once it is told the number of the first one: all or nothing, durable when it returns. Returns that
    /// number.
    ///
    /// # Errors
    /// As [`Register::apply`].
    pub fn append_records(&self, records: &[Record], changes: impl FnOnce(u64) -> Vec<Change>) -> Result<u64> {
        let _writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let bodies = records.iter().map(Record::body).collect();
        self.append_leaves(bodies, |batch, first| self.add(batch, &changes(first)))
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::register;
    use super::super::{Change, Namespace};
    use super::*;
    use crate::kv::model::ModelKv;

    #[test]
    fn a_leaf_and_what_belongs_to_it_are_written_together_or_not_at_all() {
        let kv = ModelKv::new();
        let register = register(&kv);
        let record = Record::Export { account: 3, approver: 4, manifest: "ab".to_owned() };
        let row = |leaf: u64| vec![Change::put(Namespace::Setting, *b"export/1", leaf.to_string())];
        assert_eq!(register.append_records(&[record.clone(), record.clone()], row).unwrap(), 0);
        assert_eq!(register.append_records(core::slice::from_ref(&record), row).unwrap(), 2);
        let kept = || register.get(Namespace::Setting, b"export/1").unwrap().unwrap().value;
        assert_eq!(kept(), b"2");
        let refused = |leaf: u64| vec![Change::put(Namespace::Setting, Vec::new(), leaf.to_string())];
        assert!(register.append_records(core::slice::from_ref(&record), refused).is_err());
        assert_eq!((kept(), register.audit_root().size), (b"2".to_vec(), 3));
        let rows = register.audit_entries(0, 9).unwrap();
        assert!(rows.iter().all(|row| Record::parse(&row.leaf.body) == Some(record.clone())));
    }
}
