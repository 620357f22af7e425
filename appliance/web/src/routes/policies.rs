//! The station's policy: what anybody may read of it, choosing another one, and accepting what somebody else chose.

use super::dispatch::{Asked, Call, ok};
use super::{Answer, AuditRule, NO_BODY, Permission, Route, SMALL_BODY, Shape, handler};
use crate::api;
use crate::app::App;
use crate::error::{Error, Problem};
use axum::http::Method;
use axum::response::Response;
use std::sync::Arc;
use watchbook_access::Action;
use watchbook_access::policy::{Profile, Rules};
use watchbook_base::Kind;

const ID_BYTES_MAX: usize = 32;

/// A row with what most of them have.
fn row(method: Method, path: &'static str, id: &'static str, summary: &'static str, permission: Permission) -> Route {
    Route {
        method,
        path,
        id,
        summary,
        permission,
        audit: AuditRule::EveryTime,
        body_bytes_max: SMALL_BODY,
        query: &[],
        request: Some(Shape::of::<api::PolicyRequest>()),
        answer: Answer::Json(200, Shape::of::<api::PolicyList>()),
        handler: handler!(propose),
    }
}

pub(crate) fn rows() -> Vec<Route> {
    let mut rows = rows_that_read();
    rows.extend(rows_that_change());
    rows
}

fn rows_that_read() -> Vec<Route> {
    let open =
        Permission::Public { because: "those whom the cameras see must be able to know what the station holds to" };
    let unlogged = AuditRule::Nothing {
        because: "it is made for everybody, and an entry for each reader would be a list of who asked",
    };
    let of_list =
        "Policies that can be chosen, with what each would loosen, and the one that waits for a second person.";
    let reads = Permission::Asks(|_| Ok(Action::ReadPolicies));
    vec![
        Route {
            audit: unlogged,
            body_bytes_max: NO_BODY,
            request: None,
            answer: Answer::Json(200, Shape::of::<api::PublicPolicy>()),
            handler: handler!(public),
            ..row(Method::GET, "/api/v1/policy", "policy", "What the station holds to, and whom to ask.", open)
        },
        Route {
            audit: super::cameras::CONFIG_READ,
            body_bytes_max: NO_BODY,
            request: None,
            handler: handler!(list),
            ..row(Method::GET, "/api/v1/policies", "policies", of_list, reads)
        },
    ]
}

fn rows_that_change() -> Vec<Route> {
    let of_propose = "Chooses a policy. One that loosens nothing is in force at once; another one waits until somebody else accepts it.";
    let of_accept = "Brings a policy into force that somebody else proposed, with a fresh second factor. 409 when something else is proposed by now.";
    let of_withdraw = "Puts a policy aside that somebody proposed.";
    vec![
        row(Method::POST, "/api/v1/policies/propose", "propose_policy", of_propose, Permission::Asks(asked_propose)),
        Route {
            request: Some(Shape::of::<api::PolicyAcceptRequest>()),
            handler: handler!(accept),
            ..row(Method::POST, "/api/v1/policies/accept", "accept_policy", of_accept, Permission::Asks(asked_accept))
        },
        Route {
            handler: handler!(withdraw),
            ..row(
                Method::POST,
                "/api/v1/policies/withdraw",
                "withdraw_policy",
                of_withdraw,
                Permission::Asks(asked_withdraw),
            )
        },
    ]
}

/// Id and hash as they may stand in the log.
fn named(policy: &str, policy_sha256: &str) -> Result<(String, String), Error> {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let hash = policy_sha256.len() == 64 && policy_sha256.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    match hash && (1..=ID_BYTES_MAX).contains(&policy.len()) && policy.chars().all(plain) {
        true => Ok((policy.to_owned(), policy_sha256.to_owned())),
        false => Err(Error::invalid("policy and policy_sha256 must be those of a policy in the list")),
    }
}

fn asked_propose(asked: &Asked<'_>) -> Result<Action, Error> {
    let Some(request) = asked.json::<api::PolicyRequest>()? else {
        return Ok(Action::ProposePolicy { policy: String::new(), version: 0, policy_sha256: String::new() });
    };
    let (policy, policy_sha256) = named(&request.policy, &request.policy_sha256)?;
    Ok(Action::ProposePolicy { policy, version: request.version, policy_sha256 })
}

fn asked_accept(asked: &Asked<'_>) -> Result<Action, Error> {
    let Some(request) = asked.json::<api::PolicyAcceptRequest>()? else {
        let (policy, policy_sha256) = (String::new(), String::new());
        return Ok(Action::AcceptPolicy { policy, version: 0, policy_sha256, proposed_by: 0 });
    };
    let (policy, policy_sha256) = named(&request.policy, &request.policy_sha256)?;
    Ok(Action::AcceptPolicy { policy, version: request.version, policy_sha256, proposed_by: request.proposed_by })
}

