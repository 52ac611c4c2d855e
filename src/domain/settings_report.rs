//! The settings as people look at them: every value with where it comes from, and never a secret.

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SettingSource {
    /// Nobody set it.
    Default,
    /// The settings file, and the line where it can be told.
    File(Option<usize>),
    /// Whoever started the daemon, without a file.
    Start,
    /// A variable of the environment.
    Environment(&'static str),
}

impl SettingSource {
    /// Its name in JSON.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::File(_) => "file",
            Self::Start => "start",
            Self::Environment(_) => "environment",
        }
    }
}

/// One setting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// Its path: `server.listen`.
    pub path: String,
    /// What is in use, in words; of a secret only whether it is set.
    pub value: String,
    /// What it is where nobody sets it.
    pub default: String,
    /// Where it comes from.
    pub source: SettingSource,
    /// What the file says by now, where that is another value: in use after a restart.
    pub after_restart: Option<String>,
    /// What it is for.
    pub help: String,
}

/// The settings of one concern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettingsSection {
    /// Its key in the file; empty for those that stand alone.
    pub name: String,
    /// What it is about.
    pub help: String,
    /// Its settings.
    pub settings: Vec<Setting>,
}

/// The settings.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SettingsReport {
    /// The settings file, if the daemon was started with one.
    pub file: Option<String>,
    /// What is wrong with the file as it is now: a restart would fail. Path (may be empty) and what to do.
    pub problems: Vec<(String, String)>,
    /// The sections, in the order of the example.
    pub sections: Vec<SettingsSection>,
    /// Variables of the environment that are read.
    pub environment: Vec<Setting>,
}

impl SettingsReport {
    /// How many settings have another value after a restart.
    pub fn pending(&self) -> usize {
        self.sections.iter().flat_map(|section| &section.settings).filter(|it| it.after_restart.is_some()).count()
    }
}
