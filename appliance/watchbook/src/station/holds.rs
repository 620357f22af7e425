//! Footage that is kept for cases, as the page asks for it.

use super::footage::Ring;
use watchbook_access::Grant;
use watchbook_base::{CameraId, Kind, TimeRange};
use watchbook_web::api;
use watchbook_web::error::Error;
use watchbook_web::ports::{HoldOrder, HoldRow, Holds};

impl Holds for Ring {
    fn list(&self) -> Result<Vec<HoldRow>, Error> {
        Ok(Vec::new())
    }

    fn needed_bytes(&self, _cameras: &[CameraId], _range: TimeRange) -> Result<u64, Error> {
        Ok(0)
    }

    fn vault(&self) -> Result<api::VaultHealth, Error> {
        Ok(api::VaultHealth::default())
    }

    fn place(&self, _grant: &Grant, _order: HoldOrder) -> Result<HoldRow, Error> {
        Err(Error::new(Kind::Exhausted, "this recorder has no vault"))
    }

    fn release(&self, _grant: &Grant, _hold: u64, _account: u32, _reason: String) -> Result<HoldRow, Error> {
        Err(Error::not_found("there is no hold with this number"))
    }
}
