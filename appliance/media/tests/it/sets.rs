//! Parameter sets of known streams, read without other programs.

use crate::fuzz_smoke::{H264_BASELINE, H264_HIGH_422, H265_MAIN_10, unhex};
use watchbook_media::h26x::{Colour, ParameterSets, Standard, parameter_sets};
use watchbook_media::sample_entry::codec_string;
use watchbook_media::{h264, h265};

/// ITU-T H.273: BT.709 has number 1 in all three tables.
const BT_709: Option<Colour> = Some(Colour { primaries: 1, transfer: 1, matrix: 1, full_range: false });

#[test]
fn sequence_parameter_sets_tell_size_profile_and_shape() {
    let sps = h264::Sps::parse(&unhex(H264_HIGH_422[0])).unwrap();
    assert_eq!((sps.width, sps.height, sps.profile, sps.level), (1282, 722, 122, 32));
    assert_eq!((sps.chroma_format, sps.bit_depth_luma, sps.bit_depth_chroma), (2, 10, 10));
    assert_eq!((sps.display.pixel_aspect, sps.display.colour), (Some((4, 3)), BT_709));
    let sps = h264::Sps::parse(&unhex(H264_BASELINE[0])).unwrap();
    assert_eq!((sps.width, sps.height, sps.profile, sps.constraints, sps.level), (1282, 722, 66, 0xC0, 32));
    let sps = h265::Sps::parse(&unhex(H265_MAIN_10[1])).unwrap();
    assert_eq!((sps.width, sps.height, sps.profile(), sps.level()), (1282, 722, 2, 93));
    assert_eq!((sps.chroma_format, sps.bit_depth_luma, sps.sub_layers, sps.nested), (1, 10, 1, true));
    assert_eq!((sps.display.pixel_aspect, sps.display.colour), (Some((4, 3)), BT_709));
}

#[test]
fn a_format_is_there_when_every_kind_of_set_has_come() {
    for (standard, sets, name) in [
        (Standard::H264, &H264_BASELINE[..], "avc1.42C020"),
        (Standard::H264, &H264_HIGH_422[..], "avc1.7A0020"),
        (Standard::H265, &H265_MAIN_10[..], "hvc1.2.4.L93.90"),
    ] {
        let mut seen = ParameterSets::new(standard);
        // In the wrong order, the last one repeated.
        for set in sets.iter().rev() {
            assert_eq!(seen.format().unwrap(), None);
            assert!(seen.push(&unhex(set)).unwrap());
        }
        assert!(!seen.push(&unhex(sets[0])).unwrap(), "nothing new");
        let format = seen.format().unwrap().unwrap();
        assert_eq!(format.codec.dimensions(), Some((1282, 722)));
        assert_eq!(codec_string(&format).unwrap(), name);
        let listed: Vec<Vec<u8>> = parameter_sets(&format).unwrap().into_iter().map(<[u8]>::to_vec).collect();
        assert_eq!(listed, sets.iter().map(|set| unhex(set)).collect::<Vec<_>>());
    }
}

#[test]
fn a_set_that_is_cut_short_is_refused() {
    for set in [H264_HIGH_422[0], H264_BASELINE[0]] {
        let set = unhex(set);
        assert!((0..8).all(|len| h264::Sps::parse(&set[..len]).is_err()));
    }
    let set = unhex(H265_MAIN_10[1]);
    assert!((0..24).all(|len| h265::Sps::parse(&set[..len]).is_err()));
}

#[test]
fn sets_without_end_are_refused() {
    let mut seen = ParameterSets::new(Standard::H264);
    let mut last = Ok(true);
    // Picture parameter sets with the numbers 0, 1, 2 … as Exp-Golomb codes of 13 bits.
    for number in 0..60_u16 {
        let code = (64 + number) << 3 | 4;
        last = seen.push(&[&[0x68], &code.to_be_bytes()[..]].concat());
    }
    assert_eq!(last.unwrap_err().kind, watchbook_base::Kind::Exhausted);
    let mut large = unhex(H264_BASELINE[0]);
    large.resize(9000, 0x55);
    assert_eq!(seen.push(&large).unwrap_err().kind, watchbook_base::Kind::Exhausted);
}
