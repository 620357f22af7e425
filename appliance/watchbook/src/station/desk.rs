//! The cameras of the station: their settings in the register, their capture tasks, their states.

use super::analysis::Analysis;
use super::clocks::Clocks;
use super::device_desk::{DeviceDesk, Notices};
use super::sink::StationSink;
use super::states::States;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use watchbook_base::clock::SystemClock;
use watchbook_base::limits::CAMERAS_MAX;
use watchbook_base::{CameraId, Clock as _, GapReason, Kind, TrackRole};
use watchbook_capture::{self as capture, CameraHandle};
use watchbook_store::Retention;
use watchbook_store::register::Entry;
use watchbook_store::register::{Change, Namespace, Register};
use watchbook_web::api;
use watchbook_web::error::Error;
use watchbook_web::ports::{CameraChange, CameraConfig, CameraProbe, CameraRow, Cameras, DeviceProbe, StreamConfig};

/// Setting that holds the number of the next camera: numbers are never given twice.
pub(super) const NEXT_NUMBER: &[u8] = b"camera_number_next";
/// Settings behind this prefix hold the last maximum age of a removed camera: what is left of its footage still reaches it.
pub(super) const REMOVED_PREFIX: &[u8] = b"removed_retention_days_max/";
/// How long a try of a camera may take.
const PROBE_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a search for cameras collects answers: devices wait up to half a second before they answer (WS-Discovery 1.1, 3.1.3), and slow ones longer.
const SEARCH: Duration = Duration::from_secs(4);

/// Settings, tasks and states of all cameras.
pub struct CameraDesk {
    register: Arc<Register>,
    states: Arc<States>,
    analysis: Arc<Analysis>,
    sink: Arc<StationSink>,
    runtime: tokio::runtime::Handle,
    /// Where cameras may be.
    networks: capture::Networks,
    /// Who encodes what a device gives uncompressed.
    encoding: capture::Encoding,
    /// Capture has begun: until then settings are only kept.
    started: AtomicBool,
    /// What keeps the maximum ages of footage.
    retention: Option<Retention>,
    /// How far the cameras' clocks are off, over time.
    clocks: Clocks,
    /// What talks to cameras beside their streams.
    devices: Option<Arc<DeviceDesk>>,
    cameras: Mutex<BTreeMap<CameraId, Desk>>,
}

struct Desk {
    config: CameraConfig,
    capture: Option<CameraHandle>,
}

impl CameraDesk {
    /// Reads the settings of all cameras; captures nothing yet.
    ///
    /// # Errors
    /// When the register cannot be read. A row that makes no sense costs that camera alone and is logged.
    pub fn open(
        register: Arc<Register>,
        states: Arc<States>,
        analysis: Arc<Analysis>,
        sink: Arc<StationSink>,
        runtime: tokio::runtime::Handle,
    ) -> Result<Self, Error> {
        let mut cameras = BTreeMap::new();
        for Entry { key, value, .. } in register.scan(Namespace::Camera, b"").map_err(stored)? {
            let id = <[u8; 4]>::try_from(key.as_slice()).ok().map(u32::from_be_bytes).and_then(CameraId::new);
            let config = serde_json::from_slice(&value).ok();
            let (Some(id), Some(config)) = (id, config) else {
                tracing::error!(
                    ?key,
                    "a camera's settings in the register cannot be read; it is not recorded: add it again"
                );
                continue;
            };
            cameras.insert(id, Desk { config, capture: None });
        }
        let started = AtomicBool::new(false);
        let clocks = Clocks::open(Arc::clone(&register))?;
        let (cameras, networks) = (Mutex::new(cameras), capture::Networks::default());
        let encoding = capture::Encoding::default();
        Ok(Self {
            register,
            states,
            analysis,
            sink,
            runtime,
            networks,
            encoding,
            started,
            retention: None,
            devices: None,
            clocks,
            cameras,
        })
    }

