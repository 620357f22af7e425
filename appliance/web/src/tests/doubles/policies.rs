//! Policies in memory: `wide` is in force, `strict` loosens nothing, and account 50 proposes `longer`.

use super::*;
use crate::ports::{Policies, PolicyProposal};
use watchbook_access::policy::{Profile, Rules};

/// SHA-256 of a policy's file: its name's first letter, so to say.
pub(in crate::tests) fn policy_sha256(id: &str) -> String {
    format!("{:02x}", id.as_bytes()[0]).repeat(32)
}

pub(in crate::tests) fn profile(id: &str, rules: Rules) -> Profile {
    Profile {
        id: id.to_owned(),
        version: 1,
        title_en: format!("Policy {id}"),
        title_km: "គោលនយោបាយ".to_owned(),
        sources: vec!["A law says so.".to_owned()],
        rules,
        sha256: policy_sha256(id),
    }
}

pub(in crate::tests) struct MemoryPolicies {
    pub(in crate::tests) in_force: Mutex<Arc<Profile>>,
    pub(in crate::tests) proposed: Mutex<Option<PolicyProposal>>,
}

impl Default for MemoryPolicies {
    fn default() -> Self {
        let longer = profile("longer", Rules { retention_days_max: 60, ..Rules::WIDEST });
        let proposed = PolicyProposal { profile: longer, account: 50, at: UtcNanos::from_ms(START_MS) };
        Self { in_force: Mutex::new(Arc::new(profile("wide", Rules::WIDEST))), proposed: Mutex::new(Some(proposed)) }
    }
}

impl Policies for MemoryPolicies {
    fn in_force(&self) -> Arc<Profile> {
        Arc::clone(&self.in_force.lock().unwrap())
    }

    fn offered(&self) -> Result<Vec<Profile>, Error> {
        let strict = Rules { retention_days_max: 10, sound: false, case_days_max: 7, ..Rules::WIDEST };
        Ok(vec![
            profile("wide", Rules::WIDEST),
            profile("strict", strict),
            profile("longer", Rules { retention_days_max: 60, ..Rules::WIDEST }),
        ])
    }

    fn proposed(&self) -> Result<Option<PolicyProposal>, Error> {
        Ok(self.proposed.lock().unwrap().clone())
    }

    fn propose(&self, policy_sha256: &str, account: u32) -> Result<bool, Error> {
        let profile = self.offered()?.into_iter().find(|profile| profile.sha256 == policy_sha256).unwrap();
        if profile.rules.loosened(&self.in_force().rules).is_empty() {
            *self.in_force.lock().unwrap() = Arc::new(profile);
            return Ok(true);
        }
        *self.proposed.lock().unwrap() = Some(PolicyProposal { profile, account, at: UtcNanos::from_ms(START_MS) });
        Ok(false)
    }

    fn accept(&self, grant: &Grant) -> Result<(), Error> {
        let proposal = self.proposed.lock().unwrap().take().unwrap();
        assert!(grant.covers_policy(&proposal.profile.sha256, proposal.account), "{grant:?}");
        *self.in_force.lock().unwrap() = Arc::new(proposal.profile);
        Ok(())
    }

    fn withdraw(&self, policy_sha256: &str) -> Result<(), Error> {
        let gone = self.proposed.lock().unwrap().take_if(|proposal| proposal.profile.sha256 == policy_sha256);
        gone.map(drop).ok_or_else(|| Error::not_found("nobody proposes it"))
    }
}
