//! A plugin that watches a camera, frame by frame.

use crate::figures::Figures;
use crate::{Source, wire};
use serde_json::{Map, Value, json};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};
use watchbook_analysis::clip::{Head, Picture};
use watchbook_base::time::NANOS_PER_SEC;
use watchbook_base::{CameraId, Event, EventSource, UtcNanos};
use watchbook_plugin_engine::profile::{Sampler, Stacks};
use watchbook_plugin_engine::{
    AnalyticsInstance, Failure, Frame, Kept, Limits, Machine, Models, Pixels, Prepared, Settings, Setup, World,
};
use watchbook_plugin_host::message::{Level, Mark};
use watchbook_plugin_host::package::sha256_hex;
use watchbook_plugin_host::{Gate, Package, Zone, settings};

/// The word that stands for the camera.
const CAMERA: &str = "kit";
/// Under [`Mode::Pure`] a call may take so many times its time: what is exact is slower.
const PURE_FACTOR: u32 = 5;
/// So many traps are the end, as in the recorder.
const TRAPS_MAX: u32 = 5;
/// Pause after the first trap; doubled with each further one.
const PAUSE_NS: i64 = NANOS_PER_SEC;
/// Log lines that wait to be read: a frame gives at most 50.
const LINES_MAX: usize = 1_000;

/// How a plugin is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// The same input gives the same bytes on every machine, and instructions are counted. Float code is up to five times slower.
    Pure,
    /// As the recorder runs it: what it costs is what it will cost.
    Live,
}

impl Mode {
    pub(crate) fn settings(self) -> Settings {
        match self {
            Self::Pure => Settings::PURE,
            Self::Live => Settings::LIVE,
        }
    }
}

/// A compiled plugin.
#[derive(Debug)]
pub struct Runner {
    package: Package,
    prepared: Prepared,
    mode: Mode,
    compile: Duration,
    sampler: Option<Sampler>,
}

impl Runner {
    /// Compiles it.
    ///
    /// # Errors
    /// The engine's sentence: no component, imports beyond the manifest, a missing function.
    pub fn new(package: Package, mode: Mode) -> Result<Self, String> {
        Self::on(Machine::new, (package, mode), None)
    }

    /// As [`Runner::new`] as the recorder runs it, and its stack is looked at while it has frames.
    ///
    /// # Errors
    /// As [`Runner::new`].
    pub fn sampled(package: Package) -> Result<Self, String> {
        Self::on(Machine::sampling, (package, Mode::Live), Some(Sampler::default()))
    }

    fn on(
        machine: impl FnOnce(Settings) -> Result<Machine, Failure>,
        (package, mode): (Package, Mode),
        sampler: Option<Sampler>,
    ) -> Result<Self, String> {
        let began = Instant::now();
        let machine = machine(mode.settings()).map_err(Failure::into_sentence)?;
        let budget = package.manifest.budget;
        let factor = if mode == Mode::Pure { PURE_FACTOR } else { 1 };
        let limits = Limits {
            memory_bytes: u64::from(budget.memory_mib) << 20,
            call_ms: package.manifest.call_ms().saturating_mul(factor),
            store_bytes: budget.store_kib << 10,
        };
        let capabilities: Vec<String> = package.manifest.capabilities.all().map(str::to_owned).collect();
        let prepared = machine
            .prepare(&package.component, World::AnalyticsPlugin, &capabilities, limits)
            .map_err(Failure::into_sentence)?;
        let models = Models::read(&package.models.parts, &package.models.bytes)?;
        let prepared = prepared.with_models(models).map_err(Failure::into_sentence)?;
        Ok(Self { package, prepared, mode, compile: began.elapsed(), sampler })
    }

    /// What it was made of.
    #[must_use]
    pub fn package(&self) -> &Package {
        &self.package
    }

    /// How it runs.
    #[must_use]
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// The stacks that were seen; none when it was made by [`Runner::new`].
    #[must_use]
    pub fn stacks(&self) -> Stacks {
        self.sampler.as_ref().map(Sampler::stacks).unwrap_or_default()
    }

    /// How long compiling took.
    #[must_use]
    pub fn compile_time(&self) -> Duration {
        self.compile
    }

    /// The settings that the plugin gets: `chosen` and the manifest's defaults.
    ///
    /// # Errors
    /// A sentence that names the setting.
    pub fn settings_json(&self, chosen: &Map<String, Value>) -> Result<String, String> {
        settings::complete(&self.package.manifest.settings, chosen).map_err(|error| error.to_string())
    }

