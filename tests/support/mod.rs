//! Doubles and helpers that several tests share.

pub(crate) mod agreed;
pub(crate) mod browser;
pub(crate) mod clock;
pub(crate) mod house;
pub(crate) mod member;
pub(crate) mod namespaces;
pub(crate) mod nodes;
pub(crate) mod parsers;
pub(crate) mod peopled;
pub(crate) mod post_office;
pub(crate) mod power;
pub(crate) mod rebuild_world;
pub(crate) mod served;
pub(crate) mod sshd;
