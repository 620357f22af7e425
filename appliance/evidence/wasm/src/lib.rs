//! The verifier of evidence bundles for a browser: `watchbook_evidence::bundle::verify`, and texts in and out.
//!
//! * **Enters:** what a person gives beside the bundle, names and lengths of the files they chose, and their bytes, which the worker of the page reads piece by piece.
//! * **Leaves:** the lines that `watchbook-verify` prints, its exit code, and what the page shows of the bundle.
//! * **Promises:** every check is the one of `watchbook-verify`; at most [`PIECE_BYTES`] of a file are held at a time beside the manifest and the proofs.
//! * **Never:** asks for anything but bytes of the files that were given; knows no network, no clock and no other file.
//! * **Proof:** `tests/browser/verify.test.mjs`, and `appliance/web/ui/src/verify/matrix.check.ts`: on each bundle of the matrix every line is that of `watchbook-verify`.
#![cfg_attr(not(test), deny(clippy::indexing_slicing))]

mod ask;
#[cfg(target_family = "wasm")]
#[allow(
    unsafe_code,
    reason = "the functions that a module imports and exports have no safe form; they are all in this file"
)]
mod door;
mod files;

pub use ask::{Answer, Ask, File, Told, answer};
pub use files::{PIECE_BYTES, Source};
