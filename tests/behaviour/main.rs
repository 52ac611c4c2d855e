//! What users, machines and files see of Rackseed: one module for each thing that they see.

mod answers;
mod api;
mod catalog;
mod dashboard;
mod dhcp;
mod images;
mod operations;
mod provisioning;
mod remote_shell;
mod settings;
mod simulator;
mod store;
mod tftp;
