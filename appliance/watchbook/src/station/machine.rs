//! How warm the machine is and how its network does, as Linux tells everybody below `/sys`. What a disk says of its own wear (SMART) needs rights that the recorder does not have.

use std::path::{Path, PathBuf};
use watchbook_web::api::{MachineHealth, MachineNetwork, MachineTemperature};
use watchbook_web::ports::Machine;

/// Directories of one kind that are looked at: a server has a dozen sensors and a few sockets.
const ENTRIES_MAX: usize = 64;
/// A file below `/sys` is one page at most.
const FILE_BYTES_MAX: usize = 4096;
/// Sensors of one chip.
const SENSORS_MAX: u32 = 32;
/// So near to what its maker calls critical something has to be done.
const MARGIN_CELSIUS: f64 = 5.0;

/// Reads temperatures and network sockets where the kernel shows them; whatever is not there is left out.
pub struct SysMachine {
    root: PathBuf,
}

impl Default for SysMachine {
    fn default() -> Self {
        Self { root: PathBuf::from("/sys") }
    }
}

impl Machine for SysMachine {
    fn health(&self) -> MachineHealth {
        let mut temperatures: Vec<_> =
            entries(&self.root.join("class/hwmon")).iter().flat_map(|chip| chip_of(chip)).collect();
        if temperatures.is_empty() {
            // Boards without such chips often have zones; where there are both, they are the same sensors.
            temperatures = entries(&self.root.join("class/thermal")).iter().filter_map(|zone| zone_of(zone)).collect();
        }
        temperatures.sort_by(|a, b| a.place.cmp(&b.place));
        let networks = entries(&self.root.join("class/net"));
        MachineHealth { temperatures, networks: networks.iter().filter_map(|port| network_of(port)).collect() }
    }
}

/// By name; empty where there is nothing to read.
fn entries(dir: &Path) -> Vec<PathBuf> {
    let Ok(list) = std::fs::read_dir(dir) else { return Vec::new() };
    let mut paths: Vec<_> = list.flatten().take(ENTRIES_MAX).map(|entry| entry.path()).collect();
    paths.sort();
    paths
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

fn chip_of(chip: &Path) -> Vec<MachineTemperature> {
    let name = text(&chip.join("name")).unwrap_or_default();
    let of = |sensor: u32| {
        let file = |what: &str| chip.join(format!("temp{sensor}_{what}"));
        let label = text(&file("label")).unwrap_or_else(|| sensor.to_string());
        Some(temperature(format!("{name} {label}"), celsius(&file("input"))?, celsius(&file("crit"))))
    };
    (1..=SENSORS_MAX).filter_map(of).collect()
}

fn zone_of(zone: &Path) -> Option<MachineTemperature> {
    let now = celsius(&zone.join("temp"))?;
    let critical =
        (0..8).find(|trip| text(&zone.join(format!("trip_point_{trip}_type"))).as_deref() == Some("critical"));
    let critical = critical.and_then(|trip| celsius(&zone.join(format!("trip_point_{trip}_temp"))));
    Some(temperature(text(&zone.join("type")).unwrap_or_default(), now, critical))
}

fn temperature(place: String, celsius: f64, critical: Option<f64>) -> MachineTemperature {
    // Some chips say 0 for what they do not know.
    let critical_celsius = critical.filter(|critical| *critical > 0.0);
    let too_hot = critical_celsius.is_some_and(|critical| celsius >= critical - MARGIN_CELSIUS);
    MachineTemperature { place, celsius, critical_celsius, too_hot }
}

fn network_of(port: &Path) -> Option<MachineNetwork> {
    const LOOPBACK: u32 = 772;
    if number::<u32>(&port.join("type"))? == LOOPBACK {
        return None;
    }
    let name = port.file_name()?.to_str()?.to_owned();
    let link = match text(&port.join("operstate"))?.as_str() {
        "up" => Some(true),
        "unknown" => None,
        _ => Some(false),
    };
    let count = |what: &str| number::<u64>(&port.join("statistics").join(what)).unwrap_or(0);
    Some(MachineNetwork {
        name,
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

    fn machine(files: &[(&str, &str)]) -> (tempfile::TempDir, SysMachine) {
        let dir = tempfile::tempdir().unwrap();
        for (path, content) in files {
            let path = dir.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, format!("{content}\n")).unwrap();
        }
        let root = dir.path().to_owned();
        (dir, SysMachine { root })
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
    }
}
