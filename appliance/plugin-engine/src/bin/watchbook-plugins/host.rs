//! What a plugin can call: frames, log, store.

use crate::Outbox;
use crate::engine::{Deadline, Limiter};
use crate::mailbox::Incoming;
use std::collections::HashMap;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};
use wasmtime::component::{Resource, ResourceTable};
use wasmtime::{Result, format_err};
use watchbook_base::memfd;
use watchbook_plugin_host::message::{Counts, FromPlugins, InstanceNumber, LOG_BYTES_MAX, Level, clipped};

wasmtime::component::bindgen!({
    path: "../../sdk/wit/0.1",
    world: "analytics-plugin",
    with: { "watchbook:plugin/frames.frame": LentFrame },
    imports: { default: trappable },
});

use watchbook::plugin::types::{Area, FrameInfo};

/// Log lines of one instance.
const LINES_PER_MINUTE_MAX: u32 = 50;
/// Keys of one instance's store.
const KEYS_MAX: usize = 1024;
/// One key.
const KEY_BYTES_MAX: usize = 128;
/// Width and height of a part of a frame, scaled.
const SIDE_PX_MAX: u32 = 1920;

/// A frame that is lent to the plugin for one call.
pub struct LentFrame {
    info: FrameInfo,
    pixels: std::os::fd::OwnedFd,
}

impl LentFrame {
    pub(crate) fn new(incoming: Incoming, camera: &str, (seq, skipped): (u64, u32)) -> Self {
        let Incoming { utc_ns, width, height, masked, pixels, .. } = incoming;
        let info = FrameInfo { camera: camera.to_owned(), seq, utc_ns, width, height, masked, skipped };
        Self { info, pixels }
    }

    /// The brightness plane, after checking that the sender gave all of it.
    fn luma(&self) -> Result<Vec<u8>> {
        let length = self.info.width as usize * self.info.height as usize;
        let bytes = memfd::read(self.pixels.as_fd(), length)?;
        if bytes.len() != length {
            return Err(format_err!("a frame of {} bytes instead of {length}", bytes.len()));
        }
        Ok(bytes)
    }
}

/// Small keyed state; outlives traps.
#[derive(Default)]
pub(crate) struct Keyed {
    values: HashMap<String, Vec<u8>>,
    bytes: usize,
}

impl Keyed {
    fn set(&mut self, quota: usize, key: String, value: Vec<u8>) -> Result<(), String> {
        if key.is_empty() || key.len() > KEY_BYTES_MAX {
            return Err(format!("a key of {} bytes; 1 to {KEY_BYTES_MAX} are allowed", key.len()));
        }
        let old = self.values.get(&key).map_or(0, |value| key.len() + value.len());
        if value.is_empty() {
            self.values.remove(&key);
            self.bytes -= old;
            return Ok(());
        }
        let total = self.bytes - old + key.len() + value.len();
        if total > quota {
            return Err(format!("keys and values of {total} bytes; the quota is {quota}"));
        }
        if old == 0 && self.values.len() >= KEYS_MAX {
            return Err(format!("more than {KEYS_MAX} keys"));
        }
        self.bytes = total;
        self.values.insert(key, value);
        Ok(())
    }
}

/// Lines in the current minute.
pub(crate) struct LineLimit {
    began: Instant,
    lines: u32,
}

impl Default for LineLimit {
    fn default() -> Self {
        Self { began: Instant::now(), lines: 0 }
    }
}

impl LineLimit {
    fn allows(&mut self, now: Instant) -> bool {
        if now.saturating_duration_since(self.began) >= Duration::from_secs(60) {
            (self.began, self.lines) = (now, 0);
        }
        self.lines += 1;
        self.lines <= LINES_PER_MINUTE_MAX
    }
}

/// What survives an instance: moved into the next one after a trap.
#[derive(Default)]
pub(crate) struct Lasting {
    pub(crate) keyed: Keyed,
    pub(crate) lines: LineLimit,
    pub(crate) counts: Counts,
}

/// The data of one instance's store.
pub(crate) struct HostState {
    pub(crate) instance: InstanceNumber,
    pub(crate) outbox: Outbox,
    pub(crate) limiter: Limiter,
    pub(crate) deadline: Deadline,
    pub(crate) table: ResourceTable,
    pub(crate) lasting: Lasting,
}

impl watchbook::plugin::types::Host for HostState {}

impl watchbook::plugin::frames::Host for HostState {}

impl watchbook::plugin::frames::HostFrame for HostState {
    fn info(&mut self, frame: Resource<LentFrame>) -> Result<FrameInfo> {
        Ok(self.table.get(&frame)?.info.clone())
    }

    fn luma(&mut self, frame: Resource<LentFrame>) -> Result<Vec<u8>> {
        self.lasting.counts.reads += 1;
        self.table.get(&frame)?.luma()
    }

