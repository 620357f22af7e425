//! A recorder behind its wall tries what an intruder would, and what it does all day. Each attempt is a process of its own: this test program, called again with the attempt's name.

#![allow(missing_docs, clippy::unwrap_used, reason = "a test")]

use rustix::net::{AddressFamily, SocketType, socket};
use rustix::process::{Signal, getppid, kill_process};
use std::fs::File;
use std::io::{Error, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use watchbook_confine::recorder::{Reach, bind, bind_starter, only_service_calls};

/// Names the attempt in the process that makes it, the directory that it may change, and the port.
const ATTEMPT: &str = "WATCHBOOK_ATTEMPT";
const SIGSYS: i32 = 31;
/// How an attempt ends on a kernel that lacks a part of the wall, which it says.
const LACKING: i32 = 199;

fn attempt(name: &str, dir: &Path, port: u16) -> std::io::Result<()> {
    let beside = dir.with_extension("beside");
    match name {
        "read-outside" => File::open(beside.join("secret")).map(drop),
        "write-outside" => File::create(beside.join("new")).map(drop),
        "write-system" => File::options().append(true).open("/etc/passwd").map(drop),
        "move-outside" => std::fs::rename(dir.join("file"), beside.join("file")),
        "fifo" => Ok(rustix::fs::mkfifoat(rustix::fs::CWD, dir.join("fifo"), rustix::fs::Mode::RWXU)?),
        "program" => Err(Command::new("/bin/true").exec()),
        "child" => Command::new("/bin/true").status().map(drop),
        "other-port" => TcpListener::bind(("127.0.0.1", port)).map(drop),
        "other-tcp" => {
            let mptcp = rustix::net::Protocol::from_raw(std::num::NonZeroU32::new(262).unwrap());
            socket(AddressFamily::INET, SocketType::STREAM, Some(mptcp)).map(drop).map_err(Error::from)
        }
        "packets" => socket(AddressFamily::PACKET, SocketType::RAW, None).map(drop).map_err(Error::from),
        "signal" => Ok(kill_process(getppid().unwrap(), Signal::USR1)?),
        "user" => Ok(rustix::thread::set_thread_uid(rustix::process::Uid::ROOT)?),
        "work" => work(dir),
        other => unreachable!("{other}"),
    }
}

/// What a recorder does all day.
fn work(dir: &Path) -> std::io::Result<()> {
    std::fs::create_dir(dir.join("sub"))?;
    let mut file = File::create(dir.join("sub/segment"))?;
    file.write_all(&[7; 1000])?;
    file.sync_all()?;
    file.set_len(10)?;
    std::fs::rename(dir.join("sub/segment"), dir.join("segment"))?;
    // A new directory's name is made durable in the one around it, which may not be changed.
    File::open(dir.parent().ok_or_else(|| Error::other("it has one"))?)?.sync_all()?;
    std::fs::remove_dir(dir.join("sub"))?;
    std::fs::remove_file(dir.join("segment"))?;
    let mut hosts = String::new();
    File::open("/etc/hosts")?.read_to_string(&mut hosts)?;
    // The page's port is any free one here, as with `listen = "127.0.0.1:0"`.
    let page = TcpListener::bind("127.0.0.1:0")?;
    let address = page.local_addr()?;
    let browser = std::thread::spawn(move || TcpStream::connect(address).map(drop));
    drop(page.accept()?);
    browser.join().map_err(|_| Error::other("a thread"))??;
    // Names, news of the kernel, what a thread may use, sockets within the machine.
    drop(std::net::ToSocketAddrs::to_socket_addrs("localhost:80")?);
    drop(socket(AddressFamily::NETLINK, SocketType::RAW, None)?);
    std::thread::available_parallelism()?;
    drop(std::os::unix::net::UnixStream::pair()?);
    std::net::UdpSocket::bind("127.0.0.1:0").map(drop)
}

/// Not a test of its own: what [`ends`] calls. Without the variable it does nothing.
#[test]
fn behind_the_wall() {
    let Ok(words) = std::env::var(ATTEMPT) else { return };
    let mut words = words.splitn(3, ' ');
    let [name, port, dir] = [(); 3].map(|()| words.next().unwrap().to_owned());
    let dir = PathBuf::from(dir);
    let read = ["/etc", "/usr", "/lib", "/lib64", "/bin", "/proc", "/sys"].map(PathBuf::from).to_vec();
    let list = vec![dir.parent().unwrap().to_owned()];
    let write = vec![dir.clone(), "/does/not/exist".into()];
    let reach = Reach { read, list, write, devices: vec![], tcp_port: 0 };
    let mut wall = bind(&reach).unwrap();
    only_service_calls(&mut wall).unwrap();
    if let Some(sentence) = wall.missing.first() {
        assert!(sentence.contains("landlock"), "{sentence}");
        writeln!(std::io::stderr(), "NOT TESTED: {sentence}").unwrap();
        std::process::exit(LACKING);
    }
    let ended = attempt(&name, &dir, port.parse().unwrap());
    std::process::exit(ended.map_or_else(|error| error.raw_os_error().unwrap_or(255), |()| 0));
}

fn ends(name: &str) -> ExitStatus {
    let dir = tempfile::tempdir().unwrap();
    let (own, beside) = (dir.path().join("own"), dir.path().join("own.beside"));
    for dir in [&own, &beside] {
        std::fs::create_dir(dir).unwrap();
    }
    std::fs::write(own.join("file"), "").unwrap();
    std::fs::write(beside.join("secret"), "x").unwrap();
    // Another service's, which has gone for a moment.
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "behind_the_wall", "--nocapture"])
        .env(ATTEMPT, format!("{name} {port} {}", own.display()))
        .stdout(std::process::Stdio::null())
        .status()
        .unwrap()
}

