//! What stands ready before the demo begins: a folder, the daemon's settings, boot files, an installer image, and free ports on loopback.

use std::{
    fs, io,
    net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket},
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    time::Duration,
};

use data_encoding::HEXLOWER;
use jiff::Timestamp;
use serde_json::json;
use sha2::{Digest, Sha256};

use super::machine::DaemonPorts;
use crate::domain::image::{Image, ImagePart, InstallerRelease};

/// The demo's image: no file system, only the room for the private settings between zeros. Making a real ISO would need `xorriso`, and the demo
/// must run on a machine that has nothing but a Rust toolchain; that real ISOs are ingested is proved by the tests of the `images` room.
const ISO_BYTES: usize = 4 << 20;
const SETTINGS_OFFSET_BYTES: usize = 1 << 20;
const SETTINGS_ROOM_BYTES: usize = 4096;
const KERNEL_BYTES: usize = 512 << 10;
const INITRD_BYTES: usize = 1 << 20;
/// The loaders have the size of the real ones; what stands in them is only the version that the daemon reads.
const LOADERS: &[(&str, usize)] = &[("undionly.kpxe", 72 << 10), ("snponly.efi", 301 << 10)];
const LOADER_VERSION: &[u8] = b"ipxe,1,iPXE,snponly.efi,2.0.0+ (g0ab22),https://ipxe.org";
/// No password has this hash: nobody logs in to simulated nodes with one.
const NO_PASSWORD_HASH: &str =
    "$6$simulated$......................................................................................";
/// How often, and with what pauses, the folder is removed until nothing writes there any more.
const REMOVE_TRIES: u32 = 20;
const REMOVE_PAUSE: Duration = Duration::from_millis(100);
/// How often a port is looked for that is free on all addresses of the nodes.
const PORT_TRIES: usize = 50;

/// The folder of a demo with everything in it.
#[derive(Debug)]
pub struct DemoStage {
    folder: PathBuf,
    is_kept: bool,
    /// The daemon's settings.
    pub settings_file: PathBuf,
    /// Its data folder.
    pub data_folder: PathBuf,
    /// The image whose files lie in the data folder, for the daemon's ledger.
    pub image: Image,
    /// Where machines will find the daemon.
    pub ports: DaemonPorts,
    /// The SSH port of all nodes.
    pub ssh_port: u16,
}

impl DemoStage {
    /// Sets everything up, in a folder that is kept or in a temporary one.
    pub fn set(kept_folder: Option<&Path>, nodes: &[Ipv4Addr], now: Timestamp) -> io::Result<Self> {
        let folder = match kept_folder {
            Some(folder) => std::path::absolute(folder)?,
            None => temporary_folder()?,
        };
        if !is_plain(&folder) {
            return Err(io::Error::other(format!("the path {} has characters that a shell reads", folder.display())));
        }
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder)?;
        let data_folder = folder.join("data");
        if fs::read_dir(&folder).is_ok_and(|mut entries| entries.next().is_some()) {
            return Err(io::Error::other(format!("{} is not empty; name a new folder", folder.display())));
        }
        let mut stage = Self {
            settings_file: folder.join("rackseed.yaml"),
            image: write_image(&data_folder, now)?,
            ports: DaemonPorts { address: Ipv4Addr::LOCALHOST, dhcp: 0, proxy: 0, tftp: 0 },
            ssh_port: free_everywhere(nodes)?,
            is_kept: kept_folder.is_some(),
            data_folder,
            folder,
        };
        write_loaders(&stage.folder.join("loaders"))?;
        stage.write_settings()?;
        Ok(stage)
    }

    /// A place in the folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    fn write_settings(&mut self) -> io::Result<()> {
        // All sockets stay open until the last port is found, so that none is found twice.
        let web: Vec<_> = (0..3).map(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0))).collect::<io::Result<_>>()?;
        let boot: Vec<_> = (0..3).map(|_| UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))).collect::<io::Result<_>>()?;
        let [operator_listen, boot_listen, machine_listen] = [0, 1, 2].map(|place| web[place].local_addr());
        let [dhcp, proxy, tftp] = [0, 1, 2].map(|place| boot[place].local_addr().map(|address| address.port()));
        self.ports = DaemonPorts { dhcp: dhcp?, proxy: proxy?, tftp: tftp?, ..self.ports };
        let settings = json!({
            "data_folder": self.data_folder,
            "catalog": {
                "answer_templates": self.path("answer-templates"),
                "server_types": self.path("server-types"),
                "ipxe": self.path("ipxe"),
            },
            "server": { "listen": operator_listen?, "boot_listen": boot_listen?, "machine_listen": machine_listen? },
            "pxe": {
                "interface": "lo", "subnet": "127.0.0.0/8", "reply_to_source": true, "ipxe_folder": self.path("loaders"),
                "dhcp_port": self.ports.dhcp, "proxy_port": self.ports.proxy, "tftp_port": self.ports.tftp,
            },
            "proxmox": {
                "cluster_name": "demo", "domain": "demo.internal", "ssh_port": self.ssh_port,
            },
            "credentials": { "root_password_hash": NO_PASSWORD_HASH },
        });
        fs::write(&self.settings_file, serde_yaml::to_string(&settings).map_err(io::Error::other)?)
    }
}

