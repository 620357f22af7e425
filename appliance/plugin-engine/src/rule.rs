//! One instance of an export rule: made for one event, asked once, thrown away.

use crate::bindings::rule::ExportRule;
use crate::bindings::rule::exports::watchbook::plugin::rule as guest;
use crate::bindings::{Area, GuestDetection, GuestMark};
use crate::call::{Budget, Cell, Usage};
use crate::prepare::Ready;
use crate::{Failure, Kept, Log, Prepared};
use guest::Fault;
use std::time::Duration;
use watchbook_plugin_host::message::{Mark, SENTENCE_BYTES_MAX, clipped};
use watchbook_plugin_host::rules::{
    Clip, LocalTime, Occurrence, Proposal, REASON_BYTES_MAX, Situation, VERDICTS_MAX, Verdict, WORD_BYTES_MAX,
};

/// Instructions of `configure`, of `evaluate`, and of what comes before them, each. They end a rule the same way on every machine.
pub const RULE_FUEL: u64 = 20_000_000;
/// Processor time of `configure` and of what comes before it, each, whatever is left of [`RULE_FUEL`].
pub const CONFIGURE_BUDGET: Duration = Duration::from_secs(1);
/// Processor time of `evaluate`, whatever is left of [`RULE_FUEL`].
pub const EVALUATE_BUDGET: Duration = Duration::from_millis(250);
/// A text that is over its limit stays so much over it, that is one character, so that whoever checks the verdict sees it.
const OVER_BYTES: usize = 4;

/// An instance of a component of the world `export-rule`, for one event.
pub struct RuleInstance {
    cell: Cell,
    plugin: ExportRule,
    spent: Usage,
}

impl core::fmt::Debug for RuleInstance {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "RuleInstance({:?})", self.spent)
    }
}

impl RuleInstance {
    /// A fresh instance. `kept` counts its calls and limits its lines over many instances; `log` gets each line.
    ///
    /// # Errors
    /// [`Failure::Refused`] when `prepared` is of another world, or its engine does not count instructions ([`crate::Settings::PURE`]);
    /// [`Failure::Trap`] when its own start function traps or it is larger than its limits.
    pub fn new(prepared: &Prepared, kept: Kept, log: Log) -> Result<Self, Failure> {
        let Ready::Rule(ready) = &prepared.ready else {
            return Err(Failure::Refused("a plugin that watches a camera is no export rule".to_owned()));
        };
        let settings = prepared.machine.settings();
        if !settings.fuel || !settings.deterministic {
            return Err(Failure::Refused("export rules run under the pure setting of the engine only".to_owned()));
        }
        let mut cell = Cell::new(prepared, kept, log);
        let plugin = cell.call(Budget::counted(RULE_FUEL, CONFIGURE_BUDGET), |store| ready.instantiate(store))?;
        let spent = cell.usage();
        Ok(Self { cell, plugin, spent })
    }

    /// Asks the rule who it is and gives it its settings. To be called once, before [`RuleInstance::evaluate`].
    ///
    /// # Errors
    /// [`Failure::Refused`] when it is another plugin or refuses its settings; [`Failure::Trap`] when it traps or is over [`RULE_FUEL`] or
    /// [`CONFIGURE_BUDGET`]; [`Failure::Fault`] when it says that it cannot work now.
    pub fn configure(&mut self, (id, version): (&str, &str), settings_json: &str) -> Result<(), Failure> {
        let budget = Budget::counted(RULE_FUEL, CONFIGURE_BUDGET);
        let about = self.plugin.watchbook_plugin_about();
        let card = self.cell.call(budget, |store| about.call_describe(store));
        self.spend();
        let card = card?;
        crate::check_identity((&card.id, &card.version), (id, version))?;
        let rule = self.plugin.watchbook_plugin_rule();
        let outcome = self.cell.call(budget, |store| rule.call_configure(store, settings_json));
        self.spend();
        outcome?.map_err(failure)
    }

    /// Asks about one event. What the verdicts say is unchecked, but for their number and a bound on each text;
    /// [`watchbook_plugin_host::RuleGate`] checks it.
    ///
    /// # Errors
    /// [`Failure::Trap`] when it traps, is over [`RULE_FUEL`] or [`EVALUATE_BUDGET`], or gives more than [`VERDICTS_MAX`] verdicts;
    /// [`Failure::Refused`] and [`Failure::Fault`] with the rule's words.
    pub fn evaluate(&mut self, situation: &Situation) -> Result<Vec<Verdict>, Failure> {
        let told = self::situation(situation);
        let rule = self.plugin.watchbook_plugin_rule();
        let outcome =
            self.cell.call(Budget::counted(RULE_FUEL, EVALUATE_BUDGET), |store| rule.call_evaluate(store, &told));
        self.spend();
        self.count();
        let verdicts = outcome?.map_err(failure)?;
        if verdicts.len() > VERDICTS_MAX {
            return Err(Failure::Trap(format!(
                "it gave {} verdicts about one event; at most {VERDICTS_MAX} are allowed",
                verdicts.len()
            )));
        }
        Ok(verdicts.into_iter().map(verdict).collect())
    }

