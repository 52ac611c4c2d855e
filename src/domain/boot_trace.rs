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
