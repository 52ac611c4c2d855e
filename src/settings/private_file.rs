//! Files that hold a secret: nobody but their owner may read them.

use std::{fs::File, io::Read, os::unix::fs::PermissionsExt, path::Path};

use secrecy::SecretString;

/// A larger file is no password, token or key.
const LARGEST_SECRET_BYTES: u64 = 64 << 10;

/// Reads a secret from a file, without the line break at its end. Refused with a sentence when others may read it or it is empty.
pub fn read_private_file(path: &Path) -> Result<SecretString, String> {
    let shown = path.display();
    let cannot = |error| format!("{shown} cannot be read: {error}");
    // What is looked at is what is read: the rights are those of the open file, not of a name that may be given to another one meanwhile.
    let file = File::open(path).map_err(cannot)?;
    let metadata = file.metadata().map_err(cannot)?;
    if !metadata.is_file() {
        return Err(format!("{shown} is not a file"));
    }
    if metadata.permissions().mode() & 0o077 != 0 {
        return Err(format!("{shown} can be read by others; `chmod 600 {shown}`"));
    }
    if metadata.len() > LARGEST_SECRET_BYTES {
        return Err(format!("{shown} has {} bytes, which is no secret that we know of", metadata.len()));
    }
    let mut text = String::new();
    file.take(LARGEST_SECRET_BYTES).read_to_string(&mut text).map_err(cannot)?;
    let secret = text.trim_end_matches(['\r', '\n']);
    if secret.is_empty() {
        return Err(format!("{shown} is empty"));
    }
    // A key file must keep its last line break: OpenSSH's own reader asks for it.
    Ok(if secret.contains('\n') { text.clone() } else { secret.to_owned() }.into())
}
