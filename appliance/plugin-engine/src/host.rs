//! What a plugin can call: frames, log, store, models.

use crate::Log;
use crate::bindings::analytics::watchbook;
use crate::bindings::{Area, FrameInfo, GuestDetection};
use crate::frame::LentFrame;
use crate::kept::Kept;
use crate::limits::{Deadline, Limiter};
use crate::models::Models;
use std::time::Instant;
use wasmtime::component::{Resource, ResourceTable};
use wasmtime::{Result, format_err};
use watchbook_inference::{Found, Model, Stopped};
use watchbook_plugin_host::message::{LOG_BYTES_MAX, Level, SENTENCE_BYTES_MAX, clipped};

/// The whole picture.
const WHOLE: Area = Area { x: 0, y: 0, w: u16::MAX, h: u16::MAX };

/// The data of one instance's store.
pub(crate) struct HostState {
    pub(crate) log: Log,
    pub(crate) limiter: Limiter,
    pub(crate) deadline: Deadline,
    pub(crate) table: ResourceTable,
    pub(crate) kept: Kept,
    pub(crate) models: Models,
}

impl watchbook::plugin::types::Host for HostState {}

impl watchbook::plugin::frames::Host for HostState {}

impl watchbook::plugin::frames::HostFrame for HostState {
    fn info(&mut self, frame: Resource<LentFrame>) -> Result<FrameInfo> {
        Ok(self.table.get(&frame)?.info.clone())
    }

    fn luma(&mut self, frame: Resource<LentFrame>) -> Result<Vec<u8>> {
        self.kept.lasting().counts.reads += 1;
        self.table.get(&frame)?.luma()
    }

    fn luma_area(&mut self, frame: Resource<LentFrame>, part: Area, width: u32, height: u32) -> Result<Vec<u8>> {
        self.kept.lasting().counts.reads += 1;
        self.table.get(&frame)?.luma_area(part, width, height)
    }

    /// Unstable and therefore never linked; the manifest check refuses `rgb` too.
    fn rgb(&mut self, _frame: Resource<LentFrame>) -> Result<Vec<u8>> {
        Err(format_err!("this host has no colour"))
    }

    fn drop(&mut self, frame: Resource<LentFrame>) -> Result<()> {
        // The host owns each frame and takes it back after the call; a plugin only ever drops what it borrowed.
        self.table.delete(frame)?;
        Ok(())
    }
}

/// Unstable: linked only where it is switched on.
impl watchbook::plugin::inference::Host for HostState {
    fn detect(&mut self, model: String, frame: Resource<LentFrame>) -> Result<Result<Vec<GuestDetection>, String>> {
        let Some(network) = self.models.get(&model) else {
            return Ok(Err(clipped(&format!("the manifest lists no model `{model}`"), SENTENCE_BYTES_MAX)));
        };
        self.kept.lasting().counts.reads += 1;
        let (width, height) = network.input();
        let plane = self.table.get(&frame)?.luma_area(WHOLE, width, height)?;
        match network.detect(&plane, || self.deadline.check()) {
            Ok(found) => Ok(Ok(found.into_iter().filter_map(|found| detection(network, found)).collect())),
            // The time is up: the same end as that of a loop of the plugin's own.
            Err(Stopped::Here(error)) => Err(error),
            Err(Stopped::Failed(sentence)) => Ok(Err(clipped(&sentence, SENTENCE_BYTES_MAX))),
        }
    }
}

fn detection(network: &Model, Found { class, score, area: [x, y, w, h] }: Found) -> Option<GuestDetection> {
    let class = network.classes().get(class)?.clone();
    Some(GuestDetection { class, score, box_: Area { x, y, w, h }, track: None })
}

impl watchbook::plugin::log::Host for HostState {
    fn write(&mut self, level: watchbook::plugin::log::Level, message: String) -> Result<()> {
        use watchbook::plugin::log::Level as L;
        {
            let mut lasting = self.kept.lasting();
            if !lasting.lines.allows(Instant::now()) {
                lasting.counts.lines_dropped += 1;
                return Ok(());
            }
        }
        let level = match level {
            L::Trace => Level::Trace,
            L::Debug => Level::Debug,
            L::Info => Level::Info,
            L::Warn => Level::Warn,
            L::Error => Level::Error,
        };
        (self.log)(level, clipped(&message, LOG_BYTES_MAX));
        Ok(())
    }
}

impl watchbook::plugin::store::Host for HostState {
    fn get(&mut self, key: String) -> Result<Option<Vec<u8>>> {
        Ok(self.kept.lasting().keyed.values.get(&key).cloned())
    }

    fn set(&mut self, key: String, value: Vec<u8>) -> Result<Result<(), String>> {
        let quota = self.limiter.limits.store_bytes as usize;
        Ok(self.kept.lasting().keyed.set(quota, key, value))
    }
}
