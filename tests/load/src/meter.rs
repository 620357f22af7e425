//! What processes use: CPU time, memory and bytes handed to the disk, from `/proc` (proc(5)).

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Clock ticks of a second in `/proc`: USER_HZ, 100 in the kernel's interface on x86-64 and 64-bit Arm.
const TICKS_PER_SEC: f64 = 100.0;

/// Sums over some processes and all their descendants.
#[derive(Clone, Copy, Debug, Default)]
pub struct Usage {
    /// User and system time in seconds, that of ended and awaited children included.
    pub cpu_sec: f64,
    /// Proportional set size: memory shared with others counts by halves.
    pub memory_bytes: u64,
    /// Bytes that the processes caused to be written.
    pub written_bytes: u64,
}

/// One line of `/proc/PID/stat`.
struct Stat {
    pid: u32,
    parent: u32,
    ticks: u64,
}

/// What `roots` and their descendants have used so far.
#[must_use]
pub fn usage(roots: &[u32]) -> Usage {
    let all: Vec<Stat> = pids().into_iter().filter_map(stat).collect();
    let family = family(roots, &all);
    let ticks: u64 = all.iter().filter(|one| family.contains(&one.pid)).map(|one| one.ticks).sum();
    let field = |pid: u32, file: &str, name: &str| field(&Path::new("/proc").join(pid.to_string()).join(file), name);
    Usage {
        cpu_sec: ticks as f64 / TICKS_PER_SEC,
        memory_bytes: family.iter().map(|&pid| field(pid, "smaps_rollup", "Pss:") * 1024).sum(),
        written_bytes: family.iter().map(|&pid| field(pid, "io", "write_bytes:")).sum(),
    }
}

/// Processor time in seconds that `root` and its descendants have used so far, by the name of the program. That of ended and awaited children counts for who
/// waited.
#[must_use]
pub fn by_program(root: u32) -> BTreeMap<String, f64> {
    let all: Vec<Stat> = pids().into_iter().filter_map(stat).collect();
    let family = family(&[root], &all);
    let mut seconds = BTreeMap::new();
    for one in all.iter().filter(|one| family.contains(&one.pid)) {
        // The name in `comm` is cut at 15 bytes.
        let words = std::fs::read_to_string(format!("/proc/{}/cmdline", one.pid)).unwrap_or_default();
        let program = Path::new(words.split('\0').next().unwrap_or_default());
        let name = program.file_name().unwrap_or_default().to_string_lossy().into_owned();
        *seconds.entry(name).or_default() += one.ticks as f64 / TICKS_PER_SEC;
    }
    seconds
}

/// Processes and all that descends from them.
fn family(roots: &[u32], all: &[Stat]) -> BTreeSet<u32> {
    let mut family: BTreeSet<u32> = roots.iter().copied().collect();
    // A child's number may be below its parent's, so look again until nobody new is found.
    loop {
        let found: Vec<u32> = all
            .iter()
            .filter(|one| family.contains(&one.parent) && !family.contains(&one.pid))
            .map(|one| one.pid)
            .collect();
        if found.is_empty() {
            break;
        }
        family.extend(found);
    }
    family
}

fn pids() -> Vec<u32> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

fn stat(pid: u32) -> Option<Stat> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    parse_stat(pid, &text)
}

/// The program's name is in parentheses and may hold anything, so fields are counted after the last one. utime, stime, cutime, cstime are fields 14 to 17.
fn parse_stat(pid: u32, text: &str) -> Option<Stat> {
    let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks = fields.get(11..15)?.iter().filter_map(|field| field.parse::<u64>().ok()).sum();
    Some(Stat { pid, parent: fields.get(1)?.parse().ok()?, ticks })
}

/// The number after `name` in a `/proc` file of lines; 0 when the process has gone.
fn field(file: &Path, name: &str) -> u64 {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|rest| rest.split_whitespace().next()).and_then(|number| number.parse().ok()).unwrap_or(0)
}

/// Model of the processor, number of processors, kernel: the conditions of every figure.
#[must_use]
pub fn machine() -> String {
    let cpus = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model =
        cpus.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": ")).map_or("?", |(_, model)| model);
    let count = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let busy = load.split(' ').next().unwrap_or("?");
    format!("{model}, {count} processors, Linux {}, load before the start {busy}", kernel.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_found_behind_any_program_name() {
        let line = "42 (a) b (c)) S 7 42 42 0 -1 4194304 1 0 0 0 100 20 3 4 20 0 1 0 5 6 7";
        let stat = parse_stat(42, line).unwrap();
        assert_eq!((stat.parent, stat.ticks), (7, 127));
    }

    #[test]
    fn a_process_that_works_is_seen_to_work() {
        let own = [std::process::id()];
        let before = usage(&own);
        let mut sum = 0_u64;
        while usage(&own).cpu_sec <= before.cpu_sec {
            sum = std::hint::black_box(sum.wrapping_add(1));
        }
        assert!(usage(&own).memory_bytes > 0);
        assert!(by_program(own[0]).values().sum::<f64>() > before.cpu_sec);
    }
}
