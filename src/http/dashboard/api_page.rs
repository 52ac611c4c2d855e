//! The interface for programs as a page: every route with what it takes and gives, made of the same document that programs read.

use std::sync::LazyLock;

use askama::Template;
use axum::{http::StatusCode, response::Response};
use serde_json::{Map, Value, json};

use super::shell::{PageProblem, Shell, render};
use crate::http::{
    Visit,
    openapi::{document, group_place, group_title},
    problem_codes::Code,
    routes::ROUTES,
};

/// How deep examples of values go; deeper ones are long and tell nothing more.
const DEEPEST_EXAMPLE: usize = 5;

#[derive(Template)]
#[template(path = "api.html")]
struct ApiPage {
    shell: Shell,
    groups: &'static [Group],
    codes: &'static [Code],
}

/// Routes that belong together.
struct Group {
    name: String,
    title: &'static str,
    routes: Vec<RouteView>,
}

/// One route.
struct RouteView {
    name: String,
    method: String,
    path: String,
    summary: String,
    /// What somebody needs who asks.
    needs: &'static str,
    parameters: Vec<Field>,
    takes: Vec<Shape>,
    gives: Vec<Shape>,
    /// Status and meaning of every answer.
    answers: Vec<(String, String)>,
    curl: String,
    command: Option<&'static str>,
    /// Whether it can be tried from the page: it only looks, and its answer ends.
    can_try: bool,
}

/// A body: its kind, its fields, an example.
struct Shape {
    kind: String,
    fields: Vec<Field>,
    example: String,
}

/// A parameter, or a field of a body.
struct Field {
    name: String,
    kind: String,
    place: String,
    is_required: bool,
    about: String,
}

/// What the command line has for a route.
const COMMANDS: &[(&str, &str)] = &[
    ("GET /api/hosts", "rackseed host list"),
    ("POST /api/hosts", "rackseed host add HOSTNAME MAC --type SERVER_TYPE"),
    ("GET /api/hosts/{id}", "rackseed host show HOST"),
    ("PATCH /api/hosts/{id}", "rackseed host set HOST image=pve-9.2-1"),
    ("DELETE /api/hosts/{id}", "rackseed host remove HOST"),
    ("POST /api/hosts/{id}/rebuild", "rackseed host rebuild HOST"),
    ("GET /api/hosts/{id}/power", "rackseed host power HOST"),
    ("POST /api/hosts/{id}/power", "rackseed host power HOST on"),
    ("PUT /api/hosts/{id}/power-secret", "rackseed host power-secret HOST"),
    ("GET /api/sightings", "rackseed host sightings"),
    ("GET /api/operations/{id}", "rackseed operation show OPERATION"),
    ("POST /api/operations/{id}/retry", "rackseed operation retry OPERATION"),
    ("POST /api/operations/{id}/skip", "rackseed operation skip OPERATION"),
    ("POST /api/operations/{id}/cancel", "rackseed operation cancel OPERATION"),
    ("GET /api/batches", "rackseed batch list"),
    ("POST /api/batches", "rackseed rebuild HOST…"),
    ("GET /api/batches/{id}", "rackseed batch show BATCH"),
    ("POST /api/batches/{id}/resume", "rackseed batch resume BATCH"),
    ("POST /api/batches/{id}/skip", "rackseed batch skip BATCH HOST"),
    ("POST /api/batches/{id}/cancel", "rackseed batch cancel BATCH"),
    ("GET /api/images", "rackseed image list"),
    ("POST /api/images", "rackseed image add FILE"),
    ("DELETE /api/images/{id}", "rackseed image remove IMAGE"),
    ("POST /api/images/{id}/default", "rackseed image default IMAGE"),
    ("GET /api/cluster/gates", "rackseed gate list"),
    ("POST /api/cluster/gates", "rackseed gate install ADDRESS"),
    ("DELETE /api/cluster/gates/{address}", "rackseed gate remove ADDRESS"),
    ("GET /api/catalog", "rackseed catalog"),
    ("GET /api/network", "rackseed network"),
    ("GET /api/audit", "rackseed audit"),
    ("GET /api/doctor", "rackseed doctor"),
    ("GET /api/support-bundle", "rackseed support-bundle FILE"),
    ("POST /api/notifications/test", "rackseed notify test TARGET"),
];

static GROUPS: LazyLock<Vec<Group>> = LazyLock::new(|| groups(&document()));

