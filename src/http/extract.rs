//! What handlers take from a request; what cannot be taken becomes a problem document and not the framework's plain text.

use axum::{
    body::Bytes,
    extract::{FromRequest, FromRequestParts, Path, Request},
    http::{HeaderMap, StatusCode, header, request::Parts},
};
use serde::de::DeserializeOwned;
use serde_json::error::Category;

use super::{problem::Problem, problem_codes::Code};
use crate::domain::{
    access::AccessId,
    identity::{BatchId, HostId, ImageId, MacAddress, OperationId},
    image_addition::AdditionId,
};

/// A whole body within its route's limit.
pub(super) struct WholeBody(pub(super) Bytes);

impl<S: Send + Sync> FromRequest<S> for WholeBody {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        match Bytes::from_request(request, state).await {
            Ok(body) => Ok(Self(body)),
            Err(rejection) => {
                Err(Problem::new(rejection.status(), format!("the body cannot be read: {}", rejection.body_text())))
            }
        }
    }
}

/// A JSON body of a person's program. The guard has seen to its type; an empty body is `null`.
pub(super) struct JsonBody<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for JsonBody<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let WholeBody(body) = WholeBody::from_request(request, state).await?;
        let body = if body.is_empty() { b"null" } else { &body[..] };
        // A list would be taken for an object without names.
        if body.trim_ascii_start().first() == Some(&b'[') {
            return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "send a JSON object, not a list"));
        }
        read_json(body).map(Self)
    }
}

/// Reads a body; says which field is wrong, or where it is no JSON at all.
fn read_json<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    let mut reader = serde_json::Deserializer::from_slice(body);
    let value = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let place = error.path().iter().map(ToString::to_string).collect::<Vec<_>>().join(".");
        wrong_json(error.inner(), &place)
    })?;
    reader.end().map(|()| value).map_err(|error| wrong_json(&error, ""))
}

fn wrong_json(error: &serde_json::Error, place: &str) -> Problem {
    let (line, column) = (error.line(), error.column());
    let text = error.to_string();
    let sentence = text.strip_suffix(&format!(" at line {line} column {column}")).unwrap_or(&text).to_owned();
    // A field that stands there twice or not at all has no place of its own.
    let named = sentence.strip_prefix("duplicate field `").and_then(|rest| rest.strip_suffix('`'));
    let field = if place.is_empty() { named.unwrap_or_default().to_owned() } else { place.to_owned() };
    let problem = match (error.classify(), field.as_str()) {
        (Category::Data, "" | "?") => Problem::new(StatusCode::UNPROCESSABLE_ENTITY, sentence),
        (Category::Data, field) => Problem::fields(&[(field, sentence)]),
        (Category::Syntax | Category::Eof | Category::Io, _) => {
            let detail = format!("the body is not JSON: {sentence}, in line {line} at column {column}");
            Problem::coded(Code::JsonInvalid, detail)
        }
    };
    problem.with("line", line.into()).with("column", column.into())
}

/// The fields of a form.
pub(super) struct FormFields(Vec<(String, String)>);

impl FormFields {
    /// The text of a field; empty when it was not sent.
    pub(super) fn get(&self, name: &str) -> &str {
        self.0.iter().find(|(field, _)| field == name).map_or("", |(_, text)| text)
    }

    /// What follows a beginning in the names of fields: the ticked ones of several boxes.
    pub(super) fn ticked<'a>(&'a self, beginning: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter_map(move |(field, _)| field.strip_prefix(beginning))
    }

    /// The texts of a field that may be there several times.
    pub(super) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(field, _)| field == name).map(|(_, text)| text.as_str())
    }
}

impl<S: Send + Sync> FromRequest<S> for FormFields {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        match axum::Form::from_request(request, state).await {
            Ok(axum::Form(fields)) => Ok(Self(fields)),
            Err(rejection) => Err(Problem::new(rejection.status(), rejection.body_text())),
        }
    }
}

/// The host of a path. What is no id is the id of no host.
pub(super) struct HostPath(pub(super) HostId);

impl<S: Send + Sync> FromRequestParts<S> for HostPath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        path_id(parts, state).await.map(Self).ok_or_else(|| Problem::coded(Code::HostNotFound, "no host has this id"))
    }
}

/// The MAC address of a path, in any of its spellings.
pub(super) struct MacPath(pub(super) MacAddress);

impl<S: Send + Sync> FromRequestParts<S> for MacPath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let mac = path_id(parts, state).await.map(Self);
        mac.ok_or_else(|| Problem::coded(Code::MachineNotFound, "this is no MAC address, such as 52:54:00:12:34:56"))
    }
}

/// The operation of a path.
pub(super) struct OperationPath(pub(super) OperationId);

impl<S: Send + Sync> FromRequestParts<S> for OperationPath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let id = path_id(parts, state).await;
        id.map(Self).ok_or_else(|| Problem::coded(Code::OperationNotFound, "no operation has this id"))
    }
}

/// The batch of a path.
pub(super) struct BatchPath(pub(super) BatchId);

impl<S: Send + Sync> FromRequestParts<S> for BatchPath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        path_id(parts, state).await.map(Self).ok_or_else(|| Problem::coded(Code::BatchNotFound, "no batch has this id"))
    }
}

/// The image of a path.
pub(super) struct ImagePath(pub(super) ImageId);

impl<S: Send + Sync> FromRequestParts<S> for ImagePath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        path_id(parts, state).await.map(Self).ok_or_else(|| Problem::coded(Code::ImageNotFound, "no image has this id"))
    }
}

/// The addition of a path.
pub(super) struct AdditionPath(pub(super) AdditionId);

impl<S: Send + Sync> FromRequestParts<S> for AdditionPath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let id = path_id(parts, state).await;
        id.map(Self).ok_or_else(|| Problem::coded(Code::AdditionNotFound, "no addition has this id"))
    }
}

/// The session or token of a path.
pub(super) struct AccessPath(pub(super) AccessId);

impl<S: Send + Sync> FromRequestParts<S> for AccessPath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let id = path_id(parts, state).await;
        id.map(Self).ok_or_else(|| Problem::coded(Code::PassNotFound, "no session and no token has this id"))
    }
}

async fn path_id<T: std::str::FromStr, S: Send + Sync>(parts: &mut Parts, state: &S) -> Option<T> {
    let Path(text) = Path::<String>::from_request_parts(parts, state).await.ok()?;
    text.parse().ok()
}

/// One field of a query, decoded; absent when the query cannot be read.
pub(super) fn query_field(query: Option<&str>, name: &str) -> Option<String> {
    query_fields(query).into_iter().find(|(field, _)| field == name).map(|(_, text)| text)
}

/// The fields of a query, decoded; none when the query cannot be read.
pub(super) fn query_fields(query: Option<&str>) -> Vec<(String, String)> {
    let uri = query.and_then(|query| format!("/?{query}").parse().ok());
    let fields = uri.and_then(|uri| axum::extract::Query::try_from_uri(&uri).ok());
    fields.map_or_else(Vec::new, |axum::extract::Query(fields)| fields)
}

/// The text of a header, if it is there and is text.
pub(super) fn header_text<'a>(headers: &'a HeaderMap, name: &header::HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}
