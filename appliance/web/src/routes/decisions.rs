//! Releases by signed file: the request goes out, an approver elsewhere signs, the decision comes back with anybody. It then is the approver's word, through the same gate as on the page.

use super::dispatch::{Asked, Call, answerable, empty, ok};
use super::exports::{may_know, named};
use super::{Answer, AuditRule, NO_BODY, Permission, Route, SMALL_BODY, Shape, handler};
use crate::error::{Error, Problem};
use crate::gate::undone;
use crate::ports::{ExportAnswer, SignedDecision};
use crate::{api, hex};
use axum::body::Body;
use axum::http::{HeaderValue, Method, header};
use axum::response::Response;
use watchbook_access::{Action, Subject};
use watchbook_base::Kind;

/// A decision is a signed note of at most 8 KiB; in JSON each of its line ends is two bytes.
const DECISION_BODY: usize = 12 << 10;
const KEY: &str = "/api/v1/accounts/{account}/approver-key";

pub(crate) fn rows() -> Vec<Route> {
    let mut rows = rows_of_files();
    rows.extend(rows_of_keys());
    rows
}

fn rows_of_files() -> Vec<Route> {
    vec![
        Route {
            method: Method::POST,
            path: "/api/v1/exports/{export}/decision-request",
            id: "ask_decision",
            summary: "What an approver elsewhere is asked about an export that waits for its release: a text, for `watchbook-approve`.",
            permission: Permission::Asks(|asked| Ok(Action::AskDecision { export: asked.path.export()? })),
            audit: AuditRule::EveryTime,
            body_bytes_max: NO_BODY,
            query: &[],
            request: None,
            answer: Answer::Text,
            handler: handler!(ask),
        },
        Route {
            method: Method::POST,
            path: "/api/v1/exports/{export}/decision",
            id: "bring_decision",
            summary: "Brings what an approver elsewhere has signed. It counts once, as the release or refusal of that approver; 409 when it is about another request or manifest, or over.",
            permission: Permission::Asks(asked_bring),
            audit: AuditRule::EveryTime,
            body_bytes_max: DECISION_BODY,
            query: &[],
            request: Some(Shape::of::<api::DecisionRequest>()),
            answer: Answer::Json(200, Shape::of::<api::Export>()),
            handler: handler!(bring),
        },
    ]
}

fn rows_of_keys() -> Vec<Route> {
    vec![
        Route {
            method: Method::PUT,
            path: KEY,
            id: "enrol_approver_key",
            summary: "Takes files that are signed with this key for the word of an approver, with a fresh second factor of the admin. Nobody enrols a key for themselves.",
            permission: Permission::Asks(asked_enrol),
            audit: AuditRule::EveryTime,
            body_bytes_max: SMALL_BODY,
            query: &[],
            request: Some(Shape::of::<api::ApproverKeyRequest>()),
            answer: Answer::Empty,
            handler: handler!(enrol),
        },
        Route {
            method: Method::DELETE,
            path: KEY,
            id: "remove_approver_key",
            summary: "Takes files that are signed with an approver's key no more.",
            permission: Permission::Asks(|asked| Ok(Action::RemoveApproverKey { account: asked.path.account()? })),
            audit: AuditRule::EveryTime,
            body_bytes_max: NO_BODY,
            query: &[],
            request: None,
            answer: Answer::Empty,
            handler: handler!(remove),
        },
    ]
}

fn asked_bring(asked: &Asked<'_>) -> Result<Action, Error> {
    let request: Option<api::DecisionRequest> = asked.json()?;
    let text = request.map(|request| request.text).unwrap_or_default();
    Ok(Action::BringDecision { export: asked.path.export()?, decision_sha256: hash_of(&text) })
}

fn hash_of(text: &str) -> String {
    hex::encode(&hex::sha256(text.as_bytes()))
}

/// A public key is a line of printable characters; what it is, the handler looks at.
fn asked_enrol(asked: &Asked<'_>) -> Result<Action, Error> {
    let request: Option<api::ApproverKeyRequest> = asked.json()?;
    let key = request.map(|request| request.key.trim().to_owned()).unwrap_or_default();
    if key.len() > 512 || key.chars().any(char::is_control) {
        return Err(Error::invalid("key must be the one line that watchbook-approve keygen printed"));
    }
    Ok(Action::EnrolApproverKey { account: asked.path.account()?, key })
}

