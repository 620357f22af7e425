//! How warm the machine is and how its network does, as Linux tells everybody below `/sys`. What a disk says of its own wear (SMART) needs rights that the recorder does not have.

use super::machine_watch::{MachineWatch, Moment, Sensor};
use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use watchbook_base::Clock;
use watchbook_web::api::{Alarm, MachineHealth, MachineNetwork, MachineTemperature};
use watchbook_web::ports::Machine;

/// A part that gets hot, or a cable that is pulled, is seen so soon.
const EVERY: Duration = Duration::from_secs(10);
/// Directories of one kind that are looked at: a server has a dozen sensors and a few sockets.
const ENTRIES_MAX: usize = 64;
/// A file below `/sys` is one page at most.
const FILE_BYTES_MAX: usize = 4096;
/// Sensors of one chip.
const SENSORS_MAX: u32 = 32;
/// So near to what its maker calls critical something has to be done.
const MARGIN_CELSIUS: f64 = 5.0;
/// Too hot for any part whose maker says nothing.
const HOT_CELSIUS: f64 = 85.0;

/// Reads temperatures and network sockets where the kernel shows them, and remembers what is wrong with them; whatever is not there is left out.
pub struct SysMachine {
    root: PathBuf,
    clock: Arc<dyn Clock>,
    watch: Mutex<MachineWatch>,
}

impl SysMachine {
    /// On this machine's `/sys`.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self::at(PathBuf::from("/sys"), clock)
    }

    fn at(root: PathBuf, clock: Arc<dyn Clock>) -> Self {
        Self { root, clock, watch: Mutex::default() }
    }

    /// Looks at it once. Whether a link was lost is known only when somebody has looked before.
    pub fn look(&self) {
        let (sensors, networks) = (self.sensors(), self.networks());
        let now = Moment { utc: self.clock.utc(), mono: self.clock.mono() };
        self.watch.lock().unwrap_or_else(PoisonError::into_inner).look(&sensors, &networks, now);
    }

    /// By chip; each has a place of its own.
    fn sensors(&self) -> Vec<Sensor> {
        let mut sensors = sensors_of(&entries(&self.root.join("class/hwmon"), |_| true), "name", chip_of);
        if sensors.is_empty() {
            // Boards without such chips often have zones; where there are both, they are the same sensors.
            // Beside them stand fans and clock rates that cool, of which a server has more than are looked at.
            let zones = entries(&self.root.join("class/thermal"), |zone| zone.join("temp").exists());
            sensors = sensors_of(&zones, "type", zone_of);
        }
        sensors
    }

    /// By name. Where there are too many, those of containers and tunnels are left out first.
    fn networks(&self) -> Vec<MachineNetwork> {
        let dir = self.root.join("class/net");
        let mut ports = entries(&dir, is_hardware);
        let others = entries(&dir, |port| !is_hardware(port)).into_iter().take(ENTRIES_MAX - ports.len());
        ports.extend(others);
        ports.sort();
        ports.iter().filter_map(|port| network_of(port)).collect()
    }
}

/// Looks at the machine now and then, as long as it is there.
pub fn watch(runtime: &tokio::runtime::Handle, machine: &Arc<SysMachine>) {
    let machine = Arc::downgrade(machine);
    runtime.spawn(async move {
        loop {
            let Some(machine) = machine.upgrade() else { return };
            if let Err(error) = tokio::task::spawn_blocking(move || machine.look()).await {
                tracing::error!(%error, "looking at temperatures and network sockets was broken off; it is tried again");
            }
            tokio::time::sleep(EVERY).await;
        }
    });
}

impl Machine for SysMachine {
    fn health(&self) -> MachineHealth {
        let mut temperatures: Vec<_> = self.sensors().into_iter().map(|sensor| sensor.now).collect();
        temperatures.sort_by(|a, b| a.place.cmp(&b.place));
        MachineHealth { temperatures, networks: self.networks() }
    }

