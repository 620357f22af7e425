use super::*;
use std::path::Path;
use std::process::{Command, Output};
use watchbook_access::{Action, AuditEntry, AuditLog as _, Outcome};
use watchbook_base::clock::SimClock;
use watchbook_base::{CameraId, TimeRange};

const SECOND: u64 = 1_000_000_000;
const HOUR: u64 = 3600 * SECOND;
/// Friday, 2026-11-27 00:00 UTC (`date -u -d 2026-11-27 +%s`).
const FRIDAY: UtcNanos = UtcNanos(1_795_737_600 * 1_000_000_000);

/// Whatever is there is signed at once.
fn signed(register: &Arc<Register>, clock: &SimClock) -> Signed {
    let (register, clock) = (Arc::clone(register), clock.clone());
    Arc::new(move || {
        let root = register.audit_root();
        api::LogCheckpoint {
            origin: String::new(),
            key: None,
            signed_entries: root.size,
            signed_utc_ms: Some(clock.utc().as_ms()),
            root: Some(hex(&root.hash)),
            checkpoint: None,
            retired_keys: Vec::new(),
            refusal: None,
        }
    })
}

struct Box {
    register: Arc<Register>,
    clock: SimClock,
    minutes: Arc<Minutes>,
    policies: Option<Arc<PolicyDesk>>,
}

impl Box {
    fn new(dir: &Path) -> Self {
        let clock = SimClock::new(FRIDAY);
        let register = Arc::new(Register::open(&dir.join("register"), Arc::new(clock.clone())).unwrap());
        Self { register, clock, minutes: Arc::default(), policies: None }
    }

    /// As after a start.
    fn desk(&self) -> ReportDesk {
        let sources = Sources {
            register: Arc::clone(&self.register),
            signed: signed(&self.register, &self.clock),
            minutes: Arc::clone(&self.minutes),
            policies: self.policies.clone(),
            clock: Arc::new(self.clock.clone()),
        };
        ReportDesk::open(sources, None, " Room 3 ").unwrap()
    }

    fn act(&self, account: u32, action: Action) -> u64 {
        self.register.append(&AuditEntry { account: Some(account), action, outcome: Outcome::Allowed }).unwrap()
    }

    fn look(&self, account: u32) -> u64 {
        let range = TimeRange { start: FRIDAY, end: FRIDAY.plus_nanos(1) };
        self.act(account, Action::Playback { camera: camera(1), range, case: String::new() })
    }

    /// An hour of footage passes.
    fn hour(&self) {
        for _ in 0..60 {
            self.minutes.note(camera(1), self.clock.utc());
            self.clock.advance(60 * SECOND);
        }
    }

    fn script(&self, desk: &ReportDesk, dir: &Path, arguments: &[&str]) -> Output {
        let (mut text, mut from) = (String::new(), 0);
        loop {
            let page = desk.leaves(from).unwrap();
            let Some(last) = page.last() else { break };
            from = last.index + 1;
            for leaf in &page {
                text.push_str(&format!("{{\"index\":{},\"leaf\":\"{}\"}}\n", leaf.index, hex(&leaf.bytes)));
            }
        }
        let copy = dir.join("copy");
        std::fs::write(&copy, text).unwrap();
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/evidence/report.py");
        Command::new("python3").arg("-B").arg(script).arg(&copy).args(arguments).output().unwrap()
    }
}

fn camera(number: u32) -> CameraId {
    CameraId::new(number).unwrap()
}

fn json_of(report: &PublicReport) -> serde_json::Value {
    serde_json::from_slice(&report.json).unwrap()
}

