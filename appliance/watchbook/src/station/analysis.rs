//! Which cameras are decoded for which plugins; frames on, events back. Nothing here can hold up capture.

use super::in_force::{InForce, Journal};
use super::plugin_log::PluginLogs;
use super::proposals::RuleFeed;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock};
use watchbook_analysis::{Decoder, Emitted, Plan, Point, analysed_role};
use watchbook_base::Clock as _;
use watchbook_base::clock::SystemClock;
use watchbook_base::{CameraId, Event, StreamId, TrackRole, UtcNanos};
use watchbook_confine::Wall;
use watchbook_media::{Packet, RecordingStart, TrackFormat};
use watchbook_plugin_host::{
    Binding, Cache, CompileLimits, Compiler, Package, PluginStatus, Plugins, Report, Surroundings, Zone,
};
use watchbook_store::Writer;
use watchbook_web::api;
use watchbook_web::error::Error;
use watchbook_web::ports::CameraConfig;

/// What stands around this process, once it does.
pub static OWN_WALL: OnceLock<Wall> = OnceLock::new();

/// Who hears of events and of what is in force.
pub struct Sinks {
    /// The rules.
    pub rules: RuleFeed,
    /// What leads from an event's digests back to what they stand for.
    pub journal: Arc<Journal>,
}

/// The two children and who watches what.
pub struct Analysis {
    decoder: Option<Decoder>,
    crew: Arc<Crew>,
    journal: Arc<Journal>,
    table: Mutex<Table>,
    trouble: Arc<Trouble>,
}

/// The plugins that run now; they are changed while they run.
struct Crew {
    program: PathBuf,
    /// Where compiled plugins are kept.
    compiled: PathBuf,
    writer: Writer,
    logs: Arc<PluginLogs>,
    rules: RuleFeed,
    now: RwLock<Option<Arc<Plugins>>>,
}

impl Crew {
    fn get(&self) -> Option<Arc<Plugins>> {
        self.now.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn spawn(&self, packages: Vec<Package>) -> Result<Arc<Plugins>, watchbook_plugin_host::Error> {
        let (writer, logs, rules) = (self.writer.clone(), Arc::clone(&self.logs), self.rules.clone());
        let cache = Cache::open(&self.compiled)
            .map_err(|error| tracing::error!(%error, "compiled plugins are not kept: each start compiles them again"))
            .ok();
        let compiler = Compiler::new(&self.program, cache, CompileLimits::USUAL);
        Plugins::with(&self.program, packages, compiler, move |report| note(&writer, &logs, &rules, report))
            .map(Arc::new)
    }
}

/// What keeps pictures from the plugins of every camera at the moment.
#[derive(Default)]
struct Trouble(Mutex<Option<String>>);

impl Trouble {
    fn is(&self, sentence: Option<String>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = sentence;
    }

    fn get(&self) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[derive(Default)]
struct Table {
    watched: BTreeMap<CameraId, Watched>,
    formats: BTreeMap<StreamId, TrackFormat>,
}

/// What is watched of a camera.
#[derive(Clone, PartialEq)]
struct Watched {
    role: TrackRole,
    keys_only: bool,
    masks: Vec<Vec<Point>>,
    bindings: Vec<api::PluginBinding>,
}

impl Analysis {
    /// Starts the children, with `packages` in the order of their ids, whose machine code is kept in the folder `compiled`. A child that cannot be started costs the events, never the recording: it is logged,
    /// and the plugin list says so.
    pub fn open(
        (program_dir, compiled): (&Path, PathBuf),
        packages: Vec<Package>,
        writer: Writer,
        sinks: Sinks,
    ) -> Self {
        let Sinks { rules, journal } = sinks;
        let trouble = Arc::new(Trouble::default());
        let program = program_dir.join("watchbook-plugins");
        let crew = Arc::new(Crew { program, compiled, writer, logs: Arc::default(), rules, now: RwLock::new(None) });
        let plugins = crew.spawn(packages);
        let plugins = plugins
            .map_err(|error| tracing::error!(%error, "no plugin runs: the plugin host could not be started"))
            .ok();
        let runs = plugins.is_some();
        *crew.now.write().unwrap_or_else(PoisonError::into_inner) = plugins;
        let decoder = runs.then(|| decoder(program_dir, Arc::clone(&crew), Arc::clone(&trouble))).flatten();
        if runs && decoder.is_none() {
            trouble.is(Some("the decoder of pictures could not be started; the recorder's log says why".to_owned()));
        }
        Self { decoder, crew, journal, table: Mutex::default(), trouble }
    }

