//! Backups of the configuration: made, looked at, restored.

use super::dispatch::{Asked, Call, blocking, json};
use super::{Answer, AuditRule, Permission, Query, QueryKind, Route, SMALL_BODY, Shape, handler};
use crate::accounts;
use crate::accounts::carried::Carried;
use crate::api;
use crate::app::App;
use crate::backup::{self, About, AboutPlugin, BACKUP_BYTES_MAX, BackupTable, Contents, Plan, Plans};
use crate::error::{Error, Problem};
use crate::gate::{entry, undone};
use crate::hex;
use crate::ports::RestoreOnto;
use axum::body::Body;
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::response::Response;
use watchbook_access::Action;
use watchbook_base::Kind;

const PATH: &str = "/api/v1/backup";
/// A backup, and before it a code and a passphrase.
const FILE_BODY: usize = BACKUP_BYTES_MAX + 1024;
const PLAN: Query = Query {
    name: "plan",
    kind: QueryKind::Text,
    required: true,
    about: "`plan` of what was looked at: nothing is done when the file or the station has changed since.",
};

pub(crate) fn rows() -> Vec<Route> {
    let file = |path, id, summary, permission| Route {
        method: Method::POST,
        path,
        id,
        summary,
        permission,
        audit: AuditRule::EveryTime,
        body_bytes_max: FILE_BODY,
        query: &[],
        request: Some(Shape::file::<api::BackupFile>()),
        answer: Answer::Json(200, Shape::of::<api::BackupPlan>()),
        handler: handler!(compare),
    };
    let restored = Answer::Json(202, Shape::of::<api::BackupRestored>());
    let because = "whether the claim code is right is known only in the act";
    vec![
        Route {
            body_bytes_max: SMALL_BODY,
            request: Some(Shape::of::<api::BackupRequest>()),
            answer: Answer::Bytes,
            handler: handler!(make),
            ..file(
                PATH,
                "make_backup",
                "A backup of the configuration, sealed with a passphrase; with a fresh second factor. No footage, no audit log and no key of either is in it.",
                Permission::Asks(|_| Ok(Action::MakeBackup)),
            )
        },
        file(
            "/api/v1/backup/compare",
            "compare_backup",
            "What restoring a backup would change. The body is the passphrase behind its length in two bytes, then the file.",
            Permission::Asks(|asked| Ok(Action::CompareBackup { backup_sha256: sha256_of(asked) })),
        ),
        Route {
            query: &[PLAN],
            answer: restored,
            handler: handler!(restore),
            ..file(
                "/api/v1/backup/restore",
                "restore_backup",
                "Restores a backup of this station that was compared before, with a fresh second factor, and starts again. The body is that of the comparison.",
                Permission::Asks(|asked| Ok(Action::RestoreBackup { backup_sha256: sha256_of(asked) })),
            )
        },
        Route {
            audit: AuditRule::ByHandler { because },
            answer: restored,
            handler: handler!(restore_first),
            ..file(
                "/api/v1/claim/restore",
                "claim_with_backup",
                "Takes an unclaimed box into possession with its one-time code and the configuration of a backup, and starts again. The body is the code and the passphrase, each behind its length in two bytes, then the file.",
                Permission::Public { because: "nobody can be signed in yet; the one-time code is the proof" },
            )
        },
    ]
}

/// Of the file alone, which is what the log names; of nothing while nobody has sent one.
fn sha256_of(asked: &Asked<'_>) -> String {
    let file = backup::texts_before::<1>(asked.body).map_or(&[][..], |(_, file)| file);
    hex::encode(&hex::sha256(file))
}

async fn make(call: Call) -> Result<Response, Problem> {
    let made = sealed(&call).await;
    let file = call.noted(made).await?;
    let mut response = Response::new(Body::from(file));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    headers.insert(header::CONTENT_DISPOSITION, HeaderValue::from_static("attachment; filename=\"station.wbbackup\""));
    Ok(response)
}

async fn sealed(call: &Call) -> Result<Vec<u8>, Problem> {
    let api::BackupRequest { passphrase } = call.json()?;
    accounts::check_passphrase(&passphrase)?;
    let entry = call.grant()?.audit_index();
    let contents = call.blocking(move |app| contents(app, entry)).await?;
    Ok(backup::seal(call.app.accounts(), &passphrase, &contents).await?)
}

