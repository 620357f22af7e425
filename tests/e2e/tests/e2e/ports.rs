//! What listens: one port, on which nobody gets anything but the page and what is public.

use std::collections::BTreeSet;
use std::fs;
use std::time::Duration;
use watchbook_e2e::{Raw, Recorder};

/// State of a TCP socket that listens (`include/net/tcp_states.h`).
const LISTENS: &str = "0A";
/// Flag of a Unix socket that listens (`__SO_ACCEPTCON`).
const ACCEPTS: &str = "00010000";

/// A process and all that it started.
fn family(pid: u32) -> Vec<u32> {
    let mut all = vec![pid];
    for task in fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten() {
        let children = fs::read_to_string(task.path().join("children")).unwrap_or_default();
        all.extend(children.split_whitespace().filter_map(|child| child.parse().ok()).flat_map(family));
    }
    all
}

/// Inodes of the sockets that they hold.
fn sockets(family: &[u32]) -> BTreeSet<String> {
    let descriptors = family.iter().filter_map(|pid| fs::read_dir(format!("/proc/{pid}/fd")).ok()).flatten().flatten();
    let links = descriptors.filter_map(|descriptor| fs::read_link(descriptor.path()).ok());
    links.filter_map(|link| Some(link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.to_owned())).collect()
}

/// Rows of a table of the kernel that are about these sockets, with the inode in this column.
fn rows(table: &str, inode: usize, held: &BTreeSet<String>) -> Vec<Vec<String>> {
    let text = fs::read_to_string(format!("/proc/net/{table}")).unwrap_or_default();
    let rows = text.lines().skip(1).map(|line| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>());
    rows.filter(|row| row.get(inode).is_some_and(|inode| held.contains(inode))).collect()
}

#[test]
fn one_port_listens_and_speaks_to_nobody_who_does_not_speak_http() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let mut recorder = Recorder::claim(dir.path());
    let server = super::cameras::gst(&[]);
    let camera = recorder.add_camera("Gate", &format!("{}main", server.url()), None);
    let _ = recorder.wait_recorded(&camera, 2);
    let authority = recorder.client.authority().to_owned();
    let port: u16 = authority.rsplit(':').next().and_then(|port| port.parse().ok()).expect("the page has a port");

    let family = family(recorder.id());
    assert!(family.len() > 2, "the decoder and the plugin host are among {family:?}");
    let held = sockets(&family);
    let tcp: Vec<String> = ["tcp", "tcp6"]
        .iter()
        .flat_map(|table| rows(table, 9, &held))
        .filter(|row| row[3] == LISTENS)
        .map(|row| row[1].clone())
        .collect();
    // 127.0.0.1 as the kernel of a little-endian machine writes it. Beside the page's, the door through which this camera is relayed to us, which knows its own alone.
    let page = format!("0100007F:{port:04X}");
    let doors: Vec<_> = tcp.iter().filter(|listens| **listens != page).collect();
    assert!(tcp.contains(&page) && doors.len() <= 1, "{tcp:?}");
    assert!(doors.iter().all(|door| door.starts_with("0100007F:")), "{tcp:?}");
    for table in ["udp", "udp6", "udplite", "udplite6", "raw", "raw6"] {
        assert_eq!(rows(table, 9, &held), [[""; 0]; 0], "{table}");
    }
    assert_eq!(rows("packet", 8, &held), [[""; 0]; 0]);
    let named: Vec<_> = rows("unix", 6, &held).into_iter().filter(|row| row[3] == ACCEPTS).collect();
    assert!(named.is_empty(), "{named:?}");

    for (bytes, begins) in [
        (&b"\x00\x01\x02\x03"[..], ""),
        (b"\x80\x2e\x01\x00\x02", ""),
        (b"\r\n\r\n", ""),
        (b"help\r\n\r\n", ""),
        // What looks like HTTP is told that it is none.
        (b"SSH-2.0-probe\r\n", "HTTP/1.1 400 "),
        (b"DESCRIBE rtsp://box/1 RTSP/1.0\r\nCSeq: 1\r\n\r\n", "HTTP/1.1 400 "),
    ] {
        let mut raw = Raw::open(&authority, Duration::from_secs(8));
        raw.send(bytes);
        let (answer, closed) = raw.rest();
        let shown = String::from_utf8_lossy(bytes);
        let fits = if begins.is_empty() { answer.is_empty() } else { answer.starts_with(begins) };
        assert!(closed && fits, "{shown:?} is answered {answer:?}");
    }
}
