//! Events that are derived again, in memory.

use super::{MemoryBox, START_MS};
use crate::api;
use crate::error::Error;
use crate::ports::*;
use std::sync::Arc;
use watchbook_access::Grant;
use watchbook_base::{CameraId, Kind, TrackRole};

/// The event that the double knows, on camera 1.
pub(in crate::tests) const EVENT: &str = "17";

/// What was asked for, and one that is done.
#[derive(Default)]
pub(in crate::tests) struct MemoryRederivations(pub(in crate::tests) Vec<RederiveOrder>);

fn row(camera: CameraId, event: u64, state: api::RederivationState) -> api::Rederivation {
    api::Rederivation {
        camera,
        event: event.to_string(),
        state,
        progress: 0.5,
        ahead: 0,
        asked_utc_ms: Some(START_MS),
        account: Some(1),
        account_name: None,
        result: None,
    }
}

fn known(event: u64) -> Result<(), Error> {
    if event.to_string() == EVENT { Ok(()) } else { Err(Error::not_found("there is no such event")) }
}

impl Rederivations for MemoryBox {
    fn start(&self, grant: Arc<Grant>, order: RederiveOrder) -> Result<api::Rederivation, Error> {
        self.called();
        if !grant.covers_footage(order.camera, order.range) {
            return Err(Error::new(Kind::Denied, "the grant is for something else"));
        }
        known(order.event)?;
        let row = row(order.camera, order.event, api::RederivationState::Waiting);
        self.rederivations.lock().unwrap().0.push(order);
        Ok(row)
    }

    fn get(&self, camera: CameraId, event: u64) -> Result<api::Rederivation, Error> {
        self.called();
        known(event).map(|()| row(camera, event, api::RederivationState::Running))
    }

    fn cancel(&self, camera: CameraId, event: u64) -> Result<api::Rederivation, Error> {
        self.called();
        known(event).map(|()| row(camera, event, api::RederivationState::Cancelled))
    }

    fn inputs(&self, grant: &Grant, order: &RederiveOrder) -> Result<api::RederivationInputs, Error> {
        self.called();
        if !grant.covers_timeline(order.camera) {
            return Err(Error::new(Kind::Denied, "the grant is for something else"));
        }
        known(order.event)?;
        self.happens(order.camera.get(), "motion", order.start_ms);
        let event = self.events.lock().unwrap().pop().ok_or_else(|| Error::not_found("no event"))?;
        Ok(api::RederivationInputs {
            event: api::Event::of(order.event, event),
            settings: serde_json::Map::new(),
            zones: Vec::new(),
            masks: Vec::new(),
            lead: None,
            role: TrackRole::MainVideo,
            keys_only: true,
            clip: "clip.mp4".into(),
            clip_start_utc_ms: order.from.as_ms(),
            clip_end_utc_ms: order.range.end.as_ms(),
        })
    }
}
