//! What firmware gets by TFTP, asked over real sockets.

mod client;
mod hostile;
mod interrupted;
mod lossy;
mod real_clients;
mod told;

use std::{
    collections::BTreeMap,
    fs,
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicU16, Ordering},
    },
    time::{Duration, Instant},
};

use rackseed::tftp::{BootFiles, TftpFiles, TftpServer};
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::dhcp::packet::recorded;
use client::{Answer, Client, read_request, request};

/// A whole number of 512-byte blocks: the last block is an empty one.
const BIOS_LOADER_BYTES: usize = 512 * 200;
/// About the size of a real one.
const UEFI_LOADER_BYTES: usize = 300_001;
/// Where an iPXE says who it is.
const SBAT: &str = "sbat,1,SBAT Version,sbat,1,x\nipxe,1,iPXE,snponly.efi,VERSION,https://ipxe.org\n\0";

fn uefi_loader(version: &str) -> Vec<u8> {
    let mut bytes = SBAT.replace("VERSION", version).into_bytes();
    bytes.extend((bytes.len()..UEFI_LOADER_BYTES).map(|place| (place % 251) as u8));
    bytes
}

fn bios_loader() -> Vec<u8> {
    (0..BIOS_LOADER_BYTES).map(|place| (place % 241) as u8).collect()
}

fn ipxe_folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("snponly.efi"), uefi_loader("1.21.1+git20250501.dad20602+dfsg-1")).unwrap();
    fs::write(folder.path().join("undionly.kpxe"), bios_loader()).unwrap();
    folder
}

fn boot_files() -> BootFiles {
    let files = BootFiles::load(ipxe_folder().path());
    assert_eq!(files.problems, Vec::<String>::new());
    files
}

/// A server that runs.
struct Running {
    address: SocketAddr,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Running {
    fn start() -> Self {
        Self::start_with(Arc::new(boot_files()))
    }

    fn start_with(files: Arc<impl TftpFiles + 'static>) -> Self {
        let server = TftpServer::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), files).unwrap();
        let (address, stop) = (server.address().unwrap(), CancellationToken::new());
        Self { address, stop: stop.clone(), task: tokio::spawn(server.run(stop)) }
    }

    /// A port of a machine; every machine has an address of its own.
    async fn machine(&self) -> Client {
        static MACHINES: AtomicU16 = AtomicU16::new(0);
        let [high, low] = MACHINES.fetch_add(1, Ordering::Relaxed).to_be_bytes();
        Client::new(Ipv4Addr::new(127, 7, high, low), self.address).await
    }

    async fn end(self) {
        self.stop.cancel();
        tokio::time::timeout(Duration::from_secs(5), self.task).await.unwrap().unwrap();
    }
}

fn options(pairs: &[(&str, usize)]) -> BTreeMap<String, u64> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), u64::try_from(*value).unwrap())).collect()
}

#[tokio::test]
async fn a_plain_client_gets_a_file_whose_last_block_is_empty() {
    let server = Running::start();
    let fetched = server.machine().await.fetch(&read_request("undionly.kpxe", &[])).await.unwrap();
    assert_eq!((fetched.bytes == bios_loader(), fetched.options), (true, BTreeMap::new()));
    server.end().await;
}

#[tokio::test]
async fn uefi_firmware_asks_for_the_size_breaks_off_and_fetches_from_its_next_port() {
    let server = Running::start();
    let (probe, download) = (server.machine().await, server.machine().await);
    let rename = |packet: Vec<u8>| replace(&packet, &recorded_name(&packet), "snponly.efi");
    probe.ask(&rename(recorded("tftp-rrq-ovmf-tsize-probe"))).await;
    let (answer, transfer) = probe.hear().await.unwrap();
    let expected = [("blksize", 1468), ("tsize", UEFI_LOADER_BYTES), ("windowsize", 4)];
    assert_eq!(answer, Answer::Options(options(&expected)));
    probe.send(&recorded("tftp-error8-ovmf"), transfer).await;
    let fetched = download.fetch(&rename(recorded("tftp-rrq-ovmf"))).await.unwrap();
    assert!(fetched.bytes == uefi_loader("1.21.1+git20250501.dad20602+dfsg-1"));
    assert_eq!(fetched.options, options(&[("blksize", 1468), ("windowsize", 4)]));
    server.end().await;
}

#[tokio::test]
async fn an_ipxe_that_looks_for_a_script_beside_itself_is_told_at_once_that_there_is_none() {
    let server = Running::start();
    let start = Instant::now();
    let (code, _) = server.machine().await.fetch(&recorded("tftp-rrq-ipxe-autoexec")).await.unwrap_err();
    assert_eq!(code, 1);
    assert!(start.elapsed() < Duration::from_secs(1));
    server.end().await;
}

#[tokio::test]
async fn the_rom_of_a_virtual_machine_gets_what_it_asks_for() {
    let server = Running::start();
    let packet = recorded("tftp-rrq-ipxe-rom");
    let packet = replace(&packet, &recorded_name(&packet), "undionly.kpxe");
    let fetched = server.machine().await.fetch(&packet).await.unwrap();
    assert!(fetched.bytes == bios_loader());
    assert_eq!(fetched.options, options(&[("blksize", 1432), ("tsize", BIOS_LOADER_BYTES)]));
    server.end().await;
}

