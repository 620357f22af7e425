//! One export in memory: made, and released by whoever may.

use super::*;

/// Hash of its manifest.
pub(in crate::tests) const MANIFEST: &str = "5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef";

/// Where it can be written to.
pub(in crate::tests) const SINK: &str = "usb/COURT";

/// Asked for by account 3.
fn export(state: api::ExportState) -> api::Export {
    api::Export {
        id: "1".into(),
        case: "7/26".into(),
        cameras: vec![CameraId::new(1).unwrap()],
        start_utc_ms: START_MS,
        end_utc_ms: START_MS + 1000,
        recipient_class: watchbook_access::RecipientClass::Court,
        recipient: "Clerk".into(),
        asked_by: 3,
        asked_by_name: None,
        asked_utc_ms: START_MS,
        state,
        since_utc_ms: START_MS,
        progress: None,
        made: None,
        answer: None,
        trouble: None,
        expires_utc_ms: None,
        delivered_utc_ms: None,
        deliveries: Vec::new(),
        denied: None,
        redaction: None,
    }
}

impl Exports for MemoryBox {
    fn list(&self) -> Result<Vec<api::Export>, Error> {
        self.called();
        let recipient_class = watchbook_access::RecipientClass::DataSubject;
        let released = api::Export { id: "2".into(), recipient_class, ..export(api::ExportState::Released) };
        Ok(vec![export(api::ExportState::Ready), released])
    }

    fn facts(&self, export: u64) -> Option<watchbook_access::ExportNow> {
        let range = TimeRange { start: UtcNanos::from_ms(START_MS), end: UtcNanos::from_ms(START_MS + 1000) };
        let cameras = vec![CameraId::new(1).unwrap()];
        let asked_by = match export {
            1 | 2 => self.asked_by.lock().unwrap().unwrap_or(3),
            8 => 8,
            _ => return None,
        };
        Some(watchbook_access::ExportNow { export, asked_by, case: "7/26".into(), cameras, range })
    }

    fn troubles(&self) -> Vec<String> {
        Vec::new()
    }

    fn sinks(&self) -> Result<api::ExportSinkList, Error> {
        self.called();
        Ok(api::ExportSinkList { sinks: Vec::new(), usb: true })
    }

    fn deliver(&self, grant: Arc<Grant>, delivery: ExportDelivery) -> Result<api::Export, Error> {
        self.called();
        assert!(grant.covers_delivery(delivery.export, &delivery.manifest_sha256, &delivery.sink));
        match delivery.sink == SINK {
            true => Ok(export(api::ExportState::Released)),
            false => Err(Error::not_found("there is no such place")),
        }
    }

    fn estimate(&self, _: &[CameraId], _: TimeRange) -> Result<api::ExportEstimate, Error> {
        self.called();
        Ok(api::ExportEstimate { bytes: 7, seconds: 1, redacted_seconds: 3, free_bytes: 9 })
    }

    fn request(&self, grant: Arc<Grant>, order: ExportOrder) -> Result<api::Export, Error> {
        self.called();
        let range = TimeRange { start: order.range.start, end: order.range.end };
        assert!(order.cameras.iter().all(|camera| grant.covers_footage(*camera, range)));
        Ok(export(api::ExportState::Making))
    }

    fn cancel(&self, _: &Grant, _: u64, _: u32) -> Result<api::Export, Error> {
        self.called();
        Ok(export(api::ExportState::Cancelled))
    }

    fn may_answer(&self, _: u64, _: u32, manifest_sha256: &str) -> Result<(), Error> {
        self.called();
        match manifest_sha256 == MANIFEST {
            true => Ok(()),
            false => Err(Error::new(Kind::Conflict, "it has another manifest")),
        }
    }

    fn answer(&self, grant: &Grant, answer: ExportAnswer) -> Result<api::Export, Error> {
        self.called();
        assert!(
            grant.covers_export_release(answer.export, &answer.manifest_sha256)
                || grant.covers_export_refusal(answer.export, &answer.manifest_sha256)
        );
        match answer.manifest_sha256 == MANIFEST {
            true => Ok(export(api::ExportState::Released)),
            false => Err(Error::new(Kind::Conflict, "it has another manifest")),
        }
    }

    fn open(&self, grant: &Grant, export: u64, _: u32, manifest: &str) -> Result<ExportFile, Error> {
        self.called();
        assert!(grant.covers_delivery(export, manifest, DOWNLOAD));
        if manifest != MANIFEST {
            return Err(Error::new(Kind::Conflict, "it is another bundle by now"));
        }
        Ok(ExportFile { file: Arc::new(Archive), proven: UtcNanos(0) })
    }
}

/// What was brought is `<account> [<reason>]`, about export 1.
impl Decisions for MemoryBox {
    fn check_key(&self, key: &str) -> Result<String, Error> {
        self.called();
        match key.split('+').count() {
            3 => Ok(key.to_owned()),
            _ => Err(Error::invalid("this is no approver's key")),
        }
    }

    fn request(&self, export: &api::Export) -> Result<String, Error> {
        self.called();
        Ok(format!("request {}\n", export.id))
    }

    fn read(&self, text: &str, keys: &[(u32, String)]) -> Result<SignedDecision, Error> {
        self.called();
        let (account, reason) = text.split_once(' ').unwrap_or((text, ""));
        let account: u32 = account.parse().map_err(|_| Error::invalid("no decision"))?;
        if !keys.iter().any(|(of, _)| *of == account) {
            return Err(Error::new(Kind::Denied, "no enrolled approver has signed this"));
        }
        let refusal = Some(reason.to_owned()).filter(|reason| !reason.is_empty());
        Ok(SignedDecision { export: 1, manifest_sha256: MANIFEST.to_owned(), account, refusal })
    }

    fn taken(&self, export: u64) -> Result<(), Error> {
        self.called();
        assert_eq!(export, 1);
        Ok(())
    }
}

struct Archive;

impl watchbook_media::ByteFile for Archive {
    fn len(&self) -> u64 {
        7
    }

    fn read_at(&self, offset: u64, len_max: usize, _: &dyn SpanSource) -> Result<Bytes, watchbook_media::Error> {
        let all = Bytes::from_static(b"archive");
        let from = usize::try_from(offset).unwrap();
        Ok(all.slice(from..(from + len_max).min(all.len())))
    }
}
