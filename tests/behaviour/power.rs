//! Machines that are switched from afar: each driver against the closest thing to real hardware that a test can have, what a person may
//! ask, and what a rebuild does with it.

mod asking;
mod ipmi;
mod page;
mod rebuild;
mod redfish;
mod redfish_quirks;
mod wake_on_lan;
mod webhook;