    /// Starts an instance with complete settings, as [`Runner::settings_json`] gives them.
    ///
    /// # Errors
    /// The plugin's or the engine's sentence.
    pub fn watch(&self, settings_json: &str, zones: &[Zone]) -> Result<Watch<'_>, Failure> {
        let camera = CameraId::new(1).ok_or_else(|| Failure::Refused("no camera number".to_owned()))?;
        let manifest = &self.package.manifest;
        let source = EventSource {
            plugin: manifest.id.clone(),
            version: manifest.version.clone(),
            component_sha256: self.package.component_sha256.clone(),
            settings_sha256: sha256_hex(settings_json.as_bytes()),
        };
        let kinds = manifest.emits.iter().map(|emits| emits.kind.clone()).collect();
        let names = zones.iter().map(|zone| zone.name.clone()).collect();
        let mut watch = Watch {
            runner: self,
            settings_json: settings_json.to_owned(),
            zones: zones.to_vec(),
            gate: Gate::new(camera, kinds, names, source),
            kept: Kept::default(),
            instance: None,
            lines: None,
            clock: None,
            traps: 0,
            paused_until_ns: None,
            skipped: 0,
            figures: Figures::default(),
            start_times: (Duration::ZERO, Duration::ZERO),
        };
        watch.start()?;
        Ok(watch)
    }

    /// Runs a whole source through a fresh instance. `each` sees every step and says whether to go on.
    ///
    /// # Errors
    /// A sentence: the plugin cannot be started, the source breaks off or has no picture of the wanted size.
    pub fn run(
        &self,
        source: &mut Source,
        (settings_json, zones): (&str, &[Zone]),
        mut each: impl FnMut(&Step) -> bool,
    ) -> Result<Outcome, String> {
        let head = source.head();
        let mut watch = self.watch(settings_json, zones).map_err(Failure::into_sentence)?;
        let mut outcome = Outcome::default();
        while let Some(picture) = source.next_picture()? {
            let step = watch.frame(head, picture);
            outcome.take(&step);
            if !each(&step) {
                break;
            }
        }
        outcome.figures = watch.finish(&mut outcome);
        Ok(outcome)
    }
}

/// What one frame gave.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Step {
    /// UTC of the frame in nanoseconds.
    pub utc_ns: i64,
    /// What the recorder would store.
    pub events: Vec<Event>,
    /// Why it would refuse others.
    pub refused: Vec<String>,
    /// Log lines.
    pub lines: Vec<(Level, String)>,
    /// A call that was stopped, or came to nothing.
    pub failure: Option<Failure>,
    /// The plugin was not called: it has a pause after a trap, or was set aside.
    pub skipped: bool,
}

/// What a whole run gave.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Outcome {
    /// One JSON object for each event, refusal and failure, in order: what golden files hold.
    pub lines: Vec<String>,
    /// Frames that came.
    pub frames: u64,
    /// Events.
    pub events: u64,
    /// Marks refused.
    pub refused: u64,
    /// Calls that were stopped, and frames that the plugin could not use.
    pub failures: u64,
    /// Frames that the plugin was not called with.
    pub skipped: u64,
    /// What it cost.
    pub figures: Figures,
}

impl Outcome {
    fn take(&mut self, step: &Step) {
        self.frames += 1;
        self.skipped += u64::from(step.skipped);
        self.events += step.events.len() as u64;
        self.refused += step.refused.len() as u64;
        self.failures += u64::from(step.failure.is_some());
        let lines = step_lines(step);
        let room = crate::golden::LINES_MAX.saturating_sub(self.lines.len());
        self.lines.extend(lines.into_iter().take(room));
    }

    /// Two runs gave the same: figures do not count.
    #[must_use]
    pub fn same(&self, other: &Self) -> bool {
        (&self.lines, self.frames, self.skipped) == (&other.lines, other.frames, other.skipped)
    }
}

/// A step as golden lines.
#[must_use]
pub fn step_lines(step: &Step) -> Vec<String> {
    let at = step.utc_ns / 1_000_000;
    let mut lines: Vec<String> = step.events.iter().map(|event| wire::event(event).to_string()).collect();
    lines.extend(step.refused.iter().map(|why| json!({ "frame_utc_ms": at, "refused": why }).to_string()));
    if let Some(failure) = &step.failure {
        let what = match failure {
            Failure::Trap(_) => "trap",
            Failure::Refused(_) => "set_aside",
            Failure::Fault(_) => "fault",
        };
        lines.push(json!({ "frame_utc_ms": at, what: failure.sentence() }).to_string());
    }
    lines
}

/// A plugin at work on one camera.
#[derive(Debug)]
pub struct Watch<'a> {
    runner: &'a Runner,
    settings_json: String,
    zones: Vec<Zone>,
    gate: Gate,
    kept: Kept,
    instance: Option<AnalyticsInstance>,
    lines: Option<Receiver<(Level, String)>>,
    /// The first frame's time and what stands for it in the rate limit: time is the clip's, not this machine's.
    clock: Option<(i64, Instant)>,
    traps: u32,
    paused_until_ns: Option<i64>,
    skipped: u32,
    figures: Figures,
    start_times: (Duration, Duration),
}

