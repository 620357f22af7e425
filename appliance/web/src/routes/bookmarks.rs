//! Bookmarks of a case: for whoever works in it, as long as it is open.

use super::cases::number;
use super::dispatch::{Asked, Call, json, ok};
use super::{Answer, AuditRule, NO_BODY, Permission, Route, SMALL_BODY, Shape, handler};
use crate::api;
use crate::app::App;
use crate::check;
use crate::error::{Error, Problem};
use axum::http::{Method, StatusCode};
use axum::response::Response;
use watchbook_access::case::{BOOKMARK_BYTES_MAX, BOOKMARK_CAMERAS_MAX, BOOKMARKS_MAX};
use watchbook_access::{Action, Bookmark, Case, Subject};
use watchbook_base::time::NANOS_PER_MS;
use watchbook_base::{Kind, TimeRange, UtcNanos};

const PATH: &str = "/api/v1/cases/{case}/bookmarks";

pub(crate) fn rows() -> Vec<Route> {
    vec![
        Route {
            method: Method::GET,
            path: PATH,
            id: "bookmarks",
            summary: "The moments that were marked in a case, for whoever works in it while it is open.",
            permission: Permission::InCase(|asked, _| Ok(Action::ReadBookmarks { case: number(asked.path)? })),
            audit: AuditRule::FirstIn {
                window_s: 3600,
                because: "the page reads it again and again, and it shows no footage",
            },
            body_bytes_max: NO_BODY,
            query: &[],
            request: None,
            answer: Answer::Json(200, Shape::of::<api::BookmarkList>()),
            handler: handler!(list),
        },
        Route {
            method: Method::POST,
            path: PATH,
            id: "add_bookmark",
            summary: "Marks a moment of footage that may be played in the case. The log keeps which, not the words.",
            permission: Permission::InCase(asked_add),
            audit: AuditRule::EveryTime,
            body_bytes_max: SMALL_BODY,
            query: &[],
            request: Some(Shape::of::<api::BookmarkRequest>()),
            answer: Answer::Json(201, Shape::of::<api::Bookmark>()),
            handler: handler!(add),
        },
        Route {
            method: Method::DELETE,
            path: "/api/v1/cases/{case}/bookmarks/{bookmark}",
            id: "remove_bookmark",
            summary: "Takes a mark away. The footage stays as it is.",
            permission: Permission::InCase(asked_remove),
            audit: AuditRule::EveryTime,
            body_bytes_max: NO_BODY,
            query: &[],
            request: None,
            answer: Answer::Empty,
            handler: handler!(remove),
        },
    ]
}

/// The shortest range that begins at a moment.
fn moment(at_utc_ms: i64) -> Result<TimeRange, Error> {
    let inside = (0..=7_258_118_400_000).contains(&at_utc_ms);
    let start = UtcNanos::from_ms(if inside { at_utc_ms } else { 0 });
    match TimeRange::new(start, start.plus_nanos(NANOS_PER_MS)) {
        Some(range) if inside => Ok(range),
        _ => Err(Error::invalid("at_utc_ms must lie between the years 1970 and 2200")),
    }
}

fn asked_add(asked: &Asked<'_>, _case: Option<&Case>) -> Result<Action, Error> {
    let case = number(asked.path)?;
    // Nothing of the body is read for somebody who is not signed in; what they tried is logged all the same.
    if asked.body.is_empty() {
        return Ok(Action::AddBookmark { case, cameras: Vec::new(), range: moment(0)? });
    }
    let request: api::BookmarkRequest = serde_json::from_slice(asked.body)
        .map_err(|_| Error::invalid("the body is no bookmark as the API describes one"))?;
    let cameras: Vec<_> = check::cameras(request.cameras)?.into_iter().collect();
    if !(1..=BOOKMARK_CAMERAS_MAX).contains(&cameras.len()) {
        return Err(Error::invalid(format!("a bookmark names 1 to {BOOKMARK_CAMERAS_MAX} cameras")));
    }
    Ok(Action::AddBookmark { case, cameras, range: moment(request.at_utc_ms)? })
}

fn unknown() -> Error {
    Error::not_found("there is no bookmark with this number in the case").next("Look at the case's bookmarks again.")
}

fn asked_remove(asked: &Asked<'_>, _case: Option<&Case>) -> Result<Action, Error> {
    let bookmark = asked.path.text("bookmark").unwrap_or_default().parse().map_err(|_| unknown())?;
    Ok(Action::RemoveBookmark { case: number(asked.path)?, bookmark })
}

async fn list(call: Call) -> Result<Response, Problem> {
    let (number, subject) = (number(&call.path)?, call.who()?.subject.clone());
    let list = call.blocking(move |app| {
        let case = app.ports().cases.get(&number)?;
        let mut bookmarks = case.map(|case| case.bookmarks).unwrap_or_default();
        bookmarks.sort_by_key(|bookmark| (bookmark.at, bookmark.number));
        let bookmarks = bookmarks.into_iter().map(|bookmark| shown(app, bookmark, &subject)).collect();
        Ok(api::BookmarkList { bookmarks })
    });
    ok(&list.await?)
}

async fn add(call: Call) -> Result<Response, Problem> {
    let action = call.grant()?.action().clone();
    let subject = call.who()?.subject.clone();
    let Action::AddBookmark { case: number, cameras, range } = action else {
        return Err(Error::new(Kind::Internal, "this row was opened for something else").into());
    };
    let now = call.app.clock().utc();
    let added = async {
        let request: api::BookmarkRequest = call.json()?;
        let words = check::line("words", &request.words, BOOKMARK_BYTES_MAX)?;
        call.blocking(move |app| {
            let cameras = cameras.into_iter().collect();
            let by = subject.account.unwrap_or_default();
            let mut made = Bookmark { number: 0, at: range.start, cameras, words, by, made: now };
            let kept = &mut made;
            app.ports().cases.update(
                &number,
                Box::new(|case| {
                    if case.bookmarks.len() >= BOOKMARKS_MAX {
                        let why =
                            format!("case {} has {BOOKMARKS_MAX} bookmarks, as many as a case keeps", case.number);
                        return Err(Error::new(Kind::Exhausted, why).next("Take away one that is not needed any more."));
                    }
                    kept.number = case.next_bookmark();
                    case.bookmarks.push(kept.clone());
                    Ok(())
                }),
            )?;
            Ok(shown(app, made, &subject))
        })
        .await
    };
    json(StatusCode::CREATED, &call.noted(added.await).await?)
}

async fn remove(call: Call) -> Result<Response, Problem> {
    let action = call.grant()?.action().clone();
    let Action::RemoveBookmark { case: number, bookmark } = action else {
        return Err(Error::new(Kind::Internal, "this row was opened for something else").into());
    };
    let removed = call.blocking(move |app| {
        app.ports().cases.update(
            &number,
            Box::new(move |case| {
                let at = case.bookmarks.iter().position(|one| one.number == bookmark).ok_or_else(unknown)?;
                case.bookmarks.remove(at);
                Ok(())
            }),
        )
    });
    call.noted(removed.await).await?;
    Ok(super::dispatch::empty())
}

/// What `subject` may see of one.
fn shown(app: &App, bookmark: Bookmark, subject: &Subject) -> api::Bookmark {
    api::Bookmark {
        bookmark: bookmark.number,
        at_utc_ms: bookmark.at.as_ms(),
        cameras: bookmark.cameras.into_iter().filter(|camera| subject.covers(*camera)).collect(),
        words: bookmark.words,
        by: bookmark.by,
        by_name: app.accounts().name_of(bookmark.by),
        made_utc_ms: bookmark.made.as_ms(),
    }
}
