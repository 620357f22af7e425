//! Cameras beside their streams: one follower a camera, what it says into events, alarms and the log, and hands that turn it.
//!
//! Nothing here holds up recording. It ends recording in one case alone: where somebody chose that a camera which lost a mask is not to be recorded without.

mod memory;
mod shown;

use super::book::Book;
use super::desk::stored;
use super::proposals::RuleFeed;
use memory::Memory;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::mpsc;
use watchbook_access::{Action, AuditEntry, AuditLog as _, Outcome};
use watchbook_base::clock::SystemClock;
use watchbook_base::{CameraId, Clock as _, Event, EventSource, GapReason, Kind, UtcNanos};
use watchbook_capture::onvif::{
    self, Access, Corner, DeviceConfig, DeviceEvent, DeviceHandle, DeviceSink, DeviceState, DeviceUrl, Identity,
    MaskState, Noticed, Ptz, PtzAct,
};
use watchbook_capture::{Credentials, Failure, Networks};
use watchbook_store::Writer;
use watchbook_store::register::Register;
use watchbook_web::api;
use watchbook_web::error::Error;
use watchbook_web::ports::{CameraConfig, Devices};

/// Cameras whose recording is to be looked at again; a notice that finds it full is repeated with the next state.
const NOTICES_MAX: usize = 64;

/// All cameras that are talked to over ONVIF.
pub struct DeviceDesk {
    runtime: tokio::runtime::Handle,
    inner: Arc<Inner>,
}

/// What the followers tell, and where it goes.
struct Inner {
    register: Arc<Register>,
    log: Arc<Book>,
    writer: Writer,
    rules: RuleFeed,
    cameras: Mutex<BTreeMap<CameraId, Known>>,
    notices: mpsc::Sender<CameraId>,
}

/// Cameras whose recording begins or ends because of their masks.
pub struct Notices(mpsc::Receiver<CameraId>);

impl Notices {
    /// The next one; `None` when the desk is gone.
    pub async fn next(&mut self) -> Option<CameraId> {
        self.0.recv().await
    }
}

struct Known {
    name: String,
    config: DeviceConfig,
    without_masks: api::WithoutMasks,
    handle: Option<DeviceHandle>,
    memory: Memory,
    state: Option<DeviceState>,
    /// Another camera answers: what it is, how it differs, since when.
    other: Option<(Identity, String, UtcNanos)>,
    /// Since when a mask is missing.
    masks_since: Option<UtcNanos>,
    ptz: Arc<tokio::sync::Mutex<Option<Ptz>>>,
}

impl Known {
    fn lacks_masks(&self) -> Option<&str> {
        match self.state.as_ref().map(|state| &state.masks) {
            Some(MaskState::Missing(sentence)) => Some(sentence),
            _ => None,
        }
    }

    /// It is not to be recorded now.
    fn withheld(&self) -> bool {
        self.without_masks == api::WithoutMasks::Stop && self.lacks_masks().is_some()
    }
}

impl DeviceDesk {
    /// A desk without cameras.
    pub fn new(
        register: Arc<Register>,
        log: Arc<Book>,
        (writer, rules): (Writer, RuleFeed),
        runtime: tokio::runtime::Handle,
    ) -> (Self, Notices) {
        let (notices, received) = mpsc::channel(NOTICES_MAX);
        let inner = Inner { register, log, writer, rules, cameras: Mutex::default(), notices };
        (Self { runtime, inner: Arc::new(inner) }, Notices(received))
    }

