//! What the operator's folders hold, and how a broken file is reported.

use jiff::Timestamp;
use serde::Serialize;

use super::identity::{Hostname, MacAddress};

/// One rule that one file of the catalog breaks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CatalogProblem {
    /// The file, relative to its catalog folder's parent: `server-types/server-types.yaml`.
    pub file: String,
    /// The line, from 1, where it can be told.
    pub line: Option<usize>,
    /// The rule and what to do, one sentence.
    pub rule: String,
}

impl std::fmt::Display for CatalogProblem {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.line {
            Some(line) => write!(formatter, "{}:{line}: {}", self.file, self.rule),
            None => write!(formatter, "{}: {}", self.file, self.rule),
        }
    }
}

/// How the catalog is doing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CatalogStatus {
    /// When the catalog that is in use was read.
    pub loaded_at: Timestamp,
    /// What is wrong with the files as they are now; while there is any, the last good catalog stays in use.
    pub problems: Vec<CatalogProblem>,
    /// The names of the server types in use.
    pub server_types: Vec<String>,
    /// The names of the answer templates in use.
    pub answer_templates: Vec<String>,
    /// The names of the iPXE scripts in use.
    pub scripts: Vec<String>,
}

/// The iPXE scripts that we know; each is a file in `ipxe/`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ScriptName {
    /// Sends iPXE back with its platform and version.
    Identify,
    /// Boots the installer.
    Install,
    /// Boots the local disk in the way of the firmware.
    Local,
    /// Shows a sentence for ten seconds, then boots the local disk.
    Refuse,
    /// Keeps the machine until it has left its cluster.
    Wait,
}

impl ScriptName {
    /// Every script.
    pub const ALL: &[Self] = &[Self::Identify, Self::Install, Self::Local, Self::Refuse, Self::Wait];

    /// Whether a folder of scripts must have it. One that came later is taken from the program where a folder is older.
    pub fn is_required(self) -> bool {
        match self {
            Self::Identify | Self::Install | Self::Local | Self::Refuse => true,
            Self::Wait => false,
        }
    }

    /// Its file name without `.ipxe`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Identify => "identify",
            Self::Install => "install",
            Self::Local => "local",
            Self::Refuse => "refuse",
            Self::Wait => "wait",
        }
    }
}

/// What a script may name. Every value is safe in a script by its type or checked by the renderer: no line break, `${`, `||` or `&&`.
#[derive(Debug, Clone, Serialize)]
pub struct ScriptValues {
    /// The machine.
    pub mac: MacAddress,
    /// The host's name, if it is registered.
    pub hostname: Option<Hostname>,
    /// `http://A:P` of the boot listener.
    pub boot_url: String,
    /// This rebuild's boot token, in `identify`, `install` and `wait`.
    pub boot_token: Option<String>,
    /// The installer's kernel command line, in `install`.
    pub kernel_command_line: Option<String>,
    /// Whether the firmware is UEFI.
    pub uefi: bool,
    /// What the console shows, in `local`, `refuse` and `wait`.
    pub message: String,
}
