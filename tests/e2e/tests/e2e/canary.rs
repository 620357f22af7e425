//! Secrets that people gave are looked for in everything that the recorder gives back, writes and says.

use super::cameras::gst;
use serde_json::{Value, json};
use std::path::Path;
use std::process::Command;
use watchbook_e2e::case::second_factor;
use watchbook_e2e::recorder::{Recorder, program};
use watchbook_e2e::release::{Approver, fetch, request, wait_export};

/// Passwords, each in no other word of this test.
const CAMERA: &str = "canary-of-the-camera-7c1";
const WRONG: &str = "canary-that-is-wrong-9f2";
const QUERY: &str = "canary-in-an-address-3b8";
const ACCOUNT: &str = "canary-of-an-account-5d4";
const GUESS: &str = "canary-of-a-guess-1e6";
const PASSPHRASE: &str = "canary of a passphrase 8a0";

/// Shows all files below `dir`, one after the other: those of a ring do not fit into memory together.
fn files(dir: &Path, show: &mut dyn FnMut(String, Vec<u8>)) {
    for entry in std::fs::read_dir(dir).expect("a directory of the station").flatten() {
        let path = entry.path();
        match entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            true => files(&path, show),
            // Files of the databases come and go while this looks.
            false => drop(std::fs::read(&path).map(|bytes| show(path.display().to_string(), bytes))),
        }
    }
}

/// Each way in which it could lie somewhere: as it is, in base64 at any place of three, in hex, as numbers.
fn forms(secret: &str) -> Vec<Vec<u8>> {
    let bytes = secret.as_bytes();
    let base64 = |skip: usize| {
        let text = Command::new("python3")
            .args([
                "-c",
                "import base64,sys; sys.stdout.write(base64.b64encode(sys.argv[1].encode()).decode())",
                &secret[skip..],
            ])
            .output()
            .expect("python3 is there");
        // What stands beside it changes the last characters.
        text.stdout[..(secret.len() - skip) / 3 * 4 - 4].to_vec()
    };
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let numbers = bytes.iter().map(u8::to_string).collect::<Vec<_>>().join(",");
    let mut all: Vec<Vec<u8>> = (0..3).map(base64).collect();
    all.extend([bytes.to_vec(), hex.to_uppercase().into_bytes(), hex.into_bytes(), numbers.into_bytes()]);
    all
}

/// Secrets in all their forms, found in one pass.
struct Canaries<'a> {
    forms: Vec<(&'a str, Vec<u8>)>,
    /// By their first two bytes.
    begin: Vec<bool>,
}

impl<'a> Canaries<'a> {
    fn new(secrets: &[&'a str]) -> Self {
        let forms: Vec<_> =
            secrets.iter().flat_map(|secret| forms(secret).into_iter().map(move |form| (*secret, form))).collect();
        let mut begin = vec![false; 1 << 16];
        forms.iter().for_each(|(_, form)| begin[usize::from(u16::from_be_bytes([form[0], form[1]]))] = true);
        Self { forms, begin }
    }

    /// The first secret that lies in there.
    fn in_it(&self, bytes: &[u8]) -> Option<&'a str> {
        bytes.windows(2).enumerate().find_map(|(at, two)| {
            let may = self.begin[usize::from(u16::from_be_bytes([two[0], two[1]]))];
            may.then(|| self.forms.iter().find(|(_, form)| bytes[at..].starts_with(form)))
                .flatten()
                .map(|found| found.0)
        })
    }
}

/// Every address without a place for something in it that answers to GET.
fn addresses() -> Vec<String> {
    let told = Command::new(program("watchbook")).arg("openapi").output().expect("the program was built");
    let api: Value = serde_json::from_slice(&told.stdout).expect("a document");
    let paths = api["paths"].as_object().expect("paths");
    let get = paths.iter().filter(|(path, methods)| !path.contains('{') && methods.get("get").is_some());
    // These never end.
    get.map(|(path, _)| path.clone()).filter(|path| !path.ends_with("/live") && !path.ends_with("/feed")).collect()
}

/// What `watchbook support` writes about the running station.
fn support(dir: &Path) -> Vec<u8> {
    let file = dir.join("support.txt");
    let mut command = Command::new(program("watchbook"));
    let output = command.args(["support", "--config"]).arg(dir.join("watchbook.toml")).arg("--out").arg(&file).output();
    let output = output.expect("the program was built");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let bytes = std::fs::read(&file).expect("the file for support");
    assert!(String::from_utf8_lossy(&bytes).contains("master.key"), "it tells of names, and of nothing in them");
    bytes
}

