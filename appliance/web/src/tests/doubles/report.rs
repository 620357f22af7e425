//! Reports in memory: one entry, number 7, waits for an auditor.

use super::*;

/// Bytes of the report.
pub(in crate::tests) const REPORT: &str = r#"{"month":"2026-11"}"#;

impl Reports for MemoryBox {
    fn report(&self, month: Option<&str>) -> Result<PublicReport, Error> {
        self.called();
        match month {
            None | Some("2026-11") => Ok(PublicReport { json: REPORT.as_bytes().into(), text: "November".into() }),
            Some(_) => Err(Error::not_found("there is no report of this month")),
        }
    }

    fn months(&self) -> Vec<api::ReportMonth> {
        self.called();
        Vec::new()
    }

    fn waiting(&self) -> Result<Vec<WaitingReview>, Error> {
        self.called();
        let entry_json = br#"{"account":3,"action":"playback","camera":1,"outcome":"allowed"}"#.to_vec();
        let record = AuditRecord { index: 7, at: UtcNanos::from_ms(START_MS), entry_json };
        Ok(vec![WaitingReview { record, due: None }])
    }

    fn answered(&self, entry: u64) -> Result<(), Error> {
        self.called();
        if entry == 7 { Ok(()) } else { Err(Error::not_found("nobody waits for it")) }
    }

    fn anomalies(&self, offset_min: i64) -> Result<Vec<api::Anomaly>, Error> {
        self.called();
        Ok(vec![api::Anomaly {
            rule: "odd_hours".to_owned(),
            account: Some(1),
            account_name: None,
            camera: None,
            day: "2026-11-09".to_owned(),
            count: offset_min.unsigned_abs(),
            limit: 5,
            entries: vec![7],
        }])
    }

    fn leaves(&self, from: u64) -> Result<Vec<StoredLeaf>, Error> {
        self.called();
        Ok((from..2).map(|index| StoredLeaf { index, bytes: vec![1, 0xAB] }).collect())
    }
}
