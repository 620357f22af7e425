//! Streams that cannot be recorded and a plugin that traps: each has its own state, and nothing else stops.

use crate::cameras::gst;
use crate::{fixtures, footage};
use watchbook_e2e::recorder::SOON;
use watchbook_e2e::{CameraServer, Recorder, wait_for};

#[test]
fn a_plugin_that_traps_is_named_and_set_aside_and_recording_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let plugins = dir.path().join("plugins");
    std::fs::create_dir(&plugins).unwrap();
    fixtures::install(&plugins, "trapping", &fixtures::component("trapping", fixtures::OK, fixtures::TRAP));
    let server = gst(&[]);
    let mut recorder = Recorder::claim_with_plugins(dir.path(), &plugins);
    let camera = recorder.add_camera("Gate", &format!("{}main", server.url()), Some(&format!("{}sub", server.url())));
    recorder.bind_plugin(&camera, "org.example.trapping");
    let plugin = wait_for("the trap to be told", SOON, || {
        let plugin = recorder.plugin("org.example.trapping");
        if plugin["traps"].as_u64().is_some_and(|traps| traps >= 2) { Ok(plugin) } else { Err(plugin.to_string()) }
    });
    assert!(plugin["last_error"].as_str().is_some_and(|sentence| sentence.contains("unreachable")), "{plugin}");

    // Pauses of 1, 2, 4 and 8 seconds, then the fifth trap sets it aside.
    wait_for("the plugin to be set aside", SOON, || {
        let plugin = recorder.plugin("org.example.trapping");
        if plugin["state"] == "failed" { Ok(()) } else { Err(plugin.to_string()) }
    });
    recorder.wait_recorded(&camera, 15);
    assert_eq!(recorder.recordings(&camera)["spans"].as_array().map(Vec::len), Some(1), "one unbroken recording");
    assert_eq!(recorder.recordings(&camera)["gaps"].as_array().map(Vec::len), Some(0));
}

#[test]
fn streams_that_cannot_be_recorded_say_why_and_leave_the_others_alone() {
    let dir = tempfile::tempdir().unwrap();
    let good_server = gst(&[]);
    let video = footage::folder().join("sub.264");
    let bad_server = CameraServer::start("bad_camera.py", &["--video", video.to_str().expect("the path is UTF-8")]);
    let mut recorder = Recorder::claim(dir.path());
    let good = recorder.add_camera("Good", &format!("{}main", good_server.url()), None);
    let faults = [
        ("no-parameters", "stream_unusable"),
        ("all-broken", "stream_unusable"),
        ("jpeg", "stream_unusable"),
        ("hang-later", "camera_silent"),
        ("hang-before", "camera_gone"),
        ("huge-header", "camera_gone"),
    ];
    let cameras = faults.map(|(fault, reason)| {
        (recorder.add_camera(fault, &format!("{}{fault}", bad_server.url()), None), fault, reason)
    });
    let damaged = recorder.add_camera("broken-nal", &format!("{}broken-nal", bad_server.url()), None);
    for (camera, fault, reason) in &cameras {
        let state = recorder.wait_state(camera, "lost", Some(reason));
        for key in ["detail", "next_step"] {
            assert!(state[key].as_str().is_some_and(|text| !text.is_empty()), "{fault}: no {key} in {state}");
        }
    }
    // Damage inside a stream costs the damaged pictures; what is left is footage.
    recorder.wait_recorded(&damaged, 5);
    wait_for("a count of damaged pictures", SOON, || {
        let state = recorder.main_state(&damaged);
        if state["damaged_access_units"].as_u64() > Some(0) { Ok(()) } else { Err(state.to_string()) }
    });
    recorder.wait_recorded(&good, 5);
    assert_eq!(recorder.recordings(&good)["gaps"].as_array().map(Vec::len), Some(0), "the good camera lost nothing");
}
