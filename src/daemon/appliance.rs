//! What the running daemon says of itself: program, disk, database, certificate, listeners, settings.

use std::{fs, net::SocketAddr, path::Path, sync::Arc};

use async_trait::async_trait;
use jiff::Timestamp;
use rustls::pki_types::{CertificateDer, pem::PemObject};

use super::{doctor::Doctor, known_secrets::KnownSecrets, logging::recent_lines, validity::expires_at};
use crate::{
    domain::{
        about::{About, BootFileFacts, Build, CertificateFacts, DatabaseFacts, DiskSpace, ListenerFacts},
        checkup::Checkup,
        settings_report::SettingsReport,
    },
    ports::Appliance,
    provisioning::OwnCertificate,
    settings::{Settings, SettingsFile, report},
    store::newest_schema,
    tftp::BootFiles,
};

/// The database and its companions, in the data folder.
const DATABASE_FILES: [&str; 3] = ["rackseed.db", "rackseed.db-wal", "rackseed.db-shm"];

/// What was built.
const BUILD: Build = Build {
    version: env!("CARGO_PKG_VERSION"),
    compiler: env!("RACKSEED_COMPILER"),
    target: env!("RACKSEED_TARGET"),
    commit: option_env!("RACKSEED_COMMIT"),
};

/// Where the three listeners are.
#[derive(Debug, Clone, Copy)]
pub(super) struct Addresses {
    pub(super) operator: SocketAddr,
    pub(super) boot: SocketAddr,
    pub(super) machine: SocketAddr,
}

/// The running daemon.
pub(super) struct RunningAppliance {
    pub(super) settings: Settings,
    pub(super) file: Option<SettingsFile>,
    pub(super) started_at: Timestamp,
    pub(super) certificate: OwnCertificate,
    pub(super) addresses: Addresses,
    pub(super) boot_files: Arc<BootFiles>,
    pub(super) doctor: Doctor,
    pub(super) secrets: KnownSecrets,
}

#[async_trait]
impl Appliance for RunningAppliance {
    async fn about(&self) -> About {
        let folder = self.settings.data_folder.clone();
        let (disk, database) = tokio::task::spawn_blocking(move || (disk(&folder), database(&folder)))
            .await
            .unwrap_or_else(|_| (None, DatabaseFacts { file: DATABASE_FILES[0].to_owned(), bytes: None, schema: 0 }));
        let certificate = &self.certificate;
        let der = CertificateDer::from_pem_slice(certificate.pem.as_bytes()).ok();
        About {
            build: BUILD,
            started_at: self.started_at,
            data_folder: self.settings.data_folder.display().to_string(),
            disk,
            database,
            certificate: CertificateFacts {
                name: certificate.name.clone(),
                fingerprint: certificate.fingerprint.clone(),
                expires_at: der.and_then(|der| expires_at(&der)),
            },
            listeners: self.listeners(),
            boot_files: self.boot_files(),
            boot_file_problems: self.boot_files.problems.clone(),
        }
    }

    async fn settings(&self) -> SettingsReport {
        let (settings, file) = (self.settings.clone(), self.file.clone());
        tokio::task::spawn_blocking(move || report(&settings, file.as_ref())).await.unwrap_or_default()
    }

    fn checkup(&self) -> Option<Checkup> {
        self.doctor.last()
    }

    fn begin_checkup(&self) {
        if !self.doctor.begin() {
            tracing::debug!("a round of checks is under way already");
        }
    }

    fn recent_lines(&self) -> Vec<String> {
        recent_lines()
    }

    async fn secrets(&self) -> Vec<String> {
        self.secrets.all(&self.settings).await
    }
}

impl Addresses {
    /// The settings with the ports that were really taken.
    pub(super) fn in_settings(self, settings: &Settings) -> Settings {
        let mut settings = settings.clone();
        let server = &mut settings.server;
        (server.listen, server.boot_listen, server.machine_listen) = (self.operator, self.boot, self.machine);
        settings
    }
}

impl RunningAppliance {
    fn listeners(&self) -> Vec<ListenerFacts> {
        let Addresses { operator, boot, machine } = self.addresses;
        let rows = [
            ("operator", "dashboard and API, for people (HTTP)", operator, "server.listen"),
            ("boot", "scripts, kernels and ISOs, for booting machines (HTTP)", boot, "server.boot_listen"),
            ("machine", "answers and reports, for installers and nodes (HTTPS)", machine, "server.machine_listen"),
        ];
        rows.map(|(name, purpose, address, setting)| ListenerFacts { name, purpose, address, setting }).to_vec()
    }

    fn boot_files(&self) -> Vec<BootFileFacts> {
        let files = self.boot_files.files.iter();
        files
            .map(|(name, file)| BootFileFacts {
                name: name.clone(),
                version: file.version.clone(),
                bytes: file.bytes.len() as u64,
            })
            .collect()
    }
}

/// The disk of a folder.
pub(super) fn disk(folder: &Path) -> Option<DiskSpace> {
    let facts = rustix::fs::statvfs(folder).ok()?;
    let bytes = |blocks: u64| blocks.saturating_mul(facts.f_frsize);
    Some(DiskSpace { free_bytes: bytes(facts.f_bavail), total_bytes: bytes(facts.f_blocks) })
}

fn database(folder: &Path) -> DatabaseFacts {
    let sizes = DATABASE_FILES.iter().map(|name| fs::metadata(folder.join(name)).map(|it| it.len()).ok());
    let sizes: Vec<_> = sizes.collect();
    DatabaseFacts {
        file: folder.join(DATABASE_FILES[0]).display().to_string(),
        bytes: sizes[0].map(|_| sizes.iter().flatten().sum()),
        schema: u32::try_from(newest_schema()).unwrap_or_default(),
    }
}
