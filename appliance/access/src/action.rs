//! What can be asked for. One variant per thing that the log must be able to tell apart.

use crate::case::Purpose;
use crate::policy::Rules;
use crate::request::{DisclosedTo, Extension, Refusing};
use crate::setting::SettingChange;
use serde::Serialize;
use watchbook_base::{CameraId, TimeRange, UtcNanos};

/// What kind of receiver an export is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RecipientClass {
    /// Another police unit.
    Police,
    /// A prosecutor.
    Prosecutor,
    /// A court.
    Court,
    /// The defence.
    Defence,
    /// A person who is in the footage.
    DataSubject,
    /// Any other authority.
    OtherAuthority,
}

/// Something a [`crate::Subject`] wants to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "action")]
pub enum Action {
    /// Watch a camera live.
    Live {
        /// Which.
        camera: CameraId,
    },
    /// See what is recorded: spans, gaps and events, no pictures.
    Timeline {
        /// Which.
        camera: CameraId,
    },
    /// Search what plugins saw.
    SearchEvents {
        /// On which camera; `None` means those of `cameras`, or every camera of the account.
        camera: Option<CameraId>,
        /// On which of several cameras, in order, each once; empty where one is named, or none.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        cameras: Vec<CameraId>,
        /// When.
        range: TimeRange,
    },
    /// Play recorded footage, inside a case.
    Playback {
        /// Which.
        camera: CameraId,
        /// When.
        range: TimeRange,
        /// Number of the case; empty when none was named.
        case: String,
    },
    /// Read the cases that one may know of: numbers, cameras, intervals, people; no pictures.
    ReadCases,
    /// Open a case for others, or, in an emergency, for oneself.
    OpenCase {
        /// Its number.
        case: String,
        /// What for.
        purpose: Purpose,
        /// Whose footage; never empty.
        cameras: Vec<CameraId>,
        /// Which of it.
        range: TimeRange,
        /// When it ends by itself.
        expires_utc_ms: i64,
        /// Who may work in it.
        investigators: Vec<u32>,
        /// Whoever opens it works in it.
        emergency: bool,
    },
    /// Change what a case admits.
    ChangeCase {
        /// Its number.
        case: String,
        /// What becomes different, as in `cameras 1 2 become 1 2 3`.
        what: String,
    },
    /// Close a case before its time is over.
    CloseCase {
        /// Its number.
        case: String,
    },
    /// Read the bookmarks of a case that one works in.
    ReadBookmarks {
        /// Number of the case.
        case: String,
    },
    /// Mark a moment of a case's footage, for whoever works in it. The words stay in the case: the log keeps who marked what.
    AddBookmark {
        /// Number of the case.
        case: String,
        /// Whose footage; never empty.
        cameras: Vec<CameraId>,
        /// The moment, of the shortest length there is.
        range: TimeRange,
    },
    /// Take a bookmark away.
    RemoveBookmark {
        /// Number of the case.
        case: String,
        /// Number of the bookmark in it.
        bookmark: u32,
    },
    /// Ask for an export: footage as evidence, which a second person releases.
    RequestExport {
        /// Number that the export gets; 0 where nothing was asked for that could be one.
        export: u64,
        /// Number of the case.
        case: String,
        /// Whose footage; never empty.
        cameras: Vec<CameraId>,
        /// When.
        range: TimeRange,
        /// For what kind of receiver.
        recipient_class: RecipientClass,
        /// A redacted copy, in which parts of the picture are black; absent: the masters themselves.
        #[serde(skip_serializing_if = "core::ops::Not::not")]
        redacted: bool,
    },
    /// Give an export up that one asked for.
    CancelExport {
        /// Number of the export.
        export: u64,
    },
    /// Release an export that another one asked for.
    ReleaseExport {
        /// Number of the export.
        export: u64,
        /// SHA-256 of its manifest, lower-case hex: what was looked at.
        manifest_sha256: String,
        /// SHA-256 of the file that the approver signed elsewhere, lower-case hex; none for a release on the page.
        #[serde(skip_serializing_if = "Option::is_none")]
        by_signed_file: Option<String>,
    },
    /// Refuse an export that another one asked for.
    RefuseExport {
        /// Number of the export.
        export: u64,
        /// SHA-256 of its manifest, lower-case hex: what was looked at.
        manifest_sha256: String,
        /// Why, in the refuser's words.
        reason: String,
        /// SHA-256 of the file that the approver signed elsewhere, lower-case hex; none for a refusal on the page.
        #[serde(skip_serializing_if = "Option::is_none")]
        by_signed_file: Option<String>,
    },
    /// Take a released export out.
    DeliverExport {
        /// Number of the export.
        export: u64,
        /// SHA-256 of its manifest, lower-case hex.
        manifest_sha256: String,
        /// Where to: `download`, or the kind and the name of a place, as in `usb/COURT`.
        sink: String,
    },
    /// Read the list of exports: cases, cameras, intervals; no pictures.
    ReadExports,
    /// Read the requests of those who may be in the footage: numbers, deadlines, cameras, intervals; no pictures.
    ReadSubjectRequests,
    /// Take up somebody's request for footage of themselves. Of who asks the log knows nothing but this number.
    RegisterSubjectRequest {
        /// Number that the request gets; 0 where nothing was sent that could be one.
        request: u64,
        /// When it was received.
        received_utc_ms: i64,
        /// When it must be answered.
        due_utc_ms: i64,
    },
    /// Change what a request says of the footage, or who handles it.
    ChangeSubjectRequest {
        /// Its number.
        request: u64,
        /// Names of what changes, never the words themselves.
        what: String,
    },
    /// Look for the footage of a request, in a case that was opened for it.
    SearchForSubjectRequest {
        /// Its number.
        request: u64,
        /// Number of the case.
        case: String,
    },
    /// Give a request more time, once.
    ExtendSubjectRequest {
        /// Its number.
        request: u64,
        /// When it must be answered now.
        due_utc_ms: i64,
        /// Why.
        why: Extension,
    },
    /// A request was answered with a copy, which a second person has released.
    AnswerSubjectRequest {
        /// Its number.
        request: u64,
        /// Number of the export.
        export: u64,
        /// Who was given it.
        to: DisclosedTo,
    },
    /// Refuse a request that another one handles.
    RefuseSubjectRequest {
        /// Its number.
        request: u64,
        /// Why.
        why: Refusing,
    },
    /// Whoever asked does not want it any more.
    WithdrawSubjectRequest {
        /// Its number.
        request: u64,
    },
    /// Derive an event again: its footage goes through the plugin that gave it, and what comes out is compared. Nobody sees a picture.
    Rederive {
        /// Where it happened.
        camera: CameraId,
        /// Number of the event.
        event: u64,
        /// The footage that is read.
        range: TimeRange,
    },
    /// Stop deriving an event again.
    CancelRederive {
        /// Where it happened.
        camera: CameraId,
        /// Number of the event.
        event: u64,
    },
    /// An event was derived again. The recorder notes it by itself; nobody can ask for it.
    Rederived {
        /// Where it happened.
        camera: CameraId,
        /// Number of the event.
        event: u64,
        /// Id and version of the plugin.
        plugin: String,
        /// SHA-256 of its component, lower-case hex.
        component_sha256: String,
        /// What came out, such as `same`.
        result: String,
    },
    /// Sign in; `name_sha256` keeps mistyped passwords in the name field out of the log.
    SignIn {
        /// SHA-256 of the account name that was tried, lower-case hex.
        name_sha256: String,
        /// Public number of the passkey that was shown; the name is then that of the account that has it, or nobody's: empty.
        #[serde(skip_serializing_if = "Option::is_none")]
        passkey: Option<String>,
    },
    /// Sign out.
    SignOut,
    /// Take possession of an unclaimed box with its one-time code.
    Claim,
    /// Read how long footage is kept: oldest footage, next erasure, past erasures; no pictures.
    ReadRetention {
        /// Of which camera; `None` means every camera of the account.
        #[serde(skip_serializing_if = "Option::is_none")]
        camera: Option<CameraId>,
    },
    /// Read the list of holds: case numbers, cameras, intervals; no pictures.
    ReadHolds,
    /// Keep footage for a case: a copy that neither the ring's turn nor the maximum age takes away.
    PlaceHold {
        /// Number of the case.
        case: String,
        /// Whose footage; never empty.
        cameras: Vec<CameraId>,
        /// When.
        range: TimeRange,
    },
    /// Give held footage up: its copy is destroyed.
    ReleaseHold {
        /// Number of the hold.
        hold: u64,
    },
    /// Footage was made unreadable because it had reached its maximum age. The recorder does it by itself; nobody can ask for it.
    Erase {
        /// Of which camera.
        camera: CameraId,
        /// How many hours of it.
        hours: u64,
        /// From the first to the end of the last of them.
        range: TimeRange,
    },
    /// The newest end of a ring, of which the log tells, is not there any more. The recorder notes it by itself; nobody can ask for it.
    FootageLost {
        /// Identity of the disk, lower-case hex.
        disk: String,
        /// First commit that is gone.
        first_commit: u64,
        /// Last one of which the log tells.
        last_commit: u64,
        /// First commit of the entries that tell of any of these: what lies there of it before `first_commit` cannot be proved any more.
        told_from_commit: u64,
        /// First of those entries; `None` when the commits had no footage.
        #[serde(skip_serializing_if = "Option::is_none")]
        first_entry: Option<u64>,
        /// Last of those entries.
        #[serde(skip_serializing_if = "Option::is_none")]
        last_entry: Option<u64>,
    },
    /// Read the configuration: cameras, plugins, storage, health.
    ReadConfig,
    /// Hand over a plugin's package; it then waits for approval.
    InstallPlugin {
        /// SHA-256 of the package, lower-case hex.
        package_sha256: String,
    },
    /// Let the version of a plugin run that waits.
    ApprovePlugin {
        /// Its id.
        plugin: String,
        /// SHA-256 of the package, lower-case hex.
        package_sha256: String,
    },
    /// Throw a version of a plugin away that does not run.
    RejectPlugin {
        /// Its id.
        plugin: String,
        /// SHA-256 of the package, lower-case hex.
        package_sha256: String,
    },
    /// Bring the version of a plugin back that ran before.
    RollBackPlugin {
        /// Its id.
        plugin: String,
    },
    /// Remove a plugin.
    RemovePlugin {
        /// Its id.
        plugin: String,
    },
    /// Read what a plugin logged.
    ReadPluginLog {
        /// Its id.
        plugin: String,
    },
    /// Read whose plugins are taken.
    ReadPublishers,
    /// Take the plugins that a publisher signed.
    TrustPublisher {
        /// Id of the key.
        key_id: String,
    },
    /// Take a publisher's plugins no more.
    DistrustPublisher {
        /// Id of the key.
        key_id: String,
    },
    /// Take unsigned plugins for a while, or no more.
    SetPluginDevMode {
        /// For how many hours; 0: no more.
        hours: u32,
    },
    /// Offer interfaces that are being tried out to plugins, or no more.
    SetPluginTriedOut {
        /// Whether they are offered.
        on: bool,
    },
    /// A rule proposed something about an event. The recorder notes it by itself; nobody can ask for it.
    Propose {
        /// Number of the proposal.
        proposal: u64,
        /// Where the event happened.
        camera: CameraId,
        /// Id and version of the rule.
        plugin: String,
        /// SHA-256 of its component, lower-case hex.
        component_sha256: String,
        /// What, such as `hold`.
        what: String,
        /// Why, in the rule's words.
        reason: String,
    },
    /// Read what rules propose: events and reasons, no pictures.
    ReadProposals,
    /// Decide what a rule proposed.
    DecideProposal {
        /// Number of the proposal.
        proposal: u64,
        /// Accepted; otherwise put aside.
        accept: bool,
        /// Why, in the decider's words.
        reason: String,
    },
    /// Give the recorder another disk.
    AddDisk {
        /// Its directory.
        dir: String,
        /// How much of it the ring takes, in GiB.
        size_gib: u64,
    },
    /// Let the recorder write to a disk that lies where another one was.
    AcceptDisk {
        /// The disk that was there.
        disk: String,
        /// The disk that is there now.
        found: String,
    },
    /// Give up a disk that will not come back.
    RetireDisk {
        /// Which one.
        disk: String,
        /// A new, empty one takes its directory; otherwise the directory is no longer used.
        replaced: bool,
    },
    /// Change the configuration.
    ChangeConfig {
        /// Of which camera; `None` for one that does not exist yet and for what belongs to no camera.
        #[serde(skip_serializing_if = "Option::is_none")]
        camera: Option<CameraId>,
        /// What is changed, such as `removal`; never a secret.
        what: String,
    },
    /// Read what the station says of itself, and who changed it.
    ReadStationSettings,
    /// Change what the station says of itself.
    ChangeStationSettings {
        /// Each setting that becomes different, from what to what.
        changes: Vec<SettingChange>,
        /// Why, in a sentence.
        reason: String,
    },
    /// Turn or zoom a camera, or read where it can be turned to.
    TurnCamera {
        /// Which.
        camera: CameraId,
        /// In one word, such as `move`.
        what: String,
    },
    /// Take the camera that answers where another one was.
    AcceptCamera {
        /// Whose address it answers at.
        camera: CameraId,
        /// What names the one that was looked at.
        found: String,
    },
    /// Say that somebody has looked whether a camera is still needed, and that it is.
    ReviewCamera {
        /// Which.
        camera: CameraId,
        /// Why, in a sentence.
        note: String,
    },
    /// Something happened at a camera that belongs in the log. The recorder notes it by itself; nobody can ask for it.
    NoteCamera {
        /// Which.
        camera: CameraId,
        /// In one word, such as `clock_set`.
        what: String,
        /// In a sentence.
        detail: String,
    },
    /// Read accounts and their roles.
    ReadAccounts,
    /// Create, change or remove an account.
    ChangeAccount {
        /// Whose; `None` for one that does not exist yet.
        #[serde(rename = "of_account")]
        account: Option<u32>,
        /// What changes, such as `roles`; never a secret.
        what: String,
    },
    /// Change one's own password or end one's own sessions.
    ChangeOwnAccount,
    /// Read where one's own account is signed in.
    ReadOwnSessions,
    /// End a session of one's own account.
    EndOwnSession {
        /// Its public number, as in the list.
        session: String,
    },
    /// Read where everybody is signed in.
    ReadSessions,
    /// End a session of somebody.
    EndSession {
        /// Whose.
        #[serde(rename = "of_account")]
        account: u32,
        /// Its public number, as in the list.
        session: String,
    },
    /// Take the configuration out, with passwords and second factors, sealed with a passphrase.
    MakeBackup,
    /// Look at what restoring a backup would change.
    CompareBackup {
        /// SHA-256 of the file, lower-case hex.
        backup_sha256: String,
    },
    /// Restore a backup of the configuration: what it has is in force from the next start on.
    RestoreBackup {
        /// SHA-256 of the file, lower-case hex.
        backup_sha256: String,
    },
    /// Serve the page with a certificate that somebody else made.
    UploadCertificate {
        /// SHA-256 of the certificate, as browsers write it.
        certificate_sha256: String,
        /// Host names and addresses that it is for.
        names: String,
        /// Until when it is valid.
        not_after: UtcNanos,
    },
    /// Serve the page with a certificate of the station's own authority again.
    RemoveCertificate,
    /// Set up one's own second factor, or put another one in its place.
    SetUpSecondFactor,
    /// Show one's second factor: a code of one's device.
    EnterSecondFactor,
    /// Read which passkeys one has.
    ReadOwnPasskeys,
    /// Begin to add a passkey to one's own account.
    SetUpPasskey,
    /// Add a passkey to one's own account.
    AddPasskey {
        /// Its public number, as in the list.
        passkey: String,
    },
    /// Remove a passkey of one's own.
    RemoveOwnPasskey {
        /// Its public number, as in the list.
        passkey: String,
    },
    /// Remove a passkey of somebody, for instance of a device that was lost.
    RemovePasskey {
        /// Whose.
        #[serde(rename = "of_account")]
        account: u32,
        /// Its public number, as in the list.
        passkey: String,
    },
    /// Take somebody's second factor away, so that they can set up another one.
    RemoveSecondFactor {
        /// Whose.
        #[serde(rename = "of_account")]
        account: u32,
    },
    /// Read the audit log.
    ReadAudit,
    /// Copy the audit log, entry for entry, as a mirror does.
    MirrorLog {
        /// Number of the mirror's token; 0 for an auditor who is signed in.
        mirror: u32,
    },
    /// Let a program copy the audit log in one's name, until the token is revoked or over.
    MakeMirrorToken {
        /// What the auditor calls it.
        name: String,
    },
    /// Let a mirror copy the audit log no more.
    RevokeMirrorToken {
        /// Number of its token.
        mirror: u32,
    },
    /// Take an approver's signature under a file for that approver's word.
    EnrolApproverKey {
        /// Whose.
        #[serde(rename = "of_account")]
        account: u32,
        /// The public key, as a `vkey`.
        key: String,
    },
    /// Take an approver's signature under a file no more.
    RemoveApproverKey {
        /// Whose.
        #[serde(rename = "of_account")]
        account: u32,
    },
    /// Write the request by which an approver elsewhere decides about an export.
    AskDecision {
        /// Number of the export.
        export: u64,
    },
    /// Bring what an approver elsewhere has signed about an export. It says nothing by itself: the release or refusal is an entry of the approver's.
    BringDecision {
        /// Number of the export.
        export: u64,
        /// SHA-256 of the signed file, lower-case hex.
        decision_sha256: String,
    },
    /// Take cosignatures of a witness of the audit log.
    TrustWitness {
        /// Name in its key.
        witness: String,
    },
    /// Take cosignatures of a witness no more.
    DistrustWitness {
        /// Name in its key.
        witness: String,
    },
    /// Have the recorder send its checkpoints to a witness, or no more.
    SetWitnessPush {
        /// Name in its key.
        witness: String,
        /// Where to; empty: no more.
        url: String,
    },
    /// Read where checkpoints are sent, and what became of it.
    ReadLogPushes,
    /// Send the last checkpoint to a witness at once.
    PushLog {
        /// Name in its key.
        witness: String,
    },
    /// Have another key sign the audit log.
    ChangeLogKey {
        /// Why, in the admin's words.
        reason: String,
    },
    /// Bring home what witnesses signed, or a checkpoint that was kept outside.
    ImportCosignatures {
        /// Names in the lines that were brought.
        names: Vec<String>,
    },
    /// What a camera is for, and what is done with what it records. The recorder notes it by itself; nobody can ask for it.
    StatePolicy {
        /// Which.
        camera: CameraId,
        /// What for; empty when nobody said.
        purpose: String,
        /// It is recorded.
        enabled: bool,
        /// It was removed; what it recorded may still be there.
        removed: bool,
        /// Footage is made unreadable after so many days.
        retention_days_max: u32,
        /// Sound is recorded.
        audio: bool,
        /// Somebody is named who answers for it. Who, the log does not say: it cannot forget a name.
        contact: bool,
        /// How many parts of the picture are hidden.
        masks: usize,
        /// Plugins that look at it, by id.
        plugins: Vec<String>,
    },
    /// Read which policies there are, and which one somebody proposed.
    ReadPolicies,
    /// Propose a policy. One that loosens nothing is in force at once, another one when somebody else accepts it.
    ProposePolicy {
        /// Its id.
        policy: String,
        /// Its version.
        version: u32,
        /// SHA-256 of its file, lower-case hex.
        policy_sha256: String,
    },
    /// Bring a policy into force that somebody else proposed.
    AcceptPolicy {
        /// Its id.
        policy: String,
        /// Its version.
        version: u32,
        /// SHA-256 of its file, lower-case hex.
        policy_sha256: String,
        /// Whoever proposed it.
        proposed_by: u32,
    },
    /// Put a policy aside that somebody proposed.
    WithdrawPolicy {
        /// SHA-256 of its file, lower-case hex.
        policy_sha256: String,
    },
    /// The policy that is in force, where the log says another one. The recorder notes it by itself; nobody can ask for it.
    StateRules {
        /// Its id.
        policy: String,
        /// Its version.
        version: u32,
        /// SHA-256 of its file, lower-case hex.
        policy_sha256: String,
        /// What is held to.
        rules: Rules,
    },
    /// How long cameras were recorded. The recorder notes it by itself; nobody can ask for it.
    RecordHours {
        /// Since when it was counted.
        range: TimeRange,
        /// Those that were recorded at all.
        cameras: Vec<RecordedMinutes>,
    },
    /// The report of a month that is over is public. The recorder notes it by itself; nobody can ask for it.
    PublishReport {
        /// Which, as in `2026-11`.
        month: String,
        /// It is about the entries below this number.
        entries: u64,
        /// SHA-256 of the report, lower-case hex.
        report_sha256: String,
    },
    /// Accesses that an auditor is to look at were drawn. The recorder notes it by itself; nobody can ask for it.
    DrawReviews {
        /// From those in the entries from this number on.
        from: u64,
        /// Up to this one, which is not included: the last before it is the first that is dated in another week than the draw before.
        entries: u64,
        /// Root of the log up to there, lower-case hex: what the draw comes from.
        root: String,
        /// So many of a hundred are drawn.
        percent: usize,
        /// At least so many, as long as there are so many.
        at_least: usize,
    },
    /// Read which accesses are to be looked at, and what stands out in the log.
    ReadReviews,
    /// Say whether an access was right.
    AnswerReview {
        /// Number of its entry.
        entry: u64,
        /// It was.
        ok: bool,
        /// Why, in the auditor's words; may be empty when it was.
        reason: String,
    },
}

/// How long one camera was recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct RecordedMinutes {
    /// Which.
    pub camera: CameraId,
    /// Minutes with a picture of its main stream that the store took.
    pub minutes: u64,
}
