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

/// Writes the clip in the form YUV4MPEG2: a line of text, then brightness and two planes without colour for each picture.
///
/// # Errors
/// The operating system's.
pub fn write(out: &mut impl Write, seed: u64) -> Result<()> {
    let (width, height) = (WIDTH * SIDE, HEIGHT * SIDE);
    writeln!(out, "YUV4MPEG2 W{width} H{height} F{FPS}:1 Ip A1:1 C420jpeg XCOLORRANGE=FULL")?;
    let mut dice = Dice(seed);
    let street = Street::new(&mut dice);
    for index in 0..FPS * SECONDS {
        let scene = street.with(&vehicles(index), &mut dice);
        writeln!(out, "FRAME")?;
        for row in scene.luma.chunks(WIDTH) {
            let wide: Vec<u8> = row.iter().flat_map(|pixel| [*pixel; SIDE]).collect();
            (0..SIDE).try_for_each(|_| out.write_all(&wide))?;
        }
        out.write_all(&vec![128; width * height / 2])?;
    }
    Ok(())
}
