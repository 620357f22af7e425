//! What a master can show: its boxes are a few known ones, it points nowhere outside itself, and every sample that a player would take from it lies in a run.
//!
//! Boxes and fields are those of ISO/IEC 14496-12: §4.2 boxes, §8.7 sample tables, §8.8 fragments. What tells a player of pictures elsewhere (items of a `meta` box,
//! indexes, user data, compressed or unknown boxes) is refused, since nothing that a recorder hands out needs it.

use super::coverage::{BOX_HEADER_BYTES, BOXES_MAX, Stretch};
use std::collections::{BTreeMap, BTreeSet};

/// Bytes of one `moov`, `moof` or `meta`. The tables of a day of two streams have about 70 MB.
pub const TABLES_BYTES_MAX: u64 = 256 << 20;
/// Samples of one file. A day of three streams of 60 pictures a second has 15.6 million.
pub const SAMPLES_MAX: u64 = 1 << 24;

type Name = [u8; 4];

/// Which boxes may lie in which, each once.
const ONCE: [(&Name, &[&Name]); 11] = [
    (b"moov", &[b"mvhd", b"mvex", b"meta"]),
    (b"trak", &[b"tkhd", b"edts", b"mdia", b"tref", b"meta"]),
    (b"edts", &[b"elst"]),
    (b"mdia", &[b"mdhd", b"hdlr", b"minf"]),
    (b"minf", &[b"vmhd", b"smhd", b"nmhd", b"sthd", b"dinf", b"stbl"]),
    (b"dinf", &[b"dref"]),
    (b"stbl", &[b"stsd", b"stts", b"ctts", b"stss", b"sdtp", b"stsc", b"stsz", b"stco", b"co64"]),
    (b"mvex", &[b"mehd"]),
    (b"moof", &[b"mfhd"]),
    (b"traf", &[b"tfhd", b"tfdt", b"sdtp"]),
    (b"meta", &[b"hdlr", b"suep", b"cstb", b"ipro"]),
];
/// Which may lie there any number of times.
const OFTEN: [(&Name, &Name); 4] = [(b"moov", b"trak"), (b"mvex", b"trex"), (b"moof", b"traf"), (b"traf", b"trun")];

/// Big-endian fields of a box, one behind the other.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], String> {
        let (field, rest) = self.0.split_first_chunk::<N>().ok_or("a box in it is too short")?;
        self.0 = rest;
        Ok(*field)
    }

    fn u32(&mut self) -> Result<u32, String> {
        self.take().map(u32::from_be_bytes)
    }

    /// The flags of a full box; its version means nothing here.
    fn flags(&mut self) -> Result<u32, String> {
        self.u32().map(|word| word & 0xFF_FFFF)
    }

    fn end(&self) -> Result<(), String> {
        if self.0.is_empty() { Ok(()) } else { Err("a box in it is too long".to_owned()) }
    }
}

fn told(name: Name) -> String {
    String::from_utf8_lossy(&name).into_owned()
}

/// The boxes in a box, all of them allowed there.
fn inside<'a>(parent: &Name, body: &'a [u8]) -> Result<Vec<(Name, &'a [u8])>, String> {
    let once = ONCE.iter().find(|(name, _)| *name == parent).map_or(&[][..], |(_, names)| names);
    let (mut found, mut seen) = (Vec::new(), BTreeSet::new());
    let mut rest = Fields(body);
    while !rest.0.is_empty() {
        let (length, name) = (rest.u32()? as usize, rest.take::<4>()?);
        let content = length.checked_sub(8).and_then(|length| rest.0.split_at_checked(length));
        let (content, behind) = content.ok_or_else(|| format!("the box {} in it is broken", told(name)))?;
        let allowed = OFTEN.contains(&(parent, &name)) || (once.contains(&&name) && seen.insert(name));
        if !allowed {
            return Err(format!("a box {} may not lie in {}, or not twice", told(name), told(*parent)));
        }
        found.push((name, content));
        rest.0 = behind;
    }
    Ok(found)
}

