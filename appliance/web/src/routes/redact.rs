//! Asking for a redacted copy. What becomes of it is told, released, refused and handed out by the rows of exports.

use super::dispatch::{Asked, Call};
use super::exports::{Checked, ask, fresh_number, order_of};
use super::{Answer, AuditRule, Permission, Route, Shape, handler};
use crate::api;
use crate::error::{Error, Problem};
use crate::ports::Redaction;
use axum::http::Method;
use axum::response::Response;
use watchbook_access::{Action, Case, RecipientClass};
use watchbook_base::time::NANOS_PER_SEC;
use watchbook_base::{TimeRange, UtcNanos};

/// Longest interval of one copy.
const MINUTES_MAX: i64 = 15;
/// Regions of one copy.
const REGIONS_MAX: usize = 32;
/// Places that one moves over.
const KEYS_MAX: usize = 64;
/// Corners of one that stays.
const CORNERS_MAX: usize = 64;
/// 32 regions of 64 keys of some 100 bytes.
const BODY_BYTES_MAX: usize = 256 << 10;

pub(crate) fn rows() -> Vec<Route> {
    vec![Route {
        method: Method::POST,
        path: "/api/v1/exports/redacted",
        id: "request_redacted_export",
        summary: "Has a redacted copy of one camera's footage made: parts of the picture are black for good, and sound is left out. It can be had once another person has released it.",
        permission: Permission::InCase(asked),
        audit: AuditRule::EveryTime,
        body_bytes_max: BODY_BYTES_MAX,
        query: &[],
        request: Some(Shape::of::<api::RedactedExportRequest>()),
        answer: Answer::Json(201, Shape::of::<api::Export>()),
        handler: handler!(request),
    }]
}

fn asked(asked: &Asked<'_>, found: Option<&Case>) -> Result<Action, Error> {
    let Some(request) = asked.json::<api::RedactedExportRequest>()? else {
        let range = TimeRange { start: UtcNanos(0), end: UtcNanos(0) };
        let recipient_class = RecipientClass::OtherAuthority;
        let (case, cameras) = (String::new(), Vec::new());
        return Ok(Action::RequestExport { export: 0, case, cameras, range, recipient_class, redacted: true });
    };
    let recipient_class = request.recipient_class;
    let (Checked { case, cameras, range, .. }, _) = checked(request)?;
    let export = if found.is_some() { fresh_number()? } else { 0 };
    Ok(Action::RequestExport { export, case, cameras, range, recipient_class, redacted: true })
}

/// What every export has, and what is to be black.
fn checked(request: api::RedactedExportRequest) -> Result<(Checked, Redaction), Error> {
    let common = Checked::of(&api::ExportRequest {
        case: request.case,
        cameras: vec![request.camera],
        from_utc_ms: request.from_utc_ms,
        to_utc_ms: request.to_utc_ms,
        recipient_class: request.recipient_class,
        recipient: request.recipient,
    })?;
    if common.range.nanos() > MINUTES_MAX * 60 * NANOS_PER_SEC {
        let error = Error::invalid(format!("a redacted copy may have at most {MINUTES_MAX} minutes"));
        return Err(error.next("Ask for a shorter interval, or for several copies."));
    }
    let number = |text: &String| {
        let bad = || Error::invalid("of_export is no number of an export").next("Look at the list of exports.");
        text.parse::<u64>().map_err(|_| bad())
    };
    let of_export = request.of_export.as_ref().map(number).transpose()?;
    let (everything_but, regions) = (request.everything_but, request.regions);
    if regions.len() > REGIONS_MAX {
        return Err(Error::invalid(format!("a redacted copy may have at most {REGIONS_MAX} regions")));
    }
    if regions.is_empty() && !everything_but {
        let error = Error::invalid("nothing is to be made black");
        return Err(error.next("Draw a region, or ask for the export itself."));
    }
    regions.iter().try_for_each(region)?;
    Ok((common, Redaction { everything_but, regions, of_export }))
}

