//! A disk that loses what was not flushed: a block device over the network block device protocol (fixed newstyle handshake, simple replies), as the
//! NBD project describes it.
//!
//! A write is volatile until a flush or its own "force unit access"; at a power cut each volatile block of 4 KiB survives by chance, whatever the order of writes
//! was. A lying disk answers a flush and does nothing.

use crate::error::{Attempt as _, Result};
use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use watchbook_base::fs::sim::Dice;

/// What a disk writes in one piece at best.
const BLOCK_BYTES: usize = 4096;
/// Largest request: what QEMU sends at most.
const REQUEST_BYTES_MAX: usize = 32 << 20;
/// Longest option of the handshake.
const OPTION_BYTES_MAX: usize = 64 << 10;
/// A flush takes up to so long, and a forced write too, as on a slow disk: so that cuts come in the middle of them.
const FLUSH_MS_MAX: u64 = 160;
/// For the end of a connection whose client was killed.
const END_PATIENCE: Duration = Duration::from_secs(20);

const OPTION_MAGIC: u64 = 0x4948_4156_454F_5054;
const REPLY_MAGIC: u64 = 0x0003_E889_0455_65A9;
const REQUEST_MAGIC: u32 = 0x2560_9513;
const SIMPLE_REPLY_MAGIC: u32 = 0x6744_6698;
/// The server has flags, knows flush and force unit access.
const TRANSMISSION_FLAGS: u16 = 1 | 4 | 8;
const FUA: u16 = 1;
const EINVAL: u32 = 22;

/// What is on the disk and what only in its cache.
#[derive(Default)]
struct Medium {
    durable: Vec<u8>,
    volatile: BTreeMap<usize, Vec<u8>>,
    lies: bool,
    connections: u32,
    flushes: u64,
    /// The power is off: nothing is kept any more.
    off: bool,
    dice: Option<Dice>,
}

/// A served disk. Dropping it leaves the thread to the end of the process.
pub struct Disk {
    medium: Arc<(Mutex<Medium>, Condvar)>,
}

impl Medium {
    fn read(&self, offset: usize, len: usize) -> Option<Vec<u8>> {
        let end = offset.checked_add(len)?;
        let mut bytes = self.durable.get(offset..end)?.to_vec();
        for (block, volatile) in self.volatile.range(offset / BLOCK_BYTES..end.div_ceil(BLOCK_BYTES)) {
            let start = block * BLOCK_BYTES;
            let (from, to) = (start.max(offset), (start + BLOCK_BYTES).min(end));
            if let (Some(into), Some(piece)) =
                (bytes.get_mut(from - offset..to - offset), volatile.get(from - start..to - start))
            {
                into.copy_from_slice(piece);
            }
        }
        Some(bytes)
    }

    /// Makes what was written there durable.
    fn force(&mut self, offset: usize, len: usize) {
        if !self.lies && !self.off {
            (offset / BLOCK_BYTES..offset.saturating_add(len).div_ceil(BLOCK_BYTES)).for_each(|block| self.keep(block));
        }
    }

    fn write(&mut self, offset: usize, bytes: &[u8]) -> Option<()> {
        let end = offset.checked_add(bytes.len()).filter(|end| *end <= self.durable.len())?;
        for block in offset / BLOCK_BYTES..end.div_ceil(BLOCK_BYTES) {
            let start = block * BLOCK_BYTES;
            let mut whole = self.read(start, BLOCK_BYTES)?;
            let (from, to) = (start.max(offset), (start + BLOCK_BYTES).min(end));
            whole.get_mut(from - start..to - start)?.copy_from_slice(bytes.get(from - offset..to - offset)?);
            self.volatile.insert(block, whole);
        }
        Some(())
    }

    fn keep(&mut self, block: usize) {
        let start = block * BLOCK_BYTES;
        if let (Some(bytes), Some(into)) =
            (self.volatile.remove(&block), self.durable.get_mut(start..start + BLOCK_BYTES))
        {
            into.copy_from_slice(&bytes);
        }
    }

