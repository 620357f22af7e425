//! One instance of a plugin that watches a camera.

use crate::bindings::analytics::AnalyticsPlugin;
use crate::bindings::analytics::exports::watchbook::plugin::analyzer::{Fault, Setup as GuestSetup, Zone as GuestZone};
use crate::bindings::{GuestMark, GuestPoint};
use crate::call::{Budget, Cell, Usage};
use crate::frame::LentFrame;
use crate::prepare::Ready;
use crate::{Failure, Frame, Kept, Log, Prepared};
use std::time::Duration;
use wasmtime::component::Resource;
use watchbook_analysis::message::encode;
use watchbook_base::Area;
use watchbook_plugin_host::message::{
    MARKS_BYTES_MAX, MARKS_MAX, Mark, SAVED_BYTES_MAX, SENTENCE_BYTES_MAX, Seen, Zone, clipped,
};

/// Processor time of instantiating, of `describe` and of `start`, each.
pub const START_BUDGET: Duration = Duration::from_secs(2);
/// Processor time of `stop`.
pub const STOP_BUDGET: Duration = Duration::from_millis(100);

/// What an instance is started with.
#[derive(Clone, Copy, Debug)]
pub struct Setup<'a> {
    /// Id that the plugin must give itself.
    pub id: &'a str,
    /// Version that the plugin must give itself.
    pub version: &'a str,
    /// The camera's word.
    pub camera: &'a str,
    /// Parts of the picture.
    pub zones: &'a [Zone],
    /// A complete JSON object of the manifest's settings.
    pub settings_json: &'a str,
    /// What [`AnalyticsInstance::stop`] of the instance before gave.
    pub saved: Option<&'a [u8]>,
}

/// An instance of a component of the world `analytics-plugin`. Not shared: one call at a time.
pub struct AnalyticsInstance {
    cell: Cell,
    plugin: AnalyticsPlugin,
    camera: String,
    seq: u64,
}

impl core::fmt::Debug for AnalyticsInstance {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "AnalyticsInstance({}, {} frames)", self.camera, self.seq)
    }
}

impl AnalyticsInstance {
    /// A fresh instance that has not been started. `kept` is what the one before it left, or the default; `log` gets each line that is not over the limit
    /// of 50 a minute, at most 1,024 bytes of it, during a call.
    ///
    /// # Errors
    /// [`Failure::Refused`] when `prepared` is of another world; [`Failure::Trap`] when its own start function traps or it is larger than its limits.
    pub fn new(prepared: &Prepared, kept: Kept, log: Log) -> Result<Self, Failure> {
        let Ready::Analytics(ready) = &prepared.ready else {
            return Err(Failure::Refused("an export rule cannot watch a camera".to_owned()));
        };
        let mut cell = Cell::new(prepared, kept, log);
        let plugin = cell.call(Budget::of(START_BUDGET), |store| ready.instantiate(store))?;
        Ok(Self { cell, plugin, camera: String::new(), seq: 0 })
    }

    /// Asks the plugin who it is and starts it. To be called once, before the first frame.
    ///
    /// # Errors
    /// [`Failure::Refused`] when it is another plugin or refuses its settings; [`Failure::Trap`] when it traps, takes longer than [`START_BUDGET`], or says
    /// that it cannot work now.
    pub fn start(&mut self, setup: &Setup<'_>) -> Result<(), Failure> {
        let about = self.plugin.watchbook_plugin_about();
        let card = self.cell.call(Budget::of(START_BUDGET), |store| about.call_describe(store))?;
        crate::check_identity((&card.id, &card.version), (setup.id, setup.version))?;
        let corner = |point: &watchbook_analysis::Point| GuestPoint { x: point.x, y: point.y };
        let zones = setup
            .zones
            .iter()
            .map(|zone| GuestZone { name: zone.name.clone(), outline: zone.outline.iter().map(corner).collect() });
        let guest = GuestSetup {
            camera: setup.camera.to_owned(),
            zones: zones.collect(),
            settings_json: setup.settings_json.to_owned(),
            saved: setup.saved.map(<[u8]>::to_vec),
        };
        setup.camera.clone_into(&mut self.camera);
        let analyzer = self.plugin.watchbook_plugin_analyzer();
        match self.cell.call(Budget::of(START_BUDGET), |store| analyzer.call_start(store, &guest))? {
            Ok(()) => Ok(()),
            Err(Fault::Config(sentence) | Fault::Unsupported(sentence)) => {
                Err(Failure::Refused(clipped(&sentence, SENTENCE_BYTES_MAX)))
            }
            Err(Fault::Internal(sentence)) => Err(Failure::Trap(clipped(&sentence, SENTENCE_BYTES_MAX))),
        }
    }

