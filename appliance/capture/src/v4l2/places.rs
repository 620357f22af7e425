//! Which video nodes this machine has, and who is behind each, as the kernel's device tree (`/sys`) tells. Nothing is opened.

use super::name::is_plain;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// Where the kernel lists video nodes.
pub(crate) const SYSFS: &str = "/sys/class/video4linux";
/// Most nodes that are looked at.
const NODES_MAX: usize = 256;
/// Serial numbers that makers of cheap cameras give to every piece; such a camera is known by its port.
const NO_SERIALS: [&str; 6] = ["0", "1", "SN0001", "01.00.00", "123456789", "0123456789"];

/// A node that may be a camera.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// Where to open it.
    pub(crate) node: PathBuf,
    /// What the driver calls it. A camera may write anything here.
    pub(crate) card: String,
    /// Number of the node within its device.
    pub(crate) index: u32,
    /// Where it is plugged in, when it is a USB device.
    pub(crate) usb: Option<Usb>,
}

/// A USB device with video.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Usb {
    /// As the kernel's `usb_make_path` has it: `usb-0000:00:14.0-1.2`.
    pub(crate) port: String,
    vendor: String,
    product: String,
    serial: Option<String>,
    /// Number of the interface that controls the camera.
    interface: u32,
}

impl Place {
    /// Its name by serial number, when it has one.
    pub(crate) fn by_serial(&self) -> Option<String> {
        let usb = self.usb.as_ref()?;
        let serial = usb.serial.as_ref()?;
        Some(format!("usb:{}:{}:{serial}:{}.{}", usb.vendor, usb.product, usb.interface, self.index))
    }

    /// Its name by the USB port.
    pub(crate) fn by_port(&self) -> Option<String> {
        let usb = self.usb.as_ref()?;
        Some(format!("port:{}:{}.{}", usb.port, usb.interface, self.index))
    }

    /// Its name by what its driver calls its place.
    pub(crate) fn by_bus(&self, bus_info: &str) -> String {
        format!("bus:{}:{}", plain(bus_info), self.index)
    }
}

/// The kernel's folder of what a node belongs to: the interface of a USB camera, a card. It goes when the driver has taken leave of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Home {
    folder: PathBuf,
    /// The next device in the same port has a folder of the same name and another number.
    inode: u64,
}

impl Home {
    /// That of a node; `class` is its folder in [`SYSFS`].
    pub(crate) fn of(class: &Path) -> Option<Self> {
        let folder = class.join("device").canonicalize().ok()?;
        let inode = folder.metadata().ok()?.ino();
        Some(Self { folder, inode })
    }

    /// It is not there any more.
    pub(crate) fn is_gone(&self) -> bool {
        !self.folder.metadata().is_ok_and(|found| found.ino() == self.inode)
    }
}

/// All nodes, by number. `sysfs` is [`SYSFS`] but for tests.
pub(crate) fn places(sysfs: &Path) -> Vec<Place> {
    let Ok(entries) = std::fs::read_dir(sysfs) else { return Vec::new() };
    let mut names: Vec<(u32, PathBuf)> = entries
        .take(NODES_MAX)
        .filter_map(|entry| {
            let path = entry.ok()?.path();
            let number = path.file_name()?.to_str()?.strip_prefix("video")?.parse().ok()?;
            Some((number, path))
        })
        .collect();
    names.sort();
    names.iter().map(|(number, path)| place(*number, path)).collect()
}

fn place(number: u32, class: &Path) -> Place {
    Place {
        node: PathBuf::from(format!("/dev/video{number}")),
        card: attribute(class, "name").unwrap_or_default(),
        index: attribute(class, "index").and_then(|index| index.parse().ok()).unwrap_or(0),
        usb: class.join("device").canonicalize().ok().and_then(|interface| usb(&interface)),
    }
}

