//! Inside the machine: takes orders over the serial line, one a line, and says `VM ok`, `VM no` or what was asked for.
//!
//! `watchbook-vm-guest` alone takes orders; `watchbook-vm-guest camera SERIAL PORT FPS JPEG H264` is a USB camera until it is ended.

use std::collections::BTreeMap;
use std::io::{BufRead as _, Write as _};
use std::process::{Child, Command, Stdio};
use watchbook_vm::usbip::{Pictures, plug_in};
use watchbook_vm::uvc::Camera;

/// Size of the pictures that the tests make.
const SIZE: (u16, u16) = (640, 360);

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match args.as_slice() {
        [] => take_orders(),
        ["camera", serial, port, fps, jpeg, h264] => {
            let number = |text: &str| text.parse().expect("a number");
            let pictures = Pictures { jpeg: split(jpeg, &[0xFF, 0xD8, 0xFF]), h264: split(h264, &[0, 0, 0, 1, 9]) };
            let camera =
                Camera { serial: (*serial).to_owned(), width: SIZE.0, height: SIZE.1, fps: number(fps), format: 1 };
            plug_in(camera, pictures, number(port)).expect("the virtual host controller takes it");
        }
        other => panic!("no such order: {other:?}"),
    }
}

/// The pictures of a file in which each begins with `mark`: a JPEG's first bytes, or an access unit delimiter.
fn split(path: &str, mark: &[u8]) -> Vec<Vec<u8>> {
    let all = std::fs::read(path).expect("the file with pictures is there");
    let mut starts: Vec<usize> = (0..all.len()).filter(|at| all[*at..].starts_with(mark)).collect();
    starts.push(all.len());
    starts.windows(2).map(|pair| all[pair[0]..pair[1]].to_vec()).collect()
}

fn take_orders() {
    let mut running: BTreeMap<String, Child> = BTreeMap::new();
    say("VM up");
    for line in std::io::stdin().lock().lines().map_while(Result::ok) {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            [] => {}
            // start NAME PROGRAM ARGUMENTS: what it prints comes out of the serial line.
            ["start", name, program, args @ ..] => {
                let own = std::env::current_exe().expect("a program knows its path");
                let program = if *program == "self" { own } else { (*program).into() };
                // Kept open: camera servers end with their standard input.
                match Command::new(program).args(args).stdin(Stdio::piped()).spawn() {
                    Ok(child) => {
                        running.insert((*name).to_owned(), child);
                        say(&format!("VM started {name}"));
                    }
                    Err(error) => say(&format!("VM no {name}: {error}")),
                }
            }
            ["kill", name] => {
                if let Some(mut child) = running.remove(*name) {
                    drop(child.kill());
                    drop(child.wait());
                }
                say(&format!("VM killed {name}"));
            }
            // run MARK PROGRAM ARGUMENTS: waits for its end; what it printed is on one line behind the mark.
            ["run", mark, program, args @ ..] => match Command::new(program).args(args).output() {
                Ok(output) if output.status.success() => say(&format!("VM ran {mark} {}", one_line(&output.stdout))),
                Ok(output) => say(&format!("VM no {mark}: {line}: {}", one_line(&output.stderr))),
                Err(error) => say(&format!("VM no {mark}: {line}: {error}")),
            },
            // cpu NAME MARK: seconds of processor time of a program and of the children that it has now, behind the mark.
            ["cpu", name, mark] => {
                let id = running.get(*name).map_or(0, Child::id);
                say(&format!("VM cpu {mark} {:.2}", cpu_s(id)));
            }
            other => say(&format!("VM no such order: {other:?}")),
        }
    }
}

/// User and system time of a process and its direct children, in seconds (`proc(5)`, fields 14 and 15 of `stat`, 100 ticks a second).
fn cpu_s(id: u32) -> f64 {
    let own = ticks(id).map_or(0, |(_, ticks)| ticks);
    let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let numbers = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let children: u64 = numbers.filter_map(ticks).filter(|(parent, _)| *parent == id).map(|(_, ticks)| ticks).sum();
    (own + children) as f64 / 100.0
}

fn ticks(id: u32) -> Option<(u32, u64)> {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let number = |at: usize| fields.get(at)?.parse::<u64>().ok();
    Some((u32::try_from(number(1)?).ok()?, number(11)? + number(12)?))
}

fn one_line(text: &[u8]) -> String {
    String::from_utf8_lossy(text).split_whitespace().collect::<Vec<_>>().join(" ")
}

fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    drop(writeln!(out, "{line}").and_then(|()| out.flush()));
}
