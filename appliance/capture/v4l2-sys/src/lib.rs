//! The structures of `linux/videodev2.h` that the crate `v4l` names, in the place of `v4l2-sys-mit` 0.3.0.
//!
//! * **Enters:** nothing.
//! * **Leaves:** types; there is no code.
//! * **Promises:** `bindings.rs` is what bindgen 0.72.1 makes of the header of Linux 6.1 (Debian 12), for 64-bit processors with little-endian numbers. The kernel never changes these
//!   structures: their size is part of the number of each call. The codecs' own controls are only as large as they are.
//! * **Never:** runs bindgen in a build.
//! * **Proof:** the sizes below are those in the calls' numbers, as every tracer of system calls prints them.
//!
//! To make it again: `bindgen::Builder` with `allowlist_type("v4l2_(capability|fmtdesc|frmsizeenum|frmivalenum|format|...)")` for each type that
//! `vidioc` of the crate v4l names, `allowlist_var("V4L2_CTRL_FLAG_NEXT_.*")`, `opaque_type("v4l2_ctrl_.*")`, `layout_tests(false)`, `derive_debug(false)`, `generate_comments(false)`.

#[allow(
    missing_docs,
    non_camel_case_types,
    non_snake_case,
    non_upper_case_globals,
    dead_code,
    clippy::all,
    reason = "generated: names and shapes are the kernel's"
)]
mod bindings;

pub use bindings::*;

/// As the C library calls it.
#[allow(non_camel_case_types, reason = "the C library's name")]
pub type time_t = __time_t;

#[cfg(test)]
mod tests {
    use super::*;

    /// Bits 16 to 29 of a call's number are the size of its structure (`asm-generic/ioctl.h`).
    #[test]
    fn structures_are_as_large_as_the_numbers_of_their_calls_say() {
        for (call, number, size) in [
            ("VIDIOC_QUERYCAP", 0x8068_5600_u32, size_of::<v4l2_capability>()),
            ("VIDIOC_ENUM_FMT", 0xC040_5602, size_of::<v4l2_fmtdesc>()),
            ("VIDIOC_S_FMT", 0xC0D0_5605, size_of::<v4l2_format>()),
            ("VIDIOC_REQBUFS", 0xC014_5608, size_of::<v4l2_requestbuffers>()),
            ("VIDIOC_DQBUF", 0xC058_5611, size_of::<v4l2_buffer>()),
            ("VIDIOC_S_PARM", 0xC0CC_5616, size_of::<v4l2_streamparm>()),
            ("VIDIOC_ENUM_FRAMESIZES", 0xC02C_564A, size_of::<v4l2_frmsizeenum>()),
            ("VIDIOC_ENUM_FRAMEINTERVALS", 0xC034_564B, size_of::<v4l2_frmivalenum>()),
            ("VIDIOC_QUERY_EXT_CTRL", 0xC0E8_5667, size_of::<v4l2_query_ext_ctrl>()),
        ] {
            assert_eq!(usize::try_from(number >> 16 & 0x3FFF).unwrap(), size, "{call}");
        }
    }
}
