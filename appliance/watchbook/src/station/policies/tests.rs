use super::*;
use std::collections::BTreeSet;
use watchbook_access::{AuditEntry, AuditError, AuditLog, Role, Subject};
use watchbook_base::UtcNanos;
use watchbook_base::clock::SimClock;

struct NoLog;

impl AuditLog for NoLog {
    fn append(&self, _: &AuditEntry) -> core::result::Result<u64, AuditError> {
        Ok(0)
    }
}

struct Station {
    dir: tempfile::TempDir,
    register: Arc<Register>,
}

impl Station {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("own")).unwrap();
        let clock = Arc::new(SimClock::new(UtcNanos(0)));
        let register = Arc::new(Register::open(&dir.path().join("register"), clock).unwrap());
        Self { dir, register }
    }

    /// As after a start.
    fn desk(&self) -> PolicyDesk {
        let clock = Arc::new(SimClock::new(UtcNanos(0)));
        PolicyDesk::open(Arc::clone(&self.register), clock, &self.dir.path().join("own")).unwrap()
    }

    fn own(&self, name: &str, text: &str) {
        std::fs::write(self.dir.path().join("own").join(name), text).unwrap();
    }
}

fn named(desk: &PolicyDesk, id: &str) -> Profile {
    desk.offered().unwrap().into_iter().find(|profile| profile.id == id).unwrap()
}

/// What the gate gives account 2 for a policy that account 1 proposed.
fn granted(sha256: &str) -> Grant {
    let subject = Subject { factor_fresh: true, ..Subject::new(2, [Role::Approver].into_iter().collect(), None) };
    let policy_sha256 = sha256.to_owned();
    let action = Action::AcceptPolicy { policy: "x".into(), version: 1, policy_sha256, proposed_by: 1 };
    watchbook_access::open(&subject, action, &NoLog).unwrap()
}

#[test]
fn the_default_is_the_strictest_number_by_number() {
    let station = Station::new();
    let desk = station.desk();
    let all = desk.offered().unwrap();
    let ids: BTreeSet<&str> = all.iter().map(|profile| profile.id.as_str()).collect();
    assert_eq!(ids, ["eu-led", "kh-default", "ph", "uk", "vn"].into());
    assert_eq!(desk.in_force().id, "kh-default");
    for profile in &all {
        let looser = desk.in_force().rules.loosened(&profile.rules);
        assert!(looser.is_empty(), "the default allows more than {}: {looser:?}", profile.id);
        assert!(!profile.sources.is_empty() && !profile.title_km.is_ascii(), "{}", profile.id);
    }
    assert_eq!(desk.in_force().rules.subject_request_days, 30);
}

#[test]
fn what_loosens_waits_for_somebody_else_and_what_tightens_does_not() {
    let station = Station::new();
    let desk = station.desk();
    let (uk, kh) = (named(&desk, "uk"), named(&desk, "kh-default"));
    assert!(!desk.propose(&uk.sha256, 1).unwrap());
    assert_eq!(desk.in_force().id, "kh-default", "nothing is loosened by one person");
    // It waits over a start, and another grant is of no use.
    let desk = station.desk();
    assert_eq!(
        desk.proposed().unwrap().map(|proposal| (proposal.profile.id, proposal.account)),
        Some(("uk".into(), 1))
    );
    assert_eq!(desk.accept(&granted(&kh.sha256)).unwrap_err().kind, Kind::Conflict);
    desk.accept(&granted(&uk.sha256)).unwrap();
    assert_eq!((desk.in_force().id.as_str(), desk.proposed().unwrap()), ("uk", None));
    assert_eq!(desk.accept(&granted(&uk.sha256)).unwrap_err().kind, Kind::Conflict, "once");
    assert_eq!(desk.propose(&uk.sha256, 1).unwrap_err().kind, Kind::Conflict, "it is in force");
    assert_eq!(station.desk().in_force(), desk.in_force());
    // Back to the strictest at once, whatever waits.
    desk.propose(&named(&desk, "vn").sha256, 1).unwrap();
    assert!(desk.propose(&kh.sha256, 1).unwrap());
    assert_eq!((desk.in_force().id.as_str(), desk.proposed().unwrap()), ("kh-default", None));
}

#[test]
fn a_proposal_that_somebody_else_changed_is_not_accepted() {
    let station = Station::new();
    let desk = station.desk();
    desk.propose(&named(&desk, "uk").sha256, 1).unwrap();
    desk.propose(&named(&desk, "uk").sha256, 5).unwrap();
    assert_eq!(
        desk.accept(&granted(&named(&desk, "uk").sha256)).unwrap_err().kind,
        Kind::Conflict,
        "account 5 proposes it now"
    );
    assert_eq!(desk.withdraw("00").unwrap_err().kind, Kind::NotFound);
    desk.withdraw(&named(&desk, "uk").sha256).unwrap();
    assert_eq!(desk.proposed().unwrap(), None);
}

#[test]
fn a_station_s_own_file_is_offered_and_a_change_of_it_changes_nothing_that_is_in_force() {
    let station = Station::new();
    let desk = station.desk();
    let own = BUILT_IN[0]
        .replace("\"kh-default\"", "\"phnom-penh-7\"")
        .replace("retention_days_max = 30", "retention_days_max = 14");
    station.own("7.toml", &own);
    station.own("8.toml", "id = 'x'");
    station.own("9.toml", &own.replace("retention_days_max = 14", "retention_days_max = 93"));
    station.own("notes.txt", &own);
    assert_eq!(desk.offered().unwrap().len(), 6, "what is no policy is left out");
    assert!(desk.propose(&named(&desk, "phnom-penh-7").sha256, 1).unwrap(), "it is stricter");
    station.own("7.toml", &own.replace("retention_days_max = 14", "retention_days_max = 90"));
    assert_eq!(
        (desk.in_force().rules.retention_days_max, station.desk().in_force().rules.retention_days_max),
        (14, 14)
    );
    assert!(
        !desk.propose(&named(&desk, "phnom-penh-7").sha256, 1).unwrap(),
        "more than before: somebody else accepts it"
    );
}

#[test]
fn what_is_no_policy_says_why() {
    let good = BUILT_IN[0];
    for (from, to, why) in [
        ("\"kh-default\"", "\"../etc\"", "small letters"),
        ("retention_days_max = 30", "retention_days_max = 93", "retention_days_max is 93"),
        ("sound = false", "sound = false\nfaces = true", "faces"),
        ("title_km = ", "title_kh = ", "title_kh"),
        ("(default, strictest)\"", "\\n\"", "one line"),
    ] {
        assert!(good.contains(from), "{from}");
        let error = parsed(&good.replace(from, to)).unwrap_err();
        assert!(error.message.contains(why), "{error}");
    }
}
