use super::*;
use crate::case::{Case, CaseNow, Purpose};
use crate::export::ExportNow;
use crate::role::{Role, Roles};
use proptest::prelude::*;
use std::sync::Mutex;
use watchbook_base::UtcNanos;

/// Keeps entries in memory, or refuses to.
#[derive(Default)]
struct MemoryLog {
    entries: Mutex<Vec<AuditEntry>>,
    broken: bool,
}

impl AuditLog for MemoryLog {
    fn append(&self, entry: &AuditEntry) -> Result<u64, AuditError> {
        if self.broken {
            return Err(AuditError("read-only".into()));
        }
        let mut entries = self.entries.lock().unwrap();
        entries.push(entry.clone());
        Ok(entries.len() as u64 - 1)
    }
}

fn camera(number: u32) -> CameraId {
    CameraId::new(number).unwrap()
}

fn range(start: i64, end: i64) -> TimeRange {
    TimeRange { start: UtcNanos(start), end: UtcNanos(end) }
}

fn subject(roles: &[Role]) -> Subject {
    let plain = Subject::new(7, roles.iter().copied().collect(), Some([camera(1)].into()));
    Subject { factor_fresh: true, case: Some(CaseNow { case: case(), now: UtcNanos(5) }), ..plain }
}

/// A case of account 7 that is as wide as these tests look.
fn case() -> Case {
    Case {
        number: "7/26".into(),
        purpose: Purpose::Theft,
        cameras: [camera(1), camera(2)].into(),
        range: range(0, 400),
        expires: UtcNanos(1000),
        opened_by: 3,
        opened: UtcNanos(0),
        investigators: [7].into(),
        closed: None,
        emergency: false,
        reviewed: None,
        stopped: None,
        bookmarks: Vec::new(),
    }
}

fn playback(camera: CameraId, range: TimeRange) -> Action {
    Action::Playback { camera, range, case: "7/26".into() }
}

fn open_case(investigators: &[u32], emergency: bool) -> Action {
    Action::OpenCase {
        case: "8/26".into(),
        purpose: Purpose::Theft,
        cameras: vec![camera(1)],
        range: range(0, 10),
        expires_utc_ms: 1,
        investigators: investigators.to_vec(),
        emergency,
    }
}

fn request_export(camera: CameraId, range: TimeRange) -> Action {
    let recipient_class = crate::RecipientClass::Court;
    let (case, cameras) = ("7/26".into(), vec![camera]);
    Action::RequestExport { export: 1, case, cameras, range, recipient_class, redacted: false }
}

fn add_bookmark(camera: CameraId, range: TimeRange) -> Action {
    Action::AddBookmark { case: "7/26".into(), cameras: vec![camera], range }
}

/// What the gate is told of the export that an action is about: asked for by account 7 where it is for its own, else by account 8.
fn about(subject: Subject, action: &Action) -> Subject {
    let asked_by = if matches!(action, Action::CancelExport { .. } | Action::DeliverExport { .. }) { 7 } else { 8 };
    Subject { export: Some(export(asked_by)), ..subject }
}

fn export(asked_by: u32) -> ExportNow {
    ExportNow { export: 1, asked_by, case: "7/26".into(), cameras: vec![camera(1)], range: range(0, 10) }
}

fn answers() -> [Action; 2] {
    let manifest_sha256 = || "ab".to_owned();
    [
        Action::ReleaseExport { export: 1, manifest_sha256: manifest_sha256(), by_signed_file: None },
        Action::RefuseExport {
            export: 1,
            manifest_sha256: manifest_sha256(),
            reason: "x".into(),
            by_signed_file: None,
        },
    ]
}

fn deliver() -> Action {
    Action::DeliverExport { export: 1, manifest_sha256: "ab".into(), sink: "download".into() }
}

