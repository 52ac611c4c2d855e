//! Registration before it is done: what is wrong with what is being typed, and with each line of a list.

use axum::{
    Json,
    extract::{RawQuery, State},
    http::{StatusCode, Uri},
};
use serde::Serialize;

use crate::{
    domain::{
        host_table::{LARGEST_TABLE, decode, read},
        registration::{FieldProblem, Typed, Understood},
        sighting::suggested_hostname,
    },
    http::{
        OperatorState,
        extract::{WholeBody, query_field},
        paging::parameter,
        problem::Problem,
        problem_codes::Code,
        schema::described,
    },
};

described! {
    /// What is wrong with a field of a registration.
    #[derive(Debug, Serialize)]
    pub(crate) struct FieldProblemJson as "RegistrationProblem" {
        /// `hostname`, `mac`, `server_type`, or `line` for a line of a list as a whole.
        field: String,
        /// What is wrong, and what to do.
        detail: String,
        /// The id of the host that it collides with.
        host: Option<String>,
    }
}

described! {
    /// What would come of a registration.
    #[derive(Debug, Serialize)]
    pub(crate) struct HostCheckJson as "HostCheck" {
        /// The MAC address as we write it; absent while it is none.
        mac: Option<String>,
        /// The next free name for a host of this server type.
        suggested_hostname: String,
        /// What is wrong with the fields that were sent; nothing is said of those that were not.
        problems: Vec<FieldProblemJson>,
    }
}

described! {
    /// A list of hosts, looked at line by line.
    #[derive(Debug, Serialize)]
    pub(crate) struct HostImportJson as "HostImport" {
        /// The ids of the hosts that were registered, in the order of their lines; none in a dry run.
        registered: Vec<String>,
        /// How many lines can be registered.
        good: usize,
        /// How many cannot.
        wrong: usize,
        /// The lines.
        lines: Vec<ImportLineJson>,
    }
}

described! {
    /// One line of such a list.
    #[derive(Debug, Serialize)]
    pub(crate) struct ImportLineJson as "HostImportLine" {
        /// Its number in the list, from 1.
        line: usize,
        /// As it was read.
        hostname: String,
        /// As we write it, or as it was read where it is none.
        mac: String,
        /// As it was read, or the usual one where the line says none.
        server_type: String,
        /// What is wrong with it.
        problems: Vec<FieldProblemJson>,
    }
}

impl FieldProblemJson {
    fn new(problem: &FieldProblem) -> Self {
        Self {
            field: problem.field.to_owned(),
            detail: problem.problem.clone(),
            host: problem.host.as_ref().map(ToString::to_string),
        }
    }
}

/// Says what would come of a registration, while it is being typed.
pub(crate) async fn check(
    State(state): State<OperatorState>,
    RawQuery(query): RawQuery,
) -> Result<Json<HostCheckJson>, Problem> {
    let field = |name: &str| query_field(query.as_deref(), name);
    let sent = [("hostname", field("hostname")), ("mac", field("mac")), ("server_type", field("server_type"))];
    let [hostname, mac, server_type] = sent.clone().map(|(_, text)| text.unwrap_or_default());
    let typed = Typed { hostname, mac, server_type };
    let register = state.enrolment.register_of_now().await?;
    let problems = register.check(&typed).err().unwrap_or_default();
    let is_sent = |name: &str| sent.iter().any(|(field, text)| *field == name && text.is_some());
    let kind = typed.server_type.trim().parse().ok().and_then(|kind| state.catalog.server_type(&kind));
    let prefix = kind.as_ref().and_then(|kind| kind.hostname_prefix.as_deref());
    Ok(Json(HostCheckJson {
        mac: typed.mac.trim().parse().ok().map(|mac: crate::domain::identity::MacAddress| mac.to_string()),
        suggested_hostname: suggested_hostname(prefix, register.names()),
        problems: problems.iter().filter(|problem| is_sent(problem.field)).map(FieldProblemJson::new).collect(),
    }))
}

