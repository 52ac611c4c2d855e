//! One route as the document tells it: what it takes, what it gives, and how it may be refused.

use std::collections::BTreeSet;

use axum::http::StatusCode;
use serde_json::{Map, Value, json};

use super::parameters;
use crate::http::{
    row::{Audience, Body, Needs, Row},
    schema::reference,
};

/// The groups of routes by the beginnings of their paths; the first that fits counts.
pub(in crate::http) const GROUPS: &[(&str, &str)] = &[
    ("/api/hosts", "hosts"),
    ("/api/boots", "hosts"),
    ("/api/sightings", "sightings"),
    ("/api/operations", "operations"),
    ("/api/batches", "batches"),
    ("/api/images", "images"),
    ("/api/cluster", "cluster"),
    ("/api/catalog", "catalog"),
    ("/api/account", "account"),
    ("/api/tokens", "account"),
    ("/api/users", "account"),
    ("/api/audit", "audit"),
    ("/api/activity", "activity"),
    ("/events", "activity"),
    ("/api/notifications", "notifications"),
    ("/api/", "appliance"),
    ("/metrics", "appliance"),
    ("/healthz", "appliance"),
    ("/", "pages"),
];

/// The groups of routes that programs ask, in the order in which they are shown.
const TITLES: &[(&str, &str)] = &[
    ("hosts", "Hosts"),
    ("sightings", "Machines that wait to be registered"),
    ("operations", "Operations"),
    ("batches", "Batches of rebuilds"),
    ("images", "Installer images"),
    ("cluster", "Cluster"),
    ("catalog", "Server types and templates"),
    ("activity", "What happens"),
    ("audit", "Who did what"),
    ("notifications", "Being told"),
    ("account", "Accounts and tokens"),
    ("appliance", "The appliance itself"),
    ("machine", "What installers and nodes ask"),
    ("boot", "What booting machines ask"),
];

/// What a group is called, if it is for programs.
pub(in crate::http) fn group_title(group: &str) -> Option<&'static str> {
    TITLES.iter().find(|(known, _)| *known == group).map(|(_, title)| *title)
}

/// Where a group stands among the others.
pub(in crate::http) fn group_place(group: &str) -> usize {
    TITLES.iter().position(|(known, _)| *known == group).unwrap_or(TITLES.len())
}

/// The group of a route.
pub(in crate::http) fn group(audience: Audience, path: &str) -> &'static str {
    match audience {
        Audience::Boot | Audience::Machine => audience.word(),
        Audience::Operator => {
            GROUPS.iter().find(|(beginning, _)| path.starts_with(beginning)).map_or("pages", |(_, group)| group)
        }
    }
}

/// What refuses single routes beside what follows from their rows.
const MORE: &[(&str, &[u16])] = &[
    ("/api/hosts/{id}/answer-", &[409, 422]),
    ("/api/hosts/{id}/rebuild-plan", &[409, 422, 502]),
    ("/api/hosts/{id}/rebuild", &[502]),
    ("/api/hosts/{id}/power", &[409, 422, 502]),
    ("/api/hosts/{id}/confirm-host-key", &[422]),
    ("/api/operations/{id}/", &[422]),
    ("/api/cluster/gates", &[422, 502]),
    ("/api/notifications/test", &[502]),
    ("/api/images", &[413, 422]),
    ("/api/batches", &[422]),
    ("/api/support-bundle", &[409]),
    ("/api/doctor", &[404, 409]),
    ("/sign-in", &[429]),
    ("/first-visit", &[409, 422, 429]),
    ("/account", &[409, 422, 429]),
    ("/boot/", &[206, 304, 416]),
    ("/loader/", &[206, 304, 416]),
];

/// The name of a route, which stays as it is.
pub(in crate::http) fn name<S>(audience: Audience, row: &Row<S>) -> String {
    let is_page = audience == Audience::Operator && group(audience, row.path) == "pages";
    let path = row.path.strip_prefix("/api/").unwrap_or(row.path);
    let words = path.split('/').filter(|part| !part.is_empty()).map(|part| {
        let part = match part.strip_prefix('{') {
            Some(parameter) => format!("by_{}", parameter.trim_matches(['*', '}'])),
            None => part.to_owned(),
        };
        part.replace(['-', '.'], "_")
    });
    let words: Vec<_> = words.collect();
    let place = if is_page { "page" } else { "" };
    let all = [row.method.to_lowercase(), place.to_owned(), words.join("_")];
    all.iter().filter(|part| !part.is_empty()).map(String::as_str).collect::<Vec<_>>().join("_")
}

