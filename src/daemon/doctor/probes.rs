//! The checks.

use std::{
    net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket},
    process::Stdio,
    time::Duration,
};

use reqwest::Method;
use tokio::process::Command;

use super::{Notes, lan};
use crate::{
    daemon::{appliance::disk, http_client_from},
    dhcp::{interfaces, place, port_holder},
    domain::{about::DiskSpace, checkup::Finding, identity::MacAddress, network::WantedInterface},
    ports::Clock,
    settings::Settings,
    tftp::BootFiles,
};

/// A clock before this year was never set: certificates and tokens would not be believed.
const EARLIEST_YEAR: i16 = 2026;
/// How long a reachability check may take.
const REACH_LIMIT: Duration = Duration::from_secs(3);
/// How long a program may take to tell its version.
const PROGRAM_LIMIT: Duration = Duration::from_secs(5);

/// Makes every check.
pub async fn examine(settings: &Settings, imitated: Option<MacAddress>, notes: &dyn Notes) {
    notes.looking_at("clock and programs");
    notes.found(clock());
    notes.found(xorriso().await);
    notes.found(credentials(settings));
    disk_space(settings).into_iter().for_each(|finding| notes.found(finding));
    notes.looking_at("iPXE's boot files");
    boot_files(settings).into_iter().for_each(|finding| notes.found(finding));
    for wanted in settings.pxe.wanted_interfaces().iter().filter(|_| settings.pxe.enabled) {
        notes.looking_at(&format!("the network of {}, by asking it as booting machines do", wanted.name));
        match interface(wanted) {
            Ok(our) => {
                notes.found(Finding::good("network interface", format!("{} has {our}", wanted.name)));
                lan::ask(&wanted.name, our, imitated).await.into_iter().for_each(|finding| notes.found(finding));
            }
            Err(sign) => notes.found(Finding::bad("network interface", sign).confirmed_by("ip -brief address")),
        }
    }
    if !settings.pxe.enabled {
        notes.found(Finding::good("network interface", "network boot is off (pxe.enabled)"));
    }
    notes.looking_at("the listeners");
    let place = format!("http://{}", settings.server.listen);
    if reach(&format!("{place}/healthz"), None).await.is_ok() {
        notes.found(Finding::good("daemon", format!("answers at {place}")));
        notes.found(public_url(settings).await);
    } else {
        let sign = "does not run; its ports are checked instead";
        notes.found(Finding::warning("daemon", sign).confirmed_by("systemctl status rackseed"));
        ports(settings).into_iter().for_each(|finding| notes.found(finding));
    }
}

fn clock() -> Finding {
    let now = crate::daemon::SystemClock.now();
    let year = now.to_zoned(jiff::tz::TimeZone::UTC).year();
    if year < EARLIEST_YEAR {
        return Finding::bad("clock", format!("shows {now}"))
            .confirmed_by("timedatectl")
            .mended_by("set it (`timedatectl set-ntp true`)");
    }
    Finding::good("clock", format!("shows {}", now.strftime("%Y-%m-%d %H:%M UTC")))
}

async fn xorriso() -> Finding {
    let mut program = Command::new("xorriso");
    program.arg("-version").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
    match tokio::time::timeout(PROGRAM_LIMIT, program.status()).await {
        Ok(Ok(status)) if status.success() => Finding::good("xorriso", "is installed"),
        Ok(Ok(_) | Err(_)) | Err(_) => Finding::bad("xorriso", "is missing, so no image can be added")
            .confirmed_by("xorriso -version")
            .mended_by("`apt-get install xorriso`"),
    }
}

fn credentials(settings: &Settings) -> Finding {
    if settings.credentials.root_password_hash.is_empty() {
        return Finding::bad("root password", "credentials.root_password_hash is not set, so no host can be rebuilt")
            .confirmed_by("rackseed config check")
            .mended_by("make one with `mkpasswd -m sha-512`");
    }
    Finding::good("root password", "a hash is set")
}

/// The disk of the data folder; nothing is said of a folder that is not there yet.
fn disk_space(settings: &Settings) -> Option<Finding> {
    let space = disk(&settings.data_folder)?;
    let folder = settings.data_folder.display();
    let sign = format!("{} GiB are free in {folder}", space.free_bytes >> 30);
    if space.is_little() {
        let least = DiskSpace::LITTLE_BYTES >> 30;
        let cure = format!("remove images that nobody uses, or make room: an image needs about {least} GiB");
        return Some(Finding::warning("disk", sign).confirmed_by(format!("df -h {folder}")).mended_by(cure));
    }
    Some(Finding::good("disk", sign))
}

