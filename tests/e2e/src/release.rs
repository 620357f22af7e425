//! An export and the second person that it needs.

use crate::case;
use crate::client::Client;
use crate::recorder::{Recorder, SOON, now_ms};
use crate::wait_for;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Their password.
const PASSWORD: &str = "the second person's passphrase";

/// An approver who has shown the second factor.
pub struct Approver {
    /// Signed in.
    pub client: Client,
}

impl Approver {
    /// Makes the account and signs in.
    ///
    /// # Panics
    /// When the API refuses.
    pub fn new(recorder: &mut Recorder) -> Self {
        Self::named(&mut recorder.client, "second")
    }

    /// The same under another name; `admin` makes the account.
    ///
    /// # Panics
    /// When the API refuses.
    pub fn named(admin: &mut Client, name: &str) -> Self {
        let account = json!({ "name": name, "password": PASSWORD, "roles": ["approver"] });
        drop(admin.send("POST", "/api/v1/accounts", &account).ok());
        let mut client = Client::new(&format!("http://{}/", admin.authority()));
        drop(client.send("POST", "/api/v1/session", &json!({ "name": name, "password": PASSWORD })).ok());
        drop(case::second_factor(&mut client, PASSWORD));
        Self { client }
    }

    /// Opens a case about everything of the last hours, in which the first account works.
    ///
    /// # Panics
    /// When the API refuses.
    pub fn open_case(&mut self, number: &str, cameras: &[u64]) {
        let now = now_ms();
        let case = json!({
            "case": number, "purpose": "traffic_collision", "cameras": cameras, "from_utc_ms": now - 3_600_000,
            "to_utc_ms": now + 3_600_000, "expires_utc_ms": now + 7_200_000, "investigators": [1], "emergency": false,
        });
        drop(self.client.send("POST", "/api/v1/cases", &case).ok());
    }

    /// Releases what was looked at; the status of the answer.
    pub fn release(&mut self, export: &Value, manifest: &str) -> u16 {
        let id = export["id"].as_str().unwrap_or_default();
        let path = format!("/api/v1/exports/{id}/release");
        self.client.send("POST", &path, &json!({ "manifest_sha256": manifest })).status
    }
}

/// The body of a request.
pub fn request(case: &str, cameras: &[u64], range: (i64, i64)) -> Value {
    json!({
        "case": case, "cameras": cameras, "from_utc_ms": range.0, "to_utc_ms": range.1,
        "recipient_class": "court", "recipient": "Clerk of the court",
    })
}

/// Waits until an export is in `state`.
pub fn wait_export(client: &Client, id: &str, state: &str) -> Value {
    wait_for(&format!("export {id} to be {state}"), SOON + SOON, || {
        let list = client.get("/api/v1/exports").ok().json();
        let all = list["exports"].as_array().cloned().unwrap_or_default();
        let export = all.into_iter().find(|export| export["id"] == id);
        match export {
            Some(export) if export["state"] == state => Ok(export),
            _ => Err(list.to_string()),
        }
    })
}

/// Downloads a released bundle and unpacks it with another program.
///
/// # Panics
/// When it cannot be had or read.
pub fn fetch(recorder: &Recorder, export: &Value) -> PathBuf {
    let (id, manifest) = (export["id"].as_str().unwrap_or_default(), &export["made"]["manifest_sha256"]);
    let path = format!("/api/v1/exports/{id}/bundle.zip?manifest_sha256={}", manifest.as_str().unwrap_or_default());
    let whole = recorder.client.get(&path).ok();
    assert_eq!(whole.header("content-type"), "application/zip");
    let half = whole.body.len() / 2;
    let tail = recorder.client.get_range(&path, Some(&format!("bytes={half}-")));
    assert!(tail.status == 206 && whole.body.get(half..) == Some(&tail.body), "a part is that part of the whole");
    let file = recorder.save(&whole.body, &format!("export-{id}.zip"));
    let folder = file.with_extension("");
    let code =
        "import sys,zipfile; z=zipfile.ZipFile(sys.argv[1]); assert z.testzip() is None; z.extractall(sys.argv[2])";
    let unpacked =
        Command::new("python3").args(["-c", code]).arg(&file).arg(&folder).output().expect("python3 is there");
    assert!(unpacked.status.success(), "{}", String::from_utf8_lossy(&unpacked.stderr));
    folder
}

/// What a verifier prints of a bundle, both ways of writing together.
///
/// # Panics
/// When it cannot be started.
pub fn verify(program: &mut Command, folder: &Path, key: &str) -> String {
    let output = program.arg(folder).args(["--log", key]).output().expect("the verifier is there");
    [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat()
}

/// The public key of the recorder's log.
///
/// # Panics
/// When it has none.
pub fn log_key(recorder: &Recorder) -> String {
    let log = recorder.client.get("/api/v1/log").ok().json();
    log["key"].as_str().expect("the log has a key").to_owned()
}

/// SHA-256 of every sample of the pictures, as ffmpeg takes them from the file.
///
/// # Panics
/// When ffprobe cannot read it.
pub fn sample_hashes(file: &Path) -> Vec<String> {
    let output = Command::new("ffprobe")
        .args([
            "-v",
            "error",
            "-select_streams",
            "v:0",
            "-show_entries",
            "packet=data_hash",
            "-show_data_hash",
            "sha256",
        ])
        .args(["-of", "csv=p=0"])
        .arg(file)
        .output()
        .expect("ffprobe is installed by the set-up");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).lines().map(|line| line.trim_end_matches(',').to_owned()).collect()
}