fn region(region: &api::RedactionRegion) -> Result<(), Error> {
    let inside = |side: f32| (0.0..=1.0).contains(&side);
    match (region.polygon.len(), region.keys.len()) {
        (3..=CORNERS_MAX, 0) | (0, 1..=KEYS_MAX) => {}
        _ => {
            let message = format!(
                "a region must be a polygon of 3 to {CORNERS_MAX} corners or a rectangle with 1 to {KEYS_MAX} keys"
            );
            return Err(Error::invalid(message));
        }
    }
    if !region.polygon.iter().all(|corner| inside(corner.x) && inside(corner.y)) {
        return Err(Error::invalid("the corners of a region must lie between 0 and 1"));
    }
    let sides = |key: &api::RedactionKey| [key.left, key.top, key.right, key.bottom];
    let whole =
        |key: &api::RedactionKey| sides(key).into_iter().all(inside) && key.left < key.right && key.top < key.bottom;
    if !region.keys.iter().all(whole) {
        return Err(Error::invalid("the rectangle of a region is empty or does not lie between 0 and 1"));
    }
    if !region.keys.is_sorted_by(|one, next| one.at_utc_ms < next.at_utc_ms) {
        return Err(Error::invalid("the keys of a region must be in the order of time, each at a moment of its own"));
    }
    let bounds = region.from_utc_ms.zip(region.to_utc_ms);
    let times = region.keys.iter().map(|key| key.at_utc_ms).chain(region.from_utc_ms).chain(region.to_utc_ms);
    // To the year 2200, as for any interval.
    if times.into_iter().any(|ms| !(0..=7_258_118_400_000).contains(&ms)) || bounds.is_some_and(|(from, to)| from >= to)
    {
        return Err(Error::invalid("the times of a region must lie between the years 1970 and 2200, to after from"));
    }
    Ok(())
}

async fn request(call: Call) -> Result<Response, Problem> {
    let request: api::RedactedExportRequest = call.json()?;
    let recipient_class = request.recipient_class;
    let (common, redaction) = checked(request)?;
    let mut order = order_of(&call, common, recipient_class)?;
    order.redaction = Some(redaction);
    ask(&call, order).await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(at_utc_ms: i64) -> api::RedactionKey {
        api::RedactionKey { at_utc_ms, left: 0.1, top: 0.1, right: 0.5, bottom: 0.5 }
    }

    fn request(regions: Vec<api::RedactionRegion>, minutes: i64) -> api::RedactedExportRequest {
        api::RedactedExportRequest {
            case: "7/26".to_owned(),
            camera: watchbook_base::CameraId::new(1).unwrap(),
            from_utc_ms: 1_000,
            to_utc_ms: 1_000 + minutes * 60_000,
            recipient_class: RecipientClass::DataSubject,
            recipient: "a person".to_owned(),
            everything_but: false,
            regions,
            of_export: None,
        }
    }

    fn moving(keys: Vec<api::RedactionKey>) -> api::RedactionRegion {
        api::RedactionRegion { polygon: Vec::new(), keys, from_utc_ms: None, to_utc_ms: None }
    }

    #[test]
    fn each_limit_of_a_redacted_copy_is_named() {
        let said = |request| checked(request).err().map(|error| error.to_string());
        assert_eq!(said(request(vec![moving(vec![key(1)])], 15)), None);
        assert!(said(request(vec![moving(vec![key(1)])], 16)).unwrap().contains("15 minutes"));
        assert!(said(request(Vec::new(), 1)).unwrap().contains("nothing"));
        assert!(said(request(vec![moving(vec![key(1)]); 33], 1)).unwrap().contains("32 regions"));
        assert!(said(request(vec![moving(Vec::new())], 1)).unwrap().contains("64"));
        assert!(said(request(vec![moving((0..65).map(key).collect())], 1)).unwrap().contains("64 keys"));
        assert!(said(request(vec![moving(vec![key(2), key(2)])], 1)).unwrap().contains("order"));
        let thin = api::RedactionKey { right: 0.1, ..key(1) };
        assert!(said(request(vec![moving(vec![thin])], 1)).unwrap().contains("empty"));
        let nan = api::RedactionKey { left: f32::NAN, ..key(1) };
        assert!(said(request(vec![moving(vec![nan])], 1)).is_some());
        let both = api::RedactionRegion { polygon: vec![api::Point { x: 0.0, y: 0.0 }; 3], ..moving(vec![key(1)]) };
        assert!(said(request(vec![both], 1)).is_some());
        let backwards = api::RedactionRegion { from_utc_ms: Some(5), to_utc_ms: Some(5), ..moving(vec![key(1)]) };
        assert!(said(request(vec![backwards], 1)).unwrap().contains("after"));
        let everything = api::RedactedExportRequest { everything_but: true, ..request(Vec::new(), 1) };
        assert_eq!(said(everything), None, "all of it is black");
    }
}
