//! What must hold for any bytes that are given as a backup; called by [`crate::fuzz_body::backup`].

use super::{BACKUP_BYTES_MAX, Contents, HEAD_BYTES, Head, KDF_KIB_MAX, KDF_PASSES_MAX, texts_before};

/// `data` as a whole file, as what is behind its seal, and as a request that carries one.
pub(crate) fn backup_file(data: &[u8]) {
    if let Ok((head, bound, sealed)) = Head::read(data) {
        assert!(head.cost.memory_kib <= KDF_KIB_MAX && head.cost.passes <= KDF_PASSES_MAX);
        assert_eq!((head.encode().as_slice(), bound.len() + sealed.len()), (bound, data.len()));
        assert_eq!(bound.len(), HEAD_BYTES);
    }
    if let Ok(contents) = Contents::decode(data) {
        let written = contents.encode().expect("what was read fits");
        assert!(written.len() <= BACKUP_BYTES_MAX || data.len() > BACKUP_BYTES_MAX);
        assert_eq!(Contents::decode(&written).ok(), Some(contents));
    }
    if let Ok((texts, rest)) = texts_before::<2>(data) {
        let text_bytes: usize = texts.iter().map(|text| text.reveal().len()).sum();
        assert_eq!(4 + text_bytes + rest.len(), data.len());
    }
}
