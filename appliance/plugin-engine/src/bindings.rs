//! The interface of `sdk/wit/0.1` as Rust: made by wasmtime at compile time.

/// The world `analytics-plugin`.
pub(crate) mod analytics {
    wasmtime::component::bindgen!({
        path: "../../sdk/wit/0.1",
        world: "analytics-plugin",
        with: { "watchbook:plugin/frames.frame": crate::frame::LentFrame },
        imports: { default: trappable },
    });
}

/// The world `export-rule`. What it shares with the other is the same Rust.
pub(crate) mod rule {
    wasmtime::component::bindgen!({
        path: "../../sdk/wit/0.1",
        world: "export-rule",
        with: {
            "watchbook:plugin/types": crate::bindings::analytics::watchbook::plugin::types,
            "watchbook:plugin/log": crate::bindings::analytics::watchbook::plugin::log,
        },
        imports: { default: trappable },
    });
}

pub(crate) use analytics::watchbook::plugin::types::{
    Area, Detection as GuestDetection, FrameInfo, Mark as GuestMark, Point as GuestPoint,
};
