//! Images from URLs and uploads: broken connections, restarts, refusals, and what is left of all that.

use std::{fs, sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::StreamExt;
use rackseed::{
    domain::image_addition::{Addition, AdditionStage},
    images::{ImageFolder, Intake, IntakeLimits},
    ports::{ImageIntake, ImageLedger, IntakeRefusal, LiveFeed, UploadChunks},
    store::Store,
};
use sha2::{Digest, Sha256};
use tokio_util::sync::CancellationToken;

use super::{
    mirror::{Mirror, Reply},
    shelf::{Layout, Shelf},
};

/// A library with the real ledger and feed, and its intake.
struct Dock {
    shelf: Shelf,
    store: Arc<Store>,
    intake: Intake,
    stop: CancellationToken,
    limits: IntakeLimits,
}

impl Dock {
    fn new() -> Self {
        let limits = IntakeLimits {
            attempts: 3,
            first_pause: Duration::from_millis(10),
            longest_pause: Duration::from_millis(20),
            silence: Duration::from_millis(800),
            ..IntakeLimits::default()
        };
        Self::with_limits(limits)
    }

    fn with_limits(limits: IntakeLimits) -> Self {
        let shelf = Shelf::new();
        let store = Arc::new(Store::open(&shelf.folder.path().join("data")).unwrap());
        let stop = CancellationToken::new();
        let intake = open(&shelf, &store, &stop, limits);
        Self { shelf, store, intake, stop, limits }
    }

    fn content(&self) -> Vec<u8> {
        fs::read(self.shelf.iso(&Layout::default())).unwrap()
    }

    /// Stops, as a daemon that is killed, and starts again.
    async fn restart(&mut self) -> usize {
        self.stop.cancel();
        tokio::time::sleep(Duration::from_millis(100)).await;
        self.stop = CancellationToken::new();
        self.intake = open(&self.shelf, &self.store, &self.stop, self.limits);
        self.intake.resume()
    }

    async fn end(&self, addition: &Addition) -> Addition {
        let waiting = self.intake.wait(&addition.id, |_| ());
        tokio::time::timeout(Duration::from_secs(30), waiting).await.expect("it does not end").unwrap()
    }

    /// What is left of additions.
    fn left(&self) -> Vec<String> {
        let incoming = fs::read_dir(self.shelf.folder.path().join("images/.incoming"));
        incoming.into_iter().flatten().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    async fn images(&self) -> usize {
        self.store.list().await.unwrap().len()
    }
}

fn open(shelf: &Shelf, store: &Arc<Store>, stop: &CancellationToken, limits: IntakeLimits) -> Intake {
    let library = ImageFolder::new(shelf.folder.path().join("images"), store.clone());
    let clock = Arc::new(rackseed::daemon::SystemClock);
    Intake::with_limits(library, store.clone(), clock, stop.clone(), limits)
}

fn sha256(content: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(&Sha256::digest(content))
}

fn chunks(parts: &[&[u8]]) -> UploadChunks {
    let parts: Vec<_> = parts.iter().map(|part| Ok(Bytes::copy_from_slice(part))).collect();
    futures_util::stream::iter(parts).boxed()
}

#[tokio::test]
async fn a_url_becomes_an_image_and_shows_neither_password_nor_query() {
    let dock = Dock::new();
    let content = dock.content();
    let mirror = Mirror::start(content.clone(), Some("\"a\""), &[Reply::Redirect("/there")]).await;
    let begun = dock.intake.fetch(&mirror.url(), Some(&sha256(&content))).await.unwrap();
    let again = dock.intake.fetch(&mirror.url(), Some(&sha256(&content))).await.unwrap();
    assert_eq!(again.id, begun.id, "what is being fetched is not fetched twice");
    let ended = dock.end(&begun).await;
    assert_eq!((ended.stage, ended.problem.as_deref()), (AdditionStage::Done, None));
    let image = dock.store.get(&ended.image.unwrap()).await.unwrap().unwrap();
    assert_eq!((image.source_name.as_str(), image.source_sha256), ("proxmox-ve_9.2-1.iso", sha256(&content)));
    assert_eq!(dock.left(), [""; 0]);
    let told = dock.store.events_after(0, 100).await.unwrap().into_iter().map(|event| event.message);
    let told = told.collect::<Vec<_>>().join("\n");
    for part in ["is being downloaded", "is being packed", "was added", "is in the library"] {
        assert!(told.contains(part), "{told}");
    }
    assert!(!format!("{told}{:?}", dock.intake.additions()).contains("secret"));
    assert!(!format!("{told}{:?}", dock.intake.additions()).contains("hidden"));
}

#[tokio::test]
async fn a_broken_download_goes_on_where_it_stopped() {
    let dock = Dock::new();
    let content = dock.content();
    let replies = [Reply::Cut(100_000), Reply::Status("503 Busy"), Reply::Stall(200_000)];
    let mirror = Mirror::start(content, Some("\"a\""), &replies).await;
    let ended = dock.end(&dock.intake.fetch(&mirror.url(), None).await.unwrap()).await;
    assert_eq!((ended.stage, ended.problem), (AdditionStage::Done, None));
    let asked: Vec<_> = mirror.asked().into_iter().map(Option::unwrap_or_default).collect();
    assert_eq!(asked, ["", "bytes=100000-", "bytes=100000-", "bytes=300000-"]);
}

#[tokio::test]
async fn a_file_that_changes_between_two_parts_is_fetched_from_its_start() {
    let dock = Dock::new();
    let new = dock.content();
    // As long as the new one, so that only the tag tells them apart.
    let old = vec![7; new.len()];
    let replies = [Reply::Cut(100_000), Reply::Status("503 Busy"), Reply::Status("503 Busy")];
    let mirror = Mirror::start(old, Some("\"old\""), &replies).await;
    let begun = dock.intake.fetch(&mirror.url(), None).await.unwrap();
    while mirror.asked().len() < 2 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    mirror.change(new.clone(), "\"new\"");
    let ended = dock.end(&begun).await;
    assert_eq!((ended.stage, ended.problem), (AdditionStage::Done, None));
    let image = dock.store.get(&ended.image.unwrap()).await.unwrap().unwrap();
    assert_eq!(image.source_sha256, sha256(&new));
}

#[tokio::test]
async fn without_a_tag_nothing_is_pieced_together_unless_the_checksum_will_tell() {
    let dock = Dock::new();
    let content = dock.content();
    let mirror = Mirror::start(content.clone(), None, &[Reply::Cut(100_000)]).await;
    let ended = dock.end(&dock.intake.fetch(&mirror.url(), None).await.unwrap()).await;
    assert_eq!(ended.stage, AdditionStage::Done);
    assert_eq!(mirror.asked(), [None, None]);
    let mirror = Mirror::start(content.clone(), None, &[Reply::Cut(100_000)]).await;
    dock.end(&dock.intake.fetch(&mirror.url(), Some(&sha256(&content))).await.unwrap()).await;
    assert_eq!(mirror.asked(), [None, Some("bytes=100000-".into())]);
}

#[tokio::test]
async fn a_download_that_breaks_again_and_again_is_given_up_and_goes_on_when_it_is_asked_for_again() {
    let dock = Dock::new();
    let mut replies = vec![Reply::Cut(100_000)];
    replies.extend(vec![Reply::Status("500 Broken"); 3]);
    let mirror = Mirror::start(dock.content(), Some("\"a\""), &replies).await;
    let ended = dock.end(&dock.intake.fetch(&mirror.url(), None).await.unwrap()).await;
    assert_eq!(ended.stage, AdditionStage::Failed);
    let problem = ended.problem.unwrap();
    assert!(problem.contains("500") && problem.ends_with("add it again to go on where it stopped"), "{problem}");
    let ended = dock.end(&dock.intake.fetch(&mirror.url(), None).await.unwrap()).await;
    assert_eq!((ended.stage, ended.problem), (AdditionStage::Done, None));
    assert_eq!(mirror.asked().last(), Some(&Some("bytes=100000-".into())));
    assert_eq!(dock.left(), [""; 0]);
}

#[tokio::test]
async fn a_restart_goes_on_with_a_download_and_an_upload() {
    let mut dock = Dock::new();
    let content = dock.content();
    let mirror = Mirror::start(content.clone(), Some("\"a\""), &[Reply::Stall(100_000)]).await;
    let fetched = dock.intake.fetch(&mirror.url(), None).await.unwrap();
    let sent = dock.intake.begin_upload("pve.iso", Some(content.len() as u64), None).await.unwrap();
    dock.intake.upload(&sent.id, 0, chunks(&[&content[..70_000]])).await.unwrap();
    while dock.intake.addition(&fetched.id).unwrap().done_bytes < 100_000 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(dock.restart().await, 2);
    assert_eq!(dock.end(&fetched).await.stage, AdditionStage::Done);
    assert_eq!(mirror.asked().last(), Some(&Some("bytes=100000-".into())));
    assert_eq!(dock.intake.upload_offset(&sent.id).await.unwrap(), 70_000);
    dock.intake.upload(&sent.id, 70_000, chunks(&[&content[70_000..]])).await.unwrap();
    assert_eq!(dock.end(&sent).await.stage, AdditionStage::Done);
    assert_eq!((dock.images().await, dock.left().len()), (1, 0), "the same file twice is one image");
}

#[tokio::test]
async fn an_upload_goes_on_only_where_it_stopped() {
    let dock = Dock::new();
    let content = dock.content();
    let begun = dock.intake.begin_upload("../pve.iso", Some(content.len() as u64), None).await.unwrap();
    assert_eq!((begun.name.as_str(), begun.stage), ("pve.iso", AdditionStage::Uploading));
    let broken: UploadChunks = futures_util::stream::iter([
        Ok(Bytes::copy_from_slice(&content[..5000])),
        Err(std::io::Error::other("connection reset")),
    ])
    .boxed();
    let error = dock.intake.upload(&begun.id, 0, broken).await.unwrap_err();
    assert!(matches!(error, IntakeRefusal::BrokenOff { offset: 5000, .. }), "{error}");
    for offset in [0, 4999, 5001] {
        let error = dock.intake.upload(&begun.id, offset, chunks(&[b"x"])).await.unwrap_err();
        assert!(matches!(error, IntakeRefusal::WrongOffset { offset: 5000 }), "{error}");
    }
    // Nothing more comes, and the next request may go on.
    let silent: UploadChunks = futures_util::stream::pending().boxed();
    let error = dock.intake.upload(&begun.id, 5000, silent).await.unwrap_err();
    assert!(error.to_string().contains("nothing arrived any more"), "{error}");
    dock.intake.upload(&begun.id, 5000, chunks(&[&content[5000..6000], &content[6000..]])).await.unwrap();
    let ended = dock.end(&begun).await;
    assert_eq!((ended.stage, ended.problem), (AdditionStage::Done, None));
    let image = dock.store.get(&ended.image.unwrap()).await.unwrap().unwrap();
    assert_eq!((image.source_name.as_str(), image.source_sha256), ("pve.iso", sha256(&content)));
    assert!(dock.intake.upload(&begun.id, 0, chunks(&[b"x"])).await.is_err());
}

#[tokio::test]
async fn what_can_never_become_an_image_leaves_nothing() {
    let dock = Dock::with_limits(IntakeLimits { largest_bytes: 4 << 20, ..Dock::new().limits });
    let content = dock.content();
    let not_found = Mirror::start(content.clone(), None, &[Reply::Status("404 Not Found")]).await;
    let large = Mirror::start(vec![0; 5 << 20], None, &[]).await;
    let no_iso = Mirror::start(vec![0; 100_000], None, &[]).await;
    let whole = Mirror::start(content.clone(), None, &[]).await;
    for (mirror, checksum, reason) in [
        (&not_found, None, "404"),
        (&large, None, "an installer may have 4 MiB"),
        (&no_iso, None, "not an ISO 9660 file"),
        (&whole, Some("0".repeat(64)), "damaged, incomplete or another file"),
    ] {
        let begun = dock.intake.fetch(&mirror.url(), checksum.as_deref()).await.unwrap();
        let ended = dock.end(&begun).await;
        assert_eq!(ended.stage, AdditionStage::Failed);
        assert!(ended.problem.as_ref().unwrap().contains(reason), "{ended:?}");
    }
    for url in ["ftp://mirror/pve.iso", "pve.iso", "file:///etc/passwd"] {
        let error = dock.intake.fetch(url, None).await.unwrap_err();
        assert!(matches!(error, IntakeRefusal::Invalid { field: "url", .. }), "{error}");
    }
    let error = dock.intake.fetch("http://mirror/pve.iso", Some("abc")).await.unwrap_err();
    assert!(matches!(error, IntakeRefusal::Invalid { field: "sha256", .. }), "{error}");
    let error = dock.intake.begin_upload("pve.iso", Some(5 << 20), None).await.unwrap_err();
    assert!(matches!(error, IntakeRefusal::NoRoom(_)), "{error}");
    let begun = dock.intake.begin_upload("pve.iso", Some(10), None).await.unwrap();
    let error = dock.intake.upload(&begun.id, 0, chunks(&[b"eleven byte"])).await.unwrap_err();
    assert!(matches!(error, IntakeRefusal::TooLong(_)), "{error}");
    assert_eq!((dock.left(), dock.images().await), (vec![], 0));
}

#[tokio::test]
async fn an_addition_is_given_up_at_any_time_and_nothing_of_it_is_left() {
    let dock = Dock::new();
    let mirror = Mirror::start(dock.content(), None, &[Reply::Stall(1000)]).await;
    let fetched = dock.intake.fetch(&mirror.url(), None).await.unwrap();
    let sent = dock.intake.begin_upload("pve.iso", Some(1 << 20), None).await.unwrap();
    let intake = dock.intake.clone();
    let id = sent.id.clone();
    let sending = tokio::spawn(async move {
        let silent: UploadChunks = futures_util::stream::pending().boxed();
        intake.upload(&id, 0, silent).await
    });
    tokio::time::sleep(Duration::from_millis(100)).await;
    let error = dock.intake.upload(&sent.id, 0, chunks(&[b"x"])).await.unwrap_err();
    assert!(matches!(error, IntakeRefusal::NotNow(_)), "{error}");
    for addition in [&fetched, &sent] {
        dock.intake.cancel(&addition.id).await.unwrap();
        assert!(dock.intake.addition(&addition.id).is_none());
    }
    assert!(sending.await.unwrap().is_err());
    assert_eq!(dock.left(), [""; 0]);
    assert!(matches!(dock.intake.cancel(&sent.id).await, Err(IntakeRefusal::Unknown(_))));
}

#[tokio::test]
async fn additions_are_bounded_in_number_and_old_parts_of_files_are_removed_at_a_start() {
    let mut dock = Dock::new();
    dock.limits.additions = 2;
    dock.restart().await;
    for _ in 0..2 {
        dock.intake.begin_upload("pve.iso", Some(1000), None).await.unwrap();
    }
    let error = dock.intake.begin_upload("pve.iso", Some(1000), None).await.unwrap_err();
    assert!(matches!(error, IntakeRefusal::TooMany(2)), "{error}");
    assert_eq!((dock.left().len(), dock.restart().await), (2, 2));
    dock.limits.kept = jiff::SignedDuration::ZERO;
    assert_eq!((dock.restart().await, dock.left()), (0, vec![]));
}
