//! Challenges that wait for their answer: each is answered once, within some minutes, and there are so many at most.

use super::{CHALLENGE_BYTES, Why};
use crate::accounts::{SessionKey, random};
use crate::crowd::Neighbours;
use crate::error::Error;
use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use watchbook_base::MonoNanos;
use watchbook_base::time::NANOS_PER_SEC;

/// A challenge is forgotten after so long: time to find a security key and its PIN.
pub(crate) const CHALLENGE_S: u64 = 300;
/// Challenges that wait to be shown a passkey, 64 bytes each; the oldest makes room.
const WAITING_MAX: usize = 1024;
/// Of them for one address, so that a single machine does not push out those of everybody.
const WAITING_PER_ADDRESS_MAX: usize = 16;

type Challenge = [u8; CHALLENGE_BYTES];

struct Waiting {
    challenge: Challenge,
    from: Neighbours,
    at: MonoNanos,
}

/// What was asked and not yet answered.
#[derive(Default)]
pub(crate) struct Challenges {
    shown: VecDeque<Waiting>,
    /// Of sessions that add a passkey: one each, so as many as there are sessions.
    made: HashMap<SessionKey, (Challenge, String, MonoNanos)>,
}

fn is_over(at: MonoNanos, now: MonoNanos) -> bool {
    now.nanos_since(at) >= CHALLENGE_S * NANOS_PER_SEC.unsigned_abs()
}

impl Challenges {
    /// A challenge for whoever wants to show a passkey.
    pub(crate) fn new_to_show(&mut self, from: IpAddr, now: MonoNanos) -> Result<Challenge, Error> {
        let from = Neighbours::of(from);
        self.shown.retain(|waiting| !is_over(waiting.at, now));
        let own = self.shown.iter().filter(|waiting| waiting.from == from).count();
        if own >= WAITING_PER_ADDRESS_MAX
            && let Some(oldest) = self.shown.iter().position(|waiting| waiting.from == from)
        {
            self.shown.remove(oldest);
        }
        if self.shown.len() >= WAITING_MAX {
            self.shown.pop_front();
        }
        let challenge = random::<CHALLENGE_BYTES>()?;
        self.shown.push_back(Waiting { challenge, from, at: now });
        Ok(challenge)
    }

    /// Takes a challenge that was asked; a second time it is not there.
    pub(crate) fn take_shown(&mut self, challenge: &Challenge, now: MonoNanos) -> Result<(), Why> {
        self.shown.retain(|waiting| !is_over(waiting.at, now));
        let at = self.shown.iter().position(|waiting| waiting.challenge == *challenge).ok_or(Why::Challenge)?;
        self.shown.remove(at);
        Ok(())
    }

    /// A challenge for a session that adds a passkey, which is to be kept by the device under the handle `user`; it takes the place of one before.
    pub(crate) fn new_to_make(
        &mut self,
        session: SessionKey,
        user: String,
        now: MonoNanos,
    ) -> Result<Challenge, Error> {
        self.made.retain(|_, (.., at)| !is_over(*at, now));
        let challenge = random::<CHALLENGE_BYTES>()?;
        self.made.insert(session, (challenge, user, now));
        Ok(challenge)
    }

    /// Takes the challenge of this session, whether or not it is the one that was answered; the handle that went with it.
    pub(crate) fn take_made(
        &mut self,
        session: &SessionKey,
        challenge: &Challenge,
        now: MonoNanos,
    ) -> Result<String, Why> {
        let (asked, user, at) = self.made.remove(session).ok_or(Why::Challenge)?;
        if asked == *challenge && !is_over(at, now) { Ok(user) } else { Err(Why::Challenge) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: u64) -> MonoNanos {
        MonoNanos(second * NANOS_PER_SEC.unsigned_abs())
    }

    #[test]
    fn a_challenge_is_answered_once_and_in_time() {
        let mut challenges = Challenges::default();
        let from = IpAddr::from([192, 0, 2, 1]);
        let first = challenges.new_to_show(from, at(0)).unwrap();
        let second = challenges.new_to_show(from, at(1)).unwrap();
        assert_ne!(first, second);
        assert_eq!(challenges.take_shown(&first, at(299)), Ok(()));
        assert_eq!(challenges.take_shown(&first, at(299)), Err(Why::Challenge), "a second time");
        assert_eq!(challenges.take_shown(&second, at(301)), Err(Why::Challenge), "too late");
        let made = challenges.new_to_make([1; 32], "handle".into(), at(0)).unwrap();
        assert_eq!(challenges.take_made(&[2; 32], &made, at(0)), Err(Why::Challenge), "of another session");
        assert_eq!(challenges.take_made(&[1; 32], &first, at(0)), Err(Why::Challenge), "another challenge");
        assert_eq!(challenges.take_made(&[1; 32], &made, at(0)), Err(Why::Challenge), "one wrong answer uses it up");
        let made = challenges.new_to_make([1; 32], "handle".into(), at(0)).unwrap();
        assert_eq!(challenges.take_shown(&made, at(0)), Err(Why::Challenge), "made for something else");
        assert_eq!(challenges.take_made(&[1; 32], &made, at(1)), Ok("handle".into()));
    }

    #[test]
    fn one_machine_does_not_push_out_the_challenges_of_others_and_all_of_them_are_bounded() {
        let mut challenges = Challenges::default();
        let first = challenges.new_to_show([192, 0, 2, 1].into(), at(0)).unwrap();
        for _ in 0..3 * WAITING_MAX {
            challenges.new_to_show([192, 0, 2, 2].into(), at(1)).unwrap();
        }
        assert_eq!(challenges.shown.len(), 1 + WAITING_PER_ADDRESS_MAX);
        assert_eq!(challenges.take_shown(&first, at(2)), Ok(()));
        for host in 0..2 * WAITING_MAX {
            let host = u32::try_from(host).unwrap();
            challenges.new_to_show(std::net::Ipv4Addr::from(0x0a00_0000 + host).into(), at(3)).unwrap();
        }
        assert_eq!(challenges.shown.len(), WAITING_MAX);
    }
}
