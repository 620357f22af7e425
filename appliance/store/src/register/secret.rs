//! Rows that hold secrets of others, such as the passwords of cameras: they lie in the register encrypted with the master key, bound to their table and key.
//!
//! A sealed value is [`MARK`] ‖ nonce (12) ‖ AES-256-GCM of the value ‖ tag (16). A value that begins otherwise is one from before it was sealed: what is kept here is JSON or
//! begins with the number of a table, and none of these is [`MARK`].

use super::{Change, Namespace, Register};
use crate::error::{Error, Result};
use crate::keys::Keys;
use std::sync::Arc;

/// First byte of a sealed value.
const MARK: u8 = 0xFF;

/// Who seals, and what.
pub(super) struct Sealer {
    keys: Arc<Keys>,
    /// Beginnings of keys, by table.
    rows: &'static [(Namespace, &'static [u8])],
}

impl Sealer {
    fn is_secret(&self, namespace: Namespace, key: &[u8]) -> bool {
        self.rows.iter().any(|(table, prefix)| *table == namespace && key.starts_with(prefix))
    }
}

fn bound(namespace: Namespace, key: &[u8]) -> Vec<u8> {
    [b"watchbook row v1\n", namespace.table().0.as_bytes(), b"\n", key].concat()
}

impl Register {
    /// From now on rows of these tables whose keys begin so are sealed on their way in and opened on their way out; those that lie here unsealed are sealed now. To be called
    /// once, before anybody reads such a row.
    ///
    /// # Errors
    /// `Conflict` at a second call; `Io` when the disk refuses.
    pub fn seal_rows(&self, keys: Arc<Keys>, rows: &'static [(Namespace, &'static [u8])]) -> Result<()> {
        let mut plain = Vec::new();
        for (namespace, prefix) in rows {
            let found = self.scan(*namespace, prefix)?.into_iter().filter(|row| row.value.first() != Some(&MARK));
            plain.extend(found.map(|row| Change::put(*namespace, row.key, row.value)));
        }
        self.sealer
            .set(Sealer { keys, rows })
            .map_err(|_| Error::new(watchbook_base::Kind::Conflict, "the register's rows are sealed already"))?;
        if plain.is_empty() {
            return Ok(());
        }
        self.apply(&plain)
    }

    /// As it is kept.
    pub(super) fn sealed(&self, namespace: Namespace, key: &[u8], value: &[u8]) -> Result<Vec<u8>> {
        match self.sealer.get().filter(|sealer| sealer.is_secret(namespace, key)) {
            Some(sealer) => {
                let sealed = sealer.keys.seal_row(&bound(namespace, key), value)?;
                Ok([&[MARK], &sealed[..]].concat())
            }
            None => Ok(value.to_vec()),
        }
    }

    /// As it was put. What cannot be opened stays as it is: whoever reads it says that it makes no sense, and which row it is.
    pub(super) fn opened(&self, namespace: Namespace, key: &[u8], value: Vec<u8>) -> Vec<u8> {
        let sealer = self.sealer.get().filter(|sealer| sealer.is_secret(namespace, key));
        match (sealer, value.split_first()) {
            (Some(sealer), Some((&MARK, sealed))) => match sealer.keys.open_row(&bound(namespace, key), sealed) {
                Some(plain) => plain,
                None => {
                    tracing::error!(
                        ?namespace,
                        ?key,
                        "a row of the register was changed, or sealed with another master key; put that back"
                    );
                    value
                }
            },
            _ => value,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kv::collect;
    use crate::kv::model::ModelKv;
    use crate::register::REGISTER_TABLES;
    use crate::register::tests::register;
    use crate::tests::harness::Box_;

    const SECRET: &[(Namespace, &[u8])] = &[(Namespace::Camera, b""), (Namespace::Setting, b"kept/")];
    const CANARY: &[u8] = b"a password of a camera";

    fn lies_in(kv: &ModelKv) -> bool {
        REGISTER_TABLES.iter().any(|table| {
            let rows = collect(kv, *table, &crate::kv::Keys::prefix(b"")).unwrap();
            rows.iter().any(|(_, value)| value.windows(CANARY.len()).any(|part| part == CANARY))
        })
    }

    fn value(register: &Register, namespace: Namespace, key: &[u8]) -> Vec<u8> {
        register.get(namespace, key).unwrap().unwrap().value
    }

    #[test]
    fn what_is_secret_is_nowhere_to_be_read_and_comes_back_as_it_was() {
        let kv = ModelKv::new();
        // From before rows were sealed.
        register(&kv).apply(&[Change::put(Namespace::Camera, *b"old", CANARY)]).unwrap();
        assert!(lies_in(&kv), "what this test looks for is found where it lies open");
        let keys = Box_::new(1).keys().unwrap();
        let open = || {
            let register = register(&kv);
            register.seal_rows(Arc::clone(&keys), SECRET).unwrap();
            register
        };
        let sealed = open();
        assert!(!lies_in(&kv), "it is sealed at the first start");
        sealed
            .apply(&[
                Change::put(Namespace::Camera, *b"new", CANARY),
                Change::put(Namespace::Setting, *b"kept/1", CANARY),
            ])
            .unwrap();
        assert!(!lies_in(&kv));
        for register in [sealed, open()] {
            assert_eq!(value(&register, Namespace::Camera, b"old"), CANARY);
            assert_eq!(value(&register, Namespace::Setting, b"kept/1"), CANARY);
            let rows = register.scan(Namespace::Camera, b"").unwrap();
            assert_eq!(
                rows.iter().map(|row| (&row.key[..], &row.value[..])).collect::<Vec<_>>(),
                [(&b"new"[..], CANARY), (b"old", CANARY)]
            );
            assert_eq!(register.seal_rows(Arc::clone(&keys), SECRET).unwrap_err().kind, watchbook_base::Kind::Conflict);
        }
        // What is no secret is left alone.
        open().apply(&[Change::put(Namespace::Setting, *b"other", CANARY)]).unwrap();
        assert!(lies_in(&kv));
    }

    #[test]
    fn a_row_opens_in_its_own_place_and_with_its_own_master_key_alone() {
        let (kv, keys) = (ModelKv::new(), Box_::new(1).keys().unwrap());
        let first = register(&kv);
        first.seal_rows(Arc::clone(&keys), SECRET).unwrap();
        first.apply(&[Change::put(Namespace::Camera, *b"a", CANARY)]).unwrap();
        let other = register(&kv);
        other.seal_rows(Box_::new(2).keys().unwrap(), SECRET).unwrap();
        let kept = value(&other, Namespace::Camera, b"a");
        assert!(kept[0] == MARK && kept != CANARY, "it is there still, for the right key");
        // Somebody moves the row of one camera to another.
        let plain = register(&kv);
        plain.apply(&[Change::put(Namespace::Camera, *b"b", value(&plain, Namespace::Camera, b"a"))]).unwrap();
        let again = register(&kv);
        again.seal_rows(keys, SECRET).unwrap();
        assert_eq!(value(&again, Namespace::Camera, b"a"), CANARY);
        assert_ne!(value(&again, Namespace::Camera, b"b"), CANARY);
    }
}
