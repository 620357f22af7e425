//! One event through its plugin again: what was in force, the package, the footage, a decoder and a plugin host of their own, the comparison.

use super::Means;
use crate::station::in_force::InForce;
use std::collections::HashMap;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use watchbook_access::Grant;
use watchbook_analysis::choice::{Choice, Given, Stored, choose};
use watchbook_analysis::once::Stopper;
use watchbook_analysis::replay::{Replay, Unit};
use watchbook_analysis::{Output, Plan};
use watchbook_base::clock::SystemClock;
use watchbook_base::{Clock as _, Event, Kind, StreamId, Ticks90k, TimeRange, UtcNanos};
use watchbook_media::{SpanSource, SpanSummary};
use watchbook_plugin_host::compare::{Difference, Field, Verdict, verdict};
use watchbook_plugin_host::rerun::{Rerun, RunFrame, RunSetup};
use watchbook_plugin_host::{Gate, Package};
use watchbook_web::api::{self, RederivationRefusal as Refusal};
use watchbook_web::ports::RederiveOrder;

/// Why nothing can be done without a row of the journal.
pub(super) const SETTINGS_UNKNOWN: &str = "the settings, zones and masks that were in force when the event was made are not known any more; they are kept for the last changes alone";
const UNREADABLE: &str = "there is no footage of that time that can be read: it has been overwritten, erased or lost";
/// Access units after the last one that is wanted: what a decoder may hold back for reordering, and some.
const TAIL_UNITS: usize = 40;
/// Gaps and damaged runs in a result.
const LISTED_MAX: usize = 64;
/// Events of a run that are compared.
const FOUND_MAX: usize = 2_000;
/// A run that takes longer is given up: the box has other things to do.
const RUN_MAX: Duration = Duration::from_secs(1_800);

/// Whoever asked may look at a run and stop it.
#[derive(Default)]
pub(super) struct Control {
    cancelled: AtomicBool,
    children: Mutex<Vec<Stopper>>,
    done: AtomicU32,
    of: AtomicU32,
}

impl Control {
    pub(super) fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::SeqCst)
    }

    pub(super) fn cancel(&self) {
        self.cancelled.store(true, Ordering::SeqCst);
        self.children.lock().unwrap_or_else(PoisonError::into_inner).iter().for_each(Stopper::stop);
    }

    /// 0 to 1.
    pub(super) fn progress(&self) -> f64 {
        let of = self.of.load(Ordering::Relaxed);
        if of == 0 { 0.0 } else { f64::from(self.done.load(Ordering::Relaxed)) / f64::from(of) }
    }

    /// From now on the child ends when the run is cancelled.
    fn watch(&self, child: Stopper) {
        let mut children = self.children.lock().unwrap_or_else(PoisonError::into_inner);
        // Cancelled between its start and now.
        if self.is_cancelled() {
            child.stop();
        }
        children.push(child);
    }
}

/// Why there is no comparison.
type Refused = (Refusal, String);

/// An empty result about `event`.
pub(super) fn refused(event: &Event, refusal: Refusal, sentence: String) -> api::RederivationResult {
    let source = &event.source;
    api::RederivationResult {
        outcome: api::RederivationOutcome::Refused,
        refusal: Some(refusal),
        sentence: Some(sentence),
        differences: Vec::new(),
        plugin: source.plugin.clone(),
        version: source.version.clone(),
        component_sha256: source.component_sha256.clone(),
        settings_sha256: source.settings_sha256.clone(),
        frames: 0,
        frames_known: 0,
        frames_lost: 0,
        frames_dropped_then: 0,
        from_its_start: false,
        from_utc_ms: None,
        to_utc_ms: None,
        warm_up_ms: 0,
        role: None,
        keys_only: false,
        masked: false,
        gaps: Vec::new(),
        damaged: Vec::new(),
        done_utc_ms: SystemClock.utc().as_ms(),
        took_ms: 0,
    }
}

/// Derives `event` again.
pub(super) fn run(
    means: &Means,
    event: &Event,
    order: &RederiveOrder,
    grant: &Grant,
    control: &Control,
) -> api::RederivationResult {
    let began = Instant::now();
    let mut result = refused(event, Refusal::Recorder, String::new());
    if let Err((refusal, sentence)) = attempt(means, (event, order), grant, control, &mut result) {
        result = api::RederivationResult {
            outcome: api::RederivationOutcome::Refused,
            refusal: Some(refusal),
            sentence: Some(sentence),
            ..result
        };
    }
    result.done_utc_ms = SystemClock.utc().as_ms();
    result.took_ms = i64::try_from(began.elapsed().as_millis()).unwrap_or(i64::MAX);
    result
}

