//! Signed packages of plugins that mean harm, and of one that does not.

use crate::author::call;
use crate::fixtures;
use std::path::{Path, PathBuf};
use watchbook_plugin_cli::keys;

/// Looks at every frame and gives one mark at every fifth, so that none is over what a minute may have.
const ORDERLY: &str = "
    (call $luma (local.get $frame) (i32.const 2100))
    (if (i32.ne (i32.load (i32.const 2104)) (i32.const 512)) (then unreachable))
    (global.set $top (i32.const 65536))
    (call $drop (local.get $frame))
    (if (i64.ne (i64.rem_u (i64.load (i32.const 2056)) (i64.const 5)) (i64.const 0)) (then (return (i32.const 1400))))
    (i64.store (i32.const 4112) (i64.load (i32.const 2064)))
    (i32.const 1500)";
/// Asks for memory until it is refused, and writes on all that it got.
const BOMB: &str = "
    (loop $again
      (drop (memory.grow (i32.const 16)))
      (memory.fill (i32.const 65536) (i32.const 1) (i32.sub (i32.mul (memory.size) (i32.const 65536)) (i32.const 65536)))
      (br $again))
    unreachable";
/// 64 marks at every frame, each as it should be: copies of the one mark, which has 72 bytes.
const EVENTS: &str = "
    (i64.store (i32.const 4112) (i64.load (i32.const 2064)))
    (loop $again
      (memory.copy
        (i32.add (i32.const 8192) (i32.mul (local.get $i) (i32.const 72))) (i32.const 4096) (i32.const 72))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $again (i32.lt_u (local.get $i) (i32.const 64))))
    (i32.store (i32.const 1528) (i32.const 64))
    (global.set $top (i32.const 65536))
    (call $drop (local.get $frame))
    (i32.const 1520)";
/// Twenty lines of 32 KiB at every frame.
const LINES: &str = "
    (memory.fill (i32.const 65536) (i32.const 65) (i32.const 32768))
    (loop $again
      (call $log (i32.const 3) (i32.const 65536) (i32.const 32768))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $again (i32.lt_u (local.get $i) (i32.const 20))))
    (global.set $top (i32.const 65536))
    (call $drop (local.get $frame))
    (i32.const 1400)";
/// A line that is no UTF-8.
const LINE_GARBLED: &str = "
    (i32.store8 (i32.const 1704) (i32.const 255))
    (call $log (i32.const 3) (i32.const 1704) (i32.const 18))
    unreachable";
/// Reads the plane, and on behind it until there is nothing more.
const PAST_THE_PLANE: &str = "
    (call $luma (local.get $frame) (i32.const 2100))
    (local.set $i (i32.load (i32.const 2100)))
    (loop $again
      (drop (i32.load8_u (local.get $i)))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br $again))
    unreachable";

/// What a plugin does at each frame, and what the page says of it.
pub struct Deed {
    /// Last word of its id.
    pub name: &'static str,
    /// Body of `on-frame`.
    pub frame: &'static str,
    /// Part of the sentence on its card.
    pub told: &'static str,
    /// It is stopped and set aside; else what is too much of it is left out, and it goes on.
    pub stopped: bool,
}

/// Every deed.
pub const DEEDS: [Deed; 10] = [
    Deed { name: "loops", frame: fixtures::LOOP, told: "its 100 ms", stopped: true },
    Deed { name: "bomb", frame: BOMB, told: "its limit is 8388608 bytes", stopped: true },
    Deed { name: "recursion", frame: fixtures::RECURSION, told: "call stack exhausted", stopped: true },
    Deed { name: "marks", frame: fixtures::FLOOD, told: "65 marks", stopped: true },
    Deed { name: "events", frame: EVENTS, told: "more than 120 events a minute", stopped: false },
    Deed { name: "lines", frame: LINES, told: "lines of its log", stopped: false },
    Deed { name: "garbled", frame: fixtures::MARK_GARBLED, told: "utf-8", stopped: true },
    Deed { name: "garbled-line", frame: LINE_GARBLED, told: "utf-8", stopped: true },
    Deed { name: "past", frame: PAST_THE_PLANE, told: "out of bounds memory access", stopped: true },
    Deed { name: "keeps", frame: fixtures::KEEPS, told: "borrow", stopped: true },
];

/// The publisher's folder, with its keys.
pub struct Publisher {
    dir: PathBuf,
}

impl Publisher {
    /// Makes the keys with the author's tool.
    pub fn new(dir: &Path) -> Self {
        let dir = dir.join("publisher");
        std::fs::create_dir(&dir).expect("the temporary directory takes a folder");
        let publisher = Self { dir };
        publisher.tool(&["keygen", "lab", "--no-password"]);
        publisher
    }

    fn tool(&self, words: &[&str]) {
        let (output, said) = call(&self.dir, words);
        assert!(output.status.success(), "{words:?}: {said}");
    }

    /// The public key.
    pub fn public_key(&self) -> String {
        std::fs::read_to_string(self.dir.join("lab.pub")).expect("keygen wrote it")
    }

    /// What people compare.
    pub fn key_id(&self) -> String {
        let package = self.package("first", fixtures::STEADY);
        let file = self.dir.join("first.wbp");
        assert!(!package.is_empty());
        let (_, said) = call(&self.dir, &["inspect", file.to_str().expect("the path is UTF-8"), "--json"]);
        let inspected: serde_json::Value =
            serde_json::from_str(&said).unwrap_or_else(|error| panic!("{error}: {said}"));
        inspected["signature"]["key_id"].as_str().unwrap_or_else(|| panic!("no key: {said}")).to_owned()
    }

