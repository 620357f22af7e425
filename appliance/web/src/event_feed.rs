//! New events as they come, for pages that are open. The last ones are in memory, once for everybody; whoever follows has a place among them and no queue of their own, so one that
//! is slow holds nothing up: what it missed is said, and it looks again.

use crate::api;
use crate::crowd::Bounds;
use crate::error::Error;
use std::collections::{BTreeSet, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;
use watchbook_access::Grant;
use watchbook_base::{CameraId, Event, Kind, TimeRange};

/// Events that are remembered, of some 500 bytes each and at most some 20 kB: a minute of eight a second.
pub const REMEMBERED_MAX: usize = 512;
/// Pages that follow at once: each holds one of the station's 512 connections.
pub const FOLLOWERS_MAX: usize = 64;
/// Of one session: two windows, and as many whose end is not noticed yet.
pub(crate) const FOLLOWERS_PER_SESSION_MAX: usize = 4;
/// Of one account: four such sessions.
pub(crate) const FOLLOWERS_PER_ACCOUNT_MAX: usize = 16;
/// Of one address, which has no more than as many other connections beside them; the rest stays for everybody else.
pub(crate) const FOLLOWERS_PER_ADDRESS_MAX: usize = FOLLOWERS_MAX / 2;
/// These bounds.
pub(crate) const FOLLOWERS: Bounds = Bounds {
    session: FOLLOWERS_PER_SESSION_MAX,
    account: FOLLOWERS_PER_ACCOUNT_MAX,
    address: FOLLOWERS_PER_ADDRESS_MAX,
    what: "feeds of new events open",
};

/// What is asked of the events. An empty one asks for all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Filter {
    pub(crate) cameras: Option<BTreeSet<CameraId>>,
    pub(crate) kind: Option<String>,
    pub(crate) zone: Option<String>,
    pub(crate) plugin: Option<String>,
}

impl Filter {
    fn wants(&self, event: &Event, range: TimeRange) -> bool {
        let reaches = event.start >= range.start || event.end.is_some_and(|end| end > range.start);
        reaches
            && event.start < range.end
            && self.cameras.as_ref().is_none_or(|cameras| cameras.contains(&event.camera))
            && self.kind.as_ref().is_none_or(|kind| *kind == event.kind)
            && self.zone.as_ref().is_none_or(|zone| event.zone.as_ref() == Some(zone))
            && self.plugin.as_ref().is_none_or(|plugin| *plugin == event.source.plugin)
    }
}

/// A place in the feed: numbers begin anew with each start of the recorder, which the first part tells apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) start: u32,
    pub(crate) number: u64,
}

impl Place {
    /// `start.number`, as [`core::fmt::Display`] writes it.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (start, number) = text.split_once('.')?;
        Some(Self { start: start.parse().ok()?, number: number.parse().ok()? })
    }
}

impl core::fmt::Display for Place {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{}.{}", self.start, self.number)
    }
}

/// The feed. One for the whole station.
#[derive(Debug)]
pub struct EventFeed {
    start: u32,
    last: Mutex<Last>,
    newest: watch::Sender<u64>,
    followers: Arc<AtomicUsize>,
}

#[derive(Debug, Default)]
struct Last {
    /// Number of the next event.
    next: u64,
    /// The newest events and their numbers in the store, the oldest first.
    events: VecDeque<(u64, Arc<Event>)>,
}

impl EventFeed {
    /// An empty feed of the start of the recorder that has this number, which the one before did not have.
    #[must_use]
    pub fn new(start: u32) -> Self {
        Self { start, last: Mutex::default(), newest: watch::Sender::new(0), followers: Arc::default() }
    }

    /// An event has been stored under this number. Never waits.
    pub fn stored(&self, id: u64, event: &Event) {
        let event = Arc::new(Event { lead: None, ..event.clone() });
        let mut last = self.last();
        last.events.push_back((id, event));
        if last.events.len() > REMEMBERED_MAX {
            last.events.pop_front();
        }
        last.next += 1;
        self.newest.send_replace(last.next);
    }

    /// Pages that follow now.
    #[must_use]
    pub fn followers(&self) -> usize {
        self.followers.load(Ordering::Acquire)
    }

    /// Follows from now on, or from behind `after`, which the caller has seen.
    ///
    /// # Errors
    /// `Denied` when `grant` is not for these events, `Exhausted` at [`FOLLOWERS_MAX`].
    pub(crate) fn follow(
        self: &Arc<Self>,
        grant: &Arc<Grant>,
        (filter, range): (Filter, TimeRange),
        after: Option<Place>,
    ) -> Result<Follower, Error> {
        let named = filter.cameras.iter().flatten();
        let covered = match filter.cameras {
            None => grant.covers_events(None),
            Some(_) => named.copied().all(|camera| grant.covers_events(Some(camera))),
        };
        if !covered {
            return Err(Error::new(Kind::Denied, "the grant does not cover these events"));
        }
        if self.followers.fetch_add(1, Ordering::AcqRel) >= FOLLOWERS_MAX {
            self.followers.fetch_sub(1, Ordering::AcqRel);
            let full = Error::new(Kind::Exhausted, format!("{FOLLOWERS_MAX} pages follow new events already"));
            return Err(full.next("Close one of them, or look for events without following."));
        }
        let now = self.last().next;
        let (next, is_behind) = match after {
            None => (now, false),
            Some(after) if after.start == self.start && after.number <= now => (after.number, false),
            // Of another start of the recorder: what came in between is unknown.
            Some(_) => (now, true),
        };
        let newest = self.newest.subscribe();
        Ok(Follower { feed: Arc::clone(self), filter, range, next, is_behind, newest })
    }

    fn last(&self) -> MutexGuard<'_, Last> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a follower gets next.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Told {
    /// A new event.
    Event(Box<api::Event>),
    /// Some were missed: the list must be asked for again.
    Behind,
}

/// One page that follows. Dropping it leaves.
#[derive(Debug)]
pub(crate) struct Follower {
    feed: Arc<EventFeed>,
    filter: Filter,
    range: TimeRange,
    /// Number of the next event to look at.
    next: u64,
    is_behind: bool,
    newest: watch::Receiver<u64>,
}

impl Follower {
    /// The place behind everything that was told.
    pub(crate) fn place(&self) -> Place {
        Place { start: self.feed.start, number: self.next }
    }

    /// What comes next; waits for it.
    pub(crate) async fn next(&mut self) -> Told {
        loop {
            // Marked before the look, so that what arrives in between is not missed.
            self.newest.borrow_and_update();
            if let Some(told) = self.look() {
                return told;
            }
            if self.newest.changed().await.is_err() {
                // The feed lives as long as this follower.
                core::future::pending::<()>().await;
            }
        }
    }

    fn look(&mut self) -> Option<Told> {
        let last = self.feed.last();
        let oldest = last.next - u64::try_from(last.events.len()).unwrap_or(0);
        if self.is_behind || self.next < oldest {
            (self.is_behind, self.next) = (false, last.next);
            return Some(Told::Behind);
        }
        while self.next < last.next {
            let place = usize::try_from(self.next - oldest).unwrap_or(usize::MAX);
            self.next += 1;
            if let Some((id, event)) = last.events.get(place).filter(|(_, event)| self.filter.wants(event, self.range))
            {
                return Some(Told::Event(Box::new(api::Event::of(*id, (**event).clone()))));
            }
        }
        None
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.feed.followers.fetch_sub(1, Ordering::AcqRel);
    }
}
