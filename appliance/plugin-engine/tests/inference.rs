//! Plugins that ask neural networks: in this process, and in the real `watchbook-plugins`.

#![allow(missing_docs, clippy::unwrap_used, reason = "a test")]

mod fixtures;

use fixtures::{ASKS, ASKS_ON, OK, STEADY, asking_component, component, install, install_with};
use serde_json::Map;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};
use watchbook_analysis::{Output, PixelFormat};
use watchbook_base::{CameraId, TrackRole, UtcNanos, memfd};
use watchbook_inference::onnx::{Network, Told};
use watchbook_plugin_engine::{
    AnalyticsInstance, Failure, Frame, Kept, Limits, Machine, Models, Pixels, Prepared, Settings, Setup, World,
};
use watchbook_plugin_host::compile::Job;
use watchbook_plugin_host::models::ModelPart;
use watchbook_plugin_host::package::sha256_hex;
use watchbook_plugin_host::{Binding, CompileLimits, Compiler, InstanceState, Plugins, Report};

const PATIENCE: Duration = Duration::from_secs(300);
const LIMITS: Limits = Limits { memory_bytes: 8 << 20, call_ms: 50, store_bytes: 0 };

/// A model that sees one vehicle in the middle of the picture, as surely as the picture is bright.
fn brightness() -> Vec<u8> {
    let mut network = Network::new(8, 4);
    network.list("one", &[1, 1]);
    network.weights("scores", &[6], &[0.0, 0.0, 0.0, 0.0, 1.0, 0.0]);
    network.weights("middle", &[6], &[0.25, 0.25, 0.5, 0.5, 0.0, 0.0]);
    network.operation("GlobalAveragePool", &["picture"], "mean", &[]);
    network.operation("Reshape", &["mean", "one"], "number", &[]);
    network.operation("Mul", &["number", "scores"], "score", &[]);
    network.operation("Add", &["score", "middle"], "boxes", &[]);
    network.file("boxes", &[1, 6])
}

/// As [`brightness`], after so many convolutions of a large picture.
fn slow(convolutions: usize) -> Vec<u8> {
    let mut network = Network::new(320, 180);
    network.weights("blur", &[1, 1, 7, 7], &[1.0 / 49.0; 49]);
    network.list("one", &[1, 1]);
    network.weights("scores", &[6], &[0.0, 0.0, 0.0, 0.0, 1.0, 0.0]);
    let mut input = "picture".to_owned();
    for index in 0..convolutions {
        let output = format!("blurred{index}");
        network.operation("Conv", &[&input, "blur"], &output, &[("pads", Told::Integers(&[3, 3, 3, 3]))]);
        input = output;
    }
    network.operation("GlobalAveragePool", &[&input], "mean", &[]);
    network.operation("Reshape", &["mean", "one"], "number", &[]);
    network.operation("Mul", &["number", "scores"], "boxes", &[]);
    network.file("boxes", &[1, 6])
}

fn models(bytes: &[u8]) -> Result<Models, String> {
    let part = ModelPart {
        file: "models/test.onnx".to_owned(),
        sha256: sha256_hex(bytes),
        classes: vec!["vehicle".to_owned()],
        bytes: bytes.len() as u32,
    };
    Models::read(&[part], bytes)
}

fn prepared(settings: Settings, frame: &str, capabilities: &[&str]) -> Result<Prepared, Failure> {
    let capabilities: Vec<String> = capabilities.iter().map(|word| (*word).to_owned()).collect();
    let machine = Machine::new(settings).unwrap();
    machine.prepare(&asking_component("asks", frame), World::AnalyticsPlugin, &capabilities, LIMITS)
}

const WITH: [&str; 3] = ["frames", "log", "inference"];

fn started(prepared: &Prepared, kept: Kept) -> AnalyticsInstance {
    let mut instance = AnalyticsInstance::new(prepared, kept, Box::new(|_, _| {})).unwrap();
    let (id, version) = ("org.example.asks", "1.0.0");
    let setup = Setup { id, version, camera: "clip", zones: &[], settings_json: "{}", saved: None };
    instance.start(&setup).unwrap();
    instance
}

fn frame(brightness: u8) -> Frame {
    let pixels = Pixels::Plane(Arc::from(vec![brightness; 512]));
    Frame { utc_ns: 7, width: 32, height: 16, masked: false, skipped: 0, pixels }
}

