//! Files that were made to harm.

#![allow(missing_docs, clippy::unwrap_used, reason = "a test")]

mod common;

use common::{HALVES, PLACES, classes, file, network};
use proptest::prelude::*;
use watchbook_inference::onnx::{Network, Told};
use watchbook_inference::{DETECTIONS_MAX, Model};

fn refused(file: &[u8], word: &str) {
    let sentence = Model::load(file, &classes()).expect_err("such a file must be refused");
    assert!(sentence.contains(word), "`{word}` is not in: {sentence}");
    assert!(sentence.len() < 400 && !sentence.contains('\n'), "{sentence}");
}

/// A network of 8 by 8 pixels whose one operation is `op` on the picture and these tensors.
fn lone(op: &str, tensors: &[(&str, &[usize])], told: &[(&str, Told<'_>)]) -> Vec<u8> {
    let mut network = Network::new(8, 8);
    let mut inputs = vec!["picture"];
    for (name, shape) in tensors {
        network.weights(name, shape, &vec![0.5; shape.iter().product()]);
        inputs.push(name);
    }
    network.operation(op, &inputs, "out", told);
    network.file("out", &[1, 6])
}

#[test]
fn what_is_no_network_is_refused() {
    refused(b"", "version 13 to 17");
    refused(b"\0asm\x01\0\0\0", "ONNX");
    refused(&vec![0x08; (32 << 20) + 1], "33554433 bytes");
    refused(&Network::new(8, 8).file("picture", &[1, 6]), "shape [1, 1, 8, 8]");
    refused(&Network::new(8, 8).file("elsewhere", &[1, 6]), "not computed from the picture");
    refused(&Network::new(0, 8).file("picture", &[1, 6]), "its input");
    refused(&Network::new(100_000, 8).file("picture", &[1, 6]), "its input");
}

#[test]
fn operations_that_are_not_on_the_list_are_refused() {
    for op in [
        "Loop",
        "If",
        "Scan",
        "LSTM",
        "NonMaxSuppression",
        "Resize",
        "Expand",
        "Tile",
        "Range",
        "RandomNormal",
        "Face",
        "",
    ] {
        refused(&lone(op, &[], &[]), "is not among those");
    }
    refused(&lone("Relu", &[], &[("body", Told::Integer(1))]), "`body` is not read here");
    refused(&lone("Relu", &[("w", &[1])], &[]), "one is expected");
}

#[test]
fn a_result_that_is_no_list_of_boxes_is_refused() {
    // An embedding, a heat map, more rows than anybody needs.
    refused(&lone("GlobalAveragePool", &[], &[]), "rows of 6");
    refused(&lone("Flatten", &[], &[]), "rows of 6");
    let mut many = Network::new(1_920, 64);
    many.list("shape", &[20_480, 6]);
    many.operation("Reshape", &["picture", "shape"], "out", &[]);
    refused(&many.file("out", &[20_480, 6]), "up to 8192 rows");
}

#[test]
fn a_bomb_is_refused_by_its_count_before_anything_is_computed() {
    // 16 bytes of weights that ask for 4 million times 4 million numbers.
    let mut outer = Network::new(1_920, 1_080);
    outer.list("column", &[-1, 1]);
    outer.list("row", &[1, -1]);
    outer.operation("Reshape", &["picture", "column"], "a", &[]);
    outer.operation("Reshape", &["picture", "row"], "b", &[]);
    outer.operation("Add", &["a", "b"], "out", &[]);
    refused(&outer.file("out", &[1, 6]), "holds more than");
    // A kernel that sees much at once, with one result only.
    let mut wide = Network::new(1_920, 1_080);
    wide.weights("w", &[1, 1, 31, 31], &[0.0; 31 * 31]);
    wide.operation("Conv", &["picture", "w"], "out", &[("pads", Told::Integers(&[15, 15, 15, 15]))]);
    refused(&wide.file("out", &[1, 6]), "looks at");
    // Many channels.
    let mut deep = Network::new(640, 640);
    deep.weights("w1", &[8, 1, 1, 1], &[0.0; 8]);
    deep.weights("w2", &[256, 8, 1, 1], &[0.0; 256 * 8]);
    deep.operation("Conv", &["picture", "w1"], "a", &[]);
    deep.operation("Conv", &["a", "w2"], "out", &[]);
    refused(&deep.file("out", &[1, 6]), "holds more than");
    // Steps that are small one by one.
    let mut long = Network::new(1_920, 1_080);
    let names: Vec<String> = (0..200).map(|index| format!("t{index}")).collect();
    long.operation("Tanh", &["picture"], &names[0], &[]);
    for pair in names.windows(2) {
        long.operation("Tanh", &[&pair[0]], &pair[1], &[]);
    }
    refused(&long.file("t199", &[1, 6]), "MiB");
    let mut many = Network::new(8, 8);
    (0..1_001).for_each(|index| many.operation("Relu", &["picture"], &format!("t{index}"), &[]));
    refused(&many.file("t0", &[1, 6]), "more than 1000");
}

#[test]
fn windows_and_shapes_that_do_not_fit_are_refused() {
    for (told, word) in [
        (("strides", Told::Integers(&[0, 1])), "strides"),
        (("strides", Told::Integers(&[1])), "strides"),
        (("dilations", Told::Integers(&[i64::MAX, 1])), "dilations"),
        (("pads", Told::Integers(&[3, 3, 3, 3])), "wider than the kernel"),
        (("pads", Told::Integers(&[-1, 0, 0, 0])), "pads"),
        (("group", Told::Integer(0)), "groups"),
        (("group", Told::Integer(-1)), "groups"),
        (("kernel_shape", Told::Integers(&[2, 2])), "kernel"),
        (("auto_pad", Told::Integer(1)), "auto_pad"),
    ] {
        refused(&lone("Conv", &[("w", &[1, 1, 3, 3])], &[told]), word);
    }
    refused(&lone("Conv", &[("w", &[1, 1, 9, 9])], &[]), "larger than the picture");
    refused(&lone("Conv", &[("w", &[1, 2, 3, 3])], &[]), "do not go together");
    refused(&lone("Add", &[("w", &[7])], &[]), "do not go together");
    refused(&lone("Concat", &[], &[]), "axis");
    refused(&lone("Transpose", &[], &[("perm", Told::Integers(&[0, 0, 1, 2]))]), "no order");
    refused(&lone("Clip", &[("w", &[2])], &[]), "single numbers");
}

#[test]
fn numbers_that_are_none_and_numbers_elsewhere_are_refused() {
    let mut network = Network::new(8, 8);
    network.weights("w", &[1], &[f32::NAN]);
    refused(&network.file("picture", &[1, 6]), "is none");
    let mut network = Network::new(8, 8);
    network.weights("w", &[2, 3], &[0.0; 5]);
    refused(&network.file("picture", &[1, 6]), "5 numbers are there");
    // `data_location = EXTERNAL` (field 14) and where (field 13: key and value) in the first tensor of a good file.
    let good = file(1);
    let name = good.windows(4).position(|bytes| bytes == [0x42, 2, b'w', b'1']).unwrap();
    let outside = [&[0x70, 1, 0x6a, 20, 10, 8][..], b"location", &[18, 8], b"../x.bin"].concat();
    let spoilt = insert(&good, name, &outside);
    refused(&spoilt, "another file");
}

/// Puts bytes into the first tensor of a file, at `place`, and mends the three lengths around it.
fn insert(file: &[u8], place: usize, bytes: &[u8]) -> Vec<u8> {
    // Everything is read as fields here: lengths of up to three bytes.
    fn at(file: &[u8], from: usize) -> (usize, usize) {
        let length = file[from..].iter().position(|byte| byte & 0x80 == 0).unwrap() + 1;
        let value = file[from..from + length].iter().enumerate();
        (value.map(|(index, byte)| ((byte & 0x7f) as usize) << (7 * index)).sum(), length)
    }
    fn varint(mut value: usize) -> Vec<u8> {
        let mut out = Vec::new();
        while value >= 0x80 {
            out.push(value as u8 | 0x80);
            value >>= 7;
        }
        out.push(value as u8);
        out
    }
    // The file is `ir_version` (2 bytes) and the graph; the graph's fields follow each other.
    let (graph, graph_bytes) = at(file, 3);
    let mut from = 3 + graph_bytes;
    loop {
        let (length, length_bytes) = at(file, from + 1);
        let (start, end) = (from + 1 + length_bytes, from + 1 + length_bytes + length);
        if (start..end).contains(&place) {
            let tensor = [&file[start..place], bytes, &file[place..end]].concat();
            let inner =
                [&file[3 + graph_bytes..=from], &varint(tensor.len()), &tensor, &file[end..3 + graph_bytes + graph]]
                    .concat();
            return [&file[..3], &varint(inner.len()), &inner, &file[3 + graph_bytes + graph..]].concat();
        }
        from = end;
    }
}

#[test]
fn names_must_be_there_once_and_before_they_are_used() {
    let mut late = network(1);
    late.operation("Relu", &["later"], "early", &[]);
    late.operation("Relu", &["early"], "later", &[]);
    refused(&late.file("boxes", &[24, 6]), "not there yet");
    let mut twice = network(1);
    twice.operation("Conv", &["picture", "w1", "b1"], "c1", &HALVES);
    refused(&twice.file("boxes", &[24, 6]), "there twice");
}

#[test]
fn a_class_that_the_manifest_does_not_name_is_no_detection() {
    let model = Model::load(&file(1), &[]).unwrap();
    let luma = vec![200; (common::SIZE.0 * common::SIZE.1) as usize];
    let failed = model.detect(&luma, || Ok::<(), ()>(()));
    assert!(format!("{failed:?}").contains("the manifest names 0"), "{failed:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    /// Whatever is changed in a good file: it is refused with a sentence, or it runs and keeps to the limits.
    #[test]
    fn a_changed_file_is_refused_or_runs(
        seed in 0..4_u64,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in prop::option::weighted(0.2, any::<prop::sample::Index>()),
        doubled in prop::option::weighted(0.2, (any::<prop::sample::Index>(), 1..64_usize)),
    ) {
        let mut bytes = file(seed);
        for (place, byte) in changes {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        if let Some((place, length)) = doubled {
            let place = place.index(bytes.len());
            let piece = bytes[place..(place + length).min(bytes.len())].to_vec();
            bytes.splice(place..place, piece);
        }
        if let Some(place) = cut {
            bytes.truncate(place.index(bytes.len()));
        }
        match Model::load(&bytes, &classes()) {
            Err(sentence) => prop_assert!(!sentence.is_empty() && sentence.len() < 400),
            Ok(model) => {
                let (across, down) = model.input();
                let found = model.detect(&vec![90; (across * down) as usize], || Ok::<(), ()>(()));
                prop_assert!(found.is_err() || found.is_ok_and(|found| found.len() <= DETECTIONS_MAX));
                prop_assert!(model.work().steps > 0 && PLACES.0 > 0);
            }
        }
    }
}
