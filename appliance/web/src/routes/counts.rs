//! Events counted by hour or day, as JSON for the page's charts and as CSV for spreadsheets.

use super::dispatch::{Asked, Call, ok};
use super::events::{self, CAMERA, DAYS_MAX, KIND};
use super::{Answer, AuditRule, FROM, NO_BODY, Permission, Query, QueryKind, Route, Shape, TO, handler};
use crate::api;
use crate::counts::{self, Bucket, Counted, csv_field};
use crate::error::{Error, Problem};
use crate::ports::EventQuery;
use axum::body::Body;
use axum::http::{HeaderValue, Method, header};
use axum::response::Response;
use core::fmt::Write as _;
use std::sync::Arc;
use watchbook_access::Action;
use watchbook_base::time::NANOS_PER_SEC;
use watchbook_base::{Kind, UtcNanos};

/// Local time is at most this far from UTC: the zones of the world go from −12 h to +14 h.
const OFFSET_MINUTES_MAX: i64 = 14 * 60;
const BUCKET: Query =
    Query { name: "bucket", kind: QueryKind::Text, required: false, about: "`hour` or `day`; `hour` when left out." };
const OFFSET: Query = Query {
    name: "utc_offset_minutes",
    kind: QueryKind::Integer,
    required: false,
    about: "How far local time is ahead of UTC, -840 to 840: buckets begin on whole local hours and days. 0 when left out.",
};
const ONE_LOOK: AuditRule = AuditRule::FirstIn {
    window_s: 3600,
    because: "a chart that stands open is counted again each minute, and with its table is one look",
};

pub(crate) fn rows() -> Vec<Route> {
    let row = |path, id, summary, answer, handler| Route {
        method: Method::GET,
        path,
        id,
        summary,
        permission: Permission::Asks(asked),
        audit: ONE_LOOK,
        body_bytes_max: NO_BODY,
        query: &[FROM, TO, CAMERA, KIND, BUCKET, OFFSET],
        request: None,
        answer,
        handler,
    };
    vec![
        row(
            "/api/v1/events/counts",
            "event_counts",
            "How many events begin in each hour or day of an interval of at most 32 days, by camera and kind.",
            Answer::Json(200, Shape::of::<api::CountList>()),
            handler!(as_json),
        ),
        row(
            "/api/v1/events/counts.csv",
            "event_counts_csv",
            "The same as CSV (RFC 4180) with a header row: start and end of the bucket in UTC, camera, its name, kind, count.",
            Answer::Csv,
            handler!(as_csv),
        ),
    ]
}

fn asked(asked: &Asked<'_>) -> Result<Action, Error> {
    let (camera, cameras) = (events::camera(asked.query)?, Vec::new());
    Ok(Action::SearchEvents { camera, cameras, range: asked.query.range(DAYS_MAX)? })
}

fn bucket(call: &Call) -> Result<Bucket, Error> {
    match call.query.text(BUCKET.name) {
        None | Some("hour") => Ok(Bucket::Hour),
        Some("day") => Ok(Bucket::Day),
        Some(_) => Err(Error::invalid("bucket must be hour or day")),
    }
}

async fn counted(call: &Call) -> Result<(Bucket, Counted), Problem> {
    let bucket = bucket(call)?;
    let offset = call.query.integer(OFFSET.name)?.unwrap_or(0);
    if !(-OFFSET_MINUTES_MAX..=OFFSET_MINUTES_MAX).contains(&offset) {
        return Err(Error::invalid("utc_offset_minutes must be -840 to 840").into());
    }
    let query = EventQuery {
        range: call.query.range(DAYS_MAX)?,
        cameras: events::cameras(call)?,
        kind: events::kind(&call.query)?,
        zone: None,
        plugin: None,
        limit: 1,
        after: None,
    };
    let asked = counts::Asked { query, bucket, offset_nanos: offset * 60 * NANOS_PER_SEC };
    let grant = Arc::clone(call.grant()?);
    let place = Arc::clone(call.app.counts()).acquire_owned().await;
    let place = place.map_err(|_| Error::new(Kind::Unavailable, "the recorder is stopping"))?;
    let work = call.blocking(move |app| {
        let _held = place;
        counts::count(&asked, |query| app.ports().events.query(&grant, query))
    });
    Ok((bucket, work.await?))
}

