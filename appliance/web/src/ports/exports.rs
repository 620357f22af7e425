//! Exports: footage as evidence bundles, which a second person releases.

use crate::api;
use crate::error::Error;
use std::sync::Arc;
use watchbook_access::{CaseNow, ExportNow, Grant, RecipientClass, Roles};
use watchbook_base::{CameraId, TimeRange, UtcNanos};
use watchbook_media::ByteFile;

/// The way out that is no place: a browser asks for the bundle. It stands in the log as the sink.
pub const DOWNLOAD: &str = "download";

/// What is asked for.
#[derive(Clone, Debug, PartialEq)]
pub struct ExportOrder {
    /// Number of the case.
    pub case: String,
    /// In order, each once.
    pub cameras: Vec<CameraId>,
    /// When.
    pub range: TimeRange,
    /// For what kind of receiver.
    pub recipient_class: RecipientClass,
    /// For whom.
    pub recipient: String,
    /// Who asks.
    pub account: u32,
    /// Name of the account, for the certificate.
    pub account_name: String,
    /// The case as it was when the gate was asked, and the roles of the account: what was true then. What the account may at any later moment is looked at then.
    pub of: (CaseNow, Roles),
    /// A redacted copy of the one camera is asked for, with this black; `None`: masters.
    pub redaction: Option<Redaction>,
}

/// What is to be black in a redacted copy.
#[derive(Clone, Debug, PartialEq)]
pub struct Redaction {
    /// Everything but the regions.
    pub everything_but: bool,
    /// At most 32, checked.
    pub regions: Vec<api::RedactionRegion>,
    /// The export with the master that the copy is to be linked to.
    pub of_export: Option<u64>,
}

/// What a second person says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExportAnswer {
    /// Number of the export.
    pub export: u64,
    /// SHA-256 of the manifest that was looked at, lower-case hexadecimal.
    pub manifest_sha256: String,
    /// Who answers.
    pub account: u32,
    /// Why not; `None`: it is released.
    pub refusal: Option<String>,
}

/// A bundle that is to be written to a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExportDelivery {
    /// Number of the export.
    pub export: u64,
    /// SHA-256 of the manifest that was released, lower-case hexadecimal.
    pub manifest_sha256: String,
    /// Where to: the id of one of [`Exports::sinks`].
    pub sink: String,
    /// Who asks.
    pub account: u32,
}

/// A bundle on its way out.
pub struct ExportFile {
    /// The archive.
    pub file: Arc<dyn ByteFile>,
    /// When its proofs were made: an archive with others has other bytes.
    pub proven: UtcNanos,
}

/// The exports of the station.
pub trait Exports: Send + Sync {
    /// All that are remembered, newest first. Names of accounts are left open.
    ///
    /// # Errors
    /// When they cannot be read.
    fn list(&self) -> Result<Vec<api::Export>, Error>;

    /// What the gate is told of an export; `None` for an unknown one. It waits for no disk: it is asked before each chunk of a file that is sent.
    fn facts(&self, export: u64) -> Option<ExportNow>;

    /// What is wrong with exports as a whole, in sentences.
    fn troubles(&self) -> Vec<String>;

    /// Where bundles can be written to at this moment.
    ///
    /// # Errors
    /// When it cannot be looked up.
    fn sinks(&self) -> Result<api::ExportSinkList, Error>;

    /// Has a released bundle written to a place. `grant` must be for its delivery there.
    ///
    /// # Errors
    /// `NotFound` for an unknown export or place; `Denied` for anybody but whoever asked for it; `Conflict` when it is not released or on its way there already; `Exhausted` when
    /// there is no room, or too many wait.
    fn deliver(&self, grant: Arc<Grant>, delivery: ExportDelivery) -> Result<api::Export, Error>;

    /// Bytes and seconds that an export would take; estimates.
    ///
    /// # Errors
    /// When an index cannot be read.
    fn estimate(&self, cameras: &[CameraId], range: TimeRange) -> Result<api::ExportEstimate, Error>;

    /// Has a bundle made. `grant` must be for this request; the export has the number that the grant names.
    ///
    /// # Errors
    /// `Denied` when it is not; `NotFound` for an unknown camera; `Exhausted` when too many wait or there is no room.
    fn request(&self, grant: Arc<Grant>, order: ExportOrder) -> Result<api::Export, Error>;

    /// Gives an export up.
    ///
    /// # Errors
    /// `NotFound`; `Denied` for another account; `Conflict` when it has ended.
    fn cancel(&self, grant: &Grant, export: u64, account: u32) -> Result<api::Export, Error>;

    /// Whether this account may release or refuse an export with this manifest at this moment: what cannot be is not allowed first. Waits for no disk.
    ///
    /// # Errors
    /// As [`Exports::answer`].
    fn may_answer(&self, export: u64, account: u32, manifest_sha256: &str) -> Result<(), Error>;

    /// Releases or refuses an export. `grant` must be for that.
    ///
    /// # Errors
    /// `NotFound`; `Denied` for whoever asked for it; `Conflict` when it waits for no answer or has another manifest, and then nothing is released.
    fn answer(&self, grant: &Grant, answer: ExportAnswer) -> Result<api::Export, Error>;

    /// The bundle as one archive. `grant` must be for its delivery.
    ///
    /// # Errors
    /// `NotFound`; `Denied` for anybody but whoever asked for it; `Conflict` when it is not released.
    fn open(&self, grant: &Grant, export: u64, account: u32, manifest_sha256: &str) -> Result<ExportFile, Error>;
}
