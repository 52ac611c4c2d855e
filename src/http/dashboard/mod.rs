//! Plain pages for people: the hosts, one host, one operation. Forms work without JavaScript (post, then a redirect to the page); with it,
//! the page asks for itself again whenever the live feed says that something changed.

pub(super) mod about_page;
pub(super) mod activity_page;
pub(super) mod assets;
pub(super) mod audit_page;
pub(super) mod batch_page;
pub(super) mod batches_page;
mod boot_part;
pub(super) mod catalog_page;
pub(super) mod cluster_page;
mod exchange_part;
mod filters;
pub(super) mod first_visit_page;
pub(super) mod forms;
mod hardware_part;
mod host_page;
pub(super) mod image_page;
mod journey_part;
pub(super) mod notifications_page;
mod operation_page;
mod operation_part;
pub(super) mod operations_page;
pub(super) mod options_part;
pub(super) mod pages;
mod power_part;
pub(super) mod problem_page;
pub(super) mod rebuild_page;
mod rebuild_part;
pub(super) mod settings_page;
pub(super) mod sheet_page;
mod shell;
mod sightings_part;
pub(super) mod sign_in_page;
mod words;
