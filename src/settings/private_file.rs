//! Files that hold a secret: nobody but their owner may read them.

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use secrecy::SecretString;

/// Reads a secret from a file, without the line break at its end. Refused with a sentence when others may read it or it is empty.
pub fn read_private_file(path: &Path) -> Result<SecretString, String> {
    let metadata = fs::metadata(path).map_err(|error| format!("{} cannot be read: {error}", path.display()))?;
    if metadata.permissions().mode() & 0o077 != 0 {
        return Err(format!("{} can be read by others; `chmod 600 {}`", path.display(), path.display()));
    }
    let text = fs::read_to_string(path).map_err(|error| format!("{} cannot be read: {error}", path.display()))?;
    let secret = text.trim_end_matches(['\r', '\n']);
    if secret.is_empty() {
        return Err(format!("{} is empty", path.display()));
    }
    // A key file must keep its last line break: OpenSSH's own reader asks for it.
    Ok(if secret.contains('\n') { text.clone() } else { secret.to_owned() }.into())
}
