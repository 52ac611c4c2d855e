//! Errors as problem documents (RFC 9457): what was wrong, where, what to do. Every room's errors are mapped here, once.

use axum::{
    Json,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::{Map, Value, json};

use crate::{
    domain::preflight::Objection,
    http::api::rebuild_views::findings,
    operations::{BatchRefusal, GateRefusal, OperationRefusal, RebuildRefusal},
    ports::{ImageLibraryError, ImageRefusal, IntakeRefusal, LedgerError, PowerError, RegisterError},
    provisioning::{EnrolmentError, PowerRefusal, Refusal},
};

/// One problem document.
#[derive(Debug)]
pub(super) struct Problem {
    status: StatusCode,
    detail: String,
    more: Map<String, Value>,
}

impl Problem {
    pub(super) fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self { status, detail: detail.into(), more: Map::new() }
    }

    /// Our own fault.
    pub(super) fn internal(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, detail)
    }

    /// Fields that are wrong.
    pub(super) fn fields(problems: &[(&str, String)]) -> Self {
        let detail =
            problems.iter().map(|(field, problem)| format!("{field}: {problem}")).collect::<Vec<_>>().join("; ");
        let errors: Vec<_> =
            problems.iter().map(|(field, problem)| json!({ "field": field, "detail": problem })).collect();
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, detail).with("errors", errors.into())
    }

    /// A field of the query that is wrong.
    pub(super) fn parameter(name: &str, rule: impl Into<String>) -> Self {
        let rule = rule.into();
        Self::new(StatusCode::BAD_REQUEST, format!("{name}: {rule}"))
            .with("errors", json!([{ "field": name, "detail": rule }]))
    }

    pub(super) fn with(mut self, key: &str, value: Value) -> Self {
        self.more.insert(key.to_owned(), value);
        self
    }

    pub(super) fn status(&self) -> StatusCode {
        self.status
    }

    /// The sentence for a person.
    pub(super) fn detail(&self) -> &str {
        &self.detail
    }

    /// What is wrong with a field, if that is said.
    pub(super) fn field(&self, field: &str) -> Option<&str> {
        let errors = self.more.get("errors")?.as_array()?;
        errors.iter().find(|error| error["field"] == field)?["detail"].as_str()
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        if self.status.is_server_error() {
            tracing::error!(status = self.status.as_u16(), "{}", self.detail);
        }
        let mut body = self.more;
        body.insert("type".into(), "about:blank".into());
        body.insert("title".into(), self.status.canonical_reason().unwrap_or("Error").into());
        body.insert("status".into(), self.status.as_u16().into());
        body.insert("detail".into(), self.detail.into());
        let mut response = (self.status, Json(body)).into_response();
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        response
    }
}

