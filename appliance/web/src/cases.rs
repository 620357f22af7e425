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
    /// Held while a change is made and written, so that no other comes between.
    writing: Mutex<()>,
    /// By number. Held for moments alone: who reads does not wait for a disk.
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
        Ok(Self { register, writing: Mutex::default(), cases: Mutex::new(cases) })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Case>> {
        self.cases.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn writing(&self) -> MutexGuard<'_, ()> {
        self.writing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The case that makes room for another one, if one has to.
    fn room_for(&self, case: &Case) -> Result<Option<String>, Error> {
        let cases = self.lock();
        let folded = case.number.to_lowercase();
        if cases.keys().any(|number| number.to_lowercase() == folded) {
            let message = format!("there is a case {} already", case.number);
            return Err(Error::new(Kind::Conflict, message).next("Work in that one, or choose another number."));
        }
        if cases.len() < CASES_MAX {
            return Ok(None);
        }
        let over = cases.values().filter(|old| !old.is_open(case.opened) && !old.needs_review());
        match over.min_by_key(|old| old.opened) {
            Some(oldest) => Ok(Some(oldest.number.clone())),
            None => Err(Error::new(Kind::Exhausted, format!("there are {CASES_MAX} open cases"))
                .next("Close those that are done.")),
        }
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
        let _writing = self.writing();
        let mut changes = vec![put(&case)?];
        let gone = self.room_for(&case)?;
        changes
            .extend(gone.iter().map(|number| Change::Remove { space: Space::Case, key: number.as_bytes().to_vec() }));
        self.register.write(&changes)?;
        let mut cases = self.lock();
        gone.map(|number| cases.remove(&number));
        cases.insert(case.number.clone(), case.clone());
        Ok(case)
    }

    fn update(&self, number: &str, change: CaseChange<'_>) -> Result<Case, Error> {
        let _writing = self.writing();
        let found = self.lock().get(number).cloned();
        let mut case = found
            .ok_or_else(|| Error::not_found(format!("there is no case {number}")).next("Look at the list of cases."))?;
        change(&mut case)?;
        self.register.write(&[put(&case)?])?;
        self.lock().insert(number.to_owned(), case.clone());
        Ok(case)
    }
}