    /// Cameras may be in these networks, instead of those for private use.
    #[must_use]
    pub fn within(self, networks: capture::Networks) -> Self {
        Self { networks, ..self }
    }

    /// Has `devices` talk to the cameras beside their streams.
    #[must_use]
    pub fn with_devices(self, devices: Arc<DeviceDesk>) -> Self {
        Self { devices: Some(devices), ..self }
    }

    /// Begins or ends recording of a camera whenever its masks decide so.
    pub fn heed(self: &Arc<Self>, mut notices: Notices) {
        let cameras = Arc::downgrade(self);
        self.runtime.spawn(async move {
            while let Some(camera) = notices.next().await {
                let Some(cameras) = cameras.upgrade() else { return };
                let heeding = tokio::task::spawn_blocking(move || {
                    if let Some(desk) = cameras.lock().get_mut(&camera) {
                        cameras.apply(camera, desk);
                    }
                });
                if let Err(error) = heeding.await {
                    tracing::error!(%camera, %error, "whether the camera is recorded could not be decided anew");
                }
            }
        });
    }

    /// What a device gives uncompressed is encoded by these.
    #[must_use]
    pub fn encoded_by(self, encoding: capture::Encoding) -> Self {
        Self { encoding, ..self }
    }

    /// Has `retention` keep the maximum age of every camera from now on, also of those that were removed.
    ///
    /// # Errors
    /// When the register cannot be read.
    pub fn keep_ages(mut self, retention: Option<Retention>) -> Result<Self, Error> {
        if let Some(retention) = &retention {
            for Entry { key, value, .. } in self.register.scan(Namespace::Setting, REMOVED_PREFIX).map_err(stored)? {
                let camera = key.last_chunk::<4>().and_then(|bytes| CameraId::new(u32::from_be_bytes(*bytes)));
                let days_max = <[u8; 4]>::try_from(value.as_slice()).ok().map(u32::from_be_bytes);
                if let Some((camera, days_max)) = camera.zip(days_max) {
                    retention.set(camera, days_max);
                }
            }
            for (camera, desk) in self.lock().iter() {
                retention.set(*camera, desk.config.retention_days_max);
            }
        }
        self.retention = retention;
        Ok(self)
    }

    /// Starts capturing every enabled camera.
    pub fn start_all(&self) {
        let mut cameras = self.lock();
        self.started.store(true, Ordering::Release);
        for (id, desk) in cameras.iter_mut() {
            self.apply(*id, desk);
        }
    }

    /// Stops all cameras; their recordings end with `Restart`.
    pub async fn stop_all(&self) {
        let handles: Vec<_> = self.lock().values_mut().filter_map(|desk| desk.capture.take()).collect();
        let captures = async {
            for handle in handles {
                handle.stop(GapReason::Restart).await;
            }
        };
        let devices = async {
            if let Some(devices) = &self.devices {
                devices.stop_all().await;
            }
        };
        tokio::join!(captures, devices);
    }

    /// Looks at the clock of every camera that is live and tells its time.
    ///
    /// # Errors
    /// What is worth keeping could not be made durable, of one camera at least; the others are done.
    pub fn look_at_clocks(&self) -> Result<(), Error> {
        let now = SystemClock.utc();
        let cameras: Vec<CameraId> = self.lock().keys().copied().collect();
        let look = |camera: CameraId| {
            let state = self.states.get(camera.stream(TrackRole::MainVideo), true, now);
            let told = state.media_utc_offset_ms.filter(|_| state.status == api::StreamStatus::Live);
            told.map_or(Ok(()), |offset_ms| self.clocks.note(camera, now, offset_ms, state.drift_ppm))
        };
        cameras.into_iter().map(look).fold(Ok(()), Result::and)
    }

    /// Number of cameras.
    pub fn count(&self) -> usize {
        self.lock().len()
    }

