//! Numbers that look random and are the same each time.

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

    /// Adds noise to every pixel: about normal, with a standard deviation of `sigma` levels. Eight pixels take four rolls.
    pub fn noise(&mut self, luma: &mut [u8], sigma: f32) {
        for pixels in luma.chunks_mut(2) {
            let bits = self.roll();
            for (at, pixel) in pixels.iter_mut().enumerate() {
                // The sum of four even numbers of 8 bits: mean 510, standard deviation 147.8.
                let part = (bits >> (at * 32)) as u32;
                let sum = (part & 255) + (part >> 8 & 255) + (part >> 16 & 255) + (part >> 24);
                let value = f32::from(*pixel) + (sum as f32 - 510.0) / 147.8 * sigma;
                *pixel = value.round().clamp(0.0, 255.0) as u8;
            }
        }
    }
}