    fn flush(&mut self) {
        self.flushes += 1;
        if !self.lies && !self.off {
            let blocks: Vec<usize> = self.volatile.keys().copied().collect();
            blocks.into_iter().for_each(|block| self.keep(block));
        }
    }
}

impl Disk {
    /// Serves `image`, whose length is a multiple of 4 KiB, at the socket `path`.
    ///
    /// # Errors
    /// When the socket cannot be made.
    pub fn serve(image: Vec<u8>, path: &Path, lies: bool) -> Result<Self> {
        let listener = UnixListener::bind(path).attempt(format_args!("listening at {}", path.display()))?;
        let medium = Arc::new((Mutex::new(Medium { durable: image, lies, ..Medium::default() }), Condvar::new()));
        let served = medium.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(std::result::Result::ok) {
                lock(&served).connections += 1;
                let served = served.clone();
                std::thread::spawn(move || {
                    // The end of a connection in the middle of anything is what a power cut looks like.
                    let _ = serve(stream, &served);
                    lock(&served).connections -= 1;
                    served.1.notify_all();
                });
            }
        });
        Ok(Self { medium })
    }

    /// From now on flushes and forced writes take their time.
    pub fn slow_down(&self, dice: Dice) {
        lock(&self.medium).dice = Some(dice);
    }

    /// The power goes: a flush that is under way comes to nothing. [`Disk::cut`] brings it back once whoever uses the disk is gone.
    pub fn power_off(&self) {
        lock(&self.medium).off = true;
        self.medium.1.notify_all();
    }

    /// Decides what the cut leaves: of the volatile blocks each survives with the same chance, which `dice` chooses. Says how many survived and how many did not.
    pub fn cut(&self, dice: &mut Dice) -> (usize, usize) {
        let (mutex, ended) = &*self.medium;
        let guard = mutex.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = ended.wait_timeout_while(guard, END_PATIENCE, |medium| medium.connections > 0);
        let mut medium = waited.unwrap_or_else(PoisonError::into_inner).0;
        let percent = [0, 10, 50, 90].into_iter().nth(usize::try_from(dice.below(4)).unwrap_or(0)).unwrap_or(50);
        let blocks: Vec<usize> = medium.volatile.keys().copied().collect();
        let kept = blocks.iter().filter(|block| {
            let survives = dice.percent(percent);
            if survives {
                medium.keep(**block);
            }
            survives
        });
        let kept = kept.count();
        medium.volatile.clear();
        medium.off = false;
        (kept, blocks.len() - kept)
    }

    /// Flushes so far.
    #[must_use]
    pub fn flushes(&self) -> u64 {
        lock(&self.medium).flushes
    }
}

fn lock(medium: &(Mutex<Medium>, Condvar)) -> MutexGuard<'_, Medium> {
    medium.0.lock().unwrap_or_else(PoisonError::into_inner)
}

fn take<const N: usize>(stream: &mut impl Read) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    stream.read_exact(&mut bytes)?;
    Ok(bytes)
}

fn take_bytes(stream: &mut impl Read, len: u32, max: usize) -> io::Result<Vec<u8>> {
    let len = usize::try_from(len).ok().filter(|len| *len <= max).ok_or(io::ErrorKind::InvalidData)?;
    let mut bytes = vec![0; len];
    stream.read_exact(&mut bytes)?;
    Ok(bytes)
}

/// Waits as long as a flush takes, and gives the medium as it is then; an error when the power goes meanwhile.
fn take_time(medium: &(Mutex<Medium>, Condvar)) -> io::Result<MutexGuard<'_, Medium>> {
    let mut guard = lock(medium);
    let ms = guard.dice.as_mut().map_or(0, |dice| dice.below(FLUSH_MS_MAX));
    let waited = medium.1.wait_timeout_while(guard, Duration::from_millis(ms), |medium| !medium.off);
    let medium = waited.unwrap_or_else(PoisonError::into_inner).0;
    if medium.off { Err(io::ErrorKind::BrokenPipe.into()) } else { Ok(medium) }
}

