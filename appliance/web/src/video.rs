//! Sends a planned file: whole or in part, read on blocking threads, never more than a few chunks ahead of the network.

use crate::app::App;
use crate::error::{Error, Problem};
use crate::hex;
use crate::range::{Part, part};
use crate::routes::dispatch::Call;
use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::Response;
use bytes::Bytes;
use core::ops::Range;
use core::pin::Pin;
use core::task::{Context, Poll};
use core::time::Duration;
use http_body::{Frame, SizeHint};
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::time::timeout;
use watchbook_access::decide;
use watchbook_base::Kind;
use watchbook_media::{ByteFile, SpanSource, SpanSummary, chunks};

/// Chunks (of at most 1 MiB) that wait for the network. With the one being read and the one being sent a download holds at most 4 MiB.
const CHUNKS_AHEAD: usize = 2;

/// How long a request waits for a place: cameras that play in lock-step ask all at once, and each part is read within a second or so.
const TURN_WAIT: Duration = Duration::from_secs(10);

/// A file ready to be sent.
pub(crate) struct Video {
    pub(crate) file: Arc<dyn ByteFile>,
    pub(crate) source: Arc<dyn SpanSource>,
    /// With its quotes.
    pub(crate) etag: String,
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
}

/// A place among the downloads, waited for; held until the file is sent or given up.
pub(crate) async fn turn(app: &App) -> Result<OwnedSemaphorePermit, Problem> {
    match timeout(TURN_WAIT, Arc::clone(app.downloads()).acquire_owned()).await {
        Ok(Ok(turn)) => Ok(turn),
        Ok(Err(_)) | Err(_) => {
            let busy = Error::new(Kind::Exhausted, "too many files are being read at once");
            Err(busy.next("Wait until a download is done.").into())
        }
    }
}

/// A strong tag: two files planned from the same spans for the same request have the same bytes.
pub(crate) fn etag<'a>(request: &str, spans: impl IntoIterator<Item = &'a SpanSummary>) -> String {
    let mut text = request.to_owned();
    for span in spans {
        let place = (span.stream.to_u32(), span.recording.0, span.first_dts.0, span.start_utc.0);
        let size = (span.end_dts.0, span.sample_count, span.byte_count);
        text.push_str(&format!(" {place:?}{size:?}"));
    }
    format!("\"{}\"", &hex::encode(&hex::sha256(text.as_bytes()))[..32])
}

/// The answer to a call for `video`.
pub(crate) fn answer(call: &Call, turn: OwnedSemaphorePermit, video: Video) -> Result<Response, Problem> {
    let len = video.file.len();
    let (status, start, end) = match part(&call.headers, len, &video.etag) {
        Part::Whole => (StatusCode::OK, 0, len),
        Part::Some { start, end } => (StatusCode::PARTIAL_CONTENT, start, end),
        Part::Unsatisfiable => return Err(unsatisfiable(len)),
    };
    let mut response = Response::new(body(turn, &video, start..end, still_allowed(call)?));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.extend(video.headers);
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("video/mp4"));
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(end - start));
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    if let Ok(etag) = HeaderValue::try_from(video.etag) {
        headers.insert(header::ETAG, etag);
    }
    if status == StatusCode::PARTIAL_CONTENT
        && let Ok(value) = HeaderValue::try_from(format!("bytes {start}-{}/{len}", end - 1))
    {
        headers.insert(header::CONTENT_RANGE, value);
    }
    Ok(response)
}

/// Whether the session that began a download may still have what it began: asked before each chunk.
fn still_allowed(call: &Call) -> Result<impl Fn() -> bool + Send + 'static + use<>, Problem> {
    let (app, session, action) = (call.app.clone(), call.who()?.session, call.grant()?.action().clone());
    Ok(move || app.accounts().subject_now(&session).is_some_and(|subject| decide(&subject, &action).is_ok()))
}

fn unsatisfiable(len: u64) -> Problem {
    Problem::with(StatusCode::RANGE_NOT_SATISFIABLE, "range-not-satisfiable", format!("the file has {len} bytes"))
        .header(header::CONTENT_RANGE, format!("bytes */{len}"))
}

/// A body that a blocking thread fills. An error in the middle closes the connection, so that nobody takes the part for the whole.
fn body(
    turn: OwnedSemaphorePermit,
    video: &Video,
    part: Range<u64>,
    still_allowed: impl Fn() -> bool + Send + 'static,
) -> Body {
    let left = part.end - part.start;
    let (to, from) = mpsc::channel(CHUNKS_AHEAD);
    let (file, source) = (Arc::clone(&video.file), Arc::clone(&video.source));
    // Detached: it ends when the file is sent or when the receiver is dropped.
    drop(tokio::task::spawn_blocking(move || {
        let _turn = turn;
        for chunk in chunks(&*file, part, &*source) {
            let chunk = if still_allowed() {
                chunk.map_err(media_error)
            } else {
                Err(Error::new(Kind::Denied, "the session has ended"))
            };
            if let Err(error) = &chunk {
                tracing::warn!(%error, "a download broke off");
            }
            if to.blocking_send(chunk).is_err() {
                return;
            }
        }
    }));
    Body::new(Chunked { from, left })
}

struct Chunked {
    from: mpsc::Receiver<Result<Bytes, Error>>,
    left: u64,
}

impl http_body::Body for Chunked {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        self.from.poll_recv(context).map(|chunk| match chunk {
            Some(Ok(bytes)) => {
                let len = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
                let Some(left) = self.left.checked_sub(len) else {
                    return Some(Err(Error::new(Kind::Internal, "a planned file gave more bytes than it has")));
                };
                self.left = left;
                Some(Ok(Frame::data(bytes)))
            }
            Some(Err(error)) => Some(Err(error)),
            None => Some(Err(Error::new(Kind::Unavailable, "the file broke off"))),
        })
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

/// An error of the media crate as one of ours.
pub(crate) fn media_error(error: watchbook_media::Error) -> Error {
    Error::new(error.kind, error.message)
}
