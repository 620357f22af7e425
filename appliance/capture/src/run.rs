//! Keeps the sessions of a camera going: one task for the main stream, one for the sub stream.

use crate::config::{CameraConfig, SessionConfig};
use crate::failure::Failure;
use crate::health::Health;
use crate::reconnect::{Backoff, Outcome};
use crate::rtsp::{Item, VideoFormat};
use crate::session::{LOCAL_WAIT, Session, Sessions};
use crate::sink::{Sink, Status, StreamState};
use crate::timeline::Arrival;
use crate::track::Track;
use crate::watch::{Watch, nanos};
use core::panic::AssertUnwindSafe;
use core::time::Duration;
use futures::FutureExt;
use futures::future::{Fuse, FusedFuture as _};
use std::sync::Arc;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;
use watchbook_base::{CameraId, Clock, GapReason, MonoNanos, TrackRole};

/// How often time-outs are looked at: a timer for every frame would cost more than the frame.
const TICK: Duration = Duration::from_secs(1);
/// Rates and counters are published every so many ticks while live.
const HEALTH_TICKS: u64 = 5;
/// The sub stream's place is offered to the main stream for so many attempts …
const OFFERED_FOR: u32 = 4;
/// … of so many: with the longest wait between attempts every quarter of an hour.
const OFFERED_EVERY: u32 = 32;
/// Pictures for this long make a session healthy: the next failure is a new one.
const HEALTHY: Duration = Duration::from_secs(10);
/// Longest delay after a question that nobody answered: another one troubles nobody.
const KNOCK_AGAIN: Duration = Duration::from_millis(300);
/// How long a camera that is back has to hear that its old session is over. Its answer stands behind what it repeats.
const FAREWELL: Duration = Duration::from_millis(250);
/// After a fault that a new session mends, it is opened at once, but at most this often; else after [`AT_ONCE_OFTEN`].
const AT_ONCE_EVERY: Duration = Duration::from_secs(5);
const AT_ONCE_OFTEN: Duration = Duration::from_millis(250);

#[derive(Clone, Debug)]
enum Wanted {
    Run(Arc<CameraConfig>),
    Stop(GapReason),
}

/// The running tasks of one camera. Dropping it stops them without waiting.
#[derive(Debug)]
pub struct CameraHandle {
    camera: CameraId,
    wanted: watch::Sender<Wanted>,
    tasks: Vec<JoinHandle<()>>,
}

impl CameraHandle {
    /// Which camera.
    #[must_use]
    pub fn camera(&self) -> CameraId {
        self.camera
    }

    /// Goes on with another configuration of the same camera. A stream whose address, transport, credentials and sound are the same is not interrupted.
    pub fn reconfigure(&self, config: CameraConfig) {
        self.wanted.send_replace(Wanted::Run(Arc::new(config)));
    }

    /// Ends the recordings with `reason` ([`GapReason::Restart`] when the recorder stops, [`GapReason::Configuration`] when the camera is switched off) and waits for that:
    /// at most a moment, because every task answers at once.
    pub async fn stop(mut self, reason: GapReason) {
        self.wanted.send_replace(Wanted::Stop(reason));
        for task in self.tasks.drain(..) {
            if let Err(error) = task.await {
                tracing::error!(camera = %self.camera, %error, "a capture task did not end in order");
            }
        }
    }
}

impl Drop for CameraHandle {
    fn drop(&mut self) {
        self.wanted.send_if_modified(|wanted| {
            let running = matches!(wanted, Wanted::Run(_));
            if running {
                *wanted = Wanted::Stop(GapReason::Restart);
            }
            running
        });
    }
}

/// Starts to record a camera: two tasks on the current tokio runtime, which go on until the handle is stopped or dropped.
///
/// # Panics
/// Outside a tokio runtime.
#[must_use]
pub fn spawn_camera(config: CameraConfig, sink: Arc<dyn Sink>, clock: Arc<dyn Clock>) -> CameraHandle {
    let camera = config.camera;
    let (wanted, _) = watch::channel(Wanted::Run(Arc::new(config)));
    let room = Arc::new(watch::Sender::new(true));
    let tasks = [TrackRole::MainVideo, TrackRole::SubVideo]
        .map(|role| {
            let ends = Ends { sink: Arc::clone(&sink), clock: Arc::clone(&clock), wanted: wanted.subscribe() };
            tokio::spawn(StreamTask::new(camera, role, ends, Arc::clone(&room)).run())
        })
        .into();
    CameraHandle { camera, wanted, tasks }
}

