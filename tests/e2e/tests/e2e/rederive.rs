//! Events that are derived again from what was recorded, through the API of the real recorder.

use crate::cameras::gst;
use crate::not_tested;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use watchbook_e2e::recorder::{Camera, SOON, now_ms};
use watchbook_e2e::{Recorder, wait_for};

/// An event of a scene that moves all the time takes half a minute at most.
const EVENT_MAX: Duration = Duration::from_secs(180);
/// Events of one plugin that figures are made of.
const PICKED_MAX: usize = 20;
const MOTION: &str = "org.watchbook.motion";

/// The newest events of the camera, the oldest first.
pub(crate) fn events(recorder: &Recorder, camera: &Camera) -> Vec<Value> {
    let now = now_ms();
    let range = format!("from_utc_ms={}&to_utc_ms={}", now - 3_600_000, now + 60_000);
    let list = recorder.client.get(&format!("/api/v1/events?{range}&camera={}&limit=500", camera.id)).ok().json();
    let mut events = list["events"].as_array().cloned().unwrap_or_default();
    events.reverse();
    events
}

/// Where the event is derived again.
pub(crate) fn path(camera: &Camera, event: &Value) -> String {
    format!("/api/v1/cameras/{}/events/{}/rederive", camera.id, event["id"].as_str().expect("an event has an id"))
}

/// Derives it again and waits for what comes out.
fn rederived(recorder: &mut Recorder, camera: &Camera, event: &Value, warm_up_s: u32) -> Value {
    let path = path(camera, event);
    let body = json!({
        "start_utc_ms": event["start_utc_ms"], "end_utc_ms": event["end_utc_ms"], "warm_up_s": warm_up_s,
    });
    let asked = recorder.client.send("POST", &path, &body);
    assert_eq!(asked.status, 202, "{}", String::from_utf8_lossy(&asked.body));
    let row = wait_for("the event to be derived again", 6 * SOON, || {
        let row = recorder.client.get(&path).ok().json();
        if row["state"] == "done" { Ok(row) } else { Err(row.to_string()) }
    });
    row["result"].clone()
}

#[test]
fn an_event_comes_out_of_its_footage_again_and_the_log_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let server = gst(&[]);
    let mut recorder = Recorder::claim(dir.path());
    if recorder.plugin(MOTION).is_null() {
        // `make test` builds the plugins first, and says at its end what it has passed without.
        return not_tested("no motion plugin; WATCHBOOK_PLUGINS names the folder of the built plugins");
    }
    let camera = recorder.add_camera("Square", &format!("{}main", server.url()), Some(&format!("{}sub", server.url())));
    recorder.bind_plugin(&camera, MOTION);
    let event = wait_for("an event", EVENT_MAX, || {
        events(&recorder, &camera).into_iter().next().ok_or_else(|| recorder.plugin(MOTION).to_string())
    });
    let result = rederived(&mut recorder, &camera, &event, 60);
    // The plugin began with the camera: nothing that it knew is missing, and every frame that it saw is on disk.
    assert_eq!((&result["outcome"], &result["from_its_start"]), (&json!("same"), &json!(true)), "{result}");
    assert_eq!((&result["frames"], &result["frames_lost"]), (&result["frames_known"], &json!(0)), "{result}");
    assert_eq!(result["component_sha256"], event["source"]["component_sha256"]);

    let inputs = recorder.client.get(&format!(
        "{}/inputs?start_utc_ms={}&end_utc_ms={}",
        path(&camera, &event),
        event["start_utc_ms"],
        event["end_utc_ms"]
    ));
    let inputs = inputs.ok().json();
    assert_eq!((&inputs["event"], &inputs["role"]), (&event, &json!("sub_video")));
    assert!(
        inputs["lead"]["times_utc_ns"]
            .as_array()
            .is_some_and(|times| times.len() as u64 >= result["frames_known"].as_u64().unwrap())
    );

    let log = recorder.client.get("/api/v1/audit?limit=100").ok().json();
    let entries = log["entries"].as_array().cloned().unwrap_or_default();
    let of = |action: &str| entries.iter().filter(|entry| entry["action"] == action).count();
    assert_eq!((of("rederive"), of("rederived")), (1, 1), "{log}");

    // Another moment is another event.
    let mut other = event.clone();
    other["start_utc_ms"] = json!(event["start_utc_ms"].as_i64().unwrap() + 1);
    let body = json!({ "start_utc_ms": other["start_utc_ms"], "end_utc_ms": other["end_utc_ms"] });
    assert_eq!(recorder.client.send("POST", &path(&camera, &event), &body).status, 404);

    // What came out is kept.
    assert_eq!(recorder.stop(), Some(0));
    recorder.restart();
    let kept = recorder.client.get(&path(&camera, &event)).ok().json();
    assert_eq!(kept["result"], result);
}

