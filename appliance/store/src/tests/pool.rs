//! Several disks: one fails, hangs, goes missing, is swapped, comes back; the box loses its power meanwhile.

mod bench;
mod fail;
mod life;
mod routing;
