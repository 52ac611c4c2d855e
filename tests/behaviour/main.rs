//! What users, machines and files see of Rackseed: one module for each thing that they see.

#![allow(clippy::unwrap_used, reason = "in a test, a panic is the report")]

#[path = "../support/mod.rs"]
mod support;

mod about;
mod access;
mod answers;
mod api;
mod audit;
mod batches;
mod boot_order;
mod boots;
mod catalog;
mod catalog_page;
mod cluster_page;
mod command_line;
mod dashboard;
mod dhcp;
mod doctor;
mod evidence;
mod exchanges;
mod frame;
mod gate;
mod host_page;
mod hosts_page;
mod images;
mod infrastructure;
mod keeping;
mod loader;
mod look;
mod network_boot;
mod notifications;
mod offers;
mod operations;
mod pages;
mod past;
mod patience;
mod power;
mod preflight;
mod provisioning;
mod registration;
mod remote_shell;
mod scripts;
mod sending;
mod settings;
mod settings_page;
mod simulator;
mod store;
mod support_bundle;
mod sweeps;
mod tftp;
