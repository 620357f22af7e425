//! Plugins that mean harm, on a station that records sixteen cameras. Each is a signed package that an administrator installs and switches on for every camera.
//! Each is contained and named, an orderly plugin on the same cameras goes on, and no frame of the footage is lost: what each camera recorded is held
//! against the file that its server plays.

mod packages;

use crate::fixtures;
use crate::wall::started_by;
use packages::{DEEDS, Deed, Publisher, signature_of};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use watchbook_e2e::client::Answer;
use watchbook_e2e::recorder::{Camera, now_ms};
use watchbook_e2e::{CameraServer, Recorder, wait_for};

/// As many as a station of the smallest supported box has.
const CAMERAS: usize = 16;
const FPS: i64 = 10;
const ORDERLY: &str = "org.example.orderly";
/// The fifth trap of an instance sets it aside, after pauses of 15 s together.
const TRAPS_MAX: u64 = 5;
/// Every deed on every camera does its worst beside whatever else this machine does.
const STORM_MAX: Duration = Duration::from_secs(600);

/// Half a minute of small pictures, no two of which are alike, served by sixteen cameras.
fn cameras(within: &Path) -> (CameraServer, PathBuf) {
    let footage = within.join("footage");
    std::fs::create_dir(&footage).expect("the temporary directory takes a folder");
    let file = footage.join("main.264");
    let mut ffmpeg = Command::new("ffmpeg");
    ffmpeg.args(["-v", "error", "-nostdin", "-f", "lavfi", "-i", "testsrc2=size=320x240:rate=10", "-t", "30"]);
    ffmpeg.args(["-c:v", "libx264", "-preset", "ultrafast", "-g", "20", "-bf", "0", "-pix_fmt", "yuv420p"]);
    let output = ffmpeg.args(["-x264-params", "aud=1", "-f", "h264"]).arg(&file).output().expect("ffmpeg is installed");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mount = |number: usize| (format!("cam{number}"), json!({ "file": "main.264", "fps": FPS }));
    let list: serde_json::Map<String, Value> = (0..CAMERAS).map(mount).collect();
    std::fs::write(footage.join("footage.json"), Value::from(list).to_string()).expect("the folder takes a file");
    (CameraServer::start("gst_camera.py", &["--footage", footage.to_str().expect("the path is UTF-8")]), file)
}

/// A digest of each picture of a file as ffmpeg decodes it.
fn pictures(file: &Path) -> Vec<String> {
    let mut ffmpeg = Command::new("ffmpeg");
    ffmpeg.args(["-v", "error", "-xerror", "-i"]).arg(file).args(["-map", "0:v:0", "-fps_mode", "passthrough"]);
    let output = ffmpeg.args(["-enc_time_base", "-1", "-f", "framehash", "-hash", "md5", "-"]).output();
    let output = output.expect("ffmpeg is installed");
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && complaint.is_empty(), "ffmpeg {}: {complaint}", file.display());
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let digest = |line: &str| line.rsplit(',').next().map(|digest| digest.trim().to_owned());
    text.lines().filter(|line| !line.starts_with('#')).filter_map(digest).collect()
}

/// Uploads a package as the page does.
fn install(recorder: &Recorder, package: &[u8]) -> Answer {
    recorder.client.upload("/api/v1/plugins", package).expect("the recorder answers")
}

/// Installs a package, approves what waits then, and switches it on for every camera.
fn employ(recorder: &mut Recorder, cameras: &[Camera], package: &[u8]) -> String {
    let waiting = install(recorder, package).ok().json();
    let id = waiting["id"].as_str().expect("a plugin has an id").to_owned();
    let judgement = json!({ "package_sha256": waiting["waiting"]["package_sha256"] });
    drop(recorder.client.send("POST", &format!("/api/v1/plugins/{id}/approve"), &judgement).ok());
    cameras.iter().for_each(|camera| recorder.bind_plugin(camera, &id));
    id
}

/// The orderly plugin's newest event on each camera, in ms UTC.
fn newest(recorder: &Recorder, cameras: &[Camera]) -> Vec<i64> {
    let now = now_ms();
    let of = |camera: &Camera| {
        let range = format!("from_utc_ms={}&to_utc_ms={}", now - 900_000, now + 60_000);
        let path = format!("/api/v1/events?{range}&camera={}&plugin={ORDERLY}&limit=1", camera.id);
        recorder.client.get(&path).ok().json()["events"][0]["start_utc_ms"].as_i64().unwrap_or(0)
    };
    cameras.iter().map(of).collect()
}

/// Waits until the orderly plugin has told of something newer than now on every camera.
fn wait_orderly(recorder: &Recorder, cameras: &[Camera], when: &str) {
    let since = now_ms();
    wait_for(&format!("the orderly plugin to go on {when}"), STORM_MAX, || {
        let newest = newest(recorder, cameras);
        let on = newest.iter().all(|start| *start > since);
        if on { Ok(()) } else { Err(format!("{newest:?} since {since}: {}", recorder.plugin(ORDERLY))) }
    });
    let card = recorder.plugin(ORDERLY);
    assert_eq!((&card["traps"], &card["state"], &card["last_error"]), (&json!(0), &json!("running"), &Value::Null));
}