/// Every action on camera 1, with the roles that may do it. `None`: the act itself is the proof, so anybody may try.
fn table() -> Vec<(Action, Option<Vec<Role>>)> {
    use Role::{Admin, Approver, Auditor, Investigator, Viewer};
    let keepers = || Some(vec![Investigator, Approver, Auditor, Admin]);
    let (one, window) = (camera(1), range(0, 10));
    let everyone = || Some(Role::ALL.to_vec());
    vec![
        (Action::Live { camera: one }, Some(vec![Viewer])),
        (Action::Timeline { camera: one }, Some(vec![Investigator])),
        (Action::SearchEvents { camera: Some(one), cameras: Vec::new(), range: window }, Some(vec![Investigator])),
        (Action::SearchEvents { camera: None, cameras: Vec::new(), range: window }, Some(vec![Investigator])),
        (playback(one, window), Some(vec![Investigator])),
        (Action::ReadCases, keepers()),
        (open_case(&[8], false), Some(vec![Approver])),
        (open_case(&[7], true), Some(vec![Investigator])),
        (Action::ChangeCase { case: "9/26".into(), what: "expires".into() }, Some(vec![Approver])),
        (Action::CloseCase { case: "7/26".into() }, Some(vec![Investigator, Approver])),
        (Action::ReadBookmarks { case: "7/26".into() }, Some(vec![Investigator])),
        (add_bookmark(one, window), Some(vec![Investigator])),
        (Action::RemoveBookmark { case: "7/26".into(), bookmark: 1 }, Some(vec![Investigator])),
        (Action::ReadSubjectRequests, keepers()),
        (
            Action::RegisterSubjectRequest { request: 1, received_utc_ms: 0, due_utc_ms: 1 },
            Some(vec![Investigator, Admin]),
        ),
        (Action::ChangeSubjectRequest { request: 1, what: "cameras".into() }, Some(vec![Investigator, Admin])),
        (Action::SearchForSubjectRequest { request: 1, case: "7/26".into() }, Some(vec![Investigator, Approver])),
        (
            Action::ExtendSubjectRequest { request: 1, due_utc_ms: 2, why: crate::Extension::Complex },
            Some(vec![Approver]),
        ),
        (
            Action::AnswerSubjectRequest { request: 1, export: 2, to: crate::DisclosedTo::DataSubject },
            Some(vec![Investigator]),
        ),
        (Action::RefuseSubjectRequest { request: 1, why: crate::Refusing::NoFootage }, Some(vec![Approver])),
        (Action::WithdrawSubjectRequest { request: 1 }, Some(vec![Investigator, Admin])),
        (Action::Rederive { camera: one, event: 1, range: window }, Some(vec![Investigator])),
        (Action::CancelRederive { camera: one, event: 1 }, Some(vec![Investigator])),
        (rederived(one), Some(vec![])),
        (Action::SignIn { name_sha256: "ab".into(), passkey: None }, None),
        (Action::SignOut, everyone()),
        (Action::Claim, None),
        (Action::ReadConfig, everyone()),
        (Action::ChangeConfig { camera: Some(one), what: "name".into() }, Some(vec![Admin])),
        (Action::ChangeConfig { camera: None, what: "new camera".into() }, Some(vec![Admin])),
        (Action::ReadStationSettings, Some(vec![Auditor, Admin])),
        (Action::ChangeStationSettings { changes: Vec::new(), reason: "x".into() }, Some(vec![Admin])),
        (Action::ReadRetention { camera: Some(one) }, keepers()),
        (Action::ReadRetention { camera: None }, keepers()),
        (Action::ReadHolds, keepers()),
        (Action::PlaceHold { case: "7/26".into(), cameras: vec![one], range: window }, Some(vec![Investigator])),
        (request_export(one, window), Some(vec![Investigator])),
        (Action::CancelExport { export: 1 }, Some(vec![Investigator])),
        (answers()[0].clone(), Some(vec![Approver])),
        (answers()[1].clone(), Some(vec![Approver])),
        (deliver(), Some(vec![Investigator])),
        (Action::ReadExports, Some(vec![Investigator, Approver, Auditor])),
        (Action::Erase { camera: one, hours: 1, range: window }, Some(vec![])),
        (footage_lost(), Some(vec![])),
        (Action::ReleaseHold { hold: 1 }, Some(vec![Approver])),
        (Action::AddDisk { dir: "/mnt/b".into(), size_gib: 500 }, Some(vec![Admin])),
        (Action::RetireDisk { disk: "a".into(), replaced: true }, Some(vec![Admin])),
        (Action::AcceptDisk { disk: "a".into(), found: "b".into() }, Some(vec![Admin])),
        (Action::InstallPlugin { package_sha256: "ab".into() }, Some(vec![Admin])),
        (Action::ApprovePlugin { plugin: "org.a".into(), package_sha256: "ab".into() }, Some(vec![Admin])),
        (Action::RejectPlugin { plugin: "org.a".into(), package_sha256: "ab".into() }, Some(vec![Admin])),
        (Action::RollBackPlugin { plugin: "org.a".into() }, Some(vec![Admin])),
        (Action::RemovePlugin { plugin: "org.a".into() }, Some(vec![Admin])),
        (Action::ReadPluginLog { plugin: "org.a".into() }, Some(vec![Admin])),
        (Action::ReadPublishers, Some(vec![Admin])),
        (Action::TrustPublisher { key_id: "AB".into() }, Some(vec![Admin])),
        (Action::DistrustPublisher { key_id: "AB".into() }, Some(vec![Admin])),
        (Action::SetPluginDevMode { hours: 1 }, Some(vec![Admin])),
        (Action::SetPluginTriedOut { on: true }, Some(vec![Admin])),
        (Action::ReadProposals, Some(vec![Investigator, Admin])),
        (Action::DecideProposal { proposal: 1, accept: true, reason: "x".into() }, Some(vec![Investigator, Admin])),
        (propose(one), Some(vec![])),
        (Action::TurnCamera { camera: one, what: "move".into() }, Some(vec![Investigator, Admin])),
        (Action::AcceptCamera { camera: one, found: "ab".into() }, Some(vec![Admin])),
        (Action::ReviewCamera { camera: one, note: "ab".into() }, Some(vec![Admin])),
        (Action::NoteCamera { camera: one, what: "clock_set".into(), detail: "x".into() }, Some(vec![])),
        (Action::ReadAccounts, Some(vec![Admin])),
        (Action::ChangeAccount { account: Some(2), what: "roles".into() }, Some(vec![Admin])),
        (Action::ChangeOwnAccount, everyone()),
        (Action::ReadOwnSessions, everyone()),
        (Action::EndOwnSession { session: "ab".into() }, everyone()),
        (Action::MakeBackup, Some(vec![Admin])),
        (Action::CompareBackup { backup_sha256: "ab".into() }, Some(vec![Admin])),
        (Action::RestoreBackup { backup_sha256: "ab".into() }, Some(vec![Admin])),
        (
            Action::UploadCertificate { certificate_sha256: "AB".into(), names: "box".into(), not_after: UtcNanos(9) },
            Some(vec![Admin]),
        ),
        (Action::RemoveCertificate, Some(vec![Admin])),
        (Action::ReadSessions, Some(vec![Admin])),
        (Action::EndSession { account: 2, session: "ab".into() }, Some(vec![Admin])),
        (Action::SetUpSecondFactor, everyone()),
        (Action::EnterSecondFactor, everyone()),
        (Action::RemoveSecondFactor { account: 2 }, Some(vec![Admin])),
        (Action::ReadOwnPasskeys, everyone()),
        (Action::SetUpPasskey, everyone()),
        (Action::AddPasskey { passkey: "0123456789abcdef".into() }, everyone()),
        (Action::RemoveOwnPasskey { passkey: "0123456789abcdef".into() }, everyone()),
        (Action::RemovePasskey { account: 2, passkey: "0123456789abcdef".into() }, Some(vec![Admin])),
        (Action::ReadAudit, Some(vec![Auditor])),
        (Action::MirrorLog { mirror: 1 }, Some(vec![Auditor])),
        (Action::MakeMirrorToken { name: "court".into() }, Some(vec![Auditor])),
        (Action::RevokeMirrorToken { mirror: 1 }, Some(vec![Auditor])),
        (Action::EnrolApproverKey { account: 2, key: "hq+00000000+AQ".into() }, Some(vec![Admin])),
        (Action::RemoveApproverKey { account: 2 }, Some(vec![Admin])),
        (Action::AskDecision { export: 1 }, Some(vec![Investigator, Approver])),
        (Action::BringDecision { export: 1, decision_sha256: "ab".into() }, Some(vec![Investigator, Approver])),
        (Action::TrustWitness { witness: "w".into() }, Some(vec![Auditor])),
        (Action::DistrustWitness { witness: "w".into() }, Some(vec![Auditor])),
        (Action::ImportCosignatures { names: vec!["w".into()] }, Some(vec![Auditor])),
        (Action::SetWitnessPush { witness: "w".into(), url: "http://w".into() }, Some(vec![Admin])),
        (Action::ReadLogPushes, Some(vec![Auditor, Admin])),
        (Action::PushLog { witness: "w".into() }, Some(vec![Auditor, Admin])),
        (Action::ChangeLogKey { reason: "x".into() }, Some(vec![Admin])),
        (Action::ReadPolicies, keepers()),
        (Action::ProposePolicy { policy: "uk".into(), version: 1, policy_sha256: "ab".into() }, Some(vec![Admin])),
        (accept_policy(3), Some(vec![Approver, Admin])),
        (Action::WithdrawPolicy { policy_sha256: "ab".into() }, Some(vec![Approver, Admin])),
        (state_rules(), Some(vec![])),
        (Action::ReadReviews, Some(vec![Auditor])),
        (Action::AnswerReview { entry: 7, ok: true, reason: String::new() }, Some(vec![Auditor])),
        (Action::DrawReviews { from: 0, entries: 7, root: String::new(), percent: 2, at_least: 5 }, Some(vec![])),
        (Action::PublishReport { month: "2026-11".into(), entries: 7, report_sha256: String::new() }, Some(vec![])),
        (Action::RecordHours { range: window, cameras: Vec::new() }, Some(vec![])),
        (policy(one), Some(vec![])),
    ]
}

