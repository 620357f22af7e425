//! Cameras that can be turned, in memory.

use super::MemoryBox;
use crate::api;
use crate::error::Error;
use crate::ports::Devices;
use watchbook_base::CameraId;

impl Devices for MemoryBox {
    fn view(&self, _: CameraId) -> Result<api::PtzView, Error> {
        self.called();
        Ok(api::PtzView { position: None, presets: Vec::new() })
    }

    fn turn(&self, camera: CameraId, request: &api::PtzRequest) -> Result<(), Error> {
        self.called();
        self.turned.lock().unwrap().push((camera, request.clone()));
        self.turned_again.notify_all();
        Ok(())
    }

    fn set_preset(&self, _: CameraId, name: &str, token: Option<&str>) -> Result<api::PtzPreset, Error> {
        self.called();
        Ok(api::PtzPreset { token: token.unwrap_or("1").into(), name: name.into() })
    }

    fn remove_preset(&self, _: CameraId, _: &str) -> Result<(), Error> {
        self.called();
        Ok(())
    }

    fn accept(&self, _: CameraId, _: &str) -> Result<(), Error> {
        self.called();
        Ok(())
    }

    fn alarms(&self) -> Vec<api::Alarm> {
        self.device_alarms.lock().unwrap().clone()
    }
}
