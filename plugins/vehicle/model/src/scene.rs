//! Drawn streets with vehicles whose places are known.

use crate::dice::Dice;
use crate::net::{HEIGHT, WIDTH};

/// A vehicle's place in pixels: middle, width and height.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Box {
    /// Middle, across.
    pub x: f32,
    /// Middle, down.
    pub y: f32,
    /// Across.
    pub width: f32,
    /// Down.
    pub height: f32,
}

impl Box {
    /// What two boxes share, of what they cover together.
    #[must_use]
    pub fn overlap(&self, other: &Self) -> f32 {
        let side = |a: f32, wide_a: f32, b: f32, wide_b: f32| {
            ((a + wide_a / 2.0).min(b + wide_b / 2.0) - (a - wide_a / 2.0).max(b - wide_b / 2.0)).max(0.0)
        };
        let shared = side(self.x, self.width, other.x, other.width) * side(self.y, self.height, other.y, other.height);
        shared / (self.width * self.height + other.width * other.height - shared)
    }

    fn touches(&self, other: &Self) -> bool {
        (self.x - other.x).abs() < (self.width + other.width) / 2.0 + 3.0
            && (self.y - other.y).abs() < (self.height + other.height) / 2.0 + 3.0
    }
}

/// A street at one moment.
#[derive(Clone, Debug)]
pub struct Scene {
    /// Brightness 0 to 255, rows from the top.
    pub luma: Vec<u8>,
    /// The vehicles in it.
    pub vehicles: Vec<Box>,
}

/// How one vehicle looks.
#[derive(Clone, Copy, Debug)]
struct Paint {
    body: f32,
    glass: f32,
    front_on: bool,
}

/// A street and what stands on it, before vehicles come.
#[derive(Clone, Debug)]
pub struct Street {
    plane: Vec<f32>,
    grey: f32,
    noise: f32,
}

impl Street {
    /// A street with its lines, kerbs, patches, shadows and people.
    #[must_use]
    pub fn new(dice: &mut Dice) -> Self {
        let grey = dice.between(50.0, 150.0);
        let slope = dice.between(-0.3, 0.3);
        let mut street = Self { plane: Vec::new(), grey, noise: dice.between(1.0, 7.0) };
        street.plane = (0..WIDTH * HEIGHT).map(|at| grey + slope * ((at / WIDTH) as f32 - 45.0)).collect();
        for _ in 0..dice.below(5) {
            let patch =
                (dice.between(0.0, 160.0), dice.between(0.0, 90.0), dice.between(20.0, 90.0), dice.between(15.0, 60.0));
            let shade = dice.between(-35.0, 35.0);
            street.soft(patch, shade);
        }
        let line = dice.between(30.0, 90.0);
        for _ in 0..1 + dice.below(3) {
            let (top, gap) = (dice.between(5.0, 85.0), dice.between(9.0, 22.0));
            let dashed = dice.below(2) == 0;
            (0..WIDTH)
                .filter(|x| !dashed || ((*x as f32 / gap) as usize).is_multiple_of(2))
                .for_each(|x| street.add(x as f32, top, line));
        }
        if dice.below(2) == 0 {
            let (edge, shade) = (dice.between(8.0, 25.0), dice.between(-40.0, 40.0));
            let above = edge as usize * WIDTH;
            street.plane[..above].iter_mut().for_each(|pixel| *pixel += shade);
        }
        for _ in 0..dice.below(4) {
            let (x, y, tall, shade) =
                (dice.between(2.0, 158.0), dice.between(5.0, 80.0), dice.between(6.0, 13.0), dice.between(-70.0, 70.0));
            street.fill((x, y, dice.between(1.5, 3.5), tall), |pixel| pixel + shade);
        }
        if dice.below(3) == 0 {
            let x = dice.between(0.0, 160.0);
            let shade = dice.between(-60.0, 60.0);
            street.fill((x, 45.0, dice.between(1.0, 4.0), 90.0), |pixel| pixel + shade);
        }
        street
    }

