//! The recorder inside a machine with cameras that are plugged in, pulled out, refused and taken by others.

#![allow(missing_docs, clippy::unwrap_used, reason = "a test")]

mod footage;
mod network;
mod service;
mod station;

use footage::{FPS, Footage};
use network::Network;
use serde_json::Value;
use station::{LONG, Station};
use std::io::Write as _;
use std::path::Path;
use std::time::Duration;
use watchbook_e2e::wait::wait_for;

/// Identity of the camera with serial number `WB0001` (Linux Foundation, "test camera", first interface, first node).
const YARD: &str = "v4l2:usb:1d6b:0102:WB0001:0.0";
/// The kernel's own test driver: uncompressed pictures.
const VIVID: [&str; 1] = ["vivid n_devs=1 node_types=0x1 num_inputs=1 input_types=0x0"];

/// The same with serial number `WB0002`.
const GATE: &str = "v4l2:usb:1d6b:0102:WB0002:0.0";
/// The first device of [`VIVID`].
const VIVID_CAMERA: &str = "v4l2:bus:platform:vivid-000:0";

#[test]
fn a_camera_that_is_plugged_in_is_recorded_byte_for_byte_and_missed_when_it_is_pulled_out() {
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let footage = Footage::make(dir.path());
    let Some(mut station) = Station::boot(dir.path(), &VIVID) else { return };
    station.plug_in("yard", "WB0001", 0, &footage);

    let listed = station.wait("the camera to be listed", || {
        let list = station.local_cameras();
        list.iter().find(|camera| camera["url"] == YARD).cloned().ok_or_else(|| format!("{list:?}"))
    });
    assert!(listed["name"].as_str().is_some_and(|name| name.starts_with("Test Camera")), "{listed}");
    assert!(listed["problem"].is_null() && listed["camera"].is_null(), "{listed}");
    let h264 = format_of(&listed, "H264");
    assert_eq!(
        (&h264["recordable"], &h264["sizes"][0]["width"], &h264["sizes"][0]["fps"][0]),
        (&true.into(), &640.into(), &10.into())
    );

    let camera = station.add("Yard", &format!("{YARD}?format=H264"), false);
    station.wait_state(camera, "live", None);
    let (start, end) = station.wait_recorded(camera, 1, 5);
    footage.assert_recorded(&station.play(camera, start, end, dir.path()), 30);
    assert_eq!(listed_camera(&station, YARD), Some(camera), "the list says who records it");

    // The device is one and has one reader: the second camera of the station says so.
    let second = station.add("Yard again", YARD, false);
    let state = station.wait_state(second, "lost", Some("stream_unusable"));
    assert!(state["detail"].as_str().is_some_and(|detail| detail.contains("in use by another program")), "{state}");
    station.switch_off(second);

    station.order("kill yard", "VM killed yard");
    let state = station.wait_state(camera, "lost", Some("camera_gone"));
    assert!(state["next_step"].as_str().is_some_and(|step| step.contains("by itself")), "{state}");
    // Another camera takes its number; ours comes back under the next one, in another port, and is still itself.
    station.plug_in("gate", "WB0002", 1, &footage);
    station.wait("the other camera", || {
        let list = station.local_cameras();
        let found = list.iter().any(|camera| camera["url"] == GATE);
        found.then_some(()).ok_or_else(|| format!("{list:?}"))
    });
    station.plug_in("yard", "WB0001", 2, &footage);
    station.wait_state(camera, "live", None);
    let again = listed_of(&station, YARD);
    assert_ne!(again["node"], listed["node"], "it has another number now");
    let (start, end) = station.wait_recorded(camera, 2, 3);
    footage.assert_recorded(&station.play(camera, start, end, dir.path()), 15);
    let recordings = station.recordings(camera);
    let gaps = recordings["gaps"].as_array().cloned().unwrap_or_default();
    assert!(gaps.iter().any(|gap| gap["reason"] == "camera_gone"), "{recordings}");

    // In the same machine: another would take half a minute to start.
    assert_encoded_once(&mut station, dir.path());
}

