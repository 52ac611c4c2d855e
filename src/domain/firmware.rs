//! The firmware table: which machines can boot Proxmox VE from us, and with which file; and why each other one cannot.

use {FirmwareKind as Kind, Transport as Way};

super::words::words!(
    /// The kinds of firmware for which there are iPXE binaries.
    FirmwareKind, "kind of firmware" {
        /// Legacy BIOS.
        Bios = "bios",
        /// UEFI on x86-64.
        UefiX64 = "uefi_x64",
        /// 32-bit UEFI on x86.
        UefiIa32 = "uefi_ia32",
        /// UEFI on 64-bit Arm.
        UefiArm64 = "uefi_arm64",
    }
);

impl FirmwareKind {
    /// What a person calls it.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Bios => "BIOS",
            Self::UefiX64 => "UEFI x86-64",
            Self::UefiIa32 => "32-bit UEFI",
            Self::UefiArm64 => "UEFI on 64-bit Arm",
        }
    }

    /// Why Proxmox VE cannot be installed with it, and what to do; `None` where it can. Such a machine is given iPXE all the same, if there is
    /// a binary for it, so that the reason stands on its console.
    pub const fn cannot_install(self) -> Option<&'static str> {
        match self {
            Self::Bios | Self::UefiX64 => None,
            Self::UefiIa32 => Some(
                "its firmware is 32-bit UEFI and Proxmox VE is 64-bit only; switch the machine to legacy BIOS boot, or update its firmware",
            ),
            Self::UefiArm64 => Some("it has a 64-bit Arm processor and the Proxmox VE installer is for x86-64 only"),
        }
    }
}

/// How firmware loads its boot file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Transport {
    /// PXE: a name, by TFTP.
    Tftp,
    /// UEFI HTTP boot: a URL.
    Http,
}

/// One row of the firmware table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Firmware {
    /// The client architecture code of DHCP option 93 (IANA "Processor Architecture Types").
    pub architecture: u16,
    /// What it is.
    pub kind: FirmwareKind,
    /// How it loads.
    pub transport: Transport,
    /// The iPXE binary that it gets, a name in the iPXE folder and on TFTP.
    pub boot_file: &'static str,
    /// The recorded packet that proves the row, a name in `tests/fixtures/packets`; where no machine with the code could be recorded, that of
    /// its kind.
    pub proof: &'static str,
}

const fn row(
    architecture: u16,
    kind: FirmwareKind,
    transport: Transport,
    boot_file: &'static str,
    proof: &'static str,
) -> Firmware {
    Firmware { architecture, kind, transport, boot_file, proof }
}

/// Every firmware that we serve.
///
/// RFC 4578 §2.1 swapped codes 7 and 9; old boards follow the text and new ones the erratum, so both mean x86-64 here.
/// `undionly.kpxe` and `snponly.efi` use the firmware's own network driver; `ipxe.efi` hangs on some cards (ipxe/ipxe#973).
/// Debian has no 32-bit iPXE for UEFI; its one for Arm is called as here.
#[rustfmt::skip]
pub const FIRMWARE: &[Firmware] = &[
    row(0, Kind::Bios, Way::Tftp, "undionly.kpxe", "bios-ipxe2019-rom-discover"),
    row(6, Kind::UefiIa32, Way::Tftp, "snponly-i386.efi", "ovmf-ia32-pxe-discover"),
    row(7, Kind::UefiX64, Way::Tftp, "snponly.efi", "ovmf-x64-pxe-discover"),
    row(9, Kind::UefiX64, Way::Tftp, "snponly.efi", "ovmf-x64-pxe-discover"),
    row(11, Kind::UefiArm64, Way::Tftp, "ipxe-arm64.efi", "aavmf-arm64-pxe-discover"),
    row(15, Kind::UefiIa32, Way::Http, "snponly-i386.efi", "ovmf-ia32-http-discover"),
    row(16, Kind::UefiX64, Way::Http, "snponly.efi", "ovmf-x64-http-discover"),
    row(17, Kind::UefiX64, Way::Http, "snponly.efi", "ovmf-x64-http-discover"),
    row(19, Kind::UefiArm64, Way::Http, "ipxe-arm64.efi", "aavmf-arm64-http-discover"),
    // U-Boot, which starts EFI programs like any other firmware.
    row(22, Kind::UefiArm64, Way::Tftp, "ipxe-arm64.efi", "aavmf-arm64-pxe-discover"),
];

/// Returns the row for a client architecture code, or `None` for machines that we cannot boot; [`why_unserved`] says why.
pub fn firmware(architecture: u16) -> Option<&'static Firmware> {
    FIRMWARE.iter().find(|row| row.architecture == architecture)
}

/// Returns the row of the same kind for another way of loading: some firmware says `HTTPClient` with the code of PXE, and iPXE always
/// reports the code of PXE.
pub fn firmware_by(architecture: u16, transport: Transport) -> Option<&'static Firmware> {
    let row = firmware(architecture)?;
    if row.transport == transport {
        return Some(row);
    }
    FIRMWARE.iter().find(|other| other.kind == row.kind && other.transport == transport)
}

