//! What an iPXE says of itself in DHCP option 175, and whether that is enough to boot our installer.

use super::firmware::FirmwareKind;

/// Sub-options of option 175 (iPXE `include/ipxe/dhcp.h` and `features.h`; seen in the recorded packets).
const VERSION: u8 = 0xeb;
const HTTP: u8 = 0x13;
const BZIMAGE: u8 = 0x18;
const EFI: u8 = 0x24;
/// Features are flags between these codes; the others carry settings.
const FEATURES: std::ops::Range<u8> = 0x10..0x50;
/// The first release of which every build hands our installer to a UEFI kernel. Of the line before only builds from May 2025 on do, and all of
/// that line say 1.0.0 here, Debian 13's 1.21.1+git20250501 too (recorded): a packet does not tell them apart, the script asks for the
/// version's text.
const SURE_ON_UEFI: [u8; 3] = [2, 0, 0];

/// An iPXE as it describes itself.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Ipxe {
    /// Its release line: 1.0.0 for all builds before 1.20, 2.0.0 for the second generation.
    pub version: Option<[u8; 3]>,
    /// One bit for each feature, from code 0x10 on.
    features: u64,
}

impl Ipxe {
    /// Reads option 175: codes, lengths and values, to the first that is cut off.
    pub fn read(option: &[u8]) -> Self {
        let (mut found, mut rest) = (Self::default(), option);
        while let [code, tail @ ..] = rest {
            if *code == 0 {
                rest = tail;
                continue;
            }
            let Some((length, tail)) = tail.split_first() else { break };
            let Some(value) = tail.get(..usize::from(*length)) else { break };
            if *code == VERSION {
                found.version = value.try_into().ok();
            } else if FEATURES.contains(code) && value.iter().any(|byte| *byte != 0) {
                found.features |= 1 << (code - FEATURES.start);
            }
            rest = &tail[usize::from(*length)..];
        }
        found
    }

    /// Whether it said anything at all: one that is known by its user class alone tells no features.
    pub fn is_described(&self) -> bool {
        *self != Self::default()
    }

    /// Why it cannot load our installer on such a firmware; `None` when nothing speaks against it. Vendors' iPXE is often old and lacks HTTP.
    pub fn shortcoming(&self, kind: FirmwareKind) -> Option<&'static str> {
        if !self.has(HTTP) {
            return Some("it cannot load over HTTP");
        }
        match kind {
            FirmwareKind::Bios => (!self.has(BZIMAGE)).then_some("it cannot boot a Linux kernel"),
            // An EFI build has no bzImage of its own: the kernel is an EFI program.
            FirmwareKind::UefiX64 | FirmwareKind::UefiIa32 | FirmwareKind::UefiArm64 => {
                (!self.has(EFI)).then_some("it cannot start EFI programs")
            }
        }
    }

    /// Whether it may be so old that it loses the installer ISO: then ours is loaded first.
    pub fn may_lose_the_iso(&self, kind: FirmwareKind) -> bool {
        kind != FirmwareKind::Bios && self.version.is_none_or(|version| version < SURE_ON_UEFI)
    }

    fn has(&self, feature: u8) -> bool {
        self.features & (1 << (feature - FEATURES.start)) != 0
    }
}

impl std::fmt::Display for Ipxe {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.version {
            Some([major, minor, patch]) => write!(formatter, "iPXE {major}.{minor}.{patch}"),
            None => formatter.write_str("iPXE"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Recorded: `snponly.efi` of 2.0, of Debian 13 (1.21.1+git20250501) and of 2019, QEMU's BIOS ROM of 2019.
    const EFI_2_0: &str = "b105011af41000eb03020000170101270101240101130101140101110101150101260101120101";
    const EFI_1_21: &str = "b105011af41000eb03010000260101170101270101240101130101140101110101290101150101120101";
    const EFI_2019: &str = "b105011af41000eb03010000170101240101130101110101270101290101150101120101";
    const ROM_2019: &str =
        "b105011af41000eb03010000170101220101130101110101270101190101290101100102210101150101180101120101";

    fn read(hex: &str) -> Ipxe {
        Ipxe::read(&data_encoding::HEXLOWER.decode(hex.as_bytes()).unwrap())
    }

    #[test]
    fn recorded_builds_are_good_enough_where_they_can_boot_the_installer() {
        use FirmwareKind::{Bios, UefiX64};
        assert_eq!(read(EFI_2_0).shortcoming(UefiX64), None);
        assert_eq!(read(ROM_2019).shortcoming(Bios), None);
        for (build, kind, may_lose) in
            [(EFI_2019, UefiX64, true), (EFI_1_21, UefiX64, true), (EFI_2_0, UefiX64, false), (ROM_2019, Bios, false)]
        {
            assert_eq!(
                (read(build).shortcoming(kind), read(build).may_lose_the_iso(kind)),
                (None, may_lose),
                "{build}"
            );
        }
        assert!(read(ROM_2019).shortcoming(UefiX64).unwrap().contains("EFI"));
        assert!(read(EFI_2_0).shortcoming(Bios).unwrap().contains("Linux kernel"));
        assert_eq!(read(EFI_2_0).to_string(), "iPXE 2.0.0");
    }

    #[test]
    fn one_without_http_or_without_a_description_is_not_good_enough() {
        for hex in ["", "eb03010000180101", "130100180101", "1301", "13", "00"] {
            assert!(read(hex).shortcoming(FirmwareKind::Bios).unwrap().contains("HTTP"), "{hex}");
        }
        assert!(!read("").is_described() && read("eb03010000").is_described());
    }
}
