use super::*;
use crate::api::{SignQuestion, SignWants};
use crate::ports::StreamConfig;
use serde_json::json;
use watchbook_base::{CameraId, Importance};

fn row() -> CameraRow {
    let stream =
        StreamConfig { url: "rtsp://192.0.2.7/main".to_owned(), transport: api::Transport::Tcp, interval_ms: None };
    let config = CameraConfig {
        name: "Gate".to_owned(),
        main: stream,
        sub: None,
        username: None,
        password: None,
        record_audio: false,
        audio_purpose: String::new(),
        purpose: "Collisions at the gate".to_owned(),
        contact: "Traffic unit, 023 000 001".to_owned(),
        reviewed_utc_ms: None,
        certificate: None,
        enabled: true,
        masks: Vec::new(),
        retention_days_max: 7,
        importance: Importance::Normal,
        plugins: Vec::new(),
        device: None,
    };
    let state = api::CameraStates { main: api::StreamState::bare(api::StreamStatus::Live, 0), sub: None, sight: None };
    CameraRow { id: CameraId::new(3).unwrap(), config, state, device: None }
}

fn office() -> Office {
    Office { name: "Station 7".to_owned(), contact: "Room 3, 023 000 000".to_owned(), ..Office::default() }
}

fn bind(row: &mut CameraRow, plugin: &str, enabled: bool) {
    let (settings, zones) = (serde_json::Map::new(), Vec::new());
    row.config.plugins.push(api::PluginBinding { plugin: plugin.to_owned(), enabled, settings, zones });
}

/// All seven are answered, or there is no sign and each open one is named: one of both, whatever the records lack.
#[test]
fn all_seven_questions_are_answered_or_there_is_no_sign() {
    type Spoil = fn(&mut CameraRow, &mut Office);
    let lacks: [(Spoil, &[(SignQuestion, SignWants)]); 7] = [
        (|row, _| row.config.purpose = "  ".to_owned(), &[(Question::Purpose, Wants::CameraPurpose)]),
        (|_, office| office.name.clear(), &[(Question::Accountable, Wants::StationName)]),
        (
            |_, office| office.contact.clear(),
            &[(Question::Accountable, Wants::StationContact), (Question::Access, Wants::StationContact)],
        ),
        (|row, _| row.config.enabled = false, &[(Question::Technology, Wants::CameraEnabled)]),
        (|row, _| row.config.record_audio = true, &[(Question::Data, Wants::AudioPurpose)]),
        (|row, _| bind(row, "org.example.unheard", true), &[(Question::Processing, Wants::PluginPurpose)]),
        (|row, _| bind(row, "org.example.unheard", false), &[]),
    ];
    // Every combination of what may lack.
    for which in 0_u32..1 << lacks.len() {
        let (mut row, mut office) = (row(), office());
        let mut wanted = Vec::new();
        for (_, (spoil, open)) in lacks.iter().enumerate().filter(|(bit, _)| which >> bit & 1 == 1) {
            spoil(&mut row, &mut office);
            wanted.extend(open.iter().copied());
        }
        wanted.sort_unstable();
        let made = plan(&row, &[], &office);
        let told: Vec<_> = made.missing.iter().map(|missing| (missing.question, missing.wants)).collect();
        assert_eq!(told, wanted);
        assert_eq!(made.sign.is_some(), told.is_empty());
    }
}

#[test]
fn a_sign_says_what_the_records_say() {
    let (mut row, mut office) = (row(), office());
    row.config.record_audio = true;
    row.config.audio_purpose = "Calls for help".to_owned();
    row.config.masks = vec![Vec::new(), Vec::new()];
    office.address = "http://192.0.2.1:8080".to_owned();
    let sign = serde_json::to_value(plan(&row, &[], &office).sign.unwrap()).unwrap();
    for (name, wanted) in [
        ("purpose", json!("Collisions at the gate")),
        ("station", json!("Station 7")),
        ("accountable", json!("Traffic unit, 023 000 001")),
        ("contact", json!("Room 3, 023 000 000")),
        ("audio_purpose", json!("Calls for help")),
        ("masks", json!(2)),
        ("masks_in_record", json!(false)),
        ("retention_days_max", json!(7)),
        ("answer_days", json!(28)),
        ("address", json!("http://192.0.2.1:8080")),
        ("plugged_in", json!(false)),
        ("turns", json!(false)),
    ] {
        assert_eq!(sign[name], wanted, "{name}");
    }
    row.config.main.url = "v4l2:usb:046d:0825:A1B2:0.0?format=YUYV&masks=permanent".to_owned();
    let sign = plan(&row, &[], &office).sign.unwrap();
    assert!(sign.masks_in_record && sign.plugged_in);
    row.config.record_audio = false;
    assert_eq!(plan(&row, &[], &office).sign.unwrap().audio_purpose, None, "words for sound that is not recorded");
}
