//! The certificate that the page is served with: made by the station's own authority, uploaded, or read from two files; looked at every minute.
//!
//! In the register's settings: `tls/authority`, `tls/own` and `tls/uploaded`, each a certificate with its key, which is encrypted with a secret that the master key wraps. None of them is in a
//! backup. Whatever goes wrong with one, the page is served with what there is: somebody must be able to reach it to put it right.

mod files;
#[cfg(test)]
mod tests;

use super::desk::stored;
use crate::config::{TlsMode, Web};
use files::Files;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use watchbook_base::clock::SystemClock;
use watchbook_base::{Clock, Kind, UtcNanos};
use watchbook_store::Keys;
use watchbook_store::register::{Change, Namespace, Register};
use watchbook_tls::{Authority, Certified, Given, Kept, KeptAuthority, Names, RENEW_DAYS, SECRET_BYTES, Served};
use watchbook_web::api;
use watchbook_web::error::Error;
use watchbook_web::ports::Certificates;
use watchbook_web::tls::Tls;
use zeroize::Zeroizing;

const AUTHORITY: &[u8] = b"tls/authority";
/// The one that gave way to it.
const AUTHORITY_BEFORE: &[u8] = b"tls/authority/before";
const OWN: &[u8] = b"tls/own";
const UPLOADED: &[u8] = b"tls/uploaded";
/// Under which the secrets are wrapped.
const SECRET_NAME: &str = "page certificate";
/// How often addresses, dates and files are looked at.
const EVERY: Duration = Duration::from_secs(60);
/// Browsers are told for at most so long to use nothing but TLS, and never beyond the certificate's end.
const STRICT_S_MAX: i64 = 86_400;

type Result<T> = core::result::Result<T, Error>;

/// A row of the register.
#[derive(Serialize, Deserialize)]
struct Row<T> {
    /// The secret that encrypts the key, wrapped with the master key.
    secret: Vec<u8>,
    kept: T,
}

/// What the machine is called, and its addresses; asked of the kernel.
pub fn names() -> Names {
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let interfaces = if_addrs::get_if_addrs().unwrap_or_else(|error| {
        tracing::warn!(%error, "the machine's addresses cannot be asked for; the page's certificate is for its name alone");
        Vec::new()
    });
    Names::new(&host, interfaces.iter().map(if_addrs::Interface::ip))
}

/// [`Certificates`] of a station whose page is served over TLS, or in the open.
pub struct PageCertificate(Option<Desk>);

struct Desk {
    means: Means,
    served: Arc<Served>,
    tls: Tls,
    state: Mutex<State>,
    /// Held by whoever looks: two looks at once could serve the older one last.
    looks: Mutex<()>,
}

/// What it works with.
struct Means {
    register: Arc<Register>,
    keys: Arc<Keys>,
    clock: Arc<dyn Clock>,
    names: Box<dyn Fn() -> Names + Send + Sync>,
    files: Option<Files>,
}

/// What is served, and why not something else.
struct State {
    authority: Authority,
    shown: Shown,
    names: Names,
    /// Why the files cannot be served.
    trouble: Option<String>,
}

#[derive(Clone)]
struct Shown {
    source: api::TlsSource,
    certified: Certified,
}

fn failed(error: watchbook_tls::Error) -> Error {
    Error::new(error.kind, error.message)
}

impl Means {
    fn read<T: DeserializeOwned>(&self, key: &[u8]) -> Result<Option<(T, Zeroizing<[u8; SECRET_BYTES]>)>> {
        let Some(entry) = self.register.get(Namespace::Setting, key).map_err(stored)? else { return Ok(None) };
        let row: Row<T> = serde_json::from_slice(&entry.value).map_err(|_| {
            Error::new(Kind::Corrupt, "reading a certificate of the page: its row cannot be understood")
        })?;
        let secret = self.keys.unwrap_secret(SECRET_NAME, &row.secret).map_err(stored)?;
        Ok(Some((row.kept, secret)))
    }

