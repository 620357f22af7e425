//! Whether the cameras see: one key frame a minute of each is decoded in a child of its own and judged ([`watchbook_analysis::sight`]). Needs no plugin, and nothing
//! here can hold up capture: a packet that is not due costs a look at its key flag, and a key frame a look at the clock; while a picture is judged it is let go.

use super::proposals::RuleFeed;
use super::states::States;
use std::collections::BTreeMap;
use std::os::fd::AsFd as _;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use watchbook_analysis::mask::Mask;
use watchbook_analysis::sight::{LOOK_EVERY_MS, OUTPUT, Sight, Trouble};
use watchbook_analysis::{Decoder, Emitted, Frame, Plan, Point, analysed_role};
use watchbook_base::{CameraId, Event, EventSource, StreamId, TimeRange, TrackRole, UtcNanos, memfd};
use watchbook_media::{Packet, RecordingStart, TrackFormat};
use watchbook_store::Writer;
use watchbook_web::api;
use watchbook_web::ports::CameraConfig;

const LOOK_EVERY_NS: u64 = LOOK_EVERY_MS * 1_000_000;
/// Trouble that lasts is an event when it is noticed, and one more after each such time: it shows while it lasts, and a camera that is dark all night makes some twenty.
const PART_NANOS: i64 = 30 * 60 * 1_000_000_000;

/// Who looks at the cameras.
pub struct Lookout {
    decoder: Option<Decoder>,
    states: Arc<States>,
    table: Arc<Table>,
    teller: Teller,
}

/// Where events of trouble go.
#[derive(Clone)]
pub struct Teller(Option<(Writer, RuleFeed)>);

impl Teller {
    /// Into the store, and to the rules.
    pub fn new(writer: Writer, rules: RuleFeed) -> Self {
        Self(Some((writer, rules)))
    }

    fn tell(&self, camera: CameraId, parts: impl IntoIterator<Item = Part>) {
        let Some((writer, rules)) = &self.0 else { return };
        for part in parts {
            let event = event_of(camera, part);
            match writer.event(&event) {
                Ok(number) => rules.event(number, event),
                Err(error) => tracing::error!(%camera, %error, "an event of what a camera sees is lost"),
            }
        }
    }
}

/// A time of trouble, to be told as an event.
type Part = (Trouble, TimeRange);

/// What has been told of the trouble that lasts.
#[derive(Clone, Copy, Debug, Default)]
struct Going {
    trouble: Option<Trouble>,
    /// Told up to here.
    told: UtcNanos,
    /// The last look that showed it.
    seen: UtcNanos,
}

impl Going {
    /// After a look at `utc`: what is to be told now, an end before a beginning.
    fn look(&mut self, now: Option<(Trouble, UtcNanos)>, utc: UtcNanos) -> Vec<Part> {
        let mut parts = Vec::new();
        if self.trouble != now.map(|(trouble, _)| trouble) {
            parts.extend(self.end());
        }
        let Some((trouble, since)) = now else { return parts };
        let begins = self.trouble.is_none();
        if begins {
            (self.trouble, self.told) = (Some(trouble), since);
        }
        self.seen = utc;
        if begins || utc.nanos_since(self.told) >= PART_NANOS {
            parts.extend(self.part());
        }
        parts
    }

    /// It is over, or nobody looks any more.
    fn end(&mut self) -> Option<Part> {
        let part = self.part();
        self.trouble = None;
        part
    }

    /// What is not told yet.
    fn part(&mut self) -> Option<Part> {
        let trouble = self.trouble?;
        let range = TimeRange::new(self.told, self.seen).filter(|range| range.start < range.end)?;
        self.told = self.seen;
        Some((trouble, range))
    }
}

fn event_of(camera: CameraId, (trouble, range): Part) -> Event {
    let kind = match trouble {
        Trouble::Frozen => "frozen",
        Trouble::Covered => "covered",
    };
    let source = EventSource {
        plugin: EventSource::RECORDER.to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        component_sha256: String::new(),
        settings_sha256: String::new(),
    };
    Event {
        camera,
        kind: kind.to_owned(),
        score: 1.0,
        start: range.start,
        end: Some(range.end),
        zone: None,
        detections: Vec::new(),
        note: String::new(),
        source,
        lead: None,
        camera_clock: None,
    }
}

#[derive(Default)]
struct Table(Mutex<Known>);

#[derive(Default)]
struct Known {
    cameras: BTreeMap<CameraId, Watched>,
    /// Formats of the recordings that are open, of every stream: another one may be looked at from now on.
    formats: BTreeMap<StreamId, TrackFormat>,
}

struct Watched {
    role: TrackRole,
    masks: Vec<Vec<Point>>,
    drawn: Mask,
    sight: Sight,
    going: Going,
    /// Monotonic time in nanoseconds from which on the next key frame is looked at.
    due: u64,
    /// Its current recording is decoded.
    open: bool,
}

