//! What a neural network costs in the host: the library's multiplications beside plain loops compiled for this processor.

use super::{Line, Wanted, percentile_us, thread_time};
use crate::{Error, Result};
use std::time::Duration;
use watchbook_inference::Model;
use watchbook_inference::onnx::{Network, Told};
use watchbook_vehicle_model::dice::Dice;
use watchbook_vehicle_model::net::Net;
use watchbook_vehicle_model::scene::Street;
use watchbook_vehicle_model::{export, train};

/// Pixels across and down of the larger network.
const SIZE: (usize, usize) = (320, 180);
/// Its channels.
const CHANNELS: usize = 16;
/// Its convolutions after the first.
const LAYERS: usize = 3;
/// Multiplications of one run of it.
const MACS: usize = SIZE.0 * SIZE.1 * CHANNELS * 9 * (1 + LAYERS * CHANNELS);

/// The lines of this measurement.
///
/// # Errors
/// A model that is refused.
pub fn run(wanted: &Wanted) -> Result<Vec<Line>> {
    Ok(vec![large(wanted)?, vehicle(wanted)?])
}

fn load(file: &[u8]) -> Result<Model> {
    Model::load(file, &["vehicle".to_owned()]).map_err(Error)
}

fn timed(times: &mut Vec<Duration>, mut work: impl FnMut()) {
    let began = thread_time();
    work();
    times.push(thread_time().saturating_sub(began));
}

/// Convolutions of 3 by 3 at full size.
fn large(wanted: &Wanted) -> Result<Line> {
    let mut dice = Dice(1);
    let weights: Vec<Vec<f32>> = (0..=LAYERS)
        .map(|layer| {
            let inputs = if layer == 0 { 1 } else { CHANNELS };
            (0..CHANNELS * inputs * 9).map(|_| dice.between(-0.1, 0.1)).collect()
        })
        .collect();
    let model = load(&file(&weights))?;
    let luma: Vec<u8> = (0..SIZE.0 * SIZE.1).map(|_| dice.roll() as u8).collect();
    let (mut host, mut plain) = (Vec::new(), Vec::new());
    for _ in 0..wanted.size(20, 1) {
        let mut rows = Ok(Vec::new());
        timed(&mut host, || rows = model.rows(&luma));
        let mut planes = Vec::new();
        timed(&mut plain, || planes = convolved(&luma, &weights));
        let (given, mean) = (rows.map_err(Error)?[4], planes.iter().sum::<f32>() / planes.len() as f32);
        if (given - mean).abs() > 1e-3 {
            return Err(Error(format!("the host's network gives {given}, plain loops {mean}")));
        }
    }
    let giga = |times: &[Duration]| MACS as f64 / 1e3 / percentile_us(times, 50).max(0.001);
    Ok(Line {
        what: format!("neural network in the host, 3x3 convolutions of {CHANNELS} channels at {}x{}", SIZE.0, SIZE.1),
        figure: format!("{:.1} GMAC/s", giga(&host)),
        peer: format!("the same sums in plain loops, SSE2: {:.1} GMAC/s", giga(&plain)),
        ratio: format!("{:.1} times as fast", giga(&host) / giga(&plain)),
        bound: "–".to_owned(),
    })
}

fn file(weights: &[Vec<f32>]) -> Vec<u8> {
    let mut network = Network::new(SIZE.0 as u32, SIZE.1 as u32);
    let mut input = "picture".to_owned();
    for (layer, kernel) in weights.iter().enumerate() {
        let inputs = if layer == 0 { 1 } else { CHANNELS };
        network.weights(&format!("w{layer}"), &[CHANNELS, inputs, 3, 3], kernel);
        let told = [("pads", Told::Integers(&[1, 1, 1, 1]))];
        network.operation("Conv", &[&input, &format!("w{layer}")], &format!("c{layer}"), &told);
        network.operation("Relu", &[&format!("c{layer}")], &format!("r{layer}"), &[]);
        input = format!("r{layer}");
    }
    // The mean of the first channels, as a score.
    network.list("flat", &[CHANNELS as i64, -1]);
    network.weights("mean", &[SIZE.0 * SIZE.1, 1], &vec![1.0 / (SIZE.0 * SIZE.1) as f32; SIZE.0 * SIZE.1]);
    network.weights("all", &[1, CHANNELS], &[1.0 / CHANNELS as f32; CHANNELS]);
    network.weights("score", &[6], &[0.0, 0.0, 0.0, 0.0, 1.0, 0.0]);
    network.operation("Reshape", &[&input, "flat"], "flattened", &[]);
    network.operation("MatMul", &["flattened", "mean"], "means", &[]);
    network.operation("MatMul", &["all", "means"], "one", &[]);
    network.operation("Mul", &["one", "score"], "boxes", &[]);
    network.file("boxes", &[1, 6])
}

/// The same convolutions, a row at a time, so that the compiler can take four numbers at once.
fn convolved(luma: &[u8], weights: &[Vec<f32>]) -> Vec<f32> {
    let (width, height) = SIZE;
    let (wide, places) = (width + 2, (width + 2) * (height + 2));
    let mut planes = vec![0.0_f32; places];
    for (at, byte) in luma.iter().enumerate() {
        planes[(at / width + 1) * wide + at % width + 1] = f32::from(*byte) / 255.0;
    }
    let mut outs = Vec::new();
    for kernel in weights {
        let inputs = planes.len() / places;
        outs = vec![0.0_f32; CHANNELS * width * height];
        for (out, plane) in outs.chunks_exact_mut(width * height).enumerate() {
            for (y, row) in plane.chunks_exact_mut(width).enumerate() {
                for (seen, weight) in kernel[out * inputs * 9..][..inputs * 9].iter().enumerate() {
                    let from = seen / 9 * places + (y + seen % 9 / 3) * wide + seen % 3;
                    row.iter_mut().zip(&planes[from..from + width]).for_each(|(sum, pixel)| *sum += weight * pixel);
                }
                row.iter_mut().for_each(|sum| *sum = sum.max(0.0));
            }
        }
        planes = vec![0.0; CHANNELS * places];
        for (at, number) in outs.iter().enumerate() {
            let (channel, y, x) = (at / (width * height), at / width % height, at % width);
            planes[channel * places + (y + 1) * wide + x + 1] = *number;
        }
    }
    outs
}

/// The network of the vehicle plugin, untrained: what it costs does not depend on what it has learnt.
fn vehicle(wanted: &Wanted) -> Result<Line> {
    let mut dice = Dice(2);
    let net = Net::random(&mut dice);
    let model = load(&export::file(&net))?;
    let (mut host, mut plain) = (Vec::new(), Vec::new());
    for _ in 0..wanted.size(100, 1) {
        let scene = Street::new(&mut dice).scene(&mut dice);
        timed(&mut host, || drop(std::hint::black_box(model.rows(&scene.luma))));
        let picture = train::picture(&scene);
        timed(&mut plain, || drop(std::hint::black_box(net.forward(&picture))));
    }
    let (one, other) = (percentile_us(&host, 50), percentile_us(&plain, 50));
    Ok(Line {
        what: "the vehicle plugin's network, a picture of 160x90, p50".to_owned(),
        figure: format!("{one:.0} µs"),
        peer: format!("its own plain loops, which lay each layer out anew: {other:.0} µs"),
        ratio: format!("{:.1} times as fast", other / one.max(0.001)),
        bound: "–".to_owned(),
    })
}
