//! The checks of `rackseed doctor`.

use std::{
    net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket},
    process::{Command, Stdio},
    time::Duration,
};

use reqwest::Method;

use super::{
    doctor::{Finding, Verdict},
    lan,
};
use crate::{
    dhcp::{interfaces, place, port_holder},
    domain::{identity::MacAddress, network::WantedInterface},
    settings::Settings,
    tftp::BootFiles,
};

/// A clock before this year was never set: certificates and tokens would not be believed.
const EARLIEST_YEAR: i16 = 2026;
/// How long a reachability check may take.
const REACH_LIMIT: Duration = Duration::from_secs(3);

/// Makes every check.
pub(super) async fn all(settings: &Settings, imitated: Option<MacAddress>) -> Vec<Finding> {
    let mut findings = vec![clock(), xorriso(), credentials(settings)];
    findings.extend(boot_files(settings));
    for wanted in settings.pxe.wanted_interfaces().iter().filter(|_| settings.pxe.enabled) {
        match interface(wanted) {
            Ok(our) => {
                findings.push(good("network interface", format!("{} has {our}", wanted.name)));
                findings.extend(lan::ask(&wanted.name, our, imitated).await);
            }
            Err(detail) => findings.push(bad("network interface", detail)),
        }
    }
    if !settings.pxe.enabled {
        findings.push(good("network interface", "network boot is off (pxe.enabled)".into()));
    }
    let is_running = reach(&format!("http://{}/healthz", settings.server.listen), None).await.is_ok();
    findings.push(if is_running {
        good("daemon", format!("answers at http://{}", settings.server.listen))
    } else {
        Finding {
            what: "daemon",
            verdict: Verdict::Warning,
            detail: "does not run; its ports are checked instead".into(),
        }
    });
    if is_running {
        findings.push(public_url(settings).await);
    } else {
        findings.extend(ports(settings));
    }
    findings
}

pub(super) fn good(what: &'static str, detail: String) -> Finding {
    Finding { what, verdict: Verdict::Good, detail }
}

pub(super) fn bad(what: &'static str, detail: String) -> Finding {
    Finding { what, verdict: Verdict::Bad, detail }
}

fn clock() -> Finding {
    let now = crate::ports::Clock::now(&crate::daemon::SystemClock);
    let year = now.to_zoned(jiff::tz::TimeZone::UTC).year();
    if year < EARLIEST_YEAR {
        return bad("clock", format!("shows {now}; set it (`timedatectl set-ntp true`)"));
    }
    good("clock", format!("shows {}", now.strftime("%Y-%m-%d %H:%M UTC")))
}

fn xorriso() -> Finding {
    let ran = Command::new("xorriso")
        .arg("-version")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    match ran {
        Ok(status) if status.success() => good("xorriso", "is installed".into()),
        Ok(_) | Err(_) => bad("xorriso", "is missing, so no image can be added; `apt-get install xorriso`".into()),
    }
}

fn credentials(settings: &Settings) -> Finding {
    if settings.credentials.root_password_hash.is_empty() {
        return bad(
            "root password",
            "credentials.root_password_hash is not set, so no host can be rebuilt; make one with `mkpasswd -m sha-512`"
                .into(),
        );
    }
    good("root password", "a hash is set".into())
}

fn boot_files(settings: &Settings) -> Vec<Finding> {
    let files = BootFiles::load(&settings.pxe.ipxe_folder);
    let found = files.files.iter().map(|(name, file)| {
        let version = file.version.as_deref().map_or(String::new(), |version| format!(", iPXE {version}"));
        good("boot file", format!("{name}, {} KiB{version}", file.bytes.len() >> 10))
    });
    found.chain(files.problems.into_iter().map(|problem| bad("boot file", problem))).collect()
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
            return good(what, format!("{number} belongs to {holder}; Rackseed listens beside it"));
        }
        port(what, address, bound)
    });
    tcp.chain(udp).collect()
}

fn port(what: &'static str, address: SocketAddr, bound: std::io::Result<()>) -> Finding {
    match bound {
        Ok(()) => good(what, format!("{} is free", address.port())),
        Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => {
            bad(what, format!("{} is taken by another program (`ss -tulpn` names it)", address.port()))
        }
        Err(error) => bad(what, format!("{address} cannot be used: {error}")),
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
        Ok(()) => good("public URL", format!("{base} answers")),
        Err(error) => bad(
            "public URL",
            format!(
                "{base} does not answer ({error}); machines could not load anything: check the firewall and server.public_url"
            ),
        ),
    }
}

async fn reach(url: &str, from: Option<Ipv4Addr>) -> Result<(), String> {
    let client =
        crate::daemon::http_client_from(REACH_LIMIT, from.map(Into::into)).map_err(|error| error.to_string())?;
    let response = client.request(Method::GET, url).send().await.map_err(|error| error.to_string())?;
    if response.status().is_success() { Ok(()) } else { Err(format!("status {}", response.status())) }
}
