//! Passkeys: one's own, those of everybody for admins, and signing in with one.

use super::dispatch::{Asked, Call, empty, json, ok};
use super::{Answer, AuditRule, NO_BODY, Permission, Route, SMALL_BODY, Shape, handler};
use crate::accounts::{Client, SESSION_MAX_S, is_passkey_id, passkey_id};
use crate::api;
use crate::error::{Error, Problem};
use crate::headers;
use crate::passkey::Place;
use axum::http::{Method, StatusCode, header};
use axum::response::Response;
use watchbook_access::Action;

const OWN: &str = "/api/v1/session/passkeys";

pub(crate) fn rows() -> Vec<Route> {
    own_rows().into_iter().chain(rows_of_all()).chain(rows_to_show()).collect()
}

fn own_rows() -> Vec<Route> {
    vec![
        Route {
            method: Method::GET,
            path: OWN,
            id: "own_passkeys",
            summary: "The passkeys of one's own account.",
            permission: Permission::Asks(|_| Ok(Action::ReadOwnPasskeys)),
            audit: AuditRule::FirstIn { window_s: 60, because: "the page asks again after each change it makes" },
            body_bytes_max: NO_BODY,
            query: &[],
            request: None,
            answer: Answer::Json(200, Shape::of::<api::PasskeyList>()),
            handler: handler!(own),
        },
        Route {
            method: Method::POST,
            path: "/api/v1/session/passkeys/set-up",
            id: "set_up_passkey",
            summary: "What a browser needs to make a passkey. An account that has a second factor or a passkey shows one first.",
            permission: Permission::Asks(|_| Ok(Action::SetUpPasskey)),
            audit: AuditRule::EveryTime,
            body_bytes_max: SMALL_BODY,
            query: &[],
            request: Some(Shape::of::<api::PasskeySetUpRequest>()),
            answer: Answer::Json(200, Shape::of::<api::PasskeySetUp>()),
            handler: handler!(set_up),
        },
        Route {
            method: Method::POST,
            path: OWN,
            id: "add_passkey",
            summary: "Adds the passkey that a browser made to one's own account.",
            permission: Permission::Asks(|asked| Ok(Action::AddPasskey { passkey: new_passkey(asked)? })),
            audit: AuditRule::EveryTime,
            body_bytes_max: SMALL_BODY,
            query: &[],
            request: Some(Shape::of::<api::NewPasskey>()),
            answer: Answer::Json(201, Shape::of::<api::Passkey>()),
            handler: handler!(add),
        },
        Route {
            method: Method::DELETE,
            path: "/api/v1/session/passkeys/{passkey}",
            id: "remove_own_passkey",
            summary: "Removes a passkey of one's own account, after a second factor.",
            permission: Permission::Asks(|asked| Ok(Action::RemoveOwnPasskey { passkey: passkey_of(asked)? })),
            audit: AuditRule::EveryTime,
            body_bytes_max: NO_BODY,
            query: &[],
            request: None,
            answer: Answer::Empty,
            handler: handler!(remove_own),
        },
    ]
}

fn rows_of_all() -> Vec<Route> {
    vec![
        Route {
            method: Method::GET,
            path: "/api/v1/accounts/{account}/passkeys",
            id: "passkeys",
            summary: "The passkeys of an account.",
            permission: Permission::Asks(|_| Ok(Action::ReadAccounts)),
            audit: AuditRule::FirstIn { window_s: 60, because: "the page asks again after each change it makes" },
            body_bytes_max: NO_BODY,
            query: &[],
            request: None,
            answer: Answer::Json(200, Shape::of::<api::PasskeyList>()),
            handler: handler!(of_account),
        },
        Route {
            method: Method::DELETE,
            path: "/api/v1/accounts/{account}/passkeys/{passkey}",
            id: "remove_passkey",
            summary: "Removes a passkey of an account and ends its sessions. There is an alarm until the account has a second factor or a passkey again.",
            permission: Permission::Asks(|asked| {
                Ok(Action::RemovePasskey { account: asked.path.account()?, passkey: passkey_of(asked)? })
            }),
            audit: AuditRule::EveryTime,
            body_bytes_max: NO_BODY,
            query: &[],
            request: None,
            answer: Answer::Empty,
            handler: handler!(remove),
        },
    ]
}