fn attempt(
    means: &Means,
    (event, order): (&Event, &RederiveOrder),
    grant: &Grant,
    control: &Control,
    result: &mut api::RederivationResult,
) -> Result<(), Refused> {
    let known = means.journal.of(event);
    let (in_force, since) = known.ok_or_else(|| (Refusal::Settings, SETTINGS_UNKNOWN.to_owned()))?;
    let package = means.plugins.package_of(&event.source).map_err(|sentence| (Refusal::Component, sentence))?;
    if !package.manifest.models.is_empty() {
        let sentence = "this plugin asks a neural network, whose answers are not promised to be the same again";
        return Err((Refusal::Model, sentence.to_owned()));
    }
    let stream = event.camera.stream(in_force.role);
    (result.role, result.keys_only, result.masked) =
        (Some(in_force.role), in_force.keys_only, !in_force.masks.is_empty());
    // Else what comes out lacks the frame that the plugin spoke of, and an event would seem to be none.
    let told = event.lead.as_ref().and_then(|lead| lead.span()).map(|(_, last)| last);
    if told.is_some_and(|told| told > order.range.end) {
        let sentence = "the plugin told of this event so long after it that the footage of a run does not reach to there; compare the event with the footage";
        return Err((Refusal::Recorder, sentence.to_owned()));
    }
    let footage = Footage::open(means, grant, (stream, order.range), in_force.keys_only)?;
    let output = package.manifest.output();
    // Before that the plugin had other settings, or the camera other masks.
    let from = order.from.max(since);
    let choice = choose(&footage.stored(), output.fps_max, from, event.lead.as_deref());
    footage.tell(means, grant, (stream, &choice), result)?;
    result.warm_up_ms = choice.frames.first().map_or(0, |first| event.start.nanos_since(first.utc) / 1_000_000);
    result.frames_dropped_then =
        event.lead.as_ref().map_or(0, |lead| u32::try_from(lead.dropped()).unwrap_or(u32::MAX));
    result.from_its_start = choice.fresh;
    if choice.frames.is_empty() || (event.lead.is_some() && choice.known == 0) {
        return Err((Refusal::Footage, UNREADABLE.to_owned()));
    }
    let mut run = Run::begin(means, (event, &package), &in_force, control)?;
    footage.play(&choice, &mut run, result)?;
    let Run { found, given, first, last, .. } = run;
    let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    result.frames = given;
    // Those of the lead come last.
    let missing = number(choice.frames.len()).saturating_sub(given);
    result.frames_known = number(choice.known).saturating_sub(missing);
    result.frames_lost = number(choice.lost).saturating_add(missing);
    (result.from_utc_ms, result.to_utc_ms) = (first.map(UtcNanos::as_ms), last.map(UtcNanos::as_ms));
    if given == 0 {
        let why = "no picture of the footage of that time could be decoded";
        return Err((Refusal::Footage, why.to_owned()));
    }
    let interval_ms = (1_000.0 / f64::from(output.fps_max)).ceil() as i64;
    let stored = shown(event.clone());
    (result.refusal, result.sentence) = (None, None);
    (result.outcome, result.differences) = match verdict(&stored, found, interval_ms) {
        Verdict::Same(_) => (api::RederivationOutcome::Same, Vec::new()),
        Verdict::Near(_, differences) => {
            (api::RederivationOutcome::Near, differences.into_iter().map(differs).collect())
        }
        Verdict::Absent => (api::RederivationOutcome::Absent, Vec::new()),
    };
    Ok(())
}

fn shown(event: Event) -> serde_json::Value {
    serde_json::to_value(api::Event::of(0, event)).unwrap_or_default()
}

fn differs(difference: Difference) -> api::RederivationDifference {
    let Difference { field, stored, derived } = difference;
    let field = match field {
        Field::Start => api::RederivationField::Start,
        Field::End => api::RederivationField::End,
        Field::Score => api::RederivationField::Score,
        Field::Detections => api::RederivationField::Detections,
        Field::Note => api::RederivationField::Note,
    };
    api::RederivationDifference { field, stored, derived }
}

/// One access unit that is stored.
struct Shot {
    span: usize,
    offset: u64,
    len: u64,
    key: bool,
    utc: UtcNanos,
    media: Ticks90k,
}

/// What is stored of one stream in a range, in decode order.
struct Footage {
    spans: Vec<SpanSummary>,
    shots: Vec<Shot>,
    source: watchbook_store::Footage,
    range: TimeRange,
}

