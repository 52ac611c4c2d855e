//! Facts and decisions as pure functions of (facts, now).
//!
//! No runtime, files, sockets, clocks or databases in here: whoever calls brings what is known and the time. Everything that a
//! person could argue about (what a machine boots, which moves a host may make, what is next in an operation) is decided in this room.

pub mod answer;
pub mod answer_file;
pub mod answer_options;
mod answer_rules;
pub mod audit;
pub mod boot_attempts;
pub mod boot_diagnosis;
pub mod boot_options;
pub mod boot_order;
pub mod boot_path;
pub mod boot_record;
pub mod boot_request;
pub mod boot_rules;
pub mod boot_trace;
pub mod catalog;
pub mod change;
pub mod cluster;
pub mod cluster_plan;
pub mod cluster_report;
pub mod crowd;
pub mod delivery;
pub mod dhcp_advice;
pub mod disk_selection;
pub mod disk_wish;
pub mod firmware;
pub mod gate;
pub mod hardware;
mod hardware_reports;
pub mod host;
pub mod host_lifecycle;
pub mod host_options;
pub mod identity;
pub mod image;
pub mod image_addition;
pub mod image_choice;
pub mod image_memory;
pub mod image_use;
pub mod installer;
pub mod ipxe;
pub mod live_event;
pub mod network;
pub mod network_probe;
pub mod notification;
pub mod operation;
pub mod power;
mod power_rules;
pub mod preflight;
pub mod rebuild;
pub mod server_type;
pub mod sighting;
pub mod text_difference;
pub mod udev_glob;
mod words;