/// A camera is pulled out while somebody holds the lock that its driver's farewell needs: the loss is told all the same, and the camera comes back.
#[test]
#[ignore = "ten seconds for each pull on an emulated machine"]
fn a_camera_whose_farewell_takes_long_is_missed_at_once_and_comes_back() {
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let footage = Footage::make(dir.path());
    let Some(mut station) = Station::boot(dir.path(), &[]) else { return };
    let holder = Path::new(env!("CARGO_MANIFEST_DIR")).join("guest/hold_media.py");
    let camera = station.add("Yard", &format!("{YARD}?format=H264"), false);
    for pull in 0..10 {
        station.plug_in(&format!("yard-{pull}"), "WB0001", 0, &footage);
        station.wait_state(camera, "live", None);
        let order = format!("start holder-{pull} /usr/bin/python3 {} /dev/media0 by-{pull}", holder.display());
        station.order(&order, &format!("HOLDS by-{pull}"));
        station.order(&format!("kill yard-{pull}"), &format!("VM killed yard-{pull}"));
        station.wait_state(camera, "lost", Some("camera_gone"));
        station.order(&format!("kill holder-{pull}"), &format!("VM killed holder-{pull}"));
        writeln!(std::io::stderr(), "pulled out {} times", pull + 1).expect("figures can be written");
    }
    assert_eq!(station.state(camera)["status"], "lost");
}

/// Four cameras leave at once, many times: `PULLS=100 cargo test --release --workspace --test vm -- --ignored --nocapture pulled_out_again`.
#[test]
#[ignore = "some seconds for each pull"]
fn a_camera_that_is_pulled_out_again_and_again_breaks_no_kernel() {
    let pulls = std::env::var("PULLS").map_or(20, |text| text.parse().unwrap());
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let footage = Footage::make(dir.path());
    let Some(mut station) = Station::boot(dir.path(), &[]) else { return };
    let name = |pull: u32, port: u32| format!("camera-{pull}-{port}");
    let mut cameras = Vec::new();
    for port in 0..4 {
        let serial = format!("WB000{}", port + 1);
        station.plug_in(&name(0, port), &serial, port, &footage);
        cameras.push(station.add(&serial, &format!("v4l2:usb:1d6b:0102:{serial}:0.0?format=H264"), false));
    }
    for pull in 0..pulls {
        cameras.iter().for_each(|camera| drop(station.wait_state(*camera, "live", None)));
        for port in 0..4 {
            station.order(&format!("kill {}", name(pull, port)), &format!("VM killed {}", name(pull, port)));
        }
        cameras.iter().for_each(|camera| drop(station.wait_state(*camera, "lost", Some("camera_gone"))));
        writeln!(std::io::stderr(), "pulled out {} times", pull + 1).expect("figures can be written");
        for port in 0..4 {
            station.plug_in(&name(pull + 1, port), &format!("WB000{}", port + 1), port, &footage);
        }
    }
    for camera in cameras {
        let state = station.wait_state(camera, "live", None);
        assert!(state["sessions"].as_u64().is_some_and(|sessions| sessions > u64::from(pulls)), "{state}");
    }
}

#[test]
fn a_bad_network_costs_what_it_drops_and_a_silent_one_is_left_behind() {
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let footage = Footage::make(dir.path());
    std::fs::copy(&footage.h264, dir.path().join("pictures.264")).unwrap();
    let Some(mut station) = Station::boot(dir.path(), &network::DRIVERS) else { return };
    let mut network = Network::lay(&mut station, dir.path());
    let source = footage::slices(&footage.h264);
    let over_udp = assert_udp_counts_exactly(&mut network, &source, dir.path());
    let over_tcp = assert_tcp_loses_nothing(&mut network, &source, dir.path());
    assert_silence_is_left_behind(&mut network, [over_udp, over_tcp], &source, dir.path());
}

