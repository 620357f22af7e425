//! Bounds on answers that have no end: live pictures and the feed of events. Each costs nothing to ask for and a place to keep, so nobody may hold all of them: no session, no account with its sixteen sessions, and no
//! address with many accounts.

use crate::accounts::Who;
use crate::error::Problem;
use crate::places::Places;
use std::net::IpAddr;
use tokio::sync::OwnedSemaphorePermit;

/// How many one session, one account and one address may hold.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    pub(crate) session: usize,
    pub(crate) account: usize,
    pub(crate) address: usize,
    /// What is held, as in "live pictures open".
    pub(crate) what: &'static str,
}

/// Who holds how many.
#[derive(Debug)]
pub(crate) struct Crowd {
    bounds: Bounds,
    sessions: Places,
    accounts: Places<u32>,
    addresses: Places<Neighbours>,
}

/// Held while the answer lasts.
#[derive(Debug)]
pub(crate) struct Seat {
    _places: [OwnedSemaphorePermit; 3],
}

impl Crowd {
    pub(crate) fn new(bounds: Bounds) -> Self {
        let Bounds { session, account, address, .. } = bounds;
        let (sessions, accounts, addresses) = (Places::new(session), Places::new(account), Places::new(address));
        Self { bounds, sessions, accounts, addresses }
    }

    /// A place for one more.
    ///
    /// # Errors
    /// 429 with the bound that is reached.
    pub(crate) fn enter(&self, who: &Who, peer: IpAddr) -> Result<Seat, Problem> {
        let Bounds { session, account, address, what } = self.bounds;
        let full = |whose: &str, most: usize| {
            Problem::too_many(
                format!("this {whose} has {most} {what} already"),
                "Close some of them, then try again. They may be open in other windows.",
            )
        };
        let of_session = self.sessions.of(&who.session).try_acquire_owned().map_err(|_| full("session", session))?;
        let of_account = self.accounts.of(&who.account).try_acquire_owned().map_err(|_| full("account", account))?;
        let of_address = self.addresses.of(&Neighbours::of(peer)).try_acquire_owned();
        let of_address = of_address.map_err(|_| full("network address", address))?;
        Ok(Seat { _places: [of_session, of_account, of_address] })
    }
}

/// An IPv4 address, or the /64 of an IPv6 address: whoever has one of those has them all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Neighbours([u8; 8]);

impl Neighbours {
    pub(crate) fn of(address: IpAddr) -> Self {
        let mut key = [0; 8];
        match address.to_canonical() {
            IpAddr::V4(v4) => key[..4].copy_from_slice(&v4.octets()),
            IpAddr::V6(v6) => key.copy_from_slice(&v6.octets()[..8]),
        }
        Self(key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use watchbook_access::{Roles, Subject};

    fn who(session: u8, account: u32) -> Who {
        Who { session: [session; 32], subject: Subject::new(account, Roles::default(), None), account }
    }

    #[test]
    fn no_session_no_account_and_no_address_holds_all() {
        let crowd = Crowd::new(Bounds { session: 2, account: 3, address: 4, what: "things open" });
        let (near, far) = ([192, 0, 2, 1].into(), [192, 0, 2, 2].into());
        let enter = |session, account, peer| {
            crowd.enter(&who(session, account), peer).map_err(|problem| problem.detail().to_owned())
        };
        let mut held = vec![enter(1, 1, near).unwrap(), enter(1, 1, near).unwrap()];
        assert_eq!(enter(1, 1, far).unwrap_err(), "this session has 2 things open already");
        held.push(enter(2, 1, near).unwrap());
        assert_eq!(enter(3, 1, far).unwrap_err(), "this account has 3 things open already");
        held.push(enter(4, 2, near).unwrap());
        assert_eq!(enter(5, 3, near).unwrap_err(), "this network address has 4 things open already");
        // What was refused holds nothing, and others are let in.
        held.push(enter(5, 3, far).unwrap());
        drop(held);
        assert!(enter(1, 1, near).is_ok());
    }

    #[test]
    fn a_network_of_ipv6_counts_as_one_address() {
        let of = |text: &str| Neighbours::of(text.parse().unwrap());
        assert_eq!(of("2001:db8::1"), of("2001:db8::ffff:1"));
        assert_ne!(of("2001:db8::1"), of("2001:db8:0:1::1"));
        assert_ne!(of("192.0.2.1"), of("192.0.2.2"));
        assert_eq!(of("::ffff:192.0.2.1"), of("192.0.2.1"));
    }
}
