//! Small keyed state of one plugin on one camera, for analysers whose manifest has the capability `store`. It outlives a trap of the instance. Outside of
//! WebAssembly it lives as long as the thread, so that each test has its own.

/// What was last set under `key`; `None` when nothing was, or the key has 0 or more than 128 bytes. Costs a copy of the value.
#[must_use]
pub fn get(key: &str) -> Option<Vec<u8>> {
    #[cfg(target_arch = "wasm32")]
    return crate::guest::get(key);
    #[cfg(not(target_arch = "wasm32"))]
    native::get(key)
}

/// Sets `key` (1 to 128 bytes); an empty value removes it.
///
/// # Errors
/// A sentence, and nothing is changed, when all keys and values together would exceed the manifest's `store_kib` or 1,024 keys. Outside of WebAssembly the
/// quota is 1 MiB.
pub fn set(key: &str, value: &[u8]) -> Result<(), String> {
    #[cfg(target_arch = "wasm32")]
    return crate::guest::set(key, value);
    #[cfg(not(target_arch = "wasm32"))]
    native::set(key, value)
}

#[cfg(not(target_arch = "wasm32"))]
mod native {
    use std::cell::RefCell;
    use std::collections::HashMap;

    const KEY_BYTES_MAX: usize = 128;
    const KEYS_MAX: usize = 1024;
    const QUOTA_BYTES: usize = 1 << 20;

    thread_local! {
        static VALUES: RefCell<HashMap<String, Vec<u8>>> = RefCell::default();
    }

    pub(super) fn get(key: &str) -> Option<Vec<u8>> {
        VALUES.with_borrow(|values| values.get(key).cloned())
    }

    pub(super) fn set(key: &str, value: &[u8]) -> Result<(), String> {
        if key.is_empty() || key.len() > KEY_BYTES_MAX {
            return Err(format!("a key of {} bytes; 1 to {KEY_BYTES_MAX} are allowed", key.len()));
        }
        VALUES.with_borrow_mut(|values| {
            if value.is_empty() {
                values.remove(key);
                return Ok(());
            }
            let others = values.iter().filter(|(name, _)| *name != key);
            let (count, bytes) =
                others.fold((0, 0), |(count, bytes), (name, value)| (count + 1, bytes + name.len() + value.len()));
            let total = bytes + key.len() + value.len();
            if total > QUOTA_BYTES || count >= KEYS_MAX {
                return Err(format!("{total} bytes in {} keys; {QUOTA_BYTES} in {KEYS_MAX} are allowed", count + 1));
            }
            values.insert(key.to_owned(), value.to_vec());
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_kept_replaced_and_removed() {
        assert_eq!(get("a"), None);
        set("a", b"1").unwrap();
        set("a", b"2").unwrap();
        assert_eq!(get("a"), Some(b"2".to_vec()));
        set("a", b"").unwrap();
        assert_eq!(get("a"), None);
        assert!(set("", b"1").is_err());
        assert!(set("big", &vec![0; 1 << 20]).is_err());
    }
}
