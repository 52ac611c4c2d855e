//! Checks of images in the background: every file of one is read and compared, which takes minutes on slow disks.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use jiff::Timestamp;

use super::OperatorState;
use crate::{
    domain::{
        identity::ImageId,
        live_event::{NewLiveEvent, Topic},
    },
    ports::ImageRefusal,
};

/// How long a check may take; 2 GiB at 4 MiB/s.
const CHECK_LIMIT: Duration = Duration::from_secs(600);
/// How many checks are remembered; the oldest go first.
const CHECKS_KEPT: usize = 64;

/// One check of one image.
#[derive(Debug, Clone)]
pub(super) struct ImageCheck {
    /// When it began.
    pub(super) started_at: Timestamp,
    /// When it ended; `None` while it is under way.
    pub(super) ended_at: Option<Timestamp>,
    /// What is wrong, one sentence each; none at the end of a good one.
    pub(super) problems: Vec<String>,
}

/// The checks since the start, the newest of each image. One is made at a time: they want the whole disk.
#[derive(Default)]
pub struct ImageChecks(Mutex<BTreeMap<ImageId, ImageCheck>>);

impl ImageChecks {
    /// The newest check of an image.
    pub(super) fn of(&self, id: &ImageId) -> Option<ImageCheck> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(id).cloned()
    }

    /// Begins one, unless one of some image is under way.
    fn begin(&self, id: &ImageId, now: Timestamp) -> Result<ImageCheck, ImageRefusal> {
        let mut checks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if checks.values().any(|check| check.ended_at.is_none()) {
            return Err(ImageRefusal::Busy);
        }
        while checks.len() >= CHECKS_KEPT {
            let oldest = checks.iter().min_by_key(|(_, check)| check.started_at).map(|(id, _)| id.clone());
            oldest.map(|id| checks.remove(&id));
        }
        let check = ImageCheck { started_at: now, ended_at: None, problems: Vec::new() };
        checks.insert(id.clone(), check.clone());
        Ok(check)
    }

    fn end(&self, id: &ImageId, now: Timestamp, problems: Vec<String>) {
        if let Some(check) = self.0.lock().unwrap_or_else(PoisonError::into_inner).get_mut(id) {
            (check.ended_at, check.problems) = (Some(now), problems);
        }
    }
}

/// Begins to check an image; the end is told by the live feed.
pub(super) async fn begin(state: &OperatorState, id: &ImageId) -> Result<ImageCheck, ImageRefusal> {
    if state.images.images().await?.iter().all(|image| image.id != *id) {
        return Err(ImageRefusal::Unknown(id.clone()));
    }
    let check = state.image_checks.begin(id, state.clock.now())?;
    let (state, id) = (state.clone(), id.clone());
    tokio::spawn(async move {
        let problems = match tokio::time::timeout(CHECK_LIMIT, state.image_keeper.check(&id)).await {
            Ok(Ok(parts)) => parts
                .into_iter()
                .filter_map(|part| part.problem.map(|problem| format!("{}: {problem}", part.part.file_name())))
                .collect(),
            Ok(Err(error)) => vec![error.to_string()],
            Err(_) => vec![format!("it took longer than {} min", CHECK_LIMIT.as_secs() / 60)],
        };
        let verdict = if problems.is_empty() { "is whole".to_owned() } else { problems.join("; ") };
        let message = format!("the image {id} was checked: {verdict}");
        let now = state.clock.now();
        state.image_checks.end(&id, now, problems);
        let event = NewLiveEvent { topic: Topic::Image, host: None, operation: None, message };
        if let Err(error) = state.feed.publish(&event, now).await {
            tracing::error!(%error, "cannot write to the live feed");
        }
    });
    Ok(check)
}