/// The kind of firmware as iPXE tells it: `${platform}` and `${buildarch}`; `None` where it tells too little.
pub fn of_ipxe(platform: &str, processor: &str) -> Option<FirmwareKind> {
    match (platform, processor) {
        // Its BIOS builds are 32-bit programs on every processor.
        ("pcbios", _) => Some(Kind::Bios),
        ("efi", "x86_64") => Some(Kind::UefiX64),
        ("efi", "i386") => Some(Kind::UefiIa32),
        ("efi", "arm64") => Some(Kind::UefiArm64),
        (_, _) => None,
    }
}

/// A boot file that may be served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BootFileName {
    /// Its name in the iPXE folder.
    pub name: &'static str,
    /// The firmware that can run it.
    pub kind: FirmwareKind,
    /// Whether the folder must have it.
    pub is_needed: bool,
}

const fn file(name: &'static str, kind: FirmwareKind, is_needed: bool) -> BootFileName {
    BootFileName { name, kind, is_needed }
}

/// Every boot file that is served if the iPXE folder has it: those of the firmware table, and those that a host may be given instead
/// (`boot.boot_file`). `ipxe.*` bring their own network drivers. Nothing else in the folder is ever sent.
#[rustfmt::skip]
pub const BOOT_FILES: &[BootFileName] = &[
    file("undionly.kpxe", Kind::Bios, true),
    file("undionly.kkpxe", Kind::Bios, false),
    file("ipxe.pxe", Kind::Bios, false),
    file("ipxe.kpxe", Kind::Bios, false),
    file("snponly.efi", Kind::UefiX64, true),
    file("ipxe.efi", Kind::UefiX64, false),
    file("ipxe-amd64.efi", Kind::UefiX64, false),
    file("snponly-i386.efi", Kind::UefiIa32, false),
    file("ipxe-i386.efi", Kind::UefiIa32, false),
    file("snponly-arm64.efi", Kind::UefiArm64, false),
    file("ipxe-arm64.efi", Kind::UefiArm64, false),
];

/// Returns the row of a boot file.
pub fn boot_file(name: &str) -> Option<&'static BootFileName> {
    BOOT_FILES.iter().find(|file| file.name == name)
}

/// Why the machines of an architecture code are not served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unserved {
    /// Proxmox VE has no installer for its processor, and iPXE no binary.
    OtherProcessor,
    /// A code of machines of the nineties, which nobody sends any more.
    Obsolete,
    /// Nothing is known of firmware that loads in this way, so nothing could be tried.
    NotTried,
}

impl Unserved {
    /// The sentence for a person.
    pub const fn because(self) -> &'static str {
        match self {
            Self::OtherProcessor => "Proxmox VE cannot be installed on such a processor",
            Self::Obsolete => "no machine on which Proxmox VE runs sends this code",
            Self::NotTried => "this way of network boot is not served; choose PXE boot in its setup",
        }
    }
}

/// Every code of the IANA registry that we do not serve (read 2026-11-21), with its name there.
#[rustfmt::skip]
pub const UNSERVED: &[(u16, &str, Unserved)] = &[
    (1, "NEC PC98", Unserved::Obsolete),
    (2, "Itanium", Unserved::OtherProcessor),
    (3, "DEC Alpha", Unserved::Obsolete),
    (4, "Arc x86", Unserved::Obsolete),
    (5, "Intel Lean Client", Unserved::Obsolete),
    (8, "EFI Xscale", Unserved::Obsolete),
    (10, "ARM 32-bit UEFI", Unserved::OtherProcessor),
    (12, "PowerPC Open Firmware", Unserved::OtherProcessor),
    (13, "PowerPC ePAPR", Unserved::OtherProcessor),
    (14, "POWER OPAL v3", Unserved::OtherProcessor),
    (18, "ARM 32-bit UEFI over HTTP", Unserved::OtherProcessor),
    (20, "PC/AT BIOS over HTTP", Unserved::NotTried),
    (21, "ARM 32-bit U-Boot", Unserved::OtherProcessor),
    (23, "ARM 32-bit U-Boot over HTTP", Unserved::OtherProcessor),
    (24, "ARM 64-bit U-Boot over HTTP", Unserved::NotTried),
    (25, "RISC-V 32-bit UEFI", Unserved::OtherProcessor),
    (26, "RISC-V 32-bit UEFI over HTTP", Unserved::OtherProcessor),
    (27, "RISC-V 64-bit UEFI", Unserved::OtherProcessor),
    (28, "RISC-V 64-bit UEFI over HTTP", Unserved::OtherProcessor),
    (29, "RISC-V 128-bit UEFI", Unserved::OtherProcessor),
    (30, "RISC-V 128-bit UEFI over HTTP", Unserved::OtherProcessor),
    (31, "s390 Basic", Unserved::OtherProcessor),
    (32, "s390 Extended", Unserved::OtherProcessor),
    (33, "MIPS 32-bit UEFI", Unserved::OtherProcessor),
    (34, "MIPS 64-bit UEFI", Unserved::OtherProcessor),
    (35, "Sunway 32-bit UEFI", Unserved::OtherProcessor),
    (36, "Sunway 64-bit UEFI", Unserved::OtherProcessor),
    (37, "LoongArch 32-bit UEFI", Unserved::OtherProcessor),
    (38, "LoongArch 32-bit UEFI over HTTP", Unserved::OtherProcessor),
    (39, "LoongArch 64-bit UEFI", Unserved::OtherProcessor),
    (40, "LoongArch 64-bit UEFI over HTTP", Unserved::OtherProcessor),
    (41, "ARM Raspberry Pi boot", Unserved::OtherProcessor),
];

