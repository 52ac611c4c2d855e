//! A boot listener with an image of random bytes, a machine that has fetched its script, and what is seen of it.

use std::{
    collections::{BTreeMap, VecDeque},
    fs,
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    sync::{Arc, Mutex},
    time::Duration,
};

use rackseed::{
    domain::{
        boot_trace::{Milestone, Transfer},
        identity::MacAddress,
        image::{Image, ImagePart},
        rebuild::TokenPurpose,
    },
    http::{BootState, HttpListener, Limits, RequestCounts, boot_router},
    images::ImageFolder,
    ports::{BootTrace, ImageLedger},
    provisioning::BootDesk,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinHandle,
    time::timeout,
};
use tokio_util::sync::CancellationToken;

use crate::support::{
    rebuild_world::{RebuildWorld, image},
    served::bytes_of,
};

/// Where the settings lie in the image.
pub(super) const ROOM: usize = (1 << 20) + 2048;
/// How large their room is.
pub(super) const ROOM_BYTES: usize = 4096;
/// How long anything may take before a test fails: less than a listener waits for an idle connection.
const PATIENCE: Duration = Duration::from_secs(10);
const LOOPBACK: Ipv4Addr = Ipv4Addr::LOCALHOST;

/// The transfers that were told of the machine: the file's first letter (the ISO's is `I`), and how it went.
#[derive(Default)]
pub(super) struct Seen(Mutex<VecDeque<(char, Transfer)>>);

impl BootTrace for Seen {
    fn saw(&self, mac: MacAddress, milestone: Milestone) {
        assert_eq!(mac.to_string(), "52:54:00:00:00:01");
        let mut seen = self.0.lock().unwrap();
        if let Milestone::KernelFetched { transfer } = milestone {
            seen.push_back(('k', transfer));
        } else if let Milestone::InitrdFetched { transfer } = milestone {
            seen.push_back(('i', transfer));
        } else if let Milestone::ImageFetched { transfer } = milestone {
            seen.push_back(('I', transfer));
        }
    }
}

impl Seen {
    /// Waits for the next transfer.
    pub(super) async fn transfer(&self) -> (char, Transfer) {
        for _ in 0..PATIENCE.as_millis() / 10 {
            let next = self.0.lock().unwrap().pop_front();
            if let Some(next) = next {
                return next;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("no transfer was told");
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.lock().unwrap().is_empty()
    }
}

/// The listener and all behind it.
pub(super) struct Depot {
    pub(super) world: RebuildWorld,
    pub(super) address: SocketAddr,
    pub(super) token: String,
    /// The private ISO as it must arrive.
    pub(super) truth: Vec<u8>,
    pub(super) seen: Arc<Seen>,
    pub(super) stop: CancellationToken,
    pub(super) served: JoinHandle<()>,
    place: PathBuf,
}

impl Depot {
    /// An image of this size, and a machine that may load it.
    pub(super) async fn open(size: usize, limits: Limits) -> Self {
        let world = RebuildWorld::new();
        let (library, place, disk) = library(&world, size).await;
        let (_, operation) = world.armed("pve-01", 1).await;
        let token = world.token(&operation, TokenPurpose::Boot).await;
        let seen = Arc::new(Seen::default());
        let desk = Arc::new(BootDesk { images: Arc::new(library), trace: seen.clone(), ..world.boot_desk() });
        let listener = HttpListener::bind((LOOPBACK, 0).into(), None).await.unwrap();
        let listener = listener.with_limits(limits).sending_files();
        let (address, stop) = (listener.address().unwrap(), CancellationToken::new());
        let offers = Arc::new(world.boot_offers());
        let requests = Arc::new(RequestCounts::default());
        let router = boot_router(BootState { desk: desk.clone(), offers, requests });
        let served = tokio::spawn(listener.run(router, stop.clone()));
        let script = format!("/ipxe/52:54:00:00:00:01?b={token}&platform=pcbios&version=2.0.0");
        let script = Client::connect(address).await.ask(&script, "Connection: close\r\n").await;
        assert!(String::from_utf8_lossy(&script.body).contains("proxmox-kernel"), "{script:?}");
        let file = desk.file(&token, ImagePart::InstallerIso, LOOPBACK, LOOPBACK).await.unwrap().file;
        let truth = bytes_of(&file, 0..file.length());
        // The truth itself: the disk's bytes, and between them this rebuild's settings.
        assert!(truth[..ROOM] == disk[..ROOM] && truth[ROOM + ROOM_BYTES..] == disk[ROOM + ROOM_BYTES..]);
        assert!(
            truth[ROOM..].starts_with(b"mode = \"http\"\n\n[http]\nurl = \"https://127.0.0.1:8443/api/boot/answer?t=")
        );
        Self { world, address, token, truth, seen, stop, served, place }
    }

    pub(super) fn path(&self, file: &str) -> String {
        format!("/boot/{}/{file}", self.token)
    }

    pub(super) fn url(&self, file: &str) -> String {
        format!("http://{}{}", self.address, self.path(file))
    }

    pub(super) async fn client(&self) -> Client {
        Client::connect(self.address).await
    }

    /// Damages the image.
    pub(super) fn cut_the_image(&self, length: usize) {
        fs::OpenOptions::new().write(true).open(&self.place).unwrap().set_len(length as u64).unwrap();
    }

    /// Makes the kernel forget what it has of the image.
    pub(super) fn forget_the_image(&self) {
        let file = fs::File::open(&self.place).unwrap();
        file.sync_all().unwrap();
        nix::fcntl::posix_fadvise(&file, 0, 0, nix::fcntl::PosixFadviseAdvice::POSIX_FADV_DONTNEED).unwrap();
    }
}

/// Lays an image into a library without an ISO: what is served is what lies there. Returns its ISO's place and content, too.
async fn library(world: &RebuildWorld, size: usize) -> (ImageFolder, PathBuf, Vec<u8>) {
    let image = Image {
        iso_size_bytes: size as u64,
        settings_offset_bytes: ROOM as u64,
        settings_size_bytes: ROOM_BYTES as u64,
        ..image()
    };
    let folder = world.folder.path().join("images");
    let place = folder.join(image.id.as_str());
    fs::create_dir_all(&place).unwrap();
    fs::write(place.join("linux26"), noise(70_000)).unwrap();
    fs::write(place.join("initrd.img"), noise(40_000)).unwrap();
    let (iso, disk) = (place.join("installer.iso"), noise(size));
    fs::write(&iso, &disk).unwrap();
    ImageLedger::insert(world.store.as_ref(), &image).await.unwrap();
    (ImageFolder::new(folder, world.store.clone()), iso, disk)
}

/// Bytes in which every place looks different; the same at every call.
pub(super) fn noise(size: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let words = std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    });
    words.flatten().take(size).collect()
}

