//! What rules propose: looking, and deciding.

use super::dispatch::{Arguments, Asked, Call, ok};
use super::{Answer, AuditRule, NO_BODY, Permission, Query, QueryKind, Route, SMALL_BODY, Shape, cameras, handler};
use crate::api::{self, Decision, ProposalKind, ProposalState};
use crate::app::App;
use crate::check;
use crate::error::{Error, Problem};
use crate::gate::entry;
use crate::ports::{HoldOrder, ProposalDecision, ProposalRow};
use axum::http::Method;
use axum::response::Response;
use std::sync::Arc;
use watchbook_access::{Action, Subject, decide};
use watchbook_base::limits::NAME_BYTES_MAX;
use watchbook_base::{Kind, TimeRange, UtcNanos};

/// A reason.
const TEXT_BYTES_MAX: usize = 1024;
/// Rows of one answer.
const ROWS_MAX: usize = 500;
const STATE: Query =
    Query { name: "state", kind: QueryKind::Text, required: false, about: "`open` or `decided`; both when left out." };
const TEXT: Query = Query {
    name: "text",
    kind: QueryKind::Text,
    required: false,
    about: "Only those that have this text in their reason, tag, line, event, rule or case; at most 128 bytes.",
};

pub(crate) fn rows() -> Vec<Route> {
    vec![
        Route {
            method: Method::GET,
            path: "/api/v1/proposals",
            id: "proposals",
            summary: "What rules propose, newest first. A proposal changes nothing before a person decides.",
            permission: Permission::Asks(|_| Ok(Action::ReadProposals)),
            audit: cameras::CONFIG_READ,
            body_bytes_max: NO_BODY,
            query: &[STATE, TEXT],
            request: None,
            answer: Answer::Json(200, Shape::of::<api::ProposalList>()),
            handler: handler!(list),
        },
        Route {
            method: Method::POST,
            path: "/api/v1/proposals/{proposal}/decide",
            id: "decide_proposal",
            summary: "Accepts or dismisses a proposal. Accepting a hold places it for the named case.",
            permission: Permission::Asks(asked_decide),
            audit: AuditRule::EveryTime,
            body_bytes_max: SMALL_BODY,
            query: &[],
            request: Some(Shape::of::<api::ProposalDecisionRequest>()),
            answer: Answer::Json(200, Shape::of::<api::Proposal>()),
            handler: handler!(decide_one),
        },
    ]
}

fn unknown() -> Error {
    Error::not_found("there is no proposal with this number").next("Look at the list of proposals.")
}

fn number(path: &Arguments) -> Result<u64, Error> {
    path.text("proposal").unwrap_or_default().parse().map_err(|_| unknown())
}

fn asked_decide(asked: &Asked<'_>) -> Result<Action, Error> {
    let proposal = number(asked.path)?;
    // Nothing of the body is read for somebody who is not signed in; what they tried is logged all the same.
    if asked.body.is_empty() {
        return Ok(Action::DecideProposal { proposal, accept: false, reason: String::new() });
    }
    let request: Result<api::ProposalDecisionRequest, _> = serde_json::from_slice(asked.body);
    let request = request.map_err(|_| Error::invalid("the body is no decision as the API describes one"))?;
    let reason = check::line("reason", &request.reason, TEXT_BYTES_MAX)?;
    Ok(Action::DecideProposal { proposal, accept: request.decision == Decision::Accept, reason })
}

async fn list(call: Call) -> Result<Response, Problem> {
    let open = match call.query.text(STATE.name) {
        None => None,
        Some("open") => Some(true),
        Some("decided") => Some(false),
        Some(_) => return Err(Error::invalid("state must be open or decided").into()),
    };
    let text = call.query.text(TEXT.name).unwrap_or_default().to_lowercase();
    if text.len() > NAME_BYTES_MAX {
        return Err(Error::invalid(format!("text may have at most {NAME_BYTES_MAX} bytes")).into());
    }
    let subject = call.who()?.subject.clone();
    let list = call.blocking(move |app| {
        let book = app.ports().proposals.list()?;
        let own: Vec<ProposalRow> = book.rows.into_iter().filter(|row| subject.covers(row.camera)).collect();
        let is_open = |row: &ProposalRow| row.decided.is_none();
        let wanted = |row: &&ProposalRow| open.is_none_or(|open| open == is_open(row)) && has(row, &text);
        Ok(api::ProposalList {
            open_count: u32::try_from(own.iter().filter(|row| is_open(row)).count()).unwrap_or(u32::MAX),
            proposals: own.iter().filter(wanted).take(ROWS_MAX).map(|row| shown(app, row)).collect(),
            events_dropped: book.events_dropped,
            dropped: book.dropped,
        })
    });
    ok(&list.await?)
}

