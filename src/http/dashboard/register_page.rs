//! Registering one host: the form, with what is wrong beside its fields.

use askama::Template;
use axum::{extract::RawQuery, http::StatusCode, response::Response};

use super::{
    forms::{ours, to_host},
    shell::{PageProblem, Shell, render},
    sightings_part::SightingsPart,
};
use crate::{
    domain::{
        registration::{FieldProblem, Register, Typed},
        sighting::suggested_hostname,
    },
    http::{
        Visit,
        extract::{FormFields, query_field},
        problem::Problem,
    },
};

#[derive(Template)]
#[template(path = "register.html")]
struct RegisterPage {
    shell: Shell,
    typed: Typed,
    /// What is wrong, as far as something was sent.
    problems: Vec<FieldProblem>,
    kinds: Vec<Kind>,
    sightings: SightingsPart,
}

/// A kind of server to choose.
struct Kind {
    name: String,
    label: String,
    /// The next free name of this kind.
    hostname: String,
}

impl RegisterPage {
    fn problem(&self, field: &str) -> Option<&FieldProblem> {
        self.problems.iter().find(|problem| problem.field == field)
    }
}

/// The form, filled in as the address says; with a suggested name where it says none.
pub(in crate::http) async fn show(state: Visit, RawQuery(query): RawQuery) -> Result<Response, PageProblem> {
    let field = |name: &str| query_field(query.as_deref(), name).unwrap_or_default();
    let mut typed = Typed { hostname: field("hostname"), mac: field("mac"), server_type: field("server_type") };
    let register = state.enrolment.register_of_now().await?;
    let kinds = kinds(&state, &register);
    if typed.hostname.is_empty() {
        let kind = kinds.iter().find(|kind| kind.name == typed.server_type).or(kinds.first());
        typed.hostname = kind.map(|kind| kind.hostname.clone()).unwrap_or_default();
    }
    page(&state, StatusCode::OK, typed, Vec::new(), kinds, None).await
}

/// Registers a host.
pub(in crate::http) async fn register(
    state: Visit,
    fields: Result<FormFields, Problem>,
) -> Result<Response, PageProblem> {
    let fields = ours(&state, fields)?;
    let typed = Typed {
        hostname: fields.get("hostname").to_owned(),
        mac: fields.get("mac").to_owned(),
        server_type: fields.get("server_type").to_owned(),
    };
    let problem: Problem = match state.enrolment.register(&typed.hostname, &typed.mac, &typed.server_type).await {
        Ok(host) => return Ok(to_host(&host.id)),
        Err(error) => error.into(),
    };
    let register = state.enrolment.register_of_now().await?;
    let problems = register.check(&typed).err().unwrap_or_default();
    let trouble = problems.is_empty().then(|| problem.detail().to_owned());
    page(&state, problem.status(), typed, problems, kinds(&state, &register), trouble).await
}

async fn page(
    state: &Visit,
    status: StatusCode,
    typed: Typed,
    problems: Vec<FieldProblem>,
    kinds: Vec<Kind>,
    trouble: Option<String>,
) -> Result<Response, PageProblem> {
    let mut shell = Shell::new(state).await?;
    shell.trouble = trouble;
    let hosts = state.hosts.hosts().await?;
    let sightings = SightingsPart::new(state, &hosts.iter().collect::<Vec<_>>());
    Ok(render(status, &RegisterPage { shell, typed, problems, kinds, sightings }))
}

fn kinds(state: &Visit, register: &Register) -> Vec<Kind> {
    let kinds = state.catalog.server_types().into_iter().map(|kind| Kind {
        name: kind.name.to_string(),
        label: format!("{} – {}", kind.display_name, kind.disk_rule()),
        hostname: suggested_hostname(kind.hostname_prefix.as_deref(), register.names()),
    });
    kinds.collect()
}
