//! Who turns which camera: how often, and that it stops when nobody goes on.

use crate::accounts::SessionKey;
use crate::api::PtzRequest;
use crate::app::App;
use crate::error::Problem;
use crate::routes::dispatch::blocking;
use core::time::Duration;
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;
use watchbook_access::{Action, decide};
use watchbook_base::CameraId;

/// Acts of one camera: so many at once, and one more each [`ACT_EVERY`]. Somebody who holds a button sends one a second; each costs a synced entry of the log.
const ACTS_AT_ONCE: u32 = 8;
const ACT_EVERY: Duration = Duration::from_millis(250);
/// How often it is looked whether whoever turns a camera still may.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// After the time-out that the camera was given it is told to stop all the same, unless somebody went on: firmwares exist that do not know time-outs.
const GRACE: Duration = Duration::from_millis(500);

/// All cameras that are or were turned; bounded by the number of cameras.
#[derive(Default)]
pub(crate) struct Turning(Mutex<HashMap<CameraId, Turned>>);

struct Turned {
    /// Acts that are left.
    left: u32,
    since: Instant,
    /// Number of the move that goes on; 0: none.
    moving: u64,
    last: u64,
}

impl Turning {
    /// Counts an act.
    ///
    /// # Errors
    /// 429 when there are too many. A stop is never one too many.
    pub(crate) fn admit(&self, camera: CameraId, request: &PtzRequest) -> Result<(), Problem> {
        let mut cameras = self.lock();
        let now = Instant::now();
        let fresh = Turned { left: ACTS_AT_ONCE, since: now, moving: 0, last: 0 };
        let turned = cameras.entry(camera).or_insert(fresh);
        if *request == PtzRequest::Stop {
            return Ok(());
        }
        let earned =
            u32::try_from(now.duration_since(turned.since).as_millis() / ACT_EVERY.as_millis()).unwrap_or(ACTS_AT_ONCE);
        if earned > 0 {
            (turned.left, turned.since) = (turned.left.saturating_add(earned).min(ACTS_AT_ONCE), now);
        }
        if turned.left == 0 {
            return Err(Problem::too_many("this camera is being turned too often", "Wait a second, then try again."));
        }
        turned.left -= 1;
        Ok(())
    }

    /// An act was done: what moved before is over, and with [`PtzRequest::Move`] something else begins. Gives the number of that.
    pub(crate) fn done(&self, camera: CameraId, request: &PtzRequest) -> u64 {
        let mut cameras = self.lock();
        let Some(turned) = cameras.get_mut(&camera) else { return 0 };
        turned.moving = 0;
        if matches!(request, PtzRequest::Move { .. }) {
            turned.last += 1;
            turned.moving = turned.last;
        }
        turned.moving
    }

    /// This move goes on, as far as is known here.
    fn goes_on(&self, camera: CameraId, number: u64) -> bool {
        self.lock().get(&camera).is_some_and(|turned| turned.moving == number)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<CameraId, Turned>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Stops move `number` of `camera` when its session ends, when its account may no longer turn it, or when its time is over, unless another act came meanwhile.
pub(crate) async fn watch(app: App, (camera, number): (CameraId, u64), session: SessionKey, timeout: Duration) {
    let began = Instant::now();
    let action = Action::TurnCamera { camera, what: "move".to_owned() };
    while app.turning().goes_on(camera, number) {
        let subject = app.accounts().subject_now(&session);
        let may = subject.is_some_and(|subject| decide(&subject, &action).is_ok());
        if !may || began.elapsed() >= timeout + GRACE {
            let stopping = app.clone();
            let stopped = blocking(move || stopping.ports().devices.turn(camera, &PtzRequest::Stop)).await;
            if let Err(error) = stopped {
                tracing::warn!(%camera, %error, "a camera that nobody turns any more could not be stopped");
            }
            if app.turning().goes_on(camera, number) {
                app.turning().done(camera, &PtzRequest::Stop);
            }
            return;
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn acts_are_bounded_and_a_stop_never_is() {
        let (turning, camera) = (Turning::default(), CameraId::new(1).unwrap());
        let step = PtzRequest::Move { pan: 1.0, tilt: 0.0, zoom: 0.0, timeout_ms: 1_000 };
        let admitted = (0..100).filter(|_| turning.admit(camera, &step).is_ok()).count();
        assert!((8..100).contains(&admitted), "{admitted}");
        assert!((0..100).all(|_| turning.admit(camera, &PtzRequest::Stop).is_ok()));
        assert!(turning.admit(CameraId::new(2).unwrap(), &step).is_ok(), "another camera is not held up");
    }

    #[test]
    fn only_the_newest_move_goes_on_and_any_other_act_ends_it() {
        let (turning, camera) = (Turning::default(), CameraId::new(1).unwrap());
        let step = PtzRequest::Move { pan: 1.0, tilt: 0.0, zoom: 0.0, timeout_ms: 1_000 };
        turning.admit(camera, &step).unwrap();
        let (first, second) = (turning.done(camera, &step), turning.done(camera, &step));
        assert!(!turning.goes_on(camera, first) && turning.goes_on(camera, second));
        turning.done(camera, &PtzRequest::GoToPreset { token: "1".into() });
        assert!(!turning.goes_on(camera, second));
    }
}
