//! Answers: what a host would be given now, what is wrong with it, and what has changed since it was given one last.

use axum::{Json, extract::State, http::StatusCode};
use jiff::Timestamp;
use serde::Serialize;

use crate::{
    domain::{
        answer::{AnswerNote, AnswerReview},
        host::Host,
        image::{InstallerRelease, OLDEST_INSTALLER},
        server_type::ServerType,
    },
    http::{OperatorState, extract::HostPath, problem::Problem, schema::described},
    ports::CannotRender,
};

described! {
    /// What a host would be given now.
    #[derive(Debug, Serialize)]
    pub(crate) struct AnswerPreviewJson as "AnswerPreview" {
        /// The host.
        host_id: String,
        /// The TOML, without its secrets.
        answer: String,
        /// The installer's release for which it is written.
        release: String,
        /// The disks that are wiped.
        disks: Option<String>,
        /// What was left out for this release, and what a person should know.
        warnings: Vec<AnswerNoteJson>,
    }
}

described! {
    /// What is to be said of what a host would be given now.
    #[derive(Debug, Serialize)]
    pub(crate) struct AnswerCheckJson as "AnswerCheck" {
        /// The host.
        host_id: String,
        /// The answer template.
        template: String,
        /// The installer's release.
        release: String,
        /// Whether it may be given: no rule is broken.
        good: bool,
        /// The disks that are wiped; absent while they are not settled.
        disks: Option<String>,
        /// Every broken rule.
        problems: Vec<AnswerNoteJson>,
        /// What was left out for this release, and what a person should know.
        warnings: Vec<AnswerNoteJson>,
    }
}

described! {
    /// One sentence about an answer.
    #[derive(Debug, Serialize)]
    pub(crate) struct AnswerNoteJson as "AnswerNote" {
        /// Where it is changed, if that can be told: a file with its line, a server type, or the path of a host's option.
        place: Option<String>,
        /// The sentence.
        text: String,
    }
}

described! {
    /// What has changed since a host was given an answer last.
    #[derive(Debug, Serialize)]
    pub(crate) struct AnswerDifferenceJson as "AnswerDifference" {
        /// The host.
        host_id: String,
        /// When it was given an answer last.
        given_at: Timestamp,
        /// The operation of that rebuild.
        operation: String,
        /// The installer's release then.
        given_release: String,
        /// The installer's release now.
        release: String,
        /// Whether it would be given the same again.
        same: bool,
        /// The unified difference, without secrets; empty when nothing has changed.
        difference: String,
    }
}

impl AnswerPreviewJson {
    /// The answer with its warnings before it, as comments.
    pub(crate) fn with_warnings(&self) -> String {
        let comment = |note: &AnswerNoteJson| match &note.place {
            Some(place) => format!("# {place}: {}\n", note.text),
            None => format!("# {}\n", note.text),
        };
        self.warnings.iter().map(comment).collect::<String>() + &self.answer
    }
}

/// The answer that the host would be given, without secrets.
pub(crate) async fn show_preview(
    State(state): State<OperatorState>,
    HostPath(id): HostPath,
) -> Result<Json<AnswerPreviewJson>, Problem> {
    let host = state.host(&id).await?;
    Ok(Json(preview(&state, &host).await?))
}

/// Everything that is to be said of the answer that the host would be given.
pub(crate) async fn check(
    State(state): State<OperatorState>,
    HostPath(id): HostPath,
) -> Result<Json<AnswerCheckJson>, Problem> {
    let host = state.host(&id).await?;
    let (kind, release) = installed_from(&state, &host).await?;
    let review = reviewed(&state, &host, &kind, release).await?;
    Ok(Json(AnswerCheckJson {
        host_id: host.id.to_string(),
        template: host.options.answer.template_of(&kind).to_string(),
        release: release.to_string(),
        good: review.toml.is_some(),
        problems: notes(&review.problems),
        warnings: notes(&review.warnings),
        disks: review.disks,
    }))
}

/// What has changed since the host was given an answer last.
pub(crate) async fn difference(
    State(state): State<OperatorState>,
    HostPath(id): HostPath,
) -> Result<Json<AnswerDifferenceJson>, Problem> {
    let host = state.host(&id).await?;
    let (kind, release) = installed_from(&state, &host).await?;
    let found = state.answers.difference(&host, &kind, release).await?.map_err(cannot)?;
    let found = found.ok_or_else(|| {
        let detail = format!("{} has not been given an answer yet; see its preview instead", host.hostname);
        Problem::new(StatusCode::NOT_FOUND, detail)
    })?;
    Ok(Json(AnswerDifferenceJson {
        host_id: host.id.to_string(),
        given_at: found.served.at,
        operation: found.served.operation.to_string(),
        given_release: found.served.release.to_string(),
        release: release.to_string(),
        same: found.difference.is_empty(),
        difference: found.difference,
    }))
}

/// Renders the preview of a host's answer, for the release that it would be installed from.
pub(crate) async fn preview(state: &OperatorState, host: &Host) -> Result<AnswerPreviewJson, Problem> {
    let (kind, release) = installed_from(state, host).await?;
    let review = reviewed(state, host, &kind, release).await?;
    let AnswerReview { toml, problems, warnings, disks, wiped: _ } = review;
    let Some(toml) = toml else {
        let problems = problems.iter().map(ToString::to_string).collect();
        return Err(cannot(CannotRender { what: format!("the answer for {}", host.hostname), problems }));
    };
    Ok(AnswerPreviewJson {
        host_id: host.id.to_string(),
        answer: (state.redact)(&toml),
        release: release.to_string(),
        disks,
        warnings: notes(&warnings),
    })
}

/// Reviews the answer, and says when the release is only assumed.
async fn reviewed(
    state: &OperatorState,
    host: &Host,
    kind: &ServerType,
    release: InstallerRelease,
) -> Result<AnswerReview, Problem> {
    let mut review = state.answers.review(host, kind, release).map_err(cannot)?;
    if state.image_for(host, kind).await?.is_err() {
        let text = format!("there is no image to install from, so this is for the oldest installer, {release}");
        review.warnings.insert(0, AnswerNote { place: None, text });
    }
    Ok(review)
}

/// What a host would be installed with: its server type, and the release of its image.
async fn installed_from(state: &OperatorState, host: &Host) -> Result<(ServerType, InstallerRelease), Problem> {
    let kind = state.catalog.server_type(&host.server_type).ok_or_else(|| {
        let detail = format!("the server type `{}` is not in the catalog any more; see /api/catalog", host.server_type);
        Problem::new(StatusCode::UNPROCESSABLE_ENTITY, detail)
    })?;
    let release = state.image_for(host, &kind).await?.map_or(OLDEST_INSTALLER, |choice| choice.image.release);
    Ok((kind, release))
}

fn cannot(error: CannotRender) -> Problem {
    Problem::new(StatusCode::UNPROCESSABLE_ENTITY, error.to_string())
}

fn notes(notes: &[AnswerNote]) -> Vec<AnswerNoteJson> {
    notes.iter().map(|note| AnswerNoteJson { place: note.place.clone(), text: note.text.clone() }).collect()
}
