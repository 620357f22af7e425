//! How the station is doing.

use super::dispatch::{Call, ok};
use super::{Answer, NO_BODY, Permission, Route, Shape, cameras, handler};
use crate::api;
use crate::check;
use crate::error::{Error, Problem};
use crate::ports::{CameraConfig, CameraRow, Damaged, Pressure};
use axum::http::Method;
use axum::response::Response;
use watchbook_access::{Action, Rules};
use watchbook_base::{CameraId, TrackRole, UtcNanos};

/// Damaged runs in one answer; the timeline shows all of them.
const DAMAGED_MAX: usize = 200;
/// Names of cameras in one alarm.
const NAMES_MAX: usize = 20;

pub(crate) fn rows() -> Vec<Route> {
    let health = || Route {
        method: Method::GET,
        path: "/api/v1/health",
        id: "health",
        summary: "Alarms, disks, damage, cameras, plugins, clock and live viewing.",
        permission: Permission::Asks(|_| Ok(Action::ReadConfig)),
        audit: cameras::CONFIG_READ,
        body_bytes_max: NO_BODY,
        query: &[],
        request: None,
        answer: Answer::Json(200, Shape::of::<api::Health>()),
        handler: handler!(health),
    };
    let machine = Route {
        path: "/api/v1/health/machine",
        id: "machine_health",
        summary: "Temperatures and network sockets of the machine, as far as it tells.",
        answer: Answer::Json(200, Shape::of::<api::MachineHealth>()),
        handler: handler!(machine),
        ..health()
    };
    vec![health(), machine]
}

async fn machine(call: Call) -> Result<Response, Problem> {
    ok(&call.blocking(|app| Ok(app.ports().machine.health())).await?)
}

async fn health(call: Call) -> Result<Response, Problem> {
    let subject = call.who()?.subject.clone();
    let health = call.blocking(move |app| {
        let ports = app.ports();
        let mut unreadable = Vec::new();
        // Each part is shown as far as it can be: this is the page for when something is broken.
        let ring = part(ports.health.ring(), "the disks' use", &mut unreadable);
        let disks = part(ports.health.disks(), "the disks", &mut unreadable);
        let vault = part(ports.holds.vault(), "the vault", &mut unreadable);
        let pressure = part(ports.health.pressure(), "what waits for the disks", &mut unreadable);
        let damaged =
            part(ports.health.damaged(subject.cameras.as_ref(), DAMAGED_MAX), "damaged footage", &mut unreadable);
        let mut alarms = part(ports.health.alarms(), "the alarms", &mut unreadable);
        alarms.extend(part(super::cases::alarms(app), "the cases", &mut unreadable));
        alarms.extend(super::requests::alarm(app));
        alarms.extend(unreadable);
        let seen =
            |alarm: &api::Alarm| alarm.camera.and_then(CameraId::new).is_none_or(|camera| subject.covers(camera));
        alarms.extend(ports.devices.alarms().into_iter().filter(seen));
        alarms.extend(ports.checkpoints.alarms());
        alarms.extend(app.accounts().alarms());
        alarms.extend(ports.certificates.alarms());
        alarms.extend(ports.machine.alarms());
        let cameras: Vec<CameraRow> = ports.cameras.list()?.into_iter().filter(|row| subject.covers(row.id)).collect();
        alarms.extend(blind(&cameras));
        alarms.extend(beyond(&cameras, &ports.policies.in_force().rules, app.clock().utc()));
        let (viewers, skipped_pictures) = app.live().counts();
        Ok(api::Health {
            alarms,
            ring,
            disks,
            vault,
            pressure: ordered(&pressure, &cameras),
            damaged: damaged.iter().map(shown_damage).collect(),
            cameras: cameras.into_iter().map(shown_camera).collect(),
            plugins: ports.plugins.list().unwrap_or_default(),
            clock: api::ClockHealth { sync_state: app.clock().sync_state(), now_utc_ms: app.clock().utc().as_ms() },
            live: api::LiveHealth { viewers, skipped_pictures },
            refusals_not_logged: app.gate().not_logged(),
        })
    });
    ok(&health.await?)
}

/// A part of the answer, or nothing and an alarm that says so.
fn part<T: Default>(part: Result<T, Error>, what: &str, unreadable: &mut Vec<api::Alarm>) -> T {
    part.unwrap_or_else(|error| {
        let text = format!("{what} cannot be read: {}", error.message);
        unreadable.push(api::Alarm {
            kind: api::AlarmKind::StorageUnreadable,
            disk: None,
            camera: None,
            since_utc_ms: None,
            text: error.next_step.map_or(text.clone(), |next| format!("{text}. {next}")),
        });
        T::default()
    })
}

