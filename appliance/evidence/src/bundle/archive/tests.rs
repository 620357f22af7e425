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

/// With these fields in the directory, and in the files' own headers, as Python writes what it is given.
fn with_extra(field: &str) -> Vec<u8> {
    made(&format!("i=zipfile.ZipInfo('a.txt')\ni.extra={field}\nz.writestr(i,'hello')"))
}

#[test]
fn no_field_names_a_file_anew_or_hides_another_archive() {
    // Info-ZIP's Unicode path (§4.6.9): version, CRC-32 of the name in the header, another name. `unzip` takes that one.
    let renamed = with_extra(
        "b'\\x75\\x70'+(10).to_bytes(2,'little')+b'\\x01'+__import__('zlib').crc32(b'a.txt').to_bytes(4,'little')+b'b.txt'",
    );
    assert!(why(renamed).contains("fields that a recorder does not write"));
    // A second archive in a field that nobody reads.
    let good = made("z.writestr('a.txt','hello')");
    let mut hiding = good.clone();
    hiding[28] = 4;
    hiding.splice(35..35, *b"\x09\x09\x00\x00");
    let end = hiding.len();
    let start = u32::from_le_bytes(hiding[end - 6..end - 2].try_into().unwrap()) + 4;
    hiding[end - 6..end - 2].copy_from_slice(&start.to_le_bytes());
    assert!(why(hiding).contains("fields that a recorder does not write"));
    let link = made(
        "i=zipfile.ZipInfo('a.txt')\ni.create_system=3\ni.external_attr=0o120777<<16\nz.writestr(i,'/etc/passwd')",
    );
    assert!(why(link).contains("no plain file"));
}

/// A file of 5 GiB of zeros between headers, as a recorder plans it, without the bytes.
struct Sparse {
    head: Vec<u8>,
    hole: u64,
    tail: Vec<u8>,
}

impl Bytes for Sparse {
    fn size(&self) -> Result<u64, String> {
        Ok(self.head.len() as u64 + self.hole + self.tail.len() as u64)
    }

    fn read(&self, at: u64, length: u64, sink: &mut dyn FnMut(&[u8])) -> Result<(), String> {
        let (from, to) = (self.head.len() as u64, self.head.len() as u64 + self.hole);
        let bytes = (at..at + length).map(|at| match at {
            at if at < from => self.head[at as usize],
            at if at < to => 0,
            at => self.tail[(at - to) as usize],
        });
        sink(&bytes.collect::<Vec<u8>>());
        Ok(())
    }
}

/// Python's zipfile in a sparse file, whose zeros are left out of what it prints: `a` before, `big` of 5 GiB, `z` behind it.
fn large() -> Sparse {
    const HOLE: u64 = 5 << 30;
    let code = "
import os,struct,sys,tempfile,zipfile,zlib
class Hole(zipfile.ZipInfo): pass
big=5<<30
f=tempfile.TemporaryFile()
z=zipfile.ZipFile(f,'w')
z.writestr('a','first')
i=zipfile.ZipInfo('big')
i.file_size=i.compress_size=big
i.CRC=0
i.header_offset=f.tell()
f.write(i.FileHeader(zip64=True))
at=f.tell()
f.seek(big,1)
z.filelist.append(i); z.NameToInfo['big']=i
z.start_dir=f.tell()
z._didModify=True
z.writestr('z','last')
z.close()
f.seek(0); head=f.read(at)
f.seek(at+big); tail=f.read()
sys.stdout.buffer.write(len(head).to_bytes(8,'little')+head+tail)
";
    let output = Command::new("python3").args(["-c", code]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let (length, rest) = output.stdout.split_first_chunk::<8>().unwrap();
    let (head, tail) = rest.split_at(u64::from_le_bytes(*length) as usize);
    Sparse { head: head.to_vec(), hole: HOLE, tail: tail.to_vec() }
}

#[test]
fn an_archive_of_more_than_four_gigabytes_is_read_and_its_two_ends_say_the_same() {
    let archive = Archive::open(large()).unwrap();
    let sizes = ["a", "big", "z"].map(|name| archive.size(name).unwrap().unwrap());
    assert_eq!(sizes, [5, 5 << 30, 4]);
    let mut last = Vec::new();
    archive.read("z", 0, 4, &mut |piece| last.extend_from_slice(piece)).unwrap();
    assert_eq!(last, b"last");
    // The locator: disk, place and number of disks; the record: length and disks; and the length beside the one of all ones.
    let end = large().tail.len();
    for at in [end - 38, end - 34, end - 26, end - 22 - 20 - 56 + 4, end - 22 - 20 - 56 + 16, end - 10] {
        let mut other = large();
        other.tail[at] ^= 1;
        assert!(Archive::open(other).is_err(), "{at} of {end}");
    }
}
