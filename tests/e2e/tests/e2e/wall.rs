//! The recorder behind its wall, as a whole.

use crate::cameras::gst;
use crate::not_tested;
use serde_json::json;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;
use watchbook_base::Clock as _;
use watchbook_base::clock::SystemClock;
use watchbook_e2e::process::Process;
use watchbook_e2e::recorder::{CHILDREN_SOCKET, Recorder, SOON, now_ms, program};
use watchbook_e2e::wait::wait_for;

/// Processes that this one has started: their numbers and names.
pub(crate) fn started_by(parent: u32) -> Vec<(u32, String)> {
    let ids = fs::read_to_string(format!("/proc/{parent}/task/{parent}/children")).unwrap_or_default();
    let name = |id: &str| fs::read_to_string(format!("/proc/{id}/comm")).map(|name| name.trim().to_owned());
    ids.split_whitespace().filter_map(|id| Some((id.parse().ok()?, name(id).ok()?))).collect()
}

/// A line of `/proc/PID/status`.
fn status(process: u32, key: &str) -> String {
    let text = fs::read_to_string(format!("/proc/{process}/status")).expect("the process runs");
    let line = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'));
    line.unwrap_or_else(|| panic!("no {key} in {text}")).trim().to_owned()
}

#[test]
fn a_recorder_behind_its_wall_reaches_what_its_configuration_names_and_nothing_else() {
    let (dir, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut recorder = Recorder::claim(dir.path());
    let starter = recorder.id();
    let children = wait_for("the child programs", SOON, || {
        let children = started_by(starter);
        if children.len() >= 3 { Ok(children) } else { Err(format!("{children:?}")) }
    });
    let inner = children.iter().find(|(_, name)| name == "watchbook").expect("the recorder itself").0;
    assert_eq!(started_by(inner), [], "the recorder starts nothing itself");
    assert_eq!(status(starter, "Threads"), "1", "who starts programs does nothing else");
    for process in [starter, inner] {
        assert_eq!(status(process, "NoNewPrivs"), "1");
        assert_eq!(u64::from_str_radix(&status(process, "CapEff"), 16), Ok(0));
        assert_eq!(u64::from_str_radix(&status(process, "CapPrm"), 16), Ok(0));
    }
    assert_eq!(status(inner, "Seccomp"), "2", "calls are filtered (proc(5))");
    let own = recorder.client.get("/api/v1/plugins/abi").ok().json()["walls"][0].clone();
    if own["whole"] == false && own["missing"].to_string().contains("kernel") {
        return not_tested("the recorder's wall: this kernel lacks a part of it");
    }
    wait_for("all walls", SOON, || {
        let walls = recorder.client.get("/api/v1/plugins/abi").ok().json()["walls"].clone();
        let is_whole = |program: &str| {
            walls
                .as_array()
                .is_some_and(|all| all.iter().any(|wall| wall["program"] == program && wall["whole"] == true))
        };
        let all = ["watchbook", "watchbook-decode", "watchbook-plugins"].iter().all(|program| is_whole(program));
        if all { Ok(()) } else { Err(walls.to_string()) }
    });

    let health = recorder.client.get("/api/v1/health").ok().json();
    assert_eq!(
        health["clock"]["sync_state"],
        json!(SystemClock.sync_state()),
        "the kernel answers behind the wall, too"
    );

    // A disk that the configuration knows nothing of is none.
    let add = json!({ "dir": elsewhere.path(), "size_gib": 1 });
    let refused = recorder.client.send("POST", "/api/v1/disks", &add);
    assert!(refused.status == 422 && refused.json().to_string().contains("storage.disk_roots"), "{}", refused.json());

    // The end of the recorder is the end of what was started for it, and is told.
    assert!(Command::new("kill").args(["-ABRT", &inner.to_string()]).status().unwrap().success());
    assert_eq!(recorder.wait_end(), Some(70), "our mistake (watchbook --help)");
    for (child, name) in children {
        assert!(!std::path::Path::new(&format!("/proc/{child}")).exists(), "{name} goes on");
    }
    recorder.restart();
    assert_eq!(recorder.stop(), Some(0));
}

/// The user that is nobody's on Debian (base-passwd).
const NOBODY: u32 = 65534;

/// What systemd does with `watchbook-child.socket`: a process for each connection, under another user. Programs are linked into a directory that this user can reach.
fn holders(dir: &Path) -> Process {
    let link = |from: &Path, to: &Path| fs::hard_link(from, to).or_else(|_| fs::copy(from, to).map(drop));
    let (bin, socket) = (dir.join("bin"), dir.join(CHILDREN_SOCKET));
    fs::create_dir(&bin).expect("the temporary directory takes a folder");
    for way in [dir, &bin] {
        fs::set_permissions(way, fs::Permissions::from_mode(0o711)).expect("they are ours");
    }
    for name in ["watchbook", "watchbook-decode", "watchbook-encode", "watchbook-plugins"] {
        let from = program(name).canonicalize().expect("it was built");
        link(&from, &bin.join(name)).expect("the temporary directory takes a program");
    }
    let user = NOBODY.to_string();
    let mut command = Command::new("systemd-socket-activate");
    command.args(["--accept", "--inetd", "--seqpacket", "--listen"]).arg(&socket);
    // The connection is its standard input alone, as in the service unit.
    command.args(["/bin/sh", "-c", "exec setpriv --reuid=$1 --regid=$1 --clear-groups \"$0\" child >&2"]);
    command.arg(bin.join("watchbook")).arg(user);
    let mut holders = Process::start("systemd-socket-activate", &mut command);
    holders.wait_line("Listening on ", SOON);
    holders
}

#[test]
fn child_programs_run_under_another_user_and_do_what_they_are_for() {
    if !rustix::process::geteuid().is_root() {
        return not_tested("child programs under another user: only root may start those");
    }
    let dir = tempfile::tempdir().unwrap();
    let _holders = holders(dir.path());
    let server = gst(&[]);
    let mut recorder = Recorder::claim(dir.path());
    let sub = format!("{}sub", server.url());
    let camera = recorder.add_camera("Square", &format!("{}main", server.url()), Some(&sub));
    recorder.bind_plugin(&camera, "org.watchbook.motion");
    // Decoded by one of them and looked at by another.
    let events = format!("/api/v1/events?from_utc_ms={}&to_utc_ms={}", now_ms() - 600_000, now_ms() + 600_000);
    wait_for("a motion event", SOON + SOON + SOON, || {
        let found = recorder.client.get(&events).ok().json();
        let is_there = found["events"].as_array().is_some_and(|list| !list.is_empty());
        if is_there { Ok(()) } else { Err(format!("{found} {}", recorder.client.get("/api/v1/plugins").ok().json())) }
    });

    let all = fs::read_dir("/proc").unwrap().filter_map(|entry| entry.unwrap().file_name().to_str()?.parse().ok());
    let runs_here = |process: &u32| {
        let cmdline = fs::read(format!("/proc/{process}/cmdline")).unwrap_or_default();
        cmdline.starts_with(dir.path().join("bin").as_os_str().as_encoded_bytes())
    };
    let children: Vec<u32> = all.filter(runs_here).collect();
    let names: Vec<String> =
        children.iter().map(|child| fs::read_to_string(format!("/proc/{child}/comm")).unwrap_or_default()).collect();
    for name in ["watchbook-decod", "watchbook-plugi"] {
        assert!(names.iter().any(|found| found.trim() == name), "{name} (proc(5): 15 characters) is not in {names:?}");
    }
    for &child in &children {
        let ids = status(child, "Uid");
        assert!(ids.split_whitespace().all(|id| id == NOBODY.to_string()), "{ids}");
        assert_eq!(u64::from_str_radix(&status(child, "CapPrm"), 16), Ok(0));
    }
    let started = started_by(recorder.id());
    assert!(started.iter().all(|(_, name)| name == "watchbook"), "the rest has another user: {started:?}");

    // The end of the recorder is theirs, whoever holds them.
    recorder.kill();
    wait_for("the end of the child programs", SOON, || {
        let left: Vec<&u32> = children.iter().filter(|child| runs_here(child)).collect();
        if left.is_empty() { Ok(()) } else { Err(format!("{left:?}")) }
    });
}
