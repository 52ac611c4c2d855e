//! What the appliance says of itself.

use axum::{Json, extract::State};
use jiff::Timestamp;
use serde::Serialize;

use crate::{
    domain::about::About,
    http::{OperatorState, metrics::ailments, schema::described},
};

/// The program, its data, its listeners, and whether it is well.
pub(crate) async fn show(State(state): State<OperatorState>) -> Json<AboutJson> {
    Json(AboutJson::of(&state).await)
}

described! {
    /// The program, its data, its listeners, and whether it is well.
    #[derive(Debug, Serialize)]
    pub(crate) struct AboutJson as "About" {
        /// The version of the program.
        version: String,
        /// The compiler that built it.
        compiler: String,
        /// The kind of computer that it was built for.
        target: String,
        /// The commit that it was built of, where whoever built it said so.
        commit: Option<String>,
        /// When it started.
        started_at: Timestamp,
        /// How long ago.
        uptime_seconds: u64,
        /// Whether it is well: it can read and write its database, and nothing stands still.
        healthy: bool,
        /// What ails it.
        ailments: Vec<String>,
        /// The folder of its data.
        data_folder: String,
        /// What is free on the disk there.
        disk_free_bytes: Option<u64>,
        /// The size of the disk there.
        disk_total_bytes: Option<u64>,
        /// The database's file.
        database_file: String,
        /// Its size with its journal.
        database_bytes: Option<u64>,
        /// The version of its tables.
        schema: u32,
        /// The name in our certificate.
        certificate_name: String,
        /// The SHA-256 of our certificate, which installers pin.
        certificate_sha256: String,
        /// When it ends.
        certificate_expires_at: Option<Timestamp>,
        /// Where it listens.
        listeners: Vec<ListenerJson>,
        /// The iPXE binaries that machines are given.
        boot_files: Vec<BootFileJson>,
        /// What is wrong with others.
        boot_file_problems: Vec<String>,
    }
}

described! {
    /// One listener.
    #[derive(Debug, Serialize)]
    pub(crate) struct ListenerJson as "Listener" {
        /// `operator`, `boot` or `machine`.
        name: String,
        /// For whom it is.
        purpose: String,
        /// Its address.
        address: String,
        /// The setting that says so.
        setting: String,
    }
}

described! {
    /// One iPXE binary.
    #[derive(Debug, Serialize)]
    pub(crate) struct BootFileJson as "BootFile" {
        /// Its name.
        name: String,
        /// Its version, where one can be read in it.
        version: Option<String>,
        /// Its size.
        bytes: u64,
    }
}

impl AboutJson {
    /// Looks at all of it.
    pub(in crate::http) async fn of(state: &OperatorState) -> Self {
        let (about, ailments) = (state.appliance.about().await, ailments(state).await);
        let uptime = state.clock.now().as_second() - about.started_at.as_second();
        let About { build, started_at, data_folder, disk, database, certificate, .. } = about;
        let listeners = about.listeners.into_iter().map(|it| ListenerJson {
            name: it.name.to_owned(),
            purpose: it.purpose.to_owned(),
            address: it.address.to_string(),
            setting: it.setting.to_owned(),
        });
        let boot_files = about.boot_files.into_iter();
        let boot_files = boot_files.map(|it| BootFileJson { name: it.name, version: it.version, bytes: it.bytes });
        Self {
            version: build.version.to_owned(),
            compiler: build.compiler.to_owned(),
            target: build.target.to_owned(),
            commit: build.commit.map(str::to_owned),
            started_at,
            uptime_seconds: u64::try_from(uptime).unwrap_or_default(),
            healthy: ailments.is_empty(),
            ailments,
            data_folder,
            disk_free_bytes: disk.map(|disk| disk.free_bytes),
            disk_total_bytes: disk.map(|disk| disk.total_bytes),
            database_file: database.file,
            database_bytes: database.bytes,
            schema: database.schema,
            certificate_name: certificate.name,
            certificate_sha256: certificate.fingerprint,
            certificate_expires_at: certificate.expires_at,
            listeners: listeners.collect(),
            boot_files: boot_files.collect(),
            boot_file_problems: about.boot_file_problems,
        }
    }
}
