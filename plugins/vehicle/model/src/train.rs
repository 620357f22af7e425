//! Teaches a network where the vehicles of drawn streets are, and says how well it learnt.

use crate::dice::Dice;
use crate::net::{COLUMNS, HEIGHT, NUMBERS, Net, ROWS, WIDTH, sigmoid};
use crate::scene::{Box, Scene, Street};

/// Pixels of a place.
pub const CELL_PX: f32 = 8.0;
/// A width of 1 in the head's numbers.
pub const WIDTH_PX: f32 = 40.0;
/// A height of 1.
pub const HEIGHT_PX: f32 = 24.0;
/// Streets that are learnt from.
const STEPS: usize = 2_500;
/// Pictures between two changes of the network.
const BATCH: usize = 8;
/// The first change's size.
const RATE: f32 = 0.006;
/// From this score on a place counts as a vehicle.
const SCORE_MIN: f32 = 0.5;
/// A found vehicle is the drawn one when they share so much.
const SHARED_MIN: f32 = 0.4;

/// Brightness 0 to 1, as the host gives it to a model.
#[must_use]
pub fn picture(scene: &Scene) -> Vec<f32> {
    scene.luma.iter().map(|byte| f32::from(*byte) / 255.0).collect()
}

/// The place of a vehicle's middle.
fn place(vehicle: &Box) -> (usize, usize) {
    (((vehicle.y / CELL_PX) as usize).min(ROWS - 1), ((vehicle.x / CELL_PX) as usize).min(COLUMNS - 1))
}

/// How the loss moves with the head's numbers: cross entropy of each.
fn slope(head: &[f32], vehicles: &[Box]) -> Vec<f32> {
    let places = ROWS * COLUMNS;
    let mut slopes = vec![0.0; head.len()];
    for at in 0..places {
        let middle = |at: usize| (((at % COLUMNS) as f32 + 0.5) * CELL_PX, ((at / COLUMNS) as f32 + 0.5) * CELL_PX);
        let (x, y) = middle(at);
        // A place beside the middle that lies on the vehicle is neither right nor wrong.
        let on =
            |vehicle: &Box| (vehicle.x - x).abs() < vehicle.width / 3.0 && (vehicle.y - y).abs() < vehicle.height / 3.0;
        if !vehicles.iter().any(on) {
            slopes[at] = sigmoid(head[at]);
        }
    }
    for vehicle in vehicles {
        let (row, column) = place(vehicle);
        let at = row * COLUMNS + column;
        slopes[at] = 2.0 * (sigmoid(head[at]) - 1.0);
        let wanted = [
            vehicle.x / CELL_PX - column as f32,
            vehicle.y / CELL_PX - row as f32,
            vehicle.width / WIDTH_PX,
            vehicle.height / HEIGHT_PX,
        ];
        for (index, wanted) in wanted.into_iter().enumerate() {
            let number = (index + 1) * places + at;
            slopes[number] = 2.0 * (sigmoid(head[number]) - wanted.clamp(0.0, 1.0));
        }
    }
    slopes
}

/// A trained network. `tell` hears how far it is, 0 to 1.
#[must_use]
pub fn train(seed: u64, mut tell: impl FnMut(f32)) -> Net {
    let mut dice = Dice(seed);
    let mut net = Net::random(&mut dice);
    // Kingma and Ba, 2015: steps by the mean and the spread of the slopes so far.
    let (mut means, mut spreads) = (Net::zero(), Net::zero());
    let (mut mean_left, mut spread_left) = (1.0_f32, 1.0_f32);
    for step in 0..STEPS {
        let mut change = Net::zero();
        for _ in 0..BATCH {
            let scene = Street::new(&mut dice).scene(&mut dice);
            net.backward(&picture(&scene), |head| slope(head, &scene.vehicles), &mut change);
        }
        let done = step as f32 / STEPS as f32;
        let rate = RATE * (1.0 - done) * (1.0 - done) + 1e-5;
        (mean_left, spread_left) = (mean_left * 0.9, spread_left * 0.99);
        let all = net.numbers().zip(change.numbers()).zip(means.numbers().zip(spreads.numbers()));
        for ((number, slope), (mean, spread)) in all {
            let slope = *slope / BATCH as f32;
            *mean = 0.9 * *mean + 0.1 * slope;
            *spread = 0.99 * *spread + 0.01 * slope * slope;
            *number -= rate * (*mean / (1.0 - mean_left)) / ((*spread / (1.0 - spread_left)).sqrt() + 1e-7);
        }
        tell(done);
    }
    net
}

/// The vehicles that the head's numbers say, the best scores first, each with its score.
#[must_use]
pub fn found(head: &[f32]) -> Vec<(f32, Box)> {
    let places = ROWS * COLUMNS;
    let number = |index: usize, at: usize| sigmoid(head[index * places + at]);
    let mut found: Vec<(f32, Box)> = (0..places)
        .filter(|at| number(0, *at) >= SCORE_MIN)
        .map(|at| {
            let x = ((at % COLUMNS) as f32 + number(1, at)) * CELL_PX;
            let y = ((at / COLUMNS) as f32 + number(2, at)) * CELL_PX;
            (number(0, at), Box { x, y, width: number(3, at) * WIDTH_PX, height: number(4, at) * HEIGHT_PX })
        })
        .collect();
    found.sort_by(|one, other| other.0.total_cmp(&one.0));
    let mut kept = Vec::<(f32, Box)>::new();
    for (score, place) in found {
        if !kept.iter().any(|(_, other)| other.overlap(&place) > 0.5) {
            kept.push((score, place));
        }
    }
    kept
}

/// How well a network does on streets that it has not seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Vehicles that were drawn.
    pub drawn: usize,
    /// Of these, found.
    pub found: usize,
    /// Found where none was drawn.
    pub wrong: usize,
}

/// Counts over so many streets.
#[must_use]
pub fn measure(net: &Net, seed: u64, streets: usize) -> Tally {
    let (mut dice, mut tally) = (Dice(seed), Tally::default());
    for _ in 0..streets {
        let scene = Street::new(&mut dice).scene(&mut dice);
        let mut left = scene.vehicles.clone();
        tally.drawn += left.len();
        for (_, place) in found(&net.forward(&picture(&scene))) {
            match left.iter().position(|drawn| drawn.overlap(&place) >= SHARED_MIN) {
                Some(index) => {
                    left.swap_remove(index);
                    tally.found += 1;
                }
                None => tally.wrong += 1,
            }
        }
    }
    tally
}

const _: () = assert!(NUMBERS == 5 && WIDTH == 160 && HEIGHT == 90);