fn has(row: &ProposalRow, text: &str) -> bool {
    let case = row.clip.as_ref().and_then(|clip| clip.case.as_deref());
    let texts = [Some(row.reason.as_str()), row.text.as_deref(), case, Some(&row.event.kind), Some(&row.rule.plugin)];
    text.is_empty() || texts.into_iter().flatten().any(|part| part.to_lowercase().contains(text))
}

fn shown(app: &App, row: &ProposalRow) -> api::Proposal {
    let state = match &row.decided {
        None => ProposalState::Open,
        Some(decided) if decided.accepted => ProposalState::Accepted,
        Some(_) => ProposalState::Dismissed,
    };
    api::Proposal {
        id: row.id.to_string(),
        at_utc_ms: row.at.as_ms(),
        camera: row.camera,
        event: row.event.clone(),
        rule: row.rule.clone(),
        kind: row.kind,
        clip: row.clip.clone(),
        text: row.text.clone(),
        reason: row.reason.clone(),
        state,
        decided: row.decided.as_ref().map(|decided| api::ProposalDecided {
            account: decided.account,
            account_name: app.accounts().name_of(decided.account),
            at_utc_ms: decided.at.as_ms(),
            reason: decided.reason.clone(),
            hold: decided.hold.map(|hold| hold.to_string()),
        }),
    }
}

async fn decide_one(call: Call) -> Result<Response, Problem> {
    let request: api::ProposalDecisionRequest = call.json()?;
    let reason = check::line("reason", &request.reason, TEXT_BYTES_MAX)?;
    let id = number(&call.path)?;
    let subject = call.who()?.subject.clone();
    let app = call.app.clone();
    let _deciding = app.deciding().lock().await;
    let book = call.blocking(|app| app.ports().proposals.list()).await?;
    let row = book.rows.into_iter().find(|row| row.id == id && subject.covers(row.camera)).ok_or_else(unknown)?;
    if row.decided.is_some() {
        let error = Error::new(Kind::Conflict, format!("proposal {id} has been decided already"));
        return Err(error.next("Load the list again: it says who decided, and why.").into());
    }
    let hold = match request.decision {
        Decision::Accept => accept(&call, &subject, &row, request.case).await?,
        Decision::Dismiss if reason.is_empty() && row.clip.is_some() => {
            let error = Error::invalid("reason is empty");
            return Err(error.next("Say why the footage is neither held nor taken out.").into());
        }
        Decision::Dismiss => None,
    };
    let decided = ProposalDecision {
        account: subject.account.unwrap_or_default(),
        at: call.app.clock().utc(),
        accepted: request.decision == Decision::Accept,
        reason,
        hold,
    };
    let stored = call.blocking(move |app| {
        let row = app.ports().proposals.decide(id, decided)?;
        Ok(shown(app, &row))
    });
    ok(&stored.await?)
}

/// Does what the proposal is about, as far as this account may; the number of the hold that was placed.
async fn accept(
    call: &Call,
    subject: &Subject,
    row: &ProposalRow,
    case: Option<String>,
) -> Result<Option<u64>, Problem> {
    let Some(clip) = &row.clip else { return Ok(None) };
    let range = TimeRange { start: UtcNanos::from_ms(clip.from_utc_ms), end: UtcNanos::from_ms(clip.to_utc_ms) };
    if row.kind == ProposalKind::ExportClip {
        // It is asked for on the timeline, inside a case and with an entry of its own; whoever may not see what is recorded there cannot accept for others.
        let action = Action::Timeline { camera: row.camera };
        if let Err(refusal) = decide(subject, &action) {
            call.app.gate().note(entry(subject.account, action, Some(&refusal.to_string()))).await?;
            return Err(refusal.into());
        }
        return Ok(None);
    }
    let case = check::line("case", case.as_deref().unwrap_or_default(), NAME_BYTES_MAX)?;
    if case.is_empty() {
        return Err(Error::invalid("case is empty")
            .next("Type the number of the case that the footage is kept for.")
            .into());
    }
    let cameras = vec![row.camera];
    let action = Action::PlaceHold { case: case.clone(), cameras: cameras.clone(), range };
    let grant = call.app.gate().open(call.who()?, action, AuditRule::EveryTime).await?;
    let account = subject.account.unwrap_or_default();
    // The note is for people; a long reason is in the proposal and in the log.
    let note: String = row.reason.chars().take(256).collect();
    let order = HoldOrder { case, cameras, range, note, account };
    let placed = call.blocking(move |app| app.ports().holds.place(&Arc::clone(&grant), order)).await?;
    Ok(Some(placed.id))
}
