//! The last step: between this crate's types and what the bindings make of the contract. WebAssembly only, and no part of the API.

use crate::log::Level;
use crate::{
    Analyzer, Area, Detection, Fault, Frame, FrameInfo, LocalTime, Mark, Occurrence, Point, Rule, Setup, Zone,
};
use crate::{Clip, Proposal, Situation, Verdict};
use deciding::exports::watchbook::plugin::rule;
use describing::exports::watchbook::plugin::about;
use std::cell::RefCell;
use std::marker::PhantomData;
use watching::exports::watchbook::plugin::analyzer;
use watching::watchbook::plugin::{frames, log, store, types};

// One world an export: a plugin takes `about` and one of the others, and what it does not take must not be in its component.

#[allow(missing_docs, unsafe_code, clippy::all, reason = "written by wit-bindgen")]
pub mod watching {
    wit_bindgen::generate!({
        path: "wit/0.1",
        inline: "
            package watchbook:sdk-analyzer;
            world watching {
                import watchbook:plugin/log@0.1.0;
                import watchbook:plugin/store@0.1.0;
                import watchbook:plugin/frames@0.1.0;
                export watchbook:plugin/analyzer@0.1.0;
            }
        ",
        world: "watchbook:sdk-analyzer/watching",
        generate_all,
        pub_export_macro: true,
        export_macro_name: "export_analyzer",
    });
}

#[allow(missing_docs, unsafe_code, clippy::all, reason = "written by wit-bindgen")]
pub mod deciding {
    wit_bindgen::generate!({
        path: "wit/0.1",
        inline: "
            package watchbook:sdk-rule;
            world deciding {
                export watchbook:plugin/rule@0.1.0;
            }
        ",
        world: "watchbook:sdk-rule/deciding",
        generate_all,
        pub_export_macro: true,
        export_macro_name: "export_rule",
        with: { "watchbook:plugin/types@0.1.0": super::watching::watchbook::plugin::types },
    });
}

#[allow(missing_docs, unsafe_code, clippy::all, reason = "written by wit-bindgen")]
pub mod describing {
    wit_bindgen::generate!({
        path: "wit/0.1",
        inline: "
            package watchbook:sdk-about;
            world describing {
                export watchbook:plugin/about@0.1.0;
            }
        ",
        world: "watchbook:sdk-about/describing",
        generate_all,
        pub_export_macro: true,
        export_macro_name: "export_about",
    });
}

#[cfg(feature = "unstable-inference")]
#[allow(missing_docs, unsafe_code, clippy::all, reason = "written by wit-bindgen")]
pub mod asking {
    wit_bindgen::generate!({
        path: "wit/0.1",
        inline: "
            package watchbook:sdk-inference;
            world asking {
                import watchbook:plugin/inference@0.1.0;
            }
        ",
        world: "watchbook:sdk-inference/asking",
        features: ["inference"],
        generate_all,
        with: {
            "watchbook:plugin/types@0.1.0": super::watching::watchbook::plugin::types,
            "watchbook:plugin/frames@0.1.0": super::watching::watchbook::plugin::frames,
        },
    });
}

pub use frames::Frame as HostFrame;

/// The text of `plugin.toml`.
pub trait Manifest {
    const TEXT: &'static str;

    /// The text after `name =` in the head of the manifest; empty when it is not there, which the installer names.
    fn word(name: &str) -> String {
        let head = Self::TEXT.lines().map(str::trim).take_while(|line| !line.starts_with('['));
        let mut values = head.filter_map(|line| line.strip_prefix(name)?.trim_start().strip_prefix('=').map(str::trim));
        values.next().and_then(|value| value.strip_prefix('"')?.split('"').next()).unwrap_or_default().to_owned()
    }
}

/// Without this an administrator would read of an `unreachable` instruction.
fn tell_of_panics() {
    std::panic::set_hook(Box::new(|panic| write(Level::Error, &panic.to_string())));
}

/// An analyser whose type is known no more.
trait Running {
    fn on_frame(&mut self, frame: &Frame<'_>) -> Result<Vec<Mark>, Fault>;
    fn stop(self: Box<Self>) -> Vec<u8>;
}

impl<A: Analyzer> Running for A {
    fn on_frame(&mut self, frame: &Frame<'_>) -> Result<Vec<Mark>, Fault> {
        Analyzer::on_frame(self, frame)
    }

    fn stop(self: Box<Self>) -> Vec<u8> {
        Analyzer::stop(*self)
    }
}

type Evaluate = Box<dyn Fn(&Situation) -> Result<Vec<Verdict>, Fault>>;

thread_local! {
    // One instance watches one camera, and its calls never overlap.
    static RUNNING: RefCell<Option<Box<dyn Running>>> = const { RefCell::new(None) };
    static RULE: RefCell<Option<Evaluate>> = const { RefCell::new(None) };
}

pub struct AnalyzerPlugin<A, M>(PhantomData<(A, M)>);

impl<A, M: Manifest> about::Guest for AnalyzerPlugin<A, M> {
    fn describe() -> about::Card {
        about::Card { id: M::word("id"), version: M::word("version"), api: M::word("api") }
    }
}

impl<A: Analyzer, M> analyzer::Guest for AnalyzerPlugin<A, M> {
    fn start(setup: analyzer::Setup) -> Result<(), types::Fault> {
        tell_of_panics();
        let analyzer::Setup { camera, zones, settings_json, saved } = setup;
        let zones = zones.into_iter().map(zone).collect();
        let running = A::start(Setup { camera, zones, settings_json, saved }).map_err(fault)?;
        RUNNING.set(Some(Box::new(running)));
        Ok(())
    }

