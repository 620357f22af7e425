//! Codes that change with the time (TOTP, RFC 6238), in the one form that every authenticator program takes: SHA-1, six digits, 30 seconds.

use crate::ports::SECRET_BYTES;
use totp_rs::{Builder, Totp};
use watchbook_base::UtcNanos;
use watchbook_base::time::NANOS_PER_SEC;

/// Seconds that one code is shown (RFC 6238 section 5.2).
const STEP_S: u64 = 30;
/// Digits of a code.
pub(super) const DIGITS: usize = 6;
/// Steps before and after the present one whose codes are taken: for a telephone whose clock is off, and for whoever types slowly.
const SKEW_STEPS: u64 = 1;
/// Bytes of the key (RFC 4226 section 4, R6): the first of the stored secret. 32 characters to type where there is no camera for the QR code.
const KEY_BYTES: usize = 20;
/// RFC 4648 section 6.
const BASE32: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

fn key_of(secret: &[u8; SECRET_BYTES]) -> [u8; KEY_BYTES] {
    core::array::from_fn(|at| secret[at])
}

/// The key as authenticator programs take it when it is typed.
pub(super) fn key_text(secret: &[u8; SECRET_BYTES]) -> String {
    let digit = |bits: u64| char::from(BASE32[usize::try_from(bits & 31).unwrap_or(0)]);
    let key = key_of(secret);
    let (groups, _) = key.as_chunks::<5>();
    let bits = groups.iter().map(|group| group.iter().fold(0_u64, |bits, byte| bits << 8 | u64::from(*byte)));
    bits.flat_map(|bits| (0..8).map(move |place| digit(bits >> (35 - 5 * place)))).collect()
}

/// The same as an address for a QR code (Google's "Key Uri Format", which all of them read). `account` is shown in the program.
pub(super) fn key_address(secret: &[u8; SECRET_BYTES], account: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~');
    let part = |byte: u8| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
    let label: String = account.bytes().map(part).collect();
    let key = key_text(secret);
    format!(
        "otpauth://totp/Watchbook:{label}?secret={key}&issuer=Watchbook&algorithm=SHA1&digits={DIGITS}&period={STEP_S}"
    )
}

/// The step whose code this is, among those that are taken now and lie after `last_step`, the last that was taken; spaces do not matter. Each step
/// is looked at, so that the time tells nothing.
pub(super) fn step_of(secret: &[u8; SECRET_BYTES], code: &str, now: UtcNanos, last_step: u64) -> Option<u64> {
    let typed: String = code.chars().filter(|c| !c.is_whitespace()).take(DIGITS + 1).collect();
    let totp = of(key_of(secret), 6);
    let step = u64::try_from(now.0 / NANOS_PER_SEC).ok()? / STEP_S;
    let mut found = None;
    for step in step.saturating_sub(SKEW_STEPS)..=step + SKEW_STEPS {
        let wanted = totp.generate(step * STEP_S).to_string();
        let same = aws_lc_rs::constant_time::verify_slices_are_equal(wanted.as_bytes(), typed.as_bytes()).is_ok();
        if same && step > last_step {
            found = Some(step);
        }
    }
    found
}

fn of(key: [u8; KEY_BYTES], digits: u8) -> Totp {
    Builder::new().with_digits(digits).with_step_duration(STEP_S).with_secret(key).build_noncompliant()
}