#[tokio::test]
async fn no_client_gets_larger_blocks_windows_or_waits_than_we_have() {
    let server = Running::start();
    let greedy = [("blksize", 65_464), ("windowsize", 65_535), ("timeout", 255), ("multicast", 0)];
    let fetched = server.machine().await.fetch(&read_request("snponly.efi", &greedy)).await.unwrap();
    assert_eq!(fetched.options, options(&[("blksize", 1468), ("windowsize", 16)]));
    assert_eq!(fetched.bytes.len(), UEFI_LOADER_BYTES);
    server.end().await;
}

#[tokio::test]
async fn lost_packets_are_sent_again() {
    let server = Running::start();
    for (lost, wanted) in
        [(vec![0], vec![]), (vec![0, 3], vec![("blksize", 1468)]), (vec![20], vec![("windowsize", 4)])]
    {
        let mut machine = server.machine().await;
        machine.lost = lost;
        let fetched = machine.fetch(&read_request("undionly.kpxe", &wanted)).await.unwrap();
        assert!(fetched.bytes == bios_loader(), "{wanted:?}");
    }
    server.end().await;
}

#[tokio::test]
async fn a_name_is_found_in_every_spelling_that_firmware_makes_of_it() {
    let server = Running::start();
    for name in [
        &b"/undionly.kpxe"[..],
        b"//undionly.kpxe",
        b"\\undionly.kpxe",
        b"UNDIONLY.KPXE",
        b"Undionly.kpxe\xff",
        b"undionly.kpxe\0",
        b"b/525400770001/undionly.kpxe",
        b"\\B\\525400770001\\UNDIONLY.KPXE\0\0",
    ] {
        let packet = [&b"\0\x01"[..], name, b"\0octet\0blksize\x001468\0"].concat();
        let fetched = server.machine().await.fetch(&packet).await;
        assert_eq!(fetched.unwrap().bytes.len(), BIOS_LOADER_BYTES, "{}", name.escape_ascii());
    }
    server.end().await;
}

#[tokio::test]
async fn every_other_name_is_not_found() {
    let server = Running::start();
    let long = "a".repeat(400);
    for name in ["wrong.efi", "../undionly.kpxe", "/etc/passwd", "ipxe/undionly.kpxe", "undionly", "", "%s%n", &long] {
        let (code, _) = server.machine().await.fetch(&read_request(name, &[])).await.unwrap_err();
        assert_eq!(code, 1, "{name}");
    }
    server.end().await;
}

#[tokio::test]
async fn writing_is_refused() {
    let server = Running::start();
    for name in ["undionly.kpxe", "new.efi"] {
        let (code, _) = server.machine().await.fetch(&request(2, name, &[])).await.unwrap_err();
        assert_eq!(code, 4, "{name}");
    }
    server.end().await;
}

#[tokio::test]
async fn a_hundred_machines_one_after_the_other_leave_no_transfer_behind() {
    let server = Running::start();
    for _ in 0..100 {
        let fetched = server.machine().await.fetch(&read_request("undionly.kpxe", &[("blksize", 1468)])).await;
        assert_eq!(fetched.unwrap().bytes.len(), BIOS_LOADER_BYTES);
    }
    server.end().await;
}

#[tokio::test]
async fn a_port_that_another_server_has_is_an_error_that_says_what_to_do() {
    let other = std::net::UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let taken = other.local_addr().unwrap();
    let error = TftpServer::bind(taken, Arc::<BootFiles>::default()).err().unwrap().to_string();
    assert!(error.contains(&taken.port().to_string()) && error.contains("ss -ulpn"), "{error}");
}

#[test]
fn boot_files_that_are_missing_or_lose_the_installer_are_named_with_what_to_do() {
    let folder = ipxe_folder();
    fs::remove_file(folder.path().join("undionly.kpxe")).unwrap();
    for old in ["1.0.0+git-20190125.36a4c85-5.1", "1.21.1+git20220113.fbbdc3926"] {
        fs::write(folder.path().join("snponly.efi"), uefi_loader(old)).unwrap();
        let files = BootFiles::load(folder.path());
        assert!(files.files.is_empty());
        let [bios, uefi] = files.problems.as_slice() else { panic!("{:?}", files.problems) };
        assert!(bios.contains("undionly.kpxe") && bios.contains("install Debian's package `ipxe`"), "{bios}");
        assert!(uefi.contains(&format!("snponly.efi is iPXE {old}, which loses the installer ISO")), "{uefi}");
    }
}

#[test]
fn a_file_that_is_far_too_large_is_not_read() {
    let folder = ipxe_folder();
    fs::File::create(folder.path().join("snponly.efi")).unwrap().set_len(64 << 30).unwrap();
    let files = BootFiles::load(folder.path());
    assert_eq!(files.files.keys().collect::<Vec<_>>(), ["undionly.kpxe"]);
    assert!(files.problems[0].contains("that is no iPXE"), "{:?}", files.problems);
}

/// The file name in a recorded request.
fn recorded_name(packet: &[u8]) -> String {
    let end = packet[2..].iter().position(|byte| *byte == 0).unwrap();
    String::from_utf8(packet[2..2 + end].to_vec()).unwrap()
}

/// A recorded request for another file.
fn replace(packet: &[u8], name: &str, other: &str) -> Vec<u8> {
    [&packet[..2], other.as_bytes(), &packet[2 + name.len()..]].concat()
}
