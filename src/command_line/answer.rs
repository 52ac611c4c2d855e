//! `rackseed answer …`: what a host would be given, what is wrong with it, and what has changed.

use std::{path::Path, process::ExitCode};

use clap::Subcommand;
use reqwest::Method;
use serde_json::Value;

use super::{client::Client, host::text, output::Printer};

/// Verbs on answers.
#[derive(Debug, Subcommand)]
pub(super) enum AnswerVerb {
    /// Show the answer that a host would be given, without its secrets
    Preview {
        /// Its id, name or MAC address
        host: String,
    },
    /// Say everything that is wrong with the answer that a host would be given, and where to change it
    Check {
        /// Its id, name or MAC address
        host: String,
    },
    /// Show what has changed since a host was given an answer last, without secrets
    Diff {
        /// Its id, name or MAC address
        host: String,
    },
}

/// Does a verb on answers. A check that finds problems fails.
pub(super) async fn run(verb: &AnswerVerb, config: &Path, printer: &Printer) -> anyhow::Result<ExitCode> {
    let client = Client::new(config)?;
    let (host, what) = match verb {
        AnswerVerb::Preview { host } => (host, "answer-preview"),
        AnswerVerb::Check { host } => (host, "answer-check"),
        AnswerVerb::Diff { host } => (host, "answer-diff"),
    };
    let found = client.find_host(host).await?;
    let answer = client.ask(Method::GET, &format!("/api/hosts/{}/{what}", text(&found, "id")), None).await?;
    printer.print(&answer, || match verb {
        AnswerVerb::Preview { .. } => preview(&answer),
        AnswerVerb::Check { .. } => check(text(&found, "hostname"), &answer),
        AnswerVerb::Diff { .. } => difference(text(&found, "hostname"), &answer),
    });
    let failed = matches!(verb, AnswerVerb::Check { .. }) && answer["good"] != true;
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// The answer, with warnings as comments before it: it stays TOML when it is redirected.
fn preview(answer: &Value) -> String {
    let warnings = notes(&answer["warnings"]).into_iter().map(|note| format!("# {note}\n"));
    warnings.collect::<String>() + text(answer, "answer")
}

fn check(hostname: &str, answer: &Value) -> String {
    let (problems, warnings) = (notes(&answer["problems"]), notes(&answer["warnings"]));
    let (template, release) = (text(answer, "template"), text(answer, "release"));
    let mut lines = vec![match problems.len() {
        0 => format!("the answer for {hostname} is good (template `{template}`, installer {release})"),
        1 => format!("the answer for {hostname} has a problem (template `{template}`, installer {release})"),
        count => format!("the answer for {hostname} has {count} problems (template `{template}`, installer {release})"),
    }];
    lines.extend(problems.into_iter().map(|problem| format!("  problem  {problem}")));
    lines.extend(warnings.into_iter().map(|warning| format!("  warning  {warning}")));
    if let Some(disks) = answer["disks"].as_str() {
        lines.push(format!("  wiped    {disks}"));
    }
    lines.join("\n")
}

fn difference(hostname: &str, answer: &Value) -> String {
    if answer["same"] == true {
        return format!("{hostname} would be given the same as on {}", text(answer, "given_at"));
    }
    text(answer, "difference").to_owned()
}

fn notes(notes: &Value) -> Vec<String> {
    let sentence = |note: &Value| match note["place"].as_str() {
        Some(place) => format!("{place}: {}", text(note, "text")),
        None => text(note, "text").to_owned(),
    };
    notes.as_array().into_iter().flatten().map(sentence).collect()
}
