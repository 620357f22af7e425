//! Whether an account may still have what it was allowed to: asked when the work begins, which may be hours later or after a restart.

use super::Result;
use std::sync::Arc;
use watchbook_access::{Action, AuditEntry, AuditLog, ExportNow, Grant, Outcome, Refusal, decide, open};
use watchbook_base::Kind;
use watchbook_web::Rights;
use watchbook_web::error::Error;

/// For whom, in which case, of which export, and what.
pub(super) struct Asked {
    pub(super) account: u32,
    pub(super) case: String,
    pub(super) export: Option<ExportNow>,
    pub(super) action: Action,
}

/// Writes that what was allowed came to nothing.
pub(super) fn note_refused(log: &dyn AuditLog, account: u32, action: Action, why: &str) {
    let entry = AuditEntry { account: Some(account), action, outcome: Outcome::Refused(why.to_owned()) };
    if let Err(error) = log.append(&entry) {
        tracing::error!(?error, "that something was refused could not be written to the audit log");
    }
}

/// What the gate gave, `known`, when account, case and cameras are still such that it would; without one, as after a restart, it is asked anew. What is refused is in the log.
///
/// # Errors
/// `Denied` with the reason; when the register cannot be read or the log not be written.
pub(super) fn permit(
    rights: &Rights,
    log: &dyn AuditLog,
    asked: Asked,
    known: Option<Arc<Grant>>,
) -> Result<Arc<Grant>> {
    let Asked { account, case, export, action } = asked;
    let refused = |error: Error| {
        note_refused(log, account, action.clone(), &error.message);
        error
    };
    let mut subject = rights.now(account, &case).map_err(refused)?;
    subject.export = export;
    let denied = |refusal: Refusal| match &refusal {
        Refusal::LogUnwritable(_) => Error::new(Kind::Unavailable, refusal.to_string()),
        _ => Error::new(Kind::Denied, refusal.to_string()),
    };
    if let Some(grant) = known {
        decide(&subject, &action).map_err(denied).map_err(refused)?;
        return Ok(grant);
    }
    open(&subject, action, log).map(Arc::new).map_err(denied)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::station::book::Book;
    use watchbook_access::{Case, Purpose, RecipientClass};
    use watchbook_base::clock::SimClock;
    use watchbook_base::{CameraId, TimeRange, UtcNanos};
    use watchbook_store::kv::model::ModelKv;
    use watchbook_store::register::{Change, Namespace, Register};
    use watchbook_web::CaseBook;
    use watchbook_web::ports::Cases as _;

    /// A station with account 3, who works in case 7/26 about cameras 1 and 2.
    struct Station {
        book: Arc<Book>,
        cases: Arc<CaseBook>,
        clock: SimClock,
        rights: Rights,
    }

    impl Station {
        fn new() -> Self {
            let clock = SimClock::new(UtcNanos(100));
            let register = Register::on(Arc::new(ModelKv::new()), Arc::new(clock.clone())).unwrap();
            let book = Arc::new(Book(Arc::new(register)));
            let cases = Arc::new(CaseBook::load(book.clone()).unwrap());
            let case = Case {
                number: "7/26".to_owned(),
                purpose: Purpose::Theft,
                cameras: [1, 2].into_iter().filter_map(CameraId::new).collect(),
                range: TimeRange { start: UtcNanos(0), end: UtcNanos(50) },
                expires: UtcNanos(1_000),
                opened_by: 2,
                opened: UtcNanos(90),
                investigators: [3].into(),
                closed: None,
                emergency: false,
                reviewed: None,
                stopped: None,
                bookmarks: Vec::new(),
            };
            cases.open(case).unwrap();
            let rights = Rights::new(book.clone(), cases.clone(), Arc::new(clock.clone()));
            let station = Self { book, cases, clock, rights };
            station.account(r#"["investigator"]"#, "null");
            station
        }

        /// As the book of accounts writes it.
        fn account(&self, roles: &str, cameras: &str) {
            let row = format!(r#"{{"id":3,"name":"Dara","roles":{roles},"cameras":{cameras},"password":"x"}}"#);
            self.book.0.apply(&[Change::put(Namespace::Account, 3_u32.to_be_bytes(), row)]).unwrap();
        }

        fn change(&self, change: impl FnOnce(&mut Case) + 'static) {
            let changed = self.cases.update(
                "7/26",
                Box::new(|case| {
                    change(case);
                    Ok(())
                }),
            );
            changed.unwrap();
        }

        fn asked(&self, action: Action) -> Asked {
            let cameras = [1, 2].into_iter().filter_map(CameraId::new).collect();
            let range = TimeRange { start: UtcNanos(0), end: UtcNanos(50) };
            let export = Some(ExportNow { export: 9, asked_by: 3, case: "7/26".to_owned(), cameras, range });
            Asked { account: 3, case: "7/26".to_owned(), export, action }
        }

        fn request(&self) -> Asked {
            let asked = self.asked(Action::ReadExports);
            let ExportNow { cameras, range, .. } = asked.export.clone().unwrap();
            let recipient_class = RecipientClass::Court;
            let case = "7/26".to_owned();
            Asked {
                action: Action::RequestExport { export: 9, case, cameras, range, recipient_class, redacted: false },
                ..asked
            }
        }

        fn delivery(&self) -> Asked {
            let (manifest_sha256, sink) = ("ab".to_owned(), "usb/COURT".to_owned());
            self.asked(Action::DeliverExport { export: 9, manifest_sha256, sink })
        }

        /// Both with the grant that was given before and without one; what is refused is noted each time.
        fn refuses(&self, known: &[Arc<Grant>; 2], why: &str) {
            for (at, known) in known.iter().enumerate() {
                for known in [Some(Arc::clone(known)), None] {
                    let before = self.book.0.audit_root().size;
                    let asked = if at == 0 { self.request() } else { self.delivery() };
                    let error = permit(&self.rights, &*self.book, asked, known).unwrap_err();
                    assert!(error.kind == Kind::Denied && error.message.contains(why), "{error}");
                    let rows = self.book.0.audit_entries(before, 9).unwrap();
                    assert!(rows.len() == 1 && rows[0].json().unwrap().contains("refused"), "{rows:?}");
                }
            }
        }
    }

    #[test]
    fn what_an_account_may_is_looked_at_again_when_the_work_begins() {
        let known = || {
            let station = Station::new();
            let grant = |asked| permit(&station.rights, &*station.book, asked, None).unwrap();
            let grants = [grant(station.request()), grant(station.delivery())];
            assert_eq!(station.book.0.audit_root().size, 2, "the gate has been asked, and its entries are durable");
            let again = permit(&station.rights, &*station.book, station.request(), Some(Arc::clone(&grants[0])));
            assert_eq!(again.unwrap().audit_index(), grants[0].audit_index());
            assert_eq!(station.book.0.audit_root().size, 2, "nothing new was asked");
            (station, grants)
        };
        let (station, grants) = known();
        station.account(r#"["viewer"]"#, "null");
        station.refuses(&grants, "role");
        let (station, grants) = known();
        station.account(r#"["investigator"]"#, "[1]");
        station.refuses(&grants, "camera 2");
        let (station, grants) = known();
        station.book.0.apply(&[Change::delete(Namespace::Account, 3_u32.to_be_bytes())]).unwrap();
        station.refuses(&grants, "is gone");
        let (station, grants) = known();
        station.change(|case| case.closed = Some(UtcNanos(99)));
        station.refuses(&grants, "closed");
        let (station, grants) = known();
        station.change(|case| case.investigators = [8].into());
        station.refuses(&grants, "not one of the investigators");
        let (station, grants) = known();
        station.change(|case| case.cameras = CameraId::new(1).into_iter().collect());
        station.refuses(&grants, "camera 2");
        let (station, grants) = known();
        station.clock.advance(10_000);
        station.refuses(&grants, "time of case 7/26 is over");
    }
}
