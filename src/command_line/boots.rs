//! `rackseed doctor --mac …` and `rackseed host sightings`: what was seen of machines, and why a boot stands still.

use std::{path::Path, process::ExitCode};

use reqwest::Method;
use serde_json::{Value, json};

use super::{
    client::Client,
    host::text,
    output::{Printer, table},
};

/// Shows the boots of one machine, by its MAC address or by the name or id of its host. The exit code is 1 when the boot is overdue.
pub(super) async fn diagnose(machine: &str, config: &Path, printer: &Printer) -> anyhow::Result<ExitCode> {
    let client = Client::new(config)?;
    let place = if machine.parse::<crate::domain::identity::MacAddress>().is_ok() {
        format!("/api/boots/{machine}")
    } else {
        format!("/api/hosts/{}/boot", text(&client.find_host(machine).await?, "id"))
    };
    let boot = client.ask(Method::GET, &place, None).await?;
    printer.print(&boot, || told(&boot));
    let is_overdue = boot["diagnosis"]["overdue"] == json!(true);
    Ok(if is_overdue { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn told(boot: &Value) -> String {
    let name = Some(text(boot, "hostname")).filter(|name| !name.is_empty()).unwrap_or("not registered");
    let mut lines = vec![format!("{} ({name})", text(boot, "mac"))];
    let mut number = &Value::Null;
    for seen in boot["seen"].as_array().into_iter().flatten() {
        if seen["boot"] != *number {
            number = &seen["boot"];
            lines.push(format!("\nboot {number}, begun {}", text(seen, "at")));
        }
        let seconds = seen["milliseconds"].as_f64().unwrap_or_default() / 1000.0;
        let times = seen["times"].as_u64().filter(|times| *times > 1).map(|times| format!(" ({times} times)"));
        lines.push(format!("  {seconds:>9.1} s  {}{}", text(seen, "sentence"), times.unwrap_or_default()));
    }
    let diagnosis = &boot["diagnosis"];
    lines.push(format!("\n{}", text(diagnosis, "summary")));
    for (number, cause) in (1..).zip(diagnosis["causes"].as_array().into_iter().flatten()) {
        lines.push(format!("\n{number}. Perhaps {}.\n   {}", text(cause, "cause"), text(cause, "fix")));
    }
    lines.join("\n")
}

/// Lists the machines that were seen and are not registered, or forgets one of them.
pub(super) async fn sightings(forget: Option<&str>, client: &Client, printer: &Printer) -> anyhow::Result<()> {
    if let Some(mac) = forget {
        client.ask(Method::DELETE, &format!("/api/sightings/{mac}"), None).await?;
        printer.print(&json!({ "forgotten": mac }), || format!("{mac} is forgotten until it asks again"));
        return Ok(());
    }
    let sightings = client.ask(Method::GET, "/api/sightings", None).await?;
    printer.print(&sightings, || list(&sightings));
    Ok(())
}

fn list(sightings: &Value) -> String {
    let row = |sighting: &Value| {
        let words = ["mac", "client", "interface", "last_seen", "uuid"].map(|key| text(sighting, key).to_owned());
        let mut row = words.to_vec();
        row.insert(3, sighting["count"].to_string());
        row
    };
    let rows: Vec<_> = sightings.as_array().into_iter().flatten().map(row).collect();
    if rows.is_empty() {
        return "no machine asked for a boot that is not registered".to_owned();
    }
    let all = table(&["MAC", "CLIENT", "INTERFACE", "ASKED", "LAST SEEN", "UUID"], &rows);
    format!("{all}\n\nregister one with `rackseed host add HOSTNAME MAC SERVER_TYPE`")
}
