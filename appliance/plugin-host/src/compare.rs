//! How an event that was derived again stands to the one that was stored. Pure: both the recorder and the author's tool use it.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Times of a clip count in ticks of 1/90,000 s and those of the API in milliseconds.
const ROUNDING_MS: u64 = 2;
/// Numbers are equal when they are to the fourth digit: the API's 32-bit scores have digits behind it.
const SCORE: f64 = 1e-4;
/// A value in a difference: enough for people.
const VALUE_BYTES_MAX: usize = 64;

/// A field that differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Field {
    /// When it began.
    Start,
    /// When it ended.
    End,
    /// How sure the plugin is.
    Score,
    /// What was seen where.
    Detections,
    /// The plugin's words.
    Note,
}

/// What differs in one field. The values are left out where they would be long.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Difference {
    /// Which.
    pub field: Field,
    /// In the stored event.
    pub stored: Option<String>,
    /// In the one that was derived.
    pub derived: Option<String>,
}

impl core::fmt::Display for Difference {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let name = match self.field {
            Field::Start => "start_utc_ms",
            Field::End => "end_utc_ms",
            Field::Score => "score",
            Field::Detections => return f.write_str("detections differ"),
            Field::Note => return f.write_str("note differ"),
        };
        let value = |value: &Option<String>| value.clone().unwrap_or_else(|| "none".to_owned());
        write!(f, "{name}: {} was stored, {} comes now", value(&self.stored), value(&self.derived))
    }
}

/// The outcome of deriving an event again.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// The same event, to the millisecond.
    Same(Value),
    /// An event of the same kind and zone that began at about that time or was going on then; the fields that differ. What goes on for long is told in pieces, which begin
    /// elsewhere when the plugin began elsewhere.
    Near(Value, Vec<Difference>),
    /// Nothing of the kind.
    Absent,
}

/// Finds the event that is most like `stored` among `found`, each as the station's API says it. `interval_ms`: from one frame of the plugin to the next.
#[must_use]
pub fn verdict(stored: &Value, found: impl IntoIterator<Item = Value>, interval_ms: i64) -> Verdict {
    let near = found
        .into_iter()
        .filter(|event| event["kind"] == stored["kind"] && event["zone"] == stored["zone"])
        .filter(|event| {
            apart(event, stored, "start_utc_ms") <= 2 * interval_ms.unsigned_abs() || overlap(event, stored)
        })
        .map(|event| (differences(stored, &event), event))
        .min_by_key(|(differences, event)| (differences.len(), apart(event, stored, "start_utc_ms")));
    match near {
        None => Verdict::Absent,
        Some((differences, event)) if differences.is_empty() => Verdict::Same(event),
        Some((differences, event)) => Verdict::Near(event, differences),
    }
}

/// Whether both were going on at one time.
fn overlap(one: &Value, other: &Value) -> bool {
    let times = |event: &Value| Some((event["start_utc_ms"].as_i64()?, event["end_utc_ms"].as_i64()?));
    times(one).zip(times(other)).is_some_and(|(one, other)| one.0 < other.1 && other.0 < one.1)
}

fn apart(one: &Value, other: &Value, field: &str) -> u64 {
    match (one[field].as_i64(), other[field].as_i64()) {
        (Some(one), Some(other)) => one.abs_diff(other),
        (None, None) => 0,
        _ => u64::MAX,
    }
}

fn differences(stored: &Value, event: &Value) -> Vec<Difference> {
    let mut differences = Vec::new();
    let shown =
        |value: &Value| (!value.is_null()).then(|| crate::message::clipped(&value.to_string(), VALUE_BYTES_MAX));
    for (field, name) in [(Field::Start, "start_utc_ms"), (Field::End, "end_utc_ms")] {
        if apart(event, stored, name) > ROUNDING_MS {
            differences.push(Difference { field, stored: shown(&stored[name]), derived: shown(&event[name]) });
        }
    }
    let score = |event: &Value| event["score"].as_f64().unwrap_or(-1.0);
    if (score(event) - score(stored)).abs() > SCORE {
        let (stored, derived) = (shown(&stored["score"]), shown(&event["score"]));
        differences.push(Difference { field: Field::Score, stored, derived });
    }
    for (field, name) in [(Field::Detections, "detections"), (Field::Note, "note")] {
        if !same(&event[name], &stored[name]) {
            differences.push(Difference { field, stored: None, derived: None });
        }
    }
    differences
}

/// Equal but for the last digits of numbers.
fn same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => {
            one.as_f64().zip(other.as_f64()).is_some_and(|(one, other)| (one - other).abs() <= SCORE)
        }
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| same(one, other))
        }
        (Value::Object(one), Value::Object(other)) => {
            one.len() == other.len() && one.iter().all(|(name, value)| other.get(name).is_some_and(|o| same(value, o)))
        }
        _ => one == other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn event() -> Value {
        json!({"kind": "count", "zone": null, "score": 0.5, "start_utc_ms": 10_000, "end_utc_ms": 12_000, "note": "",
               "detections": [{"class": "vehicle", "score": 0.9, "area": {"x": 0.1, "y": 0.1, "w": 0.1, "h": 0.1}, "track": null}]})
    }

    #[test]
    fn the_same_event_is_found_among_others_and_differences_are_named() {
        let mut other = event();
        other["start_utc_ms"] = json!(99_000);
        // The API's 32-bit score has digits behind the fourth.
        let mut stored = event();
        stored["score"] = json!(0.500_000_012);
        stored["id"] = json!("17");
        assert_eq!(verdict(&stored, [other.clone(), event()], 200), Verdict::Same(event()));
        assert_eq!(verdict(&stored, [other], 200), Verdict::Absent);
        let mut later = event();
        later["end_utc_ms"] = json!(12_200);
        later["detections"] = json!([]);
        let Verdict::Near(_, differences) = verdict(&stored, [later.clone()], 200) else { panic!("near") };
        assert_eq!(differences.len(), 2);
        let sentence = differences[0].to_string();
        assert!(sentence.contains("12000") && sentence.contains("12200"), "{sentence}");
        assert_eq!(verdict(&stored, [later, event()], 200), Verdict::Same(event()), "the one that fits best counts");
    }

    #[test]
    fn what_was_going_on_is_near_though_its_pieces_begin_elsewhere_and_what_was_over_is_absent() {
        let mut piece = event();
        (piece["start_utc_ms"], piece["end_utc_ms"]) = (json!(11_900), json!(41_900));
        let Verdict::Near(_, differences) = verdict(&event(), [piece.clone()], 200) else { panic!("near") };
        assert_eq!(differences.iter().map(|one| one.field).collect::<Vec<_>>(), [Field::Start, Field::End]);
        piece["start_utc_ms"] = json!(12_000);
        assert_eq!(verdict(&event(), [piece], 200), Verdict::Absent);
    }

    #[test]
    fn a_moment_and_a_stretch_differ_in_their_end() {
        let mut moment = event();
        moment["end_utc_ms"] = Value::Null;
        let Verdict::Near(_, differences) = verdict(&event(), [moment], 200) else { panic!("near") };
        assert_eq!(differences, [Difference { field: Field::End, stored: Some("12000".into()), derived: None }]);
    }
}