impl Watched {
    fn new(role: TrackRole, masks: Vec<Vec<Point>>) -> Self {
        let drawn = Mask::draw(&masks, OUTPUT.width, OUTPUT.height);
        Self { role, masks, drawn, sight: Sight::default(), going: Going::default(), due: 0, open: false }
    }

    /// Whether this key frame is the one of its minute.
    fn takes(&mut self, packet: &Packet) -> bool {
        let takes = self.open && packet.key && self.role == packet.stream.role && packet.mono.0 >= self.due;
        if takes {
            self.due = packet.mono.0.saturating_add(LOOK_EVERY_NS);
        }
        takes
    }
}

impl Table {
    fn lock(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lookout {
    /// Starts the child. One that cannot be started is logged; then nobody looks, and recording goes on.
    pub fn open(program_dir: &Path, states: Arc<States>, teller: Teller) -> Self {
        let table = Arc::new(Table::default());
        let (judged, shown, told) = (Arc::clone(&table), Arc::clone(&states), teller.clone());
        let decoder = Decoder::spawn(&program_dir.join("watchbook-decode"), move |emitted| match emitted {
            Emitted::Frame(frame) => told.tell(frame.stream.camera, judge(&judged, &shown, &frame)),
            Emitted::Problem { stream, sentence } => {
                tracing::warn!(%stream, sentence, "nobody can tell whether the camera sees")
            }
            Emitted::Restarting { .. } => {}
        });
        let decoder = decoder
            .map_err(|error| tracing::error!(%error, "frozen and covered cameras are not noticed: the decoder could not be started"))
            .ok();
        Self { decoder, states, table, teller }
    }

    /// Brings a camera's masks and streams into force. What was seen of other ones counts no more.
    pub fn configure(&self, camera: CameraId, config: &CameraConfig) {
        let (role, _) = analysed_role(config.sub.is_some());
        let corner = |point: &api::Point| Point::from_fractions(f64::from(point.x), f64::from(point.y));
        let masks: Vec<Vec<Point>> = config.masks.iter().map(|polygon| polygon.iter().map(corner).collect()).collect();
        let mut known = self.table.lock();
        if known.cameras.get(&camera).is_some_and(|watched| watched.role == role && watched.masks == masks) {
            return;
        }
        let before = known.cameras.insert(camera, Watched::new(role, masks));
        if let Some(before) = &before {
            self.close(camera.stream(before.role));
        }
        self.states.set_sight(camera, None);
        self.look_on(&mut known, camera.stream(role));
        drop(known);
        self.teller.tell(camera, before.and_then(|mut before| before.going.end()));
    }

    /// A removed camera is looked at no more.
    pub fn forget(&self, camera: CameraId) {
        let mut known = self.table.lock();
        known.formats.retain(|stream, _| stream.camera != camera);
        let Some(mut gone) = known.cameras.remove(&camera) else { return };
        self.close(camera.stream(gone.role));
        drop(known);
        self.teller.tell(camera, gone.going.end());
    }

    /// A recording begins.
    pub fn begin(&self, start: &RecordingStart) {
        let mut known = self.table.lock();
        known.formats.insert(start.stream, start.format.clone());
        self.look_on(&mut known, start.stream);
    }

    /// Lets the decoder have the stream's recording, if there is one and it is the one that is looked at.
    fn look_on(&self, known: &mut Known, stream: StreamId) {
        let (Some(decoder), Some(format)) = (&self.decoder, known.formats.get(&stream)) else { return };
        let watched = known.cameras.get_mut(&stream.camera).filter(|watched| watched.role == stream.role);
        let Some(watched) = watched else { return };
        let plan =
            Plan { format: format.clone(), masks: watched.masks.clone(), outputs: vec![OUTPUT], keys_only: true };
        let opened = decoder.open(stream, plan);
        watched.open = opened.is_ok();
        if let Err(error) = opened {
            tracing::error!(%stream, %error, "nobody can tell whether the camera sees");
        }
    }

    /// A packet of any stream; all but a key frame a minute of each camera are let go.
    pub fn packet(&self, packet: &Packet) {
        let Some(decoder) = self.decoder.as_ref().filter(|_| packet.key) else { return };
        let Ok(mut known) = self.table.0.try_lock() else { return };
        let Some(watched) = known.cameras.get_mut(&packet.stream.camera) else { return };
        if watched.takes(packet) {
            drop(known);
            decoder.offer(packet);
        }
    }

    /// The recording ended. What was seen in it says nothing of a camera that comes back.
    pub fn end(&self, stream: StreamId) {
        let mut known = self.table.lock();
        known.formats.remove(&stream);
        let watched = known.cameras.get_mut(&stream.camera).filter(|watched| watched.role == stream.role);
        let Some(watched) = watched else { return };
        (watched.open, watched.sight) = (false, Sight::default());
        let rest = watched.going.end();
        self.states.set_sight(stream.camera, None);
        self.close(stream);
        drop(known);
        self.teller.tell(stream.camera, rest);
    }

    fn close(&self, stream: StreamId) {
        if let Some(decoder) = &self.decoder {
            decoder.close(stream);
        }
    }
}

/// Runs on the thread that reads the child. Gives what is to be told.
fn judge(table: &Table, states: &States, frame: &Frame) -> Vec<Part> {
    let camera = frame.stream.camera;
    let Ok(luma) = memfd::read(frame.pixels.as_fd(), OUTPUT.frame_bytes()) else { return Vec::new() };
    let mut known = table.lock();
    let watched = known.cameras.get_mut(&camera).filter(|watched| watched.role == frame.stream.role && watched.open);
    let Some(watched) = watched else { return Vec::new() };
    let Watched { sight, drawn, going, .. } = watched;
    let trouble = sight.look(frame.utc, &luma, |column, row| drawn.contains(column, row));
    let shown = trouble.map(|(trouble, since)| api::Sight {
        kind: match trouble {
            Trouble::Frozen => api::SightKind::Frozen,
            Trouble::Covered => api::SightKind::Covered,
        },
        since_utc_ms: since.as_ms(),
    });
    let parts = going.look(trouble, frame.utc);
    let changed = states.set_sight(camera, shown.map(|shown| (shown, frame.utc)));
    // Only now may an end of the recording take it back.
    drop(known);
    if changed {
        tracing::warn!(%camera, trouble = ?shown, "what a camera sees has changed");
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;
    use watchbook_base::{MonoNanos, Ticks90k};

    fn camera() -> CameraId {
        CameraId::new(4).unwrap()
    }

    fn packet(role: TrackRole, key: bool, second: u64) -> Packet {
        Packet {
            stream: camera().stream(role),
            dts: Ticks90k(0),
            cts_offset: 0,
            utc: UtcNanos(0),
            mono: MonoNanos(second * 1_000_000_000),
            key,
            lost_before: 0,
            data: bytes::Bytes::from_static(b"picture"),
        }
    }

    #[test]
    fn one_key_frame_a_minute_of_one_stream_is_looked_at() {
        let mut watched = Watched::new(TrackRole::SubVideo, Vec::new());
        assert!(!watched.takes(&packet(TrackRole::SubVideo, true, 1)), "no recording is open");
        watched.open = true;
        let taken: Vec<u64> = (0..200)
            .filter(|second| {
                let of_main = watched.takes(&packet(TrackRole::MainVideo, true, *second));
                let other = watched.takes(&packet(TrackRole::SubVideo, false, *second));
                assert!(!of_main && !other);
                watched.takes(&packet(TrackRole::SubVideo, second % 2 == 0, *second))
            })
            .collect();
        assert_eq!(taken, [0, 60, 120, 180]);
    }

    /// A camera with a main stream alone.
    fn config(masks: &serde_json::Value) -> CameraConfig {
        let main = serde_json::json!({ "url": "rtsp://10.0.0.1/main", "transport": "tcp" });
        serde_json::from_value(serde_json::json!({
            "name": "Gate", "main": main, "sub": null, "username": null, "password": null, "record_audio": false,
            "enabled": true, "masks": masks, "retention_days_max": 7, "plugins": [],
        }))
        .unwrap()
    }

    #[test]
    fn other_masks_and_an_end_take_back_what_was_seen_and_the_recording_that_is_open_stays_known() {
        // Without a child: what it would be told is noted all the same.
        let states = Arc::new(States::default());
        let lookout =
            Lookout { decoder: None, states: Arc::clone(&states), table: Arc::default(), teller: Teller(None) };
        let main = camera().stream(TrackRole::MainVideo);
        states.set(main, api::StreamState::bare(api::StreamStatus::Live, 0));
        let codec = watchbook_media::Codec::Mjpeg { width: 320, height: 180 };
        let format = TrackFormat { codec, config: bytes::Bytes::new() };
        let (utc, mono, sync) = (UtcNanos(0), MonoNanos(0), watchbook_base::SyncState::Synchronised);
        lookout.configure(camera(), &config(&serde_json::json!([])));
        lookout.begin(&RecordingStart { stream: main, format, utc, mono, sync });
        let seen = api::Sight { kind: api::SightKind::Frozen, since_utc_ms: 0 };
        let shown = || states.camera(camera(), false, true, UtcNanos(0)).sight;
        let mask = serde_json::json!([[{"x": 0.0, "y": 0.0}, {"x": 0.5, "y": 0.0}, {"x": 0.5, "y": 1.0}]]);
        for (masks, stays) in [(serde_json::json!([]), true), (mask.clone(), false)] {
            states.set_sight(camera(), Some((seen, UtcNanos(0))));
            lookout.configure(camera(), &config(&masks));
            assert_eq!(shown().is_some(), stays, "{masks}");
            assert!(lookout.table.lock().formats.contains_key(&main), "with it the decoder is opened again");
        }
        states.set_sight(camera(), Some((seen, UtcNanos(0))));
        lookout.end(camera().stream(TrackRole::SubVideo));
        assert!(shown().is_some(), "another stream's");
        lookout.end(main);
        assert!(shown().is_none() && lookout.table.lock().formats.is_empty());
    }

    #[test]
    fn trouble_is_told_when_it_is_noticed_in_parts_while_it_lasts_and_to_its_end() {
        let minute = |minute: i64| UtcNanos::from_ms(minute * 60_000);
        let mut going = Going::default();
        let mut told = Vec::new();
        for at in 0..100 {
            let now = match at {
                // Noticed at 5, from 3 on.
                5..=70 => Some((Trouble::Covered, minute(3))),
                // One trouble after the other.
                71..=80 => Some((Trouble::Frozen, minute(66))),
                _ => None,
            };
            told.extend(going.look(now, minute(at)));
        }
        let minutes = |at: UtcNanos| at.as_ms() / 60_000;
        let told: Vec<_> = told.iter().map(|(what, range)| (*what, minutes(range.start), minutes(range.end))).collect();
        let (covered, frozen) = (Trouble::Covered, Trouble::Frozen);
        assert_eq!(
            told,
            [
                (covered, 3, 5),
                (covered, 5, 35),
                (covered, 35, 65),
                (covered, 65, 70),
                (frozen, 66, 71),
                (frozen, 71, 80)
            ]
        );
        going.look(Some((covered, minute(100))), minute(102));
        going.look(Some((covered, minute(100))), minute(110));
        let rest = going.end().map(|(what, range)| (what, minutes(range.start), minutes(range.end)));
        assert_eq!(rest, Some((covered, 102, 110)), "a recording that ends");
        assert_eq!(going.end(), None);
    }

    #[test]
    fn what_is_seen_is_shown_while_pictures_come_and_a_mask_is_no_darkness() {
        let (table, states) = (Table::default(), States::default());
        let half = [(0.0, 0.0), (0.5, 0.0), (0.5, 1.0), (0.0, 1.0)].map(|(x, y)| Point::from_fractions(x, y)).to_vec();
        let watched = Watched { open: true, ..Watched::new(TrackRole::MainVideo, vec![half]) };
        table.lock().cameras.insert(camera(), watched);
        let main = camera().stream(TrackRole::MainVideo);
        let live = |status| states.set(main, api::StreamState::bare(status, 0));
        // The masked half is black; the other one is black, too, from the fourth minute on.
        let luma = |minute: usize| -> Vec<u8> {
            let alive = |at: usize| ((at * 31 + minute * 17) % 200) as u8;
            (0..OUTPUT.frame_bytes()).map(|at| if at % 320 < 162 || minute >= 4 { 0 } else { alive(at) }).collect()
        };
        let (mut told, mut events) = (Vec::new(), Vec::new());
        live(api::StreamStatus::Live);
        for minute in 0..8 {
            let pixels = Arc::new(memfd::seal("frame", &luma(minute)).unwrap());
            let utc = UtcNanos(i64::try_from(minute).unwrap() * 60_000_000_000);
            events.extend(judge(
                &table,
                &states,
                &Frame { stream: main, output: OUTPUT, seq: 0, utc, media: None, masked: true, pixels },
            ));
            told.push(states.camera(camera(), false, true, utc).sight);
        }
        let covered = Some(api::Sight { kind: api::SightKind::Covered, since_utc_ms: 240_000 });
        assert_eq!(told, [None, None, None, None, None, None, covered, covered]);
        let noticed = TimeRange::new(UtcNanos::from_ms(240_000), UtcNanos::from_ms(360_000)).unwrap();
        assert_eq!(events, [(Trouble::Covered, noticed)], "told when it is noticed, from its beginning on");
        let event = event_of(camera(), events[0]);
        assert_eq!((event.kind.as_str(), event.check()), ("covered", Ok(())));
        let later = |minutes: i64| states.camera(camera(), false, true, UtcNanos((7 + minutes) * 60_000_000_000)).sight;
        assert_eq!((later(2), later(4)), (covered, None), "nobody has looked for so long");
        live(api::StreamStatus::Lost);
        assert_eq!(states.camera(camera(), false, true, UtcNanos(0)).sight, None, "a camera that is gone is only that");
        states.forget(camera());
        live(api::StreamStatus::Live);
        assert_eq!(states.camera(camera(), false, true, UtcNanos(0)).sight, None);
    }
}
