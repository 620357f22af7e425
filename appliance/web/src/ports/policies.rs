//! The station's policy.

use crate::error::Error;
use std::sync::Arc;
use watchbook_access::Grant;
use watchbook_access::policy::Profile;
use watchbook_base::UtcNanos;

/// A policy that somebody proposed, and that waits for somebody else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyProposal {
    /// Which.
    pub profile: Profile,
    /// Who.
    pub account: u32,
    /// When.
    pub at: UtcNanos,
}

/// Which policy is in force, and which ones there are. Changes are durable and in force when a method returns.
pub trait Policies: Send + Sync {
    /// The one that is in force; reads nothing.
    fn in_force(&self) -> Arc<Profile>;

    /// Those that can be chosen: what comes with the recorder, and the station's own; at most 32.
    ///
    /// # Errors
    /// When the station's own cannot be read.
    fn offered(&self) -> Result<Vec<Profile>, Error>;

    /// The one that waits for somebody else.
    ///
    /// # Errors
    /// When it cannot be read.
    fn proposed(&self) -> Result<Option<PolicyProposal>, Error>;

    /// Brings the policy with this file (SHA-256, lower-case hex) into force when it loosens nothing, else keeps it as what `account` proposes, in the place of another
    /// one. True when it is in force.
    ///
    /// # Errors
    /// `Conflict` when there is no such file, or it is in force already.
    fn propose(&self, policy_sha256: &str, account: u32) -> Result<bool, Error>;

    /// Brings what is proposed into force. `grant` must be for it, and for whoever proposed it.
    ///
    /// # Errors
    /// `Conflict` when something else is proposed now, or somebody else proposes it.
    fn accept(&self, grant: &Grant) -> Result<(), Error>;

    /// Puts what is proposed aside.
    ///
    /// # Errors
    /// `NotFound` when this policy is not what is proposed.
    fn withdraw(&self, policy_sha256: &str) -> Result<(), Error>;
}