/// One connection, from handshake to end.
fn serve(mut stream: UnixStream, medium: &(Mutex<Medium>, Condvar)) -> io::Result<()> {
    let size = u64::try_from(lock(medium).durable.len()).unwrap_or(0);
    // Fixed newstyle, no padding.
    stream.write_all(&[b"NBDMAGIC".as_slice(), b"IHAVEOPT", &3_u16.to_be_bytes()].concat())?;
    take::<4>(&mut stream)?;
    let export = [size.to_be_bytes().as_slice(), &TRANSMISSION_FLAGS.to_be_bytes()].concat();
    loop {
        if u64::from_be_bytes(take(&mut stream)?) != OPTION_MAGIC {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let option = u32::from_be_bytes(take(&mut stream)?);
        let len = u32::from_be_bytes(take(&mut stream)?);
        take_bytes(&mut stream, len, OPTION_BYTES_MAX)?;
        let reply = |kind: u32, data: &[u8]| {
            let len = u32::try_from(data.len()).unwrap_or(0);
            let head = [REPLY_MAGIC.to_be_bytes().as_slice(), &option.to_be_bytes(), &kind.to_be_bytes()].concat();
            [head.as_slice(), &len.to_be_bytes(), data].concat()
        };
        match option {
            // Export name: no reply but the export itself.
            1 => {
                stream.write_all(&export)?;
                break;
            }
            2 => return stream.write_all(&reply(1, &[])),
            // Info and go: the export's size and flags, then the acknowledgement.
            6 | 7 => {
                let info = [0_u16.to_be_bytes().as_slice(), &export].concat();
                stream.write_all(&[reply(3, &info), reply(1, &[])].concat())?;
                if option == 7 {
                    break;
                }
            }
            _ => stream.write_all(&reply(1 << 31 | 1, &[]))?,
        }
    }
    loop {
        let answered = request(&mut stream, medium);
        if lock(medium).off {
            // Without power it neither answers nor hangs up.
            io::copy(&mut stream, &mut io::sink())?;
        }
        answered?;
    }
}

fn request(stream: &mut UnixStream, medium: &(Mutex<Medium>, Condvar)) -> io::Result<()> {
    if u32::from_be_bytes(take(stream)?) != REQUEST_MAGIC {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let (flags, kind) = (u16::from_be_bytes(take(stream)?), u16::from_be_bytes(take(stream)?));
    let cookie: [u8; 8] = take(stream)?;
    let offset = usize::try_from(u64::from_be_bytes(take(stream)?)).unwrap_or(usize::MAX);
    let len = u32::from_be_bytes(take(stream)?);
    if lock(medium).off {
        return Err(io::ErrorKind::BrokenPipe.into());
    }
    let answer = match kind {
        0 => {
            let len = usize::try_from(len).ok().filter(|len| *len <= REQUEST_BYTES_MAX);
            len.and_then(|len| lock(medium).read(offset, len))
        }
        1 => {
            let bytes = take_bytes(stream, len, REQUEST_BYTES_MAX)?;
            let forced = flags & FUA != 0;
            let written = lock(medium).write(offset, &bytes).map(|()| Vec::new());
            if forced {
                take_time(medium)?.force(offset, bytes.len());
            }
            written
        }
        2 => return Err(io::ErrorKind::UnexpectedEof.into()),
        3 => {
            take_time(medium)?.flush();
            Some(Vec::new())
        }
        _ => None,
    };
    let error = if answer.is_some() { 0 } else { EINVAL };
    let head = [SIMPLE_REPLY_MAGIC.to_be_bytes(), error.to_be_bytes()].concat();
    stream.write_all(&[head.as_slice(), &cookie, &answer.unwrap_or_default()].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A client that knows as much as it needs.
    fn connect(path: &Path) -> UnixStream {
        let mut stream = UnixStream::connect(path).unwrap();
        let hello: [u8; 18] = take(&mut stream).unwrap();
        assert_eq!(&hello[..16], b"NBDMAGICIHAVEOPT");
        stream.write_all(&3_u32.to_be_bytes()).unwrap();
        stream
            .write_all(&[OPTION_MAGIC.to_be_bytes().as_slice(), &1_u32.to_be_bytes(), &0_u32.to_be_bytes()].concat())
            .unwrap();
        let export: [u8; 10] = take(&mut stream).unwrap();
        assert_eq!(export[..8], (64_u64 << 10).to_be_bytes());
        stream
    }

    fn ask(stream: &mut UnixStream, (kind, flags): (u16, u16), offset: u64, data: &[u8]) -> u32 {
        let len = if kind == 0 { 4096 } else { u32::try_from(data.len()).unwrap() };
        let head = [REQUEST_MAGIC.to_be_bytes().as_slice(), &flags.to_be_bytes(), &kind.to_be_bytes()].concat();
        let rest = [7_u64.to_be_bytes().as_slice(), &offset.to_be_bytes(), &len.to_be_bytes(), data].concat();
        stream.write_all(&[head, rest].concat()).unwrap();
        let reply: [u8; 16] = take(stream).unwrap();
        assert_eq!(reply[..4], SIMPLE_REPLY_MAGIC.to_be_bytes());
        u32::from_be_bytes(*reply[4..].first_chunk().unwrap())
    }

    fn after_cut(lies: bool, seed: u64) -> Vec<u8> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("nbd");
        let disk = Disk::serve(vec![0; 64 << 10], &path, lies).unwrap();
        let mut stream = connect(&path);
        assert_eq!(ask(&mut stream, (1, 0), 0, &[1; 8192]), 0);
        assert_eq!(ask(&mut stream, (3, 0), 0, &[]), 0);
        assert_eq!(ask(&mut stream, (1, FUA), 8192, &[2; 512]), 0);
        assert_eq!(ask(&mut stream, (1, 0), 16384, &[3; 32768]), 0);
        assert_eq!(ask(&mut stream, (1, 0), 64 << 10, &[3; 512]), EINVAL, "beyond its end");
        assert_eq!(ask(&mut stream, (0, 0), 8192, &[]), 0);
        let block: [u8; 4096] = take(&mut stream).unwrap();
        assert_eq!((block[511], block[512]), (2, 0));
        drop(stream);
        disk.cut(&mut Dice::new(seed));
        let medium = lock(&disk.medium);
        medium.read(0, 64 << 10).unwrap()
    }

    #[test]
    fn flushed_and_forced_writes_survive_and_the_rest_by_chance() {
        let mut partly = 0;
        for seed in 0..20 {
            let bytes = after_cut(false, seed);
            assert!(bytes[..8192].iter().all(|byte| *byte == 1) && bytes[8192..8704].iter().all(|byte| *byte == 2));
            let kept = bytes[16384..].chunks(4096).filter(|block| block[0] == 3).count();
            partly += u32::from((1..8).contains(&kept));
        }
        assert!(partly > 3, "only {partly} of 20 cuts kept a part");
    }

    #[test]
    fn a_flush_that_the_power_ends_comes_to_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("nbd");
        let mut unfinished = 0;
        for seed in 0..20 {
            let disk = Disk::serve(vec![0; 64 << 10], &path, false).unwrap();
            disk.slow_down(Dice::new(seed));
            let mut stream = connect(&path);
            assert_eq!(ask(&mut stream, (1, 0), 0, &[1; 32768]), 0);
            let flush = [REQUEST_MAGIC.to_be_bytes().as_slice(), &[0, 0, 0, 3], &[0; 20]].concat();
            stream.write_all(&flush).unwrap();
            disk.power_off();
            stream.shutdown(std::net::Shutdown::Write).unwrap();
            let answered = take::<16>(&mut stream).is_ok();
            drop(stream);
            let (kept, lost) = disk.cut(&mut Dice::new(seed));
            assert!(!answered || kept + lost == 0, "what was acknowledged is there");
            unfinished += u32::from(kept + lost == 8);
            std::fs::remove_file(&path).unwrap();
        }
        assert!(unfinished > 10, "only {unfinished} of 20 flushes were cut");
    }

    #[test]
    fn a_lying_disk_loses_what_it_said_was_flushed() {
        let lost = (0..20).filter(|seed| after_cut(true, *seed)[..8192].contains(&0)).count();
        assert!(lost > 10, "only {lost} of 20 cuts lost something");
    }
}