/// The page.
pub(in crate::http) async fn show(state: Visit) -> Result<Response, PageProblem> {
    let shell = Shell::new(&state).await?;
    Ok(render(StatusCode::OK, &ApiPage { shell, groups: &GROUPS, codes: Code::ALL }))
}

/// Every route of the document that programs ask, in the order of the groups.
fn groups(document: &Value) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    let paths = document["paths"].as_object().into_iter().flatten();
    let routes = paths.flat_map(|(path, methods)| {
        let methods = methods.as_object().into_iter().flatten();
        methods.filter(|(_, route)| route["operationId"].is_string()).map(move |(method, route)| (path, method, route))
    });
    for (path, method, route) in routes {
        let group = route["tags"].as_array().and_then(|tags| tags.last()).and_then(Value::as_str).unwrap_or_default();
        // Pages are for people, who have them before them.
        let Some(title) = group_title(group) else { continue };
        let view = route_view(document, path, method, route);
        match groups.iter_mut().find(|known| known.name == group) {
            Some(known) => known.routes.push(view),
            None => groups.push(Group { name: group.to_owned(), title, routes: vec![view] }),
        }
    }
    groups.sort_by_key(|group| group_place(&group.name));
    let place = |view: &RouteView| ROUTES.iter().position(|row| row.path == view.path && row.method == view.method);
    for group in &mut groups {
        group.routes.sort_by_key(place);
    }
    groups
}

fn route_view(document: &Value, path: &str, method: &str, route: &Value) -> RouteView {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let method = method.to_uppercase();
    let parameters = route["parameters"].as_array().into_iter().flatten().map(|told| Field {
        name: text(&told["name"]),
        kind: kind(&told["schema"]),
        place: text(&told["in"]),
        is_required: told["required"] == true,
        about: text(&told["description"]),
    });
    let answers = route["responses"].as_object().into_iter().flatten();
    let success = answers.clone().filter(|(status, _)| status.starts_with('2')).map(|(_, answer)| answer);
    let takes = shapes(document, &route["requestBody"]["content"]);
    RouteView {
        name: text(&route["operationId"]),
        summary: text(&route["summary"]),
        needs: needs(&route["security"]),
        parameters: parameters.collect(),
        gives: success.flat_map(|answer| shapes(document, &answer["content"])).collect(),
        answers: answers.map(|(status, answer)| (status.clone(), text(&answer["description"]))).collect(),
        curl: curl(document, path, &method, route, takes.first()),
        command: COMMANDS.iter().find(|(of, _)| *of == format!("{method} {path}")).map(|(_, command)| *command),
        can_try: method == "GET" && path.starts_with("/api/") && !path.contains("support-bundle") && is_ours(route),
        takes,
        path: path.to_owned(),
        method,
    }
}

fn is_ours(route: &Value) -> bool {
    route["tags"].as_array().into_iter().flatten().any(|tag| tag == "operator")
}

fn needs(security: &Value) -> &'static str {
    match (security[0]["token"][0].as_str(), security[0]["rebuild"].is_array()) {
        (Some("operator"), _) => "operator",
        (Some(_), _) => "read only",
        (None, true) => "token of the rebuild",
        (None, false) => "nobody in particular",
    }
}

fn shapes(document: &Value, content: &Value) -> Vec<Shape> {
    let content = content.as_object().into_iter().flatten();
    let shapes = content.map(|(kind, told)| {
        let schema = &told["schema"];
        let example = if kind.ends_with("json") { example(document, schema, 0) } else { Value::Null };
        let example = if example.is_null() { String::new() } else { format!("{example:#}") };
        Shape { kind: kind.clone(), fields: fields(document, schema), example }
    });
    shapes.collect()
}

/// The fields of an object, or of the objects of a list.
fn fields(document: &Value, schema: &Value) -> Vec<Field> {
    let schema = resolved(document, schema);
    if schema["items"].is_object() {
        return fields(document, &schema["items"]);
    }
    let required: Vec<_> = schema["required"].as_array().into_iter().flatten().collect();
    let properties = schema["properties"].as_object().into_iter().flatten();
    let fields = properties.map(|(name, told)| Field {
        name: name.clone(),
        kind: kind(told),
        place: String::new(),
        is_required: required.iter().any(|required| *required == name),
        about: told["description"].as_str().unwrap_or_default().to_owned(),
    });
    fields.collect()
}