    /// Gives it one frame and takes its marks: at most [`MARKS_MAX`] of [`MARKS_BYTES_MAX`] bytes. What they say is unchecked;
    /// [`watchbook_plugin_host::Gate`] checks it.
    ///
    /// # Errors
    /// [`Failure::Trap`] when it traps or breaks a limit; [`Failure::Refused`] when it finds only now that its settings do not fit; [`Failure::Fault`] when
    /// it could not use this frame.
    pub fn on_frame(&mut self, frame: Frame) -> Result<Vec<Mark>, Failure> {
        let outcome = self.call_frame(frame);
        let Usage { busy, .. } = self.cell.usage();
        let busy_us = busy.as_micros();
        let memory_bytes = self.cell.memory_bytes();
        let mut lasting = self.cell.kept().lasting();
        let counts = &mut lasting.counts;
        counts.seen += 1;
        counts.busy_us += u64::try_from(busy_us).unwrap_or(u64::MAX);
        counts.call_us_max = counts.call_us_max.max(u32::try_from(busy_us).unwrap_or(u32::MAX));
        counts.memory_bytes = memory_bytes;
        drop(lasting);
        outcome
    }

    fn call_frame(&mut self, frame: Frame) -> Result<Vec<Mark>, Failure> {
        // Nothing was dropped before the first one: a fresh instance knows of none.
        let skipped = if self.seq == 0 { 0 } else { frame.skipped };
        let frame = LentFrame::new(Frame { skipped, ..frame }, &self.camera, self.seq);
        self.seq += 1;
        let owned = self.cell.lend(frame)?;
        let lent = Resource::new_borrow(owned.rep());
        let budget = Budget::of(Duration::from_millis(u64::from(self.cell.limits().call_ms)));
        let analyzer = self.plugin.watchbook_plugin_analyzer();
        let given = self.cell.call(budget, |store| analyzer.call_on_frame(store, lent))?;
        self.cell.take_back(owned)?;
        match given {
            Ok(marks) if marks.len() > MARKS_MAX => Err(Failure::Trap(format!(
                "it gave {} marks for one frame; at most {MARKS_MAX} are allowed",
                marks.len()
            ))),
            Ok(marks) => {
                let marks: Vec<Mark> = marks.into_iter().map(mark).collect();
                let bytes = encode(&marks).map_or(usize::MAX, |bytes| bytes.len());
                if bytes > MARKS_BYTES_MAX {
                    return Err(Failure::Trap(format!(
                        "its marks have {bytes} bytes; at most {MARKS_BYTES_MAX} are allowed"
                    )));
                }
                Ok(marks)
            }
            Err(Fault::Config(sentence) | Fault::Unsupported(sentence)) => {
                Err(Failure::Refused(clipped(&sentence, SENTENCE_BYTES_MAX)))
            }
            Err(Fault::Internal(sentence)) => Err(Failure::Fault(clipped(&sentence, SENTENCE_BYTES_MAX))),
        }
    }

    /// Ends it in order and returns what it wants the next instance to be started with: at most [`SAVED_BYTES_MAX`] bytes, empty for nothing.
    ///
    /// # Errors
    /// [`Failure::Trap`] when it traps, takes longer than [`STOP_BUDGET`], or returns more.
    pub fn stop(mut self) -> Result<Vec<u8>, Failure> {
        let analyzer = self.plugin.watchbook_plugin_analyzer();
        let saved = self.cell.call(Budget::of(STOP_BUDGET), |store| analyzer.call_stop(store))?;
        if saved.len() > SAVED_BYTES_MAX {
            return Err(Failure::Trap(format!(
                "it wants {} bytes saved; at most {SAVED_BYTES_MAX} are allowed",
                saved.len()
            )));
        }
        Ok(saved)
    }

    /// From now on the plugin's stack is looked at every [`crate::profile::SAMPLE_EVERY`] while it runs, if its machine is one of [`crate::Machine::sampling`].
    #[cfg(feature = "profiling")]
    pub fn sample(&mut self, sampler: &crate::profile::Sampler) {
        self.cell.sample(sampler.clone());
    }

    /// What the last call cost.
    #[must_use]
    pub fn usage(&self) -> Usage {
        self.cell.usage()
    }

    /// Linear memory of all its memories, which never shrink: now and the most there was.
    #[must_use]
    pub fn memory_bytes(&self) -> u64 {
        self.cell.memory_bytes()
    }
}

fn mark(mark: GuestMark) -> Mark {
    let seen = mark.detections.into_iter().map(|detection| Seen {
        class: detection.class,
        score: detection.score,
        area: Area { x: detection.box_.x, y: detection.box_.y, w: detection.box_.w, h: detection.box_.h },
        track: detection.track,
    });
    Mark {
        kind: mark.kind,
        score: mark.score,
        start_utc_ns: mark.start_utc_ns,
        end_utc_ns: mark.end_utc_ns,
        zone: mark.zone,
        detections: seen.collect(),
        note: mark.note,
    }
}