#[test]
fn a_secret_that_was_given_comes_back_in_no_answer_no_log_no_file_no_backup_and_no_export() {
    let dir = tempfile::tempdir().expect("a directory");
    let server = gst(&["--user", "guard", "--password", CAMERA]);
    let mut recorder = Recorder::claim(dir.path());
    let host = server.url().trim_start_matches("rtsp://").to_owned();
    let camera = recorder.add_camera("Gate", &format!("rtsp://guard:{CAMERA}@{host}main"), None);
    let wrong = recorder.add_camera("Yard", &format!("rtsp://guard:{WRONG}@{host}main"), None);
    let query = recorder.add_camera("Cell", &format!("rtsp://{host}nothing?token={QUERY}"), None);
    let range = recorder.wait_recorded(&camera, 4);
    let _ = recorder.wait_state(&wrong, "lost", None);
    let _ = recorder.wait_state(&query, "lost", None);
    let guard = json!({ "name": "guard", "password": ACCOUNT, "roles": ["viewer"] });
    drop(recorder.client.send("POST", "/api/v1/accounts", &guard).ok());
    let guess = json!({ "name": "tester", "password": GUESS });
    assert_eq!(recorder.client.send("POST", "/api/v1/session", &guess).status, 401);
    let factor = second_factor(&mut recorder.client, "a long enough passphrase");
    let mut approver = Approver::new(&mut recorder);
    approver.open_case("7/26", &[camera.id]);
    let asked = recorder.client.send("POST", "/api/v1/exports", &request("7/26", &[camera.id], range)).ok();
    let export = wait_export(&recorder.client, asked.json()["id"].as_str().expect("a number"), "ready");
    assert_eq!(approver.release(&export, export["made"]["manifest_sha256"].as_str().expect("a hash")), 200);
    let export = wait_export(&recorder.client, export["id"].as_str().expect("a number"), "released");

    let mut all: Vec<(String, Vec<u8>)> = Vec::new();
    files(&fetch(&recorder, &export), &mut |name, bytes| all.push((name, bytes)));
    let addresses = addresses();
    assert!(addresses.len() > 30 && addresses.iter().any(|path| path == "/api/v1/cameras"), "{addresses:?}");
    all.extend(addresses.into_iter().map(|path| (path.clone(), recorder.client.get(&path).body)));
    for camera in [&camera, &wrong, &query] {
        let path = format!("/api/v1/cameras/{}", camera.id);
        all.push((path.clone(), recorder.client.get(&path).body));
    }
    let backup = recorder.client.send("POST", "/api/v1/backup", &json!({ "passphrase": PASSPHRASE })).ok();
    all.push(("standard output and error".to_owned(), recorder.output().into_bytes()));
    all.push(("the file for support".to_owned(), support(dir.path())));
    assert_eq!(recorder.stop(), Some(0));

    // An address is shown to whoever may change it, so its query is looked for where it is kept alone.
    let shown = [CAMERA, WRONG, ACCOUNT, GUESS, PASSPHRASE, &factor];
    let kept = Canaries::new(&[&shown[..], &[QUERY]].concat());
    let shown = Canaries::new(&shown);
    for (place, bytes) in &all {
        assert_eq!(shown.in_it(bytes), None, "in {place}");
    }
    assert_eq!(kept.in_it(&backup.body), None, "in the backup");
    let mut register = false;
    for folder in ["state", "ring"] {
        files(&dir.path().join(folder), &mut |place, bytes| {
            assert_eq!(kept.in_it(&bytes), None, "in {place}");
            // What was looked through has in it what is no secret.
            register |= place.contains("/state/register/") && bytes.windows(6).any(|part| part == b"tester");
        });
    }
    let holds = |place: &str, word: &str| {
        let mut there = all.iter().filter(|(name, _)| name.contains(place));
        there.any(|(_, bytes)| bytes.windows(word.len()).any(|part| part == word.as_bytes()))
    };
    assert!(register && holds("/api/v1/cameras", "Yard") && holds("manifest", "Gate"));
    assert_eq!(shown.in_it(format!("x{CAMERA}").as_bytes()), Some(CAMERA), "what lies somewhere is found");
}