    /// Lets `packages` be what runs: what is not among them is taken out, what is new is bound where the cameras want it, and other versions are tried and
    /// rolled back when they fail. What does not differ goes on and notices nothing. Takes as long as the trials.
    ///
    /// # Errors
    /// The first failure, after all were attempted: as [`Plugins::install`], or when the plugin host cannot be started.
    pub fn replace(&self, packages: Vec<Package>) -> Result<(), Error> {
        let Some(plugins) = self.crew.get() else { return self.start(packages) };
        let at = SystemClock.utc();
        let known: Vec<String> = plugins.list().into_iter().map(|status| status.id).collect();
        for gone in known.iter().filter(|id| !packages.iter().any(|package| package.manifest.id == **id)) {
            plugins.remove(gone);
        }
        let mut outcome = Ok(());
        let mut added = Vec::new();
        for package in packages {
            let id = package.manifest.id.clone();
            match plugins.install(package) {
                Ok(()) if !known.contains(&id) => added.push(id),
                Ok(()) => {}
                Err(error) => outcome = outcome.and(Err(host_error(error))),
            }
        }
        // Capture may wait for the table: no trial goes on while it is held.
        let table = self.lock();
        for (camera, watched) in &table.watched {
            for binding in watched.bindings.iter().filter(|bound| bound.enabled && added.contains(&bound.plugin)) {
                bind(&plugins, *camera, binding);
            }
            self.reopen(&table, *camera, watched);
        }
        drop(table);
        self.note_in_force(at);
        outcome
    }

    /// Starts the plugin host that could not be started before.
    fn start(&self, packages: Vec<Package>) -> Result<(), Error> {
        let at = SystemClock.utc();
        let fresh = self.crew.spawn(packages).map_err(host_error)?;
        let table = self.lock();
        *self.crew.now.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&fresh));
        for (camera, watched) in &table.watched {
            rebind(&fresh, *camera, None, watched);
            self.reopen(&table, *camera, watched);
        }
        drop(table);
        self.note_in_force(at);
        Ok(())
    }

    /// Notes what watches now, for whoever derives an event again. Not under the table's lock, which capture may wait for: it is made durable.
    fn note_in_force(&self, at: UtcNanos) {
        let Some(plugins) = self.crew.get() else { return };
        let watching = plugins.watching();
        let in_force: Vec<InForce> = {
            let table = self.lock();
            let one = |one: watchbook_plugin_host::Watching| {
                let watched = table.watched.get(&one.camera)?;
                Some(InForce {
                    camera: one.camera,
                    source: one.source,
                    settings_json: one.settings_json,
                    zones: one.zones,
                    masks: watched.masks.clone(),
                    role: watched.role,
                    keys_only: watched.keys_only,
                })
            };
            watching.into_iter().filter_map(one).collect()
        };
        if let Err(error) = self.journal.note(at, in_force) {
            tracing::error!(%error, "what is in force is not noted: events of now cannot be derived again");
        }
    }

    /// Asks the rules of the event's camera about it.
    pub fn event(&self, event: &Event, surroundings: &Surroundings) {
        if let Some(plugins) = self.crew.get() {
            plugins.event(event, surroundings);
        }
    }

    /// What plugins logged.
    pub fn logs(&self) -> &PluginLogs {
        &self.crew.logs
    }

    /// Brings a camera's masks and plugin bindings into force.
    pub fn configure(&self, camera: CameraId, config: &CameraConfig) {
        let (role, keys_only) = analysed_role(config.sub.is_some());
        let bindings = if config.enabled { config.plugins.clone() } else { Vec::new() };
        let masks = config.masks.iter().map(|polygon| polygon.iter().map(corner).collect()).collect();
        let wanted = Watched { role, keys_only, masks, bindings };
        let at = SystemClock.utc();
        let mut table = self.lock();
        let before = table.watched.insert(camera, wanted.clone());
        if before.as_ref() == Some(&wanted) {
            return;
        }
        if let Some(plugins) = self.crew.get() {
            rebind(&plugins, camera, before.as_ref(), &wanted);
        }
        self.reopen(&table, camera, &wanted);
        drop(table);
        self.note_in_force(at);
    }

    /// A removed camera is watched no more.
    pub fn forget(&self, camera: CameraId) {
        let mut table = self.lock();
        table.watched.remove(&camera);
        table.formats.retain(|stream, _| stream.camera != camera);
        if let Some(plugins) = self.crew.get() {
            plugins.unbind_all(camera);
        }
        self.close_all(camera);
    }

