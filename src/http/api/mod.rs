//! The JSON interface for people's programs: extract, ask a desk, answer.

pub(super) mod about;
pub(super) mod activity;
pub(super) mod answers;
pub(super) mod asked;
pub(super) mod audit;
pub(super) mod batches;
pub(super) mod boots;
mod bundle_parts;
pub(super) mod catalog;
pub(super) mod catalog_views;
pub(super) mod doctor;
pub(super) mod exchanges;
pub(super) mod gates;
pub(super) mod hosts;
pub(super) mod image_views;
pub(super) mod images;
pub(super) mod lifecycle;
pub(super) mod network;
pub(super) mod notifications;
pub(super) mod operations;
pub(super) mod power;
pub(super) mod rebuild_views;
pub(super) mod rebuilds;
pub(super) mod settings;
pub(super) mod sightings;
pub(super) mod support_bundle;
pub(super) mod views;
