//! The library's sums beside plain loops in double precision.

#![allow(missing_docs, clippy::unwrap_used, reason = "a test")]

mod common;

use common::{CHANNELS, PLACES, SIZE, classes, file, numbers, weights};
use watchbook_inference::{Model, Stopped};

/// A convolution with a kernel of 3 by 3, steps of 2 and a border of 1, as ONNX's list of operations defines it.
fn halved(input: &[Vec<Vec<f64>>], (weights, bias): (&[f32], &[f32])) -> Vec<Vec<Vec<f64>>> {
    let (down, across) = (input[0].len(), input[0][0].len());
    let pixel = |channel: usize, y: usize, x: usize| {
        let inside = (1..=down).contains(&y) && (1..=across).contains(&x);
        if inside { input[channel][y - 1][x - 1] } else { 0.0 }
    };
    let sum = |out: usize, y: usize, x: usize| {
        let mut sum = f64::from(bias[out]);
        for channel in 0..input.len() {
            for (ky, kx) in (0..9).map(|place| (place / 3, place % 3)) {
                let weight = weights[((out * input.len() + channel) * 3 + ky) * 3 + kx];
                sum += f64::from(weight) * pixel(channel, 2 * y + ky, 2 * x + kx);
            }
        }
        sum
    };
    let (rows, columns) = (down.div_ceil(2), across.div_ceil(2));
    let plane = |out| (0..rows).map(|y| (0..columns).map(|x| sum(out, y, x)).collect()).collect();
    (0..bias.len()).map(plane).collect()
}

fn plane(seed: u64) -> Vec<u8> {
    numbers(seed, (SIZE.0 * SIZE.1) as usize).iter().map(|number| (number * 127.0 + 128.0) as u8).collect()
}

#[test]
fn the_numbers_are_those_of_plain_loops() {
    for seed in 0..20 {
        let [first, first_bias, second, second_bias] = weights(seed);
        let luma = plane(seed + 1_000);
        let picture: Vec<Vec<f64>> =
            luma.chunks(SIZE.0 as usize).map(|row| row.iter().map(|byte| f64::from(*byte) / 255.0).collect()).collect();
        let mut middle = halved(&[picture], (&first, &first_bias));
        middle.iter_mut().flatten().flatten().for_each(|number| *number = number.max(0.0));
        assert_eq!(middle.len(), CHANNELS);
        let last = halved(&middle, (&second, &second_bias));
        assert_eq!((last[0][0].len(), last[0].len()), PLACES);

        let model = Model::load(&file(seed), &classes()).unwrap();
        let rows = model.rows(&luma).unwrap();
        assert_eq!(rows.len(), PLACES.0 * PLACES.1 * 6);
        for (place, row) in rows.chunks(6).enumerate() {
            for (column, number) in row.iter().enumerate() {
                let logit = last[column][place / PLACES.0][place % PLACES.0];
                let expected = if column == 5 { 0.0 } else { 1.0 / (1.0 + (-logit).exp()) };
                let error = (f64::from(*number) - expected).abs();
                assert!(error < 1e-5, "seed {seed}, place {place}, column {column}: {number}, {expected} by hand");
            }
        }
    }
}

#[test]
fn the_same_plane_gives_the_same_boxes_and_the_count_of_steps_is_the_file_s() {
    let (bytes, luma) = (file(7), plane(7));
    let detect = |model: &Model| model.detect(&luma, || Ok::<(), ()>(())).unwrap();
    let model = Model::load(&bytes, &classes()).unwrap();
    let found = detect(&model);
    assert!(!found.is_empty());
    assert_eq!(found, detect(&model));
    assert_eq!(found, detect(&Model::load(&bytes, &classes()).unwrap()));
    // Both convolutions, by hand: results times what each looks at.
    let convolutions = (11 * 7 * CHANNELS * 9 + 6 * 4 * 6 * CHANNELS * 9) as u64;
    assert!((convolutions..convolutions * 2).contains(&model.work().steps), "{:?}", model.work());
    assert_eq!(model.input(), SIZE);
}

#[test]
fn a_run_ends_between_two_operations_when_its_time_is_up() {
    let (model, luma) = (Model::load(&file(1), &classes()).unwrap(), plane(1));
    let mut left = 3;
    let outcome = model.detect(&luma, || {
        left -= 1;
        if left == 0 { Err("time is up") } else { Ok(()) }
    });
    assert!(matches!(outcome, Err(Stopped::Here("time is up"))), "{outcome:?}");
    assert!(model.detect(&luma, || Ok::<(), ()>(())).is_ok(), "the next run is a whole one");
    let outcome = model.detect(&luma[1..], || Ok::<(), ()>(()));
    assert!(matches!(&outcome, Err(Stopped::Failed(sentence)) if sentence.contains("21 times 13")), "{outcome:?}");
}
