//! Where a plugin's time goes: samples of its stack, counted by function, and as a file that <https://profiler.firefox.com> shows. That page reads the file in
//! the browser; nothing is sent.

use crate::figures::Figures;
use crate::rules::Told;
use crate::run::Runner;
use crate::{Judge, Source, bench};
use fxprof_processed_profile::{
    CategoryHandle, CpuDelta, Frame, FrameFlags, FrameInfo, Profile, ReferenceTimestamp, SamplingInterval, Timestamp,
};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::time::Duration;
use watchbook_analysis::clip::Picture;
use watchbook_plugin_engine::Failure;
use watchbook_plugin_engine::profile::{Function, SAMPLE_EVERY, Stacks};
use watchbook_plugin_host::Zone;

/// Seconds of its processor time that a plugin can be watched for.
pub const SECONDS: std::ops::RangeInclusive<u32> = 1..=60;
/// When nothing is said.
pub const SECONDS_DEFAULT: u32 = 5;
/// Events that a rule is asked about, again and again.
const EVENTS_MAX: usize = 500;

/// What was seen.
#[derive(Clone, Debug)]
pub struct Profiled {
    /// The file for the profiler: JSON.
    pub json: String,
    /// Stacks, one for each [`SAMPLE_EVERY`] that the plugin ran.
    pub samples: usize,
    /// Stacks beyond what is kept.
    pub lost: u64,
    /// Samples of functions that have no name.
    pub nameless: usize,
    /// Functions and the samples in which each was the one that ran, the most first. What a function calls is not its own time.
    pub own: Vec<(String, usize)>,
    /// What the calls cost.
    pub figures: Figures,
}

/// Shows a plugin of [`Runner::sampled`] the pictures again and again until it has run for `seconds` of processor time.
///
/// # Errors
/// A sentence: no pictures, the plugin cannot be started, a call was stopped.
pub fn of_watching(
    runner: &Runner,
    source: &mut Source,
    (settings_json, zones): (&str, &[Zone]),
    seconds: u32,
) -> Result<Profiled, String> {
    let head = source.head();
    let pictures = bench::collect(source)?;
    let span_ns = bench::span_ns(&pictures);
    let mut watch = runner.watch(settings_json, zones).map_err(Failure::into_sentence)?;
    let (budget, mut busy) = (Duration::from_secs(u64::from(seconds)), Duration::ZERO);
    for (round, picture) in (0_i64..).flat_map(|round| pictures.iter().map(move |picture| (round, picture))) {
        if busy >= budget {
            break;
        }
        let utc_ns = picture.utc_ns.saturating_add(span_ns.saturating_mul(round));
        bench::refuse(watch.frame(head, Picture { utc_ns, luma: picture.luma.clone() }).failure)?;
        // A call that is too short for the clock counts too, so that the loop ends.
        busy += watch.last_busy().max(Duration::from_micros(1));
    }
    Profiled::new(&runner.package().manifest.id, &runner.stacks(), watch.figures().clone())
}

/// Asks a rule of [`Judge::sampled`] about the first 500 events again and again until it has run for `seconds` of processor time.
///
/// # Errors
/// A sentence: no events, settings that do not fit, a rule that fails.
pub fn of_judging(
    judge: &Judge,
    events: &[Told],
    settings: &Map<String, Value>,
    seconds: u32,
) -> Result<Profiled, String> {
    let events = &events[..events.len().min(EVENTS_MAX)];
    if events.is_empty() {
        return Err("there is no event".to_owned());
    }
    let budget_ms = f64::from(seconds) * 1e3;
    let mut figures = Figures::default();
    let mut busy_ms = 0.0;
    while busy_ms < budget_ms {
        let outcome = judge.run(events, settings, |_, _| {})?;
        if outcome.failures > 0 {
            let (failures, count) = (outcome.failures, events.len());
            return Err(format!(
                "the rule failed at {failures} of {count} events; `watchbook-plugin test --events FILE` says why"
            ));
        }
        // As above: an event costs at least a microsecond.
        busy_ms += outcome.figures.call_ms.iter().map(|ms| ms.max(1e-3)).sum::<f64>();
        figures.add(&outcome.figures);
    }
    Profiled::new(&judge.package().manifest.id, &judge.stacks(), figures)
}

impl Profiled {
    fn new(id: &str, stacks: &Stacks, figures: Figures) -> Result<Self, String> {
        let names: Vec<String> = stacks.functions.iter().map(name).collect();
        let running: Vec<usize> =
            stacks.stacks.iter().filter_map(|stack| stack.first().map(|number| *number as usize)).collect();
        let mut counts = BTreeMap::<&str, usize>::new();
        for number in &running {
            *counts.entry(&names[*number]).or_default() += 1;
        }
        let mut own: Vec<(String, usize)> = counts.into_iter().map(|(name, count)| (name.to_owned(), count)).collect();
        own.sort_by_key(|(_, count)| core::cmp::Reverse(*count));
        let nameless = running.iter().filter(|number| stacks.functions[**number].name.is_none()).count();
        let json = json(id, &names, &stacks.stacks)?;
        Ok(Self { json, samples: stacks.stacks.len(), lost: stacks.lost, nameless, own, figures })
    }
}

