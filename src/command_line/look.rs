//! What is only looked at: the catalog, the networks and the well-being of the running daemon.

use std::{path::Path, process::ExitCode};

use reqwest::Method;
use serde_json::Value;

use super::{
    client::Client,
    host::text,
    output::{Printer, table},
};

/// Shows what the catalog holds. The exit code is 1 when its files have a mistake.
pub(super) async fn catalog(config: &Path, printer: &Printer) -> anyhow::Result<ExitCode> {
    let catalog = Client::new(config)?.ask(Method::GET, "/api/catalog", None).await?;
    printer.print(&catalog, || catalog_told(&catalog));
    let problems = catalog["problems"].as_array().is_some_and(|problems| !problems.is_empty());
    Ok(if problems { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn catalog_told(catalog: &Value) -> String {
    let mut lines = vec![format!("in use since {}", text(catalog, "loaded_at"))];
    for (heading, key) in
        [("server types", "server_types"), ("answer templates", "answer_templates"), ("iPXE scripts", "scripts")]
    {
        lines.push(format!("{heading}: {}", words(&catalog[key])));
    }
    for problem in catalog["problems"].as_array().into_iter().flatten() {
        let place = [
            text(problem, "file").to_owned(),
            problem["line"].as_u64().map(|line| line.to_string()).unwrap_or_default(),
        ];
        let place = place.iter().filter(|part| !part.is_empty()).cloned().collect::<Vec<_>>().join(":");
        lines.push(format!("MISTAKE {place}: {}; the last good version stays in use", text(problem, "rule")));
    }
    lines.join("\n")
}

/// Shows where booting machines are answered. The exit code is 1 when some machine gets no answer.
pub(super) async fn network(config: &Path, printer: &Printer) -> anyhow::Result<ExitCode> {
    let network = Client::new(config)?.ask(Method::GET, "/api/network", None).await?;
    let interfaces: Vec<Value> = network["interfaces"].as_array().cloned().unwrap_or_default();
    printer.print(&network, || {
        if interfaces.is_empty() {
            return "network boot is off: `pxe.enabled` is false in the settings".to_owned();
        }
        let row = |interface: &Value| {
            vec![
                text(interface, "name").to_owned(),
                text(interface, "state").to_owned(),
                words(&interface["addresses"]),
                text(interface, "detail").to_owned(),
            ]
        };
        table(&["INTERFACE", "STATE", "ADDRESSES", "WHAT"], &interfaces.iter().map(row).collect::<Vec<_>>())
    });
    let all_answer = interfaces.iter().all(|interface| interface["state"] == "answering");
    Ok(if all_answer { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Shows the cluster. The exit code is 1 when it has no quorum or no member answers.
pub(super) async fn cluster(config: &Path, printer: &Printer) -> anyhow::Result<ExitCode> {
    let cluster = Client::new(config)?.ask(Method::GET, "/api/cluster?ask=true", None).await?;
    printer.print(&cluster, || {
        let member = |member: &Value| {
            let online = if member["online"] == true { "online" } else { "OFFLINE" };
            vec![text(member, "name").to_owned(), online.to_owned(), text(member, "address").to_owned()]
        };
        let members: Vec<_> = cluster["members"].as_array().into_iter().flatten().map(member).collect();
        let mut lines = vec![text(&cluster, "sentence").to_owned()];
        lines.extend(cluster["problem"].as_str().map(|problem| format!("no member answered: {problem}")));
        if !members.is_empty() {
            lines.push(table(&["MEMBER", "STATE", "ADDRESS"], &members));
        }
        lines.extend(
            cluster["holder"].as_object().map(|_| format!("{} has the turn", text(&cluster["holder"], "hostname"))),
        );
        let waiting = cluster["waiting"].as_array().into_iter().flatten();
        lines.extend(waiting.map(|join| format!("{} waits for its turn", text(join, "hostname"))));
        lines.join("\n")
    });
    let is_well = cluster["problem"].is_null() && cluster["quorate"] != false;
    Ok(if is_well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Shows what the daemon is. The exit code is 1 when something ails it.
pub(super) async fn about(config: &Path, printer: &Printer) -> anyhow::Result<ExitCode> {
    let about = Client::new(config)?.ask(Method::GET, "/api/about", None).await?;
    printer.print(&about, || {
        let mut lines = vec![
            format!("Rackseed {}, up since {}", text(&about, "version"), text(&about, "started_at")),
            format!("data in {}, tables of version {}", text(&about, "data_folder"), about["schema"]),
            format!("certificate {}", text(&about, "certificate_sha256")),
        ];
        for listener in about["listeners"].as_array().into_iter().flatten() {
            lines.push(format!("{} at {}", text(listener, "name"), text(listener, "address")));
        }
        let ailments = about["ailments"].as_array().into_iter().flatten().filter_map(Value::as_str);
        lines.extend(ailments.map(|ailment| format!("AILS: {ailment}")));
        lines.join("\n")
    });
    Ok(if about["healthy"] == true { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The words of a list, or the names of a list of objects.
fn words(list: &Value) -> String {
    let word = |one: &Value| one.as_str().or_else(|| one["name"].as_str()).unwrap_or_default().to_owned();
    let words: Vec<_> = list.as_array().into_iter().flatten().map(word).collect();
    if words.is_empty() { "none".to_owned() } else { words.join(", ") }
}
