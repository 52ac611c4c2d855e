//! What the operator's folders hold: server types, answer templates, iPXE scripts.

use crate::domain::{
    answer::{AnswerReview, AnswerValues},
    catalog::{CatalogStatus, ScriptName, ScriptValues},
    catalog_view::CatalogView,
    identity::{ServerTypeName, TemplateName},
    server_type::ServerType,
};

/// Why something cannot be rendered, one sentence for each rule that is broken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} cannot be used: {}", problems.join("; "))]
pub struct CannotRender {
    /// What was to be rendered: `answer template default`.
    pub what: String,
    /// The broken rules, with their place.
    pub problems: Vec<String>,
}

/// Reads the catalog that is in use. Never waits: it is in memory.
pub trait Catalog: Send + Sync {
    /// How it is doing.
    fn status(&self) -> CatalogStatus;

    /// The whole of it, with places, the last edit, and what is broken.
    fn view(&self) -> CatalogView;

    /// The text of a template as people may read it: with its comments, without its secrets.
    fn readable_template(&self, text: &str) -> String;

    /// Returns a server type.
    fn server_type(&self, name: &ServerTypeName) -> Option<ServerType>;

    /// Returns every server type, by name.
    fn server_types(&self) -> Vec<ServerType>;

    /// Returns the text of an answer template.
    fn answer_template(&self, name: &TemplateName) -> Option<String>;

    /// Renders the text of a template (which need not be the one in use now) to the TOML that the installer of
    /// `values.release` accepts, checked by the installer's own rules.
    fn render_answer(&self, template_text: &str, values: &AnswerValues) -> Result<String, CannotRender>;

    /// Says everything that is to be said of the answer that a template would give, each with the place where it is changed. `name` is
    /// the template's, for these places.
    fn review_answer(&self, name: &TemplateName, template_text: &str, values: &AnswerValues) -> AnswerReview;

    /// Hides the secrets of an answer.
    fn redact_answer(&self, toml: &str) -> String;

    /// Renders an iPXE script.
    fn render_script(&self, script: ScriptName, values: &ScriptValues) -> Result<String, CannotRender>;
}