impl Drop for DemoStage {
    fn drop(&mut self) {
        if self.is_kept {
            return;
        }
        // A join that was cut off goes on writing for a moment: it is detached, as on a real node.
        for _ in 0..REMOVE_TRIES {
            match fs::remove_dir_all(&self.folder) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => std::thread::sleep(REMOVE_PAUSE),
                Ok(()) | Err(_) => return,
            }
        }
    }
}

/// Makes a name below the system's folder for temporary files, or below `/tmp` when that one's path cannot stand in a shell command.
fn temporary_folder() -> io::Result<PathBuf> {
    let mut random = [0; 8];
    getrandom::fill(&mut random).map_err(|error| io::Error::other(error.to_string()))?;
    let base = Some(std::env::temp_dir()).filter(|base| is_plain(base)).unwrap_or_else(|| "/tmp".into());
    Ok(base.join(format!("rackseed-demo-{}", HEXLOWER.encode(&random))))
}

fn is_plain(path: &Path) -> bool {
    path.to_str().is_some_and(|text| text.chars().all(|c| c.is_ascii_alphanumeric() || "/._-+@".contains(c)))
}

/// Finds a TCP port that is free on every address: the daemon knows one SSH port for all nodes.
fn free_everywhere(addresses: &[Ipv4Addr]) -> io::Result<u16> {
    let first = addresses.first().copied().unwrap_or(Ipv4Addr::LOCALHOST);
    for _ in 0..PORT_TRIES {
        let listener = TcpListener::bind((first, 0))?;
        let port = listener.local_addr()?.port();
        if addresses.iter().skip(1).all(|address| TcpListener::bind(SocketAddr::from((*address, port))).is_ok()) {
            return Ok(port);
        }
    }
    Err(io::Error::other("no TCP port is free on all of 127.0.0.2, 127.0.0.3 and 127.0.0.4"))
}

fn write_loaders(folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    for (name, size_bytes) in LOADERS {
        let mut loader = vec![0; *size_bytes];
        loader[512..512 + LOADER_VERSION.len()].copy_from_slice(LOADER_VERSION);
        fs::write(folder.join(name), loader)?;
    }
    Ok(())
}

/// Writes the files of an image as the library lays them out.
fn write_image(data_folder: &Path, now: Timestamp) -> io::Result<Image> {
    let mut iso = vec![0; ISO_BYTES];
    iso[SETTINGS_OFFSET_BYTES..SETTINGS_OFFSET_BYTES + SETTINGS_ROOM_BYTES].fill(b'#');
    let image = Image {
        id: "pve-9.2-1-simulated".parse().map_err(io::Error::other)?,
        product: "pve".into(),
        product_name: "Proxmox VE (simulated)".into(),
        release: InstallerRelease { major: 9, minor: 2 },
        iso_release: "1".into(),
        source_name: "simulated.iso".into(),
        source_sha256: HEXLOWER.encode(&Sha256::digest(&iso)),
        iso_size_bytes: ISO_BYTES as u64,
        settings_offset_bytes: SETTINGS_OFFSET_BYTES as u64,
        settings_size_bytes: SETTINGS_ROOM_BYTES as u64,
        added_at: now,
        is_default: false,
        files: None,
    };
    let folder = data_folder.join("images").join(image.id.as_str());
    fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder)?;
    for part in ImagePart::ALL {
        let bytes = match part {
            ImagePart::Kernel => vec![1; KERNEL_BYTES],
            ImagePart::Initrd => vec![2; INITRD_BYTES],
            ImagePart::InstallerIso => std::mem::take(&mut iso),
        };
        fs::write(folder.join(part.file_name()), bytes)?;
    }
    Ok(image)
}
