//! A piece of recorded footage, transcoded: fragmented MP4 that is made while it is sent. Its time is that of the footage itself.

use super::sample::{Sample, Samples};
use super::{Place, Refused, name_of, not_late};
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
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio::runtime::Handle;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::time::timeout;
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
/// How often it is looked whether recording is late: that has all there is of the processor then.
const LOOK_EVERY: Duration = Duration::from_secs(1);
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
    let whole = Arc::new(AtomicBool::new(false));
    let (made, runtime) = (Arc::clone(&whole), Handle::current());
    tokio::task::spawn_blocking(move || {
        // Given back when the programs have ended.
        let held = (place, turn);
        let last = make(&*transcoders, &piece, &Way { out: &out, runtime, began: Instant::now() });
        drop(held);
        match last {
            Ok(()) => made.store(true, Ordering::Release),
            Err(error) => {
                tracing::info!(%error, "transcoding a piece of footage ended early");
                // Whoever asked may be gone, or reads too slowly for that: then the answer ends in the middle all the same.
                let _ = out.try_send(Err(error));
            }
        }
    });
    let first = match chunks.recv().await {
        Some(Ok(first)) => first,
        Some(Err(error)) => return Err(Refused::broken(&error).into()),
        None => return Err(Error::not_found("no picture of this footage could be transcoded").into()),
    };
    let mut response = Response::new(body(first, (chunks, whole), still_allowed));
    let map = response.headers_mut();
    map.extend(headers);
    map.insert(header::CONTENT_TYPE, HeaderValue::from_static("video/mp4"));
    Ok(response)
}

fn body(
    first: Bytes,
    (chunks, whole): (Receiver<Result<Bytes, Error>>, Arc<AtomicBool>),
    still_allowed: impl Fn() -> bool + Send + 'static,
) -> Body {
    let state = (Some(first), chunks, still_allowed);
    Body::from_stream(stream::unfold(state, move |(first, mut chunks, still_allowed)| {
        let whole = Arc::clone(&whole);
        async move {
            let chunk = match first {
                Some(first) => Ok(first),
                None => match chunks.recv().await {
                    Some(chunk) => chunk,
                    // Nobody takes the part for the whole: what is not made to its end ends with an error, once.
                    None if whole.swap(true, Ordering::AcqRel) => return None,
                    None => Err(Error::new(Kind::Unavailable, "transcoding this footage ended early")),
                },
            };
            let chunk = match still_allowed() {
                true => chunk,
                false => Err(Error::new(Kind::Denied, "the session has ended, or what it may has changed")),
            };
            if chunk.is_err() {
                chunks.close();
            }
            Some((chunk, (None, chunks, still_allowed)))
        }
    }))
}

/// The way out of what is made, and how long it is open.
struct Way<'a> {
    out: &'a Sender<Result<Bytes, Error>>,
    runtime: Handle,
    began: Instant,
}

impl Way<'_> {
    fn left(&self) -> Result<Duration, Error> {
        let left = TIME_MAX.checked_sub(self.began.elapsed());
        left.ok_or_else(|| Error::new(Kind::Timeout, "making and reading a piece of footage took too long"))
    }

    /// Waits for room, at most as long as the piece may take: whoever reads slowly keeps no place from others.
    fn send(&self, bytes: Bytes) -> Result<(), Error> {
        let late = |_| Error::new(Kind::Timeout, "whoever asked reads this footage too slowly");
        let gone = |_| Error::new(Kind::Unavailable, "whoever asked has left");
        let wait = timeout(self.left()?, self.out.send(Ok(bytes)));
        self.runtime.block_on(wait).map_err(late)?.map_err(gone)
    }
}

/// Feeds the programs and sends what they make. Dropping the receiver ends it with the next chunk.
fn make(transcoders: &dyn Transcoders, piece: &Piece, way: &Way<'_>) -> Result<(), Error> {
    let Piece { units, source } = piece;
    let mut transcoder = transcoders.start()?;
    transcoder.open(units.format(), FPS)?;
    let mut writer = Writer { way, samples: Samples::default(), sequence: 0, held: Vec::new() };
    let (mut index, mut looked) = (0, Instant::now());
    while index < units.list().len() {
        let read = units.read(index, source).map_err(crate::video::media_error)?;
        for (unit, data) in &read {
            if way.out.is_closed() {
                return Ok(());
            }
            way.left()?;
            if looked.elapsed() > LOOK_EVERY {
                looked = Instant::now();
                not_late(transcoders).map_err(|refused| Error::new(Kind::Unavailable, refused.detail))?;
            }
            let unit = CodedUnit { at: name_of(unit.shown), key: unit.key, data, shown: unit.shown >= units.from() };
            transcoder.feed(unit, &mut |picture| writer.take(&picture))?;
        }
        index += read.len().max(1);
    }
    transcoder.drain(&mut |picture| writer.take(&picture))?;
    writer.flush(units.end())?;
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
    way: &'a Way<'a>,
    samples: Samples,
    sequence: u32,
    held: Vec<Sample>,
}

impl Writer<'_> {
    fn take(&mut self, picture: &Transcoded) -> Result<(), Error> {
        let (format, sample) = self.samples.take(picture)?;
        if let Some(format) = format {
            self.flush(sample.shown)?;
            self.way.send(init_segment(&format))?;
        }
        if self.held.len() >= FRAGMENT_PICTURES || (sample.key && !self.held.is_empty()) {
            self.flush(sample.shown)?;
        }
        self.held.push(sample);
        Ok(())
    }

    /// Sends what is held; its last picture is shown until `end`.
    fn flush(&mut self, end: Ticks90k) -> Result<(), Error> {
        let held = std::mem::take(&mut self.held);
        let Some(first) = held.first() else { return Ok(()) };
        self.sequence += 1;
        let ends = held.iter().skip(1).map(|sample| sample.shown).chain([end]);
        let described: Vec<FragmentSample> = held
            .iter()
            .zip(ends)
            .map(|(sample, end)| FragmentSample {
                duration_ticks: u32::try_from((end - sample.shown).0)
                    .ok()
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
        self.way.send(bytes.freeze())
    }
}