/// Tells a route.
pub(super) fn describe<S>(audience: Audience, row: &Row<S>) -> Value {
    let mut responses = Map::new();
    let (status, body) = row.gives;
    let mut success = json!({ "description": meaning(status) });
    if let Some(content) = given(row, body) {
        success["content"] = content;
    }
    let headers = headers(row, status);
    if !headers.is_empty() {
        success["headers"] = headers.into();
    }
    responses.insert(status.to_string(), success);
    for status in refusals(audience, row) {
        responses.entry(status.to_string()).or_insert_with(|| refusal(audience, row, status));
    }
    let mut route = json!({
        "operationId": name(audience, row),
        "tags": [group(audience, row.path)],
        "summary": row.summary,
        "parameters": parameters::of_row(row),
        "responses": responses,
        "security": security(audience, row),
    });
    if route["tags"][0] != audience.word() {
        route["tags"].as_array_mut().map(|tags| tags.insert(0, audience.word().into())).unwrap_or_default();
    }
    if let Some(content) = taken(row) {
        route["requestBody"] = json!({ "required": true, "content": content });
    }
    route
}

fn meaning(status: u16) -> &'static str {
    match status {
        200 => "done",
        201 => "made",
        202 => "accepted; it goes on after this answer",
        204 => "done; there is nothing to tell",
        206 => "a part of the file",
        303 => "done; go on to the page in `Location`",
        304 => "the file has not changed",
        _ => StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason()).unwrap_or("refused"),
    }
}

/// By which statuses a route may be refused: those that follow from its row, and its own.
fn refusals<S>(audience: Audience, row: &Row<S>) -> BTreeSet<u16> {
    let mut all = BTreeSet::from([500, 503]);
    if row.path.contains('{') {
        all.insert(404);
    }
    if !row.query.is_empty() || row.makes.is_some() {
        all.insert(400);
    }
    match row.takes {
        Body::Json(_) | Body::Form(_) | Body::Report(_) | Body::Log(_) | Body::Text(_) => {
            all.extend([400, 413, 415, 422])
        }
        Body::Stream => all.extend([400, 415]),
        Body::Nothing if row.method == "POST" => all.extend([415]),
        Body::Nothing | Body::List(_) => {}
    }
    if row.method != "GET" {
        all.extend([409, 507]);
    }
    match (audience, row.needs) {
        (Audience::Operator, Needs::Nobody) => all.extend([403]),
        (Audience::Operator, Needs::ReadOnly | Needs::Operator) => all.extend([401, 403]),
        (Audience::Machine, _) => all.extend([403, 409]),
        (Audience::Boot, _) => {}
    }
    if audience == Audience::Operator && group(audience, row.path) == "pages" {
        // Who has not signed in is sent to the page for that; a form that was understood goes on to a page, one that was not shows itself.
        all.extend([200, 303, 400, 404, 409, 422]);
    }
    let more = MORE.iter().filter(|(beginning, _)| row.path.starts_with(beginning));
    all.extend(more.flat_map(|(_, statuses)| *statuses));
    all
}

fn refusal<S>(audience: Audience, row: &Row<S>, status: u16) -> Value {
    let is_page = audience == Audience::Operator && group(audience, row.path) == "pages";
    let mut told = json!({ "description": meaning(status) });
    let mut content = Map::new();
    if is_page {
        content.insert("text/html".into(), json!({ "schema": { "type": "string" } }));
    }
    if status >= 400 {
        content.insert("application/problem+json".into(), json!({ "schema": reference("Problem") }));
    }
    if status == 206 {
        content
            .insert("application/octet-stream".into(), json!({ "schema": { "type": "string", "format": "binary" } }));
    }
    if !content.is_empty() && !matches!(status, 303 | 304) {
        told["content"] = content.into();
    }
    let retry = json!({ "description": "after how many seconds to ask again", "schema": { "type": "integer" } });
    match status {
        401 => {
            told["headers"] =
                json!({ "WWW-Authenticate": { "description": "how to ask", "schema": { "type": "string" } } });
        }
        429 | 409 if status == 429 || row.makes.is_some() => told["headers"] = json!({ "Retry-After": retry }),
        _ => {}
    }
    told
}

