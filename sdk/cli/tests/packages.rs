//! The commands about packages, as an author calls them; and every command of `sdk/PACKAGE.md`.
#![allow(clippy::unwrap_used, reason = "a test")]

use serde_json::Value;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const TOOL: &str = env!("CARGO_BIN_EXE_watchbook-plugin");

const MANIFEST: &str = r#"id = "org.example.counter"
version = "1.2.3"
world = "analytics-plugin"
api = "0.1"
publisher = "Example"
licence = "Apache-2.0"
summary = "Counts."
purpose = "traffic-counting"
[capabilities]
required = ["frames"]
optional = ["log"]
[input]
width = 320
height = 180
fps = 10.0
format = "luma"
[budget]
memory_mib = 16
[[emits]]
kind = "count"
meaning = "A vehicle passed."
"#;

/// Imports what the manifest asks for, exports what its world has, and does nothing.
const COMPONENT: &str = r#"(component
    (import "watchbook:plugin/log@0.1.0" (instance))
    (instance $i)
    (export "watchbook:plugin/about@0.1.0" (instance $i))
    (export "watchbook:plugin/analyzer@0.1.0" (instance $i)))"#;

const LOCK: &str = "version = 4\n[[package]]\nname = \"counter\"\nversion = \"1.2.3\"\ndependencies = [\"a\"]\n\
    [[package]]\nname = \"a\"\nversion = \"0.1.0\"\nchecksum = \"00\"\n";

/// A folder with the folder `counter` of a plugin in it.
struct Desk(tempfile::TempDir);

impl Desk {
    fn new() -> Self {
        let desk = Self(tempfile::tempdir().unwrap());
        std::fs::create_dir(desk.path("counter")).unwrap();
        for (name, content) in
            [("plugin.toml", MANIFEST), ("LICENSE", "Apache-2.0"), ("README.md", "# Counter"), ("Cargo.lock", LOCK)]
        {
            desk.put(&format!("counter/{name}"), content.as_bytes());
        }
        desk.put("counter/plugin.wasm", &wat::parse_str(COMPONENT).unwrap());
        desk
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn put(&self, name: &str, content: &[u8]) {
        std::fs::write(self.path(name), content).unwrap();
    }

    fn bytes(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.path(name)).unwrap()
    }

    fn call(&self, line: &str) -> Output {
        Command::new(TOOL).args(line.split(' ')).current_dir(self.0.path()).output().unwrap()
    }