    fn change<T: Serialize>(&self, key: &[u8], kept: T, secret: &[u8; SECRET_BYTES]) -> Result<Change> {
        let row = Row { secret: self.keys.wrap_secret(SECRET_NAME, secret).map_err(stored)?, kept };
        let value = serde_json::to_vec(&row)
            .map_err(|error| Error::new(Kind::Internal, format!("keeping a certificate of the page: {error}")))?;
        Ok(Change::put(Namespace::Setting, key, value))
    }

    /// The authority that there is: the one of before, as soon as it can be used again, because people have installed it. Where none can be opened or all of them end there is a new one: nobody could reach the
    /// page otherwise. A clock that jumps ahead, or another master key, so costs nothing once it is put right.
    fn authority(&self, names: &Names, now: UtcNanos) -> Result<Authority> {
        for key in [AUTHORITY_BEFORE, AUTHORITY] {
            let kept = self.read::<KeptAuthority>(key);
            let opened =
                kept.and_then(|kept| kept.map(|(kept, secret)| kept.open(&secret).map_err(failed)).transpose());
            match opened {
                Ok(Some(authority)) if !authority.is_ending(now) => return Ok(authority),
                Ok(_) => {}
                Err(error) if error.kind == Kind::Io => return Err(error),
                Err(error) => {
                    tracing::error!(%error, "an own certificate authority of the station cannot be opened");
                }
            }
        }
        let secret = secret()?;
        let made = KeptAuthority::make(names, now, &secret).map_err(failed)?;
        let authority = made.open(&secret).map_err(failed)?;
        let mut rows = vec![self.change(AUTHORITY, made, &secret)?, Change::delete(Namespace::Setting, OWN)];
        if let Some(before) = self.register.get(Namespace::Setting, AUTHORITY).map_err(stored)? {
            tracing::warn!(
                "another certificate authority takes the place of the one before; its certificate must be installed"
            );
            rows.push(Change::put(Namespace::Setting, AUTHORITY_BEFORE, before.value));
        }
        self.register.apply(&rows).map_err(stored)?;
        tracing::info!(sha256 = authority.sha256(), "the station has a certificate authority of its own");
        Ok(authority)
    }

    /// A certificate of the authority for these names: the one that there is as long as it does.
    fn own(&self, authority: &Authority, names: &Names, now: UtcNanos) -> Result<Certified> {
        let kept = self.read::<Kept>(OWN);
        let kept = kept.and_then(|kept| kept.map(|(kept, secret)| kept.open(&secret).map_err(failed)).transpose());
        if let Ok(Some(certified)) = kept
            && authority.still_fits(&certified.facts, names, now)
        {
            return Ok(certified);
        }
        let secret = secret()?;
        let (kept, certified) = authority.certify(names, now, &secret).map_err(failed)?;
        self.register.apply(&[self.change(OWN, kept, &secret)?]).map_err(stored)?;
        tracing::info!(
            sha256 = certified.facts.sha256,
            names = certified.facts.names.join(", "),
            "the page has a new certificate"
        );
        Ok(certified)
    }

    fn uploaded(&self) -> Result<Option<Certified>> {
        self.read::<Kept>(UPLOADED)?.map(|(kept, secret)| kept.open(&secret).map_err(failed)).transpose()
    }

    /// What is to be served now, and why it is not what somebody wants.
    fn wanted(
        &self,
        authority: &Authority,
        names: &Names,
        now: UtcNanos,
    ) -> Result<(api::TlsSource, Certified, Option<String>)> {
        let own = |trouble| Ok((api::TlsSource::OwnAuthority, self.own(authority, names, now)?, trouble));
        match &self.files {
            Some(files) => match files.read(now) {
                Ok(given) => Ok((api::TlsSource::Files, given.certified, None)),
                Err(why) => own(Some(why)),
            },
            None => match self.uploaded() {
                Ok(Some(certified)) => Ok((api::TlsSource::Uploaded, certified, None)),
                Ok(None) => own(None),
                Err(error) => own(Some(format!("the uploaded certificate cannot be opened: {}", error.message))),
            },
        }
    }
}

