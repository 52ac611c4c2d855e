//! The additions that there are, in the order in which they began.

use std::sync::Arc;

use reqwest::Url;
use tokio::{task::JoinHandle, time::Instant};
use tokio_util::sync::CancellationToken;

use super::Manifest;
use crate::{
    domain::image_addition::{Addition, AdditionId, AdditionStage},
    images::add::space_for,
};

/// How many additions that have ended are still shown.
const ENDED_KEPT: usize = 20;

/// One addition.
pub(super) struct Job {
    pub(super) addition: Addition,
    pub(super) manifest: Manifest,
    /// Gives it up.
    pub(super) cancel: CancellationToken,
    /// The work that goes on by itself, if any does.
    pub(super) task: Option<JoinHandle<()>>,
    /// Held by the request that sends a part of an upload.
    pub(super) uploading: Arc<tokio::sync::Mutex<()>>,
    /// When the live feed was last told of it.
    pub(super) told: Option<Instant>,
}

impl Job {
    pub(super) fn new(id: AdditionId, manifest: Manifest, received: u64) -> Self {
        let stage = if manifest.url.is_some() { AdditionStage::Downloading } else { AdditionStage::Uploading };
        let addition = Addition {
            id,
            name: manifest.name.clone(),
            url: manifest.url.as_deref().map(without_secrets),
            stage,
            done_bytes: received,
            total_bytes: manifest.length,
            problem: None,
            image: None,
            started_at: manifest.started_at,
        };
        Self { addition, manifest, cancel: CancellationToken::new(), task: None, uploading: Arc::default(), told: None }
    }
}

/// Every addition.
#[derive(Default)]
pub(super) struct Jobs(Vec<Job>);

impl Jobs {
    pub(super) fn all(&self) -> impl Iterator<Item = &Job> {
        self.0.iter()
    }

    pub(super) fn get(&self, id: &AdditionId) -> Option<&Job> {
        self.0.iter().find(|job| job.addition.id == *id)
    }

    pub(super) fn get_mut(&mut self, id: &AdditionId) -> Option<&mut Job> {
        self.0.iter_mut().find(|job| job.addition.id == *id)
    }

    /// Adds a job, and forgets the oldest of those that ended.
    pub(super) fn insert(&mut self, job: Job) {
        let ended = self.0.iter().filter(|job| job.addition.stage.is_over()).count();
        if ended > ENDED_KEPT
            && let Some(oldest) = self.0.iter().position(|job| job.addition.stage.is_over())
        {
            self.0.remove(oldest);
        }
        self.0.push(job);
    }

    /// Returns whether there was one.
    pub(super) fn remove(&mut self, id: &AdditionId) -> bool {
        let before = self.0.len();
        self.0.retain(|job| job.addition.id != *id);
        self.0.len() < before
    }

    /// How many have not ended.
    pub(super) fn at_work(&self) -> usize {
        self.0.iter().filter(|job| !job.addition.stage.is_over()).count()
    }

    /// The latest job for a URL that did not become an image, and whether it has ended.
    pub(super) fn fetching(&self, url: &str, sha256: Option<&str>) -> Option<(AdditionId, bool)> {
        let is_it = |job: &&Job| {
            let manifest = &job.manifest;
            manifest.url.as_deref() == Some(url)
                && manifest.sha256.as_deref() == sha256
                && job.addition.stage != AdditionStage::Done
        };
        let job = self.0.iter().rev().find(is_it)?;
        Some((job.addition.id.clone(), job.addition.stage.is_over()))
    }

    /// How much disk the others will still need, as far as their length is known.
    pub(super) fn promised(&self, but: Option<&AdditionId>) -> u64 {
        let others = self.0.iter().filter(|job| Some(&job.addition.id) != but && !job.addition.stage.is_over());
        let need = |job: &Job| {
            let length = job.manifest.length?;
            let is_arriving = matches!(job.addition.stage, AdditionStage::Uploading | AdditionStage::Downloading);
            let missing = if is_arriving { length.saturating_sub(job.addition.done_bytes) } else { 0 };
            Some(missing.saturating_add(space_for(length)))
        };
        others.filter_map(need).fold(0, u64::saturating_add)
    }
}

/// A URL as it may be shown: without a password, and without a query, which may be a signature.
fn without_secrets(url: &str) -> String {
    let Ok(mut url) = Url::parse(url) else { return String::new() };
    // Both fail only for URLs without a host.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.set_query(None);
    url.set_fragment(None);
    url.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_shown_without_password_and_signature() {
        assert_eq!(
            without_secrets("https://me:secret@mirror.example/iso/pve.iso?signature=x#y"),
            "https://mirror.example/iso/pve.iso"
        );
    }
}