    /// What a command says when it succeeds.
    fn good(&self, line: &str) -> String {
        let output = self.call(line);
        assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Why a command fails.
    fn bad(&self, line: &str) -> String {
        let output = self.call(line);
        assert_eq!(output.status.code(), Some(1), "{line}: {}", String::from_utf8_lossy(&output.stdout));
        String::from_utf8(output.stderr).unwrap()
    }

    /// What another program gives.
    fn other(&self, program: &str, arguments: &[&str]) -> Vec<u8> {
        let output = Command::new(program).args(arguments).current_dir(self.0.path()).output();
        let output = output.unwrap_or_else(|error| panic!("{program}: {error}; .ci/setup installs it"));
        assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    }

    fn json(&self, line: &str) -> Value {
        serde_json::from_str(&self.good(&format!("{line} --json"))).unwrap()
    }
}

#[test]
fn the_same_folder_gives_the_same_bytes() {
    let (one, other) = (Desk::new(), Desk::new());
    for desk in [&one, &other] {
        desk.good("pack counter");
    }
    let name = "org.example.counter-1.2.3.wbp";
    assert_eq!(one.bytes(name), other.bytes(name));
    other.put("counter/README.md", b"# Another");
    other.good("pack counter");
    assert_ne!(one.bytes(name), other.bytes(name));
    let files = one.json(&format!("inspect {name}"))["files"].clone();
    let names: Vec<&String> = files.as_object().unwrap().keys().collect();
    assert_eq!(names, ["LICENSE", "README.md", "SHA256SUMS", "plugin.toml", "plugin.wasm", "sbom.cdx.json"]);
}

#[test]
fn the_sbom_is_made_from_the_lock_file_unless_there_is_one() {
    let desk = Desk::new();
    let sbom = |desk: &Desk| -> Value {
        desk.good("pack counter -o x.wbp");
        serde_json::from_slice(&desk.other("tar", &["--zstd", "-xOf", "x.wbp", "sbom.cdx.json"])).unwrap()
    };
    let made = sbom(&desk);
    assert_eq!((made["bomFormat"].as_str(), made["specVersion"].as_str()), (Some("CycloneDX"), Some("1.5")));
    assert_eq!(made["metadata"]["component"]["name"], "org.example.counter");
    assert_eq!(made["components"][0]["purl"], "pkg:cargo/a@0.1.0");
    desk.put("counter/sbom.cdx.json", b"{\"own\":1}");
    assert_eq!(sbom(&desk)["own"], 1);
    desk.put("counter/Cargo.lock", b"[");
    std::fs::remove_file(desk.path("counter/sbom.cdx.json")).unwrap();
    assert!(desk.bad("pack counter -o x.wbp").contains("Cargo.lock"));
}

#[test]
fn a_signature_is_the_publishers_and_nobody_elses() {
    let desk = Desk::new();
    desk.put("password", b"correct horse\n");
    desk.good("pack counter -o x.wbp");
    let unsigned = desk.bytes("x.wbp");
    let made = desk.json("keygen mine --password-file password");
    desk.good("keygen other --no-password");
    assert!(desk.bad("keygen mine --no-password").contains("is there already"));
    let mode = std::fs::metadata(desk.path("mine.key")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "the secret key is for its owner");
    assert!(desk.bad("verify x.wbp --key mine.pub").contains("not signed"));
    let signed = desk.json("sign x.wbp --key mine.key --password-file password");
    assert_eq!(signed["key_id"], made["key_id"]);
    assert!(desk.bytes("x.wbp").starts_with(&unsigned), "what is signed stays as it was");
    assert_eq!(desk.json("verify x.wbp --key other.pub --key mine.pub")["key_id"], made["key_id"]);
    desk.good(&format!("verify x.wbp --key {}", made["public_key"].as_str().unwrap()));
    assert!(desk.bad("verify x.wbp --key other.pub").contains("not trusted"));
    assert!(desk.bad("verify x.wbp").contains("--key"));
    desk.put("wrong", b"battery staple\n");
    assert!(desk.bad("sign x.wbp --key mine.key --password-file wrong").contains("Wrong password"));
    let mut tampered = desk.bytes("x.wbp");
    tampered[unsigned.len() / 2] ^= 1;
    desk.put("x.wbp", &tampered);
    assert!(desk.bad("verify x.wbp --key mine.pub").contains("changed or damaged"));
}

#[test]
fn keys_of_minisign_sign_and_minisign_reads_ours() {
    let desk = Desk::new();
    desk.good("pack counter -o x.wbp");
    desk.other("minisign", &["-G", "-W", "-p", "theirs.pub", "-s", "theirs.key"]);
    let key_id = desk.json("sign x.wbp --key theirs.key")["key_id"].clone();
    // minisign itself names the key in the comment of the public key's file, without leading zeros.
    let public = String::from_utf8(desk.bytes("theirs.pub")).unwrap();
    assert!(public.contains(key_id.as_str().unwrap().trim_start_matches('0')), "{public}");
    desk.good("verify x.wbp --key theirs.pub");
}

#[test]
fn inspect_and_diff_say_in_words_and_values_what_is_asked_for() {
    let desk = Desk::new();
    desk.good("pack counter -o old.wbp");
    let words = desk.good("inspect old.wbp");
    for part in
        ["org.example.counter 1.2.3", "signed by  nobody", "see pictures of its cameras, 320×180", "plugin.wasm"]
    {
        assert!(words.contains(part), "{part} is not in {words}");
    }
    let values = desk.json("inspect old.wbp");
    assert_eq!(values["imports"][0], "watchbook:plugin/log@0.1.0");
    assert_eq!(values["asks"][0]["ask"], "frames");
    assert_eq!(values["signature"], Value::Null);
    let newer = MANIFEST.replace("1.2.3", "1.3.0").replace("= 16", "= 32").replace("[\"log\"]", "[\"log\", \"store\"]");
    desk.put("counter/plugin.toml", newer.as_bytes());
    desk.good("pack counter -o new.wbp");
    let words = desk.good("diff old.wbp new.wbp");
    let lines: Vec<&str> = words.lines().collect();
    assert_eq!(
        lines,
        [
            "  version 1.2.3 becomes 1.3.0",
            "! it now wants to keep up to 0 KiB of its own notes; it copes without",
            "! memory in MiB: 32, before 16"
        ]
    );
    assert_eq!(desk.json("diff old.wbp new.wbp")["widens"], true);
    assert_eq!(desk.json("diff new.wbp old.wbp")["widens"], false);
    assert!(desk.good("diff old.wbp old.wbp").contains("nothing"));
}

#[test]
fn validate_names_everything_and_the_tool_refuses_what_a_station_would() {
    let desk = Desk::new();
    desk.good("validate counter");
    desk.good("pack counter -o x.wbp");
    desk.good("validate x.wbp");
    let wasi = COMPONENT.replace("watchbook:plugin/log@0.1.0", "wasi:sockets/tcp@0.2.0").replace("analyzer", "rule");
    desk.put("counter/plugin.wasm", &wat::parse_str(wasi).unwrap());
    let output = desk.call("validate counter --json");
    assert_eq!(output.status.code(), Some(1));
    let found = String::from_utf8(output.stdout).unwrap();
    assert!(found.contains("wasi:sockets/tcp@0.2.0") && found.contains("does not export `analyzer`"), "{found}");
    assert!(desk.bad("pack counter -o x.wbp").contains("no station offers"));
    std::fs::remove_file(desk.path("counter/plugin.wasm")).unwrap();
    assert!(desk.bad("pack counter -o x.wbp").contains("watchbook-plugin build"));
    desk.good("validate x.wbp");
    desk.put("counter/plugin.wasm", &wat::parse_str(COMPONENT).unwrap());
    std::fs::remove_file(desk.path("counter/LICENSE")).unwrap();
    assert!(desk.bad("pack counter -o x.wbp").contains("has no LICENSE"));
    desk.put("counter/COPYING", b"Apache-2.0");
    desk.good("pack counter -o x.wbp");
    desk.put("counter/plugin.toml", MANIFEST.replace("traffic-counting", "face-recognition").as_bytes());
    assert!(desk.bad("validate counter").contains("face-recognition"));
    desk.put("x.wbp", b"PK\x03\x04");
    assert!(desk.bad("inspect x.wbp").contains("is it a .wbp file?"));
    assert!(desk.bad("inspect y.wbp").contains("y.wbp"));
}

#[test]
fn every_command_of_the_document_does_what_it_says() {
    let document = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../PACKAGE.md")).unwrap();
    let blocks: Vec<&str> =
        document.split("```sh\n").skip(1).map(|rest| rest.split("```").next().unwrap_or_default()).collect();
    assert!(blocks.len() >= 6, "{}", blocks.len());
    // One shell after the other's work, as a reader would do it.
    let script = format!("set -euo pipefail\n{}", blocks.concat());
    let desk = Desk::new();
    let mut search = vec![Path::new(TOOL).parent().unwrap().to_owned()];
    search.extend(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()));
    let output = Command::new("bash")
        .args(["-c", &script])
        .env("PATH", std::env::join_paths(search).unwrap())
        .current_dir(desk.0.path())
        .output()
        .unwrap();
    let (said, complained) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{said}\n{complained}");
    assert!(said.contains("version 1.2.3 becomes 9.0.0") && said.contains("! memory in MiB: 64, before 16"), "{said}");
    assert!(said.contains("plugin.wasm: OK"), "{said}");
    // Made by hand, byte for byte the same tar.
    let tar = |name: &str| desk.other("zstd", &["-dcq", name]);
    assert_eq!(tar("byhand.wbp"), tar("counter.wbp"));
}
