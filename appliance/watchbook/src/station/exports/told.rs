//! Leaves that exports wrote about time without footage of which the log did not tell, such as footage that the ring has overwritten. They are remembered, so that the next export of that time
//! does not tell of it again: the public report counts every leaf.

use watchbook_base::{StreamId, UtcNanos};
use watchbook_evidence::record::Record;
use watchbook_export::holes::{Hole, Known};
use watchbook_export::{Error, Result};
use watchbook_store::register::{Change, Namespace, Register};

/// Rows of the register begin with it; behind it the stream and the number of the leaf, big-endian.
const PREFIX: &[u8] = b"export_gap/";
/// Leaves of one stream that are remembered; the oldest are forgotten first.
const KEPT_MAX: usize = 4096;

fn stored(error: watchbook_store::Error) -> Error {
    Error::new(error.kind, error.message)
}

fn key(stream: StreamId, leaf: u64) -> Vec<u8> {
    [PREFIX, &stream.to_u32().to_be_bytes(), &leaf.to_be_bytes()].concat()
}

/// What exports told of a stream.
///
/// # Errors
/// When the register cannot be read.
pub(super) fn known(register: &Register, stream: StreamId) -> Result<Vec<Known>> {
    let prefix = [PREFIX, &stream.to_u32().to_be_bytes()].concat();
    let rows = register.scan(Namespace::Setting, &prefix).map_err(stored)?;
    let read = rows.iter().filter_map(|row| {
        let leaf = u64::from_be_bytes(*row.key.last_chunk::<8>()?);
        let (start, end) = row.value.split_first_chunk::<8>()?;
        let (start, end) = (i64::from_le_bytes(*start), i64::from_le_bytes(end.try_into().ok()?));
        Some(Known { leaf, start: UtcNanos(start), end: UtcNanos(end) })
    });
    Ok(read.collect())
}

/// Writes leaves that tell of these holes, and remembers them: both or nothing. Their numbers, in the order of the holes.
///
/// # Errors
/// When the register cannot be read or written.
pub(super) fn tell(register: &Register, holes: &[(StreamId, Hole)]) -> Result<Vec<u64>> {
    let record = |(stream, hole): &(StreamId, Hole)| Record::Gap {
        end_ns: hole.end.0.to_string(),
        reason: hole.reason.clone(),
        start_ns: hole.start.0.to_string(),
        stream: stream.to_u32(),
    };
    let records: Vec<Record> = holes.iter().map(record).collect();
    let mut streams: Vec<StreamId> = holes.iter().map(|(stream, _)| *stream).collect();
    streams.dedup();
    let mut forgotten = Vec::new();
    for stream in streams {
        let known = known(register, stream)?;
        let new = holes.iter().filter(|(of, _)| *of == stream).count();
        let over = (known.len() + new).saturating_sub(KEPT_MAX);
        forgotten.extend(known.iter().take(over).map(|old| Change::delete(Namespace::Setting, key(stream, old.leaf))));
    }
    let changes = |first: u64| {
        let row = |((stream, hole), leaf): (&(StreamId, Hole), u64)| {
            let value = [hole.start.0.to_le_bytes(), hole.end.0.to_le_bytes()].concat();
            Change::put(Namespace::Setting, key(*stream, leaf), value)
        };
        holes.iter().zip(first..).map(row).chain(forgotten).collect()
    };
    let first = register.append_records(&records, changes).map_err(stored)?;
    Ok((first..).take(holes.len()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use watchbook_base::clock::SystemClock;
    use watchbook_base::{CameraId, TrackRole};
    use watchbook_store::kv::model::ModelKv;

    #[test]
    fn what_an_export_told_of_is_known_to_the_next_one() {
        let register = Register::on(Arc::new(ModelKv::new()), Arc::new(SystemClock)).unwrap();
        let stream = |camera| CameraId::new(camera).unwrap().stream(TrackRole::MainVideo);
        let hole = |start, end| Hole { start: UtcNanos(start), end: UtcNanos(end), reason: "not_stored".to_owned() };
        assert_eq!(known(&register, stream(1)).unwrap(), []);
        let told = [(stream(1), hole(-5, 9)), (stream(1), hole(20, 10)), (stream(2), hole(1, 2))];
        assert_eq!(tell(&register, &told).unwrap(), [0, 1, 2]);
        let known = |leaf, start, end| Known { leaf, start: UtcNanos(start), end: UtcNanos(end) };
        assert_eq!(super::known(&register, stream(1)).unwrap(), [known(0, -5, 9), known(1, 20, 10)]);
        assert_eq!(super::known(&register, stream(2)).unwrap(), [known(2, 1, 2)]);
        let body = r#"{"kind":"gap","end_ns":"9","reason":"not_stored","start_ns":"-5","stream":256}"#;
        let row = register.audit_entries(0, 1).unwrap();
        assert_eq!(row[0].json().unwrap().replace(&stream(1).to_u32().to_string(), "256"), body);
    }

    #[test]
    fn the_oldest_are_forgotten() {
        let register = Register::on(Arc::new(ModelKv::new()), Arc::new(SystemClock)).unwrap();
        let stream = CameraId::new(1).unwrap().stream(TrackRole::MainVideo);
        let many = |from: i64, count: usize| -> Vec<(StreamId, Hole)> {
            let hole = |at| Hole { start: UtcNanos(at), end: UtcNanos(at + 1), reason: "disk".to_owned() };
            (from..).take(count).map(|at| (stream, hole(at))).collect()
        };
        tell(&register, &many(0, KEPT_MAX)).unwrap();
        tell(&register, &many(10_000, 3)).unwrap();
        let kept = known(&register, stream).unwrap();
        assert_eq!((kept.len(), kept[0].start.0, kept[KEPT_MAX - 1].start.0), (KEPT_MAX, 3, 10_002));
    }
}