/// Packets that are lost, late, in another order and there twice, over UDP: the lost ones are counted as `netem` counts them, no picture is stored in part, and where one
/// is left out that is told. The camera's number.
fn assert_udp_counts_exactly(network: &mut Network<'_>, source: &[String], dir: &Path) -> u64 {
    network.part_media();
    let camera = network.station.add_rtsp("Yard over UDP", &Network::url("yard"), "udp");
    network.station.wait_recorded(camera, 1, 3);
    assert_eq!(network.station.state(camera)["lost_packets"], 0, "before anything is lost");
    // Late, in another order and there twice is not lost. That comes without loss: `netem` may drop the second of two and counts it like one that is missing.
    network.media("delay 20ms 8ms reorder 3% duplicate 1%");
    let (packets, _) = network.counted();
    network.wait_packets(packets + 500);
    assert_eq!(network.station.state(camera)["lost_packets"], 0, "nothing was lost");
    // Counted before: on a slow machine the first one is lost before anybody can ask.
    let (packets, dropped) = network.counted();
    assert_eq!(dropped, 0, "before anything is lost");
    network.media("loss 1% delay 20ms 8ms reorder 3%");
    network.wait_packets(packets + 1_000);
    // What is lost last is noticed by what comes after it.
    network.media("loss 0%");
    let (_, dropped) = network.counted();
    let state = wait_for("the lost packets to be counted", LONG, || {
        let state = network.station.wait_state(camera, "live", None);
        if state["lost_packets"] == dropped { Ok(state) } else { Err(format!("{dropped} dropped: {state}")) }
    });
    assert!(dropped > 0 && state["sessions"] == 1, "{dropped} dropped: {state}");
    let (start, end) = network.station.wait_recorded(camera, 1, 10);
    let recordings = network.station.recordings(camera);
    assert_eq!(recordings["spans"].as_array().map(Vec::len), Some(1), "{recordings}");
    let file = network.station.play(camera, start, end, dir);
    let recorded = footage::slices(&file);
    let (skipped, places) = footage::left_out(source, &recorded);
    let damaged = state["damaged_access_units"].as_u64().unwrap_or_default();
    writeln!(
        std::io::stderr(),
        "UDP: {dropped} packets dropped and counted, {skipped} of {} pictures left out in {places} places, {damaged} told as damaged",
        recorded.len() + skipped
    )
    .expect("figures can be written");
    assert!(places as u64 <= damaged && damaged <= dropped, "{places} places, {damaged} damaged, {dropped} dropped");
    // A picture that is left out takes those up to the next key frame with it, a second of them, as far as a decoder wants to show nothing that is wrong.
    let decoded = footage::decoded(&file);
    assert!(
        decoded <= recorded.len() && decoded + places * FPS as usize >= recorded.len(),
        "{decoded} of {}",
        recorded.len()
    );
    assert_eq!(network.station.state(camera)["lost_packets"], dropped, "nothing is counted afterwards");
    camera
}

/// A network that is worse, under TCP: every picture is there. The camera's number.
fn assert_tcp_loses_nothing(network: &mut Network<'_>, source: &[String], dir: &Path) -> u64 {
    network.all("loss 3% delay 10ms 4ms");
    let camera = network.station.add_rtsp("Gate over TCP", &Network::url("gate"), "tcp");
    network.station.wait_recorded(camera, 1, 3);
    wait_for("some loss", LONG, || match network.counted() {
        (_, dropped) if dropped >= 5 => Ok(()),
        counted => Err(format!("{counted:?}")),
    });
    let (start, end) = network.station.wait_recorded(camera, 1, 8);
    let state = network.station.wait_state(camera, "live", None);
    let told = ["lost_packets", "damaged_access_units", "sessions"].map(|name| state[name].as_u64());
    assert_eq!(told, [Some(0), Some(0), Some(1)], "{state}");
    let recordings = network.station.recordings(camera);
    assert_eq!(recordings["spans"].as_array().map(Vec::len), Some(1), "{recordings}");
    let recorded = footage::slices(&network.station.play(camera, start, end, dir));
    assert_eq!(footage::left_out(source, &recorded), (0, 0));
    assert_eq!(footage::decoded(&network.station.play(camera, start, end, dir)), recorded.len());
    camera
}

/// A network that carries nothing for longer than a camera's kernel waits between its repetitions: the old session is given up, nobody waits for it, and the gap is
/// as long as the silence.
fn assert_silence_is_left_behind(network: &mut Network<'_>, cameras: [u64; 2], source: &[String], dir: &Path) {
    network.all("loss 0%");
    let before = network.now_ms();
    network.silence();
    let silent = network.now_ms();
    for camera in cameras {
        network.station.wait_state(camera, "lost", Some("camera_gone"));
    }
    wait_for("the silence to last", LONG, || match network.now_ms() - silent {
        13_000.. => Ok(()),
        ms => Err(format!("{ms} ms")),
    });
    let back = network.now_ms();
    network.restore();
    for camera in cameras {
        network.station.wait_state(camera, "live", None);
        let (start, end) = network.station.wait_recorded(camera, 2, 3);
        let recordings = network.station.recordings(camera);
        let gaps = recordings["gaps"].as_array().cloned().unwrap_or_default();
        assert!(gaps.len() == 1 && gaps[0]["reason"] == "camera_gone", "{recordings}");
        let time = |name: &str| gaps[0][name].as_i64().unwrap_or_default();
        let began = before - 2_000..=silent + 1_000;
        assert!(began.contains(&time("start_utc_ms")), "silent from {silent}: {recordings}");
        assert!(time("end_utc_ms") >= back, "back at {back}: {recordings}");
        let recorded = footage::slices(&network.station.play(camera, start, end, dir));
        assert_eq!(footage::left_out(source, &recorded), (0, 0));
    }
}

