//! The network: four convolutions and a head, forwards and backwards, as plain loops.

use crate::dice::Dice;

/// Pixels of the picture.
pub const WIDTH: usize = 160;
/// See [`WIDTH`].
pub const HEIGHT: usize = 90;
/// Places that may hold the middle of a vehicle.
pub const COLUMNS: usize = 20;
/// See [`COLUMNS`].
pub const ROWS: usize = 12;
/// Numbers at each place: whether a vehicle is there, its middle within the place, its width and height.
pub const NUMBERS: usize = 5;

/// Shape of one convolution: kernels are square, what is beyond the edge is 0.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    /// Channels in.
    pub channels: usize,
    /// Channels out.
    pub outs: usize,
    /// Side of the kernel.
    pub kernel: usize,
    /// Step.
    pub stride: usize,
    /// Border.
    pub pad: usize,
    /// Rows and columns in.
    pub input: (usize, usize),
    /// Rows and columns out.
    pub output: (usize, usize),
    /// Negative results become 0.
    pub relu: bool,
}

/// All layers.
pub const LAYERS: [Shape; 5] = [
    layer((1, 6), (3, 2), (HEIGHT, WIDTH), (45, 80)),
    layer((6, 12), (3, 2), (45, 80), (23, 40)),
    layer((12, 16), (3, 2), (23, 40), (ROWS, COLUMNS)),
    layer((16, 16), (3, 1), (ROWS, COLUMNS), (ROWS, COLUMNS)),
    layer((16, NUMBERS), (1, 1), (ROWS, COLUMNS), (ROWS, COLUMNS)),
];

const fn layer(
    (channels, outs): (usize, usize),
    (kernel, stride): (usize, usize),
    input: (usize, usize),
    output: (usize, usize),
) -> Shape {
    Shape { channels, outs, kernel, stride, pad: kernel / 2, input, output, relu: kernel > 1 }
}

impl Shape {
    /// Numbers that one result looks at.
    #[must_use]
    pub fn seen(&self) -> usize {
        self.channels * self.kernel * self.kernel
    }

    /// Places of the result.
    #[must_use]
    pub fn places(&self) -> usize {
        self.output.0 * self.output.1
    }

    /// Visits each place of a kernel's column: index in the columns, index in the input.
    fn visit(&self, mut each: impl FnMut(usize, usize)) {
        let (rows, columns) = self.output;
        for seen in 0..self.seen() {
            let (channel, ky, kx) =
                (seen / (self.kernel * self.kernel), seen / self.kernel % self.kernel, seen % self.kernel);
            for row in 0..rows {
                let Some(y) = (row * self.stride + ky).checked_sub(self.pad).filter(|y| *y < self.input.0) else {
                    continue;
                };
                for column in 0..columns {
                    let x = (column * self.stride + kx).checked_sub(self.pad).filter(|x| *x < self.input.1);
                    if let Some(x) = x {
                        each(
                            seen * rows * columns + row * columns + column,
                            (channel * self.input.0 + y) * self.input.1 + x,
                        );
                    }
                }
            }
        }
    }
}

/// One layer's numbers.
#[derive(Clone, Debug)]
pub struct Weights {
    /// Channels out, channels in, rows, columns.
    pub kernel: Vec<f32>,
    /// Channels out.
    pub bias: Vec<f32>,
}

/// A network.
#[derive(Clone, Debug)]
pub struct Net(pub Vec<Weights>);

/// What one layer saw and gave.
struct Trace {
    columns: Vec<f32>,
    result: Vec<f32>,
}

impl Net {
    /// Random numbers, of a size that keeps a picture's contrast through the layers (He and others, 2015).
    #[must_use]
    pub fn random(dice: &mut Dice) -> Self {
        let layer = |shape: &Shape| {
            let scale = (6.0 / shape.seen() as f32).sqrt();
            let kernel = (0..shape.outs * shape.seen()).map(|_| (dice.part() * 2.0 - 1.0) * scale).collect();
            Weights { kernel, bias: vec![0.0; shape.outs] }
        };
        Self(LAYERS.iter().map(layer).collect())
    }

    /// A network of zeros: where changes are added up.
    #[must_use]
    pub fn zero() -> Self {
        let layer =
            |shape: &Shape| Weights { kernel: vec![0.0; shape.outs * shape.seen()], bias: vec![0.0; shape.outs] };
        Self(LAYERS.iter().map(layer).collect())
    }

