//! A try of a camera, in the API's shape.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use watchbook_capture::{Failure, ProbeReport, StillPicture, StreamProbe};
use watchbook_media::fragment::{FragmentHead, FragmentSample, fragment, init_segment};
use watchbook_media::sample_entry::mime;
use watchbook_web::api;

/// How long the one picture is shown by its file: a second, in 1/90000 s.
const STILL_TICKS: u32 = 90_000;

/// What the page shows of a try.
pub fn shown(report: ProbeReport) -> api::CameraTestReport {
    let ok = report.is_ok();
    let problem = report.problem().map(problem);
    let picture = report.main.as_ref().ok().and_then(|main| main.picture.as_ref()).and_then(still);
    api::CameraTestReport {
        ok,
        main: report.main.ok().map(found),
        sub: report.sub.and_then(Result::ok).map(found),
        problem,
        picture,
    }
}

/// A picture as the page can show it; `None` for a format that has no place in MP4, which the try itself has named.
fn still(picture: &StillPicture) -> Option<api::StillPicture> {
    let size_bytes = u32::try_from(picture.data.len()).ok()?;
    let sample = FragmentSample { duration_ticks: STILL_TICKS, size_bytes, cts_offset: 0, key: true };
    let head = fragment(FragmentHead { sequence: 1, decode_ticks: 0, utc: None }, &[sample]).ok()?;
    let file = [&init_segment(&picture.format)[..], &head[..], &picture.data[..]].concat();
    Some(api::StillPicture { mime: mime(&picture.format).ok()?, mp4_base64: STANDARD.encode(file) })
}

fn found(stream: StreamProbe) -> api::FoundStream {
    api::FoundStream {
        codec: stream.format.codec_string,
        width: stream.format.width,
        height: stream.format.height,
        has_audio: stream.audio.is_some(),
        interval_ms: stream.interval_ms,
    }
}

/// Why a camera gives nothing.
pub fn problem(failure: &Failure) -> api::TestProblem {
    api::TestProblem {
        reason: failure.reason,
        detail: failure.detail.clone(),
        next_step: failure.next_step.clone(),
        certificate_sha256: failure.certificate.map(|shown| shown.to_string()),
    }
}
