//! What TFTP hands out, and who is told of it.

use std::net::Ipv4Addr;

use bytes::Bytes;

use super::boot_files::BootFiles;
use crate::{
    domain::{boot_path, boot_trace, identity::MacAddress},
    ports::Segment,
    provisioning::{BootOffers, ByPath},
};

/// A file that a machine may have.
#[derive(Debug, Clone)]
pub struct OpenFile {
    /// The machine, if the name told it.
    pub mac: Option<MacAddress>,
    /// The file's bare name.
    pub name: String,
    /// Its bytes.
    pub bytes: Bytes,
}

/// Finds files by what machines call them; answered from memory, for every request.
pub trait TftpFiles: Send + Sync {
    /// Finds a file that was asked of this address of ours.
    fn open(&self, name: &[u8], our: Ipv4Addr) -> Option<OpenFile>;

    /// A transfer is over.
    fn sent(&self, file: &OpenFile, how: boot_trace::Transfer);
}

/// The boot files alone, of which nobody is told.
impl TftpFiles for BootFiles {
    fn open(&self, name: &[u8], _: Ipv4Addr) -> Option<OpenFile> {
        let (mac, name) = boot_path::parse(name)?;
        let bytes = Bytes::from_owner(self.files.get(&name)?.bytes.clone());
        Some(OpenFile { mac, name, bytes })
    }

    fn sent(&self, _: &OpenFile, _: boot_trace::Transfer) {}
}

/// What was offered: boot files, and the script that iPXE looks for beside its binary.
impl TftpFiles for BootOffers {
    fn open(&self, name: &[u8], our: Ipv4Addr) -> Option<OpenFile> {
        match self.by_path(name, our)? {
            // Its own request for its script is told of; this is only the way there.
            ByPath::Script(script) => {
                Some(OpenFile { mac: None, name: "autoexec.ipxe".into(), bytes: script.into_bytes().into() })
            }
            ByPath::File { mac, name, file } => {
                let bytes = match file.part(0..file.length()).pop()? {
                    Segment::Memory(bytes) => bytes,
                    Segment::Disk { .. } => return None,
                };
                Some(OpenFile { mac, name, bytes })
            }
        }
    }

    fn sent(&self, file: &OpenFile, how: boot_trace::Transfer) {
        self.fetched(file.mac, file.name.clone(), how);
    }
}
