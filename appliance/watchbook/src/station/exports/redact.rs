//! Redacted copies: what is asked for in the words of the API, and the programs that decode, fill and encode.

use super::{ExportDesk, Result, exported};
use std::path::Path;
use watchbook_analysis as analysis;
use watchbook_analysis::Point;
use watchbook_analysis::redact::Coded;
use watchbook_base::{CameraId, Kind, TimeRange, UtcNanos};
use watchbook_evidence::bundle::redaction::{Corner, Key, MasterLink, Region};
use watchbook_export::job::{Job, Made};
use watchbook_export::redact::{Fill, OnCoded, Redactor, Unit, Wish};
use watchbook_media::TrackFormat;
use watchbook_web::api;
use watchbook_web::error::Error;
use watchbook_web::ports::Redaction;

/// 1/65,536 of the picture for each whole.
const PARTS: f32 = 65_536.0;

/// Milliseconds of work that a second of footage is expected to take before anything was measured.
pub(super) const MS_PER_S: u64 = 1_000;

/// Milliseconds of work for a second of what was made.
pub(super) fn measured(millis: u64, made: &Made) -> u64 {
    let footage_ms = made.delivered.map_or(0, |range| range.nanos() / 1_000_000);
    let footage_ms = u64::try_from(footage_ms).unwrap_or(0).max(1);
    (millis.saturating_mul(1_000) / footage_ms).clamp(1, 100 * MS_PER_S)
}

/// Seconds that a redacted copy of `range` takes.
pub(super) fn seconds(range: TimeRange, ms_per_s: u64) -> u64 {
    let footage_ms = u64::try_from(range.nanos() / 1_000_000).unwrap_or(0);
    footage_ms.saturating_mul(ms_per_s) / 1_000_000 + 1
}

/// A fraction of the picture, rounded down or up.
fn part(fraction: f32, up: bool) -> u16 {
    let parts = fraction.clamp(0.0, 1.0) * PARTS;
    let parts = if up { parts.ceil() } else { parts.floor() };
    parts.min(PARTS - 1.0) as u16
}

fn ns(ms: i64) -> String {
    UtcNanos::from_ms(ms).0.to_string()
}

/// A region as the manifest has it. What is to be black grows by the rounding, what is to stay shrinks.
fn region(region: &api::RedactionRegion, stays: bool) -> Region {
    let corner = |corner: &api::Point| -> Corner {
        let Point { x, y } = Point::from_fractions(f64::from(corner.x), f64::from(corner.y));
        (x, y)
    };
    let key = |key: &api::RedactionKey| Key {
        at_ns: ns(key.at_utc_ms),
        rectangle: (part(key.left, stays), part(key.top, stays), part(key.right, !stays), part(key.bottom, !stays)),
    };
    Region {
        from_ns: region.from_utc_ms.map(ns),
        keys: region.keys.iter().map(key).collect(),
        polygon: region.polygon.iter().map(corner).collect(),
        to_ns: region.to_utc_ms.map(ns),
    }
}

impl ExportDesk {
    /// Seconds that a redacted copy of `range` takes.
    pub(super) fn redacted_seconds(&self, range: TimeRange) -> u64 {
        seconds(range, self.redact_ms_per_s.load(std::sync::atomic::Ordering::Relaxed))
    }

    /// What is asked for, with the hashes of its master.
    pub(super) fn wish(
        &self,
        redaction: &Redaction,
        case: &str,
        (camera, range): (CameraId, TimeRange),
    ) -> Result<Wish> {
        let everything_but = redaction.everything_but;
        let regions: Vec<Region> = redaction.regions.iter().map(|asked| region(asked, everything_but)).collect();
        for region in &regions {
            region.check().map_err(|why| Error::invalid(format!("asking for a redacted copy: {why}")))?;
        }
        let master = redaction.of_export.map(|export| {
            let job = self.ledger.get(export)?;
            let link = (job.order.case == case).then(|| master_of(&job, camera, range)).flatten();
            link.ok_or_else(|| {
                let message = format!("export {export} has no master of camera {camera} and that time, in case {case}");
                Error::new(Kind::Conflict, message).next("Choose an export that has, or leave it out.")
            })
        });
        Ok(Wish { everything_but, regions, master: master.transpose()? })
    }
}