fn boot_files(settings: &Settings) -> Vec<Finding> {
    let files = BootFiles::load(&settings.pxe.ipxe_folder);
    let found = files.files.iter().map(|(name, file)| {
        let version = file.version.as_deref().map_or(String::new(), |version| format!(", iPXE {version}"));
        Finding::good("boot file", format!("{name}, {} KiB{version}", file.bytes.len() >> 10))
    });
    let confirm = format!("ls -l {}", settings.pxe.ipxe_folder.display());
    let problems = files.problems.iter();
    found.chain(problems.map(|problem| Finding::bad("boot file", problem.clone()).confirmed_by(&confirm))).collect()
}

/// Our address on an interface.
fn interface(wanted: &WantedInterface) -> Result<Ipv4Addr, String> {
    let place = interfaces().and_then(|present| place(wanted, &present));
    place.map(|place| place.our).map_err(|error| error.to_string())
}

/// Tries to take every port for a moment.
fn ports(settings: &Settings) -> Vec<Finding> {
    let (server, pxe) = (&settings.server, &settings.pxe);
    let tcp =
        [("operator port", server.listen), ("boot port", server.boot_listen), ("machine port", server.machine_listen)];
    let tcp = tcp.into_iter().map(|(what, address)| port(what, address, TcpListener::bind(address).map(drop)));
    let udp = [("DHCP port", pxe.dhcp_port), ("proxy DHCP port", pxe.proxy_port), ("TFTP port", pxe.tftp_port)];
    let udp = udp.into_iter().filter(|_| pxe.enabled).map(|(what, number)| {
        let address = SocketAddr::from((Ipv4Addr::UNSPECIFIED, number));
        let bound = UdpSocket::bind(address).map(drop);
        let is_taken = bound.as_ref().is_err_and(|error| error.kind() == std::io::ErrorKind::AddrInUse);
        if is_taken && number == pxe.dhcp_port {
            let holder = port_holder(Ipv4Addr::UNSPECIFIED, number).unwrap_or_else(|| "another program".into());
            return Finding::good(what, format!("{number} belongs to {holder}; Rackseed listens beside it"));
        }
        port(what, address, bound)
    });
    tcp.chain(udp).collect()
}

fn port(what: &'static str, address: SocketAddr, bound: std::io::Result<()>) -> Finding {
    match bound {
        Ok(()) => Finding::good(what, format!("{} is free", address.port())),
        Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => {
            Finding::bad(what, format!("{} is taken by another program (`ss -tulpn` names it)", address.port()))
                .confirmed_by(format!("ss -tulpn 'sport = :{}'", address.port()))
        }
        Err(error) => Finding::bad(what, format!("{address} cannot be used: {error}")),
    }
}

/// Asks the boot listener by the URL that machines are given, from the address on their network.
async fn public_url(settings: &Settings) -> Finding {
    let our = settings.pxe.wanted_interfaces().iter().find_map(|wanted| interface(wanted).ok());
    let base = match (settings.server.public_url.as_str(), our) {
        ("", Some(address)) => format!("http://{address}:{}", settings.server.boot_listen.port()),
        ("", None) => format!("http://{}", settings.server.boot_listen),
        (url, _) => url.to_owned(),
    };
    match reach(&format!("{base}/healthz"), our).await {
        Ok(()) => Finding::good("public URL", format!("{base} answers")),
        Err(error) => Finding::bad("public URL", format!("{base} does not answer ({error})"))
            .confirmed_by(format!("curl {base}/healthz"))
            .mended_by("machines could not load anything: check the firewall and server.public_url"),
    }
}

async fn reach(url: &str, from: Option<Ipv4Addr>) -> Result<(), String> {
    let client = http_client_from(REACH_LIMIT, from.map(Into::into)).map_err(|error| error.to_string())?;
    let response = client.request(Method::GET, url).send().await.map_err(|error| error.to_string())?;
    if response.status().is_success() { Ok(()) } else { Err(format!("status {}", response.status())) }
}
