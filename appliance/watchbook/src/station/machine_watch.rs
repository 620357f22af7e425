//! What is wrong with the machine: chips that are too hot, and network sockets that lost their link. Remembered from one look to the next, so that each has a beginning, and does not come and
//! go with every tenth of a degree. Pure.

use std::collections::BTreeMap;
use watchbook_base::time::NANOS_PER_SEC;
use watchbook_base::{MonoNanos, UtcNanos};
use watchbook_web::api::{Alarm, AlarmKind, MachineNetwork, MachineTemperature};

/// Critical for any part whose maker says nothing.
const CRITICAL_CELSIUS: f64 = 95.0;
/// An alarm ends when the part is so much cooler than where it began.
const HYSTERESIS_CELSIUS: f64 = 5.0;
/// A link that is made anew, as after a switch has started, takes a few seconds.
const LOST_AFTER_NANOS: u64 = 15 * NANOS_PER_SEC.unsigned_abs();

/// When somebody looks: for people, and to count how long something lasts, which a clock that is set must not change.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Moment {
    pub(super) utc: UtcNanos,
    pub(super) mono: MonoNanos,
}

/// A sensor of a chip. Its place is that of no other.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Sensor {
    pub(super) chip: String,
    pub(super) now: MachineTemperature,
}

/// How hot a part is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Heat {
    Hot,
    Critical,
}

/// A chip that is too hot, with the sensor that says so: of those that are in the worst state the hottest.
#[derive(Clone, Debug, PartialEq)]
struct HotChip {
    heat: Heat,
    since: UtcNanos,
    place: String,
    celsius: f64,
    limit_celsius: f64,
}

/// A network socket that had a link once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Socket {
    lost_since: Option<Moment>,
}

/// What was seen so far. It holds no more sensors and sockets than the machine shows, and sockets that were pulled out with their link.
#[derive(Debug, Default)]
pub(super) struct MachineWatch {
    /// By place.
    sensors: BTreeMap<String, Heat>,
    /// By chip.
    hot: BTreeMap<String, HotChip>,
    sockets: BTreeMap<String, Socket>,
    now: Moment,
}

/// Sockets that are remembered: far more than a machine has. Of those that come beyond it no loss is told.
const SOCKETS_MAX: usize = 64;

fn critical_of(sensor: &MachineTemperature) -> f64 {
    sensor.critical_celsius.unwrap_or(CRITICAL_CELSIUS.max(sensor.hot_celsius))
}

/// How hot a sensor is now, with what it was before: once over a limit it must fall well below it.
fn heat_of(sensor: &MachineTemperature, before: Option<Heat>) -> Option<Heat> {
    let over = |limit: f64, was: bool| sensor.celsius >= if was { limit - HYSTERESIS_CELSIUS } else { limit };
    match () {
        () if over(critical_of(sensor), before == Some(Heat::Critical)) => Some(Heat::Critical),
        () if over(sensor.hot_celsius, before.is_some()) => Some(Heat::Hot),
        () => None,
    }
}

impl MachineWatch {
    /// Takes in how the machine is at a moment.
    pub(super) fn look(&mut self, sensors: &[Sensor], networks: &[MachineNetwork], now: Moment) {
        self.now = now;
        self.look_at_sensors(sensors);
        self.look_at_sockets(networks);
    }

    fn look_at_sensors(&mut self, sensors: &[Sensor]) {
        let (before, hot_before) = (core::mem::take(&mut self.sensors), core::mem::take(&mut self.hot));
        for Sensor { chip, now: sensor } in sensors {
            let Some(heat) = heat_of(sensor, before.get(&sensor.place).copied()) else { continue };
            self.sensors.insert(sensor.place.clone(), heat);
            let worse = |than: &HotChip| heat > than.heat || (heat == than.heat && sensor.celsius > than.celsius);
            if !self.hot.get(chip).is_none_or(worse) {
                continue;
            }
            let since = hot_before.get(chip).filter(|was| was.heat == heat).map_or(self.now.utc, |was| was.since);
            let limit_celsius = if heat == Heat::Critical { critical_of(sensor) } else { sensor.hot_celsius };
            let (place, celsius) = (sensor.place.clone(), sensor.celsius);
            self.hot.insert(chip.clone(), HotChip { heat, since, place, celsius, limit_celsius });
        }
    }

