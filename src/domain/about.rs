//! What the appliance says of itself.

use std::net::SocketAddr;

use jiff::Timestamp;

/// Of what the program was built.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Build {
    /// Its version.
    pub version: &'static str,
    /// The compiler.
    pub compiler: &'static str,
    /// The kind of computer that it is built for.
    pub target: &'static str,
    /// The commit, where whoever built it said one.
    pub commit: Option<&'static str>,
}

/// The disk of the data folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DiskSpace {
    /// What is free for us.
    pub free_bytes: u64,
    /// The whole.
    pub total_bytes: u64,
}

impl DiskSpace {
    /// Below this, images cannot be added any more.
    pub const LITTLE_BYTES: u64 = 5 << 30;

    /// Whether there is so little left that a person should know.
    pub fn is_little(self) -> bool {
        self.free_bytes < Self::LITTLE_BYTES
    }
}

/// The database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatabaseFacts {
    /// Its file.
    pub file: String,
    /// Its size with its journal; `None` where it cannot be seen.
    pub bytes: Option<u64>,
    /// The version of its tables.
    pub schema: u32,
}

/// Our own certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateFacts {
    /// The name in it.
    pub name: String,
    /// Its SHA-256.
    pub fingerprint: String,
    /// When it ends, where that can be read.
    pub expires_at: Option<Timestamp>,
}

/// One listener.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListenerFacts {
    /// `operator`, `boot` or `machine`.
    pub name: &'static str,
    /// For whom it is.
    pub purpose: &'static str,
    /// Where it listens.
    pub address: SocketAddr,
    /// The setting that says so.
    pub setting: &'static str,
}

/// One iPXE binary.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BootFileFacts {
    /// Its name.
    pub name: String,
    /// Its version, where one can be read in it.
    pub version: Option<String>,
    /// Its size.
    pub bytes: u64,
}

/// What the appliance says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct About {
    /// The program.
    pub build: Build,
    /// When it started.
    pub started_at: Timestamp,
    /// Where its data are.
    pub data_folder: String,
    /// The disk there; `None` where it cannot be seen.
    pub disk: Option<DiskSpace>,
    /// The database.
    pub database: DatabaseFacts,
    /// Our own certificate.
    pub certificate: CertificateFacts,
    /// The listeners.
    pub listeners: Vec<ListenerFacts>,
    /// The iPXE binaries that are served.
    pub boot_files: Vec<BootFileFacts>,
    /// What is wrong with others.
    pub boot_file_problems: Vec<String>,
}
