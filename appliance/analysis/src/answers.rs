//! How long a child is waited for, and how much it may say. Only what brings the work forward renews the patience of whoever waits, and messages that bring nothing are counted: a child that was taken
//! over could else keep its place for good by talking, or fill the memory of whoever takes its pictures.

use crate::Error;
use std::time::{Duration, Instant};
use watchbook_base::Kind;

/// Pictures beyond one for each access unit: what a decoder makes up where numbers of pictures are missing (H.264 clause 8.2.5.2), and what it held back.
const PICTURES_MORE_MAX: u64 = 32;
/// Messages in a row that bring nothing: a decoder says each cause of a problem once, and of the recording before no more than what was still on its way.
const MESSAGES_IDLE_MAX: u32 = 256;
/// The shortest wait, in which a message that is there already is still read: a socket takes no time at all for waiting without end.
const WAIT_MIN: Duration = Duration::from_millis(1);

/// What a child was given and what it gave.
#[derive(Debug)]
pub(crate) struct Answers {
    patience: Duration,
    since: Instant,
    units: u64,
    pictures: u64,
    idle: u32,
}

impl Answers {
    pub(crate) fn new(patience: Duration) -> Self {
        Self { patience, since: Instant::now(), units: 0, pictures: 0, idle: 0 }
    }

    /// The same count with another patience.
    pub(crate) fn within(self, patience: Duration) -> Self {
        Self { patience, ..self }
    }

    /// It was given an access unit, or told to give what it holds.
    pub(crate) fn asked(&mut self) {
        self.units += 1;
        self.since = Instant::now();
    }

    /// It is done with one.
    pub(crate) fn taken(&mut self) {
        (self.since, self.idle) = (Instant::now(), 0);
    }

    /// It gave a picture, and whoever takes them has taken it.
    pub(crate) fn shown(&mut self) {
        (self.since, self.idle) = (Instant::now(), 0);
    }

    /// It said something that brings nothing forward, as a problem or a word of another slot.
    ///
    /// # Errors
    /// [`Kind::Corrupt`] after too many of these in a row.
    pub(crate) fn idle(&mut self) -> Result<(), Error> {
        self.idle += 1;
        match self.idle <= MESSAGES_IDLE_MAX {
            true => Ok(()),
            false => Err(Error::new(Kind::Corrupt, "a child that goes on talking and does none of its work")),
        }
    }

    /// Counts a picture before anybody takes it.
    ///
    /// # Errors
    /// [`Kind::Corrupt`] when there are more than can come of what it was given.
    pub(crate) fn picture(&mut self) -> Result<(), Error> {
        self.pictures += 1;
        match self.pictures <= 2 * self.units + PICTURES_MORE_MAX {
            true => Ok(()),
            false => Err(Error::new(Kind::Corrupt, "a decoder that gives more pictures than it was given")),
        }
    }

    /// How long it may bring nothing.
    pub(crate) fn patience(&self) -> Duration {
        self.patience
    }

    /// How long its next message is waited for. When the patience is over this is no time worth speaking of, so that what is there already is read and the first gap ends the wait.
    pub(crate) fn left(&self) -> Duration {
        self.patience.saturating_sub(self.since.elapsed()).max(WAIT_MIN)
    }
}

#[cfg(test)]
impl Answers {
    /// As if it had brought nothing for so long.
    pub(crate) fn begun_before(self, ago: Duration) -> Self {
        Self { since: Instant::now().checked_sub(ago).unwrap(), ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_come_of_what_was_given_alone() {
        let mut answers = Answers::new(Duration::from_secs(9));
        answers.asked();
        assert!((0..2 + PICTURES_MORE_MAX).all(|_| answers.picture().is_ok()));
        assert_eq!(answers.picture().unwrap_err().kind(), Kind::Corrupt);
        answers.asked();
        assert_eq!(answers.picture().map_err(|error| error.kind()), Ok(()));
    }

    #[test]
    fn talk_that_brings_nothing_ends_and_work_between_it_goes_on() {
        let mut answers = Answers::new(Duration::from_secs(9));
        for done in [Answers::taken, Answers::shown] {
            assert!((0..MESSAGES_IDLE_MAX).all(|_| answers.idle().is_ok()));
            done(&mut answers);
        }
        assert!((0..MESSAGES_IDLE_MAX).all(|_| answers.idle().is_ok()));
        assert_eq!(answers.idle().unwrap_err().kind(), Kind::Corrupt);
        answers.asked();
        assert_eq!(answers.idle().unwrap_err().kind(), Kind::Corrupt, "to be given more is no work done");
    }

    #[test]
    fn patience_ends_while_nothing_is_answered_and_never_waits_for_good() {
        let answers = Answers::new(Duration::from_secs(9));
        let first = answers.left();
        assert!(first <= Duration::from_secs(9) && answers.left() <= first, "other messages renew nothing");
        let mut answers = answers.begun_before(Duration::from_secs(60));
        assert_eq!((answers.left(), answers.patience()), (WAIT_MIN, Duration::from_secs(9)));
        answers.taken();
        assert!(answers.left() > Duration::from_secs(8));
    }
}
