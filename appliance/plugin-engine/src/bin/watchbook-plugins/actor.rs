//! One instance: takes frames from its mailbox, calls the plugin, survives its traps.

use crate::Outbox;
use crate::engine::{Deadline, HANDLES_MAX, HOST_BYTES_MAX, Limiter, Machine};
use crate::host::exports::watchbook::plugin::analyzer::{Fault, Setup, Zone as GuestZone};
use crate::host::watchbook::plugin::types::{Mark as GuestMark, Point as GuestPoint};
use crate::host::{AnalyticsPlugin, HostState, Lasting, LentFrame};
use crate::loaded::Loaded;
use crate::mailbox::{Delivery, Incoming, Mailbox};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};
use wasmtime::component::{Resource, ResourceTable};
use wasmtime::{Store, UpdateDeadline, format_err};
use watchbook_analysis::message::encode;
use watchbook_base::Area;
use watchbook_plugin_host::message::{
    FromPlugins, InstanceNumber, MARKS_BYTES_MAX, MARKS_MAX, Mark, SENTENCE_BYTES_MAX, Seen, Zone, clipped,
};

/// Processor time of `describe` and `start`.
const START_BUDGET: Duration = Duration::from_secs(2);
/// Pause after the first trap; doubled with each further one in [`TRAP_WINDOW`].
const PAUSE_MIN: Duration = Duration::from_secs(1);
const PAUSE_MAX: Duration = Duration::from_secs(300);
/// So many traps within [`TRAP_WINDOW`] are the end.
const TRAPS_MAX: usize = 5;
const TRAP_WINDOW: Duration = Duration::from_secs(600);
/// How often counts are sent while frames come.
const COUNTS_EVERY: Duration = Duration::from_secs(1);

/// What an instance is started with: the camera's word, zones, settings.
pub(crate) type Binding = (String, Vec<Zone>, String);

pub(crate) struct Actor {
    number: InstanceNumber,
    machine: Arc<Machine>,
    loaded: Arc<Loaded>,
    outbox: Outbox,
    binding: Binding,
    traps: VecDeque<Instant>,
    counts_sent: Option<Instant>,
}

/// A started instance.
struct Live {
    store: Store<HostState>,
    plugin: AnalyticsPlugin,
    seq: u64,
}

enum Phase {
    Live(Box<Live>),
    /// After a trap: frames are skipped until then.
    Paused(Instant, Box<Lasting>),
    /// No more.
    Over(Box<Lasting>),
}

enum Failure {
    /// The instance is gone; the sentence says why.
    Trap(String),
    /// The plugin refuses its settings, or the host refuses the plugin.
    Refused(String),
}

impl Actor {
    pub(crate) fn new(
        number: InstanceNumber,
        (machine, loaded): (Arc<Machine>, Arc<Loaded>),
        outbox: Outbox,
        binding: Binding,
    ) -> Self {
        Self { number, machine, loaded, outbox, binding, traps: VecDeque::new(), counts_sent: None }
    }

    /// Lives until the mailbox is closed.
    pub(crate) fn run(mut self, mailbox: &Mailbox) {
        let mut phase = self.start(Box::default());
        loop {
            let (incoming, replaced) = match mailbox.take() {
                Delivery::Frame(incoming, replaced) => (incoming, replaced),
                Delivery::Closed => break,
            };
            phase = match phase {
                Phase::Paused(until, lasting) if Instant::now() >= until => self.start(lasting),
                other => other,
            };
            phase = match phase {
                Phase::Live(live) => self.frame(live, incoming, replaced),
                mut idle => {
                    if let Phase::Paused(_, lasting) | Phase::Over(lasting) = &mut idle {
                        lasting.counts.skipped += u64::from(replaced) + 1;
                        self.send_counts(lasting, false);
                    }
                    idle
                }
            };
        }
        if let Phase::Live(mut live) = phase {
            let _calling = self.machine.calling();
            live.arm(Duration::from_millis(u64::from(self.loaded.limits.call_ms)));
            // What it wants saved has no place yet; the call lets it end in order.
            let _ = live.plugin.watchbook_plugin_analyzer().call_stop(&mut live.store);
        }
    }

    fn start(&mut self, lasting: Box<Lasting>) -> Phase {
        let mut lasting = Some(lasting);
        match self.try_start(&mut lasting) {
            Ok(live) => {
                self.outbox.say(&FromPlugins::Running { instance: self.number });
                Phase::Live(Box::new(live))
            }
            Err(failure) => self.fail(failure, lasting.unwrap_or_default()),
        }
    }

