//! What the station did, for anybody; what an auditor is to look at, and the log to take along.

use super::audit::row;
use super::dispatch::{Asked, Call, empty, ok};
use super::{Answer, AuditRule, NO_BODY, Permission, Query, QueryKind, Route, SMALL_BODY, Shape, handler};
use crate::error::{Error, Problem};
use crate::ports::PublicReport;
use crate::{api, check, hex};
use axum::body::Body;
use axum::http::{HeaderValue, Method, header};
use axum::response::Response;
use watchbook_access::Action;

/// Why an access was right or not.
const REASON_BYTES_MAX: usize = 1024;
const MONTH: Query = Query {
    name: "month",
    kind: QueryKind::Text,
    required: false,
    about: "Which month, as in `2026-11`; this one when left out.",
};
const FROM_ENTRY: Query = Query {
    name: "from",
    kind: QueryKind::Integer,
    required: false,
    about: "Number of the first entry; 0 when left out.",
};
const OFFSET: Query = Query {
    name: "utc_offset_min",
    kind: QueryKind::Integer,
    required: false,
    about: "How many minutes the clock on the wall is ahead of UTC, -840 to 840: the night is its night. 0 when left out.",
};
/// The report names cameras and counts, and hides small ones.
const OPEN: Permission = Permission::Public {
    because: "those whom the cameras see must be able to check what is done with it; it names no person and no case",
};
const UNLOGGED: AuditRule = AuditRule::Nothing {
    because: "the report is made for everybody, and an entry for each reader would be a list of who asked",
};

pub(crate) fn rows() -> Vec<Route> {
    let mut rows = public_rows();
    rows.extend(auditor_rows());
    rows
}

fn public_row(path: &'static str, id: &'static str, summary: &'static str) -> Route {
    Route {
        method: Method::GET,
        path,
        id,
        summary,
        permission: OPEN,
        audit: UNLOGGED,
        body_bytes_max: NO_BODY,
        query: &[MONTH],
        request: None,
        answer: Answer::AnyJson,
        handler: handler!(report),
    }
}

fn public_rows() -> Vec<Route> {
    let report = "The transparency report of a month as JSON, computed from the audit log alone. Of a month that is over the SHA-256 of these bytes is in the log.";
    let text = "The same as plain text.";
    let list = "Which months have a report, and whom to ask.";
    vec![
        public_row("/api/v1/report", "report", report),
        Route {
            answer: Answer::Text,
            handler: handler!(report_text),
            ..public_row("/api/v1/report.txt", "report_text", text)
        },
        Route {
            query: &[],
            answer: Answer::Json(200, Shape::of::<api::ReportList>()),
            handler: handler!(list_reports),
            ..public_row("/api/v1/reports", "reports", list)
        },
    ]
}

fn auditor_rows() -> Vec<Route> {
    let reading =
        AuditRule::FirstIn { window_s: 300, because: "a list that looks for news by itself would else fill the log" };
    let row = |path, id, summary, shape| Route {
        permission: Permission::Asks(|_| Ok(Action::ReadReviews)),
        audit: reading,
        query: &[],
        answer: Answer::Json(200, shape),
        ..public_row(path, id, summary)
    };
    vec![
        Route {
            handler: handler!(reviews),
            ..row(
                "/api/v1/reviews",
                "reviews",
                "Accesses that an auditor is to look at: those that were drawn, and all emergency cases.",
                Shape::of::<api::ReviewList>(),
            )
        },
        Route {
            query: &[OFFSET],
            handler: handler!(anomalies),
            ..row(
                "/api/v1/anomalies",
                "anomalies",
                "What stands out in the last 30 days by stated rules; it accuses nobody.",
                Shape::of::<api::AnomalyList>(),
            )
        },
        Route {
            method: Method::POST,
            audit: AuditRule::EveryTime,
            body_bytes_max: SMALL_BODY,
            permission: Permission::Asks(asked_answer),
            request: Some(Shape::of::<api::ReviewAnswer>()),
            answer: Answer::Empty,
            handler: handler!(answer),
            ..row(
                "/api/v1/reviews/{entry}",
                "answer_review",
                "Says whether an access was right. Nobody answers for their own.",
                Shape::of::<api::ReviewList>(),
            )
        },
        Route {
            permission: Permission::Asks(|_| Ok(Action::ReadAudit)),
            query: &[FROM_ENTRY],
            answer: Answer::Text,
            handler: handler!(leaves),
            ..row(
                "/api/v1/log/leaves",
                "log_leaves",
                "The log to take along: at most 1,000 entries, each a line of JSON with its number and, in hexadecimal, the bytes that are hashed (version, salt, time, body). No line: there are no more.",
                Shape::of::<api::ReviewList>(),
            )
        },
    ]
}

