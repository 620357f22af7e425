//! A small network: two convolutions over a picture, a box for each of the places that are left.
#![allow(dead_code, reason = "each test takes what it needs")]

use watchbook_inference::onnx::{Network, Told};

/// Pixels across and down.
pub const SIZE: (u32, u32) = (21, 13);
/// Channels between the two convolutions.
pub const CHANNELS: usize = 4;
/// Places after two halvings of [`SIZE`].
pub const PLACES: (usize, usize) = (6, 4);

/// Numbers from -1 to 1, the same for the same seed (Knuth's MMIX generator).
pub fn numbers(seed: u64, count: usize) -> Vec<f32> {
    let mut state = seed;
    let next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1 << 23) as f32 - 1.0
    };
    std::iter::repeat_with(next).take(count).collect()
}

/// The weights of both convolutions.
pub fn weights(seed: u64) -> [Vec<f32>; 4] {
    [
        numbers(seed, CHANNELS * 9),
        numbers(seed + 1, CHANNELS),
        numbers(seed + 2, 6 * CHANNELS * 9),
        numbers(seed + 3, 6),
    ]
}

/// Halves a picture.
pub const HALVES: [(&str, Told<'static>); 3] = [
    ("kernel_shape", Told::Integers(&[3, 3])),
    ("strides", Told::Integers(&[2, 2])),
    ("pads", Told::Integers(&[1, 1, 1, 1])),
];

/// The network; its result has a row for each place, all numbers from 0 to 1 and the class 0.
pub fn network(seed: u64) -> Network {
    let [first, first_bias, second, second_bias] = weights(seed);
    let mut network = Network::new(SIZE.0, SIZE.1);
    network.weights("w1", &[CHANNELS, 1, 3, 3], &first);
    network.weights("b1", &[CHANNELS], &first_bias);
    network.weights("w2", &[6, CHANNELS, 3, 3], &second);
    network.weights("b2", &[6], &second_bias);
    network.weights("no-class", &[6], &[1.0, 1.0, 1.0, 1.0, 1.0, 0.0]);
    network.list("flat", &[6, -1]);
    network.operation("Conv", &["picture", "w1", "b1"], "c1", &HALVES);
    network.operation("Relu", &["c1"], "r1", &[]);
    network.operation("Conv", &["r1", "w2", "b2"], "c2", &HALVES);
    network.operation("Sigmoid", &["c2"], "s2", &[]);
    network.operation("Reshape", &["s2", "flat"], "flat2", &[]);
    network.operation("Transpose", &["flat2"], "rows", &[("perm", Told::Integers(&[1, 0]))]);
    network.operation("Mul", &["rows", "no-class"], "boxes", &[]);
    network
}

/// Its file.
pub fn file(seed: u64) -> Vec<u8> {
    network(seed).file("boxes", &[PLACES.0 * PLACES.1, 6])
}

/// The one class.
pub fn classes() -> Vec<String> {
    vec!["vehicle".to_owned()]
}
