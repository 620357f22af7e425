//! Zones and events as JSON, in the shapes of the station's own API.

use serde::Deserialize;
use serde_json::{Value, json};
use std::path::Path;
use watchbook_analysis::Point;
use watchbook_analysis::plan::MASK_POINTS_MAX;
use watchbook_base::{Event, UtcNanos};
use watchbook_plugin_host::Zone;

/// Zones of one camera.
pub const ZONES_MAX: usize = 32;
/// A file of zones: 32 of 64 corners with long numbers.
const ZONES_BYTES_MAX: usize = 256 << 10;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ZoneShape {
    name: String,
    outline: Vec<Corner>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Corner {
    x: f64,
    y: f64,
}

/// Reads zones: a JSON list of `{"name", "outline": [{"x", "y"}, ...]}` with fractions of the picture.
///
/// # Errors
/// A sentence that names the file or the zone.
pub fn zones_file(path: &Path) -> Result<Vec<Zone>, String> {
    let text = crate::text_file(path, ZONES_BYTES_MAX)?;
    zones(&text).map_err(|sentence| format!("{}: {sentence}", path.display()))
}

/// As [`zones_file`], from the text.
///
/// # Errors
/// A sentence that names the zone.
pub fn zones(text: &str) -> Result<Vec<Zone>, String> {
    let shapes: Vec<ZoneShape> = serde_json::from_str(text).map_err(|error| {
        format!("zones: {error}; [{{\"name\": \"road\", \"outline\": [{{\"x\": 0.1, \"y\": 0.2}}, ...]}}] is expected")
    })?;
    if shapes.len() > ZONES_MAX {
        return Err(format!("{} zones; at most {ZONES_MAX} are allowed", shapes.len()));
    }
    let mut zones = Vec::<Zone>::new();
    for ZoneShape { name, outline } in shapes {
        if name.is_empty() || name.len() > 64 || zones.iter().any(|zone| zone.name == name) {
            return Err(format!("zone `{name}`: a name has 1 to 64 bytes and is there once"));
        }
        let inside = |corner: &Corner| (0.0..=1.0).contains(&corner.x) && (0.0..=1.0).contains(&corner.y);
        if !(3..=MASK_POINTS_MAX).contains(&outline.len()) || !outline.iter().all(inside) {
            return Err(format!("zone `{name}`: 3 to {MASK_POINTS_MAX} corners with x and y of 0 to 1 are expected"));
        }
        let outline = outline.iter().map(|corner| Point::from_fractions(corner.x, corner.y)).collect();
        zones.push(Zone { name, outline });
    }
    Ok(zones)
}

/// An event as the station's API says it, less what only a station knows (id, camera, digests).
#[must_use]
pub fn event(event: &Event) -> Value {
    let detections: Vec<Value> = event
        .detections
        .iter()
        .map(|seen| {
            let part = |side: u16| f64::from(side) / 65_536.0;
            json!({
                "class": seen.class,
                "score": rounded(seen.score),
                "area": { "x": part(seen.area.x), "y": part(seen.area.y), "w": part(seen.area.w), "h": part(seen.area.h) },
                "track": seen.track.map(|track| track.to_string()),
            })
        })
        .collect();
    json!({
        "kind": event.kind,
        "score": rounded(event.score),
        "start_utc_ms": event.start.as_ms(),
        "end_utc_ms": event.end.map(UtcNanos::as_ms),
        "zone": event.zone,
        "detections": detections,
        "note": event.note,
        "source": { "plugin": event.source.plugin },
    })
}

/// Four digits: what is left of a 32-bit number in decimals is noise.
fn rounded(score: f32) -> f64 {
    (f64::from(score) * 1e4).round() / 1e4
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zones_are_read_and_each_mistake_is_named() {
        let good = r#"[{"name": "road", "outline": [{"x": 0, "y": 0}, {"x": 1, "y": 0}, {"x": 0.5, "y": 1}]}]"#;
        let zones_read = zones(good).unwrap();
        assert_eq!(zones_read[0].name, "road");
        assert_eq!(zones_read[0].outline[2], Point { x: 32_768, y: 65_535 });
        for (from, to, word) in [
            ("\"road\"", "\"\"", "1 to 64 bytes"),
            ("0.5", "1.5", "0 to 1"),
            (", {\"x\": 0.5, \"y\": 1}", "", "3 to 64 corners"),
            ("outline", "shape", "outline"),
        ] {
            let sentence = zones(&good.replace(from, to)).unwrap_err();
            assert!(sentence.contains(word), "{word} is not named in: {sentence}");
        }
        let twice = format!("[{0},{0}]", &good[1..good.len() - 1]);
        assert!(zones(&twice).unwrap_err().contains("once"));
    }
}
