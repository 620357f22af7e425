//! Which role an action needs, and which cameras the account must have for it. Both lists name every action and end in no wildcard: a new one does not compile before somebody has
//! said here who may do it.

use crate::action::Action as A;
use crate::role::Role;
use core::slice::from_ref;
use watchbook_base::CameraId;

const ADMIN: &[Role] = &[Role::Admin];
const APPROVER: &[Role] = &[Role::Approver];
const AUDITOR: &[Role] = &[Role::Auditor];
const INVESTIGATOR: &[Role] = &[Role::Investigator];
/// Who may know how long footage stays and what is kept for which case.
const RECORD_KEEPERS: &[Role] = &[Role::Investigator, Role::Approver, Role::Auditor, Role::Admin];
const INVESTIGATOR_OR_ADMIN: &[Role] = &[Role::Investigator, Role::Admin];
const INVESTIGATOR_OR_APPROVER: &[Role] = &[Role::Investigator, Role::Approver];

/// Roles of which one is needed.
///
/// # Errors
/// Of what nobody can ask for, because the recorder does it by itself: why not.
pub(super) fn roles(action: &A) -> Result<&'static [Role], &'static str> {
    Ok(match action {
        // Whoever holds the one-time code, or knows a password, proves it in the act itself.
        A::Claim | A::SignIn { .. } | A::SignOut | A::ReadConfig => &Role::ALL,
        A::ChangeOwnAccount | A::SetUpSecondFactor | A::EnterSecondFactor => &Role::ALL,
        A::ReadOwnSessions | A::EndOwnSession { .. } => &Role::ALL,
        A::ReadOwnPasskeys | A::SetUpPasskey | A::AddPasskey { .. } | A::RemoveOwnPasskey { .. } => &Role::ALL,
        A::RemovePasskey { .. } => ADMIN,
        A::ReadSessions | A::EndSession { .. } => ADMIN,
        A::MakeBackup | A::CompareBackup { .. } | A::RestoreBackup { .. } => ADMIN,
        A::UploadCertificate { .. } | A::RemoveCertificate => ADMIN,
        A::Live { .. } => &[Role::Viewer],
        A::Timeline { .. } | A::Playback { .. } | A::SearchEvents { .. } => INVESTIGATOR,
        // To derive again shows no picture, but what comes out tells of footage, and it costs as much as playing it: whoever may play it.
        A::Rederive { .. } | A::CancelRederive { .. } => INVESTIGATOR,
        // How long footage stays, and what is kept for which case, is for those who answer for it. A viewer sees live pictures only.
        A::ReadRetention { .. } | A::ReadHolds | A::ReadCases | A::ReadSubjectRequests => RECORD_KEEPERS,
        A::ReadPolicies => RECORD_KEEPERS,
        A::OpenCase { emergency: true, .. } => INVESTIGATOR,
        A::OpenCase { emergency: false, .. } | A::ChangeCase { .. } => APPROVER,
        // Whoever works in it gives it up when they are done; nobody sees more afterwards.
        A::CloseCase { .. } => INVESTIGATOR_OR_APPROVER,
        A::AddBookmark { .. } | A::ReadBookmarks { .. } | A::RemoveBookmark { .. } => INVESTIGATOR,
        // The ring does not wait for a second signature: whoever may play footage may keep it. Giving it up destroys it, so somebody else does that.
        A::PlaceHold { .. } | A::RequestExport { .. } | A::CancelExport { .. } | A::DeliverExport { .. } => {
            INVESTIGATOR
        }
        A::ReleaseHold { .. } | A::ReleaseExport { .. } | A::RefuseExport { .. } => APPROVER,
        A::ReadExports => &[Role::Investigator, Role::Approver, Role::Auditor],
        // Whoever carries the files decides nothing.
        A::AskDecision { .. } | A::BringDecision { .. } => INVESTIGATOR_OR_APPROVER,
        // Whoever takes a request up at the counter needs no footage; whoever looks for it works in a case that an approver opened; no to somebody, and more time, are an approver's.
        A::RegisterSubjectRequest { .. } | A::ChangeSubjectRequest { .. } => INVESTIGATOR_OR_ADMIN,
        A::WithdrawSubjectRequest { .. } => INVESTIGATOR_OR_ADMIN,
        A::SearchForSubjectRequest { .. } => INVESTIGATOR_OR_APPROVER,
        A::AnswerSubjectRequest { .. } => INVESTIGATOR,
        A::ExtendSubjectRequest { .. } | A::RefuseSubjectRequest { .. } => APPROVER,
        // What follows from a decision, such as a hold, asks for its own right.
        A::ReadProposals | A::DecideProposal { .. } => INVESTIGATOR_OR_ADMIN,
        // Whoever turns a camera decides what is recorded: that is for those who answer for footage and for the installation, not for whoever may look.
        A::TurnCamera { .. } => INVESTIGATOR_OR_ADMIN,
        A::ReadStationSettings => &[Role::Auditor, Role::Admin],
        A::ChangeStationSettings { .. } => ADMIN,
        A::AcceptCamera { .. } | A::ReviewCamera { .. } | A::ChangeConfig { .. } => ADMIN,
        A::InstallPlugin { .. } | A::ApprovePlugin { .. } | A::RejectPlugin { .. } | A::RollBackPlugin { .. } => ADMIN,
        A::RemovePlugin { .. } | A::ReadPluginLog { .. } | A::ReadPublishers | A::TrustPublisher { .. } => ADMIN,
        A::DistrustPublisher { .. } | A::SetPluginDevMode { .. } | A::SetPluginTriedOut { .. } => ADMIN,
        A::AddDisk { .. } | A::AcceptDisk { .. } | A::RetireDisk { .. } | A::ProposePolicy { .. } => ADMIN,
        A::AcceptPolicy { .. } | A::WithdrawPolicy { .. } => &[Role::Approver, Role::Admin],
        A::ReadAccounts | A::ChangeAccount { .. } | A::RemoveSecondFactor { .. } | A::ChangeLogKey { .. } => ADMIN,
        // Where the recorder connects to is a setting of the installation; whether the witnesses sign is what both look after.
        A::EnrolApproverKey { .. } | A::RemoveApproverKey { .. } | A::SetWitnessPush { .. } => ADMIN,
        A::ReadLogPushes | A::PushLog { .. } => &[Role::Auditor, Role::Admin],
        A::ReadAudit | A::MirrorLog { .. } | A::MakeMirrorToken { .. } | A::RevokeMirrorToken { .. } => AUDITOR,
        A::TrustWitness { .. } | A::DistrustWitness { .. } | A::ImportCosignatures { .. } => AUDITOR,
        A::ReadReviews | A::AnswerReview { .. } => AUDITOR,
        A::Erase { .. } => return Err("erasing is done by the maximum age alone: set a smaller one"),
        A::FootageLost { .. } => return Err("the recorder itself notes what a disk has lost"),
        A::Propose { .. } => return Err("rules propose, people decide"),
        A::Rederived { .. } => return Err("the recorder itself notes what came out"),
        A::NoteCamera { .. } => return Err("the recorder itself notes what happens at a camera"),
        A::StatePolicy { .. } | A::StateRules { .. } | A::RecordHours { .. } => return Err(OF_REPORT),
        A::PublishReport { .. } | A::DrawReviews { .. } => return Err(OF_REPORT),
    })
}

