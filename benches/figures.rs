//! Prints how fast and how big Rackseed is: `make bench`. Every figure is measured from outside, on the binary that would be released.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a bench prints, and a panic is its report")]

mod sending;

use std::{
    fs,
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream, UdpSocket},
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

const BINARY: &str = env!("CARGO_BIN_EXE_rackseed");
/// How long the daemon may take to serve before the bench gives up.
const START_LIMIT: Duration = Duration::from_secs(10);
/// How often a short exchange is repeated; the median is printed.
const REPEATS: usize = 300;

/// The daemon; ended when it is dropped.
struct Daemon(Child);

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

struct Ports {
    operator: u16,
    boot: u16,
    machine: u16,
    dhcp: u16,
    proxy: u16,
    tftp: u16,
}

fn main() {
    // `cargo bench --bench figures -- sending` measures that alone.
    if std::env::args().any(|argument| argument == "sending") {
        return sending::compare();
    }
    let size = fs::metadata(BINARY).unwrap().len();
    println!("binary                       {:>8.1} MB   (limit 30)", size as f64 / 1e6);
    let folder = tempfile::tempdir().unwrap();
    let ports = write_settings(folder.path());
    let (_daemon, started) = start(folder.path(), &ports);
    println!("start to serving             {:>8.0} ms   (limit 300)", milliseconds(started));
    drop(_daemon);
    let (daemon, again) = start(folder.path(), &ports);
    println!("start again, same data       {:>8.0} ms   (limit 300)", milliseconds(again));
    thread::sleep(Duration::from_secs(3));
    println!("idle resident memory         {:>8.1} MB   (limit 40)", resident_megabytes(daemon.0.id()));
    let script = || get(ports.boot, "/ipxe/52:54:00:12:34:56?b=x");
    println!("iPXE script over HTTP        {:>8.2} ms   (limit 5, median of {REPEATS})", milliseconds(median(script)));
    let token = command_line_token(&folder.path().join("data"));
    println!(
        "host list over HTTP          {:>8.2} ms   (median of {REPEATS})",
        milliseconds(median(|| get_as(ports.operator, "/api/hosts", &token)))
    );
    drop(daemon);
    sending::compare();
    demo();
}

/// Times the whole story with three simulated hosts, and the DHCP answers in it.
fn demo() {
    let began = Instant::now();
    let output = Command::new(BINARY).args(["demo", "--once", "--json"]).stderr(Stdio::null()).output().unwrap();
    let took = began.elapsed();
    assert!(output.status.success(), "the demo failed: {}", String::from_utf8_lossy(&output.stdout));
    println!("demo --once, three hosts     {:>8.1} s    (limit 15)", took.as_secs_f64());
    let summary = String::from_utf8_lossy(&output.stdout);
    println!("{}", summary.trim());
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn write_settings(folder: &Path) -> Ports {
    let udp = || UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let ports = Ports {
        operator: free_port(),
        boot: free_port(),
        machine: free_port(),
        dhcp: udp(),
        proxy: udp(),
        tftp: udp(),
    };
    let Ports { operator, boot, machine, dhcp, proxy, tftp } = ports;
    let text = format!(
        "data_folder: data\nserver: {{listen: '127.0.0.1:{operator}', boot_listen: '127.0.0.1:{boot}', machine_listen: '127.0.0.1:{machine}'}}\n\
         pxe: {{interface: lo, dhcp_port: {dhcp}, proxy_port: {proxy}, tftp_port: {tftp}, reply_to_source: true}}\n"
    );
    fs::write(folder.join("rackseed.yaml"), text).unwrap();
    ports
}

/// Starts the daemon and waits until it answers.
fn start(folder: &Path, ports: &Ports) -> (Daemon, Duration) {
    let began = Instant::now();
    let mut command = Command::new(BINARY);
    command.arg("serve").arg("--config").arg(folder.join("rackseed.yaml")).stderr(Stdio::null()).stdout(Stdio::null());
    let daemon = Daemon(command.spawn().unwrap());
    while TcpStream::connect(SocketAddr::from(([127, 0, 0, 1], ports.operator))).is_err()
        || get(ports.operator, "/healthz").is_none()
    {
        assert!(began.elapsed() < START_LIMIT, "the daemon does not serve");
        thread::sleep(Duration::from_millis(2));
    }
    (daemon, began.elapsed())
}

/// Gets a path; `None` unless the answer is 200.
fn get(port: u16, path: &str) -> Option<String> {
    get_as(port, path, "none")
}

/// The token of the command line in a data folder.
fn command_line_token(data_folder: &Path) -> String {
    fs::read_to_string(data_folder.join("command-line-token")).unwrap().trim_end().to_owned()
}

/// The same with a token.
fn get_as(port: u16, path: &str, token: &str) -> Option<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n\r\n"
    )
    .ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    answer.starts_with("HTTP/1.1 200").then_some(answer)
}

fn median(exchange: impl Fn() -> Option<String>) -> Duration {
    let mut times: Vec<_> = (0..REPEATS)
        .map(|_| {
            let began = Instant::now();
            assert!(exchange().is_some(), "the daemon did not answer");
            began.elapsed()
        })
        .collect();
    times.sort();
    times[REPEATS / 2]
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

fn resident_megabytes(process: u32) -> f64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<f64>().unwrap() / 1024.0
}
