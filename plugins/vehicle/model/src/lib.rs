//! The model of the vehicle plugin, from nothing to a file.
//!
//! * **Enters:** a seed.
//! * **Leaves:** an ONNX file; a drawn clip; how many vehicles of streets that it has not seen the network finds.
//! * **Promises:** the same seed gives the same bytes on every machine: multiplications, additions, divisions and square roots alone, in a fixed order.
//! * **Never:** reads a picture of a real place: what it learns from is drawn.
//! * **Proof:** the tests below; `plugins/build.sh` compares the file's SHA-256 with the one in the manifest.

pub mod clip;
pub mod dice;
pub mod export;
pub mod net;
/// The recorder's own writer of models: one source in two workspaces.
#[path = "../../../../appliance/inference/src/onnx.rs"]
pub mod onnx;
pub mod scene;
pub mod train;

/// The seed of the model that the manifest names.
pub const SEED: u64 = 20_261_126;
/// The seed of the streets that it is measured on.
pub const UNSEEN: u64 = 7;

#[cfg(test)]
mod tests {
    use super::*;
    use net::{Net, sigmoid};

    #[test]
    fn the_sigmoid_is_that_of_the_machine() {
        for step in -400..400 {
            let x = step as f32 / 10.0;
            assert!((f64::from(sigmoid(x)) - 1.0 / (1.0 + (-f64::from(x)).exp())).abs() < 1e-7, "{x}");
        }
    }

    #[test]
    fn slopes_are_those_of_small_steps() {
        let mut dice = dice::Dice(1);
        let net = Net::random(&mut dice);
        let scene = scene::Street::new(&mut dice).scene(&mut dice);
        let picture = train::picture(&scene);
        // The loss is the sum of all results weighted by their place.
        let weight = |at: usize| ((at * 7) % 5) as f32 - 2.0;
        let loss = |net: &Net| {
            net.forward(&picture).iter().enumerate().map(|(at, number)| f64::from(number * weight(at))).sum::<f64>()
        };
        let mut change = Net::zero();
        net.backward(&picture, |head| (0..head.len()).map(weight).collect(), &mut change);
        for (layer, at) in [(0, 3), (1, 100), (2, 700), (3, 1_500), (4, 60)] {
            let step = 1e-3;
            let (mut more, mut less) = (net.clone(), net.clone());
            more.0[layer].kernel[at] += step;
            less.0[layer].kernel[at] -= step;
            let measured = (loss(&more) - loss(&less)) / f64::from(2.0 * step);
            let said = f64::from(change.0[layer].kernel[at]);
            assert!(
                (measured - said).abs() < 0.05 * said.abs().max(1.0),
                "layer {layer}: {measured} measured, {said} said"
            );
        }
    }

    #[test]
    fn a_clip_is_what_its_head_says_and_vehicles_pass_in_it() {
        let mut bytes = Vec::new();
        clip::write(&mut bytes, 1).unwrap();
        // RIFF: what the first length says is all that follows it.
        assert_eq!(u32::from_le_bytes(bytes[4..8].try_into().unwrap()) as usize, bytes.len() - 8);
        assert_eq!(bytes.windows(4).filter(|name| name == b"00db").count(), 100);
        let counts = [0, 25, 50, 70, 95].map(|index| clip::vehicles(index).len());
        assert_eq!(counts, [0, 1, 0, 2, 0]);
    }
}
