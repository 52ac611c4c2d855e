//! Installer images: list, add by URL and by upload, prefer, remove.

use axum::{
    Json,
    body::Body,
    extract::{FromRequest, Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use futures_util::StreamExt;
use serde::Deserialize;

use super::image_views::{AdditionJson, ImageJson, ImagesJson};
use crate::{
    domain::image_addition::Addition,
    http::{
        OperatorState,
        extract::{AdditionPath, ImagePath, JsonBody, header_text, query_field},
        problem::Problem,
        schema::described,
    },
    ports::{IntakeRefusal, UploadChunks},
};

/// At which byte of a file a part begins, or goes on (the word of resumable uploads, draft-ietf-httpbis-resumable-upload).
const UPLOAD_OFFSET: HeaderName = HeaderName::from_static("upload-offset");

/// Every image, newest release first, and what is on its way.
pub(crate) async fn list(State(state): State<OperatorState>) -> Result<Json<ImagesJson>, Problem> {
    Ok(Json(ImagesJson::new(&state).await?))
}

described! {
    /// What is said to add an image from a URL.
    #[derive(Debug, Default, Deserialize)]
    #[serde(default, deny_unknown_fields)]
    pub(crate) struct NewImageJson as "NewImage" {
        /// An http or https URL of an installer ISO.
        url: String,
        /// The SHA-256 that it must have.
        sha256: Option<String>,
    }
}

/// Adds an image: fetched from a URL when JSON says so, else the body is the ISO itself.
pub(crate) async fn add(State(state): State<OperatorState>, request: Request) -> Result<Response, Problem> {
    if header_text(request.headers(), &header::CONTENT_TYPE).is_some_and(|kind| kind.starts_with("application/json")) {
        let JsonBody(new) = JsonBody::<Option<NewImageJson>>::from_request(request, &()).await?;
        let new = new.unwrap_or_default();
        return Ok(accepted(&state.intake.fetch(&new.url, new.sha256.as_deref()).await?));
    }
    let query = request.uri().query();
    let (name, sha256) = (query_field(query, "name"), query_field(query, "sha256"));
    let length = header_text(request.headers(), &header::CONTENT_LENGTH).and_then(|length| length.parse().ok());
    let begun = state.intake.begin_upload(&name.unwrap_or_default(), length, sha256.as_deref()).await?;
    match state.intake.upload(&begun.id, 0, chunks(request.into_body())).await {
        Ok(addition) => Ok(accepted(&addition)),
        Err(error) => {
            // Whoever sends a file in one piece does not know its id, so nobody would go on with it.
            if let Err(error) = state.intake.cancel(&begun.id).await {
                tracing::debug!(%error, "a broken upload was gone already");
            }
            Err(error.into())
        }
    }
}

fn accepted(addition: &Addition) -> Response {
    let place = format!("/api/images/additions/{}", addition.id);
    (StatusCode::ACCEPTED, [(header::LOCATION, place)], Json(AdditionJson::new(addition))).into_response()
}

fn chunks(body: Body) -> UploadChunks {
    Box::pin(body.into_data_stream().map(|chunk| chunk.map_err(std::io::Error::other)))
}

/// One image on its way.
pub(crate) async fn addition(
    State(state): State<OperatorState>,
    AdditionPath(id): AdditionPath,
) -> Result<Json<AdditionJson>, Problem> {
    let addition = state.intake.addition(&id).ok_or(IntakeRefusal::Unknown(id))?;
    Ok(Json(AdditionJson::new(&addition)))
}

/// Gives an addition up, or forgets one that has ended.
pub(crate) async fn cancel(
    State(state): State<OperatorState>,
    AdditionPath(id): AdditionPath,
) -> Result<StatusCode, Problem> {
    state.intake.cancel(&id).await?;
    Ok(StatusCode::NO_CONTENT)
}

described! {
    /// What is said to begin an upload in parts.
    #[derive(Debug, Default, Deserialize)]
    #[serde(default, deny_unknown_fields)]
    pub(crate) struct NewUploadJson as "NewUpload" {
        /// The name of the file.
        name: String,
        /// Its size in bytes.
        length: u64,
        /// The SHA-256 that it must have.
        sha256: Option<String>,
    }
}

/// Begins an upload in parts.
pub(crate) async fn begin_upload(
    State(state): State<OperatorState>,
    JsonBody(new): JsonBody<Option<NewUploadJson>>,
) -> Result<Response, Problem> {
    let new = new.unwrap_or_default();
    let addition = state.intake.begin_upload(&new.name, Some(new.length), new.sha256.as_deref()).await?;
    let place = format!("/api/images/uploads/{}", addition.id);
    let headers = [(header::LOCATION, place), (UPLOAD_OFFSET, "0".to_owned())];
    Ok((StatusCode::CREATED, headers, Json(AdditionJson::new(&addition))).into_response())
}

/// Where an upload goes on: in the header, also for HEAD.
pub(crate) async fn upload_offset(
    State(state): State<OperatorState>,
    AdditionPath(id): AdditionPath,
) -> Result<Response, Problem> {
    let offset = state.intake.upload_offset(&id).await?;
    let addition = state.intake.addition(&id).ok_or(IntakeRefusal::Unknown(id))?;
    Ok(([(UPLOAD_OFFSET, offset.to_string())], Json(AdditionJson::new(&addition))).into_response())
}

/// Takes the next part of an upload.
pub(crate) async fn upload(
    State(state): State<OperatorState>,
    AdditionPath(id): AdditionPath,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let offset = header_text(&headers, &UPLOAD_OFFSET)
        .and_then(|offset| offset.parse().ok())
        .ok_or_else(|| Problem::header("Upload-Offset", "say where this part begins, in bytes"))?;
    let mut answer = match state.intake.upload(&id, offset, chunks(body)).await {
        Ok(addition) => Json(AdditionJson::new(&addition)).into_response(),
        Err(IntakeRefusal::Unknown(id)) => return Err(IntakeRefusal::Unknown(id).into()),
        Err(error) => Problem::from(error).into_response(),
    };
    // The place to go on from, whatever came of this part.
    if let Ok(offset) = state.intake.upload_offset(&id).await {
        answer.headers_mut().insert(UPLOAD_OFFSET, HeaderValue::from(offset));
    }
    Ok(answer)
}

/// Makes an image the default.
pub(crate) async fn make_default(
    State(state): State<OperatorState>,
    ImagePath(id): ImagePath,
) -> Result<Json<ImageJson>, Problem> {
    state.image_keeper.make_default(&id, state.clock.now()).await?;
    let images = ImagesJson::new(&state).await?.images;
    let image = images.into_iter().find(|image| image.id == id.as_str());
    Ok(Json(image.ok_or(crate::ports::ImageRefusal::Unknown(id))?))
}

/// Removes an image that nobody uses.
pub(crate) async fn remove(
    State(state): State<OperatorState>,
    ImagePath(id): ImagePath,
) -> Result<StatusCode, Problem> {
    state.remove_image(&id).await?;
    Ok(StatusCode::NO_CONTENT)
}
