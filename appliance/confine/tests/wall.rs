//! A process behind the wall tries what an intruder would. Each attempt is a process of its own: this test program, called again with the attempt's name.

#![allow(missing_docs, clippy::unwrap_used, reason = "a test")]
#![allow(unsafe_code, reason = "calls that no safe wrapper makes, to see them refused")]

use std::fs::File;
use std::io::Error;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Command, ExitStatus};
use watchbook_confine::{Needs, only_known_calls, take_away};

/// Names the attempt in the process that makes it.
const ATTEMPT: &str = "WATCHBOOK_ATTEMPT";
const SIGSYS: i32 = 31;
/// How much of the wall this kernel knows: how the attempt `wall` ends.
const WHOLE: i32 = 0;
const PART: i32 = 1;
const NO_LANDLOCK: i32 = 2;
const NO_FILTERS: i32 = 3;
const NEEDS: Needs = Needs { machine_code: false, data_bytes_max: 1 << 30 };

/// What a process ends with: 0 when the attempt succeeded, else the error's number.
fn outcome(attempt: std::io::Result<()>) -> ! {
    std::process::exit(attempt.map_or_else(|error| error.raw_os_error().unwrap_or(255), |()| 0))
}

/// The result of a raw call.
fn raw(number: i64, arguments: [i64; 3]) -> std::io::Result<()> {
    // SAFETY: the calls of these tests get numbers and null pointers only; a kernel that carries one out does nothing to this process' memory.
    let result = unsafe { libc::syscall(number, arguments[0], arguments[1], arguments[2], 0, 0) };
    if result < 0 { Err(Error::last_os_error()) } else { Ok(()) }
}

/// A page that machine code could be put into.
fn executable_page() -> std::io::Result<()> {
    use rustix::mm::{MapFlags, ProtFlags, mmap_anonymous, mprotect};
    // SAFETY: a fresh mapping at an address that the kernel chooses; nothing else refers to it.
    unsafe {
        let page = mmap_anonymous(std::ptr::null_mut(), 4096, ProtFlags::READ | ProtFlags::WRITE, MapFlags::PRIVATE)?;
        Ok(mprotect(page, 4096, rustix::mm::MprotectFlags::READ | rustix::mm::MprotectFlags::EXEC)?)
    }
}

fn attempt(name: &str) -> std::io::Result<()> {
    let own = rustix::process::getpid();
    match name {
        "read" => File::open("/etc/passwd").map(drop),
        "write" => File::create(std::env::temp_dir().join("watchbook-behind-the-wall")).map(drop),
        "look" => std::fs::metadata("/etc/passwd").map(drop),
        "list" => std::fs::read_dir("/proc").map(drop),
        "tcp" => std::net::TcpStream::connect("127.0.0.1:9").map(drop),
        "udp" => std::net::UdpSocket::bind("127.0.0.1:0").map(drop),
        "unix" => std::os::unix::net::UnixStream::connect("/run/nobody").map(drop),
        "program" => Err(Command::new("/bin/true").exec()),
        "child" => Command::new("/bin/true").status().map(drop),
        "ptrace" => raw(libc::SYS_ptrace, [0, 0, 0]),
        "memory-of-others" => raw(libc::SYS_process_vm_readv, [own.as_raw_nonzero().get().into(), 0, 0]),
        "signal" => {
            Ok(rustix::process::kill_process(rustix::process::getppid().unwrap_or(own), rustix::process::Signal::TERM)?)
        }
        "user" => raw(libc::SYS_setuid, [0, 0, 0]),
        "io-uring" => raw(libc::SYS_io_uring_setup, [1, 0, 0]),
        "machine-code" => executable_page(),
        "limits" => {
            let free = rustix::process::Rlimit { current: None, maximum: None };
            Ok(rustix::process::setrlimit(rustix::process::Resource::Data, free)?)
        }
        "memory" => {
            let all = usize::try_from(NEEDS.data_bytes_max).unwrap();
            Vec::<u8>::new().try_reserve_exact(all).map_err(|_| Error::from_raw_os_error(libc::ENOMEM))
        }
        "abort" => std::process::abort(),
        "work" => {
            drop(all_day::seal()?);
            std::thread::spawn(std::time::Instant::now).join().map(drop).map_err(|_| Error::other("a thread"))
        }
        other => unreachable!("{other}"),
    }
}

/// What children do all day.
mod all_day {
    use std::io::{Read, Seek, Write};

    pub fn seal() -> std::io::Result<std::fs::File> {
        let flags = rustix::fs::MemfdFlags::CLOEXEC | rustix::fs::MemfdFlags::ALLOW_SEALING;
        let mut file = std::fs::File::from(rustix::fs::memfd_create("frame", flags)?);
        file.write_all(&[7; 1000])?;
        rustix::fs::fcntl_add_seals(&file, rustix::fs::SealFlags::WRITE)?;
        file.rewind()?;
        let mut bytes = [0; 1000];
        file.read_exact(&mut bytes)?;
        assert_eq!(bytes, [7; 1000]);
        Ok(file)
    }
}

/// Not a test of its own: what [`ends`] calls. Without the variable it does nothing.
#[test]
fn behind_the_wall() {
    let Ok(words) = std::env::var(ATTEMPT) else { return };
    let (halves, name) = words.split_once(' ').unwrap();
    let mut wall = take_away(NEEDS).unwrap();
    if halves == "both" {
        only_known_calls(NEEDS, &mut wall).unwrap();
    }
    if name == "wall" {
        let landlock = wall.missing.iter().find(|sentence| sentence.contains("landlock"));
        let filters = wall.missing.len() == usize::from(landlock.is_some());
        std::process::exit(match landlock {
            _ if !filters => NO_FILTERS,
            None => WHOLE,
            Some(sentence) if sentence.contains("older") => PART,
            Some(_) => NO_LANDLOCK,
        });
    }
    outcome(attempt(name));
}

/// How a process ends that attempts this behind the first half of the wall, or behind both.
fn ends(halves: &str, name: &str) -> ExitStatus {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "behind_the_wall", "--nocapture"]).env(ATTEMPT, format!("{halves} {name}"));
    command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null()).status().unwrap()
}

#[test]
fn what_no_honest_line_asks_for_is_the_end() {
    for name in ["tcp", "udp", "unix", "program", "ptrace", "memory-of-others", "signal", "user", "io-uring"] {
        assert_eq!(ends("both", name).signal(), Some(SIGSYS), "{name}");
    }
}

#[test]
fn what_a_library_may_try_is_refused() {
    for name in ["read", "write", "look", "list", "child", "machine-code", "limits"] {
        assert_eq!(ends("both", name).code(), Some(libc::EPERM), "{name}");
    }
    assert_eq!(ends("both", "memory").code(), Some(libc::ENOMEM));
}

#[test]
fn landlock_alone_keeps_files_and_tcp_out() {
    let known = ends("first", "wall").code().unwrap();
    // An older kernel is said to be one, and the list of calls keeps out what its landlock does not.
    let refused: &[&str] = match known {
        WHOLE => &["read", "write", "list", "tcp"],
        PART => &["read", "write", "list"],
        _ => &[],
    };
    assert!(known != NO_FILTERS && refused.iter().all(|name| ends("first", name).code() == Some(libc::EACCES)));
}

#[test]
fn what_children_do_all_day_goes_on() {
    assert_ne!(ends("both", "wall").code(), Some(NO_FILTERS));
    assert_eq!(ends("both", "work").code(), Some(0));
    // How a panic in a panic ends; the recorder reads the signal.
    assert_eq!(ends("both", "abort").signal(), Some(6));
}