fn asked_withdraw(asked: &Asked<'_>) -> Result<Action, Error> {
    let Some(request) = asked.json::<api::PolicyRequest>()? else {
        return Ok(Action::WithdrawPolicy { policy_sha256: String::new() });
    };
    let (_, policy_sha256) = named(&request.policy, &request.policy_sha256)?;
    Ok(Action::WithdrawPolicy { policy_sha256 })
}

async fn public(call: Call) -> Result<Response, Problem> {
    let policy = call.blocking(|app| {
        let in_force = shown(&app.ports().policies.in_force());
        Ok(api::PublicPolicy { in_force, contact: app.office().contact })
    });
    ok(&policy.await?)
}

async fn list(call: Call) -> Result<Response, Problem> {
    ok(&call.blocking(listed).await?)
}

async fn propose(call: Call) -> Result<Response, Problem> {
    let account = call.who()?.subject.account.unwrap_or_default();
    let app = call.app.clone();
    let _deciding = app.deciding().lock().await;
    let Action::ProposePolicy { policy, version, policy_sha256 } = call.grant()?.action().clone() else {
        return Err(opened_for_something_else().into());
    };
    let done = call.blocking(move |app| {
        let policies = &app.ports().policies;
        let meant =
            |profile: &Profile| (&profile.id, profile.version, &profile.sha256) == (&policy, version, &policy_sha256);
        if !policies.offered()?.iter().any(meant) {
            return Err(other_file());
        }
        policies.propose(&policy_sha256, account)
    });
    call.noted(done.await).await?;
    ok(&call.blocking(listed).await?)
}

async fn accept(call: Call) -> Result<Response, Problem> {
    let app = call.app.clone();
    let _deciding = app.deciding().lock().await;
    let grant = Arc::clone(call.grant()?);
    let done = call.blocking(move |app| {
        let Action::AcceptPolicy { policy, version, policy_sha256, proposed_by } = grant.action() else {
            return Err(opened_for_something_else());
        };
        let policies = &app.ports().policies;
        let meant =
            |profile: &Profile| (&profile.id, profile.version, &profile.sha256) == (policy, *version, policy_sha256);
        if !policies.proposed()?.is_some_and(|proposal| meant(&proposal.profile) && proposal.account == *proposed_by) {
            return Err(other_file());
        }
        policies.accept(&grant)
    });
    call.noted(done.await).await?;
    ok(&call.blocking(listed).await?)
}

async fn withdraw(call: Call) -> Result<Response, Problem> {
    let app = call.app.clone();
    let _deciding = app.deciding().lock().await;
    let Action::WithdrawPolicy { policy_sha256 } = call.grant()?.action().clone() else {
        return Err(opened_for_something_else().into());
    };
    let done = call.blocking(move |app| app.ports().policies.withdraw(&policy_sha256));
    call.noted(done.await).await?;
    ok(&call.blocking(listed).await?)
}

fn opened_for_something_else() -> Error {
    Error::new(Kind::Internal, "this row was opened for something else")
}

fn other_file() -> Error {
    Error::new(Kind::Conflict, "the policy is not the one that was looked at")
        .next("Load the list again and look at it anew.")
}

fn listed(app: &App) -> Result<api::PolicyList, Error> {
    let policies = &app.ports().policies;
    let now = policies.in_force();
    let loosens = |rules: &Rules| rules.loosened(&now.rules).into_iter().map(str::to_owned).collect();
    let offered = policies.offered()?;
    let offered = offered
        .iter()
        .map(|profile| api::OfferedPolicy { policy: shown(profile), loosens: loosens(&profile.rules) })
        .collect();
    let proposed = policies.proposed()?.map(|proposal| api::ProposedPolicy {
        loosens: loosens(&proposal.profile.rules),
        policy: shown(&proposal.profile),
        account: proposal.account,
        account_name: app.accounts().name_of(proposal.account),
        at_utc_ms: proposal.at.as_ms(),
    });
    Ok(api::PolicyList { in_force: shown(&now), offered, proposed })
}

fn shown(profile: &Profile) -> api::Policy {
    let Rules {
        retention_days,
        retention_days_max,
        sound,
        case_days_max,
        case_footage_days_max,
        emergency_minutes_max,
        review_percent,
        review_at_least,
        subject_request_days,
    } = profile.rules;
    api::Policy {
        policy: profile.id.clone(),
        version: profile.version,
        title_en: profile.title_en.clone(),
        title_km: profile.title_km.clone(),
        sources: profile.sources.clone(),
        rules: api::PolicyRules {
            retention_days,
            retention_days_max,
            sound,
            case_days_max,
            case_footage_days_max,
            emergency_minutes_max,
            review_percent,
            review_at_least,
            subject_request_days,
        },
        policy_sha256: profile.sha256.clone(),
    }
}
