//! A released bundle on its way to a place: the gate has said yes, durably, before the first byte, and says so again when its turn comes or after a restart.

use super::ledger::Topic;
use super::making::whole;
use super::permit::{Asked, note_refused, permit};
use super::{ExportDesk, Result, exported, sentence, source};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use watchbook_access::{Action, Grant};
use watchbook_base::Kind;
use watchbook_export::delivery::{ATTEMPTS_MAX, Delivery, DeliveryState, SinkName, WAITING_MAX};
use watchbook_export::job::{Job, Made, State};
use watchbook_export::sink::{Parcel, Phase};
use watchbook_export::staging::StagedFile;
use watchbook_web::api;
use watchbook_web::error::Error;
use watchbook_web::ports;

/// What the gate gave for deliveries that wait. One that a restart broke off has none until it is asked again.
pub(super) type Waiting = Mutex<HashMap<(u64, u32), Arc<Grant>>>;

fn gone(export: u64) -> watchbook_export::Error {
    watchbook_export::Error::new(
        Kind::NotFound,
        format!("writing export {export}: this delivery is not known any more"),
    )
}

impl ExportDesk {
    pub(super) fn ask_delivery(&self, grant: Arc<Grant>, asked: &ports::ExportDelivery) -> Result<api::Export> {
        let export = asked.export;
        if !grant.covers_delivery(export, &asked.manifest_sha256, &asked.sink) {
            return Err(Error::new(Kind::Denied, "writing an export to a place: the grant is for something else"));
        }
        let unknown =
            || Error::not_found(format!("there is no place {}", asked.sink)).next("Look at the list of places.");
        let sink = SinkName::parse(&asked.sink).ok_or_else(unknown)?;
        let job = self.ledger.get(export)?;
        let made = job.may_have(asked.account, &asked.manifest_sha256).map_err(exported)?;
        let place = self.means.places.open(&sink)?;
        let before = job.deliveries.iter().rfind(|delivery| delivery.sink == sink);
        let lies = before.map_or(0, |delivery| place.lies(&delivery.part(export), &made.files));
        place.check(&made.files, lies).map_err(exported)?;
        let all = self.ledger.list();
        let waiting =
            all.iter().flat_map(|job| &job.deliveries).filter(|one| one.state == DeliveryState::Waiting).count();
        if waiting >= WAITING_MAX {
            let message = format!("{WAITING_MAX} exports wait to be written to places already");
            return Err(Error::new(Kind::Exhausted, message).next("Wait until one is done."));
        }
        let token = token()?;
        let mut grants = self.carrying.lock().unwrap_or_else(PoisonError::into_inner);
        let (job, number) = self
            .ledger
            .change(export, |job, now| job.deliver((asked.account, &asked.manifest_sha256), sink, token, now))?;
        grants.insert((export, number), grant);
        drop(grants);
        Ok(self.shown(&job))
    }

    /// The thread that writes to places.
    pub(super) fn carry_all(&self) {
        while let Some(next) = self.ledger.next_to_carry() {
            if let Some((export, number)) = next {
                self.carry(export, number);
                self.ledger.carried();
            }
        }
    }

