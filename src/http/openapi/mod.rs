//! The interface as an OpenAPI document, made of the route tables and of the types that are really sent.

mod facts;
mod parameters;
mod routes_told;

use axum::Json;
use serde_json::{Map, Value, json};

use self::routes_told::{GROUPS, describe};
pub(super) use self::routes_told::{group_place, group_title};
use super::{
    api::{
        about, access, activity, answers, audit, batches, boots, catalog_views, cluster, doctor, exchanges, gates,
        hosts, image_checks, image_views, images, lifecycle, network, notifications, power, rebuild_views, rebuilds,
        registrations, settings, sightings, views,
    },
    routes::{BOOT, MACHINE, OPERATOR},
    row::{Audience, Row},
    schema::NamedSchema,
};

/// Serves the document.
pub(super) async fn serve() -> Json<Value> {
    Json(document())
}

/// Makes the document: every route of every listener.
pub fn document() -> Value {
    let mut paths = Map::new();
    describe_all(&mut paths, Audience::Boot, BOOT);
    describe_all(&mut paths, Audience::Machine, MACHINE);
    describe_all(&mut paths, Audience::Operator, OPERATOR);
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Rackseed",
            "version": env!("CARGO_PKG_VERSION"),
            "summary": "Turns bare metal into ready Proxmox VE cluster nodes",
            "description": "Three listeners, each with its own routes (see the tags); what is asked on another one is 404. \
                Errors are problem documents (RFC 9457) with a stable `code`. Lists are arrays; a `Link` header leads to the next page. \
                Times are RFC 3339 in UTC.",
            "license": { "name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0" },
        },
        "servers": [{ "url": "/", "description": "this listener: people and their programs" }],
        "tags": tags(),
        "paths": paths,
        "components": { "schemas": schemas(), "securitySchemes": security_schemes() },
    })
}

fn tags() -> Value {
    let listeners = [
        ("boot", "Booting machines: plain HTTP on the provisioning network"),
        ("machine", "Installers and nodes: HTTPS with a pinned certificate and one-time tokens"),
        ("operator", "People and their programs: HTTP, on loopback unless the settings say otherwise"),
    ];
    let mut groups: Vec<&str> = GROUPS.iter().map(|(_, group)| *group).collect();
    groups.dedup();
    let groups =
        groups.into_iter().map(|group| (group, group_title(group).unwrap_or("What the dashboard shows and asks")));
    listeners
        .into_iter()
        .chain(groups)
        .map(|(name, description)| json!({ "name": name, "description": description }))
        .collect()
}

fn security_schemes() -> Value {
    json!({
        "token": {
            "type": "http", "scheme": "bearer",
            "description": "a token that was made under Account, with the scope `read_only` or `operator`; or that of the file `command-line-token`",
        },
        "session": { "type": "apiKey", "in": "cookie", "name": "rackseed_session", "description": "what a browser is given at sign-in" },
        "rebuild": { "type": "apiKey", "in": "query", "name": "t", "description": "a one-time token of one rebuild, which its machine was given" },
    })
}

fn describe_all<S>(paths: &mut Map<String, Value>, audience: Audience, rows: &[Row<S>]) {
    for row in rows {
        // The document has no word for a parameter of several segments.
        let path = paths.entry(row.path.replace("{*", "{")).or_insert_with(|| json!({}));
        let method = row.method.to_lowercase();
        // A route that several listeners have is one operation with several tags.
        match path[&method]["tags"].as_array_mut() {
            Some(tags) => tags.push(audience.word().into()),
            None => path[&method] = describe(audience, row),
        }
        if audience != Audience::Operator && path["servers"].is_null() {
            path["servers"] = servers(audience);
        }
        if audience == Audience::Operator && path["servers"].is_array() {
            // Every listener has it.
            path.as_object_mut().map(|path| path.remove("servers")).unwrap_or_default();
        }
    }
}

/// Where another listener is; the ports are settings.
fn servers(audience: Audience) -> Value {
    let (scheme, port, setting) = match audience {
        Audience::Boot => ("http", "8081", "server.boot_listen"),
        Audience::Machine => ("https", "8443", "server.machine_listen"),
        Audience::Operator => return json!([{ "url": "/" }]),
    };
    json!([{
        "url": format!("{scheme}://{{address}}:{{port}}"),
        "description": format!("the {} listener (`{setting}`)", audience.word()),
        "variables": { "address": { "default": "192.168.1.2" }, "port": { "default": port } },
    }])
}

