//! The sign beside a camera: what somebody who passes it must be able to know, from the station's records alone.

use serde::Serialize;
use utoipa::ToSchema;
use watchbook_base::CameraId;

/// The questions that a sign answers, as DTPR (Digital Trust for Places and Routines, CC BY 4.0) puts them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SignQuestion {
    /// What for.
    Purpose,
    /// Who answers for it.
    Accountable,
    /// What kind of device it is.
    Technology,
    /// What it takes.
    Data,
    /// What is done with that.
    Processing,
    /// Where it is kept, and how long.
    Storage,
    /// Who sees it, and how one asks for one's own.
    Access,
}

/// What a record lacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SignWants {
    /// The camera's purpose: in its settings.
    CameraPurpose,
    /// The camera is switched off: in its settings.
    CameraEnabled,
    /// What its sound is recorded for: in its settings.
    AudioPurpose,
    /// A bound plugin that is not installed any more or does not say what it is for: on the page of plugins, or switched off in the camera's settings.
    PluginPurpose,
    /// The station's name, one of its settings.
    StationName,
    /// Whom to ask, one of its settings.
    StationContact,
}

/// A question that the records do not answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct SignMissing {
    /// Which.
    pub question: SignQuestion,
    /// What is to be filled in.
    pub wants: SignWants,
    /// Of which plugin.
    pub plugin: Option<String>,
}

/// A plugin that looks at the camera's pictures.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct SignPlugin {
    /// Its id.
    pub id: String,
    /// What it does, in its publisher's words.
    pub summary: String,
    /// What it is for, in its publisher's words, as in `motion-detection`.
    pub purpose: String,
    /// What it may report, in its publisher's words.
    pub reports: Vec<String>,
}

/// What stands on a sign. Texts are as somebody typed them: show them as text only.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Sign {
    /// The camera's name.
    pub name: String,
    /// What it is there for.
    pub purpose: String,
    /// Who answers for it.
    pub station: String,
    /// Whom to ask.
    pub contact: String,
    /// Who answers for this camera, where that is somebody else.
    pub accountable: Option<String>,
    /// It can be turned or zoomed from here, as far as is known.
    pub turns: bool,
    /// It is plugged into the recorder; otherwise it is on the network.
    pub plugged_in: bool,
    /// What its sound is recorded for; null when none is.
    pub audio_purpose: Option<String>,
    /// Parts of the picture that no program sees.
    pub masks: u32,
    /// Those are black in the record, too.
    pub masks_in_record: bool,
    /// Plugins that look at it.
    pub plugins: Vec<SignPlugin>,
    /// Footage is made unreadable after so many days.
    pub retention_days_max: u32,
    /// Who asks for footage of themselves is answered within so many days.
    pub answer_days: u32,
    /// Where the public reaches the page; null: at the address at which it is open.
    pub address: Option<String>,
}

/// The sign of a camera, or why there is none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct CameraSign {
    /// Which camera.
    #[schema(value_type = u32)]
    pub camera: CameraId,
    /// Null while a question has no answer.
    pub sign: Option<Sign>,
    /// What has no answer, and what to fill in.
    pub missing: Vec<SignMissing>,
}
