//! Takes installers in from URLs and uploads: each is a job that ends in [`ImageFolder::add`](super::ImageFolder::add).
//!
//! What has arrived of a file lies in the library under `.incoming/` with what was asked for, and goes on after a broken connection or a
//! restart: a download by itself, an upload when its sender comes back. What is refused, given up or not continued in time is removed.
//! Only the daemon (or, where none runs, one command) has an intake, because it holds the lock of the data folder.

mod fetch;
mod incoming;
mod job;
mod jobs;
mod upload;

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use jiff::SignedDuration;
use reqwest::Url;
use tokio_util::sync::CancellationToken;

use super::{
    ImageFolder,
    add::{read_checksum, space_for},
};
use crate::{
    domain::{
        image_addition::{Addition, AdditionId, AdditionStage},
        live_event::{NewLiveEvent, Topic},
    },
    ports::{Clock, ImageIntake, IntakeRefusal, LiveFeed, UploadChunks},
};
use incoming::{Incoming, Manifest};
use jobs::{Job, Jobs};

/// The bounds of an intake.
#[derive(Debug, Clone, Copy)]
pub struct IntakeLimits {
    /// The largest installer. Those of Proxmox have less than 2 GiB, and machines must hold several copies of it in memory.
    pub largest_bytes: u64,
    /// How many additions go on at once. More fill the disk with parts of files.
    pub additions: usize,
    /// How many times in a row a download may break without a single new byte before it is given up.
    pub attempts: u32,
    /// The pause before the first new attempt; each further one is twice as long.
    pub first_pause: Duration,
    /// The longest pause.
    pub longest_pause: Duration,
    /// How long nothing may arrive before a connection counts as broken.
    pub silence: Duration,
    /// How long an upload may lie unfinished, or a broken download, before it is removed at a start.
    pub kept: SignedDuration,
    /// How long an addition waits for one that another process makes.
    pub turn: Duration,
}

impl Default for IntakeLimits {
    fn default() -> Self {
        Self {
            largest_bytes: 8 << 30,
            additions: 8,
            attempts: 8,
            first_pause: Duration::from_secs(1),
            longest_pause: Duration::from_secs(60),
            silence: Duration::from_secs(30),
            kept: SignedDuration::from_hours(24),
            turn: Duration::from_secs(30 * 60),
        }
    }
}

/// Takes images in while the daemon runs.
#[derive(Clone)]
pub struct Intake(Arc<Inner>);

struct Inner {
    folder: ImageFolder,
    feed: Arc<dyn LiveFeed>,
    clock: Arc<dyn Clock>,
    limits: IntakeLimits,
    jobs: Mutex<Jobs>,
    /// One image is made at a time; whoever came first goes first.
    turn: tokio::sync::Mutex<()>,
    stop: CancellationToken,
}

impl Intake {
    /// Makes an intake for a library; its jobs end when it is stopped, and go on at the next start.
    pub fn new(folder: ImageFolder, feed: Arc<dyn LiveFeed>, clock: Arc<dyn Clock>, stop: CancellationToken) -> Self {
        Self::with_limits(folder, feed, clock, stop, IntakeLimits::default())
    }

    /// The same with other bounds.
    pub fn with_limits(
        folder: ImageFolder,
        feed: Arc<dyn LiveFeed>,
        clock: Arc<dyn Clock>,
        stop: CancellationToken,
        limits: IntakeLimits,
    ) -> Self {
        let (jobs, turn) = (Mutex::default(), tokio::sync::Mutex::default());
        Self(Arc::new(Inner { folder, feed, clock, limits, jobs, turn, stop }))
    }

    /// Goes on with what an earlier run did not finish. Returns how many additions that are.
    pub fn resume(&self) -> usize {
        let (now, mut resumed) = (self.0.clock.now(), 0);
        for (id, incoming, manifest) in Incoming::all(&self.0.folder.folder) {
            let is_old = incoming.touched_at().is_none_or(|at| now.duration_since(at) > self.0.limits.kept);
            if is_old && !manifest.is_complete {
                incoming.remove();
                continue;
            }
            resumed += 1;
            let goes_on = manifest.url.is_some() || manifest.is_complete;
            self.0.jobs().insert(Job::new(id.clone(), manifest, incoming.received()));
            if goes_on {
                self.0.start(&id);
            }
        }
        resumed
    }

