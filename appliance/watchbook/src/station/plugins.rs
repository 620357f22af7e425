//! The plugins of the station for the page: from a package to a camera.

use super::analysis::{Analysis, Sinks, host_error};
use super::desk::CameraDesk;
use super::plugin_shown as shown;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use watchbook_base::clock::SystemClock;
use watchbook_base::time::NANOS_PER_SEC;
use watchbook_base::{CameraId, Clock as _, EventSource, Kind, UtcNanos};
use watchbook_plugin_host::depot::{self, Installed};
use watchbook_plugin_host::wbp::{self, PublisherKey};
use watchbook_plugin_host::{Depot, Manifest, Package, PluginStatus, manifest, package, plugins};
use watchbook_store::Writer;
use watchbook_web::api;
use watchbook_web::error::Error;
use watchbook_web::ports;

/// Every plugin that the station has: those that came with the recorder, and those that were installed.
pub struct Shelf {
    built_in: Vec<BuiltIn>,
    /// `None`: it could not be opened. What came with the recorder runs all the same.
    depot: Option<Depot>,
}

struct BuiltIn {
    manifest: Manifest,
    component_sha256: String,
    folder: PathBuf,
}

impl Shelf {
    /// Reads the plugin folder and opens the store of installed plugins. What cannot be read costs that plugin alone and is logged.
    pub fn open(plugin_dir: &Path, depot_dir: &Path) -> Self {
        let (packages, problems) = Package::read_all(plugin_dir);
        for problem in problems {
            tracing::error!(%problem, "a plugin of the recorder is left out");
        }
        let depot = Depot::open(depot_dir)
            .map(|(depot, problems)| {
                for problem in problems {
                    tracing::error!(%problem, "an installed plugin is left out");
                }
                depot
            })
            .map_err(|error| tracing::error!(%error, "no installed plugin runs: their store could not be opened"))
            .ok();
        let built_in = packages.into_iter().map(|package| BuiltIn {
            folder: plugin_dir.to_owned(),
            manifest: package.manifest,
            component_sha256: package.component_sha256,
        });
        Self { built_in: built_in.collect(), depot }
    }

    fn is_built_in(&self, id: &str) -> bool {
        self.built_in.iter().any(|built_in| built_in.manifest.id == id)
    }

    /// The packages that may run, in the order of their ids, each read and checked anew; and a sentence for each that may not, although it was approved.
    pub fn packages(&self) -> (Vec<Package>, Vec<String>) {
        let folder = self.built_in.first().map(|built_in| Package::read_all(&built_in.folder).0);
        let mut packages = folder.unwrap_or_default();
        // What has changed in the folder since the start is taken at the next one.
        packages.retain(|package| self.built_in.iter().any(|known| known.component_sha256 == package.component_sha256));
        let mut problems = Vec::new();
        packages.retain(|package| {
            let offered = self.offers(&package.manifest);
            problems.extend(offered.as_ref().err().cloned());
            offered.is_ok()
        });
        let (mut installed, kept_out) =
            self.depot.as_ref().map(|depot| depot.approved(SystemClock.utc())).unwrap_or_default();
        // A plugin that came with the recorder since is the one that runs.
        installed.retain(|package| !self.is_built_in(&package.manifest.id));
        packages.append(&mut installed);
        packages.sort_by(|a, b| a.manifest.id.cmp(&b.manifest.id));
        problems.extend(kept_out.iter().map(ToString::to_string));
        (packages, problems)
    }

    /// Whether a plugin that came with the recorder may have what it asks for; else the sentence for its card.
    fn offers(&self, manifest: &Manifest) -> Result<(), String> {
        let named = |why: &str| format!("{} {} does not run: {why}", manifest.id, manifest.version);
        match &self.depot {
            Some(depot) => depot.offers(manifest).map_err(|error| named(&error.to_string())),
            None if manifest.tried_out().next().is_some() => {
                Err(named("the store of installed plugins could not be opened"))
            }
            None => Ok(()),
        }
    }

    fn depot(&self) -> Result<&Depot, Error> {
        self.depot.as_ref().ok_or_else(|| {
            Error::new(Kind::Unavailable, "the store of installed plugins could not be opened")
                .next("Look at the recorder's log, then start it again.")
        })
    }

    /// Installed versions by the plugin's id.
    fn installed(&self) -> BTreeMap<String, Vec<Installed>> {
        let mut by_id: BTreeMap<String, Vec<Installed>> = BTreeMap::new();
        for installed in self.depot.iter().flat_map(Depot::list) {
            by_id.entry(installed.id.clone()).or_default().push(installed);
        }
        by_id
    }
}

