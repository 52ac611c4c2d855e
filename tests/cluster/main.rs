//! Joining and leaving, proved against OpenSSH and a stand-in Proxmox VE cluster: each node is a set of namespaces with an SSH server, a
//! disk in memory and a `pvecm` of its own. Needs root. What a test makes is gone with it.

#![allow(clippy::unwrap_used, reason = "in a test, a panic is the report")]

#[path = "../support/mod.rs"]
#[allow(dead_code, reason = "other tests use the rest")]
mod support;

mod bad_days;
mod facts;
mod gate;
mod joining;
mod lab;
mod leaving;
mod story;
mod table;
