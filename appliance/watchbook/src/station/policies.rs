//! The station's policy: which file is in force, which ones can be chosen, and which one somebody proposed.
//!
//! A policy is a file. Those that come with the recorder are part of the program; a station's own lie in the directory that the configuration names. What is in force or
//! proposed is kept in the register with all of its text: neither another file nor another version of the recorder changes what the station holds to. What loosens
//! nothing is in force at once; anything else waits for a second person.

use super::desk::stored;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use watchbook_access::policy::{Profile, Rules};
use watchbook_access::{Action, Grant};
use watchbook_base::{Clock, Kind};
use watchbook_evidence::{hex, sha256};
use watchbook_store::register::{Change, Namespace, Register};
use watchbook_web::error::Error;
use watchbook_web::ports::{Policies, PolicyProposal};

/// The default first: what is in force before anybody chose.
const BUILT_IN: [&str; 5] = [
    include_str!("../../policies/kh-default.toml"),
    include_str!("../../policies/eu-led.toml"),
    include_str!("../../policies/uk.toml"),
    include_str!("../../policies/ph.toml"),
    include_str!("../../policies/vn.toml"),
];
/// Largest file of a policy.
const FILE_BYTES_MAX: u64 = 64 << 10;
/// Files of a station that are read.
const OWN_MAX: usize = 16;
const ID_BYTES_MAX: usize = 32;
/// A title or a source.
const TEXT_BYTES_MAX: usize = 1024;
const SOURCES_MAX: usize = 32;
pub(super) const IN_FORCE: &[u8] = b"policy/in_force";
const PROPOSED: &[u8] = b"policy/proposed";

type Result<T> = core::result::Result<T, Error>;

/// A policy as its file has it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    id: String,
    version: u32,
    title_en: String,
    title_km: String,
    sources: Vec<String>,
    rules: Rules,
}

/// What somebody proposed, as it is kept.
#[derive(Serialize, Deserialize)]
struct Kept {
    file: String,
    account: u32,
    at: watchbook_base::UtcNanos,
}

/// Which policy is in force.
pub struct PolicyDesk {
    register: Arc<Register>,
    clock: Arc<dyn Clock>,
    /// Directory of the station's own; empty: it has none.
    own: PathBuf,
    /// Held while the register is changed.
    in_force: Mutex<Arc<Profile>>,
}

impl PolicyDesk {
    /// Reads what is in force; in a station that never chose, that is the default, which is kept.
    ///
    /// # Errors
    /// When the register cannot be read or written, or has a policy that cannot be one.
    pub fn open(register: Arc<Register>, clock: Arc<dyn Clock>, own: &Path) -> Result<Self> {
        let kept = register.get(Namespace::Setting, IN_FORCE).map_err(stored)?;
        let file = match kept {
            Some(entry) => String::from_utf8(entry.value)
                .map_err(|_| Error::new(Kind::Corrupt, "the policy that is in force cannot be read"))?,
            None => {
                let [default, ..] = BUILT_IN;
                let change = Change::put(Namespace::Setting, IN_FORCE, default.as_bytes());
                register.apply(&[change]).map_err(stored)?;
                default.to_owned()
            }
        };
        let in_force = Mutex::new(Arc::new(parsed(&file)?));
        Ok(Self { register, clock, own: own.to_owned(), in_force })
    }

    fn current(&self) -> MutexGuard<'_, Arc<Profile>> {
        self.in_force.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn kept(&self) -> Result<Option<(Kept, Profile)>> {
        let Some(entry) = self.register.get(Namespace::Setting, PROPOSED).map_err(stored)? else { return Ok(None) };
        let kept: Kept = serde_json::from_slice(&entry.value)
            .map_err(|_| Error::new(Kind::Corrupt, "the policy that was proposed cannot be read"))?;
        let profile = parsed(&kept.file)?;
        Ok(Some((kept, profile)))
    }

    /// Text of each policy that can be chosen.
    fn files(&self) -> Result<Vec<String>> {
        let mut files: Vec<String> = BUILT_IN.map(str::to_owned).into();
        files.extend(own_files(&self.own)?);
        Ok(files)
    }

    fn put_in_force(&self, in_force: &mut Arc<Profile>, file: String) -> Result<()> {
        let profile = parsed(&file)?;
        let changes = [
            Change::put(Namespace::Setting, IN_FORCE, file.into_bytes()),
            Change::delete(Namespace::Setting, PROPOSED),
        ];
        self.register.apply(&changes).map_err(stored)?;
        *in_force = Arc::new(profile);
        Ok(())
    }
}

impl Policies for PolicyDesk {
    fn in_force(&self) -> Arc<Profile> {
        Arc::clone(&self.current())
    }

    fn offered(&self) -> Result<Vec<Profile>> {
        self.files()?.iter().map(|file| parsed(file)).collect()
    }

    fn proposed(&self) -> Result<Option<PolicyProposal>> {
        let proposal = self.kept()?;
        Ok(proposal.map(|(kept, profile)| PolicyProposal { profile, account: kept.account, at: kept.at }))
    }