/// How an attempt ended.
enum Exit {
    Failed(Failure),
    /// Something else is wanted.
    Changed,
}

/// What a task is given, and where it gives to.
struct Ends {
    sink: Arc<dyn Sink>,
    clock: Arc<dyn Clock>,
    wanted: watch::Receiver<Wanted>,
}

struct StreamTask {
    camera: CameraId,
    role: TrackRole,
    sink: Arc<dyn Sink>,
    clock: Arc<dyn Clock>,
    wanted: watch::Receiver<Wanted>,
    /// The camera has room for the main stream: `false` makes the sub stream give up its place.
    room: Arc<watch::Sender<bool>>,
    /// Attempts in a row that ended because the camera has no room.
    no_room: u32,
    /// The last attempt ended without an answer.
    unanswered: bool,
    /// A session whose camera is away. It is ended when the camera can hear it: what is sent to nobody is repeated at growing intervals, and a camera that still serves the
    /// old session meanwhile may have nothing for the next one.
    old: Option<Session>,
    /// What is amiss with a stream that is live.
    notice: Option<String>,
    video: Track,
    audio: Track,
    health: Health,
    state: StreamState,
    /// First picture of the current session.
    live_since: Option<MonoNanos>,
    /// The camera has a media clock of its own.
    has_clock: bool,
    /// The last time a session was followed by another at once.
    last_at_once: Option<MonoNanos>,
}

impl StreamTask {
    fn new(camera: CameraId, role: TrackRole, ends: Ends, room: Arc<watch::Sender<bool>>) -> Self {
        let Ends { sink, clock, wanted } = ends;
        let track = |role| Track::new(camera.stream(role), Arc::clone(&sink), Arc::clone(&clock));
        Self {
            camera,
            role,
            wanted,
            room,
            no_room: 0,
            unanswered: false,
            old: None,
            notice: None,
            video: track(role),
            audio: track(TrackRole::MainAudio),
            health: Health::default(),
            state: StreamState::new(Status::Disabled, clock.utc()),
            live_since: None,
            has_clock: true,
            last_at_once: None,
            sink,
            clock,
        }
    }

    async fn run(mut self) {
        let seed = u64::from(self.camera.stream(self.role).to_u32()) << 32 ^ self.clock.mono().0;
        let mut backoff = Backoff::new(seed);
        let sessions = Sessions::default();
        loop {
            let wanted = self.wanted.borrow_and_update().clone();
            let config = match wanted {
                Wanted::Stop(reason) => {
                    self.end(reason);
                    self.old = None;
                    // A camera that allows one session only must not refuse the recorder's next start.
                    return sessions.settle().await;
                }
                Wanted::Run(camera) => camera.session(self.role),
            };
            let Some(config) = config else {
                self.old = None;
                self.enter(Status::Disabled, None);
                if self.wanted.changed().await.is_err() {
                    return self.end(GapReason::Restart);
                }
                continue;
            };
            if self.state.status == Status::Disabled {
                self.enter(Status::Connecting, None);
            }
            let exit = AssertUnwindSafe(self.attempt(&config, &sessions))
                .catch_unwind()
                .await
                .unwrap_or_else(|_| Exit::Failed(reader_failed(&config)));
            let Exit::Failed(failure) = exit else {
                // A stop has its own reason.
                if matches!(*self.wanted.borrow(), Wanted::Run(_)) {
                    self.fail(GapReason::Configuration);
                }
                backoff = Backoff::new(seed);
                continue;
            };
            self.unanswered = failure.no_answer;
            let mut delay = self.delay(&failure, &mut backoff);
            if config.source.url.device().is_some() && failure.reason == GapReason::CameraGone {
                delay = delay.min(LOCAL_WAIT);
            }
            self.lose(&failure, delay);
            let _ = tokio::time::timeout(delay, self.wanted.changed()).await;
        }
    }