impl Footage {
    fn open(
        means: &Means,
        grant: &Grant,
        (stream, range): (StreamId, TimeRange),
        keys_only: bool,
    ) -> Result<Self, Refused> {
        let failed = |error: watchbook_store::Error| (Refusal::Footage, error.message);
        let mut spans = means.reader.spans(grant, stream, range).map_err(failed)?;
        spans.retain(|span| span.range().overlaps(range));
        let source = means.reader.footage(grant, stream.camera, range).map_err(failed)?;
        let mut shots = Vec::new();
        for (place, span) in spans.iter().enumerate() {
            // The ring may have taken it since: what is left is told as what it is.
            let Ok(table) = source.table(span) else { continue };
            for (offset, sample) in table.samples().filter(|(_, sample)| sample.key || !keys_only) {
                let media = Ticks90k(sample.dts.0.saturating_add(i64::from(sample.cts_offset)));
                let utc = span.start_utc.plus_ticks(media - span.first_dts);
                let len = u64::from(sample.size_bytes);
                shots.push(Shot { span: place, offset, len, key: sample.key, utc, media });
            }
        }
        Ok(Self { spans, shots, source, range })
    }

    /// The pictures in order of presentation.
    fn stored(&self) -> Vec<Stored> {
        let mut stored: Vec<Stored> =
            self.shots.iter().map(|shot| Stored { utc: shot.utc, media: Some(shot.media) }).collect();
        stored.sort_by_key(|picture| picture.utc);
        stored
    }

    /// What is missing between the first and the last frame of `choice`, into the result.
    fn tell(
        &self,
        means: &Means,
        grant: &Grant,
        (stream, choice): (StreamId, &Choice),
        result: &mut api::RederivationResult,
    ) -> Result<(), Refused> {
        let failed = |error: watchbook_store::Error| (Refusal::Footage, error.message);
        let times = choice.frames.first().zip(choice.frames.last());
        let range = times.and_then(|(first, last)| TimeRange::new(first.utc, last.utc)).unwrap_or(self.range);
        let gaps = means.reader.gaps(grant, stream, range, SystemClock.utc()).map_err(failed)?;
        let gap = |gap: &watchbook_base::Gap| api::Gap {
            start_utc_ms: gap.range.start.as_ms(),
            end_utc_ms: gap.range.end.as_ms(),
            reason: gap.reason,
        };
        result.gaps = gaps.iter().take(LISTED_MAX).map(gap).collect();
        let damaged = means.reader.damage(grant, stream, range).map_err(failed)?;
        let shown = damaged.iter().map(crate::station::storage::damaged).take(LISTED_MAX);
        let one = |run: watchbook_web::ports::Damaged| api::DamagedInterval {
            start_utc_ms: run.range.start.as_ms(),
            end_utc_ms: run.range.end.as_ms(),
            kind: run.kind,
        };
        result.damaged = shown.map(one).collect();
        Ok(())
    }

    /// Decodes what `choice` wants and gives it to `run`.
    fn play(&self, choice: &Choice, run: &mut Run<'_>, result: &mut api::RederivationResult) -> Result<(), Refused> {
        let stored = self.stored();
        let wanted: HashMap<UtcNanos, Given> =
            choice.frames.iter().map(|given| (stored[given.place].utc, *given)).collect();
        let is_wanted = |shot: &Shot| wanted.contains_key(&shot.utc);
        let (Some(first), Some(last)) = (self.shots.iter().position(is_wanted), self.shots.iter().rposition(is_wanted))
        else {
            return Ok(());
        };
        let recording = |shot: &Shot| self.spans[shot.span].recording;
        let begin =
            self.shots[..=first].iter().rposition(|shot| shot.key && recording(shot) == recording(&self.shots[first]));
        let end = self.shots.len().min(last + TAIL_UNITS);
        let mut reel = Reel { open: None, wait_key: true };
        let mut unread = 0;
        for shot in &self.shots[begin.unwrap_or(first)..end] {
            run.check()?;
            let span = &self.spans[shot.span];
            if reel.open != Some(span.recording) {
                run.open(span, &wanted)?;
                reel = Reel { open: Some(span.recording), wait_key: true };
            }
            if reel.wait_key && !shot.key {
                continue;
            }
            let Ok(bytes) = self.source.read(span, shot.offset, shot.len) else {
                // Damaged, or the ring has taken it: the rest of its group of pictures depends on it.
                reel.wait_key = true;
                unread += 1;
                continue;
            };
            reel.wait_key = false;
            run.feed(Unit { utc: shot.utc, key: shot.key, data: &bytes }, &wanted)?;
            if run.given as usize == wanted.len() {
                break;
            }
        }
        run.settle(&wanted)?;
        if run.given == 0 && unread > 0 {
            return Err((Refusal::Footage, UNREADABLE.to_owned()));
        }
        if let Some(problem) = run.replay.problem().filter(|_| run.given == 0) {
            result.sentence = Some(problem.to_owned());
            return Err((Refusal::Footage, problem.to_owned()));
        }
        Ok(())
    }
}

/// Where the decoder is.
struct Reel {
    open: Option<watchbook_media::RecordingId>,
    wait_key: bool,
}

