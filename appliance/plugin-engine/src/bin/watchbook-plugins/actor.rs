//! One instance's life: takes over from the one before, takes frames from its mailbox, calls the plugin, survives its traps, leaves its state.

use crate::Outbox;
use crate::legacy::{Left, Legacy};
use crate::loaded::Loaded;
use crate::mailbox::{Incoming, Mailbox};
use crate::traps::Traps;
use std::sync::Arc;
use std::time::{Duration, Instant};
use watchbook_base::{Lead, UtcNanos};
use watchbook_plugin_engine::{AnalyticsInstance, Failure, Frame, Kept, Pixels, Setup};
use watchbook_plugin_host::message::{FrameHead, FromPlugins, InstanceNumber, Zone, monotonic_ns};

/// How often counts are sent while frames come.
pub(crate) const COUNTS_EVERY: Duration = Duration::from_secs(1);

/// What an instance is started with: the camera's word, zones, settings.
pub(crate) type Binding = (String, Vec<Zone>, String);

pub(crate) struct Actor {
    number: InstanceNumber,
    loaded: Arc<Loaded>,
    outbox: Outbox,
    binding: Binding,
    /// What the instance before leaves.
    before: Option<Arc<Legacy>>,
    /// Where this one leaves what the next one gets.
    legacy: Arc<Legacy>,
    /// For the next start that is not stopped by a trap.
    saved: Option<Vec<u8>>,
    kept: Kept,
    /// The frames since the start of the instance.
    lead: Lead,
    traps: Traps,
    counts_sent: Option<Instant>,
}

enum Phase {
    Live(Box<AnalyticsInstance>),
    /// After a trap: frames are skipped until then.
    Paused(Instant),
    /// No more.
    Over,
}

impl Actor {
    pub(crate) fn new(number: InstanceNumber, loaded: Arc<Loaded>, outbox: Outbox, binding: Binding) -> Self {
        let (kept, traps, legacy) = (Kept::default(), Traps::default(), Arc::default());
        let lead = Lead::default();
        Self {
            number,
            loaded,
            outbox,
            binding,
            before: None,
            legacy,
            saved: None,
            kept,
            lead,
            traps,
            counts_sent: None,
        }
    }

    /// Lets it take over from an instance that has been told to end.
    pub(crate) fn after(self, before: Option<Arc<Legacy>>) -> Self {
        Self { before, ..self }
    }

    /// What it leaves when it has ended.
    pub(crate) fn legacy(&self) -> Arc<Legacy> {
        Arc::clone(&self.legacy)
    }

    /// Lives until the mailbox is closed.
    pub(crate) fn run(mut self, mailbox: &Mailbox) {
        if let Some(left) = self.before.take().and_then(|before| before.wait()) {
            (self.saved, self.kept) = (left.saved, left.kept.heir());
        }
        self.legacy.lives(self.kept.clone());
        let mut phase = self.start();
        loop {
            self.outbox.say(&FromPlugins::Waits { instance: self.number });
            let Some(incoming) = mailbox.take() else {
                if !mailbox.is_closed() {
                    let sentence = "its way to the recorder's frames broke; bind the plugin again".to_owned();
                    self.outbox.say(&FromPlugins::Faulted { instance: self.number, sentence, set_aside: true });
                }
                break;
            };
            phase = match phase {
                Phase::Paused(until) if Instant::now() >= until => self.start(),
                other => other,
            };
            phase = match phase {
                Phase::Live(instance) => self.frame(instance, incoming),
                idle => {
                    self.kept.skip(1);
                    self.send_counts(false);
                    idle
                }
            };
        }
        let saved = match phase {
            // One that does not stop in order leaves its store and nothing else.
            Phase::Live(instance) => instance.stop().ok().filter(|saved| !saved.is_empty()),
            // It never started: what it got is still good.
            Phase::Paused(_) | Phase::Over => self.saved,
        };
        self.legacy.leave(Left { saved, kept: self.kept });
    }

