//! Follows one camera: whether it is still the same, what it notices, its clock, its masks. One task a camera, one question at a time; recording does not wait for it.

mod told;

use super::PTZ;
use super::clock::{self, DeviceClock};
use super::events::{Came, DeviceEvent, Episodes, Notification};
use super::link::Link;
use super::masks::Masking;
use super::pull::{PullPoint, RENEW};
use crate::failure::Failure;
use crate::reconnect::{Backoff, Outcome};
use core::time::Duration;
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::watch;
pub use told::{DeviceConfig, DeviceSink, DeviceState, DeviceStatus, EventCounts, MaskState};
use watchbook_base::{CameraId, Clock, GapReason};

/// How often the masks are looked at: footage without a mask that should be there lasts at most so long, and one answer.
const MASKS_EVERY: Duration = Duration::from_secs(10);
/// How often the camera is asked for its clock and what it is.
const IDENTITY_EVERY: Duration = Duration::from_secs(60);
/// A clock that is further off is set, where that is wanted. It is read to a second.
const CLOCK_OFFSET_MS_MAX: u64 = 2_000;
/// A clock is set at most so often: one that does not keep it must not fill the audit log.
const CLOCK_EVERY: Duration = Duration::from_secs(600);
/// Wait where nothing is pulled. Also the shortest time between two answers that hold nothing: a camera that does not wait itself must not be asked without end.
const ROUND: Duration = Duration::from_secs(5);
const PULL_EVERY: Duration = Duration::from_secs(1);
/// Shortest time between two answers at all: four times 64 notifications a second are read of a camera that floods.
const PULL_LEAST: Duration = Duration::from_millis(250);
/// A subscription is given up within this, or left to end by itself.
const FAREWELL: Duration = Duration::from_secs(2);
/// A camera that was connected for so long has failed anew.
const HEALTHY: Duration = Duration::from_secs(30);
/// A camera that is another one is asked again after so long.
const OTHER_EVERY: Duration = Duration::from_secs(30);

/// The running task of one camera. Dropping it ends the task without waiting.
#[derive(Debug)]
pub struct DeviceHandle {
    wanted: watch::Sender<Option<Arc<DeviceConfig>>>,
    task: tokio::task::JoinHandle<()>,
}

impl DeviceHandle {
    /// Goes on with another configuration of the same camera; nothing happens when it is the same.
    pub fn reconfigure(&self, config: DeviceConfig) {
        self.wanted.send_if_modified(|wanted| {
            let other = wanted.as_deref() != Some(&config);
            if other {
                *wanted = Some(Arc::new(config));
            }
            other
        });
    }

    /// Connects anew, as after an acceptance.
    pub fn again(&self) {
        self.wanted.send_modify(|_| ());
    }

    /// Gives the subscription up and ends: takes at most [`FAREWELL`] and a moment.
    pub async fn stop(self) {
        self.wanted.send_replace(None);
        if let Err(error) = self.task.await {
            tracing::error!(%error, "a task that follows a camera did not end in order");
        }
    }
}

/// Starts to follow a camera on the current tokio runtime.
///
/// # Panics
/// Outside a tokio runtime.
#[must_use]
pub fn spawn_device(config: DeviceConfig, sink: Arc<dyn DeviceSink>, clock: Arc<dyn Clock>) -> DeviceHandle {
    let camera = config.camera;
    let (wanted, receiver) = watch::channel(Some(Arc::new(config)));
    let task = Follower {
        camera,
        sink,
        wanted: receiver,
        episodes: Episodes::new(camera),
        other: 0,
        state: DeviceState {
            status: DeviceStatus::Connecting,
            since: clock.utc(),
            failure: None,
            ptz: false,
            clock_offset_ms: None,
            clock_problem: None,
            events: None,
            masks: MaskState::Unknown,
        },
        clock,
        clock_set: None,
        connected: None,
    };
    DeviceHandle { wanted, task: tokio::spawn(task.run()) }
}

/// How a session ended.
enum Ended {
    /// Something else is wanted.
    Changed,
    /// Another camera answers.
    Other,
}

struct Follower {
    camera: CameraId,
    sink: Arc<dyn DeviceSink>,
    clock: Arc<dyn Clock>,
    wanted: watch::Receiver<Option<Arc<DeviceConfig>>>,
    episodes: Episodes,
    /// Notifications of no use here.
    other: u64,
    state: DeviceState,
    /// When the clock was set last.
    clock_set: Option<Instant>,
    /// Since when the camera answers.
    connected: Option<Instant>,
}

