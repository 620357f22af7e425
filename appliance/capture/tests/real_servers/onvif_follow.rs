//! A camera that is followed and turned, over real SOAP: what it notices, its clock, its masks, another camera in its place, PTZ; and answers that mean harm.

use crate::onvif::{access, here, onvif};
use crate::support::{SOON, Server};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::{Arc, Condvar, Mutex};
use watchbook_base::clock::SystemClock;
use watchbook_base::{CameraId, Clock as _, GapReason};
use watchbook_capture::onvif::{
    Access, Corner, DeviceConfig, DeviceEvent, DeviceHandle, DeviceSink, DeviceState, DeviceStatus, DeviceUrl,
    Identity, MaskState, Noticed, Position, Ptz, PtzAct, spawn_device,
};

#[derive(Default)]
struct Heard {
    first: Option<Identity>,
    other: Option<String>,
    events: Vec<DeviceEvent>,
    states: Vec<DeviceState>,
    clock_offsets_ms: Vec<i64>,
    tokens: Vec<String>,
}

#[derive(Default)]
struct Listener {
    heard: Mutex<Heard>,
    changed: Condvar,
}

impl Listener {
    fn tell<T>(&self, change: impl FnOnce(&mut Heard) -> T) -> T {
        let told = change(&mut self.heard.lock().unwrap());
        self.changed.notify_all();
        told
    }

    /// Waits until `found` gives something.
    fn wait<T>(&self, what: &str, mut found: impl FnMut(&Heard) -> Option<T>) -> T {
        let mut value = None;
        let heard = self.heard.lock().unwrap();
        let (heard, _) = self
            .changed
            .wait_timeout_while(heard, SOON, |heard| {
                value = found(heard);
                value.is_none()
            })
            .unwrap();
        value.unwrap_or_else(|| panic!("{what}: {:?} {:?}", heard.states.last(), heard.events))
    }

    fn state(&self, what: &str, wanted: impl Fn(&DeviceState) -> bool) -> DeviceState {
        self.wait(what, |heard| heard.states.last().filter(|state| wanted(state)).cloned())
    }
}

impl DeviceSink for Listener {
    fn identified(&self, _: CameraId, identity: &Identity) -> bool {
        self.tell(|heard| {
            let known = heard.first.get_or_insert_with(|| identity.clone()).clone();
            heard.other = identity.differs_from(&known);
            heard.other.is_none()
        })
    }

    fn event(&self, event: DeviceEvent) {
        self.tell(|heard| heard.events.push(event));
    }

    fn state(&self, _: CameraId, state: DeviceState) {
        self.tell(|heard| heard.states.push(state));
    }

    fn may_set_clock(&self, _: CameraId, offset_ms: i64) -> bool {
        self.tell(|heard| heard.clock_offsets_ms.push(offset_ms));
        true
    }

    fn mask_tokens(&self, _: CameraId) -> Vec<String> {
        self.heard.lock().unwrap().tokens.clone()
    }

    fn set_mask_tokens(&self, _: CameraId, tokens: &[String]) {
        self.tell(|heard| heard.tokens = tokens.to_vec());
    }
}

/// Something happens at the camera; its state afterwards, as JSON.
fn control(server: &Server, what: &str) -> String {
    let address = server.url.trim_start_matches("http://").trim_end_matches('/');
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET /control/{what} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer.split_once("\r\n\r\n").unwrap().1.to_owned()
}

fn config(server: &Server) -> DeviceConfig {
    DeviceConfig {
        camera: CameraId::new(7).unwrap(),
        address: DeviceUrl::parse(&server.url).unwrap(),
        access: access("night <watch>"),
        networks: here(),
        events: true,
        set_clock: false,
        masks: None,
    }
}

fn follow(config: DeviceConfig) -> (Arc<Listener>, DeviceHandle) {
    let listener = Arc::new(Listener::default());
    let handle = spawn_device(config, listener.clone(), Arc::new(SystemClock));
    (listener, handle)
}