/// An alarm for each way in which cameras do not see, with the names of those that it is about.
fn blind(cameras: &[CameraRow]) -> impl Iterator<Item = api::Alarm> {
    use api::{AlarmKind, SightKind};
    let alarm = |sight: SightKind, kind: AlarmKind, what: &str| {
        let seen = cameras.iter().filter_map(|row| Some((row, row.state.sight.filter(|seen| seen.kind == sight)?)));
        let since_utc_ms = seen.clone().map(|(_, seen)| seen.since_utc_ms).min()?;
        let text = format!("{what}: {}", names_of(seen.map(|(row, _)| row.config.name.as_str()))?);
        Some(api::Alarm { kind, disk: None, camera: None, since_utc_ms: Some(since_utc_ms), text })
    };
    let frozen =
        "The same picture comes again and again. Restart the camera; a clock in its picture may run on. Cameras";
    let covered = "The picture has no detail: the lens is covered, or it is dark there. Look at the lens, and at the light. Cameras";
    [
        alarm(SightKind::Frozen, AlarmKind::CameraFrozen, frozen),
        alarm(SightKind::Covered, AlarmKind::CameraCovered, covered),
    ]
    .into_iter()
    .flatten()
}

/// An alarm for each way in which cameras are not as a change of their settings would have to leave them, with their names.
fn beyond(cameras: &[CameraRow], rules: &Rules, now: UtcNanos) -> impl Iterator<Item = api::Alarm> {
    use api::AlarmKind::{CameraBeyondPolicy, CameraReviewOverdue, CameraWithoutContact, CameraWithoutPurpose};
    let alarm = |kind: api::AlarmKind, what: &str, is: &dyn Fn(&CameraConfig) -> bool| {
        let names = names_of(cameras.iter().filter(|row| is(&row.config)).map(|row| row.config.name.as_str()))?;
        Some(api::Alarm { kind, disk: None, camera: None, since_utc_ms: None, text: format!("{what}: {names}") })
    };
    let silent = |config: &CameraConfig| config.purpose.is_empty();
    [
        alarm(
            CameraWithoutPurpose,
            "Nobody said what these cameras are there for, and they are recorded: their settings are older than the rule. State a purpose in the settings of each; the public report \
             counts them. Cameras",
            &|config| config.enabled && silent(config),
        ),
        alarm(
            CameraWithoutPurpose,
            "Nobody said what these cameras are there for, so they are not recorded. State a purpose in the settings of each, then switch it on. Cameras",
            &|config| !config.enabled && silent(config),
        ),
        alarm(
            CameraWithoutContact,
            "Nobody said who answers for these cameras, and they are recorded: their settings are older than the rule. State a contact in the settings of each; the public \
             report counts them. Cameras",
            &|config| config.enabled && config.contact.is_empty(),
        ),
        alarm(
            CameraReviewOverdue,
            "Nobody has looked for more than a year whether these cameras are still needed. Look, and say so in the settings of each, or switch it off; the public report \
             counts them. Cameras",
            &|config| {
                let due = check::review_due_utc_ms(config.reviewed_utc_ms);
                config.enabled && due.is_none_or(|due| now.as_ms() > due)
            },
        ),
        alarm(
            CameraBeyondPolicy,
            "These cameras keep footage longer, or record sound, than the station's policy allows since it was changed. Change their settings; until then they are recorded as \
             before, and the public report counts them. Cameras",
            &|config| {
                config.enabled
                    && (config.retention_days_max > rules.retention_days_max || (config.record_audio && !rules.sound))
            },
        ),
    ]
    .into_iter()
    .flatten()
}

/// The first names, and how many more; `None` when there are none.
fn names_of<'a>(names: impl Iterator<Item = &'a str>) -> Option<String> {
    let names: Vec<&str> = names.collect();
    let (told, more) = names.split_at(names.len().min(NAMES_MAX));
    let more = if more.is_empty() { String::new() } else { format!(" and {} more", more.len()) };
    (!told.is_empty()).then(|| format!("{}{more}", told.join(", ")))
}

fn shown_camera(row: CameraRow) -> api::CameraHealth {
    api::CameraHealth { id: row.id, state: super::cameras::states(&row), device: row.device, name: row.config.name }
}

pub(crate) fn shown_damage(damaged: &Damaged) -> api::DamagedRun {
    api::DamagedRun {
        camera: damaged.stream.camera,
        role: Some(damaged.stream.role).filter(|role| role.is_video()),
        start_utc_ms: damaged.range.start.as_ms(),
        end_utc_ms: damaged.range.end.as_ms(),
        kind: damaged.kind,
        found_utc_ms: damaged.found.as_ms(),
    }
}

