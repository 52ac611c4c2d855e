//! `rackseed image add URL`: through the daemon where one runs, else by ourselves in its place.

use std::{path::Path, sync::Arc, time::Duration};

use anyhow::{Context, bail};
use reqwest::Method;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::{audit::record, client::Client};
use crate::{
    daemon::SystemClock,
    images::{ImageFolder, Intake},
    ports::ImageIntake,
    settings::Settings,
    store::{Store, StoreError},
};

/// How often is looked how far it is.
const LOOK_PAUSE: Duration = Duration::from_millis(500);

/// Fetches an installer and adds it. Returns the image's id.
pub(super) async fn fetch(
    settings: &Settings,
    config: &Path,
    url: &str,
    sha256: Option<&str>,
    show: &dyn Fn(&str),
) -> anyhow::Result<String> {
    match Store::open(&settings.data_folder) {
        // Nobody else works there until we are done: a daemon that is started meanwhile says so.
        Ok(store) => alone(settings, store, url, sha256, show).await,
        Err(StoreError::InUse { .. }) => through_daemon(config, url, sha256, show).await,
        Err(error) => Err(error.into()),
    }
}

async fn alone(
    settings: &Settings,
    store: Store,
    url: &str,
    sha256: Option<&str>,
    show: &dyn Fn(&str),
) -> anyhow::Result<String> {
    let (store, stop) = (Arc::new(store), CancellationToken::new());
    let library = ImageFolder::new(settings.data_folder.join("images"), store.clone());
    library.clean_up().await?;
    let intake = Intake::new(library, store.clone(), Arc::new(SystemClock), stop);
    let addition = intake.fetch(url, sha256).await?;
    let ended = intake.wait(&addition.id, |addition| show(&addition.sentence())).await;
    let ended = ended.context("the addition was given up")?;
    match (ended.image, ended.problem) {
        (Some(image), _) => {
            let sentence = format!("add the image {image} from a URL ({}): done", ended.name);
            record(store.as_ref(), "image add", Some(image.clone()), sentence).await?;
            Ok(image.to_string())
        }
        (None, problem) => bail!("{} was not added: {}", ended.name, problem.unwrap_or_default()),
    }
}

async fn through_daemon(config: &Path, url: &str, sha256: Option<&str>, show: &dyn Fn(&str)) -> anyhow::Result<String> {
    let client = Client::new(config)?;
    let body = json!({ "url": url, "sha256": sha256 });
    let mut addition = client.ask(Method::POST, "/api/images", Some(&body)).await?;
    let path = format!("/api/images/additions/{}", addition["id"].as_str().unwrap_or_default());
    loop {
        show(addition["message"].as_str().unwrap_or_default());
        match addition["stage"].as_str() {
            Some("done") => return Ok(addition["image"].as_str().unwrap_or_default().to_owned()),
            Some("failed") => bail!("{}", addition["message"].as_str().unwrap_or("the image was not added")),
            _ => {}
        }
        tokio::time::sleep(LOOK_PAUSE).await;
        addition = client.ask(Method::GET, &path, None).await?;
    }
}