/// As its author wrote it: Rust's own spelling is undone, without the digest at its end.
fn name(function: &Function) -> String {
    match (&function.name, &function.module) {
        (Some(name), _) => format!("{:#}", rustc_demangle::demangle(name)),
        (None, Some(module)) => format!("function {} of {module}", function.index),
        (None, None) => format!("function {}", function.index),
    }
}

fn json(id: &str, names: &[String], stacks: &[Vec<u32>]) -> Result<String, String> {
    let every_ns = u64::try_from(SAMPLE_EVERY.as_nanos()).unwrap_or(u64::MAX);
    let at = |sample: usize| Timestamp::from_nanos_since_reference(every_ns.saturating_mul(sample as u64));
    let beginning = ReferenceTimestamp::from_millis_since_unix_epoch(0.0);
    let mut profile = Profile::new(id, beginning, SamplingInterval::from_nanos(every_ns));
    profile.set_symbolicated(true);
    let process = profile.add_process(id, 1, at(0));
    let thread = profile.add_thread(process, 1, at(0), true);
    let labels: Vec<_> = names.iter().map(|name| profile.intern_string(name)).collect();
    for (sample, stack) in stacks.iter().enumerate() {
        let frames: Vec<FrameInfo> = stack
            .iter()
            .rev()
            .map(|number| FrameInfo {
                frame: Frame::Label(labels[*number as usize]),
                category_pair: CategoryHandle::OTHER.into(),
                flags: FrameFlags::empty(),
            })
            .collect();
        let stack = profile.intern_stack_frames(thread, frames.into_iter());
        profile.add_sample(thread, at(sample), stack, CpuDelta::from_nanos(every_ns), 1);
    }
    serde_json::to_string(&profile).map_err(|error| format!("writing the profile: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn function(name: Option<&str>, module: Option<&str>) -> Function {
        Function { module: module.map(str::to_owned), index: 7, name: name.map(str::to_owned) }
    }

    #[test]
    fn names_are_as_their_author_wrote_them() {
        // The spelling of RFC 2603's predecessor, as rustc writes it: _ZN, each part with its length, a digest, E.
        let rust = "_ZN6motion4tile5count17h0123456789abcdefE";
        assert_eq!(name(&function(Some(rust), None)), "motion::tile::count");
        assert_eq!(name(&function(Some("wb_export_start"), Some("m"))), "wb_export_start");
        assert_eq!(name(&function(None, Some("m"))), "function 7 of m");
        assert_eq!(name(&function(None, None)), "function 7");
    }

    /// The stack of a sample, outermost first, found as the profiler finds it: samples.stack, then stackTable.prefix and .frame, frameTable.func,
    /// funcTable.name, stringArray (docs-developer/processed-profile-format.md and CHANGELOG-formats.md of firefox-devtools/profiler, version 55).
    fn stack_of(thread: &Value, sample: usize) -> Vec<String> {
        let row =
            |table: &str, column: &str, row: &Value| thread[table][column][row.as_u64().unwrap() as usize].clone();
        let mut names = Vec::new();
        let mut stack = thread["samples"]["stack"][sample].clone();
        while !stack.is_null() {
            let func = row("frameTable", "func", &row("stackTable", "frame", &stack));
            let string = row("funcTable", "name", &func).as_u64().unwrap();
            names.insert(0, thread["stringArray"][string as usize].as_str().unwrap().to_owned());
            stack = row("stackTable", "prefix", &stack);
        }
        names
    }

    #[test]
    fn the_file_holds_every_stack_and_own_time_is_the_innermost_functions() {
        let functions = vec![function(Some("inner"), None), function(Some("outer"), None), function(None, Some("m"))];
        let stacks = Stacks { functions, stacks: vec![vec![0, 1], vec![1], vec![0, 1], vec![2, 1]], lost: 3 };
        let profiled = Profiled::new("org.example.a", &stacks, Figures::default()).unwrap();
        assert_eq!((profiled.samples, profiled.lost, profiled.nameless), (4, 3, 1));
        assert_eq!(profiled.own[0], ("inner".to_owned(), 2));
        assert_eq!(profiled.own.iter().map(|(_, count)| count).sum::<usize>(), 4);
        let file: Value = serde_json::from_str(&profiled.json).unwrap();
        assert_eq!(file["meta"]["interval"], 1.0);
        assert!(file["meta"]["preprocessedProfileVersion"].is_u64() && file["meta"]["categories"].is_array());
        assert_eq!(file["meta"]["product"], "org.example.a");
        let thread = &file["threads"][0];
        assert_eq!(thread["samples"]["length"], 4);
        assert_eq!(stack_of(thread, 0), ["outer", "inner"]);
        assert_eq!(stack_of(thread, 1), ["outer"]);
        assert_eq!(stack_of(thread, 3), ["outer", "function 7 of m"]);
        for (table, column) in [("stackTable", "frame"), ("frameTable", "func"), ("funcTable", "name")] {
            assert_eq!(
                thread[table]["length"].as_u64(),
                thread[table][column].as_array().map(|rows| rows.len() as u64)
            );
        }
    }
}
