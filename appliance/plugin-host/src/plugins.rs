//! The recorder's side: which plugin watches which camera; frames out, events back; events out, verdicts back.

mod events;
mod post;
mod reader;
mod sent;
mod upgrade;

use crate::compile::queue::{Outcome, Queue, Request};
use crate::compile::{CompileLimits, Compiler};
use crate::marks::Gate;
use crate::message::{Counts, InstanceNumber, Limits, PluginNumber, ToPlugins, World, Zone, monotonic_ns};
use crate::models::ModelFiles;
use crate::package::{Package, sha256_hex};
use crate::rules::camera_word;
use crate::status::{InstanceState, InstanceStatus, PluginStatus, Report};
use crate::{Error, settings};
use post::{Letter, Post};
use reader::Reader;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, HashMap};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use watchbook_analysis::child::Child;
use watchbook_analysis::message::encode;
use watchbook_analysis::plan::OUTPUTS_MAX;
use watchbook_analysis::{Frame, Output};
use watchbook_base::limits::EVENT_WORD_BYTES_MAX;
use watchbook_base::{CameraId, EventSource, Kind, memfd};

/// Zones of one binding.
pub const ZONES_MAX: usize = 32;
/// Corners of one zone.
pub const ZONE_POINTS_MAX: usize = 64;
/// Instances of one station: 100 cameras with two plugins and some. Each has a thread in the child, and its own memory.
pub const INSTANCES_MAX: usize = 256;
/// Memory that all instances together may be promised; more is refused when binding. A quarter of the 8 GiB of the smallest supported box.
pub const MEMORY_BYTES_MAX: u64 = 2 << 30;

/// A plugin on a camera.
#[derive(Clone, Debug, PartialEq)]
pub struct Binding {
    /// The plugin's id.
    pub plugin: String,
    /// What was chosen; the manifest's defaults fill the rest.
    pub settings: Map<String, Value>,
    /// Parts of the picture; none means all of it. At most [`ZONES_MAX`].
    pub zones: Vec<Zone>,
}

/// A plugin that watches a camera, as it is bound.
#[derive(Clone, Debug, PartialEq)]
pub struct Watching {
    /// Which camera.
    pub camera: CameraId,
    /// What its events bear.
    pub source: EventSource,
    /// The complete settings, whose digest they bear.
    pub settings_json: String,
    /// Parts of the picture.
    pub zones: Vec<Zone>,
}

/// The plugin folder, the bindings, the child that runs them and the children that compile them.
pub struct Plugins {
    queue: Queue,
    child: Arc<Child>,
    shared: Arc<Shared>,
}

impl core::fmt::Debug for Plugins {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Plugins({} loaded)", self.shared.lock().plugins.len())
    }
}

struct Shared {
    state: Mutex<State>,
    /// The child said something, or ended.
    changed: Condvar,
    on: Box<dyn Fn(Report) + Send + Sync>,
}

#[derive(Default)]
struct State {
    /// By their numbers, which are never used again.
    plugins: BTreeMap<usize, Plugin>,
    last_plugin: usize,
    instances: HashMap<InstanceNumber, Instance>,
    last: InstanceNumber,
    /// What the child that runs said of its wall.
    wall: Option<Vec<String>>,
}

struct Plugin {
    package: Package,
    /// The component in a sealed memory file, ready for every child.
    component: Arc<OwnedFd>,
    /// Its models in another, when it has any.
    models: Option<Arc<OwnedFd>>,
    world: World,
    loaded_in: u32,
    /// The child said that it can be bound.
    ready: bool,
    refused: Option<String>,
    /// One of two versions while an upgrade is tried: the one that is not bound to cameras at the moment.
    aside: bool,
}