    /// Waits until an addition has ended, and tells how it goes meanwhile.
    pub async fn wait(&self, id: &AdditionId, mut tell: impl FnMut(&Addition)) -> Option<Addition> {
        loop {
            let addition = self.addition(id)?;
            tell(&addition);
            if addition.stage.is_over() {
                return Some(addition);
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }
}

impl Inner {
    fn jobs(&self) -> std::sync::MutexGuard<'_, Jobs> {
        self.jobs.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn incoming(&self, id: &AdditionId) -> Incoming {
        Incoming::new(&self.folder.folder, id)
    }

    /// Tells the live feed how far an addition is.
    async fn tell(&self, id: &AdditionId) {
        let Some(message) = self.jobs().get(id).map(|job| job.addition.sentence()) else { return };
        let event = NewLiveEvent { topic: Topic::Image, host: None, operation: None, message };
        if let Err(error) = self.feed.publish(&event, self.clock.now()).await {
            tracing::warn!(%error, "cannot write to the live feed");
        }
    }

    /// Opens a job with its folder, if there is a place for it.
    fn open(&self, manifest: Manifest) -> Result<AdditionId, IntakeRefusal> {
        let mut random = [0; 8];
        getrandom::fill(&mut random).map_err(|error| IntakeRefusal::Folder(error.to_string()))?;
        let id = AdditionId::from_random(random);
        let mut jobs = self.jobs();
        if jobs.at_work() >= self.limits.additions {
            return Err(IntakeRefusal::TooMany(self.limits.additions));
        }
        Incoming::create(&self.folder.folder, &id, &manifest)
            .map_err(|error| IntakeRefusal::Folder(format!("cannot write to the image library: {error}")))?;
        jobs.insert(Job::new(id.clone(), manifest, 0));
        Ok(id)
    }

    /// Refuses a file that is too large, or that the disk has no room for: what is still to come, and the image that is made of it.
    fn check_room(&self, id: Option<&AdditionId>, length: u64, received: u64) -> Result<(), String> {
        if length > self.limits.largest_bytes {
            let mebibytes = |bytes: u64| bytes.div_ceil(1 << 20);
            return Err(format!(
                "the file has {} MiB and an installer may have {} MiB",
                mebibytes(length),
                mebibytes(self.limits.largest_bytes)
            ));
        }
        let mut needed = length.saturating_sub(received).saturating_add(space_for(length));
        needed = needed.saturating_add(self.jobs().promised(id));
        std::fs::create_dir_all(&self.folder.folder).map_err(|error| error.to_string())?;
        self.folder.require_space(needed).map_err(|error| error.to_string())
    }

    fn known(&self, id: &AdditionId) -> Result<Addition, IntakeRefusal> {
        let addition = self.jobs().get(id).map(|job| job.addition.clone());
        addition.ok_or_else(|| IntakeRefusal::Unknown(id.clone()))
    }
}

#[async_trait]
impl ImageIntake for Intake {
    fn additions(&self) -> Vec<Addition> {
        self.0.jobs().all().map(|job| job.addition.clone()).collect()
    }

    fn addition(&self, id: &AdditionId) -> Option<Addition> {
        self.0.jobs().get(id).map(|job| job.addition.clone())
    }

    async fn fetch(&self, url: &str, sha256: Option<&str>) -> Result<Addition, IntakeRefusal> {
        let url = read_url(url)?;
        let sha256 = checksum(sha256)?;
        let same = self.0.jobs().fetching(url.as_str(), sha256.as_deref());
        if let Some((id, is_over)) = same {
            if !is_over {
                return self.0.known(&id);
            }
            if self.0.incoming(&id).exists() {
                self.0.start(&id);
                return self.0.known(&id);
            }
        }
        let manifest = Manifest {
            name: file_name(url.path()),
            url: Some(url.to_string()),
            sha256,
            length: None,
            validator: None,
            is_complete: false,
            started_at: self.0.clock.now(),
        };
        let id = self.0.open(manifest)?;
        self.0.start(&id);
        self.0.tell(&id).await;
        self.0.known(&id)
    }

    async fn begin_upload(
        &self,
        name: &str,
        length: Option<u64>,
        sha256: Option<&str>,
    ) -> Result<Addition, IntakeRefusal> {
        let sha256 = checksum(sha256)?;
        if length == Some(0) {
            return Err(IntakeRefusal::Invalid { field: "length", rule: "the file is empty".to_owned() });
        }
        self.0.check_room(None, length.unwrap_or(0), 0).map_err(IntakeRefusal::NoRoom)?;
        let manifest = Manifest {
            name: file_name(name),
            url: None,
            sha256,
            length,
            validator: None,
            is_complete: false,
            started_at: self.0.clock.now(),
        };
        let id = self.0.open(manifest)?;
        self.0.tell(&id).await;
        self.0.known(&id)
    }

    async fn upload(&self, id: &AdditionId, offset: u64, chunks: UploadChunks) -> Result<Addition, IntakeRefusal> {
        let (inner, id) = (Arc::clone(&self.0), id.clone());
        // A task of its own: when the connection breaks, this request is dropped, and a write that is under way must not come later than
        // the first of the next request.
        let receiving = tokio::spawn(async move { upload::receive(&inner, &id, offset, chunks).await });
        receiving.await.unwrap_or_else(|error| Err(IntakeRefusal::Folder(format!("the upload stumbled: {error}"))))
    }

    async fn upload_offset(&self, id: &AdditionId) -> Result<u64, IntakeRefusal> {
        let (stage, length) = {
            let jobs = self.0.jobs();
            let job = jobs.get(id).filter(|job| job.manifest.url.is_none());
            let job = job.ok_or_else(|| IntakeRefusal::Unknown(id.clone()))?;
            (job.addition.stage, job.manifest.length)
        };
        let arrived = (stage != AdditionStage::Uploading).then_some(length).flatten();
        Ok(arrived.unwrap_or_else(|| self.0.incoming(id).received()))
    }

    async fn cancel(&self, id: &AdditionId) -> Result<(), IntakeRefusal> {
        let (mut addition, task) = {
            let mut jobs = self.0.jobs();
            let job = jobs.get_mut(id).ok_or_else(|| IntakeRefusal::Unknown(id.clone()))?;
            job.cancel.cancel();
            (job.addition.clone(), job.task.take())
        };
        if let Some(task) = task {
            // It ends at once: it waits for its token everywhere.
            let _ = task.await;
        }
        let uploading = self.0.jobs().get(id).map(|job| Arc::clone(&job.uploading));
        if let Some(uploading) = uploading {
            let _ended = uploading.lock().await;
        }
        self.0.incoming(id).remove();
        let was = self.0.jobs().remove(id);
        if !addition.stage.is_over() && was {
            addition.stage = AdditionStage::Failed;
            let message = format!("{} was given up", addition.name);
            let event = NewLiveEvent { topic: Topic::Image, host: None, operation: None, message };
            self.0.feed.publish(&event, self.0.clock.now()).await?;
        }
        Ok(())
    }
}

fn read_url(text: &str) -> Result<Url, IntakeRefusal> {
    let url = Url::parse(text.trim()).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    url.ok_or_else(|| IntakeRefusal::Invalid {
        field: "url",
        rule: format!("`{}` is not an http or https URL", text.chars().take(120).collect::<String>()),
    })
}

fn checksum(text: Option<&str>) -> Result<Option<String>, IntakeRefusal> {
    let text = text.map(str::trim).filter(|text| !text.is_empty());
    let checksum = text.map(read_checksum).transpose();
    checksum.map_err(|error| IntakeRefusal::Invalid { field: "sha256", rule: error.to_string() })
}

/// The last part of a path as a name that can be shown; files are never made under it.
fn file_name(path: &str) -> String {
    const LONGEST: usize = 120;
    let last = path.rsplit(['/', '\\']).find(|part| !part.is_empty()).unwrap_or("installer.iso");
    last.chars().filter(|character| !character.is_control()).take(LONGEST).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_the_last_part_of_a_path_and_can_be_shown() {
        for (path, name) in [
            ("/iso/proxmox-ve_9.2-1.iso", "proxmox-ve_9.2-1.iso"),
            ("C:\\Downloads\\pve.iso", "pve.iso"),
            ("../../etc/passwd", "passwd"),
            ("/", "installer.iso"),
            ("a\u{7}b\n", "ab"),
        ] {
            assert_eq!(file_name(path), name);
        }
        assert_eq!(file_name(&"x".repeat(500)).len(), 120);
    }
}
