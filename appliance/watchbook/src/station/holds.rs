//! Footage that is kept for cases, as the page asks for it.

use super::desk::stored;
use std::sync::{PoisonError, RwLock};
use watchbook_access::Grant;
use watchbook_base::{CameraId, Kind, TimeRange, UtcNanos};
use watchbook_store::{HoldId, HoldInfo, HoldRequest, HoldState, MissingFootage, MissingReason};
use watchbook_web::api;
use watchbook_web::error::Error;
use watchbook_web::ports::{self, HoldOrder, HoldReleased, HoldRow};

/// The vault until the store is closed.
pub struct HoldDesk {
    holds: RwLock<Option<watchbook_store::Holds>>,
    /// The configuration wants one.
    has_vault: bool,
}

impl HoldDesk {
    /// Keeps `holds`; `None`: the configuration wants no vault.
    pub fn new(holds: Option<watchbook_store::Holds>) -> Self {
        Self { has_vault: holds.is_some(), holds: RwLock::new(holds) }
    }

    /// Stops the vault. Nothing can be asked of it afterwards.
    pub fn close(&self) {
        drop(self.holds.write().unwrap_or_else(PoisonError::into_inner).take());
    }

    /// True when footage of `camera` in `range` is held and not copied yet, and of all footage once the vault is closed: nobody can tell then.
    pub fn needs(&self, camera: CameraId, range: TimeRange) -> bool {
        let needs = self.ask(|holds| Ok(holds.needs(camera, range)));
        needs.ok().flatten().unwrap_or(self.has_vault)
    }

    /// What `ask` gets; `None` when there is no vault.
    fn ask<T>(
        &self,
        ask: impl FnOnce(&watchbook_store::Holds) -> watchbook_store::Result<T>,
    ) -> Result<Option<T>, Error> {
        let holds = self.holds.read().unwrap_or_else(PoisonError::into_inner);
        holds.as_ref().map(ask).transpose().map_err(stored)
    }

    fn get(&self, id: HoldId) -> Result<HoldRow, Error> {
        let found = self.ask(|holds| Ok(holds.list()?.into_iter().find(|hold| hold.id == id)))?.flatten();
        found.map(row).ok_or_else(|| Error::not_found(format!("there is no hold {id}")))
    }
}

fn no_vault() -> Error {
    Error::new(Kind::Exhausted, "this recorder has no vault, so nothing can be held")
        .next("An admin sets storage.vault_gib in the configuration file. Until then download what matters.")
}

impl ports::Holds for HoldDesk {
    fn list(&self) -> Result<Vec<HoldRow>, Error> {
        let list = self.ask(watchbook_store::Holds::list)?.unwrap_or_default();
        Ok(list.into_iter().rev().map(row).collect())
    }

    fn needed_bytes(&self, cameras: &[CameraId], range: TimeRange) -> Result<u64, Error> {
        let cameras = cameras.iter().copied().collect();
        let request = HoldRequest { case: String::new(), cameras, range, note: String::new(), by_account: 0 };
        Ok(self.ask(|holds| holds.needed_bytes(&request))?.unwrap_or(0))
    }

    fn vault(&self) -> Result<api::VaultHealth, Error> {
        let info = self.ask(watchbook_store::Holds::info)?.unwrap_or_default();
        Ok(api::VaultHealth {
            quota_bytes: info.quota_bytes,
            held_bytes: info.held_bytes,
            reserved_bytes: info.reserved_bytes,
            free_bytes: info.free_bytes(),
        })
    }

    fn place(&self, grant: &Grant, order: HoldOrder) -> Result<HoldRow, Error> {
        if !grant.covers_hold(&order.cameras, order.range) {
            return Err(Error::new(Kind::Denied, "placing a hold: the grant is for something else"));
        }
        let request = HoldRequest {
            case: order.case,
            cameras: order.cameras.into_iter().collect(),
            range: order.range,
            note: order.note,
            by_account: order.account,
        };
        let placed = self.ask(|holds| holds.place(request))?;
        self.get(placed.ok_or_else(no_vault)?)
    }

    fn release(&self, grant: &Grant, hold: u64, account: u32, reason: String) -> Result<HoldRow, Error> {
        if !grant.covers_release(hold) {
            return Err(Error::new(Kind::Denied, "releasing a hold: the grant is for something else"));
        }
        self.ask(|holds| holds.release(HoldId(hold), account, &reason))?.ok_or_else(no_vault)?;
        self.get(HoldId(hold))
    }
}

fn row(hold: HoldInfo) -> HoldRow {
    HoldRow {
        id: hold.id.0,
        order: HoldOrder {
            case: hold.case,
            cameras: hold.cameras.into_iter().collect(),
            range: hold.range,
            note: hold.note,
            account: hold.placed.by_account,
        },
        placed: hold.placed.utc,
        state: match hold.state {
            HoldState::Copying => api::HoldState::Copying,
            HoldState::Held => api::HoldState::Held,
            HoldState::Incomplete => api::HoldState::Incomplete,
            HoldState::Released => api::HoldState::Released,
        },
        held_bytes: hold.held_bytes,
        left_bytes: hold.left_bytes,
        // Rounded up: a little is not nothing.
        unproven_ms: hold.unproven_nanos.map(|nanos| nanos.saturating_add(999_999) / 1_000_000),
        trouble: hold.trouble,
        missing: hold.missing.iter().map(missing).collect(),
        missing_count: hold.missing_count,
        release: hold.released.map(|released| HoldReleased {
            account: released.by_account,
            at: released.utc,
            reason: released.reason,
        }),
    }
}

fn missing(missing: &MissingFootage) -> api::HoldMissing {
    api::HoldMissing {
        camera: missing.stream.camera,
        role: missing.stream.role,
        start_utc_ms: UtcNanos::as_ms(missing.start),
        end_utc_ms: UtcNanos::as_ms(missing.end),
        reason: match missing.reason {
            MissingReason::NotStored => api::HoldMissingReason::NotStored,
            MissingReason::Overwritten => api::HoldMissingReason::Overwritten,
            MissingReason::Damaged => api::HoldMissingReason::Damaged,
            MissingReason::Erased => api::HoldMissingReason::Erased,
            MissingReason::Disk => api::HoldMissingReason::Disk,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_closed_vault_needs_all_footage_and_one_that_is_not_wanted_none() {
        let (camera, range) = (CameraId::new(1).unwrap(), TimeRange { start: UtcNanos(0), end: UtcNanos(1) });
        let closed = HoldDesk { holds: RwLock::new(None), has_vault: true };
        assert!(closed.needs(camera, range));
        assert!(!HoldDesk::new(None).needs(camera, range));
    }
}
