//! The firmware table: which machines can boot Proxmox VE from us, and with which file.

/// The two kinds of PC firmware, as iPXE's `${platform}` and DHCP option 93 tell them apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FirmwareKind {
    /// Legacy BIOS.
    Bios,
    /// UEFI on x86-64.
    UefiX64,
}

/// One row of the firmware table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Firmware {
    /// The client architecture code of DHCP option 93 (IANA "Processor Architecture Types").
    pub architecture: u16,
    /// What it is.
    pub kind: FirmwareKind,
    /// The iPXE binary that it gets, a name in the iPXE folder and on TFTP.
    pub boot_file: &'static str,
    /// The recorded packet that proves the row, a name in `tests/fixtures/packets`.
    pub proof: &'static str,
}

/// Every firmware that we serve.
///
/// RFC 4578 §2.1 swapped codes 7 and 9; old boards follow the text and new ones the erratum, so both mean x86-64 here.
/// `undionly.kpxe` and `snponly.efi` use the firmware's own network driver; `ipxe.efi` hangs on some cards (ipxe/ipxe#973).
pub const FIRMWARE: &[Firmware] = &[
    Firmware {
        architecture: 0,
        kind: FirmwareKind::Bios,
        boot_file: "undionly.kpxe",
        proof: "bios-ipxe2019-rom-discover",
    },
    Firmware { architecture: 7, kind: FirmwareKind::UefiX64, boot_file: "snponly.efi", proof: "ovmf-x64-pxe-discover" },
    Firmware { architecture: 9, kind: FirmwareKind::UefiX64, boot_file: "snponly.efi", proof: "ovmf-x64-pxe-discover" },
];

/// Returns the row for a client architecture code, or `None` for machines on which Proxmox VE cannot run or that we cannot boot yet.
pub fn firmware(architecture: u16) -> Option<&'static Firmware> {
    FIRMWARE.iter().find(|row| row.architecture == architecture)
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