    /// Brings what is wanted of a camera into force.
    pub fn configure(&self, camera: CameraId, config: &CameraConfig, networks: &Networks) {
        let Some((settings, wanted)) = device_config(camera, config, networks) else {
            return self.retire(camera);
        };
        let mut cameras = self.inner.lock();
        if let Some(known) = cameras.get_mut(&camera).filter(|known| known.memory.is_of(&wanted.address)) {
            known.name.clone_from(&config.name);
            known.without_masks = settings.without_masks;
            if known.config != wanted {
                known.ptz = Arc::default();
                known.config = wanted.clone();
                known.handle.iter().for_each(|handle| handle.reconfigure(wanted.clone()));
            }
            return;
        }
        drop(cameras);
        self.retire(camera);
        let memory = Memory::read(&self.inner.register, camera, &wanted.address);
        let known = Known {
            name: config.name.clone(),
            config: wanted.clone(),
            without_masks: settings.without_masks,
            handle: None,
            memory,
            state: None,
            other: None,
            masks_since: None,
            ptz: Arc::default(),
        };
        self.inner.lock().insert(camera, known);
        let _runtime = self.runtime.enter();
        let sink: Arc<dyn DeviceSink> = Arc::<Inner>::clone(&self.inner);
        let handle = onvif::spawn_device(wanted, sink, Arc::new(SystemClock));
        if let Some(known) = self.inner.lock().get_mut(&camera) {
            known.handle = Some(handle);
        }
    }

    /// Follows a camera no more.
    pub fn retire(&self, camera: CameraId) {
        let gone = self.inner.lock().remove(&camera);
        if let Some(handle) = gone.and_then(|known| known.handle) {
            self.runtime.spawn(handle.stop());
        }
    }

    /// Forgets a camera that was removed.
    pub fn forget(&self, camera: CameraId) {
        self.retire(camera);
        Memory::forget(&self.inner.register, camera);
    }

    /// Ends all followers, so that no camera keeps a subscription of ours.
    pub async fn stop_all(&self) {
        let handles: Vec<DeviceHandle> =
            self.inner.lock().values_mut().filter_map(|known| known.handle.take()).collect();
        let mut stopping = tokio::task::JoinSet::new();
        handles.into_iter().for_each(|handle| drop(stopping.spawn(handle.stop())));
        stopping.join_all().await;
    }

    /// Why the camera is not to be recorded now.
    pub fn withheld(&self, camera: CameraId) -> Option<String> {
        let cameras = self.inner.lock();
        let known = cameras.get(&camera).filter(|known| known.withheld())?;
        known.lacks_masks().map(str::to_owned)
    }

    /// How a camera is doing.
    pub fn state(&self, camera: CameraId) -> Option<api::DeviceState> {
        self.inner.lock().get(&camera).map(shown::state)
    }

    /// Lets somebody's hand act on a camera. A connection that is there already and fails is made again once: cameras restart.
    fn act<T: 'static>(
        &self,
        camera: CameraId,
        act: impl for<'a> AsyncFn(&'a mut Ptz) -> Result<T, Failure>,
    ) -> Result<T, Error> {
        let (config, hand) = {
            let cameras = self.inner.lock();
            let known = cameras.get(&camera).ok_or_else(|| unknown(camera))?;
            if let Some((_, detail, _)) = &known.other {
                let error = Error::new(Kind::Conflict, format!("another camera answers there: {detail}"));
                return Err(error.next("An admin can accept it in the camera's settings."));
            }
            (known.config.clone(), Arc::clone(&known.ptz))
        };
        let acting = async {
            let mut hand = hand.lock().await;
            let connect = || Ptz::connect(&config.address, &config.access, &config.networks);
            let is_gone =
                |done: &Result<T, Failure>| done.as_ref().is_err_and(|failure| failure.reason == GapReason::CameraGone);
            if let Some(mut ptz) = hand.take() {
                let done = act(&mut ptz).await;
                if !is_gone(&done) {
                    *hand = Some(ptz);
                    return done;
                }
            }
            let mut ptz = connect().await?;
            let done = act(&mut ptz).await;
            *hand = Some(ptz).filter(|_| !is_gone(&done));
            done
        };
        self.runtime
            .block_on(acting)
            .map_err(|failure| Error::new(Kind::Unavailable, failure.detail).next(failure.next_step))
    }
}

fn unknown(camera: CameraId) -> Error {
    Error::not_found(format!("camera {camera} is not known over ONVIF"))
        .next("Enter its ONVIF address in its settings.")
}