impl Follower {
    async fn run(mut self) {
        let seed = u64::from(self.camera.get()) << 33 ^ self.clock.mono().0;
        let mut backoff = Backoff::new(seed);
        self.publish().await;
        let mut masks = None;
        loop {
            let Some(config) = self.wanted.borrow_and_update().clone() else { return };
            if self.wanted.has_changed().is_err() {
                // Whoever wanted it is gone.
                return;
            }
            if masks.as_ref() != Some(&config.masks) {
                // Other masks are not lost because they have never been there.
                masks = Some(config.masks.clone());
                self.state.masks = MaskState::Unknown;
            }
            let mut wanted = self.wanted.clone();
            self.connected = None;
            let ended = self.session(&config, &mut wanted).await;
            self.close_episodes().await;
            let wait = match ended {
                Ok(Ended::Changed) => {
                    backoff = Backoff::new(seed);
                    continue;
                }
                Ok(Ended::Other) => {
                    self.enter(DeviceStatus::Lost, None).await;
                    OTHER_EVERY
                }
                Err(failure) => {
                    let healthy = self.connected.is_some_and(|since| since.elapsed() >= HEALTHY);
                    let wait = backoff.after(match failure.reason {
                        GapReason::CameraDenied => Outcome::Denied,
                        _ if healthy => Outcome::WasHealthy,
                        _ => Outcome::Failed,
                    });
                    self.lose(failure, wait).await;
                    wait
                }
            };
            let _ = tokio::time::timeout(wait, self.wanted.changed()).await;
        }
    }

    /// One connection, until the camera fails or something else is wanted.
    async fn session(&mut self, config: &DeviceConfig, wanted: &mut Wanted) -> Result<Ended, Failure> {
        let opening = Link::open(&config.address, &config.access, &config.networks);
        let mut link = tokio::select! {
            opened = opening => opened?,
            _ = wanted.changed() => return Ok(Ended::Changed),
        };
        if !self.is_same(&mut link).await? {
            return Ok(Ended::Other);
        }
        self.connected = Some(Instant::now());
        self.state.ptz = link.service(PTZ).is_some();
        self.tend_clock(config, &mut link).await?;
        let masking = self.begin_masks(config, &mut link).await?;
        let mut point = None;
        self.enter(DeviceStatus::Connected, None).await;
        self.subscribe(config, &mut link, &mut point).await?;
        let ended = self.follow(config, &mut link, (masking.as_ref(), &mut point), wanted).await;
        if let Some(point) = &point {
            // Whatever the end was: a camera with few places has one more.
            let _ = tokio::time::timeout(FAREWELL, point.unsubscribe(&mut link)).await;
        }
        ended
    }

    /// Subscribes where that is wanted. A camera that refuses is told about; its masks and its clock are tended all the same.
    async fn subscribe(
        &mut self,
        config: &DeviceConfig,
        link: &mut Link,
        point: &mut Option<PullPoint>,
    ) -> Result<(), Failure> {
        if !config.events || point.is_some() {
            return Ok(());
        }
        let failure = match PullPoint::create(link).await {
            Ok(created) => {
                *point = Some(created);
                self.state.events = Some(self.counts());
                None
            }
            Err(failure) if is_gone(&failure) => return Err(failure),
            Err(failure) => Some(failure),
        };
        self.enter(DeviceStatus::Connected, failure).await;
        Ok(())
    }

