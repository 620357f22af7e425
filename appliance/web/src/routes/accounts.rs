//! Accounts, for admins.

use super::dispatch::{Asked, Call, empty, json, ok};
use super::{Answer, AuditRule, NO_BODY, Permission, Route, SETTINGS_BODY, Shape, handler};
use crate::api;
use crate::error::{Error, Problem};
use axum::http::{Method, StatusCode};
use axum::response::Response;
use watchbook_access::Action;

const PATH: &str = "/api/v1/accounts";
const ONE: &str = "/api/v1/accounts/{account}";

pub(crate) fn rows() -> Vec<Route> {
    vec![
        Route {
            method: Method::GET,
            path: PATH,
            id: "accounts",
            summary: "All accounts.",
            permission: Permission::Asks(|_| Ok(Action::ReadAccounts)),
            audit: AuditRule::FirstIn { window_s: 60, because: "the page asks again after each change it makes" },
            body_bytes_max: NO_BODY,
            query: &[],
            request: None,
            answer: Answer::Json(200, Shape::of::<api::AccountList>()),
            handler: handler!(list),
        },
        Route {
            method: Method::POST,
            path: PATH,
            id: "create_account",
            summary: "Makes an account.",
            permission: Permission::Asks(|asked| {
                Ok(Action::ChangeAccount { account: None, what: what(asked, "new account") })
            }),
            audit: AuditRule::EveryTime,
            body_bytes_max: SETTINGS_BODY,
            query: &[],
            request: Some(Shape::of::<api::AccountRequest>()),
            answer: Answer::Json(201, Shape::of::<api::Account>()),
            handler: handler!(create),
        },
        Route {
            method: Method::PATCH,
            path: ONE,
            id: "change_account",
            summary: "Changes an account and ends its sessions.",
            permission: Permission::Asks(|asked| change(asked, what(asked, "change"))),
            audit: AuditRule::EveryTime,
            body_bytes_max: SETTINGS_BODY,
            query: &[],
            request: Some(Shape::of::<api::AccountPatch>()),
            answer: Answer::Json(200, Shape::of::<api::Account>()),
            handler: handler!(update),
        },
        Route {
            method: Method::DELETE,
            path: ONE,
            id: "remove_account",
            summary: "Removes an account and ends its sessions. Its number is never used again.",
            permission: Permission::Asks(|asked| change(asked, "removal".to_owned())),
            audit: AuditRule::EveryTime,
            body_bytes_max: NO_BODY,
            query: &[],
            request: None,
            answer: Answer::Empty,
            handler: handler!(remove),
        },
    ]
    .into_iter()
    .chain(factor_rows())
    .collect()
}

fn factor_rows() -> Vec<Route> {
    vec![Route {
        method: Method::DELETE,
        path: "/api/v1/accounts/{account}/second-factor",
        id: "remove_second_factor",
        summary: "Takes an account's second factor away and ends its sessions. There is an alarm until the account has another one.",
        permission: Permission::Asks(|asked| Ok(Action::RemoveSecondFactor { account: asked.path.account()? })),
        audit: AuditRule::EveryTime,
        body_bytes_max: NO_BODY,
        query: &[],
        request: None,
        answer: Answer::Empty,
        handler: handler!(remove_factor),
    }]
}

async fn remove_factor(call: Call) -> Result<Response, Problem> {
    call.app.accounts().remove_factor(call.app.gate(), call.path.account()?).await?;
    Ok(empty())
}

fn change(asked: &Asked<'_>, what: String) -> Result<Action, Error> {
    Ok(Action::ChangeAccount { account: Some(asked.path.account()?), what })
}

/// The fields that are set, and the roles by name: a widened role is what an auditor looks for.
fn what(asked: &Asked<'_>, verb: &str) -> String {
    #[derive(serde::Deserialize)]
    struct Wanted {
        roles: Vec<watchbook_access::Role>,
    }
    let fields = asked.field_names();
    match serde_json::from_slice::<Wanted>(asked.body) {
        Ok(Wanted { roles }) => {
            let names: Vec<_> = roles.iter().take(8).map(|role| format!("{role:?}").to_lowercase()).collect();
            format!("{verb}: {fields}; roles become {}", names.join(" "))
        }
        Err(_) => format!("{verb}: {fields}"),
    }
}

async fn list(call: Call) -> Result<Response, Problem> {
    ok(&api::AccountList { accounts: call.app.accounts().list() })
}

async fn create(call: Call) -> Result<Response, Problem> {
    json(StatusCode::CREATED, &call.app.accounts().create(call.json()?).await?)
}

async fn update(call: Call) -> Result<Response, Problem> {
    let account = call.path.account()?;
    ok(&call.app.accounts().update(call.app.gate(), account, call.json()?).await?)
}

async fn remove(call: Call) -> Result<Response, Problem> {
    call.app.accounts().remove(call.app.gate(), call.path.account()?).await?;
    Ok(empty())
}
