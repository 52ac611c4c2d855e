//! The token of the command line: a file beside the database, for whoever may read the data folder. It is no part of backups; where it is
//! missing, one is made.

use std::{
    fs::{self, File},
    io::{self, ErrorKind, Read, Write},
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::Path,
};

use data_encoding::BASE64URL_NOPAD;
use secrecy::SecretString;
use zeroize::Zeroizing;

use super::{StoreError, folder};
use crate::domain::access::COMMAND_LINE_TOKEN_FILE;

/// How many random bytes a token has.
const TOKEN_BYTES: usize = 32;
/// More than a token and the end of its line is no file of ours.
const LONGEST_FILE: u64 = 256;

/// Reads the token, or makes one. One that others may have read, and what is no token, is replaced.
pub fn command_line_token(data_folder: &Path) -> Result<SecretString, StoreError> {
    folder::make(data_folder)?;
    let path = data_folder.join(COMMAND_LINE_TOKEN_FILE);
    let failed =
        |action| move |source| StoreError::File { action, path: data_folder.join(COMMAND_LINE_TOKEN_FILE), source };
    match read(&path) {
        Ok(Some(token)) => return Ok(token),
        Ok(None) => {
            tracing::warn!("{} could be read by others, or held no token; there is a new one in it now", path.display())
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(failed("read")(error)),
    }
    let mut bytes = Zeroizing::new([0; TOKEN_BYTES]);
    getrandom::fill(&mut *bytes).map_err(StoreError::NoRandomness)?;
    let token = Zeroizing::new(BASE64URL_NOPAD.encode(&*bytes));
    // Under another name first, so that the file is either whole or not there.
    let new = data_folder.join(format!("{COMMAND_LINE_TOKEN_FILE}.new-{}", std::process::id()));
    let write = || {
        match fs::remove_file(&new) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
        let mut file = File::options().write(true).create_new(true).mode(0o600).open(&new)?;
        writeln!(file, "{}", *token)?;
        file.sync_all()?;
        fs::rename(&new, &path)
    };
    write().map_err(failed("make"))?;
    Ok(SecretString::from(token.as_str()))
}

/// The token in a file; `None` when it is fit for nothing any more.
fn read(path: &Path) -> io::Result<Option<SecretString>> {
    let file = File::open(path)?;
    let is_private = file.metadata()?.permissions().mode() & 0o077 == 0;
    let mut text = Zeroizing::new(String::new());
    if file.take(LONGEST_FILE).read_to_string(&mut text).is_err() {
        return Ok(None);
    }
    let token = text.trim_end();
    let is_whole = BASE64URL_NOPAD.decode(token.as_bytes()).is_ok_and(|bytes| bytes.len() == TOKEN_BYTES);
    Ok((is_private && is_whole).then(|| SecretString::from(token)))
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    #[test]
    fn the_token_stays_and_is_for_its_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let token = command_line_token(folder.path()).unwrap();
        assert_eq!(token.expose_secret().len(), 43);
        let path = folder.path().join(COMMAND_LINE_TOKEN_FILE);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(command_line_token(folder.path()).unwrap().expose_secret(), token.expose_secret());
    }

    #[test]
    fn a_token_that_others_could_read_and_what_is_no_token_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let first = command_line_token(folder.path()).unwrap();
        let path = folder.path().join(COMMAND_LINE_TOKEN_FILE);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        let second = command_line_token(folder.path()).unwrap();
        assert_ne!(first.expose_secret(), second.expose_secret());
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        for text in ["", "short\n", "\u{fe}", &"x".repeat(1000)] {
            fs::write(&path, text).unwrap();
            assert_eq!(command_line_token(folder.path()).unwrap().expose_secret().len(), 43, "{text:.20}");
        }
    }
}
