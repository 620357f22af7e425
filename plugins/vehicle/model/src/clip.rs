//! A drawn clip: a street on which vehicles pass, as a file that any player and `watchbook-plugin test` read.

use crate::dice::Dice;
use crate::net::{HEIGHT, WIDTH};
use crate::scene::{Box, Street};
use std::io::{Result, Write};

/// Pictures a second.
const FPS: usize = 5;
/// Length.
const SECONDS: usize = 20;
/// Each drawn pixel is a square of so many in the file.
const SIDE: usize = 2;

/// Where the vehicles are in picture `index`, each with the number of its paint. One passes to the right between second 2 and 8; two pass, one each way, between
/// second 11 and 17.
#[must_use]
pub fn vehicles(index: usize) -> Vec<(u64, Box)> {
    let at = index as f32 / FPS as f32;
    let on_the_way = |from: f32, number: u64, y: f32, to_the_right: bool| {
        let part = (at - from) / 6.0;
        let x = WIDTH as f32 * if to_the_right { part } else { 1.0 - part };
        let place = Box { x, y, width: 24.0, height: 13.0 };
        (0.0..1.0).contains(&part).then_some((number, place))
    };
    [on_the_way(2.0, 11, 62.0, true), on_the_way(11.0, 5, 62.0, true), on_the_way(11.0, 23, 36.0, false)]
        .into_iter()
        .flatten()
        .collect()
}

/// Writes the clip as an AVI file of plain pictures (fourcc `I420`): brightness, then two planes without colour, for each.
///
/// # Errors
/// The operating system's.
pub fn write(out: &mut impl Write, seed: u64) -> Result<()> {
    let (width, height) = (WIDTH * SIDE, HEIGHT * SIDE);
    let picture_bytes = width * height * 3 / 2;
    let pictures = FPS * SECONDS;
    let head = head((width as u32, height as u32), picture_bytes as u32, pictures as u32);
    let movie_bytes = 4 + pictures * (8 + picture_bytes);
    chunk_head(out, b"RIFF", 4 + head.len() + 8 + movie_bytes)?;
    out.write_all(b"AVI ")?;
    out.write_all(&head)?;
    chunk_head(out, b"LIST", movie_bytes)?;
    out.write_all(b"movi")?;
    let mut dice = Dice(seed);
    let street = Street::new(&mut dice);
    for index in 0..pictures {
        let scene = street.with(&vehicles(index), &mut dice);
        chunk_head(out, b"00db", picture_bytes)?;
        for row in scene.luma.chunks(WIDTH) {
            let wide: Vec<u8> = row.iter().flat_map(|pixel| [*pixel; SIDE]).collect();
            (0..SIDE).try_for_each(|_| out.write_all(&wide))?;
        }
        out.write_all(&vec![128; width * height / 2])?;
    }
    Ok(())
}

fn chunk_head(out: &mut impl Write, name: &[u8; 4], bytes: usize) -> Result<()> {
    out.write_all(name)?;
    out.write_all(&(bytes as u32).to_le_bytes())
}

fn chunk(name: &[u8; 4], content: &[u8]) -> Vec<u8> {
    [&name[..], &(content.len() as u32).to_le_bytes(), content].concat()
}

/// The list `hdrl`: the file's head, the stream's head, its format (Microsoft's `MainAVIHeader`, `AVISTREAMHEADER`, `BITMAPINFOHEADER`).
fn head((width, height): (u32, u32), picture_bytes: u32, pictures: u32) -> Vec<u8> {
    let words = |numbers: &[u32]| numbers.iter().flat_map(|number| number.to_le_bytes()).collect::<Vec<u8>>();
    let fps = FPS as u32;
    let file =
        words(&[1_000_000 / fps, picture_bytes * fps, 0, 0, pictures, 0, 1, picture_bytes, width, height, 0, 0, 0, 0]);
    let stream = [
        b"vidsI420".to_vec(),
        words(&[0, 0, 0, 1, fps, 0, pictures, picture_bytes, u32::MAX, 0, 0, width | height << 16]),
    ];
    let format = [words(&[40, width, height, 1 | 12 << 16]), b"I420".to_vec(), words(&[picture_bytes, 0, 0, 0, 0])];
    let streams = [b"strl".to_vec(), chunk(b"strh", &stream.concat()), chunk(b"strf", &format.concat())];
    chunk(b"LIST", &[b"hdrl".to_vec(), chunk(b"avih", &file), chunk(b"LIST", &streams.concat())].concat())
}