    /// Changes one camera's settings by `change` and brings them into force.
    fn change<T>(
        &self,
        camera: CameraId,
        change: impl FnOnce(&mut CameraConfig) -> Result<T, Error>,
    ) -> Result<(CameraRow, T), Error> {
        let mut cameras = self.lock();
        let desk = cameras.get_mut(&camera).ok_or_else(|| unknown(camera))?;
        let mut config = desk.config.clone();
        let value = change(&mut config)?;
        let places = |config: &CameraConfig| (config.main.clone(), config.sub.clone(), config.device.clone());
        if places(&config) != places(&desk.config) {
            self.check_addresses(&config)?;
        }
        self.save(camera, &config, Vec::new())?;
        desk.config = config;
        self.apply(camera, desk);
        Ok((self.row(camera, &desk.config), value))
    }

    /// Binds a plugin to a camera: replaces its binding or adds one.
    ///
    /// # Errors
    /// `NotFound` for an unknown camera.
    pub fn bind(&self, camera: CameraId, binding: api::PluginBinding) -> Result<api::PluginBinding, Error> {
        let (_, binding) = self.change(camera, |config| {
            config.plugins.retain(|bound| bound.plugin != binding.plugin);
            config.plugins.push(binding.clone());
            config.plugins.sort_by(|a, b| a.plugin.cmp(&b.plugin));
            Ok(binding)
        })?;
        Ok(binding)
    }

    /// Forgets the bindings of a plugin that was removed, on every camera.
    ///
    /// # Errors
    /// When a camera's settings could not be made durable; the others are done.
    pub fn unbind_everywhere(&self, plugin: &str) -> Result<(), Error> {
        let bound = |desk: &Desk| desk.config.plugins.iter().any(|bound| bound.plugin == plugin);
        let cameras: Vec<CameraId> =
            self.lock().iter().filter(|(_, desk)| bound(desk)).map(|(camera, _)| *camera).collect();
        let unbind = |camera: CameraId| {
            let gone = self.change(camera, |config| {
                config.plugins.retain(|bound| bound.plugin != plugin);
                Ok(())
            });
            gone.map(drop)
        };
        // All are tried before the first failure is told.
        cameras.into_iter().map(unbind).fold(Ok(()), Result::and)
    }

    /// Brings the settings of one camera into force: analysis first, so that it is there when the first packet comes.
    fn apply(&self, camera: CameraId, desk: &mut Desk) {
        if !self.started.load(Ordering::Acquire) {
            return;
        }
        self.sink.configure(camera, &desk.config);
        self.analysis.configure(camera, &desk.config);
        self.devices.iter().for_each(|devices| devices.configure(camera, &desk.config, &self.networks));
        if !desk.config.enabled {
            return self.retire(camera, desk, GapReason::Configuration);
        }
        if let Some(sentence) = self.devices.as_ref().and_then(|devices| devices.withheld(camera)) {
            return self.withhold(camera, desk, sentence);
        }
        let _runtime = self.runtime.enter();
        match (capture_config(camera, &desk.config, (&self.networks, &self.encoding)), &desk.capture) {
            (Ok(config), Some(handle)) => handle.reconfigure(config),
            (Ok(config), None) => {
                desk.capture = Some(capture::spawn_camera(config, self.sink.clone(), Arc::new(SystemClock)));
            }
            (Err(error), _) => {
                tracing::error!(%camera, %error, "the stored address of the camera is refused; edit the camera on the page");
                self.retire(camera, desk, GapReason::Configuration);
            }
        }
    }

