//! Moonfire NVR, where it is installed. It is set up through its own `init` and its documented database schema.

use super::{Program, Recorder, Running, Station, read_folder};
use crate::error::Attempt;
use crate::tags::Tags;
use crate::{Error, Result};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Length of the file that ties a sample directory to its database.
const META_BYTES: usize = 512;
/// Identifies the sample directory; any UUID does.
const FOLDER_UUID: [u8; 16] = [0x42; 16];
/// Seconds of finished footage that may wait for a database write: what its guide recommends.
const FLUSH_SEC: u32 = 120;

/// The program.
pub struct Moonfire {
    /// `moonfire-nvr`.
    pub program: Option<PathBuf>,
}

struct Recording {
    program: Program,
    samples: PathBuf,
}

impl Recorder for Moonfire {
    fn name(&self) -> String {
        "Moonfire NVR".to_owned()
    }

    fn missing(&self) -> Option<String> {
        match &self.program {
            Some(program) if program.is_file() => None,
            Some(program) => Some(format!("{} does not exist", program.display())),
            None => Some("not installed (name it with --moonfire or put moonfire-nvr on the path)".to_owned()),
        }
    }

    fn start(&self, station: &Station) -> Result<Box<dyn Running>> {
        let program = self.program.as_ref().attempt("finding Moonfire NVR")?;
        let (database, samples) = (station.disk.join("db"), station.disk.join("samples"));
        for folder in [&database, &samples] {
            std::fs::create_dir_all(folder).attempt("making a folder")?;
        }
        run(Command::new(program).args(["init", "--db-dir"]).arg(&database))?;
        let sqlite = database.join("db");
        let uuid = run(Command::new("sqlite3").arg(&sqlite).arg("select hex(uuid) from meta"))?;
        std::fs::write(samples.join("meta"), meta_file(&from_hex(uuid.trim())?))
            .attempt("tying samples and database")?;
        run(Command::new("sqlite3").arg(&sqlite).arg(rows(station, &samples)?))?;
        let ui = station.scratch.join("no-page");
        std::fs::create_dir_all(&ui).attempt("making a folder")?;
        let config = station.scratch.join("moonfire.toml");
        let text = format!(
            "dbDir = {database:?}\nuiDir = {ui:?}\n\n[[binds]]\nipv4 = \"127.0.0.1:0\"\nallowUnauthenticatedPermissions = {{ viewVideo = true }}\n"
        );
        std::fs::write(&config, text).attempt("writing its configuration")?;
        let mut command = Command::new(program);
        command.args(["run", "--config"]).arg(&config).env("MOONFIRE_LOG", "warn");
        let program = Program::start("moonfire", &mut command, &station.scratch)?;
        Ok(Box::new(Recording { program, samples }))
    }
}

impl Running for Recording {
    fn pids(&self) -> Vec<u32> {
        vec![self.program.id()]
    }

    fn finish(mut self: Box<Self>) -> Result<Tags> {
        self.program.terminate()?;
        read_folder(&self.samples)
    }
}

/// A length-delimited message with the database's and the directory's UUID as fields 1 and 2, padded with zeros.
fn meta_file(database_uuid: &[u8]) -> Vec<u8> {
    let mut message = vec![0x0a, 16];
    message.extend_from_slice(database_uuid);
    message.extend_from_slice(&[0x12, 16]);
    message.extend_from_slice(&FOLDER_UUID);
    let mut file = vec![message.len() as u8];
    file.extend_from_slice(&message);
    file.resize(META_BYTES, 0);
    file
}

/// One sample directory, and a camera with one stream for each address.
fn rows(station: &Station, samples: &Path) -> Result<String> {
    let folder = serde_json::json!({ "path": samples });
    let uuid = |number: usize| format!("X'{number:032x}'");
    let mut sql =
        format!("insert into sample_file_dir (id, uuid, config) values (1, X'{}', '{folder}');\n", "42".repeat(16));
    for (at, url) in station.urls.iter().enumerate() {
        let id = at + 1;
        let stream = serde_json::json!({
            "mode": "record", "url": url, "rtspTransport": if station.udp { "udp" } else { "tcp" },
            "retainBytes": 1_u64 << 40, "flushIfSec": FLUSH_SEC,
        });
        writeln!(
            sql,
            "insert into camera (id, uuid, short_name, config) values ({id}, {}, 'cam{at}', '{{}}');",
            uuid(id)
        )
        .and_then(|()| {
            writeln!(
                sql,
                "insert into stream (id, camera_id, sample_file_dir_id, type, config, cum_recordings, \
                     cum_media_duration_90k, cum_runs) values ({id}, {id}, 1, 'main', '{stream}', 0, 0, 0);"
            )
        })
        .attempt("writing rows")?;
    }
    Ok(sql)
}

fn run(command: &mut Command) -> Result<String> {
    let output = command.output().attempt(format!("running {command:?}"))?;
    if !output.status.success() {
        return Err(Error(format!("{command:?}: {}", String::from_utf8_lossy(&output.stderr))));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn from_hex(text: &str) -> Result<Vec<u8>> {
    let pairs = (0..text.len() / 2).map(|at| text.get(2 * at..2 * at + 2).unwrap_or_default());
    pairs.map(|pair| u8::from_str_radix(pair, 16).attempt("reading the database's UUID")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_directory_file_holds_both_uuids() {
        let uuid = from_hex("000102030405060708090a0b0c0d0e0f").unwrap();
        let file = meta_file(&uuid);
        assert_eq!((file.len(), file[0], &file[3..19], &file[21..37]), (512, 36, uuid.as_slice(), &FOLDER_UUID[..]));
    }
}