/// The code at this moment, for tests that hold the key.
#[cfg(test)]
pub(crate) fn code_at(key_text: &str, now: UtcNanos) -> String {
    let digits = key_text.bytes().map(|digit| BASE32.iter().position(|one| *one == digit).unwrap());
    let bits: Vec<bool> = digits.flat_map(|digit| (0..5).rev().map(move |place| digit >> place & 1 == 1)).collect();
    let key: Vec<u8> =
        bits.chunks_exact(8).map(|byte| byte.iter().fold(0, |sum, bit| sum << 1 | u8::from(*bit))).collect();
    of(key.try_into().unwrap(), 6).generate((now.0 / NANOS_PER_SEC).try_into().unwrap()).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret() -> [u8; SECRET_BYTES] {
        let mut secret = [0; SECRET_BYTES];
        secret[..20].copy_from_slice(b"12345678901234567890");
        secret
    }

    fn at(second: i64) -> UtcNanos {
        UtcNanos(second * NANOS_PER_SEC)
    }

    /// RFC 6238 appendix B, the rows of SHA-1; a code of six digits is the end of one of eight (RFC 4226 section 5.3).
    const VECTORS: [(i64, &str); 6] = [
        (59, "94287082"),
        (1_111_111_109, "07081804"),
        (1_111_111_111, "14050471"),
        (1_234_567_890, "89005924"),
        (2_000_000_000, "69279037"),
        (20_000_000_000, "65353130"),
    ];

    #[test]
    fn codes_are_those_of_the_standard() {
        // 20,000,000,000 s lies behind the range of UtcNanos.
        for (second, code) in VECTORS {
            let time = u64::try_from(second).unwrap();
            assert_eq!(of(key_of(&secret()), 8).generate(time).to_string(), code);
        }
        for (second, code) in VECTORS.iter().filter(|(second, _)| *second < 9_000_000_000) {
            let step = u64::try_from(*second).unwrap() / 30;
            assert_eq!(step_of(&secret(), &code[2..], at(*second), 0), Some(step), "{code}");
        }
    }

    #[test]
    fn a_code_is_taken_one_step_early_or_late_and_once() {
        let (code, step) = ("050471", 1_111_111_111 / 30);
        for (second, taken) in [(-32, false), (-31, true), (0, true), (29, true), (58, true), (59, false)] {
            // 1,111,111,111 is the second second of its step.
            let found = step_of(&secret(), code, at(1_111_111_111 + second), 0);
            assert_eq!(found, taken.then_some(step), "{second} s");
        }
        assert_eq!(step_of(&secret(), code, at(1_111_111_111), step), None, "a second time");
        assert_eq!(step_of(&secret(), code, at(1_111_111_111), step + 1), None, "after a later one");
        assert_eq!(step_of(&secret(), " 050 471 ", at(1_111_111_111), step - 1), Some(step));
        for wrong in ["", "05047", "0504711", "050472", "+50471", "٠٥٠٤٧١", "000000"] {
            assert_eq!(step_of(&secret(), wrong, at(1_111_111_111), 0), None, "{wrong}");
        }
    }

    #[test]
    fn the_key_is_written_as_authenticator_programs_read_it() {
        // `printf 12345678901234567890 | base32` of GNU coreutils.
        assert_eq!(key_text(&secret()), "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ");
        let address = key_address(&secret(), "Sok & សុខា");
        assert!(address.starts_with("otpauth://totp/Watchbook:Sok%20%26%20%E1%9E%9F"), "{address}");
        assert!(
            address
                .contains("secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=Watchbook&algorithm=SHA1&digits=6&period=30")
        );
    }

    /// GNU oath-toolkit's `oathtool`, where it is installed, gives the same codes for keys of ours.
    #[test]
    fn another_program_gives_the_same_codes() {
        let code = |key: &str, second: i64| {
            let now = format!("--now=@{second}");
            std::process::Command::new("oathtool").args(["--totp", "--base32", &now, key]).output()
        };
        for seed in 0..8_u8 {
            let secret = core::array::from_fn(|at| seed.wrapping_mul(37).wrapping_add(at as u8).wrapping_mul(91));
            let second = 1_795_478_400 + i64::from(seed) * 1_000_003;
            let key = key_text(&secret);
            let Ok(told) = code(&key, second) else {
                let why = "no oathtool: codes of the second factor were compared with those of RFC 6238 alone";
                eprintln!("NOT TESTED: {why}");
                if let Some(path) = std::env::var_os("WATCHBOOK_NOT_TESTED") {
                    use std::io::Write as _;
                    let file = std::fs::OpenOptions::new().append(true).create(true).open(path);
                    writeln!(file.unwrap(), "{why}").unwrap();
                }
                return;
            };
            let told = String::from_utf8(told.stdout).unwrap();
            assert_eq!(step_of(&secret, told.trim(), at(second), 0), Some(second as u64 / 30), "{key}");
            assert_eq!(code_at(&key, at(second)), told.trim());
        }
    }
}
