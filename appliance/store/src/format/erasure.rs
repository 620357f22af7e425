//! What record 18 says: keys that were destroyed because their footage had reached its maximum age.

use crate::codec::{Put, Take, count};
use watchbook_base::{CameraId, UtcNanos};

/// Bytes of one key in a record.
pub(crate) const ERASED_BYTES: usize = 16;
/// Bytes before the first.
pub(crate) const ERASURE_HEAD_BYTES: usize = 16;
/// Keys of one record: 32 kB. A longer list is told by several.
pub(crate) const ERASED_PER_RECORD_MAX: usize = 2000;

/// One hour of one camera that cannot be read any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Erased {
    /// The key that was destroyed.
    pub key_id: u32,
    /// Whose footage.
    pub camera: CameraId,
    /// Start of the hour, by the trusted time.
    pub hour_utc: UtcNanos,
    /// When it was erased, by the trusted time.
    pub erased_utc: UtcNanos,
}

/// The body of a record. All of one record were erased at one moment.
pub(crate) fn encode(erased: &[Erased]) -> Vec<u8> {
    let mut body = Vec::with_capacity(ERASURE_HEAD_BYTES + ERASED_BYTES * erased.len());
    body.i64(erased.first().map_or(0, |erased| erased.erased_utc.0));
    body.u32(count(erased.len()));
    body.u32(0);
    for Erased { key_id, camera, hour_utc, .. } in erased {
        body.u32(*key_id);
        body.u32(camera.get());
        body.i64(hour_utc.0);
    }
    body
}

/// The inverse of [`encode`].
pub(crate) fn decode(body: &mut Take<'_>) -> Option<Vec<Erased>> {
    let erased_utc = UtcNanos(body.i64()?);
    let keys = body.u32()?;
    body.u32()?;
    let one = |body: &mut Take<'_>| {
        let (key_id, camera) = (body.u32()?, CameraId::new(body.u32()?)?);
        Some(Erased { key_id, camera, hour_utc: UtcNanos(body.i64()?), erased_utc })
    };
    (0..keys).map(|_| one(body)).collect()
}