    /// Stops capture until the camera has its masks again.
    fn withhold(&self, camera: CameraId, desk: &mut Desk, sentence: String) {
        let Some(handle) = desk.capture.take() else { return };
        tracing::warn!(%camera, sentence, "the camera is not recorded until it has its masks again");
        let state = api::StreamState {
            reason: Some(GapReason::MaskMissing),
            detail: Some(sentence),
            next_step: Some(
                "Look at the camera's masks, or let it be recorded without them in its settings.".to_owned(),
            ),
            ..api::StreamState::bare(api::StreamStatus::Lost, SystemClock.utc().as_ms())
        };
        let sink = Arc::clone(&self.sink);
        self.runtime.spawn(async move {
            handle.stop(GapReason::MaskMissing).await;
            // Afterwards: the last word of a capture that ends is that it is switched off.
            for role in [TrackRole::MainVideo, TrackRole::SubVideo] {
                sink.say(camera.stream(role), state.clone());
            }
        });
    }

    /// Stops capture in the background.
    fn retire(&self, camera: CameraId, desk: &mut Desk, reason: GapReason) {
        if let Some(handle) = desk.capture.take() {
            self.runtime.spawn(handle.stop(reason));
        }
        let now = SystemClock.utc().as_ms();
        for role in [TrackRole::MainVideo, TrackRole::SubVideo] {
            self.states.set(camera.stream(role), api::StreamState::bare(api::StreamStatus::Disabled, now));
        }
    }

    /// Refuses what will never be connected to before it is kept.
    fn check_addresses(&self, config: &CameraConfig) -> Result<(), Error> {
        let check = |stream: &StreamConfig| {
            capture::SourceUrl::parse(&stream.url).and_then(|(url, _)| self.networks.check(&url))
        };
        let mut streams = core::iter::once(&config.main).chain(&config.sub);
        if let Some(device) = &config.device {
            // Its host is that of the main stream; whether that may be connected to is asked below.
            let refused = |error: capture::Error| Error::new(error.kind, error.message);
            capture::onvif::DeviceUrl::parse(&device.url).map_err(refused)?;
        }
        streams.try_for_each(check).map_err(|error| Error::new(error.kind, error.message))
    }

    fn save(&self, camera: CameraId, config: &CameraConfig, mut more: Vec<Change>) -> Result<(), Error> {
        let value = serde_json::to_vec(config).map_err(|error| Error::new(Kind::Internal, error.to_string()))?;
        more.push(Change::put(Namespace::Camera, camera.get().to_be_bytes(), value));
        self.register.apply(&more).map_err(stored)?;
        if let Some(retention) = &self.retention {
            retention.set(camera, config.retention_days_max);
        }
        Ok(())
    }

    fn row(&self, camera: CameraId, config: &CameraConfig) -> CameraRow {
        let state = self.states.camera(camera, config.sub.is_some(), config.enabled, SystemClock.utc());
        let device = self.devices.as_ref().and_then(|devices| devices.state(camera));
        CameraRow { id: camera, config: config.clone(), state, device }
    }