fn accept_policy(proposed_by: u32) -> Action {
    Action::AcceptPolicy { policy: "uk".into(), version: 1, policy_sha256: "ab".into(), proposed_by }
}

fn state_rules() -> Action {
    let rules = crate::policy::Rules::WIDEST;
    Action::StateRules { policy: "uk".into(), version: 1, policy_sha256: "ab".into(), rules }
}

fn policy(camera: CameraId) -> Action {
    let (purpose, plugins) = (String::new(), Vec::new());
    let (enabled, removed, audio) = (true, false, false);
    Action::StatePolicy {
        camera,
        purpose,
        enabled,
        removed,
        retention_days_max: 7,
        audio,
        contact: true,
        masks: 0,
        plugins,
    }
}

fn footage_lost() -> Action {
    let (first_entry, last_entry) = (None, None);
    Action::FootageLost {
        disk: "ab".into(),
        first_commit: 3,
        last_commit: 4,
        told_from_commit: 2,
        first_entry,
        last_entry,
    }
}

fn rederived(camera: CameraId) -> Action {
    let word = String::new;
    Action::Rederived { camera, event: 1, plugin: word(), component_sha256: word(), result: word() }
}

fn propose(camera: CameraId) -> Action {
    let word = String::new;
    Action::Propose { proposal: 1, camera, plugin: word(), component_sha256: word(), what: word(), reason: word() }
}

