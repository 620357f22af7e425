//! H.265 for a browser that does not play it: what comes transcoded is what was recorded, comes under a cap, and costs nobody else anything.

use crate::footage;
use serde_json::Value;
use std::collections::HashMap;
use std::fs;
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use tungstenite::client::IntoClientRequest as _;
use tungstenite::{Message, WebSocket};
use watchbook_e2e::media::{decode_complaints, probe};
use watchbook_e2e::recorder::SOON;
use watchbook_e2e::{Camera, CameraServer, Recorder, wait_for};

/// The size at which pictures are compared.
const SMALL: (usize, usize) = (320, 180);
/// A transcoded picture is at least so near to the recorded one. Real footage of 640×360 at 600 kbit/s comes out at some 38 dB.
const PSNR_DB_MIN: f64 = 30.0;

fn hevc(footage: &Path) -> CameraServer {
    CameraServer::start("gst_camera.py", &["--footage", footage.to_str().expect("the path is UTF-8")])
}

fn run(program: &str, arguments: &[&str]) -> Vec<u8> {
    let output = Command::new(program).args(arguments).output().expect("ffmpeg is installed by the set-up");
    assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

/// Each picture as ffmpeg decodes it, small and grey, with its time in ms on the file's timeline.
fn pictures(file: &Path) -> Vec<(f64, Vec<u8>)> {
    let path = file.to_str().expect("the path is UTF-8");
    let told = run(
        "ffprobe",
        &["-v", "error", "-select_streams", "v:0", "-show_entries", "frame=pts_time", "-of", "csv=p=0", path],
    );
    let times: Vec<f64> = String::from_utf8_lossy(&told)
        .split_whitespace()
        .map(|line| line.trim_end_matches(',').parse::<f64>().expect("ffprobe prints times") * 1_000.0)
        .collect();
    let scale = format!("scale={}:{}:flags=area", SMALL.0, SMALL.1);
    let raw = run(
        "ffmpeg",
        &[
            "-v",
            "error",
            "-i",
            path,
            "-fps_mode",
            "passthrough",
            "-vf",
            &scale,
            "-f",
            "rawvideo",
            "-pix_fmt",
            "gray",
            "-",
        ],
    );
    let pictures: Vec<Vec<u8>> = raw.chunks(SMALL.0 * SMALL.1).map(<[u8]>::to_vec).collect();
    assert_eq!(times.len(), pictures.len());
    times.into_iter().zip(pictures).collect()
}

fn psnr(a: &[u8], b: &[u8]) -> f64 {
    let squares: f64 = a.iter().zip(b).map(|(a, b)| f64::from(a.abs_diff(*b)).powi(2)).sum();
    10.0 * (255.0_f64.powi(2) * a.len() as f64 / squares.max(1e-9)).log10()
}

/// Programs that transcode for this recorder now: their process ids.
fn transcoding(recorder: &Recorder) -> Vec<u32> {
    let processes = fs::read_dir("/proc").expect("proc is there").flatten();
    let ids = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    ids.filter(|id| {
        let stat = fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
        let words = fs::read(format!("/proc/{id}/cmdline")).unwrap_or_default();
        let words = String::from_utf8_lossy(&words);
        // The process that was started starts programs for the recorder, which starts none.
        let parent = stat.rsplit(") ").next().and_then(|rest| rest.split(' ').nth(1)).and_then(|id| id.parse().ok());
        parent == Some(recorder.id()) && (words.contains("--one") || words.contains("--background"))
    })
    .collect()
}

struct Live(WebSocket<TcpStream>);

/// What a live connection says next.
enum Said {
    Text(Value),
    Bytes(Vec<u8>),
    Closed,
}

impl Live {
    fn open(recorder: &Recorder, camera: &Camera) -> Self {
        let authority = recorder.client.authority();
        let url = format!("ws://{authority}/api/v1/cameras/{}/live?role=main_video&as=h264", camera.id);
        let mut request = url.into_client_request().expect("a URL");
        let cookie = recorder.client.cookie().parse().expect("a cookie");
        request.headers_mut().insert("Cookie", cookie);
        request.headers_mut().insert("Origin", format!("http://{authority}").parse().expect("an origin"));
        let stream = TcpStream::connect(authority).expect("the recorder listens");
        stream.set_read_timeout(Some(SOON)).expect("a socket has timeouts");
        Self(tungstenite::client(request, stream).expect("the recorder takes the WebSocket").0)
    }

    fn next(&mut self) -> Said {
        loop {
            match self.0.read() {
                Ok(Message::Text(text)) => return Said::Text(serde_json::from_str(&text).expect("text is JSON")),
                Ok(Message::Binary(bytes)) => return Said::Bytes(bytes.to_vec()),
                Ok(Message::Close(_)) => return Said::Closed,
                Ok(_) => {}
                Err(error) => panic!("the live connection: {error}"),
            }
        }
    }

    /// The first message of this type.
    fn wait_text(&mut self, kind: &str) -> Value {
        loop {
            match self.next() {
                Said::Text(text) if text["type"] == kind => return text,
                Said::Closed => panic!("closed before {kind}"),
                Said::Text(_) | Said::Bytes(_) => {}
            }
        }
    }
}

#[test]
fn recorded_footage_comes_transcoded_with_its_own_times_and_pictures() {
    let dir = tempfile::tempdir().unwrap();
    let server = hevc(footage::folder());
    let mut recorder = Recorder::claim(dir.path());
    let camera = recorder.add_camera("Gate", &format!("{}hevc", server.url()), None);
    let (from, _) = recorder.wait_recorded(&camera, 7);
    let case = recorder.client.open_emergency(&[camera.id]);
    // Not at a key frame, so that pictures before it are decoded and do not come.
    let (start, end) = (from + 2_700, from + 5_700);
    let path = format!("{}&base_utc_ms={}", Recorder::played_path(case, &camera, start, end), from - 60_000);
    let before = recorder.client.get("/api/v1/audit?limit=100").ok().json();
    let original = recorder.save(&recorder.client.get(&path).ok().body, "original.mp4");
    let answer = recorder.client.get(&format!("{path}&as=h264")).ok();
    let transcoded = recorder.save(&answer.body, "transcoded.mp4");
    assert!(answer.header("watchbook-codec").starts_with("hvc1."), "the headers tell of what is recorded");
    assert_eq!(probe(&original).codec, "hevc");
    let found = probe(&transcoded);
    assert_eq!((found.codec.as_str(), found.width), ("h264", 640));
    assert_eq!(decode_complaints(&transcoded), "");

    let recorded = pictures(&original);
    let shown = pictures(&transcoded);
    let wanted_ms = (start - from + 60_000) as f64;
    assert!((70..=78).contains(&shown.len()), "{} pictures of 3 s at 25 a second", shown.len());
    assert!(
        shown[0].0 <= wanted_ms && wanted_ms - shown[0].0 < 41.0,
        "it begins with the picture at {wanted_ms}: {}",
        shown[0].0
    );
    let by_time: HashMap<i64, &Vec<u8>> = recorded.iter().map(|(ms, picture)| (ms.round() as i64, picture)).collect();
    for (ms, picture) in &shown {
        let same = by_time.get(&(ms.round() as i64)).unwrap_or_else(|| panic!("nothing was recorded at {ms} ms"));
        let alike = psnr(picture, same);
        assert!(alike > PSNR_DB_MIN, "the picture at {ms} ms is {alike:.1} dB from the recorded one");
    }
    wait_for("the programs to end", SOON, || match transcoding(&recorder)[..] {
        [] => Ok(()),
        ref left => Err(format!("{left:?} run")),
    });
    // It is the same look: no entry more than for the footage as it is.
    let after = recorder.client.get("/api/v1/audit?limit=100").ok().json();
    let looks = |page: &Value| {
        page["entries"].as_array().unwrap().iter().filter(|entry| entry.to_string().contains("playback")).count()
    };
    assert_eq!(looks(&after) - looks(&before), 1, "{after}");

    for (refused, status) in [("&as=vp9", 422), ("&as=", 422)] {
        assert_eq!(recorder.client.get(&format!("{path}{refused}")).status, status);
    }
    let long = Recorder::played_path(case, &camera, from, from + 61_000);
    assert_eq!(recorder.client.get(&format!("{long}&as=h264")).status, 422);
    let nobody = watchbook_e2e::Client::new(&format!("http://{}", recorder.client.authority()));
    assert_eq!(nobody.get(&format!("{path}&as=h264")).status, 401);
    let other_case = path.replace(case, "E2E%209");
    assert_eq!(recorder.client.get(&format!("{other_case}&as=h264")).status, 403, "outside a case");
}

#[test]
fn live_pictures_are_transcoded_under_a_cap_and_their_programs_end_with_the_viewer() {
    let dir = tempfile::tempdir().unwrap();
    let server = hevc(footage::folder());
    let mut recorder = Recorder::claim(dir.path());
    let camera = recorder.add_camera("Gate", &format!("{}hevc", server.url()), None);
    recorder.wait_state(&camera, "live", None);
    let cap = std::thread::available_parallelism().unwrap().get().min(8);
    let mut viewers: Vec<Live> = (0..cap).map(|_| Live::open(&recorder, &camera)).collect();
    for viewer in &mut viewers {
        let format = viewer.wait_text("format");
        assert!(format["transcoded"] == true && format["mime"].as_str().unwrap().contains("avc1.4D"), "{format}");
    }
    assert_eq!(transcoding(&recorder).len(), 2 * cap, "two programs each");

    let refused = Live::open(&recorder, &camera).wait_text("refused");
    assert_eq!(refused["why"], "transcode-full", "{refused}");
    let mut first = viewers.remove(0);
    let mut stream = Vec::new();
    for _ in 0..40 {
        if let Said::Bytes(bytes) = first.next() {
            stream.extend(bytes);
        }
    }
    let file = recorder.save(&stream, "live.mp4");
    assert_eq!((probe(&file).codec.as_str(), decode_complaints(&file).as_str()), ("h264", ""));
    drop(first);
    wait_for("its programs to end", SOON, || match transcoding(&recorder).len() {
        count if count == 2 * (cap - 1) => Ok(()),
        count => Err(format!("{count} run")),
    });
    assert_eq!(Live::open(&recorder, &camera).wait_text("format")["transcoded"], true, "its place is free");
    drop(viewers);
    wait_for("all programs to end", SOON, || match transcoding(&recorder).len() {
        0 => Ok(()),
        count => Err(format!("{count} run")),
    });
}

#[test]
fn a_program_that_is_killed_and_a_stream_that_cannot_be_decoded_cost_their_viewer_alone() {
    let [dir, broken] = [(); 2].map(|()| tempfile::tempdir().unwrap());
    spoiled(broken.path());
    let (server, spoiled) = (hevc(footage::folder()), hevc(broken.path()));
    let mut recorder = Recorder::claim(dir.path());
    let good = recorder.add_camera("Gate", &format!("{}hevc", server.url()), None);
    let bad = recorder.add_camera("Yard", &format!("{}hevc", spoiled.url()), None);
    recorder.wait_state(&bad, "live", None);
    recorder.wait_state(&good, "live", None);
    let mut other = Live::open(&recorder, &bad);
    let refused = other.wait_text("refused");
    assert_eq!(refused["why"], "transcode-broken", "{refused}");
    drop(other);

    let mut viewer = Live::open(&recorder, &good);
    viewer.wait_text("format");
    for id in transcoding(&recorder) {
        let id = rustix::process::Pid::from_raw(i32::try_from(id).unwrap()).unwrap();
        rustix::process::kill_process(id, rustix::process::Signal::KILL).unwrap();
    }
    let refused = viewer.wait_text("refused");
    assert_eq!(refused["why"], "transcode-broken", "{refused}");
    assert_eq!(Live::open(&recorder, &good).wait_text("format")["transcoded"], true, "the next one sees it");
    for camera in [&good, &bad] {
        assert_eq!(recorder.main_state(camera)["status"], "live");
        recorder.wait_recorded(camera, 5);
    }
}

/// Footage whose parameter sets are whole and whose pictures are noise behind their first bytes.
fn spoiled(to: &Path) {
    let mut stream = fs::read(footage::folder().join("hevc.265")).expect("the footage has been made");
    let starts: Vec<usize> = (0..stream.len() - 4).filter(|at| stream[*at..].starts_with(&[0, 0, 1])).collect();
    let length = stream.len();
    let mut noise = 1_u32;
    for (at, end) in starts.iter().zip(starts.iter().skip(1).copied().chain([length])) {
        // ITU-T H.265 §7.4.2.2: below 32 are slices.
        if (stream[at + 3] >> 1) & 63 < 32 {
            for byte in &mut stream[(at + 5).min(end)..end.saturating_sub(4).max((at + 5).min(end))] {
                noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                *byte = (noise >> 24) as u8 | 4;
            }
        }
    }
    fs::write(to.join("hevc.265"), stream).expect("the temporary directory takes a file");
    fs::write(to.join("footage.json"), r#"{"hevc": {"file": "hevc.265", "fps": 25}}"#)
        .expect("the temporary directory takes a file");
}
