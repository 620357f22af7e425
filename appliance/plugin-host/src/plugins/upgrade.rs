//! Plugins put in, upgraded and taken out while the others run.
//!
//! An upgrade is tried before it counts: the new version is compiled while the old one goes on; then each instance hands its state to one of the new
//! version; when all of them have started, the old version is forgotten. When anything fails before that, every camera gets the old version back with
//! the state that was handed over. The old version stays compiled in the child, and its component in its sealed memory file, until then.

use super::{Bound, Error, Instance, Plugin, Plugins, State, plugin_number};
use crate::message::{InstanceNumber, ToPlugins};
use crate::package::{PLUGINS_MAX, Package};
use crate::settings;
use crate::status::{InstanceState, Report};
use std::sync::{MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use watchbook_analysis::plan::OUTPUTS_MAX;
use watchbook_base::{CameraId, Kind};

/// Longest trial of a new version: to compile it and to start it on all cameras.
pub const TRIAL_MAX: Duration = Duration::from_secs(120);
/// How long a child with a full queue is asked to forget something.
const FORGET_MAX: Duration = Duration::from_secs(5);
/// How soon a full queue is tried again.
const AGAIN: Duration = Duration::from_millis(20);

/// An upgrade that is under way: the numbers of the two versions.
#[derive(Clone, Copy)]
struct Trial {
    old: usize,
    new: usize,
}

impl Plugins {
    /// Puts a plugin in, or upgrades it to this version, which may be an older one. A plugin that was not there is taken as it is and compiled when it is
    /// bound. An upgrade is tried on all cameras that it is bound to, with their settings and the state of the version before; this waits until it has
    /// started on all of them, at most [`TRIAL_MAX`]. Frame sizes that it wants are in [`Plugins::outputs`] after that. A plugin is the same when its
    /// manifest and component are: then nothing happens.
    ///
    /// # Errors
    /// The version before goes on, with its state, after every error. [`Kind::InvalidInput`] when a camera's settings do not fit or it is of another world;
    /// [`Kind::Exhausted`] when a limit of [`Plugins::bind`] or [`PLUGINS_MAX`] is reached; [`Kind::Conflict`] while another upgrade of the same plugin is
    /// tried, and when this one was tried and rolled back, which is also reported as [`Report::RolledBack`]; the operating system's.
    pub fn install(&self, package: Package) -> Result<(), Error> {
        let Some(trial) = self.begin(Plugin::new(package)?)? else { return Ok(()) };
        match self.try_out(trial) {
            Ok(()) => {
                self.shared.lock().plugins.remove(&trial.old);
                self.forget(Vec::new(), trial.old);
                Ok(())
            }
            Err(sentence) => Err(self.take_back(trial, sentence)),
        }
    }

    /// Takes a plugin out: its instances end, and what they saved and their stores are gone. Without one of this id nothing happens.
    pub fn remove(&self, id: &str) {
        let (bound, indices) = {
            let mut state = self.shared.lock();
            let of_id = |(index, plugin): (&usize, &Plugin)| (plugin.package.manifest.id == id).then_some(*index);
            // Two while an upgrade is tried, which ends with this.
            let indices: Vec<usize> = state.plugins.iter().filter_map(of_id).collect();
            let numbers: Vec<_> = indices.iter().flat_map(|index| state.numbers(*index)).collect();
            let bound: Vec<Bound> = numbers.into_iter().filter_map(|number| state.retire(number)).collect();
            indices.iter().for_each(|index| drop(state.plugins.remove(index)));
            (bound, indices)
        };
        self.shared.changed.notify_all();
        let mut bound = Some(bound);
        indices.into_iter().for_each(|index| self.forget(bound.take().unwrap_or_default(), index));
    }

    /// Adds a new version beside the old one; `None` when there is nothing to try.
    fn begin(&self, mut plugin: Plugin) -> Result<Option<Trial>, Error> {
        let mut state = self.shared.lock();
        let id = plugin.package.manifest.id.clone();
        if state.plugins.values().any(|other| other.aside && other.package.manifest.id == id) {
            let sentence = format!("an upgrade of {id} is being tried; try again when it has ended");
            return Err(Error::new(Kind::Conflict, sentence));
        }
        let Some(old) = state.find(&id) else {
            if state.plugins.values().filter(|other| !other.aside).count() >= PLUGINS_MAX {
                let sentence = format!("{PLUGINS_MAX} plugins are installed already; remove one first");
                return Err(Error::new(Kind::Exhausted, sentence));
            }
            state.add(plugin);
            return Ok(None);
        };
        let (running, wanted) = (&state.plugins[&old].package, &plugin.package);
        if running.component_sha256 == wanted.component_sha256 && running.manifest == wanted.manifest {
            return Ok(None);
        }
        state.accommodates(old, &plugin)?;
        plugin.aside = true;
        let new = state.add(plugin);
        Ok(Some(Trial { old, new }))
    }

    /// Compiles the new version, puts it in the place of the old one and waits until it has started everywhere. The sentence says what failed.
    fn try_out(&self, trial: Trial) -> Result<(), String> {
        let deadline = Instant::now() + TRIAL_MAX;
        let mut state = self.shared.lock();
        let mut tried_in = 0;
        loop {
            let generation = self.child.generation();
            if tried_in != 0 && generation != tried_in {
                return Err("the plugin host ended while it was tried".to_owned());
            }
            tried_in = generation;
            if generation != 0
                && let Some(outcome) = self.step(&mut state, trial, generation)
            {
                return outcome;
            }
            if Instant::now() >= deadline {
                return Err(format!("it did not start within {} s", TRIAL_MAX.as_secs()));
            }
            state = self.pause(state);
        }
    }

    /// Does what can be done now; the outcome when there is one.
    fn step(&self, state: &mut State, trial: Trial, generation: u32) -> Option<Result<(), String>> {
        let Some(plugin) = state.plugins.get_mut(&trial.new) else {
            return Some(Err("it was removed while it was tried".to_owned()));
        };
        if let Some(sentence) = &plugin.refused {
            return Some(Err(sentence.clone()));
        }
        if !self.ensure_loaded(plugin, plugin_number(trial.new), generation) || !plugin.ready {
            return None;
        }
        if plugin.aside {
            // Bindings may have changed since the trial began.
            let package = &state.plugins[&trial.new];
            if let Err(error) = state.accommodates(trial.old, package) {
                return Some(Err(error.to_string()));
            }
            if let Err(sentence) = state.swap(trial.old, trial.new) {
                return Some(Err(sentence));
            }
        }
        let numbers = state.numbers(trial.new);
        for number in &numbers {
            self.ensure_bound(state, *number, generation);
        }
        let instances: Vec<&Instance> = numbers.iter().filter_map(|number| state.instances.get(number)).collect();
        if let Some(sentence) = instances.iter().find_map(|instance| failed_start(instance)) {
            return Some(Err(sentence));
        }
        instances.iter().all(|instance| instance.status.state == InstanceState::Running).then_some(Ok(()))
    }

    fn pause<'a>(&'a self, state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        self.shared.changed.wait_timeout(state, AGAIN).unwrap_or_else(PoisonError::into_inner).0
    }

    /// Puts the old version back everywhere.
    fn take_back(&self, trial: Trial, sentence: String) -> Error {
        let mut state = self.shared.lock();
        let Some(tried) = state.plugins.get(&trial.new).map(|plugin| plugin.package.manifest.version.clone()) else {
            return Error::new(Kind::NotFound, sentence);
        };
        let mut sentence = sentence;
        if state.plugins[&trial.old].aside
            && let Err(more) = state.swap(trial.new, trial.old)
        {
            sentence = format!("{sentence}; {more}");
        }
        state.plugins.remove(&trial.new);
        let generation = self.child.generation();
        // Those that find the queue full are bound with their next frame.
        for number in state.numbers(trial.old).into_iter().filter(|_| generation != 0) {
            self.ensure_bound(&mut state, number, generation);
        }
        let manifest = &state.plugins[&trial.old].package.manifest;
        let (plugin, version) = (manifest.id.clone(), manifest.version.clone());
        drop(state);
        self.forget(Vec::new(), trial.new);
        let error = format!("{plugin} {tried} does not work here, {version} goes on: {sentence}");
        (self.shared.on)(Report::RolledBack { plugin, version, tried, sentence });
        Error::new(Kind::Conflict, error)
    }

    /// Ends instances in the child, then forgets their plugin there. Waits for room; a child that has none for [`FORGET_MAX`] keeps them until it ends.
    fn forget(&self, bound: Vec<Bound>, plugin: usize) {
        let generation = self.child.generation();
        let ends = bound.into_iter().filter(|(bound_in, _)| *bound_in == generation);
        let ends = ends.map(|(_, instance)| ToPlugins::Unbind { instance });
        let deadline = Instant::now() + FORGET_MAX;
        for message in ends.chain([ToPlugins::Unload { plugin: plugin_number(plugin) }]) {
            while !self.send(generation, &message, None) {
                if self.child.generation() != generation || generation == 0 || Instant::now() >= deadline {
                    return;
                }
                drop(self.pause(self.shared.lock()));
            }
        }
    }
}

