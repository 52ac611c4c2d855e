//! TFTP: hands the firmware table's boot files to firmware, from memory, read-only, and nothing else.
//!
//! `request` reads what is asked, `transfer` decides what is sent when, `server` and `session` own the sockets, and `files` knows who may have
//! what.

mod boot_files;
mod files;
pub mod request;
mod server;
mod session;
pub mod transfer;

pub use boot_files::{BootFile, BootFiles};
pub use files::{OpenFile, TftpFiles};
pub use server::{Places, TftpBindError, TftpServer};
