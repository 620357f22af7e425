//! A recorder that starts, in each of its lives, what it may and what it may not. It is this test program, called again with what it does as one more name of a test.

#![allow(missing_docs, clippy::unwrap_used, reason = "a test")]

use rustix::process::{Pid, Signal, kill_process};
use std::io::ErrorKind;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};
use watchbook_base::link::Link;
use watchbook_starter::{BEGIN_AGAIN, CHILDREN_MAX, Plan, Process, behind, hold, run, spawn};

const LONG: Duration = Duration::from_secs(30);
/// Ends when nobody holds the other side of its standard input.
const CHILD: &str = "/usr/bin/cat";

/// What the recorder does, and where it leaves word of it.
fn plan(does: &str, dir: &Path) -> Plan {
    let arguments =
        ["--exact", "the_recorder", "--nocapture", &format!("does:{does}"), &format!("in:{}", dir.display())];
    Plan {
        recorder: std::env::current_exe().unwrap(),
        arguments: arguments.iter().map(Into::into).collect(),
        programs: programs(),
        holders: Some(dir.join(HOLDERS)).filter(|socket| socket.exists()),
    }
}

fn programs() -> Vec<PathBuf> {
    vec![PathBuf::from(CHILD), PathBuf::from("/nowhere/watchbook-lost")]
}

/// In the directory of a test: where processes that hold children are to be had.
const HOLDERS: &str = "holders.socket";

/// Not a test of its own: what is started for each connection to [`HOLDERS`].
#[test]
fn the_holder() {
    if word("holds").is_some() {
        let held = hold(programs());
        assert!(held.is_ok(), "{held:?}");
        std::process::exit(0);
    }
}

/// What systemd does with a socket that starts a process for each connection, without the rest of systemd.
struct Activator(std::process::Child);

impl Activator {
    fn in_dir(dir: &Path) -> Self {
        let socket = dir.join(HOLDERS);
        let log = std::fs::File::create(dir.join("activator.log")).unwrap();
        let process = Command::new("systemd-socket-activate")
            .args(["--accept", "--inetd", "--seqpacket", "--listen"])
            .arg(&socket)
            // The connection is its standard input alone, as in the service unit.
            .args(["/bin/sh", "-c", "exec \"$0\" --exact the_holder --nocapture holds >&2"])
            .arg(std::env::current_exe().unwrap())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("systemd-socket-activate of the package systemd");
        let activator = Self(process);
        until("the socket of those who hold children", || {
            let log = std::fs::read_to_string(dir.join("activator.log")).unwrap_or_default();
            socket.exists() && log.contains("Listening on")
        });
        activator
    }
}

