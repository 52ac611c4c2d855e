//! A server type in words: every value with its name, and what holds where it says nothing.

use super::{disk_wish::RaidLevel, host::Host, server_type::ServerType};

/// One value of a server type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServerTypeKey {
    /// `display_name`.
    DisplayName,
    /// `boot_disk`, `disk_filter` or `disks`.
    Disks,
    /// `filesystem`.
    Filesystem,
    /// `raid`.
    Raid,
    /// `management_nic`.
    ManagementNic,
    /// `answer_template`.
    AnswerTemplate,
    /// `image`.
    Image,
    /// `kernel_arguments`.
    KernelArguments,
    /// `hostname_prefix`.
    HostnamePrefix,
    /// `gpu`.
    Gpu,
}

/// One value of a server type in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerTypeWord {
    /// Which.
    pub key: ServerTypeKey,
    /// Its name for people.
    pub label: &'static str,
    /// The value, where it says one.
    pub value: Option<String>,
    /// What holds where it says none.
    pub otherwise: &'static str,
}

impl ServerTypeKey {
    /// Whether machines are installed in another way when it changes.
    pub fn is_for_machines(self) -> bool {
        match self {
            Self::Disks
            | Self::Filesystem
            | Self::Raid
            | Self::ManagementNic
            | Self::AnswerTemplate
            | Self::Image
            | Self::KernelArguments => true,
            Self::DisplayName | Self::HostnamePrefix | Self::Gpu => false,
        }
    }

    /// Whether it matters to a host of the server type: what the host's own options say takes its place.
    pub fn matters_to(self, host: &Host) -> bool {
        let (answer, image) = (&host.options.answer, &host.options.image);
        match self {
            Self::Disks => answer.disks.select.is_empty(),
            Self::Filesystem => answer.disks.filesystem.is_none(),
            Self::Raid => answer.disks.raid.is_none(),
            Self::ManagementNic => answer.network.nic.is_none(),
            Self::AnswerTemplate => answer.template.is_none(),
            Self::Image => image.is_none(),
            Self::KernelArguments => true,
            Self::DisplayName | Self::HostnamePrefix | Self::Gpu => false,
        }
    }
}

impl ServerType {
    /// Every value in words, always in the same order.
    pub fn in_words(&self) -> Vec<ServerTypeWord> {
        use ServerTypeKey as Key;
        let arguments = self.kernel_arguments.join(" ");
        let says = |key, label, value, otherwise| ServerTypeWord { key, label, value, otherwise };
        vec![
            says(Key::DisplayName, "display name", Some(self.display_name.clone()), "none"),
            says(Key::Disks, "disk rule", Some(self.disk_rule()), "none"),
            says(
                Key::Filesystem,
                "file system",
                self.filesystem.map(|filesystem| filesystem.word().to_owned()),
                "that of the answer template, else ext4",
            ),
            says(
                Key::Raid,
                "RAID level",
                self.raid.map(|raid| RaidLevel::word(raid).to_owned()),
                "that of the answer template; raid0 of one disk with zfs and btrfs",
            ),
            says(Key::ManagementNic, "management card", self.management_nic.clone(), "the one with the default route"),
            says(Key::AnswerTemplate, "answer template", Some(self.answer_template.to_string()), "default"),
            says(Key::Image, "image", self.image.clone(), "the default image, else the newest"),
            says(
                Key::KernelArguments,
                "kernel arguments",
                Some(arguments).filter(|arguments| !arguments.is_empty()),
                "none beyond the usual",
            ),
            says(Key::HostnamePrefix, "host name prefix", self.hostname_prefix.clone(), "none"),
            says(Key::Gpu, "graphics", self.gpu.clone(), "not said"),
        ]
    }
}
