//! What stands in paths, queries and headers: one table for the document and the page of the interface.

use serde_json::{Map, Value, json};

use crate::{
    domain::{
        audit::Via,
        host_lifecycle::HostState,
        host_list::{Group, Sort},
        live_event::Topic,
        questions::{AuditResult, OperationGroup},
    },
    http::{
        paging::{LARGEST_PAGE, PAGE},
        repeats::LONGEST_KEY,
        row::Row,
    },
};

/// What a parameter is: its schema, what it is for, and an example.
type Told = (fn() -> Value, &'static str, &'static str);

/// The parameters: a beginning of the paths where a name means this, the name, and what it is. The first that fits counts.
const PARAMETERS: &[(&str, &str, Told)] = &[
    ("/api/images/additions/", "id", (short_id, "the id of an image on its way", "k3v5q2mzp7aa")),
    ("/api/images/uploads/", "id", (short_id, "the id of an upload", "k3v5q2mzp7aa")),
    ("/images/additions/", "id", (short_id, "the id of an image on its way", "k3v5q2mzp7aa")),
    ("/api/images/", "id", (slug, "the id of an image", "pve-9.2-1-3fa94c21")),
    ("/images/", "id", (slug, "the id of an image", "pve-9.2-1-3fa94c21")),
    ("/api/operations/", "id", (short_id, "the id of an operation", "u4x6pm2j7q3d")),
    ("/operations/", "id", (short_id, "the id of an operation", "u4x6pm2j7q3d")),
    ("/api/batches/", "id", (short_id, "the id of a batch", "b7n2kq5wz4ca")),
    ("/batches/", "id", (short_id, "the id of a batch", "b7n2kq5wz4ca")),
    ("", "id", (short_id, "the id of a host", "h5w2kq7rz3mn")),
    ("/api/hosts/check", "mac", (text, "the MAC address that is being typed", "52:54:00:12:34:56")),
    ("/hosts/new", "mac", (text, "a MAC address to begin with", "52:54:00:12:34:56")),
    ("", "mac", (mac, "a MAC address, in any of its spellings", "52:54:00:12:34:56")),
    ("", "address", (ipv4, "the member's IPv4 address", "192.168.1.11")),
    ("/assets/", "file", (text, "the name of a file of the pages", "style.css")),
    ("", "file", (text, "the name of the file", "linux26")),
    ("", "path", (text, "the name of the file, which may have several segments", "x86_64/ipxe.efi")),
    ("/boot/", "token", (text, "the token of this rebuild's boot files", "TOKEN")),
    ("", "limit", (limit, "how many items one page has", "100")),
    ("/api/hosts", "before", (row_number, "goes on behind this row, as the `Link` of the page before says it", "1234")),
    (
        "/api/hosts",
        "after",
        (short_id, "goes on behind the host with this id, as the `Link` of the page before says it", "h5w2kq7rz3mn"),
    ),
    ("", "q", (text, "only hosts in whose name, MAC or IP address all these words are", "pve-0")),
    (
        "",
        "state",
        (host_state, "only hosts in this state; `at_work`: on the way from a rebuild's request to its end", "ready"),
    ),
    (
        "",
        "server_type",
        (text, "the server type: of the hosts that are wanted, or for those that name none", "generic-sata"),
    ),
    ("", "overdue", (boolean, "only what takes longer than it should", "true")),
    ("", "sort", (sort, "the order", "name")),
    ("", "group", (headings, "the headings under which they are shown", "state")),
    ("", "view", (text, "`compact`: more of them at once", "compact")),
    ("", "choose", (text, "`true`: with boxes to choose them by", "true")),
    ("", "show", (text, "`all`: the whole history", "all")),
    ("", "ask", (boolean, "whether a member is asked now", "true")),
    ("", "hostname", (text, "the name that is being typed", "pve-01")),
    ("", "dry_run", (boolean, "only looks at the list, and registers nobody", "true")),
    ("", "skip_wrong", (boolean, "registers the good lines of a list that has wrong ones", "true")),
    ("/api/audit", "before", (row_number, "goes on behind this row, as the `Link` of the page before says it", "1234")),
    ("/audit", "before", (row_number, "goes on behind this row", "1234")),
    (
        "/api/activity",
        "before",
        (row_number, "goes on behind this row, as the `Link` of the page before says it", "1234"),
    ),
    ("/activity", "before", (row_number, "goes on behind this row", "1234")),
    (
        "",
        "before",
        (short_id, "goes on behind the item with this id, as the `Link` of the page before says it", "u4x6pm2j7q3d"),
    ),
    ("/events", "after", (row_number, "the last event that was seen; `Last-Event-ID` counts more", "1234")),
    (
        "/api/cluster/gates",
        "after",
        (ipv4, "goes on behind this address, as the `Link` of the page before says it", "192.168.1.11"),
    ),
    (
        "",
        "after",
        (
            text,
            "goes on behind this item; taken from the `Link` of the page before",
            "2026-11-21T14:30:00Z~52:54:00:12:34:56",
        ),
    ),
    ("/ipxe/", "b", (text, "the token of the boot that was offered", "TOKEN")),
    ("/ipxe/", "platform", (text, "iPXE's `${platform}`", "efi")),
    ("/ipxe/", "version", (text, "iPXE's `${version}`", "2.0.0")),
    ("/ipxe/", "arch", (text, "iPXE's `${buildarch}`", "x86_64")),
    ("", "t", (text, "the one-time token of this rebuild", "TOKEN")),
    ("", "host", (text, "only of this host: its name, MAC address or id; the id also after it was removed", "pve-01")),
    ("", "operation", (short_id, "only of this operation", "u4x6pm2j7q3d")),
    ("", "actor", (text, "only what this user did", "admin")),
    ("", "via", (via, "only what came in this way", "command_line")),
    ("", "result", (result, "only what ended so", "refused")),
    (
        "",
        "since",
        (text, "not before this moment: a date, a time in UTC, or a time with an offset", "2026-11-21T14:30:00+01:00"),
    ),
    ("", "until", (text, "not after this moment", "2026-11-22")),
    ("", "format", (format, "as JSON or as a table for spreadsheets", "json")),
    ("/api/operations", "status", (group, "only operations that are doing so", "needs_attention")),
    ("/operations", "status", (group, "only operations that are doing so", "needs_attention")),
    ("", "plan", (text, "only operations of this plan", "rebuild_host")),
    ("", "topic", (topic, "only rows about this", "operation")),
    ("", "attention", (boolean, "only rows at which a person should look", "true")),
    ("", "image", (text, "the image to look at; absent: what the host would get", "pve-9.2-1-3fa94c21")),
    ("", "member_address", (ipv4, "the address under which the cluster lists this host", "192.168.1.13")),
    ("", "forget", (boolean, "only takes it off the list, for a member that is out of reach", "true")),
    ("/api/images", "name", (text, "the file name of the ISO that is sent", "proxmox-ve_9.2-1.iso")),
    (
        "",
        "sha256",
        (
            sha256,
            "what the SHA-256 of the ISO must be",
            "3fa94c21c5d0e9f7a86b4d13e2c7091f5b8a6d4e3c2f1a09876543210fedcba9",
        ),
    ),
    ("", "next", (text, "the page to go on to", "/hosts/h5w2kq7rz3mn")),
];