    async fn follow(
        &mut self,
        config: &DeviceConfig,
        link: &mut Link,
        (masking, point): (Option<&Masking>, &mut Option<PullPoint>),
        wanted: &mut Wanted,
    ) -> Result<Ended, Failure> {
        let now = Instant::now();
        let (mut masks_at, mut identity_at, mut renew_at) = (now + MASKS_EVERY, now + IDENTITY_EVERY, now + RENEW);
        loop {
            let asked = Instant::now();
            let pulled = tokio::select! {
                pulled = pull(link, point.as_ref()) => pulled?,
                _ = wanted.changed() => return Ok(Ended::Changed),
            };
            let least = if pulled.0.is_empty() && pulled.1 == 0 { PULL_EVERY } else { PULL_LEAST };
            self.take(pulled, link.offset_ms).await;
            let now = Instant::now();
            if let Some(point) = point.as_ref().filter(|_| now >= renew_at) {
                renew_at = now + RENEW;
                // Whether a subscription that was not renewed is still there the next pull tells.
                point.renew(link).await.or_else(|failure| if is_gone(&failure) { Err(failure) } else { Ok(()) })?;
            }
            if let Some(masking) = masking.filter(|_| now >= masks_at) {
                masks_at = now + MASKS_EVERY;
                self.tend_masks(config, masking, link).await?;
            }
            if now >= identity_at {
                identity_at = now + IDENTITY_EVERY;
                self.tend_clock(config, link).await?;
                if !self.is_same(link).await? {
                    return Ok(Ended::Other);
                }
                self.subscribe(config, link, point).await?;
                self.publish().await;
            }
            let rest = least.saturating_sub(asked.elapsed());
            if tokio::time::timeout(rest, wanted.changed()).await.is_ok() {
                return Ok(Ended::Changed);
            }
        }
    }

    async fn take(&mut self, (known, other): Pulled, offset_ms: Option<i64>) {
        let came = Came { utc: self.clock.utc(), mono: self.clock.mono(), offset_ms };
        let mut events: Vec<DeviceEvent> =
            known.into_iter().filter_map(|notification| self.episodes.take(notification, came)).collect();
        events.extend(self.episodes.tick(came.utc, came.mono, false));
        self.other += other;
        self.tell(events).await;
    }

    async fn close_episodes(&mut self) {
        let events = self.episodes.tick(self.clock.utc(), self.clock.mono(), true);
        self.state.events = None;
        self.tell(events).await;
    }

    async fn tell(&mut self, events: Vec<DeviceEvent>) {
        let counts = self.counts();
        let changed = self.state.events.is_some_and(|before| before != counts);
        self.state.events = self.state.events.map(|_| counts);
        if !events.is_empty() {
            self.off(move |sink| events.into_iter().for_each(|event| sink.event(event))).await;
        }
        if changed {
            self.publish().await;
        }
    }

    fn counts(&self) -> EventCounts {
        EventCounts { taken: self.episodes.given, dropped: self.episodes.dropped, other: self.other }
    }

    async fn is_same(&mut self, link: &mut Link) -> Result<bool, Failure> {
        let identity = link.identity().await?;
        let camera = self.camera;
        Ok(self.off(move |sink| sink.identified(camera, &identity)).await.unwrap_or(false))
    }

    /// Reads the clock, and sets it where that is wanted.
    async fn tend_clock(&mut self, config: &DeviceConfig, link: &mut Link) -> Result<(), Failure> {
        let read = match link.clock().await {
            Err(failure) if is_gone(&failure) => return Err(failure),
            read => read.ok().flatten(),
        };
        let offset_ms = link.offset_ms.filter(|_| read.is_some());
        (self.state.clock_offset_ms, self.state.clock_problem) = (offset_ms, None);
        let Some((clock, offset_ms)) = read.zip(offset_ms).filter(|_| config.set_clock) else { return Ok(()) };
        let lately = self.clock_set.is_some_and(|set| set.elapsed() < CLOCK_EVERY);
        if offset_ms.unsigned_abs() <= CLOCK_OFFSET_MS_MAX {
            return Ok(());
        }
        if lately || clock.ntp {
            let why = match clock.ntp {
                true => {
                    "The camera follows a time server of its own. Correct that in the camera's settings, or switch it off there."
                }
                false => "The camera does not keep the time that it is given.",
            };
            self.state.clock_problem = Some(why.to_owned());
            return Ok(());
        }
        self.set_clock(link, (&clock, offset_ms)).await
    }

    async fn set_clock(&mut self, link: &mut Link, (clock, offset_ms): (&DeviceClock, i64)) -> Result<(), Failure> {
        let camera = self.camera;
        if !self.off(move |sink| sink.may_set_clock(camera, offset_ms)).await.unwrap_or(false) {
            return Ok(());
        }
        self.clock_set = Some(Instant::now());
        match clock::set(link, clock).await {
            Ok(()) => self.state.clock_offset_ms = link.offset_ms,
            Err(failure) if is_gone(&failure) => return Err(failure),
            Err(failure) => self.state.clock_problem = Some(failure.detail),
        }
        Ok(())
    }