fn secret() -> Result<Zeroizing<[u8; SECRET_BYTES]>> {
    let mut secret = Zeroizing::new([0; SECRET_BYTES]);
    getrandom::fill(&mut *secret)
        .map_err(|error| Error::new(Kind::Io, format!("making a certificate of the page: {error}")))?;
    Ok(secret)
}

impl Desk {
    fn open(means: Means) -> Result<Self> {
        let (names, now) = ((means.names)(), means.clock.utc());
        let authority = means.authority(&names, now)?;
        let (source, certified, trouble) = means.wanted(&authority, &names, now)?;
        let served = Served::new(&certified);
        let tls = Tls::new(served.config().map_err(failed)?);
        let shown = Shown { source, certified };
        let desk = Self {
            means,
            served,
            tls,
            state: Mutex::new(State { authority, shown, names, trouble }),
            looks: Mutex::default(),
        };
        desk.tell(&desk.state(), now);
        Ok(desk)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Serves what is to be served now. What it reads and makes holds up nobody who asks what is served.
    fn look(&self) -> Result<()> {
        let _looks = self.looks.lock().unwrap_or_else(PoisonError::into_inner);
        let (names, now) = ((self.means.names)(), self.means.clock.utc());
        let authority = self.means.authority(&names, now)?;
        let (source, certified, trouble) = self.means.wanted(&authority, &names, now)?;
        let mut state = self.state();
        // Files that became unreadable are served on until somebody puts them right, or the next start; an upload likewise.
        let keeps = trouble.is_some() && state.shown.source != api::TlsSource::OwnAuthority;
        if !keeps && certified.chain() != state.shown.certified.chain() {
            self.served.replace(&certified);
            state.shown = Shown { source, certified };
        }
        if trouble.is_some() && trouble != state.trouble {
            tracing::error!(why = trouble, "the certificate of the page is not the one that somebody wants");
        }
        (state.authority, state.names, state.trouble) = (authority, names, trouble);
        self.tell(&state, now);
        Ok(())
    }

    /// Tells browsers how strict to be. A certificate that a browser does not trust must stay a warning that a person can pass: with the own authority nothing is asked of them, and what was asked is taken back.
    fn tell(&self, state: &State, now: UtcNanos) {
        let left_s = state.shown.certified.facts.not_after_s.saturating_sub(now.0 / 1_000_000_000);
        let strict_s = match state.shown.source {
            api::TlsSource::Uploaded | api::TlsSource::Files => left_s.clamp(0, STRICT_S_MAX),
            api::TlsSource::OwnAuthority | api::TlsSource::Off => 0,
        };
        self.tls.set_strict(u32::try_from(strict_s).ok());
    }

    fn shown(&self) -> api::TlsState {
        let (state, counts) = (self.state(), self.tls.counts());
        api::TlsState {
            source: state.shown.source,
            certificate: Some((&state.shown.certified.facts).into()),
            authority: Some((&state.authority.facts).into()),
            names_left_out: match state.shown.source {
                api::TlsSource::OwnAuthority => state.authority.beyond(&state.names),
                _ => Vec::new(),
            },
            failed: counts.failed,
            slow: counts.slow,
            garbage: counts.garbage,
            sent_on: counts.sent_on,
        }
    }

    fn alarms(&self) -> Vec<api::Alarm> {
        let state = self.state();
        let alarm = |kind, text| api::Alarm { kind, disk: None, camera: None, since_utc_ms: None, text };
        let mut alarms = Vec::new();
        if let Some(why) = &state.trouble {
            alarms.push(alarm(
                api::AlarmKind::CertificateUnusable,
                format!("the page is not served with the certificate that was given: {why}"),
            ));
        }
        let left_s = state.shown.certified.facts.not_after_s.saturating_sub(self.means.clock.utc().0 / 1_000_000_000);
        if state.shown.source != api::TlsSource::OwnAuthority && left_s < RENEW_DAYS * 86_400 {
            let text = match left_s.div_euclid(86_400) {
                days @ 0.. => format!("the certificate of the page runs out in {days} days"),
                _ => "the certificate of the page has run out".to_owned(),
            };
            alarms.push(alarm(api::AlarmKind::CertificateEnding, text));
        }
        alarms
    }
}

impl PageCertificate {
    /// Opens what the configuration wants, and looks at it every minute. Blocking.
    ///
    /// # Errors
    /// When the register cannot be read or written, or the library makes no certificate.
    pub fn start(
        web: &Web,
        (register, keys): (&Arc<Register>, &Arc<Keys>),
        runtime: &tokio::runtime::Handle,
    ) -> Result<Arc<Self>> {
        if web.tls == TlsMode::Off {
            if !web.listen.ip().is_loopback() {
                tracing::warn!(address = %web.listen, "the page is served without TLS (web.tls is off): everybody on the network can read passwords and pictures");
            }
            return Ok(Arc::new(Self(None)));
        }
        let files = (web.tls == TlsMode::Files).then(|| Files::new(&web.tls_certificate, &web.tls_key));
        let (register, keys) = (Arc::clone(register), Arc::clone(keys));
        let means = Means { register, keys, clock: Arc::new(SystemClock), names: Box::new(names), files };
        let desk = Arc::new(Self(Some(Desk::open(means)?)));
        let weak = Arc::downgrade(&desk);
        runtime.spawn(async move {
            loop {
                tokio::time::sleep(EVERY).await;
                let Some(desk) = weak.upgrade() else { return };
                let looked = tokio::task::spawn_blocking(move || desk.0.as_ref().map_or(Ok(()), Desk::look)).await;
                if let Ok(Err(error)) = looked {
                    tracing::error!(%error, "the certificate of the page could not be looked at; it is tried again in a minute");
                }
            }
        });
        Ok(desk)
    }