    fn start(&mut self) -> Phase {
        match self.try_start() {
            Ok(instance) => {
                // A store or a saved state that it takes over says more than its frames.
                self.lead = Lead::begin(self.saved.take().is_none() && self.kept.is_empty());
                self.outbox.say(&FromPlugins::Running { instance: self.number });
                Phase::Live(Box::new(instance))
            }
            Err(failure) => {
                // Other settings may take it. What a start trapped with is not given twice: it may be the reason.
                if !matches!(failure, Failure::Refused(_)) {
                    self.saved = None;
                }
                self.fail(failure)
            }
        }
    }

    fn try_start(&self) -> Result<AnalyticsInstance, Failure> {
        let prepared = self.loaded.ready()?;
        let (outbox, number) = (self.outbox.clone(), self.number);
        let log = Box::new(move |level, text| outbox.say(&FromPlugins::Log { instance: number, level, text }));
        let mut instance = AnalyticsInstance::new(&prepared, self.kept.clone(), log)?;
        let (camera, zones, settings_json) = &self.binding;
        let (id, version) = (self.loaded.id.as_str(), self.loaded.version.as_str());
        instance.start(&Setup { id, version, camera, zones, settings_json, saved: self.saved.as_deref() })?;
        Ok(instance)
    }

    fn frame(&mut self, mut instance: Box<AnalyticsInstance>, incoming: Incoming) -> Phase {
        let FrameHead { utc_ns, width, height, masked, missed: skipped, given_ns } = incoming.head;
        self.lead.push(UtcNanos(i64::try_from(utc_ns).unwrap_or(i64::MAX)), skipped);
        let held = Arc::new(incoming.pixels);
        let pixels = Pixels::Sealed(Arc::clone(&held));
        let outcome = instance.on_frame(Frame { utc_ns, width, height, masked, skipped, pixels });
        match outcome {
            Ok(marks) => {
                if !marks.is_empty() {
                    let (instance, took_ns) = (self.number, monotonic_ns().saturating_sub(given_ns));
                    let lead = Box::new(self.lead.clone());
                    self.outbox.say(&FromPlugins::Marks { instance, frame_utc_ns: utc_ns, took_ns, lead, marks });
                }
            }
            Err(Failure::Fault(sentence)) => {
                self.outbox.say(&FromPlugins::Faulted { instance: self.number, sentence, set_aside: false });
            }
            Err(failure) => return self.fail(failure),
        }
        // Whoever closes the last descriptor frees the pages, which takes longer than reading them: after the marks are on their way.
        drop(held);
        self.send_counts(false);
        Phase::Live(instance)
    }

    /// What comes after a failure: a pause, or the end.
    fn fail(&mut self, failure: Failure) -> Phase {
        self.send_counts(true);
        let instance = self.number;
        let sentence = match failure {
            Failure::Refused(sentence) => {
                self.outbox.say(&FromPlugins::Faulted { instance, sentence, set_aside: true });
                return Phase::Over;
            }
            Failure::Trap(sentence) | Failure::Fault(sentence) => sentence,
        };
        let now = Instant::now();
        let Some(pause) = self.traps.pause_after(now) else {
            self.outbox.say(&FromPlugins::Trapped { instance, sentence, again_ms: None });
            return Phase::Over;
        };
        let again_ms = u64::try_from(pause.as_millis()).ok();
        self.outbox.say(&FromPlugins::Trapped { instance, sentence, again_ms });
        Phase::Paused(now + pause)
    }

    fn send_counts(&mut self, at_once: bool) {
        let now = Instant::now();
        let due = self.counts_sent.is_none_or(|sent| now.saturating_duration_since(sent) >= COUNTS_EVERY);
        if due || at_once {
            self.counts_sent = Some(now);
            self.outbox.say(&FromPlugins::Counts { instance: self.number, counts: self.kept.counts() });
        }
    }
}