    fn spend(&mut self) {
        let Usage { busy, fuel } = self.cell.usage();
        self.spent = Usage { busy: self.spent.busy + busy, fuel: self.spent.fuel.saturating_add(fuel) };
    }

    fn count(&self) {
        let busy_us = self.spent.busy.as_micros();
        let memory_bytes = self.cell.memory_bytes();
        let mut lasting = self.cell.kept().lasting();
        let counts = &mut lasting.counts;
        counts.seen += 1;
        counts.busy_us += u64::try_from(busy_us).unwrap_or(u64::MAX);
        counts.call_us_max = counts.call_us_max.max(u32::try_from(busy_us).unwrap_or(u32::MAX));
        counts.memory_bytes = memory_bytes;
    }

    /// From now on the plugin's stack is looked at every [`crate::profile::SAMPLE_EVERY`] while it runs, if its machine is one of [`crate::Machine::sampling`].
    #[cfg(feature = "profiling")]
    pub fn sample(&mut self, sampler: &crate::profile::Sampler) {
        self.cell.sample(sampler.clone());
    }

    /// What the last call cost.
    #[must_use]
    pub fn usage(&self) -> Usage {
        self.cell.usage()
    }

    /// What everything cost since [`RuleInstance::new`].
    #[must_use]
    pub fn spent(&self) -> Usage {
        self.spent
    }

    /// Linear memory of all its memories, which never shrink: now and the most there was.
    #[must_use]
    pub fn memory_bytes(&self) -> u64 {
        self.cell.memory_bytes()
    }
}

fn failure(fault: Fault) -> Failure {
    match fault {
        Fault::Config(sentence) | Fault::Unsupported(sentence) => {
            Failure::Refused(clipped(&sentence, SENTENCE_BYTES_MAX))
        }
        Fault::Internal(sentence) => Failure::Fault(clipped(&sentence, SENTENCE_BYTES_MAX)),
    }
}

fn guest_mark(mark: &Mark) -> GuestMark {
    let detections = mark.detections.iter().map(|seen| GuestDetection {
        class: seen.class.clone(),
        score: seen.score,
        box_: Area { x: seen.area.x, y: seen.area.y, w: seen.area.w, h: seen.area.h },
        track: seen.track,
    });
    GuestMark {
        kind: mark.kind.clone(),
        score: mark.score,
        start_utc_ns: mark.start_utc_ns,
        end_utc_ns: mark.end_utc_ns,
        zone: mark.zone.clone(),
        detections: detections.collect(),
        note: mark.note.clone(),
    }
}

fn situation(situation: &Situation) -> guest::Situation {
    let occurrence = |occurrence: &Occurrence| guest::Occurrence {
        source: occurrence.source.clone(),
        mark: guest_mark(&occurrence.mark),
    };
    let LocalTime { year, month, day, hour, minute, second, weekday, utc_offset_min, ref zone } = situation.local;
    guest::Situation {
        camera: situation.camera.clone(),
        camera_name: situation.camera_name.clone(),
        event: occurrence(&situation.event),
        local: guest::LocalTime { year, month, day, hour, minute, second, weekday, utc_offset_min, zone: zone.clone() },
        cases: situation.cases.clone(),
        recent: situation.recent.iter().map(occurrence).collect(),
    }
}

fn verdict(verdict: guest::Verdict) -> Verdict {
    let word = |text: &str| clipped(text, WORD_BYTES_MAX + OVER_BYTES);
    let clip = |clip: guest::Clip| Clip {
        camera: word(&clip.camera),
        from_utc_ns: clip.from_utc_ns,
        to_utc_ns: clip.to_utc_ns,
        redaction: word(&clip.redaction),
        case_number: word(&clip.case_number),
        approvals: clip.approvals,
    };
    let what = match verdict.what {
        guest::Proposal::ExportClip(given) => Proposal::ExportClip(clip(given)),
        guest::Proposal::Hold(given) => Proposal::Hold(clip(given)),
        guest::Proposal::Tag(text) => Proposal::Tag(word(&text)),
        guest::Proposal::Notify(text) => Proposal::Notify(clipped(&text, REASON_BYTES_MAX + OVER_BYTES)),
    };
    Verdict { what, reason: clipped(&verdict.reason, REASON_BYTES_MAX + OVER_BYTES) }
}
