//! kill -9, damage on disk, a lost index.

use crate::cameras::gst;
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use watchbook_e2e::media::decode_complaints;
use watchbook_e2e::recorder::{SOON, now_ms};
use watchbook_e2e::{Recorder, wait_for};

#[test]
fn kill_9_costs_at_most_a_second_and_leaves_a_gap_row() {
    let dir = tempfile::tempdir().unwrap();
    let server = gst(&[]);
    let mut recorder = Recorder::claim(dir.path());
    let camera = recorder.add_camera("Gate", &format!("{}main", server.url()), None);
    let (start, _) = recorder.wait_recorded(&camera, 4);

    recorder.kill();
    let killed = now_ms();
    recorder.restart();
    let recordings = recorder.recordings(&camera);
    let spans = recordings["spans"].as_array().cloned().unwrap_or_default();
    let kept = spans
        .iter()
        .filter_map(|span| span["end_utc_ms"].as_i64())
        .filter(|end| *end <= killed + 100)
        .max()
        .unwrap_or_else(|| panic!("nothing survived: {recordings}"));
    // One commit interval of 500 ms, one commit under way, and the last sample's own length.
    assert!(killed - kept <= 1_000, "{} ms were lost at the kill: {recordings}", killed - kept);

    let case = recorder.client.open_emergency(&[camera.id]);
    let file = recorder.play(case, &camera, start, kept);
    assert_eq!(decode_complaints(&file), "", "what was committed before the kill is whole");
    wait_for("the gap row of the restart", SOON, || {
        let recordings = recorder.recordings(&camera);
        let gaps = recordings["gaps"].as_array().cloned().unwrap_or_default();
        if gaps.iter().any(|gap| gap["reason"] == "restart") { Ok(()) } else { Err(recordings.to_string()) }
    });
    recorder.wait_recorded(&camera, 2);
    let (code, text) = {
        recorder.stop();
        recorder.check(&[])
    };
    assert_eq!(code, Some(0), "after a kill and a restart the ring is whole:\n{text}");
}

#[test]
fn a_lost_index_is_made_again_from_the_ring() {
    let dir = tempfile::tempdir().unwrap();
    let server = gst(&[]);
    let mut recorder = Recorder::claim(dir.path());
    let camera = recorder.add_camera("Gate", &format!("{}main", server.url()), None);
    recorder.wait_recorded(&camera, 5);
    assert_eq!(recorder.stop(), Some(0));
    drop(server);

    recorder.restart();
    let before = recorder.recordings(&camera)["spans"].clone();
    recorder.stop();
    std::fs::remove_dir_all(dir.path().join("state").join("index"))
        .expect("the index is a folder of the state directory");
    recorder.restart();
    assert_eq!(recorder.recordings(&camera)["spans"], before, "the ring alone must give the same list");
    recorder.stop();
    let (code, text) = recorder.check(&["--rebuild"]);
    assert_eq!(code, Some(0), "{text}");
    recorder.restart();
    assert_eq!(recorder.recordings(&camera)["spans"], before);
}

#[test]
fn a_flipped_byte_is_found_by_check_and_never_served() {
    let dir = tempfile::tempdir().unwrap();
    let server = gst(&[]);
    let mut recorder = Recorder::claim(dir.path());
    let camera = recorder.add_camera("Gate", &format!("{}main", server.url()), None);
    let (start, end) = recorder.wait_recorded(&camera, 6);
    let case = recorder.client.open_emergency(&[camera.id]);
    let path = Recorder::played_path(case, &camera, start, end);
    let healthy = recorder.client.get(&path).ok().body.len();
    recorder.stop();
    assert_eq!(recorder.check(&[]).0, Some(0), "a healthy ring passes");

    // The first segment holds a 4 KiB header and then footage; 1 MiB in is well inside it.
    let segment = std::fs::read_dir(recorder.ring_dir().join("segments"))
        .expect("the ring has its folder of segments")
        .map(|entry| entry.expect("can be listed").path())
        .min()
        .expect("there is a segment");
    flip(&segment, 1 << 20);

    let (code, text) = recorder.check(&[]);
    assert_eq!(code, Some(1), "check must fail:\n{text}");
    assert!(text.contains("camera 1"), "the report names the camera:\n{text}");
    recorder.restart();
    let url = format!("http://{}{path}", recorder.client.authority());
    // The header of the file is sent before the damage is met; then the connection must break off rather than pass wrong pictures as good.
    let mut answer = ureq::get(&url).header("Cookie", recorder.client.cookie()).call().expect("the download begins");
    let mut bytes = Vec::new();
    let outcome = answer.body_mut().as_reader().read_to_end(&mut bytes);
    assert!(outcome.is_err(), "damaged footage was served as if it were good");
    assert!(bytes.len() < healthy, "{} of {healthy} bytes came before the damage was met", bytes.len());
}

fn flip(file: &std::path::Path, at: u64) {
    let mut file = std::fs::File::options().read(true).write(true).open(file).expect("the segment can be opened");
    let mut byte = [0];
    file.seek(SeekFrom::Start(at)).and_then(|_| file.read_exact(&mut byte)).expect("the segment is longer than that");
    byte[0] ^= 0x40;
    file.seek(SeekFrom::Start(at)).and_then(|_| file.write_all(&byte)).expect("the segment can be written");
}
