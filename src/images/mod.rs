//! The library of installer images: ingest once, a private view for each rebuild.
//!
//! [`ImageFolder::add`] turns an ISO file into `images/<id>/` with kernel, initrd and a PXE copy of the ISO, which has room for
//! `auto-installer-mode.toml` at a known place. [`ports::ImageLibrary::open`](crate::ports::ImageLibrary::open) then shows that one
//! copy to every rebuild with other settings in that room: a private ISO that costs neither disk nor time.
//!
//! What lies in the library never changes: folders are made under another name and renamed into place when they are complete and on
//! disk, and the row in the ledger comes last; a removal takes the row first. Whatever is interrupted leaves only a `.partial-` folder or a
//! folder without a row, which the next `add` or [`ImageFolder::clean_up`] removes.
//!
//! [`Intake`] takes files in from URLs and uploads while the daemon runs; what it has of them lies in `.incoming/`, and goes on after a
//! restart.

mod add;
mod add_error;
mod cd_info;
mod folder;
mod ingest;
mod initrd;
mod intake;
mod keeper;
mod pxe_copy;
mod records;
mod served;
mod settings_room;
mod staging;
mod xorriso;

pub use add::Progress;
pub use add_error::AddError;
pub use cd_info::read_cd_info;
pub use folder::ImageFolder;
pub use intake::{Intake, IntakeLimits};
pub use settings_room::fill_room;
