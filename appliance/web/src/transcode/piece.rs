//! A piece of recorded footage, transcoded: fragmented MP4 that is made while it is sent. Its time is that of the footage itself.

use super::sample::{Sample, Samples};
use super::{Place, Refused, name_of};
use crate::error::{Error, Problem};
use crate::ports::{CodedUnit, Transcoded, Transcoders};
use crate::spared::Spared;
use crate::video::Turn;
use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, header};
use axum::response::Response;
use bytes::{Bytes, BytesMut};
use futures::stream;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc::{Receiver, Sender, channel};
use watchbook_base::time::NANOS_PER_SEC;
use watchbook_base::{Kind, Ticks90k};
use watchbook_media::fragment::{FragmentHead, FragmentSample, fragment, init_segment};
use watchbook_media::units::Units;
use watchbook_media::{Codec, TrackFormat};

/// Longest piece: what the page asks for at once, and as much again.
pub(crate) const PIECE_NANOS_MAX: i64 = 60 * NANOS_PER_SEC;
/// Access units of one piece, with those since its key frame: 3 min at 60 a second.
const UNITS_MAX: usize = 10_800;
/// Chunks between the thread that makes them and the one that sends, of a fragment each.
const CHUNKS_MAX: usize = 4;
/// Pictures of one fragment: the first ones are there soon, and the heads are a hundredth of the bytes.
const FRAGMENT_PICTURES: usize = 12;
/// Told to the encoder, which has a key frame every second by it.
const FPS: u32 = 25;
/// A piece that is not made and read by then is given up: others wait for their turn.
const TIME_MAX: Duration = Duration::from_secs(90);
/// How long the last picture is shown where nothing says it: a twenty-fifth of a second.
const LAST_TICKS: u32 = 3_600;

/// What is to be transcoded, and where it comes from.
pub(crate) struct Piece {
    pub(crate) units: Units,
    pub(crate) source: Spared,
}

/// Whether there is anything to transcode: JPEG is shown by the page itself.
pub(crate) fn needs(format: &TrackFormat) -> bool {
    !matches!(format.codec, Codec::Mjpeg { .. })
}

/// Begins the work; the answer when its first bytes are there.
///
/// # Errors
/// What hinders the first picture. What fails later breaks the answer off.
pub(crate) async fn answer(
    transcoders: Arc<dyn Transcoders>,
    (place, turn): (Place, Turn),
    piece: Piece,
    headers: Vec<(HeaderName, HeaderValue)>,
    still_allowed: impl Fn() -> bool + Send + 'static,
) -> Result<Response, Problem> {
    if piece.units.list().len() > UNITS_MAX {
        return Err(Error::invalid("this piece has too many pictures to be transcoded at once").into());
    }
    let (out, mut chunks) = channel(CHUNKS_MAX);
    tokio::task::spawn_blocking(move || {
        // Given back when the programs have ended.
        let _held = (place, turn);
        let last = make(&*transcoders, &piece, &out);
        if let Err(error) = last {
            tracing::info!(%error, "transcoding a piece of footage ended early");
            // Whoever asked may be gone.
            let _ = out.blocking_send(Err(error));
        }
    });
    let first = match chunks.recv().await {
        Some(Ok(first)) => first,
        Some(Err(error)) => return Err(Refused::broken(&error).into()),
        None => return Err(Error::not_found("no picture of this footage could be transcoded").into()),
    };
    let mut response = Response::new(body(first, chunks, still_allowed));
    let map = response.headers_mut();
    map.extend(headers);
    map.insert(header::CONTENT_TYPE, HeaderValue::from_static("video/mp4"));
    Ok(response)
}

fn body(
    first: Bytes,
    chunks: Receiver<Result<Bytes, Error>>,
    still_allowed: impl Fn() -> bool + Send + 'static,
) -> Body {
    let state = (Some(first), chunks, still_allowed);
    Body::from_stream(stream::unfold(state, |(first, mut chunks, still_allowed)| async move {
        let chunk = match first {
            Some(first) => Ok(first),
            None => chunks.recv().await?,
        };
        let chunk = match still_allowed() {
            true => chunk,
            false => Err(Error::new(Kind::Denied, "the session has ended, or what it may has changed")),
        };
        if chunk.is_err() {
            chunks.close();
        }
        Some((chunk, (None, chunks, still_allowed)))
    }))
}