#[test]
fn each_role_may_do_what_the_table_says_and_nothing_else() {
    for (action, allowed) in table() {
        for role in Role::ALL {
            let expected = allowed.as_ref().is_none_or(|roles| roles.contains(&role));
            assert_eq!(decide(&about(subject(&[role]), &action), &action).is_ok(), expected, "{role:?} and {action:?}");
        }
        let nobody = decide(&Subject::nobody(), &action);
        assert_eq!(nobody, if allowed.is_none() { Ok(()) } else { Err(Refusal::SignInFirst) }, "nobody and {action:?}");
        let roleless = decide(&about(subject(&[]), &action), &action);
        assert_eq!(roleless.is_ok(), allowed.is_none(), "an account without roles and {action:?}");
    }
}

#[test]
fn an_entry_says_once_who_did_it() {
    for (action, _) in table() {
        let entry = AuditEntry { account: Some(7), action, outcome: Outcome::Allowed };
        let json = serde_json::to_string(&entry).unwrap();
        // What reads JSON takes the last field of a name: an account that something was done to would stand there as the one that did it.
        for field in ["account", "action", "outcome"] {
            assert_eq!(json.matches(&format!("\"{field}\":")).count(), 1, "{json}");
        }
        assert!(json.starts_with("{\"account\":7,"), "{json}");
    }
}

#[test]
fn an_admin_and_an_auditor_see_no_video() {
    for role in [Role::Admin, Role::Auditor, Role::Approver] {
        for (action, _) in table() {
            let shows_footage = matches!(
                action,
                Action::Live { .. } | Action::Timeline { .. } | Action::Playback { .. } | Action::Rederive { .. }
            );
            assert!(!shows_footage || decide(&subject(&[role]), &action).is_err(), "{role:?} and {action:?}");
        }
    }
}

#[test]
fn footage_is_played_inside_an_open_case_alone() {
    let ask = |case: Option<Case>, number: &str, now: i64, wanted| {
        let case = case.map(|case| CaseNow { case, now: UtcNanos(now) });
        let subject = Subject { case, ..subject(&[Role::Investigator]) };
        let log = MemoryLog::default();
        let action = Action::Playback { camera: camera(1), range: wanted, case: number.into() };
        let opened = open(&subject, action, &log).map(|grant| grant.covers_footage(camera(1), wanted));
        let logged = log.entries.lock().unwrap()[0].outcome == Outcome::Allowed;
        assert_eq!(opened.is_ok(), logged, "what is refused is in the log as refused");
        opened
    };
    let inside = range(10, 20);
    assert_eq!(ask(Some(case()), "7/26", 5, inside), Ok(true));
    let none = |number: &str| Err(Refusal::OutsideCase(CaseRefusal::Unknown(number.into())));
    assert_eq!(ask(None, "7/26", 5, inside), none("7/26"));
    assert_eq!(ask(None, "", 5, inside), none(""));
    assert_eq!(ask(Some(case()), "8/26", 5, inside), none("8/26"), "another case than the one that was named");
    assert_eq!(ask(Some(Case { number: String::new(), ..case() }), "", 5, inside), none(""));
    let outside = |why| Err(Refusal::OutsideCase(why));
    assert_eq!(ask(Some(case()), "7/26", 1000, inside), outside(CaseRefusal::Expired("7/26".into())));
    let wide = outside(CaseRefusal::OutsideWindow("7/26".into(), range(0, 400)));
    assert_eq!(ask(Some(case()), "7/26", 5, range(10, 401)), wide);
    let others = Case { investigators: [8].into(), ..case() };
    assert_eq!(ask(Some(others), "7/26", 5, inside), outside(CaseRefusal::NotNamed("7/26".into())));
}