/// Says why a code without a row is not served.
pub fn why_unserved(architecture: u16) -> String {
    match UNSERVED.iter().find(|(code, ..)| *code == architecture) {
        Some((code, name, reason)) => format!("its firmware is {name} (architecture {code}): {}", reason.because()),
        None => format!("its firmware names the architecture {architecture}, which nobody has registered"),
    }
}

/// Names a client architecture for a person, with or without a row.
pub fn architecture_label(architecture: u16) -> String {
    let unserved = || UNSERVED.iter().find(|(code, ..)| *code == architecture).map(|(_, name, _)| (*name).to_owned());
    match firmware(architecture) {
        Some(Firmware { kind, transport: Transport::Tftp, .. }) => kind.label().to_owned(),
        Some(Firmware { kind, transport: Transport::Http, .. }) => format!("{} HTTP boot", kind.label()),
        None => unserved().unwrap_or_else(|| format!("architecture {architecture}")),
    }
}

/// The oldest iPXE that hands the installer ISO to a UEFI kernel, as the number in its version text.
///
/// `1.21.1+git20250501`: older builds lose the ISO silently (seen in QEMU with Debian 12's build of 2019).
pub const OLDEST_UEFI_IPXE: &str = "1.21.1+git20250501";

/// Tells from iPXE's `${version}` whether it is new enough to boot the installer on UEFI.
///
/// Known forms: `1.0.0+git-20190125.36a4c85`, `1.21.1+git20250501`, `1.21.1+ (g4e3f)`, `2.0.0`, `2.0.0+ (g0ab22)`. Anything of
/// the second generation is new enough; of 1.21.1 a build says its date or is refused; a text that cannot be read is refused.
pub fn ipxe_boots_uefi(version: &str) -> bool {
    // iPXE does not escape `+` in a URL's query, where it means a space (seen with Debian's 1.21.1+git20250501).
    let version = version.trim().replace(' ', "+");
    let number = version.trim_start_matches('v');
    let major = number.split('.').next().and_then(|part| part.parse::<u32>().ok());
    match major {
        Some(major) if major >= 2 => true,
        Some(1) => number
            .strip_prefix("1.21.1+git")
            .map(|rest| rest.trim_start_matches('-'))
            .and_then(|rest| rest.get(..8))
            .and_then(|date| date.parse::<u32>().ok())
            .is_some_and(|date| date >= 20_250_501),
        Some(_) | None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_registered_architecture_is_either_served_or_has_a_reason() {
        let mut codes: Vec<_> =
            FIRMWARE.iter().map(|row| row.architecture).chain(UNSERVED.iter().map(|(code, ..)| *code)).collect();
        codes.sort_unstable();
        assert_eq!(codes, (0..=41).collect::<Vec<_>>());
        assert!(why_unserved(27).contains("RISC-V 64-bit UEFI (architecture 27): Proxmox VE cannot"));
        assert!(why_unserved(9999).contains("9999"));
    }

    #[test]
    fn every_row_names_a_boot_file_of_its_kind() {
        for row in FIRMWARE {
            assert_eq!(boot_file(row.boot_file).map(|file| file.kind), Some(row.kind), "{row:?}");
        }
    }

    #[test]
    fn the_row_for_another_way_of_loading_is_of_the_same_kind() {
        assert_eq!(firmware_by(7, Transport::Http).map(|row| row.architecture), Some(16));
        assert_eq!(firmware_by(19, Transport::Tftp).map(|row| row.architecture), Some(11));
        assert_eq!(firmware_by(0, Transport::Http), None);
        assert_eq!(architecture_label(16), "UEFI x86-64 HTTP boot");
        assert_eq!(architecture_label(41), "ARM Raspberry Pi boot");
    }

    #[test]
    fn an_ipxe_is_new_enough_from_may_2025_on() {
        for (version, enough) in [
            ("2.0.0+ (g0ab22)", true),
            ("1.21.1+git20250501.ab", true),
            ("1.21.1 git20250501.dad20602 dfsg-1", true),
            ("2.0.0  (g0ab22)", true),
            ("1.21.1+git-20250601.ab", true),
            ("1.21.1+git20220113.fbbdc3926", false),
            ("1.0.0+git-20190125.36a4c85", false),
            ("1.21.1+ (g4e3f)", false),
            ("", false),
            ("x", false),
        ] {
            assert_eq!(ipxe_boots_uefi(version), enough, "{version}");
        }
    }
}