/// `interface` is the folder of a USB interface: `…/0000:00:14.0/usb1/1-1/1-1.2/1-1.2:1.0`.
fn usb(interface: &Path) -> Option<Usb> {
    let number = attribute(interface, "bInterfaceNumber")?;
    let device = interface.parent()?;
    let hub = device.ancestors().find(|at| {
        let name = at.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        name.strip_prefix("usb").is_some_and(|bus| !bus.is_empty() && bus.bytes().all(|b| b.is_ascii_digit()))
    })?;
    let controller = hub.parent()?.file_name()?.to_str()?;
    let serial = attribute(device, "serial").map(|serial| plain(&serial));
    Some(Usb {
        port: plain(&format!("usb-{controller}-{}", attribute(device, "devpath")?)),
        vendor: plain(&attribute(device, "idVendor")?),
        product: plain(&attribute(device, "idProduct")?),
        serial: serial.filter(|serial| !serial.is_empty() && !NO_SERIALS.contains(&serial.as_str())),
        interface: u32::from_str_radix(&number, 16).ok()?,
    })
}

/// One line that the kernel tells, without its end; `None` when it is empty or not there.
fn attribute(folder: &Path, name: &str) -> Option<String> {
    let bytes = std::fs::read(folder.join(name)).ok()?;
    let text = String::from_utf8_lossy(&bytes);
    let text = text.trim();
    (!text.is_empty()).then(|| text.chars().filter(|c| !c.is_control()).take(128).collect())
}

/// With an underscore for everything that an identity may not have.
fn plain(text: &str) -> String {
    text.trim().chars().take(128).map(|c| if is_plain(c) { c } else { '_' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    /// A tree as Linux 6.1 lays it out for one USB camera behind a hub (its picture node and its metadata node) and one capture card.
    fn tree() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        let device = dir.path().join("devices/pci0000:00/0000:00:14.0/usb1/1-1/1-1.2");
        let interface = device.join("1-1.2:1.0");
        let card = dir.path().join("devices/pci0000:00/0000:01:00.0");
        let class = dir.path().join("class");
        let write = |path: PathBuf, text: &str| std::fs::write(path, text).unwrap();
        for folder in [&interface, &card, &class] {
            std::fs::create_dir_all(folder).unwrap();
        }
        for (name, text) in
            [("idVendor", "046d\n"), ("idProduct", "0825\n"), ("serial", "A1 B/2\n"), ("devpath", "1.2\n")]
        {
            write(device.join(name), text);
        }
        write(interface.join("bInterfaceNumber"), "00\n");
        for (node, parent, index) in [("video0", &interface, "0"), ("video1", &interface, "1"), ("video10", &card, "0")]
        {
            let folder = parent.join("video4linux").join(node);
            std::fs::create_dir_all(&folder).unwrap();
            write(folder.join("name"), "UVC Camera\u{7}\n");
            write(folder.join("index"), index);
            symlink(parent, folder.join("device")).unwrap();
            symlink(&folder, class.join(node)).unwrap();
        }
        dir
    }

    #[test]
    fn a_camera_has_a_name_by_serial_and_by_port_whatever_its_number() {
        let dir = tree();
        let found = places(&dir.path().join("class"));
        let nodes: Vec<_> = found.iter().map(|place| place.node.display().to_string()).collect();
        assert_eq!(nodes, ["/dev/video0", "/dev/video1", "/dev/video10"]);
        assert_eq!(found[0].by_serial().as_deref(), Some("usb:046d:0825:A1_B_2:0.0"));
        assert_eq!(found[0].by_port().as_deref(), Some("port:usb-0000:00:14.0-1.2:0.0"));
        assert_eq!(found[1].by_serial().as_deref(), Some("usb:046d:0825:A1_B_2:0.1"));
        assert_eq!(
            (found[2].usb.clone(), found[2].by_bus("PCI:0000:01:00.0")),
            (None, "bus:PCI:0000:01:00.0:0".into())
        );
        assert_eq!(found[0].card, "UVC Camera");
    }

    #[test]
    fn a_serial_number_that_every_piece_has_names_nobody() {
        let dir = tree();
        let device = dir.path().join("devices/pci0000:00/0000:00:14.0/usb1/1-1/1-1.2");
        std::fs::write(device.join("serial"), "SN0001\n").unwrap();
        let found = places(&dir.path().join("class"));
        assert_eq!(found[0].by_serial(), None);
        std::fs::remove_file(device.join("serial")).unwrap();
        assert_eq!(places(&dir.path().join("class"))[0].by_serial(), None);
        assert!(places(Path::new("/nowhere/at/all")).is_empty());
    }
}
