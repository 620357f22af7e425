//! Footage that a browser cannot play, as H.264 to look at: made while somebody looks, under a cap, kept nowhere.
//!
//! It is the same look as at the footage itself: the same row of the table, the same gate, the same entry in the log, and nothing but what was recorded goes into it. What is exported is the recorded footage
//! alone.

pub(crate) mod live;
pub(crate) mod piece;
mod sample;

use crate::error::{Error, Problem};
use crate::ports::Transcoders;
use crate::routes::dispatch::Arguments;
use crate::routes::{Query, QueryKind};
use axum::http::StatusCode;
use core::time::Duration;
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;
use watchbook_base::{Ticks90k, UtcNanos};

/// Live pictures that are transcoded at once, for each core: what one costs is measured by `watchbook-load capture --bench transcode`.
pub(crate) const LIVE_PER_CORE: usize = 1;
/// However many cores there are: each has two programs of at most 2 GiB.
pub(crate) const LIVE_MAX: usize = 8;
/// Pieces of recorded footage that are transcoded at once, for each two cores: one takes as much of both as it gets, and gives way to recording. The others wait for their turn.
pub(crate) const PIECES_PER_TWO_CORES: usize = 1;
/// However many cores there are.
pub(crate) const PIECES_MAX: usize = 4;
/// How long a piece waits for its turn: less than a call may take.
const TURN_WAIT: Duration = Duration::from_secs(12);

/// How footage is wanted.
pub(crate) const AS: Query = Query {
    name: "as",
    kind: QueryKind::Text,
    required: false,
    about: "`h264`: transcoded for a browser that cannot play the recorded format, at most 1280×720 and 30 pictures a second, as long as the station has room for it. JPEG stays as it is. Left out: as recorded.",
};

/// Whether it is wanted transcoded.
pub(crate) fn asked(query: &Arguments) -> Result<bool, Error> {
    match query.text(AS.name) {
        None => Ok(false),
        Some("h264") => Ok(true),
        Some(_) => Err(Error::invalid("as must be h264, or be left out")),
    }
}

/// The cap of the whole station.
#[derive(Debug)]
pub(crate) struct Places {
    live: Arc<Semaphore>,
    live_max: usize,
    pieces: Arc<Semaphore>,
}

/// A place under the cap; given back when the programs have ended.
#[derive(Debug)]
pub(crate) struct Place(#[allow(dead_code, reason = "held, never read")] OwnedSemaphorePermit);

/// Why there is nothing to see. The page has words for each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// As many as go are transcoded.
    Full,
    /// The disks are late.
    Late,
    /// The footage could not be decoded, or a program ended over it.
    Broken,
}

impl Why {
    /// As the page knows it.
    pub(crate) fn slug(self) -> &'static str {
        match self {
            Self::Full => "transcode-full",
            Self::Late => "transcode-late",
            Self::Broken => "transcode-broken",
        }
    }
}

/// A refusal: why, and what happened in detail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// In one word.
    pub why: Why,
    /// For people.
    pub detail: String,
}

impl Refused {
    pub(crate) fn broken(error: &Error) -> Self {
        Self { why: Why::Broken, detail: error.message.clone() }
    }

    fn next_step(&self) -> &'static str {
        match self.why {
            Why::Full => {
                "Look at the camera's sub stream, or close another view; or use a browser that plays the recorded format."
            }
            Why::Late => "Wait until the station records without delay again. The health page shows it.",
            Why::Broken => "Go to another moment. What is recorded can be exported as it is.",
        }
    }
}

impl From<Refused> for Problem {
    fn from(refused: Refused) -> Self {
        let status = match refused.why {
            Why::Full | Why::Late => StatusCode::SERVICE_UNAVAILABLE,
            Why::Broken => StatusCode::INTERNAL_SERVER_ERROR,
        };
        let step = refused.next_step();
        Self::with(status, refused.why.slug(), refused.detail).next(step)
    }
}

impl Places {
    /// For a machine with so many cores.
    pub(crate) fn new(cores: usize) -> Self {
        let live_max = (cores * LIVE_PER_CORE).clamp(1, LIVE_MAX);
        let pieces_max = (cores * PIECES_PER_TWO_CORES / 2).clamp(1, PIECES_MAX);
        Self { live: Arc::new(Semaphore::new(live_max)), live_max, pieces: Arc::new(Semaphore::new(pieces_max)) }
    }

    /// A place for live pictures, now or not at all: who has one may keep it for hours.
    pub(crate) fn for_live(&self, transcoders: &dyn Transcoders) -> Result<Place, Refused> {
        not_late(transcoders)?;
        let full = |_| Refused {
            why: Why::Full,
            detail: format!("{} live pictures are transcoded already, the most that this station does", self.live_max),
        };
        Arc::clone(&self.live).try_acquire_owned().map(Place).map_err(full)
    }

    /// A place for a piece of recorded footage, in turn: whoever has one is done with it in seconds.
    pub(crate) async fn for_piece(&self, transcoders: &dyn Transcoders) -> Result<Place, Refused> {
        not_late(transcoders)?;
        match timeout(TURN_WAIT, Arc::clone(&self.pieces).acquire_owned()).await {
            Ok(Ok(place)) => not_late(transcoders).map(|()| Place(place)),
            _ => Err(Refused {
                why: Why::Full,
                detail: format!(
                    "recorded footage is transcoded for others; it was not this call's turn for {} s",
                    TURN_WAIT.as_secs()
                ),
            }),
        }
    }
}

fn not_late(transcoders: &dyn Transcoders) -> Result<(), Refused> {
    match transcoders.recording_is_late() {
        true => Err(Refused {
            why: Why::Late,
            detail: "the disks are late with what is recorded, and recording comes first".into(),
        }),
        false => Ok(()),
    }
}

/// A picture's time as its name: exact there and back, because a tick has more than 11,000 ns.
fn name_of(shown: Ticks90k) -> UtcNanos {
    UtcNanos(i64::try_from(i128::from(shown.0) * 100_000 / 9).unwrap_or(i64::MAX))
}

/// The time that has this name.
fn ticks_of(name: UtcNanos) -> Ticks90k {
    let rounded = (i128::from(name.0) * 9 + 50_000).div_euclid(100_000);
    Ticks90k(i64::try_from(rounded).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_time_comes_back_from_its_name(ticks in -1_000_000_000_000_i64..1_000_000_000_000) {
            prop_assert_eq!(ticks_of(name_of(Ticks90k(ticks))), Ticks90k(ticks));
            prop_assert!(name_of(Ticks90k(ticks)) < name_of(Ticks90k(ticks + 1)));
        }
    }

    #[test]
    fn the_cap_follows_the_cores_within_bounds() {
        assert_eq!([0, 1, 2, 64].map(|cores| Places::new(cores).live_max), [1, 1, 2, LIVE_MAX]);
    }
}