async fn as_json(call: Call) -> Result<Response, Problem> {
    let (bucket, counted) = counted(&call).await?;
    let series = counted.series.into_iter().map(|((camera, kind), counts)| api::CountSeries {
        camera,
        kind,
        total: counts.iter().sum(),
        counts,
    });
    ok(&api::CountList {
        bucket: match bucket {
            Bucket::Hour => api::CountBucket::Hour,
            Bucket::Day => api::CountBucket::Day,
        },
        starts_utc_ms: counted.starts.iter().map(|start| start.as_ms()).collect(),
        series: series.collect(),
        whole_from_utc_ms: counted.whole_from.map(UtcNanos::as_ms),
    })
}

async fn as_csv(call: Call) -> Result<Response, Problem> {
    let (bucket, counted) = counted(&call).await?;
    let text = call.blocking(move |app| {
        let cameras = app.ports().cameras.list()?;
        let name = |id| cameras.iter().find(|row| row.id == id).map(|row| row.config.name.as_str());
        Ok(table(bucket, &counted, |id| name(id).unwrap_or_default().to_owned()))
    });
    let mut response = Response::new(Body::from(text.await?));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/csv; charset=utf-8; header=present"));
    let file = HeaderValue::from_static("attachment; filename=\"watchbook-counts.csv\"");
    headers.insert(header::CONTENT_DISPOSITION, file);
    Ok(response)
}

/// The table, bucket by bucket of each series. A bucket that may lack events has no count.
fn table(bucket: Bucket, counted: &Counted, name: impl Fn(watchbook_base::CameraId) -> String) -> String {
    let mut out = String::from("start_utc,end_utc,camera,camera_name,kind,count\r\n");
    for ((camera, kind), counts) in &counted.series {
        let (kind, name) = (csv_field(kind), csv_field(&name(*camera)));
        for (start, count) in counted.starts.iter().zip(counts) {
            let whole = counted.whole_from.is_none_or(|from| from <= *start);
            let count = if whole { count.to_string() } else { String::new() };
            let end = start.plus_nanos(bucket.nanos());
            // Writing into a String cannot fail.
            let _ = write!(out, "{start},{end},{camera},{name},{kind},{count}\r\n");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use watchbook_base::CameraId;

    #[test]
    fn the_table_has_a_header_and_whole_lines_and_no_count_that_may_be_wrong() {
        let hour = Bucket::Hour.nanos();
        let start = UtcNanos(1_709_208_000_000_000_000);
        let counted = Counted {
            starts: vec![start, start.plus_nanos(hour)],
            series: [((CameraId::new(7).unwrap(), "crossing-in".to_owned()), vec![3, 4])].into(),
            whole_from: Some(start.plus_nanos(hour)),
        };
        let text = table(Bucket::Hour, &counted, |_| "Gate, north".to_owned());
        // 1 709 208 000 is 2024-02-29 12:00 UTC by `date -u -d @1709208000`.
        let lines: Vec<&str> = text.split("\r\n").collect();
        assert_eq!(lines.len(), 4, "{text}");
        assert_eq!(lines[0], "start_utc,end_utc,camera,camera_name,kind,count");
        assert!(lines[1].starts_with("2024-02-29T12:00:00") && lines[1].contains(",2024-02-29T13:00:00"), "{text}");
        assert!(lines[1].ends_with(",7,\"Gate, north\",crossing-in,"), "{text}");
        assert!(lines[2].ends_with(",7,\"Gate, north\",crossing-in,4") && lines[3].is_empty(), "{text}");
    }
}