/// Why an instance of a new version has not started, when it will not. The first trap is enough.
fn failed_start(instance: &Instance) -> Option<String> {
    let status = &instance.status;
    let sentence = || status.last_error.clone().unwrap_or_default();
    let failed = match status.state {
        InstanceState::Running => false,
        // A rule that traps before its first event stays in this state and only says so.
        InstanceState::Starting => status.last_error.is_some(),
        InstanceState::Restarting | InstanceState::Faulted | InstanceState::Quarantined => true,
    };
    failed.then(|| format!("camera {}: {}", status.camera, sentence()))
}

impl State {
    /// The instances of a plugin.
    fn numbers(&self, plugin: usize) -> Vec<InstanceNumber> {
        let mine = self.instances.iter().filter(|(_, instance)| instance.plugin == plugin);
        mine.map(|(number, _)| *number).collect()
    }

    /// Whether a new version can take the place of an old one on all its cameras.
    fn accommodates(&self, old: usize, new: &Plugin) -> Result<(), Error> {
        let (running, wanted) = (&self.plugins[&old], &new.package.manifest);
        if running.world != new.world {
            let sentence = format!("{} is an {}, not an {}", wanted.id, running.world.name(), new.world.name());
            return Err(Error::new(Kind::InvalidInput, format!("{sentence}; remove it first")));
        }
        let mine: Vec<&Instance> = self.instances.values().filter(|instance| instance.plugin == old).collect();
        for instance in &mine {
            let camera = instance.status.camera;
            settings::complete(&wanted.settings, &instance.binding.settings).map_err(|error| {
                let version = &wanted.version;
                Error::new(error.kind(), format!("the settings of camera {camera} do not fit {version}: {error}"))
            })?;
            if instance.output().is_some() && self.outputs_beside(camera, old, new) > OUTPUTS_MAX {
                let sentence =
                    format!("the plugins of camera {camera} would ask for more than {OUTPUTS_MAX} sizes of picture");
                return Err(Error::new(Kind::Exhausted, sentence));
            }
        }
        let bytes = |manifest: &crate::Manifest| u64::from(manifest.budget.memory_mib) << 20;
        let others = self.instances.values().filter(|instance| instance.plugin != old);
        let others: u64 = others.map(|instance| bytes(&self.plugins[&instance.plugin].package.manifest)).sum();
        let promised = others + bytes(wanted) * mine.len() as u64;
        if promised > super::MEMORY_BYTES_MAX && bytes(wanted) > bytes(&running.package.manifest) {
            let limit = super::MEMORY_BYTES_MAX >> 20;
            let sentence =
                format!("plugins would be promised {} MiB of memory; the limit is {limit} MiB", promised >> 20);
            return Err(Error::new(Kind::Exhausted, sentence));
        }
        Ok(())
    }

