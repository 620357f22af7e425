//! One instance's life: takes frames from its mailbox, calls the plugin, survives its traps.

use crate::Outbox;
use crate::loaded::Loaded;
use crate::mailbox::{Delivery, Incoming, Mailbox};
use crate::traps::Traps;
use std::sync::Arc;
use std::time::{Duration, Instant};
use watchbook_plugin_engine::{AnalyticsInstance, Failure, Frame, Kept, Pixels, Setup};
use watchbook_plugin_host::message::{FromPlugins, InstanceNumber, Zone};

/// How often counts are sent while frames come.
pub(crate) const COUNTS_EVERY: Duration = Duration::from_secs(1);

/// What an instance is started with: the camera's word, zones, settings.
pub(crate) type Binding = (String, Vec<Zone>, String);

pub(crate) struct Actor {
    number: InstanceNumber,
    loaded: Arc<Loaded>,
    outbox: Outbox,
    binding: Binding,
    kept: Kept,
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
        Self { number, loaded, outbox, binding, kept: Kept::default(), traps: Traps::default(), counts_sent: None }
    }

    /// Lives until the mailbox is closed.
    pub(crate) fn run(mut self, mailbox: &Mailbox) {
        let mut phase = self.start();
        loop {
            let (incoming, replaced) = match mailbox.take() {
                Delivery::Frame(incoming, replaced) => (incoming, replaced),
                Delivery::Closed => break,
            };
            self.kept.skip(u64::from(replaced));
            phase = match phase {
                Phase::Paused(until) if Instant::now() >= until => self.start(),
                other => other,
            };
            phase = match phase {
                Phase::Live(instance) => self.frame(instance, incoming, replaced),
                idle => {
                    self.kept.skip(1);
                    self.send_counts(false);
                    idle
                }
            };
        }
        if let Phase::Live(instance) = phase {
            // What it wants saved has no place yet; the call lets it end in order.
            let _ = instance.stop();
        }
    }

    fn start(&mut self) -> Phase {
        match self.try_start() {
            Ok(instance) => {
                self.outbox.say(&FromPlugins::Running { instance: self.number });
                Phase::Live(Box::new(instance))
            }
            Err(failure) => self.fail(failure),
        }
    }

    fn try_start(&self) -> Result<AnalyticsInstance, Failure> {
        let prepared = self.loaded.ready()?;
        let (outbox, number) = (self.outbox.clone(), self.number);
        let log = Box::new(move |level, text| outbox.say(&FromPlugins::Log { instance: number, level, text }));
        let mut instance = AnalyticsInstance::new(&prepared, self.kept.clone(), log)?;
        let (camera, zones, settings_json) = &self.binding;
        let (id, version) = (self.loaded.id.as_str(), self.loaded.version.as_str());
        instance.start(&Setup { id, version, camera, zones, settings_json, saved: None })?;
        Ok(instance)
    }

    fn frame(&mut self, mut instance: Box<AnalyticsInstance>, incoming: Incoming, replaced: u32) -> Phase {
        let Incoming { utc_ns, width, height, masked, missed, pixels } = incoming;
        let skipped = replaced.saturating_add(missed);
        let outcome =
            instance.on_frame(Frame { utc_ns, width, height, masked, skipped, pixels: Pixels::Sealed(pixels) });
        match outcome {
            Ok(marks) => {
                if !marks.is_empty() {
                    self.outbox.say(&FromPlugins::Marks { instance: self.number, frame_utc_ns: utc_ns, marks });
                }
            }
            Err(Failure::Fault(sentence)) => {
                self.outbox.say(&FromPlugins::Faulted { instance: self.number, sentence, set_aside: false });
            }
            Err(failure) => return self.fail(failure),
        }
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
