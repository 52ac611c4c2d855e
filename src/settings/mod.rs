//! The settings file: one small struct for each concern, all problems reported at once with their path.
//!
//! `docker/rackseed.example.yaml` says what each key means; a test holds that it has exactly these keys with these defaults.

mod check;
mod example;
mod notifications;
mod private_file;
mod reading;
mod report;
mod sections;

use std::{
    fmt,
    fs::File,
    io::Read,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

pub use notifications::{NotificationSettings, NotificationTarget};
pub use private_file::read_private_file;
pub use report::{SettingsFile, report};
pub use sections::{
    CatalogSettings, CredentialSettings, InfrastructureSettings, JoinSettings, PatienceSettings, ProxmoxSettings,
    PxeInterface, PxeSettings, ServerSettings,
};

/// A larger settings file is refused before it is parsed.
const LARGEST_FILE_BYTES: usize = 1 << 20;

/// Everything that an operator may set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Database, keys, certificate and images.
    pub data_folder: PathBuf,
    /// Folders that are edited while the daemon runs.
    pub catalog: CatalogSettings,
    /// Listeners.
    pub server: ServerSettings,
    /// Network boot.
    pub pxe: PxeSettings,
    /// The cluster.
    pub proxmox: ProxmoxSettings,
    /// The join.
    pub join: JoinSettings,
    /// What new nodes are given.
    pub credentials: CredentialSettings,
    /// The inventory service.
    pub infrastructure: InfrastructureSettings,
    /// How long machines may take.
    pub patience: PatienceSettings,
    /// Whom to tell.
    pub notifications: NotificationSettings,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            data_folder: "/var/lib/rackseed".into(),
            catalog: CatalogSettings::default(),
            server: ServerSettings::default(),
            pxe: PxeSettings::default(),
            proxmox: ProxmoxSettings::default(),
            join: JoinSettings::default(),
            credentials: CredentialSettings::default(),
            infrastructure: InfrastructureSettings::default(),
            patience: PatienceSettings::default(),
            notifications: NotificationSettings::default(),
        }
    }
}

/// One thing that is wrong with the settings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SettingsProblem {
    /// The key, such as `proxmox.cluster_name`; empty when it is about the whole file.
    pub path: String,
    /// What is wrong and what to do.
    pub problem: String,
}

/// Everything that is wrong with the settings.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct InvalidSettings(pub Vec<SettingsProblem>);

impl fmt::Display for InvalidSettings {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "the settings cannot be used:")?;
        for SettingsProblem { path, problem } in &self.0 {
            match path.as_str() {
                "" => write!(formatter, "\n  {problem}")?,
                path => write!(formatter, "\n  {path}: {problem}")?,
            }
        }
        Ok(())
    }
}

impl InvalidSettings {
    fn of_the_file(problem: String) -> Self {
        Self(vec![SettingsProblem { path: String::new(), problem }])
    }
}

impl Settings {
    /// The commented example: every key with its default.
    pub fn example() -> &'static str {
        include_str!("../../docker/rackseed.example.yaml")
    }

    /// Reads and checks a settings file.
    pub fn load(path: &Path) -> Result<Self, InvalidSettings> {
        SettingsFile::load(path).map(|(settings, _)| settings)
    }

    /// Parses and checks the text of a settings file; relative paths in it are relative to `folder`.
    pub fn parse(text: &str, folder: &Path) -> Result<Self, InvalidSettings> {
        if text.len() > LARGEST_FILE_BYTES {
            return Err(InvalidSettings::of_the_file(format!(
                "the file is too large; at most {LARGEST_FILE_BYTES} bytes are read"
            )));
        }
        let (mut settings, mut problems) = reading::read(text).map_err(InvalidSettings::of_the_file)?;
        settings.resolve_paths(folder);
        // A key that could not be read has its default now, and its own problem already.
        let found = check::check(&settings);
        let is_new = |problem: &SettingsProblem| problems.iter().all(|known| known.path != problem.path);
        let found: Vec<_> = found.into_iter().filter(is_new).collect();
        problems.extend(found);
        if problems.is_empty() { Ok(settings) } else { Err(InvalidSettings(problems)) }
    }

    /// Reads a text without asking whether what it names is there: on another computer it may not be yet. Keys that cannot be read have their
    /// defaults.
    pub fn read_unchecked(text: &str, folder: &Path) -> Result<Self, InvalidSettings> {
        let (mut settings, _) = reading::read(text).map_err(InvalidSettings::of_the_file)?;
        settings.resolve_paths(folder);
        Ok(settings)
    }

    fn resolve_paths(&mut self, folder: &Path) {
        let CatalogSettings { answer_templates, server_types, ipxe } = &mut self.catalog;
        let mut paths = vec![&mut self.data_folder, answer_templates, server_types, ipxe, &mut self.pxe.ipxe_folder];
        paths.extend([
            &mut self.proxmox.key_file,
            &mut self.proxmox.root_password_file,
            &mut self.infrastructure.token_file,
        ]);
        paths.extend(self.notifications.targets.iter_mut().flat_map(NotificationTarget::paths));
        for path in paths {
            if path.is_relative() && !path.as_os_str().is_empty() {
                *path = folder.join(&*path);
            }
        }
    }
}

/// Reads the text of a settings file; its size is looked at when it is parsed.
fn settings_text(path: &Path) -> Result<String, InvalidSettings> {
    // One byte more than is allowed, so that `parse` sees that there is too much.
    let read = |mut text: String| {
        File::open(path)?.take(LARGEST_FILE_BYTES as u64 + 1).read_to_string(&mut text).map(|_| text)
    };
    read(String::new()).map_err(|error: std::io::Error| {
        InvalidSettings::of_the_file(format!(
            "{} cannot be read: {error}; `rackseed config example > {}` writes one to begin with",
            path.display(),
            path.display()
        ))
    })
}
