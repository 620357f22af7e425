use super::*;
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::PathBuf;
use watchbook_access::Role;
use watchbook_base::{GapReason, Importance, SyncState, TrackRole};

fn document() -> Value {
    serde_json::to_value(openapi()).unwrap()
}

#[test]
fn openapi_file() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("ui/openapi.json");
    let fresh = openapi().to_pretty_json().unwrap() + "\n";
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, &fresh).unwrap();
    }
    let stored = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        stored == fresh,
        "{} is stale; write it with UPDATE=1 cargo test -p watchbook-web openapi_file",
        path.display()
    );
}

#[test]
fn every_row_is_described_and_nothing_else() {
    let document = document();
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1."));
    let mut described = BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            described.insert((
                path.clone(),
                method.to_uppercase(),
                operation["operationId"].as_str().unwrap().to_owned(),
            ));
        }
    }
    let rows = table();
    let expected: BTreeSet<_> =
        rows.iter().map(|row| (super::described(row.path), row.method.to_string(), row.id.to_owned())).collect();
    assert_eq!(described, expected);
    let ids: BTreeSet<_> = rows.iter().map(|row| row.id).collect();
    assert_eq!(ids.len(), rows.len(), "an operation id is used twice");
}

#[test]
fn every_reference_leads_somewhere() {
    fn walk(value: &Value, found: &mut Vec<String>) {
        match value {
            Value::Object(fields) => {
                if let Some(Value::String(target)) = fields.get("$ref") {
                    found.push(target.clone());
                }
                fields.values().for_each(|field| walk(field, found));
            }
            Value::Array(items) => items.iter().for_each(|item| walk(item, found)),
            _ => {}
        }
    }
    let document = document();
    let mut references = Vec::new();
    walk(&document, &mut references);
    assert!(references.len() > 50, "only {} references", references.len());
    for reference in references {
        let pointer = reference.strip_prefix('#').unwrap();
        assert!(document.pointer(pointer).is_some(), "{reference} leads nowhere");
    }
}

#[test]
fn rows_for_people_name_the_session_and_changes_name_the_header() {
    let document = document();
    for row in table() {
        let operation = &document["paths"][&super::described(row.path)][row.method.as_str().to_lowercase()];
        let asks = row.permission.asks();
        assert_eq!(operation["security"].is_array(), asks, "{} {}", row.method, row.path);
        let empty = Vec::new();
        let parameters = operation["parameters"].as_array().unwrap_or(&empty);
        let has_header = parameters.iter().any(|parameter| parameter["name"] == "x-watchbook");
        assert_eq!(has_header, row.method != Method::GET, "{} {}", row.method, row.path);
    }
}

#[test]
fn names_in_the_schema_are_those_of_the_types_behind_them() {
    fn names<T: serde::Serialize>(values: impl IntoIterator<Item = T>) -> BTreeSet<String> {
        values.into_iter().map(|value| serde_json::to_value(value).unwrap().as_str().unwrap().to_owned()).collect()
    }
    let document = document();
    let listed = |name: &str| -> BTreeSet<String> {
        let values = document["components"]["schemas"][name]["enum"].as_array().cloned();
        let values = values.or_else(|| {
            let variants = document["components"]["schemas"][name]["oneOf"].as_array()?;
            Some(variants.iter().flat_map(|variant| variant["enum"].as_array().cloned().unwrap_or_default()).collect())
        });
        names(values.unwrap_or_else(|| panic!("{name} is no list of names")))
    };
    assert_eq!(listed("GapReason"), names(GapReason::ALL));
    assert_eq!(listed("Role"), names(Role::ALL));
    assert_eq!(listed("SyncState"), names([SyncState::Unknown, SyncState::Synchronised, SyncState::Unsynchronised]));
    assert_eq!(listed("Importance"), names([Importance::Low, Importance::Normal, Importance::High]));
    assert_eq!(listed("SubjectRequestRefusing"), names(watchbook_access::Refusing::ALL));
    use watchbook_access::{DisclosedTo, Extension};
    assert_eq!(listed("SubjectRequestExtending"), names([Extension::Complex, Extension::ManyRequests]));
    assert_eq!(listed("SubjectRequestReceiver"), names([DisclosedTo::DataSubject, DisclosedTo::Representative]));
    assert_eq!(listed("TrackRole"), names(TrackRole::ALL));
    assert_eq!(listed("VideoRole"), ["main_video", "sub_video"].map(str::to_owned).into());
}