    /// One session from connection to failure.
    async fn attempt(&mut self, config: &SessionConfig, sessions: &Sessions) -> Exit {
        self.live_since = None;
        let mut room = self.room.subscribe();
        let shares = self.shares(config);
        let (unanswered, old) = (core::mem::take(&mut self.unanswered), &mut self.old);
        let opening = async {
            if shares {
                room_is(&mut room, true).await;
            }
            if unanswered {
                Session::knock(config).await?;
            }
            let wait = if old.take().is_some() { FAREWELL } else { Duration::MAX };
            let _ = tokio::time::timeout(wait, sessions.settle()).await;
            Session::open(config, sessions).await
        };
        let mut wanted = self.wanted.clone();
        let opened = tokio::select! {
            opened = opening => opened,
            () = other_session_wanted(&mut wanted, self.role, config) => return Exit::Changed,
        };
        match opened {
            Ok(session) => self.play(session, config).await,
            Err(failure) => {
                self.no_room = if failure.no_room { self.no_room.saturating_add(1) } else { 0 };
                self.tell_room(!yields(self.no_room));
                Exit::Failed(failure)
            }
        }
    }

    /// Whether this is a sub stream of the camera that sends the main stream, which a camera for one viewer cannot send as well.
    fn shares(&self, config: &SessionConfig) -> bool {
        let Wanted::Run(camera) = &*self.wanted.borrow() else { return false };
        let main = camera.session(TrackRole::MainVideo);
        let same = main.is_some_and(|main| main.source.url.host_port() == config.source.url.host_port());
        self.role == TrackRole::SubVideo && same
    }

    /// Of cameras that allow a single viewer the main stream comes first: it is the record.
    fn tell_room(&self, room: bool) {
        if self.role == TrackRole::MainVideo {
            self.room.send_if_modified(|known| core::mem::replace(known, room) != room);
        }
    }

