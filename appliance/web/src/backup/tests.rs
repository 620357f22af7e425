//! Files that are cut, changed or made up.

use super::*;
use crate::tests::some_accounts;
use proptest::prelude::*;

fn contents() -> Contents {
    let about = About {
        version: "0.1.0".into(),
        made_utc_ms: 7,
        station: "Station 7".into(),
        origin: "watchbook.station/0011".into(),
        entry: 3,
        plugins: vec![AboutPlugin { id: "motion".into(), version: "1.0.0".into() }],
    };
    let row = |table, key: &[u8], value: &[u8]| BackupRow { table, key: key.to_vec(), value: value.to_vec() };
    let rows = vec![row(BackupTable::Camera, &[0, 0, 0, 1], b"{}"), row(BackupTable::Case, b"8/26", b"{\"a\":1}")];
    Contents { about, rows }
}

fn secret(text: &str) -> Secret {
    Secret::new(text.to_owned())
}

fn on<T>(work: impl AsyncFnOnce(&AccountBook) -> T) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let station = some_accounts();
        work(station.accounts()).await
    })
}

#[test]
fn what_is_sealed_is_opened_with_the_same_passphrase_alone() {
    on(async |accounts| {
        let file = seal(accounts, &secret("a long sentence"), &contents()).await.unwrap();
        assert_eq!(open(accounts, &secret("a long sentence"), &file).await.unwrap(), contents());
        let wrong = open(accounts, &secret("a long sentencE"), &file).await.unwrap_err();
        assert!(wrong.kind == Kind::Denied && wrong.next_step.is_some(), "{wrong:?}");
        assert!(!file.windows(4).any(|four| four == b"8/26"), "nothing of it can be read");
        let again = seal(accounts, &secret("a long sentence"), &contents()).await.unwrap();
        assert_ne!(file[HEAD_BYTES..], again[HEAD_BYTES..], "each file has a key of its own");
    });
}

#[test]
fn each_changed_byte_and_each_cut_is_refused() {
    on(async |accounts| {
        let file = seal(accounts, &secret("a long sentence"), &contents()).await.unwrap();
        for at in 0..file.len() {
            let mut changed = file.clone();
            changed[at] ^= 1;
            // What argon2id takes is a byte of these, too: more than it may is refused before.
            assert!(open(accounts, &secret("a long sentence"), &changed).await.is_err(), "byte {at}");
            assert!(open(accounts, &secret("a long sentence"), &file[..at]).await.is_err(), "cut at {at}");
        }
    });
}

#[test]
fn no_file_makes_argon2id_take_more_than_a_recorder_would() {
    let head = |memory_kib, passes| {
        let head = Head { cost: HashCost { memory_kib, passes }, salt: [0; SALT_BYTES], nonce: [0; NONCE_BYTES] };
        [head.encode(), vec![0; TAG_BYTES]].concat()
    };
    for (memory_kib, passes) in [(u32::MAX, 1), (KDF_KIB_MAX + 1, 1), (64, u32::MAX), (64, 0), (0, 1)] {
        assert!(Head::read(&head(memory_kib, passes)).is_err(), "{memory_kib} KiB, {passes} passes");
    }
    assert!(Head::read(&head(KDF_KIB_MAX, KDF_PASSES_MAX)).is_ok());
    let mut newer = head(64, 1);
    newer[MAGIC.len()] = 2;
    let refused = Head::read(&newer).unwrap_err();
    assert!(refused.message.contains("format 2"), "{refused:?}");
}

proptest! {
    #[test]
    fn made_up_contents_are_read_whole_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..512)) {
        if let Ok(read) = Contents::decode(&bytes) {
            prop_assert_eq!(Contents::decode(&read.encode().unwrap()).unwrap(), read);
        }
    }

    #[test]
    fn altered_contents_are_read_whole_or_refused(at in 0_usize..200, byte: u8, cut in 0_usize..200) {
        let mut bytes = contents().encode().unwrap();
        let at = at % bytes.len();
        bytes[at] = byte;
        bytes.truncate(bytes.len() - cut % bytes.len());
        if let Ok(read) = Contents::decode(&bytes) {
            prop_assert!(read.rows.len() <= 2, "no more rows than there are");
        }
    }

    #[test]
    fn huge_lengths_take_no_memory(len in 512_u32 << 10..) {
        let mut bytes = contents().encode().unwrap();
        bytes[..4].copy_from_slice(&len.to_be_bytes());
        prop_assert!(Contents::decode(&bytes).is_err());
    }
}