#[test]
fn a_month_that_is_over_is_published_once_and_the_script_gets_the_same_bytes() {
    let dir = tempfile::tempdir().unwrap();
    let station = Box::new(dir.path());
    let desk = station.desk();
    (0..7).for_each(|_| _ = station.look(2));
    desk.tick();
    assert_eq!(json_of(&desk.report(None).unwrap())["views"]["by"]["no_case"], 5, "in whole fives while it lasts");
    assert_eq!(desk.report(Some("2026-10")).unwrap_err().kind, watchbook_base::Kind::NotFound);
    // Into December, with a start in between.
    (0..50).for_each(|_| station.hour());
    desk.end();
    let desk = station.desk();
    (0..50).for_each(|_| {
        station.hour();
        desk.tick();
    });
    station.look(2);
    desk.tick();
    let november = desk.report(Some("2026-11")).unwrap();
    let json = json_of(&november);
    assert_eq!((&json["over"], &json["views"]["by"]["no_case"]), (&true.into(), &7.into()));
    assert!(november.text.contains("complete. Computed from entry 0 of"), "{}", november.text);
    assert_eq!(json_of(&desk.report(None).unwrap())["month"], "2026-12");
    let list = desk.list();
    assert_eq!(list.contact, "Room 3");
    assert_eq!(
        list.months.iter().map(|month| (month.month.as_str(), month.over)).collect::<Vec<_>>(),
        [("2026-12", false), ("2026-11", true)]
    );
    assert_eq!(list.months[1].report_sha256, hex(&sha256(&november.json)));

    // Another start reads what was kept, and publishes nothing again.
    let again = station.desk();
    again.tick();
    assert_eq!(again.report(Some("2026-11")).unwrap(), november);
    assert_eq!(again.report(None).unwrap(), desk.report(None).unwrap());
    let output = station.script(&again, dir.path(), &["--published"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(String::from_utf8_lossy(&output.stdout).lines().count(), 1, "once");
    let output = station.script(&again, dir.path(), &["--month", "2026-12", "--open"]);
    assert_eq!(output.stdout, again.report(None).unwrap().json.to_vec());
}

#[test]
fn recorded_minutes_are_written_down_each_hour_and_at_the_end() {
    let dir = tempfile::tempdir().unwrap();
    let station = Box::new(dir.path());
    let desk = station.desk();
    let told = |desk: &ReportDesk| {
        let rows = desk.leaves(0).unwrap();
        rows.iter().filter(|leaf| String::from_utf8_lossy(&leaf.bytes).contains("record_hours")).count()
    };
    station.minutes.note(camera(1), station.clock.utc());
    desk.tick();
    assert_eq!(told(&desk), 0, "not yet");
    station.hour();
    desk.tick();
    assert_eq!(told(&desk), 1);
    station.clock.advance(HOUR);
    desk.tick();
    assert_eq!(told(&desk), 1, "nothing was recorded");
    station.minutes.note(camera(1), station.clock.utc());
    desk.end();
    assert_eq!(told(&desk), 2);
}

#[test]
fn a_week_s_looks_are_drawn_by_the_first_entry_after_it_and_answered_by_somebody_else() {
    let dir = tempfile::tempdir().unwrap();
    let station = Box::new(dir.path());
    let desk = station.desk();
    let looks: Vec<u64> = (0..400).map(|_| station.look(2)).collect();
    desk.tick();
    assert!(desk.waiting().unwrap().is_empty(), "the week is not over");
    station.clock.advance(3 * 24 * HOUR);
    station.act(4, Action::ReadAudit);
    desk.tick();
    let waiting = desk.waiting().unwrap();
    assert_eq!(waiting.len(), 8, "two of a hundred");
    assert!(waiting.iter().all(|one| looks.contains(&one.record.index) && one.due.is_none()));
    let size = station.register.audit_root().size;
    desk.tick();
    assert_eq!(station.register.audit_root().size, size, "once a week");
    let output = station.script(&desk, dir.path(), &["--draws"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let line = String::from_utf8(output.stdout).unwrap();
    let drawn: Vec<u64> = line.split_whitespace().skip(1).map(|number| number.parse().unwrap()).collect();
    assert_eq!(
        drawn,
        waiting.iter().map(|one| one.record.index).collect::<Vec<_>>(),
        "whoever has the log draws the same"
    );

    let entry = drawn[0];
    let answer = |account: u32, entry: u64| {
        _ = station.act(account, Action::AnswerReview { entry, ok: true, reason: String::new() });
        desk.answered(entry).map_err(|error| error.kind)
    };
    assert_eq!(answer(2, entry), Err(watchbook_base::Kind::Conflict), "whoever looked does not answer");
    assert_eq!(answer(3, entry), Ok(()));
    assert_eq!(answer(3, 1_000_000), Err(watchbook_base::Kind::NotFound));
    assert_eq!(desk.waiting().unwrap().len(), 7);
    // It is the same after a start.
    let again = station.desk();
    again.tick();
    assert_eq!(again.waiting().unwrap(), desk.waiting().unwrap());
}

#[test]
fn a_clock_that_was_set_forward_and_back_publishes_the_month_again_when_it_is_over() {
    let dir = tempfile::tempdir().unwrap();
    let station = Box::new(dir.path());
    let desk = station.desk();
    (0..6).for_each(|_| _ = station.look(2));
    desk.tick();
    let month = i64::try_from(31 * 24 * HOUR).unwrap();
    station.clock.step(month);
    station.look(2);
    desk.tick();
    assert!(desk.report(Some("2026-11")).is_ok(), "it seems to be over");
    station.clock.step(-month);
    (0..6).for_each(|_| _ = station.look(2));
    desk.tick();
    assert_eq!(json_of(&desk.report(Some("2026-11")).unwrap())["over"], false);
    station.clock.advance(5 * 24 * HOUR);
    station.look(2);
    desk.tick();
    let november = json_of(&desk.report(Some("2026-11")).unwrap());
    assert_eq!(november["views"]["by"]["no_case"], 13, "the look while the clock was wrong counts, too, and once");
    assert!(desk.report(Some("2026-12")).is_ok_and(|report| json_of(&report)["from_entry"] == november["log_entries"]));
    let output = station.script(&desk, dir.path(), &["--published"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn a_month_that_a_wrong_clock_closed_is_open_again_after_a_start_by_the_right_one() {
    let dir = tempfile::tempdir().unwrap();
    let station = Box::new(dir.path());
    let desk = station.desk();
    (0..6).for_each(|_| _ = station.look(2));
    desk.tick();
    let month = i64::try_from(31 * 24 * HOUR).unwrap();
    station.clock.step(month);
    station.look(2);
    desk.tick();
    assert!(desk.report(Some("2026-11")).is_ok_and(|report| json_of(&report)["over"] == true));
    // It is switched off, somebody sets the clock, and it is switched on again.
    drop(desk);
    station.clock.step(-month);
    let desk = station.desk();
    (0..6).for_each(|_| _ = station.look(2));
    desk.tick();
    assert_eq!(json_of(&desk.report(Some("2026-11")).unwrap())["over"], false);
    drop(desk);
    station.clock.advance(5 * 24 * HOUR);
    let desk = station.desk();
    (0..7).for_each(|_| _ = station.look(2));
    desk.tick();
    let november = desk.report(Some("2026-11")).unwrap();
    assert_eq!(json_of(&november)["views"]["by"]["no_case"], 13);
    assert_eq!(json_of(&desk.report(None).unwrap())["views"]["by"]["no_case"], 5, "seven, in fives");
    let output = station.script(&desk, dir.path(), &["--published"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let shown = dir.path().join("shown");
    std::fs::write(&shown, &desk.report(None).unwrap().json).unwrap();
    let output = station.script(&desk, dir.path(), &["--shown", shown.to_str().unwrap()]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn a_clock_that_has_forgotten_the_time_withdraws_nothing_and_what_happens_meanwhile_counts() {
    let dir = tempfile::tempdir().unwrap();
    let station = Box::new(dir.path());
    let desk = station.desk();
    (0..6).for_each(|_| _ = station.look(2));
    desk.tick();
    station.clock.advance(5 * 24 * HOUR);
    station.look(2);
    desk.tick();
    let november = desk.report(Some("2026-11")).unwrap();
    assert_eq!(json_of(&november)["over"], true);
    // Its battery is empty: it starts in 1970, and somebody sets the clock after a while.
    let away = station.clock.utc().0;
    station.clock.step(-away);
    let desk = station.desk();
    (0..6).for_each(|_| _ = station.look(2));
    desk.tick();
    assert_eq!(desk.report(Some("2026-11")).unwrap(), november, "nothing is withdrawn");
    station.clock.step(away);
    desk.tick();
    assert_eq!(desk.report(Some("2026-11")).unwrap(), november, "and nothing is published again");
    assert_eq!(json_of(&desk.report(None).unwrap())["month"], "2026-12");
    // The month's stretch ends behind its last entry: what happened without a clock lies before that.
    station.look(2);
    station.clock.advance(31 * 24 * HOUR);
    let again = station.desk();
    again.tick();
    assert_eq!(json_of(&again.report(Some("2026-12")).unwrap())["views"]["by"]["no_case"], 8);
    assert_eq!(again.list().months.len(), 3);
    let output = station.script(&again, dir.path(), &["--published"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn what_is_drawn_does_not_depend_on_when_the_recorder_is_switched_on() {
    let dir = tempfile::tempdir().unwrap();
    let station = Box::new(dir.path());
    (0..40).for_each(|_| _ = station.look(2));
    station.clock.advance(3 * 24 * HOUR);
    let first = station.look(2);
    let root = hex(&station.register.audit_root().hash);
    // Whoever holds the power switch looks at what becomes of it, and goes on until they like it.
    (0..3).for_each(|_| _ = station.look(2));
    station.clock.advance(5 * HOUR);
    station.look(2);
    let desk = station.desk();
    desk.tick();
    let drawn = desk.leaves(0).unwrap().into_iter().find_map(|leaf| {
        let body: serde_json::Value = serde_json::from_slice(&leaf.bytes[25..]).unwrap();
        (body["action"] == "draw_reviews").then_some(body)
    });
    let drawn = drawn.unwrap();
    assert_eq!((&drawn["entries"], &drawn["root"]), (&(first + 1).into(), &root.into()));
    let output = station.script(&desk, dir.path(), &["--draws"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