    /// A recording begins: from its first key frame on it is decoded, if a plugin watches its stream.
    pub fn begin(&self, start: &RecordingStart) {
        if !start.stream.role.is_video() {
            return;
        }
        let mut table = self.lock();
        table.formats.insert(start.stream, start.format.clone());
        if let Some(watched) =
            table.watched.get(&start.stream.camera).filter(|watched| watched.role == start.stream.role)
        {
            self.reopen(&table, start.stream.camera, watched);
        }
    }

    /// A packet of any stream; ignored unless it is decoded for a plugin.
    pub fn packet(&self, packet: &Packet) {
        if let Some(decoder) = &self.decoder {
            decoder.offer(packet);
        }
    }

    /// The recording ended.
    pub fn end(&self, stream: StreamId) {
        self.lock().formats.remove(&stream);
        if let Some(decoder) = &self.decoder {
            decoder.close(stream);
        }
    }

    /// Refuses a binding that the plugin would not take.
    ///
    /// # Errors
    /// `NotFound` for an unknown plugin, `InvalidInput` for settings or zones that do not fit, `Exhausted` when it would be one too many,
    /// `Unavailable` while there is no plugin host.
    pub fn check(&self, camera: CameraId, binding: &api::PluginBinding) -> Result<(), Error> {
        let watching = binding.enabled.then_some(camera);
        let fits = self.host()?.check(watching, &bound(binding));
        fits.map_err(host_error)
    }

    /// Starts a plugin again that was set aside on this camera.
    pub fn revive(&self, camera: CameraId, binding: &api::PluginBinding) -> Result<(), Error> {
        let plugins = self.host()?;
        if !binding.enabled || !plugins.is_set_aside(camera, &binding.plugin) {
            return Ok(());
        }
        plugins.bind(camera, bound(binding)).map_err(host_error)
    }

    fn host(&self) -> Result<Arc<Plugins>, Error> {
        self.crew.get().ok_or_else(|| {
            Error::new(watchbook_base::Kind::Unavailable, "the plugin host could not be started")
                .next("Look at the recorder's log, then start it again.")
        })
    }

    /// Every plugin. One that nothing is wrong with by itself is shown with what keeps its pictures away.
    pub fn list(&self) -> Result<Vec<PluginStatus>, Error> {
        let mut list = self.host()?.list();
        let slots = self.decoder.as_ref().map(Decoder::status).unwrap_or_default();
        for plugin in &mut list {
            let mine = |stream: StreamId| plugin.instances.iter().any(|instance| instance.camera == stream.camera);
            let watched: Vec<_> = slots.iter().filter(|slot| mine(slot.stream)).collect();
            plugin.frames_dropped += watched.iter().map(|slot| slot.dropped + slot.failed).sum::<u64>();
            let blind = watched.iter().find_map(|slot| {
                slot.problem.as_ref().map(|sentence| format!("camera {}: {sentence}", slot.stream.camera))
            });
            let trouble = self.trouble.get().filter(|_| !plugin.instances.is_empty());
            plugin.last_error = plugin.last_error.take().or(blind).or(trouble);
        }
        Ok(list)
    }

    /// The walls around the recorder and its children.
    pub fn walls(&self) -> Vec<api::ChildWall> {
        let wall = |program: &str, said: Option<Vec<String>>| api::ChildWall {
            program: program.to_owned(),
            whole: said.as_ref().is_some_and(Vec::is_empty),
            missing: said.unwrap_or_else(|| vec!["the program does not run at the moment".to_owned()]),
        };
        let decoder = self.decoder.as_ref().and_then(Decoder::wall);
        let plugins = self.crew.get().and_then(|plugins| plugins.wall());
        let own = OWN_WALL.get().map(|own| own.missing.clone());
        vec![wall("watchbook", own), wall("watchbook-decode", decoder), wall("watchbook-plugins", plugins)]
    }

    /// Decodes what the camera's plugins want, with its masks, in the format of its current recording.
    fn reopen(&self, table: &Table, camera: CameraId, watched: &Watched) {
        let (Some(decoder), Some(plugins)) = (&self.decoder, self.crew.get()) else { return };
        let stream = camera.stream(watched.role);
        let outputs = plugins.outputs(camera);
        self.close_all(camera);
        let Some(format) = table.formats.get(&stream).filter(|_| !outputs.is_empty()) else { return };
        let plan = Plan { format: format.clone(), masks: watched.masks.clone(), outputs, keys_only: watched.keys_only };
        if let Err(error) = decoder.open(stream, plan) {
            tracing::error!(%stream, %error, "the stream is not decoded for plugins");
        }
    }

