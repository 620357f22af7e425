//! Proposals in memory.

use super::{MemoryBox, START_MS};
use crate::api::{self, ProposalKind};
use crate::error::Error;
use crate::ports::*;
use watchbook_base::{CameraId, Kind, UtcNanos};

/// What the double holds; one tag on camera 1 to begin with.
pub(in crate::tests) struct MemoryProposals(pub(in crate::tests) Vec<ProposalRow>);

impl Default for MemoryProposals {
    fn default() -> Self {
        Self(vec![proposal(1, 1, ProposalKind::Tag)])
    }
}

/// A proposal of this kind on this camera.
pub(in crate::tests) fn proposal(id: u64, camera: u32, kind: ProposalKind) -> ProposalRow {
    let footage = matches!(kind, ProposalKind::Hold | ProposalKind::ExportClip);
    ProposalRow {
        id,
        at: UtcNanos::from_ms(START_MS + 2000),
        camera: CameraId::new(camera).unwrap(),
        event: api::ProposalEvent {
            kind: "motion".into(),
            plugin: "org.watchbook.motion".into(),
            start_utc_ms: START_MS,
            end_utc_ms: None,
        },
        rule: api::ProposalRule {
            plugin: "org.city.night".into(),
            version: "1.0.0".into(),
            component_sha256: "ab".repeat(32),
        },
        kind,
        clip: footage.then_some(api::ProposalClip {
            from_utc_ms: START_MS,
            to_utc_ms: START_MS + 60_000,
            case: None,
            approvals: 0,
        }),
        text: (!footage).then(|| "night".into()),
        reason: "somebody moves after closing time".into(),
        decided: None,
    }
}

impl Proposals for MemoryBox {
    fn list(&self) -> Result<ProposalBook, Error> {
        self.called();
        let rows = self.proposals.lock().unwrap().0.iter().rev().cloned().collect();
        Ok(ProposalBook { rows, events_dropped: 3, dropped: 1 })
    }

    fn decide(&self, proposal: u64, decision: ProposalDecision) -> Result<ProposalRow, Error> {
        self.called();
        let mut proposals = self.proposals.lock().unwrap();
        let row = proposals.0.iter_mut().find(|row| row.id == proposal).ok_or_else(|| Error::not_found("unknown"))?;
        if row.decided.is_some() {
            return Err(Error::new(Kind::Conflict, "decided"));
        }
        row.decided = Some(decision);
        Ok(row.clone())
    }
}