/// The plugins of the station for the page.
pub struct PluginDesk {
    shelf: Shelf,
    analysis: Arc<Analysis>,
    cameras: Arc<CameraDesk>,
    /// Held by whoever changes what runs: a new version is tried meanwhile.
    changing: Mutex<()>,
    /// What runs.
    running: Mutex<Running>,
}

#[derive(Default)]
struct Running {
    /// Ids and digests of the components.
    components: BTreeSet<(String, String)>,
    /// Ids and digests of the models.
    models: BTreeSet<(String, String)>,
    /// Why approved plugins do not run.
    left_out: Vec<String>,
    /// Unsigned plugins were allowed when it was looked last.
    dev_mode: bool,
}

/// The packages of a shelf at work, and why others are not.
pub struct Staffed {
    shelf: Shelf,
    running: Running,
    /// The children.
    pub analysis: Arc<Analysis>,
}

impl Staffed {
    /// Starts the children with what may run: where their programs lie, and the folder for what is compiled of it.
    pub fn open(shelf: Shelf, programs: (&Path, PathBuf), writer: Writer, sinks: Sinks) -> Self {
        let (packages, left_out) = shelf.packages();
        let running =
            Running { components: components(&packages), models: models(&packages), left_out, dev_mode: true };
        running.tell();
        let analysis = Arc::new(Analysis::open(programs, packages, writer, sinks));
        Self { shelf, running, analysis }
    }

    /// The desk, once the cameras are there.
    pub fn desk(self, cameras: Arc<CameraDesk>) -> PluginDesk {
        PluginDesk {
            shelf: self.shelf,
            analysis: self.analysis,
            cameras,
            changing: Mutex::default(),
            running: Mutex::new(self.running),
        }
    }
}

impl Running {
    fn tell(&self) {
        for problem in &self.left_out {
            tracing::error!(problem, "an installed plugin does not run");
        }
    }
}

fn components(packages: &[Package]) -> BTreeSet<(String, String)> {
    packages.iter().map(|package| (package.manifest.id.clone(), package.component_sha256.clone())).collect()
}

fn models(packages: &[Package]) -> BTreeSet<(String, String)> {
    let of = |package: &Package| {
        let id = package.manifest.id.clone();
        package.manifest.models.clone().into_iter().map(move |model| (id.clone(), model.sha256))
    };
    packages.iter().flat_map(of).collect()
}

impl PluginDesk {
    fn running(&self) -> MutexGuard<'_, Running> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Brings what may run now into force, when that is not what runs. Called after each change and, for the end of developer mode, now and then.
    ///
    /// # Errors
    /// When a new version does not work here, and when the plugin host cannot be started: then what runs goes on.
    pub fn refresh(&self) -> Result<(), Error> {
        let _changing = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let (packages, left_out) = self.shelf.packages();
        let mut fresh =
            Running { components: components(&packages), models: models(&packages), left_out, dev_mode: false };
        let mut outcome = Ok(());
        let other = {
            let running = self.running();
            fresh.components != running.components || fresh.models != running.models
        };
        if other {
            outcome = self.analysis.replace(packages);
            fresh.left_out.extend(outcome.as_ref().err().map(ToString::to_string));
            fresh.tell();
            // After a roll back that is not what was wanted.
            let runs = self.analysis.list().unwrap_or_default().into_iter();
            fresh.components = runs.map(|status| (status.id, status.component_sha256)).collect();
        }
        let mut running = self.running();
        fresh.dev_mode = running.dev_mode;
        *running = fresh;
        outcome
    }

    /// As [`PluginDesk::refresh`], once after developer mode has ended by itself.
    ///
    /// # Errors
    /// As [`PluginDesk::refresh`].
    pub fn refresh_ended(&self) -> Result<(), Error> {
        let on = self.shelf.depot.as_ref().is_some_and(|depot| depot.unsigned_until(SystemClock.utc()).is_some());
        let was_on = core::mem::replace(&mut self.running().dev_mode, on);
        if was_on && !on { self.refresh() } else { Ok(()) }
    }

