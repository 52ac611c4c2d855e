//! The milestones of a boot, from the first question on the wire to the installed system's call.

use serde::{Deserialize, Serialize};

/// One thing that was seen of a booting machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "milestone")]
pub enum Milestone {
    /// Its firmware, or iPXE, asked for a boot (DHCP port 67).
    Asked {
        /// What asked, for a person: `BIOS`, `UEFI x86-64`, `UEFI HTTP boot`, `iPXE 2.0 on UEFI x86-64`.
        client: String,
    },
    /// It was offered nothing.
    NotOffered {
        /// Why, for a person.
        reason: String,
    },
    /// It was offered a boot.
    Offered {
        /// The file or script, without any token.
        what: String,
    },
    /// It asked the boot server's port (4011) for the file.
    AskedBootServer,
    /// It loaded our iPXE.
    LoaderFetched {
        /// The file's name.
        file: String,
        /// How that went.
        transfer: Transfer,
    },
    /// It fetched an iPXE script.
    ScriptFetched {
        /// Which.
        script: String,
    },
    /// It loaded the installer's kernel.
    KernelFetched {
        /// How that went.
        transfer: Transfer,
    },
    /// It loaded the installer's initrd.
    InitrdFetched {
        /// How that went.
        transfer: Transfer,
    },
    /// It loaded its private ISO.
    ImageFetched {
        /// How that went.
        transfer: Transfer,
    },
    /// The installer was given its answer.
    AnswerServed,
    /// The installer fetched the first-boot script.
    FirstBootScriptFetched,
    /// The installer reported the end of the installation.
    Installed,
    /// The installed system phoned home.
    PhonedHome,
}

/// How a file went out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transfer {
    /// Bytes that were sent.
    pub bytes: u64,
    /// How long that took, in milliseconds.
    pub milliseconds: u64,
    /// Whether it was all; else the machine broke off, or vanished.
    pub complete: bool,
}

super::words::words!(
    /// The kinds of milestones, in the order in which a boot passes them.
    Stage, "milestone" {
        /// See [`Milestone::Asked`].
        Asked = "asked",
        /// See [`Milestone::NotOffered`].
        NotOffered = "not_offered",
        /// See [`Milestone::Offered`].
        Offered = "offered",
        /// See [`Milestone::AskedBootServer`].
        AskedBootServer = "asked_boot_server",
        /// See [`Milestone::LoaderFetched`].
        LoaderFetched = "loader_fetched",
        /// See [`Milestone::ScriptFetched`].
        ScriptFetched = "script_fetched",
        /// See [`Milestone::KernelFetched`].
        KernelFetched = "kernel_fetched",
        /// See [`Milestone::InitrdFetched`].
        InitrdFetched = "initrd_fetched",
        /// See [`Milestone::ImageFetched`].
        ImageFetched = "image_fetched",
        /// See [`Milestone::AnswerServed`].
        AnswerServed = "answer_served",
        /// See [`Milestone::FirstBootScriptFetched`].
        FirstBootScriptFetched = "first_boot_script_fetched",
        /// See [`Milestone::Installed`].
        Installed = "installed",
        /// See [`Milestone::PhonedHome`].
        PhonedHome = "phoned_home",
    }
);

/// The longest text of a milestone that is kept.
const LONGEST_TEXT: usize = 400;

impl Milestone {
    /// Its kind.
    pub fn stage(&self) -> Stage {
        match self {
            Self::Asked { .. } => Stage::Asked,
            Self::NotOffered { .. } => Stage::NotOffered,
            Self::Offered { .. } => Stage::Offered,
            Self::AskedBootServer => Stage::AskedBootServer,
            Self::LoaderFetched { .. } => Stage::LoaderFetched,
            Self::ScriptFetched { .. } => Stage::ScriptFetched,
            Self::KernelFetched { .. } => Stage::KernelFetched,
            Self::InitrdFetched { .. } => Stage::InitrdFetched,
            Self::ImageFetched { .. } => Stage::ImageFetched,
            Self::AnswerServed => Stage::AnswerServed,
            Self::FirstBootScriptFetched => Stage::FirstBootScriptFetched,
            Self::Installed => Stage::Installed,
            Self::PhonedHome => Stage::PhonedHome,
        }
    }

    /// How a file went out, where it is about one.
    pub fn transfer(&self) -> Option<Transfer> {
        match self {
            Self::LoaderFetched { transfer, .. }
            | Self::KernelFetched { transfer }
            | Self::InitrdFetched { transfer }
            | Self::ImageFetched { transfer } => Some(*transfer),
            Self::Asked { .. }
            | Self::NotOffered { .. }
            | Self::Offered { .. }
            | Self::AskedBootServer
            | Self::ScriptFetched { .. }
            | Self::AnswerServed
            | Self::FirstBootScriptFetched
            | Self::Installed
            | Self::PhonedHome => None,
        }
    }