/// The two children at work.
struct Run<'a> {
    replay: Replay,
    plugin: Rerun,
    gate: Gate,
    in_force: &'a InForce,
    output: Output,
    control: &'a Control,
    began: Instant,
    given: u32,
    first: Option<UtcNanos>,
    last: Option<UtcNanos>,
    found: Vec<serde_json::Value>,
    /// Why the plugin's side ended.
    ended: Option<Refused>,
}

type Wanted = HashMap<UtcNanos, Given>;

impl<'a> Run<'a> {
    fn begin(
        means: &Means,
        (event, package): (&Event, &Package),
        in_force: &'a InForce,
        control: &'a Control,
    ) -> Result<Self, Refused> {
        let recorder = |error: &dyn std::fmt::Display| (Refusal::Recorder, error.to_string());
        let program = |name: &str| means.program_dir.join(name);
        let replay = Replay::spawn(&program("watchbook-decode")).map_err(|error| recorder(&error))?;
        control.watch(replay.stopper());
        let mut plugin = Rerun::spawn(&program("watchbook-plugins")).map_err(|error| recorder(&error))?;
        control.watch(plugin.stopper());
        let setup = RunSetup { camera: event.camera, zones: &in_force.zones, settings_json: &in_force.settings_json };
        plugin.begin(package, setup).map_err(|error| (Refusal::Plugin, error.to_string()))?;
        let kinds = package.manifest.emits.iter().map(|emits| emits.kind.clone()).collect();
        let zones = in_force.zones.iter().map(|zone| zone.name.clone()).collect();
        Ok(Self {
            replay,
            plugin,
            gate: Gate::new(event.camera, kinds, zones, event.source.clone()),
            in_force,
            output: package.manifest.output(),
            control,
            began: Instant::now(),
            given: 0,
            first: None,
            last: None,
            found: Vec::new(),
            ended: None,
        })
    }

    /// Whether to go on.
    fn check(&self) -> Result<(), Refused> {
        if self.control.is_cancelled() {
            return Err((Refusal::Recorder, "it was cancelled".to_owned()));
        }
        if self.began.elapsed() > RUN_MAX {
            let sentence =
                format!("it was given up after {} s; try again when the box is less busy", RUN_MAX.as_secs());
            return Err((Refusal::Recorder, sentence));
        }
        Ok(())
    }

    fn open(&mut self, span: &SpanSummary, wanted: &Wanted) -> Result<(), Refused> {
        self.settle(wanted)?;
        let plan = Plan {
            format: (*span.format).clone(),
            masks: self.in_force.masks.clone(),
            outputs: vec![self.output],
            keys_only: self.in_force.keys_only,
        };
        self.replay.open(&plan).map_err(|error| (Refusal::Recorder, error.to_string()))
    }

    fn feed(&mut self, unit: Unit<'_>, wanted: &Wanted) -> Result<(), Refused> {
        self.with_decoder(wanted, |replay, on| replay.feed(unit, on))
    }

    fn settle(&mut self, wanted: &Wanted) -> Result<(), Refused> {
        self.with_decoder(wanted, Replay::settle)
    }

    fn with_decoder(
        &mut self,
        wanted: &Wanted,
        work: impl FnOnce(
            &mut Replay,
            &mut watchbook_analysis::replay::OnPicture<'_>,
        ) -> Result<(), watchbook_analysis::Error>,
    ) -> Result<(), Refused> {
        let Self { replay, plugin, gate, in_force, output, control, given, first, last, found, ended, .. } = self;
        control.of.store(u32::try_from(wanted.len()).unwrap_or(u32::MAX), Ordering::Relaxed);
        let mut on = |utc: UtcNanos, pixels: OwnedFd| {
            let Some(wish) = wanted.get(&utc) else { return Ok(()) };
            let frame = RunFrame {
                utc_ns: u64::try_from(wish.utc.0).unwrap_or(0),
                size: (output.width, output.height),
                masked: !in_force.masks.is_empty(),
                skipped: wish.skipped,
                pixels,
            };
            let marks = plugin.frame(frame).map_err(|error| {
                let sentence = error.to_string();
                *ended = Some((Refusal::Plugin, sentence.clone()));
                watchbook_analysis::Error::new(Kind::Unavailable, sentence)
            })?;
            let since = *first.get_or_insert(wish.utc);
            *last = Some(wish.utc);
            *given += 1;
            control.done.store(*given, Ordering::Relaxed);
            // The gate's rate limit goes by the footage's time, as it went then.
            let passed = Duration::from_nanos(u64::try_from(wish.utc.nanos_since(since)).unwrap_or(0));
            let events = gate.pass(marks, wish.utc, self.began + passed);
            let room = FOUND_MAX.saturating_sub(found.len());
            found.extend(events.into_iter().take(room).map(shown));
            Ok(())
        };
        let outcome = work(replay, &mut on);
        outcome.map_err(|error| self.ended.take().unwrap_or((Refusal::Recorder, error.to_string())))
    }
}