const OF_REPORT: &str = "the recorder itself notes what its report is made of";

/// Cameras that the account must have. Those of an export that there is are the export's to say, see [`crate::export`].
pub(super) fn cameras(action: &A) -> &[CameraId] {
    match action {
        A::Live { camera } | A::Timeline { camera } | A::Playback { camera, .. } => from_ref(camera),
        A::Rederive { camera, .. } | A::CancelRederive { camera, .. } => from_ref(camera),
        A::TurnCamera { camera, .. } | A::AcceptCamera { camera, .. } => from_ref(camera),
        A::ReviewCamera { camera, .. } => from_ref(camera),
        A::SearchEvents { camera: None, cameras, .. } => cameras,
        A::SearchEvents { camera, .. } | A::ReadRetention { camera } | A::ChangeConfig { camera, .. } => {
            camera.as_slice()
        }
        A::OpenCase { cameras, .. } | A::PlaceHold { cameras, .. } | A::RequestExport { cameras, .. } => cameras,
        A::AddBookmark { cameras, .. } => cameras,
        A::Claim | A::SignIn { .. } | A::SignOut | A::ReadConfig | A::ChangeOwnAccount => &[],
        A::ReadStationSettings | A::ChangeStationSettings { .. } => &[],
        A::SetUpSecondFactor | A::EnterSecondFactor | A::RemoveSecondFactor { .. } => &[],
        A::ReadOwnPasskeys | A::SetUpPasskey | A::AddPasskey { .. } => &[],
        A::RemoveOwnPasskey { .. } | A::RemovePasskey { .. } => &[],
        A::ReadOwnSessions | A::EndOwnSession { .. } | A::ReadSessions | A::EndSession { .. } => &[],
        A::MakeBackup | A::CompareBackup { .. } | A::RestoreBackup { .. } => &[],
        A::UploadCertificate { .. } | A::RemoveCertificate => &[],
        A::ReadHolds | A::ReleaseHold { .. } | A::ReadCases | A::ChangeCase { .. } | A::CloseCase { .. } => &[],
        A::ReadBookmarks { .. } | A::RemoveBookmark { .. } => &[],
        A::ReadExports | A::CancelExport { .. } | A::ReleaseExport { .. } | A::RefuseExport { .. } => &[],
        A::DeliverExport { .. } | A::AskDecision { .. } | A::BringDecision { .. } => &[],
        A::ReadSubjectRequests | A::RegisterSubjectRequest { .. } | A::ChangeSubjectRequest { .. } => &[],
        A::SearchForSubjectRequest { .. } | A::ExtendSubjectRequest { .. } | A::AnswerSubjectRequest { .. } => &[],
        A::RefuseSubjectRequest { .. } | A::WithdrawSubjectRequest { .. } => &[],
        A::ReadProposals | A::DecideProposal { .. } | A::InstallPlugin { .. } | A::ApprovePlugin { .. } => &[],
        A::RejectPlugin { .. } | A::RollBackPlugin { .. } | A::RemovePlugin { .. } | A::ReadPluginLog { .. } => &[],
        A::ReadPublishers | A::TrustPublisher { .. } | A::DistrustPublisher { .. } => &[],
        A::SetPluginDevMode { .. } | A::SetPluginTriedOut { .. } => &[],
        A::AddDisk { .. } | A::AcceptDisk { .. } | A::RetireDisk { .. } | A::ReadAccounts => &[],
        A::ChangeAccount { .. } | A::EnrolApproverKey { .. } | A::RemoveApproverKey { .. } => &[],
        A::ReadAudit | A::MirrorLog { .. } | A::MakeMirrorToken { .. } | A::RevokeMirrorToken { .. } => &[],
        A::TrustWitness { .. } | A::DistrustWitness { .. } | A::ChangeLogKey { .. } => &[],
        A::SetWitnessPush { .. } | A::ReadLogPushes | A::PushLog { .. } => &[],
        A::ImportCosignatures { .. } | A::ReadReviews | A::AnswerReview { .. } | A::ReadPolicies => &[],
        A::ProposePolicy { .. } | A::AcceptPolicy { .. } | A::WithdrawPolicy { .. } => &[],
        // Nobody can ask for these.
        A::Erase { .. } | A::FootageLost { .. } | A::Propose { .. } | A::Rederived { .. } => &[],
        A::NoteCamera { .. } | A::StatePolicy { .. } | A::StateRules { .. } | A::RecordHours { .. } => &[],
        A::PublishReport { .. } | A::DrawReviews { .. } => &[],
    }
}