/// Every schema of the document that a type of ours describes.
const SCHEMAS: &[fn(&mut Map<String, Value>)] = &[
    add::<activity::ActivityJson>,
    add::<views::HostJson>,
    add::<views::HistoryJson>,
    add::<views::OperationJson>,
    add::<views::StepJson>,
    add::<views::ActionJson>,
    add::<views::OutputJson>,
    add::<registrations::HostCheckJson>,
    add::<registrations::FieldProblemJson>,
    add::<registrations::HostImportJson>,
    add::<registrations::ImportLineJson>,
    add::<batches::NewBatchJson>,
    add::<batches::BatchJson>,
    add::<batches::TurnJson>,
    add::<batches::SkipJson>,
    add::<image_views::ImagesJson>,
    add::<image_views::ImageJson>,
    add::<image_views::AdditionJson>,
    add::<image_checks::ImageCheckJson>,
    add::<rebuild_views::RebuildPlanJson>,
    add::<rebuild_views::FindingJson>,
    add::<rebuild_views::MomentJson>,
    add::<rebuild_views::WipedDiskJson>,
    add::<rebuild_views::ClusterOutlookJson>,
    add::<rebuild_views::ClusterPhaseJson>,
    add::<rebuild_views::HostGuestJson>,
    add::<images::NewImageJson>,
    add::<images::NewUploadJson>,
    add::<catalog_views::CatalogJson>,
    add::<catalog_views::CatalogProblemJson>,
    add::<catalog_views::HostNameJson>,
    add::<catalog_views::WordJson>,
    add::<catalog_views::ServerTypeJson>,
    add::<catalog_views::TemplateJson>,
    add::<catalog_views::ScriptJson>,
    add::<catalog_views::EditJson>,
    add::<catalog_views::ChangeJson>,
    add::<catalog_views::BrokenEditJson>,
    add::<catalog_views::StrandedJson>,
    add::<settings::SettingsJson>,
    add::<settings::SettingProblemJson>,
    add::<settings::SettingsSectionJson>,
    add::<settings::SettingJson>,
    add::<doctor::CheckupJson>,
    add::<doctor::CheckJson>,
    add::<about::AboutJson>,
    add::<about::ListenerJson>,
    add::<about::BootFileJson>,
    add::<network::NetworkJson>,
    add::<network::InterfaceJson>,
    add::<network::ServiceJson>,
    add::<sightings::SightingJson>,
    add::<lifecycle::LifecycleJson>,
    add::<lifecycle::LegJson>,
    add::<lifecycle::SetbackJson>,
    add::<lifecycle::EvidenceJson>,
    add::<exchanges::ExchangeJson>,
    add::<exchanges::BodyJson>,
    add::<boots::BootJson>,
    add::<boots::SeenJson>,
    add::<boots::DiagnosisJson>,
    add::<boots::ExpectedJson>,
    add::<boots::CauseJson>,
    add::<notifications::NotificationsJson>,
    add::<notifications::TargetJson>,
    add::<notifications::DeliveryJson>,
    add::<notifications::TestJson>,
    add::<notifications::TestedJson>,
    add::<audit::AuditEntryJson>,
    add::<access::AccountJson>,
    add::<access::SessionJson>,
    add::<access::TokenJson>,
    add::<access::NewTokenJson>,
    add::<access::NewPasswordJson>,
    add::<access::SignedOutJson>,
    add::<answers::AnswerPreviewJson>,
    add::<answers::AnswerCheckJson>,
    add::<answers::AnswerNoteJson>,
    add::<answers::AnswerDifferenceJson>,
    add::<hosts::NewHostJson>,
    add::<hosts::HostChangeJson>,
    add::<rebuilds::RebuildJson>,
    add::<hosts::ConfirmationJson>,
    add::<cluster::ClusterJson>,
    add::<cluster::MemberJson>,
    add::<cluster::JoinJson>,
    add::<gates::GateJson>,
    add::<gates::NewGateJson>,
    add::<power::PowerJson>,
    add::<power::PowerActionJson>,
    add::<power::PowerDoneJson>,
    add::<power::PowerSecretJson>,
];

fn schemas() -> Map<String, Value> {
    let mut schemas = Map::new();
    for schema in SCHEMAS {
        schema(&mut schemas);
    }
    schemas.insert("Problem".into(), problem());
    facts::add_to(&mut schemas);
    schemas
}

/// The schema of every error.
fn problem() -> Value {
    json!({
        "type": "object",
        "description": "What was refused and why (RFC 9457). Some codes have members of their own, such as `operation`, `findings` or `offset`.",
        "required": ["type", "title", "status", "code", "detail"],
        "properties": {
            "type": { "type": "string", "format": "uri-reference", "description": "`about:blank`: the code says more" },
            "title": { "type": "string", "description": "the name of the status" },
            "status": { "type": "integer", "minimum": 400, "maximum": 599, "description": "the HTTP status" },
            "code": { "type": "string", "description": "why, as a word that stays as it is" },
            "detail": { "type": "string", "description": "what was wrong and what to do, for a person" },
            "instance": { "type": "string", "format": "uri-reference", "description": "the path that was asked" },
            "operation": { "type": "string", "description": "the operation that is under way" },
            "line": { "type": "integer", "minimum": 0, "description": "the line of the body where it is wrong" },
            "column": { "type": "integer", "minimum": 0, "description": "the column there" },
            "errors": {
                "type": "array",
                "description": "every field that is wrong",
                "items": {
                    "type": "object",
                    "required": ["field", "detail"],
                    "properties": {
                        "field": { "type": "string", "description": "its name" },
                        "pointer": { "type": "string", "description": "its place in the body, as a JSON pointer (RFC 6901)" },
                        "parameter": { "type": "string", "description": "the field of the query that it is" },
                        "header": { "type": "string", "description": "the header that it is" },
                        "detail": { "type": "string", "description": "what is wrong with it" },
                    },
                },
            },
        },
    })
}

fn add<T: NamedSchema>(schemas: &mut Map<String, Value>) {
    schemas.insert(T::NAME.to_owned(), T::definition());
}