    fn look_at_sockets(&mut self, networks: &[MachineNetwork]) {
        let up = |socket: &MachineNetwork| socket.link == Some(true);
        for socket in networks.iter().filter(|socket| socket.hardware && up(socket)) {
            if self.sockets.len() < SOCKETS_MAX || self.sockets.contains_key(&socket.name) {
                self.sockets.insert(socket.name.clone(), Socket::default());
            }
        }
        for (name, known) in &mut self.sockets {
            // One that is gone altogether has no link either.
            if !networks.iter().any(|socket| socket.name == *name && socket.link != Some(false)) {
                known.lost_since.get_or_insert(self.now);
            }
        }
    }

    /// What is wrong, since when, and what to do.
    pub(super) fn alarms(&self) -> Vec<Alarm> {
        let hot = self.hot.values().map(HotChip::alarm);
        let lost = self.sockets.iter().filter_map(|(name, socket)| {
            let lasts = |since: &Moment| self.now.mono.nanos_since(since.mono) >= LOST_AFTER_NANOS;
            let since = socket.lost_since.filter(lasts)?.utc;
            let text = format!(
                "The network socket {name} had a link and has none any more. Look at its cable and at the switch. If nothing is plugged in there on purpose, the alarm ends when the recorder starts again"
            );
            Some(alarm(AlarmKind::NetworkLinkLost, since, text))
        });
        hot.chain(lost).collect()
    }
}

impl HotChip {
    fn alarm(&self) -> Alarm {
        let (kind, what) = match self.heat {
            Heat::Hot => (AlarmKind::MachineHot, "too hot"),
            Heat::Critical => (AlarmKind::MachineCritical, "so hot that the machine may switch itself off"),
        };
        let text = format!(
            "{} has {:.0} °C and is {what}: the limit is {:.0} °C. Free the air openings of dust, look whether the fans turn, and move the machine out of the sun",
            self.place, self.celsius, self.limit_celsius
        );
        alarm(kind, self.since, text)
    }
}