impl Plugin {
    fn new(package: Package) -> Result<Self, Error> {
        let keep = |name: &str, bytes: &[u8]| {
            memfd::seal(name, bytes)
                .map(Arc::new)
                .map_err(|error| Error::new(Kind::of_io(&error), format!("keeping {}: {error}", package.manifest.id)))
        };
        let component = keep("component", &package.component)?;
        let has_models = !package.models.parts.is_empty();
        let models = has_models.then(|| keep("models", &package.models.bytes)).transpose()?;
        let world = package.manifest.kind().map_err(|sentence| Error::new(Kind::InvalidInput, sentence))?;
        let parts = ModelFiles { bytes: Vec::new(), ..package.models };
        let package = Package { component: Vec::new(), models: parts, ..package };
        Ok(Self { package, component, models, world, loaded_in: 0, ready: false, refused: None, aside: false })
    }
}

struct Instance {
    plugin: usize,
    binding: Binding,
    settings_json: String,
    work: Work,
    bound_in: u32,
    /// Where its frames go, once it is bound.
    post: Option<Post>,
    /// Whose place it takes when it is bound.
    after: Option<Bound>,
    missed_since: u32,
    /// Counts of children that are gone.
    before: Counts,
    status: InstanceStatus,
}

/// An instance that a child knows: the child's generation, and the number.
type Bound = (u32, InstanceNumber);

/// What an instance does, by its plugin's world.
enum Work {
    /// Watches: which frames it wants, and the check of what it says.
    Watches(Output, Gate, sent::Sent),
    /// Judges events.
    Judges(events::Judging),
}

impl Instance {
    /// Gives it a frame; `None` is one that cannot reach it.
    fn take(&mut self, letter: Option<Letter>) {
        let over = matches!(self.status.state, InstanceState::Faulted | InstanceState::Quarantined);
        let lost = match (letter.filter(|_| !over), &mut self.post) {
            (Some(letter), Some(post)) => {
                if let Work::Watches(_, _, sent) = &mut self.work {
                    sent.note(&letter.frame);
                }
                post.put(letter, &mut self.missed_since)
            }
            _ => {
                self.missed_since = self.missed_since.saturating_add(1);
                1
            }
        };
        self.status.missed += u64::from(lost);
    }