    /// A started instance. On failure `lasting` is put back.
    fn try_start(&self, lasting: &mut Option<Box<Lasting>>) -> Result<Live, Failure> {
        let ready = self.loaded.ready().map_err(Failure::Refused)?;
        let _calling = self.machine.calling();
        let limiter = Limiter { limits: self.loaded.limits, memory_bytes: 0 };
        let state = HostState {
            instance: self.number,
            outbox: self.outbox.clone(),
            limiter,
            deadline: Deadline::starting(START_BUDGET),
            table: ResourceTable::new(),
            lasting: *lasting.take().unwrap_or_default(),
        };
        let mut store = Store::new(&self.machine.engine, state);
        store.limiter(|state| &mut state.limiter);
        store.set_hostcall_fuel(HOST_BYTES_MAX);
        store.set_max_component_handles(HANDLES_MAX);
        store.epoch_deadline_callback(|context| context.data().deadline.check().map(|()| UpdateDeadline::Continue(1)));
        store.set_epoch_deadline(1);
        let outcome = ready.instantiate(&mut store).map_err(|error| trap(&error)).and_then(|plugin| {
            self.introduce(&mut store, &plugin)?;
            Ok(plugin)
        });
        match outcome {
            Ok(plugin) => Ok(Live { store, plugin, seq: 0 }),
            Err(failure) => {
                *lasting = Some(Box::new(store.into_data().lasting));
                Err(failure)
            }
        }
    }

    /// `describe` and `start`.
    fn introduce(&self, store: &mut Store<HostState>, plugin: &AnalyticsPlugin) -> Result<(), Failure> {
        let card = plugin.watchbook_plugin_about().call_describe(&mut *store).map_err(|error| trap(&error))?;
        let (id, version) = self.loaded.identity();
        if (card.id.as_str(), card.version.as_str()) != (id.as_str(), version.as_str()) {
            let says = clipped(&format!("{} {}", card.id, card.version), 200);
            return Err(Failure::Refused(format!(
                "the component says that it is {says}; its manifest says {id} {version}"
            )));
        }
        let (camera, zones, settings_json) = &self.binding;
        let corner = |point: &watchbook_analysis::Point| GuestPoint { x: point.x, y: point.y };
        let zones = zones
            .iter()
            .map(|zone| GuestZone { name: zone.name.clone(), outline: zone.outline.iter().map(corner).collect() });
        let setup =
            Setup { camera: camera.clone(), zones: zones.collect(), settings_json: settings_json.clone(), saved: None };
        match plugin.watchbook_plugin_analyzer().call_start(&mut *store, &setup).map_err(|error| trap(&error))? {
            Ok(()) => Ok(()),
            Err(Fault::Config(sentence) | Fault::Unsupported(sentence)) => {
                Err(Failure::Refused(clipped(&sentence, SENTENCE_BYTES_MAX)))
            }
            Err(Fault::Internal(sentence)) => Err(Failure::Trap(clipped(&sentence, SENTENCE_BYTES_MAX))),
        }
    }

    fn frame(&mut self, mut live: Box<Live>, incoming: Incoming, replaced: u32) -> Phase {
        let frame_utc_ns = incoming.utc_ns;
        let skipped = replaced.saturating_add(incoming.missed);
        let outcome = self.call(&mut live, incoming, skipped);
        let state = live.store.data_mut();
        let busy_us = state.deadline.busy().as_micros();
        let counts = &mut state.lasting.counts;
        counts.seen += 1;
        counts.skipped += u64::from(replaced);
        counts.busy_us += u64::try_from(busy_us).unwrap_or(u64::MAX);
        counts.call_us_max = counts.call_us_max.max(u32::try_from(busy_us).unwrap_or(u32::MAX));
        counts.memory_bytes = state.limiter.memory_bytes;
        match outcome {
            Ok(marks) => {
                if !marks.is_empty() {
                    self.outbox.say(&FromPlugins::Marks { instance: self.number, frame_utc_ns, marks });
                }
                self.send_counts(&state.lasting, false);
                Phase::Live(live)
            }
            Err(failure) => self.fail(failure, Box::new(live.store.into_data().lasting)),
        }
    }