/// Looks at a list of hosts, and registers them unless it is only to be looked at.
pub(crate) async fn import(
    State(state): State<OperatorState>,
    uri: Uri,
    body: Result<WholeBody, Problem>,
) -> Result<Json<HostImportJson>, Problem> {
    let WholeBody(body) = body?;
    let truth = "is `true` or `false`";
    let dry_run = parameter::<bool>(&uri, "dry_run", truth)?.unwrap_or_default();
    let skip_wrong = parameter::<bool>(&uri, "skip_wrong", truth)?.unwrap_or_default();
    let usual_type = query_field(uri.query(), "server_type").unwrap_or_default();
    if body.len() > LARGEST_TABLE {
        let detail = format!("a list may have {} KiB; cut it into several", LARGEST_TABLE >> 10);
        return Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, detail));
    }
    let text = decode(&body).map_err(no_list)?;
    let list = CheckedList::new(&state, &text, &usual_type).await?;
    let registered = if dry_run { Vec::new() } else { list.register(&state, skip_wrong).await? };
    Ok(Json(HostImportJson {
        registered,
        good: list.good().len(),
        wrong: list.wrong(),
        lines: list.lines.iter().map(CheckedLine::to_json).collect(),
    }))
}

fn no_list(problem: String) -> Problem {
    Problem::new(StatusCode::UNPROCESSABLE_ENTITY, problem)
}

/// A list of hosts and what is wrong with it.
pub(in crate::http) struct CheckedList {
    pub(in crate::http) lines: Vec<CheckedLine>,
}

/// One of its lines.
pub(in crate::http) struct CheckedLine {
    pub(in crate::http) line: usize,
    pub(in crate::http) typed: Typed,
    pub(in crate::http) checked: Result<Understood, Vec<FieldProblem>>,
}

impl CheckedLine {
    /// The MAC address as we write it, where it is one.
    pub(in crate::http) fn mac(&self) -> String {
        let mac = self.typed.mac.parse::<crate::domain::identity::MacAddress>();
        mac.map_or_else(|_| self.typed.mac.clone(), |mac| mac.to_string())
    }

    /// What is wrong with it.
    pub(in crate::http) fn problems(&self) -> &[FieldProblem] {
        self.checked.as_ref().err().map_or(&[], Vec::as_slice)
    }

    fn to_json(&self) -> ImportLineJson {
        ImportLineJson {
            line: self.line,
            hostname: self.typed.hostname.clone(),
            mac: self.mac(),
            server_type: self.typed.server_type.clone(),
            problems: self.problems().iter().map(FieldProblemJson::new).collect(),
        }
    }
}

impl CheckedList {
    /// Checks a list against the hosts as they are now, and its lines against each other.
    pub(in crate::http) async fn new(state: &OperatorState, text: &str, usual_type: &str) -> Result<Self, Problem> {
        let lines = read(text, usual_type).map_err(no_list)?;
        let mut register = state.enrolment.register_of_now().await?;
        let lines = lines.into_iter().map(|line| {
            let checked = register.take(line.line, &line.typed);
            let checked = match line.problem {
                None => checked,
                Some(problem) => Err(vec![FieldProblem { field: "line", problem, host: None }]),
            };
            CheckedLine { line: line.line, typed: line.typed, checked }
        });
        Ok(Self { lines: lines.collect() })
    }

    /// What can be registered.
    pub(in crate::http) fn good(&self) -> Vec<Understood> {
        self.lines.iter().filter_map(|line| line.checked.as_ref().ok().cloned()).collect()
    }

    /// How many lines cannot.
    pub(in crate::http) fn wrong(&self) -> usize {
        self.lines.iter().filter(|line| line.checked.is_err()).count()
    }

    /// Registers the good lines, all of them or none; with a wrong line nothing, unless such are to be left out.
    pub(in crate::http) async fn register(
        &self,
        state: &OperatorState,
        skip_wrong: bool,
    ) -> Result<Vec<String>, Problem> {
        let (good, wrong) = (self.good(), self.wrong());
        if wrong > 0 && !skip_wrong {
            let errors = self.lines.iter().flat_map(|line| {
                line.problems().iter().map(move |problem| {
                    serde_json::json!({ "line": line.line, "field": problem.field, "detail": problem.problem })
                })
            });
            let detail = format!("{wrong} of {} lines cannot be registered, so none was", self.lines.len());
            return Err(Problem::coded(Code::FieldsInvalid, detail).with("errors", errors.collect()));
        }
        if good.is_empty() {
            return Err(no_list("no line of the list can be registered".to_owned()));
        }
        let hosts = state.enrolment.register_all(good).await?;
        Ok(hosts.iter().map(|host| host.id.to_string()).collect())
    }
}