    /// The frames that it wants.
    fn output(&self) -> Option<Output> {
        match &self.work {
            Work::Watches(output, ..) => Some(*output),
            Work::Judges(_) => None,
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Plugins {
    /// Reads the plugin folder, starts `program` (`watchbook-plugins`) and keeps it running until the value is dropped. No artefact is kept. The second value holds a
    /// sentence for each folder that cannot be used.
    ///
    /// # Errors
    /// The operating system's, when the program cannot be started.
    pub fn spawn(
        program: &Path,
        directory: &Path,
        on: impl Fn(Report) + Send + Sync + 'static,
    ) -> Result<(Self, Vec<String>), Error> {
        let (packages, problems) = Package::read_all(directory);
        let compiler = Compiler::new(program, None, CompileLimits::USUAL);
        let plugins = Self::with(program, packages, compiler, on)?;
        Ok((plugins, problems.iter().map(ToString::to_string).collect()))
    }

    /// As [`Plugins::spawn`], with these packages, in the order of their ids, compiled by `compiler`.
    ///
    /// # Errors
    /// As [`Plugins::spawn`].
    pub fn with(
        program: &Path,
        packages: Vec<Package>,
        compiler: Compiler,
        on: impl Fn(Report) + Send + Sync + 'static,
    ) -> Result<Self, Error> {
        let mut state = State::default();
        for package in packages {
            state.add(Plugin::new(package)?);
        }
        let shared = Arc::new(Shared { state: Mutex::new(state), changed: Condvar::new(), on: Box::new(on) });
        let child = Arc::new(Child::spawn(program, Arc::new(Reader(Arc::clone(&shared))))?);
        let (to, state) = (Arc::clone(&child), Arc::clone(&shared));
        let queue = Queue::start(compiler, move |request, outcome| deliver(&to, &state, request, outcome));
        let queue = queue.map_err(|error| Error::new(Kind::of_io(&error), format!("starting to compile: {error}")))?;
        Ok(Self { queue, child, shared })
    }

    /// Whether a binding fits its plugin and, for a camera that the plugin is to watch, the limits of the station.
    ///
    /// # Errors
    /// As [`Plugins::bind`].
    pub fn check(&self, camera: Option<CameraId>, binding: &Binding) -> Result<(), Error> {
        let state = self.shared.lock();
        let (plugin, _) = state.fitting(binding)?;
        match camera {
            Some(camera) if state.number_of(camera, plugin).is_none() => state.admit(camera, plugin),
            _ => Ok(()),
        }
    }

    /// Whether the plugin was set aside on this camera, until somebody binds it again.
    #[must_use]
    pub fn is_set_aside(&self, camera: CameraId, plugin: &str) -> bool {
        let state = self.shared.lock();
        let over = |state| matches!(state, InstanceState::Faulted | InstanceState::Quarantined);
        state.instances.values().any(|instance| {
            let status = &instance.status;
            status.camera == camera && instance.binding.plugin == plugin && over(status.state)
        })
    }

    /// Lets a plugin watch a camera, with fresh counts. An earlier binding of the same plugin and camera ends, and what it saved is handed on.
    ///
    /// # Errors
    /// [`Kind::NotFound`] for a plugin that is not there; [`Kind::InvalidInput`] for settings or zones that do not fit; [`Kind::Exhausted`] when
    /// [`INSTANCES_MAX`], [`MEMORY_BYTES_MAX`] or the [`OUTPUTS_MAX`] of a camera is reached.
    pub fn bind(&self, camera: CameraId, binding: Binding) -> Result<(), Error> {
        let mut state = self.shared.lock();
        let (plugin, settings_json) = state.fitting(&binding)?;
        let after = match state.number_of(camera, plugin) {
            // It keeps its place: nothing that `admit` looks at changes.
            Some(number) => state.retire(number),
            None => {
                state.admit(camera, plugin)?;
                None
            }
        };
        let number = state.put((camera, plugin), binding, settings_json, after);
        // Now rather than with the first frame, so that wrong settings show at once. When the child is starting, the first frame does it.
        let generation = self.child.generation();
        if generation != 0 {
            self.ensure_bound(&mut state, number, generation);
        }
        Ok(())
    }

    /// Ends a binding, if there is one. What it saves is gone.
    pub fn unbind(&self, camera: CameraId, plugin: &str) {
        let mut state = self.shared.lock();
        let index = state.find(plugin);
        if let Some(number) = index.and_then(|index| state.number_of(camera, index)) {
            self.unbind_number(&mut state, number);
        }
    }

    /// Ends all bindings of a camera.
    pub fn unbind_all(&self, camera: CameraId) {
        let mut state = self.shared.lock();
        let of_camera =
            |(number, instance): (&InstanceNumber, &Instance)| (instance.status.camera == camera).then_some(*number);
        let numbers: Vec<_> = state.instances.iter().filter_map(of_camera).collect();
        for number in numbers {
            self.unbind_number(&mut state, number);
        }
    }

    fn unbind_number(&self, state: &mut State, number: InstanceNumber) {
        if let Some((generation, instance)) = state.retire(number) {
            // A child whose queue is full keeps an instance that gets no frames: memory until it restarts, nothing else.
            self.send(generation, &ToPlugins::Unbind { instance }, None);
        }
    }

    /// The frames that the plugins of a camera want: what to give [`watchbook_analysis::Plan::outputs`]. Plugins that want the same share one. At most
    /// [`OUTPUTS_MAX`]; empty when no plugin watches the camera.
    #[must_use]
    pub fn outputs(&self, camera: CameraId) -> Vec<Output> {
        self.shared.lock().outputs(camera)
    }

    /// Hands a frame to every plugin that watches its camera and wants this output: at once to one that waits for it, else it is kept until that one asks,
    /// unless a newer one comes before. Never waits: what cannot be taken is dropped and counted.
    pub fn frame(&self, frame: &Frame) {
        let given_ns = monotonic_ns();
        let generation = self.child.generation();
        let mut state = self.shared.lock();
        let wants = |instance: &Instance| {
            instance.status.camera == frame.stream.camera && instance.output() == Some(frame.output)
        };
        let numbers: Vec<_> =
            state.instances.iter().filter(|(_, instance)| wants(instance)).map(|(number, _)| *number).collect();
        for number in numbers {
            let bound = generation != 0 && self.ensure_bound(&mut state, number, generation);
            if let Some(instance) = state.instances.get_mut(&number) {
                instance.take(bound.then(|| Letter { frame: frame.clone(), given_ns }));
            }
        }
    }

    fn send(&self, generation: u32, message: &ToPlugins, descriptor: Option<BorrowedFd<'_>>) -> bool {
        encode(message).is_ok_and(|bytes| self.child.try_send(generation, &bytes, descriptor).is_ok())
    }

    /// Makes sure that the child of `generation` knows the instance and its plugin. False when its queue is full.
    fn ensure_bound(&self, state: &mut State, number: InstanceNumber, generation: u32) -> bool {
        let State { plugins, instances, .. } = state;
        let Some(instance) = instances.get_mut(&number) else { return false };
        if instance.bound_in == generation {
            return true;
        }
        if matches!(instance.status.state, InstanceState::Quarantined | InstanceState::Faulted) {
            return false;
        }
        let Some(plugin) = plugins.get_mut(&instance.plugin) else { return false };
        let plugin_number = plugin_number(instance.plugin);
        if !self.ensure_loaded(plugin, plugin_number, generation) {
            return false;
        }
        let message = ToPlugins::Bind {
            instance: number,
            plugin: plugin_number,
            after: instance.after.filter(|(bound_in, _)| *bound_in == generation).map(|(_, number)| number),
            camera: camera_word(instance.status.camera),
            zones: instance.binding.zones.clone(),
            settings_json: instance.settings_json.clone(),
        };
        let (post, theirs) = match instance.output().map(|_| Post::new()) {
            None => (None, None),
            Some(Ok((post, theirs))) => (Some(post), Some(theirs)),
            // No descriptor is left: as when the queue is full.
            Some(Err(_)) => return false,
        };
        if !self.send(generation, &message, theirs.as_ref().map(AsFd::as_fd)) {
            return false;
        }
        let lost = core::mem::replace(&mut instance.post, post).map_or(0, |old| old.left());
        instance.missed_since = instance.missed_since.saturating_add(lost);
        instance.status.missed += u64::from(lost);
        instance.bound_in = generation;
        instance.after = None;
        instance.before = instance.status.counts;
        instance.status.state = InstanceState::Starting;
        true
    }

    /// Makes sure that the child of `generation` has been given the plugin. False when its queue is full.
    fn ensure_loaded(&self, plugin: &mut Plugin, number: PluginNumber, generation: u32) -> bool {
        // One that could not be used is tried again when somebody binds it again.
        if plugin.loaded_in == generation && plugin.refused.is_none() {
            return true;
        }
        let manifest = &plugin.package.manifest;
        let message = ToPlugins::Load {
            plugin: number,
            id: manifest.id.clone(),
            version: manifest.version.clone(),
            limits: Limits {
                memory_bytes: u64::from(manifest.budget.memory_mib) << 20,
                call_ms: manifest.call_ms(),
                store_bytes: manifest.budget.store_kib << 10,
            },
            capabilities: manifest.capabilities.all().map(str::to_owned).collect(),
            world: plugin.world,
            models: plugin.package.models.parts.clone(),
        };
        let models = plugin.models.as_ref().map(|models| models.as_fd());
        if !self.send(generation, &message, models) || !self.queue.push(plugin.request(number, generation)) {
            return false;
        }
        plugin.loaded_in = generation;
        plugin.ready = false;
        plugin.refused = None;
        true
    }

    /// Every plugin, in the order of the ids, with its instances in the order of the cameras.
    #[must_use]
    pub fn list(&self) -> Vec<PluginStatus> {
        let state = self.shared.lock();
        let plugins = state.plugins.iter().filter(|(_, plugin)| !plugin.aside);
        let mut list: Vec<_> = plugins.map(|(index, plugin)| state.status(*index, plugin)).collect();
        list.sort_by(|a, b| a.id.cmp(&b.id));
        list
    }

    /// What watches cameras now, in no order: what has to be known to derive its events again.
    #[must_use]
    pub fn watching(&self) -> Vec<Watching> {
        let state = self.shared.lock();
        let watches = state.instances.values().filter(|instance| matches!(instance.work, Work::Watches(..)));
        let one = |instance: &Instance| {
            let package = &state.plugins[&instance.plugin].package;
            Watching {
                camera: instance.status.camera,
                source: source_of(package, &instance.settings_json),
                settings_json: instance.settings_json.clone(),
                zones: instance.binding.zones.clone(),
            }
        };
        watches.map(one).collect()
    }

    /// What compiles the plugins.
    #[must_use]
    pub fn compiler(&self) -> &Compiler {
        self.queue.compiler()
    }

    /// What of the wall around the child this kernel cannot do, a sentence each: empty when all of it stands. `None` while there is no child that said so.
    #[must_use]
    pub fn wall(&self) -> Option<Vec<String>> {
        self.shared.lock().wall.clone()
    }

    /// Process id of the child while it runs.
    #[must_use]
    pub fn child_id(&self) -> Option<u32> {
        self.child.id()
    }
}

impl Plugin {
    fn request(&self, plugin: PluginNumber, generation: u32) -> Request {
        Request {
            plugin,
            generation,
            component_sha256: self.package.component_sha256.clone(),
            component: Arc::clone(&self.component),
            world: self.world,
            models: self.models.clone().map(|bytes| (self.package.models.parts.clone(), bytes)),
        }
    }

    /// Memory that each of its instances is promised: what its manifest says, and as much again for a run of a model.
    fn promised_bytes(&self) -> u64 {
        let instance = u64::from(self.package.manifest.budget.memory_mib) << 20;
        if self.models.is_some() { 2 * instance } else { instance }
    }
}

/// Hands what was compiled to the child that waits for it. False when its queue is full.
fn deliver(child: &Child, shared: &Shared, request: &Request, outcome: &Outcome) -> bool {
    let plugin = request.plugin;
    let message = match outcome {
        Ok(_) => ToPlugins::Compiled { plugin },
        Err(sentence) => ToPlugins::NotCompiled { plugin, sentence: sentence.clone() },
    };
    let Ok(bytes) = encode(&message) else { return true };
    let state = shared.lock();
    let waits = |plugin: &Plugin| {
        plugin.loaded_in == request.generation && plugin.package.component_sha256 == request.component_sha256
    };
    if !state.plugins.get(&(plugin as usize)).is_some_and(waits) {
        return true;
    }
    let artefact = outcome.as_ref().ok().map(AsFd::as_fd);
    // A child that is gone needs nothing; the next one asks again.
    !matches!(child.try_send(request.generation, &bytes, artefact), Err(error) if error.kind() == Kind::Exhausted)
}

/// What events of this package with these complete settings bear.
pub(crate) fn source_of(package: &Package, settings_json: &str) -> EventSource {
    EventSource {
        plugin: package.manifest.id.clone(),
        version: package.manifest.version.clone(),
        component_sha256: package.component_sha256.clone(),
        settings_sha256: sha256_hex(settings_json.as_bytes()),
    }
}

/// A plugin's number in messages.
fn plugin_number(index: usize) -> PluginNumber {
    PluginNumber::try_from(index).unwrap_or(PluginNumber::MAX)
}

impl State {
    fn add(&mut self, plugin: Plugin) -> usize {
        let index = self.last_plugin;
        self.last_plugin += 1;
        self.plugins.insert(index, plugin);
        index
    }

    /// The plugin of an id that cameras are bound to.
    fn find(&self, id: &str) -> Option<usize> {
        let mut plugins = self.plugins.iter();
        plugins.find(|(_, plugin)| plugin.package.manifest.id == id && !plugin.aside).map(|(index, _)| *index)
    }

    /// A new instance, to be bound.
    fn put(
        &mut self,
        (camera, plugin): (CameraId, usize),
        binding: Binding,
        settings_json: String,
        after: Option<Bound>,
    ) -> InstanceNumber {
        self.last += 1;
        let instance = Instance { after, ..self.instance(camera, plugin, binding, settings_json) };
        self.instances.insert(self.last, instance);
        self.last
    }

    /// Takes an instance off the list. What the child still has of it, or of the one before it, to be ended.
    fn retire(&mut self, number: InstanceNumber) -> Option<Bound> {
        let instance = self.instances.remove(&number)?;
        if instance.bound_in == 0 { instance.after } else { Some((instance.bound_in, number)) }
    }

    fn number_of(&self, camera: CameraId, plugin: usize) -> Option<InstanceNumber> {
        let mut instances = self.instances.iter();
        instances
            .find(|(_, instance)| instance.plugin == plugin && instance.status.camera == camera)
            .map(|(number, _)| *number)
    }

    fn outputs(&self, camera: CameraId) -> Vec<Output> {
        let of_camera = |(_, instance): &(&InstanceNumber, &Instance)| instance.status.camera == camera;
        let mut bound: Vec<_> = self.instances.iter().filter(of_camera).collect();
        bound.sort_by_key(|(number, _)| **number);
        let mut outputs: Vec<Output> = Vec::new();
        for (_, instance) in bound {
            if let Some(output) = instance.output().filter(|output| !outputs.contains(output)) {
                outputs.push(output);
            }
        }
        outputs
    }

    /// The plugin of a binding and the complete settings.
    fn fitting(&self, binding: &Binding) -> Result<(usize, String), Error> {
        let wrong = |sentence: String| Err(Error::new(Kind::InvalidInput, sentence));
        let found = self.find(&binding.plugin);
        let index =
            found.ok_or_else(|| Error::new(Kind::NotFound, format!("there is no plugin {}", binding.plugin)))?;
        let settings_json = settings::complete(&self.plugins[&index].package.manifest.settings, &binding.settings)?;
        if self.plugins[&index].world == World::ExportRule && !binding.zones.is_empty() {
            return wrong("an export rule has no zones; those of the event are in what it is told".to_owned());
        }
        if binding.zones.len() > ZONES_MAX {
            return wrong(format!("{} zones; at most {ZONES_MAX} are allowed", binding.zones.len()));
        }
        for (index, zone) in binding.zones.iter().enumerate() {
            if zone.name.is_empty() || zone.name.len() > EVENT_WORD_BYTES_MAX {
                return wrong(format!("the zone name `{}`; 1 to {EVENT_WORD_BYTES_MAX} bytes are allowed", zone.name));
            }
            if !(3..=ZONE_POINTS_MAX).contains(&zone.outline.len()) {
                return wrong(format!(
                    "zone `{}` has {} corners; 3 to {ZONE_POINTS_MAX} are allowed",
                    zone.name,
                    zone.outline.len()
                ));
            }
            if binding.zones[..index].iter().any(|other| other.name == zone.name) {
                return wrong(format!("two zones are called `{}`", zone.name));
            }
        }
        Ok((index, settings_json))
    }

    /// Whether one more instance of a plugin fits the station and the camera.
    fn admit(&self, camera: CameraId, plugin: usize) -> Result<(), Error> {
        let output = self.plugins[&plugin].package.manifest.output();
        let outputs = self.outputs(camera);
        let watches = self.plugins[&plugin].world == World::AnalyticsPlugin;
        if watches && outputs.len() >= OUTPUTS_MAX && !outputs.contains(&output) {
            let sentence = format!(
                "the plugins of this camera ask for {OUTPUTS_MAX} sizes of picture already and this one for another; unbind one first"
            );
            return Err(Error::new(Kind::Exhausted, sentence));
        }
        if self.instances.len() >= INSTANCES_MAX {
            let sentence = format!("{INSTANCES_MAX} plugins are bound to cameras already; unbind one first");
            return Err(Error::new(Kind::Exhausted, sentence));
        }
        let bytes = |index: usize| self.plugins[&index].promised_bytes();
        let promised: u64 = self.instances.values().map(|instance| bytes(instance.plugin)).sum();
        if promised + bytes(plugin) > MEMORY_BYTES_MAX {
            let sentence = format!(
                "plugins are promised {} MiB of memory and this one asks for {} MiB; the limit is {} MiB: unbind one first",
                promised >> 20,
                bytes(plugin) >> 20,
                MEMORY_BYTES_MAX >> 20
            );
            return Err(Error::new(Kind::Exhausted, sentence));
        }
        Ok(())
    }

    fn instance(&self, camera: CameraId, plugin: usize, binding: Binding, settings_json: String) -> Instance {
        let package = &self.plugins[&plugin].package;
        let manifest = &package.manifest;
        let source = source_of(package, &settings_json);
        let work = match self.plugins[&plugin].world {
            World::AnalyticsPlugin => {
                let kinds = manifest.emits.iter().map(|emits| emits.kind.clone()).collect();
                let zones = binding.zones.iter().map(|zone| zone.name.clone()).collect();
                Work::Watches(manifest.output(), Gate::new(camera, kinds, zones, source), sent::Sent::default())
            }
            World::ExportRule => Work::Judges(events::Judging::new(camera, manifest.retention_effect, source)),
        };
        Instance {
            plugin,
            work,
            binding,
            settings_json,
            bound_in: 0,
            post: None,
            after: None,
            missed_since: 0,
            before: Counts::default(),
            status: InstanceStatus {
                camera,
                state: InstanceState::Starting,
                counts: Counts::default(),
                missed: 0,
                traps: 0,
                events: 0,
                marks_refused: 0,
                took_ns: None,
                last_error: None,
            },
        }
    }

    fn status(&self, index: usize, plugin: &Plugin) -> PluginStatus {
        let manifest = &plugin.package.manifest;
        let mine = self.instances.values().filter(|instance| instance.plugin == index);
        let mut instances: Vec<InstanceStatus> = mine.map(|instance| instance.status.clone()).collect();
        instances.sort_by_key(|instance| instance.camera);
        let worst = instances.iter().map(|instance| instance.state).max();
        let word = worst.and_then(|state| serde_json::to_value(state).ok());
        PluginStatus {
            id: manifest.id.clone(),
            version: manifest.version.clone(),
            summary: manifest.summary.clone(),
            component_sha256: plugin.package.component_sha256.clone(),
            emits: manifest.emits.clone(),
            settings_schema: manifest.settings.clone(),
            state: word.as_ref().and_then(Value::as_str).unwrap_or("idle").to_owned(),
            frames_seen: instances.iter().map(|instance| instance.counts.seen).sum(),
            frames_dropped: instances.iter().map(InstanceStatus::dropped).sum(),
            traps: instances.iter().map(|instance| instance.traps).sum(),
            last_error: plugin.refused.clone().or_else(|| {
                // The camera that is worst off, and of two the first.
                let mut worst: Vec<&InstanceStatus> = instances.iter().collect();
                worst.sort_by_key(|instance| core::cmp::Reverse(instance.state));
                worst.into_iter().find_map(InstanceStatus::trouble)
            }),
            instances,
        }
    }
}
