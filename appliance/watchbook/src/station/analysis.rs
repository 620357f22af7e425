//! Which cameras are decoded for which plugins; frames on, events back. Nothing here can hold up capture.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use watchbook_analysis::{Decoder, Emitted, Plan, Point, analysed_role};
use watchbook_base::{CameraId, StreamId, TrackRole};
use watchbook_media::{Packet, RecordingStart, TrackFormat};
use watchbook_plugin_host::{Binding, PluginStatus, Plugins, Report, Zone};
use watchbook_store::Writer;
use watchbook_web::api;
use watchbook_web::error::Error;
use watchbook_web::ports::{self, CameraConfig};

/// The two children and who watches what.
pub struct Analysis {
    decoder: Option<Decoder>,
    plugins: Option<Arc<Plugins>>,
    table: Mutex<Table>,
    trouble: Arc<Trouble>,
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
    /// Starts the children. A child that cannot be started costs the events, never the recording: it is logged, and the plugin list says so.
    pub fn open(program_dir: &Path, plugin_dir: &Path, writer: Writer) -> Self {
        let trouble = Arc::new(Trouble::default());
        let plugins =
            Plugins::spawn(&program_dir.join("watchbook-plugins"), plugin_dir, move |report| note(&writer, report))
                .map(|(plugins, problems)| {
                    for problem in problems {
                        tracing::error!(problem, "a plugin is left out");
                    }
                    Arc::new(plugins)
                })
                .map_err(|error| tracing::error!(%error, "no plugin runs: the plugin host could not be started"))
                .ok();
        let decoder = plugins.clone().and_then(|plugins| {
            let told = Arc::clone(&trouble);
            let on = move |emitted| match emitted {
                Emitted::Frame(frame) => {
                    told.is(None);
                    plugins.frame(&frame);
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
        });
        if plugins.is_some() && decoder.is_none() {
            trouble.is(Some("the decoder of pictures could not be started; the recorder's log says why".to_owned()));
        }
        Self { decoder, plugins, table: Mutex::default(), trouble }
    }

    /// Brings a camera's masks and plugin bindings into force.
    pub fn configure(&self, camera: CameraId, config: &CameraConfig) {
        let (role, keys_only) = analysed_role(config.sub.is_some());
        let bindings = if config.enabled { config.plugins.clone() } else { Vec::new() };
        let masks = config.masks.iter().map(|polygon| polygon.iter().map(corner).collect()).collect();
        let wanted = Watched { role, keys_only, masks, bindings };
        let mut table = self.lock();
        let before = table.watched.insert(camera, wanted.clone());
        if before.as_ref() == Some(&wanted) {
            return;
        }
        if let Some(plugins) = &self.plugins {
            rebind(plugins, camera, before.as_ref(), &wanted);
        }
        self.reopen(&table, camera, &wanted);
    }

    /// A removed camera is watched no more.
    pub fn forget(&self, camera: CameraId) {
        let mut table = self.lock();
        table.watched.remove(&camera);
        table.formats.retain(|stream, _| stream.camera != camera);
        if let Some(plugins) = &self.plugins {
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
    fn check(&self, camera: CameraId, binding: &api::PluginBinding) -> Result<(), Error> {
        let watching = binding.enabled.then_some(camera);
        let fits = self.host()?.check(watching, &bound(binding));
        fits.map_err(|error| Error::new(error.kind(), error.to_string()))
    }

    /// Starts a plugin again that was set aside on this camera.
    fn revive(&self, camera: CameraId, binding: &api::PluginBinding) -> Result<(), Error> {
        let plugins = self.host()?;
        if !binding.enabled || !plugins.is_set_aside(camera, &binding.plugin) {
            return Ok(());
        }
        plugins.bind(camera, bound(binding)).map_err(|error| Error::new(error.kind(), error.to_string()))
    }

    fn host(&self) -> Result<&Plugins, Error> {
        self.plugins.as_deref().ok_or_else(|| {
            Error::new(watchbook_base::Kind::Unavailable, "the plugin host could not be started")
                .next("Look at the recorder's log, then start it again.")
        })
    }

    /// Every plugin. One that nothing is wrong with by itself is shown with what keeps its pictures away.
    fn list(&self) -> Result<Vec<PluginStatus>, Error> {
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

    /// Decodes what the camera's plugins want, with its masks, in the format of its current recording.
    fn reopen(&self, table: &Table, camera: CameraId, watched: &Watched) {
        let (Some(decoder), Some(plugins)) = (&self.decoder, &self.plugins) else { return };
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
        if let Err(error) = plugins.bind(camera, bound(binding)) {
            tracing::error!(%camera, plugin = binding.plugin, %error, "the plugin does not watch the camera");
        }
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

fn note(writer: &Writer, report: Report) {
    match report {
        Report::Event(event) => {
            if let Err(error) = writer.event(&event) {
                tracing::error!(camera = %event.camera, %error, "an event is lost");
            }
        }
        Report::Log { camera, plugin, text, .. } => tracing::info!(%camera, plugin, text, "a plugin says"),
        Report::State { camera, plugin, state, sentence } => {
            tracing::info!(%camera, plugin, ?state, sentence, "a plugin's state changed");
        }
        Report::Restarting { sentence } => tracing::warn!(sentence, "the plugin host ended"),
    }
}

/// The plugins of the station for the page: list and bind.
pub struct PluginDesk {
    /// The children.
    pub analysis: Arc<Analysis>,
    /// Where bindings are kept.
    pub cameras: Arc<super::desk::CameraDesk>,
}

impl ports::Plugins for PluginDesk {
    fn list(&self) -> Result<Vec<api::Plugin>, Error> {
        self.analysis.list()?.into_iter().map(listed).collect()
    }

    fn bind(&self, camera: CameraId, binding: api::PluginBinding) -> Result<api::PluginBinding, Error> {
        self.analysis.check(camera, &binding)?;
        let binding = self.cameras.bind(camera, binding)?;
        self.analysis.revive(camera, &binding)?;
        Ok(binding)
    }
}

fn listed(status: PluginStatus) -> Result<api::Plugin, Error> {
    let schema = status.settings_schema.iter().map(serde_json::to_value).collect::<Result<Vec<_>, _>>();
    let state = match status.state.as_str() {
        "idle" => api::PluginState::Idle,
        "starting" | "running" => api::PluginState::Running,
        "restarting" => api::PluginState::Restarting,
        _ => api::PluginState::Failed,
    };
    Ok(api::Plugin {
        id: status.id,
        version: status.version,
        summary: status.summary,
        emits: status.emits.into_iter().map(|emits| emits.kind).collect(),
        settings_schema: schema.map_err(|error| Error::new(watchbook_base::Kind::Internal, error.to_string()))?,
        state,
        frames_seen: status.frames_seen,
        frames_dropped: status.frames_dropped,
        traps: status.traps,
        last_error: status.last_error,
    })
}
