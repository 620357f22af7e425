//! What must hold for any bytes that claim to be a plugin's package. Each body is run here on seeded inputs and in `tests/fuzz` by libFuzzer; it panics when
//! a promise is broken.

use serde::Serialize;
use serde::de::DeserializeOwned;
use watchbook_analysis::encoder::message::FromEncoder;
use watchbook_analysis::message::{FromDecoder, decode, encode};
use watchbook_plugin_host::component::Ports;
use watchbook_plugin_host::message::{FrameHead, FromPlugins};
use watchbook_plugin_host::wbp::{self, Files, PACKAGE_BYTES_MAX, UNPACKED_BYTES_MAX};
use watchbook_plugin_host::{Manifest, asks, diff};

/// A zstd frame whose blocks hold `data` as it is (RFC 8878 §3.1.1: window of 1 KiB to 8 MiB, blocks of type 0), so that a search need not learn to compress.
pub fn raw_frame(data: &[u8]) -> Vec<u8> {
    const BLOCK: usize = 64 << 10;
    // Descriptor 0: no content size, no checksum, no dictionary. Window descriptor 0x50: 2^20 bytes.
    let mut frame = vec![0x28, 0xB5, 0x2F, 0xFD, 0x00, 0x50];
    let mut rest = data;
    loop {
        let (block, after) = rest.split_at(rest.len().min(BLOCK));
        let header = (block.len() as u32) << 3 | u32::from(after.is_empty());
        frame.extend_from_slice(&header.to_le_bytes()[..3]);
        frame.extend_from_slice(block);
        if after.is_empty() {
            return frame;
        }
        rest = after;
    }
}

/// The bytes of a package.
pub fn package(data: &[u8]) {
    let sealed = wbp::split(data);
    if let Ok(sealed) = &sealed {
        assert!(data.starts_with(sealed.body()), "what is signed is the start of the file");
        assert_eq!(sealed.signature().is_none(), sealed.body().len() == data.len(), "nothing lies about unsigned");
    }
    let Ok(opened) = wbp::open(data) else { return };
    assert!(sealed.is_ok() && data.len() <= PACKAGE_BYTES_MAX);
    let mut files: Files = opened.files.clone();
    files.insert("plugin.wasm".to_owned(), opened.package.component.clone());
    assert!(files.values().map(Vec::len).sum::<usize>() <= UNPACKED_BYTES_MAX);
    let again = wbp::open(&wbp::pack(&files).expect("what was read can be written")).expect("and read again");
    assert_eq!((again.files, again.package.component), (opened.files, opened.package.component));
}

/// The tar in a package.
pub fn package_tar(data: &[u8]) {
    package(&raw_frame(data));
}

/// A manifest. What is read is written and read again as the same.
pub fn manifest(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    let Ok(manifest) = Manifest::parse(text) else { return };
    assert!(!asks(&manifest).is_empty() && diff(&manifest, &manifest).is_empty());
    assert!(manifest.semantic_version().is_ok());
}

/// A component's bytes.
pub fn component(data: &[u8]) {
    if let Ok(ports) = Ports::of(data) {
        assert!(ports.imports.len() + ports.exports.len() <= data.len());
    }
}

/// What a child program says to the recorder. A child that was taken over says anything; what is read is written and read again.
pub fn child_message(data: &[u8]) {
    fn read<T: DeserializeOwned + Serialize>(data: &[u8]) {
        let Ok(message) = decode::<T>(data) else { return };
        let written = encode(&message).expect("what was read can be written");
        assert!(written.len() <= data.len(), "one spelling, and numbers in no more bytes than they need");
        let again = decode::<T>(&written).expect("and read again");
        assert_eq!(encode(&again).ok(), Some(written));
    }
    read::<FromDecoder>(data);
    read::<FromEncoder>(data);
    read::<FromPlugins>(data);
    read::<FrameHead>(data);
}
