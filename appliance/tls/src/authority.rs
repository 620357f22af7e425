//! The station's own authority: one key that vouches for this station's page and for nothing else.
//!
//! A person installs its certificate once on each computer and telephone. The certificates that it makes for the page run out after [`LEAF_DAYS`] and are made anew, with new names when the
//! machine gets another address, without anybody having to install something again.

use crate::error::{Error, Result};
use crate::facts::{Facts, fingerprint};
use crate::names::Names;
use crate::sealed::{SECRET_BYTES, SealedKey};
use crate::served::{Certified, Kept};
use jiff::Span;
use jiff::civil::{Date, date};
use jiff::tz::TimeZone;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, NameConstraints,
};
use rustls::pki_types::CertificateDer;
use serde::{Deserialize, Serialize};
use watchbook_base::{Kind, UtcNanos};
use zeroize::Zeroizing;

/// Days for which a certificate of the page is valid: browsers take no more than 398.
pub const LEAF_DAYS: i64 = 397;
/// A certificate is made anew so many days before it runs out.
pub const RENEW_DAYS: i64 = 30;
/// A certificate is valid from so many days before it is made: other clocks may be behind.
const EARLIER_DAYS: i64 = 2;
/// Years for which the authority is valid: as long as such a machine is used.
const AUTHORITY_YEARS: i64 = 10;
/// From when on the authority is valid, whatever the clock says when it is made.
const AUTHORITY_FROM: Date = date(2020, 1, 1);
/// A clock that shows an earlier day is wrong, because this program is not that old. A machine without a battery begins in 1970.
const EARLIEST: Date = date(2026, 11, 1);
/// Random bytes in the authority's name, so that two stations with one host name can be told apart in a list.
const MARK_BYTES: usize = 4;
/// Bytes of a host name that go into the authority's name, which has 64 at most.
const HOST_BYTES_MAX: usize = 32;

/// What the register has of it: the certificate in DER, and the key encrypted with a secret that the station's master key wraps.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptAuthority {
    name: String,
    made_for: Names,
    certificate: Vec<u8>,
    key: SealedKey,
}

/// An authority that can vouch.
pub struct Authority {
    /// Its name, as it stands in lists of authorities.
    pub name: String,
    /// What its certificate says.
    pub facts: Facts,
    made_for: Names,
    certificate: Vec<u8>,
    issuer: Issuer<'static, KeyPair>,
}

/// The day, as far as the clock can be right.
fn today(now: UtcNanos) -> Date {
    let moment = jiff::Timestamp::from_nanosecond(i128::from(now.0));
    let day = moment.map_or(EARLIEST, |moment| TimeZone::UTC.to_datetime(moment).date());
    day.max(EARLIEST)
}

/// Seconds UTC of now, as far as the clock can be right.
fn seconds(now: UtcNanos) -> i64 {
    let earliest = TimeZone::UTC.to_timestamp(EARLIEST.to_datetime(jiff::civil::Time::midnight()));
    (now.0 / 1_000_000_000).max(earliest.map_or(0, |moment| moment.as_second()))
}

fn moved(day: Date, span: Span) -> Date {
    day.saturating_add(span)
}

fn midnight(day: Date) -> (i32, u8, u8) {
    let small = |value: i8| u8::try_from(value).expect("months and days are positive");
    (i32::from(day.year()), small(day.month()), small(day.day()))
}

fn failed(what: &str, error: &rcgen::Error) -> Error {
    Error::new(Kind::Internal, format!("making {what}: {error}"))
}

fn valid(params: &mut CertificateParams, from: Date, to: Date) {
    let ((y, m, d), (to_y, to_m, to_d)) = (midnight(from), midnight(to));
    params.not_before = rcgen::date_time_ymd(y, m, d);
    params.not_after = rcgen::date_time_ymd(to_y, to_m, to_d);
}

fn named(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::OrganizationName, "Watchbook");
    params.distinguished_name.push(DnType::CommonName, name);
    params
}

fn params_of(name: &str, made_for: &Names) -> CertificateParams {
    let mut params = named(name);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let permitted_subtrees = made_for.permitted();
    params.name_constraints = Some(NameConstraints { permitted_subtrees, excluded_subtrees: Vec::new() });
    params
}