impl Watch<'_> {
    fn start(&mut self) -> Result<(), Failure> {
        let (sender, receiver) = channel();
        let log = Box::new(move |level, text| {
            // Nobody reads the lines of an instance that is gone.
            let _ = sender.send((level, text));
        });
        let began = Instant::now();
        let mut instance = AnalyticsInstance::new(&self.runner.prepared, self.kept.clone(), log)?;
        let made = began.elapsed();
        let manifest = &self.runner.package.manifest;
        self.lines = Some(receiver);
        instance.start(&Setup {
            id: &manifest.id,
            version: &manifest.version,
            camera: CAMERA,
            zones: &self.zones,
            settings_json: &self.settings_json,
            saved: None,
        })?;
        if let Some(sampler) = &self.runner.sampler {
            instance.sample(sampler);
        }
        self.start_times = (made, began.elapsed().saturating_sub(made));
        self.instance = Some(instance);
        self.paused_until_ns = None;
        Ok(())
    }

    /// Gives it one picture of a source with this head.
    pub fn frame(&mut self, head: Head, picture: Picture) -> Step {
        let mut step = Step { utc_ns: picture.utc_ns, ..Step::default() };
        if self.instance.is_none()
            && self.paused_until_ns.is_some_and(|until| picture.utc_ns >= until)
            && let Err(failure) = self.start()
        {
            self.fail(failure, &mut step);
        }
        let skipped = std::mem::take(&mut self.skipped);
        let Some(instance) = &mut self.instance else {
            self.skipped = skipped.saturating_add(1);
            step.skipped = true;
            self.collect_lines(&mut step);
            return step;
        };
        let frame = Frame {
            utc_ns: u64::try_from(picture.utc_ns).unwrap_or(0),
            width: head.width,
            height: head.height,
            masked: head.masked,
            skipped,
            pixels: Pixels::Plane(picture.luma.into()),
        };
        let outcome = instance.on_frame(frame);
        let usage = instance.usage();
        self.figures.call(usage.busy, usage.fuel, instance.memory_bytes());
        self.collect_lines(&mut step);
        match outcome {
            Ok(marks) => self.check(marks, &mut step),
            Err(failure) => self.fail(failure, &mut step),
        }
        step
    }

    fn collect_lines(&self, step: &mut Step) {
        step.lines.extend(self.lines.iter().flat_map(Receiver::try_iter).take(LINES_MAX));
    }

    fn check(&mut self, marks: Vec<Mark>, step: &mut Step) {
        let (first_ns, began) = *self.clock.get_or_insert((step.utc_ns, Instant::now()));
        let since = u64::try_from(step.utc_ns.saturating_sub(first_ns)).unwrap_or(0);
        for mark in marks {
            let events = self.gate.pass(vec![mark], UtcNanos(step.utc_ns), began + Duration::from_nanos(since));
            if events.is_empty() {
                step.refused.push(self.gate.last_refusal().unwrap_or("refused").to_owned());
            }
            step.events.extend(events);
        }
    }

    /// As the recorder: a pause after a trap, doubled each time, and the end after the fifth.
    fn fail(&mut self, failure: Failure, step: &mut Step) {
        match &failure {
            Failure::Fault(_) => {}
            Failure::Refused(_) => (self.instance, self.paused_until_ns) = (None, None),
            Failure::Trap(_) => {
                self.instance = None;
                self.traps += 1;
                let pause = PAUSE_NS << (self.traps - 1).min(16);
                self.paused_until_ns = (self.traps < TRAPS_MAX).then(|| step.utc_ns.saturating_add(pause));
            }
        }
        step.failure = Some(failure);
    }

    /// Traps so far.
    #[must_use]
    pub fn traps(&self) -> u32 {
        self.traps
    }

    /// How long the newest instance took to be made, and how long its `describe` and `start` took.
    #[must_use]
    pub fn start_times(&self) -> (Duration, Duration) {
        self.start_times
    }

    /// Processor time of the last call; nothing before the first and after a trap.
    #[must_use]
    pub fn last_busy(&self) -> Duration {
        self.instance.as_ref().map_or(Duration::ZERO, |instance| instance.usage().busy)
    }

    /// What the calls have cost so far.
    #[must_use]
    pub fn figures(&self) -> &Figures {
        &self.figures
    }

    /// Stops it in order; a failure of `stop` is noted.
    fn finish(mut self, outcome: &mut Outcome) -> Figures {
        if let Some(Err(failure)) = self.instance.take().map(AnalyticsInstance::stop) {
            outcome.failures += 1;
            outcome.lines.push(json!({ "stop": failure.sentence() }).to_string());
        }
        self.figures
    }
}