fn connected(state: &DeviceState) -> bool {
    state.status == DeviceStatus::Connected && state.failure.is_none()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_camera_notices_is_an_event_by_our_clock_with_its_own_beside_it() {
    for args in
        [&["--clock-offset-s", "7200", "--window-s", "20"][..], &["--subscription", "parameter", "--auth", "digest"]]
    {
        let server = onvif(args);
        let (listener, handle) = follow(config(&server));
        listener.state("subscribed", |state| connected(state) && state.events.is_some());
        let before = SystemClock.utc();
        control(&server, "motion/true");
        control(&server, "other/true");
        control(&server, "tamper/true");
        control(&server, "input/true");
        listener.wait("what somebody waits for", |heard| (heard.events.len() == 2).then_some(()));
        control(&server, "motion/false");
        let events = listener.wait("motion", |heard| (heard.events.len() == 3).then(|| heard.events.clone()));
        let noticed: Vec<_> =
            events.iter().map(|event| (event.noticed, event.end.is_some(), event.source.as_str())).collect();
        let wanted = [
            (Noticed::Tamper, false, "source0"),
            (Noticed::DigitalInput, false, "di0"),
            (Noticed::Motion, true, "MyMotionDetectorRule"),
        ];
        assert_eq!(noticed, wanted, "{args:?}");
        let ahead_s = if args[0] == "--clock-offset-s" { 7_200 } else { 0 };
        for event in events {
            let (early_s, late_s) =
                (before.nanos_since(event.start) / 1_000_000_000, event.start.nanos_since(SystemClock.utc()));
            assert!(early_s <= 2 && late_s <= 0, "{event:?}: the offset is good to a second");
            let theirs_s = event.camera_clock.unwrap().nanos_since(event.start) / 1_000_000_000;
            assert!((ahead_s - 2..=ahead_s + 2).contains(&theirs_s), "{event:?}");
        }
        let state = listener.state("counted", |state| state.events.is_some_and(|events| events.taken == 3));
        assert_eq!(state.events.map(|events| (events.dropped, events.other)), Some((0, 1)));
        handle.stop().await;
        assert!(
            control(&server, "x").contains("\"subscriptions\": 0"),
            "a camera with few places has one more: {}",
            server.log()
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_subscription_is_made_again_and_a_camera_without_events_says_so() {
    let server = onvif(&[]);
    let (listener, handle) = follow(config(&server));
    listener.state("subscribed", |state| connected(state) && state.events.is_some());
    control(&server, "subscriptions/");
    listener.wait("lost", |heard| heard.states.iter().any(|state| state.status == DeviceStatus::Lost).then_some(()));
    listener.state("subscribed again", |state| connected(state) && state.events.is_some());
    control(&server, "input/true");
    listener.wait("an event", |heard| (heard.events.len() == 1).then_some(()));
    handle.stop().await;

    let none = onvif(&["--fault", "no-events"]);
    let (listener, handle) = follow(config(&none));
    let state = listener.state("told", |state| state.failure.is_some());
    assert_eq!(state.status, DeviceStatus::Connected);
    assert!(state.failure.unwrap().detail.contains("no service for events"));
    handle.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_of_a_subscription_keeps_to_the_cameras_host_and_a_flood_is_counted() {
    let server = onvif(&["--fault", "hostile-subscription"]);
    let (listener, handle) = follow(config(&server));
    listener.state("subscribed", |state| connected(state) && state.events.is_some());
    control(&server, "input/true");
    listener.wait("an event from the camera's own host", |heard| (heard.events.len() == 1).then_some(()));
    handle.stop().await;

    let flood = onvif(&["--fault", "event-flood"]);
    let (listener, handle) = follow(config(&flood));
    let counts = |state: &DeviceState| state.events.unwrap_or_default();
    let state = listener.state("flooded", |state| counts(state).dropped >= 100);
    // At most two minutes began.
    let events = listener.wait("events", |heard| Some(heard.events.len() as u64));
    assert!((60..=120).contains(&counts(&state).taken) && events <= 120, "{state:?} {events}");
    handle.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clock_is_set_where_that_is_wanted_and_nothing_else_of_it() {
    let server = onvif(&["--clock-offset-s", "90"]);
    let (listener, handle) = follow(config(&server));
    listener.state("read", |state| {
        connected(state) && state.clock_offset_ms.is_some_and(|ms| (88_000..=92_000).contains(&ms))
    });
    handle.reconfigure(DeviceConfig { set_clock: true, ..config(&server) });
    // The simulated camera refuses to have its daylight saving or its time zone changed.
    listener.state("set", |state| state.clock_offset_ms.is_some_and(|ms| ms.abs() <= 2_000));
    let asked = listener.wait("asked", |heard| Some(heard.clock_offsets_ms.clone()));
    assert!(asked.len() == 1 && (88_000..=92_000).contains(&asked[0]), "{asked:?}");
    handle.stop().await;
    for (fault, part) in [("ntp", "time server"), ("clock-refused", "user name or password")] {
        let server = onvif(&["--clock-offset-s", "90", "--fault", fault]);
        let (listener, handle) = follow(DeviceConfig { set_clock: true, ..config(&server) });
        let state = listener.state(fault, |state| state.clock_problem.is_some());
        assert!(state.clock_problem.as_ref().unwrap().contains(part), "{state:?}");
        assert!(control(&server, "x").contains("\"clock_offset_s\": 90"), "it is as it was");
        handle.stop().await;
    }
}

fn corner((x, y): (f64, f64)) -> Corner {
    Corner { x, y }
}

fn window() -> Vec<Corner> {
    [(0.1, 0.2), (0.4, 0.2), (0.35, 0.6)].map(corner).to_vec()
}

fn missing(state: &DeviceState, part: &str) -> bool {
    matches!(&state.masks, MaskState::Missing(sentence) if sentence.contains(part))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn masks_are_set_read_back_watched_and_taken_away() {
    let server = onvif(&[]);
    let masks = |masks: &[Vec<Corner>]| DeviceConfig { events: false, masks: Some(masks.to_vec()), ..config(&server) };
    let (listener, handle) = follow(masks(&[window()]));
    listener.state("set", |state| state.masks == MaskState::Kept);
    // -1 to 1, upwards, to a 128th: (0.1, 0.2) is (-0.8, 0.6).
    let held = control(&server, "x");
    assert!(
        held.contains("\"masks\": [[[-0.796875, 0.6015625], [-0.203125, 0.6015625], [-0.296875, -0.203125]]]"),
        "{held}"
    );
    control(&server, "masks/lose");
    listener.state("lost", |state| missing(state, "had lost 1 of its 1 masks"));
    listener.state("there again", |state| state.masks == MaskState::Kept);
    assert_eq!(control(&server, "x").matches("[[").count(), 1);
    // Another shape is drawn in its place, a second one beside it, and both go when nobody wants them there.
    let other = [(0.5, 0.5), (0.9, 0.5), (0.9, 0.9), (0.5, 0.9)].map(corner).to_vec();
    handle.reconfigure(masks(&[other.clone(), window()]));
    listener.wait("two masks", |heard| (heard.tokens.len() == 2).then_some(()));
    listener.state("both set", |state| state.masks == MaskState::Kept);
    let said = listener.wait("told", |heard| Some(heard.states.iter().any(|state| missing(state, "of its 2"))));
    assert!(!said, "masks that have never been there are not lost");
    handle.reconfigure(DeviceConfig { masks: None, ..masks(&[]) });
    listener.wait("no masks", |heard| heard.tokens.is_empty().then_some(()));
    assert!(control(&server, "x").contains("\"masks\": []"));
    handle.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_camera_that_takes_no_mask_is_told_about() {
    for (args, part) in [
        (&["--fault", "masks-refused"][..], "No masks today"),
        (&["--fault", "masks-forgotten"], "1 of 1 masks are not in the camera"),
        (&["--media", "1"], "no service for masks"),
    ] {
        let server = onvif(args);
        let wanted = DeviceConfig { events: false, masks: Some(vec![window()]), ..config(&server) };
        let (listener, handle) = follow(wanted);
        let state = listener.state(part, |state| missing(state, part));
        assert!(state.status != DeviceStatus::Lost, "{state:?}");
        handle.stop().await;
    }
    let rectangles = onvif(&["--fault", "rectangles"]);
    let (listener, handle) = follow(DeviceConfig { events: false, masks: Some(vec![window()]), ..config(&rectangles) });
    listener.state("the rectangle around it", |state| state.masks == MaskState::Kept);
    handle.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_camera_at_the_same_address_is_left_alone() {
    let server = onvif(&[]);
    let (listener, handle) = follow(config(&server));
    // With its subscription: one that is made after the others are ended would go on with the camera that it was made for.
    listener.state("connected", |state| connected(state) && state.events.is_some());
    control(&server, "serial/SN0002");
    control(&server, "subscriptions/");
    let why = listener.wait("another one", |heard| heard.other.clone());
    assert_eq!(why, "its serial number is SN0002, that of the camera known here is SN0001");
    listener.state("left alone", |state| state.status == DeviceStatus::Lost);
    assert!(control(&server, "input/true").contains("\"subscriptions\": 0"), "{}", server.log());
    // Somebody accepts it.
    listener.tell(|heard| heard.first = None);
    handle.again();
    listener.state("followed", |state| connected(state) && state.events.is_some());
    handle.stop().await;
}

#[tokio::test]
async fn a_camera_is_turned_and_stops_by_itself() {
    for args in [&[][..], &["--media", "2", "--auth", "digest"]] {
        let server = onvif(args);
        let address = DeviceUrl::parse(&server.url).unwrap();
        let access = access("night <watch>");
        let mut ptz = Ptz::connect(&address, &access, &here()).await.unwrap();
        let place = Position { pan: 0.25, tilt: -0.5, zoom: 0.75 };
        ptz.act(&PtzAct::GoTo(place)).await.unwrap();
        assert_eq!(ptz.position().await.unwrap(), Some(place));
        let door = PtzAct::SetPreset { name: "Door <1>".into(), token: None };
        let token = ptz.act(&door).await.unwrap().unwrap();
        let presets: Vec<_> = ptz.presets().await.unwrap().into_iter().map(|preset| preset.name).collect();
        assert_eq!(presets, ["Gate", "Door <1>"]);
        ptz.act(&PtzAct::GoToPreset("1".into())).await.unwrap();
        assert_eq!(ptz.position().await.unwrap().map(|at| at.pan), Some(0.5));
        ptz.act(&PtzAct::GoToPreset(token.clone())).await.unwrap();
        ptz.act(&PtzAct::RemovePreset(token.clone())).await.unwrap();
        let refused = ptz.act(&PtzAct::GoToPreset(token)).await.unwrap_err();
        assert!(
            refused.detail.contains("No such preset")
                && refused.next_step.contains("turn") | refused.next_step.contains("Turn"),
            "{refused}"
        );

        let left = |timeout_ms| PtzAct::Move { pan: -1.0, tilt: 0.0, zoom: 0.0, timeout_ms };
        ptz.act(&left(60_000)).await.unwrap();
        assert!(control(&server, "x").contains("\"moves\": true"));
        ptz.act(&PtzAct::Stop).await.unwrap();
        assert!(control(&server, "x").contains("\"moves\": false"));
        // Nobody says stop.
        ptz.act(&left(50)).await.unwrap();
        let since = std::time::Instant::now();
        while control(&server, "x").contains("\"moves\": true") {
            assert!(since.elapsed() < SOON, "it turns for ever");
        }
    }
    let server = onvif(&["--fault", "html"]);
    let failure = Ptz::connect(&DeviceUrl::parse(&server.url).unwrap(), &Access::default(), &here()).await.unwrap_err();
    assert_eq!(failure.reason, GapReason::StreamUnusable);
}
