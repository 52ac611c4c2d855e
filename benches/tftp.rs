//! Prints how fast boot files go out by TFTP, beside tftpd-hpa, dnsmasq and atftpd on the same machine in the same run: `make bench`.
//!
//! One client fetches the same file from each in turn, over loopback, with the options that firmware asks for. A server that does not grant a
//! window is left out of that line. What is not installed is named.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a bench prints, and a panic is its report")]

use std::{
    fs,
    net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpListener, UdpSocket},
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

const BINARY: &str = env!("CARGO_BIN_EXE_rackseed");
/// The file that is fetched: the largest that we serve.
const FILE: &str = "snponly.efi";
const FILE_BYTES: usize = 8 << 20;
/// What firmware asks for: an Ethernet frame.
const BLOCK_BYTES: usize = 1468;
/// Plain firmware, OVMF, and the most that we grant.
const WINDOWS: [usize; 3] = [1, 4, 16];
/// How often each server is asked, in turn with the others; the median is printed.
const ROUNDS: usize = 7;
/// How long a server may take to start.
const START_LIMIT: Duration = Duration::from_secs(10);
/// A packet that takes longer is lost, which on loopback happens only where a socket's buffer overflows.
const PATIENCE: Duration = Duration::from_millis(500);

struct Server {
    name: &'static str,
    address: SocketAddrV4,
    process: Child,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn main() {
    let folder = tempfile::tempdir().unwrap();
    let file = boot_file();
    fs::write(folder.path().join(FILE), &file).unwrap();
    fs::write(folder.path().join("undionly.kpxe"), "bios").unwrap();
    Command::new("chmod").args(["-R", "a+rX"]).arg(folder.path()).status().unwrap();
    let started = [rackseed(folder.path()), tftpd_hpa(folder.path()), dnsmasq(folder.path()), atftpd(folder.path())];
    let servers: Vec<_> =
        started.into_iter().filter_map(|server| server.inspect_err(|why| println!("{why}")).ok()).collect();
    for server in &servers {
        wait_until_it_answers(server);
    }
    for window in WINDOWS {
        compare(&servers, window, &file);
    }
}

/// A file with the words by which an iPXE says that it is new enough.
fn boot_file() -> Vec<u8> {
    let mut bytes = b"sbat,1,SBAT Version,sbat,1,x\nipxe,1,iPXE,snponly.efi,2.0.0,https://ipxe.org\n\0".to_vec();
    bytes.extend((bytes.len()..FILE_BYTES).map(|place| (place % 251) as u8));
    bytes
}

fn compare(servers: &[Server], window: usize, file: &[u8]) {
    let mut times: Vec<(&str, Vec<Duration>)> = Vec::new();
    for round in 0..ROUNDS {
        for server in servers {
            let began = Instant::now();
            let Some(bytes) = fetch(server.address, window) else { continue };
            let took = began.elapsed();
            assert!(bytes == file, "{} sent another file", server.name);
            if round == 0 {
                times.push((server.name, Vec::new()));
            }
            times.iter_mut().find(|(name, _)| *name == server.name).unwrap().1.push(took);
        }
    }
    let rates: Vec<_> = times.into_iter().map(|(name, times)| (name, rate(times))).collect();
    let ours = rates[0].1;
    let of = |(name, rate): &(&str, f64)| format!("{name} {rate:.0}");
    let others: Vec<_> =
        rates.iter().skip(1).map(|other| format!("{}, ratio {:.2}", of(other), ours / other.1)).collect();
    let others = if others.is_empty() { "nothing to compare with".to_owned() } else { others.join("; ") };
    println!("TFTP, window {window:<2}              {ours:>8.0} MiB/s (ratio at least 1; {others})");
}

fn rate(mut times: Vec<Duration>) -> f64 {
    times.sort();
    FILE_BYTES as f64 / f64::from(1 << 20) / times[times.len() / 2].as_secs_f64()
}

fn rackseed(folder: &Path) -> Result<Server, String> {
    let (operator, boot, machine) = (free_port(), free_port(), free_port());
    let (dhcp, proxy, tftp) = (free_udp_port(), free_udp_port(), free_udp_port());
    let settings = folder.join("rackseed.yaml");
    let text = format!(
        "data_folder: data\nserver: {{listen: '127.0.0.1:{operator}', boot_listen: '127.0.0.1:{boot}', machine_listen: '127.0.0.1:{machine}'}}\n\
         pxe: {{interface: lo, dhcp_port: {dhcp}, proxy_port: {proxy}, tftp_port: {tftp}, reply_to_source: true, ipxe_folder: {}}}\n",
        folder.display()
    );
    fs::write(&settings, text).unwrap();
    let mut command = Command::new(BINARY);
    command.arg("serve").arg("--config").arg(settings);
    start("rackseed", command, SocketAddrV4::new(Ipv4Addr::LOCALHOST, tftp))
}

fn tftpd_hpa(folder: &Path) -> Result<Server, String> {
    let address = SocketAddrV4::new(Ipv4Addr::LOCALHOST, free_udp_port());
    let mut command = Command::new("/usr/sbin/in.tftpd");
    command.args(["--foreground", "--address", &address.to_string(), "--secure"]).arg(folder);
    start("tftpd-hpa", command, address)
}

/// It knows no other port than 69, so it gets an address of its own.
fn dnsmasq(folder: &Path) -> Result<Server, String> {
    let address = SocketAddrV4::new(Ipv4Addr::new(127, 0, 0, 69), 69);
    let mut command = Command::new("dnsmasq");
    command.args([
        "--keep-in-foreground",
        "--conf-file=/dev/null",
        "--port=0",
        "--bind-interfaces",
        "--enable-tftp",
        "--user=root",
    ]);
    command.arg(format!("--listen-address={}", address.ip())).arg(format!("--tftp-root={}", folder.display()));
    start("dnsmasq", command, address)
}

fn atftpd(folder: &Path) -> Result<Server, String> {
    let address = SocketAddrV4::new(Ipv4Addr::LOCALHOST, free_udp_port());
    let mut command = Command::new("atftpd");
    command.args([
        "--daemon",
        "--no-fork",
        "--no-multicast",
        "--verbose=1",
        "--logfile",
        "/dev/null",
        "--bind-address",
        "127.0.0.1",
    ]);
    command.args(["--port", &address.port().to_string()]).arg(folder);
    start("atftpd", command, address)
}

fn start(name: &'static str, mut command: Command, address: SocketAddrV4) -> Result<Server, String> {
    let process = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    let process =
        process.map_err(|error| format!("TFTP: {name} is not compared: {error} (Debian's package {name})"))?;
    Ok(Server { name, address, process })
}

fn wait_until_it_answers(server: &Server) {
    let began = Instant::now();
    while fetch(server.address, 1).is_none() {
        assert!(began.elapsed() < START_LIMIT, "{} does not answer; ports below 1024 need root", server.name);
        thread::sleep(Duration::from_millis(20));
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn free_udp_port() -> u16 {
    UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Fetches the file; `None` when the server is silent, refuses, or does not grant the window.
fn fetch(server: SocketAddrV4, window: usize) -> Option<Vec<u8>> {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut request = format!("\0\x01{FILE}\0octet\0blksize\0{BLOCK_BYTES}\0").into_bytes();
    if window > 1 {
        request.extend(format!("windowsize\0{window}\0").into_bytes());
    }
    socket.send_to(&request, server).ok()?;
    let mut packet = [0; 2048];
    let (length, transfer) = socket.recv_from(&mut packet).ok()?;
    let is_granted = window == 1 || packet[..length].windows(10).any(|text| text.eq_ignore_ascii_case(b"windowsize"));
    if packet[1] != 6 || !is_granted {
        let _ = socket.send_to(b"\0\x05\0\x08no\0", transfer);
        return None;
    }
    let SocketAddr::V4(transfer) = transfer else { return None };
    socket.connect(transfer).unwrap();
    receive(&socket, window)
}

fn receive(socket: &UdpSocket, window: usize) -> Option<Vec<u8>> {
    let (mut file, mut packet) = (Vec::with_capacity(FILE_BYTES), [0; 2048]);
    let (mut last, mut in_window) = (0_u16, 0);
    let acknowledge = |block: u16| socket.send(&[0, 4, (block >> 8) as u8, block as u8]);
    acknowledge(0).ok()?;
    loop {
        let Ok(length) = socket.recv(&mut packet) else {
            acknowledge(last).ok()?;
            in_window = 0;
            continue;
        };
        if packet[1] != 3 || u16::from_be_bytes([packet[2], packet[3]]) != last.wrapping_add(1) {
            continue;
        }
        last = last.wrapping_add(1);
        in_window += 1;
        file.extend_from_slice(&packet[4..length]);
        let is_end = length - 4 < BLOCK_BYTES;
        if is_end || in_window == window {
            acknowledge(last).ok()?;
            in_window = 0;
        }
        if is_end {
            return Some(file);
        }
    }
}
