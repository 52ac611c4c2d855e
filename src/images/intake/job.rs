//! The work that an addition does by itself: fetch, if it has a URL, then make the image.

use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};

use futures_util::FutureExt;
use tokio::time::Instant;

use super::{Inner, fetch};
use crate::{
    domain::{
        image::Image,
        image_addition::{Addition, AdditionId, AdditionStage},
    },
    images::{AddError, Progress},
};

/// How often the live feed is told of progress within a stage. Shorter fills the feed, which keeps only so many rows.
const TELL_PAUSE: Duration = Duration::from_secs(2);
/// How often an addition looks whether another process has finished its own.
const TURN_LOOK: Duration = Duration::from_secs(2);

/// Why a job ended without an image.
pub(super) enum JobError {
    /// It can never succeed: what there is of it is removed.
    Refused(String),
    /// It did not come to an end: what there is of it is kept, and it goes on when it is asked for again, or after a restart.
    Interrupted(String),
}

impl JobError {
    pub(super) fn refused(error: impl std::fmt::Display) -> Self {
        Self::Refused(error.to_string())
    }
}

impl Inner {
    /// Starts the work of an addition, from where it was left.
    pub(super) fn start(self: &Arc<Self>, id: &AdditionId) {
        let (inner, id) = (Arc::clone(self), id.clone());
        let mut jobs = self.jobs();
        let Some(job) = jobs.get_mut(&id) else { return };
        job.addition.problem = None;
        job.addition.stage = match (job.manifest.is_complete, &job.manifest.url) {
            (false, Some(_)) => AdditionStage::Downloading,
            (true, _) | (false, None) => AdditionStage::Waiting,
        };
        let (cancel, stop) = (job.cancel.clone(), self.stop.clone());
        let task = async move {
            let work = AssertUnwindSafe(inner.work(&id)).catch_unwind();
            let result = tokio::select! {
                // What there is stays: for the next start, or for whoever gives the addition up.
                () = stop.cancelled() => return,
                () = cancel.cancelled() => return,
                result = work => result,
            };
            let result = result.unwrap_or_else(|_| Err(JobError::Interrupted("the daemon stumbled over it".into())));
            inner.finish(&id, result).await;
        };
        job.task = Some(tokio::spawn(task));
    }

    async fn work(self: &Arc<Self>, id: &AdditionId) -> Result<Image, JobError> {
        let incoming = self.incoming(id);
        let Some(mut manifest) = self.jobs().get(id).map(|job| job.manifest.clone()) else {
            return Err(JobError::Refused("it was given up".to_owned()));
        };
        if !manifest.is_complete {
            if manifest.url.is_some() {
                fetch::fetch(self, id, &incoming, &mut manifest).await?;
            }
            manifest.is_complete = true;
            incoming.save(&manifest).map_err(JobError::refused)?;
            self.update(id, |job| job.manifest = manifest.clone());
        }
        self.enter(id, AdditionStage::Waiting);
        let _turn = self.turn.lock().await;
        let progress = |progress| self.show(id, progress);
        let (source, sha256) = (incoming.source(), manifest.sha256.as_deref());
        let give_up = Instant::now() + self.limits.turn;
        loop {
            let now = self.clock.now();
            match self.folder.add_as(manifest.name.clone(), &source, sha256, now, &progress).await {
                Ok(image) => return Ok(image),
                // Another process is at it: `rackseed image add FILE`.
                Err(AddError::Busy) if Instant::now() < give_up => {
                    self.enter(id, AdditionStage::Waiting);
                    tokio::time::sleep(TURN_LOOK).await;
                }
                Err(AddError::Ledger(error)) => return Err(JobError::Interrupted(error.to_string())),
                Err(error) => return Err(JobError::Refused(with_cause(&error))),
            }
        }
    }

    async fn finish(&self, id: &AdditionId, result: Result<Image, JobError>) {
        let incoming = self.incoming(id);
        let (stage, problem, image) = match result {
            Ok(image) => (AdditionStage::Done, None, Some(image.id)),
            Err(JobError::Refused(problem)) => (AdditionStage::Failed, Some(problem), None),
            Err(JobError::Interrupted(problem)) => {
                let again = "add it again to go on where it stopped";
                self.update(id, |job| {
                    job.addition.stage = AdditionStage::Failed;
                    job.addition.problem = Some(format!("{problem}; {again}"));
                });
                return self.tell(id).await;
            }
        };
        // Before anybody is told that it is over.
        drop(tokio::task::spawn_blocking(move || incoming.remove()).await);
        self.update(id, |job| {
            job.addition.stage = stage;
            job.addition.problem = problem;
            job.addition.image = image;
        });
        self.tell(id).await;
    }

    fn update(&self, id: &AdditionId, change: impl FnOnce(&mut super::Job)) {
        if let Some(job) = self.jobs().get_mut(id) {
            change(job);
        }
    }

    /// Enters a stage and tells the live feed.
    pub(super) fn enter(self: &Arc<Self>, id: &AdditionId, stage: AdditionStage) {
        self.advance(id, |addition| addition.stage = stage);
    }

    fn show(self: &Arc<Self>, id: &AdditionId, progress: Progress) {
        let (stage, done, total) = match progress {
            Progress::Hashing { done_bytes, total_bytes } => (AdditionStage::Checking, done_bytes, Some(total_bytes)),
            Progress::Reading | Progress::Extracting => (AdditionStage::Extracting, 0, None),
            Progress::WritingCopy => (AdditionStage::Packing, 0, None),
            Progress::Finishing => (AdditionStage::Finishing, 0, None),
        };
        self.advance(id, |addition| {
            addition.stage = stage;
            addition.done_bytes = done;
            addition.total_bytes = total;
        });
    }

    /// Changes what is shown of an addition; the live feed is told of each stage at once, and of progress now and then.
    pub(super) fn advance(self: &Arc<Self>, id: &AdditionId, change: impl FnOnce(&mut Addition)) {
        let mut jobs = self.jobs();
        let Some(job) = jobs.get_mut(id) else { return };
        let before = job.addition.stage;
        change(&mut job.addition);
        let is_due = job.told.is_none_or(|told| told.elapsed() >= TELL_PAUSE);
        if before == job.addition.stage && !is_due {
            return;
        }
        job.told = Some(Instant::now());
        let (inner, id) = (Arc::clone(self), id.clone());
        tokio::spawn(async move { inner.tell(&id).await });
    }
}

/// An error with its causes, which its own sentence does not repeat.
fn with_cause(error: &(dyn std::error::Error + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