fn text() -> Value {
    json!({ "type": "string", "maxLength": 4096 })
}

fn short_id() -> Value {
    json!({ "type": "string", "pattern": "^[a-z2-7]{12}$" })
}

fn slug() -> Value {
    json!({ "type": "string", "pattern": "^[A-Za-z0-9_-][A-Za-z0-9_.-]{0,63}$" })
}

fn mac() -> Value {
    json!({ "type": "string", "pattern": "^([0-9A-Fa-f]{2}[:-]){5}[0-9A-Fa-f]{2}$" })
}

fn ipv4() -> Value {
    json!({ "type": "string", "format": "ipv4" })
}

fn sha256() -> Value {
    json!({ "type": "string", "pattern": "^[0-9a-fA-F]{64}$" })
}

fn row_number() -> Value {
    json!({ "type": "integer", "format": "int64", "minimum": 0 })
}

fn boolean() -> Value {
    json!({ "type": "boolean" })
}

fn limit() -> Value {
    json!({ "type": "integer", "minimum": 1, "maximum": LARGEST_PAGE, "default": PAGE })
}

fn host_state() -> Value {
    words(HostState::ALL.iter().map(|word| word.word()).chain(["at_work"]))
}

fn sort() -> Value {
    words(Sort::ALL.iter().map(|word| word.word()))
}

