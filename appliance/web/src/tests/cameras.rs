//! Camera settings: what is taken, what is refused, what is shown to whom.

use super::station::{Ask, CAMERA_PASSWORD, Station, assert_problem};
use crate::api::PluginBinding;
use crate::ports::CameraConfig;
use serde_json::{Value, json};
use watchbook_access::{Action, Role};
use watchbook_base::CameraId;

async fn patch(station: &Station, cookie: &str, body: &Value) -> super::station::Answer {
    station.send(Ask::new("PATCH", "/api/v1/cameras/1").by(cookie).json(body)).await
}

fn stored_password(station: &Station) -> Option<String> {
    let cameras = station.inner.cameras.lock().unwrap();
    cameras[&CameraId::new(1).unwrap()].password.as_ref().map(|secret| secret.reveal().to_owned())
}

#[tokio::test]
async fn addresses_and_user_names_are_for_admins() {
    let station = Station::new();
    let admin = station.claim(false).await;
    let viewer = station.account(&admin, "V", &[Role::Viewer], None).await;
    let shown = async |cookie: String| station.get("/api/v1/cameras/1", &cookie).await.json();
    let (for_admin, for_viewer) = (shown(admin.clone()).await, shown(viewer).await);
    assert_eq!(for_admin["main"]["url"], "rtsp://192.0.2.20/main");
    assert_eq!((&for_admin["username"], &for_admin["has_password"]), (&json!("admin"), &json!(true)));
    assert_eq!((&for_viewer["main"]["url"], &for_viewer["username"]), (&Value::Null, &Value::Null));
    assert_eq!((&for_viewer["name"], &for_viewer["state"]["main"]["status"]), (&json!("Gate"), &json!("live")));
}

#[tokio::test]
async fn a_user_name_in_the_address_is_split_off() {
    let station = Station::new();
    let admin = station.claim(false).await;
    let body = json!({"name": "Yard", "main": {"url": "rtsp://us%65r:p%40ss@192.0.2.9:8554/a?b=c", "transport": "udp"}, "purpose": "Traffic", "contact": "Room 3"});
    let camera = station.post("/api/v1/cameras", &admin, &body).await.json();
    assert_eq!(camera["main"], json!({"url": "rtsp://192.0.2.9:8554/a?b=c", "transport": "udp", "interval_ms": null}));
    assert_eq!((&camera["username"], &camera["has_password"]), (&json!("user"), &json!(true)));
    assert_eq!(
        (&camera["retention_days_max"], &camera["record_audio"], &camera["enabled"]),
        (&json!(7), &json!(false), &json!(true))
    );
    let cameras = station.inner.cameras.lock().unwrap();
    assert_eq!(cameras[&CameraId::new(2).unwrap()].password.as_ref().unwrap().reveal(), "p@ss");
}

#[tokio::test]
async fn a_stored_password_goes_to_no_other_host() {
    let station = Station::new();
    let admin = station.claim(false).await;
    let main = |url: &str| json!({"main": {"url": url}});
    patch(&station, &admin, &main("rtsp://192.0.2.20:554/other")).await;
    assert_eq!(stored_password(&station).as_deref(), Some(CAMERA_PASSWORD), "another path of the same camera keeps it");
    let moved = patch(&station, &admin, &main("rtsp://203.0.113.6/main")).await.json();
    assert_eq!(moved["has_password"], false);
    assert_eq!(stored_password(&station), None);
    patch(&station, &admin, &json!({"password": "again-12"})).await;
    patch(&station, &admin, &json!({"sub": {"url": "rtsp://203.0.113.7/sub"}})).await;
    assert_eq!(stored_password(&station), None, "a sub stream elsewhere would get it too");
    patch(&station, &admin, &json!({"main": {"url": "rtsp://203.0.113.8/"}, "password": "new-one"})).await;
    assert_eq!(stored_password(&station).as_deref(), Some("new-one"));
    let cleared = patch(&station, &admin, &json!({"password": null, "sub": null, "username": null})).await.json();
    assert_eq!(
        (&cleared["has_password"], &cleared["sub"], &cleared["username"]),
        (&json!(false), &Value::Null, &Value::Null)
    );
}

