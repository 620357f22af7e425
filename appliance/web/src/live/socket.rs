//! A live stream on a WebSocket: text messages in JSON, binary messages in fragmented MP4.
//!
//! `{"type":"format",…}` comes before each initialization segment, `{"type":"state",…}` when the stream's state changes,
//! `{"type":"refused","why":…}` when pictures cannot be transcoded,
//! `{"type":"skipped","pictures":n}` when this viewer was too slow, `{"type":"ended","reason":…}` when the recording ended.

use super::{LiveItem, Subscription};
use crate::error::Error;
use crate::transcode::Refused;
use crate::transcode::live::TranscodedLive;
use axum::extract::ws::{CloseFrame, Message, WebSocket, close_code};
use bytes::{Bytes, BytesMut};
use core::time::Duration;
use futures::{Sink, SinkExt, Stream, StreamExt};
use serde_json::json;
use std::sync::Arc;
use tokio::time::{Instant, interval, timeout};
use watchbook_base::{Kind, Ticks90k};
use watchbook_media::fragment::{FragmentHead, FragmentSample, fragment, init_segment};
use watchbook_media::sample_entry::mime;
use watchbook_media::{Packet, RecordingStart};

/// What the page may send: it has nothing to say but pongs and a close.
pub(crate) const MESSAGE_BYTES_MAX: usize = 1024;
/// A send that takes longer means the viewer is gone or its network is hopeless.
const SEND_TIMEOUT: Duration = Duration::from_secs(10);
/// How often the viewer is pinged and its session looked at again.
const CHECK_EVERY: Duration = Duration::from_secs(5);
/// No pong or other sign of life for so long: gone.
const SILENCE_MAX: Duration = Duration::from_secs(30);
/// The guess for a picture whose successor is not there yet and whose predecessor was the first: 1/25 s.
const FIRST_DURATION_TICKS: u32 = 3600;
/// A longer distance between two pictures is a hole, not a duration: 10 s.
const DURATION_TICKS_MAX: i64 = 900_000;

/// What a viewer follows.
pub(crate) enum Followed {
    /// As it is recorded.
    Recorded(Subscription),
    /// Transcoded.
    Transcoded(TranscodedLive),
    /// There is nothing to see, and this is why.
    Nothing(Option<Refused>),
}

impl Followed {
    /// What comes next; `None` at the end.
    async fn next(&mut self) -> Option<LiveItem> {
        match self {
            Self::Recorded(subscription) => subscription.next().await,
            Self::Transcoded(transcoded) => transcoded.next().await,
            Self::Nothing(refused) => refused.take().map(LiveItem::Refused),
        }
    }
}

/// Sends until the viewer leaves, the camera goes, or `still_allowed` says no.
pub(crate) async fn run(socket: WebSocket, followed: Followed, still_allowed: impl Fn() -> bool) {
    let (to, from) = socket.split();
    run_on(to, from, followed, still_allowed).await;
}

/// [`run`] on the two halves of any socket. One item at a time is made into messages and sent; meanwhile the others wait in the subscription, where
/// they are counted.
pub(crate) async fn run_on<E>(
    mut to: impl Sink<Message> + Unpin,
    mut from: impl Stream<Item = Result<Message, E>> + Unpin,
    mut followed: Followed,
    still_allowed: impl Fn() -> bool,
) {
    let mut check = interval(CHECK_EVERY);
    let mut heard = Instant::now();
    let mut muxer = Muxer::default();
    let reason = 'serving: loop {
        let messages = tokio::select! {
            item = followed.next() => match item {
                Some(item) => match muxer.messages(item) {
                    Ok(messages) => messages,
                    Err(error) => break error.message,
                },
                None => break "nothing more comes".to_owned(),
            },
            heard_now = from.next() => match heard_now {
                Some(Ok(Message::Close(_)) | Err(_)) | None => return,
                Some(Ok(_)) => {
                    heard = Instant::now();
                    continue;
                }
            },
            _ = check.tick() => {
                if heard.elapsed() > SILENCE_MAX {
                    return;
                }
                vec![Message::Ping(Bytes::new())]
            }
        };
        for message in messages {
            if !still_allowed() {
                break 'serving "the session has ended".to_owned();
            }
            match timeout(SEND_TIMEOUT, to.send(message)).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) | Err(_) => return,
            }
        }
    };
    let close = Message::Close(Some(CloseFrame { code: close_code::POLICY, reason: reason.into() }));
    // The viewer may be gone already; either way this is the end.
    drop(timeout(SEND_TIMEOUT, to.send(close)).await);
}

