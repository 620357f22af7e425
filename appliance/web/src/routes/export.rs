//! Download of a range as one MP4 file.

use super::dispatch::{Asked, Call};
use super::{Answer, AuditRule, FROM, NO_BODY, Permission, Route, TO, handler};
use crate::error::{Error, Problem};
use crate::server::widened;
use crate::spared::{Spared, plan_error};
use crate::video::{self, Video};
use axum::http::{HeaderName, HeaderValue, Method, header};
use axum::response::Response;
use std::sync::Arc;
use watchbook_access::Action;
use watchbook_base::{CameraId, TimeRange, TrackRole};
use watchbook_media::ProgressiveFile;

/// Longest file: what the ring's maximum age lets exist. The plan refuses what its tables cannot hold.
const DAYS_MAX: i64 = 31;
const HEADERS: &[&str] = &[
    "Watchbook-Requested-Utc-Ms",
    "Watchbook-Delivered-Utc-Ms",
    "Watchbook-Gap-Count",
    "Watchbook-Damaged-Utc-Ms",
    "Watchbook-Impaired-Utc-Ms",
    "Content-Disposition",
];

pub(crate) fn rows() -> Vec<Route> {
    vec![Route {
        method: Method::GET,
        path: "/api/v1/cameras/{camera}/export.mp4",
        id: "export",
        summary: "A range of any length as a progressive MP4 with the camera's sound where it was recorded. Damaged footage is left out, as a gap.",
        permission: Permission::Asks(asked),
        audit: AuditRule::FirstIn {
            window_s: 600,
            because: "one download is many requests when it is resumed or played while it arrives; another range is another entry",
        },
        body_bytes_max: NO_BODY,
        query: &[FROM, TO],
        request: None,
        answer: Answer::Mp4(HEADERS),
        handler: handler!(export),
    }]
}

fn asked(asked: &Asked<'_>) -> Result<Action, Error> {
    Ok(Action::Export { camera: asked.path.camera()?, range: widened(asked.query.range(DAYS_MAX)?) })
}

async fn export(call: Call) -> Result<Response, Problem> {
    let camera = call.path.camera()?;
    let range = call.query.range(DAYS_MAX)?;
    let grant = Arc::clone(call.grant()?);
    let turn = video::turn(&call).await?;
    let planned = call.blocking(move |app| {
        let footage = &app.ports().footage;
        let wide = widened(range);
        let mut pictures = footage.spans(&grant, camera.stream(TrackRole::MainVideo), wide)?;
        pictures.retain(|span| span.range().overlaps(wide));
        let mut sound = footage.spans(&grant, camera.stream(TrackRole::MainAudio), wide)?;
        sound.retain(|span| span.range().overlaps(wide));
        let streams = [camera.stream(TrackRole::MainVideo), camera.stream(TrackRole::MainAudio)];
        let source = Spared::open(&**footage, &grant, &streams, wide)?;
        let file = ProgressiveFile::plan(&pictures, &sound, range, &source).map_err(plan_error)?;
        let salt = format!("export {range:?} {:?}", source.left_out(wide));
        let etag = video::etag(&salt, pictures.iter().chain(&sound));
        Ok((file, etag, source))
    });
    let (file, etag, source) = planned.await?;
    let interval = |range: TimeRange| text(format!("{}-{}", range.start.as_ms(), range.end.as_ms()));
    let headers = vec![
        (HeaderName::from_static("watchbook-requested-utc-ms"), interval(file.requested())),
        (HeaderName::from_static("watchbook-delivered-utc-ms"), interval(file.delivered())),
        (HeaderName::from_static("watchbook-gap-count"), HeaderValue::from(file.gaps().len())),
        source.header(file.delivered()),
        source.impaired_header(file.delivered()),
        (
            header::CONTENT_DISPOSITION,
            text(format!("attachment; filename=\"{}\"", file_name(camera, file.delivered()))),
        ),
    ];
    video::answer(
        &call,
        turn,
        Video { file: Arc::new(file), source: Arc::new(source), etag, headers, kind: "video/mp4" },
    )
}

/// Camera number and times only: a camera's name may be anything, and a file name is no place for it.
fn file_name(camera: CameraId, range: TimeRange) -> String {
    let stamp = |text: String| text.replace(':', "").split('.').next().unwrap_or_default().to_owned();
    format!("watchbook-camera-{camera}-{}Z-{}Z.mp4", stamp(range.start.to_string()), stamp(range.end.to_string()))
}

fn text(text: String) -> HeaderValue {
    HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static(""))
}

#[cfg(test)]
mod tests {
    use super::*;
    use watchbook_base::UtcNanos;

    #[test]
    fn the_file_name_says_which_camera_and_when() {
        let range = TimeRange { start: UtcNanos(1_709_210_096_250_000_000), end: UtcNanos(1_709_210_156_000_000_000) };
        let name = file_name(CameraId::new(7).unwrap(), range);
        assert_eq!(name, "watchbook-camera-7-2024-02-29T123456Z-2024-02-29T123556Z.mp4");
    }
}