impl From<LedgerError> for Problem {
    fn from(error: LedgerError) -> Self {
        let status = match error {
            LedgerError::DiskFull => StatusCode::INSUFFICIENT_STORAGE,
            LedgerError::Conflict => StatusCode::CONFLICT,
            LedgerError::Unreadable(_) | LedgerError::Database(_) => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Self::new(status, error.to_string())
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let status = match refusal {
            Refusal::Forbidden(_) => StatusCode::FORBIDDEN,
            Refusal::NotNow(_) => StatusCode::CONFLICT,
            Refusal::Invalid(_) => StatusCode::BAD_REQUEST,
            Refusal::Unknown(_) => StatusCode::NOT_FOUND,
            Refusal::Ledger(error) => return error.into(),
            Refusal::Image(ImageLibraryError::Ledger(error)) => return error.into(),
            Refusal::Render(_) | Refusal::Image(_) | Refusal::Secrets(_) => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Self::new(status, refusal.to_string())
    }
}

impl From<EnrolmentError> for Problem {
    fn from(error: EnrolmentError) -> Self {
        let detail = error.to_string();
        match error {
            EnrolmentError::Invalid(problems) => Self::fields(&problems),
            EnrolmentError::InvalidOptions(problems) => {
                let errors = problems.iter().map(|problem| json!({ "field": problem.path, "detail": problem.rule }));
                Self::new(StatusCode::UNPROCESSABLE_ENTITY, &detail).with("errors", errors.collect())
            }
            EnrolmentError::Taken(RegisterError::DuplicateMac { .. }) => {
                Self::new(StatusCode::CONFLICT, &detail).with("errors", json!([{ "field": "mac", "detail": detail }]))
            }
            EnrolmentError::Taken(RegisterError::DuplicateHostname { .. }) => Self::new(StatusCode::CONFLICT, &detail)
                .with("errors", json!([{ "field": "hostname", "detail": detail }])),
            EnrolmentError::Taken(RegisterError::Ledger(error)) | EnrolmentError::Ledger(error) => error.into(),
            EnrolmentError::Unknown(_) => Self::new(StatusCode::NOT_FOUND, detail),
            EnrolmentError::Busy { .. } => Self::new(StatusCode::CONFLICT, detail),
            EnrolmentError::Secrets(_) => Self::internal(detail),
        }
    }
}

impl From<RebuildRefusal> for Problem {
    fn from(refusal: RebuildRefusal) -> Self {
        let detail = refusal.to_string();
        match refusal {
            RebuildRefusal::UnknownHost(_) => Self::new(StatusCode::NOT_FOUND, detail),
            RebuildRefusal::Confirmation { .. } => Self::fields(&[("confirm", detail)]),
            RebuildRefusal::UnknownImage(_) => Self::fields(&[("image", detail)]),
            RebuildRefusal::UnderWay { operation, .. } => {
                Self::new(StatusCode::CONFLICT, detail).with("operation", operation.as_str().into())
            }
            RebuildRefusal::Objection { objection, preflight } => {
                let ids = match objection {
                    Objection::Reason => return Self::fields(&[("reason", detail)]),
                    Objection::Blocked(ids) | Objection::Unaccepted(ids) => ids,
                };
                let found = json!(findings(&preflight.findings));
                Self::new(StatusCode::CONFLICT, detail).with("stopped_by", json!(ids)).with("findings", found)
            }
            RebuildRefusal::NotReady(_) => Self::new(StatusCode::UNPROCESSABLE_ENTITY, detail),
            RebuildRefusal::Ledger(error) => error.into(),
            RebuildRefusal::Secrets(_) | RebuildRefusal::Key(_) => Self::internal(detail),
        }
    }
}

impl From<PowerRefusal> for Problem {
    fn from(refusal: PowerRefusal) -> Self {
        let detail = refusal.to_string();
        match refusal {
            PowerRefusal::UnknownHost(_) => Self::new(StatusCode::NOT_FOUND, detail),
            PowerRefusal::Confirmation { .. } => Self::fields(&[("confirm", detail)]),
            PowerRefusal::Unusable(_) => Self::fields(&[("secret", detail)]),
            PowerRefusal::Power(PowerError::NoDriver(_) | PowerError::NotSupported(_) | PowerError::Secret(_)) => {
                Self::new(StatusCode::CONFLICT, detail)
            }
            // Not our fault, but not the asker's either.
            PowerRefusal::Power(
                PowerError::Unreachable { .. }
                | PowerError::WrongCredentials { .. }
                | PowerError::WrongCertificate { .. }
                | PowerError::Failed(_),
            ) => Self::new(StatusCode::BAD_GATEWAY, detail),
            PowerRefusal::Ledger(error) => error.into(),
            PowerRefusal::Secrets(_) => Self::internal(detail),
        }
    }
}

impl From<GateRefusal> for Problem {
    fn from(refusal: GateRefusal) -> Self {
        let detail = refusal.to_string();
        match refusal {
            GateRefusal::Invalid { field, problem } => Self::fields(&[(field, problem)]),
            GateRefusal::HostKeyNeeded { shown, .. } => {
                Self::fields(&[("ssh_host_key", detail)]).with("shown_fingerprint", shown.into())
            }
            GateRefusal::Unknown(_) => Self::new(StatusCode::NOT_FOUND, detail),
            // Not our fault, but not the asker's either.
            GateRefusal::Member(_) => Self::new(StatusCode::BAD_GATEWAY, detail),
            GateRefusal::Ledger(error) => error.into(),
            GateRefusal::Secrets(_) | GateRefusal::Key(_) => Self::internal(detail),
        }
    }
}

impl From<BatchRefusal> for Problem {
    fn from(refusal: BatchRefusal) -> Self {
        let detail = refusal.to_string();
        match refusal {
            BatchRefusal::Unknown(_) => Self::new(StatusCode::NOT_FOUND, detail),
            BatchRefusal::Invalid { field, problem } => Self::fields(&[(field, problem)]),
            BatchRefusal::NotPossible(_) => Self::new(StatusCode::CONFLICT, detail),
            BatchRefusal::Ledger(error) => error.into(),
            BatchRefusal::Secrets(_) => Self::internal(detail),
        }
    }
}

impl From<OperationRefusal> for Problem {
    fn from(refusal: OperationRefusal) -> Self {
        let detail = refusal.to_string();
        let status = match refusal {
            OperationRefusal::Unknown(_) => StatusCode::NOT_FOUND,
            OperationRefusal::NotPossible(_) => StatusCode::CONFLICT,
            OperationRefusal::Mismatch(_) => StatusCode::UNPROCESSABLE_ENTITY,
            OperationRefusal::Ledger(error) => return error.into(),
        };
        Self::new(status, detail)
    }
}

impl From<ImageRefusal> for Problem {
    fn from(refusal: ImageRefusal) -> Self {
        let detail = refusal.to_string();
        match refusal {
            ImageRefusal::Unknown(_) => Self::new(StatusCode::NOT_FOUND, detail),
            ImageRefusal::InUse { users, .. } => {
                let users = users.iter().map(|user| Value::from(user.to_string())).collect();
                Self::new(StatusCode::CONFLICT, detail).with("users", users)
            }
            ImageRefusal::Busy => Self::new(StatusCode::CONFLICT, detail),
            ImageRefusal::Unfit(_) => Self::new(StatusCode::UNPROCESSABLE_ENTITY, detail),
            ImageRefusal::Folder(_) => Self::internal(detail),
            ImageRefusal::Ledger(error) => error.into(),
        }
    }
}

impl From<IntakeRefusal> for Problem {
    fn from(refusal: IntakeRefusal) -> Self {
        let detail = refusal.to_string();
        match refusal {
            IntakeRefusal::Invalid { field, .. } => Self::fields(&[(field, detail)]),
            IntakeRefusal::Unknown(_) => Self::new(StatusCode::NOT_FOUND, detail),
            IntakeRefusal::WrongOffset { offset } => {
                Self::new(StatusCode::CONFLICT, detail).with("offset", offset.into())
            }
            IntakeRefusal::BrokenOff { offset, .. } => {
                Self::new(StatusCode::BAD_REQUEST, detail).with("offset", offset.into())
            }
            IntakeRefusal::NotNow(_) | IntakeRefusal::TooMany(_) => Self::new(StatusCode::CONFLICT, detail),
            IntakeRefusal::NoRoom(_) => Self::new(StatusCode::INSUFFICIENT_STORAGE, detail),
            IntakeRefusal::Folder(_) => Self::internal(detail),
            IntakeRefusal::Ledger(error) => error.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_said_as_such_wherever_it_is_met() {
        let full = || LedgerError::DiskFull;
        let problems: [Problem; 6] = [
            full().into(),
            Refusal::Ledger(full()).into(),
            Refusal::Image(ImageLibraryError::Ledger(full())).into(),
            EnrolmentError::Ledger(full()).into(),
            RebuildRefusal::Ledger(full()).into(),
            OperationRefusal::Ledger(full()).into(),
        ];
        for problem in problems {
            assert_eq!(problem.status(), StatusCode::INSUFFICIENT_STORAGE);
            assert!(problem.detail().contains("disk"), "{}", problem.detail());
        }
    }
}
