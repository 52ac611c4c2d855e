//! The settings as people look at them: each value with its default, where it comes from and what it is for.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::{InvalidSettings, Settings, example::ExampleKey, example::example_keys, reading::line_of, settings_text};
use crate::domain::settings_report::{Setting, SettingSource, SettingsReport, SettingsSection};

/// What stands for a text that is not set.
const NOT_SET: &str = "not set";
/// The settings whose value is a secret, or as good as one.
const SECRETS: &[&str] = &["credentials.root_password_hash"];
/// Variables that say where to look and how much to say.
const VARIABLES: &[(&str, &str, &str)] = &[
    ("RACKSEED_CONFIG", "rackseed.yaml", "The settings file, where `--config` does not name one."),
    ("RACKSEED_LOG", "info,russh=warn", "How much is logged, such as `debug` or `rackseed::dhcp=trace,info`."),
];

/// The settings file as it was when the daemon read it.
#[derive(Debug, Clone)]
pub struct SettingsFile {
    path: PathBuf,
    text: String,
}

impl SettingsFile {
    /// Reads and checks a settings file, and remembers it.
    pub fn load(path: &Path) -> Result<(Settings, Self), InvalidSettings> {
        let text = settings_text(path)?;
        let settings = Settings::parse(&text, folder_of(path))?;
        Ok((settings, Self { path: path.to_owned(), text }))
    }
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Tells the settings that are in use. The file is read again, to see what a restart would change.
pub fn report(settings: &Settings, file: Option<&SettingsFile>) -> SettingsReport {
    let now =
        file.map(|file| settings_text(&file.path).map(|text| (Settings::parse(&text, folder_of(&file.path)), text)));
    let problems = match &now {
        Some(Ok((Err(invalid), _)) | Err(invalid)) => {
            invalid.0.iter().map(|it| (it.path.clone(), it.problem.clone())).collect()
        }
        Some(Ok((Ok(_), _))) | None => Vec::new(),
    };
    let after = match &now {
        Some(Ok((Ok(after), _))) => serde_json::to_value(after).ok(),
        Some(Ok((Err(_), _)) | Err(_)) | None => None,
    };
    let spell = |settings: &Settings| serde_json::to_value(settings).unwrap_or_default();
    let (used, default) = (spell(settings), spell(&Settings::default()));
    let said = file.and_then(|file| serde_yaml::from_str::<Value>(&file.text).ok());
    let mut sections: Vec<SettingsSection> = Vec::new();
    for key in example_keys(Settings::example()) {
        let place = key.place();
        let (value, standard) = (at(&used, key), at(&default, key));
        let source = match (file, said.as_ref().is_some_and(|said| at(said, key) != &Value::Null)) {
            (Some(file), true) => SettingSource::File(line_in(&file.text, key)),
            (None, _) if value != standard => SettingSource::Start,
            (Some(_) | None, _) => SettingSource::Default,
        };
        let later = after.as_ref().map(|after| at(after, key)).filter(|after| *after != value);
        let setting = Setting {
            value: shown(&place, value),
            default: shown(&place, standard),
            source,
            after_restart: later.map(|later| shown_later(&place, later)),
            help: key.help.clone(),
            path: place,
        };
        match sections.last_mut().filter(|section| section.name == key.section) {
            Some(section) => section.settings.push(setting),
            None => sections.push(SettingsSection {
                name: key.section.clone(),
                help: key.section_help.clone(),
                settings: vec![setting],
            }),
        }
    }
    let path = file.map(|file| file.path.display().to_string());
    SettingsReport { file: path, problems, sections, environment: environment() }
}

fn at<'a>(tree: &'a Value, key: &ExampleKey) -> &'a Value {
    let tree = if key.section.is_empty() { tree } else { &tree[key.section.as_str()] };
    &tree[key.name.as_str()]
}

fn line_in(text: &str, key: &ExampleKey) -> Option<usize> {
    if key.section.is_empty() {
        return line_of(text, &key.name, None);
    }
    line_of(text, &key.section, Some(&key.name)).or_else(|| line_of(text, &key.section, None))
}

fn environment() -> Vec<Setting> {
    let tell = |(name, default, help): &(&'static str, &str, &str)| {
        let value = std::env::var(name).ok().filter(|value| !value.is_empty());
        Setting {
            path: (*name).to_owned(),
            source: value.as_ref().map_or(SettingSource::Default, |_| SettingSource::Environment(name)),
            value: value.unwrap_or_else(|| (*default).to_owned()),
            default: (*default).to_owned(),
            after_restart: None,
            help: (*help).to_owned(),
        }
    };
    VARIABLES.iter().map(tell).collect()
}

/// A value that a restart would bring; of a secret only that it is another one.
fn shown_later(path: &str, value: &Value) -> String {
    if SECRETS.contains(&path) && value != "" { "set to another value".to_owned() } else { shown(path, value) }
}

/// A value in words, without what is secret in it.
fn shown(path: &str, value: &Value) -> String {
    if SECRETS.contains(&path) {
        return if value == "" { NOT_SET } else { "set, not shown" }.to_owned();
    }
    if path == "notifications.targets" {
        let targets: Vec<_> = value.as_array().into_iter().flatten().map(target).collect();
        return if targets.is_empty() { "none".to_owned() } else { targets.join("\n") };
    }
    words(value)
}

/// A target of notifications: its URL may be a secret, and so only its host is told.
fn target(target: &Value) -> String {
    let text = |key: &str| target[key].as_str().unwrap_or_default();
    let mut parts = vec![format!("{} ({})", text("name"), text("kind"))];
    if let Ok(url) = reqwest::Url::parse(text("url")) {
        parts.push(format!("{}://{}/…", url.scheme(), url.host_str().unwrap_or_default()));
    }
    for key in ["server", "from", "url_file", "token_file", "signature_key_file", "password_file"] {
        if !text(key).is_empty() {
            parts.push(format!("{key} {}", text(key)));
        }
    }
    for key in ["to", "events"] {
        if target[key].as_array().is_some_and(|list| !list.is_empty()) {
            parts.push(format!("{key} {}", words(&target[key])));
        }
    }
    parts.join(", ")
}

fn words(value: &Value) -> String {
    match value {
        Value::Null => NOT_SET.to_owned(),
        Value::Bool(true) => "yes".to_owned(),
        Value::Bool(false) => "no".to_owned(),
        Value::Number(number) => number.to_string(),
        Value::String(text) if text.is_empty() => NOT_SET.to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(values) if values.is_empty() => "none".to_owned(),
        Value::Array(values) => values.iter().map(words).collect::<Vec<_>>().join(", "),
        Value::Object(fields) => {
            let is_set = |value: &Value| value != "" && !value.is_null();
            let fields = fields.iter().filter(|(_, value)| is_set(value));
            let fields: Vec<_> = fields.map(|(name, value)| format!("{name} {}", words(value))).collect();
            if fields.is_empty() { "none".to_owned() } else { fields.join(", ") }
        }
    }
}
