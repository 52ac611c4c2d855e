//! The installer images: what there is, what each needs, who uses it, what is on its way, and how to add one.

use askama::Template;
use axum::{
    http::StatusCode,
    response::{IntoResponse, Redirect, Response},
};

use super::{
    forms::ours,
    shell::{PageProblem, Shell, render},
    words::Moment,
};
use crate::{
    domain::{
        image::Image,
        image_addition::{Addition, AdditionStage},
        image_memory::{gibibytes, memory_need},
    },
    http::{
        Visit,
        extract::{AdditionPath, FormFields, ImagePath},
        problem::Problem,
    },
};

#[derive(Template)]
#[template(path = "images.html")]
struct ImagesPage {
    shell: Shell,
    images: Vec<ImageRow>,
    additions: Vec<AdditionRow>,
    url: String,
    sha256: String,
}

struct ImageRow {
    id: String,
    title: String,
    source_name: String,
    size: String,
    bios: String,
    uefi: String,
    is_default: bool,
    is_fit: bool,
    /// Why no host can be rebuilt with it.
    unfit: String,
    users: Vec<String>,
    added: Moment,
}

struct AdditionRow {
    id: String,
    sentence: String,
    tone: &'static str,
    is_over: bool,
    /// Done and all of it, for a bar; both absent where that is not known.
    progress: Option<(u64, u64)>,
    started: Moment,
}

/// The images.
pub(in crate::http) async fn images(state: Visit) -> Result<Response, PageProblem> {
    show(&state, StatusCode::OK, None, ("", "")).await
}

/// Shows the page, with the form as it was filled in.
async fn show(
    state: &Visit,
    status: StatusCode,
    trouble: Option<String>,
    (url, sha256): (&str, &str),
) -> Result<Response, PageProblem> {
    let mut shell = Shell::new(state).await?;
    shell.trouble = trouble;
    let now = state.clock.now();
    let uses = state.image_uses().await?;
    let row = |image: &Image| {
        let (need, unfit) = (memory_need(image), image.unfit_for_rebuild());
        ImageRow {
            id: image.id.to_string(),
            title: image.title(),
            source_name: image.source_name.clone(),
            size: format!("{} MiB", image.iso_size_bytes.div_ceil(1 << 20)),
            bios: gibibytes(need.bios_bytes),
            uefi: gibibytes(need.uefi_bytes),
            is_default: image.is_default,
            is_fit: unfit.is_none(),
            unfit: unfit.unwrap_or_default(),
            users: uses.iter().filter(|(id, _)| *id == image.id).map(|(_, user)| user.to_string()).collect(),
            added: Moment::new(image.added_at, now),
        }
    };
    let additions = state.intake.additions();
    // What became an image is seen as such.
    let shown = additions.iter().filter(|addition| addition.stage != AdditionStage::Done);
    let page = ImagesPage {
        images: state.images.images().await?.iter().map(row).collect(),
        additions: shown.map(|addition| AdditionRow::new(addition, now)).collect(),
        url: url.to_owned(),
        sha256: sha256.to_owned(),
        shell,
    };
    Ok(render(status, &page))
}

impl AdditionRow {
    fn new(addition: &Addition, now: jiff::Timestamp) -> Self {
        let is_over = addition.stage.is_over();
        Self {
            id: addition.id.to_string(),
            sentence: addition.sentence(),
            tone: match (is_over, &addition.problem) {
                (true, _) => "bad",
                (false, Some(_)) => "armed",
                (false, None) => "busy",
            },
            is_over,
            progress: addition.total_bytes.filter(|_| !is_over).map(|total| (addition.done_bytes, total)),
            started: Moment::new(addition.started_at, now),
        }
    }
}

/// Begins to fetch an image.
pub(in crate::http) async fn add(state: Visit, fields: Result<FormFields, Problem>) -> Result<Response, PageProblem> {
    let fields = ours(&state, fields)?;
    let (url, sha256) = (fields.get("url"), fields.get("sha256"));
    let begun = state.intake.fetch(url, Some(sha256)).await.map(drop).map_err(Problem::from);
    on_page(&state, begun, (url, sha256)).await
}

/// Makes an image the default.
pub(in crate::http) async fn make_default(
    state: Visit,
    id: Result<ImagePath, Problem>,
    fields: Result<FormFields, Problem>,
) -> Result<Response, PageProblem> {
    let (ImagePath(id), _) = (id?, ours(&state, fields)?);
    let made = state.image_keeper.make_default(&id, state.clock.now()).await;
    on_page(&state, made.map_err(Problem::from), ("", "")).await
}

/// Removes an image.
pub(in crate::http) async fn remove(
    state: Visit,
    id: Result<ImagePath, Problem>,
    fields: Result<FormFields, Problem>,
) -> Result<Response, PageProblem> {
    let (ImagePath(id), _) = (id?, ours(&state, fields)?);
    let removed = state.remove_image(&id).await;
    on_page(&state, removed.map_err(Problem::from), ("", "")).await
}

/// Gives an addition up.
pub(in crate::http) async fn cancel(
    state: Visit,
    id: Result<AdditionPath, Problem>,
    fields: Result<FormFields, Problem>,
) -> Result<Response, PageProblem> {
    let (AdditionPath(id), _) = (id?, ours(&state, fields)?);
    let cancelled = state.intake.cancel(&id).await;
    on_page(&state, cancelled.map_err(Problem::from), ("", "")).await
}

async fn on_page(state: &Visit, done: Result<(), Problem>, form: (&str, &str)) -> Result<Response, PageProblem> {
    match done {
        Ok(()) => Ok(Redirect::to("/images").into_response()),
        Err(problem) => show(state, problem.status(), Some(problem.detail().to_owned()), form).await,
    }
}