    /// The package that gave an event, also one that another version has superseded, read and checked anew.
    ///
    /// # Errors
    /// A sentence that says what to install again.
    pub fn package_of(&self, source: &EventSource) -> Result<Package, String> {
        let EventSource { plugin, version, component_sha256, .. } = source;
        let wanted = |id: &str, digest: &str| id == plugin && digest == component_sha256;
        if let Some(folder) =
            self.shelf.built_in.iter().find(|known| wanted(&known.manifest.id, &known.component_sha256))
        {
            let mut packages = Package::read_all(&folder.folder).0.into_iter();
            let found = packages.find(|package| wanted(&package.manifest.id, &package.component_sha256));
            return found
                .ok_or_else(|| format!("{plugin} {version} came with the recorder, and its folder cannot be read"));
        }
        let depot = self.shelf.depot().map_err(|error| error.message)?;
        // A package that waits for approval has never given an event here, and may not run.
        let approved = |installed: &Installed| installed.stage != depot::Stage::Waiting;
        let installed = depot.list().into_iter().find(|one| wanted(&one.id, &one.component_sha256) && approved(one));
        let Some(installed) = installed else {
            let again = if self.shelf.is_built_in(plugin) {
                "It came with an earlier recorder; take the event's inputs and an export to a computer that has it, and use `watchbook-plugin rerun`."
            } else {
                "Install and approve that package again; while a newer version is here, remove that one first, or take the event's inputs and an export to another computer and use `watchbook-plugin rerun`."
            };
            return Err(format!(
                "version {version} of {plugin} with the component {component_sha256} is not here any more. {again}"
            ));
        };
        let read = depot.read(&installed.package_sha256, SystemClock.utc());
        read.map(|opened| opened.package).map_err(|error| format!("version {version} of {plugin} may not run: {error}"))
    }

    fn one(&self, id: &str) -> Result<api::Plugin, Error> {
        let list = ports::Plugins::list(self)?;
        list.into_iter().find(|plugin| plugin.id == id).ok_or_else(|| unknown(id))
    }

    /// Refuses what an admin may not change: plugins that came with the recorder.
    fn may_change(&self, id: &str) -> Result<&Depot, Error> {
        if self.shelf.is_built_in(id) {
            let error = Error::new(Kind::Conflict, format!("{id} came with the recorder and changes with its updates"));
            return Err(error.next("Switch it off on the cameras where it is not wanted."));
        }
        self.shelf.depot()
    }

    fn shown(&self, id: &str, versions: &[Installed], status: Option<&PluginStatus>) -> Option<api::Plugin> {
        let (running, waiting, previous) = shown::stages(versions);
        let built_in = self.shelf.built_in.iter().find(|built_in| built_in.manifest.id == id);
        let version = match built_in {
            Some(built_in) => Some(shown::built_in(&built_in.manifest, &built_in.component_sha256)),
            None => running.and_then(shown::version),
        };
        let waiting_version = waiting.filter(|_| built_in.is_none()).and_then(shown::version);
        // Of a package that cannot be read any more there is at least the name.
        let told = version.clone().or_else(|| waiting_version.clone());
        let (number, summary) = match (&told, running.or(versions.first())) {
            (Some(told), _) => (told.version.clone(), told.summary.clone()),
            (None, Some(installed)) => (installed.version.clone(), String::new()),
            (None, None) => return None,
        };
        let left_out = self.running().left_out.iter().find(|problem| problem.starts_with(&format!("{id} "))).cloned();
        let unread = versions.iter().find_map(|installed| installed.problem.clone());
        Some(api::Plugin {
            id: id.to_owned(),
            version: number,
            summary,
            emits: told.iter().flat_map(|told| &told.asks.emits).map(|kind| kind.kind.clone()).collect(),
            settings_schema: status.map(schema).unwrap_or_default(),
            state: match (status, running.is_some() || built_in.is_some()) {
                (Some(status), _) => shown::state(status),
                (None, true) => api::PluginState::Failed,
                (None, false) => api::PluginState::Waiting,
            },
            frames_seen: status.map_or(0, |status| status.frames_seen),
            frames_dropped: status.map_or(0, |status| status.frames_dropped),
            traps: status.map_or(0, |status| status.traps),
            last_error: left_out.or(unread).or_else(|| status.and_then(|status| status.last_error.clone())),
            origin: if built_in.is_some() { api::PluginOrigin::BuiltIn } else { api::PluginOrigin::Installed },
            running: version,
            changes: waiting.map(|waiting| waiting.changes.iter().map(shown::change).collect()).unwrap_or_default(),
            waiting: waiting_version,
            previous: previous.and_then(shown::version),
            cameras: status.map(|status| status.instances.iter().map(|one| one.camera).collect()).unwrap_or_default(),
            cost: status.map(shown::cost).unwrap_or_default(),
        })
    }
}

