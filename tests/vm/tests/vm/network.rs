//! A network between a camera and the recorder, in the machine: two namespaces, a cable between them, and what the kernel's `netem` does to it.

use crate::station::{LONG, Station};
use serde_json::{Value, json};
use std::path::Path;
use watchbook_e2e::process::servers;
use watchbook_e2e::wait::wait_for;

/// What the kernel needs for it.
pub const DRIVERS: [&str; 4] = ["veth", "sch_netem", "sch_prio", "cls_u32"];
/// The camera's address.
const CAMERA: &str = "10.77.0.2";
/// Packets that wait in `netem` at most: seconds of the stream.
const LIMIT: &str = "limit 5000";

/// The two ends of the cable.
pub struct Network<'a> {
    pub station: &'a mut Station,
}

impl<'a> Network<'a> {
    /// Lays the cable and starts a camera at its other end, which shows the pictures in `footage` (`pictures.h264`).
    pub fn lay(station: &'a mut Station, footage: &Path) -> Self {
        // Two streams: a viewer who is gone and is still sent to holds up others of the same stream in GStreamer's server.
        let stream = json!({ "file": "pictures.264", "fps": crate::footage::FPS });
        let list = json!({ "yard": stream, "gate": stream });
        std::fs::write(footage.join("footage.json"), list.to_string()).unwrap();
        for words in [
            "ip netns add camera",
            "ip link add rec0 type veth peer name cam0 netns camera",
            "ip addr add 10.77.0.1/24 dev rec0",
            "ip link set rec0 up",
            "ip -n camera addr add 10.77.0.2/24 dev cam0",
            "ip -n camera link set cam0 up",
            "ip -n camera link set lo up",
        ] {
            station.run(words);
        }
        let server = servers().join("gst_camera.py");
        let (server, footage) = (server.display(), footage.display());
        station.order(
            &format!(
                "start server ip netns exec camera /usr/bin/python3 {server} --footage {footage} --address {CAMERA} --port 8554"
            ),
            "READY rtsp://",
        );
        Self { station }
    }

    /// Address of one of its streams, `yard` or `gate`.
    pub fn url(stream: &str) -> String {
        format!("rtsp://{CAMERA}:8554/{stream}")
    }

    /// RTP over UDP (even ports, RFC 3550 §11) goes through a queue of its own, everything else past it.
    pub fn part_media(&mut self) {
        self.camera_tc("qdisc add dev cam0 root handle 1: prio bands 4");
        self.camera_tc(&format!("qdisc add dev cam0 parent 1:4 handle 40: netem {LIMIT}"));
        self.camera_tc(
            "filter add dev cam0 parent 1: protocol ip u32 match ip protocol 17 0xff match ip dport 0 1 flowid 1:4",
        );
    }

    /// What happens to RTP over UDP from now on, in the words of `tc-netem(8)`.
    pub fn media(&mut self, what: &str) {
        self.camera_tc(&format!("qdisc change dev cam0 parent 1:4 handle 40: netem {LIMIT} {what}"));
    }

    /// What happens to everything that the camera sends, instead.
    pub fn all(&mut self, what: &str) {
        self.camera_tc(&format!("qdisc replace dev cam0 root handle 50: netem {LIMIT} {what}"));
    }

    /// Nothing gets through, in either direction; both ends keep their link.
    pub fn silence(&mut self) {
        self.all("loss 100%");
        self.station.run("tc qdisc replace dev rec0 root netem loss 100%");
    }

    /// The end of [`Self::silence`].
    pub fn restore(&mut self) {
        self.station.run("tc qdisc del dev rec0 root");
        self.camera_tc("qdisc del dev cam0 root");
    }

    /// Packets that `netem` let through, and those that it dropped.
    pub fn counted(&mut self) -> (u64, u64) {
        let text = self.station.run("tc -n camera -s -j qdisc show dev cam0");
        let queues: Vec<Value> = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error} in {text}"));
        let netem =
            queues.iter().find(|queue| queue["kind"] == "netem").unwrap_or_else(|| panic!("no netem in {text}"));
        let number = |name: &str| netem[name].as_u64().unwrap_or_else(|| panic!("no {name} in {text}"));
        (number("packets"), number("drops"))
    }

    /// Waits until `netem` has let so many packets through since it was set up.
    pub fn wait_packets(&mut self, least: u64) {
        wait_for("packets through netem", LONG, || match self.counted() {
            (packets, _) if packets >= least => Ok(()),
            counted => Err(format!("{counted:?}")),
        });
    }

    /// The machine's clock, in ms UTC.
    pub fn now_ms(&mut self) -> i64 {
        self.station.run("date +%s%3N").parse().expect("a number")
    }

    fn camera_tc(&mut self, words: &str) {
        self.station.run(&format!("tc -n camera {words}"));
    }
}
