use super::*;
use std::path::Path;
use std::process::{Command, Output};
use watchbook_access::{Action, AuditEntry, AuditLog as _, Outcome, Purpose, RecipientClass, Refusing};
use watchbook_base::clock::SimClock;
use watchbook_base::{CameraId, TimeRange};
use watchbook_evidence::record::Record;

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
    dir: tempfile::TempDir,
    register: Arc<Register>,
    clock: SimClock,
    minutes: Arc<Minutes>,
    policies: Option<Arc<PolicyDesk>>,
}

impl Box {
    /// A new one, and its desk.
    fn started() -> (Self, ReportDesk) {
        let (dir, clock) = (tempfile::tempdir().unwrap(), SimClock::new(FRIDAY));
        let register = Arc::new(Register::open(&dir.path().join("register"), Arc::new(clock.clone())).unwrap());
        let station = Self { dir, register, clock, minutes: Arc::default(), policies: None };
        let desk = station.desk();
        (station, desk)
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
        ReportDesk::open(sources, None).unwrap()
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

    fn looks(&self, times: usize) {
        (0..times).for_each(|_| _ = self.look(2));
    }

    /// What the script says that has the log alone; it finds all as it should be.
    fn agrees(&self, desk: &ReportDesk, arguments: &[&str]) -> Vec<u8> {
        let output = self.script(desk, arguments);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    }

    /// The script computes what the desk shows of this month, and every report that is published.
    fn agrees_in_all(&self, desk: &ReportDesk) {
        let shown = self.dir.path().join("shown");
        std::fs::write(&shown, &desk.report(None).unwrap().json).unwrap();
        self.agrees(desk, &["--shown", shown.to_str().unwrap(), "--published", "--draws"]);
    }

    fn script(&self, desk: &ReportDesk, arguments: &[&str]) -> Output {
        let (mut text, mut from) = (String::new(), 0);
        loop {
            let page = desk.leaves(from).unwrap();
            let Some(last) = page.last() else { break };
            from = last.index + 1;
            for leaf in &page {
                text.push_str(&format!("{{\"index\":{},\"leaf\":\"{}\"}}\n", leaf.index, hex(&leaf.bytes)));
            }
        }
        let copy = self.dir.path().join("copy");
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
    let (station, desk) = Box::started();
    station.looks(7);
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
    let months = desk.months();
    assert_eq!(
        months.iter().map(|month| (month.month.as_str(), month.over)).collect::<Vec<_>>(),
        [("2026-12", false), ("2026-11", true)]
    );
    assert_eq!(months[1].report_sha256, hex(&sha256(&november.json)));

    // Another start reads what was kept, and publishes nothing again.
    let again = station.desk();
    again.tick();
    assert_eq!(again.report(Some("2026-11")).unwrap(), november);
    assert_eq!(again.report(None).unwrap(), desk.report(None).unwrap());
    let told = station.agrees(&again, &["--published"]);
    assert_eq!(String::from_utf8_lossy(&told).lines().count(), 1, "once");
    assert_eq!(station.agrees(&again, &["--month", "2026-12", "--open"]), again.report(None).unwrap().json.to_vec());
}

#[test]
fn recorded_minutes_are_written_down_each_hour_and_at_the_end() {
    let (station, desk) = Box::started();
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
    let (station, desk) = Box::started();
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
    let line = String::from_utf8(station.agrees(&desk, &["--draws"])).unwrap();
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
    let (station, desk) = Box::started();
    station.looks(6);
    desk.tick();
    let month = i64::try_from(31 * 24 * HOUR).unwrap();
    station.clock.step(month);
    station.look(2);
    desk.tick();
    assert!(desk.report(Some("2026-11")).is_ok(), "it seems to be over");
    station.clock.step(-month);
    station.looks(6);
    desk.tick();
    assert_eq!(json_of(&desk.report(Some("2026-11")).unwrap())["over"], false);
    station.clock.advance(5 * 24 * HOUR);
    station.look(2);
    desk.tick();
    let november = json_of(&desk.report(Some("2026-11")).unwrap());
    assert_eq!(november["views"]["by"]["no_case"], 13, "the look while the clock was wrong counts, too, and once");
    assert!(desk.report(Some("2026-12")).is_ok_and(|report| json_of(&report)["from_entry"] == november["log_entries"]));
    station.agrees(&desk, &["--published"]);
}

#[test]
fn a_month_that_a_wrong_clock_closed_is_open_again_after_a_start_by_the_right_one() {
    let (station, desk) = Box::started();
    station.looks(6);
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
    station.looks(6);
    desk.tick();
    assert_eq!(json_of(&desk.report(Some("2026-11")).unwrap())["over"], false);
    drop(desk);
    station.clock.advance(5 * 24 * HOUR);
    let desk = station.desk();
    station.looks(7);
    desk.tick();
    let november = desk.report(Some("2026-11")).unwrap();
    assert_eq!(json_of(&november)["views"]["by"]["no_case"], 13);
    assert_eq!(json_of(&desk.report(None).unwrap())["views"]["by"]["no_case"], 5, "seven, in fives");
    station.agrees(&desk, &["--published"]);
    station.agrees_in_all(&desk);
}

#[test]
fn a_clock_that_has_forgotten_the_time_withdraws_nothing_and_what_happens_meanwhile_counts() {
    let (station, desk) = Box::started();
    station.looks(6);
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
    station.looks(6);
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
    assert_eq!(again.months().len(), 3);
    station.agrees(&again, &["--published"]);
}

#[test]
fn what_is_drawn_does_not_depend_on_when_the_recorder_is_switched_on() {
    let (station, _) = Box::started();
    station.looks(40);
    station.clock.advance(3 * 24 * HOUR);
    let first = station.look(2);
    let root = hex(&station.register.audit_root().hash);
    // Whoever holds the power switch looks at what becomes of it, and goes on until they like it.
    station.looks(3);
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
    station.agrees(&desk, &["--draws"]);
}

/// What may be done with exports and requests, what comes to nothing of it, and what exports cannot hand out: the recorder and whoever has the log count the same.
#[test]
fn the_script_agrees_on_what_came_to_nothing_what_was_late_and_what_was_missing() {
    let (station, desk) = Box::started();
    let undone = |account: u32, of: u64, action: Action| {
        let outcome = Outcome::CameToNothing { entry: of, why: "taken".to_owned() };
        station.register.append(&AuditEntry { account: Some(account), action, outcome }).unwrap();
    };
    let in_vain = |action: Action| undone(3, station.act(3, action.clone()), action);
    station.act(0, policy(1, "Traffic", true));
    station.act(0, policy(2, "Traffic", false));
    station.act(3, case("7/26", Purpose::Theft));
    in_vain(case("7/26", Purpose::EquipmentCheck));
    let play = |case: &str| Action::Playback { camera: camera(1), range: moment(), case: case.to_owned() };
    (0..7).for_each(|_| _ = station.act(2, play("7/26")));
    for export in 1..=8 {
        station.act(2, request_export(export, RecipientClass::Court));
        station.act(4, release(export));
        in_vain(release(export));
        in_vain(request_export(100 + export, RecipientClass::Police));
    }
    let now_ms = || station.clock.utc().as_ms();
    for request in 1..=20 {
        let (received_utc_ms, due_utc_ms) = (now_ms(), now_ms() + 1000);
        station.act(2, Action::RegisterSubjectRequest { request, received_utc_ms, due_utc_ms });
    }
    station.clock.advance(2 * SECOND);
    for request in 1..=6 {
        in_vain(Action::WithdrawSubjectRequest { request });
        station.act(2, Action::WithdrawSubjectRequest { request });
        in_vain(Action::RefuseSubjectRequest { request: request + 6, why: Refusing::Unfounded });
        station.act(4, Action::RefuseSubjectRequest { request: request + 6, why: Refusing::Unfounded });
    }
    let gap = |reason: &str| Record::Gap {
        end_ns: "95000000000".to_owned(),
        reason: reason.to_owned(),
        start_ns: "5000000000".to_owned(),
        stream: 256,
    };
    let gaps: Vec<Record> =
        ["not_stored", "damaged", "clock_step", "overload"].iter().flat_map(|reason| vec![gap(reason); 6]).collect();
    station.register.append_records(&gaps, |_| Vec::new()).unwrap();
    desk.tick();
    station.agrees_in_all(&desk);
    let open = json_of(&desk.report(None).unwrap());
    assert_eq!((&open["views"]["by"]["theft"], &open["cameras_without_contact"]), (&5.into(), &1.into()));

    station.act(3, Action::ReviewCamera { camera: camera(1), note: "needed".to_owned() });
    station.clock.advance(5 * 24 * HOUR);
    station.looks(1);
    desk.tick();
    let json = json_of(&desk.report(Some("2026-11")).unwrap());
    let (exports, requests) = (&json["exports"], &json["subject_requests"]);
    assert_eq!((&exports["requested"], &exports["released"]["by"]["court"]), (&8.into(), &8.into()));
    assert_eq!((&requests["late"], &requests["withdrawn"], &requests["waiting"]), (&12.into(), &6.into(), &5.into()));
    assert_eq!(json["missing_from_exports"]["total"], 12);
    assert_eq!(json["cameras"][0]["gap_seconds"], 540);
    assert_eq!(json["cameras_review_overdue"], 0);
    station.agrees_in_all(&desk);
    // A year later nobody has looked again.
    station.clock.advance(366 * 24 * HOUR);
    station.looks(1);
    desk.tick();
    assert_eq!(json_of(&desk.report(None).unwrap())["cameras_review_overdue"], 2);
    station.agrees_in_all(&desk);
}

/// What the policy of the log says at a draw is what is drawn, and the script holds the draw to it.
#[test]
fn a_draw_takes_as_many_as_the_log_s_policy_says() {
    let (station, desk) = Box::started();
    let rules = watchbook_access::Rules { review_percent: 50, review_at_least: 6, ..watchbook_access::Rules::WIDEST };
    station.act(0, Action::StateRules { policy: "own".to_owned(), version: 1, policy_sha256: "ab".to_owned(), rules });
    station.looks(40);
    station.clock.advance(3 * 24 * HOUR);
    station.looks(1);
    desk.tick();
    assert_eq!(desk.waiting().unwrap().len(), 21, "half of 41, rounded up");
    station.agrees_in_all(&desk);
    // A draw of less than that is found.
    station.looks(10);
    station.clock.advance(7 * 24 * HOUR);
    let entries = station.look(2) + 1;
    let root = hex(&station.register.audit_root_of(entries).unwrap().hash);
    let from = desk.leaves(0).unwrap().iter().find_map(|leaf| {
        let body: serde_json::Value = serde_json::from_slice(&leaf.bytes[25..]).unwrap();
        (body["action"] == "draw_reviews").then(|| body["entries"].as_u64().unwrap())
    });
    station.act(0, Action::DrawReviews { from: from.unwrap(), entries, root, percent: 2, at_least: 5 });
    let output = station.script(&desk, &["--draws"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("takes less than the policy says"));
}

fn moment() -> TimeRange {
    TimeRange { start: FRIDAY, end: FRIDAY.plus_nanos(1) }
}

fn policy(number: u32, purpose: &str, contact: bool) -> Action {
    Action::StatePolicy {
        camera: camera(number),
        purpose: purpose.to_owned(),
        enabled: true,
        removed: false,
        retention_days_max: 7,
        audio: false,
        contact,
        masks: 0,
        plugins: Vec::new(),
    }
}

fn case(number: &str, purpose: Purpose) -> Action {
    Action::OpenCase {
        case: number.to_owned(),
        purpose,
        cameras: vec![camera(1)],
        range: moment(),
        expires_utc_ms: 0,
        investigators: vec![2],
        emergency: false,
    }
}

fn request_export(export: u64, recipient_class: RecipientClass) -> Action {
    Action::RequestExport {
        export,
        case: "7/26".to_owned(),
        cameras: vec![camera(1)],
        range: moment(),
        recipient_class,
        redacted: false,
    }
}

fn release(export: u64) -> Action {
    Action::ReleaseExport { export, manifest_sha256: "00".to_owned(), by_signed_file: None }
}
