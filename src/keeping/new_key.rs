//! The way on when the key file is lost: what it sealed is erased, and a new one is made.

use std::path::{Path, PathBuf};

use jiff::{Timestamp, tz::TimeZone};

use super::{KeepingError, places::beside};
use crate::{
    domain::host::Host,
    store::{Store, has_database},
};

/// What became of a lost key's secrets.
#[derive(Debug)]
pub struct NewKey {
    /// What was erased, in words; empty when there was nothing.
    pub erased: String,
    /// The hosts whose rebuild was under way, and was ended.
    pub disarmed: Vec<Host>,
    /// Where the key file is now that was there.
    pub aside: Option<PathBuf>,
}

/// Ends what is under way, erases what the key file sealed, and makes a new one. Refused while a daemon works in the folder.
pub async fn renew_key(data_folder: &Path, now: Timestamp) -> Result<NewKey, KeepingError> {
    if !has_database(data_folder) {
        return Err(KeepingError::Refused(format!("there is no database in {}", data_folder.display())));
    }
    let store = Store::open(data_folder)?;
    let reason = "the key file was renewed, so the keys and tokens of this rebuild are gone. Look at the machine; if it is not what it should \
                  be, rebuild it";
    let disarmed = store.disarm(reason, now).await?;
    let erased = store.erase_sealed().await?;
    let key = data_folder.join("secret.key");
    let mut aside = None;
    if key.exists() {
        let moment = now.to_zoned(TimeZone::UTC).strftime("%Y%m%dT%H%M%SZ").to_string();
        let old = beside(&key, &format!(".before-{moment}"));
        std::fs::rename(&key, &old).map_err(KeepingError::file("move aside", &key))?;
        aside = Some(old);
    }
    drop(store.open_key(data_folder).await?);
    Ok(NewKey { erased, disarmed, aside })
}

/// Says what the key file has sealed in the database of a data folder.
pub fn sealed_in(data_folder: &Path) -> Result<String, KeepingError> {
    let sealed = crate::store::sealed_in(data_folder)?;
    Ok(if sealed.is_empty() { "there are none".to_owned() } else { sealed })
}
