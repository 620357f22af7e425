//! The configuration as a whole, in the register and the box in memory. A restart is a [`super::super::station::Station::on`] of the same register.

use super::*;
use crate::backup::{BackupRow, BackupTable};

const SPACES: [(Space, BackupTable); 4] = [
    (Space::Station, BackupTable::Station),
    (Space::Account, BackupTable::Account),
    (Space::Case, BackupTable::Case),
    (Space::Request, BackupTable::Request),
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

impl Machine for MemoryBox {
    fn health(&self) -> api::MachineHealth {
        api::MachineHealth::default()
    }
}
