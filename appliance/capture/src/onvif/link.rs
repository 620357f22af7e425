//! A camera that is asked more than once: where its services are, by which clock it is asked, and what tells it from another one.

use super::clock::{DeviceClock, device_clock, offset_ms};
use super::soap::Caller;
use super::{Access, DEVICE, DeviceUrl, Service, macs, services, xml};
use crate::failure::Failure;
use crate::networks::Networks;
use std::time::SystemTime;
use url::Url;
use watchbook_base::GapReason;

/// What tells one camera from another, in its own words; empty where it tells nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// Who made it.
    pub manufacturer: String,
    /// Which model.
    pub model: String,
    /// Version of its firmware. It may change without the camera being another one.
    pub firmware: String,
    /// Its serial number.
    pub serial: String,
    /// The maker's number of its hardware.
    pub hardware: String,
    /// Hardware addresses of its network interfaces, as `02:00:00:00:00:01`: at most 8.
    pub macs: Vec<String>,
}

impl Identity {
    /// Why this is not the camera that was `known`, as a sentence; `None` when nothing speaks against it. What one of the two does not tell is not compared:
    /// accounts exist that may not ask for the hardware address.
    #[must_use]
    pub fn differs_from(&self, known: &Self) -> Option<String> {
        let word = |what: &str, now: &str, then: &str| {
            let other = !now.is_empty() && !then.is_empty() && now != then;
            other.then(|| format!("its {what} is {now}, that of the camera known here is {then}"))
        };
        let told = !self.macs.is_empty() && !known.macs.is_empty();
        let macs = || {
            // A camera may have grown an interface; it has not changed all of them.
            let other = told && !self.macs.iter().any(|mac| known.macs.contains(mac));
            other.then(|| word("hardware address", &self.macs.join(", "), &known.macs.join(", "))).flatten()
        };
        word("serial number", &self.serial, &known.serial)
            .or_else(macs)
            .or_else(|| word("model", &self.model, &known.model))
            .or_else(|| word("hardware number", &self.hardware, &known.hardware))
    }
}

/// Talks to one camera.
pub(super) struct Link {
    pub(super) caller: Caller,
    pub(super) address: DeviceUrl,
    pub(super) services: Vec<Service>,
    pub(super) offset_ms: Option<i64>,
}

impl Link {
    /// Looks the camera up, reads its clock and asks for its services.
    ///
    /// # Errors
    /// As [`super::inspect`].
    pub(super) async fn open(address: &DeviceUrl, access: &Access, networks: &Networks) -> Result<Self, Failure> {
        let caller = Caller::new(address, access, networks).await?;
        let mut link = Self { caller, address: address.clone(), services: Vec::new(), offset_ms: None };
        // Cameras answer this to everybody (Core Specification 8.3.4, PRE_AUTH). To one that does not, calls are signed with our time.
        match link.clock().await {
            Err(failure) if matches!(failure.reason, GapReason::CameraGone | GapReason::CameraUntrusted) => {
                return Err(failure);
            }
            _ => link.caller.sign(link.offset_ms.unwrap_or(0)),
        }
        link.services = services(&mut link.caller, address).await?;
        Ok(link)
    }

    /// The camera's clock; afterwards the offset is that of now, and calls are signed with it.
    pub(super) async fn clock(&mut self) -> Result<Option<DeviceClock>, Failure> {
        let asked = SystemTime::now();
        let body = "<GetSystemDateAndTime/>";
        let clock = self.caller.call(&self.address.0, DEVICE, body, |reply| Ok(device_clock(reply))).await?;
        if let Some(clock) = &clock {
            self.offset_ms = offset_ms(clock.utc_ms, asked, SystemTime::now());
            self.caller.sign(self.offset_ms.unwrap_or(0));
        }
        Ok(clock)
    }

    /// What the camera is.
    pub(super) async fn identity(&mut self) -> Result<Identity, Failure> {
        const NAMES: [&str; 5] = ["Manufacturer", "Model", "FirmwareVersion", "SerialNumber", "HardwareId"];
        let information = "<GetDeviceInformation/>";
        let asking = self
            .caller
            .call(&self.address.0, DEVICE, information, |reply| Ok(NAMES.map(|name| xml::text(reply, name))));
        let [manufacturer, model, firmware, serial, hardware] = asking.await?;
        let interfaces = "<GetNetworkInterfaces/>";
        let asking = self.caller.call(&self.address.0, DEVICE, interfaces, |reply| Ok(macs(reply)));
        // Some accounts may not ask this.
        let macs = asking.await.unwrap_or_default();
        Ok(Identity { manufacturer, model, firmware, serial, hardware, macs })
    }

    /// Where one of its services is.
    pub(super) fn service(&self, namespace: &str) -> Option<Url> {
        self.services.iter().find(|service| service.namespace == namespace).map(|service| service.url.clone())
    }

    /// Where one of its services is.
    ///
    /// # Errors
    /// It has none, with what then is to be done.
    pub(super) fn needed(&self, namespace: &str, what: &str, next_step: &str) -> Result<Url, Failure> {
        let missing = || {
            Failure::unusable(
                format!("The camera at {} has no service for {what}.", self.address.host_port()),
                next_step,
            )
        };
        self.service(namespace).ok_or_else(missing)
    }
}
