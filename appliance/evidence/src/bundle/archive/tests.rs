use super::*;
use std::process::Command;

struct Memory(Vec<u8>);

impl Bytes for Memory {
    fn size(&self) -> Result<u64, String> {
        Ok(self.0.len() as u64)
    }

    fn read(&self, at: u64, length: u64, sink: &mut dyn FnMut(&[u8])) -> Result<(), String> {
        let end = usize::try_from(at.saturating_add(length)).unwrap_or(usize::MAX);
        sink(self.0.get(at as usize..end).ok_or("bytes are missing")?);
        Ok(())
    }
}

/// Written by Python's zipfile, which is not ours.
fn made(code: &str) -> Vec<u8> {
    let code = format!(
        "import io,sys,zipfile\nb=io.BytesIO()\nz=zipfile.ZipFile(b,'w')\n{code}\nz.close()\nsys.stdout.buffer.write(b.getvalue())"
    );
    let output = Command::new("python3").args(["-c", &code]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

const THREE: &str = "z.writestr('a.txt','hello')\nz.writestr('empty','')\nz.writestr('ខ','world')";

fn why(bytes: Vec<u8>) -> String {
    Archive::open(Memory(bytes)).err().unwrap_or_default()
}

#[test]
fn what_another_program_stored_is_read() {
    let archive = Archive::open(Memory(made(THREE))).unwrap();
    assert_eq!(archive.names().unwrap(), ["a.txt", "empty", "ខ"]);
    assert_eq!((archive.size("a.txt"), archive.size("b"), archive.size("empty")), (Ok(Some(5)), Ok(None), Ok(Some(0))));
    let read = |name: &str, at, length| {
        let mut all = Vec::new();
        archive.read(name, at, length, &mut |piece| all.extend_from_slice(piece)).map(|()| all)
    };
    assert_eq!(read("ខ", 1, 3), Ok(b"orl".to_vec()));
    assert!(read("a.txt", 1, 5).is_err(), "the next file is none of its bytes");
    assert!(read("a.txt", u64::MAX, 5).is_err());
    assert!(read("b", 0, 0).is_err());
}

#[test]
fn what_no_recorder_makes_is_refused() {
    let deflated = made("z.writestr('a.txt','hello'*99,zipfile.ZIP_DEFLATED)");
    assert!(why(deflated).contains("compressed"));
    assert!(why(made(&format!("{THREE}\nz.comment=b'more'"))).contains("ZIP as a recorder"));
    let twice = made("import warnings\nwarnings.simplefilter('ignore')\nz.writestr('a','1')\nz.writestr('a','2')");
    assert!(why(twice).contains("two files of one name"));
    let good = made(THREE);
    assert!(why([b"before".to_vec(), good.clone()].concat()).contains("directory is broken"));
    assert!(why([good.clone(), b"behind".to_vec()].concat()).contains("ZIP"));
    assert!(why(b"PK".to_vec()).contains("too short"));
    // Python writes a directory behind bytes that are no file's.
    let hidden = made("z.writestr('a','1')\nb.write(b'hidden')\nz.start_dir=b.tell()\nz.writestr('b','2')");
    assert!(why(hidden).contains("belong to none"));
}

#[test]
fn no_single_change_of_a_header_gives_other_bytes() {
    let good = made(THREE);
    let names = |archive: &Archive<Memory>| -> Vec<(String, u64)> {
        archive.names().unwrap().into_iter().map(|name| (name.clone(), archive.size(&name).unwrap().unwrap())).collect()
    };
    let was = names(&Archive::open(Memory(good.clone())).unwrap());
    let mut refused = 0;
    for at in 0..good.len() {
        for bit in [1, 0x80] {
            let mut bytes = good.clone();
            bytes[at] ^= bit;
            match Archive::open(Memory(bytes)) {
                // Versions, attributes, and the contents themselves, which their hashes are held against.
                Ok(archive) => assert_eq!(names(&archive), was, "byte {at}"),
                Err(_) => refused += 1,
            }
        }
        assert!(Archive::open(Memory(good[..at].to_vec())).is_err(), "cut at {at}");
    }
    assert!(refused > good.len(), "{refused}");
}