/// Waits until the page's API says of a plugin what it did, and on which camera.
fn wait_told(recorder: &Recorder, deed: &Deed) -> Value {
    let id = format!("org.example.{}", deed.name);
    wait_for(&format!("{id} to be told of"), STORM_MAX, || {
        let card = recorder.plugin(&id);
        let sentence = card["last_error"].as_str().unwrap_or_default();
        // On a machine that is busy with other things a call may be stopped by its time before it has done what it is for.
        let told = sentence.contains(deed.told) || (deed.stopped && sentence.contains("its 100 ms"));
        let named = sentence.starts_with("camera ") && told;
        let traps = if deed.stopped { TRAPS_MAX * CAMERAS as u64 } else { 0 };
        let state = if deed.stopped { "failed" } else { "running" };
        let over = card["traps"].as_u64() == Some(traps) && card["state"] == state;
        if named && over { Ok(card) } else { Err(card.to_string()) }
    })
}

/// What a refusal of a package says, once it was seen to be one with a next step.
fn refused(recorder: &Recorder, package: &[u8], words: &[&str]) -> String {
    let before = recorder.client.get("/api/v1/plugins").ok().json()["plugins"].as_array().map(Vec::len);
    let answer = install(recorder, package);
    let problem = answer.json();
    assert!((400..500).contains(&answer.status), "{problem}");
    let detail = problem["detail"].as_str().unwrap_or_default().to_owned();
    assert!(words.iter().all(|word| detail.contains(word)), "{words:?} in: {problem}");
    assert!(problem["next_step"].as_str().is_some_and(|step| !step.is_empty()), "{problem}");
    let after = recorder.client.get("/api/v1/plugins").ok().json()["plugins"].as_array().map(Vec::len);
    assert_eq!(before, after, "nothing was kept");
    detail
}