impl KeptAuthority {
    /// Makes an authority for a station with these names. `secret` is fresh, and nothing else is encrypted with it.
    ///
    /// # Errors
    /// When the library refuses, or the system gives no random bytes.
    pub fn make(names: &Names, now: UtcNanos, secret: &[u8; SECRET_BYTES]) -> Result<Self> {
        let mut mark = [0; MARK_BYTES];
        getrandom::fill(&mut mark)
            .map_err(|error| Error::new(Kind::Io, format!("making the station's own authority: {error}")))?;
        let mark = u32::from_be_bytes(mark);
        let host: String = names.host.chars().take(HOST_BYTES_MAX).collect();
        let name = format!("Watchbook {host} {mark:08x}").replace("  ", " ");
        let mut params = params_of(&name, names);
        valid(&mut params, AUTHORITY_FROM, moved(today(now), Span::new().years(AUTHORITY_YEARS)));
        let key = KeyPair::generate().map_err(|error| failed("the station's own authority", &error))?;
        let certificate = params.self_signed(&key).map_err(|error| failed("the station's own authority", &error))?;
        let certificate = certificate.der().to_vec();
        let key = SealedKey::seal(Zeroizing::new(key.serialize_der()), &certificate, secret)?;
        Ok(Self { name, made_for: names.clone(), certificate, key })
    }

    /// The authority, able to vouch.
    ///
    /// # Errors
    /// `Corrupt` when something was changed.
    pub fn open(&self, secret: &[u8; SECRET_BYTES]) -> Result<Authority> {
        let key = self.key.open(&self.certificate, secret)?;
        let key = KeyPair::try_from(&key[..])
            .map_err(|_| Error::new(Kind::Corrupt, "opening the station's own authority: its key is none"))?;
        Ok(Authority {
            name: self.name.clone(),
            facts: Facts::of(&self.certificate)?,
            made_for: self.made_for.clone(),
            certificate: self.certificate.clone(),
            issuer: Issuer::new(params_of(&self.name, &self.made_for), key),
        })
    }
}

impl Authority {
    /// Its certificate, DER, for whoever wants to trust it.
    #[must_use]
    pub fn certificate(&self) -> &[u8] {
        &self.certificate
    }

    /// What a thief would have.
    #[cfg(test)]
    pub(crate) fn private_key_for_tests(&self) -> Vec<u8> {
        self.issuer.key().serialize_der()
    }

    /// SHA-256 of it, to be compared.
    #[must_use]
    pub fn sha256(&self) -> String {
        fingerprint(&self.certificate)
    }

    /// It is about to run out: another one is due, which people must install.
    #[must_use]
    pub fn is_ending(&self, now: UtcNanos) -> bool {
        self.facts.not_after_s - seconds(now) < RENEW_DAYS * 86_400
    }

    /// Names of the station that it may not vouch for.
    #[must_use]
    pub fn beyond(&self, names: &Names) -> Vec<String> {
        names.beyond(&self.made_for)
    }

    /// Makes a certificate with a key of its own for the page; `secret` is fresh, and nothing else is encrypted with it.
    ///
    /// # Errors
    /// When the library refuses.
    pub fn certify(&self, names: &Names, now: UtcNanos, secret: &[u8; SECRET_BYTES]) -> Result<(Kept, Certified)> {
        let what = "the page's certificate";
        let key = KeyPair::generate().map_err(|error| failed(what, &error))?;
        let vouched = names.within(&self.made_for);
        // A name that the authority does not permit would spoil the certificate for clients that look at the common name.
        let name = vouched.iter().find_map(text_of).unwrap_or_else(|| "localhost".to_owned());
        let mut params = named(&name);
        params.subject_alt_names = vouched;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        let from = moved(today(now), Span::new().days(-EARLIER_DAYS));
        valid(&mut params, from, moved(from, Span::new().days(LEAF_DAYS)));
        let certificate = params.signed_by(&key, &self.issuer).map_err(|error| failed(what, &error))?;
        // The authority itself is not sent: whoever trusts it has it.
        let chain = vec![CertificateDer::from(certificate.der().to_vec())];
        let private = Zeroizing::new(key.serialize_der());
        let certified = Certified::of_pkcs8(chain.clone(), &private)?;
        Ok((Kept::seal(&chain, private, secret)?, certified))
    }

    /// This certificate of the page is still what it would make: signed by it, not close to its end, not of a day to come, and for all of the station's names. One that has a name too many stays: a machine
    /// whose addresses come and go would otherwise show another certificate each time, and people would learn to pass warnings.
    #[must_use]
    pub fn still_fits(&self, leaf: &Facts, names: &Names, now: UtcNanos) -> bool {
        let wanted: Vec<String> = names.within(&self.made_for).iter().filter_map(text_of).collect();
        let now_s = seconds(now);
        leaf.issuer == self.facts.subject
            && leaf.not_before_s <= now_s
            && leaf.not_after_s - now_s >= RENEW_DAYS * 86_400
            && wanted.iter().all(|name| leaf.names.contains(name))
    }
}

fn text_of(name: &rcgen::SanType) -> Option<String> {
    match name {
        rcgen::SanType::DnsName(name) => Some(name.as_str().to_owned()),
        rcgen::SanType::IpAddress(address) => Some(address.to_string()),
        _ => None,
    }
}
