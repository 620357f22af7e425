//! Asks every device what it is, each on a thread of its own: a driver that hangs in a call costs its own line in the list, and no more than one thread.

use super::places::Place;
use super::{LocalCamera, bare};
use crate::failure::Failure;
use core::time::Duration;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::time::Instant;
use watchbook_base::GapReason;

/// How long all devices together may take to say what they are. A USB camera that sleeps takes a second.
pub(crate) const ANSWER: Duration = Duration::from_secs(5);
/// Devices that are asked at the same time, with those that have not answered an earlier question.
const ASKED_MAX: usize = 32;

/// Gives what one device is; `None` when it is no camera.
pub(crate) type Ask = dyn Fn(&Place) -> Option<LocalCamera> + Send + Sync;

/// Devices that have been asked and have not answered yet. A thread that is in a driver's hands cannot be ended: the device is not asked again until it answers.
#[derive(Debug, Default)]
pub(crate) struct Listing(Arc<Mutex<BTreeSet<PathBuf>>>);

impl Listing {
    /// The cameras among `places`, in their order; what has not answered within `wait` is in the list with that as its problem.
    pub(crate) fn list(&self, places: &[Place], ask: &Arc<Ask>, wait: Duration) -> Vec<LocalCamera> {
        let deadline = Instant::now() + wait;
        let (told, tells) = mpsc::channel();
        let mut answers: Vec<Option<Option<LocalCamera>>> = Vec::new();
        let mut awaited = 0;
        for (at, place) in places.iter().enumerate() {
            awaited += usize::from(self.ask(at, place, (ask, &told)));
            answers.push(None);
        }
        drop(told);
        while awaited > 0 {
            let Ok((at, answer)) = tells.recv_timeout(deadline.saturating_duration_since(Instant::now())) else {
                break;
            };
            if let Some(kept) = answers.get_mut(at) {
                *kept = Some(answer);
            }
            awaited -= 1;
        }
        let answered = |(place, answer): (&Place, Option<_>)| answer.unwrap_or_else(|| Some(silent(place, wait)));
        places.iter().zip(answers).filter_map(answered).collect()
    }

    /// Starts a question; false when it has to be left out.
    fn ask(&self, at: usize, place: &Place, (ask, told): (&Arc<Ask>, &mpsc::Sender<Answer>)) -> bool {
        let mut asked = self.lock();
        if asked.len() >= ASKED_MAX || !asked.insert(place.node.clone()) {
            return false;
        }
        drop(asked);
        let (ask, told, under_way) = (Arc::clone(ask), told.clone(), Self(Arc::clone(&self.0)));
        let asking = place.clone();
        let work = move || {
            let answer = ask(&asking);
            under_way.lock().remove(&asking.node);
            // Nobody waits any more when it comes too late.
            let _ = told.send((at, answer));
        };
        let spawned = std::thread::Builder::new().name("v4l2-list".to_owned()).spawn(work);
        if let Err(error) = &spawned {
            tracing::warn!(node = %place.node.display(), %error, "a device cannot be asked what it is");
            self.lock().remove(&place.node);
        }
        spawned.is_ok()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeSet<PathBuf>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Which place, and what it said.
type Answer = (usize, Option<LocalCamera>);

/// A device that has not answered.
fn silent(place: &Place, wait: Duration) -> LocalCamera {
    let node = place.node.display();
    let problem = Failure::new(
        GapReason::CameraSilent,
        format!("The device {node} ({}) did not say what it is within {} s.", place.card, wait.as_secs()),
        "Unplug it and plug it in again. If that does not help its driver hangs: start this machine again. Other cameras are not concerned.",
    );
    LocalCamera { problem: Some(problem), ..bare(place) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(number: usize) -> Place {
        Place { node: format!("/dev/video{number}").into(), card: format!("camera {number}"), index: 0, usb: None }
    }

    fn nodes(found: &[LocalCamera]) -> Vec<(&str, bool)> {
        found.iter().map(|camera| (camera.node.as_str(), camera.problem.is_some())).collect()
    }

    #[test]
    fn a_driver_that_hangs_costs_its_own_line_and_one_thread() {
        let (open, gate) = mpsc::channel::<()>();
        let (entered, enters) = mpsc::channel();
        let (gate, entered) = (Mutex::new(gate), Mutex::new(entered));
        let ask: Arc<Ask> = Arc::new(move |place| {
            if place.node.ends_with("video1") {
                entered.lock().unwrap().send(()).unwrap();
                // As in an ioctl that does not come back, until the test says so.
                let _ = gate.lock().unwrap().recv();
            }
            (!place.node.ends_with("video2")).then(|| bare(place))
        });
        let (listing, places) = (Listing::default(), [place(0), place(1), place(2), place(3)]);
        let expected = [("/dev/video0", false), ("/dev/video1", true), ("/dev/video3", false)];
        let found = listing.list(&places, &ask, Duration::from_secs(5));
        assert_eq!(nodes(&found), expected, "what is no camera is not there");
        let problem = found[1].problem.as_ref().unwrap();
        assert!(problem.detail.contains("/dev/video1 (camera 1)") && problem.next_step.ends_with('.'), "{problem}");
        enters.recv().unwrap();
        // It is said at once now, and not asked again.
        assert_eq!(nodes(&listing.list(&places, &ask, SOON)), expected);
        assert!(enters.try_recv().is_err(), "no second thread");
        open.send(()).unwrap();
        while !listing.lock().is_empty() {
            std::thread::yield_now();
        }
        drop(open);
        let found = listing.list(&places, &ask, SOON);
        assert_eq!(nodes(&found), [("/dev/video0", false), ("/dev/video1", false), ("/dev/video3", false)]);
    }

    /// Longest wait for what comes at once.
    const SOON: Duration = Duration::from_secs(60);

    #[test]
    fn never_more_than_a_bounded_number_are_asked() {
        let (open, gate) = mpsc::channel::<()>();
        let gate = Mutex::new(gate);
        let ask: Arc<Ask> = Arc::new(move |place| {
            let _ = gate.lock().unwrap().recv();
            Some(bare(place))
        });
        let listing = Listing::default();
        let places: Vec<Place> = (0..2 * ASKED_MAX).map(place).collect();
        let found = listing.list(&places, &ask, Duration::ZERO);
        assert_eq!((found.len(), listing.lock().len()), (places.len(), ASKED_MAX));
        assert!(found.iter().all(|camera| camera.problem.is_some()), "those that were not asked are not left out");
        drop(open);
        while !listing.lock().is_empty() {
            std::thread::yield_now();
        }
    }
}
