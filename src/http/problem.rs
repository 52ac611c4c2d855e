//! Errors as problem documents (RFC 9457): what was wrong, where, what to do. Every room's errors are mapped here, once.

use axum::{
    Json,
    body::Body,
    extract::Request,
    http::{HeaderValue, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use serde_json::{Map, Value, json};

use super::problem_codes::Code;
use crate::{
    domain::preflight::Objection,
    http::api::rebuild_views::findings,
    operations::{BatchRefusal, GateRefusal, OperationRefusal, RebuildRefusal},
    ports::{ImageLibraryError, ImageRefusal, IntakeRefusal, LedgerError, PasswordsError, PowerError, RegisterError},
    provisioning::{AccessRefusal, EnrolmentError, PowerRefusal, Refusal},
};

/// One problem document.
#[derive(Debug, Clone)]
pub(super) struct Problem {
    status: StatusCode,
    code: Code,
    detail: String,
    more: Map<String, Value>,
    /// After how many seconds it may be tried again.
    retry_after: Option<i64>,
}

impl Problem {
    /// A problem with the plain code of a status.
    pub(super) fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self { status, code: Code::of(status), detail: detail.into(), more: Map::new(), retry_after: None }
    }

    /// A problem that has a word of its own.
    pub(super) fn coded(code: Code, detail: impl Into<String>) -> Self {
        Self { status: code.status(), code, detail: detail.into(), more: Map::new(), retry_after: None }
    }

    /// Our own fault.
    pub(super) fn internal(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, detail)
    }

    /// Fields of a body that are wrong.
    pub(super) fn fields(problems: &[(&str, String)]) -> Self {
        Self::fields_below("", problems.iter().map(|(field, problem)| (*field, problem.as_str())))
    }

    /// The same of fields that are below another one.
    fn fields_below<'a>(above: &str, problems: impl Iterator<Item = (&'a str, &'a str)>) -> Self {
        let (mut details, mut errors) = (Vec::new(), Vec::new());
        for (field, problem) in problems {
            details.push(format!("{field}: {problem}"));
            errors.push(json!({ "field": field, "pointer": format!("{above}{}", pointer(field)), "detail": problem }));
        }
        Self::coded(Code::FieldsInvalid, details.join("; ")).with("errors", errors.into())
    }

    /// One field of a body that is wrong.
    pub(super) fn field_of(code: Code, field: &str, detail: &str) -> Self {
        let error = json!({ "field": field, "pointer": pointer(field), "detail": detail });
        Self::coded(code, detail).with("errors", json!([error]))
    }

    /// A field of the query that is wrong.
    pub(super) fn parameter(name: &str, rule: impl Into<String>) -> Self {
        let rule = rule.into();
        Self::coded(Code::QueryInvalid, format!("{name}: {rule}"))
            .with("errors", json!([{ "field": name, "parameter": name, "detail": rule }]))
    }

    /// A header that is missing or wrong.
    pub(super) fn header(name: &str, rule: impl Into<String>) -> Self {
        let rule = rule.into();
        Self::coded(Code::HeaderInvalid, format!("{name}: {rule}"))
            .with("errors", json!([{ "field": name, "header": name, "detail": rule }]))
    }

    pub(super) fn with(mut self, key: &str, value: Value) -> Self {
        self.more.insert(key.to_owned(), value);
        self
    }

    /// After how many seconds it may be tried again, where waiting helps.
    pub(super) fn retry_after(&self) -> Option<i64> {
        self.retry_after
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

    /// The document; with the path that it is about, where that is known.
    fn document(&self, instance: Option<&str>) -> Value {
        let mut body = self.more.clone();
        body.insert("type".into(), "about:blank".into());
        body.insert("title".into(), self.status.canonical_reason().unwrap_or("Error").into());
        body.insert("status".into(), self.status.as_u16().into());
        body.insert("code".into(), self.code.word().into());
        body.insert("detail".into(), self.detail.clone().into());
        if let Some(instance) = instance {
            body.insert("instance".into(), instance.into());
        }
        body.into()
    }
}

/// A field as a JSON pointer (RFC 6901): `disks[0].size` is `/disks/0/size`.
fn pointer(field: &str) -> String {
    let parts = field.split(['.', '[']).map(|part| part.trim_end_matches(']'));
    parts.filter(|part| !part.is_empty()).map(|part| format!("/{part}")).collect()
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        if self.status.is_server_error() {
            tracing::error!(status = self.status.as_u16(), "{}", self.detail);
        }
        let mut response = (self.status, Json(self.document(None))).into_response();
        response.headers_mut().insert(header::CONTENT_TYPE, PROBLEM);
        if let Some(seconds) = self.retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        // For `complete`, which knows what was asked, and for whoever would rather have a page.
        response.extensions_mut().insert(self);
        response
    }
}