/// Feeds the programs and sends what they make. Dropping the receiver ends it with the next chunk.
fn make(transcoders: &dyn Transcoders, piece: &Piece, out: &Sender<Result<Bytes, Error>>) -> Result<(), Error> {
    let Piece { units, source } = piece;
    let mut transcoder = transcoders.start()?;
    transcoder.open(units.format(), FPS)?;
    let mut writer = Writer { out, samples: Samples::default(), sequence: 0, held: Vec::new() };
    let (mut index, began) = (0, Instant::now());
    while index < units.list().len() {
        let read = units.read(index, source).map_err(crate::video::media_error)?;
        for (unit, data) in &read {
            if out.is_closed() {
                return Ok(());
            }
            if began.elapsed() > TIME_MAX {
                return Err(Error::new(Kind::Timeout, "transcoding a piece of footage took too long"));
            }
            let unit = CodedUnit { at: name_of(unit.shown), key: unit.key, data, shown: unit.shown >= units.from() };
            transcoder.feed(unit, &mut |picture| writer.take(&picture))?;
        }
        index += read.len().max(1);
    }
    transcoder.drain(&mut |picture| writer.take(&picture))?;
    writer.finish(units.end())?;
    if writer.sequence == 0 {
        let (_, why) = transcoder.refused();
        return Err(Error::new(
            Kind::Unavailable,
            why.unwrap_or_else(|| "no picture of this footage could be decoded".into()),
        ));
    }
    Ok(())
}

/// Makes fragments.
struct Writer<'a> {
    out: &'a Sender<Result<Bytes, Error>>,
    samples: Samples,
    sequence: u32,
    held: Vec<Sample>,
}

impl Writer<'_> {
    fn take(&mut self, picture: &Transcoded) -> Result<(), Error> {
        let (format, sample) = self.samples.take(picture)?;
        if let Some(format) = format {
            self.flush(Some(sample.shown))?;
            self.send(init_segment(&format))?;
        }
        if self.held.len() >= FRAGMENT_PICTURES || (sample.key && !self.held.is_empty()) {
            self.flush(Some(sample.shown))?;
        }
        self.held.push(sample);
        Ok(())
    }

    fn finish(&mut self, end: Ticks90k) -> Result<(), Error> {
        self.flush(Some(end))
    }

    /// Sends what is held; its last picture is shown until `end`.
    fn flush(&mut self, end: Option<Ticks90k>) -> Result<(), Error> {
        let held = std::mem::take(&mut self.held);
        let Some(first) = held.first() else { return Ok(()) };
        self.sequence += 1;
        let ends = held.iter().skip(1).map(|sample| Some(sample.shown)).chain([end]);
        let described: Vec<FragmentSample> = held
            .iter()
            .zip(ends)
            .map(|(sample, end)| FragmentSample {
                duration_ticks: end
                    .and_then(|end| u32::try_from((end - sample.shown).0).ok())
                    .filter(|ticks| *ticks > 0)
                    .unwrap_or(LAST_TICKS),
                size_bytes: u32::try_from(sample.data.len()).unwrap_or(u32::MAX),
                cts_offset: 0,
                key: sample.key,
            })
            .collect();
        let decode_ticks = u64::try_from(first.shown.0).unwrap_or(0);
        let head = fragment(FragmentHead { sequence: self.sequence, decode_ticks, utc: None }, &described)
            .map_err(crate::video::media_error)?;
        let mut bytes = BytesMut::from(&head[..]);
        held.iter().for_each(|sample| bytes.extend_from_slice(&sample.data));
        self.send(bytes.freeze())
    }

    fn send(&self, bytes: Bytes) -> Result<(), Error> {
        let gone = |_| Error::new(Kind::Unavailable, "whoever asked has left");
        self.out.blocking_send(Ok(bytes)).map_err(gone)
    }
}
