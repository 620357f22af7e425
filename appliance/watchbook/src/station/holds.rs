//! Footage that is kept for cases, as the page asks for it.

use super::desk::stored;
use super::footage::Ring;
use watchbook_access::Grant;
use watchbook_base::{CameraId, Kind, TimeRange};
use watchbook_store::{HoldId, HoldInfo, HoldRequest, HoldState, MissingFootage, MissingReason};
use watchbook_web::api;
use watchbook_web::error::Error;
use watchbook_web::ports::{HoldOrder, HoldReleased, HoldRow, Holds};

impl Ring {
    fn vault_of_station(&self) -> Result<&watchbook_store::Holds, Error> {
        let none = "this station has no vault; set storage.vault_gib in the configuration file";
        self.holds.as_ref().ok_or_else(|| Error::new(Kind::Unavailable, none))
    }

    fn hold(&self, id: HoldId) -> Result<HoldRow, Error> {
        let all = self.vault_of_station()?.list().map_err(stored)?;
        let found = all.into_iter().find(|hold| hold.id == id);
        found.map(row).ok_or_else(|| Error::not_found("there is no hold with this number"))
    }
}

impl Holds for Ring {
    fn list(&self) -> Result<Vec<HoldRow>, Error> {
        let Some(holds) = &self.holds else { return Ok(Vec::new()) };
        Ok(holds.list().map_err(stored)?.into_iter().rev().map(row).collect())
    }

    fn needed_bytes(&self, cameras: &[CameraId], range: TimeRange) -> Result<u64, Error> {
        let cameras = cameras.iter().copied().collect();
        let request = HoldRequest { case: String::new(), cameras, range, note: String::new(), by_account: 0 };
        self.vault_of_station()?.needed_bytes(&request).map_err(stored)
    }

    fn vault(&self) -> Result<api::VaultHealth, Error> {
        let Some(holds) = &self.holds else { return Ok(api::VaultHealth::default()) };
        let info = holds.info().map_err(stored)?;
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
        let HoldOrder { case, cameras, range, note, account } = order;
        let request = HoldRequest { case, cameras: cameras.into_iter().collect(), range, note, by_account: account };
        let id = self.vault_of_station()?.place(request).map_err(stored)?;
        self.hold(id)
    }

    fn release(&self, grant: &Grant, hold: u64, account: u32, reason: String) -> Result<HoldRow, Error> {
        if !grant.covers_release(hold) {
            return Err(Error::new(Kind::Denied, "releasing a hold: the grant is for something else"));
        }
        self.vault_of_station()?.release(HoldId(hold), account, &reason).map_err(stored)?;
        self.hold(HoldId(hold))
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
        start_utc_ms: missing.start.as_ms(),
        end_utc_ms: missing.end.as_ms(),
        reason: match missing.reason {
            MissingReason::NotStored => api::HoldMissingReason::NotStored,
            MissingReason::Overwritten => api::HoldMissingReason::Overwritten,
            MissingReason::Damaged => api::HoldMissingReason::Damaged,
            MissingReason::Erased => api::HoldMissingReason::Erased,
        },
    }
}