/// How often first-party plugins give the same event again. Prints a table; `WATCHBOOK_MINUTES` of one camera with `WATCHBOOK_TRACKS` (`main2 sub2`).
#[test]
#[ignore = "takes as long as it is told to; prints figures"]
fn how_often_the_same_event_comes_out() {
    let minutes: u64 = std::env::var("WATCHBOOK_MINUTES").ok().and_then(|text| text.parse().ok()).unwrap_or(6);
    let tracks = std::env::var("WATCHBOOK_TRACKS").unwrap_or_else(|_| "main sub".to_owned());
    let (main, sub) = tracks.split_once(' ').expect("two tracks");
    let dir = tempfile::tempdir().unwrap();
    let server = gst(&[]);
    let mut recorder = Recorder::claim(dir.path());
    let camera =
        recorder.add_camera("Scene", &format!("{}{main}", server.url()), Some(&format!("{}{sub}", server.url())));
    for plugin in ["motion", "crossing", "traffic", "tamper"].map(|name| format!("org.watchbook.{name}")) {
        if !recorder.plugin(&plugin).is_null() {
            recorder.bind_plugin(&camera, &plugin);
        }
    }
    let end = Instant::now() + Duration::from_secs(60 * minutes);
    wait_for("the scene to be watched", Duration::from_secs(60 * minutes + 30), || {
        if Instant::now() >= end { Ok(()) } else { Err("not yet".to_owned()) }
    });
    let all = events(&recorder, &camera);
    // Of each plugin some, evenly spread.
    let mut of_plugin: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for event in all {
        of_plugin.entry(event["source"]["plugin"].as_str().unwrap_or_default().to_owned()).or_default().push(event);
    }
    let mut said = 0;
    let mut say = |line: String| {
        use std::io::Write as _;
        said += 1;
        // The figures are what this is for.
        writeln!(std::io::stderr(), "{line}").unwrap();
    };
    for (plugin, events) in of_plugin {
        let picked: Vec<&Value> = events.iter().step_by(events.len().div_ceil(PICKED_MAX)).collect();
        let (mut counts, mut took_ms) = (BTreeMap::<String, u32>::new(), 0);
        for event in &picked {
            let result = rederived(&mut recorder, &camera, event, 120);
            let outcome = result["outcome"].as_str().unwrap_or_default().to_owned();
            if outcome != "same" {
                say(format!("  {plugin}: {result}"));
            }
            let fresh = if result["from_its_start"] == true { " from its start" } else { "" };
            *counts.entry(format!("{outcome}{fresh}")).or_default() += 1;
            took_ms += result["took_ms"].as_u64().unwrap_or(0);
        }
        let (all, some) = (events.len(), picked.len());
        let each_ms = took_ms / some.max(1) as u64;
        say(format!("{plugin}: {some} of {all} events: {counts:?}, {each_ms} ms each"));
    }
    assert!(said > 0, "no plugin gave an event");
}