    fn next_number(&self, cameras: &BTreeMap<CameraId, Desk>) -> Result<CameraId, Error> {
        let kept = self.register.get(Namespace::Setting, NEXT_NUMBER).map_err(stored)?;
        let kept =
            kept.and_then(|entry| <[u8; 4]>::try_from(entry.value.as_slice()).ok()).map_or(1, u32::from_be_bytes);
        let used = cameras.keys().next_back().map_or(0, |id| id.get());
        CameraId::new(kept.max(used + 1))
            .ok_or_else(|| Error::new(Kind::Exhausted, "every camera number has been used once"))
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<CameraId, Desk>> {
        self.cameras.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Cameras for CameraDesk {
    fn list(&self) -> Result<Vec<CameraRow>, Error> {
        Ok(self.lock().iter().map(|(id, desk)| self.row(*id, &desk.config)).collect())
    }

    fn get(&self, camera: CameraId) -> Result<CameraRow, Error> {
        self.lock().get(&camera).map(|desk| self.row(camera, &desk.config)).ok_or_else(|| unknown(camera))
    }

    fn create(&self, config: CameraConfig) -> Result<CameraRow, Error> {
        let mut cameras = self.lock();
        if cameras.len() >= CAMERAS_MAX {
            let message = format!("there are {CAMERAS_MAX} cameras already, the most that one station records");
            return Err(Error::new(Kind::Exhausted, message).next("Remove a camera that is no longer used."));
        }
        self.check_addresses(&config)?;
        let camera = self.next_number(&cameras)?;
        let next = (camera.get() + 1).to_be_bytes().to_vec();
        self.save(camera, &config, vec![Change::put(Namespace::Setting, NEXT_NUMBER, next)])?;
        let desk = cameras.entry(camera).or_insert(Desk { config, capture: None });
        self.apply(camera, desk);
        Ok(self.row(camera, &desk.config))
    }

    fn update(&self, camera: CameraId, change: CameraChange<'_>) -> Result<CameraRow, Error> {
        self.change(camera, change).map(|(row, ())| row)
    }

    fn remove(&self, camera: CameraId) -> Result<(), Error> {
        let mut cameras = self.lock();
        let desk = cameras.get_mut(&camera).ok_or_else(|| unknown(camera))?;
        let number = camera.get().to_be_bytes();
        let days_max = desk.config.retention_days_max.to_be_bytes().to_vec();
        let kept = Change::put(Namespace::Setting, [REMOVED_PREFIX, &number[..]].concat(), days_max);
        self.register.apply(&[Change::delete(Namespace::Camera, number), kept]).map_err(stored)?;
        self.retire(camera, desk, GapReason::Configuration);
        self.devices.iter().for_each(|devices| devices.forget(camera));
        self.analysis.forget(camera);
        self.sink.forget(camera);
        self.states.forget(camera);
        cameras.remove(&camera);
        Ok(())
    }

    fn test(&self, probe: CameraProbe) -> Result<api::CameraTestReport, Error> {
        let config = CameraConfig {
            name: String::new(),
            main: probe.main,
            sub: probe.sub,
            username: probe.username,
            password: probe.password,
            record_audio: false,
            audio_purpose: String::new(),
            purpose: String::new(),
            contact: String::new(),
            reviewed_utc_ms: None,
            certificate: probe.certificate,
            enabled: true,
            masks: Vec::new(),
            retention_days_max: 1,
            importance: watchbook_base::Importance::default(),
            plugins: Vec::new(),
            device: None,
        };
        // The number means nothing to a probe; it only has to be one.
        let camera = CameraId::new(CameraId::MAX).ok_or_else(|| Error::new(Kind::Internal, "no camera number"))?;
        let config = capture_config(camera, &config, (&self.networks, &self.encoding))?;
        let report = if probe.picture {
            self.runtime.block_on(capture::probe_with_picture(&config, PROBE_TIMEOUT))
        } else {
            self.runtime.block_on(capture::probe(&config, PROBE_TIMEOUT))
        };
        Ok(super::probe::shown(report))
    }

    fn clock(&self, camera: CameraId, limit: usize) -> Result<Vec<api::ClockReading>, Error> {
        self.lock().get(&camera).map(|_| self.clocks.of(camera, limit)).ok_or_else(|| unknown(camera))
    }

    fn search(&self) -> Result<Vec<api::FoundDevice>, Error> {
        let asking = capture::onvif::discovery::discover(&self.networks, SEARCH);
        let found = self.runtime.block_on(asking).map_err(|error| {
            Error::new(Kind::Unavailable, format!("the network cannot be asked for cameras: {error}"))
                .next("Check the box's network, or enter the camera's address by hand.")
        })?;
        let hosts: Vec<(String, u32)> =
            self.lock().iter().filter_map(|(id, desk)| Some((host(&desk.config)?, id.get()))).collect();
        let camera_at = |address: core::net::IpAddr| {
            let address = address.to_string();
            hosts.iter().find(|(host, _)| *host == address).map(|(_, camera)| *camera)
        };
        Ok(super::devices::found(found, camera_at))
    }

    fn local(&self) -> Result<Vec<api::LocalCamera>, Error> {
        let url_of = |desk: &Desk| capture::SourceUrl::parse(&desk.config.main.url).ok()?.0.device();
        let taken: Vec<(String, u32)> =
            self.lock().iter().filter_map(|(id, desk)| Some((url_of(desk)?.identity, id.get()))).collect();
        let camera_of = |identity: &str| taken.iter().find(|(name, _)| name == identity).map(|(_, camera)| *camera);
        Ok(super::local::shown(capture::local_cameras(), camera_of))
    }

    fn inspect(&self, probe: DeviceProbe) -> Result<api::DeviceReport, Error> {
        let refused = |error: capture::Error| Error::new(error.kind, error.message);
        let address = capture::onvif::DeviceUrl::parse(&probe.url).map_err(refused)?;
        let credentials = probe.username.map(|username| capture::Credentials {
            username,
            password: probe.password.map(|secret| secret.reveal().to_owned()).unwrap_or_default(),
        });
        let certificate = probe.certificate.as_deref().map(str::parse).transpose().map_err(refused)?;
        let access = capture::onvif::Access { credentials, certificate };
        let asking = capture::onvif::inspect(&address, &access, &self.networks);
        Ok(super::devices::report(&address, self.runtime.block_on(asking)))
    }
}

/// Host of a camera's main stream, an IPv6 address without its brackets.
fn host(config: &CameraConfig) -> Option<String> {
    let (url, _) = capture::SourceUrl::parse(&config.main.url).ok()?;
    let host_port = url.host_port();
    let (host, _) = host_port.rsplit_once(':')?;
    Some(host.trim_matches(['[', ']']).to_owned())
}

/// What capture needs of a camera's settings.
fn capture_config(
    camera: CameraId,
    config: &CameraConfig,
    (networks, encoding): (&capture::Networks, &capture::Encoding),
) -> Result<capture::CameraConfig, Error> {
    let refused = |error: capture::Error| Error::new(error.kind, error.message);
    let source = |stream: &StreamConfig| -> Result<capture::SourceConfig, Error> {
        let (url, _) = capture::SourceUrl::parse(&stream.url).map_err(refused)?;
        let transport = match stream.transport {
            api::Transport::Tcp => capture::Transport::Tcp,
            api::Transport::Udp => capture::Transport::Udp,
        };
        let interval_ms = stream.interval_ms.unwrap_or(capture::config::INTERVAL_MS_DEFAULT);
        Ok(capture::SourceConfig { url, transport, interval_ms })
    };
    let credentials = config.username.clone().map(|username| capture::Credentials {
        username,
        password: config.password.as_ref().map(|secret| secret.reveal().to_owned()).unwrap_or_default(),
    });
    Ok(capture::CameraConfig {
        camera,
        main: source(&config.main)?,
        sub: config.sub.as_ref().map(source).transpose()?,
        credentials,
        record_audio: config.record_audio,
        certificate: config.certificate.as_deref().map(str::parse).transpose().map_err(refused)?,
        networks: networks.clone(),
        encoding: encoding.clone(),
        masks: permanent_masks(config),
    })
}

/// Those that are made black in the record, too: all or none of a camera's.
fn permanent_masks(config: &CameraConfig) -> capture::Masks {
    let device = capture::SourceUrl::parse(&config.main.url).ok().and_then(|(url, _)| url.device());
    if !device.is_some_and(|device| device.permanent_masks) {
        return capture::Masks::new();
    }
    config.masks.iter().map(|outline| outline.iter().map(|corner| (corner.x, corner.y)).collect()).collect()
}

fn unknown(camera: CameraId) -> Error {
    Error::not_found(format!("there is no camera {camera}")).next("Look at the list of cameras.")
}

/// A failure of the register in the web's words.
pub fn stored(error: watchbook_store::Error) -> Error {
    Error::new(error.kind, error.message)
}
