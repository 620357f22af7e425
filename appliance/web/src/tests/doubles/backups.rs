//! The configuration as a whole, in the register and the box in memory. A restart is a [`super::super::station::Station::on`] of the same register.

use super::*;
use crate::backup::{BackupRow, BackupTable};

const SPACES: [(Space, BackupTable); 5] = [
    (Space::Station, BackupTable::Station),
    (Space::Account, BackupTable::Account),
    (Space::Case, BackupTable::Case),
    (Space::Request, BackupTable::Request),
    (Space::Setting, BackupTable::StationSettings),
];

pub(in crate::tests) struct MemoryBackups(
    pub(in crate::tests) Arc<MemoryRegister>,
    pub(in crate::tests) Arc<MemoryBox>,
);

impl Backups for MemoryBackups {
    fn rows(&self) -> Result<Vec<BackupRow>, Error> {
        let mut rows = Vec::new();
        for (space, table) in SPACES {
            rows.extend(self.0.list(space)?.into_iter().map(|(key, value)| BackupRow { table, key, value }));
        }
        for (id, config) in self.1.cameras.lock().unwrap().iter() {
            let (key, value) = (id.get().to_be_bytes().to_vec(), serde_json::to_vec(config).unwrap());
            rows.push(BackupRow { table: BackupTable::Camera, key, value });
        }
        Ok(rows)
    }

    fn startable(&self, _rows: &[BackupRow]) -> Result<(), Error> {
        Ok(())
    }

    fn stage(&self, rows: Vec<BackupRow>, onto: RestoreOnto) -> Result<(), Error> {
        let mut changes: Vec<Change> = self
            .0
            .list(Space::Session)?
            .into_iter()
            .map(|(key, _)| Change::Remove { space: Space::Session, key })
            .collect();
        assert!(onto == RestoreOnto::Running || self.0.list(Space::Account)?.is_empty());
        for BackupRow { table, key, value } in rows {
            match SPACES.iter().find(|(_, of)| *of == table) {
                Some((space, _)) => changes.push(Change::Put { space: *space, key, value }),
                None => {
                    assert_eq!(table, BackupTable::Camera);
                    let id = CameraId::new(u32::from_be_bytes(key.try_into().unwrap())).unwrap();
                    self.1.cameras.lock().unwrap().insert(id, serde_json::from_slice(&value).unwrap());
                }
            }
        }
        self.0.write(&changes)
    }

    fn restart(&self) {}
}

impl Certificates for MemoryBox {
    fn tls(&self) -> Option<crate::tls::Tls> {
        None
    }

    fn authority(&self) -> Option<Vec<u8>> {
        Some(b"an authority".to_vec())
    }

    fn state(&self) -> api::TlsState {
        let certificate = self.certificate.lock().unwrap().clone();
        let source = if certificate.is_some() { api::TlsSource::Uploaded } else { api::TlsSource::OwnAuthority };
        let (authority, names_left_out) = (None, Vec::new());
        api::TlsState { source, certificate, authority, names_left_out, failed: 0, slow: 0, garbage: 0, sent_on: 0 }
    }

    fn upload(&self, given: &watchbook_tls::Given) -> Result<(), Error> {
        *self.certificate.lock().unwrap() = Some((&given.certified.facts).into());
        Ok(())
    }

    fn remove(&self) -> Result<(), Error> {
        let removed = self.certificate.lock().unwrap().take();
        removed.map(drop).ok_or_else(|| Error::not_found("no certificate was uploaded").next("Nothing to do."))
    }

    fn alarms(&self) -> Vec<api::Alarm> {
        Vec::new()
    }
}

impl Machine for MemoryBox {
    fn health(&self) -> api::MachineHealth {
        api::MachineHealth::default()
    }

    fn alarms(&self) -> Vec<api::Alarm> {
        self.machine_alarms.lock().unwrap().clone()
    }
}