impl Drop for Activator {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

fn word(prefix: &str) -> Option<String> {
    std::env::args().find_map(|argument| argument.strip_prefix(prefix).map(str::to_owned))
}

fn child() -> std::io::Result<(Process, Link)> {
    let (ours, theirs) = Link::pair()?;
    Ok((spawn(Path::new(CHILD), &[], theirs)?, ours))
}

fn refused(program: &str, arguments: &[&str]) -> std::io::Error {
    let (_, theirs) = Link::pair().unwrap();
    spawn(Path::new(program), arguments, theirs).unwrap_err()
}

/// Not a test of its own: what the plan calls. Called otherwise, it does nothing.
#[test]
fn the_recorder() {
    let (Some(does), Some(dir)) = (word("does:"), word("in:").map(PathBuf::from)) else { return };
    behind().unwrap();
    let left = |name: &str, what: String| std::fs::write(dir.join(name), what).unwrap();
    match does.as_str() {
        "ends" => {
            let (child, link) = child().unwrap();
            left("child", child.id().to_string());
            std::mem::forget(link);
            std::process::exit(7);
        }
        "begins-again" => {
            let lives = std::fs::read_to_string(dir.join("lives")).unwrap_or_default() + "x";
            left("lives", lives.clone());
            std::process::exit(if lives.len() < 3 { BEGIN_AGAIN.into() } else { 0 });
        }
        "children" => {
            let (mut killed, _link) = child().unwrap();
            killed.kill().unwrap();
            assert_eq!(killed.wait().unwrap().signal(), Some(9));
            assert_eq!(killed.wait().unwrap().signal(), Some(9), "it is told again");
            let (mut done, link) = child().unwrap();
            drop(link);
            assert_eq!(done.wait().unwrap().code(), Some(0));
            assert!(done.kill().is_ok(), "one that has ended");
            std::process::exit(0);
        }
        "asks-for-more" => {
            let lost = refused("watchbook-lost", &[]);
            assert_eq!(lost.kind(), ErrorKind::NotFound, "on the list, and not there: {lost}");
            for (program, arguments, said) in [
                ("/bin/sh", &["-c", "true"][..], "no program"),
                ("/tmp/cat", &["x"; 9], "too many"),
                (CHILD, &["x".repeat(257).as_str()], "too long"),
            ] {
                let error = refused(program, arguments);
                assert!(error.to_string().contains(said), "{program}: {error}");
            }
            let all: Vec<_> = (0..CHILDREN_MAX).map(|_| child().unwrap()).collect();
            assert!(child().unwrap_err().to_string().contains("run already"));
            drop(all);
            std::process::exit(0);
        }
        "speaks-nonsense" => {
            let (_child, _link) = child().unwrap();
            let link = Link::from_stdin().unwrap();
            link.send(b"\xff\xff\xff", None).unwrap();
            wait_for_the_end();
        }
        "has-its-holder-killed" => {
            let (mut child, link) = child().unwrap();
            kill_process(parent_of(child.id()), Signal::KILL).unwrap();
            assert_eq!(child.wait().unwrap().signal(), Some(9));
            // This one goes on until its link ends: it does not ask to end with its parent, as those of the recorder do, and no control group ends with it.
            drop(link);
            until("the end of the child", || is_gone(i32::try_from(child.id()).unwrap()));
            std::process::exit(0);
        }
        "has-nobody-to-hold" => {
            std::fs::remove_file(dir.join(HOLDERS)).unwrap();
            let error = child().unwrap_err();
            assert!(error.to_string().contains("watchbook-child.socket"), "{error}");
            std::process::exit(0);
        }
        "waits" => {
            let (child, _link) = child().unwrap();
            left("recorder", std::process::id().to_string());
            left("child", child.id().to_string());
            left("ready", String::new());
            wait_for_the_end();
        }
        other => unreachable!("{other}"),
    }
}

/// Somebody ends this process.
fn wait_for_the_end() -> ! {
    loop {
        std::thread::park();
    }
}

/// Not a test of its own: what starts a recorder in a process that can be killed.
#[test]
fn the_starter() {
    let Some(dir) = word("starts-in:").map(PathBuf::from) else { return };
    let ended = run(&plan("waits", &dir)).unwrap();
    std::process::exit(ended.signal().map_or(ended.code().unwrap_or(1), |signal| 128 + signal));
}

fn starter(dir: &Path) -> std::process::Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "the_starter", "--nocapture", &format!("starts-in:{}", dir.display())])
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < LONG, "{what} did not come");
        std::thread::yield_now();
    }
}

fn parent_of(process: u32) -> Pid {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
    let parent = stat.rsplit(") ").next().unwrap().split(' ').nth(1).unwrap();
    Pid::from_raw(parent.parse().unwrap()).unwrap()
}

/// The process number that somebody left there.
fn number(dir: &Path, name: &str) -> i32 {
    std::fs::read_to_string(dir.join(name)).unwrap().parse().unwrap()
}

/// No such process, or one that nobody has waited for yet.
fn is_gone(process: i32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat"));
    stat.map_or(true, |stat| stat.rsplit(") ").next().is_some_and(|rest| rest.starts_with(['Z', 'X'])))
}

fn lives(does: &str) -> (tempfile::TempDir, ExitStatus) {
    let dir = tempfile::tempdir().unwrap();
    lives_in(dir, does)
}

