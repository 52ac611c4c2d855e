//! Machines that exist only in this process, for the demo, and what the test lab shares with them.
//!
//! A [`SimulatedMachine`] speaks the real protocols over real sockets: DHCP, TFTP, HTTP, the installer's HTTPS. What it installs is a
//! [`SimulatedNode`]: a folder in which the true command lines of our steps run, behind a [`SimulatedSshServer`]. The [`Demo`] puts three of
//! them beside a daemon on loopback and tells the story. Nothing here knows the daemon's inside: it is started by whoever runs the demo.

mod authorized_keys;
mod demo;
mod first_boot;
mod habits;
mod installer;
pub mod installer_client;
mod ipxe_script;
mod machine;
mod node;
mod node_log;
mod operator;
mod pinned_leaf;
mod ssh_server;
mod stage;
mod tftp;
mod web;
mod wire;

pub use demo::{Demo, DemoDaemon, DemoError, DemoSummary, HostSummary, Narrator, StoryLine};
pub use habits::{Habits, HeldWebhook};
pub use installer::MachineStopped;
pub use machine::{DaemonPorts, MachineEvent, SimulatedMachine};
pub use node::{Installation, SimulatedNetwork, SimulatedNode};
pub use node_log::NodeLog;
pub use ssh_server::SimulatedSshServer;
pub use stage::DemoStage;
pub use wire::SimulatedFirmware;