#[test]
fn a_moment_is_marked_where_it_may_be_played_and_read_by_whoever_works_there() {
    let at = |case: Option<Case>, now: i64, action: &Action| {
        let case = case.map(|case| CaseNow { case, now: UtcNanos(now) });
        decide(&Subject { case, ..subject(&[Role::Investigator]) }, action)
    };
    let outside = |why| Err(Refusal::OutsideCase(why));
    let number = || "7/26".to_owned();
    let acts = [Action::ReadBookmarks { case: number() }, Action::RemoveBookmark { case: number(), bookmark: 1 }];
    for action in acts.iter().chain([&add_bookmark(camera(1), range(0, 1))]) {
        assert_eq!(at(Some(case()), 5, action), Ok(()), "{action:?}");
        assert_eq!(at(None, 5, action), outside(CaseRefusal::Unknown(number())), "{action:?}");
        assert_eq!(at(Some(case()), 1000, action), outside(CaseRefusal::Expired(number())), "{action:?}");
        let others = Case { investigators: [8].into(), ..case() };
        assert_eq!(at(Some(others), 5, action), outside(CaseRefusal::NotNamed(number())), "{action:?}");
        let closed = Case { closed: Some(UtcNanos(1)), ..case() };
        assert_eq!(at(Some(closed), 5, action), outside(CaseRefusal::Closed(number())), "{action:?}");
    }
    let wide = outside(CaseRefusal::OutsideWindow(number(), range(0, 400)));
    assert_eq!(at(Some(case()), 5, &add_bookmark(camera(1), range(400, 401))), wide);
}

#[test]
fn a_case_is_opened_for_others_with_a_fresh_factor() {
    let all = subject(&Role::ALL);
    for investigators in [&[7][..], &[8, 7]] {
        let refusal = decide(&all, &open_case(investigators, false)).unwrap_err();
        assert!(refusal.to_string().contains("another account"), "also with every role: {refusal}");
    }
    assert!(decide(&all, &open_case(&[8], true)).is_err(), "an emergency is one's own");
    let stale = Subject { factor_fresh: false, ..all.clone() };
    for action in [
        open_case(&[8], false),
        open_case(&[7], true),
        Action::ChangeCase { case: "9/26".into(), what: "expires".into() },
        // By whose signatures, and to whom, the log proves itself.
        Action::ChangeLogKey { reason: "x".into() },
        Action::TrustWitness { witness: "w".into() },
        Action::DistrustWitness { witness: "w".into() },
        Action::SetWitnessPush { witness: "w".into(), url: String::new() },
        Action::MakeMirrorToken { name: "court".into() },
        Action::MakeBackup,
        Action::CompareBackup { backup_sha256: "ab".into() },
        Action::RestoreBackup { backup_sha256: "ab".into() },
        Action::UploadCertificate { certificate_sha256: "AB".into(), names: "box".into(), not_after: UtcNanos(9) },
        Action::RemoveCertificate,
        Action::EnrolApproverKey { account: 8, key: "hq+00000000+AQ".into() },
    ] {
        assert_eq!(decide(&stale, &action), Err(Refusal::FactorNeeded), "{action:?}");
        assert_eq!(decide(&all, &action), Ok(()), "{action:?}");
    }
    assert_eq!(decide(&stale, &Action::CloseCase { case: "7/26".into() }), Ok(()));
    let own = decide(&all, &Action::ChangeCase { case: "7/26".into(), what: "expires".into() });
    assert!(own.unwrap_err().to_string().contains("another approver"), "who works in it does not widen it");
}

#[test]
fn two_people_stand_behind_what_leaves_the_box() {
    let own = |action: Action, export: Option<ExportNow>| decide(&Subject { export, ..subject(&Role::ALL) }, &action);
    let says = |refusal: Result<(), Refusal>| refusal.unwrap_err().to_string();
    for action in answers() {
        let refusal = says(own(action.clone(), Some(export(7))));
        assert!(refusal.contains("somebody else"), "also with every role: {refusal}");
        assert_eq!(own(action.clone(), Some(export(8))), Ok(()));
        assert!(says(own(action.clone(), None)).contains("no export 1"), "the gate must know who asked");
        assert!(own(action, Some(ExportNow { export: 2, ..export(8) })).is_err(), "another export");
    }
    let stale = Subject { factor_fresh: false, export: Some(export(8)), ..subject(&Role::ALL) };
    assert_eq!(decide(&stale, &answers()[0]), Err(Refusal::FactorNeeded));
    for action in [deliver(), Action::CancelExport { export: 1 }] {
        assert_eq!(own(action.clone(), Some(export(7))), Ok(()));
        assert!(says(own(action.clone(), Some(export(8)))).contains("another account"));
        assert!(own(action, None).is_err());
    }
}

