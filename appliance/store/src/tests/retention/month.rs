//! A month of a box in minutes, through the store: two cameras in a ring, the vault, the looks of the program, and a reader. True time is the monotonic
//! clock's. The system clock is set by hand and finds NTP again; UTC knows no daylight saving, but a box that kept local time would step by an hour both
//! ways, so this one does, while it runs and while it is switched off. The power goes, one copy of the keys and the audit log fail for hours, a maximum age
//! changes, and a hold is not copied for hours.
//!
//! What a start cannot know is allowed for, by how far the trusted time is from the true one until NTP answers. Behind: what passed since the time was noted
//! last, when the clock is earlier than that. Ahead: an hour, when the clock is ahead by no more than a recorder may lie switched off. Is the box started again
//! before NTP has answered, what it recorded meanwhile stays dated by as much.

use super::telling::{Append, Audit};
use super::*;
use crate::HoldId;
use crate::alarm::AlarmKind;
use crate::tests::vault::{HoldBox, HoldParts, between, request};
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::path::Path;
use std::sync::Mutex;
use watchbook_base::fs::sim::Op;
use watchbook_base::{GapReason, MonoNanos};
use watchbook_media::RecordingEnd;

const SEEDS: u64 = 2;
const MINUTE_NANOS: i64 = 60 * 1_000_000_000;
const MINUTES: u64 = 30 * 24 * 60;
/// Between two pieces of footage, and two looks through the reader.
const EVERY_MINUTES: u64 = 20;
/// The hold is placed then, and copied so much later.
const HOLD_AT: u64 = 10 * 24 * 60;
const HOLD_WAITS: u64 = 6 * 60;
/// The trusted time may be behind by so much until NTP answers: it is noted each hour, and the box lies switched off for 40 minutes at most.
const BEHIND_MAX: i64 = HOUR + 45 * MINUTE_NANOS;
/// And ahead by so much: the hour that a box which kept local time is wrong by.
const AHEAD_MAX: i64 = HOUR + MINUTE_NANOS;

/// One sample that was recorded.
struct Shot {
    made: UtcNanos,
    /// By the system clock.
    utc: UtcNanos,
    bytes: Bytes,
    key_id: u32,
    is_durable: bool,
    is_held: bool,
    /// The trusted time minus the true one, until NTP puts its hour right.
    off: i64,
}

struct Open {
    parts: HoldParts,
    retention: Retention,
}

struct Month {
    seed: u64,
    machine: HoldBox,
    dice: Dice,
    began: (MonoNanos, UtcNanos),
    open: Option<Open>,
    cams: [Cam; 2],
    days: [u32; 2],
    shots: [Vec<Shot>; 2],
    /// Samples that were gone once, or that nobody acknowledged.
    gone: HashSet<Bytes>,
    gone_keys: BTreeSet<u32>,
    audit: Arc<Audit>,
    append: Arc<Mutex<Append>>,
    /// Minutes until NTP answers.
    without_ntp: u64,
    /// NTP has answered since the start.
    is_confirmed: bool,
    started: UtcNanos,
    /// Furthest that the trusted time was ahead since the last look through the reader.
    ahead: i64,
    /// Not copied yet.
    is_waiting: bool,
    copy_at: Option<u64>,
    hold: Option<(HoldId, TimeRange)>,
    counts: BTreeMap<&'static str, u64>,
}

impl Month {
    fn new(seed: u64) -> Self {
        let machine = HoldBox::sealed(seed);
        let audit = Audit::new(&machine.ring);
        let began = (machine.clock().mono(), machine.clock().utc());
        let mut month = Self {
            seed,
            dice: Dice::new(seed),
            began,
            open: None,
            cams: [Cam::new(1, 300), Cam::new(2, 300)],
            days: [1, 3],
            shots: [Vec::new(), Vec::new()],
            gone: HashSet::new(),
            gone_keys: BTreeSet::new(),
            audit,
            append: Arc::new(Mutex::new(Append::Done)),
            without_ntp: 0,
            is_confirmed: false,
            started: began.1,
            ahead: 0,
            is_waiting: false,
            copy_at: None,
            hold: None,
            counts: BTreeMap::new(),
            machine,
        };
        month.start();
        month
    }

