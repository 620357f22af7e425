//! One export in memory: made, and released by whoever may.

use super::*;

/// Hash of its manifest.
pub(in crate::tests) const MANIFEST: &str = "5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef";

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
        redaction: None,
    }
}

impl Exports for MemoryBox {
    fn list(&self) -> Result<Vec<api::Export>, Error> {
        self.called();
        Ok(vec![export(api::ExportState::Ready)])
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
        assert!(grant.covers_delivery(export, manifest));
        Ok(ExportFile { file: Arc::new(Archive), released: UtcNanos(0) })
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