    fn alarms(&self) -> Vec<Alarm> {
        self.watch.lock().unwrap_or_else(PoisonError::into_inner).alarms()
    }
}

/// The first that are wanted, by name; empty where there is nothing to read.
fn entries(dir: &Path, wanted: impl Fn(&Path) -> bool) -> Vec<PathBuf> {
    let Ok(list) = std::fs::read_dir(dir) else { return Vec::new() };
    let mut first = BTreeSet::new();
    for path in list.flatten().map(|entry| entry.path()).filter(|path| wanted(path)) {
        first.insert(path);
        if first.len() > ENTRIES_MAX {
            first.pop_last();
        }
    }
    first.into_iter().collect()
}

fn is_hardware(port: &Path) -> bool {
    port.join("device").exists()
}

fn last_name(path: &Path) -> Option<String> {
    path.file_name()?.to_str().map(str::to_owned)
}

/// Each chip with a name of its own: what `file` says and, where several say the same as two disks do, what the chip belongs to, else the name of its directory.
fn named<'a>(chips: &'a [PathBuf], file: &str) -> Vec<(String, &'a Path)> {
    let plain: Vec<_> = chips.iter().map(|chip| text(&chip.join(file)).unwrap_or_default()).collect();
    let owned: Vec<_> =
        chips.iter().zip(&plain).map(|(chip, name)| Some(format!("{name} {}", owner_of(chip)?))).collect();
    let (of_plain, of_owned) = (counted(plain.iter()), counted(owned.iter().flatten()));
    let title = |((chip, name), owned): ((&PathBuf, &String), &Option<String>)| match owned {
        _ if of_plain[name] == 1 => name.clone(),
        Some(owned) if of_owned[owned] == 1 => owned.clone(),
        _ => format!("{name} {}", last_name(chip).unwrap_or_default()),
    };
    let titles = chips.iter().zip(&plain).zip(&owned).map(title);
    titles.zip(chips).map(|(title, chip)| (title.trim().to_owned(), chip.as_path())).collect()
}

fn counted<'a>(names: impl Iterator<Item = &'a String>) -> BTreeMap<&'a String, usize> {
    let mut counts = BTreeMap::new();
    names.for_each(|name| *counts.entry(name).or_default() += 1);
    counts
}

/// What a chip is a part of: `sda` for a disk, which people know better than its number on the bus; else the device's own name.
fn owner_of(chip: &Path) -> Option<String> {
    let device = chip.join("device").canonicalize().ok()?;
    let disk = entries(&device.join("block"), |_| true);
    last_name(disk.first().unwrap_or(&device))
}

fn sensors_of(chips: &[PathBuf], file: &str, read: impl Fn(&str, &Path) -> Vec<MachineTemperature>) -> Vec<Sensor> {
    let of = |(chip, path): (String, &Path)| {
        let sensors = read(&chip, path).into_iter();
        sensors.map(|now| Sensor { chip: chip.clone(), now }).collect::<Vec<_>>()
    };
    named(chips, file).into_iter().flat_map(of).collect()
}

fn text(path: &Path) -> Option<String> {
    use std::io::Read as _;
    let mut text = String::new();
    let file = std::fs::File::open(path).ok()?;
    file.take(FILE_BYTES_MAX as u64).read_to_string(&mut text).ok()?;
    Some(text.trim().to_owned())
}

fn number<T: core::str::FromStr>(path: &Path) -> Option<T> {
    text(path)?.parse().ok()
}

/// Thousandths of a degree. A sensor that is not connected gives values that nothing has.
fn celsius(path: &Path) -> Option<f64> {
    let value = f64::from(number::<i32>(path)?) / 1000.0;
    (-60.0..=200.0).contains(&value).then_some(value)
}

