//! The hosts as live tiles: what is wanted of them is in the address, and a small part of the page brings single tiles up to date.

use std::collections::BTreeSet;

use askama::Template;
use axum::{extract::RawQuery, http::StatusCode, response::Response};

use super::{
    host_list_parts::{HostListParts, Item},
    shell::{PageProblem, Shell, render},
};
use crate::{
    domain::{
        host_lifecycle::HostState,
        host_list::{Group, HostWish, Sort, StateWish},
    },
    http::{Visit, extract::query_fields, known_hosts::KnownHost},
};

/// So many tiles may be asked for by name; whoever wants more asks for the page.
const MOST_NAMED: usize = 100;

/// What an address says: the wish, and how it is shown.
#[derive(Debug, Clone, Default)]
pub(super) struct View {
    pub(super) wish: HostWish,
    /// Lines in place of tiles.
    pub(super) is_compact: bool,
    /// Whether hosts can be ticked, to rebuild several.
    pub(super) is_choosing: bool,
    /// The hosts that are ticked.
    pub(super) ticked: BTreeSet<String>,
}

impl View {
    fn read(query: Option<&str>) -> (Self, Vec<(String, String)>, Option<String>) {
        let fields = query_fields(query);
        let (wish, problems) = HostWish::read(fields.iter().map(|(name, text)| (name.as_str(), text.as_str())));
        let is = |name: &str, wanted: &str| fields.iter().any(|(field, text)| field == name && text == wanted);
        let ticked = fields.iter().filter(|(field, _)| field == "host").map(|(_, text)| text.clone()).collect();
        let view = Self { wish, is_compact: is("view", "compact"), is_choosing: is("choose", "true"), ticked };
        let problems: Vec<_> = problems.iter().map(|(field, problem)| format!("{field}: {problem}")).collect();
        (view, fields, (!problems.is_empty()).then(|| problems.join("; ")))
    }

    /// The address of the page that shows this.
    pub(super) fn address(&self) -> String {
        let mut fields = self.wish.fields();
        for (field, text, is_set) in [("view", "compact", self.is_compact), ("choose", "true", self.is_choosing)] {
            if is_set {
                fields.push((field, text.to_owned()));
            }
        }
        let fields: Vec<_> = fields.iter().map(|(field, text)| format!("{field}={}", encoded(text))).collect();
        if fields.is_empty() { "/".to_owned() } else { format!("/?{}", fields.join("&")) }
    }

    /// The address that begins or ends the choice of several hosts.
    fn choosing(&self) -> String {
        Self { is_choosing: !self.is_choosing, ..self.clone() }.address()
    }

    /// For the template: whether the list is narrowed to this state.
    fn is_state(&self, word: &str) -> bool {
        self.wish.state.is_some_and(|state| state.word() == word)
    }

    /// For the template: whether the list is narrowed to this kind of server.
    fn is_kind(&self, kind: &str) -> bool {
        self.wish.server_type.as_ref().is_some_and(|wanted| wanted.as_str() == kind)
    }

    /// The same with another wish.
    pub(super) fn with(&self, wish: HostWish) -> String {
        Self { wish, ..self.clone() }.address()
    }
}

/// A text as part of a query.
fn encoded(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    let spell = |byte: u8| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
    text.bytes().map(spell).collect()
}

#[derive(Template)]
#[template(path = "hosts.html")]
struct HostList {
    shell: Shell,
    view: View,
    /// The address without what narrows the list.
    everything: String,
    /// The address that changes whether hosts can be ticked.
    choosing: String,
    parts: HostListParts,
    states: Vec<(&'static str, &'static str)>,
    kinds: Vec<String>,
    sorts: &'static [(Sort, &'static str)],
    groups: &'static [(Group, &'static str)],
    confirm: String,
}

#[derive(Template)]
#[template(path = "hosts_news.html")]
struct HostNews {
    shell: Shell,
    view: View,
    everything: String,
    choosing: String,
    parts: HostListParts,
}

const SORTS: &[(Sort, &str)] = &[
    (Sort::Attention, "attention first"),
    (Sort::Name, "name"),
    (Sort::Since, "longest in state"),
    (Sort::ServerType, "server type"),
    (Sort::Installed, "last installed"),
];

const GROUPS: &[(Group, &str)] =
    &[(Group::None, "not grouped"), (Group::State, "by state"), (Group::ServerType, "by server type")];

/// The list of hosts.
pub(in crate::http) async fn hosts(state: Visit, RawQuery(query): RawQuery) -> Result<Response, PageProblem> {
    let (view, _, trouble) = View::read(query.as_deref());
    show(&state, StatusCode::OK, view, trouble, String::new()).await
}

/// The tiles that are named, and everything about the others that is shorter than a tile.
pub(in crate::http) async fn tiles(state: Visit, RawQuery(query): RawQuery) -> Result<Response, PageProblem> {
    let (mut view, fields, _) = View::read(query.as_deref());
    let named = fields.into_iter().filter(|(field, _)| field == "id").map(|(_, text)| text).take(MOST_NAMED).collect();
    let shell = Shell::new(&state).await?;
    view.is_choosing &= shell.may_change;
    let parts = HostListParts::new(&state, &view, state.known_hosts().await?, Some(&named)).await?;
    let everything = view.with(HostWish::default());
    Ok(render(StatusCode::OK, &HostNews { shell, everything, choosing: view.choosing(), parts, view }))
}

/// The list with a batch that was refused: what was ticked and typed is kept.
pub(super) async fn with_refused_batch(
    state: &Visit,
    status: StatusCode,
    ticked: BTreeSet<String>,
    confirm: String,
    trouble: String,
) -> Result<Response, PageProblem> {
    let view = View { is_choosing: true, ticked, ..View::default() };
    show(state, status, view, Some(trouble), confirm).await
}

async fn show(
    state: &Visit,
    status: StatusCode,
    mut view: View,
    trouble: Option<String>,
    confirm: String,
) -> Result<Response, PageProblem> {
    let mut shell = Shell::new(state).await?;
    shell.trouble = trouble;
    view.is_choosing &= shell.may_change;
    let known = state.known_hosts().await?;
    let kinds = kinds(state, &known);
    let parts = HostListParts::new(state, &view, known, None).await?;
    let page = HostList {
        shell,
        everything: view.with(HostWish::default()),
        choosing: view.choosing(),
        parts,
        states: states(),
        kinds,
        sorts: SORTS,
        groups: GROUPS,
        confirm,
        view,
    };
    Ok(render(status, &page))
}

/// The states that a person may choose: word and name.
fn states() -> Vec<(&'static str, &'static str)> {
    let at_work = (StateWish::AtWork.word(), "any on its way");
    std::iter::once(at_work).chain(HostState::ALL.iter().map(|state| (state.word(), state.label()))).collect()
}

/// The kinds of servers that there are, in the catalog or among the hosts.
fn kinds(state: &Visit, known: &[KnownHost]) -> Vec<String> {
    let of_catalog = state.catalog.server_types().into_iter().map(|kind| kind.name.to_string());
    let of_hosts = known.iter().map(|known| known.host.server_type.to_string());
    of_catalog.chain(of_hosts).collect::<BTreeSet<_>>().into_iter().collect()
}
