//! Requests made from the recorder's own description. Each is right in form, so that it is judged by who asks; and it is about things that are not there, so that nothing is destroyed where it is allowed.

use serde_json::{Value, json};
use watchbook_e2e::Client;
use watchbook_e2e::client::Answer;
use watchbook_e2e::recorder::now_ms;

/// Number of the camera that the accounts may see.
pub const GATE: u64 = 1;
/// Number of the one that they may not.
pub const YARD: u64 = 2;
/// A digest of nothing that is there.
const DIGEST: &str = "00000000000000000000000000000000000000000000000000000000000000ff";

/// One route.
pub struct Asked {
    /// Its operation id.
    pub id: String,
    /// In capitals.
    pub method: String,
    path: String,
    query: Vec<String>,
    /// Media type of its body, where it takes one.
    pub media: Option<String>,
}

impl Asked {
    pub fn new(path: &str, method: &str, operation: &Value) -> Self {
        let id = operation["operationId"].as_str().expect("an operation has an id").to_owned();
        let parameters = operation["parameters"].as_array().cloned().unwrap_or_default();
        let wanted = |parameter: &&Value| {
            let name = parameter["name"].as_str().unwrap_or_default();
            parameter["in"] == "query" && (parameter["required"] == true || name == "camera")
        };
        let names = parameters.iter().filter(wanted).filter_map(|one| one["name"].as_str().map(str::to_owned));
        let content = operation["requestBody"]["content"].as_object();
        let media = content.and_then(|content| content.keys().next().cloned());
        Self { id, method: method.to_uppercase(), path: path.to_owned(), query: names.collect(), media }
    }

    /// Whether the request says which camera it is about.
    pub fn names_camera(&self) -> bool {
        let in_query = self.query.iter().any(|name| matches!(&**name, "camera" | "cameras"));
        in_query || self.path.contains("{camera}") || body(&self.id, GATE) != body(&self.id, YARD)
    }

    /// Sends it.
    pub fn send(&self, client: &Client, camera: u64) -> Answer {
        let path = self.path_about(camera);
        match self.media.as_deref() {
            None => client.call(&self.method, &path, None),
            Some("application/json") => {
                let body = body(&self.id, camera).unwrap_or_else(|| panic!("asked.rs has no body for {}", self.id));
                client.call(&self.method, &path, Some(("application/json", body.to_string().as_bytes())))
            }
            Some(other) => client.call(&self.method, &path, Some((other, b"no such file"))),
        }
    }

    /// Path and query of a request about this camera.
    pub fn path_about(&self, camera: u64) -> String {
        let parts: Vec<String> = self.path.split('/').map(|part| self.part(part, camera)).collect();
        let query: Vec<String> = self.query.iter().map(|name| self.parameter(name, camera)).collect();
        let mark = if query.is_empty() { "" } else { "?" };
        format!("{}{mark}{}", parts.join("/"), query.join("&"))
    }

    fn part(&self, part: &str, camera: u64) -> String {
        let Some(name) = part.strip_prefix('{').and_then(|part| part.strip_suffix('}')) else { return part.to_owned() };
        match name {
            "camera" => camera.to_string(),
            "account" | "export" | "hold" | "proposal" | "request" | "event" | "entry" => "424242".to_owned(),
            "mirror" | "bookmark" | "preset" => "9".to_owned(),
            "case" => "NONE%201".to_owned(),
            "disk" => "000102030405060708090a0b0c0d0e0f".to_owned(),
            "plugin" => "org.example.none".to_owned(),
            "key" => "00112233445566AA".to_owned(),
            "session" | "passkey" => "0123456789abcdef".to_owned(),
            "tile" => "0/000.p/1".to_owned(),
            other => panic!("asked.rs does not know what {other} is in {}", self.path),
        }
    }

    fn parameter(&self, name: &str, camera: u64) -> String {
        // Long past, so that what follows new things ends at once.
        let start = now_ms() - 3_600_000;
        let value = match name {
            "camera" | "cameras" => camera.to_string(),
            "from_utc_ms" | "start_utc_ms" | "at_utc_ms" => start.to_string(),
            "to_utc_ms" => (start + 60_000).to_string(),
            "case" => "NONE%201".to_owned(),
            "manifest_sha256" => DIGEST.to_owned(),
            "name" => "nobody".to_owned(),
            "plan" => DIGEST.to_owned(),
            "old_entries" => "1".to_owned(),
            other => panic!("asked.rs does not know what {other} is for {}", self.id),
        };
        format!("{name}={value}")
    }
}

/// The body of a route that takes JSON.
fn body(id: &str, camera: u64) -> Option<Value> {
    of_accounts(id).or_else(|| of_footage(id, camera)).or_else(|| of_station(id, camera))
}

fn of_accounts(id: &str) -> Option<Value> {
    let password = "another long passphrase";
    Some(match id {
        "claim" => json!({ "code": "x", "name": "x", "password": password, "one_person_station": false }),
        "sign_in" => json!({ "name": "nobody", "password": password }),
        "change_password" => json!({ "old": password, "new": "one more long passphrase" }),
        "set_up_passkey" => json!({ "password": "a long enough passphrase" }),
        // Authenticator data with an id of one byte (flags: present, verified, made), and nothing that holds.
        "add_passkey" => json!({
            "name": "key", "client_data": "e30", "public_key": "MA", "algorithm": -7,
            "authenticator_data": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAABFAAAAAAAAAAAAAAAAAAAAAAAAAAAAAQGg",
        }),
        "sign_in_with_passkey" | "show_passkey" => {
            json!({ "credential": "AQ", "client_data": "e30", "authenticator_data": "AA", "signature": "AA" })
        }
        "set_up_second_factor" => json!({ "password": "a long enough passphrase" }),
        "confirm_second_factor" | "enter_second_factor" => json!({ "code": "000000" }),
        "create_account" => json!({ "name": "New", "password": "short", "roles": ["viewer"] }),
        "change_account" => json!({ "name": "Renamed" }),
        "enrol_approver_key" => json!({ "key": "hq.example/approver+00000000+AQ" }),
        "make_backup" => json!({ "passphrase": password }),
        _ => return None,
    })
}

