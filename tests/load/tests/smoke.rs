//! The harness counts right: with a recorder that keeps everything, and with cameras that leave frames out.

use std::io::Write as _;
use std::process::Command;
use watchbook_load::capture::silence;

/// Says what is not tested, here and at the end of `make test`.
fn not_tested(what: &str) {
    eprintln!("NOT TESTED: {what}");
    if let Some(path) = std::env::var_os("WATCHBOOK_NOT_TESTED") {
        let file = std::fs::OpenOptions::new().create(true).append(true).open(path);
        writeln!(file.expect("the list can be opened"), "{what}").expect("the list can be written");
    }
}

/// Columns of the table's last line.
fn row(extra: &[&str]) -> Vec<String> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let output = Command::new(env!("CARGO_BIN_EXE_watchbook-load"))
        .args(["--smoke", "--recorders", "floor", "--folder"])
        .arg(folder.path())
        .args(extra)
        .output()
        .expect("the harness was built");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{text}{errors}");
    let last =
        text.lines().rfind(|line| line.starts_with("| floor")).unwrap_or_else(|| panic!("no line in {text}{errors}"));
    last.split('|').map(|column| column.trim().to_owned()).collect()
}

fn number(columns: &[String], at: usize) -> u64 {
    columns[at].parse().unwrap_or_else(|error| panic!("{error}: column {at} of {columns:?}"))
}

#[test]
fn a_recorder_that_writes_everything_loses_nothing() {
    let columns = row(&["--seconds", "3"]);
    // 2 cameras × 30 frames a second; the window is never shorter than asked for.
    assert!(number(&columns, 8) >= 2 * 30 * 3, "{columns:?}");
    assert_eq!((number(&columns, 9), number(&columns, 10), number(&columns, 11)), (0, 0, 0), "{columns:?}");
}

#[test]
fn frames_that_never_came_are_counted_as_lost() {
    let columns = row(&["--seconds", "3", "--skip-every", "10"]);
    let (frames, lost) = (number(&columns, 8), number(&columns, 9));
    // Of any run of n numbers, n/10 are divisible by ten, one more or less for each camera.
    assert!(lost.abs_diff(frames / 10) <= 2, "{lost} of {frames} lost");
}

#[test]
fn every_measurement_of_the_store_runs_on_a_tiny_ring() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let output = Command::new(env!("CARGO_BIN_EXE_watchbook-load"))
        .args(["store", "--tiny", "--folder"])
        .arg(folder.path())
        .output()
        .expect("the harness was built");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success() && !text.contains("was not measured"), "{text}{errors}");
    // Each of the tables has its lines, and each line as many columns as the head of its table.
    for (table, line) in [
        ("| streams | GB/s |", "| 2 |"),
        ("| streams | ring |", "| 2 | wrapped |"),
        ("| streams in the ring |", "| 2 | warm |"),
        ("| load |", "| 1 camera"),
        ("| restart |", "| index intact |"),
        ("| restart |", "| index lost |"),
        ("| question |", "| gaps of a camera"),
    ] {
        let columns = |line: &str| line.matches('|').count();
        let mut lines = text.lines().skip_while(|text| !text.starts_with(table));
        let head = lines.next().unwrap_or_else(|| panic!("{table} is missing in {text}{errors}"));
        let row = lines.find(|text| text.starts_with(line));
        let row = row.unwrap_or_else(|| panic!("{line} is missing below {table} in {text}{errors}"));
        assert_eq!(columns(row), columns(head), "{head}\n{row}");
    }
}

#[test]
fn every_measurement_of_plugins_runs() {
    let output = Command::new(env!("CARGO_BIN_EXE_watchbook-load"))
        .args(["plugins", "--tiny"])
        .output()
        .expect("the harness was built");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success() && !text.contains("was not measured"), "{text}{errors}");
    let lines: Vec<&str> = text.lines().filter(|line| line.starts_with('|')).collect();
    assert!(lines.iter().all(|line| line.matches('|').count() == 6), "{text}");
    for what in [
        "component boundary",
        "another process",
        "motion plugin",
        "org.watchbook.motion",
        "loop without end",
        "after a trap",
    ] {
        assert!(lines.iter().any(|line| line.contains(what)), "{what} is missing in {text}");
    }
}