fn alarm(kind: AlarmKind, since: UtcNanos, text: String) -> Alarm {
    Alarm { kind, disk: None, camera: None, since_utc_ms: Some(since.as_ms()), text }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What one look sees.
    #[derive(Clone, Default)]
    struct Seen {
        sensors: Vec<Sensor>,
        networks: Vec<MachineNetwork>,
    }

    fn at(seconds: i64) -> Moment {
        let nanos = u64::try_from(seconds * NANOS_PER_SEC).unwrap();
        Moment { utc: UtcNanos::from_ms(seconds * 1000), mono: MonoNanos(nanos) }
    }

    fn sensor(place: &str, celsius: f64, critical_celsius: Option<f64>) -> Sensor {
        let hot_celsius = critical_celsius.map_or(85.0, |limit| limit - 5.0);
        let (place, too_hot) = (place.to_owned(), celsius >= hot_celsius);
        let chip = place.split(' ').next().unwrap().to_owned();
        Sensor { chip, now: MachineTemperature { place, celsius, critical_celsius, hot_celsius, too_hot } }
    }

    fn warm(celsius: f64, critical_celsius: Option<f64>) -> Seen {
        Seen { sensors: vec![sensor("nvme Composite", celsius, critical_celsius)], networks: Vec::new() }
    }

    fn linked(link: Option<bool>, hardware: bool) -> Seen {
        let socket = MachineNetwork {
            name: "eth0".to_owned(),
            hardware,
            link,
            speed_mbit: None,
            damaged_in: 0,
            failed_out: 0,
            dropped: 0,
        };
        Seen { sensors: Vec::new(), networks: vec![socket] }
    }

    /// Kind and beginning in seconds after each look.
    fn told(looks: &[(i64, Seen)]) -> Vec<Vec<(AlarmKind, i64)>> {
        let mut watch = MachineWatch::default();
        let each = looks.iter().map(|(seconds, seen)| {
            watch.look(&seen.sensors, &seen.networks, at(*seconds));
            watch.alarms().iter().map(|alarm| (alarm.kind, alarm.since_utc_ms.unwrap() / 1000)).collect()
        });
        each.collect()
    }

    #[test]
    fn a_part_is_hot_from_its_limit_on_until_it_is_well_below_it() {
        use AlarmKind::MachineHot as Hot;
        let looks = [84.9, 85.0, 84.9, 80.0, 79.9, 84.9].map(|celsius| warm(celsius, None));
        let looks: Vec<_> = (0..).map(|turn| turn * 10).zip(looks).collect();
        assert_eq!(told(&looks), [vec![], vec![(Hot, 10)], vec![(Hot, 10)], vec![(Hot, 10)], vec![], vec![]]);
    }

    #[test]
    fn what_is_critical_is_told_instead_of_what_is_hot() {
        use AlarmKind::{MachineCritical as Critical, MachineHot as Hot};
        for limit in [None, Some(95.0)] {
            let looks = [91.0, 95.0, 90.5, 89.9, 60.0].map(|celsius| warm(celsius, limit));
            let looks: Vec<_> = (0..).map(|turn| turn * 10).zip(looks).collect();
            assert_eq!(
                told(&looks),
                [vec![(Hot, 0)], vec![(Critical, 10)], vec![(Critical, 10)], vec![(Hot, 30)], vec![]]
            );
        }
    }

    #[test]
    fn the_alarm_names_part_value_and_limit() {
        let mut watch = MachineWatch::default();
        watch.look(&warm(86.4, None).sensors, &[], at(0));
        let text = &watch.alarms()[0].text;
        assert!(text.contains("nvme Composite has 86 °C") && text.contains("85 °C"), "{text}");
    }

    #[test]
    fn a_processor_with_many_sensors_is_one_alarm_that_names_the_worst() {
        use AlarmKind::{MachineCritical as Critical, MachineHot as Hot};
        let mut watch = MachineWatch::default();
        let mut told = |cores: [f64; 3], seconds| {
            let names = ["cpu 1", "cpu 2", "cpu 3"].into_iter().zip(cores);
            let mut sensors: Vec<_> = names.map(|(name, celsius)| sensor(name, celsius, None)).collect();
            // Its maker lets it be hotter than the others: hot at 115, and no worse than those.
            sensors.push(sensor("cpu 4", 116.0, Some(120.0)));
            sensors.push(sensor("nvme 1", 86.0, None));
            watch.look(&sensors, &[], at(seconds));
            let alarms = watch.alarms().into_iter();
            let short = |text: String| text.split(" °C").next().unwrap().to_owned();
            alarms.map(|one| (one.kind, one.since_utc_ms.unwrap() / 1000, short(one.text))).collect::<Vec<_>>()
        };
        let nvme = (Hot, 0, "nvme 1 has 86".to_owned());
        assert_eq!(told([86.0, 88.0, 87.0], 0), [(Hot, 0, "cpu 4 has 116".to_owned()), nvme.clone()]);
        assert_eq!(told([96.0, 97.0, 88.0], 10), [(Critical, 10, "cpu 2 has 97".to_owned()), nvme.clone()]);
        assert_eq!(told([98.0, 80.0, 88.0], 20), [(Critical, 10, "cpu 1 has 98".to_owned()), nvme]);
    }

    #[test]
    fn a_link_is_lost_that_was_there_and_does_not_come_back_at_once() {
        use AlarmKind::NetworkLinkLost as Lost;
        let up = || linked(Some(true), true);
        let down = || linked(Some(false), true);
        assert_eq!(told(&[(0, down()), (10, down()), (100, down())]), [vec![], vec![], vec![]], "it never had one");
        let flaps = [(0, up()), (10, down()), (20, up()), (30, down()), (40, up())];
        assert_eq!(told(&flaps), vec![Vec::new(); 5]);
        let looks = [(0, up()), (10, down()), (30, down()), (100, down()), (110, up())];
        assert_eq!(told(&looks), [vec![], vec![], vec![(Lost, 10)], vec![(Lost, 10)], vec![]]);
        let gone = [(0, up()), (10, Seen::default()), (30, Seen::default())];
        assert_eq!(told(&gone), [vec![], vec![], vec![(Lost, 10)]], "a socket that is pulled out with its cable");
    }

    #[test]
    fn bridges_and_sockets_that_say_nothing_are_no_alarm() {
        let bridge =
            [(0, linked(Some(true), false)), (10, linked(Some(false), false)), (60, linked(Some(false), false))];
        assert_eq!(told(&bridge), vec![Vec::new(); 3]);
        let silent = [(0, linked(Some(true), true)), (10, linked(None, true)), (60, linked(None, true))];
        assert_eq!(told(&silent), vec![Vec::new(); 3]);
    }
}