    async fn play(&mut self, mut session: Session, config: &SessionConfig) -> Exit {
        self.health.session();
        self.notice = session.audio_refused().map(str::to_owned);
        if let Some(format) = session.audio_format() {
            self.audio.set_format(format.clone());
        }
        let mut watch = Watch::new(self.clock.mono(), session.silence());
        self.has_clock = session.has_clock();
        let mut wanted = self.wanted.clone();
        let mut ticks = tokio::time::interval_at(tokio::time::Instant::now() + TICK, TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let changed = other_session_wanted(&mut wanted, self.role, config);
        tokio::pin!(changed);
        let mut room = self.room.subscribe();
        let shares = self.shares(config);
        // While nothing comes: whether anybody is there.
        let mut knock = core::pin::pin!(Fuse::terminated());
        loop {
            // In this order: a camera that sends faster than we read would never let go of the task's share of time, and neither the time-outs nor a stop be seen.
            tokio::select! {
                biased;
                _ = ticks.tick() => {
                    self.state.encoder = session.encoder();
                    if let Some(failure) = self.tick(&mut watch, &config.source.url.host_port()) {
                        let lost = self.untold(&mut session);
                        let failure = session.advise(failure, lost);
                        self.old = Some(session).filter(|_| failure.no_answer);
                        return Exit::Failed(failure);
                    }
                    if knock.is_terminated() && watch.is_quiet(self.clock.mono()) {
                        knock.set(is_there(config, Duration::ZERO).fuse());
                    }
                }
                there = &mut knock => {
                    let now = self.clock.mono();
                    if let Some(failure) = watch.answered(there, now, &config.source.url.host_port()) {
                        self.untold(&mut session);
                        self.old = Some(session);
                        return Exit::Failed(failure);
                    }
                    if watch.is_quiet(now) {
                        knock.set(is_there(config, KNOCK_AGAIN).fuse());
                    }
                }
                () = &mut changed => {
                    self.untold(&mut session);
                    return Exit::Changed;
                }
                () = room_is(&mut room, false), if shares => {
                    self.untold(&mut session);
                    return Exit::Failed(Failure::yielded(&config.source.url.host_port()));
                }
                item = session.next() => match item {
                    Ok(item) => self.take(&session, item, &mut watch),
                    Err(failure) => return Exit::Failed(failure),
                },
            }
        }
    }

    /// What the session has lost and nobody has been told of is counted, too.
    fn untold(&mut self, session: &mut Session) -> u64 {
        let lost = session.untold();
        self.health.lost_packets += lost;
        lost
    }

    fn take(&mut self, session: &Session, item: Item, watch: &mut Watch) {
        let arrival = Arrival { mono: self.clock.mono(), utc: self.clock.utc() };
        match item {
            Item::Video { unit, format, lost } => {
                if let Some(format) = format {
                    self.set_format(format);
                }
                self.lost(lost, true);
                self.health.frame(unit.data.len(), unit.key, arrival.mono);
                watch.picture(arrival.mono);
                let taken = session.taken(&unit, arrival);
                self.video.sample(unit, taken);
                if self.live_since.is_none() && self.video.is_open() {
                    self.go_live(arrival.mono);
                }
            }
            Item::Audio { unit, lost } => {
                self.lost(lost, false);
                // Sound without pictures is of no use: it starts with them.
                if self.live_since.is_some() {
                    self.audio.sample(unit, arrival);
                }
            }
            Item::NoParameters => watch.undecodable(arrival.mono),
            Item::Incomplete { lost } => self.lost(lost, true),
            Item::Damaged(what) => {
                self.health.damaged += 1;
                self.video.lose(1);
                watch.damage = Some(what);
            }
            Item::CameraClock(theirs) => {
                self.health.clock = Some((theirs.nanos_since(arrival.utc) / 1_000_000, arrival.mono));
            }
            Item::Other => {}
        }
    }

    fn lost(&mut self, packets: u16, video: bool) {
        if packets > 0 {
            self.health.lost_packets += u64::from(packets);
            if video {
                // The access units that the packets belonged to are gone: one at least.
                self.health.damaged += 1;
                self.video.lose(packets);
            } else {
                self.audio.lose(packets);
            }
        }
    }

    fn set_format(&mut self, format: VideoFormat) {
        self.video.set_format(format.track);
        if self.state.format.as_ref() != Some(&format.shown) {
            self.state.format = Some(format.shown);
            if self.live_since.is_some() {
                self.publish();
            }
        }
    }

    fn go_live(&mut self, now: MonoNanos) {
        self.live_since = Some(now);
        self.no_room = 0;
        self.tell_room(true);
        self.health.take_rates(now);
        self.health.back(self.clock.utc());
        self.enter(Status::Live, None);
    }

    /// Looks at what time does. `Some` when the session is to be given up.
    fn tick(&mut self, watch: &mut Watch, host_port: &str) -> Option<Failure> {
        let arrival = Arrival { mono: self.clock.mono(), utc: self.clock.utc() };
        self.video.tick(arrival);
        self.audio.tick(arrival);
        if self.live_since.is_none() && self.video.is_open() {
            self.go_live(arrival.mono);
        }
        watch.ticks += 1;
        if self.live_since.is_some() && watch.ticks.is_multiple_of(HEALTH_TICKS) {
            (self.state.fps, self.state.bitrate_bps) = self.health.take_rates(arrival.mono);
            self.publish();
        }
        watch.failure(arrival.mono, self.live_since.is_some(), host_port)
    }

    /// How long to wait before the next session.
    fn delay(&mut self, failure: &Failure, backoff: &mut Backoff) -> Duration {
        let now = self.clock.mono();
        if failure.at_once && self.live_since.is_some() {
            // A fault in the stream, not in the camera: no longer waits for a camera that has it often, or most of its footage would be waiting.
            let often = self.last_at_once.is_some_and(|last| now.nanos_since(last) < nanos(AT_ONCE_EVERY));
            self.last_at_once = Some(now);
            return if often { AT_ONCE_OFTEN } else { Duration::ZERO };
        }
        let delay = backoff.after(self.outcome(failure));
        // The question itself takes its time.
        if failure.no_answer { delay.min(KNOCK_AGAIN) } else { delay }
    }

    fn outcome(&self, failure: &Failure) -> Outcome {
        if failure.reason == GapReason::CameraDenied {
            Outcome::Denied
        } else if self.live_since.is_some_and(|since| self.clock.mono().nanos_since(since) >= nanos(HEALTHY)) {
            Outcome::WasHealthy
        } else {
            Outcome::Failed
        }
    }

    fn lose(&mut self, failure: &Failure, delay: Duration) {
        let said = self.state.reason == Some(failure.reason) && self.state.detail.as_ref() == Some(&failure.detail);
        if !said {
            tracing::warn!(
                camera = %self.camera, role = ?self.role, reason = ?failure.reason, retry_ms = delay.as_millis(), "{}", failure.detail
            );
        }
        self.fail(failure.reason);
        self.enter(Status::Lost, Some(failure));
    }

    /// Ends the recordings. A stream without sound has no gap in its sound.
    fn fail(&mut self, reason: GapReason) {
        let now = self.clock.utc();
        self.health.lost(reason, now);
        self.video.fail(reason, now);
        if !self.audio.is_closed() {
            self.audio.fail(reason, now);
        }
    }

    fn end(&mut self, reason: GapReason) {
        if self.state.status != Status::Disabled {
            self.fail(reason);
        }
        self.enter(Status::Disabled, None);
    }

    fn enter(&mut self, status: Status, failure: Option<&Failure>) {
        if self.state.status != status {
            (self.state.status, self.state.since) = (status, self.clock.utc());
        }
        self.state.reason = failure.map(|failure| failure.reason);
        let notice = self.notice.clone().filter(|_| status == Status::Live);
        self.state.detail = failure.map(|failure| failure.detail.clone()).or(notice);
        self.state.next_step = failure.map(|failure| failure.next_step.clone());
        if status != Status::Live {
            (self.state.fps, self.state.bitrate_bps) = (0.0, 0);
        }
        self.publish();
    }

    fn publish(&mut self) {
        self.state.lost_packets = self.health.lost_packets;
        self.state.damaged_access_units = self.health.damaged;
        self.state.sessions = self.health.sessions;
        self.state.clock_offset_ms = self.health.clock_offset_ms(self.clock.mono());
        (self.state.gop_pictures, self.state.key_interval_ms) = self.health.gop().unzip();
        self.state.key_age_ms = self.health.key_age_ms(self.clock.mono());
        self.state.last_gap = self.health.last_gap();
        self.state.drift_ppm = self.video.drift_ppm().or(self.state.drift_ppm).filter(|_| self.has_clock);
        self.sink.state(self.camera, self.role, self.state.clone());
    }
}

/// Returns when this stream is to stop or needs another session.
async fn other_session_wanted(wanted: &mut watch::Receiver<Wanted>, role: TrackRole, config: &SessionConfig) {
    let other = |wanted: &Wanted| match wanted {
        Wanted::Run(camera) => camera.session(role).as_ref() != Some(config),
        Wanted::Stop(_) => true,
    };
    // An error means that the handle is gone, which sends Stop before.
    let _ = wanted.wait_for(other).await;
}

/// Whether somebody is there, asked after a while.
async fn is_there(config: &SessionConfig, after: Duration) -> bool {
    tokio::time::sleep(after).await;
    !matches!(Session::knock(config).await, Err(failure) if failure.no_answer)
}

/// Whether the sub stream leaves its place to a main stream that was refused so many times in a row. When that does not help it is recorded meanwhile, because something is better than
/// nothing, and the place is offered again from time to time.
fn yields(refused: u32) -> bool {
    refused > 0 && (refused - 1) % OFFERED_EVERY < OFFERED_FOR
}

/// Waits until the camera has room for its main stream, or has none.
async fn room_is(room: &mut watch::Receiver<bool>, wanted: bool) {
    // An error means that the main stream is gone for good: it cannot be, each task holds a sender.
    let _ = room.wait_for(|room| *room == wanted).await;
}

pub(crate) fn reader_failed(config: &SessionConfig) -> Failure {
    Failure::unusable(
        format!("What the camera at {} sends makes the reader fail.", config.source.url.host_port()),
        "Report the camera's model and firmware; recording goes on when the stream becomes readable.",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sub_stream_leaves_its_place_for_some_attempts_and_comes_back() {
        assert!(!yields(0) && yields(1) && yields(OFFERED_FOR) && !yields(OFFERED_FOR + 1));
        let offered = (1..=10 * OFFERED_EVERY).filter(|refused| yields(*refused)).count();
        assert_eq!(offered, 10 * OFFERED_FOR as usize);
    }
}