fn only<'a>(boxes: &[(Name, &'a [u8])], name: &Name) -> Result<&'a [u8], String> {
    let found = boxes.iter().find(|(of, _)| of == name);
    found.map(|(_, body)| *body).ok_or_else(|| format!("a box {} is missing", told(*name)))
}

/// A file that is looked through.
struct Walk<'a> {
    /// Where runs lie, in order, none over another.
    runs: &'a [Stretch],
    /// Default size of the samples of each track that fragments may add to.
    defaults: BTreeMap<u32, u32>,
    samples_left: u64,
}

impl Walk<'_> {
    /// Takes `count` samples off the bound.
    fn count(&mut self, count: u32) -> Result<(), String> {
        let left = self.samples_left.checked_sub(count.into());
        self.samples_left = left.ok_or_else(|| format!("it has more than {SAMPLES_MAX} samples"))?;
        Ok(())
    }

    /// Where a sample ends that lies within one range of a run.
    fn sample(&self, at: u64, length: u32) -> Result<u64, String> {
        let end = at.saturating_add(length.into());
        let place = self.runs.partition_point(|(from, _)| *from <= at).checked_sub(1);
        let run = place.and_then(|place| self.runs.get(place));
        if length == 0 || run.is_some_and(|(_, to)| end <= *to) {
            return Ok(end);
        }
        Err(format!("it shows a sample at {at} that lies in no run"))
    }

    fn moov(&mut self, body: &[u8]) -> Result<(), String> {
        for (name, body) in inside(b"moov", body)? {
            match &name {
                b"trak" => self.track(body)?,
                b"meta" => meta(body)?,
                b"mvex" => {
                    for (name, body) in inside(b"mvex", body)? {
                        if &name == b"trex" {
                            self.default(body)?;
                        }
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn default(&mut self, trex: &[u8]) -> Result<(), String> {
        let mut fields = Fields(trex);
        let [_, track, _, _, size, _] = {
            let mut words = [0; 6];
            for word in &mut words {
                *word = fields.u32()?;
            }
            words
        };
        fields.end()?;
        match self.defaults.insert(track, size) {
            None => Ok(()),
            Some(_) => Err(format!("it has two defaults for track {track}")),
        }
    }

    fn track(&mut self, body: &[u8]) -> Result<(), String> {
        let trak = inside(b"trak", body)?;
        if let Ok(body) = only(&trak, b"meta") {
            meta(body)?;
        }
        if let Ok(body) = only(&trak, b"edts") {
            inside(b"edts", body)?;
        }
        let media = inside(b"mdia", only(&trak, b"mdia")?)?;
        let info = inside(b"minf", only(&media, b"minf")?)?;
        itself(only(&inside(b"dinf", only(&info, b"dinf")?)?, b"dref")?)?;
        self.table(&inside(b"stbl", only(&info, b"stbl")?)?)
    }

    fn table(&mut self, stbl: &[(Name, &[u8])]) -> Result<(), String> {
        let mut sizes = Fields(only(stbl, b"stsz")?);
        let (_, uniform, count) = (sizes.flags()?, sizes.u32()?, sizes.u32()?);
        self.count(count)?;
        let chunks = chunks(stbl)?;
        let mut plan = Fields(only(stbl, b"stsc")?);
        plan.flags()?;
        let entries = plan.u32()?;
        let (mut entry, mut left) = (0, count);
        let mut next = if entries == 0 { None } else { Some((plan.u32()?, plan.u32()?, plan.u32()?)) };
        let mut per_chunk = 0;
        for (number, at) in (1_u32..).zip(chunks) {
            if let Some((first, samples, _)) = next.filter(|(first, ..)| *first == number) {
                per_chunk = samples;
                entry += 1;
                next = if entry == entries { None } else { Some((plan.u32()?, plan.u32()?, plan.u32()?)) };
                if next.is_some_and(|(later, ..)| later <= first) {
                    return Err("its chunks are not in order".to_owned());
                }
            }
            left = left.checked_sub(per_chunk).ok_or("its chunks have more samples than it has")?;
            let mut at = at;
            for _ in 0..per_chunk {
                at = self.sample(at, if uniform == 0 { sizes.u32()? } else { uniform })?;
            }
        }
        if left > 0 || next.is_some() {
            return Err("its tables of samples do not fit each other".to_owned());
        }
        plan.end()?;
        sizes.end()
    }

    fn moof(&mut self, start: u64, body: &[u8]) -> Result<(), String> {
        for (name, body) in inside(b"moof", body)? {
            if &name == b"traf" {
                self.fragment(start, &inside(b"traf", body)?)?;
            }
        }
        Ok(())
    }

    fn fragment(&mut self, start: u64, traf: &[(Name, &[u8])]) -> Result<(), String> {
        let mut head = Fields(only(traf, b"tfhd")?);
        let (flags, track) = (head.flags()?, head.u32()?);
        // Offsets count from the moof, as CMAF has it; the older ways are read differently by different players.
        if flags & !0x01_003A != 0x02_0000 {
            return Err("a fragment in it does not count from its own beginning".to_owned());
        }
        let mut size = *self.defaults.get(&track).ok_or_else(|| format!("a fragment is of no track, {track}"))?;
        for flag in [0x02, 0x08, 0x10, 0x20] {
            if flags & flag != 0 {
                let value = head.u32()?;
                if flag == 0x10 {
                    size = value;
                }
            }
        }
        head.end()?;
        traf.iter().filter(|(name, _)| name == b"trun").try_for_each(|(_, body)| self.run(start, size, body))
    }

    fn run(&mut self, start: u64, default: u32, trun: &[u8]) -> Result<(), String> {
        let mut fields = Fields(trun);
        let (flags, count) = (fields.flags()?, fields.u32()?);
        if flags & !0xF04 != 0x01 {
            return Err("a fragment in it does not say where its samples lie".to_owned());
        }
        self.count(count)?;
        let offset = i32::from_be_bytes(fields.take()?);
        if flags & 0x04 != 0 {
            fields.u32()?;
        }
        let mut at = start.checked_add_signed(offset.into()).ok_or("a fragment's samples lie before the file")?;
        for _ in 0..count {
            let mut size = default;
            for flag in [0x100, 0x200, 0x400, 0x800] {
                if flags & flag != 0 {
                    let value = fields.u32()?;
                    if flag == 0x200 {
                        size = value;
                    }
                }
            }
            at = self.sample(at, size)?;
        }
        fields.end()
    }
}

/// A `meta` box may have the statements of an ONVIF export, and no items.
fn meta(body: &[u8]) -> Result<(), String> {
    let mut fields = Fields(body);
    fields.flags()?;
    inside(b"meta", fields.0).map(|_| ())
}

/// Each data reference says that the samples are in the file itself.
fn itself(dref: &[u8]) -> Result<(), String> {
    let mut fields = Fields(dref);
    let (_, count) = (fields.flags()?, fields.u32()?);
    for _ in 0..count {
        if fields.take::<12>()? != *b"\0\0\0\x0Curl \0\0\0\x01" {
            return Err("it takes samples from another file".to_owned());
        }
    }
    fields.end()
}

fn chunks(stbl: &[(Name, &[u8])]) -> Result<Vec<u64>, String> {
    let (body, is_long) = match (only(stbl, b"stco"), only(stbl, b"co64")) {
        (Ok(body), Err(_)) => (body, false),
        (Err(_), Ok(body)) => (body, true),
        _ => return Err("it has no or two tables of chunks".to_owned()),
    };
    let mut fields = Fields(body);
    let (_, count) = (fields.flags()?, fields.u32()?);
    let mut chunks = Vec::new();
    for _ in 0..count {
        chunks.push(if is_long { u64::from_be_bytes(fields.take()?) } else { fields.u32()?.into() });
    }
    fields.end()?;
    Ok(chunks)
}

/// Looks through a file of `size` bytes whose runs lie in `runs`, which are in order and do not overlap; where the contents of its `mdat` boxes lie. `read` gives bytes from
/// an offset on: heads of boxes and whole boxes up to [`TABLES_BYTES_MAX`].
///
/// # Errors
/// A sentence: not a sequence of boxes, a box that may not be there, or a sample that lies in no run.
pub fn media_data(
    size: u64,
    runs: &[Stretch],
    mut read: impl FnMut(u64, u64) -> Result<Vec<u8>, String>,
) -> Result<Vec<Stretch>, String> {
    let mut walk = Walk { runs, defaults: BTreeMap::new(), samples_left: SAMPLES_MAX };
    let (mut found, mut seen) = (Vec::new(), BTreeSet::new());
    let (mut at, mut boxes) = (0, 0);
    while at < size {
        boxes += 1;
        if boxes > BOXES_MAX {
            return Err(format!("it has more than {BOXES_MAX} boxes"));
        }
        let bytes = read(at, (size - at).min(BOX_HEADER_BYTES))?;
        let (name, header, length) = head(at, size - at, &bytes)?;
        let mut body = || {
            if length > TABLES_BYTES_MAX {
                return Err(format!("the box {} at {at} has more than {TABLES_BYTES_MAX} bytes", told(name)));
            }
            read(at + header, length - header)
        };
        let is_first = seen.insert(name);
        match &name {
            b"ftyp" if at == 0 => {}
            b"styp" | b"prft" => {}
            b"mdat" if length > header => found.push((at + header, at + length)),
            b"mdat" => {}
            b"moof" => walk.moof(at, &body()?)?,
            b"moov" if is_first => walk.moov(&body()?)?,
            b"meta" if is_first => meta(&body()?)?,
            _ => return Err(format!("a box {} may not lie at {at}", told(name))),
        }
        if at == 0 && &name != b"ftyp" {
            return Err("it does not begin with a box ftyp".to_owned());
        }
        at += length;
    }
    Ok(found)
}

/// Name of a box, length of its header and of all of it.
fn head(at: u64, left: u64, bytes: &[u8]) -> Result<(Name, u64, u64), String> {
    let broken = || format!("the box at {at} is broken");
    let mut fields = Fields(bytes);
    let (length, name) = (fields.u32().map_err(|_| broken())?, fields.take().map_err(|_| broken())?);
    let (header, length) = match length {
        0 => (8, left),
        1 => (16, u64::from_be_bytes(fields.take().map_err(|_| broken())?)),
        short => (8, u64::from(short)),
    };
    if length < header || length > left { Err(broken()) } else { Ok((name, header, length)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(file: &[u8]) -> Result<Vec<Stretch>, String> {
        media_data(file.len() as u64, &[], |at, length| Ok(file[at as usize..(at + length) as usize].to_vec()))
    }

    fn small(name: &[u8; 4], content: &[u8]) -> Vec<u8> {
        [&(content.len() as u32 + 8).to_be_bytes()[..], name, content].concat()
    }

    #[test]
    fn media_data_is_found_in_short_long_and_last_boxes() {
        let long = [&1_u32.to_be_bytes()[..], b"mdat", &18_u64.to_be_bytes(), b"ab"].concat();
        let last = [&0_u32.to_be_bytes()[..], b"mdat", b"xyz"].concat();
        let file = [small(b"ftyp", b"iso6"), small(b"mdat", b"abc"), long, small(b"mdat", b""), last].concat();
        assert_eq!(look(&file), Ok(vec![(20, 23), (39, 41), (57, 60)]));
        assert_eq!(look(b""), Ok(Vec::new()));
        for bad in [
            &b"\0\0\0"[..],
            b"\0\0\0\x07mdat",
            b"\0\0\0\x09mdat",
            b"\0\0\0\x01mdat\0\0\0\0\0\0\0",
            b"\0\0\0\x01mdat\0\0\0\0\0\0\0\x0f",
        ] {
            assert!(look(&[&small(b"ftyp", b""), bad].concat()).is_err(), "{bad:?}");
        }
        assert!(look(&small(b"mdat", b"abc")).is_err(), "a file begins with its type");
    }

    #[test]
    fn as_many_boxes_as_the_format_says_are_read_and_no_more() {
        let file = [small(b"ftyp", b""), small(b"styp", b"").repeat(BOXES_MAX - 1)].concat();
        assert_eq!(look(&file), Ok(Vec::new()));
        assert!(look(&[file, small(b"styp", b"")].concat()).is_err_and(|error| error.contains("1048576 boxes")));
    }
}
