//! Machines that exist only in this process, for the demo, and what the test lab shares with them.

pub mod installer_client;
