//! The plugin interface on one side, an [`Analyzer`](crate::Analyzer) on the other.

/// Makes a plugin of the named type. To be used once, in a module of its own that is built for wasm32 only; the crate needs `wit-bindgen`.
#[macro_export]
macro_rules! guest {
    ($analyzer:ty) => {
        use bindings::exports::watchbook::plugin::{about, analyzer};
        use bindings::watchbook::plugin::frames::Frame;
        use bindings::watchbook::plugin::log::{Level, write};
        use bindings::watchbook::plugin::types;
        use std::cell::RefCell;
        use $crate::{Analyzer, Corner, Mark, Picture, Seen, Zone};

        /// What the macros make of the published interface.
        mod bindings {
            #![allow(missing_docs, unsafe_code, clippy::all, reason = "written by wit-bindgen")]
            wit_bindgen::generate!({ path: "../../sdk/wit/0.1", world: "analytics-plugin" });
            export!(Plugin with_types_in self);
            use super::Plugin;
        }

        /// Version of the interface.
        const API: &str = "0.1";

        thread_local! {
            // One instance watches one camera, and its calls never overlap.
            static STATE: RefCell<Option<Running>> = const { RefCell::new(None) };
        }

        struct Running {
            analyzer: $analyzer,
            zones: Vec<String>,
        }

        struct Plugin;

        impl about::Guest for Plugin {
            fn describe() -> about::Card {
                let (id, version) = (<$analyzer>::ID.to_owned(), <$analyzer>::VERSION.to_owned());
                about::Card { id, version, api: API.to_owned() }
            }
        }

        impl analyzer::Guest for Plugin {
            fn start(setup: analyzer::Setup) -> Result<(), types::Fault> {
                // Without this an administrator would read of an `unreachable` instruction.
                std::panic::set_hook(Box::new(|panic| write(Level::Error, &panic.to_string())));
                let zones: Vec<Zone> = setup.zones.into_iter().map(zone).collect();
                let names = zones.iter().map(|zone| zone.name.clone()).collect();
                let analyzer = <$analyzer>::start(&setup.settings_json, zones).map_err(types::Fault::Config)?;
                STATE.set(Some(Running { analyzer, zones: names }));
                Ok(())
            }

            fn on_frame(frame: &Frame) -> Result<Vec<types::Mark>, types::Fault> {
                let info = frame.info();
                let luma = frame.luma();
                STATE.with_borrow_mut(|state| {
                    let not_started = || types::Fault::Internal("a frame came before the start".to_owned());
                    let Running { analyzer, zones } = state.as_mut().ok_or_else(not_started)?;
                    let picture =
                        Picture { width: info.width, height: info.height, utc_ns: info.utc_ns, luma: &luma };
                    let marks = analyzer.frame(&picture).map_err(types::Fault::Internal)?;
                    Ok(marks.into_iter().map(|mark| told(mark, zones)).collect())
                })
            }

            fn stop() -> Vec<u8> {
                // A scene is learnt again within seconds, and a picture should not outlive its instance.
                STATE.set(None);
                Vec::new()
            }
        }

        fn zone(zone: analyzer::Zone) -> Zone {
            let outline = zone.outline.iter().map(|point| Corner { x: point.x, y: point.y }).collect();
            Zone { name: zone.name, outline }
        }

        fn told(mark: Mark, zones: &[String]) -> types::Mark {
            let detection = |Seen { class, score, area }: Seen| types::Detection {
                class: class.to_owned(),
                score,
                box_: types::Area { x: area.x, y: area.y, w: area.w, h: area.h },
                track: None,
            };
            types::Mark {
                kind: mark.kind.to_owned(),
                score: mark.score,
                start_utc_ns: mark.start_ns,
                end_utc_ns: mark.end_ns,
                zone: mark.zone.and_then(|number| zones.get(number).cloned()),
                detections: mark.seen.into_iter().map(detection).collect(),
                note: mark.note,
            }
        }
    };
}
