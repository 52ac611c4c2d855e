//! What every page has around it: who looks at it, and what is wrong with the catalog and the networks.

use askama::Template;
use axum::{
    http::StatusCode,
    response::{Html, IntoResponse, Response},
};

use super::problem_page;
use crate::{
    domain::{access::Scope, catalog::CatalogProblem, network::InterfaceState},
    http::{Visit, problem::Problem},
    ports::LedgerError,
};

/// The frame of a page.
pub(super) struct Shell {
    /// What is dangerous about the address of the page, if anything.
    pub(super) exposed: Option<String>,
    /// What is wrong with the catalog.
    pub(super) problems: Vec<CatalogProblem>,
    /// The interfaces on which some or all machines get no answer, each with the reason.
    pub(super) networks: Vec<(String, String)>,
    /// The newest row of the live feed that the page has seen.
    pub(super) newest: i64,
    /// Who looks at the page, once they have a name.
    pub(super) visitor: Option<String>,
    /// Whether they may do more than look: what changes something is shown to no one else.
    pub(super) may_change: bool,
    /// The token of the page's forms.
    pub(super) form_token: String,
    /// What went wrong with the form that was sent, if anything.
    pub(super) trouble: Option<String>,
    /// The way to the other pages.
    pub(super) navigation: Navigation,
}

/// The way to every page.
#[derive(Default)]
pub(super) struct Navigation {
    /// Whose page this is, among those that the navigation leads to.
    section: &'static str,
    /// How many operations wait for a person.
    pub(super) attention: usize,
}

impl Navigation {
    /// The pages behind *More* on a phone.
    const OTHERS: &[&str] = &["catalog", "activity", "batches", "audit", "notifications", "settings", "about", "api"];

    /// Whether this is a page of a section.
    pub(super) fn is(&self, section: &str) -> bool {
        self.section == section
    }

    /// Whether a phone shows this page's entry behind *More*.
    pub(super) fn is_among_others(&self) -> bool {
        Self::OTHERS.contains(&self.section)
    }
}

impl Shell {
    /// Looks round. Called before anything of the page is read, so that a change in between is told by the live feed.
    pub(super) async fn new(state: &Visit) -> Result<Self, LedgerError> {
        Ok(Self {
            exposed: exposure(state),
            problems: state.catalog.status().problems,
            networks: troubled_interfaces(state),
            newest: state.feed.newest_event().await?,
            visitor: state.visitor.name.clone(),
            may_change: state.visitor.scope == Scope::Operator,
            form_token: state.visitor.form_token.text().to_owned(),
            trouble: None,
            navigation: Navigation {
                section: section(&state.path),
                attention: state.journal.waiting_for_a_person().await?,
            },
        })
    }
}

/// Whose page a path is: the page that a refused form is answered with has the form's path.
fn section(path: &str) -> &'static str {
    match path.split('/').nth(1).unwrap_or_default() {
        "" | "hosts" | "sightings" => "hosts",
        "operations" => "operations",
        "cluster" => "cluster",
        "images" => "images",
        "catalog" => "catalog",
        "activity" => "activity",
        "batches" => "batches",
        "audit" => "audit",
        "notifications" => "notifications",
        "settings" => "settings",
        "about" => "about",
        "api" => "api",
        "account" => "account",
        _ => "",
    }
}

/// What is dangerous about the listener of people: it is plain HTTP.
pub(super) fn exposure(state: &Visit) -> Option<String> {
    let listen = state.listen;
    (!listen.ip().to_canonical().is_loopback()).then(|| {
        format!(
            "This page listens on {listen} without encryption: passwords can be read on their way. Let it listen on loopback, and reach it \
             through an SSH tunnel or a proxy with TLS."
        )
    })
}

fn troubled_interfaces(state: &Visit) -> Vec<(String, String)> {
    let interfaces = state.network.status().interfaces.into_iter();
    let troubled = interfaces.filter(|interface| interface.state() != InterfaceState::Answering);
    troubled.map(|interface| (interface.name.clone(), interface.sentence())).collect()
}

/// A problem as a page.
pub(in crate::http) struct PageProblem(pub(super) Problem);

impl<E: Into<Problem>> From<E> for PageProblem {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

impl IntoResponse for PageProblem {
    fn into_response(self) -> Response {
        problem_page::page(self.0.status(), self.0.detail())
    }
}

/// Renders a page.
pub(super) fn render(status: StatusCode, page: &impl Template) -> Response {
    match page.render() {
        Ok(text) => (status, Html(text)).into_response(),
        Err(error) => Problem::internal(format!("the page cannot be rendered: {error}")).into_response(),
    }
}
