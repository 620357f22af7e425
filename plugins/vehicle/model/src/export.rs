//! A trained network as a model that a station runs: the head's numbers become boxes within the network itself.

use crate::net::{COLUMNS, HEIGHT, LAYERS, NUMBERS, Net, ROWS, WIDTH};
use crate::onnx::{Network, Told};
use crate::train::{CELL_PX, HEIGHT_PX, WIDTH_PX};

/// An ONNX file of this network, its bytes in one form.
#[must_use]
pub fn file(net: &Net) -> Vec<u8> {
    let mut network = Network::new(WIDTH as u32, HEIGHT as u32);
    let mut input = "picture".to_owned();
    for (index, (shape, weights)) in LAYERS.iter().zip(&net.0).enumerate() {
        let (kernel, bias, sum) = (format!("w{index}"), format!("b{index}"), format!("c{index}"));
        network.weights(&kernel, &[shape.outs, shape.channels, shape.kernel, shape.kernel], &weights.kernel);
        network.weights(&bias, &[shape.outs], &weights.bias);
        let (side, step, pad) = (shape.kernel as i64, shape.stride as i64, shape.pad as i64);
        let told = [
            ("kernel_shape", Told::Integers(&[side, side])),
            ("strides", Told::Integers(&[step, step])),
            ("pads", Told::Integers(&[pad, pad, pad, pad])),
        ];
        network.operation("Conv", &[&input, &kernel, &bias], &sum, &told);
        input = sum;
        if shape.relu {
            let output = format!("r{index}");
            network.operation("Relu", &[&input], &output, &[]);
            input = output;
        }
    }
    let places = ROWS * COLUMNS;
    network.list("flat", &[NUMBERS as i64, places as i64]);
    network.operation("Reshape", &[&input, "flat"], "flattened", &[]);
    network.operation("Transpose", &["flattened"], "numbers", &[("perm", Told::Integers(&[1, 0]))]);
    network.operation("Sigmoid", &["numbers"], "parts", &[]);
    // Score, middle across, middle down, width, height: what each adds to left, top, width, height, score, class.
    let (across, down) = (WIDTH as f32, HEIGHT as f32);
    let (wide, tall) = (WIDTH_PX / across, HEIGHT_PX / down);
    let mixed: [[f32; 6]; NUMBERS] = [
        [0.0, 0.0, 0.0, 0.0, 1.0, 0.0],
        [CELL_PX / across, 0.0, 0.0, 0.0, 0.0, 0.0],
        [0.0, CELL_PX / down, 0.0, 0.0, 0.0, 0.0],
        [-wide / 2.0, 0.0, wide, 0.0, 0.0, 0.0],
        [0.0, -tall / 2.0, 0.0, tall, 0.0, 0.0],
    ];
    let corner = |at: usize| {
        let (column, row) = ((at % COLUMNS) as f32, (at / COLUMNS) as f32);
        [column * CELL_PX / across, row * CELL_PX / down, 0.0, 0.0, 0.0, 0.0]
    };
    network.weights("mix", &[NUMBERS, 6], &mixed.concat());
    network.weights("corners", &[places, 6], &(0..places).flat_map(corner).collect::<Vec<f32>>());
    network.operation("MatMul", &["parts", "mix"], "within", &[]);
    network.operation("Add", &["within", "corners"], "boxes", &[]);
    network.file("boxes", &[places, 6])
}