/// What a stream costs, by path: `cargo test --release --workspace --test vm -- --ignored --nocapture figures`.
#[test]
#[ignore = "a measurement of three minutes"]
fn figures() {
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let footage = Footage::make(dir.path());
    let Some(mut station) = Station::boot(dir.path(), &VIVID) else { return };
    station.plug_in("yard", "WB0001", 0, &footage);
    let over = Duration::from_secs(30);
    let idle = station.cpu_s("idle", over);
    println!("no camera: {:.2} s of processor time a minute", idle * 2.0);
    for (path, address) in [
        ("H.264 as it is, 640×360 at 10/s", format!("{YARD}?format=H264")),
        ("JPEG as it is, 640×360 at 10/s", format!("{YARD}?format=MJPG")),
        ("JPEG encoded, 640×360 at 10/s", format!("{YARD}?format=MJPG&encode=h264")),
        ("YUYV encoded, 640×360 at 10/s", format!("{VIVID_CAMERA}?format=YUYV&size=640x360&fps=10")),
    ] {
        let camera = station.add(path, &address, false);
        station.wait_recorded(camera, 1, 3);
        let mark = camera.to_string();
        let cost = station.cpu_s(&mark, over) - idle;
        let state = station.wait_state(camera, "live", None);
        assert!(cost > 0.0, "{state}");
        println!("{path}: {:.2} s of processor time a minute, encoder {}", cost * 2.0, state["encoder"]);
        station.switch_off(camera);
        station.wait_state(camera, "disabled", None);
    }
}

/// Two formats of the kernel's test driver and the MJPEG of a USB camera: encoded in a child program, played by others, and what that costs is told.
fn assert_encoded_once(station: &mut Station, dir: &Path) {
    let raw = listed_of(station, VIVID_CAMERA);
    let yuyv = format_of(&raw, "YUYV");
    assert_eq!((&yuyv["recordable"], &yuyv["encoded"]), (&true.into(), &true.into()));
    let mut before = None;
    for (address, width, height) in [
        (format!("{VIVID_CAMERA}?format=YUYV&size=320x180&fps=5"), 320, 180),
        (format!("{VIVID_CAMERA}?format=NV12&size=320x180&fps=5&masks=permanent"), 320, 180),
        (format!("{GATE}?format=MJPG&encode=h264"), 640, 360),
    ] {
        // A device has one reader.
        before.into_iter().for_each(|camera| station.switch_off(camera));
        let camera = station.add("Encoded", &address, true);
        before = Some(camera);
        let (start, end) = station.wait_recorded(camera, 1, 4);
        let state = station.wait_encoder(camera);
        assert!(state["encoder"]["name"].as_str().is_some_and(|name| name.contains("264")), "{state}");
        writeln!(std::io::stderr(), "{address}: {}", state["encoder"]).expect("figures can be written");
        let masked = address.ends_with("permanent");
        // Four seconds of them; an emulated machine on a busy one encodes one or two a second.
        footage::assert_played(&station.play(camera, start, end, dir), (width, height), 5, masked);
    }
}

fn format_of(camera: &Value, letters: &str) -> Value {
    let formats = camera["formats"].as_array().cloned().unwrap_or_default();
    formats
        .iter()
        .find(|format| format["letters"] == letters)
        .cloned()
        .unwrap_or_else(|| panic!("no {letters} in {camera}"))
}

fn listed_of(station: &Station, url: &str) -> Value {
    let list = station.local_cameras();
    list.iter().find(|camera| camera["url"] == url).cloned().unwrap_or_else(|| panic!("no {url} in {list:?}"))
}

fn listed_camera(station: &Station, url: &str) -> Option<u64> {
    listed_of(station, url)["camera"].as_u64()
}
