//! `rackseed host rebuild`: the pre-flight for people and programs, the question where something speaks against it, and the start.

use std::{
    io::{IsTerminal, Write, stderr, stdin},
    process::ExitCode,
};

use anyhow::{Context, bail};
use clap::Args;
use reqwest::Method;
use serde_json::{Value, json};

use super::{
    client::Client,
    host::text,
    output::{Printer, table},
};

/// What `rackseed host rebuild` is told.
#[derive(Debug, Args)]
pub(super) struct RebuildArguments {
    /// Its id, name or MAC address
    host: String,
    /// Only look: what would be wiped and installed, and what speaks against it. Ends with status 1 when something stops it
    #[arg(long)]
    plan: bool,
    /// The host's name once more, as confirmation
    #[arg(long, value_name = "HOSTNAME", required_unless_present = "plan")]
    confirm: Option<String>,
    /// The image to install; else that of the host, of its server type, the default, or the newest
    #[arg(long, value_name = "IMAGE")]
    image: Option<String>,
    /// The address under which the cluster lists this host; needed for a member that Rackseed has never installed
    #[arg(long, value_name = "ADDRESS")]
    member_address: Option<String>,
    /// Accept the warnings without being asked
    #[arg(long)]
    yes: bool,
    /// Go on in spite of this blocker; once for each. Needs --reason
    #[arg(long = "override", value_name = "ID", requires = "reason")]
    overrides: Vec<String>,
    /// Why blockers are overridden; kept with the rebuild
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

/// Looks, asks where a person must say yes, and starts.
pub(super) async fn run(arguments: &RebuildArguments, client: &Client, printer: &Printer) -> anyhow::Result<ExitCode> {
    let host = client.find_host(&arguments.host).await?;
    let path = format!("/api/hosts/{}", text(&host, "id"));
    let plan = client.ask(Method::GET, &format!("{path}/rebuild-plan{}", query(arguments)), None).await?;
    if arguments.plan {
        printer.print(&plan, || spell(&plan, true));
        return Ok(if plan["may_start"] == true { ExitCode::SUCCESS } else { ExitCode::FAILURE });
    }
    printer.line(spell(&plan, false).trim_end());
    let standing = standing(&plan, &arguments.overrides);
    if !standing.is_empty() {
        bail!(
            "{} is not rebuilt: {}. `rackseed host rebuild {} --plan` tells more",
            text(&host, "hostname"),
            standing.join("; "),
            arguments.host
        );
    }
    let warnings = found(&plan, "warning").count();
    if warnings > 0 && !arguments.yes && !is_meant(warnings)? {
        bail!("nothing was armed");
    }
    let body = json!({
        "confirm": arguments.confirm,
        "image": arguments.image,
        "member_address": arguments.member_address,
        // Those that were shown; what came up since is refused only where it stops.
        "accept_warnings": warnings > 0 || arguments.yes,
        "override": arguments.overrides,
        "reason": arguments.reason,
    });
    let operation = client.ask(Method::POST, &format!("{path}/rebuild"), Some(&body)).await?;
    printer.print(&operation, || {
        let next = match text(&host["options"]["power"], "driver") {
            "" | "none" => "switch it on and let it boot from the network",
            _ => "it is started from the network now",
        };
        format!("{} is armed (operation {}); {next}", text(&host, "hostname"), text(&operation, "id"))
    });
    Ok(ExitCode::SUCCESS)
}

fn query(arguments: &RebuildArguments) -> String {
    let image = arguments.image.iter().map(|image| format!("image={image}"));
    let address = arguments.member_address.iter().map(|address| format!("member_address={address}"));
    let fields: Vec<_> = image.chain(address).collect();
    if fields.is_empty() { String::new() } else { format!("?{}", fields.join("&")) }
}

fn found<'a>(plan: &'a Value, severity: &'a str) -> impl Iterator<Item = &'a Value> {
    plan["findings"].as_array().into_iter().flatten().filter(move |finding| finding["severity"] == severity)
}

/// The blockers that were not named, or that nobody can override.
fn standing(plan: &Value, overrides: &[String]) -> Vec<String> {
    let is_overridden =
        |finding: &Value| finding["can_be_overridden"] == true && overrides.iter().any(|id| id == text(finding, "id"));
    let standing = found(plan, "blocker").filter(|finding| !is_overridden(finding));
    standing.map(|finding| format!("{}: {}", text(finding, "id"), text(finding, "sentence"))).collect()
}

/// Asks the person at the terminal. A program must say `--yes`.
fn is_meant(warnings: usize) -> anyhow::Result<bool> {
    if !stdin().is_terminal() {
        bail!("there are {warnings} warnings; say --yes if the rebuild is meant in spite of them");
    }
    write!(stderr(), "Go on in spite of {warnings} warnings? [y/N] ").context("the question cannot be shown")?;
    let mut answer = String::new();
    stdin().read_line(&mut answer).context("the answer cannot be read")?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

/// The plan for people; the answer only where it is asked for.
fn spell(plan: &Value, with_answer: bool) -> String {
    let image = &plan["image"];
    let mut lines = vec![match image.is_object() {
        true => format!(
            "image {}: {} {}-{}, {}",
            text(image, "id"),
            text(image, "product_name"),
            text(image, "release"),
            text(image, "iso_release"),
            text(plan, "image_reason")
        ),
        false => format!("no image: {}", text(plan, "image_reason")),
    }];
    lines.push(format!("wipes {}", plan["disk"].as_str().unwrap_or("a disk that is not settled")));
    let cluster = &plan["cluster"];
    if cluster.is_object() {
        let figure = |key: &str| cluster[key].as_u64().unwrap_or_default();
        lines.push(format!(
            "cluster {} (as {} sees it): {} of {} votes now, {} needed; without this host {}, and {} needed once it is removed",
            text(cluster, "name"),
            text(cluster, "asked"),
            figure("votes_online"),
            figure("votes_expected"),
            figure("votes_needed"),
            figure("votes_without"),
            figure("votes_needed_after")
        ));
        for guest in cluster["guests"].as_array().into_iter().flatten() {
            lines.push(format!(
                "guest {} {} {}: {}, {}",
                text(guest, "kind"),
                guest["vmid"],
                text(guest, "name"),
                text(guest, "state"),
                guest["last_backup_at"].as_str().map_or("no backup seen".into(), |at| format!("backed up {at}"))
            ));
        }
    }
    if with_answer && let Some(answer) = plan["answer"].as_str() {
        lines.push(format!("\nthe answer, without its secrets\n{}", answer.trim_end()));
        match plan["answer_difference"].as_str() {
            Some("") => lines.push("\nnothing has changed in it since the last time".into()),
            Some(difference) => lines.push(format!("\nchanged since the last time\n{}", difference.trim_end())),
            None => {}
        }
    }
    let rows: Vec<_> = plan["findings"].as_array().into_iter().flatten().map(row).collect();
    if !rows.is_empty() {
        lines.push(format!("\n{}", table(&["SEVERITY", "ID", "FOUND"], &rows).trim_end()));
    }
    if with_answer {
        let blockers = found(plan, "blocker").count();
        let verdict = match (blockers, found(plan, "warning").count()) {
            (0, 0) => "\nnothing speaks against it".to_owned(),
            (0, warnings) => format!("\nno blocker; {warnings} to be accepted with --yes"),
            (blockers, _) => format!(
                "\nstopped by {blockers}; --override ID --reason TEXT goes on in spite of one, where that is possible"
            ),
        };
        lines.push(verdict);
    }
    lines.join("\n")
}

fn row(finding: &Value) -> Vec<String> {
    let mark = if finding["severity"] == "blocker" && finding["can_be_overridden"] == false { " (final)" } else { "" };
    vec![
        format!("{}{mark}", text(finding, "severity")),
        text(finding, "id").to_owned(),
        text(finding, "sentence").to_owned(),
    ]
}
