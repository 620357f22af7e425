//! Length-prefixed access units and decoder configuration records to the byte stream format (ISO/IEC 14496-10 Annex B) that libavcodec takes without
//! any set-up. Pure.

use watchbook_analysis::message::Coding;

const START: [u8; 4] = [0, 0, 0, 1];

/// Reads one big-endian field and moves on.
fn take<'a>(bytes: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (head, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    Some(head)
}

fn take_u16(bytes: &mut &[u8]) -> Option<usize> {
    take(bytes, 2).map(|field| usize::from(field[0]) << 8 | usize::from(field[1]))
}

fn take_unit(bytes: &mut &[u8], out: &mut Vec<u8>) -> Option<()> {
    let length = take_u16(bytes)?;
    let unit = take(bytes, length)?;
    out.extend_from_slice(&START);
    out.extend_from_slice(unit);
    Some(())
}

/// The parameter sets of an `avcC` or `hvcC`, each behind a start code; `None` when the record is damaged. An empty record gives nothing: the access
/// units carry their parameter sets themselves then.
pub(crate) fn parameter_sets(coding: Coding, config: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    if config.is_empty() {
        return Some(out);
    }
    let mut rest = config;
    match coding {
        // ISO/IEC 14496-15 §5.3.3.1.2: 5 bytes, 5 low bits = number of SPS; SPS; number of PPS; PPS.
        Coding::H264 => {
            take(&mut rest, 5)?;
            let sps = take(&mut rest, 1)?[0] & 0x1F;
            for _ in 0..sps {
                take_unit(&mut rest, &mut out)?;
            }
            let pps = take(&mut rest, 1)?[0];
            for _ in 0..pps {
                take_unit(&mut rest, &mut out)?;
            }
        }
        // §8.3.3.1.2: 22 bytes, number of arrays; each array: type, number of NAL units, units.
        Coding::H265 => {
            take(&mut rest, 22)?;
            let arrays = take(&mut rest, 1)?[0];
            for _ in 0..arrays {
                take(&mut rest, 1)?;
                for _ in 0..take_u16(&mut rest)? {
                    take_unit(&mut rest, &mut out)?;
                }
            }
        }
        // Every JPEG has all that it needs.
        Coding::Mjpeg => {}
    }
    Some(out)
}

/// Replaces each 4-byte length by a start code of the same size. False when the lengths do not add up.
pub(crate) fn to_start_codes(unit: &mut [u8]) -> bool {
    let mut at = 0;
    while at < unit.len() {
        let Some(field) = unit.get(at..at + 4) else { return false };
        let length = field.iter().fold(0_usize, |value, byte| value << 8 | usize::from(*byte));
        if length == 0 || length > unit.len() - at - 4 {
            return false;
        }
        unit[at..at + 4].copy_from_slice(&START);
        at += 4 + length;
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn parameter_sets_come_out_of_both_records() {
        let avcc = [1, 0x64, 0, 0x1F, 0xFF, 0xE1, 0, 3, 0x67, 1, 2, 1, 0, 2, 0x68, 3];
        let expected = [0, 0, 0, 1, 0x67, 1, 2, 0, 0, 0, 1, 0x68, 3];
        assert_eq!(parameter_sets(Coding::H264, &avcc).unwrap(), expected);
        assert_eq!(parameter_sets(Coding::H264, &avcc[..avcc.len() - 1]), None);

        let mut hvcc = vec![0; 22];
        hvcc.extend([2, 0x20, 0, 1, 0, 1, 0x40, 0x21, 0, 2, 0, 1, 0x42, 0, 2, 0x42, 9]);
        let expected = [0, 0, 0, 1, 0x40, 0, 0, 0, 1, 0x42, 0, 0, 0, 1, 0x42, 9];
        assert_eq!(parameter_sets(Coding::H265, &hvcc).unwrap(), expected);
        assert_eq!(parameter_sets(Coding::H265, &[]).unwrap(), []);
    }

    #[test]
    fn lengths_become_start_codes_in_place() {
        let mut unit = vec![0, 0, 0, 2, 0x65, 1, 0, 0, 0, 1, 0x06];
        assert!(to_start_codes(&mut unit));
        assert_eq!(unit, [0, 0, 0, 1, 0x65, 1, 0, 0, 0, 1, 0x06]);
        for broken in [vec![0, 0, 0, 3, 1, 2], vec![0, 0, 0, 0], vec![0, 0, 0], vec![0xFF; 8]] {
            assert!(!to_start_codes(&mut broken.clone()), "{broken:?}");
        }
    }

    proptest! {
        #[test]
        fn no_record_and_no_unit_panics(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            for coding in [Coding::H264, Coding::H265, Coding::Mjpeg] {
                if let Some(out) = parameter_sets(coding, &bytes) {
                    // Each unit is at most twice its length field plus itself.
                    prop_assert!(out.len() <= bytes.len() * 2);
                }
            }
            let mut unit = bytes.clone();
            to_start_codes(&mut unit);
            prop_assert_eq!(unit.len(), bytes.len());
        }
    }
}
