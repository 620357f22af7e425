//! Numbers that look random and are the same each time.

use std::sync::OnceLock;

/// Values of noise that are drawn once, and pixels that take them in a row.
const POOL_VALUES: usize = 1 << 20;
const ROW: usize = 640;

/// Steele, Lea and Flood's splitmix64.
#[derive(Clone, Debug)]
pub struct Dice(pub u64);

impl Dice {
    /// The next number.
    pub fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Adds noise to every pixel: about normal, with a standard deviation of `sigma` levels.
    ///
    /// Each 640 pixels begin somewhere in values that are drawn once, so that an hour of frames is made in seconds.
    pub fn noise(&mut self, luma: &mut [u8], sigma: f32) {
        static POOL: OnceLock<Vec<f32>> = OnceLock::new();
        let pool = POOL.get_or_init(pool);
        for row in luma.chunks_mut(ROW) {
            let values = &pool[self.roll() as usize % (POOL_VALUES - ROW)..];
            for (pixel, value) in row.iter_mut().zip(values) {
                // A number with a point becomes a whole one by cutting, and stays within 0 and 255.
                *pixel = (f32::from(*pixel) + value * sigma + 0.5) as u8;
            }
        }
    }
}

/// Values of noise with a mean of 0 and a standard deviation of 1.
fn pool() -> Vec<f32> {
    let mut dice = Dice(0);
    let value = |bits: u64| {
        // The sum of eight even numbers of 8 bits: mean 1,020, standard deviation 209.
        let sum: u32 = bits.to_le_bytes().map(u32::from).iter().sum();
        (sum as f32 - 1020.0) / 209.0
    };
    (0..POOL_VALUES).map(|_| value(dice.roll())).collect()
}
