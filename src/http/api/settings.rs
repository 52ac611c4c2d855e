//! The settings, to be read: values, where they come from, and what they are for.

use axum::{Json, extract::State};
use serde::Serialize;

use crate::{
    domain::settings_report::{Setting, SettingSource, SettingsReport, SettingsSection},
    http::{OperatorState, schema::described},
};

/// Every setting, without secrets.
pub(crate) async fn show(State(state): State<OperatorState>) -> Json<SettingsJson> {
    Json(SettingsJson::new(state.appliance.settings().await))
}

described! {
    /// The settings that are in use. They are read at the start; a change of the file needs a restart.
    #[derive(Debug, Serialize)]
    pub(crate) struct SettingsJson as "Settings" {
        /// The settings file, where there is one.
        file: Option<String>,
        /// How many settings have another value after a restart.
        pending: usize,
        /// What is wrong with the file as it is now: a restart would be refused.
        problems: Vec<SettingProblemJson>,
        /// The sections, in the order of the example file.
        sections: Vec<SettingsSectionJson>,
        /// Variables of the environment that are read.
        environment: Vec<SettingJson>,
    }
}

described! {
    /// Something that is wrong with the settings file.
    #[derive(Debug, Serialize)]
    pub(crate) struct SettingProblemJson as "SettingProblem" {
        /// The setting; empty when it is about the whole file.
        path: String,
        /// What is wrong and what to do.
        problem: String,
    }
}

described! {
    /// The settings of one concern.
    #[derive(Debug, Serialize)]
    pub(crate) struct SettingsSectionJson as "SettingsSection" {
        /// Its key in the file; empty for those that stand alone.
        name: String,
        /// What it is about.
        help: String,
        /// Its settings.
        settings: Vec<SettingJson>,
    }
}

described! {
    /// One setting.
    #[derive(Debug, Serialize)]
    pub(crate) struct SettingJson as "Setting" {
        /// Its path: `server.listen`.
        path: String,
        /// What is in use, in words; of a secret only whether it is set.
        value: String,
        /// What it is where nobody sets it.
        default: String,
        /// `default`, `file`, `start` (whoever started the daemon) or `environment`.
        source: String,
        /// The line of the settings file, where it can be told.
        line: Option<usize>,
        /// What the file says by now, where that is another value: in use after a restart.
        after_restart: Option<String>,
        /// What it is for.
        help: String,
    }
}

impl SettingsJson {
    /// Spells a report.
    pub(in crate::http) fn new(report: SettingsReport) -> Self {
        Self {
            pending: report.pending(),
            file: report.file,
            problems: report.problems.into_iter().map(|(path, problem)| SettingProblemJson { path, problem }).collect(),
            sections: report.sections.into_iter().map(SettingsSectionJson::new).collect(),
            environment: report.environment.into_iter().map(SettingJson::new).collect(),
        }
    }
}

impl SettingsSectionJson {
    fn new(section: SettingsSection) -> Self {
        let settings = section.settings.into_iter().map(SettingJson::new).collect();
        Self { name: section.name, help: section.help, settings }
    }
}

impl SettingJson {
    fn new(setting: Setting) -> Self {
        let line = match setting.source {
            SettingSource::File(line) => line,
            SettingSource::Default | SettingSource::Start | SettingSource::Environment(_) => None,
        };
        Self {
            source: setting.source.word().to_owned(),
            path: setting.path,
            value: setting.value,
            default: setting.default,
            line,
            after_restart: setting.after_restart,
            help: setting.help,
        }
    }
}
