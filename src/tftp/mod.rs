//! TFTP: hands the firmware table's boot files to firmware, from memory, read-only, and nothing else.

mod boot_files;
mod server;

pub use boot_files::{BootFile, BootFiles};
pub use server::{TftpBindError, TftpServer};