    fn truth(&self) -> UtcNanos {
        let passed = self.machine.clock().mono().nanos_since(self.began.0);
        self.began.1.plus_nanos(i64::try_from(passed).unwrap())
    }

    fn count(&mut self, what: &'static str) {
        *self.counts.entry(what).or_default() += 1;
    }

    fn start(&mut self) {
        let parts = self.machine.open();
        let (keys, list) = (parts.sealed_with.clone().unwrap(), parts.reader.part_list());
        let retention = Retention::new(keys, list, parts.alarms.clone(), Arc::new(self.machine.clock().clone()));
        let (vault, append) = (parts.vault.clone(), self.append.clone());
        retention.wait_for_holds(Box::new(move |camera, range| vault.needs(camera, range)));
        self.audit.listen(&retention, &self.machine.ring, move || *append.lock().unwrap());
        self.open = Some(Open { parts, retention });
    }

    /// Sets the clock so far from the true time.
    fn set_clock(&self, wrong_by: i64, sync: SyncState) {
        let clock = self.machine.clock();
        clock.step(wrong_by - clock.utc().nanos_since(self.truth()));
        clock.set_sync_state(sync);
    }

    /// NTP goes for up to a day, and somebody sets the clock; or it comes back.
    fn turn_clock(&mut self) {
        match self.without_ntp {
            0 if self.dice.below(900) == 0 => {
                self.without_ntp = 1 + self.dice.below(24 * 60);
                let by = [90 * 1_000_000_000, HOUR, HOUR, 5 * HOUR, 40 * DAY, 3000 * DAY][self.dice.below(6) as usize];
                let by = if self.dice.percent(50) { by } else { -by };
                self.set_clock(by, SyncState::Unsynchronised);
                self.count("clock set");
            }
            0 => {}
            1 => {
                self.set_clock(0, SyncState::Synchronised);
                self.without_ntp = 0;
            }
            _ => self.without_ntp -= 1,
        }
    }

    /// A restart, after a power cut or an orderly end.
    fn restart(&mut self) {
        self.open = None;
        self.machine.fs.cut();
        self.machine.clock().advance(self.dice.below(40) * MINUTE);
        self.machine.fs.power_on();
        self.machine.ring.kv.crash(&mut self.dice);
        self.machine.kv.crash(&mut self.dice);
        self.audit.crash(self.seed);
        // How wrong the clock is, and for how many minutes NTP does not answer.
        let (wrong_by, without_ntp) = match self.dice.below(6) {
            0 => (0, 0),
            1 => (0, 1 + self.dice.below(12 * 60)),
            2 => (HOUR, 1 + self.dice.below(3 * 60)),
            3 => (-HOUR, 1 + self.dice.below(3 * 60)),
            4 => (-400 * DAY, 1 + self.dice.below(6 * 60)),
            _ => (if self.dice.percent(50) { 5 * HOUR } else { 40 * DAY }, 1 + self.dice.below(10)),
        };
        (self.without_ntp, self.is_confirmed) = (without_ntp, false);
        self.started = self.truth();
        self.set_clock(wrong_by, if without_ntp == 0 { SyncState::Synchronised } else { SyncState::Unsynchronised });
        self.count(if wrong_by == 0 { "started" } else { "started with a wrong clock" });
        self.start();
    }

