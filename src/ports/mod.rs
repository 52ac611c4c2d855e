//! One small trait for each outside need; each method is one atomic promise.

mod access_ledger;
mod appliance;
mod audit_log;
mod batch_ledger;
mod boot_files;
mod boot_trace;
mod catalog;
mod clock;
mod doorbell;
mod exchange_ledger;
mod gate_ledger;
mod host_ledger;
mod image_intake;
mod image_keeper;
mod image_ledger;
mod image_library;
mod infrastructure;
mod live_feed;
mod member_certificates;
mod network;
mod notifier;
mod operation_journal;
mod passwords;
mod power;
mod rebuild_ledger;
mod remote_shell;
mod repeat_ledger;
mod secrets;
mod served_file;
mod sighting_ledger;
mod ssh_keys;

pub use access_ledger::AccessLedger;
pub use appliance::Appliance;
pub use audit_log::AuditLog;
pub use batch_ledger::BatchLedger;
pub use boot_files::BootFileShelf;
pub use boot_trace::{BootTrace, NoTrace};
pub use catalog::{CannotRender, Catalog};
pub use clock::Clock;
pub use doorbell::Doorbell;
pub use exchange_ledger::ExchangeLedger;
pub use gate_ledger::GateLedger;
pub use host_ledger::{HostLedger, RegisterError};
pub use image_intake::{ImageIntake, IntakeRefusal, UploadChunks};
pub use image_keeper::{ImageKeeper, ImageRefusal, PartCheck};
pub use image_ledger::{ImageLedger, Removal};
pub use image_library::{ImageLibrary, ImageLibraryError};
pub use infrastructure::{HostRecord, Infrastructure, InfrastructureError};
pub use live_feed::LiveFeed;
pub use member_certificates::MemberCertificates;
pub use network::NetworkView;
pub use notifier::{NotTaken, NotificationLedger, Notifier, Outbox, TargetView, Targets};
pub use operation_journal::{OperationJournal, OperationRecord};
pub use passwords::{Passwords, PasswordsError};
pub use power::{NetworkBoot, Power, PowerError, PowerSecrets};
pub use rebuild_ledger::RebuildLedger;
pub use remote_shell::{Command, Credential, Login, Output, RemoteShell, RemoteShellError};
pub use repeat_ledger::RepeatLedger;
pub use secrets::{Secrets, SecretsError};
pub use served_file::{Segment, ServedFile};
pub use sighting_ledger::{BootRecordLedger, SightingLedger};
pub use ssh_keys::{SshKeys, UnusableKey};

/// Why a ledger could not do what it promises.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// The disk is full; nothing was written.
    #[error("the disk of the data folder is full; free some space, then retry")]
    DiskFull,
    /// The record has changed since it was read, so nothing was written: somebody else was faster. Read again.
    #[error("the record has changed in the meantime; nothing was written")]
    Conflict,
    /// What is stored cannot be understood: a newer program wrote it, or the file is damaged.
    #[error("the database holds something that this program does not understand: {0}")]
    Unreadable(String),
    /// Anything else that the database says.
    #[error("the database failed: {0}")]
    Database(String),
}
