//! Small neural networks that say where things are in a picture.
//!
//! * **Enters:** the bytes of an ONNX file, from anybody; a plane of brightness of the size that the model asks for.
//! * **Leaves:** boxes with a score and the number of a class. A model has no way to say anything else.
//! * **Promises:** what a model may be made of is a short list (`ops.rs`), and how much memory and how many multiplications it takes is known and bounded before
//!   anything is computed; a run looks at its time between two operations of the network, each of at most [`NODE_WORK_MAX`]; the same bytes and the same plane
//!   give the same boxes on the same processor: one thread, no random number, no clock in the result.
//! * **Never:** opens a file (a model that keeps its weights elsewhere is refused), starts a thread that outlives the call, panics: what panics within the library
//!   that runs networks is a sentence here.
//! * **Proof:** unit tests beside each file; `tests/hostile.rs` (files that were made to harm, mutations of good ones), `tests/convolve.rs` and
//!   `tests/vehicle.rs` (networks beside the same sums written as plain loops).

mod boxes;
mod graph;
mod net;
pub mod onnx;
mod ops;
mod value;

pub use boxes::{DETECTIONS_MAX, Found, OVERLAP_MAX, ROWS_MAX, SCORE_MIN};
pub use graph::{NODES_MAX, Work};
pub use net::{Model, Stopped};
pub use ops::NODE_WORK_MAX;
pub use value::ELEMENTS_MAX;

/// Bytes of a model's file.
pub const MODEL_BYTES_MAX: usize = 32 << 20;
/// Pixels across and down of the plane that a model asks for.
pub const SIDE_PX_MAX: u32 = 1_920;
/// Multiplications and other steps of one run.
pub const WORK_MAX: u64 = 4_000_000_000;
/// Bytes of the weights and of all that one run computes, as if nothing of it were ever freed.
pub const MEMORY_BYTES_MAX: u64 = 256 << 20;
/// Versions of ONNX's list of operations that are read.
pub const OPSETS: core::ops::RangeInclusive<i64> = 13..=17;