    fn on_frame(frame: &HostFrame) -> Result<Vec<types::Mark>, types::Fault> {
        RUNNING.with_borrow_mut(|running| {
            let running =
                running.as_mut().ok_or_else(|| types::Fault::Internal("a frame came before the start".to_owned()))?;
            let marks = running.on_frame(&Frame::of_host(frame)).map_err(fault)?;
            Ok(marks.into_iter().map(mark).collect())
        })
    }

    fn stop() -> Vec<u8> {
        RUNNING.take().map(|running| running.stop()).unwrap_or_default()
    }
}

pub struct RulePlugin<R, M>(PhantomData<(R, M)>);

impl<R, M: Manifest> about::Guest for RulePlugin<R, M> {
    fn describe() -> about::Card {
        about::Card { id: M::word("id"), version: M::word("version"), api: M::word("api") }
    }
}

impl<R: Rule, M> rule::Guest for RulePlugin<R, M> {
    fn configure(settings_json: String) -> Result<(), types::Fault> {
        tell_of_panics();
        let configured = R::configure(&settings_json).map_err(fault)?;
        RULE.set(Some(Box::new(move |situation| configured.evaluate(situation))));
        Ok(())
    }

    fn evaluate(situation: rule::Situation) -> Result<Vec<rule::Verdict>, types::Fault> {
        RULE.with_borrow(|evaluate| {
            let evaluate = evaluate
                .as_ref()
                .ok_or_else(|| types::Fault::Internal("an event came before the settings".to_owned()))?;
            let verdicts = evaluate(&self::situation(situation)).map_err(fault)?;
            Ok(verdicts.into_iter().map(verdict).collect())
        })
    }
}

pub(crate) fn info(frame: &HostFrame) -> FrameInfo {
    let types::FrameInfo { camera, seq, utc_ns, width, height, masked, skipped } = frame.info();
    FrameInfo { camera, seq, utc_ns, width, height, masked, skipped }
}

pub(crate) fn luma_area(frame: &HostFrame, part: Area, size: (u32, u32)) -> Vec<u8> {
    frame.luma_area(area(part), size.0, size.1)
}

pub(crate) fn write(level: Level, line: &str) {
    let level = match level {
        Level::Trace => log::Level::Trace,
        Level::Debug => log::Level::Debug,
        Level::Info => log::Level::Info,
        Level::Warn => log::Level::Warn,
        Level::Error => log::Level::Error,
    };
    log::write(level, line);
}

pub(crate) fn get(key: &str) -> Option<Vec<u8>> {
    store::get(key)
}

pub(crate) fn set(key: &str, value: &[u8]) -> Result<(), String> {
    store::set(key, value)
}

#[cfg(feature = "unstable-inference")]
pub(crate) fn detect(model: &str, frame: &HostFrame) -> Result<Vec<Detection>, String> {
    let found = asking::watchbook::plugin::inference::detect(model, frame)?;
    Ok(found.into_iter().map(detection).collect())
}

fn detection(seen: types::Detection) -> Detection {
    let types::Detection { class, score, box_: types::Area { x, y, w, h }, track } = seen;
    Detection { class, score, area: Area { x, y, w, h }, track }
}

fn fault(fault: Fault) -> types::Fault {
    match fault {
        Fault::Config(sentence) => types::Fault::Config(sentence),
        Fault::Unsupported(sentence) => types::Fault::Unsupported(sentence),
        Fault::Internal(sentence) => types::Fault::Internal(sentence),
    }
}

fn zone(zone: analyzer::Zone) -> Zone {
    let point = |point: types::Point| Point { x: point.x, y: point.y };
    Zone { name: zone.name, outline: zone.outline.into_iter().map(point).collect() }
}

fn area(area: Area) -> types::Area {
    let Area { x, y, w, h } = area;
    types::Area { x, y, w, h }
}

fn mark(mark: Mark) -> types::Mark {
    let Mark { kind, score, start_utc_ns, end_utc_ns, zone, detections, note } = mark;
    let detection =
        |Detection { class, score, area, track }| types::Detection { class, score, box_: self::area(area), track };
    let detections = detections.into_iter().map(detection).collect();
    types::Mark { kind, score, start_utc_ns, end_utc_ns, zone, detections, note }
}

fn occurrence(occurrence: rule::Occurrence) -> Occurrence {
    let types::Mark { kind, score, start_utc_ns, end_utc_ns, zone, detections, note } = occurrence.mark;
    let detections = detections.into_iter().map(detection).collect();
    let mark = Mark { kind, score, start_utc_ns, end_utc_ns, zone, detections, note };
    Occurrence { source: occurrence.source, mark }
}

fn situation(situation: rule::Situation) -> Situation {
    let rule::Situation { camera, camera_name, event, local, cases, recent } = situation;
    let rule::LocalTime { year, month, day, hour, minute, second, weekday, utc_offset_min, zone } = local;
    let local = LocalTime { year, month, day, hour, minute, second, weekday, utc_offset_min, zone };
    let recent = recent.into_iter().map(occurrence).collect();
    Situation { camera, camera_name, event: occurrence(event), local, cases, recent }
}

fn clip(clip: Clip) -> rule::Clip {
    let Clip { camera, from_utc_ns, to_utc_ns, redaction, case_number, approvals } = clip;
    rule::Clip { camera, from_utc_ns, to_utc_ns, redaction, case_number, approvals }
}

fn verdict(verdict: Verdict) -> rule::Verdict {
    let what = match verdict.what {
        Proposal::ExportClip(footage) => rule::Proposal::ExportClip(clip(footage)),
        Proposal::Tag(word) => rule::Proposal::Tag(word),
        Proposal::Notify(line) => rule::Proposal::Notify(line),
        Proposal::Hold(footage) => rule::Proposal::Hold(clip(footage)),
    };
    rule::Verdict { what, reason: verdict.reason }
}