#[test]
fn footage_leaves_while_the_account_has_its_cameras_and_its_case() {
    let other = |export: ExportNow| ExportNow { cameras: vec![camera(1), camera(2)], ..export };
    let refused = |subject: Subject, action: &Action| decide(&subject, action).unwrap_err().to_string();
    let asks = |export: ExportNow| Subject { export: Some(export), ..subject(&Role::ALL) };
    for action in answers() {
        assert!(refused(asks(other(export(8))), &action).contains("camera 2"));
    }
    assert!(refused(asks(other(export(7))), &deliver()).contains("camera 2"));
    assert_eq!(
        decide(&asks(other(export(7))), &Action::CancelExport { export: 1 }),
        Ok(()),
        "giving up needs no right"
    );
    let with = |case: Case, now: i64| {
        let case = Some(CaseNow { case, now: UtcNanos(now) });
        decide(&Subject { case, ..asks(export(7)) }, &deliver())
    };
    let outside = |why| Err(Refusal::OutsideCase(why));
    assert_eq!(with(case(), 5), Ok(()));
    assert_eq!(with(case(), 1000), outside(CaseRefusal::Expired("7/26".into())));
    assert_eq!(with(Case { closed: Some(UtcNanos(4)), ..case() }, 5), outside(CaseRefusal::Closed("7/26".into())));
    let others = Case { investigators: [8].into(), ..case() };
    assert_eq!(with(others, 5), outside(CaseRefusal::NotNamed("7/26".into())));
    let without = Case { cameras: [camera(2)].into(), ..case() };
    assert_eq!(with(without, 5), outside(CaseRefusal::OtherCamera("7/26".into(), camera(1))));
    let narrow = Case { range: range(0, 9), ..case() };
    assert_eq!(with(narrow, 5), outside(CaseRefusal::OutsideWindow("7/26".into(), range(0, 9))));
    let unknown = outside(CaseRefusal::Unknown("7/26".into()));
    assert_eq!(decide(&Subject { case: None, ..asks(export(7)) }, &deliver()), unknown);
}

#[test]
fn an_export_asked_for_in_an_emergency_is_made_and_goes_out_after_it() {
    let emergency = Case { emergency: true, opened_by: 7, investigators: [7].into(), ..case() };
    let over = CaseNow { now: emergency.expires, case: emergency };
    let asked = Subject { case: Some(over.clone()), ..subject(&[Role::Investigator]) };
    let request = request_export(camera(1), range(0, 10));
    assert!(matches!(decide(&asked, &request), Err(Refusal::OutsideCase(CaseRefusal::Expired(_)))), "nobody asks anew");
    let asked = Subject { export: Some(export(7)), ..asked };
    assert_eq!(decide(&asked, &request), Ok(()), "its turn has come");
    assert_eq!(decide(&asked, &deliver()), Ok(()));
    let other = Subject { export: Some(export(8)), ..asked.clone() };
    assert!(
        decide(&other, &request).is_err() && decide(&other, &deliver()).is_err(),
        "one that somebody else asked for"
    );
    assert!(decide(&asked, &playback(camera(1), range(0, 10))).is_err(), "nobody looks any more");
    let stopped = CaseNow { case: Case { stopped: Some(UtcNanos(1)), ..over.case }, ..over };
    let asked = Subject { case: Some(stopped), ..asked };
    for action in [request, deliver()] {
        assert!(matches!(decide(&asked, &action), Err(Refusal::OutsideCase(CaseRefusal::Stopped(_)))), "{action:?}");
    }
}

/// Names of the variants, as the source has them, so that none is forgotten in the table.
#[test]
fn the_table_has_every_action() {
    let source = include_str!("../action.rs");
    let (_, all) = source.split_once("pub enum Action {").unwrap();
    let (all, _) = all.split_once("\n}\n").unwrap();
    let variant = |line: &str| line.strip_prefix("    ").filter(|line| line.starts_with(char::is_uppercase)).is_some();
    let names: Vec<String> = all
        .lines()
        .filter(|line| variant(line))
        .map(|line| line.trim().trim_end_matches([' ', '{', ',']).to_owned())
        .collect();
    let snake = |name: &str| {
        let word = |c: char| if c.is_uppercase() { format!("_{}", c.to_ascii_lowercase()) } else { c.to_string() };
        name.chars().map(word).collect::<String>().trim_start_matches('_').to_owned()
    };
    let known: Vec<String> = table()
        .iter()
        .map(|(action, _)| serde_json::to_value(action).unwrap()["action"].as_str().unwrap().to_owned())
        .collect();
    for name in &names {
        assert!(known.contains(&snake(name)), "nothing is said of {name}");
    }
    assert!(names.len() > 80, "{names:?}");
}

#[test]
fn a_delivery_goes_where_its_entry_says_alone() {
    let subject = Subject { export: Some(export(7)), ..subject(&[Role::Investigator]) };
    let grant = open(&subject, deliver(), &MemoryLog::default()).unwrap();
    assert!(grant.covers_delivery(1, "ab", "download") && !grant.covers_delivery(1, "ab", "usb/COURT"));
    assert!(!grant.covers_delivery(2, "ab", "download") && !grant.covers_delivery(1, "ac", "download"));
}

