//! Packages as they should be, and as somebody who means harm makes them.

use super::*;
use crate::manifest::tests::EXAMPLE;
use proptest::prelude::*;

/// The shortest component: magic, version 13, layer 1, and nothing in it.
pub(crate) const COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0";

/// A component of its own for each `note` of less than 100 bytes: a custom section without a name holds it.
pub(crate) fn component(note: &str) -> Vec<u8> {
    let size = u8::try_from(note.len() + 1).unwrap();
    [COMPONENT, &[0, size, 0], note.as_bytes()].concat()
}

/// The files of a small package, without `SHA256SUMS`.
pub(crate) fn files_of(manifest: &str) -> Files {
    let text = |text: &str| text.as_bytes().to_vec();
    [
        ("plugin.toml", text(manifest)),
        ("plugin.wasm", COMPONENT.to_vec()),
        ("LICENSE", text("Apache-2.0")),
        ("README.md", text("# Counter")),
        ("sbom.cdx.json", text(r#"{"bomFormat":"CycloneDX","specVersion":"1.5"}"#)),
    ]
    .map(|(name, content)| (name.to_owned(), content))
    .into()
}

/// A key pair, and the publisher that it makes.
pub(crate) fn key(name: &str) -> (minisign::KeyPair, PublisherKey) {
    let pair = minisign::KeyPair::generate_unencrypted_keypair().unwrap();
    let publisher = PublisherKey::new(name, &pair.pk.to_box().unwrap().to_string()).unwrap();
    (pair, publisher)
}

/// `package` with a signature of `pair`.
pub(crate) fn signed(package: &[u8], pair: &minisign::KeyPair) -> Vec<u8> {
    let body = split(package).unwrap().body();
    let signature = minisign::sign(Some(&pair.pk), &pair.sk, body, Some("for a test"), None).unwrap();
    attach(package, &signature.to_string()).unwrap()
}

/// Compresses a tar as it is, whatever is in it.
fn compressed(tar: &[u8]) -> Vec<u8> {
    zstd::stream::encode_all(tar, 3).unwrap()
}

/// The tar in a package.
fn tar_of(package: &[u8]) -> Vec<u8> {
    zstd::stream::decode_all(split(package).unwrap().body()).unwrap()
}

fn refusal(package: &[u8]) -> String {
    let error = open(package).unwrap_err();
    assert_eq!(error.kind(), Kind::InvalidInput, "{error}");
    error.to_string()
}

/// A package whose tar was changed by `change` and whose checksums of headers are right again.
fn changed(change: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut tar = tar_of(&pack(&files_of(EXAMPLE)).unwrap());
    change(&mut tar);
    compressed(&tar)
}

/// Puts `bytes` at `at` of the first header, which is that of LICENSE, and the right checksum.
fn in_header(at: usize, bytes: &[u8]) -> Vec<u8> {
    changed(|tar| {
        tar[at..at + bytes.len()].copy_from_slice(bytes);
        tar[148..156].copy_from_slice(b"        ");
        let sum: u32 = tar[..512].iter().map(|byte| u32::from(*byte)).sum();
        tar[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    })
}

#[test]
fn what_was_packed_comes_out_again() {
    let files = files_of(EXAMPLE);
    let package = pack(&files).unwrap();
    assert_eq!(package, pack(&files).unwrap(), "the same files give the same bytes");
    let opened = open(&package).unwrap();
    assert_eq!(opened.package.manifest.id, "org.example.counter");
    assert_eq!(opened.package.component, COMPONENT);
    assert_eq!(opened.files["README.md"], b"# Counter");
    assert_eq!(opened.package_sha256, sha256_hex(&package));
    assert_eq!(opened.signature, None);
    assert_eq!(split(&package).unwrap().verify(&[]).unwrap_err().kind(), Kind::Denied);
}

#[test]
fn a_signature_is_of_one_key_and_of_all_bytes() {
    let (pair, publisher) = key("Example");
    let (other_pair, other) = key("Other");
    let package = pack(&files_of(EXAMPLE)).unwrap();
    let package = signed(&package, &pair);
    let keys = [other.clone(), publisher.clone()];
    assert_eq!(split(&package).unwrap().verify(&keys).unwrap(), &publisher);
    let opened = open(&package).unwrap();
    let signature = opened.signature.unwrap();
    assert_eq!((signature.key_id.as_str(), signature.comment.as_str()), (publisher.key_id(), "for a test"));
    let unknown = split(&package).unwrap().verify(&keys[..1]).unwrap_err();
    assert_eq!(unknown.kind(), Kind::Denied);
    assert!(unknown.to_string().contains(publisher.key_id()), "{unknown}");
    // A second signature takes the place of the first.
    let again = signed(&package, &other_pair);
    assert_eq!(split(&again).unwrap().verify(&keys).unwrap(), &other);
}

#[test]
fn a_changed_byte_of_what_is_signed_or_of_the_signature_is_found() {
    let (pair, publisher) = key("Example");
    let package = signed(&pack(&files_of(EXAMPLE)).unwrap(), &pair);
    let keys = [publisher];
    let judged = |package: &[u8]| split(package).and_then(|sealed| sealed.verify(&keys).cloned());
    assert!(judged(&package).is_ok());
    let untrusted = untrusted_comment(&package);
    let mut found = 0;
    for at in (0..package.len()).filter(|at| !untrusted.contains(at)) {
        let mut tampered = package.clone();
        tampered[at] ^= 1;
        assert!(judged(&tampered).is_err(), "byte {at} of {} was changed", package.len());
        found += 1;
    }
    assert!(found > 400, "{found}");
    // The component of another package under the signature of this one.
    let mut files = files_of(EXAMPLE);
    files.insert("plugin.wasm".to_owned(), component("other"));
    let swapped = attach(&pack(&files).unwrap(), &split(&package).unwrap().signature().unwrap().text).unwrap();
    assert_eq!(judged(&swapped).unwrap_err().kind(), Kind::Corrupt);
    // A key that claims the key id of another one.
    let (_, impostor) = key("Impostor");
    let mut line = impostor.public_key().to_owned();
    line.replace_range(..13, &keys[0].public_key()[..13]);
    if let Ok(impostor) = PublisherKey::new("Impostor", &line) {
        assert!(split(&package).unwrap().verify(&[impostor]).is_err());
    }
}

/// Where the comment lies that minisign does not sign: the first line of the signature.
fn untrusted_comment(package: &[u8]) -> std::ops::Range<usize> {
    let signature = split(package).unwrap().signature().unwrap().text.clone();
    let start = package.len() - signature.len();
    start..start + signature.find('\n').unwrap()
}

#[test]
fn names_that_are_no_files_of_a_package_are_refused() {
    let hostile: [&[u8]; 8] = [
        b"../LICENSE\0",
        b"/etc/passwd\0",
        b"models/../../x\0",
        b"models/.hidden\0",
        b"models/a/b\0",
        b"LICENSE/\0",
        b"license\0",
        b"models/\xff\0",
    ];
    for name in hostile {
        let refused = refusal(&in_header(0, name));
        assert!(refused.contains("no file of a package") || refused.contains("UTF-8"), "{refused}");
    }
}

#[test]
fn a_header_in_any_other_form_is_refused() {
    let types: [&[u8]; 9] = [b"1", b"2", b"3", b"4", b"5", b"6", b"S", b"x", b"\0"];
    for kind in types {
        assert!(refusal(&in_header(156, kind)).contains("not in the form"));
    }
    for (at, bytes) in [
        (100, b"0000755\0".as_slice()),
        (108, b"0000001\0"),
        (136, b"00000000001\0"),
        // GNU's binary size, and a size with a blank.
        (124, b"\x80\0\0\0\0\0\0\0\0\0\0\x0a"),
        (124, b"         12\0"),
        (157, b"/etc/passwd"),
        (257, b"ustar  \0"),
        (265, b"root"),
        (345, b"../.."),
        (500, b"x"),
    ] {
        assert!(refusal(&in_header(at, bytes)).contains("not in the form"), "offset {at}");
    }
    // The right fields under a wrong checksum.
    assert!(refusal(&changed(|tar| tar[150] ^= 1)).contains("not in the form"));
}

#[test]
fn entries_twice_reordered_cut_off_or_followed_by_something_are_refused() {
    let one = |tar: &[u8]| tar[..1024].to_vec();
    assert!(refusal(&changed(|tar| *tar = [one(tar), tar.clone()].concat())).contains("twice"));
    assert!(refusal(&changed(|tar| *tar = [&tar[1024..2048], &one(tar), &tar[2048..]].concat())).contains("order"));
    assert!(refusal(&changed(|tar| tar.truncate(tar.len() - 512))).contains("ends early"));
    assert!(refusal(&changed(|tar| tar.truncate(700))).contains("ends early"));
    assert!(refusal(&changed(|tar| tar.push(0))).contains("follows the end"));
    assert!(refusal(&changed(|tar| *tar.last_mut().unwrap() = 1)).contains("followed"));
    assert!(refusal(&changed(|tar| tar[1023] = 1)).contains("zeros"));
    assert!(refusal(&changed(|tar| *tar = tar[1024..].to_vec())).contains("LICENSE is missing"));
}

#[test]
fn frames_twice_cut_off_or_followed_by_something_are_refused() {
    let (pair, _) = key("Example");
    let unsigned = pack(&files_of(EXAMPLE)).unwrap();
    let whole = signed(&unsigned, &pair);
    let signature = whole[unsigned.len()..].to_vec();
    let made = |parts: &[&[u8]]| refusal(&parts.concat());
    assert!(made(&[&whole, &signature]).contains("follows its signature"));
    assert!(made(&[&whole, b"x"]).contains("follows its signature"));
    assert!(made(&[&unsigned, &unsigned]).contains("no signature"));
    assert!(made(&[&signature, &unsigned]).contains("does not begin"));
    assert!(made(&[&unsigned, b"x"]).contains("no signature"));
    assert!(made(&[&unsigned, &frame::skippable_of(&[b'x'; SIGNATURE_BYTES_MAX + 1])]).contains("at most 2048"));
    assert!(made(&[&unsigned, &frame::skippable_of(b"not a signature\n")]).contains("no minisign signature"));
    for length in 0..whole.len() {
        if length != unsigned.len() {
            refusal(&whole[..length]);
        }
    }
    assert!(refusal(&vec![0; PACKAGE_BYTES_MAX + 1]).contains("at most 16777216"));
}

#[test]
fn a_bomb_in_a_package_of_a_kilobyte_is_refused() {
    let mut tar = tar_of(&pack(&files_of(EXAMPLE)).unwrap());
    tar.resize(100 << 20, 0);
    let bomb = compressed(&tar);
    assert!(bomb.len() < 32 << 10, "{}", bomb.len());
    assert!(refusal(&bomb).contains("follows the end"));
    // A window larger than is allowed.
    let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 3).unwrap();
    encoder.window_log(WINDOW_LOG_MAX + 1).unwrap();
    encoder.write_all(&tar).unwrap();
    assert!(refusal(&encoder.finish().unwrap()).contains("decompressing"));
}

#[test]
fn files_that_do_not_fit_together_are_refused() {
    let with = |name: &str, content: &[u8]| {
        let mut files = files_of(EXAMPLE);
        files.insert(name.to_owned(), content.to_vec());
        pack(&files).map(|_| ()).unwrap_err().to_string()
    };
    assert!(with("plugin.wasm", b"\0asm\x01\0\0\0").contains("no WebAssembly component"));
    assert!(with("plugin.toml", b"id = 1").contains("plugin.toml"));
    assert!(with("README.md", b"").contains("README.md is empty"));
    assert!(with("LICENSE", b"\xff").contains("LICENSE is not UTF-8"));
    assert!(with("sbom.cdx.json", b"{").contains("not JSON"));
    assert!(with("models/a.onnx", b"x").contains("does not say what the model models/a.onnx is for"));
    assert!(with("notes.txt", b"x").contains("notes.txt"));
    let mut files = files_of(EXAMPLE);
    files.remove("LICENSE");
    assert!(pack(&files).unwrap_err().to_string().contains("LICENSE is missing"));
    // A component that SHA256SUMS does not know, in a tar that is otherwise right.
    let mut files = files_of(EXAMPLE);
    files.insert(files::SUMS.to_owned(), files::sums(&files).into_bytes());
    files.insert("plugin.wasm".to_owned(), component("other"));
    let refused = refusal(&compressed(&tar::write(&files).unwrap()));
    assert!(refused.contains("SHA256SUMS does not list plugin.wasm"), "{refused}");
}

#[test]
fn a_model_is_the_one_that_the_manifest_names() {
    // FIPS 180-2 appendix B.1: SHA-256 of "abc".
    let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    let asking = EXAMPLE.replacen("\"log\"", "\"log\", \"inference\"", 1);
    let model = format!(
        "{asking}\n[[models]]\nfile = \"models/cars.onnx\"\nsha256 = \"{abc}\"\npurpose = \"object-detection\"\nclasses = [\"car\"]\ndata_sheet = \"Own clips.\"\n"
    );
    let mut files = files_of(&model);
    assert!(pack(&files).unwrap_err().to_string().contains("models/cars.onnx of plugin.toml is missing"));
    files.insert("models/cars.onnx".to_owned(), b"abd".to_vec());
    assert!(pack(&files).unwrap_err().to_string().contains("does not have the SHA-256"));
    files.insert("models/cars.onnx".to_owned(), b"abc".to_vec());
    let opened = open(&pack(&files).unwrap()).unwrap();
    assert_eq!(
        (opened.files["models/cars.onnx"].as_slice(), opened.package.models.bytes.as_slice()),
        (&b"abc"[..], &b"abc"[..])
    );
    assert_eq!(opened.package.models.parts[0].classes, ["car"]);
}

#[test]
fn a_key_is_named_as_minisign_names_it() {
    // The public key and signature in the documentation of minisign and of minisign-verify; the key id is what `minisign -V` prints for it.
    let line = "RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3";
    let publisher = PublisherKey::new(" Frank ", &format!("untrusted comment: x\n{line}\n")).unwrap();
    assert_eq!((publisher.name(), publisher.key_id()), ("Frank", "E7620F1842B4E81F"));
    let text = "untrusted comment: signature from minisign secret key\n\
        RUQf6LRCGA9i559r3g7V1qNyJDApGip8MfqcadIgT9CuhV3EMhHoN1mGTkUidF/z7SrlQgXdy8ofjb7bNJJylDOocrCo8KLzZwo=\n\
        trusted comment: timestamp:1633700835\tfile:test\tprehashed\n\
        wLMDjy9FLAuxZ3q4NlEvkgtyhrr0gtTu6KC4KBJdITbbOeAi1zBIYo0v4iTgt8jJpIidRJnp94ABQkJAgAooBQ==\n";
    let signature = Signature::read(text.as_bytes()).unwrap();
    assert_eq!(signature.key_id, publisher.key_id());
    assert!(publisher.verifies(b"test", &signature));
    assert!(!publisher.verifies(b"Test", &signature));
    for wrong in ["", "RWQ", &line.replace('R', "A"), &format!("{line}A")] {
        assert!(PublisherKey::new("Frank", wrong).is_err(), "{wrong}");
    }
    assert!(PublisherKey::new("\n", line).is_err());
}

#[test]
fn zstd_and_a_common_tar_read_a_signed_package() {
    // Frames of a kind that they do not know are skipped by all readers of zstd (RFC 8878 §3.1.2), so the signature is in nobody's way.
    let (pair, _) = key("Example");
    let package = signed(&pack(&files_of(EXAMPLE)).unwrap(), &pair);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("counter.wbp");
    std::fs::write(&file, &package).unwrap();
    let run = |program: &str, arguments: &[&str]| {
        let output = std::process::Command::new(program).args(arguments).current_dir(folder.path()).output();
        let output = output.unwrap_or_else(|error| panic!("{program}: {error}; .ci/setup installs it"));
        assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    };
    run("tar", &["--zstd", "-xf", "counter.wbp"]);
    run("sha256sum", &["--check", "--strict", "SHA256SUMS"]);
    assert_eq!(run("zstd", &["-dc", "--quiet", "counter.wbp"]), tar_of(&package));
    // GNU tar writes the same bytes when it is asked for the same form.
    let names: Vec<String> = files_of(EXAMPLE).into_keys().chain([files::SUMS.to_owned()]).collect();
    for name in &names {
        run("chmod", &["0644", name]);
    }
    let mut arguments = vec![
        "--format=ustar",
        "--blocking-factor=1",
        "--sort=name",
        "--mtime=@0",
        "--owner=0",
        "--group=0",
        "--numeric-owner",
        "-cf",
        "-",
    ];
    let mut sorted: Vec<&str> = names.iter().map(String::as_str).collect();
    sorted.sort_unstable();
    arguments.extend(sorted);
    assert_eq!(run("tar", &arguments), tar_of(&package));
}

proptest! {
    #[test]
    fn any_bytes_are_a_refusal_and_never_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..2048)) {
        prop_assert!(open(&bytes).is_err());
        let frame = [&0xFD2F_B528_u32.to_le_bytes(), bytes.as_slice()].concat();
        prop_assert!(open(&frame).is_err());
        prop_assert!(open(&compressed(&bytes)).is_err());
    }

    #[test]
    fn a_tar_with_a_changed_byte_is_refused(at in any::<prop::sample::Index>(), to in any::<u8>()) {
        let tar = tar_of(&pack(&files_of(EXAMPLE)).unwrap());
        let mut other = tar.clone();
        other[at.index(tar.len())] = to;
        // SHA256SUMS and the canonical form leave no byte free.
        prop_assert_eq!(open(&compressed(&other)).is_ok(), other == tar);
    }

    #[test]
    fn a_compressed_byte_that_was_changed_never_panics(at in any::<prop::sample::Index>(), to in any::<u8>()) {
        let mut package = pack(&files_of(EXAMPLE)).unwrap();
        let at = at.index(package.len());
        package[at] = to;
        if let Ok(opened) = open(&package) {
            prop_assert_eq!(opened.package.component, COMPONENT);
        }
    }

    #[test]
    fn signature_texts_never_panic(text in "\\PC{0,100}(\n\\PC{0,100}){0,5}\n?") {
        let unsigned = pack(&files_of(EXAMPLE)).unwrap();
        prop_assert!(attach(&unsigned, &text).is_err());
    }
}