    /// Faults come and go.
    fn turn_faults(&mut self) {
        let fs = self.machine.fs.clone();
        match self.dice.below(4000) {
            0 => {
                // Never both: then an old key is used on, and what it covers is erased early.
                fs.heal();
                let copy = ["/state/keys/keys", "/ring/keys/keys"][self.dice.below(2) as usize];
                if fs.fail_file(Path::new(copy), Op::Write, libc::EIO) {
                    self.count("a copy of the keys failed");
                }
            }
            1 => {
                let how = [Append::Fails, Append::FailsLate][self.dice.below(2) as usize];
                *self.append.lock().unwrap() = how;
                self.count("the audit log failed");
            }
            2 if !self.is_waiting => fs.cut_after(self.dice.below(60)),
            _ if self.dice.below(300) == 0 => {
                fs.heal();
                *self.append.lock().unwrap() = Append::Done;
            }
            _ => {}
        }
    }

    /// Two pictures of each camera.
    fn record(&mut self) {
        let (made, clock) = (self.truth(), self.machine.clock().clone());
        let Some(Open { parts, .. }) = &mut self.open else { return };
        let keys = parts.sealed_with.clone().unwrap();
        let wanted = [1, 2].map(|number| (camera(number), clock.mono()));
        let off = keys.trusted_now().nanos_since(made);
        let key_ids: Vec<u32> = keys.for_samples(&wanted).unwrap().iter().map(|key| key.id).collect();
        let mut shots = Vec::new();
        for cam in &mut self.cams {
            parts.writer.begin(&cam.start(&clock));
            for _ in 0..2 {
                let packet = cam.packet(&clock);
                shots.push((packet.utc, packet.data.clone()));
                parts.writer.append(packet).unwrap();
            }
            parts.writer.end(&RecordingEnd { stream: cam.stream, utc: clock.utc(), reason: GapReason::CameraGone });
        }
        let is_durable = parts.committer.step().is_ok() && !self.machine.fs.is_off();
        for (at, (utc, bytes)) in shots.into_iter().enumerate() {
            let key_id = key_ids[at / 2];
            let is_durable = is_durable && keys.is_durable(key_id);
            self.shots[at / 2].push(Shot { made, utc, bytes, key_id, is_durable, is_held: false, off });
        }
    }

    /// One look of the program, and what it has erased.
    fn tick(&mut self) {
        let now = self.truth();
        let Some(Open { parts, retention }) = &mut self.open else { return };
        (1..).zip(self.days).for_each(|(number, days)| retention.set(camera(number), days));
        let committer = &mut parts.committer;
        let erased = retention.tick(&mut |_| drop(committer.step()));
        let ahead = parts.sealed_with.as_ref().unwrap().trusted_now().nanos_since(now);
        assert!((-BEHIND_MAX..=AHEAD_MAX).contains(&ahead), "seed {}: the trusted time is {ahead} off", self.seed);
        self.ahead = self.ahead.max(ahead);
        if self.machine.clock().sync_state() == SyncState::Synchronised && !self.is_confirmed {
            self.is_confirmed = true;
            let since = self.started;
            self.shots.iter_mut().flatten().filter(|shot| shot.made >= since).for_each(|shot| shot.off = 0);
        }
        for erased in erased.into_iter().flatten() {
            let at = erased.camera.get() as usize - 1;
            self.gone_keys.insert(erased.key_id);
            for shot in self.shots[at].iter().filter(|shot| shot.key_id == erased.key_id) {
                let age = now.nanos_since(shot.made);
                let least = i64::from(self.days[at]) * DAY - MINUTE_NANOS - self.ahead - (-shot.off).max(0);
                assert!(age >= least, "seed {}: erased at {age}, {}", self.seed, self.days[at]);
            }
        }
    }

