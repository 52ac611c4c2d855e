//! Compares how the private ISO goes out with nginx's `sendfile`: the same file, machine, client and minutes, as ratios.

use std::{
    fs::{self, File},
    io::{BufRead, BufReader, Read, Write},
    net::{Ipv4Addr, TcpStream},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use jiff::Timestamp;
use rackseed::{
    daemon::SystemClock,
    domain::{
        identity::OperationId,
        image::{Image, InstallerRelease},
        rebuild::TokenPurpose,
    },
    ports::{Doorbell, ImageLedger, RebuildLedger},
    provisioning::HostKeeper,
    store::{KeyFile, Store},
};
use serde_json::{Value, json};

use super::{Ports, free_port, start, write_settings};

const MAC: &str = "52:54:00:12:34:56";
/// How large the image is; the whole of it stays in the page cache.
const IMAGE_BYTES: u64 = 1 << 30;
/// How often each server has its turn. They take turns, so that what else the machine does disturbs both.
const ROUNDS: usize = 7;
const STREAMS: u64 = 50;

/// A server that was asked for the image.
struct Server {
    port: u16,
    path: String,
    /// The processes whose CPU time is the server's.
    processes: Vec<u32>,
}

/// What one turn of a server gave.
#[derive(Clone, Copy)]
struct Turn {
    mebibytes_per_second: f64,
    cpu_seconds_per_gibibyte: f64,
}

/// Prints the figures, or what is missing for them.
pub(super) fn compare() {
    let folder = tempfile::tempdir().unwrap();
    let ports = write_settings(folder.path());
    let settings = folder.path().join("rackseed.yaml");
    let text = fs::read_to_string(&settings).unwrap() + "credentials: {root_password_hash: '$6$sample$sample'}\n";
    fs::write(settings, text).unwrap();
    let (daemon, _) = start(folder.path(), &ports);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let image = runtime.block_on(lay_image(&folder.path().join("data")));
    let token = runtime.block_on(arm(&folder.path().join("data"), &ports));
    let ours =
        Server { port: ports.boot, path: format!("/boot/{token}/installer.iso"), processes: vec![daemon.0.id()] };
    let Some((nginx, theirs)) = start_nginx(folder.path(), &image) else {
        println!("sending files: nginx is missing (Debian: nginx-light), so there is nothing to compare with");
        return;
    };
    for server in [&ours, &theirs] {
        stream(server, 0, IMAGE_BYTES);
    }
    row("ISO, 1 stream", &ours, &theirs, |server| {
        turn(server, 4 * IMAGE_BYTES, || (0..4).for_each(|_| stream(server, 0, IMAGE_BYTES)))
    });
    let piece = IMAGE_BYTES / 16;
    row("ISO, 50 streams", &ours, &theirs, |server| {
        turn(server, STREAMS * piece, || {
            thread::scope(|scope| {
                for number in 0..STREAMS {
                    scope.spawn(move || stream(server, number % 15 * piece, piece));
                }
            });
        })
    });
    row("ISO, 1 stream, cold", &ours, &theirs, |server| {
        forget(&image);
        turn(server, IMAGE_BYTES, || stream(server, 0, IMAGE_BYTES))
    });
    println!(
        "slowest answer while the ISO is read from disk {:>6.1} ms",
        slowest_answer(&ours, &image).as_secs_f64() * 1e3
    );
    println!("most memory while sending    {:>8.1} MB   (limit 60)", most_megabytes(daemon.0.id()));
    drop((nginx, daemon));
}

fn row(name: &str, ours: &Server, theirs: &Server, measure: impl Fn(&Server) -> Turn) {
    let turns: Vec<_> = (0..ROUNDS).map(|_| (measure(ours), measure(theirs))).collect();
    let of = |figure: &dyn Fn(&(Turn, Turn)) -> f64| median(turns.iter().map(figure).collect());
    let speed = |turn: Turn| turn.mebibytes_per_second;
    let cpu = |turn: Turn| turn.cpu_seconds_per_gibibyte;
    println!(
        "{name:<20} {:>5.0} MiB/s, nginx {:>5.0}, ratio {:.2} (limit 0.8) | CPU s/GiB {:.3}, nginx {:.3}, ratio {:.2} (limit 1.5)",
        of(&|pair| speed(pair.0)),
        of(&|pair| speed(pair.1)),
        of(&|pair| speed(pair.0) / speed(pair.1)),
        of(&|pair| cpu(pair.0)),
        of(&|pair| cpu(pair.1)),
        of(&|pair| cpu(pair.0) / cpu(pair.1)),
    );
}

fn turn(server: &Server, bytes: u64, send: impl FnOnce()) -> Turn {
    let (cpu, began) = (cpu_seconds(server), Instant::now());
    send();
    let (took, cpu) = (began.elapsed().as_secs_f64(), cpu_seconds(server) - cpu);
    Turn {
        mebibytes_per_second: bytes as f64 / took / f64::from(1 << 20),
        cpu_seconds_per_gibibyte: cpu / (bytes as f64 / f64::from(1 << 30)),
    }
}

/// Loads a part of the image and throws it away.
fn stream(server: &Server, begin: u64, size: u64) {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, server.port)).unwrap();
    let last = begin + size - 1;
    write!(
        stream,
        "GET {} HTTP/1.1\r\nHost: x\r\nRange: bytes={begin}-{last}\r\nConnection: close\r\n\r\n",
        server.path
    )
    .unwrap();
    let mut reader = BufReader::with_capacity(8 << 10, stream);
    let mut status = String::new();
    reader.read_line(&mut status).unwrap();
    assert!(status.starts_with("HTTP/1.1 206"), "{status}");
    let mut line = String::new();
    while reader.read_line(&mut line).unwrap() > 2 {
        line.clear();
    }
    let (mut read, mut buffer) = (reader.buffer().len() as u64, vec![0; 256 << 10]);
    let mut stream = reader.into_inner();
    while let taken @ 1.. = stream.read(&mut buffer).unwrap() {
        read += taken as u64;
    }
    assert_eq!(read, size, "the whole of what was asked for");
}