async fn found(call: &Call) -> Result<PublicReport, Problem> {
    let month = call.query.text(MONTH.name).map(str::to_owned);
    call.blocking(move |app| app.ports().reports.report(month.as_deref())).await
}

async fn report(call: Call) -> Result<Response, Problem> {
    Ok(sent("application/json", found(&call).await?.json.to_vec()))
}

async fn report_text(call: Call) -> Result<Response, Problem> {
    Ok(sent("text/plain; charset=utf-8", found(&call).await?.text.as_bytes().to_vec()))
}

async fn list_reports(call: Call) -> Result<Response, Problem> {
    let list = call
        .blocking(|app| Ok(api::ReportList { months: app.ports().reports.months(), contact: app.office().contact }));
    ok(&list.await?)
}

async fn reviews(call: Call) -> Result<Response, Problem> {
    let list = call.blocking(|app| {
        let waiting = app.ports().reports.waiting()?.into_iter();
        let shown = waiting.map(|one| {
            let due_utc_ms = one.due.map(|due| due.as_ms());
            Ok(api::Review { entry: row(app, one.record)?, due_utc_ms })
        });
        Ok(api::ReviewList { reviews: shown.collect::<Result<_, Error>>()? })
    });
    ok(&list.await?)
}

fn asked_answer(asked: &Asked<'_>) -> Result<Action, Error> {
    let entry = asked.path.text("entry").unwrap_or_default().parse();
    let entry = entry.map_err(|_| Error::not_found("there is no entry with this number"))?;
    // Nothing of the body is read for somebody who is not signed in; what they tried is logged all the same.
    if asked.body.is_empty() {
        return Ok(Action::AnswerReview { entry, ok: false, reason: String::new() });
    }
    let answer: Result<api::ReviewAnswer, _> = serde_json::from_slice(asked.body);
    let answer = answer.map_err(|_| Error::invalid("the body is no answer as the API describes one"))?;
    let reason = check::line("reason", &answer.reason, REASON_BYTES_MAX)?;
    if !answer.ok && reason.is_empty() {
        return Err(Error::invalid("reason is empty").next("Say what was not right about it."));
    }
    Ok(Action::AnswerReview { entry, ok: answer.ok, reason })
}

async fn answer(call: Call) -> Result<Response, Problem> {
    let Action::AnswerReview { entry, ok, .. } = *call.grant()?.action() else { return Ok(empty()) };
    let answered = call.blocking(move |app| {
        app.ports().reports.answered(entry)?;
        super::cases::reviewed(app, entry, ok)
    });
    answered.await?;
    Ok(empty())
}

async fn anomalies(call: Call) -> Result<Response, Problem> {
    let offset = call.query.integer(OFFSET.name)?.unwrap_or_default();
    if !(-840..=840).contains(&offset) {
        return Err(Error::invalid("utc_offset_min must lie between -840 and 840").into());
    }
    let _place = call.app.counts().clone().try_acquire_owned().map_err(|_| {
        Problem::too_many("the log is being looked through for others", "Wait some seconds, then try again.")
    })?;
    let list = call.blocking(move |app| {
        let mut anomalies = app.ports().reports.anomalies(offset)?;
        for one in &mut anomalies {
            one.account_name = one.account.and_then(|id| app.accounts().name_of(id));
        }
        Ok(api::AnomalyList { anomalies })
    });
    ok(&list.await?)
}

async fn leaves(call: Call) -> Result<Response, Problem> {
    let from = call.query.integer(FROM_ENTRY.name)?.unwrap_or_default();
    let from = u64::try_from(from).map_err(|_| Error::invalid("from must be a whole number from 0 on"))?;
    let leaves = call.blocking(move |app| app.ports().reports.leaves(from)).await?;
    let line = |leaf: &crate::ports::StoredLeaf| {
        format!("{{\"index\":{},\"leaf\":\"{}\"}}\n", leaf.index, hex::encode(&leaf.bytes))
    };
    Ok(sent("text/plain; charset=utf-8", leaves.iter().map(line).collect::<String>().into_bytes()))
}

fn sent(kind: &'static str, bytes: Vec<u8>) -> Response {
    let mut response = Response::new(Body::from(bytes));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}