fn chip_of(name: &str, chip: &Path) -> Vec<MachineTemperature> {
    let label_of = |sensor: u32| text(&chip.join(format!("temp{sensor}_label")));
    let labels: Vec<_> = (1..=SENSORS_MAX).filter_map(label_of).collect();
    let of_label = counted(labels.iter());
    let of = |sensor: u32| {
        let file = |what: &str| chip.join(format!("temp{sensor}_{what}"));
        let label = match label_of(sensor) {
            Some(label) if of_label.get(&label) == Some(&1) => label,
            Some(label) => format!("{label} {sensor}"),
            None => sensor.to_string(),
        };
        // A sensor that says of itself that it is broken says nothing else that is true.
        if number::<u32>(&file("fault")) == Some(1) {
            return None;
        }
        let limits = (celsius(&file("max")), celsius(&file("crit")));
        Some(temperature(format!("{name} {label}"), celsius(&file("input"))?, limits))
    };
    (1..=SENSORS_MAX).filter_map(of).collect()
}

fn zone_of(name: &str, zone: &Path) -> Vec<MachineTemperature> {
    let Some(now) = celsius(&zone.join("temp")) else { return Vec::new() };
    let critical =
        (0..8).find(|trip| text(&zone.join(format!("trip_point_{trip}_type"))).as_deref() == Some("critical"));
    let critical = critical.and_then(|trip| celsius(&zone.join(format!("trip_point_{trip}_temp"))));
    vec![temperature(name.to_owned(), now, (None, critical))]
}

fn temperature(place: String, celsius: f64, (most, critical): (Option<f64>, Option<f64>)) -> MachineTemperature {
    // Some chips say 0 for what they do not know.
    let told = |limit: Option<f64>| limit.filter(|limit| *limit > 0.0);
    let critical_celsius = told(critical);
    let near = critical_celsius.map(|critical| critical - MARGIN_CELSIUS);
    let hot_celsius = match (told(most), critical_celsius) {
        (Some(most), critical) => critical.map_or(most, |critical| most.min(critical)),
        (None, _) => near.unwrap_or(HOT_CELSIUS),
    };
    MachineTemperature { place, celsius, critical_celsius, hot_celsius, too_hot: celsius >= hot_celsius }
}

