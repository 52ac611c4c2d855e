//! The interface as an OpenAPI document, made of the route tables and of the types that are really sent.

use axum::Json;
use serde_json::{Map, Value, json};

use super::{
    api::{
        about, access, activity, answers, audit, batches, boots, catalog_views, cluster, doctor, exchanges, gates,
        hosts, image_checks, image_views, images, lifecycle, network, notifications, power, rebuild_views, rebuilds,
        registrations, settings, sightings, views,
    },
    routes::{BOOT, MACHINE, OPERATOR},
    row::{Audience, Body, Row},
    schema::{NamedSchema, reference},
};

/// Serves the document.
pub(super) async fn serve() -> Json<Value> {
    Json(document())
}

/// Makes the document: every route of every listener.
fn document() -> Value {
    let mut paths = Map::new();
    describe_all(&mut paths, Audience::Boot, BOOT);
    describe_all(&mut paths, Audience::Machine, MACHINE);
    describe_all(&mut paths, Audience::Operator, OPERATOR);
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Rackseed",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Three listeners, each with its own routes (see the tags); what is asked on another one is 404.",
            "license": { "name": "MIT OR Apache-2.0" },
        },
        "tags": [
            { "name": "boot", "description": "Booting machines: plain HTTP on the provisioning network" },
            { "name": "machine", "description": "Installers and nodes: HTTPS with a pinned certificate and one-time tokens" },
            { "name": "operator", "description": "People and their programs: HTTP, on loopback unless the settings say otherwise" },
        ],
        "paths": paths,
        "components": { "schemas": schemas() },
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
    }
}

fn describe<S>(audience: Audience, row: &Row<S>) -> Value {
    let in_path =
        row.path.split('/').filter_map(|part| part.strip_prefix('{')?.trim_start_matches('*').strip_suffix('}'));
    let parameter = |name: &str, place: &str| json!({ "name": name, "in": place, "required": place == "path", "schema": { "type": "string" } });
    let parameters: Vec<_> = in_path
        .map(|name| parameter(name, "path"))
        .chain(row.query.iter().map(|name| parameter(name, "query")))
        .collect();
    let (status, body) = row.gives;
    let mut success = json!({ "description": "done" });
    if let Some(content) = content(body) {
        success["content"] = content;
    }
    let problem = json!({
        "description": "a problem document: what was wrong and what to do",
        "content": { "application/problem+json": { "schema": reference("Problem") } },
    });
    let mut responses = Map::new();
    responses.insert(status.to_string(), success);
    responses.insert("default".into(), problem);
    let mut route = json!({
        "tags": [audience.word()],
        "summary": row.summary,
        "parameters": parameters,
        "responses": responses,
    });
    if let Some(content) = content(row.takes) {
        route["requestBody"] = json!({ "required": true, "content": content });
    }
    route
}

fn content(body: Body) -> Option<Value> {
    let (media, schema) = match body {
        Body::Nothing => return None,
        Body::Json(schema) => ("application/json", reference(schema)),
        Body::List(schema) => ("application/json", json!({ "type": "array", "items": reference(schema) })),
        Body::Report(_) => ("application/json", json!({ "type": "object" })),
        Body::Form(fields) => {
            let fields = fields.iter().chain(&["form_token"]);
            let properties: Map<_, _> =
                fields.map(|field| ((*field).to_owned(), json!({ "type": "string" }))).collect();
            ("application/x-www-form-urlencoded", json!({ "type": "object", "properties": properties }))
        }
        Body::Log(_) => ("text/plain", json!({ "type": "string" })),
        Body::Text(media) => (media, json!({ "type": "string" })),
        Body::Stream => ("application/octet-stream", json!({ "type": "string", "format": "binary" })),
    };
    Some(json!({ media: { "schema": schema } }))
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
    schemas
}

/// The schema of every error.
fn problem() -> Value {
    json!({
        "type": "object",
        "description": "RFC 9457",
        "required": ["type", "title", "status", "detail"],
        "properties": {
            "type": { "type": "string" },
            "title": { "type": "string" },
            "status": { "type": "integer" },
            "detail": { "type": "string", "description": "what was wrong and what to do, for a person" },
            "operation": { "type": "string", "description": "the operation that is under way" },
            "errors": {
                "type": "array",
                "items": {
                    "type": "object",
                    "properties": { "field": { "type": "string" }, "detail": { "type": "string" } },
                },
            },
        },
    })
}

fn add<T: NamedSchema>(schemas: &mut Map<String, Value>) {
    schemas.insert(T::NAME.to_owned(), T::definition());
}