fn resolved<'a>(document: &'a Value, schema: &'a Value) -> &'a Value {
    let target = schema["$ref"].as_str().and_then(|name| document.pointer(name.trim_start_matches('#')));
    target.unwrap_or(schema)
}

/// What a value is, in a few words.
fn kind(schema: &Value) -> String {
    if let Some(name) = schema["$ref"].as_str() {
        return name.rsplit('/').next().unwrap_or_default().to_owned();
    }
    if let Some(forms) = schema["anyOf"].as_array() {
        return forms.iter().map(kind).collect::<Vec<_>>().join(" or ");
    }
    if let Some(words) = schema["enum"].as_array() {
        return words.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" · ");
    }
    let name = schema["type"].as_str().unwrap_or("any");
    let bounds = [("minimum", "from"), ("maximum", "to")].iter().filter_map(|(bound, word)| {
        schema[bound].as_u64().filter(|number| *number > 0).map(|number| format!("{word} {number}"))
    });
    match name {
        "array" => format!("list of {}", kind(&schema["items"])),
        "string" => schema["format"].as_str().unwrap_or("text").to_owned(),
        "integer" => ["number".to_owned()].into_iter().chain(bounds).collect::<Vec<_>>().join(" "),
        other => other.to_owned(),
    }
}

/// A value that a schema could have.
fn example(document: &Value, schema: &Value, depth: usize) -> Value {
    let schema = resolved(document, schema);
    if let Some(given) = schema["examples"].get(0).or_else(|| schema["enum"].get(0)) {
        return given.clone();
    }
    if let Some(form) = schema["anyOf"].get(0) {
        return if depth > 1 { Value::Null } else { example(document, form, depth + 1) };
    }
    match (schema["type"].as_str(), schema["format"].as_str()) {
        (Some("array"), _) if depth >= DEEPEST_EXAMPLE => json!([]),
        (Some("array"), _) => json!([example(document, &schema["items"], depth + 1)]),
        (Some("object"), _) => {
            let properties = schema["properties"].as_object().filter(|_| depth < DEEPEST_EXAMPLE).into_iter().flatten();
            properties
                .map(|(name, told)| (name.clone(), example(document, told, depth + 1)))
                .collect::<Map<_, _>>()
                .into()
        }
        (Some("integer"), _) => schema["minimum"].as_u64().unwrap_or(1).max(1).into(),
        (Some("boolean"), _) => false.into(),
        (Some("string"), Some("date-time")) => "2026-11-21T14:30:00Z".into(),
        (Some("string"), _) => "…".into(),
        (Some(_) | None, _) => Value::Null,
    }
}

/// How the route is asked on a terminal.
fn curl(document: &Value, path: &str, method: &str, route: &Value, takes: Option<&Shape>) -> String {
    let mut place = path.to_owned();
    for told in route["parameters"].as_array().into_iter().flatten().filter(|told| told["in"] == "path") {
        let (name, example) = (told["name"].as_str().unwrap_or_default(), told["example"].as_str().unwrap_or_default());
        place = place.replace(&format!("{{{name}}}"), example);
    }
    if !is_ours(route) {
        return format!(
            "curl -X {method} \"{}{place}\"",
            if path.starts_with("/api") { "https://MACHINE-LISTENER" } else { "http://BOOT-LISTENER" }
        );
    }
    let mut line = "curl -H \"Authorization: Bearer $RACKSEED_TOKEN\"".to_owned();
    if method != "GET" {
        line += &format!(" -X {method}");
    }
    let schema = &route["requestBody"]["content"]["application/json"]["schema"];
    if schema.is_object() {
        let body = asked_example(document, schema);
        line += &format!(" -H 'Content-Type: application/json' \\\n  -d '{body}'");
    } else if let Some(shape) = takes {
        line += &format!(" -H 'Content-Type: {}' \\\n  --data-binary @FILE", shape.kind);
    }
    line + &format!(" \\\n  \"$RACKSEED_URL{place}\"")
}

/// A body with the fields that must be there, and those that have an example.
fn asked_example(document: &Value, schema: &Value) -> Value {
    let schema = resolved(document, schema);
    let required: Vec<_> = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let properties = schema["properties"].as_object().into_iter().flatten();
    let wanted = properties.filter(|(name, _)| required.contains(&name.as_str()) || *name == "confirm");
    wanted.map(|(name, told)| (name.clone(), example(document, told, 1))).collect::<Map<_, _>>().into()
}
