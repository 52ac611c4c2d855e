//! What a booting machine or a person may ask: short, and never waiting on another machine.
//!
//! Promises: the host keeper is the only writer of a host's state; a machine is given an installer only while its rebuild is armed;
//! every one-time token is believed for its own rebuild and purpose alone; any doubt is the local disk. Called by the listeners
//! (`dhcp`, `http`); of this room, `operations` uses the host keeper alone.

mod access_desk;
mod answer_desk;
mod answer_preview;
mod boot_desk;
mod boot_diary;
mod boot_memory;
mod boot_offers;
mod boot_table;
mod check_in;
mod enrolment;
mod exchange_book;
mod first_boot_script;
mod host_keeper;
mod machine_urls;
mod patience_desk;
mod power_desk;
mod refusal;
mod sightings;
mod tokens;
mod watchdog;

pub use access_desk::{AccessDesk, AccessRefusal, AccessTools, Doorstep, NewToken, Pass, PassHolder, SignedIn};
pub use answer_desk::{AnswerDesk, AnswerRequest};
pub use answer_preview::AnswerDifference;
pub use boot_desk::{BootDesk, InstallerFile, ScriptRequest};
pub use boot_diary::{BootDiary, DiaryQueue};
pub use boot_memory::{BootMemory, RememberingTrace, keep_boot_orders};
pub use boot_offers::{BootOffers, ByPath};
pub use boot_table::{ArmedHost, BootTable, KnownHost};
pub use check_in::CheckIn;
pub use enrolment::{Enrolment, EnrolmentError};
pub use exchange_book::{ExchangeBook, Heard};
pub use first_boot_script::FirstBootScript;
pub use host_keeper::{HostKeeper, KeeperError, Move, secret_place};
pub use machine_urls::{MachineUrls, OwnCertificate};
pub use patience_desk::{HostPatience, PatienceDesk};
pub use power_desk::{PowerDesk, PowerRefusal};
pub use refusal::{Refusal, RefusalLog};
pub use sightings::{MOST_SIGHTINGS, Sightings};
pub use tokens::{RebuildTokens, hash_token};
pub use watchdog::{Patience, Watchdog};