    fn carry(&self, export: u64, number: u32) {
        let begun = self.ledger.change(export, |job, now| {
            let delivery = job.delivery(number).ok_or_else(|| gone(export))?;
            if delivery.attempts >= ATTEMPTS_MAX {
                delivery.trouble = format!(
                    "It was begun {ATTEMPTS_MAX} times, and each time the recorder ended before it was done. Try another place; an admin looks into the recorder's own log"
                );
                delivery.enter(DeliveryState::Failed, now);
                return Ok(None);
            }
            delivery.attempts += 1;
            Ok(Some(delivery.clone()))
        });
        let Ok((job, Some(delivery))) = begun else { return };
        let grant = self.delivery_grant(&job, &delivery);
        let is_allowed = grant.is_ok();
        let written = grant.and_then(|grant| whole("the writing", || self.write(&job, &delivery, &grant)));
        if written.is_err() && self.ledger.stopped() {
            let _ = self.ledger.change(export, |job, _| {
                let delivery = job.delivery(number).ok_or_else(|| gone(export))?;
                delivery.attempts = delivery.attempts.saturating_sub(1);
                Ok(())
            });
            return;
        }
        self.grants_of_deliveries(|grants| drop(grants.remove(&(export, number))));
        let ended = self.ledger.change(export, |job, now| {
            let delivery = job.delivery(number).ok_or_else(|| gone(export))?;
            match &written {
                Ok(()) => delivery.enter(DeliveryState::Done, now),
                Err(error) => {
                    delivery.trouble = sentence(error);
                    delivery.enter(DeliveryState::Failed, now);
                }
            }
            if written.is_ok() {
                job.delivered_at = job.delivered_at.or(Some(now));
            }
            Ok(())
        });
        if let Err(error) = &written {
            tracing::error!(export, sink = delivery.sink.in_log(), %error, "an export could not be written to a place");
            // A refusal of the gate stands in the log already.
            if is_allowed {
                note_refused(&*self.log, delivery.account, action_of(&job, &delivery), &error.message);
            }
        }
        if let Err(error) = ended {
            tracing::error!(export, %error, "a delivery is looked at again because the register could not be written");
        }
    }