fn of_footage(id: &str, camera: u64) -> Option<Value> {
    let (start, case) = (now_ms() - 3_600_000, "NONE 1");
    let (end, expires) = (start + 60_000, start + 86_400_000);
    Some(match id {
        "open_case" => json!({
            "case": case, "purpose": "theft", "cameras": [camera], "from_utc_ms": start, "to_utc_ms": end,
            "expires_utc_ms": expires, "investigators": [3], "emergency": false,
        }),
        "change_case" => json!({ "to_utc_ms": end }),
        "add_bookmark" => json!({ "at_utc_ms": start, "cameras": [camera], "words": "the van turns" }),
        "place_hold" => json!({ "case": case, "cameras": [camera], "from_utc_ms": start, "to_utc_ms": end }),
        "release_hold" => json!({ "reason": "case closed" }),
        "request_export" => json!({
            "case": case, "cameras": [camera], "from_utc_ms": start, "to_utc_ms": end, "recipient_class": "court",
            "recipient": "Clerk",
        }),
        "request_redacted_export" => json!({
            "case": case, "camera": camera, "from_utc_ms": start, "to_utc_ms": end, "recipient_class": "court",
            "recipient": "Clerk", "everything_but": false,
            "regions": [{ "polygon": [{ "x": 0.0, "y": 0.0 }, { "x": 0.5, "y": 0.0 }, { "x": 0.5, "y": 0.5 }] }],
        }),
        "release_export" => json!({ "manifest_sha256": DIGEST }),
        "refuse_export" => json!({ "manifest_sha256": DIGEST, "reason": "not needed" }),
        "deliver_export" => json!({ "manifest_sha256": DIGEST, "sink": "usb/COURT" }),
        "bring_decision" => json!({ "text": "no decision" }),
        "decide_proposal" => json!({ "decision": "dismiss" }),
        "rederive" => json!({ "start_utc_ms": start }),
        "register_subject_request" => json!({
            "reference": "SR 1/26", "received_utc_ms": start, "cameras": [GATE], "from_utc_ms": start,
            "to_utc_ms": end, "place": "at the gate",
        }),
        "change_subject_request" => json!({ "place": "at the other gate" }),
        "search_for_subject_request" => json!({ "case": case }),
        "extend_subject_request" => json!({ "days": 7, "why": "complex", "words": "two hundred others are in it" }),
        "answer_subject_request" => {
            json!({ "export": "424242", "to": "data_subject", "reference": "SR 1/26", "why": "asked for it" })
        }
        "refuse_subject_request" => json!({ "why": "no_footage", "words": "nothing was recorded then" }),
        _ => return None,
    })
}

fn of_station(id: &str, camera: u64) -> Option<Value> {
    // Nobody answers there.
    let address = json!({ "url": "rtsp://127.0.0.1:9/none", "transport": "tcp" });
    let policy = json!({ "policy": "none", "version": 1, "policy_sha256": DIGEST });
    Some(match id {
        // Without a purpose, which a new camera must have.
        "create_camera" => json!({ "name": "New", "main": address, "purpose": "", "contact": "" }),
        "change_camera" => json!({ "name": "Gate" }),
        "test_camera" => json!({ "camera": camera, "main": address }),
        "inspect_camera" => json!({ "url": "http://127.0.0.1:9/", "username": "u", "password": "p" }),
        "review_camera" => json!({ "note": "still needed" }),
        "accept_camera" => json!({ "found_id": "f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff" }),
        "turn_camera" => json!({ "act": "move", "pan": 0.5, "timeout_ms": 1000 }),
        "set_ptz_preset" => json!({ "name": "Door" }),
        "bind_plugin" => json!({ "enabled": true }),
        "approve_plugin" | "reject_plugin" => json!({ "package_sha256": DIGEST }),
        "trust_publisher" => json!({ "name": "Lab", "public_key": "RWQ", "key_id": "FFEEDDCCBBAA9988" }),
        "set_plugin_dev_mode" => json!({ "hours": 0 }),
        "set_plugin_tried_out" => json!({ "on": false }),
        "add_disk" => json!({ "dir": "/nonexistent/watchbook", "size_gib": 500 }),
        "accept_disk" => json!({ "found_id": "f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff" }),
        "retire_disk" => json!({ "replaced": true }),
        "change_station_settings" => {
            json!({ "version": 99, "reason": "moved", "changes": [{ "setting": "name", "value": "Station 8" }] })
        }
        "trust_log_witness" => json!({ "key": "w1+00000000+BAAA" }),
        "import_cosignatures" => json!({ "text": "no checkpoint" }),
        "set_log_push" => json!({ "url": "https://w.example/w1" }),
        "change_log_key" => json!({ "reason": "yearly" }),
        "make_log_mirror" => json!({ "name": "Court" }),
        "answer_review" => json!({ "ok": false, "reason": "not his case" }),
        "propose_policy" | "withdraw_policy" => policy,
        "accept_policy" => json!({ "policy": "none", "version": 1, "policy_sha256": DIGEST, "proposed_by": 50 }),
        "upload_certificate" => json!({ "chain_pem": "none", "key_pem": "none" }),
        _ => return None,
    })
}