fn network_of(port: &Path) -> Option<MachineNetwork> {
    const LOOPBACK: u32 = 772;
    if number::<u32>(&port.join("type"))? == LOOPBACK {
        return None;
    }
    let name = last_name(port)?;
    let link = match text(&port.join("operstate"))?.as_str() {
        "up" => Some(true),
        "unknown" => None,
        _ => Some(false),
    };
    let count = |what: &str| number::<u64>(&port.join("statistics").join(what)).unwrap_or(0);
    Some(MachineNetwork {
        name,
        hardware: is_hardware(port),
        link,
        // -1 without a link.
        speed_mbit: number::<i64>(&port.join("speed"))
            .and_then(|speed| u32::try_from(speed).ok())
            .filter(|speed| *speed > 0),
        damaged_in: count("rx_errors"),
        failed_out: count("tx_errors"),
        dropped: count("rx_dropped").saturating_add(count("tx_dropped")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use watchbook_base::UtcNanos;
    use watchbook_base::clock::SimClock;
    use watchbook_web::api::AlarmKind;

    fn clock() -> SimClock {
        SimClock::new(UtcNanos::from_ms(1_000))
    }

    fn write(root: &Path, path: &str, content: &str) {
        let path = root.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, format!("{content}\n")).unwrap();
    }

    fn machine(files: &[(&str, &str)]) -> (tempfile::TempDir, SysMachine) {
        let dir = tempfile::tempdir().unwrap();
        for (path, content) in files {
            write(dir.path(), path, content);
        }
        let machine = SysMachine::at(dir.path().to_owned(), Arc::new(clock()));
        (dir, machine)
    }

    #[test]
    fn sensors_are_read_as_the_kernel_documents_them() {
        let (_dir, machine) = machine(&[
            ("class/hwmon/hwmon0/name", "nvme"),
            ("class/hwmon/hwmon0/temp1_input", "81850"),
            ("class/hwmon/hwmon0/temp1_crit", "84850"),
            ("class/hwmon/hwmon0/temp1_label", "Composite"),
            ("class/hwmon/hwmon1/name", "coretemp"),
            ("class/hwmon/hwmon1/temp2_input", "41000"),
            ("class/hwmon/hwmon1/temp3_input", "-128000"),
            ("class/thermal/thermal_zone0/temp", "41000"),
        ]);
        let found = machine.health().temperatures;
        let told: Vec<_> = found.iter().map(|one| (one.place.as_str(), one.celsius, one.too_hot)).collect();
        assert_eq!(told, [("coretemp 2", 41.0, false), ("nvme Composite", 81.85, true)]);
        assert_eq!(found[1].critical_celsius, Some(84.85));
    }

    #[test]
    fn zones_stand_in_where_there_is_no_chip() {
        let (_dir, machine) = machine(&[
            ("class/thermal/thermal_zone0/type", "cpu-thermal"),
            ("class/thermal/thermal_zone0/temp", "52300"),
            ("class/thermal/thermal_zone0/trip_point_0_type", "passive"),
            ("class/thermal/thermal_zone0/trip_point_1_type", "critical"),
            ("class/thermal/thermal_zone0/trip_point_1_temp", "90000"),
        ]);
        let found = machine.health().temperatures;
        assert_eq!(
            (found[0].place.as_str(), found[0].celsius, found[0].critical_celsius),
            ("cpu-thermal", 52.3, Some(90.0))
        );
    }

    #[test]
    fn sockets_say_link_speed_and_faults() {
        let (_dir, machine) = machine(&[
            ("class/net/lo/type", "772"),
            ("class/net/lo/operstate", "unknown"),
            ("class/net/eth0/type", "1"),
            ("class/net/eth0/operstate", "up"),
            ("class/net/eth0/speed", "1000"),
            ("class/net/eth0/statistics/rx_errors", "3"),
            ("class/net/eth0/statistics/rx_dropped", "2"),
            ("class/net/eth0/statistics/tx_dropped", "5"),
            ("class/net/eth1/type", "1"),
            ("class/net/eth1/operstate", "down"),
            ("class/net/eth1/speed", "-1"),
        ]);
        let found = machine.health().networks;
        let [eth0, eth1] = &found[..] else { panic!("{found:?}") };
        assert_eq!((eth0.link, eth0.speed_mbit, eth0.damaged_in, eth0.dropped), (Some(true), Some(1000), 3, 7));
        assert_eq!((eth1.link, eth1.speed_mbit), (Some(false), None));
    }

    #[test]
    fn a_machine_that_tells_nothing_has_empty_lists() {
        let (_dir, machine) = machine(&[]);
        assert_eq!(machine.health(), MachineHealth::default());
        machine.look();
        assert!(machine.alarms().is_empty());
    }

    #[test]
    fn each_sensor_is_too_hot_where_its_maker_says_so() {
        let (_dir, machine) = machine(&[
            ("class/hwmon/hwmon0/name", "coretemp"),
            ("class/hwmon/hwmon0/temp1_input", "82000"),
            ("class/hwmon/hwmon0/temp1_max", "80000"),
            ("class/hwmon/hwmon0/temp1_crit", "100000"),
            ("class/hwmon/hwmon0/temp2_input", "82000"),
            ("class/hwmon/hwmon0/temp3_input", "86000"),
            ("class/hwmon/hwmon0/temp4_input", "99000"),
            ("class/hwmon/hwmon0/temp4_fault", "1"),
            ("class/hwmon/hwmon0/temp5_input", "82000"),
            ("class/hwmon/hwmon0/temp5_max", "0"),
        ]);
        let found = machine.health().temperatures;
        let told: Vec<_> = found.iter().map(|one| (one.place.as_str(), one.hot_celsius, one.too_hot)).collect();
        assert_eq!(
            told,
            [
                ("coretemp 1", 80.0, true),
                ("coretemp 2", 85.0, false),
                ("coretemp 3", 85.0, true),
                ("coretemp 5", 85.0, false)
            ]
        );
    }

    /// A chip of one sensor that belongs to `device`, which is made below `devices`.
    fn chip(root: &Path, number: u32, (name, input): (&str, &str), device: &str) {
        let chip = format!("class/hwmon/hwmon{number}");
        write(root, &format!("{chip}/name"), name);
        write(root, &format!("{chip}/temp1_input"), input);
        std::fs::create_dir_all(root.join("devices").join(device)).unwrap();
        std::os::unix::fs::symlink(Path::new("../../../devices").join(device), root.join(chip).join("device")).unwrap();
    }

    #[test]
    fn of_two_disks_of_one_name_each_has_its_own_alarm() {
        let (dir, machine) = machine(&[]);
        chip(dir.path(), 0, ("drivetemp", "99000"), "0:0:0:0");
        chip(dir.path(), 1, ("drivetemp", "86000"), "1:0:0:0");
        chip(dir.path(), 2, ("nvme", "40000"), "nvme0");
        chip(dir.path(), 3, ("nvme", "40000"), "nvme1");
        chip(dir.path(), 4, ("k10temp", "40000"), "0000:00:18.3");
        std::fs::create_dir_all(dir.path().join("devices/0:0:0:0/block/sda")).unwrap();
        std::fs::create_dir_all(dir.path().join("devices/1:0:0:0/block/sdb")).unwrap();
        let found = machine.health().temperatures;
        let places: Vec<_> = found.iter().map(|one| one.place.as_str()).collect();
        assert_eq!(places, ["drivetemp sda 1", "drivetemp sdb 1", "k10temp 1", "nvme nvme0 1", "nvme nvme1 1"]);
        machine.look();
        let alarms = machine.alarms();
        let [sda, sdb] = &alarms[..] else { panic!("{alarms:?}") };
        assert!(sda.kind == AlarmKind::MachineCritical && sda.text.contains("drivetemp sda 1 has 99"), "{sda:?}");
        assert!(sdb.kind == AlarmKind::MachineHot && sdb.text.contains("drivetemp sdb 1 has 86"), "{sdb:?}");
    }

    #[test]
    fn chips_zones_and_labels_that_say_the_same_are_told_apart_all_the_same() {
        let (dir, chips) = machine(&[
            ("class/hwmon/hwmon2/name", "acpitz"),
            ("class/hwmon/hwmon2/temp1_input", "41000"),
            ("class/hwmon/hwmon2/temp1_label", "Board"),
            ("class/hwmon/hwmon2/temp2_input", "42000"),
            ("class/hwmon/hwmon2/temp2_label", "Board"),
        ]);
        chip(dir.path(), 0, ("acpitz", "43000"), "one");
        chip(dir.path(), 1, ("acpitz", "44000"), "one");
        let found = chips.health().temperatures;
        let places: Vec<_> = found.iter().map(|one| (one.place.as_str(), one.celsius)).collect();
        let wanted = [
            ("acpitz hwmon0 1", 43.0),
            ("acpitz hwmon1 1", 44.0),
            ("acpitz hwmon2 Board 1", 41.0),
            ("acpitz hwmon2 Board 2", 42.0),
        ];
        assert_eq!(places, wanted);
        let (dir, zones) = machine(&[
            ("class/thermal/thermal_zone0/type", "acpitz"),
            ("class/thermal/thermal_zone0/temp", "52000"),
            ("class/thermal/thermal_zone1/type", "acpitz"),
            ("class/thermal/thermal_zone1/temp", "53000"),
        ]);
        for number in 0..2 * ENTRIES_MAX {
            write(dir.path(), &format!("class/thermal/cooling_device{number}/type"), "Processor");
        }
        let found = zones.health().temperatures;
        let places: Vec<_> = found.iter().map(|one| one.place.as_str()).collect();
        assert_eq!(places, ["acpitz thermal_zone0", "acpitz thermal_zone1"]);
    }

    #[test]
    fn many_made_up_sockets_hide_none_of_the_machine() {
        let (dir, machine) = machine(&[]);
        let names = (0..3 * ENTRIES_MAX).map(|number| format!("br{number:03}"));
        for name in names.chain(["eth0".to_owned(), "zz0".to_owned()]) {
            write(dir.path(), &format!("class/net/{name}/type"), "1");
            write(dir.path(), &format!("class/net/{name}/operstate"), "up");
        }
        for name in ["eth0", "zz0"] {
            std::fs::create_dir(dir.path().join("class/net").join(name).join("device")).unwrap();
        }
        let found: Vec<_> = machine.health().networks.into_iter().map(|socket| socket.name).collect();
        let wanted = (0..ENTRIES_MAX - 2).map(|number| format!("br{number:03}"));
        assert_eq!(found, wanted.chain(["eth0".to_owned(), "zz0".to_owned()]).collect::<Vec<_>>());
    }

    #[test]
    fn a_clock_that_goes_back_makes_no_lost_link_last_longer() {
        let dir = tempfile::tempdir().unwrap();
        let clock = clock();
        let machine = SysMachine::at(dir.path().to_owned(), Arc::new(clock.clone()));
        write(dir.path(), "class/net/eth0/type", "1");
        write(dir.path(), "class/net/eth0/operstate", "up");
        std::fs::create_dir(dir.path().join("class/net/eth0/device")).unwrap();
        machine.look();
        write(dir.path(), "class/net/eth0/operstate", "down");
        machine.look();
        clock.step(3600 * 1_000_000_000);
        machine.look();
        assert!(machine.alarms().is_empty(), "no time has passed");
        clock.step(-7200 * 1_000_000_000);
        clock.advance(20_000_000_000);
        machine.look();
        let told: Vec<_> = machine.alarms().iter().map(|alarm| (alarm.kind, alarm.since_utc_ms)).collect();
        assert_eq!(told, [(AlarmKind::NetworkLinkLost, Some(1_000))]);
    }

    #[test]
    fn a_cable_that_is_pulled_and_a_part_that_gets_hot_are_alarms_until_they_are_well() {
        let dir = tempfile::tempdir().unwrap();
        let clock = clock();
        let machine = SysMachine::at(dir.path().to_owned(), Arc::new(clock.clone()));
        let set = |path: &str, content: &str| write(dir.path(), path, content);
        for port in ["eth0", "eth1", "br0"] {
            set(&format!("class/net/{port}/type"), "1");
            set(&format!("class/net/{port}/operstate"), if port == "eth1" { "down" } else { "up" });
        }
        std::fs::create_dir(dir.path().join("class/net/eth0/device")).unwrap();
        std::fs::create_dir(dir.path().join("class/net/eth1/device")).unwrap();
        set("class/hwmon/hwmon0/name", "nvme");
        set("class/hwmon/hwmon0/temp1_input", "40000");
        machine.look();
        assert!(machine.alarms().is_empty(), "eth1 never had a link");
        set("class/net/eth0/operstate", "down");
        set("class/net/br0/operstate", "down");
        set("class/hwmon/hwmon0/temp1_input", "85000");
        // Twice, so that a link that is only made anew is none that was lost.
        machine.look();
        clock.advance(20_000_000_000);
        machine.look();
        let told: Vec<_> = machine.alarms().iter().map(|alarm| (alarm.kind, alarm.since_utc_ms)).collect();
        assert_eq!(told, [(AlarmKind::MachineHot, Some(1_000)), (AlarmKind::NetworkLinkLost, Some(1_000))]);
        set("class/net/eth0/operstate", "up");
        set("class/hwmon/hwmon0/temp1_input", "40000");
        machine.look();
        assert!(machine.alarms().is_empty());
    }
}