fn schema(status: &PluginStatus) -> Vec<serde_json::Value> {
    status.settings_schema.iter().filter_map(|setting| serde_json::to_value(setting).ok()).collect()
}

fn unknown(id: &str) -> Error {
    Error::not_found(format!("there is no plugin {id}")).next("Look at the list of plugins.")
}

fn publisher(known: depot::Publisher) -> api::PluginPublisher {
    api::PluginPublisher { key_id: known.key_id, name: known.name, public_key: known.public_key }
}

impl ports::Plugins for PluginDesk {
    fn list(&self) -> Result<Vec<api::Plugin>, Error> {
        let statuses = self.analysis.list()?;
        let installed = self.shelf.installed();
        let built_in = self.shelf.built_in.iter().map(|built_in| &built_in.manifest.id);
        let ids: BTreeSet<&String> = built_in.chain(installed.keys()).collect();
        let one = |id: &String| {
            let versions = installed.get(id).map(Vec::as_slice).unwrap_or_default();
            self.shown(id, versions, statuses.iter().find(|status| status.id == *id))
        };
        Ok(ids.into_iter().filter_map(one).collect())
    }

    fn bind(&self, camera: CameraId, binding: api::PluginBinding) -> Result<api::PluginBinding, Error> {
        self.analysis.check(camera, &binding)?;
        let binding = self.cameras.bind(camera, binding)?;
        self.analysis.revive(camera, &binding)?;
        Ok(binding)
    }

    fn install(&self, package: &[u8]) -> Result<api::Plugin, Error> {
        let depot = self.shelf.depot()?;
        let installed = depot.install(package, SystemClock.utc()).map_err(|error| {
            let next = match error.kind() {
                Kind::Denied if error.to_string().contains(depot::TRIED_OUT_SWITCH) => {
                    "Switch it on below, on a station where that may be tried, and install the package again."
                }
                Kind::Denied => "Trust its publisher below first, after comparing the key; or ask the publisher for a signed package.",
                Kind::Corrupt => "Get the file again from its publisher.",
                Kind::Conflict => "Ask its publisher for a newer version, or reject the version that waits.",
                Kind::Exhausted => "Remove plugins that are no longer used.",
                Kind::InvalidInput => "Choose a .wbp file that `watchbook-plugin pack` made, or ask its publisher for another one.",
                _ => "Look at the health page: the disk of the state directory may be full or failing.",
            };
            // The bytes came from whoever asks: what is wrong with them is no damage of what this station keeps.
            let kind = if error.kind() == Kind::Corrupt { Kind::InvalidInput } else { error.kind() };
            Error { kind, ..host_error(error) }.next(next)
        })?;
        if self.shelf.is_built_in(&installed.id) {
            depot.reject(&installed.id, &installed.package_sha256).map_err(host_error)?;
            let error = Error::new(Kind::Conflict, format!("the plugin {} came with the recorder", installed.id));
            return Err(error.next("A package of another publisher needs an id of its own."));
        }
        self.one(&installed.id)
    }

    fn approve(&self, plugin: &str, package_sha256: &str, account: u32) -> Result<api::Plugin, Error> {
        let depot = self.may_change(plugin)?;
        let approved = depot.approve(plugin, package_sha256, SystemClock.utc(), account).map_err(|error| {
            host_error(error)
                .next("Look at the version that waits again: it may have been replaced or rejected meanwhile.")
        })?;
        let refreshed = self.refresh();
        let runs = (approved.id, approved.component_sha256);
        if refreshed.is_err() && !self.running().components.contains(&runs) {
            // The version that goes on is also the one that the next start of the recorder takes.
            if let Err(error) = depot.roll_back(plugin, SystemClock.utc()) {
                tracing::error!(plugin, %error, "the version of the plugin that goes on is not the approved one");
            }
            return refreshed
                .map_err(|error| error.next("The version before goes on. Ask the publisher for a version that works."))
                .and_then(|()| self.one(plugin));
        }
        refreshed?;
        self.one(plugin)
    }

    fn reject(&self, plugin: &str, package_sha256: &str) -> Result<(), Error> {
        let rejected = self.may_change(plugin)?.reject(plugin, package_sha256);
        rejected.map_err(|error| host_error(error).next("Look at the list of plugins again."))
    }

