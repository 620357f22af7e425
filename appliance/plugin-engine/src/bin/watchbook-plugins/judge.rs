//! One rule on one camera: takes events from its desk and asks a fresh instance about each.

use crate::Outbox;
use crate::actor::COUNTS_EVERY;
use crate::loaded::Loaded;
use crate::mailbox::Desk;
use crate::traps::Traps;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::Instant;
use watchbook_analysis::message::decode;
use watchbook_base::memfd;
use watchbook_plugin_engine::{Failure, Kept, RuleInstance};
use watchbook_plugin_host::message::{EventNumber, FromPlugins, InstanceNumber};
use watchbook_plugin_host::rules::{SITUATION_BYTES_MAX, Situation, Verdict};

pub(crate) struct Judge {
    number: InstanceNumber,
    loaded: Arc<Loaded>,
    outbox: Outbox,
    settings_json: String,
    kept: Kept,
    traps: Traps,
    running: bool,
    counts_sent: Option<Instant>,
}

impl Judge {
    pub(crate) fn new(number: InstanceNumber, loaded: Arc<Loaded>, outbox: Outbox, settings_json: String) -> Self {
        let (kept, traps) = (Kept::default(), Traps::default());
        Self { number, loaded, outbox, settings_json, kept, traps, running: false, counts_sent: None }
    }

    /// Lives until the desk is closed.
    pub(crate) fn run(mut self, desk: &Desk) {
        // Once without an event, so that wrong settings show when they are made and not at night.
        let mut over = match self.fresh() {
            Ok(_) => {
                self.works();
                false
            }
            Err(failure) => self.failed(failure, None),
        };
        while let Some((event, situation)) = desk.take() {
            let instance = self.number;
            if over {
                let sentence = "the rule is set aside".to_owned();
                self.outbox.say(&FromPlugins::Unjudged { instance, event, sentence, trapped: false });
                continue;
            }
            match self.judge(&situation) {
                Ok(verdicts) => {
                    self.works();
                    self.outbox.say(&FromPlugins::Verdicts { instance, event, verdicts });
                }
                Err(failure) => over = self.failed(failure, Some(event)),
            }
            self.send_counts();
        }
    }

    /// Tells, once, that it works.
    fn works(&mut self) {
        if !std::mem::replace(&mut self.running, true) {
            self.outbox.say(&FromPlugins::Running { instance: self.number });
        }
    }

    /// An instance that has its settings.
    fn fresh(&self) -> Result<RuleInstance, Failure> {
        let prepared = self.loaded.ready()?;
        let (outbox, number) = (self.outbox.clone(), self.number);
        let log = Box::new(move |level, text| outbox.say(&FromPlugins::Log { instance: number, level, text }));
        let mut instance = RuleInstance::new(&prepared, self.kept.clone(), log)?;
        instance.configure((&self.loaded.id, &self.loaded.version), &self.settings_json)?;
        Ok(instance)
    }

    fn judge(&self, situation: &OwnedFd) -> Result<Vec<Verdict>, Failure> {
        let bytes = memfd::read(situation.as_fd(), SITUATION_BYTES_MAX)
            .map_err(|error| Failure::Fault(format!("reading the event: {error}")))?;
        let situation: Situation =
            decode(&bytes).map_err(|error| Failure::Fault(format!("reading the event: {error}")))?;
        self.fresh()?.evaluate(&situation)
    }

    /// Tells what failed, at an event or before the first one; true when the rule is not asked any more.
    fn failed(&mut self, failure: Failure, event: Option<EventNumber>) -> bool {
        let instance = self.number;
        let trapped = matches!(failure, Failure::Trap(_));
        let refused = matches!(failure, Failure::Refused(_));
        let sentence = failure.into_sentence();
        // The next event has a fresh instance in any case: there is no pause, but there is an end.
        let spent = trapped && self.traps.pause_after(Instant::now()).is_none();
        if let Some(event) = event {
            let (sentence, trapped) = (sentence.clone(), trapped && !spent);
            self.outbox.say(&FromPlugins::Unjudged { instance, event, sentence, trapped });
        }
        if spent {
            self.outbox.say(&FromPlugins::Trapped { instance, sentence, again_ms: None });
        } else if refused || event.is_none() {
            self.outbox.say(&FromPlugins::Faulted { instance, sentence, set_aside: refused });
        }
        spent || refused
    }

    fn send_counts(&mut self) {
        let now = Instant::now();
        if self.counts_sent.is_none_or(|sent| now.saturating_duration_since(sent) >= COUNTS_EVERY) {
            self.counts_sent = Some(now);
            self.outbox.say(&FromPlugins::Counts { instance: self.number, counts: self.kept.counts() });
        }
    }
}