    /// The folder of a plugin, as its author has it.
    fn folder(&self, name: &str, component: &[u8]) -> PathBuf {
        fixtures::install(&self.dir, name, component);
        let folder = self.dir.join(name);
        let texts = [("LICENSE", "Apache-2.0"), ("README.md", "# A fixture"), ("sbom.cdx.json", "{}")];
        for (file, text) in texts {
            std::fs::write(folder.join(file), text).expect("the folder takes a file");
        }
        folder
    }

    /// A package as the author's tool packs and signs it.
    pub fn package(&self, name: &str, frame: &str) -> Vec<u8> {
        self.folder(name, &fixtures::component(name, fixtures::OK, frame));
        self.packed(name)
    }

    fn packed(&self, name: &str) -> Vec<u8> {
        let file = format!("{name}.wbp");
        self.tool(&["pack", name, "-o", &file]);
        self.tool(&["sign", &file, "--key", "lab.key"]);
        std::fs::read(self.dir.join(file)).expect("the tool wrote it")
    }

    /// The orderly plugin in the version `1.0.<patch>`.
    pub fn orderly(&self, patch: u32) -> Vec<u8> {
        let name = "orderly";
        drop(std::fs::remove_dir_all(self.dir.join(name)));
        let text = fixtures::module(name, fixtures::OK, ORDERLY).replacen("1.0.00.1", &format!("1.0.{patch}0.1"), 1);
        let folder = self.folder(name, &fixtures::built(&text, "analytics-plugin"));
        let manifest = std::fs::read_to_string(folder.join("plugin.toml")).expect("it was written above");
        let manifest = manifest.replacen("1.0.0", &format!("1.0.{patch}"), 1);
        std::fs::write(folder.join("plugin.toml"), manifest).expect("the folder takes a file");
        self.packed(name)
    }

    /// A package that the author's tool would not pack: made by hand to the letter of `sdk/PACKAGE.md`, with this manifest changed by `change`, and signed.
    pub fn forged(&self, name: &str, component: &[u8], change: impl Fn(String) -> String) -> Vec<u8> {
        let body = self.by_hand(name, component, change);
        let secret = std::fs::read_to_string(self.dir.join("lab.key")).expect("keygen wrote it");
        keys::sign(&body, &secret, || Err("the key has no password".to_owned()), "forged").expect("it can be signed").0
    }

    /// The same without a signature.
    pub fn by_hand(&self, name: &str, component: &[u8], change: impl Fn(String) -> String) -> Vec<u8> {
        let folder = self.folder(name, component);
        let read = |file: &str| std::fs::read(folder.join(file)).expect("it was written above");
        let manifest = String::from_utf8(read("plugin.toml")).expect("a manifest is text");
        std::fs::write(folder.join("plugin.toml"), change(manifest)).expect("the folder takes a file");
        let names = ["LICENSE", "README.md", "plugin.toml", "plugin.wasm", "sbom.cdx.json"];
        let output = std::process::Command::new("sha256sum").args(names).current_dir(&folder).output();
        let sums = output.expect("coreutils are there").stdout;
        let mut files: Vec<(&str, Vec<u8>)> = names.map(|file| (file, read(file))).to_vec();
        files.insert(2, ("SHA256SUMS", sums));
        stored(&tar(&files))
    }
}

/// A tar in the form of `sdk/PACKAGE.md`: POSIX ustar, mode 0644, owner 0, time 0.
fn tar(files: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let mut tar = Vec::new();
    for (name, content) in files {
        let mut block = [0_u8; 512];
        let size = format!("{:011o}\0", content.len());
        let fields: [(usize, &[u8]); 10] = [
            (0, name.as_bytes()),
            (100, b"0000644\0"),
            (108, b"0000000\0"),
            (116, b"0000000\0"),
            (124, size.as_bytes()),
            (136, b"00000000000\0"),
            (148, b"        "),
            (156, b"0"),
            (257, b"ustar\x0000"),
            (329, b"0000000\x000000000\0"),
        ];
        for (at, bytes) in fields {
            block[at..at + bytes.len()].copy_from_slice(bytes);
        }
        let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
        block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        tar.extend_from_slice(&block);
        tar.extend_from_slice(content);
        tar.resize(tar.len().next_multiple_of(512), 0);
    }
    tar.resize(tar.len() + 1024, 0);
    tar
}

/// A zstd frame that holds the bytes as they are (RFC 8878 §3.1.1): one segment, its size in four bytes, raw blocks.
fn stored(bytes: &[u8]) -> Vec<u8> {
    let size = u32::try_from(bytes.len()).expect("a fixture is small");
    let mut frame = [&[0x28, 0xB5, 0x2F, 0xFD, 0xA0], &size.to_le_bytes()[..]].concat();
    let blocks = bytes.chunks(64 << 10);
    let last = blocks.len() - 1;
    for (index, block) in blocks.enumerate() {
        let header = u32::try_from(block.len()).expect("64 KiB") << 3 | u32::from(index == last);
        frame.extend_from_slice(&header.to_le_bytes()[..3]);
        frame.extend_from_slice(block);
    }
    frame
}

/// The signature of a package: the skippable frame at its end.
pub fn signature_of(package: &[u8]) -> &[u8] {
    let magic = 0x184D_2A57_u32.to_le_bytes();
    let at = package.windows(4).rposition(|bytes| bytes == magic).expect("it is signed");
    &package[at..]
}
