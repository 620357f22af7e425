//! Backups of the station's configuration, and what a restore would change.

use super::Secret;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What makes a backup.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BackupRequest {
    /// At least 10 characters. Without it nobody opens the file, also not whoever made it.
    #[schema(value_type = String, write_only)]
    pub passphrase: Secret,
}

/// A backup, or a passphrase and a backup behind it, as bytes.
#[derive(Clone, Debug, ToSchema)]
#[schema(value_type = String, format = Binary)]
pub struct BackupFile(pub Vec<u8>);

/// What a change is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum BackupPart {
    /// Somebody who may sign in.
    Account,
    /// A camera.
    Camera,
    /// All cases together.
    Cases,
    /// All requests of people who may be in the footage together.
    Requests,
    /// The policy in force.
    Policy,
    /// What was set on the page for the station as a whole.
    Settings,
}

/// What becomes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum BackupFate {
    /// It is not here now, and is then.
    Added,
    /// It becomes different.
    Changed,
    /// It is the same in both.
    Same,
    /// The backup does not have it, and it stays.
    Stays,
    /// The backup has it otherwise, and it is not put back: on a running station it is changed by itself, or by two people.
    LeftOut,
}

/// One field that becomes different. Of secrets there is the name alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct BackupField {
    /// As the API calls it.
    pub field: String,
    /// Now; null for a secret and for what has no short form.
    pub before: Option<String>,
    /// Then.
    pub after: Option<String>,
}

/// What a restore does to one thing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct BackupChange {
    /// What it is.
    pub part: BackupPart,
    /// Its number, of accounts and cameras.
    pub number: Option<u32>,
    /// Its name; how many there are, where all are taken together.
    pub name: String,
    /// What becomes of it.
    pub fate: BackupFate,
    /// What becomes different.
    pub fields: Vec<BackupField>,
}

/// A plugin whose package is not in the backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct BackupPlugin {
    /// Its id.
    pub id: String,
    /// Its version when the backup was made.
    pub version: String,
}

/// What restoring this backup would do, looked at before anything is done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct BackupPlan {
    /// Name of this plan: it is given back to restore. Another one when the file or the station has changed.
    pub plan: String,
    /// When the backup was made.
    pub made_utc_ms: i64,
    /// Version of the program that made it.
    pub version: String,
    /// Name of the station that made it.
    pub station: String,
    /// Name of that station's audit log.
    pub origin: String,
    /// SHA-256 of the file, lower-case hex: what the log says of a restore.
    pub backup_sha256: String,
    /// By kind and number.
    pub changes: Vec<BackupChange>,
    /// Plugins that have to be installed again where they are not.
    pub plugins: Vec<BackupPlugin>,
}

/// A restore is kept, and the recorder starts again with it: everybody signs in anew.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct BackupRestored {
    /// Always true.
    pub restarting: bool,
}
