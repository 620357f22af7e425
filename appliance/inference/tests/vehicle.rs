//! The network of the vehicle plugin, as its script writes it, beside the same network in the script's own loops.

#![allow(missing_docs, clippy::unwrap_used, reason = "a test")]

use watchbook_inference::Model;
use watchbook_vehicle_model::dice::Dice;
use watchbook_vehicle_model::export;
use watchbook_vehicle_model::net::{COLUMNS, HEIGHT, Net, ROWS, WIDTH, sigmoid};
use watchbook_vehicle_model::scene::Street;
use watchbook_vehicle_model::train::{CELL_PX, HEIGHT_PX, WIDTH_PX, picture};

#[test]
fn the_host_gives_the_boxes_that_the_script_computes() {
    let mut dice = Dice(3);
    for _ in 0..5 {
        let (net, scene) = (Net::random(&mut dice), Street::new(&mut dice).scene(&mut dice));
        let model = Model::load(&export::file(&net), &["vehicle".to_owned()]).unwrap();
        assert_eq!(model.input(), (WIDTH as u32, HEIGHT as u32));
        let rows = model.rows(&scene.luma).unwrap();
        let head = net.forward(&picture(&scene));
        let number = |index: usize, at: usize| sigmoid(head[index * ROWS * COLUMNS + at]);
        assert_eq!(rows.len(), ROWS * COLUMNS * 6);
        for (at, row) in rows.chunks(6).enumerate() {
            let (width, height) = (number(3, at) * WIDTH_PX, number(4, at) * HEIGHT_PX);
            let x = ((at % COLUMNS) as f32 + number(1, at)) * CELL_PX;
            let y = ((at / COLUMNS) as f32 + number(2, at)) * CELL_PX;
            let (across, down) = (WIDTH as f32, HEIGHT as f32);
            let left = (x - width / 2.0) / across;
            let expected = [left, (y - height / 2.0) / down, width / across, height / down, number(0, at), 0.0];
            for (column, (given, expected)) in row.iter().zip(expected).enumerate() {
                assert!(
                    (given - expected).abs() < 1e-4,
                    "place {at}, column {column}: {given}, {expected} by the script"
                );
            }
        }
    }
}