const PROBLEM: HeaderValue = HeaderValue::from_static("application/problem+json");

/// Completes what was refused: with the path that it is about; and what the framework refuses in its own words, or in none, is a problem
/// document too.
pub(super) async fn complete(request: Request, next: Next) -> Response {
    let path = request.uri().path().to_owned();
    completed(next.run(request).await, &path)
}

/// The same of one answer.
pub(super) fn completed(mut response: Response, path: &str) -> Response {
    let status = response.status();
    if !status.is_client_error() && !status.is_server_error() {
        return response;
    }
    let problem = response.extensions_mut().remove::<Problem>().or_else(|| wordless(&response));
    let Some(problem) = problem else { return response };
    let body = serde_json::to_vec(&problem.document(Some(path))).unwrap_or_default();
    response.headers_mut().remove(header::CONTENT_LENGTH);
    response.headers_mut().insert(header::CONTENT_TYPE, PROBLEM);
    response.map(|_| Body::from(body))
}

/// What the framework has refused: its text is for nobody.
fn wordless(response: &Response) -> Option<Problem> {
    let (status, kind) = (response.status(), response.headers().get(header::CONTENT_TYPE));
    let code = match kind {
        None if status == StatusCode::SERVICE_UNAVAILABLE => Code::TookTooLong,
        None => Code::of(status),
        Some(kind) if kind.as_bytes().starts_with(b"text/plain") => Code::of(status),
        Some(_) => return None,
    };
    Some(Problem { status, ..Problem::coded(code, code.meaning()) })
}