fn rows_to_show() -> Vec<Route> {
    vec![
        Route {
            method: Method::GET,
            path: "/api/v1/session/passkey/challenge",
            id: "passkey_challenge",
            summary: "What a browser needs to show a passkey; 409 with the right address where passkeys do not work.",
            permission: Permission::Public { because: "nobody is signed in yet, and it is a random number" },
            audit: AuditRule::Nothing { because: "it tells nobody anything; the answer to it is logged" },
            body_bytes_max: NO_BODY,
            query: &[],
            request: None,
            answer: Answer::Json(200, Shape::of::<api::PasskeyChallenge>()),
            handler: handler!(challenge),
        },
        Route {
            method: Method::POST,
            path: "/api/v1/session/passkey",
            id: "sign_in_with_passkey",
            summary: "Signs in with a passkey, which stands for the password and the second factor.",
            permission: Permission::Public { because: "nobody is signed in yet; the passkey is the proof" },
            audit: AuditRule::ByHandler { because: "whether the passkey is right is known only in the act" },
            body_bytes_max: SMALL_BODY,
            query: &[],
            request: Some(Shape::of::<api::PasskeyAssertion>()),
            answer: Answer::Json(201, Shape::of::<api::Session>()),
            handler: handler!(sign_in),
        },
        Route {
            method: Method::POST,
            path: "/api/v1/session/second-factor/passkey",
            id: "show_passkey",
            summary: "Shows a passkey of one's own as the second factor, as `/session/second-factor` does with a code.",
            permission: Permission::Asks(|_| Ok(Action::EnterSecondFactor)),
            audit: AuditRule::EveryTime,
            body_bytes_max: SMALL_BODY,
            query: &[],
            request: Some(Shape::of::<api::PasskeyAssertion>()),
            answer: Answer::Empty,
            handler: handler!(show),
        },
    ]
}

fn passkey_of(asked: &Asked<'_>) -> Result<String, Error> {
    let text = asked.path.text("passkey").unwrap_or_default();
    match is_passkey_id(text) {
        true => Ok(text.to_owned()),
        false => Err(Error::not_found("there is no passkey with this number").next("Look at the list again.")),
    }
}

/// The public number of the passkey that is to be added; empty while nothing of the body is read.
fn new_passkey(asked: &Asked<'_>) -> Result<String, Error> {
    asked.json::<api::NewPasskey>()?.map_or_else(|| Ok(String::new()), |said| passkey_id(&said.authenticator_data))
}

fn place(call: &Call) -> Result<Place, Problem> {
    Place::of(&call.headers, call.over, &*call.app.ports().certificates)
}

async fn own(call: Call) -> Result<Response, Problem> {
    ok(&call.app.accounts().passkeys(call.who()?.account)?)
}

async fn of_account(call: Call) -> Result<Response, Problem> {
    ok(&call.app.accounts().passkeys(call.path.account()?)?)
}

async fn set_up(call: Call) -> Result<Response, Problem> {
    let request = call.json()?;
    let done = match place(&call) {
        Ok(place) => call.app.accounts().set_up_passkey(&call, &place, request).await,
        Err(problem) => call.noted(Err(problem)).await,
    };
    ok(&done?)
}

async fn add(call: Call) -> Result<Response, Problem> {
    let said = call.json()?;
    let done = match place(&call) {
        Ok(place) => call.app.accounts().add_passkey(&call, &place, said).await,
        Err(problem) => Err(problem),
    };
    json(StatusCode::CREATED, &call.noted(done).await?)
}

async fn remove_own(call: Call) -> Result<Response, Problem> {
    let passkey = call.path.text("passkey").unwrap_or_default();
    call.noted(call.app.accounts().remove_own_passkey(&call, passkey).await).await?;
    Ok(empty())
}

async fn remove(call: Call) -> Result<Response, Problem> {
    let (account, passkey) = (call.path.account()?, call.path.text("passkey").unwrap_or_default());
    call.noted(call.app.accounts().remove_passkey(call.app.gate(), account, passkey).await).await?;
    Ok(empty())
}

async fn challenge(call: Call) -> Result<Response, Problem> {
    ok(&call.app.accounts().passkey_challenge(call.peer, &place(&call)?)?)
}

async fn sign_in(call: Call) -> Result<Response, Problem> {
    let (said, place) = (call.json()?, place(&call)?);
    let from = Client::of(call.peer, &call.headers, call.over);
    let begun = call.app.accounts().sign_in_with_passkey(call.app.gate(), from, &place, &said).await?;
    let mut response = json(StatusCode::CREATED, &begun.session)?;
    response.headers_mut().insert(header::SET_COOKIE, headers::cookie_for(&begun.token, SESSION_MAX_S, call.over));
    Ok(response)
}

async fn show(call: Call) -> Result<Response, Problem> {
    let said = call.json()?;
    let place = match place(&call) {
        Ok(place) => place,
        Err(problem) => return call.noted(Err(problem)).await,
    };
    call.app.accounts().show_passkey(&call, &place, &said).await?;
    Ok(empty())
}
