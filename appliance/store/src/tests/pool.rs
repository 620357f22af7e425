//! Several disks: one fails, hangs, goes missing, is swapped, comes back; the box loses its power meanwhile.

pub(crate) mod bench;
mod fail;
mod life;
mod routing;
