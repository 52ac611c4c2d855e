//! How one host boots from the network, where that differs from what its firmware usually wants.

use serde::{Deserialize, Serialize};

use super::{
    firmware::{BOOT_FILES, FirmwareKind, Transport, boot_file},
    host_options::OptionProblem,
};

/// How one host boots from the network, where that differs from what its firmware usually wants.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BootOptions {
    /// How its PXE firmware comes to its boot file.
    #[serde(skip_serializing_if = "DiscoveryChoice::is_automatic")]
    pub discovery: DiscoveryChoice,
    /// Loads our own iPXE first even if the network card has one.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub own_ipxe: bool,
    /// The boot file that it gets instead of the firmware table's, such as `ipxe.efi` where `snponly.efi` finds no network.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub boot_file: Option<String>,
}

super::words::words!(
    /// What an operator chooses about [`Discovery`].
    DiscoveryChoice, "way to the boot file" {
        /// As its kind of firmware likes best; the other way when it does not follow.
        Automatic = "automatic",
        /// Always directly.
        Direct = "direct",
        /// Always by the boot server.
        BootServer = "boot_server",
    }
);

impl DiscoveryChoice {
    fn is_automatic(&self) -> bool {
        *self == Self::Automatic
    }
}

#[expect(clippy::derivable_impls, reason = "the words are declared by a macro that knows no default")]
impl Default for DiscoveryChoice {
    fn default() -> Self {
        Self::Automatic
    }
}

/// How PXE firmware comes to its boot file after our offer (PXE 2.1; the road is chosen by DHCP option 43).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Discovery {
    /// It takes the file of the offer at once (option 43, sub-option 6 = 8).
    Direct,
    /// It asks the boot server's port 4011 (no option 43).
    BootServer,
}

impl Discovery {
    /// The other way.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::Direct => Self::BootServer,
            Self::BootServer => Self::Direct,
        }
    }

    /// What it is called in a sentence: "it is led …".
    pub const fn label(self) -> &'static str {
        match self {
            Self::Direct => "directly to the file (option 43)",
            Self::BootServer => "by the boot server on port 4011 (no option 43)",
        }
    }

    /// The way that a kind of firmware likes best: some UEFI refuses the direct way, and BIOS ROMs refuse to ask a boot server.
    pub const fn usual(kind: FirmwareKind) -> Self {
        match kind {
            FirmwareKind::Bios => Self::Direct,
            FirmwareKind::UefiX64 | FirmwareKind::UefiIa32 | FirmwareKind::UefiArm64 => Self::BootServer,
        }
    }
}

impl BootOptions {
    /// Returns every rule that these options break.
    pub fn check(&self) -> Vec<OptionProblem> {
        let unknown = self.boot_file.as_deref().filter(|name| boot_file(name).is_none());
        let names = || BOOT_FILES.iter().map(|file| file.name).collect::<Vec<_>>().join(", ");
        unknown
            .map(|name| OptionProblem::new("boot.boot_file", format!("`{name}` is not one of: {}", names())))
            .into_iter()
            .collect()
    }

    /// The boot file for a kind of firmware: the operator's if it is of that kind, else the firmware table's. A host that was given an EFI
    /// program and starts in BIOS mode still boots.
    pub fn boot_file<'a>(&'a self, kind: FirmwareKind, usual: &'a str) -> &'a str {
        let chosen = self.boot_file.as_deref().filter(|name| boot_file(name).is_some_and(|file| file.kind == kind));
        chosen.unwrap_or(usual)
    }

    /// The way that the operator decided; `None` where it is found out. UEFI HTTP boot has no such ways.
    pub fn discovery(&self, transport: Transport) -> Option<Discovery> {
        match (transport, self.discovery) {
            (Transport::Http, _) => Some(Discovery::Direct),
            (Transport::Tftp, DiscoveryChoice::Automatic) => None,
            (Transport::Tftp, DiscoveryChoice::Direct) => Some(Discovery::Direct),
            (Transport::Tftp, DiscoveryChoice::BootServer) => Some(Discovery::BootServer),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_files_that_are_served_can_be_chosen() {
        let with = |name: &str| BootOptions { boot_file: Some(name.into()), ..BootOptions::default() };
        assert!(with("ipxe.efi").check().is_empty());
        let problems = with("../secret").check();
        assert_eq!(problems[0].path, "boot.boot_file");
        assert!(problems[0].rule.contains("ipxe.efi"), "{problems:?}");
        assert_eq!(with("ipxe.efi").boot_file(FirmwareKind::UefiX64, "snponly.efi"), "ipxe.efi");
        assert_eq!(with("ipxe.efi").boot_file(FirmwareKind::Bios, "undionly.kpxe"), "undionly.kpxe");
    }

    #[test]
    fn choices_are_words_and_what_was_not_chosen_is_not_kept() {
        let read = |value| serde_json::from_value::<BootOptions>(value);
        let chosen = read(json!({ "discovery": "boot_server", "own_ipxe": true, "boot_file": "ipxe.efi" })).unwrap();
        assert_eq!(chosen.discovery(Transport::Tftp), Some(Discovery::BootServer));
        assert_eq!(chosen.discovery(Transport::Http), Some(Discovery::Direct));
        assert_eq!(json!(BootOptions::default()), json!({}));
        assert_eq!(BootOptions::default().discovery(Transport::Tftp), None);
        assert!(read(json!({ "discovery": "maybe" })).is_err());
    }
}