#[test]
fn no_file_beside_its_own_and_no_port_beside_the_page_is_reached() {
    if ends("work").code() == Some(LACKING) {
        return;
    }
    for name in ["read-outside", "write-outside", "write-system", "other-port"] {
        assert_eq!(ends(name).code(), Some(libc::EACCES), "{name}");
    }
    let moved = ends("move-outside").code();
    assert!([Some(libc::EACCES), Some(libc::EXDEV)].contains(&moved), "{moved:?}");
}

#[test]
fn no_program_no_process_no_other_user_no_raw_packet_no_signal() {
    if ends("work").code() == Some(LACKING) {
        return;
    }
    for name in ["program", "user"] {
        assert_eq!(ends(name).signal(), Some(SIGSYS), "{name}");
    }
    for name in ["child", "packets", "other-tcp", "signal", "fifo"] {
        assert_eq!(ends(name).code(), Some(libc::EPERM), "{name}");
    }
}

#[test]
fn what_a_recorder_does_all_day_goes_on() {
    assert!([Some(0), Some(LACKING)].contains(&ends("work").code()));
}

/// Not a test of its own: what the last one calls.
#[test]
fn behind_the_starters_wall() {
    let Ok(program) = std::env::var("WATCHBOOK_STARTS") else { return };
    let wall = bind_starter(&["/usr/bin/true".into()]).unwrap();
    if let Some(sentence) = wall.missing.first() {
        assert!(sentence.contains("landlock"), "{sentence}");
        std::process::exit(LACKING);
    }
    let ended = Command::new(program).status();
    std::process::exit(ended.map_or_else(|error| error.raw_os_error().unwrap_or(255), |status| status.code().unwrap()));
}

#[test]
fn the_one_who_starts_can_run_what_is_on_its_list_alone() {
    for (program, ended) in [("/usr/bin/true", 0), ("/usr/bin/env", libc::EACCES)] {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "behind_the_starters_wall", "--nocapture"]).env("WATCHBOOK_STARTS", program);
        let code = command.stdout(std::process::Stdio::null()).status().unwrap().code();
        assert!([Some(ended), Some(LACKING)].contains(&code), "{program}: {code:?}");
    }
}
