//! The station as a Debian package that systemd starts: `image-build/deb.sh` and the service units of `appliance/systemd`, on the system of this machine.

use crate::footage;
use crate::station::Station;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use watchbook_e2e::recorder::program;
use watchbook_vm::kit::{on_path, output};
use watchbook_vm::machine::ORDERS_UNIT;

/// Where this runs, `systemd` and the package cannot be tried without these.
const NEEDED: [&str; 7] = ["systemd-sysusers", "systemctl", "dpkg-shlibdeps", "strip", "ps", "sed", "grep"];
/// The child programs.
const CHILDREN: [&str; 3] = ["watchbook-decode", "watchbook-encode", "watchbook-plugins"];
/// A line for each process of the station: its user's number and its name.
const WHO: &str = "ps -eo uid=,comm= | grep watchbook | grep -v vm-gu | sed 's/^ *//;s/  */:/'";
const CAMERA: &str = "v4l2:bus:platform:vivid-000:0?format=YUYV&size=320x180&fps=5";

/// Why there can be no system with services here; `None` when there can.
pub fn missing() -> Option<String> {
    let lacking: Vec<&str> = NEEDED.into_iter().filter(|program| on_path(program).is_none()).collect();
    if !Path::new("/lib/systemd/systemd").exists() {
        return Some("there is no systemd to start in it".to_owned());
    }
    if std::env::var_os("WATCHBOOK_PLUGINS").is_none() {
        return Some("WATCHBOOK_PLUGINS does not say where the plugins are that the package has".to_owned());
    }
    (!lacking.is_empty()).then(|| format!("{} not found", lacking.join(", ")))
}

/// Makes the Debian package, and what makes the system of the host one on which it is installed, with another configuration: the script that the machine runs before systemd.
pub fn prepare(dir: &Path, guest: &Path, config: &Path) -> PathBuf {
    let package = dir.join("watchbook.deb");
    let make = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../image-build/deb.sh");
    let (bin, plugins) = (program("watchbook"), std::env::var_os("WATCHBOOK_PLUGINS").unwrap());
    output(Command::new(make).arg(bin.parent().unwrap()).arg(plugins).arg(&package)).unwrap();
    fs::write(dir.join("who.sh"), WHO).unwrap();
    let orders = dir.join("orders.service");
    // Opened as a file: as a terminal it would get its echo back.
    let tty = "StandardInput=file:/dev/ttyS0\nStandardOutput=file:/dev/ttyS0\n";
    fs::write(&orders, format!("[Service]\nExecStart={}\n{tty}", guest.display())).unwrap();
    let script = dir.join("prepare.sh");
    let (package, orders, config) = (package.display(), orders.display(), config.display());
    let text = format!(
        "set -e
export PATH=/usr/sbin:/usr/bin:/sbin:/bin DEBIAN_FRONTEND=noninteractive
dpkg --force-unsafe-io -i {package} >/dev/null
cmp -s /etc/watchbook/watchbook.toml {config} && exit 1
install -m 0644 {config} /etc/watchbook/watchbook.toml
install -m 0644 {orders} /etc/systemd/system/{ORDERS_UNIT}.service
rm -f /etc/fstab
# A host that is a container says so; this is a machine.
rm -f /.dockerenv /run/.containerenv
# The host's temporary files are many, and none of this machine's business.
systemctl --quiet mask systemd-tmpfiles-setup.service systemd-tmpfiles-clean.timer systemd-hwdb-update.service timers.target
"
    );
    fs::write(&script, text).unwrap();
    script
}

/// User numbers and names of the station's processes.
fn who(station: &mut Station, dir: &Path) -> Vec<(u32, String)> {
    let said = station.run(&format!("sh {}", dir.join("who.sh").display()));
    let one = |word: &str| {
        let (uid, name) = word.split_once(':')?;
        Some((uid.parse().ok()?, name.to_owned()))
    };
    said.split_whitespace().filter_map(one).collect()
}

#[test]
fn the_package_starts_a_station_whose_child_programs_have_users_of_their_own() {
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let drivers = ["vivid n_devs=1 node_types=0x1 num_inputs=1 input_types=0x0"];
    let Some(mut station) = Station::boot_services(dir.path(), &drivers) else { return };
    // What udev's rules do (50-udev-default.rules), which a host that is a container has not.
    station.run("chown root:video /dev/video0");
    station.run("chmod 0660 /dev/video0");
    let camera = station.add("Drawn", CAMERA, false);
    let (start, end) = station.wait_recorded(camera, 1, 4);
    footage::assert_played(&station.play(camera, start, end, dir.path()), (320, 180), 5, false);

    let uid = station.run("id -u watchbook").parse::<u32>().unwrap();
    let processes = who(&mut station, dir.path());
    let of = |name: &str| -> Vec<u32> {
        // proc(5) has the first 15 characters of a name.
        processes.iter().filter(|(_, found)| *found == name[..name.len().min(15)]).map(|(uid, _)| *uid).collect()
    };
    assert_eq!(of("watchbook").iter().filter(|&&user| user == uid).count(), 2, "two processes: {processes:?}");
    let mut users = BTreeSet::new();
    for name in CHILDREN {
        let found = of(name);
        assert!(!found.is_empty(), "no {name} in {processes:?}");
        for user in found {
            // systemd.exec(5): users that exist as long as the service does are among 61184 to 65519.
            assert!((61184..=65519).contains(&user), "{name}: {processes:?}");
            assert!(users.insert(user), "two child programs share a user: {processes:?}");
        }
    }
    let walls = station.get("/api/v1/plugins/abi")["walls"].clone();
    let walls: Vec<&str> = walls.as_array().into_iter().flatten().filter_map(|wall| wall["program"].as_str()).collect();
    assert!(["watchbook", "watchbook-decode"].iter().all(|name| walls.contains(name)), "{walls:?}");

    // Killed, it comes back by itself and records on.
    let before = station.run("systemctl show --value -p MainPID watchbook.service");
    station.run("systemctl kill -s KILL watchbook.service");
    station.wait("the recorder to be started again", || station.answers());
    station.sign_in();
    station.wait_recorded(camera, 2, 2);
    assert_ne!(station.run("systemctl show --value -p MainPID watchbook.service"), before);

    // Removed, it stops, and leaves footage, log and configuration.
    assert_eq!(station.run("systemctl is-enabled watchbook.service"), "enabled");
    station.run("dpkg --force-unsafe-io -r watchbook");
    assert_eq!(who(&mut station, dir.path()), []);
    let left = station.run("ls /var/lib/watchbook /etc/watchbook");
    assert!(left.contains("ring") && left.contains("watchbook.toml"), "{left}");
}
