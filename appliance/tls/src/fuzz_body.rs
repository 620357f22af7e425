//! What must hold for any certificate that somebody gives. Run here on a corpus and in `tests/fuzz` by libFuzzer; it panics when a promise is broken.

use crate::facts::Facts;
use crate::given::Given;
use watchbook_base::UtcNanos;

/// `data` as a certificate (DER), and as the two files of an upload with an empty line between them: what is taken is valid now and is for a name.
pub fn certificate(data: &[u8]) {
    if let Ok(facts) = Facts::of(data) {
        assert_eq!(facts.sha256.len(), 95);
        assert!(facts.names.iter().all(|name| !name.contains(char::is_whitespace)));
    }
    let now = UtcNanos(1_796_083_200 * 1_000_000_000);
    let gap = data.windows(2).position(|two| two == b"\n\n");
    let (chain, key) = gap.map_or((data, &[][..]), |at| data.split_at(at));
    if let Ok(given) = Given::read(chain, key, now) {
        let facts = &given.certified.facts;
        assert!(facts.not_before_s * 1_000_000_000 <= now.0 && now.0 < facts.not_after_s.saturating_mul(1_000_000_000));
        assert!(!facts.names.is_empty());
    }
}

#[cfg(test)]
#[path = "../../../tests/fuzz/corpus.rs"]
mod corpus;

#[cfg(test)]
mod tests {
    use super::certificate;
    use crate::fuzz_body::corpus::over_corpus;
    use crate::{KeptAuthority, Names};
    use watchbook_base::UtcNanos;

    #[test]
    fn any_certificate() {
        let names = Names::new("yard", ["192.168.7.2".parse().unwrap()]);
        let secret = [3; 32];
        let kept = KeptAuthority::make(&names, UtcNanos(1_796_083_200 * 1_000_000_000), &secret).unwrap();
        let made = kept.open(&secret).unwrap().certificate().to_vec();
        assert!(
            over_corpus(
                "certificate",
                certificate,
                &[made, b"-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n".to_vec()],
            ) > 0
        );
    }
}
