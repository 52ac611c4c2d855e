//! Registering many hosts from a list: what was pasted is kept and shown line by line, with what is wrong, before anything is registered.

use askama::Template;
use axum::{
    http::StatusCode,
    response::{IntoResponse, Redirect, Response},
};

use super::{
    forms::ours,
    shell::{PageProblem, Shell, render},
};
use crate::{
    domain::{
        host_table::{LARGEST_TABLE, MOST_LINES},
        registration::FieldProblem,
    },
    http::{
        Visit,
        api::registrations::{CheckedLine, CheckedList},
        extract::FormFields,
        problem::Problem,
    },
};

#[derive(Template)]
#[template(path = "import.html")]
struct ImportPage {
    shell: Shell,
    list: String,
    /// Server types: word, name for people, whether it is chosen.
    kinds: Vec<(String, String, bool)>,
    lines: Vec<CheckedLine>,
    good: usize,
    wrong: usize,
    most_lines: usize,
    largest_kib: usize,
}

impl ImportPage {
    /// For the template: what is wrong with a field of a line.
    fn of<'a>(&self, line: &'a CheckedLine, field: &str) -> Option<&'a FieldProblem> {
        line.problems().iter().find(|problem| problem.field == field)
    }
}

/// The empty form.
pub(in crate::http) async fn show(state: Visit) -> Result<Response, PageProblem> {
    page(&state, StatusCode::OK, String::new(), "", None, None).await
}

/// Checks a list, or registers it.
pub(in crate::http) async fn take(state: Visit, fields: Result<FormFields, Problem>) -> Result<Response, PageProblem> {
    let fields = ours(&state, fields)?;
    let (list, kind) = (fields.get("list").to_owned(), fields.get("server_type"));
    let checked = match CheckedList::new(&state, &list, kind).await {
        Ok(checked) => checked,
        Err(problem) => {
            let trouble = problem.detail().to_owned();
            return page(&state, problem.status(), list, kind, None, Some(trouble)).await;
        }
    };
    let action = fields.get("action");
    if action != "register" && action != "skip_wrong" {
        return page(&state, StatusCode::OK, list, kind, Some(checked), None).await;
    }
    match checked.register(&state, action == "skip_wrong").await {
        Ok(_) => Ok(Redirect::to("/?state=registered").into_response()),
        Err(problem) => {
            let trouble = problem.detail().to_owned();
            page(&state, problem.status(), list, kind, Some(checked), Some(trouble)).await
        }
    }
}

async fn page(
    state: &Visit,
    status: StatusCode,
    list: String,
    kind: &str,
    checked: Option<CheckedList>,
    trouble: Option<String>,
) -> Result<Response, PageProblem> {
    let mut shell = Shell::new(state).await?;
    shell.trouble = trouble;
    let kinds = state.catalog.server_types().into_iter().map(|known| {
        let label = format!("{} – {}", known.display_name, known.disk_rule());
        (known.name.to_string(), label, known.name.as_str() == kind)
    });
    let page = ImportPage {
        shell,
        list,
        kinds: kinds.collect(),
        good: checked.as_ref().map_or(0, |checked| checked.good().len()),
        wrong: checked.as_ref().map_or(0, CheckedList::wrong),
        lines: checked.map(|checked| checked.lines).unwrap_or_default(),
        most_lines: MOST_LINES,
        largest_kib: LARGEST_TABLE >> 10,
    };
    Ok(render(status, &page))
}
