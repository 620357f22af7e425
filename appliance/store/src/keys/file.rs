//! One copy of the keys: a file that is read whole at the start and written slot by slot.

use super::slot::{Found, KEY_SLOT_BYTES, KeysHeader, slot_offset};
use crate::codec::{count, narrow, wide};
use crate::format::BLOCK_BYTES;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use watchbook_base::fs::{File, Fs, OpenMode};

/// The file's name in its directory.
pub(crate) const KEYS_FILE: &str = "keys";
/// A file grows by so many slots: half a MiB, a day and a half of 100 cameras.
const GROW_SLOTS: u32 = 4096;
/// It grows when fewer are left: a disk that is full when they are needed must not cost a key.
const SPARE_SLOTS_MIN: u32 = 1024;
/// Read at once at the start.
const READ_BYTES: u64 = 1 << 20;

/// Where a copy of the keys lies.
#[derive(Clone)]
pub struct Place {
    /// Its file system.
    pub fs: Arc<dyn Fs>,
    /// Its directory; made when missing.
    pub dir: PathBuf,
    /// A file without which the directory is not made: tells a disk from the empty mount point of one that is away.
    pub needs: Option<PathBuf>,
}

impl Place {
    /// The usual two: `keys` in the state directory, and `keys` in the directory of a ring, which counts as there when its superblock is.
    pub fn usual(fs: &Arc<dyn Fs>, state_dir: &Path, ring_dir: &Path) -> [Self; 2] {
        let place = |dir: PathBuf, needs| Self { fs: fs.clone(), dir, needs };
        [place(state_dir.join("keys"), None), place(ring_dir.join("keys"), Some(ring_dir.join("superblock")))]
    }
}

/// What a key file held when it was read.
pub(crate) struct Copy {
    pub(crate) header: Option<KeysHeader>,
    pub(crate) slots: Vec<Found>,
    /// It had no room for slots that the other copy was given, and has not got them since.
    pub(crate) lacks: bool,
}

impl Copy {
    /// The newest batch that it knows.
    pub(crate) fn batch(&self) -> u64 {
        let slots = self.slots.iter().map(Found::batch);
        slots.chain(self.header.map(|header| header.batch)).max().unwrap_or(0)
    }

    /// The newest batch that destroyed a key; without a header any may have.
    pub(crate) fn destroyed(&self) -> u64 {
        self.header.map_or(self.batch(), |header| header.destroyed)
    }
}

/// What a copy has of a writing.
#[derive(Clone, Debug)]
pub(crate) struct Wrote {
    /// The slots before this one.
    pub(crate) room: u32,
    /// Why the file cannot grow.
    pub(crate) cramped: Option<String>,
}

/// A copy at work.
pub(crate) struct KeyFile {
    place: Place,
    /// `None`: the copy cannot be written now.
    file: Option<Box<dyn File>>,
    slots: u32,
    /// So many slots it was to have room for.
    wanted: u32,
}

impl KeyFile {
    pub(crate) fn new(place: Place) -> Self {
        Self { place, file: None, slots: 0, wanted: 0 }
    }

    fn path(&self) -> PathBuf {
        self.place.dir.join(KEYS_FILE)
    }

    /// Opens and reads the file; `None` when there is none and one may be made.
    ///
    /// # Errors
    /// The operating system's; `NotFound` when the disk is not there.
    pub(crate) fn look(&mut self) -> io::Result<Option<Copy>> {
        // What was open stays so until the answer is there: who asks may have gone on without it.
        let read = self.read_all();
        let (file, slots, copy) = match read {
            Ok(Some((file, copy))) => (Some(file), count(copy.slots.len()), Ok(Some(copy))),
            Ok(None) => (None, 0, Ok(None)),
            Err(error) => (None, 0, Err(error)),
        };
        (self.file, self.slots) = (file, slots);
        copy
    }