fn headers<S>(row: &Row<S>, status: u16) -> Map<String, Value> {
    let mut headers = Map::new();
    let text = |description: &str| json!({ "description": description, "schema": { "type": "string" } });
    if row.makes.is_some() || status == 303 {
        headers.insert("Location".into(), text("where what was made is found"));
    }
    if row.makes.is_some() {
        headers.insert("Idempotency-Replayed".into(), text("`true`: this was done before, and nothing was done now"));
    }
    if row.query.contains(&"limit") {
        headers.insert("Link".into(), text("`<…>; rel=\"next\"`: the next page, where there is one (RFC 8288)"));
    }
    if row.path == "/api/images/uploads/{id}" {
        headers.insert("Upload-Offset".into(), text("the byte at which the upload goes on"));
    }
    headers
}

fn security<S>(audience: Audience, row: &Row<S>) -> Value {
    match (audience, row.needs) {
        (Audience::Operator, Needs::ReadOnly) => json!([{ "token": ["read_only"] }, { "session": [] }]),
        (Audience::Operator, Needs::Operator) => json!([{ "token": ["operator"] }, { "session": [] }]),
        (Audience::Machine, _) if row.query.contains(&"t") => json!([{ "rebuild": [] }]),
        (Audience::Operator | Audience::Machine | Audience::Boot, _) => json!([]),
    }
}

fn given<S>(row: &Row<S>, body: Body) -> Option<Value> {
    let mut content = content(body)?;
    let text = json!({ "schema": { "type": "string" } });
    match row.path {
        "/api/audit" => content["text/csv"] = text,
        "/assets/{file}" => (content["text/javascript"], content["image/svg+xml"]) = (text.clone(), text),
        "/events" => {
            content["text/event-stream"] = json!({ "schema": {
                "type": "string",
                "description": "Server-sent events. A row of the live feed has its number as `id`, its topic as `event` and an Activity as `data`; \
                    an event `boot` has the MAC address of a machine whose boot went on, and no `id`. A stream never ends by itself.",
            } });
        }
        _ => {}
    }
    Some(content)
}

fn taken<S>(row: &Row<S>) -> Option<Value> {
    match (row.takes, row.path) {
        // The kind is what keeps other sites' forms away.
        (Body::Nothing, path) if row.method == "POST" && path.starts_with("/api/") => {
            let nothing = json!({ "type": ["object", "null"], "maxProperties": 0, "description": "nothing; only its kind counts" });
            Some(json!({ "application/json": { "schema": nothing } }))
        }
        (Body::Stream, "/api/images") => {
            let mut content = content(row.takes)?;
            content["application/json"] = json!({ "schema": reference("NewImage") });
            Some(content)
        }
        (takes, _) => content(takes),
    }
}

fn content(body: Body) -> Option<Value> {
    let (media, schema) = match body {
        Body::Nothing => return None,
        Body::Json(schema) => ("application/json", reference(schema)),
        Body::List(schema) => ("application/json", json!({ "type": "array", "items": reference(schema) })),
        Body::Report(limit) => {
            let description = format!("JSON of the Proxmox installer, at most {limit} bytes");
            ("application/json", json!({ "type": "object", "description": description }))
        }
        Body::Form(fields) => {
            let fields = fields.iter().chain(&["form_token"]);
            let properties: Map<_, _> =
                fields.map(|field| ((*field).to_owned(), json!({ "type": "string" }))).collect();
            ("application/x-www-form-urlencoded", json!({ "type": "object", "properties": properties }))
        }
        Body::Log(limit) => {
            let description = format!("lines of a log, at most {limit} bytes");
            ("text/plain", json!({ "type": "string", "description": description }))
        }
        Body::Text("application/json") => ("application/json", json!({ "type": "object" })),
        Body::Text(media) => (media, json!({ "type": "string" })),
        Body::Stream => ("application/octet-stream", json!({ "type": "string", "format": "binary" })),
    };
    Some(json!({ media: { "schema": schema } }))
}
