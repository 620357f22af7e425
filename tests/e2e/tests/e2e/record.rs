//! The main path: record, list, play, and what the plugin saw.

use crate::cameras::gst;
use watchbook_e2e::client::Client;
use watchbook_e2e::media::{decode_complaints, probe};
use watchbook_e2e::process::Process;
use watchbook_e2e::recorder::{SOON, now_ms, program};
use watchbook_e2e::{Recorder, wait_for};

#[test]
fn a_camera_is_recorded_listed_and_played() {
    let dir = tempfile::tempdir().unwrap();
    let server = gst(&[]);
    let mut recorder = Recorder::claim(dir.path());
    let camera = recorder.add_camera("Gate", &format!("{}main", server.url()), Some(&format!("{}sub", server.url())));
    let state = recorder.wait_state(&camera, "live", None);
    assert!(state["codec"].as_str().is_some_and(|codec| codec.starts_with("avc1.")), "{state}");
    let (start, end) = recorder.wait_recorded(&camera, 8);

    // Five seconds, and what the first picture needs before them.
    let case = recorder.client.open_emergency(&[camera.id]);
    let path =
        Recorder::played_path(case, &camera, start + 2_000, end.min(start + 7_000)) + &format!("&base_utc_ms={start}");
    // Whole and by ranges: the bytes must be the same.
    let whole = recorder.client.get(&path).ok();
    assert_eq!(whole.header("content-type"), "video/mp4");
    let half = whole.body.len() / 2;
    let mut parts = Vec::new();
    for range in [format!("bytes=0-{}", half - 1), format!("bytes={half}-")] {
        let part = recorder.client.get_range(&path, Some(&range));
        assert_eq!(part.status, 206);
        parts.extend(part.body);
    }
    assert_eq!(parts, whole.body, "two ranges must add up to the whole");
    let fragmented = recorder.save(&whole.body, "playback.mp4");
    assert_eq!(decode_complaints(&fragmented), "", "every picture must be whole");
    let plain = recorder.play(case, &camera, start + 2_000, start + 7_000);
    let found = probe(&plain);
    assert_eq!(found.codec, "h264");
    assert!((4.8..=7.3).contains(&found.seconds), "five seconds, and a GOP of at most two: {found:?}");

    // The status says so too: everything committed is on disk and the ring reports it.
    let health = recorder.client.get("/api/v1/health").ok().json();
    assert!(health["ring"]["commits"].as_u64().is_some_and(|commits| commits > 0), "{health}");
    assert_eq!(recorder.stop(), Some(0), "SIGTERM must end it cleanly");
}

#[test]
fn a_taken_port_keeps_no_camera_from_being_recorded() {
    let dir = tempfile::tempdir().unwrap();
    let server = gst(&[]);
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let (state, ring) = (dir.path().join("state"), dir.path().join("ring"));
    let config = format!(
        "[web]\nlisten = \"{}\"\n[storage]\nstate_dir = {state:?}\nring_dir = {ring:?}\nring_gib = 0.5\nsegment_mib = 16\n[cameras]\nnetworks = [\"127.0.0.1\"]\n\
         [[camera]]\nname = \"Gate\"\npurpose = \"A test\"\ncontact = \"A test\"\nmain_url = \"{}main\"\n",
        taken.local_addr().unwrap(),
        server.url(),
    );
    let file = dir.path().join("watchbook.toml");
    std::fs::write(&file, config).unwrap();
    let mut command = std::process::Command::new(program("watchbook"));
    let mut process = Process::start("watchbook", command.args(["run", "--config"]).arg(&file));
    process.wait_line("the page cannot be served", SOON);

    // The first commit lies behind the header of the first segment.
    wait_for("footage on disk", SOON, || {
        use std::os::unix::fs::FileExt as _;
        let mut bytes = [0; 4096];
        let segments = std::fs::read_dir(ring.join("segments")).unwrap();
        let written = segments.filter_map(Result::ok).any(|segment| {
            let read = std::fs::File::open(segment.path()).and_then(|file| file.read_exact_at(&mut bytes, 8192));
            read.is_ok() && bytes.iter().any(|byte| *byte != 0)
        });
        if written { Ok(()) } else { Err("nothing yet".to_owned()) }
    });
    let recorded_by = now_ms();
    drop(taken);
    let page = process.wait_line("page: ", SOON);
    let mut client = Client::new(&page);
    client.claim(&process.wait_line("claim code: ", SOON));
    let path = format!("/api/v1/cameras/1/recordings?from_utc_ms={}&to_utc_ms={}", recorded_by - 600_000, now_ms());
    let recordings = client.get(&path).ok().json();
    assert!(recordings["spans"][0]["start_utc_ms"].as_i64().is_some_and(|start| start < recorded_by), "{recordings}");
}

#[test]
fn nobody_else_on_the_box_reads_the_station() {
    use std::os::unix::fs::PermissionsExt as _;
    let dir = tempfile::tempdir().unwrap();
    let mut recorder = Recorder::claim(dir.path());
    let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&dir.path().join("state")), 0o700, "the register holds camera passwords");
    for entry in std::fs::read_dir(recorder.ring_dir().join("segments")).unwrap() {
        assert_eq!(mode(&entry.unwrap().path()) & 0o077, 0, "segments hold footage");
    }
    // One that an earlier version or an administrator left open is closed at the next start.
    recorder.stop();
    std::fs::set_permissions(dir.path().join("state"), std::fs::Permissions::from_mode(0o755)).unwrap();
    recorder.restart();
    assert_eq!(mode(&dir.path().join("state")), 0o700);
}

#[test]
fn motion_events_of_the_plugin_reach_the_index() {
    let dir = tempfile::tempdir().unwrap();
    let server = gst(&[]);
    let mut recorder = Recorder::claim(dir.path());
    let camera = recorder.add_camera("Square", &format!("{}main", server.url()), Some(&format!("{}sub", server.url())));
    recorder.bind_plugin(&camera, "org.watchbook.motion");
    let events = wait_for("a motion event", SOON + SOON + SOON, || {
        let path = format!("/api/v1/events?from_utc_ms={}&to_utc_ms={}", now_ms() - 600_000, now_ms() + 60_000);
        let events = recorder.client.get(&path).ok().json();
        match events["events"].as_array() {
            Some(list) if !list.is_empty() => Ok(list.clone()),
            _ => Err(format!("{events} {}", recorder.client.get("/api/v1/plugins").ok().json())),
        }
    });
    let event = &events[0];
    assert_eq!(event["kind"], "motion", "{event}");
    assert_eq!(event["camera"].as_u64(), Some(camera.id));
    assert!(event["source"]["component_sha256"].as_str().is_some_and(|digest| digest.len() == 64), "{event}");

    // An event survives a kill -9 once it has been listed.
    recorder.kill_and_restart();
    let path = format!("/api/v1/events?from_utc_ms={}&to_utc_ms={}", now_ms() - 600_000, now_ms() + 60_000);
    let after = recorder.client.get(&path).ok().json();
    let kept = after["events"].as_array().cloned().unwrap_or_default();
    assert!(kept.iter().any(|kept| kept["start_utc_ms"] == event["start_utc_ms"]), "{after}");
}
