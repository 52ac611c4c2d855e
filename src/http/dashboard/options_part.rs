//! What was chosen for a host beyond its server type: shown whole, and the image changed with a form.

use axum::response::Response;
use serde_json::{Value, json};

use super::{
    forms::{on_host_page, ours},
    shell::PageProblem,
};
use crate::{
    domain::host::Host,
    http::{
        Visit,
        extract::{FormFields, HostPath},
        problem::Problem,
    },
};

/// Parts of the names of options that are not shown.
const HIDDEN_NAMES: [&str; 5] = ["key", "password", "token", "secret", "auth"];
/// What stands in their place.
const HIDDEN: &str = "(hidden)";

/// The options.
pub(super) struct OptionsPart {
    /// The id of the image that was chosen for the host; empty when none was.
    pub(super) image: String,
    /// What is installed now, and why.
    pub(super) image_now: String,
    /// Every image that a host can be rebuilt with: id and name.
    pub(super) images: Vec<(String, String)>,
    /// Everything else that was chosen: its path, and what it is.
    pub(super) rest: Vec<(String, String)>,
}

impl OptionsPart {
    /// Reads the options of a host.
    pub(super) async fn new(state: &Visit, host: &Host) -> Result<Self, PageProblem> {
        let image_now = match state.catalog.server_type(&host.server_type) {
            Some(kind) => match state.image_for(host, &kind).await? {
                Ok(choice) => format!("{} ({}): {}", choice.image.title(), choice.image.id, choice.because.sentence()),
                Err(missing) => missing.to_string(),
            },
            None => "its server type is not in the catalog any more".to_owned(),
        };
        let images = state.images.images().await?;
        let fit = images.iter().filter(|image| image.unfit_for_rebuild().is_none());
        let mut rest = Vec::new();
        flatten("", &json!(host.options), &mut rest);
        rest.retain(|(path, _)| path != "image");
        Ok(Self {
            image: host.options.image.as_ref().map(ToString::to_string).unwrap_or_default(),
            image_now,
            images: fit.map(|image| (image.id.to_string(), format!("{} ({})", image.title(), image.id))).collect(),
            rest,
        })
    }
}

/// Every value of a JSON object under its path; what says of itself that it is secret is hidden.
fn flatten(path: &str, value: &Value, into: &mut Vec<(String, String)>) {
    let below = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    match value {
        Value::Object(fields) => fields.iter().for_each(|(name, value)| flatten(&below(name), value, into)),
        Value::Array(values) => {
            values.iter().enumerate().for_each(|(place, value)| flatten(&below(&place.to_string()), value, into));
        }
        Value::Null => {}
        Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            let name = path.rsplit('.').next().unwrap_or_default().to_ascii_lowercase();
            let is_hidden = HIDDEN_NAMES.iter().any(|hidden| name.contains(hidden));
            let text = value.as_str().map_or_else(|| value.to_string(), without_credentials);
            into.push((path.to_owned(), if is_hidden { HIDDEN.to_owned() } else { text }));
        }
    }
}

/// A URL without what stands before its `@` and behind its `?`; any other text as it is.
fn without_credentials(text: &str) -> String {
    let Some((scheme, rest)) = text.split_once("://") else { return text.to_owned() };
    let (place, query) = rest.split_once('?').map_or((rest, ""), |(place, _)| (place, "?(hidden)"));
    let (host, path) = place.find('/').map_or((place, ""), |slash| place.split_at(slash));
    let host = host.rsplit_once('@').map_or(host.to_owned(), |(_, host)| format!("{HIDDEN}@{host}"));
    format!("{scheme}://{host}{path}{query}")
}

/// Changes the image that was chosen for a host; an empty choice takes it back.
pub(in crate::http) async fn change(
    state: Visit,
    id: Result<HostPath, Problem>,
    fields: Result<FormFields, Problem>,
) -> Result<Response, PageProblem> {
    let (HostPath(id), fields) = (id?, ours(&state, fields)?);
    let image = fields.get("image").trim();
    let patch = json!({ "image": if image.is_empty() { Value::Null } else { image.into() } });
    let done = async {
        if !image.is_empty() {
            state.usable_image(image).await?;
        }
        state.enrolment.change_options(&id, &patch).await.map(|_| ()).map_err(Problem::from)
    };
    let done = done.await;
    on_host_page(&state, &id, done).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_told_by_their_path_and_without_what_is_secret() {
        let options = json!({
            "image": null, "boot": { "own_ipxe": true }, "answer": { "subscription_key": "pve1c-0123456789" },
            "power": { "webhook": { "url": "https://me:word@plug.example/on?pass=1", "names": ["a"] } },
        });
        let mut told = Vec::new();
        flatten("", &options, &mut told);
        let told: Vec<_> = told.iter().map(|(path, text)| format!("{path} {text}")).collect();
        assert_eq!(
            told,
            [
                "answer.subscription_key (hidden)",
                "boot.own_ipxe true",
                "power.webhook.names.0 a",
                "power.webhook.url https://(hidden)@plug.example/on?(hidden)",
            ]
        );
    }
}
