//! The JSON shapes of the API. Names are snake_case; times are whole milliseconds UTC and end in `_utc_ms`; numbers that may pass 2^53 are strings.
//! Requests refuse fields they do not know.

mod backup;
mod bookmarks;
mod camera;
mod cases;
mod counts;
mod decisions;
mod device;
mod disks;
mod exports;
mod follow;
mod footage;
mod holds;
mod local;
mod log;
mod machine;
mod mirror;
mod passkey;
mod people;
mod plugins;
mod policies;
mod proposals;
mod redact;
mod rederive;
mod report;
mod requests;
mod retention;
mod sessions;
mod settings;
mod sign;
mod station;
mod tls;

pub use backup::{
    BackupChange, BackupFate, BackupField, BackupFile, BackupPart, BackupPlan, BackupPlugin, BackupRequest,
    BackupRestored,
};
pub use bookmarks::{Bookmark, BookmarkList, BookmarkRequest};
pub use camera::{
    Camera, CameraList, CameraPatch, CameraRequest, CameraReview, CameraStates, CameraTest, CameraTestReport,
    ClockList, ClockReading, FoundStream, ImportanceName, LastGap, PluginBinding, PluginBindingRequest, Point, Sight,
    SightKind, StillPicture, StreamAddress, StreamEncoder, StreamState, StreamStatus, TestProblem, Transport, Zone,
};
pub use cases::{Case, CaseList, CasePatch, CasePerson, CaseRequest, PurposeName};
pub use counts::{CountBucket, CountList, CountSeries};
pub use decisions::{ApproverKeyRequest, DecisionRequest};
pub use device::{Device, DeviceEncoding, DeviceProfile, DeviceReport, DeviceRequest, FoundDevice, FoundDeviceList};
pub use disks::{
    Alarm, AlarmKind, DamageKind, DamagedRun, Disk, DiskAcceptance, DiskRequest, DiskRetirement, DiskState, DropRow,
    Pressure, Scrub, VaultHealth,
};
pub use exports::{
    Export, ExportAnswer, ExportDeliverRequest, ExportDelivery, ExportDeliveryState, ExportEstimate, ExportFile,
    ExportList, ExportMade, ExportMissing, ExportProgress, ExportRefuseRequest, ExportReleaseRequest, ExportRequest,
    ExportSink, ExportSinkKind, ExportSinkList, ExportState, RecipientClassName,
};
pub use follow::{
    DeviceAcceptance, DeviceEvents, DeviceMasks, DeviceSettings, DeviceState, DeviceStatus, OtherCamera, PtzPosition,
    PtzPreset, PtzPresetRequest, PtzRequest, PtzView, WithoutMasks,
};
pub use footage::{
    Area, DamagedInterval, Detection, Event, EventList, EventSource, Gap, GapReasonName, HeldInterval,
    ImpairedInterval, RecordingList, Span, VideoRoleName,
};
pub use holds::{
    Hold, HoldEstimate, HoldList, HoldMissing, HoldMissingReason, HoldRelease, HoldReleaseRequest, HoldRequest,
    HoldState, TrackRoleName,
};
pub use local::{LocalCamera, LocalCameraList, LocalCoding, LocalControl, LocalFormat, LocalSize};
pub use log::{
    LogCheckpoint, LogCosigned, LogImport, LogImportRequest, LogKeyRequest, LogPush, LogPushList, LogPushOutcome,
    LogPushRequest, LogPushed, LogWitness, LogWitnessList, LogWitnessRequest,
};
pub use machine::{MachineHealth, MachineNetwork, MachineTemperature};
pub use mirror::{Mirror, MirrorList, MirrorMade, MirrorRequest};
pub use passkey::{
    NewPasskey, Passkey, PasskeyAssertion, PasskeyChallenge, PasskeyList, PasskeySetUp, PasskeySetUpRequest,
};
pub use people::{
    Account, AccountList, AccountPatch, AccountRequest, AuditList, AuditOutcome, AuditRow, ClaimRequest,
    PasswordRequest, RoleName, SecondFactorCode, SecondFactorSetUp, SecondFactorSetUpRequest, Secret, Session,
    SessionRequest,
};
pub use plugins::{
    ChildWall, Plugin, PluginAbi, PluginAbiVersion, PluginAsks, PluginChange, PluginCost, PluginDevMode,
    PluginDevModeRequest, PluginInput, PluginJudgement, PluginKind, PluginLimits, PluginList, PluginLog, PluginLogLine,
    PluginModel, PluginOrigin, PluginPackage, PluginPublisher, PluginPublisherList, PluginPublisherRequest,
    PluginSigner, PluginState, PluginTriedOut, PluginTriedOutRequest, PluginVersion,
};
pub use policies::{
    OfferedPolicy, Policy, PolicyAcceptRequest, PolicyList, PolicyRequest, PolicyRules, ProposedPolicy, PublicPolicy,
};
pub use proposals::{
    Decision, Proposal, ProposalClip, ProposalDecided, ProposalDecisionRequest, ProposalEvent, ProposalKind,
    ProposalList, ProposalRule, ProposalState,
};
pub use redact::{ExportRedaction, RedactedExportRequest, RedactionKey, RedactionRegion};
pub use rederive::{
    Rederivation, RederivationDifference, RederivationField, RederivationInputs, RederivationLead, RederivationOutcome,
    RederivationRefusal, RederivationRequest, RederivationResult, RederivationState,
};
pub use report::{Anomaly, AnomalyList, ReportList, ReportMonth, Review, ReviewAnswer, ReviewList};
pub use requests::{
    DisclosedToName, ExtensionName, RefusingName, SubjectRequest, SubjectRequestAnswer, SubjectRequestDisclosure,
    SubjectRequestEnded, SubjectRequestExtend, SubjectRequestExtended, SubjectRequestInput, SubjectRequestList,
    SubjectRequestPatch, SubjectRequestRefusal, SubjectRequestRefuse, SubjectRequestSearch, SubjectRequestState,
};
pub use retention::{Erasure, ErasureList, Retention, RetentionList};
pub use sessions::{SignedIn, SignedInList};
pub use settings::{
    StationSettingChange, StationSettingChanged, StationSettingRow, StationSettings, StationSettingsEntry,
    StationSettingsHistory, StationSettingsPatch,
};
pub use sign::{CameraSign, Sign, SignMissing, SignPlugin, SignQuestion, SignWants};
pub use station::{CameraHealth, ClockHealth, Health, LiveHealth, ProblemBody, RingHealth, Status, SyncStateName};
pub use tls::*;
