//! The audit log's checkpoints in memory.

use super::*;

/// As the last checkpoint of the box in memory says.
pub(in crate::tests) const SIGNED: u64 = 7;
pub(in crate::tests) const CHECKPOINT: &str =
    "watchbook.station/0011\n7\nAAAA\n\n\u{2014} watchbook.station/0011 BBBB\n";

impl Checkpoints for MemoryBox {
    fn shown(&self) -> api::LogCheckpoint {
        self.called();
        api::LogCheckpoint {
            origin: "watchbook.station/0011".to_owned(),
            key: Some("watchbook.station/0011+00000000+AAAA".to_owned()),
            signed_entries: SIGNED,
            signed_utc_ms: Some(START_MS),
            root: Some("00".repeat(32)),
            checkpoint: Some(CHECKPOINT.to_owned()),
            retired_keys: Vec::new(),
            refusal: None,
        }
    }

    fn witnesses(&self) -> Result<Vec<api::LogWitness>, Error> {
        self.called();
        Ok(Vec::new())
    }

    fn trust_witness(&self, key: &str) -> Result<api::LogWitness, Error> {
        self.called();
        let name = key.split('+').next().unwrap_or_default().to_owned();
        Ok(api::LogWitness {
            name,
            key: key.to_owned(),
            since_utc_ms: START_MS,
            cosigned_entries: None,
            cosigned_utc_s: None,
        })
    }

    fn distrust_witness(&self, name: &str) -> Result<(), Error> {
        self.called();
        match name {
            "w1" => Ok(()),
            _ => Err(Error::not_found(format!("there is no witness {name}"))),
        }
    }

    fn import(&self, _text: &str) -> Result<api::LogImport, Error> {
        self.called();
        Ok(api::LogImport { continues_entries: Some(SIGNED), cosigned: Vec::new() })
    }

    fn cosigned(&self) -> Result<Option<String>, Error> {
        self.called();
        Ok(Some(CHECKPOINT.to_owned()))
    }

    fn pushes(&self) -> Result<Vec<api::LogPush>, Error> {
        self.called();
        Ok(Vec::new())
    }

    fn set_push(&self, witness: &str, _url: Option<&PushUrl>) -> Result<(), Error> {
        self.push_now(witness)
    }

    fn push_now(&self, witness: &str) -> Result<(), Error> {
        self.distrust_witness(witness)
    }

    fn change_key(&self) -> Result<(), Error> {
        self.called();
        Ok(())
    }

    fn tile(&self, path: &str) -> Result<Vec<u8>, Error> {
        self.called();
        match path {
            "tile/0/000.p/7" => Ok(vec![7; 7 * 32]),
            "tile/entries/000.p/7" => Ok(b"entries".to_vec()),
            _ => Err(Error::not_found("no such tile")),
        }
    }

    fn entry_proof(&self, index: u64) -> Result<String, Error> {
        self.called();
        if index >= SIGNED {
            return Err(Error::new(Kind::Unavailable, "not signed yet"));
        }
        Ok(format!("c2sp.org/tlog-proof@v1\nindex {index}\n\n{CHECKPOINT}"))
    }

    fn witness_request(&self, old: u64) -> Result<String, Error> {
        self.called();
        if old > SIGNED {
            return Err(Error::not_found("fewer entries"));
        }
        Ok(format!("old {old}\n\n{CHECKPOINT}"))
    }

    fn alarms(&self) -> Vec<api::Alarm> {
        let text = "ROLLBACK: a tree of 9 entries was signed".to_owned();
        vec![api::Alarm { kind: api::AlarmKind::LogUnsigned, disk: None, camera: None, since_utc_ms: None, text }]
    }
}

/// Wraps by turning every bit over, and by the name before it.
impl Secrets for MemoryBox {
    fn wrap(&self, name: &str, secret: &[u8; SECRET_BYTES]) -> Result<Vec<u8>, Error> {
        let turned = secret.iter().map(|byte| !byte);
        Ok(name.bytes().chain(turned).collect())
    }

    fn unwrap(&self, name: &str, wrapped: &[u8]) -> Result<zeroize::Zeroizing<[u8; SECRET_BYTES]>, Error> {
        let secret = wrapped.strip_prefix(name.as_bytes()).and_then(|turned| turned.try_into().ok());
        let secret: [u8; SECRET_BYTES] = secret.ok_or_else(|| Error::new(Kind::Corrupt, "not wrapped here"))?;
        Ok(zeroize::Zeroizing::new(secret.map(|byte| !byte)))
    }
}
