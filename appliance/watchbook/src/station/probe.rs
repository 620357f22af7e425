//! A try of a camera, in the API's shape.

use watchbook_capture::{Failure, ProbeReport, StreamProbe};
use watchbook_web::api;

/// What the page shows of a try.
pub fn shown(report: ProbeReport) -> api::CameraTestReport {
    let ok = report.is_ok();
    let problem = report.problem().map(problem);
    api::CameraTestReport {
        ok,
        main: report.main.ok().map(found),
        sub: report.sub.and_then(Result::ok).map(found),
        problem,
    }
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
