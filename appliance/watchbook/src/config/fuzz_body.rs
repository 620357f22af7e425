//! What must hold for any configuration file. Run here on a corpus and in `tests/fuzz` by libFuzzer; it panics when a promise is broken.

use super::{CONFIG_BYTES_MAX, Config, EXPORT_SINKS_MAX};

/// What is read and passes its check has rings that have room, places that are no path from outside, and a text for the page.
pub fn config(data: &[u8]) {
    let Some(text) = core::str::from_utf8(data).ok().filter(|text| text.len() as u64 <= CONFIG_BYTES_MAX) else {
        return;
    };
    let Ok(config) = toml::from_str::<Config>(text) else { return };
    if let Err(why) = config.check() {
        assert!(!why.is_empty());
        return;
    }
    let rings = config.storage.rings();
    assert!(!rings.is_empty() && rings.iter().all(|(_, bytes)| (30 << 20..=1 << 50).contains(bytes)));
    assert!(config.storage.vault_bytes() <= 1 << 50);
    assert!(rings.iter().all(|(dir, _)| *dir != config.storage.vault_path()));
    assert!(config.exports.sinks.len() <= EXPORT_SINKS_MAX);
    assert!(config.exports.sinks.iter().all(|sink| sink.dir.is_absolute() && !sink.name.contains('/')));
    let office = config.public.office();
    assert_eq!(office.clone().tidied(), Ok(office), "what is tidy stays");
}

#[cfg(test)]
#[path = "../../../../tests/fuzz/corpus.rs"]
mod corpus;

#[cfg(test)]
mod tests {
    use super::config;
    use crate::config::EXAMPLE;
    use crate::config::fuzz_body::corpus::over_corpus;

    #[test]
    fn any_file() {
        let texts = [
            EXAMPLE,
            "[storage]\nring_dir = '/a'\nring_gib = 2.0\nmaster_key = 'credential:k'\n[[storage.disk]]\nring_dir = '/b'\nring_gib = 4.0\n",
            "[web]\nlisten = '[::]:80'\ntls = 'files'\ntls_certificate = '/c'\ntls_key = '/k'\n[cameras]\nnetworks = ['10.0.0.0/8']\n",
            "[exports]\nusb_root = '/media'\n[[exports.sinks]]\nname = 'a'\ndir = '/x'\n[public]\nname = 's'\naddress = 'https://a:1'\n\
             request_answer_days = 9\n[[camera]]\nname = 'c'\nmain_url = 'rtsp://u:p@10.0.0.1/'\nplugins = ['a.b']\n",
        ];
        assert!(over_corpus("config", config, &texts.map(|text| text.as_bytes().to_vec())) > 0);
    }
}