/// A connection that knows no more of HTTP than a boot ROM does.
pub(super) struct Client {
    pub(super) stream: TcpStream,
    read: Vec<u8>,
}

/// An answer.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) headers: BTreeMap<String, String>,
    pub(super) body: Vec<u8>,
}

impl Reply {
    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }
}

impl Client {
    pub(super) async fn connect(address: SocketAddr) -> Self {
        Self { stream: TcpStream::connect(address).await.unwrap(), read: Vec::new() }
    }

    pub(super) async fn say(&mut self, text: &str) {
        timeout(PATIENCE, self.stream.write_all(text.as_bytes())).await.unwrap().unwrap();
    }

    /// Gets a path with more header lines.
    pub(super) async fn ask(&mut self, path: &str, lines: &str) -> Reply {
        self.say(&format!("GET {path} HTTP/1.1\r\nHost: x\r\n{lines}\r\n")).await;
        self.reply(true).await
    }

    /// Asks for the head of a path.
    pub(super) async fn ask_head(&mut self, path: &str, lines: &str) -> Reply {
        self.say(&format!("HEAD {path} HTTP/1.1\r\nHost: x\r\n{lines}\r\n")).await;
        self.reply(false).await
    }

    /// Reads the next answer, to the byte: what is left over is the beginning of the one after it.
    pub(super) async fn reply(&mut self, has_body: bool) -> Reply {
        let end = loop {
            if let Some(end) = self.read.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                break end + 4;
            }
            assert!(
                self.read_more().await.is_ok_and(|taken| taken > 0),
                "closed within a head: {:?}",
                String::from_utf8_lossy(&self.read)
            );
        };
        let head = String::from_utf8(self.read.drain(..end).collect()).unwrap();
        let mut lines = head.trim_end().split("\r\n");
        let status = lines.next().unwrap().strip_prefix("HTTP/1.1 ").unwrap()[..3].parse().unwrap();
        let headers: BTreeMap<_, _> = lines
            .map(|line| line.split_once(": ").unwrap())
            .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
            .collect();
        let length = headers.get("content-length").filter(|_| has_body && status != 304);
        let length: usize = length.map_or(0, |length| length.parse().unwrap());
        while self.read.len() < length {
            assert!(
                self.read_more().await.is_ok_and(|taken| taken > 0),
                "closed within a body of {length}, after {}",
                self.read.len()
            );
        }
        Reply { status, headers, body: self.read.drain(..length).collect() }
    }

    /// Whether the other side has said nothing more than what was read and has closed in order. After a reset, some clients throw away
    /// what they have not read yet.
    pub(super) async fn is_closed(&mut self) -> bool {
        self.read.is_empty() && self.read_more().await.is_ok_and(|taken| taken == 0)
    }

    async fn read_more(&mut self) -> std::io::Result<usize> {
        timeout(PATIENCE, self.stream.read_buf(&mut self.read)).await.expect("something in time")
    }
}