    fn desk(&self) -> Result<&Desk> {
        let off =
            || Error::new(Kind::Conflict, "this page is served without TLS: web.tls in the configuration file is off");
        self.0.as_ref().ok_or_else(|| off().next("Change the configuration file and start the recorder again."))
    }
}

impl Certificates for PageCertificate {
    fn tls(&self) -> Option<Tls> {
        self.0.as_ref().map(|desk| desk.tls.clone())
    }

    fn authority(&self) -> Option<Vec<u8>> {
        self.0.as_ref().map(|desk| desk.state().authority.certificate().to_vec())
    }

    fn state(&self) -> api::TlsState {
        let off = || api::TlsState {
            source: api::TlsSource::Off,
            certificate: None,
            authority: None,
            names_left_out: Vec::new(),
            failed: 0,
            slow: 0,
            garbage: 0,
            sent_on: 0,
        };
        self.0.as_ref().map_or_else(off, Desk::shown)
    }

    fn upload(&self, given: &Given) -> Result<()> {
        let desk = self.desk()?;
        if desk.means.files.is_some() {
            let message = "the configuration file names the certificate of this page (web.tls is files)";
            return Err(Error::new(Kind::Conflict, message).next("Put the new certificate into those files."));
        }
        let secret = secret()?;
        let kept = given.seal(&secret).map_err(failed)?;
        let row = desk.means.change(UPLOADED, kept, &secret)?;
        desk.means.register.apply(&[row]).map_err(stored)?;
        desk.look()
    }

    fn remove(&self) -> Result<()> {
        let desk = self.desk()?;
        if desk.means.register.get(Namespace::Setting, UPLOADED).map_err(stored)?.is_none() {
            let message = "no certificate was uploaded to this station";
            return Err(Error::new(Kind::NotFound, message).next("Look at what the page is served with."));
        }
        desk.means.register.apply(&[Change::delete(Namespace::Setting, UPLOADED)]).map_err(stored)?;
        desk.look()
    }

    fn alarms(&self) -> Vec<api::Alarm> {
        self.0.as_ref().map(Desk::alarms).unwrap_or_default()
    }
}