    /// Every number, in one order.
    pub fn numbers(&mut self) -> impl Iterator<Item = &mut f32> {
        self.0.iter_mut().flat_map(|layer| layer.kernel.iter_mut().chain(&mut layer.bias))
    }

    /// The head's numbers for a picture of brightness 0 to 1: [`NUMBERS`] planes of [`ROWS`] times [`COLUMNS`], before the sigmoid.
    #[must_use]
    pub fn forward(&self, picture: &[f32]) -> Vec<f32> {
        self.traces(picture).pop().map(|trace| trace.result).unwrap_or_default()
    }

    fn traces(&self, picture: &[f32]) -> Vec<Trace> {
        let mut traces = Vec::<Trace>::new();
        for (shape, weights) in LAYERS.iter().zip(&self.0) {
            let input = traces.last().map_or(picture, |trace| &trace.result);
            let places = shape.places();
            let mut columns = vec![0.0; shape.seen() * places];
            shape.visit(|at, from| columns[at] = input[from]);
            let mut result = Vec::with_capacity(shape.outs * places);
            for (kernel, bias) in weights.kernel.chunks(shape.seen()).zip(&weights.bias) {
                let mut out = vec![*bias; places];
                for (weight, column) in kernel.iter().zip(columns.chunks(places)) {
                    out.iter_mut().zip(column).for_each(|(out, seen)| *out += weight * seen);
                }
                if shape.relu {
                    out.iter_mut().for_each(|out| *out = out.max(0.0));
                }
                result.extend(out);
            }
            traces.push(Trace { columns, result });
        }
        traces
    }

    /// Adds to `change` how the loss moves with each number. `slope` says how it moves with the head's results.
    pub fn backward(&self, picture: &[f32], slope: impl FnOnce(&[f32]) -> Vec<f32>, change: &mut Self) {
        let traces = self.traces(picture);
        let mut slopes = traces.last().map(|trace| slope(&trace.result)).unwrap_or_default();
        for (index, shape) in LAYERS.iter().enumerate().rev() {
            let (trace, places) = (&traces[index], shape.places());
            if shape.relu {
                slopes
                    .iter_mut()
                    .zip(&trace.result)
                    .filter(|(_, out)| **out <= 0.0)
                    .for_each(|(slope, _)| *slope = 0.0);
            }
            let (weights, sums) = (&self.0[index], &mut change.0[index]);
            let mut before = vec![0.0; shape.seen() * places];
            for (out, slopes) in slopes.chunks(places).enumerate() {
                sums.bias[out] += slopes.iter().sum::<f32>();
                for seen in 0..shape.seen() {
                    let column = &trace.columns[seen * places..][..places];
                    sums.kernel[out * shape.seen() + seen] += dot(slopes, column);
                    let weight = weights.kernel[out * shape.seen() + seen];
                    before[seen * places..][..places]
                        .iter_mut()
                        .zip(slopes)
                        .for_each(|(sum, slope)| *sum += weight * slope);
                }
            }
            slopes = vec![0.0; shape.channels * shape.input.0 * shape.input.1];
            shape.visit(|at, from| slopes[from] += before[at]);
        }
    }
}

/// Eight sums side by side, so that the machine can add them at once; the order is the same everywhere.
fn dot(one: &[f32], other: &[f32]) -> f32 {
    let mut sums = [0.0_f32; 8];
    let (ones, rest) = one.as_chunks::<8>();
    let (others, other_rest) = other.as_chunks::<8>();
    for (one, other) in ones.iter().zip(others) {
        (0..8).for_each(|lane| sums[lane] += one[lane] * other[lane]);
    }
    sums.iter().sum::<f32>() + rest.iter().zip(other_rest).map(|(one, other)| one * other).sum::<f32>()
}

/// 1 / (1 + e^-x) with multiplications and additions alone: a machine's own exponential may differ in the last digit, and the model's bytes must not.
#[must_use]
pub fn sigmoid(x: f32) -> f32 {
    let x = f64::from(-x).clamp(-40.0, 40.0);
    let doublings = (x * std::f64::consts::LOG2_E).round();
    let rest = x - doublings * std::f64::consts::LN_2;
    let series = (1..=12).rev().fold(1.0, |sum, step| 1.0 + sum * rest / f64::from(step));
    let exponential = series * f64::from_bits(((doublings as i64 + 1023) as u64) << 52);
    (1.0 / (1.0 + exponential)) as f32
}
