//! A small writer of MP4 files (ISO/IEC 14496-12), so that what masters may look like is not said by the code that judges them.

/// Bytes of a sample.
pub(crate) const SAMPLE_BYTES: u32 = 100;

pub(crate) fn small_box(name: &[u8; 4], content: &[u8]) -> Vec<u8> {
    [&(content.len() as u32 + 8).to_be_bytes()[..], name, content].concat()
}

pub(crate) fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_be_bytes()).collect()
}

fn table(name: &[u8; 4], content: &[u32]) -> Vec<u8> {
    small_box(name, &words(&[&[0], content].concat()))
}

pub(crate) fn ftyp() -> Vec<u8> {
    small_box(b"ftyp", b"iso6\0\0\0\0iso6")
}

/// A track of `chunks` (offset, length), all of samples of [`SAMPLE_BYTES`].
fn track(number: u32, chunks: &[(u64, u64)]) -> Vec<u8> {
    let samples: Vec<u32> = chunks.iter().map(|(_, length)| *length as u32 / SAMPLE_BYTES).collect();
    let count = samples.iter().sum();
    let plan = (1..).zip(&samples).flat_map(|(chunk, samples)| [chunk, *samples, 1]);
    let places = chunks.iter().map(|(at, _)| *at as u32);
    let number_of_chunks = samples.len() as u32;
    let stbl = [
        table(b"stsd", &[0]),
        table(b"stts", &[1, count, 3000]),
        table(b"stsc", &[&[number_of_chunks][..], &plan.collect::<Vec<_>>()].concat()),
        // One size for all in the first track, one for each in the second.
        if number == 1 {
            table(b"stsz", &[SAMPLE_BYTES, count])
        } else {
            table(b"stsz", &[&[0, count][..], &vec![SAMPLE_BYTES; count as usize]].concat())
        },
        table(b"stco", &[&[number_of_chunks][..], &places.collect::<Vec<_>>()].concat()),
    ];
    let own = small_box(b"dref", &[words(&[0, 1]), small_box(b"url ", &words(&[1]))].concat());
    let minf = [table(b"vmhd", &[0, 0]), small_box(b"dinf", &own), small_box(b"stbl", &stbl.concat())];
    let mdia = [
        table(b"mdhd", &[0, 0, 90_000, 0, 0]),
        table(b"hdlr", &[0, u32::from_be_bytes(*b"vide"), 0, 0, 0]),
        small_box(b"minf", &minf.concat()),
    ];
    small_box(b"trak", &[table(b"tkhd", &[0, 0, number]), small_box(b"mdia", &mdia.concat())].concat())
}

/// A `moov` whose tracks have these chunks; with `fragments` to come.
pub(crate) fn moov(tracks: &[Vec<(u64, u64)>], fragments: bool) -> Vec<u8> {
    let mut content = table(b"mvhd", &[0; 24]);
    (1..).zip(tracks).for_each(|(number, chunks)| content.extend(track(number, chunks)));
    if fragments {
        let defaults = (1..=tracks.len() as u32).map(|number| table(b"trex", &[number, 1, 3000, SAMPLE_BYTES, 0]));
        content.extend(small_box(b"mvex", &defaults.collect::<Vec<_>>().concat()));
    }
    small_box(b"moov", &content)
}

/// A `moof` and its `mdat`; the samples are said to begin `shift` bytes behind where they do.
pub(crate) fn fragment(track: u32, samples: &[u8], shift: i32) -> Vec<u8> {
    let count = samples.len() as u32 / SAMPLE_BYTES;
    let build = |offset: u32| {
        let sizes = (0..count).flat_map(|_| [3000, SAMPLE_BYTES]);
        // Data offset, durations and sizes.
        let trun = [&[0x301, count, offset][..], &sizes.collect::<Vec<_>>()].concat();
        let traf =
            [small_box(b"tfhd", &words(&[0x02_0000, track])), table(b"tfdt", &[0]), small_box(b"trun", &words(&trun))];
        small_box(b"moof", &[table(b"mfhd", &[1]), small_box(b"traf", &traf.concat())].concat())
    };
    let offset = build(0).len() as i32 + 8 + shift;
    [build(offset as u32), small_box(b"mdat", samples)].concat()
}
