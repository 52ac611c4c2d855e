//! The interface as an OpenAPI 3.1 document, made from the table of routes so that it names every one.

use serde_json::{Map, Value, json};

use super::routes::{Audience, ROUTES, Route};

/// Builds the document.
pub(super) fn document() -> Value {
    let mut paths: Map<String, Value> = Map::new();
    for route in ROUTES {
        let path = paths.entry(route.path).or_insert_with(|| json!({}));
        path[route.method.to_lowercase()] = operation(route);
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Rackseed",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Three listeners: `boot` (HTTP, booting machines), `machine` (HTTPS, installers and nodes), `operator` (HTTP on loopback, people). \
                A path exists only on the listeners of its tags.",
        },
        "paths": paths,
        "components": { "schemas": schemas() },
    })
}

fn operation(route: &Route) -> Value {
    let tag = match route.audience {
        Audience::Boot => "boot",
        Audience::Machine => "machine",
        Audience::Operator => "operator",
    };
    let problem = json!({ "description": "what was wrong, where, and what to do", "content": { "application/problem+json": { "schema": reference("Problem") } } });
    let mut operation = json!({
        "tags": [tag],
        "summary": route.summary,
        "parameters": parameters(route),
        "responses": { success_status(route): success(route), "default": problem },
    });
    if let Some(schema) = body_schema(route) {
        operation["requestBody"] =
            json!({ "required": true, "content": { "application/json": { "schema": reference(schema) } } });
    }
    operation
}

fn parameters(route: &Route) -> Vec<Value> {
    let in_path = route.path.split('{').skip(1).filter_map(|part| part.split('}').next());
    let mut parameters: Vec<_> = in_path
        .map(|name| json!({ "name": name, "in": "path", "required": true, "schema": { "type": "string" } }))
        .collect();
    if route.audience == Audience::Machine && route.path.starts_with("/api") {
        parameters.push(json!({ "name": "t", "in": "query", "required": true, "description": "the one-time token", "schema": { "type": "string" } }));
    }
    parameters
}

fn success_status(route: &Route) -> &'static str {
    match (route.method, route.path) {
        ("POST", "/api/hosts") => "201",
        ("POST", "/api/hosts/{id}/rebuild") => "202",
        ("DELETE", _) => "204",
        ("POST", path) if route.audience == Audience::Operator && !path.starts_with("/api") => "303",
        _ => "200",
    }
}

fn success(route: &Route) -> Value {
    let json = |schema: Value| json!({ "description": route.summary, "content": { "application/json": { "schema": schema } } });
    let list = |name: &str| json!({ "type": "array", "items": reference(name) });
    match (route.method, route.path) {
        ("GET", "/api/hosts") => json(list("Host")),
        ("POST", "/api/hosts" | "/api/hosts/{id}/confirm-host-key") | ("GET", "/api/hosts/{id}") => {
            json(reference("Host"))
        }
        ("POST", "/api/hosts/{id}/rebuild")
        | (_, "/api/operations/{id}" | "/api/operations/{id}/retry" | "/api/operations/{id}/cancel") => {
            json(reference("Operation"))
        }
        ("GET", "/api/images") => json(list("Image")),
        ("GET", "/api/catalog") => json(reference("CatalogStatus")),
        ("GET", "/api/hosts/{id}/answer-preview") => json(object(&["host_id", "answer"])),
        _ => json!({ "description": route.summary }),
    }
}

fn body_schema(route: &Route) -> Option<&'static str> {
    match (route.method, route.path) {
        ("POST", "/api/hosts") => Some("NewHost"),
        ("POST", "/api/hosts/{id}/rebuild") => Some("Rebuild"),
        ("POST", "/api/hosts/{id}/confirm-host-key") => Some("HostKeyConfirmation"),
        ("POST", "/api/boot/answer") => Some("SystemReport"),
        ("POST", "/api/hosts/{id}/installed") => Some("InstallReport"),
        ("POST", "/api/hosts/{id}/phone-home") => Some("PhoneHomeReport"),
        _ => None,
    }
}

fn schemas() -> Value {
    let nullable = |name: &str| json!({ "anyOf": [reference(name), { "type": "null" }] });
    let mut host =
        object(&["id", "hostname", "mac", "server_type", "state", "state_label", "state_since", "registered_at"]);
    for key in ["reason", "address", "hardware_id", "ssh_host_key", "installed_at"] {
        host["properties"][key] = json!({ "type": ["string", "null"] });
    }
    host["properties"]["operation"] = nullable("Operation");
    host["properties"]["history"] =
        json!({ "type": "array", "items": object(&["at", "event", "from", "to", "because"]) });
    let mut operation = object(&["id", "host_id", "plan", "status", "started_at"]);
    operation["properties"]["reason"] = json!({ "type": ["string", "null"] });
    operation["properties"]["ended_at"] = json!({ "type": ["string", "null"] });
    operation["properties"]["steps"] = json!({ "type": "array", "items": object(&["name", "status"]) });
    let mut problem = object(&["type", "title", "detail"]);
    problem["properties"]["status"] = json!({ "type": "integer" });
    problem["properties"]["errors"] = json!({ "type": "array", "items": object(&["field", "detail"]) });
    let mut rebuild = object(&["confirm"]);
    rebuild["properties"]["image"] = json!({ "type": ["string", "null"] });
    let free = || json!({ "type": "object", "additionalProperties": true });
    json!({
        "Host": host,
        "Operation": operation,
        "Problem": problem,
        "NewHost": object(&["hostname", "mac", "server_type"]),
        "Rebuild": rebuild,
        "HostKeyConfirmation": object(&["fingerprint"]),
        "Image": object(&["id", "product", "product_name", "release", "iso_release", "source_name", "source_sha256", "added_at"]),
        "CatalogStatus": free(),
        "SystemReport": free(),
        "InstallReport": free(),
        "PhoneHomeReport": object(&["address"]),
    })
}

/// An object of which these texts are always there.
fn object(keys: &[&str]) -> Value {
    let properties: Map<_, _> = keys.iter().map(|key| ((*key).to_owned(), json!({ "type": "string" }))).collect();
    json!({ "type": "object", "properties": properties, "required": keys })
}

fn reference(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}
