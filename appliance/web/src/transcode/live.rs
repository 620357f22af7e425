//! Live pictures, transcoded: what a viewer follows goes through the programs on a thread of its own, which ends with the viewer.

use super::sample::Samples;
use super::{Place, Refused, Why, name_of};
use crate::error::Error;
use crate::live::{LiveItem, Subscription};
use crate::ports::{CodedUnit, Transcoded, Transcoder, Transcoders};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::runtime::Handle;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use watchbook_base::{MonoNanos, Ticks90k};
use watchbook_media::{Codec, Packet, RecordingStart};

/// Items between the thread and the socket, each with the pictures of one message at most. When they are full the thread waits, the subscription fills up, and skips to a key frame.
const ITEMS_MAX: usize = 4;
/// Pictures that are older than this when a newer one waits are decoded and not encoded: whoever looks wants to see now.
const LATE: Ticks90k = Ticks90k(45_000);
/// Units without one picture, while some are refused, after which the stream counts as broken: 4 s at 25 a second.
const BARREN_MAX: u64 = 100;
/// Recording is looked at so often.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Told to the encoder, which has a key frame every second by it.
const FPS: u32 = 25;

/// A subscription whose pictures are transcoded. Dropping it ends the programs.
pub(crate) struct TranscodedLive {
    items: Receiver<LiveItem>,
}

impl TranscodedLive {
    /// Follows `subscription` with a transcoder of its own.
    pub(crate) fn start(transcoders: Arc<dyn Transcoders>, subscription: Subscription, place: Place) -> Self {
        let (out, items) = channel(ITEMS_MAX);
        let handle = Handle::current();
        tokio::task::spawn_blocking(move || {
            // Given back when the programs have ended, which the one who works does.
            let _place = place;
            let worker =
                Worker { handle, out, samples: Samples::default(), running: None, barren: 0, ready: Vec::new() };
            worker.run(&*transcoders, subscription);
        });
        Self { items }
    }

    /// What comes next; `None` at the end.
    pub(crate) async fn next(&mut self) -> Option<LiveItem> {
        self.items.recv().await
    }
}

/// The viewer has left, or something is to be told before the end.
enum End {
    Left,
    Told(Refused),
}

impl From<Error> for End {
    fn from(error: Error) -> Self {
        Self::Told(Refused::broken(&error))
    }
}

struct Worker {
    handle: Handle,
    out: Sender<LiveItem>,
    samples: Samples,
    /// The recording that is transcoded, and by whom; `None`: what comes is passed on.
    running: Option<(Arc<RecordingStart>, Box<dyn Transcoder>)>,
    barren: u64,
    /// Transcoded packets that are not sent yet.
    ready: Vec<LiveItem>,
}

impl Worker {
    fn run(mut self, transcoders: &dyn Transcoders, mut subscription: Subscription) {
        let mut looked = Instant::now();
        loop {
            let out = &self.out;
            let next = self.handle.block_on(async {
                tokio::select! {
                    () = out.closed() => None,
                    item = subscription.next() => item,
                }
            });
            let Some(item) = next else { return };
            if looked.elapsed() > LOOK_EVERY {
                looked = Instant::now();
                if let Err(refused) = super::not_late(transcoders) {
                    return self.tell(refused);
                }
            }
            match self.item(transcoders, item) {
                Ok(()) => {}
                Err(End::Left) => return,
                Err(End::Told(refused)) => return self.tell(refused),
            }
        }
    }

    fn item(&mut self, transcoders: &dyn Transcoders, item: LiveItem) -> Result<(), End> {
        match item {
            LiveItem::Format(start) if !matches!(start.format.codec, Codec::Mjpeg { .. }) => {
                // Another recording begins with programs of its own: an encoder that goes on would not begin with a key frame.
                self.running = None;
                let mut transcoder = transcoders.start()?;
                transcoder.open(&start.format, FPS)?;
                (self.running, self.samples, self.barren) = (Some((start, transcoder)), Samples::default(), 0);
                Ok(())
            }
            LiveItem::Packets { packets, .. } if self.running.is_some() => self.packets(&packets),
            LiveItem::Format(_) => {
                self.running = None;
                self.send(item)
            }
            item => self.send(item),
        }
    }

    fn packets(&mut self, packets: &[Packet]) -> Result<(), End> {
        let Some((start, transcoder)) = &mut self.running else { return Ok(()) };
        let newest = packets.last().map_or(Ticks90k(0), shown);
        let (samples, ready) = (&mut self.samples, &mut self.ready);
        let mut pictures = 0_u64;
        let mut on = |picture: Transcoded| {
            pictures += 1;
            take(samples, start, &picture, ready)
        };
        for packet in packets {
            let late = shown(packet) < newest - LATE;
            let unit = CodedUnit { at: name_of(shown(packet)), key: packet.key, data: &packet.data, shown: !late };
            transcoder.feed(unit, &mut on)?;
        }
        transcoder.settle(&mut on)?;
        let count = u64::try_from(packets.len()).unwrap_or(u64::MAX);
        self.barren = if pictures > 0 { 0 } else { self.barren.saturating_add(count) };
        let (refused, why) = transcoder.refused();
        if self.barren > BARREN_MAX && refused > 0 {
            let detail = why.unwrap_or_else(|| "no picture could be made of what the camera sends".to_owned());
            return Err(End::Told(Refused { why: Why::Broken, detail }));
        }
        for item in std::mem::take(&mut self.ready) {
            self.send(item)?;
        }
        Ok(())
    }

    fn send(&self, item: LiveItem) -> Result<(), End> {
        self.out.blocking_send(item).map_err(|_| End::Left)
    }

    fn tell(&self, refused: Refused) {
        tracing::info!(detail = refused.detail, why = refused.why.slug(), "a transcoded live picture ends");
        // A viewer that has left needs no reason.
        let _ = self.out.blocking_send(LiveItem::Refused(refused));
    }
}

fn shown(packet: &Packet) -> Ticks90k {
    packet.dts + Ticks90k(i64::from(packet.cts_offset))
}

/// Adds a picture to what is ready: to the packets at the end, or behind the track's new description.
fn take(
    samples: &mut Samples,
    start: &Arc<RecordingStart>,
    picture: &Transcoded,
    ready: &mut Vec<LiveItem>,
) -> Result<(), Error> {
    let (format, sample) = samples.take(picture)?;
    if let Some(format) = format {
        ready.push(LiveItem::Transcoded(Arc::new(RecordingStart { format, ..RecordingStart::clone(start) })));
    }
    let packet = Packet {
        stream: start.stream,
        dts: sample.shown,
        cts_offset: 0,
        utc: start.utc.plus_ticks(sample.shown),
        mono: MonoNanos(0),
        key: sample.key,
        lost_before: 0,
        data: sample.data,
    };
    match ready.last_mut() {
        Some(LiveItem::Packets { packets, .. }) if packets.len() < crate::live::MESSAGE_SAMPLES => packets.push(packet),
        _ => ready.push(LiveItem::Packets { packets: vec![packet], next_dts: None }),
    }
    Ok(())
}
