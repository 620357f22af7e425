//! Sends a planned file: whole or in part, a chunk at a time. Threads that may block are used for reading alone, never while a reader is slow.

use crate::app::DOWNLOADS_PER_SESSION_MAX;
use crate::error::{Error, Problem};
use crate::hex;
use crate::range::{Part, part};
use crate::routes::dispatch::{Call, blocking};
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
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use watchbook_access::decide;
use watchbook_base::Kind;
use watchbook_media::{ByteFile, SpanSource, SpanSummary, chunks};

/// How long a request waits for a place: cameras that play in lock-step ask all at once, and each part is read within a second or so.
const TURN_WAIT: Duration = Duration::from_secs(10);

/// A file ready to be sent.
pub(crate) struct Video {
    pub(crate) file: Arc<dyn ByteFile>,
    pub(crate) source: Arc<dyn SpanSource>,
    /// With its quotes.
    pub(crate) etag: String,
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    /// Media type.
    pub(crate) kind: &'static str,
}

/// A place among the downloads of the session and of the station; held until the file is sent or given up.
pub(crate) struct Turn {
    _of_session: OwnedSemaphorePermit,
    _of_station: OwnedSemaphorePermit,
}

/// A place among the downloads, waited for. The session's comes first, so that one session cannot fill the station's queue.
pub(crate) async fn turn(call: &Call) -> Result<Turn, Problem> {
    let app = &call.app;
    let own = app.downloads_by_session().of(&call.who()?.session);
    let Ok(Ok(of_session)) = timeout(TURN_WAIT, own.acquire_owned()).await else {
        let what = format!("this session is reading {DOWNLOADS_PER_SESSION_MAX} files already");
        return Err(Problem::too_many(what, "Wait until one of your downloads is done, or cancel it."));
    };
    let Ok(Ok(of_station)) = timeout(TURN_WAIT, Arc::clone(app.downloads()).acquire_owned()).await else {
        let busy = Error::new(Kind::Exhausted, "too many files are being read at once");
        return Err(busy.next("Wait until a download is done.").into());
    };
    Ok(Turn { _of_session: of_session, _of_station: of_station })
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
pub(crate) fn answer(call: &Call, turn: Turn, video: Video) -> Result<Response, Problem> {
    let len = video.file.len();
    let (status, start, end) = match part(&call.headers, len, &video.etag) {
        Part::Whole => (StatusCode::OK, 0, len),
        Part::Some { start, end } => (StatusCode::PARTIAL_CONTENT, start, end),
        Part::Unsatisfiable => return Err(unsatisfiable(len)),
    };
    let download = Download {
        file: Arc::clone(&video.file),
        source: Arc::clone(&video.source),
        left: start..end,
        reading: None,
        reads: Arc::clone(call.app.chunk_reads()),
        still_allowed: still_allowed(call)?,
        _turn: turn,
    };
    let mut response = Response::new(Body::new(download));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.extend(video.headers);
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(video.kind));
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

/// Whether the session that began a download may still have what it began, in its case and of its export as they are then: asked before each chunk.
pub(crate) fn still_allowed(call: &Call) -> Result<impl Fn() -> bool + Send + Unpin + 'static + use<>, Problem> {
    let (app, session, action) = (call.app.clone(), call.who()?.session, call.grant()?.action().clone());
    let case = call.who()?.subject.case.as_ref().map(|found| found.case.number.clone());
    let export = call.who()?.subject.export.as_ref().map(|found| found.export);
    Ok(move || {
        let Some(mut subject) = app.accounts().subject_now(&session) else { return false };
        // Cases and exports are in memory: this does not wait.
        subject.case = case.as_deref().and_then(|number| app.case_at_once(number).ok().flatten());
        subject.export = export.and_then(|export| app.ports().exports.facts(export));
        decide(&subject, &action).is_ok()
    })
}

fn unsatisfiable(len: u64) -> Problem {
    Problem::with(StatusCode::RANGE_NOT_SATISFIABLE, "range-not-satisfiable", format!("the file has {len} bytes"))
        .header(header::CONTENT_RANGE, format!("bytes */{len}"))
}

/// A file on its way out. It holds the chunk that is being sent and the one that is read ahead. An error in the middle closes the connection, so
/// that nobody takes the part for the whole.
struct Download<F> {
    file: Arc<dyn ByteFile>,
    source: Arc<dyn SpanSource>,
    /// Bytes of the file that are still to be sent.
    left: Range<u64>,
    /// The chunk at the start of `left`.
    reading: Option<JoinHandle<Result<Bytes, Error>>>,
    reads: Arc<Semaphore>,
    still_allowed: F,
    _turn: Turn,
}

impl<F> Download<F> {
    /// Reads one chunk, of at most 1 MiB, on a thread that may block; waits for its turn without one.
    fn read(&self) -> JoinHandle<Result<Bytes, Error>> {
        let (file, source, left) = (Arc::clone(&self.file), Arc::clone(&self.source), self.left.clone());
        let turn = Arc::clone(&self.reads).acquire_owned();
        tokio::spawn(async move {
            let turn = turn.await.map_err(|_| Error::new(Kind::Internal, "files are no longer read"))?;
            blocking(move || {
                // Held until the read is done, even when the download was given up.
                let _turn = turn;
                let broken = || Err(Error::new(Kind::Unavailable, "the file broke off"));
                chunks(&*file, left, &*source).next().map_or_else(broken, |chunk| chunk.map_err(media_error))
            })
            .await
        })
    }

    /// Counts `chunk` as sent.
    fn take(&mut self, chunk: &Bytes) -> Result<(), Error> {
        let len = u64::try_from(chunk.len()).unwrap_or(u64::MAX);
        if len == 0 {
            return Err(Error::new(Kind::Unavailable, "the file broke off"));
        }
        if len > self.left.end - self.left.start {
            return Err(Error::new(Kind::Internal, "a planned file gave more bytes than it has"));
        }
        self.left.start += len;
        Ok(())
    }
}

impl<F: Fn() -> bool + Unpin> http_body::Body for Download<F> {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        if self.left.is_empty() {
            return Poll::Ready(None);
        }
        let mut reading = self.reading.take().unwrap_or_else(|| self.read());
        let Poll::Ready(read) = Pin::new(&mut reading).poll(context) else {
            self.reading = Some(reading);
            return Poll::Pending;
        };
        let read = read.unwrap_or_else(|_| Err(Error::new(Kind::Internal, "the read was broken off")));
        let chunk = match (self.still_allowed)() {
            true => read,
            false => Err(Error::new(Kind::Denied, "the session has ended, or what it may has changed")),
        };
        let chunk = chunk.and_then(|chunk| self.take(&chunk).map(|()| chunk));
        match chunk {
            Ok(chunk) => {
                if !self.left.is_empty() {
                    self.reading = Some(self.read());
                }
                Poll::Ready(Some(Ok(Frame::data(chunk))))
            }
            Err(error) => {
                tracing::warn!(%error, "a download broke off");
                Poll::Ready(Some(Err(error)))
            }
        }
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left.end - self.left.start)
    }
}

impl<F> Drop for Download<F> {
    fn drop(&mut self) {
        // A read that waits for its turn is no longer wanted; one that has begun ends by itself.
        if let Some(reading) = &self.reading {
            reading.abort();
        }
    }
}

/// An error of the media crate as one of ours.
pub(crate) fn media_error(error: watchbook_media::Error) -> Error {
    Error::new(error.kind, error.message)
}
