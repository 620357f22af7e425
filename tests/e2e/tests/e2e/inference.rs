//! A plugin that asks a neural network, on a real station: switched on by a person, installed as a signed package, approved, bound, and at work on a camera.

use crate::author::call;
use crate::rederive::{events, path};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use watchbook_e2e::recorder::{Camera, SOON};
use watchbook_e2e::{CameraServer, Recorder, wait_for};

const VEHICLE: &str = "org.watchbook.vehicle";
/// The drawn street lasts 20 seconds, and a visit is told when it is over.
const VISIT_MAX: Duration = Duration::from_secs(120);

/// The example as it was built, with its model and its clip.
fn built() -> Option<PathBuf> {
    let plugins = std::env::var("WATCHBOOK_PLUGINS").ok().filter(|folder| !folder.is_empty())?;
    let folder = PathBuf::from(format!("{}.tried-out", plugins.trim_end_matches('/'))).join("vehicle");
    folder.join("plugin.wasm").exists().then_some(folder)
}

/// A camera that shows the drawn street over and over.
fn street(within: &Path, clip: &Path) -> CameraServer {
    let footage = within.join("street");
    std::fs::create_dir(&footage).expect("the temporary directory takes a folder");
    let encode = ["-g", "20", "-bf", "0", "-pix_fmt", "yuv420p", "-x264-params", "aud=1", "-f", "h264"];
    let mut ffmpeg = Command::new("ffmpeg");
    ffmpeg.args(["-v", "error", "-nostdin", "-i"]).arg(clip).args(["-r", "10", "-c:v", "libx264"]).args(encode);
    let output = ffmpeg.arg(footage.join("main.264")).output().expect("ffmpeg is installed");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let list = json!({ "main": { "file": "main.264", "fps": 10 } });
    std::fs::write(footage.join("footage.json"), list.to_string()).expect("the folder takes a file");
    CameraServer::start("gst_camera.py", &["--footage", footage.to_str().expect("the path is UTF-8")])
}

/// Packs and signs the example and trusts its key; returns the package's file name within `dir`.
fn signed(dir: &Path, example: &Path, recorder: &mut Recorder) -> String {
    for words in [
        vec!["keygen", "lab", "--no-password"],
        vec!["pack", example.to_str().expect("the path is UTF-8"), "-o", "vehicle.wbp"],
        vec!["sign", "vehicle.wbp", "--key", "lab.key"],
    ] {
        let (output, said) = call(dir, &words);
        assert!(output.status.success(), "{said}");
    }
    let key = std::fs::read_to_string(dir.join("lab.pub")).expect("keygen wrote it");
    let (_, said) = call(dir, &["inspect", "vehicle.wbp", "--json"]);
    let inspected: Value = serde_json::from_str(&said).unwrap_or_else(|error| panic!("{error}: {said}"));
    let key_id = inspected["signature"]["key_id"].as_str().unwrap_or_else(|| panic!("no key: {said}")).to_owned();
    let publisher = json!({ "name": "Lab", "public_key": key, "key_id": key_id });
    drop(recorder.client.send("POST", "/api/v1/plugin-publishers", &publisher).ok());
    "vehicle.wbp".to_owned()
}

/// What the plugin's card says of the camera.
fn instance(recorder: &Recorder) -> Value {
    recorder.plugin(VEHICLE)
}

fn visit(recorder: &Recorder, camera: &Camera) -> Value {
    wait_for("a vehicle on the drawn street", VISIT_MAX, || {
        let of_it = |event: &Value| event["source"]["plugin"] == VEHICLE;
        events(recorder, camera).into_iter().find(of_it).ok_or_else(|| instance(recorder).to_string())
    })
}

#[test]
fn a_plugin_with_a_model_is_switched_on_by_a_person_and_says_what_it_sees() {
    let Some(example) = built() else {
        // `make test` builds the plugins first, and says at its end what it has passed without.
        return crate::not_tested(
            "no example that asks a neural network; WATCHBOOK_PLUGINS names the folder of the built plugins",
        );
    };
    let dir = tempfile::tempdir().unwrap();
    let server = street(dir.path(), &example.join("tests/street.avi"));
    let mut recorder = Recorder::claim(dir.path());
    let camera = recorder.add_camera("Drawn street", &format!("{}main", server.url()), None);
    std::fs::write(dir.path().join("password"), "a long enough passphrase\n").unwrap();
    let package = signed(dir.path(), &example, &mut recorder);
    let address = format!("http://{}", recorder.client.authority());
    let deploy =
        ["deploy", &package, "--approve", "--to", &address, "--account", "tester", "--password-file", "password"];

    // Off, as a station is when it comes: the package is not taken, and the sentence says what to switch on.
    let (output, said) = call(dir.path(), &deploy);
    assert!(!output.status.success() && said.contains("tried out"), "{said}");
    drop(recorder.client.send("PUT", "/api/v1/plugin-tried-out", &json!({ "on": true })).ok());
    let (output, said) = call(dir.path(), &deploy);
    assert!(output.status.success(), "{said}");
    recorder.bind_plugin(&camera, VEHICLE);

    let event = visit(&recorder, &camera);
    assert_eq!(event["kind"], "vehicle-present");
    let detections = event["detections"].as_array().cloned().unwrap_or_default();
    assert!(!detections.is_empty() && detections.iter().all(|seen| seen["class"] == "vehicle"), "{event}");
    let log = recorder.client.get("/api/v1/audit?limit=200").ok().json();
    let actions: Vec<&str> =
        log["entries"].as_array().into_iter().flatten().filter_map(|entry| entry["action"].as_str()).collect();
    assert!(actions.iter().any(|action| action.contains("tried_out")), "the switch is in the log: {actions:?}");

    // Its answers come from a network: what it said then cannot be derived again, and a person is told so.
    let body = json!({ "start_utc_ms": event["start_utc_ms"], "end_utc_ms": event["end_utc_ms"] });
    let path = path(&camera, &event);
    assert_eq!(recorder.client.send("POST", &path, &body).status, 202);
    let result = wait_for("an answer", SOON, || {
        let row = recorder.client.get(&path).ok().json();
        if row["state"] == "done" { Ok(row["result"].clone()) } else { Err(row.to_string()) }
    });
    assert_eq!((&result["outcome"], &result["refusal"]), (&json!("refused"), &json!("model")), "{result}");

    // Off again: it stops, and says why.
    drop(recorder.client.send("PUT", "/api/v1/plugin-tried-out", &json!({ "on": false })).ok());
    wait_for("the plugin to be left out", SOON, || {
        let list = recorder.client.get("/api/v1/plugins").ok().json().to_string();
        if list.contains("tried out") { Ok(()) } else { Err(list) }
    });
}