/// What the processes of a server have used. The kernel counts in hundredths of a second.
fn cpu_seconds(server: &Server) -> f64 {
    let of = |process: &u32| {
        let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
        let fields: Vec<_> = stat[stat.rfind(')').unwrap()..].split(' ').collect();
        fields[12].parse::<f64>().unwrap() + fields[13].parse::<f64>().unwrap()
    };
    server.processes.iter().map(of).sum::<f64>() / 100.0
}

/// Asks for something small again and again while the image comes from the disk.
fn slowest_answer(server: &Server, image: &Path) -> Duration {
    let small =
        Server { port: server.port, path: server.path.replace("installer.iso", "linux26"), processes: Vec::new() };
    forget(image);
    thread::scope(|scope| {
        let loading = scope.spawn(|| stream(server, 0, IMAGE_BYTES));
        let mut slowest = Duration::ZERO;
        while !loading.is_finished() {
            let began = Instant::now();
            stream(&small, 0, 4096);
            slowest = slowest.max(began.elapsed());
        }
        slowest
    })
}

/// Makes the kernel forget what it has of the image.
fn forget(image: &Path) {
    let file = File::open(image).unwrap();
    file.sync_all().unwrap();
    rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed).unwrap();
}

/// Lays an image into the library. What is measured does not depend on what is in it.
async fn lay_image(data: &Path) -> PathBuf {
    let id = "pve-9.2-1-bench";
    let folder = data.join("images").join(id);
    fs::create_dir_all(&folder).unwrap();
    for name in ["linux26", "initrd.img"] {
        fs::write(folder.join(name), vec![7; 4096]).unwrap();
    }
    let (iso, piece) = (folder.join("installer.iso"), vec![7; 1 << 20]);
    let mut file = File::create(&iso).unwrap();
    (0..IMAGE_BYTES >> 20).for_each(|_| file.write_all(&piece).unwrap());
    let image = Image {
        id: id.parse().unwrap(),
        product: "pve".into(),
        product_name: "Proxmox VE".into(),
        release: InstallerRelease { major: 9, minor: 2 },
        iso_release: "1".into(),
        source_name: "bench.iso".into(),
        source_sha256: "0".repeat(64),
        iso_size_bytes: IMAGE_BYTES,
        settings_offset_bytes: 1 << 20,
        settings_size_bytes: 4096,
        added_at: Timestamp::UNIX_EPOCH,
        is_default: false,
        files: None,
    };
    ImageLedger::insert(&Store::open_shared(data).unwrap(), &image).await.unwrap();
    iso
}