    fn luma_area(&mut self, frame: Resource<LentFrame>, part: Area, width: u32, height: u32) -> Result<Vec<u8>> {
        self.lasting.counts.reads += 1;
        let frame = self.table.get(&frame)?;
        if !(1..=SIDE_PX_MAX).contains(&width) || !(1..=SIDE_PX_MAX).contains(&height) {
            return Ok(Vec::new());
        }
        let plane = frame.luma()?;
        Ok(scaled_part(&plane, (frame.info.width, frame.info.height), part, (width, height)))
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

/// Unstable and therefore never linked.
impl watchbook::plugin::inference::Host for HostState {
    fn detect(
        &mut self,
        _model: String,
        _frame: Resource<LentFrame>,
    ) -> Result<Result<Vec<watchbook::plugin::types::Detection>, String>> {
        Err(format_err!("this host has no inference"))
    }
}

impl watchbook::plugin::log::Host for HostState {
    fn write(&mut self, level: watchbook::plugin::log::Level, message: String) -> Result<()> {
        use watchbook::plugin::log::Level as L;
        if !self.lasting.lines.allows(Instant::now()) {
            self.lasting.counts.lines_dropped += 1;
            return Ok(());
        }
        let level = match level {
            L::Trace => Level::Trace,
            L::Debug => Level::Debug,
            L::Info => Level::Info,
            L::Warn => Level::Warn,
            L::Error => Level::Error,
        };
        let text = clipped(&message, LOG_BYTES_MAX);
        self.outbox.say(&FromPlugins::Log { instance: self.instance, level, text });
        Ok(())
    }
}

impl watchbook::plugin::store::Host for HostState {
    fn get(&mut self, key: String) -> Result<Option<Vec<u8>>> {
        Ok(self.lasting.keyed.values.get(&key).cloned())
    }

    fn set(&mut self, key: String, value: Vec<u8>) -> Result<Result<(), String>> {
        let quota = self.limiter.limits.store_bytes as usize;
        Ok(self.lasting.keyed.set(quota, key, value))
    }
}

/// A part of a plane, scaled by averaging: each output pixel is the mean of the source pixels that it covers, at least one.
fn scaled_part(plane: &[u8], (width, height): (u32, u32), part: Area, (to_width, to_height): (u32, u32)) -> Vec<u8> {
    // Every source pixel that the part touches belongs to it: 65,535 is the largest length that can be said and must reach the last row.
    let span = |from: u16, length: u16, side: u32| {
        let scaled = |position: u64| position.min(65_536) * u64::from(side);
        let start = scaled(u64::from(from)) / 65_536;
        let end = scaled(u64::from(from) + u64::from(length)).div_ceil(65_536);
        start as usize..end as usize
    };
    if part.w == 0 || part.h == 0 {
        return Vec::new();
    }
    let (columns, rows) = (span(part.x, part.w, width), span(part.y, part.h, height));
    let cut = |range: &std::ops::Range<usize>, index: u32, count: u32| {
        let at = |index: u32| range.start + range.len() * index as usize / count as usize;
        at(index)..at(index + 1).max(at(index) + 1)
    };
    let mut out = Vec::with_capacity(to_width as usize * to_height as usize);
    for row in 0..to_height {
        let rows = cut(&rows, row, to_height);
        for column in 0..to_width {
            let columns = cut(&columns, column, to_width);
            let lines = rows.clone().map(|row| &plane[row * width as usize..][columns.clone()]);
            let sum: u64 = lines.flatten().map(|sample| u64::from(*sample)).sum();
            out.push((sum / (rows.len() * columns.len()) as u64) as u8);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_the_mean_of_what_it_covers() {
        // 4×2: left half 10 and 30 in rows, right half 100.
        let plane = [10, 10, 100, 100, 30, 30, 100, 100];
        let whole = Area { x: 0, y: 0, w: u16::MAX, h: u16::MAX };
        assert_eq!(scaled_part(&plane, (4, 2), Area { x: 0, y: 0, w: 32_768, h: 65_535 }, (1, 2)), [10, 30]);
        assert_eq!(scaled_part(&plane, (4, 2), Area { x: 32_768, y: 0, w: 32_768, h: 1 }, (2, 1)), [100, 100]);
        assert_eq!(scaled_part(&plane, (4, 2), whole, (1, 1)), [60]);
        assert_eq!(scaled_part(&plane, (4, 2), whole, (4, 2)), plane);
        assert_eq!(scaled_part(&plane, (4, 2), Area { w: 0, ..whole }, (1, 1)), Vec::<u8>::new());
        assert_eq!(scaled_part(&plane, (4, 2), Area { x: u16::MAX, y: u16::MAX, w: 9, h: 9 }, (3, 3)), [100; 9]);
    }

    #[test]
    fn the_store_keeps_its_quota() {
        let mut keyed = Keyed::default();
        keyed.set(10, "a".into(), vec![1; 9]).unwrap();
        assert!(keyed.set(10, "b".into(), vec![1]).unwrap_err().contains("12 bytes"));
        keyed.set(10, "a".into(), vec![1; 2]).unwrap();
        keyed.set(10, "b".into(), vec![1; 6]).unwrap();
        keyed.set(10, "b".into(), vec![]).unwrap();
        assert_eq!((keyed.bytes, keyed.values.len()), (3, 1));
        assert!(keyed.set(10, String::new(), vec![1]).is_err());
    }

    #[test]
    fn lines_are_limited_to_the_minute() {
        let mut limit = LineLimit::default();
        let begin = limit.began;
        assert_eq!((0..100).filter(|_| limit.allows(begin)).count(), 50);
        assert!(limit.allows(begin + Duration::from_secs(60)));
    }
}