    fn roll_back(&self, plugin: &str) -> Result<api::Plugin, Error> {
        let depot = self.may_change(plugin)?;
        depot.roll_back(plugin, SystemClock.utc()).map_err(|error| {
            host_error(error).next("Upload the version that is wanted, or switch the plugin off on its cameras.")
        })?;
        self.refresh()?;
        self.one(plugin)
    }

    fn remove(&self, plugin: &str) -> Result<(), Error> {
        let depot = self.may_change(plugin)?;
        depot.remove(plugin).map_err(|error| host_error(error).next("Look at the list of plugins again."))?;
        let unbound = self.cameras.unbind_everywhere(plugin);
        self.refresh()?;
        self.analysis.logs().forget(plugin);
        unbound
    }

    fn publishers(&self) -> Result<Vec<api::PluginPublisher>, Error> {
        Ok(self.shelf.depot()?.publishers().into_iter().map(publisher).collect())
    }

    fn trust(&self, name: &str, public_key: &str, key_id: &str) -> Result<api::PluginPublisher, Error> {
        let next = "Paste the content of the publisher's minisign .pub file.";
        let key = PublisherKey::new(name, public_key).map_err(|error| host_error(error).next(next))?;
        if key.key_id() != key_id {
            let message = format!("this key has the id {}, and {key_id} was typed", key.key_id());
            let next = "Do not trust it yet: ask the publisher by telephone which one is theirs. A forged key shows exactly so.";
            return Err(Error::new(Kind::Conflict, message).next(next));
        }
        let trusted = self.shelf.depot()?.trust(name, public_key, SystemClock.utc()).map_err(host_error)?;
        self.refresh()?;
        Ok(publisher(trusted))
    }

    fn distrust(&self, key_id: &str) -> Result<(), Error> {
        let next = "Look at the list of publishers again.";
        self.shelf.depot()?.distrust(key_id).map_err(|error| host_error(error).next(next))?;
        self.refresh()
    }

    fn abi(&self) -> api::PluginAbi {
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        let version = api::PluginAbiVersion {
            version: manifest::API.to_owned(),
            worlds: words(&["analytics-plugin", "export-rule"]),
            capabilities: words(&["frames", "log", "store"]),
            tried_out: words(&manifest::TRIED_OUT),
        };
        let limits = api::PluginLimits {
            package_bytes_max: wbp::PACKAGE_BYTES_MAX as u64,
            component_bytes_max: package::COMPONENT_BYTES_MAX as u64,
            memory_bytes_max: u64::from(manifest::MEMORY_MIB_MAX) << 20,
            memory_bytes_max_all: plugins::MEMORY_BYTES_MAX,
            call_ms_max: manifest::CALL_MS_MAX,
            store_bytes_max: u64::from(manifest::STORE_KIB_MAX) << 10,
            instances_max: u32::try_from(plugins::INSTANCES_MAX).unwrap_or(u32::MAX),
            plugins_max: u32::try_from(package::PLUGINS_MAX).unwrap_or(u32::MAX),
        };
        api::PluginAbi { versions: vec![version], limits, walls: self.analysis.walls() }
    }

    fn log(&self, plugin: &str) -> Result<api::PluginLog, Error> {
        let known = self.shelf.is_built_in(plugin) || self.shelf.installed().contains_key(plugin);
        if known { Ok(self.analysis.logs().of(plugin)) } else { Err(unknown(plugin)) }
    }

    fn dev_mode(&self) -> Result<api::PluginDevMode, Error> {
        let until = self.shelf.depot()?.unsigned_until(SystemClock.utc());
        Ok(api::PluginDevMode { until_utc_ms: until.map(UtcNanos::as_ms) })
    }

    fn set_dev_mode(&self, hours: u32) -> Result<api::PluginDevMode, Error> {
        let now = SystemClock.utc();
        let until = now.plus_nanos(i64::from(hours) * 3_600 * NANOS_PER_SEC);
        self.shelf.depot()?.allow_unsigned(now, until).map_err(host_error)?;
        self.refresh()?;
        self.dev_mode()
    }

    fn tried_out(&self) -> Result<api::PluginTriedOut, Error> {
        let capabilities = manifest::TRIED_OUT.iter().map(|word| (*word).to_owned()).collect();
        Ok(api::PluginTriedOut { on: self.shelf.depot()?.offers_tried_out(), capabilities })
    }

    fn set_tried_out(&self, on: bool) -> Result<api::PluginTriedOut, Error> {
        self.shelf.depot()?.offer_tried_out(on).map_err(host_error)?;
        self.refresh()?;
        self.tried_out()
    }
}
