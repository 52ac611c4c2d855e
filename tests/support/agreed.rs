//! Holds every answer that a test gets against the OpenAPI document: is its status told, has its body the form that is told, and no field
//! that is not.

use std::sync::OnceLock;

use serde_json::{Map, Value};

/// The document.
pub(crate) fn document() -> &'static Value {
    static DOCUMENT: OnceLock<Value> = OnceLock::new();
    DOCUMENT.get_or_init(rackseed::http::document)
}

/// Panics when an answer is not as the document tells it. What no route has is not told there.
pub(crate) fn check(method: &str, path: &str, status: u16, kind: &str, body: &str) {
    let path = path.split('?').next().unwrap_or_default();
    let Some((pattern, route)) = route(method, path) else { return };
    let told = &route["responses"][status.to_string()];
    assert!(told.is_object(), "{method} {pattern} answered {status}, which src/http/openapi does not tell: {body}");
    let media = kind.split(';').next().unwrap_or_default().trim();
    let Some(content) = told["content"].as_object() else { return };
    let is_it = |told: &&String| told.split(';').next() == Some(media);
    let schema = content.keys().find(is_it).map(|told| &content[told]["schema"]);
    let schema =
        schema.unwrap_or_else(|| panic!("{method} {pattern} answered {status} as {media:?}, which is not told"));
    if media.ends_with("json") {
        let value: Value = serde_json::from_str(body).unwrap_or_else(|error| panic!("{error} in {body}"));
        if let Err(wrong) = agrees(&value, schema, "") {
            panic!("{method} {pattern} {status}: {wrong} is not as the document tells it\n{value:#}");
        }
    }
}

/// The route of the operator listener that a path belongs to; one without parameters counts more.
fn route(method: &str, path: &str) -> Option<(&'static str, &'static Value)> {
    let paths = document()["paths"].as_object()?;
    let fits = |pattern: &str| {
        let (pattern, path): (Vec<_>, Vec<_>) = (pattern.split('/').collect(), path.split('/').collect());
        let same = |(one, other): (&&str, &&str)| one.starts_with('{') || one == other;
        pattern.len() == path.len() && pattern.iter().zip(&path).all(same)
    };
    let mut fitting: Vec<_> = paths.iter().filter(|(pattern, _)| fits(pattern)).collect();
    fitting.sort_by_key(|(pattern, _)| pattern.matches('{').count());
    let (pattern, methods) = fitting.first()?;
    let route = &methods[method.to_lowercase()];
    let is_ours = route["tags"].as_array()?.iter().any(|tag| tag == "operator");
    is_ours.then_some((pattern.as_str(), route))
}

/// The subset of JSON Schema that our document uses.
fn agrees(value: &Value, schema: &Value, place: &str) -> Result<(), String> {
    if let Some(name) = schema["$ref"].as_str() {
        let target = document().pointer(name.trim_start_matches('#')).ok_or_else(|| format!("{name} is nowhere"))?;
        return agrees(value, target, place);
    }
    if let Some(forms) = schema["anyOf"].as_array() {
        let mut wrong = forms.iter().map(|form| agrees(value, form, place));
        return match wrong.clone().any(|one| one.is_ok()) {
            true => Ok(()),
            false => wrong.next().unwrap_or(Ok(())),
        };
    }
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    let told = &schema["type"];
    let is_kind =
        told.is_null() || told == kind || told.as_array().is_some_and(|kinds| kinds.iter().any(|it| it == kind));
    if !is_kind || schema["enum"].as_array().is_some_and(|words| !words.contains(value)) {
        return Err(format!("{place} = {value}"));
    }
    for (number, item) in value.as_array().into_iter().flatten().enumerate() {
        agrees(item, &schema["items"], &format!("{place}/{number}"))?;
    }
    match (value.as_object(), schema["properties"].as_object()) {
        (Some(members), Some(told)) => members_agree(members, told, schema, place),
        _ => Ok(()),
    }
}

fn members_agree(
    members: &Map<String, Value>,
    told: &Map<String, Value>,
    schema: &Value,
    place: &str,
) -> Result<(), String> {
    let required = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
    if let Some(missing) = required.into_iter().find(|name| !members.contains_key(*name)) {
        return Err(format!("{place}/{missing}, which must be there,"));
    }
    // Problem documents have members of their codes beside those of all.
    let is_open = told.contains_key("code") && told.contains_key("detail");
    for (name, member) in members {
        match told.get(name) {
            Some(schema) => agrees(member, schema, &format!("{place}/{name}"))?,
            None if is_open => {}
            None => return Err(format!("{place}/{name}, which is told nowhere,")),
        }
    }
    Ok(())
}
