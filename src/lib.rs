//! Rackseed turns bare metal into ready Proxmox VE cluster nodes.
//!
//! The rooms, and who may use whom (arrows only point to rooms named later in a line; `tests/tidy` holds the whole table):
//!
//! - [`domain`]: facts and decisions as pure functions. Uses nothing.
//! - [`ports`]: one small trait for each outside need. Uses the domain.
//! - `provisioning`: what a booting machine or a person may ask; short. Uses ports and domain.
//! - `operations`: long work as journaled steps. Uses the host keeper, ports and domain.
//! - `store`, `catalog`, `images`, `remote_shell`, `infrastructure`, `power`, `notifications`: adapters behind ports. They never see each other.
//! - `dhcp`, `tftp`, `http`: how machines and people reach us. They use provisioning; `http` also uses operations.
//! - `simulator`: machines that exist only in this process, for the demo.
//! - `settings`, `keeping`, `daemon`, `command_line`: composition.

pub mod catalog;
pub mod command_line;
pub mod daemon;
pub mod dhcp;
pub mod domain;
pub mod http;
pub mod images;
pub mod infrastructure;
pub mod keeping;
pub mod notifications;
pub mod operations;
pub mod ports;
pub mod power;
pub mod provisioning;
pub mod remote_shell;
pub mod settings;
pub mod simulator;
pub mod store;
pub mod tftp;
