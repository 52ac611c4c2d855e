//! The installer images: what there is, what each needs, who uses it, what is on its way, and how to add one.

use askama::Template;
use axum::{
    http::StatusCode,
    response::{IntoResponse, Redirect, Response},
};
use jiff::Timestamp;

use super::{
    about_page::size,
    forms::ours,
    shell::{PageProblem, Shell, render},
    words::Moment,
};
use crate::{
    domain::{
        host::Host,
        identity::ImageId,
        image::Image,
        image_addition::{Addition, AdditionStage},
        image_memory::{gibibytes, memory_need},
        image_use::ImageUse,
    },
    http::{
        Visit,
        extract::{AdditionPath, FormFields, ImagePath},
        image_checks::{self, ImageCheck},
        problem::Problem,
    },
};

#[derive(Template)]
#[template(path = "images.html")]
struct ImagesPage {
    shell: Shell,
    images: Vec<ImageRow>,
    additions: Vec<AdditionRow>,
    /// Whether something changes from second to second.
    is_moving: bool,
    url: String,
    sha256: String,
}

struct ImageRow {
    id: String,
    title: String,
    source_name: String,
    sha256: String,
    size: String,
    bios: String,
    uefi: String,
    is_default: bool,
    is_fit: bool,
    /// Why no host can be rebuilt with it.
    unfit: String,
    users: Vec<UserRow>,
    /// Why it cannot be removed.
    kept: Option<String>,
    added: Moment,
    check: Option<CheckRow>,
}

/// Somebody who uses an image.
struct UserRow {
    words: String,
    link: Option<String>,
}

/// What a check of an image found.
struct CheckRow {
    began: Moment,
    is_over: bool,
    problems: Vec<String>,
}

struct AdditionRow {
    id: String,
    sentence: String,
    tone: &'static str,
    is_over: bool,
    stage: &'static str,
    /// Done and all of it, for a bar; both absent where that is not known.
    progress: Option<(u64, u64)>,
    /// What to do, where something is wrong.
    advice: Option<&'static str>,
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
    let (uses, hosts) = (state.image_uses().await?, state.hosts.hosts().await?);
    let images: Vec<_> = state.images.images().await?;
    let row = |image: &Image| ImageRow::new(image, &uses, &hosts, state.image_checks.of(&image.id), now);
    let images: Vec<_> = images.iter().map(row).collect();
    let additions = state.intake.additions();
    // What became an image is seen as such.
    let shown = additions.iter().filter(|addition| addition.stage != AdditionStage::Done);
    let additions: Vec<_> = shown.map(|addition| AdditionRow::new(addition, now)).collect();
    let is_checked = images.iter().any(|image| image.check.as_ref().is_some_and(|check| !check.is_over));
    let page = ImagesPage {
        is_moving: is_checked || additions.iter().any(|addition| !addition.is_over),
        images,
        additions,
        url: url.to_owned(),
        sha256: sha256.to_owned(),
        shell,
    };
    Ok(render(status, &page))
}

impl ImageRow {
    fn new(
        image: &Image,
        uses: &[(ImageId, ImageUse)],
        hosts: &[Host],
        check: Option<ImageCheck>,
        now: Timestamp,
    ) -> Self {
        let (need, unfit) = (memory_need(image), image.unfit_for_rebuild());
        let all = || uses.iter().filter(|(id, _)| *id == image.id).map(|(_, user)| user);
        let users: Vec<_> =
            all().filter(|user| **user != ImageUse::Default).map(|user| UserRow::new(user, hosts)).collect();
        let names: Vec<_> = users.iter().map(|user| user.words.as_str()).collect();
        let kept = match (names.is_empty(), image.is_default) {
            (true, false) => None,
            (true, true) => {
                Some("It cannot be removed while it is the default: make another image the default.".to_owned())
            }
            (false, _) => Some(format!("It cannot be removed while somebody uses it: {}.", names.join(", "))),
        };
        Self {
            id: image.id.to_string(),
            title: image.title(),
            source_name: image.source_name.clone(),
            sha256: image.source_sha256.clone(),
            size: size(image.iso_size_bytes),
            bios: gibibytes(need.bios_bytes),
            uefi: gibibytes(need.uefi_bytes),
            is_default: image.is_default,
            is_fit: unfit.is_none(),
            unfit: unfit.unwrap_or_default(),
            users,
            kept,
            added: Moment::new(image.added_at, now),
            check: check.map(|check| CheckRow {
                began: Moment::new(check.started_at, now),
                is_over: check.ended_at.is_some(),
                problems: check.problems,
            }),
        }
    }
}

impl UserRow {
    fn new(user: &ImageUse, hosts: &[Host]) -> Self {
        let link = match user {
            ImageUse::Rebuild(name) | ImageUse::Host(name) => {
                hosts.iter().find(|host| host.hostname == *name).map(|host| format!("/hosts/{}", host.id))
            }
            ImageUse::ServerType(name) => Some(format!("/catalog#type-{name}")),
            ImageUse::Default => None,
        };
        Self { words: user.to_string(), link }
    }
}

impl AdditionRow {
    fn new(addition: &Addition, now: Timestamp) -> Self {
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
            stage: addition.stage.word(),
            progress: addition.total_bytes.filter(|_| !is_over).map(|total| (addition.done_bytes, total)),
            advice: advice(addition),
            started: Moment::new(addition.started_at, now),
        }
    }
}

/// What a person can do about an addition that does not go on.
fn advice(addition: &Addition) -> Option<&'static str> {
    addition.problem.as_ref()?;
    match (addition.stage, &addition.url) {
        (AdditionStage::Failed, Some(_)) => {
            Some("Mend what the sentence names, then add the same URL again: what has arrived is not fetched twice.")
        }
        (AdditionStage::Failed, None) => Some("Mend what the sentence names, then choose the file again."),
        (AdditionStage::Downloading, _) => Some("It is tried again by itself; nothing is to be done but to wait."),
        (AdditionStage::Uploading, _) => Some("Choose the same file below to go on where it stopped."),
        _ => None,
    }
}

/// Begins to fetch an image.
pub(in crate::http) async fn add(state: Visit, fields: Result<FormFields, Problem>) -> Result<Response, PageProblem> {
    let fields = ours(&state, fields)?;
    let (url, sha256) = (fields.get("url"), fields.get("sha256"));
    let begun = state.intake.fetch(url, Some(sha256)).await.map(drop).map_err(Problem::from);
    on_page(&state, begun, (url, sha256)).await
}

/// Begins to check an image.
pub(in crate::http) async fn check(
    state: Visit,
    id: Result<ImagePath, Problem>,
    fields: Result<FormFields, Problem>,
) -> Result<Response, PageProblem> {
    let (ImagePath(id), _) = (id?, ours(&state, fields)?);
    let begun = image_checks::begin(&state, &id).await;
    on_page(&state, begun.map(drop).map_err(Problem::from), ("", "")).await
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
