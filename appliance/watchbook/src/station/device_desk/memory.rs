//! What is remembered of a camera from its first contact on: what it is, and which masks were made in it.

use serde::{Deserialize, Serialize};
use watchbook_base::CameraId;
use watchbook_capture::onvif::{DeviceUrl, Identity};
use watchbook_store::register::{Change, Namespace, Register};

/// Rows of the register begin with it, followed by the camera's number.
const PREFIX: &[u8] = b"device/";

/// A row of the register: under a kilobyte.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Memory {
    /// Host and port that it answers at: another address is another first contact.
    place: String,
    known: Option<Stored>,
    mask_tokens: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Stored {
    manufacturer: String,
    model: String,
    firmware: String,
    serial: String,
    hardware: String,
    macs: Vec<String>,
}

impl Memory {
    /// What is remembered of the camera at this address.
    pub fn read(register: &Register, camera: CameraId, address: &DeviceUrl) -> Self {
        let row = register.get(Namespace::Setting, &key(camera));
        let row = row.map_err(|error| tracing::error!(%camera, %error, "what the camera was cannot be read"));
        let memory = row.ok().flatten().and_then(|entry| serde_json::from_slice::<Self>(&entry.value).ok());
        let place = address.host_port();
        memory.filter(|memory| memory.place == place).unwrap_or(Self { place, ..Self::default() })
    }

    /// Forgets a camera.
    pub fn forget(register: &Register, camera: CameraId) {
        if let Err(error) = register.apply(&[Change::delete(Namespace::Setting, key(camera))]) {
            tracing::error!(%camera, %error, "what the camera was could not be removed from the register");
        }
    }

    /// It is about a camera at this address.
    pub fn is_of(&self, address: &DeviceUrl) -> bool {
        self.place == address.host_port()
    }

    /// The camera that is known.
    pub fn identity(&self) -> Option<Identity> {
        let Stored { manufacturer, model, firmware, serial, hardware, macs } = self.known.clone()?;
        Some(Identity { manufacturer, model, firmware, serial, hardware, macs })
    }

    /// Tokens of the masks that were made in it.
    pub fn tokens(&self) -> &[String] {
        &self.mask_tokens
    }

    /// The camera is this one. What it does not tell this time stays as it was.
    pub fn learn(
        &mut self,
        register: &Register,
        camera: CameraId,
        identity: &Identity,
    ) -> Result<(), watchbook_store::Error> {
        let mut learnt = stored(identity);
        if let Some(known) = &self.known {
            for (now, before) in [
                (&mut learnt.manufacturer, &known.manufacturer),
                (&mut learnt.model, &known.model),
                (&mut learnt.serial, &known.serial),
                (&mut learnt.hardware, &known.hardware),
            ] {
                if now.is_empty() {
                    now.clone_from(before);
                }
            }
            if learnt.macs.is_empty() {
                learnt.macs.clone_from(&known.macs);
            }
        }
        self.write(register, camera, Self { known: Some(learnt), ..self.clone() })
    }

    /// Another camera is the one from now on; it has no masks of ours.
    pub fn replace(
        &mut self,
        register: &Register,
        camera: CameraId,
        identity: &Identity,
    ) -> Result<(), watchbook_store::Error> {
        self.write(register, camera, Self { known: Some(stored(identity)), mask_tokens: Vec::new(), ..self.clone() })
    }

    /// These masks were made in it.
    pub fn set_tokens(
        &mut self,
        register: &Register,
        camera: CameraId,
        tokens: &[String],
    ) -> Result<(), watchbook_store::Error> {
        self.write(register, camera, Self { mask_tokens: tokens.to_vec(), ..self.clone() })
    }

    fn write(&mut self, register: &Register, camera: CameraId, next: Self) -> Result<(), watchbook_store::Error> {
        if *self == next {
            return Ok(());
        }
        // Strings and lists of strings always have a JSON text.
        let value = serde_json::to_vec(&next).unwrap_or_default();
        register.apply(&[Change::put(Namespace::Setting, key(camera), value)])?;
        *self = next;
        Ok(())
    }
}

fn key(camera: CameraId) -> Vec<u8> {
    [PREFIX, &camera.get().to_be_bytes()[..]].concat()
}

fn stored(identity: &Identity) -> Stored {
    let Identity { manufacturer, model, firmware, serial, hardware, macs } = identity.clone();
    Stored { manufacturer, model, firmware, serial, hardware, macs }
}

/// Names a camera: a digest over all that it says it is.
pub fn id(identity: &Identity) -> String {
    let Identity { manufacturer, model, serial, hardware, macs, .. } = identity;
    // Strings and lists of strings always have a JSON text, and no two have the same.
    let text = serde_json::to_vec(&(manufacturer, model, serial, hardware, macs)).unwrap_or_default();
    watchbook_evidence::hex(&watchbook_evidence::sha256(&text)[..16])
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use watchbook_base::UtcNanos;
    use watchbook_base::clock::SimClock;

    #[test]
    fn a_camera_is_remembered_at_its_address_and_what_it_stops_telling_stays() {
        let dir = tempfile::tempdir().unwrap();
        let register = Register::open(dir.path(), Arc::new(SimClock::new(UtcNanos(0)))).unwrap();
        let camera = CameraId::new(1).unwrap();
        let address = |text| DeviceUrl::parse(text).unwrap();
        let first = Identity {
            serial: "1".into(),
            firmware: "1.0".into(),
            macs: vec!["02:00:5e:10:00:0a".into()],
            ..Identity::default()
        };
        let mut memory = Memory::read(&register, camera, &address("192.168.1.10"));
        assert_eq!(memory.identity(), None);
        memory.learn(&register, camera, &first).unwrap();
        memory.learn(&register, camera, &Identity { firmware: "2.0".into(), macs: vec![], ..first.clone() }).unwrap();
        memory.set_tokens(&register, camera, &["m".to_owned()]).unwrap();
        let read = Memory::read(&register, camera, &address("http://192.168.1.10/onvif/other"));
        assert_eq!(read.identity(), Some(Identity { firmware: "2.0".into(), ..first.clone() }));
        assert_eq!(read.tokens(), ["m"]);
        assert_eq!(Memory::read(&register, camera, &address("192.168.1.11")).identity(), None, "another address");
        let second = Identity { serial: "2".into(), ..first.clone() };
        assert_ne!(id(&first), id(&second));
        assert_eq!(
            id(&first),
            id(&Identity { firmware: "9".into(), ..first.clone() }),
            "an update does not make another camera"
        );
        memory.replace(&register, camera, &second).unwrap();
        assert_eq!((memory.identity(), memory.tokens().len()), (Some(second), 0));
        Memory::forget(&register, camera);
        assert_eq!(Memory::read(&register, camera, &address("192.168.1.10")).identity(), None);
    }
}