    fn close_all(&self, camera: CameraId) {
        if let Some(decoder) = &self.decoder {
            decoder.close(camera.stream(TrackRole::MainVideo));
            decoder.close(camera.stream(TrackRole::SubVideo));
        }
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Binds what is new or changed, unbinds what is gone, leaves the rest running.
fn rebind(plugins: &Plugins, camera: CameraId, before: Option<&Watched>, wanted: &Watched) {
    let old = before.map_or(&[][..], |watched| &watched.bindings);
    let active = |list: &[api::PluginBinding]| list.iter().filter(|bound| bound.enabled).cloned().collect::<Vec<_>>();
    let (old, new) = (active(old), active(&wanted.bindings));
    for gone in old.iter().filter(|bound| !new.iter().any(|other| other.plugin == bound.plugin)) {
        plugins.unbind(camera, &gone.plugin);
    }
    for binding in new.iter().filter(|bound| !old.contains(bound)) {
        bind(plugins, camera, binding);
    }
}

fn bind(plugins: &Plugins, camera: CameraId, binding: &api::PluginBinding) {
    if let Err(error) = plugins.bind(camera, bound(binding)) {
        tracing::error!(%camera, plugin = binding.plugin, %error, "the plugin does not watch the camera");
    }
}

fn bound(binding: &api::PluginBinding) -> Binding {
    let zone = |zone: &api::Zone| Zone { name: zone.name.clone(), outline: zone.outline.iter().map(corner).collect() };
    Binding {
        plugin: binding.plugin.clone(),
        settings: binding.settings.clone(),
        zones: binding.zones.iter().map(zone).collect(),
    }
}

fn corner(point: &api::Point) -> Point {
    Point::from_fractions(f64::from(point.x), f64::from(point.y))
}

/// The child that decodes; what it gives goes to the plugins that run at that moment.
fn decoder(program_dir: &Path, crew: Arc<Crew>, told: Arc<Trouble>) -> Option<Decoder> {
    let on = move |emitted| match emitted {
        Emitted::Frame(frame) => {
            told.is(None);
            if let Some(plugins) = crew.get() {
                plugins.frame(&frame);
            }
        }
        Emitted::Problem { stream, sentence } => tracing::warn!(%stream, sentence, "no pictures for plugins"),
        Emitted::Restarting { sentence, again } => {
            tracing::warn!(sentence, again_secs = again.as_secs(), "the decoder ended");
            told.is(Some(format!("the decoder of pictures ended and is started again: {sentence}")));
        }
    };
    Decoder::spawn(&program_dir.join("watchbook-decode"), on)
        .map_err(|error| tracing::error!(%error, "no plugin gets pictures: the decoder could not be started"))
        .ok()
}

/// A failure of the plugin host in the web's words.
pub fn host_error(error: watchbook_plugin_host::Error) -> Error {
    Error::new(error.kind(), error.to_string())
}

fn note(writer: &Writer, logs: &PluginLogs, rules: &RuleFeed, report: Report) {
    match report {
        Report::Event(event) => match writer.event(&event) {
            // What led to it is for the disk alone.
            Ok(number) => rules.event(number, Event { lead: None, ..event }),
            Err(error) => tracing::error!(camera = %event.camera, %error, "an event is lost"),
        },
        Report::Log { camera, plugin, level, text } => {
            tracing::info!(%camera, plugin, text, "a plugin says");
            logs.push(&plugin, SystemClock.utc(), camera, (level, text));
        }
        Report::State { camera, plugin, state, sentence } => {
            tracing::info!(%camera, plugin, ?state, sentence, "a plugin's state changed");
        }
        Report::Verdicts { event, rule, verdicts } => rules.verdicts(event, rule, verdicts),
        Report::Unjudged { event, plugin, sentence } => {
            tracing::warn!(camera = %event.camera, plugin, sentence, "an export rule came to nothing");
        }
        Report::RolledBack { plugin, version, tried, sentence } => {
            tracing::error!(
                plugin,
                version,
                tried,
                sentence,
                "a new version of a plugin does not work here and is rolled back"
            );
        }
        Report::Restarting { sentence } => tracing::warn!(sentence, "the plugin host ended"),
    }
}