    /// Looks through the reader: what is too old is gone, what is not is there byte for byte, and what is gone was told of.
    fn look(&mut self) {
        let now = self.truth();
        let Some(Open { parts, .. }) = &self.open else { return };
        // A clock that was set far back puts samples of one key on both sides of the hold, and the hold's end into the future: such a key waits too, for a day.
        let is_late = self.hold.is_some() && parts.alarm(AlarmKind::ErasureLate).is_some();
        let behind = now.nanos_since(parts.sealed_with.as_ref().unwrap().trusted_now()).max(0);
        for (number, (shots, days)) in (1..).zip(self.shots.iter_mut().zip(self.days)) {
            let readable = readable(parts, number);
            let told: HashSet<u32> = parts
                .reader
                .erasures(&playback(number), camera(number), ALL)
                .unwrap()
                .iter()
                .map(|one| one.key_id)
                .collect();
            let place = |shot: &Shot| format!("seed {}, camera {number}, made {}, now {now}", self.seed, shot.made);
            for shot in shots.iter().filter(|shot| shot.is_held) {
                assert!(readable.contains(&shot.bytes), "{}: not held", place(shot));
            }
            let may_be_old = is_late && number == 1;
            let holds = |shot: &Shot| number == 1 && self.hold.is_some_and(|(_, range)| range.contains(shot.utc));
            shots.retain(|shot| {
                let age = now.nanos_since(shot.made);
                let oldest = i64::from(days) * DAY + HOUR + behind + shot.off.max(0) + if may_be_old { DAY } else { 0 };
                let is_there = readable.contains(&shot.bytes);
                assert!(
                    age <= oldest || !is_there || holds(shot),
                    "{}: kept for {age}, off {}, {:?}",
                    place(shot),
                    shot.off,
                    parts.alarms.all()
                );
                if is_there {
                    return true;
                }
                if shot.is_durable {
                    let least = i64::from(days) * DAY - MINUTE_NANOS - self.ahead - (-shot.off).max(0);
                    assert!(age >= least, "{}: lost at {age}", place(shot));
                    assert!(told.contains(&shot.key_id), "{}: no record of its erasure", place(shot));
                    self.gone_keys.insert(shot.key_id);
                }
                self.gone.insert(shot.bytes.clone());
                false
            });
            let known: HashSet<&Bytes> = shots.iter().map(|shot| &shot.bytes).collect();
            let other = readable.iter().find(|bytes| !known.contains(bytes));
            assert!(
                other.is_none(),
                "seed {}: what was gone came back: {}",
                self.seed,
                other.is_some_and(|bytes| self.gone.contains(bytes))
            );
        }
        self.ahead = 0;
    }

    /// Holds three hours of camera 1 that are due soon. Nothing is copied for hours: they must be there all the same.
    fn hold(&mut self) {
        let now = self.truth();
        let Some(Open { parts, .. }) = &mut self.open else { return };
        let is_old = |shot: &&mut Shot| (20 * HOUR..23 * HOUR).contains(&now.nanos_since(shot.made)) && shot.is_durable;
        let is_right = |shot: &Shot| shot.utc.nanos_since(shot.made).abs() < MINUTE_NANOS;
        let held: Vec<&mut Shot> = self.shots[0].iter_mut().filter(is_old).filter(|shot| is_right(shot)).collect();
        let (Some(first), Some(last)) =
            (held.iter().map(|shot| shot.utc).min(), held.iter().map(|shot| shot.utc).max())
        else {
            return;
        };
        held.into_iter().for_each(|shot| shot.is_held = true);
        let range = between(first, last.plus_nanos(1_000_000_000));
        let hold = parts.vault.place(request(&[1], range)).unwrap();
        self.hold =
            Some((hold, between(range.start.plus_nanos(-10 * MINUTE_NANOS), range.end.plus_nanos(MINUTE_NANOS))));
        self.is_waiting = true;
    }

    fn copy(&mut self) {
        let Some((hold, _)) = self.hold else { return };
        let now = self.truth();
        let kept = self.shots[0].iter().filter(|shot| shot.is_held && now.nanos_since(shot.made) > DAY + HOUR).count();
        assert!(kept > 0, "seed {}: the hold has put nothing off", self.seed);
        let Some(Open { parts, .. }) = &mut self.open else { return };
        parts.settle();
        let info = parts.info(hold);
        assert_eq!((info.state, info.missing_count), (crate::HoldState::Held, 0), "seed {}: {info:?}", self.seed);
        self.is_waiting = false;
    }

