//! The book of cases: in memory, and every change in the register before it is in force.

use crate::error::Error;
use crate::ports::{CaseChange, Cases, Change, Register, Space};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use watchbook_access::Case;
use watchbook_base::Kind;

/// Cases that are kept, of at most 2 kB each: nine a day for three years. The oldest one that is closed makes room; what was done in it stays in the audit log.
const CASES_MAX: usize = 10_000;

/// [`Cases`] on a [`Register`].
pub struct CaseBook {
    register: Arc<dyn Register>,
    /// By number. Held while a change is written, so that no other comes between.
    cases: Mutex<HashMap<String, Case>>,
}

impl CaseBook {
    /// Loads what is stored. Blocking.
    ///
    /// # Errors
    /// When the register cannot be read, or a row in it cannot be understood.
    pub fn load(register: Arc<dyn Register>) -> Result<Self, Error> {
        let mut cases = HashMap::new();
        for (_, row) in register.list(Space::Case)? {
            let case: Case = serde_json::from_slice(&row).map_err(|error| {
                Error::new(Kind::Corrupt, format!("a case in the register cannot be read: {error}"))
            })?;
            cases.insert(case.number.clone(), case);
        }
        Ok(Self { register, cases: Mutex::new(cases) })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Case>> {
        self.cases.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn put(case: &Case) -> Result<Change, Error> {
    let value = serde_json::to_vec(case).map_err(|error| {
        Error::new(Kind::Internal, format!("case {} cannot be written into the register: {error}", case.number))
    })?;
    Ok(Change::Put { space: Space::Case, key: case.number.as_bytes().to_vec(), value })
}

impl Cases for CaseBook {
    fn list(&self) -> Result<Vec<Case>, Error> {
        let mut list: Vec<Case> = self.lock().values().cloned().collect();
        list.sort_by(|a, b| (b.opened, &a.number).cmp(&(a.opened, &b.number)));
        Ok(list)
    }

    fn get(&self, number: &str) -> Result<Option<Case>, Error> {
        Ok(self.lock().get(number).cloned())
    }

    fn open(&self, case: Case) -> Result<Case, Error> {
        let mut cases = self.lock();
        let folded = case.number.to_lowercase();
        if cases.keys().any(|number| number.to_lowercase() == folded) {
            let message = format!("there is a case {} already", case.number);
            return Err(Error::new(Kind::Conflict, message).next("Work in that one, or choose another number."));
        }
        let mut changes = vec![put(&case)?];
        let mut gone = None;
        if cases.len() >= CASES_MAX {
            let over = cases.values().filter(|old| !old.is_open(case.opened) && !old.needs_review());
            let oldest = over.min_by_key(|old| old.opened).map(|old| old.number.clone());
            let oldest = oldest.ok_or_else(|| {
                Error::new(Kind::Exhausted, format!("there are {CASES_MAX} open cases"))
                    .next("Close those that are done.")
            })?;
            changes.push(Change::Remove { space: Space::Case, key: oldest.as_bytes().to_vec() });
            gone = Some(oldest);
        }
        self.register.write(&changes)?;
        gone.map(|number| cases.remove(&number));
        cases.insert(case.number.clone(), case.clone());
        Ok(case)
    }

    fn update(&self, number: &str, change: CaseChange<'_>) -> Result<Case, Error> {
        let mut cases = self.lock();
        let mut case = cases
            .get(number)
            .cloned()
            .ok_or_else(|| Error::not_found(format!("there is no case {number}")).next("Look at the list of cases."))?;
        change(&mut case)?;
        self.register.write(&[put(&case)?])?;
        cases.insert(number.to_owned(), case.clone());
        Ok(case)
    }
}