#[test]
fn a_policy_is_accepted_by_somebody_else_with_a_fresh_factor() {
    let all = subject(&Role::ALL);
    let own = decide(&all, &accept_policy(7));
    assert!(own.unwrap_err().to_string().contains("another admin"), "also with every role");
    let stale = Subject { factor_fresh: false, ..all.clone() };
    assert_eq!(decide(&stale, &accept_policy(3)), Err(Refusal::FactorNeeded));
    let grant = open(&all, accept_policy(3), &MemoryLog::default()).unwrap();
    assert!(grant.covers_policy("ab", 3) && !grant.covers_policy("ac", 3) && !grant.covers_policy("ab", 4));
}

#[test]
fn nobody_enrols_their_own_key_for_releases() {
    let enrol = |account| Action::EnrolApproverKey { account, key: "hq+00000000+AQ".into() };
    assert!(decide(&subject(&Role::ALL), &enrol(7)).unwrap_err().to_string().contains("another admin"));
    assert_eq!(decide(&subject(&[Role::Admin]), &enrol(8)), Ok(()));
}

#[test]
fn nobody_takes_their_own_second_factor_away() {
    let own = decide(&subject(&Role::ALL), &Action::RemoveSecondFactor { account: 7 });
    assert!(own.unwrap_err().to_string().contains("another admin"));
    assert_eq!(decide(&subject(&[Role::Admin]), &Action::RemoveSecondFactor { account: 8 }), Ok(()));
    let passkey = |account| Action::RemovePasskey { account, passkey: "0123456789abcdef".into() };
    assert!(matches!(decide(&subject(&Role::ALL), &passkey(7)), Err(Refusal::NotAllowed(_))));
    assert_eq!(decide(&subject(&[Role::Admin]), &passkey(8)), Ok(()));
    let remove = Action::RemoveOwnPasskey { passkey: "0123456789abcdef".into() };
    let stale = Subject { factor_fresh: false, ..subject(&Role::ALL) };
    assert_eq!(decide(&stale, &remove), Err(Refusal::FactorNeeded));
}

#[test]
fn another_camera_is_refused_whatever_the_roles() {
    let other = camera(2);
    let window = range(0, 10);
    for action in [
        Action::Live { camera: other },
        Action::Timeline { camera: other },
        Action::SearchEvents { camera: Some(other), cameras: Vec::new(), range: window },
        Action::SearchEvents { camera: None, cameras: vec![camera(1), other], range: window },
        playback(other, window),
        Action::Rederive { camera: other, event: 1, range: window },
        Action::CancelRederive { camera: other, event: 1 },
        Action::ChangeConfig { camera: Some(other), what: "removal".into() },
        Action::ReadRetention { camera: Some(other) },
        Action::PlaceHold { case: "7/26".into(), cameras: vec![camera(1), other], range: window },
    ] {
        let refusal = decide(&subject(&Role::ALL), &action).unwrap_err();
        assert!(refusal.to_string().contains("camera 2"), "{refusal}");
    }
}

#[test]
fn grants_of_holds_and_retention_cover_what_they_name_alone() {
    let log = MemoryLog::default();
    let place = Action::PlaceHold { case: "7/26".into(), cameras: vec![camera(1)], range: range(0, 10) };
    let grant = open(&subject(&[Role::Investigator]), place, &log).unwrap();
    assert!(grant.covers_hold(&[camera(1)], range(0, 10)));
    assert!(
        !grant.covers_hold(&[camera(1), camera(2)], range(0, 10)) && !grant.covers_hold(&[camera(1)], range(0, 11))
    );
    assert!(!grant.covers_footage(camera(1), range(0, 10)) && !grant.covers_timeline(camera(1)));

    let grant = open(&subject(&[Role::Approver]), Action::ReleaseHold { hold: 3 }, &log).unwrap();
    let retention = |camera| open(&subject(&[Role::Auditor]), Action::ReadRetention { camera }, &log).unwrap();
    assert!(retention(None).covers_retention(camera(1)) && !retention(None).covers_retention(camera(2)));
    assert!(retention(Some(camera(1))).covers_retention(camera(1)) && !retention(None).covers_timeline(camera(1)));
    assert!(grant.covers_release(3) && !grant.covers_release(4) && !grant.covers_hold(&[camera(1)], range(0, 10)));
}

#[test]
fn a_refusal_is_logged_and_gives_no_grant() {
    let log = MemoryLog::default();
    let action = Action::Live { camera: camera(1) };
    let refusal = open(&subject(&[Role::Admin]), action.clone(), &log).unwrap_err();
    let entries = log.entries.lock().unwrap();
    assert_eq!(entries.len(), 1);
    assert_eq!((entries[0].account, &entries[0].action), (Some(7), &action));
    assert_eq!(entries[0].outcome, Outcome::Refused(refusal.to_string()));
}

