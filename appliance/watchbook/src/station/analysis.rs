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
    /// Starts the children. A child that cannot be started costs the events, never the recording: it is logged, and the plugin list stays empty.
    pub fn open(program_dir: &Path, plugin_dir: &Path, writer: Writer) -> Self {
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
            let on = move |emitted| match emitted {
                Emitted::Frame(frame) => plugins.frame(&frame),
                Emitted::Problem { stream, sentence } => tracing::warn!(%stream, sentence, "no pictures for plugins"),
                Emitted::Restarting { .. } => {}
            };
            Decoder::spawn(&program_dir.join("watchbook-decode"), on)
                .map_err(|error| tracing::error!(%error, "no plugin gets pictures: the decoder could not be started"))
                .ok()
        });
        Self { decoder, plugins, table: Mutex::default() }
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
    /// `NotFound` for an unknown plugin, `InvalidInput` for settings or zones that do not fit, `Unavailable` while there is no plugin host.
    pub fn check(&self, binding: &api::PluginBinding) -> Result<(), Error> {
        let Some(plugins) = &self.plugins else {
            return Err(Error::new(watchbook_base::Kind::Unavailable, "the plugin host could not be started")
                .next("Look at the recorder's log, then start it again."));
        };
        plugins.check(&bound(binding)).map_err(|error| Error::new(error.kind(), error.to_string()))
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
        let list = self.analysis.plugins.as_ref().map(|plugins| plugins.list()).unwrap_or_default();
        list.into_iter().map(listed).collect()
    }

    fn bind(&self, camera: CameraId, binding: api::PluginBinding) -> Result<api::PluginBinding, Error> {
        self.analysis.check(&binding)?;
        self.cameras.bind(camera, binding)
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