#[test]
fn a_plugin_gets_what_its_model_sees_and_the_same_each_time() {
    for settings in [Settings::LIVE, Settings::PURE] {
        let prepared = prepared(settings, ASKS, &WITH).unwrap();
        let prepared = prepared.with_models(models(&brightness()).unwrap()).unwrap();
        let kept = Kept::default();
        let mut instance = started(&prepared, kept.clone());
        let marks = instance.on_frame(frame(204)).unwrap();
        let [seen] = marks[0].detections.as_slice() else { panic!("{marks:?}") };
        // 204 of 255 is 0.8; a quarter and a half of 65,536.
        assert!((seen.score - 0.8).abs() < 1e-6 && seen.class == "vehicle" && seen.track.is_none(), "{seen:?}");
        assert_eq!((seen.area.x, seen.area.y, seen.area.w, seen.area.h), (16_384, 16_384, 32_768, 32_768));
        assert_eq!(instance.on_frame(frame(204)).unwrap(), marks);
        assert!(instance.on_frame(frame(5)).unwrap()[0].detections.is_empty(), "a score of 0.02 says nothing");
        assert_eq!(kept.counts().reads, 3);
    }
}

#[test]
fn without_its_capability_or_its_model_nothing_is_asked() {
    let failure = prepared(Settings::LIVE, ASKS, &["frames", "log"]).unwrap_err();
    assert!(matches!(&failure, Failure::Refused(sentence) if sentence.contains("inference")), "{failure:?}");
    let mut instance = started(&prepared(Settings::LIVE, ASKS, &WITH).unwrap(), Kept::default());
    let failure = instance.on_frame(frame(204)).unwrap_err();
    assert!(
        matches!(&failure, Failure::Fault(sentence) if sentence.contains("no model `models/test.onnx`")),
        "{failure:?}"
    );
}

#[test]
fn a_model_that_takes_too_long_for_a_call_or_too_much_memory_is_refused() {
    let refused = |models: Models, limits: Limits| {
        let words: Vec<String> = WITH.iter().map(|word| (*word).to_owned()).collect();
        let machine = Machine::new(Settings::LIVE).unwrap();
        let component = asking_component("asks", ASKS);
        let prepared = machine.prepare(&component, World::AnalyticsPlugin, &words, limits).unwrap();
        match prepared.with_models(models).unwrap_err() {
            Failure::Refused(sentence) => sentence,
            other => panic!("{other:?}"),
        }
    };
    let sentence = refused(models(&slow(20)).unwrap(), LIMITS);
    assert!(sentence.contains("models/test.onnx") && sentence.contains("MiB"), "{sentence}");
    let slow = models(&slow(1)).unwrap();
    let (_, model) = slow.iter().map(|(file, model)| (file.to_owned(), model.clone())).next().unwrap();
    assert!(model.cost() > Duration::ZERO && model.work().steps > 320 * 180 * 49, "{:?}", model.work());
    let sentence = refused(slow, Limits { call_ms: 0, ..LIMITS });
    assert!(sentence.contains("models/test.onnx") && sentence.contains("processor time"), "{sentence}");
}

#[test]
fn the_memory_of_models_counts_together() {
    let one = slow(2);
    let parts = ["a", "b"].map(|name| ModelPart {
        file: format!("models/{name}.onnx"),
        sha256: sha256_hex(&one),
        classes: vec!["vehicle".to_owned()],
        bytes: one.len() as u32,
    });
    let read = |count: usize| Models::read(&parts[..count], &one.repeat(count)).unwrap();
    let alone = read(1).iter().map(|(_, model)| model.work().bytes).sum::<u64>();
    let words: Vec<String> = WITH.iter().map(|word| (*word).to_owned()).collect();
    let with = |count: usize| {
        let limits = Limits { memory_bytes: 2 * alone - 1, call_ms: 1_000, ..LIMITS };
        let machine = Machine::new(Settings::LIVE).unwrap();
        let prepared = machine.prepare(&asking_component("asks", ASKS), World::AnalyticsPlugin, &words, limits);
        prepared.unwrap().with_models(read(count))
    };
    with(1).unwrap();
    let failure = with(2).unwrap_err();
    assert!(matches!(&failure, Failure::Refused(sentence) if sentence.contains("models/b.onnx")), "{failure:?}");
}

#[test]
fn a_plugin_that_asks_without_end_is_stopped_at_its_time() {
    for settings in [Settings::LIVE, Settings::PURE] {
        let prepared = prepared(settings, ASKS_ON, &WITH).unwrap().with_models(models(&slow(1)).unwrap()).unwrap();
        let mut instance = started(&prepared, Kept::default());
        let failure = instance.on_frame(frame(204)).unwrap_err();
        assert!(matches!(&failure, Failure::Trap(sentence) if sentence.contains("50 ms")), "{failure:?}");
    }
}

#[test]
fn models_are_tried_once_and_what_was_refused_is_tried_again() {
    let compiler = Compiler::new(Path::new(env!("CARGO_BIN_EXE_watchbook-plugins")), None, CompileLimits::USUAL);
    let asks = asking_component("asks", ASKS);
    let (component, sha256) = (memfd::seal("component", &asks).unwrap(), sha256_hex(&asks));
    let artefact = |listed: &[u8], given: &[u8]| {
        let part = ModelPart {
            file: "models/test.onnx".to_owned(),
            sha256: sha256_hex(listed),
            classes: vec!["vehicle".to_owned()],
            bytes: listed.len() as u32,
        };
        let bytes = memfd::seal("models", given).unwrap();
        let (world, models) = (World::AnalyticsPlugin, Some((&[part][..], &bytes)));
        let job = Job { component_sha256: &sha256, component: &component, world, models };
        compiler.artefact(&job).map(drop)
    };
    let (good, other) = (brightness(), slow(1));
    assert!(artefact(&good, &other).unwrap_err().contains("models/test.onnx"), "not what is listed");
    artefact(&good, &good).unwrap();
    // A trial would refuse these bytes: there is none. The host does not take them either, because it checks the hash.
    artefact(&good, &other).unwrap();
    assert!(artefact(&other, &good).unwrap_err().contains("models/test.onnx"));
}

