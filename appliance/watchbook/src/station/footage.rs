//! Recorded footage and events, as the page asks for them.

use super::desk::stored;
use super::storage::damaged;
use std::sync::Arc;
use watchbook_access::Grant;
use watchbook_base::clock::SystemClock;
use watchbook_base::{Clock as _, Gap, StreamId, TimeRange};
use watchbook_media::{SpanSource, SpanSummary};
use watchbook_store::{Disks, Reader, Writer};
use watchbook_web::error::Error;
use watchbook_web::ports::{self, EventCursor, EventPage, EventQuery};

/// The ring, for the page.
pub struct Ring {
    /// What is on disk.
    pub reader: Reader,
    /// Whose counters say how it is doing.
    pub writer: Writer,
    /// Where it lies.
    pub disks: Disks,
}

impl ports::Footage for Ring {
    fn spans(&self, grant: &Grant, stream: StreamId, range: TimeRange) -> Result<Vec<SpanSummary>, Error> {
        self.reader.spans(grant, stream, range).map_err(stored)
    }

    fn gaps(&self, grant: &Grant, stream: StreamId, range: TimeRange) -> Result<Vec<Gap>, Error> {
        self.reader.gaps(grant, stream, range, SystemClock.utc()).map_err(stored)
    }

    fn extent(&self, grant: &Grant, stream: StreamId) -> Result<Option<TimeRange>, Error> {
        self.reader.first_last(grant, stream).map_err(stored)
    }

    fn damaged(&self, grant: &Grant, stream: StreamId, range: TimeRange) -> Result<Vec<ports::Damaged>, Error> {
        let runs = self.reader.damage(grant, stream, range).map_err(stored)?;
        Ok(runs.iter().map(damaged).collect())
    }

    fn impaired(&self, grant: &Grant, stream: StreamId, range: TimeRange) -> Result<ports::ImpairedList, Error> {
        let found = self.reader.impaired(grant, stream, range).map_err(stored)?;
        Ok(ports::ImpairedList { list: found.list, coarse: found.coarse })
    }

    fn open(&self, grant: &Grant, stream: StreamId, range: TimeRange) -> Result<Arc<dyn SpanSource>, Error> {
        Ok(Arc::new(self.reader.footage(grant, stream.camera, range).map_err(stored)?))
    }
}

impl ports::Events for Ring {
    fn query(&self, grant: &Grant, query: &EventQuery) -> Result<EventPage, Error> {
        // A single camera has an index of its own.
        let single = query.cameras.as_ref().filter(|cameras| cameras.len() == 1).and_then(|cameras| cameras.first());
        let asked = watchbook_store::EventQuery {
            camera: single.copied(),
            only: query.cameras.clone(),
            kind: query.kind.clone(),
            zone: query.zone.clone(),
            plugin: query.plugin.clone(),
            range: query.range,
            newest_first: true,
            limit: query.limit,
            after: query.after.map(|after| watchbook_store::EventCursor {
                camera: after.camera,
                start: after.start,
                number: after.id,
            }),
        };
        let page = self.reader.events(grant, &asked).map_err(stored)?;
        Ok(EventPage {
            events: page.events.into_iter().map(|found| (found.number, found.event)).collect(),
            next: page.next.map(|next| EventCursor { start: next.start, camera: next.camera, id: next.number }),
        })
    }
}
