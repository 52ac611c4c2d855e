//! Checks of images: begun, and looked at.

use axum::{Json, extract::State, http::StatusCode};
use jiff::Timestamp;
use serde::Serialize;

use crate::http::{
    OperatorState,
    extract::ImagePath,
    image_checks::{self, ImageCheck},
    problem::Problem,
    schema::described,
};

described! {
    /// The check of an image: every file is read and compared with what it was when it was added.
    #[derive(Debug, Serialize)]
    pub(crate) struct ImageCheckJson as "ImageCheck" {
        /// When it began.
        started_at: Timestamp,
        /// When it ended; absent while it is under way.
        ended_at: Option<Timestamp>,
        /// Whether the image is as it was; absent while nobody knows.
        whole: Option<bool>,
        /// What is wrong, one sentence each.
        problems: Vec<String>,
    }
}

impl ImageCheckJson {
    fn new(check: ImageCheck) -> Self {
        Self {
            started_at: check.started_at,
            ended_at: check.ended_at,
            whole: check.ended_at.map(|_| check.problems.is_empty()),
            problems: check.problems,
        }
    }
}

/// Begins a check; one is made at a time.
pub(crate) async fn begin(
    State(state): State<OperatorState>,
    ImagePath(id): ImagePath,
) -> Result<(StatusCode, Json<ImageCheckJson>), Problem> {
    Ok((StatusCode::ACCEPTED, Json(ImageCheckJson::new(image_checks::begin(&state, &id).await?))))
}

/// The newest check since the start.
pub(crate) async fn show(
    State(state): State<OperatorState>,
    ImagePath(id): ImagePath,
) -> Result<Json<ImageCheckJson>, Problem> {
    let none =
        || Problem::new(StatusCode::NOT_FOUND, format!("`{id}` was not checked since the start; POST begins it"));
    Ok(Json(ImageCheckJson::new(state.image_checks.of(&id).ok_or_else(none)?)))
}