    /// Numbers of vehicles from 0 to 4 at random places that do not touch each other.
    pub fn scene(&self, dice: &mut Dice) -> Scene {
        let mut street = self.clone();
        let mut vehicles = Vec::<Box>::new();
        for _ in 0..dice.below(5) {
            let width = dice.between(11.0, 30.0);
            let height = (width * dice.between(0.42, 0.75)).max(6.5);
            let x = dice.between(width / 2.0, WIDTH as f32 - width / 2.0);
            let y = dice.between(height / 2.0, HEIGHT as f32 - height / 2.0);
            let place = Box { x, y, width, height };
            if !vehicles.iter().any(|other| other.touches(&place)) {
                street.vehicle(place, dice);
                vehicles.push(place);
            }
        }
        let luma = street.exposed(dice);
        Scene { luma, vehicles }
    }

    /// The same street with vehicles at these places, each with the paint of its own number.
    #[must_use]
    pub fn with(&self, vehicles: &[(u64, Box)], dice: &mut Dice) -> Scene {
        let mut street = self.clone();
        vehicles.iter().for_each(|(number, place)| street.vehicle(*place, &mut Dice(*number)));
        Scene { luma: street.exposed(dice), vehicles: vehicles.iter().map(|(_, place)| *place).collect() }
    }

    fn exposed(&self, dice: &mut Dice) -> Vec<u8> {
        let noise = self.noise;
        let sample = |pixel: &f32| {
            let grain = dice.part() + dice.part() + dice.part() - 1.5;
            (pixel + grain * noise).round().clamp(0.0, 255.0) as u8
        };
        self.plane.iter().map(sample).collect()
    }

    fn vehicle(&mut self, place: Box, dice: &mut Dice) {
        let contrast = dice.between(28.0, 110.0);
        let body = if dice.below(2) == 0 { self.grey + contrast } else { self.grey - contrast };
        let paint =
            Paint { body: body.clamp(12.0, 240.0), glass: dice.between(20.0, 60.0), front_on: dice.below(3) == 0 };
        let Box { x, y, width, height } = place;
        // A shadow below, a body, glass in its upper half, wheels.
        self.fill((x, y + height * 0.45, width * 1.02, height * 0.22), |pixel| pixel * 0.55);
        self.fill((x, y + height * 0.1, width, height * 0.6), |_| paint.body);
        let roof = if paint.front_on { width * 0.8 } else { width * 0.6 };
        self.fill((x, y - height * 0.28, roof, height * 0.44), |_| paint.body * 0.95);
        self.fill((x, y - height * 0.22, roof * 0.8, height * 0.24), |_| paint.glass);
        let wheel = (width * 0.18, height * 0.24);
        for side in [-1.0, 1.0] {
            self.fill((x + side * width * 0.3, y + height * 0.38, wheel.0, wheel.1), |_| 22.0);
        }
        if paint.front_on {
            for side in [-1.0, 1.0] {
                self.fill((x + side * width * 0.38, y + height * 0.08, width * 0.12, height * 0.12), |_| 235.0);
            }
        }
    }

    fn add(&mut self, x: f32, y: f32, shade: f32) {
        self.fill((x + 0.5, y, 1.0, 1.6), |pixel| pixel + shade);
    }

    /// Changes a rectangle: middle, width and height. A pixel that it covers in part changes in part.
    fn fill(&mut self, (x, y, width, height): (f32, f32, f32, f32), change: impl Fn(f32) -> f32) {
        let covered =
            |from: f32, to: f32, pixel: usize| (to.min(pixel as f32 + 1.0) - from.max(pixel as f32)).clamp(0.0, 1.0);
        let (left, right, top, bottom) = (x - width / 2.0, x + width / 2.0, y - height / 2.0, y + height / 2.0);
        for row in top.max(0.0) as usize..(bottom.max(0.0).ceil() as usize).min(HEIGHT) {
            for column in left.max(0.0) as usize..(right.max(0.0).ceil() as usize).min(WIDTH) {
                let part = covered(left, right, column) * covered(top, bottom, row);
                let pixel = &mut self.plane[row * WIDTH + column];
                *pixel += part * (change(*pixel) - *pixel);
            }
        }
    }

    /// A patch of light or shade that fades to its edge.
    fn soft(&mut self, (x, y, width, height): (f32, f32, f32, f32), shade: f32) {
        for (at, pixel) in self.plane.iter_mut().enumerate() {
            let (dx, dy) = (((at % WIDTH) as f32 - x) / width, ((at / WIDTH) as f32 - y) / height);
            *pixel += shade * (1.0 - (dx * dx + dy * dy) * 4.0).max(0.0);
        }
    }
}
