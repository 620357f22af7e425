//! The archive of a RAM disk.

/// An archive as the kernel unpacks it ("newc", `Documentation/driver-api/early-userspace/buffer-format.rst` of the kernel).
#[derive(Default)]
pub(crate) struct Cpio {
    bytes: Vec<u8>,
    entries: u32,
}

impl Cpio {
    fn entry(&mut self, name: &str, mode: u32, data: &[u8]) {
        self.entries += 1;
        let (size, name_size) = (data.len(), name.len() + 1);
        let fields = [self.entries, mode, 0, 0, 1, 0];
        self.bytes.extend(b"070701");
        fields.iter().for_each(|field| self.bytes.extend(format!("{field:08X}").bytes()));
        // Size, four device numbers, length of the name, no checksum.
        self.bytes.extend(format!("{size:08X}{0:08X}{0:08X}{0:08X}{0:08X}{name_size:08X}{0:08X}", 0).bytes());
        self.bytes.extend(name.bytes().chain([0]));
        self.pad();
        self.bytes.extend(data);
        self.pad();
    }

    fn pad(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }

    pub(crate) fn dir(&mut self, name: &str) {
        self.entry(name, 0o040_755, &[]);
    }

    pub(crate) fn file(&mut self, name: &str, data: &[u8]) {
        self.entry(name, 0o100_755, data);
    }

    pub(crate) fn link(&mut self, name: &str, target: &str) {
        self.entry(name, 0o120_777, target.as_bytes());
    }

    pub(crate) fn finish(mut self) -> Vec<u8> {
        self.entry("TRAILER!!!", 0, &[]);
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_archive_has_a_head_and_four_byte_steps() {
        let mut archive = Cpio::default();
        archive.file("a", b"hello");
        let bytes = archive.finish();
        assert_eq!(&bytes[..14], b"07070100000001");
        // 110 bytes of head and the name with its zero are 112; five bytes are padded to eight.
        assert_eq!(&bytes[112..117], b"hello");
        assert_eq!(&bytes[120..126], b"070701");
        assert!(bytes.len().is_multiple_of(4) && bytes.windows(10).any(|name| name == b"TRAILER!!!"));
    }
}