/// Packages that no station may take.
fn refuse_all(recorder: &Recorder, publisher: &Publisher, orderly: &[u8]) {
    let as_it_is = |manifest: String| manifest;
    let steady = |name: &str| fixtures::component(name, fixtures::OK, fixtures::STEADY);
    // The hand that forges them can also make one that is taken: what is refused below is refused for what it is.
    let fine = publisher.forged("forged", &steady("forged"), as_it_is);
    assert_eq!(install(recorder, &fine).status, 201);

    let night = fixtures::rule_component("other-world", fixtures::OK, fixtures::NIGHT);
    let package = publisher.forged("other-world", &night, as_it_is);
    refused(recorder, &package, &["watchbook:plugin/rule@0.1.0", "export-rule", "analytics-plugin"]);

    let without_log = |manifest: String| manifest.replacen(r#""frames", "log""#, r#""frames""#, 1);
    let package = publisher.forged("undeclared", &steady("undeclared"), without_log);
    refused(recorder, &package, &["watchbook:plugin/log@0.1.0", "does not ask for"]);
    let sockets = wat::parse_str(r#"(component (import "wasi:sockets/tcp@0.2.0" (instance)))"#).expect("it is one");
    let package = publisher.forged("sockets", &sockets, as_it_is);
    refused(recorder, &package, &["wasi:sockets/tcp@0.2.0", "no station offers"]);

    let mut changed = orderly.to_vec();
    let at = changed.len() / 2 - signature_of(orderly).len();
    changed[at] ^= 1;
    refused(recorder, &changed, &["not what Lab", "signed"]);
    let greedy = |manifest: String| manifest.replacen("memory_mib = 8", "memory_mib = 64", 1);
    let body = publisher.by_hand("greedy", &steady("greedy"), greedy);
    let swapped = [&body, signature_of(orderly)].concat();
    refused(recorder, &swapped, &["not what Lab", "signed"]);
    refused(recorder, &body, &["not signed"]);

    refused(recorder, &publisher.orderly(0), &[ORDERLY, "1.0.0", "older than 1.0.1"]);
    let card = recorder.plugin(ORDERLY);
    assert_eq!((&card["running"]["version"], &card["waiting"]), (&json!("1.0.1"), &Value::Null));
}

/// Every frame of a stream from its first to its last: its pictures follow each other as in the file, and take as long as so many do.
fn whole(recorder: &Recorder, (case, role): (&str, &str), camera: &Camera, places: &HashMap<String, usize>) -> usize {
    let range = format!("from_utc_ms={}&to_utc_ms={}", now_ms() - 900_000, now_ms() + 60_000);
    let path = format!("/api/v1/cameras/{}/recordings?{range}&role={role}", camera.id);
    let list = recorder.client.get(&path).ok().json();
    assert_eq!(list["spans"].as_array().map(Vec::len), Some(1), "camera {} {role}: {list}", camera.id);
    for lost in ["gaps", "impaired", "damaged"] {
        assert_eq!(list[lost], json!([]), "camera {} {role}: {list}", camera.id);
    }
    let time = |name: &str| list["spans"][0][name].as_i64().expect("a span has two ends");
    let (start, end) = (time("start_utc_ms"), time("end_utc_ms"));
    let path = Recorder::played_path(case, camera, start, end + 1).replace("main_video", role);
    let file = recorder.save(&recorder.client.get(&path).ok().body, "played.mp4");
    let seen = pictures(&file);
    let seen: Vec<usize> = seen.iter().map(|digest| *places.get(digest).expect("a picture of the file")).collect();
    for (at, pair) in seen.windows(2).enumerate() {
        let next = (pair[0] + 1) % places.len();
        assert_eq!(pair[1], next, "camera {} {role}: what follows picture {at} of {}", camera.id, seen.len());
    }
    // Nothing but whole rounds of the file, of 30 s each, could be missing unseen: the time tells those.
    let expected = (end - start) * FPS / 1000;
    let difference = i64::try_from(seen.len()).expect("few") - expected;
    assert!((-3 * FPS..=3 * FPS).contains(&difference), "camera {} {role}: {} of {expected}", camera.id, seen.len());
    seen.len()
}

/// Processor time of a program in clock ticks (proc(5)), and the most memory that it had.
fn cost(process: u32) -> (u64, String) {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = fields.iter().skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let most = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default().trim().to_owned();
    (ticks, most)
}

/// The process that runs the plugins: those that compile one come after it and go.
fn host(recorder: &Recorder) -> Option<(u32, String)> {
    // Names are cut after 15 bytes (proc(5)).
    started_by(recorder.id()).into_iter().filter(|(_, name)| name == "watchbook-plugi").min()
}

/// What it cost: for people to read.
fn say(when: &str, recorder: &Recorder) {
    let mut out = std::io::stderr();
    for (process, name) in started_by(recorder.id()) {
        let (ticks, most) = cost(process);
        writeln!(out, "{when}: {name}: {ticks} ticks of processor time, at most {most}").expect("it can be written");
    }
    let list = recorder.client.get("/api/v1/plugins").ok().json();
    for card in list["plugins"].as_array().into_iter().flatten() {
        let words = ["frames_seen", "frames_dropped", "traps"].map(|word| format!("{word} {}", card[word]));
        writeln!(out, "{when}: {}: {}, {}", card["id"], words.join(", "), card["cost"]).expect("it can be written");
    }
}

#[test]
fn sixteen_cameras_lose_no_frame_to_plugins_that_mean_harm() {
    let dir = tempfile::tempdir().unwrap();
    let (server, footage) = cameras(dir.path());
    let places: HashMap<String, usize> =
        pictures(&footage).into_iter().enumerate().map(|(at, md5)| (md5, at)).collect();
    assert_eq!(places.len(), 300, "no two pictures of 30 s are alike");
    // No other plugins: the station of this test has those that it installs.
    let mut recorder = Recorder::claim_with_plugins(dir.path(), &dir.path().join("none"));
    let publisher = Publisher::new(dir.path());
    let trust = json!({ "name": "Lab", "public_key": publisher.public_key(), "key_id": publisher.key_id() });
    drop(recorder.client.send("POST", "/api/v1/plugin-publishers", &trust).ok());
    let mut add = |number: usize| {
        // What plugins look at is the second stream: every picture of it is decoded.
        let url = format!("{}cam{number}", server.url());
        recorder.add_camera(&format!("Street {number}"), &url, Some(&url))
    };
    let cameras: Vec<Camera> = (0..CAMERAS).map(&mut add).collect();
    for camera in &cameras {
        recorder.wait_recorded(camera, 3);
    }

    let orderly = publisher.orderly(1);
    assert_eq!(employ(&mut recorder, &cameras, &orderly), ORDERLY);
    wait_orderly(&recorder, &cameras, "alone");
    say("before", &recorder);
    let before = host(&recorder);

    for deed in &DEEDS {
        let package = publisher.package(deed.name, deed.frame);
        employ(&mut recorder, &cameras, &package);
    }
    wait_orderly(&recorder, &cameras, "in the storm");
    refuse_all(&recorder, &publisher, &orderly);
    for deed in &DEEDS {
        let card = wait_told(&recorder, deed);
        assert_eq!(card["cameras"].as_array().map(Vec::len), Some(CAMERAS), "{card}");
        assert!(card["cost"]["memory_bytes"].as_u64() <= Some(CAMERAS as u64 * (8 << 20)), "{card}");
    }
    wait_orderly(&recorder, &cameras, "after the storm");
    say("after", &recorder);
    assert!(before.is_some() && host(&recorder) == before, "the host of all plugins went through it");
    assert!(!recorder.output().contains("the plugin host ended"), "{}", recorder.output());

    let ids: Vec<u64> = cameras.iter().map(|camera| camera.id).collect();
    let case = recorder.client.open_emergency(&ids);
    let streams = cameras.iter().flat_map(|camera| ["main_video", "sub_video"].map(|role| (camera, role)));
    let frames: usize = streams.map(|(camera, role)| whole(&recorder, (case, role), camera, &places)).sum();
    writeln!(std::io::stderr(), "{frames} frames of two streams of {CAMERAS} cameras, none lost").unwrap();
    assert_eq!(recorder.stop(), Some(0));
}