/// The same with child programs that others hold.
fn lives_with_holders(does: &str) -> (tempfile::TempDir, ExitStatus) {
    let dir = tempfile::tempdir().unwrap();
    let _activator = Activator::in_dir(dir.path());
    lives_in(dir, does)
}

fn lives_in(dir: tempfile::TempDir, does: &str) -> (tempfile::TempDir, ExitStatus) {
    let ended = run(&plan(does, dir.path())).unwrap();
    (dir, ended)
}

#[test]
fn the_end_of_the_recorder_is_that_of_its_children_and_its_code_is_told() {
    let (dir, ended) = lives("ends");
    assert_eq!(ended.code(), Some(7));
    assert!(is_gone(number(dir.path(), "child")));
}

#[test]
fn who_wants_to_begin_again_does() {
    let (dir, ended) = lives("begins-again");
    assert_eq!((ended.code(), std::fs::read_to_string(dir.path().join("lives")).unwrap().as_str()), (Some(0), "xxx"));
}

#[test]
fn children_are_ended_and_waited_for_through_the_one_who_starts() {
    assert_eq!(lives("children").1.code(), Some(0));
}

#[test]
fn what_is_not_on_the_list_is_not_started() {
    assert_eq!(lives("asks-for-more").1.code(), Some(0));
}

#[test]
fn who_speaks_nonsense_is_ended() {
    assert_eq!(lives("speaks-nonsense").1.signal(), Some(9));
}

#[test]
fn the_end_of_the_one_who_starts_is_that_of_the_recorder() {
    let dir = tempfile::tempdir().unwrap();
    let mut starter = starter(dir.path());
    until("the recorder", || dir.path().join("ready").exists());
    starter.kill().unwrap();
    starter.wait().unwrap();
    until("the end of the recorder", || is_gone(number(dir.path(), "recorder")));
    until("the end of the child", || is_gone(number(dir.path(), "child")));
}

#[test]
fn a_signal_to_stop_is_handed_on() {
    let dir = tempfile::tempdir().unwrap();
    let mut starter = starter(dir.path());
    until("the recorder", || dir.path().join("ready").exists());
    kill_process(Pid::from_child(&starter), Signal::INT).unwrap();
    // The recorder of this test has no handler, as one that is still starting: the signal that it got ends it, as was asked.
    assert_eq!(starter.wait().unwrap().code(), Some(0));
    assert!(is_gone(number(dir.path(), "recorder")) && is_gone(number(dir.path(), "child")));
}

#[test]
fn children_that_others_hold_are_ended_and_waited_for_as_well() {
    assert_eq!(lives_with_holders("children").1.code(), Some(0));
}

#[test]
fn what_is_not_on_the_list_is_not_started_by_others() {
    assert_eq!(lives_with_holders("asks-for-more").1.code(), Some(0));
}

#[test]
fn the_end_of_whoever_holds_a_child_is_told_as_that_of_the_child() {
    assert_eq!(lives_with_holders("has-its-holder-killed").1.code(), Some(0));
}

#[test]
fn where_nobody_holds_children_none_is_started_and_the_next_step_is_named() {
    assert_eq!(lives_with_holders("has-nobody-to-hold").1.code(), Some(0));
}

#[test]
fn the_end_of_the_recorder_is_that_of_children_that_others_hold() {
    let (dir, ended) = lives_with_holders("ends");
    assert_eq!(ended.code(), Some(7));
    until("the end of the child", || is_gone(number(dir.path(), "child")));
}

#[test]
fn the_end_of_the_one_who_starts_is_that_of_children_that_others_hold() {
    let dir = tempfile::tempdir().unwrap();
    let _activator = Activator::in_dir(dir.path());
    let mut starter = starter(dir.path());
    until("the recorder", || dir.path().join("ready").exists());
    starter.kill().unwrap();
    starter.wait().unwrap();
    until("the end of the child", || is_gone(number(dir.path(), "child")));
}