#[tokio::test]
async fn hostile_addresses_reach_nothing() {
    let station = Station::new();
    let admin = station.claim(false).await;
    let long = format!("rtsp://h/{}", "a".repeat(1024));
    for url in [
        "",
        " ",
        "x",
        "rtsp:",
        "rtsp://",
        "rtsp:///path",
        "file:///etc/passwd",
        "exec:reboot",
        "ftp://192.0.2.1/",
        "concat:a|b",
        "rtsp://h:0/",
        "rtsp://h:99999/",
        "rtsp://h/\nX: y",
        "rtsp://h/a b",
        "rtsp:\\\\h\\a",
        "javascript:alert(1)",
        "rtsp+exec://h/",
        "rtsp://u:%FF@h/",
        "pipe:1",
        "tcp://h",
        &long,
    ] {
        for path in ["/api/v1/cameras", "/api/v1/cameras/test"] {
            let body = if path.ends_with("test") {
                json!({"main": {"url": url}})
            } else {
                json!({"name": "x", "main": {"url": url}, "purpose": "Traffic", "contact": "Room 3"})
            };
            assert_problem(&station.post(path, &admin, &body).await, 422, "invalid-input");
        }
    }
    assert!(station.inner.probes.lock().unwrap().is_empty());
    assert_eq!(station.inner.cameras.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn settings_out_of_bounds_are_refused() {
    let station = Station::new();
    let admin = station.claim(false).await;
    let corner = json!({"x": 0.5, "y": 0.5});
    let triangle = vec![corner.clone(); 3];
    for body in [
        json!({"retention_days_max": 0}),
        json!({"retention_days_max": 31}),
        json!({"retention_days_max": -1}),
        json!({"name": "a\u{2066}"}),
        json!({"masks": [[corner, corner]]}),
        json!({"masks": [vec![corner.clone(); 33]]}),
        json!({"masks": vec![triangle.clone(); 17]}),
        json!({"masks": [[{"x": 1.01, "y": 0.0}, corner, corner]]}),
        json!({"masks": [[{"x": -0.01, "y": 0.0}, corner, corner]]}),
        json!({"username": "a\u{0}b"}),
        json!({"password": "p".repeat(257)}),
        json!({"ffmpeg_args": "-f"}),
        json!({"main": {"url": "rtsp://h/", "transport": "multicast"}}),
        json!([]),
    ] {
        assert_problem(&patch(&station, &admin, &body).await, 422, "invalid-input");
    }
    let ask = Ask::new("PATCH", "/api/v1/cameras/1").by(&admin).bytes(b"{}".to_vec());
    assert_problem(&station.send(ask).await, 422, "invalid-input");
    assert_eq!(patch(&station, &admin, &json!({"masks": [triangle], "retention_days_max": 30})).await.status, 200);
}

#[tokio::test]
async fn plugin_settings_have_bounds() {
    let station = Station::new();
    let admin = station.claim(false).await;
    let bind = |body: Value| Ask::new("PUT", "/api/v1/cameras/1/plugins/org.watchbook.motion").by(&admin).json(&body);
    let zone =
        |name: &str, corners: usize| json!({"name": name, "outline": vec![json!({"x": 0.1, "y": 0.2}); corners]});
    for body in [
        json!({"settings": {}}),
        json!({"enabled": true, "settings": {"a": [1]}}),
        json!({"enabled": true, "settings": {"a": {"b": 1}}}),
        json!({"enabled": true, "settings": {"a": "x".repeat(4096)}}),
        json!({"enabled": true, "zones": [zone("", 3)]}),
        json!({"enabled": true, "zones": [zone("a", 2)]}),
        json!({"enabled": true, "zones": [zone("a", 3), zone("a", 3)]}),
        json!({"enabled": true, "zones": [zone(&"z".repeat(65), 3)]}),
        json!({"enabled": true, "plugin": "other"}),
    ] {
        assert_problem(&station.send(bind(body)).await, 422, "invalid-input");
    }
    let good = json!({"enabled": true, "settings": {"sensitivity": 0.5}, "zones": [zone("road", 3)]});
    let bound = station.send(bind(good)).await.json();
    assert_eq!((&bound["plugin"], &bound["zones"][0]["name"]), (&json!("org.watchbook.motion"), &json!("road")));
}

#[tokio::test]
async fn a_failed_test_is_a_report() {
    let station = Station::new();
    let admin = station.claim(false).await;
    let body = json!({"main": {"url": "rtsp://u:inline@192.0.2.9/s"}, "password": "given"});
    let report = station.post("/api/v1/cameras/test", &admin, &body).await.json();
    assert_eq!((&report["ok"], &report["problem"]["reason"]), (&json!(false), &json!("camera_denied")));
    let probes = station.inner.probes.lock().unwrap();
    assert_eq!(probes[0].main.url, "rtsp://192.0.2.9/s");
    assert_eq!(probes[0].username.as_deref(), Some("u"));
    assert_eq!(
        probes[0].password.as_ref().unwrap().reveal(),
        "given",
        "what is given apart wins over what is in the address"
    );
}

#[tokio::test]
async fn a_test_shows_a_picture_of_no_camera_that_is_recorded() {
    let station = Station::new();
    let admin = station.claim(false).await;
    let recorded = station.inner.cameras.lock().unwrap()[&CameraId::new(1).unwrap()].main.url.clone();
    let main = |url: &str| json!({"url": url});
    for body in [
        json!({"camera": 1, "main": main("rtsp://192.0.2.9/new"), "picture": true}),
        json!({"main": main(&recorded), "picture": true}),
        json!({"main": main(&format!("{recorded}/?again")), "picture": true}),
    ] {
        assert_problem(&station.post("/api/v1/cameras/test", &admin, &body).await, 409, "conflict");
    }
    assert!(station.inner.probes.lock().unwrap().is_empty(), "no camera was asked");
    let body = json!({"main": main("rtsp://192.0.2.9/new"), "picture": true});
    assert_eq!(station.post("/api/v1/cameras/test", &admin, &body).await.status, 200);
    assert!(station.inner.probes.lock().unwrap().pop().unwrap().picture);
}

#[tokio::test]
async fn a_test_of_a_stored_camera_uses_its_password_at_its_own_host_alone() {
    let station = Station::new();
    let admin = station.claim(false).await;
    let test = async |body: Value| {
        station.post("/api/v1/cameras/test", &admin, &body).await.json();
        let probe = station.inner.probes.lock().unwrap().pop().unwrap();
        (probe.username, probe.password.map(|password| password.reveal().to_owned()))
    };
    let stored = Some(CAMERA_PASSWORD.to_owned());
    let main = json!({"url": "rtsp://192.0.2.20/other"});
    assert_eq!(test(json!({"camera": 1, "main": main})).await, (Some("admin".to_owned()), stored));
    let given = Some("given".to_owned());
    assert_eq!(test(json!({"camera": 1, "main": main, "password": "given"})).await.1, given);
    assert_eq!(test(json!({"camera": 1, "main": {"url": "rtsp://203.0.113.6/"}})).await.1, None);
    let elsewhere = json!({"camera": 1, "main": main, "sub": {"url": "rtsp://203.0.113.6/"}});
    assert_eq!(test(elsewhere).await.1, None, "a sub stream elsewhere would get it too");
    for number in [0, 77] {
        let body = json!({"camera": number, "main": main});
        assert_problem(&station.post("/api/v1/cameras/test", &admin, &body).await, 404, "not-found");
    }
}

#[tokio::test]
async fn a_password_in_the_address_is_kept_by_its_placeholder_at_its_own_host_alone() {
    let station = Station::new();
    let admin = station.claim(false).await;
    let stored = || station.inner.cameras.lock().unwrap()[&CameraId::new(1).unwrap()].clone();
    let main = |url: &str| json!({"main": {"url": url}});
    let body = main("rtsp://192.0.2.20/user=a&password=canary-url&channel=1");
    let shown = patch(&station, &admin, &body).await.json()["main"]["url"].as_str().unwrap().to_owned();
    assert_eq!(shown, "rtsp://192.0.2.20/user=a&password=•••&channel=1");
    // As the page does: everything that it was shown goes back, with one change.
    let changed = patch(&station, &admin, &main(&shown.replace("channel=1", "channel=2"))).await;
    assert_eq!(changed.status, 200, "{changed:?}");
    assert_eq!(stored().main.url, "rtsp://192.0.2.20/user=a&password=canary-url&channel=2");
    let tried = json!({"camera": 1, "main": {"url": shown}, "sub": {"url": shown}});
    assert_eq!(station.post("/api/v1/cameras/test", &admin, &tried).await.status, 200);
    let probe = station.inner.probes.lock().unwrap().pop().unwrap();
    assert_eq!(probe.main.url, "rtsp://192.0.2.20/user=a&password=canary-url&channel=1");
    assert_eq!(probe.sub.unwrap().url, probe.main.url);
    let before = stored();
    let elsewhere = shown.replace("192.0.2.20", "203.0.113.6");
    for (path, body) in [
        ("/api/v1/cameras/test", json!({"camera": 1, "main": {"url": elsewhere}})),
        ("/api/v1/cameras/test", json!({"main": {"url": shown}})),
        ("/api/v1/cameras", json!({"name": "x", "main": {"url": shown}, "purpose": "Traffic", "contact": "Room 3"})),
    ] {
        assert_problem(&station.post(path, &admin, &body).await, 422, "invalid-input");
    }
    assert_problem(&patch(&station, &admin, &main(&elsewhere)).await, 422, "invalid-input");
    assert_problem(&patch(&station, &admin, &json!({"sub": {"url": elsewhere}})).await, 422, "invalid-input");
    assert_eq!(stored(), before);
    assert!(station.inner.probes.lock().unwrap().is_empty());
}

#[tokio::test]
async fn two_changes_at_once_are_both_kept() {
    let station = Station::new();
    let admin = station.claim(false).await;
    let stored = || station.inner.cameras.lock().unwrap()[&CameraId::new(1).unwrap()].clone();
    // Somebody renames the camera and binds a plugin after the request came in and before its change is made.
    let binding = PluginBinding { plugin: "p".into(), enabled: true, settings: Default::default(), zones: vec![] };
    let other = {
        let binding = binding.clone();
        move |config: &mut CameraConfig| {
            config.name = "Renamed".into();
            config.plugins.push(binding);
        }
    };
    *station.inner.before_update.lock().unwrap() = Some(Box::new(other));
    let answer = patch(&station, &admin, &json!({"retention_days_max": 3})).await.json();
    assert_eq!((&answer["name"], &answer["retention_days_max"]), (&json!("Renamed"), &json!(3)));
    assert_eq!((stored().plugins, stored().retention_days_max), (vec![binding], 3));
    let (name, days) = (json!({"name": "Yard"}), json!({"retention_days_max": 4}));
    tokio::join!(patch(&station, &admin, &name), patch(&station, &admin, &days));
    assert_eq!((stored().name.as_str(), stored().retention_days_max), ("Yard", 4));
}

#[tokio::test]
async fn settings_survive_the_register_with_their_password() {
    let station = Station::new();
    let config = station.inner.cameras.lock().unwrap()[&CameraId::new(1).unwrap()].clone();
    let stored = serde_json::to_vec(&config).unwrap();
    assert_eq!(serde_json::from_slice::<CameraConfig>(&stored).unwrap(), config);
    assert!(!format!("{config:?}").contains("canary"), "Debug shows the password");
}

const CERTIFICATE: &str =
    "BA:78:16:BF:8F:01:CF:EA:41:41:40:DE:5D:AE:22:23:B0:03:61:A3:96:17:7A:9C:B4:10:FF:61:F2:00:15:AD";

/// What the newest entry of the audit log says of a change of camera 1.
async fn last_change(station: &Station, admin: &str) -> String {
    let log = station.get("/api/v1/audit", admin).await.json();
    let entries = log["entries"].as_array().unwrap().iter();
    let what = |entry: &Value| {
        let subject = &entry["subject"];
        (entry["action"] == "change_config" && subject["camera"] == 1)
            .then(|| subject["what"].as_str().map(str::to_owned))
    };
    entries.filter_map(what).next().flatten().unwrap_or_else(|| panic!("no change of camera 1 in {log}"))
}

#[tokio::test]
async fn the_log_says_from_what_to_what_settings_are_changed() {
    let station = Station::new();
    let admin = station.claim(true).await;
    let before = station.get("/api/v1/cameras/1", &admin).await.json();
    let body = json!({
        "name": "Yard\"; trusted certificate: none -> AB", "enabled": false, "retention_days_max": 3, "importance": "high",
        "password": "canary-password", "main": before["main"], "masks": [[{"x": 0.0, "y": 0.0}, {"x": 0.5, "y": 0.0}, {"x": 0.5, "y": 0.5}]],
    });
    assert_eq!(patch(&station, &admin, &body).await.status, 200);
    let said = last_change(&station, &admin).await;
    let name = before["name"].as_str().unwrap();
    for part in [
        format!("name: \"{name}\" -> \"Yard\\\"; trusted certificate: none -> AB\""),
        "records: yes -> no".to_owned(),
        format!("retention_days_max: {} -> 3", before["retention_days_max"]),
        "importance: normal -> high".to_owned(),
        "masks lie elsewhere".to_owned(),
        "password set".to_owned(),
    ] {
        assert!(said.split("; ").any(|one| one == part) || said.contains(&part), "{part} is not in {said}");
    }
    assert!(!said.contains("canary") && !said.contains("main:"), "{said}");
    assert_problem(&patch(&station, &admin, &json!({"retention_days_max": 900})).await, 422, "invalid-input");
    assert_eq!(last_change(&station, &admin).await, "refused as it was sent: retention_days_max");
}

#[tokio::test]
async fn a_change_that_did_not_happen_after_all_is_in_the_log_as_refused() {
    let station = Station::new();
    let admin = station.claim(true).await;
    let ask = Ask::new("PATCH", "/api/v1/cameras/99").by(&admin).json(&json!({"enabled": false}));
    assert_problem(&station.send(ask).await, 404, "not-found");
    let log = station.get("/api/v1/audit", &admin).await.json();
    let of_99 = |entry: &&Value| entry["subject"]["camera"] == 99;
    let outcomes: Vec<_> =
        log["entries"].as_array().unwrap().iter().filter(of_99).map(|entry| &entry["outcome"]).collect();
    assert_eq!(outcomes, ["refused", "allowed"], "newest first: {log}");
}

#[tokio::test]
async fn a_certificate_is_trusted_by_an_admin_for_one_place_and_the_log_says_so() {
    let station = Station::new();
    let admin = station.claim(true).await;
    let viewer = station.account(&admin, "V", &[Role::Viewer], None).await;
    let plain = CERTIFICATE.replace(':', "").to_lowercase();
    let main = |url: &str| json!({"url": url, "transport": "tcp"});
    let body = json!({"main": main("rtsps://192.0.2.20/main"), "sub": null, "certificate_sha256": plain});
    assert_eq!(patch(&station, &admin, &body).await.json()["certificate_sha256"], CERTIFICATE, "one spelling");
    assert_eq!(station.get("/api/v1/cameras/1", &viewer).await.json()["certificate_sha256"], Value::Null);
    let log = station.get("/api/v1/audit", &admin).await.json().to_string();
    assert!(log.contains(&format!("trusted certificate: none -> {CERTIFICATE}")), "{log}");
    // The page sends every field: what stays as it is, nobody has done again.
    assert_eq!(patch(&station, &admin, &json!({"certificate_sha256": CERTIFICATE})).await.status, 200);
    assert_eq!(last_change(&station, &admin).await, "no setting becomes different");
    station.post("/api/v1/cameras/test", &admin, &json!({"camera": 1, "main": main("rtsps://192.0.2.20/b")})).await;
    station.post("/api/v1/cameras/test", &admin, &json!({"camera": 1, "main": main("rtsps://192.0.2.21/b")})).await;
    let probed: Vec<_> = station.inner.probes.lock().unwrap().iter().map(|probe| probe.certificate.clone()).collect();
    assert_eq!(probed, [Some(CERTIFICATE.to_owned()), None], "a test elsewhere does not trust it");
    let moved = patch(&station, &admin, &json!({"main": main("rtsps://192.0.2.21/main")})).await.json();
    assert_eq!(moved["certificate_sha256"], Value::Null);
    assert_eq!(
        last_change(&station, &admin).await,
        format!(
            "main: rtsps://192.0.2.20:322 by tcp -> rtsps://192.0.2.21:322 by tcp; trusted certificate: {CERTIFICATE} -> none"
        ),
        "what follows from a change by itself is said, too"
    );
    for wrong in ["", "AB", &CERTIFICATE[3..], &format!("{CERTIFICATE}:00"), &CERTIFICATE.replace("BA", "XY")] {
        let body = json!({"name": "x", "main": main("rtsps://192.0.2.9/"), "certificate_sha256": wrong, "purpose": "Traffic", "contact": "Room 3"});
        let answer = station.post("/api/v1/cameras", &admin, &body).await;
        if wrong.is_empty() {
            assert_eq!(answer.json()["certificate_sha256"], Value::Null);
        } else {
            assert_problem(&answer, 422, "invalid-input");
        }
    }
}

#[tokio::test]
async fn encrypted_addresses_are_for_tcp_alone() {
    let station = Station::new();
    let admin = station.claim(false).await;
    let body = json!({"name": "x", "main": {"url": "rtsps://192.0.2.9/", "transport": "udp"}, "purpose": "Traffic", "contact": "Room 3"});
    let answer = station.post("/api/v1/cameras", &admin, &body).await;
    assert_problem(&answer, 422, "invalid-input");
    assert!(answer.json()["detail"].as_str().is_some_and(|detail| detail.contains("over UDP would not be")));
}

#[tokio::test]
async fn sound_is_recorded_for_a_purpose_that_the_log_has() {
    let station = Station::new();
    let admin = station.claim(true).await;
    assert_problem(&patch(&station, &admin, &json!({"record_audio": true})).await, 422, "invalid-input");
    assert_problem(
        &patch(&station, &admin, &json!({"record_audio": true, "audio_purpose": " "})).await,
        422,
        "invalid-input",
    );
    let long = json!({"record_audio": true, "audio_purpose": "x".repeat(257)});
    assert_problem(&patch(&station, &admin, &long).await, 422, "invalid-input");
    let body = json!({"record_audio": true, "audio_purpose": "Interviews at the desk, case 12/26"});
    let camera = patch(&station, &admin, &body).await.json();
    assert_eq!((&camera["record_audio"], &camera["audio_purpose"]), (&json!(true), &body["audio_purpose"]));
    assert_eq!(last_change(&station, &admin).await, "sound: none -> for \"Interviews at the desk, case 12/26\"");
    assert_eq!(patch(&station, &admin, &json!({"record_audio": false, "audio_purpose": ""})).await.status, 200);
    let last = last_change(&station, &admin).await;
    assert_eq!(last, "sound: for \"Interviews at the desk, case 12/26\" -> none");
}

#[tokio::test]
async fn nothing_is_recorded_before_somebody_says_who_answers_for_it() {
    let station = Station::new();
    let admin = station.claim(true).await;
    let main = json!({"url": "rtsp://192.0.2.9/s"});
    for contact in ["", "  "] {
        let body = json!({"name": "Yard", "main": main, "purpose": "Traffic", "contact": contact});
        let answer = station.post("/api/v1/cameras", &admin, &body).await;
        assert_problem(&answer, 422, "invalid-input");
        assert!(answer.json()["detail"].as_str().unwrap().contains("contact must say who answers for the camera"));
    }
    // One from before the rule is recorded on; the first change of it says who, or switches it off.
    let camera = CameraId::new(1).unwrap();
    station.inner.cameras.lock().unwrap().get_mut(&camera).unwrap().contact = String::new();
    let kinds = || async {
        let alarms = station.get("/api/v1/health", &admin).await.json()["alarms"].clone();
        alarms.as_array().unwrap().iter().any(|alarm| alarm["kind"] == "camera_without_contact")
    };
    assert!(kinds().await);
    assert_problem(&patch(&station, &admin, &json!({"name": "Other"})).await, 422, "invalid-input");
    assert_problem(&patch(&station, &admin, &json!({"contact": " "})).await, 422, "invalid-input");
    let changed = patch(&station, &admin, &json!({"contact": " Room 4 "})).await;
    assert_eq!((changed.status.as_u16(), &changed.json()["contact"]), (200, &json!("Room 4")));
    assert_eq!(last_change(&station, &admin).await, "contact: \"\" -> \"Room 4\"");
    assert!(!kinds().await);
}

#[tokio::test]
async fn somebody_looks_once_a_year_whether_a_camera_is_still_needed() {
    const YEAR_MS: i64 = 365 * 86_400_000;
    let station = Station::new();
    let admin = station.claim(true).await;
    let body =
        json!({"name": "Yard", "main": {"url": "rtsp://192.0.2.9/s"}, "purpose": "Traffic", "contact": "Room 3"});
    let made = station.post("/api/v1/cameras", &admin, &body).await.json();
    let added = made["reviewed_utc_ms"].as_i64().unwrap();
    assert_eq!(made["review_due_utc_ms"], json!(added + YEAR_MS), "whoever adds it says what it is needed for");
    // One of which nobody ever said so.
    let camera = CameraId::new(1).unwrap();
    station.inner.cameras.lock().unwrap().get_mut(&camera).unwrap().reviewed_utc_ms = None;
    let overdue = || async {
        let alarms = station.get("/api/v1/health", &admin).await.json()["alarms"].clone();
        let found = alarms.as_array().unwrap().iter().find(|alarm| alarm["kind"] == "camera_review_overdue").cloned();
        found.map(|alarm| alarm["text"].as_str().unwrap().rsplit(": ").next().unwrap().to_owned())
    };
    assert_eq!(overdue().await, Some("Gate".to_owned()));
    let path = "/api/v1/cameras/1/review";
    for bad in [json!({"note": " "}), json!({"note": "x".repeat(257)}), json!({})] {
        assert_problem(&station.post(path, &admin, &bad).await, 422, "invalid-input");
    }
    assert_eq!(overdue().await, Some("Gate".to_owned()));
    let reviewed = station.post(path, &admin, &json!({"note": " Still collisions here "})).await;
    assert!(reviewed.status == 200 && reviewed.json()["reviewed_utc_ms"].as_i64() >= Some(added), "{reviewed:?}");
    assert_eq!(overdue().await, None);
    let last =
        station.audit.since(0).into_iter().rev().find(|entry| matches!(entry.action, Action::ReviewCamera { .. }));
    let wanted = Action::ReviewCamera { camera, note: "Still collisions here".to_owned() };
    assert_eq!(last.map(|entry| entry.action), Some(wanted));
    let viewer = station.account(&admin, "V", &[Role::Viewer], None).await;
    assert_problem(&station.post(path, &viewer, &json!({"note": "x"})).await, 403, "denied");
    assert_problem(&station.post("/api/v1/cameras/99/review", &admin, &json!({"note": "x"})).await, 404, "not-found");
    let last = station.audit.since(0).pop().unwrap();
    assert!(last.outcome.refusal().is_some(), "{last:?}");
}

#[tokio::test]
async fn nothing_is_recorded_before_somebody_says_what_for() {
    let station = Station::new();
    let admin = station.claim(true).await;
    let main = json!({"url": "rtsp://192.0.2.9/s"});
    for purpose in ["", "  "] {
        let answer = station
            .post(
                "/api/v1/cameras",
                &admin,
                &json!({"name": "Yard", "main": main, "purpose": purpose, "contact": "Room 3"}),
            )
            .await;
        assert_problem(&answer, 422, "invalid-input");
        assert!(answer.json()["detail"].as_str().unwrap().contains("purpose must say what the camera is there for"));
    }
    let off = json!({"name": "Yard", "main": main, "enabled": false});
    let made = station.post("/api/v1/cameras", &admin, &off).await;
    assert_eq!(made.status, 201, "what is switched off needs none yet");
    let id = made.json()["id"].as_u64().unwrap();
    let change = |body: Value| station.send(Ask::new("PATCH", &format!("/api/v1/cameras/{id}")).json(&body).by(&admin));
    assert_problem(&change(json!({"enabled": true})).await, 422, "invalid-input");
    assert_eq!(change(json!({"enabled": true, "purpose": "Traffic", "contact": "Room 3"})).await.status, 200);

    // One from before the rule is recorded on; the first change of it says what for, or switches it off.
    let camera = CameraId::new(1).unwrap();
    station.inner.cameras.lock().unwrap().get_mut(&camera).unwrap().purpose = String::new();
    let alarms = station.get("/api/v1/health", &admin).await.json()["alarms"].clone();
    let alarm = alarms.as_array().unwrap().iter().find(|alarm| alarm["kind"] == "camera_without_purpose").unwrap();
    assert!(alarm["text"].as_str().is_some_and(|text| text.ends_with("Gate")), "{alarm}");
    assert_problem(&patch(&station, &admin, &json!({"name": "Other"})).await, 422, "invalid-input");
    assert_eq!(last_change(&station, &admin).await, "refused as it was sent: name");
    assert_eq!(patch(&station, &admin, &json!({"enabled": false})).await.status, 200);
    assert_eq!(
        patch(&station, &admin, &json!({"enabled": true, "purpose": "Traffic", "contact": "Room 3"})).await.status,
        200
    );
    let alarms = station.get("/api/v1/health", &admin).await.json()["alarms"].clone();
    assert!(alarms.as_array().unwrap().iter().all(|alarm| alarm["kind"] != "camera_without_purpose"), "{alarms}");
}

#[tokio::test]
async fn looks_at_a_clock_are_shown_newest_first() {
    let station = Station::new();
    let admin = station.claim(false).await;
    let list = station.get("/api/v1/cameras/1/clock?limit=2", &admin).await.json();
    let told: Vec<_> =
        list["readings"].as_array().unwrap().iter().map(|one| (&one["offset_ms"], &one["step"])).collect();
    assert_eq!(told, [(&json!(-3), &json!(false)), (&json!(-2), &json!(true))]);
    assert_problem(&station.get("/api/v1/cameras/7/clock", &admin).await, 404, "not-found");
}