    fn read_all(&self) -> io::Result<Option<(Box<dyn File>, Copy)>> {
        if let Some(needed) = &self.place.needs {
            self.place.fs.open(needed, OpenMode::Read)?;
        }
        let file = match self.place.fs.open(&self.path(), OpenMode::ReadWrite) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            other => other?,
        };
        let slot_bytes = wide(KEY_SLOT_BYTES);
        let slots = file.len()?.saturating_sub(BLOCK_BYTES) / slot_bytes;
        let header = read(&*file, 0, BLOCK_BYTES).and_then(|block| KeysHeader::decode(&block));
        let mut found = Vec::with_capacity(narrow(slots));
        for first in (0..slots).step_by(narrow(READ_BYTES / slot_bytes)) {
            let chunk = (slots - first).min(READ_BYTES / slot_bytes);
            let whole = read(&*file, slot_offset(count(narrow(first))), chunk * slot_bytes);
            for index in first..first + chunk {
                let index = count(narrow(index));
                let at = narrow((u64::from(index) - first) * slot_bytes);
                // A chunk with a bad sector is read slot by slot.
                let bytes = match &whole {
                    Some(bytes) => bytes.get(at..at + KEY_SLOT_BYTES).map(<[u8]>::to_vec),
                    None => read(&*file, slot_offset(index), slot_bytes),
                };
                found.push(bytes.map_or(Found::Bad, |bytes| Found::decode(&bytes, index)));
            }
        }
        Ok(Some((file, Copy { header, slots: found, lacks: false })))
    }

    /// FORMAT.md "Make a key file".
    pub(crate) fn make(&mut self, header: &KeysHeader, slots: &[Found]) -> io::Result<()> {
        let room = count(slots.len()).max(1).div_ceil(GROW_SLOTS).saturating_mul(GROW_SLOTS);
        let bytes: Vec<u8> = (0_u32..).zip(slots).flat_map(|(index, slot)| slot.encode(index)).collect();
        let path = self.path();
        replace(&*self.place.fs, &path, &|file| {
            file.allocate(slot_offset(room))?;
            file.write_all_at(&[&header.encode(), &bytes], 0)
        })?;
        self.file = Some(self.place.fs.open(&path, OpenMode::ReadWrite)?);
        self.slots = room;
        Ok(())
    }

    /// Writes slots and header, and syncs: what there is room for first, so that a disk that is full can still be told which keys are destroyed; then the file
    /// grows for the others. After an error the copy counts as gone.
    pub(crate) fn write(&mut self, header: &KeysHeader, slots: &[(u32, Found)]) -> io::Result<Wrote> {
        let Some(file) = self.file.take() else { return Err(io::ErrorKind::NotFound.into()) };
        let (fitting, beyond): (Vec<_>, Vec<_>) = slots.iter().partition(|(index, _)| *index < self.slots);
        put(&*file, fitting)?;
        file.write_all_at(&[&header.encode()], 0)?;
        file.sync()?;
        let beyond: Vec<_> = beyond.into_iter().filter(|(_, found)| *found != Found::Free).collect();
        self.wanted = self.wanted.max(needed(slots));
        let cramped = self.grow(&*file).err().map(|error| error.to_string());
        let beyond: Vec<_> = beyond.into_iter().filter(|(index, _)| *index < self.slots).collect();
        if !beyond.is_empty() {
            put(&*file, beyond)?;
            file.sync()?;
        }
        self.file = Some(file);
        Ok(Wrote { room: self.slots, cramped })
    }

    /// Tries again to have room for all that was wanted. Gives why the file cannot grow.
    pub(crate) fn make_room(&mut self) -> io::Result<Option<String>> {
        let Some(file) = self.file.take() else { return Err(io::ErrorKind::NotFound.into()) };
        let cramped = self.grow(&*file).err().map(|error| error.to_string());
        self.file = Some(file);
        Ok(cramped)
    }

    /// Makes room for what was ever wanted and some to spare.
    fn grow(&mut self, file: &dyn File) -> io::Result<()> {
        let room = self.wanted.saturating_add(SPARE_SLOTS_MIN).div_ceil(GROW_SLOTS).saturating_mul(GROW_SLOTS);
        if room > self.slots {
            file.allocate(slot_offset(room))?;
            self.slots = room;
        }
        Ok(())
    }

    /// Renames the file, so that a new one can be made.
    pub(crate) fn set_aside(&mut self, ending: &str) -> io::Result<()> {
        self.file = None;
        let path = self.path();
        self.place.fs.rename(&path, &path.with_extension(ending))
    }

    /// The slot as the file has it.
    pub(crate) fn slot(&self, index: u32) -> io::Result<Found> {
        let file = self.file.as_ref().ok_or(io::ErrorKind::NotFound)?;
        let mut bytes = vec![0; KEY_SLOT_BYTES];
        file.read_exact_at(&mut bytes, slot_offset(index))?;
        Ok(Found::decode(&bytes, index))
    }
}

/// So many slots a file needs for these.
pub(super) fn needed(slots: &[(u32, Found)]) -> u32 {
    slots.iter().filter(|(_, found)| *found != Found::Free).map(|(index, _)| index + 1).max().unwrap_or(0)
}

/// Destroyed keys before live ones. One write for slots that lie side by side: a copy that is mended gets thousands at once, and a commit waits for it.
fn put(file: &dyn File, mut slots: Vec<&(u32, Found)>) -> io::Result<()> {
    let is_live = |found: &Found| matches!(found, Found::Slot(slot) if slot.wrapped.is_some());
    slots.sort_by_key(|(index, found)| (is_live(found), *index));
    for row in slots.chunk_by(|(before, _), (index, _)| *index == before + 1) {
        let Some((first, _)) = row.first() else { continue };
        let bytes: Vec<u8> = row.iter().flat_map(|(index, slot)| slot.encode(*index)).collect();
        file.write_all_at(&[&bytes], slot_offset(*first))?;
    }
    Ok(())
}

fn read(file: &dyn File, offset: u64, len: u64) -> Option<Vec<u8>> {
    let mut bytes = vec![0; narrow(len)];
    file.read_exact_at(&mut bytes, offset).ok().map(|()| bytes)
}

/// Puts a new file at `path`, whole or not at all: written beside it, synced, renamed, and its directory synced, and that one's own.
pub(super) fn replace(fs: &dyn Fs, path: &Path, fill: &dyn Fn(&dyn File) -> io::Result<()>) -> io::Result<()> {
    let dir = path.parent().unwrap_or(Path::new("/"));
    let temporary = path.with_extension("new");
    fs.create_dir(dir)?;
    match fs.remove(&temporary) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let file = fs.open(&temporary, OpenMode::Create)?;
    fill(&*file)?;
    file.sync()?;
    fs.rename(&temporary, path)?;
    fs.sync_dir(dir)?;
    dir.parent().map_or(Ok(()), |above| fs.sync_dir(above))
}