#[test]
fn a_log_that_cannot_be_written_keeps_the_gate_shut() {
    let log = MemoryLog { broken: true, ..MemoryLog::default() };
    let refusal = open(&subject(&Role::ALL), Action::Live { camera: camera(1) }, &log).unwrap_err();
    assert_eq!(refusal, Refusal::LogUnwritable(AuditError("read-only".into())));
    assert!(refusal.to_string().contains("recording goes on"), "{refusal}");
}

#[test]
fn the_grant_names_its_entry() {
    let log = MemoryLog::default();
    for expected in 0..3 {
        let grant = open(&subject(&[Role::Auditor]), Action::ReadAudit, &log).unwrap();
        assert_eq!((grant.audit_index(), grant.action()), (expected, &Action::ReadAudit));
    }
}

#[test]
fn a_search_over_all_cameras_means_the_account_s_own() {
    let log = MemoryLog::default();
    let search = Action::SearchEvents { camera: None, cameras: Vec::new(), range: range(0, 10) };
    let grant = open(&subject(&[Role::Investigator]), search, &log).unwrap();
    assert!(grant.covers_events(None) && grant.covers_events(Some(camera(1))));
    assert!(!grant.covers_events(Some(camera(2))) && !grant.covers_timeline(camera(1)));
    assert_eq!(grant.cameras(), Some(&[camera(1)].into()));
}

#[test]
fn an_entry_reads_as_one_flat_object() {
    let entry = AuditEntry {
        account: Some(3),
        action: playback(camera(2), range(5, 9)),
        outcome: Outcome::Refused("no".into()),
    };
    let json: serde_json::Value = serde_json::to_value(&entry).unwrap();
    let expected = serde_json::json!({
        "account": 3, "action": "playback", "camera": 2, "range": {"start": 5, "end": 9}, "case": "7/26", "outcome": {"refused": "no"}
    });
    assert_eq!(json, expected);
    let outcome = serde_json::to_value(Outcome::CameToNothing { entry: 12, why: "full".into() }).unwrap();
    assert_eq!(outcome, serde_json::json!({"came_to_nothing": {"entry": 12, "why": "full"}}));
}

#[test]
fn a_change_of_no_camera_names_none() {
    let change = |camera| serde_json::to_value(Action::ChangeConfig { camera, what: "name".into() }).unwrap();
    assert_eq!(change(None), serde_json::json!({"action": "change_config", "what": "name"}));
    assert_eq!(change(Some(camera(2))), serde_json::json!({"action": "change_config", "camera": 2, "what": "name"}));
}

#[test]
fn deriving_an_event_again_reads_its_own_footage_alone() {
    let action = Action::Rederive { camera: camera(1), event: 1, range: range(5, 9) };
    let grant = open(&subject(&[Role::Investigator]), action, &MemoryLog::default()).unwrap();
    assert!(grant.covers_footage(camera(1), range(5, 9)) && grant.covers_timeline(camera(1)));
    assert!(!grant.covers_footage(camera(1), range(4, 9)) && !grant.covers_footage(camera(2), range(5, 9)));
    assert!(!grant.covers_live(camera(1)) && !grant.covers_events(Some(camera(1))));
    let cancel = Action::CancelRederive { camera: camera(1), event: 1 };
    let grant = open(&subject(&[Role::Investigator]), cancel, &MemoryLog::default()).unwrap();
    assert!(!grant.covers_footage(camera(1), range(5, 9)) && !grant.covers_timeline(camera(1)));
}

proptest! {
    #[test]
    fn a_grant_covers_its_camera_and_window_alone(
        start in 0_i64..100, len in 0_i64..100, asked in 0_i64..200, asked_len in 0_i64..200, other in 1_u32..4,
    ) {
        let log = MemoryLog::default();
        let window = range(start, start + len);
        let grant = open(&subject(&[Role::Investigator]), playback(camera(1), window), &log).unwrap();
        let wanted = range(asked, asked + asked_len);
        let inside = other == 1 && asked >= start && asked + asked_len <= start + len;
        prop_assert_eq!(grant.covers_footage(camera(other), wanted), inside);
        prop_assert_eq!(grant.covers_timeline(camera(other)), other == 1);
        prop_assert!(!grant.covers_live(camera(1)) && !grant.covers_events(Some(camera(1))));
    }

    #[test]
    fn more_roles_never_take_a_right_away(bits in 0_u8..32, more in 0_u8..32) {
        let set = |bits: u8| -> Roles { Role::ALL.into_iter().enumerate().filter(|(i, _)| bits >> i & 1 == 1).map(|(_, r)| r).collect() };
        let with = |roles: Roles| Subject { roles, ..subject(&[]) };
        for (action, _) in table() {
            let before = decide(&about(with(set(bits)), &action), &action).is_ok();
            prop_assert!(!before || decide(&about(with(set(bits | more)), &action), &action).is_ok(), "{:?}", action);
        }
    }
}
