//! The author's tool against the real things: cameras of two makers, and a station in developer mode.

use crate::cameras::gst;
use crate::{fixtures, footage};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use watchbook_e2e::process::Process;
use watchbook_e2e::recorder::{SOON, program};
use watchbook_e2e::{CameraServer, Recorder, wait_for};

/// Says at each frame what the fixtures' text has to say, and marks it.
const TALKS: &str = "
    (call $log (i32.const 2) (i32.const 1704) (i32.const 18))
    (i64.store (i32.const 4112) (i64.load (i32.const 2064)))
    (call $drop (local.get $frame))
    (i32.const 1500)";
const SAID: &str = "road is too narrow";

/// The folder of a plugin, as its author has it.
fn plugin(within: &Path) -> PathBuf {
    fixtures::install(within, "talking", &fixtures::component("talking", fixtures::OK, TALKS));
    let folder = within.join("talking");
    for (name, text) in [("LICENSE", "Apache-2.0"), ("README.md", "# Talking")] {
        std::fs::write(folder.join(name), text).expect("the folder takes a file");
    }
    folder
}

fn tool(folder: &Path, words: &[&str]) -> Command {
    let mut command = Command::new(program("watchbook-plugin"));
    command.current_dir(folder).args(words);
    command
}

/// Runs the author's tool to its end; its output twice, whole and as text.
pub(crate) fn call(folder: &Path, words: &[&str]) -> (Output, String) {
    let output = tool(folder, words).output().expect("the tool was built");
    let said = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes).into_owned()).concat();
    (output, said)
}

#[test]
fn run_shows_marks_on_a_camera_of_either_maker_and_says_when_there_is_none() {
    let dir = tempfile::tempdir().unwrap();
    let folder = plugin(dir.path());
    let footage = footage::folder().to_str().expect("the cache path is UTF-8");
    let (one, other) = (gst(&[]), CameraServer::start("live555.sh", &[footage]));
    for address in [format!("{}sub", one.url()), format!("{}main.264", other.url())] {
        let words = ["run", &address, "--port", "0", "--json"];
        let mut process = Process::start("watchbook-plugin run", &mut tool(&folder, &words));
        let page = process.wait_line("\"page\":\"", SOON);
        // Frames go on coming: a second later there are more of them.
        let times = wait_for("ten marks on the camera's frames", SOON, || {
            let times = marked_ms(&process.output());
            if times.len() >= 10 { Ok(times) } else { Err(process.output()) }
        });
        assert!(times.windows(2).all(|pair| pair[0] < pair[1]), "{address}: {times:?}");
        // 5 a second are asked for; cameras give 10 or 25.
        let step_ms = (times[9] - times[0]) / 9;
        assert!((150..=300).contains(&step_ms), "{address}: {step_ms} ms between frames");
        assert!(page.starts_with("http://127.0.0.1:"), "{page}");
        process.interrupt(SOON);
    }
    let (output, said) = call(&folder, &["run", &format!("{}nothing", one.url()), "--port", "0", "--once"]);
    assert!(!output.status.success() && said.contains("/nothing: cannot be opened"), "{said}");
    // Every Linux has this one: a device that is no recording.
    let (output, said) = call(&folder, &["run", "/dev/null", "--port", "0", "--once"]);
    assert!(!output.status.success() && said.contains("ffmpeg -f v4l2 -i /dev/null"), "{said}");
}

/// The frames that were marked, in ms UTC.
fn marked_ms(said: &str) -> Vec<i64> {
    let objects = said.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    objects.filter(|object| object["what"] == "event").filter_map(|object| object["frame_utc_ms"].as_i64()).collect()
}

#[test]
fn deploy_in_developer_mode_runs_a_plugin_and_logs_shows_what_it_says_until_it_is_interrupted() {
    let dir = tempfile::tempdir().unwrap();
    let folder = plugin(dir.path());
    let server = gst(&[]);
    let mut recorder = Recorder::claim(dir.path());
    let camera = recorder.add_camera("Gate", &format!("{}main", server.url()), Some(&format!("{}sub", server.url())));
    let address = format!("http://{}", recorder.client.authority());
    std::fs::write(folder.join("password"), "a long enough passphrase\n").expect("the folder takes a file");
    let account = ["--account", "tester", "--password-file", "password"];
    let with = |words: &[&'static str], option: &'static str| -> Vec<String> {
        words.iter().copied().chain([option, &address]).chain(account).map(str::to_owned).collect()
    };
    let say = |words: &[String]| call(&folder, &words.iter().map(String::as_str).collect::<Vec<_>>());

    let (output, said) = call(&folder, &["pack", ".", "-o", "talking.wbp"]);
    assert!(output.status.success(), "{said}");
    let deploy = with(&["deploy", "talking.wbp", "--approve"], "--to");
    let (output, said) = say(&deploy);
    assert!(!output.status.success() && said.contains("not signed"), "an unsigned package is refused: {said}");
    drop(recorder.client.send("PUT", "/api/v1/plugin-dev-mode", &json!({ "hours": 1 })).ok());
    let (output, said) = say(&deploy);
    assert!(output.status.success() && said.contains("org.example.talking 1.0.0 runs at"), "{said}");
    assert!(recorder.plugin("org.example.talking").is_object());

    recorder.bind_plugin(&camera, "org.example.talking");
    let logs = with(&["logs", "org.example.talking"], "--from");
    let line = format!("camera {} info {SAID}", camera.id);
    wait_for("a line of the plugin", SOON, || {
        let (output, said) = say(&logs);
        if output.status.success() && said.contains(&line) { Ok(()) } else { Err(said) }
    });
    let follow: Vec<&str> = logs.iter().map(String::as_str).chain(["-f"]).collect();
    let mut process = Process::start("watchbook-plugin logs -f", &mut tool(&folder, &follow));
    process.wait_line(&line, SOON);
    let before = process.output().lines().count();
    wait_for("more lines", SOON, || {
        let said = process.output();
        if said.lines().count() > before { Ok(()) } else { Err(said) }
    });
    process.interrupt(SOON);
}