fn contents(app: &App, entry: u64) -> Result<Contents, Error> {
    let ports = app.ports();
    let mut rows = ports.backups.rows()?;
    for row in rows.iter_mut().filter(|row| row.table == BackupTable::Account) {
        let carried = Carried::out_of(&row.value, &*ports.secrets);
        row.value = carried.map_err(|error| backup::not_restorable(row, &error.message))?.value()?;
    }
    let rows = backup::restorable(rows)?;
    let running = ports.plugins.list()?.into_iter();
    let plugins = running.map(|plugin| AboutPlugin { id: plugin.id, version: plugin.version }).collect();
    let about = About {
        version: app.version().to_owned(),
        made_utc_ms: app.clock().utc().as_ms(),
        station: app.office().name,
        origin: ports.checkpoints.shown().origin,
        entry,
        plugins,
    };
    Ok(Contents { about, rows })
}

async fn compare(call: Call) -> Result<Response, Problem> {
    let plan = planned(&call.app, &call.body, RestoreOnto::Running).await.map_err(Problem::from);
    json(StatusCode::OK, &call.noted(plan).await?.shown)
}

async fn planned(app: &App, body: &[u8], onto: RestoreOnto) -> Result<Plan, Error> {
    let ([passphrase], file) = backup::texts_before(body)?;
    let opened = backup::open(app.accounts(), &passphrase, file).await?;
    let (sha256, app) = (hex::encode(&hex::sha256(file)), app.clone());
    blocking(move || {
        let ports = app.ports();
        let (here, origin) = (ports.backups.rows()?, ports.checkpoints.shown().origin);
        let rules = ports.policies.in_force();
        let file = app.settings().file();
        let plans =
            Plans { secrets: &*ports.secrets, here: &here, origin: &origin, onto, file: &file, rules: &rules.rules };
        let plan = plans.of(&opened, sha256)?;
        // Told before anything is promised, and before the log names deeds that cannot be done.
        ports.backups.startable(&plan.rows)?;
        Ok(plan)
    })
    .await
}

async fn restore(call: Call) -> Result<Response, Problem> {
    let done = restored(&call).await;
    call.noted(done).await?;
    restarting(&call.app)
}

async fn restored(call: &Call) -> Result<(), Problem> {
    let accounts = call.app.accounts();
    let _change = accounts.hold_changes().await;
    let plan = planned(&call.app, &call.body, RestoreOnto::Running).await?;
    if call.query.text(PLAN.name) != Some(plan.shown.plan.as_str()) {
        let message = "this is not what was looked at: the file or the station has changed since";
        return Err(Error::new(Kind::Conflict, message).next("Compare again, and look at what changes.").into());
    }
    stage(&call.app, plan, (Some(call.who()?.account), RestoreOnto::Running)).await
}

/// Each change has an entry of its own before any is made: the file's hash alone would tell nobody what became of whom. Where then nothing is made, the log says so of each.
async fn stage(app: &App, plan: Plan, (account, onto): (Option<u32>, RestoreOnto)) -> Result<(), Problem> {
    let mut noted = Vec::with_capacity(plan.deeds.len());
    for deed in plan.deeds {
        let index = app.gate().note_numbered(entry(account, deed.clone(), None)).await?;
        noted.push((index, deed));
    }
    let to_stage = app.clone();
    let staged = blocking(move || to_stage.ports().backups.stage(plan.rows, onto)).await.map_err(Problem::from);
    if let Err(problem) = &staged {
        for of in noted {
            app.gate().note(undone(account, of, problem.detail())).await?;
        }
    }
    staged
}

fn restarting(app: &App) -> Result<Response, Problem> {
    app.ports().backups.restart();
    json(StatusCode::ACCEPTED, &api::BackupRestored { restarting: true })
}

async fn restore_first(call: Call) -> Result<Response, Problem> {
    let ([code], body) = backup::texts_before::<1>(&call.body)?;
    let accounts = call.app.accounts();
    let _claim = accounts.may_claim(call.app.gate(), call.peer, &code).await?;
    let plan = planned(&call.app, body, RestoreOnto::Fresh).await?;
    let action = Action::RestoreBackup { backup_sha256: plan.shown.backup_sha256.clone() };
    call.app.gate().note(entry(None, action, None)).await?;
    stage(&call.app, plan, (None, RestoreOnto::Fresh)).await?;
    accounts.end_claim();
    restarting(&call.app)
}
