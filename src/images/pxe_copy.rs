//! What is read from the source ISO, and the PXE copy that is made of it.
//!
//! The calls of `xorriso` are those of `proxmox-auto-install-assistant prepare-iso --pxe` (`main.rs:1175-1276,1406-1433`).

use std::{
    collections::BTreeSet,
    ffi::OsString,
    fs::{self, File, Permissions},
    os::unix::fs::{FileExt, PermissionsExt},
    path::Path,
};

use super::{
    AddError,
    settings_room::SETTINGS_PATH,
    xorriso::{READ_LIMIT, WRITE_LIMIT, Xorriso, drive},
};

/// The size of a block of an ISO, in which `xorriso` counts (ECMA-119 §6.1.2).
const BLOCK_BYTES: u64 = 2048;
/// Where the primary volume descriptor lies (ECMA-119 §6.2.1, §8.4).
const DESCRIPTOR_OFFSET: u64 = 16 * BLOCK_BYTES;
/// Where in it the modification date lies, which is the volume's UUID (GRUB searches for it when the ISO is booted from USB).
const DATE_OFFSET: usize = 830;
const DATE_LENGTH: usize = 16;

/// The volume's UUID as sixteen digits; `None` when the volume has none. An error when the file is no ISO.
pub(super) fn read_volume_uuid(file: &File) -> Result<Option<String>, AddError> {
    let mut descriptor = [0; BLOCK_BYTES as usize];
    let is_read = file.read_exact_at(&mut descriptor, DESCRIPTOR_OFFSET);
    if is_read.is_err() || descriptor[..6] != *b"\x01CD001" {
        return Err(AddError::NotAnInstaller("it is not an ISO 9660 file".to_owned()));
    }
    let date = &descriptor[DATE_OFFSET..DATE_OFFSET + DATE_LENGTH];
    let is_set = date.iter().all(u8::is_ascii_digit) && date.iter().any(|digit| *digit != b'0');
    Ok(is_set.then(|| String::from_utf8_lossy(date).into_owned()))
}

/// The names in the topmost two levels of an ISO.
pub(super) async fn read_contents(xorriso: &Xorriso, source: &Path) -> Result<BTreeSet<String>, AddError> {
    let mut arguments = vec!["-indev".into(), drive(source)];
    arguments.extend(["-find", "/", "-maxdepth", "2", "-type", "f", "--"].map(OsString::from));
    let listed = xorriso.run("listing the ISO", READ_LIMIT, &arguments).await?;
    Ok(listed.lines().map(|line| line.trim().trim_matches('\'').to_owned()).collect())
}

/// Copies files out of an ISO.
pub(super) async fn extract(xorriso: &Xorriso, source: &Path, files: &[(&str, &Path)]) -> Result<(), AddError> {
    let mut arguments = vec!["-osirrox".into(), "on".into(), "-indev".into(), drive(source)];
    for (from, to) in files {
        arguments.extend(["-extract".into(), OsString::from(from), to.as_os_str().to_owned()]);
    }
    xorriso.run("extracting from the ISO", READ_LIMIT, &arguments).await?;
    for (_, to) in files {
        // The ISO's own permissions came along; we still have to write to what we extracted.
        fs::set_permissions(to, Permissions::from_mode(0o600)).map_err(AddError::folder("extracting from the ISO"))?;
    }
    Ok(())
}

/// Writes the copy without `/boot`, which is loaded by itself, and with a settings file.
pub(super) async fn write_copy(
    xorriso: &Xorriso,
    source: &Path,
    copy: &Path,
    settings: &Path,
    uuid: Option<&str>,
) -> Result<(), AddError> {
    let mut arguments: Vec<OsString> = ["-boot_image", "any", "keep"].map(OsString::from).into();
    if let Some(uuid) = uuid {
        arguments.extend(["-volume_date", "uuid", uuid].map(OsString::from));
    }
    arguments.extend(["-indev".into(), drive(source), "-outdev".into(), drive(copy)]);
    arguments.extend(["-rm_r", "/boot", "--", "-map"].map(OsString::from));
    arguments.extend([settings.as_os_str().to_owned(), SETTINGS_PATH.into()]);
    xorriso.run("writing the PXE copy of the ISO", WRITE_LIMIT, &arguments).await.map(drop)
}

/// Finds the settings file in the copy, and proves that exactly the placeholder lies there. Returns its offset.
pub(super) async fn find_settings(xorriso: &Xorriso, copy: &Path, placeholder: &[u8]) -> Result<u64, AddError> {
    let mut arguments = vec!["-indev".into(), drive(copy)];
    arguments.extend(["-find", SETTINGS_PATH, "-exec", "report_lba", "--"].map(OsString::from));
    let report = xorriso.run("looking for the settings in the PXE copy", READ_LIMIT, &arguments).await?;
    let offset = parse_extent(&report, placeholder.len() as u64)
        .ok_or_else(|| AddError::UnexpectedCopy(format!("its settings file is not one whole piece: {report}")))?;
    let mut found = vec![0; placeholder.len()];
    let is_read = File::open(copy).and_then(|file| file.read_exact_at(&mut found, offset));
    if is_read.is_err() || found != placeholder {
        return Err(AddError::UnexpectedCopy(format!(
            "the placeholder is not at byte {offset}, where the settings file is said to be"
        )));
    }
    Ok(offset)
}

/// Reads `File data lba:  0 ,       56 ,        2 ,     4096 , '/auto-installer-mode.toml'`: extent, first block, blocks, size. A file
/// in several extents has several lines, and is refused.
fn parse_extent(report: &str, size: u64) -> Option<u64> {
    let mut extents = report.lines().filter_map(|line| line.trim().strip_prefix("File data lba:"));
    let (line, None) = (extents.next()?, extents.next()) else { return None };
    let mut numbers = line.split(',').map_while(|field| field.trim().parse::<u64>().ok());
    let (_extent, block, _blocks, length) = (numbers.next()?, numbers.next()?, numbers.next()?, numbers.next()?);
    (length == size).then_some(block * BLOCK_BYTES)
}

#[cfg(test)]
mod tests {
    use super::*;

    const REPORT: &str = "Report layout: xt , Startlba ,   Blocks , Filesize , ISO image path\n\
        File data lba:  0 ,       56 ,        2 ,     4096 , '/auto-installer-mode.toml'\n";

    #[test]
    fn the_offset_is_that_of_the_only_extent() {
        assert_eq!(parse_extent(REPORT, 4096), Some(56 * 2048));
        assert_eq!(parse_extent(REPORT, 4095), None);
        assert_eq!(parse_extent(&REPORT.repeat(2), 4096), None);
        assert_eq!(parse_extent("", 4096), None);
    }
}