/// Every stream of `cameras`, those that are dropped first first, and whether it is dropped now.
fn ordered(pressure: &Pressure, cameras: &[CameraRow]) -> api::Pressure {
    let mut order = Vec::new();
    for row in cameras.iter().filter(|row| row.config.enabled) {
        let roles = [Some(TrackRole::MainVideo), row.config.sub.as_ref().map(|_| TrackRole::SubVideo)];
        for role in roles.into_iter().flatten() {
            let importance = row.config.importance;
            let dropping = pressure.dropping.contains(&row.id.stream(role));
            order.push(api::DropRow { camera: row.id, role, importance, step: importance.step(role), dropping });
        }
    }
    order.sort_by_key(|row| (row.step, row.camera, row.role));
    api::Pressure {
        waiting_bytes: pressure.waiting_bytes,
        waiting_bytes_max: pressure.waiting_bytes_max,
        dropped_since_utc_ms: pressure.dropped_since.map(UtcNanos::as_ms),
        dropped_last_utc_ms: pressure.dropped_last.map(UtcNanos::as_ms),
        order,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ports::StreamConfig;
    use watchbook_base::Importance;

    fn row(number: u32, name: &str, sight: Option<(api::SightKind, i64)>) -> CameraRow {
        let stream = StreamConfig { url: "rtsp://h/".to_owned(), transport: api::Transport::Tcp, interval_ms: None };
        let config = CameraConfig {
            name: name.to_owned(),
            main: stream,
            sub: None,
            username: None,
            password: None,
            record_audio: false,
            audio_purpose: String::new(),
            purpose: String::new(),
            contact: "Room 3".to_owned(),
            reviewed_utc_ms: Some(0),
            certificate: None,
            enabled: true,
            masks: Vec::new(),
            retention_days_max: 7,
            importance: Importance::Normal,
            plugins: Vec::new(),
            device: None,
        };
        let main = api::StreamState::bare(api::StreamStatus::Live, 0);
        let sight = sight.map(|(kind, since_utc_ms)| api::Sight { kind, since_utc_ms });
        let state = api::CameraStates { main, sub: None, sight };
        CameraRow { id: CameraId::new(number).unwrap(), config, state, device: None }
    }

    #[test]
    fn cameras_that_nobody_stated_a_purpose_for_or_that_the_policy_would_refuse_are_named() {
        let with = |name: &str, change: &dyn Fn(&mut CameraConfig)| {
            let mut row = row(1, name, None);
            row.config.purpose = "Traffic".to_owned();
            change(&mut row.config);
            row
        };
        let rules = Rules { sound: false, retention_days_max: 7, ..Rules::WIDEST };
        let year_ms = 365 * 86_400_000;
        let now = UtcNanos::from_ms(year_ms);
        assert_eq!(beyond(&[with("Gate", &|_| ())], &rules, now).count(), 0);
        let rows = [
            with("Gate", &|config| config.purpose = String::new()),
            with("Yard", &|config| (config.purpose, config.enabled) = (String::new(), false)),
            with("Hall", &|config| config.retention_days_max = 8),
            with("Door", &|config| config.record_audio = true),
            with("Roof", &|config| config.contact = String::new()),
            with("Lane", &|config| config.reviewed_utc_ms = Some(-1)),
            with("Park", &|config| config.reviewed_utc_ms = None),
            with("Shed", &|config| (config.reviewed_utc_ms, config.enabled) = (None, false)),
        ];
        let told: Vec<_> = beyond(&rows, &rules, now).collect();
        assert!(told.iter().all(|alarm| !alarm.text.contains("  ")), "{told:?}");
        let ends: Vec<_> = told.iter().map(|alarm| (alarm.kind, alarm.text.rsplit(": ").next().unwrap())).collect();
        let purpose = api::AlarmKind::CameraWithoutPurpose;
        assert_eq!(
            ends,
            [
                (purpose, "Cameras: Gate".trim_start_matches("Cameras: ")),
                (purpose, "Yard"),
                (api::AlarmKind::CameraWithoutContact, "Roof"),
                (api::AlarmKind::CameraReviewOverdue, "Lane, Park"),
                (api::AlarmKind::CameraBeyondPolicy, "Hall, Door")
            ]
        );
    }

    #[test]
    fn cameras_that_do_not_see_share_an_alarm_that_names_them() {
        use api::SightKind::{Covered, Frozen};
        assert_eq!(blind(&[row(1, "Gate", None)]).count(), 0);
        let rows = [
            row(1, "Gate", Some((Frozen, 50))),
            row(2, "Yard", Some((Covered, 70))),
            row(3, "Hall", Some((Frozen, 40))),
        ];
        let told: Vec<_> = blind(&rows).collect();
        assert_eq!(
            told.iter().map(|alarm| alarm.kind).collect::<Vec<_>>(),
            [api::AlarmKind::CameraFrozen, api::AlarmKind::CameraCovered]
        );
        assert_eq!(told.iter().map(|alarm| alarm.since_utc_ms).collect::<Vec<_>>(), [Some(40), Some(70)]);
        assert!(told[0].text.ends_with("Gate, Hall") && told[1].text.ends_with("Yard"), "{told:?}");
        let many: Vec<_> = (1..=30).map(|number| row(number, "Door", Some((Frozen, 1)))).collect();
        assert!(blind(&many).next().unwrap().text.ends_with("Door and 10 more"));
    }
}
