//! Reading parameter sets bit by bit. Every read is checked: parameter sets come from the network.

/// Why a read failed, to be put behind what was attempted.
pub(crate) type Reason = &'static str;

const SHORT: Reason = "it ends too early";

/// Bits of a NAL unit without its emulation prevention bytes (ITU-T H.264 and H.265 §7.3.1.1).
#[derive(Debug)]
pub(crate) struct Bits {
    bytes: Vec<u8>,
    at: usize,
}

impl Bits {
    /// Of `nal`, header included.
    pub(crate) fn of_nal(nal: &[u8]) -> Self {
        let mut bytes = Vec::with_capacity(nal.len());
        let mut zeros = 0;
        for &byte in nal {
            if zeros >= 2 && byte == 3 {
                zeros = 0;
                continue;
            }
            zeros = if byte == 0 { zeros + 1 } else { 0 };
            bytes.push(byte);
        }
        Self { bytes, at: 0 }
    }

    /// The bytes from byte `start` on, as far as they are there.
    pub(crate) fn bytes_at(&self, start: usize, len: usize) -> Option<&[u8]> {
        self.bytes.get(start..start.checked_add(len)?)
    }

    /// One bit.
    pub(crate) fn flag(&mut self) -> Result<bool, Reason> {
        let byte = self.bytes.get(self.at / 8).ok_or(SHORT)?;
        let bit = byte >> (7 - self.at % 8) & 1;
        self.at += 1;
        Ok(bit == 1)
    }

    /// `count` bits, 32 at most, most significant first: `u(n)` of §7.2.
    pub(crate) fn bits(&mut self, count: u32) -> Result<u32, Reason> {
        let mut value = 0;
        for _ in 0..count.min(32) {
            value = value << 1 | u32::from(self.flag()?);
        }
        Ok(value)
    }

    /// Eight bits or fewer.
    pub(crate) fn small(&mut self, count: u32) -> Result<u8, Reason> {
        u8::try_from(self.bits(count.min(8))?).map_err(|_| SHORT)
    }

    /// Passes over `count` bits.
    pub(crate) fn skip(&mut self, count: usize) -> Result<(), Reason> {
        let at = self.at.checked_add(count).filter(|at| *at <= self.bytes.len().saturating_mul(8));
        self.at = at.ok_or(SHORT)?;
        Ok(())
    }

    /// An Exp-Golomb code up to 2³² − 2: `ue(v)` of §9.1 (H.264), §9.2 (H.265).
    pub(crate) fn ue(&mut self) -> Result<u32, Reason> {
        let mut zeros = 0;
        while !self.flag()? {
            zeros += 1;
            if zeros > 31 {
                return Err("a number is over 32 bits");
            }
        }
        let rest = self.bits(zeros)?;
        Ok((1_u32 << zeros) - 1 + rest)
    }

    /// [`Bits::ue`] of at most `max`.
    pub(crate) fn ue_max(&mut self, max: u32, what: Reason) -> Result<u32, Reason> {
        self.ue()?.le_or(max, what)
    }

    /// A signed Exp-Golomb code, whose value nobody needs.
    pub(crate) fn skip_se(&mut self) -> Result<(), Reason> {
        self.ue().map(|_| ())
    }

    /// As [`Bits::skip_se`], with its value: `se(v)` of §9.1.1.
    pub(crate) fn se(&mut self) -> Result<i64, Reason> {
        let code = i64::from(self.ue()?);
        Ok(if code % 2 == 1 { code / 2 + 1 } else { -(code / 2) })
    }
}

trait AtMost: Sized {
    fn le_or(self, max: Self, what: Reason) -> Result<Self, Reason>;
}

impl AtMost for u32 {
    fn le_or(self, max: Self, what: Reason) -> Result<Self, Reason> {
        if self <= max { Ok(self) } else { Err(what) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exp_golomb_codes_are_those_of_the_standard() {
        // ITU-T H.264 table 9-2: 1, 010, 011, 00100, 00101 are 0, 1, 2, 3, 4; table 9-3 maps them to 0, 1, -1, 2, -2.
        let nal = [0b1010_0110, 0b0100_0010, 0b1000_0000];
        let mut bits = Bits::of_nal(&nal);
        assert_eq!((0..5).map(|_| bits.ue().unwrap()).collect::<Vec<_>>(), [0, 1, 2, 3, 4]);
        let mut bits = Bits::of_nal(&nal);
        assert_eq!((0..5).map(|_| bits.se().unwrap()).collect::<Vec<_>>(), [0, 1, -1, 2, -2]);
        let mut largest = Bits::of_nal(&[0, 0, 3, 0, 1, 0xFF, 0xFF, 0xFF, 0xFF]);
        assert_eq!(largest.ue(), Ok(u32::MAX - 1), "31 zeros, read through an emulation prevention byte");
        assert!(Bits::of_nal(&[0; 40]).ue().is_err());
        assert!(Bits::of_nal(&[0]).ue().is_err());
        assert!(Bits::of_nal(&[0]).skip(9).is_err());
    }
}