/// Turns live items into messages.
#[derive(Default)]
pub(crate) struct Muxer {
    start: Option<Arc<RecordingStart>>,
    sequence: u32,
    last_duration_ticks: Option<u32>,
}

impl Muxer {
    /// The messages for one item.
    ///
    /// # Errors
    /// When the media crate cannot describe the format or build the fragment.
    pub(crate) fn messages(&mut self, item: LiveItem) -> Result<Vec<Message>, Error> {
        Ok(match item {
            LiveItem::State(state) => {
                let mut json = serde_json::to_value(&*state).unwrap_or_default();
                json["type"] = json!("state");
                vec![text(&json)]
            }
            LiveItem::Skipped(pictures) => vec![text(&json!({"type": "skipped", "pictures": pictures}))],
            LiveItem::Ended(reason) => vec![text(&json!({"type": "ended", "reason": reason}))],
            LiveItem::Format(start) => self.format(start, false)?,
            LiveItem::Transcoded(start) => self.format(start, true)?,
            LiveItem::Refused(Refused { why, detail }) => {
                vec![text(&json!({"type": "refused", "why": why.slug(), "detail": detail}))]
            }
            LiveItem::Packets { packets, next_dts } => vec![self.one_fragment(&packets, next_dts)?],
        })
    }

    fn format(&mut self, start: Arc<RecordingStart>, transcoded: bool) -> Result<Vec<Message>, Error> {
        let Some((width, height)) = start.format.codec.dimensions() else {
            return Err(Error::new(Kind::Internal, format!("{} is no video", start.stream)));
        };
        let mime = mime(&start.format).map_err(media_error)?;
        // Media time 0 in UTC, so that the page can show the time of each picture.
        let head = json!({
            "type": "format", "mime": mime, "width": width, "height": height, "start_utc_ms": start.utc.as_ms(),
            "transcoded": transcoded,
        });
        let init = init_segment(&start.format);
        self.start = Some(start);
        self.last_duration_ticks = None;
        Ok(vec![text(&head), Message::Binary(init)])
    }

    fn one_fragment(&mut self, packets: &[Packet], after: Option<Ticks90k>) -> Result<Message, Error> {
        let mut samples = Vec::with_capacity(packets.len());
        for (index, packet) in packets.iter().enumerate() {
            let next = packets.get(index + 1).map(|next| next.dts).or(after);
            samples.push(FragmentSample {
                duration_ticks: self.duration(packet.dts, next),
                size_bytes: u32::try_from(packet.data.len()).unwrap_or(u32::MAX),
                cts_offset: packet.cts_offset,
                key: packet.key,
            });
        }
        self.sequence = self.sequence.wrapping_add(1);
        let decode_ticks = u64::try_from(packets.first().map_or(0, |packet| packet.dts.0)).unwrap_or(0);
        let head = fragment(FragmentHead { sequence: self.sequence, decode_ticks, utc: None }, &samples)
            .map_err(media_error)?;
        let len = head.len() + packets.iter().map(|packet| packet.data.len()).sum::<usize>();
        let mut message = BytesMut::with_capacity(len);
        message.extend_from_slice(&head);
        for packet in packets {
            message.extend_from_slice(&packet.data);
        }
        Ok(Message::Binary(message.freeze()))
    }

    /// To the next picture when it is there; else as long as the one before: waiting for the next would cost a picture of delay.
    fn duration(&mut self, dts: Ticks90k, next: Option<Ticks90k>) -> u32 {
        let known = next.map(|next| (next - dts).0).filter(|ticks| (1..=DURATION_TICKS_MAX).contains(ticks));
        let ticks = known.and_then(|ticks| u32::try_from(ticks).ok());
        if ticks.is_some() {
            self.last_duration_ticks = ticks;
        }
        ticks.or(self.last_duration_ticks).unwrap_or(FIRST_DURATION_TICKS)
    }
}

fn text(json: &serde_json::Value) -> Message {
    Message::Text(json.to_string().into())
}

fn media_error(error: watchbook_media::Error) -> Error {
    Error::new(error.kind, error.message)
}