#[test]
fn a_station_in_a_storm_records_everything() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let output = Command::new(env!("CARGO_BIN_EXE_watchbook-load"))
        .args(["plugins", "--tiny", "--bench", "storm", "--folder"])
        .arg(folder.path())
        .output()
        .expect("the harness was built");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success() && !text.contains("was not measured"), "{text}{errors}");
    let figure = |what: &str| {
        let line = text.lines().find(|line| line.contains(what)).unwrap_or_else(|| panic!("{what} is missing: {text}"));
        line.split('|').nth(2).unwrap_or_default().trim().to_owned()
    };
    // 2 cameras × 30 frames a second × 3 s; the window is never shorter than asked for.
    for stream in ["main streams", "sub streams"] {
        let figure = figure(stream);
        let (lost, sent) = figure.split_once(" of ").unwrap_or_else(|| panic!("{figure}"));
        assert!(lost == "0" && sent.parse::<u64>().is_ok_and(|sent| sent >= 180), "{figure}: {text}{errors}");
    }
    assert_eq!(figure("gap rows"), "0", "{text}{errors}");
    let (_, traps) = figure("calls of the hostile set")
        .split_once(", ")
        .map(|(a, b)| (a.to_owned(), b.to_owned()))
        .unwrap_or_default();
    assert!(traps.parse::<u64>().is_ok_and(|traps| traps > 0), "{text}{errors}");
}

#[test]
fn every_measurement_of_capture_runs_and_counts_right() {
    let output = Command::new(env!("CARGO_BIN_EXE_watchbook-load"))
        .args(["capture", "--tiny", "--seed", "7"])
        .output()
        .expect("the harness was built");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{text}{errors}");
    let row = |start: &str| -> Vec<String> {
        let line = text.lines().find(|line| line.starts_with(start)).unwrap_or_else(|| panic!("{start}: {text}"));
        line.split('|').map(|column| column.trim().to_owned()).collect()
    };
    let all = row("| all ");
    assert_eq!((all[2].as_str(), all[3].as_str()), ("3", "0"), "three outages, none stuck: {text}");
    assert_eq!(row("| 4 ")[5], "0", "four cameras, none stuck: {text}");
    if text.contains(silence::NOT_HERE) {
        not_tested("networks that fall silent: user namespaces, or ip of iproute2");
    } else {
        let all = row("| all silences");
        assert_eq!((all[2].as_str(), all[3].as_str()), ("2", "0"), "two silences, none stuck: {text}");
    }
    for path in ["H.264 as it is", "JPEG as it is", "JPEG encoded", "YUYV encoded", "NV12 encoded"] {
        let seconds: f64 = row(&format!("| {path}"))[3].trim_end_matches(" s").parse().expect("a number");
        assert!(seconds > 0.0, "{path}: {text}");
    }
    let behind = |heading: &str| -> Vec<u64> {
        let line = text.lines().skip_while(|line| !line.starts_with(heading)).nth(2).unwrap_or_default();
        line.split('|').filter_map(|column| column.trim().parse().ok()).collect()
    };
    let (places, pictures) = (behind("| packets dropped "), behind("| pictures hit "));
    let ([dropped, counted, told, exact, other], [hit, left_out, untagged, damaged, kept, wrong, sessions]) =
        (&places[..], &pictures[..])
    else {
        panic!("{text}")
    };
    assert!(*dropped > 0 && *kept > 0, "{text}");
    assert_eq!((counted, left_out + untagged, *wrong, *sessions), (dropped, *hit, 0, 1), "{text}");
    assert_eq!((told, *other), (dropped, 0), "each loss is told by the sample behind it, and by no other: {text}");
    assert!(*exact > 0 && exact <= hit && (1..=*dropped).contains(damaged), "{text}");
}
