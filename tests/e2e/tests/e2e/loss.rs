//! Packets that are lost on their way from the camera: where that shows is told by lists and files, and by an index that was made again.

use crate::footage;
use serde_json::{Value, json};
use std::path::Path;
use std::process::Command;
use watchbook_e2e::recorder::SOON;
use watchbook_e2e::{Camera, CameraServer, Recorder, wait_for};

/// Start and end of each impaired interval.
fn impaired(list: &Value) -> Vec<(i64, i64)> {
    let rows = list["impaired"].as_array().cloned().unwrap_or_default();
    rows.iter().filter_map(|row| Some((row["start_utc_ms"].as_i64()?, row["end_utc_ms"].as_i64()?))).collect()
}

/// Times of the pictures of a file in seconds, as ffprobe reads them.
fn picture_times(file: &Path) -> Vec<f64> {
    let output = Command::new("ffprobe")
        .args(["-v", "error", "-select_streams", "v", "-show_entries", "packet=pts_time", "-of", "csv=p=0"])
        .arg(file)
        .output()
        .expect("ffprobe is installed");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.lines().filter_map(|line| line.trim_matches(',').parse().ok()).collect()
}

#[test]
fn where_lost_packets_may_show_is_told_everywhere() {
    let dir = tempfile::tempdir().unwrap();
    let video = footage::folder().join("sub.264");
    let server = CameraServer::start("bad_camera.py", &["--video", video.to_str().expect("the path is UTF-8")]);
    let mut recorder = Recorder::claim(dir.path());
    let main = json!({ "url": format!("{}lost", server.url()), "transport": "udp" });
    let body =
        json!({ "name": "Behind a radio link", "main": main, "sub": null, "purpose": "A test", "contact": "A test" });
    let camera = recorder.client.send("POST", "/api/v1/cameras", &body).ok().json();
    let camera = Camera { id: camera["id"].as_u64().expect("a camera has a number") };
    let (start, end) = recorder.wait_recorded(&camera, 8);
    let list = wait_for("some losses", SOON, || {
        let list = recorder.recordings(&camera);
        if impaired(&list).len() >= 3 { Ok(list) } else { Err(list.to_string()) }
    });
    assert!(list["impaired"].as_array().unwrap().iter().all(|row| row["lost"].as_u64() > Some(0)), "{list}");
    assert_eq!((&list["damaged"], &list["impaired_merged"]), (&json!([]), &json!(false)));

    // Every picture that the file lacks lies in an interval that the list and the file name.
    let case = recorder.client.open_emergency(&[camera.id]);
    let answer = recorder.client.get(&Recorder::played_path(case, &camera, start, end)).ok();
    let interval = |text: &str| -> Option<(i64, i64)> {
        let (start, end) = text.split_once('-')?;
        Some((start.parse().ok()?, end.parse().ok()?))
    };
    let named: Vec<_> = answer.header("watchbook-impaired-utc-ms").split(',').filter_map(interval).collect();
    let delivered: i64 = answer.header("watchbook-start-utc-ms").parse().expect("the file says where it begins");
    let times = picture_times(&recorder.save(&answer.body, "lossy.mp4"));
    let step = times.windows(2).map(|pair| pair[1] - pair[0]).fold(f64::INFINITY, f64::min);
    let mut holes = 0;
    for pair in times.windows(2).filter(|pair| pair[1] - pair[0] > 1.5 * step) {
        holes += 1;
        // In the middle of what is missing.
        let missing = delivered + ((pair[0] + pair[1]) * 500.0) as i64;
        assert!(named.iter().any(|(start, end)| (*start..*end).contains(&missing)), "{missing}: {named:?}");
    }
    assert!(holes > 0 && holes >= named.len() / 2, "{holes} holes, {named:?}");

    let known: Vec<_> = impaired(&list).into_iter().filter(|(_, to)| *to < end).collect();
    recorder.kill();
    std::fs::remove_dir_all(dir.path().join("state").join("index"))
        .expect("the index is a folder of the state directory");
    recorder.restart();
    wait_for("the same list from the ring alone", SOON, || {
        let again = impaired(&recorder.recordings(&camera));
        if known.iter().all(|one| again.contains(one)) { Ok(()) } else { Err(format!("{again:?} {known:?}")) }
    });
}