/// Registers a host, arms its rebuild and fetches its script. Returns its boot token.
async fn arm(data: &Path, ports: &Ports) -> String {
    let client = rackseed::daemon::http_client(Duration::from_secs(20)).unwrap();
    let operator_token = super::command_line_token(data);
    let post = async |path: String, body: Value| -> String {
        let request = client.post(format!("http://127.0.0.1:{}{path}", ports.operator)).bearer_auth(&operator_token);
        let answer = request.json(&body).send().await.unwrap();
        let answer: Value = answer.error_for_status().unwrap().json().await.unwrap();
        answer["id"].as_str().unwrap().to_owned()
    };
    let host = json!({ "hostname": "bench", "mac": MAC, "server_type": "generic-sata" });
    let host = post("/api/hosts".into(), host).await;
    let operation: OperationId =
        post(format!("/api/hosts/{host}/rebuild"), json!({ "confirm": "bench" })).await.parse().unwrap();
    let store = Arc::new(Store::open_shared(data).unwrap());
    let secrets = Arc::new(KeyFile::open(data).unwrap());
    let rebuild = store.rebuild(&operation).await.unwrap().unwrap();
    let keeper = HostKeeper::new(store.clone(), store, secrets, Arc::new(SystemClock), Arc::new(Doorbell::default()));
    let token = keeper.tokens(&rebuild).unwrap().unwrap().token(TokenPurpose::Boot);
    let script = super::get(ports.boot, &format!("/ipxe/{MAC}?b={token}&platform=pcbios&version=2.0.0")).unwrap();
    assert!(script.contains("proxmox-kernel"), "{script}");
    token
}

/// nginx; ended with its workers when it is dropped.
struct Nginx(Child, PathBuf);

impl Drop for Nginx {
    fn drop(&mut self) {
        let _ = nginx_with(&self.1).args(["-s", "stop"]).status();
        let _ = self.0.wait();
    }
}

fn nginx_with(folder: &Path) -> Command {
    let mut command = Command::new("nginx");
    command.arg("-p").arg(folder).arg("-c").arg(folder.join("nginx.conf")).stderr(Stdio::null());
    command
}

/// Starts nginx on the folder of the image; `None` when it is not installed.
fn start_nginx(folder: &Path, image: &Path) -> Option<(Nginx, Server)> {
    let port = free_port();
    let root = image.parent().unwrap();
    // Started by root, its workers are somebody else, and the folder is ours alone.
    let user = if fs::metadata("/proc/self").unwrap().uid() == 0 { "user root;" } else { "" };
    let text = format!(
        "daemon off; {user} worker_processes auto; pid {0}/nginx.pid; error_log stderr;\nevents {{}}\n\
         http {{ access_log off; sendfile on; server {{ listen 127.0.0.1:{port}; root {1}; }} }}\n",
        folder.display(),
        root.display()
    );
    fs::write(folder.join("nginx.conf"), text).unwrap();
    let nginx = Nginx(nginx_with(folder).spawn().ok()?, folder.to_owned());
    for _ in 0..500 {
        if TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok() {
            break;
        }
        thread::sleep(Duration::from_millis(10));
    }
    let master = nginx.0.id();
    let workers = fs::read_to_string(format!("/proc/{master}/task/{master}/children")).unwrap();
    let processes = workers.split_whitespace().map(|worker| worker.parse().unwrap()).chain([master]).collect();
    Some((nginx, Server { port, path: "/installer.iso".into(), processes }))
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}

fn most_megabytes(process: u32) -> f64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<f64>().unwrap() / 1024.0
}
