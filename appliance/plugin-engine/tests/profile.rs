//! Stacks of running plugins, which the author's tool takes and the recorder's child does not.

#![allow(missing_docs, clippy::unwrap_used, reason = "a test")]

mod fixtures;

use fixtures::hot_and_cold;
use std::sync::Arc;
use watchbook_plugin_engine::profile::Sampler;
use watchbook_plugin_engine::{AnalyticsInstance, Frame, Kept, Limits, Machine, Pixels, Settings, Setup, World};

/// Stacks that are waited for.
const STACKS: usize = 200;
/// Frames for that: far more than it takes.
const FRAMES_MAX: u32 = 1_000_000;

#[test]
fn most_stacks_end_in_the_function_that_takes_the_time() {
    let machine = Machine::sampling(Settings::LIVE).unwrap();
    let limits = Limits { memory_bytes: 8 << 20, call_ms: 1_000, store_bytes: 0 };
    let capabilities = ["frames".into(), "log".into()];
    let prepared = machine.prepare(&hot_and_cold("hot"), World::AnalyticsPlugin, &capabilities, limits).unwrap();
    let mut instance = AnalyticsInstance::new(&prepared, Kept::default(), Box::new(|_, _| {})).unwrap();
    let id = "org.example.hot";
    instance
        .start(&Setup { id, version: "1.0.0", camera: "clip", zones: &[], settings_json: "{}", saved: None })
        .unwrap();
    let sampler = Sampler::default();
    instance.sample(&sampler);
    for _ in 0..FRAMES_MAX {
        if sampler.stacks().stacks.len() >= STACKS {
            break;
        }
        let pixels = Pixels::Plane(Arc::from(vec![128; 512]));
        instance.on_frame(Frame { utc_ns: 1, width: 32, height: 16, masked: false, skipped: 0, pixels }).unwrap();
    }
    let seen = sampler.stacks();
    assert!(seen.stacks.len() >= STACKS, "calls are shorter than a tick, and yet they are seen");
    let name = |number: u32| seen.functions[number as usize].name.as_deref().unwrap_or_default();
    let hot = seen.stacks.iter().filter(|stack| name(stack[0]) == "hot");
    // Of 101 turns 100 are its own. It is called by the function that the host calls, which has no name in its module's text.
    assert!(hot.clone().count() * 10 > seen.stacks.len() * 9, "{:?}", seen.functions);
    assert!(hot.into_iter().all(|stack| stack.len() == 2 && name(stack[1]).is_empty()), "{:?}", seen.functions);
}

#[test]
fn the_recorders_child_does_not_hold_what_takes_stacks() {
    // The linker leaves out what nothing calls, with its words. They are written backwards here, so that this program, which calls it, shows that they would
    // be found.
    let words: Vec<u8> = "kcats a seton ti elihw scinap gnihton".bytes().rev().collect();
    let holds = |program: &std::path::Path| {
        let bytes = std::fs::read(program).unwrap();
        bytes.windows(words.len()).any(|window| window == words)
    };
    assert!(holds(&std::env::current_exe().unwrap()));
    assert!(!holds(std::path::Path::new(env!("CARGO_BIN_EXE_watchbook-plugins"))));
}