    fn grants_of_deliveries<T>(&self, act: impl FnOnce(&mut HashMap<(u64, u32), Arc<Grant>>) -> T) -> T {
        act(&mut self.carrying.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn delivery_grant(&self, job: &Job, delivery: &Delivery) -> Result<Arc<Grant>> {
        let (account, case, export) = (delivery.account, job.order.case.clone(), self.ledger.facts(job.id));
        let asked = Asked { account, case, export, action: action_of(job, delivery) };
        let known = self.grants_of_deliveries(|grants| grants.get(&(job.id, delivery.number)).cloned());
        permit(&self.means.rights, &*self.log, asked, known)
    }

    fn write(&self, job: &Job, delivery: &Delivery, grant: &Grant) -> Result<()> {
        let export = job.id;
        let manifest = job.made.as_ref().map(|made| made.manifest_sha256.clone()).unwrap_or_default();
        if !grant.covers_delivery(export, &manifest, &delivery.sink.in_log()) {
            return Err(Error::new(Kind::Denied, "writing an export to a place: the grant is for something else"));
        }
        let place = self.means.places.open(&delivery.sink)?;
        let (made, files) = self.open_files(export, delivery.account, &manifest)?;
        let part = delivery.part(export);
        let folder = Delivery::folder(export);
        let resumed = delivery.attempts > 1 || place.lies(&part, &made.files) > 0;
        let parcel = Parcel { part: &part, folder: &folder, files: &made.files, resumed };
        let mut read = |name: &str, at: u64, len: u64| {
            let file = made.files.iter().zip(&files).find(|(row, _)| row.name == name);
            let missing = || watchbook_export::Error::new(Kind::Internal, format!("{name} is not in the bundle"));
            file.ok_or_else(missing)?.1.read(at, len)
        };
        let mut tell = |phase: Phase, bytes: u64| {
            self.ledger.tell_carrying(phase, bytes);
            let is_wanted = || match self.ledger.stopped() || !self.ledger.is_released(export, &manifest) {
                false => Ok(()),
                true => Err(watchbook_export::Error::new(
                    Kind::Conflict,
                    format!("writing export {export}: its time is over, or the recorder ends"),
                )),
            };
            source::rest(&self.means.writer, &is_wanted)
        };
        let written = place.write(&parcel, &mut read, &mut tell);
        // What fills a disk to the brim is in the way; anything else is gone on with.
        if written.as_ref().is_err_and(|error| error.kind == Kind::Exhausted)
            && let Err(error) = place.remove(&part, &made.files)
        {
            tracing::warn!(export, %error, "what was written of an export could not be deleted");
        }
        written.map_err(exported)
    }

    /// The files of a released bundle, held open, with the rows that tell of them.
    pub(super) fn open_files(&self, export: u64, account: u32, manifest: &str) -> Result<(Made, Vec<StagedFile>)> {
        let _as_they_are = self.swapping.read().unwrap_or_else(PoisonError::into_inner);
        let job = self.ledger.get(export)?;
        let made = job.may_have(account, manifest).map_err(exported)?.clone();
        let files = made.files.iter().map(|row| self.staging.open_file(export, row).map_err(exported));
        let files = files.collect::<Result<_>>()?;
        Ok((made, files))
    }

    /// Bundles that the folder has lost cannot be had.
    pub(super) fn miss_lost_files(&self) -> Result<()> {
        let whole = self.staging.whole().map_err(exported)?;
        for job in self.ledger.list() {
            if job.state.is_staged() && !whole.contains(&job.id) {
                tracing::error!(export = job.id, "the files of an export are gone");
                let lost = self.ledger.change(job.id, |job, now| {
                    job.trouble = "Its files are gone from the recorder. Ask for it anew".to_owned();
                    job.enter(State::Failed, now);
                    Ok(())
                });
                if let Err(error) = lost {
                    self.ledger
                        .say(Topic::Files, format!("The files of export {} are gone: {}", job.id, error.message));
                }
            }
        }
        Ok(())
    }
}

/// What the gate is asked.
fn action_of(job: &Job, delivery: &Delivery) -> Action {
    let manifest_sha256 = job.made.as_ref().map(|made| made.manifest_sha256.clone()).unwrap_or_default();
    Action::DeliverExport { export: job.id, manifest_sha256, sink: delivery.sink.in_log() }
}

/// Eight random bytes, hexadecimal.
fn token() -> Result<String> {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).map_err(|error| Error::new(Kind::Io, format!("naming a folder: {error}")))?;
    Ok(watchbook_evidence::hex(&bytes))
}

/// How far a delivery is, for people.
pub(super) fn shown(job: &Job, delivery: &Delivery, carrying: Option<super::ledger::Carrying>) -> api::ExportDelivery {
    let total_bytes = job.made.as_ref().map(Made::bytes).unwrap_or_default();
    let at_work = carrying.filter(|one| (one.export, one.number) == (job.id, delivery.number));
    let at_work = at_work.filter(|_| delivery.state == DeliveryState::Waiting);
    let state = match (delivery.state, at_work.map(|one| one.phase)) {
        (DeliveryState::Done, _) => api::ExportDeliveryState::Done,
        (DeliveryState::Failed, _) => api::ExportDeliveryState::Failed,
        (DeliveryState::Waiting, None) => api::ExportDeliveryState::Waiting,
        (DeliveryState::Waiting, Some(Phase::Writing)) => api::ExportDeliveryState::Writing,
        (DeliveryState::Waiting, Some(Phase::Checking)) => api::ExportDeliveryState::Checking,
    };
    let done_bytes = match (delivery.state, &at_work) {
        (DeliveryState::Done, _) => total_bytes,
        (_, Some(one)) if one.phase == Phase::Checking => one.checked_bytes,
        (_, Some(one)) => one.written_bytes,
        _ => 0,
    };
    let seconds_left = at_work.and_then(|one| {
        let done = one.written_bytes + one.checked_bytes;
        let left = total_bytes.saturating_mul(2).saturating_sub(done);
        let elapsed_ms = u64::try_from(one.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        Some(left.saturating_mul(elapsed_ms).checked_div(done)?.div_ceil(1000))
    });
    api::ExportDelivery {
        number: delivery.number,
        kind: super::places::kind(delivery.sink.kind),
        name: delivery.sink.name.clone(),
        state,
        done_bytes: done_bytes.min(total_bytes),
        total_bytes,
        seconds_left,
        asked_utc_ms: delivery.asked.as_ms(),
        since_utc_ms: delivery.since.as_ms(),
        folder: (delivery.state == DeliveryState::Done).then(|| Delivery::folder(job.id)),
        trouble: (!delivery.trouble.is_empty()).then(|| delivery.trouble.clone()),
    }
}