async fn ask(call: Call) -> Result<Response, Problem> {
    let (export, subject) = (call.path.export()?, call.who()?.subject.clone());
    let asked = call.blocking(move |app| {
        let found = app.ports().exports.list()?.into_iter().find(|row| row.id == export.to_string());
        let found = found.ok_or_else(|| Error::not_found("there is no export with this number"))?;
        if let Some(other) = found.cameras.iter().find(|camera| !subject.covers(**camera)) {
            let why = format!("export {export} has camera {other}, which is not among the cameras of this account");
            return Err(Error::new(Kind::Denied, why).next("Ask somebody who has all of its cameras."));
        }
        if !may_know(app, &found, &subject)? {
            let why = format!("export {export} belongs to a case that does not name this account");
            return Err(
                Error::new(Kind::Denied, why).next("Whoever asked for it, or an approver, downloads the request.")
            );
        }
        app.ports().decisions.request(&found)
    });
    let text = call.noted(asked.await).await?;
    let mut response = Response::new(Body::from(text));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    Ok(response)
}

async fn bring(call: Call) -> Result<Response, Problem> {
    let api::DecisionRequest { text } = call.json()?;
    let (export, file) = (call.path.export()?, hash_of(&text));
    let keys = call.app.accounts().approver_keys();
    let read = call.blocking(move |app| {
        let read = app.ports().decisions.read(&text, &keys)?;
        match read.export == export {
            true => Ok(read),
            false => Err(Error::new(Kind::Conflict, format!("this decision is about export {}", read.export))),
        }
    });
    let decision = call.noted(read.await).await?;
    let approver = call.app.accounts().by_signed_file(decision.account);
    let approver = approver.ok_or_else(|| Error::new(Kind::Denied, "the account of this key is gone"))?;
    ok(&take(&call, approver, decision, file).await?)
}

/// The approver's word, as if it had been said on the page.
async fn take(call: &Call, approver: Subject, decision: SignedDecision, file: String) -> Result<api::Export, Problem> {
    let SignedDecision { export, manifest_sha256, account, refusal } = decision;
    let (manifest, by_signed_file) = (manifest_sha256.clone(), Some(file));
    let action = match &refusal {
        None => Action::ReleaseExport { export, manifest_sha256: manifest, by_signed_file },
        Some(reason) => {
            Action::RefuseExport { export, manifest_sha256: manifest, reason: reason.clone(), by_signed_file }
        }
    };
    let facts = call.blocking(move |app| Ok(app.ports().exports.facts(export))).await?;
    let approver = Subject { export: facts, ..approver };
    let action = answerable(&call.app, action, &approver).await?;
    let grant = call.app.gate().open_for(approver, action.clone()).await?;
    let of = (grant.audit_index(), action);
    let answer = ExportAnswer { export, manifest_sha256, account, refusal };
    let done = call.blocking(move |app| {
        let answered = named(app, app.ports().exports.answer(&grant, answer)?);
        // The answer stands. A request that is still listed is refused when it is answered again.
        if let Err(error) = app.ports().decisions.taken(export) {
            tracing::error!(export, %error, "the request for an answer elsewhere is still listed");
        }
        Ok(answered)
    });
    let done = done.await;
    if let Err(problem) = &done {
        call.app.gate().note(undone(Some(account), of, problem.detail())).await?;
    }
    done
}

async fn enrol(call: Call) -> Result<Response, Problem> {
    let api::ApproverKeyRequest { key } = call.json()?;
    let account = call.path.account()?;
    let checked = call.blocking(move |app| app.ports().decisions.check_key(key.trim())).await;
    let enrolled = match checked {
        Ok(key) => call.app.accounts().enrol_key(account, key).await,
        Err(problem) => Err(problem),
    };
    call.noted(enrolled).await?;
    Ok(empty())
}

async fn remove(call: Call) -> Result<Response, Problem> {
    call.noted(call.app.accounts().remove_key(call.path.account()?).await).await?;
    Ok(empty())
}