fn headings() -> Value {
    words(Group::ALL.iter().map(|word| word.word()))
}

fn format() -> Value {
    json!({ "type": "string", "enum": ["json", "csv"], "default": "json" })
}

fn via() -> Value {
    words(Via::ALL.iter().map(|word| word.word()))
}

fn result() -> Value {
    words(AuditResult::ALL.iter().map(|word| word.word()))
}

fn group() -> Value {
    words(OperationGroup::ALL.iter().map(|word| word.word()))
}

fn topic() -> Value {
    words(Topic::ALL.iter().map(|word| word.word()))
}

/// One of several words.
pub(super) fn words(words: impl Iterator<Item = &'static str>) -> Value {
    json!({ "type": "string", "enum": words.collect::<Vec<_>>() })
}

/// Every parameter of a route.
pub(super) fn of_row<S>(row: &Row<S>) -> Vec<Value> {
    let in_path =
        row.path.split('/').filter_map(|part| part.strip_prefix('{')?.trim_start_matches('*').strip_suffix('}'));
    let mut all: Vec<Value> = in_path
        .map(|name| parameter(row.path, name, "path"))
        .chain(row.query.iter().map(|name| parameter(row.path, name, "query")))
        .collect();
    if row.makes.is_some() {
        all.push(json!({
            "name": "Idempotency-Key", "in": "header", "required": false,
            "description": "names the repeats of this request: with the same key it is done once, and answered as the first time for 24 hours",
            "schema": { "type": "string", "minLength": 1, "maxLength": LONGEST_KEY, "pattern": "^[!-~]+$" },
            "example": "8f14e45f-rebuild-pve-01",
        }));
    }
    if row.path == "/api/images/uploads/{id}" && row.method == "PATCH" {
        all.push(json!({
            "name": "Upload-Offset", "in": "header", "required": true, "description": "the byte at which this part begins",
            "schema": { "type": "integer", "format": "int64", "minimum": 0 }, "example": 0,
        }));
    }
    if row.path == "/events" {
        all.push(json!({
            "name": "Last-Event-ID", "in": "header", "required": false,
            "description": "the last event that was seen; a browser sends it by itself when it comes back",
            "schema": row_number(), "example": 1234,
        }));
    }
    all
}

fn parameter(path: &str, name: &str, place: &str) -> Value {
    let told = PARAMETERS.iter().find(|(beginning, known, _)| *known == name && path.starts_with(beginning));
    let (schema, description, example) = told.map_or((text as fn() -> Value, "", ""), |(.., told)| *told);
    let schema = schema();
    let mut parameter = Map::from_iter([
        ("name".to_owned(), name.into()),
        ("in".to_owned(), place.into()),
        ("required".to_owned(), (place == "path").into()),
        ("description".to_owned(), description.into()),
        ("example".to_owned(), of_its_type(&schema, example)),
    ]);
    if place == "query" {
        // A form that was left empty sends its fields all the same.
        parameter.insert("allowEmptyValue".into(), true.into());
    }
    parameter.insert("schema".into(), schema);
    parameter.into()
}

fn of_its_type(schema: &Value, example: &str) -> Value {
    match schema["type"].as_str() {
        Some("integer" | "boolean") => example.parse().unwrap_or(Value::Null),
        Some(_) | None => example.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::routes::{BOOT, MACHINE, OPERATOR};

    #[test]
    fn every_parameter_of_every_route_is_in_the_table() {
        let all = OPERATOR.iter().flat_map(|row| of_row(row).into_iter().map(move |told| (row.path, told)));
        let all = all.chain(MACHINE.iter().flat_map(|row| of_row(row).into_iter().map(move |told| (row.path, told))));
        for (path, told) in
            all.chain(BOOT.iter().flat_map(|row| of_row(row).into_iter().map(move |told| (row.path, told))))
        {
            assert_ne!(
                told["description"], "",
                "add {} of {path} to PARAMETERS in src/http/openapi/parameters.rs",
                told["name"]
            );
        }
    }
}
