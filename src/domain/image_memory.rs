//! How much memory a machine needs to boot an image, and whether a machine has it.
//!
//! The installer's ISO rides in the initial RAM disk. While it is unpacked, copies of the payload (the ISO and the unpacked initrd) are held
//! at the same time: the loader's own, on UEFI the boot stub's as well, and the root file system, which may fill half of the rest.
//! A machine with too little gets an ISO of full length with its end missing, and fails later with an error that names anything but
//! memory. Measured: iPXE 2.0 and Linux 6.1 in QEMU, and Proxmox VE 8.4 and 9.2 by their users.

use super::{hardware::Hardware, image::Image};

/// How many times the payload must fit into the memory, booted over BIOS and over UEFI.
const BIOS_COPIES: u64 = 3;
const UEFI_COPIES: u64 = 4;
/// What kernel and loader need beside the copies.
const BESIDE_BYTES: u64 = 512 << 20;
/// What the initrd of an image unpacks to of which it was not recorded: that of 9.2, the largest seen.
const USUAL_INITRD_BYTES: u64 = 344 << 20;
/// An installed system counts less memory than is built in: the firmware and the kernel keep some. 8 GiB are counted as 7.6 to 7.8 GiB.
const UNCOUNTED_SHARE: u64 = 16;

/// The memory that a machine needs to boot an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemoryNeed {
    /// Booted over legacy BIOS.
    pub bios_bytes: u64,
    /// Booted over UEFI.
    pub uefi_bytes: u64,
}

/// Returns the memory that a machine needs to boot an image.
pub fn memory_need(image: &Image) -> MemoryNeed {
    let initrd = image.files.as_ref().map_or(USUAL_INITRD_BYTES, |files| files.initrd_unpacked_bytes);
    let payload = image.iso_size_bytes.saturating_add(initrd);
    let need = |copies: u64| payload.saturating_mul(copies).saturating_add(BESIDE_BYTES);
    MemoryNeed { bios_bytes: need(BIOS_COPIES), uefi_bytes: need(UEFI_COPIES) }
}

/// Says that a machine has too little memory for an image; `None` when it has enough, or when it has not been reported yet.
pub fn memory_warning(image: &Image, hostname: &str, hardware: Option<&Hardware>) -> Option<String> {
    let hardware = hardware?;
    let counted = hardware.memory_bytes?;
    let has = counted.saturating_add(counted / UNCOUNTED_SHARE);
    let MemoryNeed { bios_bytes, uefi_bytes } = memory_need(image);
    let needs = match hardware.boot_mode.as_deref() {
        Some("bios") if has < bios_bytes => format!("{} to boot over BIOS", gibibytes(bios_bytes)),
        Some("efi") if has < uefi_bytes => format!("{} to boot over UEFI", gibibytes(uefi_bytes)),
        Some("bios" | "efi") => return None,
        _ if has < bios_bytes => {
            format!("{} to boot over BIOS and {} over UEFI", gibibytes(bios_bytes), gibibytes(uefi_bytes))
        }
        _ if has < uefi_bytes => format!("{} to boot over UEFI", gibibytes(uefi_bytes)),
        _ => return None,
    };
    Some(format!(
        "the image {} needs about {needs}, {hostname} has {}: its installer would be loaded incompletely and fail",
        image.id,
        gibibytes(counted)
    ))
}

/// Spells a size as a person says it: `7.9 GiB`, `8 GiB`.
pub fn gibibytes(bytes: u64) -> String {
    let tenths = (u128::from(bytes) * 10 + (1 << 29)) >> 30;
    if tenths.is_multiple_of(10) {
        format!("{} GiB", tenths / 10)
    } else {
        format!("{}.{} GiB", tenths / 10, tenths % 10)
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::domain::image::{FileRecord, ImageFiles, InstallerRelease};

    fn image(iso_mebibytes: u64, initrd_mebibytes: u64) -> Image {
        let file = FileRecord { size_bytes: 1, sha256: String::new(), modified_at: Timestamp::UNIX_EPOCH };
        Image {
            id: "pve-9.2-1-3fa94c21".parse().unwrap(),
            product: "pve".into(),
            product_name: "Proxmox VE".into(),
            release: InstallerRelease { major: 9, minor: 2 },
            iso_release: "1".into(),
            source_name: String::new(),
            source_sha256: String::new(),
            iso_size_bytes: iso_mebibytes << 20,
            settings_offset_bytes: 0,
            settings_size_bytes: 0,
            added_at: Timestamp::UNIX_EPOCH,
            is_default: false,
            files: Some(ImageFiles {
                kernel: file.clone(),
                initrd: file.clone(),
                installer_iso: file,
                initrd_unpacked_bytes: initrd_mebibytes << 20,
            }),
        }
    }

    fn hardware(mebibytes: u64, boot_mode: Option<&str>) -> Hardware {
        Hardware { memory_bytes: Some(mebibytes << 20), boot_mode: boot_mode.map(str::to_owned), ..Hardware::default() }
    }

    #[test]
    fn the_need_agrees_with_what_was_measured() {
        // A 1600 MiB ISO and hardly any initrd: UEFI failed with 6.5 GiB and booted with 7, BIOS failed with 4 GiB and booted with 5.
        let need = memory_need(&image(1600, 0));
        assert!((6 << 30..=7 << 30).contains(&need.uefi_bytes) && need.uefi_bytes > 6656 << 20, "{need:?}");
        assert!((4 << 30..=5632 << 20).contains(&need.bios_bytes) && need.bios_bytes > 5 << 30, "{need:?}");
        // The shape of 9.2 without `/boot`: 8 GiB are enough.
        let need = memory_need(&image(1536, 344));
        assert_eq!((gibibytes(need.bios_bytes), gibibytes(need.uefi_bytes)), ("6 GiB".into(), "7.8 GiB".into()));
        let unknown = Image { files: None, ..image(1536, 0) };
        assert_eq!(memory_need(&unknown), need);
    }

    #[test]
    fn a_machine_with_too_little_is_told_with_both_figures() {
        let image = image(1536, 344);
        let said = |mebibytes, mode| memory_warning(&image, "pve-01", Some(&hardware(mebibytes, mode)));
        assert_eq!(
            said(4096, Some("efi")).unwrap(),
            "the image pve-9.2-1-3fa94c21 needs about 7.8 GiB to boot over UEFI, pve-01 has 4 GiB: its installer would be loaded \
             incompletely and fail"
        );
        assert!(said(4096, Some("bios")).unwrap().contains("6 GiB to boot over BIOS, pve-01 has 4 GiB"));
        assert!(said(4096, None).unwrap().contains("6 GiB to boot over BIOS and 7.8 GiB over UEFI"));
        assert!(said(6500, None).unwrap().contains("7.8 GiB to boot over UEFI, pve-01 has 6.3 GiB"));
        // 8 GiB, as an installed system counts them; and 6 GiB over BIOS.
        assert_eq!(said(7780, Some("efi")), None);
        assert_eq!(said(5900, Some("bios")), None);
        assert_eq!(said(16_384, None), None);
        assert_eq!(memory_warning(&image, "pve-01", None), None);
        assert_eq!(memory_warning(&image, "pve-01", Some(&Hardware::default())), None);
    }
}
