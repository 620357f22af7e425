//! How often something happened.

use serde::Serialize;
use utoipa::ToSchema;
use watchbook_base::CameraId;

/// How long a bucket is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum CountBucket {
    /// An hour.
    Hour,
    /// 24 hours.
    Day,
}

/// Events of one kind on one camera.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct CountSeries {
    /// Where.
    #[schema(value_type = u32)]
    pub camera: CameraId,
    /// The plugin's word for them, as in `crossing-in`.
    pub kind: String,
    /// All of them.
    pub total: u64,
    /// For each bucket, how many began in it.
    pub counts: Vec<u64>,
}

/// Events of an interval, counted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct CountList {
    /// How long a bucket is.
    pub bucket: CountBucket,
    /// Starts of the buckets, in order. The first and the last may reach out of the interval: what begins outside is not counted.
    pub starts_utc_ms: Vec<i64>,
    /// In order of camera and kind. What never happened has no row.
    pub series: Vec<CountSeries>,
    /// Not null when there were more than 200 000 events: counts of buckets before this moment may be too small.
    pub whole_from_utc_ms: Option<i64>,
}