/// What following a camera needs, when something is wanted of it and it is captured.
fn device_config(
    camera: CameraId,
    config: &CameraConfig,
    networks: &Networks,
) -> Option<(api::DeviceSettings, DeviceConfig)> {
    let settings = config.device.clone().filter(|_| config.enabled)?;
    let address = DeviceUrl::parse(&settings.url)
        .map_err(|error| tracing::error!(%camera, %error, "the stored ONVIF address is refused; edit the camera on the page"))
        .ok()?;
    let credentials = config.username.clone().map(|username| Credentials {
        username,
        password: config.password.as_ref().map(|secret| secret.reveal().to_owned()).unwrap_or_default(),
    });
    // One that cannot be read is none: the camera is not trusted then.
    let certificate = config.certificate.as_deref().and_then(|text| text.parse().ok());
    let corner = |point: &api::Point| Corner { x: point.x.into(), y: point.y.into() };
    let masks = || config.masks.iter().map(|outline| outline.iter().map(corner).collect()).collect();
    let wanted = DeviceConfig {
        camera,
        address,
        access: Access { credentials, certificate },
        networks: networks.clone(),
        events: settings.events,
        set_clock: settings.set_clock,
        masks: settings.masks.then(masks),
    };
    Some((settings, wanted))
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<CameraId, Known>> {
        self.cameras.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One entry of the log that nobody asked for. True once it is durable.
    fn note(&self, camera: CameraId, what: &str, detail: String) -> bool {
        let action = Action::NoteCamera { camera, what: what.to_owned(), detail };
        let noted = self.log.append(&AuditEntry { account: None, action, outcome: Outcome::Allowed });
        if let Err(error) = &noted {
            tracing::error!(%camera, what, ?error, "what happened at a camera could not be written to the audit log");
        }
        noted.is_ok()
    }
}

impl DeviceSink for Inner {
    fn identified(&self, camera: CameraId, identity: &Identity) -> bool {
        let mut cameras = self.lock();
        let Some(known) = cameras.get_mut(&camera) else { return false };
        let differs = known.memory.identity().and_then(|before| identity.differs_from(&before));
        let Some(detail) = differs else {
            known.other = None;
            if let Err(error) = known.memory.learn(&self.register, camera, identity) {
                tracing::error!(%camera, %error, "what the camera is could not be written down");
            }
            return true;
        };
        let same = known.other.as_ref().is_some_and(|(other, ..)| other == identity);
        if !same {
            known.other = Some((identity.clone(), detail.clone(), SystemClock.utc()));
        }
        drop(cameras);
        if !same {
            tracing::warn!(%camera, detail, "another camera answers where this one was");
            self.note(camera, "other_camera", detail);
        }
        false
    }

    fn event(&self, event: DeviceEvent) {
        let firmware = self.lock().get(&event.camera).and_then(|known| known.memory.identity());
        let event = event_of(event, firmware.map(|identity| identity.firmware).unwrap_or_default());
        match self.writer.event(&event) {
            Ok(number) => self.rules.event(number, event),
            Err(error) => tracing::error!(camera = %event.camera, %error, "an event of a camera is lost"),
        }
    }

    fn state(&self, camera: CameraId, state: DeviceState) {
        let mut cameras = self.lock();
        let Some(known) = cameras.get_mut(&camera) else { return };
        let (lacked, withheld) = (known.lacks_masks().map(str::to_owned), known.withheld());
        known.state = Some(state);
        let lacks = known.lacks_masks().map(str::to_owned);
        known.masks_since = lacks.as_ref().map(|_| known.masks_since.unwrap_or_else(|| SystemClock.utc()));
        let other = withheld != known.withheld();
        drop(cameras);
        match (lacked, lacks) {
            (None, Some(sentence)) => drop(self.note(camera, "mask_missing", sentence)),
            (Some(_), None) => drop(self.note(camera, "masks_back", "The camera has all of its masks.".to_owned())),
            _ => {}
        }
        if other && self.notices.try_send(camera).is_err() {
            tracing::error!(%camera, "whether the camera is recorded could not be decided anew; save its settings once more");
        }
    }

    fn may_set_clock(&self, camera: CameraId, offset_ms: i64) -> bool {
        self.note(
            camera,
            "clock_set",
            format!("The camera's clock was {offset_ms} ms ahead of the recorder's, and is set."),
        )
    }

    fn mask_tokens(&self, camera: CameraId) -> Vec<String> {
        self.lock().get(&camera).map(|known| known.memory.tokens().to_vec()).unwrap_or_default()
    }

    fn set_mask_tokens(&self, camera: CameraId, tokens: &[String]) {
        let mut cameras = self.lock();
        let Some(known) = cameras.get_mut(&camera) else { return };
        if let Err(error) = known.memory.set_tokens(&self.register, camera, tokens) {
            tracing::error!(%camera, %error, "which masks were made in the camera could not be written down");
        }
    }
}

/// An event in the recorder's words.
fn event_of(event: DeviceEvent, firmware: String) -> Event {
    let kind = match event.noticed {
        Noticed::Motion => "motion",
        Noticed::Tamper => "tamper",
        Noticed::DigitalInput => "digital-input",
    };
    let source = EventSource {
        plugin: EventSource::CAMERA.to_owned(),
        version: firmware,
        component_sha256: String::new(),
        settings_sha256: String::new(),
    };
    Event {
        camera: event.camera,
        kind: kind.to_owned(),
        score: 1.0,
        start: event.start,
        end: event.end,
        zone: None,
        detections: Vec::new(),
        note: event.source,
        source,
        lead: None,
        camera_clock: event.camera_clock,
    }
}

impl Devices for DeviceDesk {
    fn view(&self, camera: CameraId) -> Result<api::PtzView, Error> {
        self.act(camera, async |ptz: &mut Ptz| Ok(shown::view(ptz.presets().await?, ptz.position().await?)))
    }

    fn turn(&self, camera: CameraId, request: &api::PtzRequest) -> Result<(), Error> {
        let wanted = match request.clone() {
            api::PtzRequest::Move { pan, tilt, zoom, timeout_ms } => PtzAct::Move { pan, tilt, zoom, timeout_ms },
            api::PtzRequest::Stop => PtzAct::Stop,
            api::PtzRequest::GoTo { pan, tilt, zoom } => PtzAct::GoTo(onvif::Position { pan, tilt, zoom }),
            api::PtzRequest::GoToPreset { token } => PtzAct::GoToPreset(token),
        };
        self.act(camera, async |ptz: &mut Ptz| ptz.act(&wanted).await).map(drop)
    }

    fn set_preset(&self, camera: CameraId, name: &str, token: Option<&str>) -> Result<api::PtzPreset, Error> {
        let wanted = PtzAct::SetPreset { name: name.to_owned(), token: token.map(str::to_owned) };
        let token = self.act(camera, async |ptz: &mut Ptz| ptz.act(&wanted).await)?;
        Ok(api::PtzPreset { token: token.unwrap_or_default(), name: name.to_owned() })
    }

    fn remove_preset(&self, camera: CameraId, token: &str) -> Result<(), Error> {
        let wanted = PtzAct::RemovePreset(token.to_owned());
        self.act(camera, async |ptz: &mut Ptz| ptz.act(&wanted).await).map(drop)
    }

    fn accept(&self, camera: CameraId, found_id: &str) -> Result<(), Error> {
        let mut cameras = self.inner.lock();
        let known = cameras.get_mut(&camera).ok_or_else(|| unknown(camera))?;
        let Some((other, ..)) = &known.other else {
            return Err(Error::not_found("no other camera answers there").next("Look at the camera's settings again."));
        };
        if memory::id(other) != found_id {
            return Err(Error::new(Kind::Conflict, "yet another camera answers there by now").next("Look at it again."));
        }
        let other = other.clone();
        known.memory.replace(&self.inner.register, camera, &other).map_err(stored)?;
        known.other = None;
        known.handle.iter().for_each(DeviceHandle::again);
        Ok(())
    }

    fn alarms(&self) -> Vec<api::Alarm> {
        self.inner.lock().iter().flat_map(|(camera, known)| shown::alarms(*camera, known)).collect()
    }
}
