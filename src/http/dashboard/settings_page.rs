//! The settings, to be read: what is in use, where each value comes from, and how it is changed.

use askama::Template;
use axum::{http::StatusCode, response::Response};

use super::shell::{PageProblem, Shell, render};
use crate::http::{
    Visit,
    api::settings::{SettingJson, SettingsJson},
};

#[derive(Template)]
#[template(path = "settings.html")]
struct SettingsPage {
    shell: Shell,
    settings: SettingsJson,
}

/// The page.
pub(in crate::http) async fn settings(state: Visit) -> Result<Response, PageProblem> {
    let shell = Shell::new(&state).await?;
    let settings = SettingsJson::new(state.appliance.settings().await);
    Ok(render(StatusCode::OK, &SettingsPage { shell, settings }))
}

impl SettingsPage {
    /// Where a value comes from, in words.
    fn source(&self, setting: &SettingJson) -> String {
        match (setting.source.as_str(), setting.line, &self.settings.file) {
            ("file", Some(line), Some(file)) => format!("{file}:{line}"),
            ("file", None, Some(file)) => file.clone(),
            ("start", ..) => "whoever started the daemon".to_owned(),
            (word, ..) => word.to_owned(),
        }
    }

    /// Whether somebody set it to something.
    fn is_set(&self, setting: &SettingJson) -> bool {
        setting.source != "default"
    }

    /// A title for a section: `pxe` stands alone in the file as much as here.
    fn title<'a>(&self, name: &'a str) -> &'a str {
        match name {
            "" => "Data",
            "catalog" => "Catalog folders",
            "server" => "Listeners",
            "pxe" => "Network boot",
            "proxmox" => "Cluster",
            "join" => "Joining",
            "credentials" => "Credentials",
            "infrastructure" => "Inventory service",
            "patience" => "Patience",
            "notifications" => "Notifications",
            other => other,
        }
    }
}
