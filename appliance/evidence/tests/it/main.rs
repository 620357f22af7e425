//! Tests of the library from outside.

mod fuzz_bodies;
mod fuzz_smoke;
mod ten_million;
