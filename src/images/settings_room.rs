//! The room in the PXE copy for the settings of one rebuild: what fills it at first, and how a view fills it.
//!
//! ISO 9660 keeps a file in one uncompressed run of bytes without a checksum, so a file of fixed size can be shown with other content
//! of the same size. What remains of the room is filled with TOML comments: padding with spaces or NULs would be read by a person as
//! damage, and NULs are no TOML.

use super::AddError;

/// Room for the private settings. The settings are below 1 KiB; more room costs nothing.
pub(super) const ROOM_BYTES: usize = 4096;
/// Where the installer looks for its settings (`proxmox-fetch-answer`, `main.rs:17`).
pub(super) const SETTINGS_PATH: &str = "/auto-installer-mode.toml";
/// The length of a line of padding, its line break included.
const LINE_BYTES: usize = 64;

/// Makes the first content of the room: comment lines with random digits, so that it can be found with certainty, and so that an
/// installer that was given it by mistake finds no settings and stops.
pub(super) fn placeholder() -> Result<Vec<u8>, AddError> {
    const LEAD: &str = "# rackseed placeholder ";
    const DIGITS: usize = LINE_BYTES - LEAD.len() - 1;
    let mut room = Vec::with_capacity(ROOM_BYTES);
    while room.len() < ROOM_BYTES {
        let mut random = [0; DIGITS / 2];
        getrandom::fill(&mut random).map_err(|error| AddError::Folder {
            doing: "asking the system for random bytes",
            source: std::io::Error::other(error.to_string()),
        })?;
        room.extend_from_slice(LEAD.as_bytes());
        room.extend_from_slice(data_encoding::HEXLOWER.encode(&random).as_bytes());
        room.push(b'\n');
    }
    Ok(room)
}

/// Fills a room of `room` bytes with settings and, after them, comment lines; `None` when they do not fit.
pub fn fill_room(settings: &str, room: usize) -> Option<Vec<u8>> {
    let mut filled = settings.as_bytes().to_vec();
    if !settings.is_empty() && !settings.ends_with('\n') && filled.len() < room {
        filled.push(b'\n');
    }
    let mut remaining = room.checked_sub(filled.len())?;
    while remaining > 0 {
        let line = remaining.min(LINE_BYTES);
        if line > 1 {
            filled.push(b'#');
            filled.resize(filled.len() + line - 2, b'.');
        }
        filled.push(b'\n');
        remaining -= line;
    }
    Some(filled)
}