/// The hashes of the master of `camera` that an export has, when that is all of `range`.
fn master_of(job: &Job, camera: CameraId, range: TimeRange) -> Option<MasterLink> {
    let made = job.made.as_ref().filter(|_| job.order.redaction.is_none())?;
    let asked = job.order.range;
    if range.start < asked.start || range.end > asked.end {
        return None;
    }
    let name = format!("camera-{camera}.mp4");
    let file = made.files.iter().find(|file| file.name == name)?;
    Some(MasterLink { file: file.sha256.clone(), manifest: made.manifest_sha256.clone() })
}

/// What is shown of it in the list.
pub(super) fn shown(wish: &Wish) -> api::ExportRedaction {
    api::ExportRedaction {
        everything_but: wish.everything_but,
        regions: u32::try_from(wish.regions.len()).unwrap_or(u32::MAX),
        master_manifest_sha256: wish.master.as_ref().map(|master| master.manifest.clone()),
    }
}

/// The children of one copy. They end with it.
pub(super) struct Children(analysis::redact::Redactor);

impl Children {
    /// Starts the program that decodes.
    pub(super) fn start(program_dir: &Path) -> Result<Self> {
        let program = |name: &str| program_dir.join(name);
        let spawned = analysis::redact::Redactor::spawn(&program("watchbook-decode"), &program("watchbook-encode"));
        Ok(Self(spawned.map_err(|error| exported(failed(error)))?))
    }
}

fn failed(error: analysis::Error) -> watchbook_export::Error {
    watchbook_export::Error::new(error.kind(), format!("making a redacted copy: {error}"))
}

/// From the words of one crate to those of the other.
fn black(Fill { outlines, but }: Fill) -> analysis::mask::Fill {
    let points = |outline: Vec<Corner>| outline.into_iter().map(|(x, y)| Point { x, y }).collect();
    analysis::mask::Fill { outlines: outlines.into_iter().map(points).collect(), but }
}

type Worked = std::result::Result<(), analysis::Error>;

impl Children {
    /// Has `work` done. What `on` said of a picture is the reason, and not how it was passed on.
    fn with(
        &mut self,
        on: &mut OnCoded<'_>,
        work: impl FnOnce(&mut analysis::redact::Redactor, &mut analysis::redact::OnCoded<'_>) -> Worked,
    ) -> watchbook_export::Result<()> {
        let mut refused = None;
        let done = work(&mut self.0, &mut |coded: Coded| {
            on(coded.utc, &coded.data, coded.fresh).map_err(|error| {
                let passed = analysis::Error::new(error.kind, error.message.clone());
                refused = Some(error);
                passed
            })
        });
        done.map_err(|error| refused.unwrap_or_else(|| failed(error)))
    }
}

impl Redactor for Children {
    fn open(&mut self, format: &TrackFormat, fps: u32) -> watchbook_export::Result<()> {
        self.0.open(format, fps).map_err(failed)
    }

    fn feed(&mut self, unit: Unit<'_>, on: &mut OnCoded<'_>) -> watchbook_export::Result<()> {
        let Unit { utc, key, data, fill } = unit;
        self.with(on, |redactor, on| redactor.feed(analysis::replay::Unit { utc, key, data }, fill.map(black), on))
    }

    fn drain(&mut self, on: &mut OnCoded<'_>) -> watchbook_export::Result<()> {
        self.with(on, |redactor, on| redactor.drain(on))
    }

    fn encoder(&self) -> String {
        self.0.encoder().to_owned()
    }

    fn padded(&self) -> bool {
        self.0.padded()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_black_grows_by_the_rounding_and_what_stays_shrinks() {
        let key = api::RedactionKey { at_utc_ms: 7, left: 0.1, top: 0.2, right: 0.3, bottom: 1.0 };
        let asked =
            api::RedactionRegion { polygon: Vec::new(), keys: vec![key], from_utc_ms: None, to_utc_ms: Some(9) };
        let black = region(&asked, false);
        let stays = region(&asked, true);
        let (left, top, right, bottom) = black.keys[0].rectangle;
        let inner = stays.keys[0].rectangle;
        assert!(left < inner.0 && top < inner.1 && right > inner.2, "{black:?} {stays:?}");
        assert_eq!((left, bottom), (6553, 65_535), "0.1 is 6553.6 parts");
        assert_eq!((black.keys[0].at_ns.as_str(), black.to_ns.as_deref()), ("7000000", Some("9000000")));
        assert_eq!((black.check(), stays.check()), (Ok(()), Ok(())));
    }
}