    fn propose(&self, wanted_sha256: &str, account: u32) -> Result<bool> {
        let file = self.files()?.into_iter().find(|file| hex(&sha256(file.as_bytes())) == wanted_sha256);
        let file = file.ok_or_else(|| {
            Error::new(Kind::Conflict, "there is no policy with this file any more")
                .next("Load the list again and look at it anew.")
        })?;
        let mut in_force = self.current();
        let profile = parsed(&file)?;
        if profile.sha256 == in_force.sha256 {
            return Err(Error::new(Kind::Conflict, "this policy is in force already"));
        }
        if profile.rules.loosened(&in_force.rules).is_empty() {
            self.put_in_force(&mut in_force, file)?;
            return Ok(true);
        }
        let kept = serde_json::to_vec(&Kept { file, account, at: self.clock.utc() });
        let kept = kept.map_err(|error| Error::new(Kind::Internal, error.to_string()))?;
        self.register.apply(&[Change::put(Namespace::Setting, PROPOSED, kept)]).map_err(stored)?;
        Ok(false)
    }

    fn accept(&self, grant: &Grant) -> Result<()> {
        let Action::AcceptPolicy { policy_sha256, .. } = grant.action() else {
            return Err(Error::new(Kind::Denied, "this grant accepts no policy"));
        };
        let mut in_force = self.current();
        match self.kept()? {
            Some((kept, profile)) if grant.covers_policy(&profile.sha256, kept.account) => {
                self.put_in_force(&mut in_force, kept.file)
            }
            _ => Err(Error::new(
                Kind::Conflict,
                format!("the policy with the file {policy_sha256} is not what is proposed now"),
            )
            .next("Load the list again and look at what is proposed.")),
        }
    }

    fn withdraw(&self, policy_sha256: &str) -> Result<()> {
        let _held = self.current();
        match self.kept()? {
            Some((_, profile)) if profile.sha256 == policy_sha256 => {
                self.register.apply(&[Change::delete(Namespace::Setting, PROPOSED)]).map_err(stored)
            }
            _ => Err(Error::not_found("nobody proposes this policy now").next("Load the list again.")),
        }
    }
}

/// Whether this can be in force.
pub(super) fn is_policy(file: &[u8]) -> bool {
    core::str::from_utf8(file).is_ok_and(|file| parsed(file).is_ok())
}

/// The policy in this text.
fn parsed(file: &str) -> Result<Profile> {
    let File { id, version, title_en, title_km, sources, rules } =
        toml::from_str(file).map_err(|error| Error::invalid(format!("a policy cannot be read: {error}")))?;
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let fits = |text: &str| (1..=TEXT_BYTES_MAX).contains(&text.len()) && !text.chars().any(char::is_control);
    if !(1..=ID_BYTES_MAX).contains(&id.len()) || !id.chars().all(plain) {
        return Err(Error::invalid(format!(
            "the id of a policy has 1 to {ID_BYTES_MAX} small letters, digits and hyphens; {id:?} does not"
        )));
    }
    if sources.len() > SOURCES_MAX || ![&title_en, &title_km].into_iter().chain(&sources).all(|text| fits(text)) {
        return Err(Error::invalid(format!(
            "policy {id}: a title or a source has 1 to {TEXT_BYTES_MAX} bytes on one line, and there are {SOURCES_MAX} sources at most"
        )));
    }
    rules.check().map_err(|why| Error::invalid(format!("policy {id}: {why}")))?;
    let sha256 = hex(&sha256(file.as_bytes()));
    Ok(Profile { id, version, title_en, title_km, sources, rules, sha256 })
}

/// Texts of the station's own policies, by the names of their files. One that cannot be read is told of and left out.
fn own_files(dir: &Path) -> Result<Vec<String>> {
    if dir.as_os_str().is_empty() {
        return Ok(Vec::new());
    }
    let unreadable = |error: std::io::Error| {
        Error::new(Kind::Io, format!("reading the directory of policies {}: {error}", dir.display()))
            .next("Look at public.policies_dir in the configuration file.")
    };
    let mut paths: Vec<PathBuf> = std::fs::read_dir(dir)
        .map_err(unreadable)?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|end| end == "toml"))
        .collect();
    paths.sort();
    let read = |path: &PathBuf| {
        let small = std::fs::metadata(path).is_ok_and(|meta| meta.is_file() && meta.len() <= FILE_BYTES_MAX);
        let text = std::fs::read_to_string(path).ok().filter(|_| small);
        let good = text.as_deref().map(parsed);
        match good {
            Some(Ok(_)) => text,
            Some(Err(error)) => {
                tracing::warn!(path = %path.display(), %error, "this file is no policy; it is not offered");
                None
            }
            None => {
                tracing::warn!(path = %path.display(), "this file cannot be read, or is too large for a policy; it is not offered");
                None
            }
        }
    };
    Ok(paths.iter().take(OWN_MAX).filter_map(read).collect())
}

#[cfg(test)]
mod tests;