    /// Whether it is the question of iPXE, and not of a firmware.
    pub fn is_of_ipxe(&self) -> bool {
        matches!(self, Self::Asked { client } if client.starts_with("iPXE"))
    }

    /// Cuts what is too long to be kept.
    #[must_use]
    pub fn within_bounds(mut self) -> Self {
        let text = match &mut self {
            Self::Asked { client: text }
            | Self::NotOffered { reason: text }
            | Self::Offered { what: text }
            | Self::LoaderFetched { file: text, .. }
            | Self::ScriptFetched { script: text } => text,
            Self::AskedBootServer
            | Self::KernelFetched { .. }
            | Self::InitrdFetched { .. }
            | Self::ImageFetched { .. }
            | Self::AnswerServed
            | Self::FirstBootScriptFetched
            | Self::Installed
            | Self::PhonedHome => return self,
        };
        if text.len() > LONGEST_TEXT {
            *text = text.chars().take(LONGEST_TEXT).collect();
        }
        self
    }

    /// The sentence for a person.
    pub fn sentence(&self) -> String {
        match self {
            Self::Asked { client } => format!("{client} asked for a boot from the network"),
            Self::NotOffered { reason } => format!("It was offered nothing: {reason}"),
            Self::Offered { what } => format!("It was offered {what}"),
            Self::AskedBootServer => "It took our offer and asked port 4011 for its boot file".to_owned(),
            Self::LoaderFetched { file, transfer } => transfer.told(&format!("iPXE ({file})")),
            Self::ScriptFetched { script } => match script.split_once(": ") {
                Some((name, message)) => format!("iPXE fetched its {name} script: {message}"),
                None => format!("iPXE fetched its {script} script"),
            },
            Self::KernelFetched { transfer } => transfer.told("the installer's kernel"),
            Self::InitrdFetched { transfer } => transfer.told("the installer's initrd"),
            Self::ImageFetched { transfer } => transfer.told("its private installer ISO"),
            Self::AnswerServed => "The installer said what machine it runs on and was given its answer".to_owned(),
            Self::FirstBootScriptFetched => "The installer fetched the first-boot script and installs".to_owned(),
            Self::Installed => "The installer reported that the installation is done; the machine restarts".to_owned(),
            Self::PhonedHome => "The installed system phoned home".to_owned(),
        }
    }
}

impl Transfer {
    /// Bytes in a second; `None` for what went out at once.
    pub fn bytes_per_second(&self) -> Option<u64> {
        (self.bytes * 1000).checked_div(self.milliseconds)
    }

    fn told(&self, what: &str) -> String {
        let bytes = size(self.bytes);
        if !self.complete {
            return format!("It broke off loading {what} after {bytes}");
        }
        let seconds = self.milliseconds / 1000;
        match self.bytes_per_second() {
            Some(speed) => {
                format!(
                    "It loaded {what}: {bytes} in {seconds}.{} s, {}/s",
                    self.milliseconds % 1000 / 100,
                    size(speed)
                )
            }
            None => format!("It loaded {what}: {bytes} at once"),
        }
    }
}

/// Spells a number of bytes: `1.6 GiB`.
pub fn size(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    if bytes < 1024 {
        return format!("{bytes} bytes");
    }
    let step = (1..UNITS.len()).rev().find(|step| bytes >> (10 * (step + 1)) > 0).unwrap_or(0);
    let tenths = (u128::from(bytes) * 10) >> (10 * (step + 1));
    format!("{}.{} {}", tenths / 10, tenths % 10, UNITS[step])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transfer_is_told_with_its_size_and_its_speed() {
        let transfer = |bytes, milliseconds, complete| Transfer { bytes, milliseconds, complete };
        let told = |transfer| Milestone::ImageFetched { transfer }.sentence();
        assert_eq!(
            told(transfer(1_717_986_918, 16_400, true)),
            "It loaded its private installer ISO: 1.5 GiB in 16.4 s, 99.9 MiB/s"
        );
        assert_eq!(told(transfer(512, 0, true)), "It loaded its private installer ISO: 512 bytes at once");
        assert_eq!(told(transfer(2048, 10, false)), "It broke off loading its private installer ISO after 2.0 KiB");
        assert_eq!(
            (size(u64::MAX), size(1023), size(1 << 40)),
            ("16777215.9 TiB".into(), "1023 bytes".into(), "1.0 TiB".into())
        );
    }

    #[test]
    fn a_milestone_is_stored_by_the_word_of_its_stage() {
        let asked = Milestone::Asked { client: "iPXE 2.0.0 on BIOS".into() };
        let stored = serde_json::to_value(&asked).unwrap();
        assert_eq!(stored["milestone"], asked.stage().word());
        assert!(asked.is_of_ipxe());
        let long = Milestone::NotOffered { reason: "ä".repeat(900) }.within_bounds();
        assert!(long.sentence().chars().count() < LONGEST_TEXT + 50);
    }
}
