//! Hashes of footage in the audit log of a real recorder.

use crate::cameras::gst;
use serde_json::Value;
use watchbook_e2e::Recorder;

fn entries(recorder: &Recorder, kind: &str) -> Vec<Value> {
    let log = recorder.client.get(&format!("/api/v1/audit?kind={kind}&limit=500")).ok().json();
    log["entries"].as_array().cloned().unwrap_or_else(|| panic!("{log}"))
}

#[test]
fn what_was_recorded_is_in_the_log_when_the_recorder_was_stopped_and_not_among_what_was_done() {
    let dir = tempfile::tempdir().expect("a folder");
    let server = gst(&[]);
    let mut recorder = Recorder::claim(dir.path());
    let camera = recorder.add_camera("Gate", &format!("{}main", server.url()), None);
    recorder.wait_recorded(&camera, 5);
    assert_eq!(recorder.stop(), Some(0));
    drop(server);

    recorder.restart();
    let footage = entries(&recorder, "footage");
    let runs = |entry: &Value| {
        assert_eq!(entry["action"], "footage_segment", "{entry}");
        assert_eq!(entry["subject"]["root"].as_str().map(str::len), Some(64), "a SHA-256: {entry}");
        let of_camera = entry["subject"]["stream"].as_u64() == Some(camera.id * 256);
        entry["subject"]["runs"].as_u64().filter(|_| of_camera).unwrap_or(0)
    };
    let runs: u64 = footage.iter().map(runs).sum();
    // Two commits a second, each with a run.
    assert!(runs >= 8, "{runs} runs of five seconds: {footage:?}");
    let done = entries(&recorder, "people");
    assert!(done.iter().all(|entry| entry["action"] != "footage_segment"), "{done:?}");
    let all = entries(&recorder, "all");
    assert!(all.len() >= done.len() + footage.len(), "{all:?}");
    assert_eq!(all.first().and_then(|entry| entry["index"].as_u64()), Some(all.len() as u64 - 1), "without holes");
}