    /// The first look at the masks. A camera that has none where some are wanted is a state, not a failure.
    async fn begin_masks(&mut self, config: &DeviceConfig, link: &mut Link) -> Result<Option<Masking>, Failure> {
        let camera = self.camera;
        let ours = self.off(move |sink| sink.mask_tokens(camera)).await.unwrap_or_default();
        let wanted = config.masks.as_ref().filter(|masks| !masks.is_empty());
        if wanted.is_none() && ours.is_empty() {
            self.state.masks = MaskState::Unknown;
            return Ok(None);
        }
        match Masking::open(link).await {
            Ok(masking) => {
                self.tend_masks(config, &masking, link).await?;
                Ok(wanted.is_some().then_some(masking))
            }
            Err(failure) if !is_gone(&failure) => {
                self.state.masks = wanted.map_or(MaskState::Unknown, |_| MaskState::Missing(failure.detail));
                Ok(None)
            }
            Err(failure) => Err(failure),
        }
    }

    async fn tend_masks(&mut self, config: &DeviceConfig, masking: &Masking, link: &mut Link) -> Result<(), Failure> {
        let camera = self.camera;
        let ours = self.off(move |sink| sink.mask_tokens(camera)).await.unwrap_or_default();
        let wanted = config.masks.as_deref().unwrap_or_default();
        let before = self.state.masks.clone();
        let outcome = match masking.keep(link, wanted, &ours).await {
            Ok(outcome) => outcome,
            Err(failure) if !is_gone(&failure) => {
                self.state.masks = MaskState::Missing(failure.detail);
                self.publish().await;
                return Ok(());
            }
            Err(failure) => return Err(failure),
        };
        if outcome.ours != ours {
            let tokens = outcome.ours.clone();
            self.off(move |sink| sink.set_mask_tokens(camera, &tokens)).await;
        }
        let why = outcome.why.map(|why| format!(" {why}")).unwrap_or_default();
        let count = wanted.len();
        self.state.masks = match (outcome.missing, outcome.were_missing) {
            _ if wanted.is_empty() => MaskState::Unknown,
            (0, 0) => MaskState::Kept,
            // They had been there, and are again: that is sure when the next look finds them.
            (0, lost) if matches!(before, MaskState::Kept | MaskState::Missing(_)) => {
                MaskState::Missing(format!("The camera had lost {lost} of its {count} masks. They are set again."))
            }
            (0, _) => MaskState::Kept,
            (missing, _) => MaskState::Missing(format!("{missing} of {count} masks are not in the camera.{why}")),
        };
        if self.state.masks != before {
            self.publish().await;
        }
        Ok(())
    }

    async fn lose(&mut self, failure: Failure, wait: Duration) {
        if self.state.failure.as_ref() != Some(&failure) {
            let retry_ms = wait.as_millis();
            tracing::warn!(camera = %self.camera, reason = ?failure.reason, retry_ms, "the camera is not followed: {}", failure.detail);
        }
        self.enter(DeviceStatus::Lost, Some(failure)).await;
    }

    async fn enter(&mut self, status: DeviceStatus, failure: Option<Failure>) {
        if self.state.status != status {
            (self.state.status, self.state.since) = (status, self.clock.utc());
        }
        self.state.failure = failure;
        self.publish().await;
    }

    async fn publish(&self) {
        let (camera, state) = (self.camera, self.state.clone());
        self.off(move |sink| sink.state(camera, state)).await;
    }

    /// Calls the sink on a thread that may block; `None` when that panicked.
    async fn off<T: Send + 'static>(&self, call: impl FnOnce(&dyn DeviceSink) -> T + Send + 'static) -> Option<T> {
        let sink = Arc::clone(&self.sink);
        tokio::task::spawn_blocking(move || call(&*sink)).await.ok()
    }
}

type Wanted = watch::Receiver<Option<Arc<DeviceConfig>>>;
/// What is of use, and how many others there were.
type Pulled = (Vec<Notification>, u64);

async fn pull(link: &mut Link, point: Option<&PullPoint>) -> Result<Pulled, Failure> {
    match point {
        Some(point) => point.pull(link).await,
        None => {
            tokio::time::sleep(ROUND).await;
            Ok((Vec::new(), 0))
        }
    }
}

/// The connection is of no use any more; any other failure is about one question.
fn is_gone(failure: &Failure) -> bool {
    failure.reason == GapReason::CameraGone
}