/// Puts a plugin with this model into the folder.
fn install_asking(directory: &Path, name: &str, model: &[u8]) {
    install_with(directory, name, &asking_component(name, ASKS), r#""frames", "log""#);
    let folder = directory.join(name);
    std::fs::create_dir(folder.join("models")).unwrap();
    std::fs::write(folder.join("models/test.onnx"), model).unwrap();
    let manifest = std::fs::read_to_string(folder.join("plugin.toml")).unwrap();
    let manifest = manifest.replace(r#""frames", "log""#, r#""frames", "log", "inference""#);
    let listed = format!(
        "\n[[models]]\nfile = \"models/test.onnx\"\nsha256 = \"{}\"\npurpose = \"object-detection\"\nclasses = [\"vehicle\"]\ndata_sheet = \"A test.\"\n",
        sha256_hex(model)
    );
    std::fs::write(folder.join("plugin.toml"), manifest + &listed).unwrap();
}

#[test]
fn the_plugin_host_runs_models_and_a_hostile_one_costs_its_own_plugin_alone() {
    let folder = tempfile::tempdir().unwrap();
    install_asking(folder.path(), "asks", &brightness());
    let mut bomb = Network::new(1_920, 1_080);
    bomb.list("column", &[-1, 1]);
    bomb.list("row", &[1, -1]);
    bomb.operation("Reshape", &["picture", "column"], "a", &[]);
    bomb.operation("Reshape", &["picture", "row"], "b", &[]);
    bomb.operation("MatMul", &["a", "b"], "boxes", &[]);
    install_asking(folder.path(), "bomb", &bomb.file("boxes", &[1, 6]));
    install_asking(folder.path(), "garbled", b"no network at all");
    install(folder.path(), "steady", &component("steady", OK, STEADY));

    let (sender, receiver) = channel();
    let program = Path::new(env!("CARGO_BIN_EXE_watchbook-plugins"));
    let on = move |report| drop(sender.send(report));
    let (plugins, problems) = Plugins::spawn(program, folder.path(), on).unwrap();
    assert_eq!(problems, Vec::<String>::new());
    let camera = CameraId::new(1).unwrap();
    let names = ["asks", "bomb", "garbled", "steady"];
    for name in names {
        let plugin = format!("org.example.{name}");
        plugins.bind(camera, Binding { plugin, settings: Map::new(), zones: Vec::new() }).unwrap();
    }
    let output = Output { width: 32, height: 16, format: PixelFormat::Luma, fps_max: 5.0 };
    let state = |name: &str| {
        let list = plugins.list();
        let status = list.iter().find(|status| status.id.ends_with(name)).unwrap();
        (status.instances[0].state, status.last_error.clone().unwrap_or_default())
    };
    let (deadline, mut seen) = (Instant::now() + PATIENCE, Vec::new());
    for number in 0.. {
        assert!(Instant::now() < deadline, "gave up waiting: {:#?}", plugins.list());
        let pixels = Arc::new(memfd::seal("frame", &vec![204; output.frame_bytes()]).unwrap());
        let utc = UtcNanos(1_764_000_000_000_000_000 + number * 200_000_000);
        let stream = camera.stream(TrackRole::SubVideo);
        plugins.frame(&watchbook_analysis::Frame { stream, output, seq: 0, utc, media: None, masked: false, pixels });
        seen.extend(receiver.try_iter().filter_map(|report| match report {
            Report::Event(event) => Some((event.source.plugin, event.detections)),
            _ => None,
        }));
        let from = |name: &str| seen.iter().any(|(plugin, _)| plugin.ends_with(name));
        let refused = ["bomb", "garbled"].iter().all(|name| state(name).0 == InstanceState::Faulted);
        if from("asks") && from("steady") && refused {
            break;
        }
        std::thread::yield_now();
    }
    let (_, detections) = seen.iter().find(|(plugin, _)| plugin.ends_with("asks")).unwrap();
    assert!((detections[0].score - 0.8).abs() < 1e-6 && detections[0].class == "vehicle", "{detections:?}");
    assert!(state("bomb").1.contains("holds more than"), "{:?}", state("bomb"));
    assert!(state("garbled").1.contains("no ONNX file"), "{:?}", state("garbled"));
    assert_eq!(state("steady").0, InstanceState::Running);
}