    fn minute(&mut self, minute: u64) {
        self.machine.clock().advance(MINUTE);
        if !self.is_waiting {
            self.turn_clock();
        }
        self.turn_faults();
        match minute / (24 * 60) {
            15 => self.days[1] = 1,
            22 => self.days[1] = 2,
            _ => {}
        }
        if self.machine.fs.is_off() || (!self.is_waiting && self.dice.below(3000) == 0) {
            self.restart();
        }
        self.tick();
        if minute.is_multiple_of(EVERY_MINUTES) && !self.machine.fs.is_off() {
            self.record();
        }
        if minute >= HOLD_AT && self.hold.is_none() && self.without_ntp == 0 && !self.machine.fs.is_off() {
            self.hold();
            self.copy_at = self.is_waiting.then_some(minute + HOLD_WAITS);
        }
        if self.copy_at == Some(minute) {
            self.copy();
        }
        if !self.is_waiting
            && minute.is_multiple_of(5)
            && let Some(Open { parts, .. }) = &mut self.open
        {
            parts.settle();
        }
        if minute % EVERY_MINUTES == EVERY_MINUTES - 1 && !self.machine.fs.is_off() {
            self.look();
        }
    }

    /// Everything works again: what was erased is in the audit log, and few of it twice.
    fn end(mut self) -> BTreeMap<&'static str, u64> {
        self.machine.fs.heal();
        *self.append.lock().unwrap() = Append::Done;
        self.restart();
        self.set_clock(0, SyncState::Synchronised);
        for _ in 0..20 {
            self.machine.clock().advance(MINUTE);
            self.open.as_mut().unwrap().parts.settle();
            self.tick();
        }
        assert_eq!(self.open.as_ref().unwrap().parts.alarm(AlarmKind::ErasureLate), None, "seed {}", self.seed);
        self.look();
        let mut times: HashMap<u32, u64> = HashMap::new();
        self.audit.heard.lock().unwrap().iter().for_each(|key_id| *times.entry(*key_id).or_default() += 1);
        let unheard: Vec<&u32> = self.gone_keys.iter().filter(|key_id| !times.contains_key(key_id)).collect();
        assert!(unheard.is_empty(), "seed {}: the audit log has nothing of the keys {unheard:?}", self.seed);
        let open = self.open.take().unwrap();
        assert!(open.parts.sealed_with.as_ref().unwrap().unheard().is_empty(), "seed {}", self.seed);
        self.counts.insert("erased", self.gone_keys.len() as u64);
        self.counts
    }
}

/// Every sample of a camera that a reader gets.
fn readable(parts: &HoldParts, number: u32) -> HashSet<Bytes> {
    let grant = playback(number);
    let spans = parts.reader.spans(&grant, video(number), ALL).unwrap();
    let footage = parts.reader.footage(&grant, camera(number), ALL).unwrap();
    spans.iter().flat_map(|span| samples_of(&footage, span)).map(|(_, bytes)| bytes).collect()
}

fn one_month(seed: u64) -> BTreeMap<&'static str, u64> {
    let mut month = Month::new(seed);
    (1..=MINUTES).for_each(|minute| month.minute(minute));
    month.end()
}

#[test]
fn over_a_month_of_a_box_nothing_too_old_can_be_read_and_nothing_younger_is_lost() {
    let seeds: Vec<u64> = match std::env::var("WATCHBOOK_SEED") {
        Ok(seed) => vec![seed.parse().expect("WATCHBOOK_SEED is a number")],
        Err(_) => (0..std::env::var("WATCHBOOK_SEEDS")
            .map_or(SEEDS, |seeds| seeds.parse().expect("WATCHBOOK_SEEDS is a number")))
            .collect(),
    };
    for seed in seeds {
        let counts = std::panic::catch_unwind(|| one_month(seed))
            .unwrap_or_else(|_| panic!("replay with WATCHBOOK_SEED={seed}"));
        println!("seed {seed}: {counts:?}");
        assert!(counts["erased"] > 800, "seed {seed}: {counts:?}");
    }
}
