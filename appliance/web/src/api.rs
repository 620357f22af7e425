//! The JSON shapes of the API. Names are snake_case; times are whole milliseconds UTC and end in `_utc_ms`; numbers that may pass 2^53 are strings.
//! Requests refuse fields they do not know.

mod camera;
mod footage;
mod people;
mod station;

pub use camera::{
    Camera, CameraList, CameraPatch, CameraRequest, CameraStates, CameraTest, CameraTestReport, FoundStream,
    PluginBinding, PluginBindingRequest, Point, StreamAddress, StreamState, StreamStatus, TestProblem, Transport, Zone,
};
pub use footage::{
    Area, Detection, Event, EventList, EventSource, Gap, GapReasonName, RecordingList, Span, VideoRoleName,
};
pub use people::{
    Account, AccountList, AccountPatch, AccountRequest, AuditList, AuditOutcome, AuditRow, ClaimRequest,
    PasswordRequest, RoleName, Secret, Session, SessionRequest,
};
pub use station::{
    CameraHealth, ClockHealth, Health, LiveHealth, Plugin, PluginList, PluginState, ProblemBody, RingHealth, Status,
    SyncStateName,
};