impl From<LedgerError> for Problem {
    fn from(error: LedgerError) -> Self {
        let code = match error {
            LedgerError::DiskFull => Code::DiskFull,
            LedgerError::Conflict => Code::ChangedMeanwhile,
            LedgerError::Unreadable(_) | LedgerError::Database(_) => Code::Internal,
        };
        Self::coded(code, error.to_string())
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

impl From<AccessRefusal> for Problem {
    fn from(refusal: AccessRefusal) -> Self {
        let (detail, retry_after) = (refusal.to_string(), refusal.retry_after());
        let problem = match refusal {
            AccessRefusal::Invalid(problems) => Self::fields(&problems),
            AccessRefusal::Wrong => Self::new(StatusCode::UNAUTHORIZED, detail),
            AccessRefusal::Wait(_) => Self::new(StatusCode::TOO_MANY_REQUESTS, detail),
            AccessRefusal::Claimed => Self::coded(Code::AlreadyClaimed, detail),
            AccessRefusal::NotPossible(_) => Self::new(StatusCode::CONFLICT, detail),
            AccessRefusal::Unknown(_) => Self::coded(Code::PassNotFound, detail),
            AccessRefusal::Passwords(PasswordsError::Busy) => Self::new(StatusCode::SERVICE_UNAVAILABLE, detail),
            AccessRefusal::Ledger(error) => error.into(),
            AccessRefusal::Passwords(PasswordsError::Failed(_)) | AccessRefusal::Secrets(_) => Self::internal(detail),
        };
        Self { retry_after, ..problem }
    }
}

impl From<EnrolmentError> for Problem {
    fn from(error: EnrolmentError) -> Self {
        let detail = error.to_string();
        match error {
            EnrolmentError::Invalid(problems) => Self::fields(&problems),
            EnrolmentError::InvalidOptions(problems) => {
                let problems = problems.iter().map(|problem| (problem.path.as_str(), problem.rule.as_str()));
                Self { detail, ..Self::fields_below("/options", problems) }
            }
            EnrolmentError::Taken(RegisterError::DuplicateMac { .. }) => Self::field_of(Code::MacTaken, "mac", &detail),
            EnrolmentError::Taken(RegisterError::DuplicateHostname { .. }) => {
                Self::field_of(Code::HostnameTaken, "hostname", &detail)
            }
            EnrolmentError::Taken(RegisterError::Ledger(error)) | EnrolmentError::Ledger(error) => error.into(),
            EnrolmentError::Unknown(_) => Self::coded(Code::HostNotFound, detail),
            EnrolmentError::Busy { .. } => Self::coded(Code::HostBusy, detail),
            EnrolmentError::Secrets(_) => Self::internal(detail),
        }
    }
}

impl From<RebuildRefusal> for Problem {
    fn from(refusal: RebuildRefusal) -> Self {
        let detail = refusal.to_string();
        match refusal {
            RebuildRefusal::UnknownHost(_) => Self::coded(Code::HostNotFound, detail),
            RebuildRefusal::Confirmation { .. } => {
                Self { code: Code::NotConfirmed, ..Self::fields(&[("confirm", detail)]) }
            }
            RebuildRefusal::UnknownImage(_) => Self::fields(&[("image", detail)]),
            RebuildRefusal::UnderWay { operation, .. } => {
                Self::coded(Code::OperationUnderWay, detail).with("operation", operation.as_str().into())
            }
            RebuildRefusal::Objection { objection, preflight } => {
                let ids = match objection {
                    Objection::Reason => return Self::fields(&[("reason", detail)]),
                    Objection::Blocked(ids) | Objection::Unaccepted(ids) => ids,
                };
                let found = json!(findings(&preflight.findings));
                Self::coded(Code::PreflightStopped, detail).with("stopped_by", json!(ids)).with("findings", found)
            }
            RebuildRefusal::NotReady(_) => Self::coded(Code::HostNotReady, detail),
            RebuildRefusal::Ledger(error) => error.into(),
            RebuildRefusal::Secrets(_) | RebuildRefusal::Key(_) => Self::internal(detail),
        }
    }
}

impl From<PowerRefusal> for Problem {
    fn from(refusal: PowerRefusal) -> Self {
        let detail = refusal.to_string();
        match refusal {
            PowerRefusal::UnknownHost(_) => Self::coded(Code::HostNotFound, detail),
            PowerRefusal::Confirmation { .. } => {
                Self { code: Code::NotConfirmed, ..Self::fields(&[("confirm", detail)]) }
            }
            PowerRefusal::Unusable(_) => Self::fields(&[("secret", detail)]),
            PowerRefusal::Power(PowerError::NoDriver(_) | PowerError::NotSupported(_) | PowerError::Secret(_)) => {
                Self::coded(Code::NoPowerDriver, detail)
            }
            // Not our fault, but not the asker's either.
            PowerRefusal::Power(
                PowerError::Unreachable { .. }
                | PowerError::WrongCredentials { .. }
                | PowerError::WrongCertificate { .. }
                | PowerError::Failed(_),
            ) => Self::coded(Code::OtherEnd, detail),
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
            GateRefusal::Unknown(_) => Self::coded(Code::GateNotFound, detail),
            // Not our fault, but not the asker's either.
            GateRefusal::Member(_) => Self::coded(Code::OtherEnd, detail),
            GateRefusal::Ledger(error) => error.into(),
            GateRefusal::Secrets(_) | GateRefusal::Key(_) => Self::internal(detail),
        }
    }
}

impl From<BatchRefusal> for Problem {
    fn from(refusal: BatchRefusal) -> Self {
        let detail = refusal.to_string();
        match refusal {
            BatchRefusal::Unknown(_) => Self::coded(Code::BatchNotFound, detail),
            BatchRefusal::Invalid { field, problem } => Self::fields(&[(field, problem)]),
            BatchRefusal::NotPossible(_) => Self::coded(Code::NotPossibleNow, detail),
            BatchRefusal::Ledger(error) => error.into(),
            BatchRefusal::Secrets(_) => Self::internal(detail),
        }
    }
}

impl From<OperationRefusal> for Problem {
    fn from(refusal: OperationRefusal) -> Self {
        let detail = refusal.to_string();
        let code = match refusal {
            OperationRefusal::Unknown(_) => Code::OperationNotFound,
            OperationRefusal::NotPossible(_) => Code::NotPossibleNow,
            OperationRefusal::Mismatch(_) => Code::Unprocessable,
            OperationRefusal::Ledger(error) => return error.into(),
        };
        Self::coded(code, detail)
    }
}

impl From<ImageRefusal> for Problem {
    fn from(refusal: ImageRefusal) -> Self {
        let detail = refusal.to_string();
        match refusal {
            ImageRefusal::Unknown(_) => Self::coded(Code::ImageNotFound, detail),
            ImageRefusal::InUse { users, .. } => {
                let users = users.iter().map(|user| Value::from(user.to_string())).collect();
                Self::coded(Code::ImageInUse, detail).with("users", users)
            }
            ImageRefusal::Busy => Self::coded(Code::ImageBusy, detail),
            ImageRefusal::Unfit(_) => Self::coded(Code::ImageUnfit, detail),
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
            IntakeRefusal::Unknown(_) => Self::coded(Code::AdditionNotFound, detail),
            IntakeRefusal::WrongOffset { offset } => {
                Self::coded(Code::UploadOffsetWrong, detail).with("offset", offset.into())
            }
            IntakeRefusal::BrokenOff { offset, .. } => {
                Self::coded(Code::UploadBrokenOff, detail).with("offset", offset.into())
            }
            IntakeRefusal::NotNow(_) | IntakeRefusal::TooMany(_) => Self::coded(Code::ImageBusy, detail),
            IntakeRefusal::NoRoom(_) => Self::coded(Code::DiskFull, detail),
            IntakeRefusal::TooLong(_) => Self::coded(Code::BodyTooLarge, detail),
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