    fn call(&self, live: &mut Live, incoming: Incoming, skipped: u32) -> Result<Vec<Mark>, Failure> {
        live.arm(Duration::from_millis(u64::from(self.loaded.limits.call_ms)));
        let frame = LentFrame::new(incoming, &self.binding.0, (live.seq, skipped));
        live.seq += 1;
        let trapped = |error: wasmtime::Error| trap(&error);
        let owned = live.store.data_mut().table.push(frame).map_err(|error| trapped(error.into()))?;
        let lent = Resource::new_borrow(owned.rep());
        let calling = self.machine.calling();
        let given = live.plugin.watchbook_plugin_analyzer().call_on_frame(&mut live.store, lent).map_err(trapped)?;
        drop(calling);
        live.store.data_mut().table.delete(owned).map_err(|error| trapped(error.into()))?;
        match given {
            Ok(marks) if marks.len() > MARKS_MAX => Err(Failure::Trap(format!(
                "it gave {} marks for one frame; at most {MARKS_MAX} are allowed",
                marks.len()
            ))),
            Ok(marks) => {
                let marks: Vec<Mark> = marks.into_iter().map(mark).collect();
                let bytes = encode(&marks).map_or(usize::MAX, |bytes| bytes.len());
                if bytes > MARKS_BYTES_MAX {
                    return Err(Failure::Trap(format!(
                        "its marks have {bytes} bytes; at most {MARKS_BYTES_MAX} are allowed"
                    )));
                }
                Ok(marks)
            }
            Err(Fault::Config(sentence) | Fault::Unsupported(sentence)) => {
                Err(Failure::Refused(clipped(&sentence, SENTENCE_BYTES_MAX)))
            }
            Err(Fault::Internal(sentence)) => {
                let sentence = clipped(&sentence, SENTENCE_BYTES_MAX);
                self.outbox.say(&FromPlugins::Faulted { instance: self.number, sentence, set_aside: false });
                Ok(Vec::new())
            }
        }
    }

    /// What comes after a failure: a pause, or the end.
    fn fail(&mut self, failure: Failure, lasting: Box<Lasting>) -> Phase {
        self.send_counts(&lasting, true);
        let instance = self.number;
        let sentence = match failure {
            Failure::Refused(sentence) => {
                self.outbox.say(&FromPlugins::Faulted { instance, sentence, set_aside: true });
                return Phase::Over(lasting);
            }
            Failure::Trap(sentence) => sentence,
        };
        let now = Instant::now();
        self.traps.push_back(now);
        while self.traps.front().is_some_and(|first| now.saturating_duration_since(*first) > TRAP_WINDOW) {
            self.traps.pop_front();
        }
        if self.traps.len() >= TRAPS_MAX {
            self.outbox.say(&FromPlugins::Trapped { instance, sentence, again_ms: None });
            return Phase::Over(lasting);
        }
        let pause = pause(self.traps.len());
        let again_ms = u64::try_from(pause.as_millis()).ok();
        self.outbox.say(&FromPlugins::Trapped { instance, sentence, again_ms });
        Phase::Paused(now + pause, lasting)
    }

    fn send_counts(&mut self, lasting: &Lasting, at_once: bool) {
        let now = Instant::now();
        let due = self.counts_sent.is_none_or(|sent| now.saturating_duration_since(sent) >= COUNTS_EVERY);
        if due || at_once {
            self.counts_sent = Some(now);
            self.outbox.say(&FromPlugins::Counts { instance: self.number, counts: lasting.counts });
        }
    }
}

impl Live {
    /// Gives the next call its time. Without this a call would inherit what is left of the one before.
    fn arm(&mut self, budget: Duration) {
        self.store.data_mut().deadline = Deadline::starting(budget);
        self.store.set_epoch_deadline(1);
    }
}

/// Pause after so many traps in the window: 1, 2, 4 ... seconds.
fn pause(traps: usize) -> Duration {
    let doublings = u32::try_from(traps.saturating_sub(1)).unwrap_or(u32::MAX).min(16);
    (PAUSE_MIN * 2_u32.pow(doublings)).min(PAUSE_MAX)
}

/// A trap in words: the innermost cause, which is the host's own sentence when the host stopped the call.
fn trap(error: &wasmtime::Error) -> Failure {
    let cause = error.root_cause().to_string();
    let sentence = if cause.is_empty() { format_err!("{error:#}").to_string() } else { cause };
    Failure::Trap(clipped(&sentence, SENTENCE_BYTES_MAX))
}

fn mark(mark: GuestMark) -> Mark {
    let seen = mark.detections.into_iter().map(|detection| Seen {
        class: detection.class,
        score: detection.score,
        area: Area { x: detection.box_.x, y: detection.box_.y, w: detection.box_.w, h: detection.box_.h },
        track: detection.track,
    });
    Mark {
        kind: mark.kind,
        score: mark.score,
        start_utc_ns: mark.start_utc_ns,
        end_utc_ns: mark.end_utc_ns,
        zone: mark.zone,
        detections: seen.collect(),
        note: mark.note,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_to_five_minutes() {
        let secs: Vec<u64> = (1..12).map(|traps| pause(traps).as_secs()).collect();
        assert_eq!(secs, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]);
    }
}