    /// Sizes of picture that a camera's plugins want when `new` has taken the place of `old`.
    fn outputs_beside(&self, camera: CameraId, old: usize, new: &Plugin) -> usize {
        let mut outputs = vec![new.package.manifest.output()];
        let others = self.instances.values();
        let others = others.filter(|instance| instance.status.camera == camera && instance.plugin != old);
        for output in others.filter_map(Instance::output) {
            if !outputs.contains(&output) {
                outputs.push(output);
            }
        }
        outputs.len()
    }

    /// Puts instances of `to` in the place of all those of `from`, to be bound. A sentence when settings do not fit: those instances end.
    fn swap(&mut self, from: usize, to: usize) -> Result<(), String> {
        for (index, aside) in [(from, true), (to, false)] {
            if let Some(plugin) = self.plugins.get_mut(&index) {
                plugin.aside = aside;
            }
        }
        let mut outcome = Ok(());
        for number in self.numbers(from) {
            let Some(Instance { binding, status, .. }) = self.instances.get(&number) else { continue };
            let (binding, camera) = (binding.clone(), status.camera);
            let after = self.retire(number);
            match settings::complete(&self.plugins[&to].package.manifest.settings, &binding.settings) {
                Ok(settings_json) => {
                    self.put((camera, to), binding, settings_json, after);
                }
                Err(error) => outcome = Err(format!("camera {camera} is not watched any more: {error}")),
            }
        }
        outcome
    }
}
