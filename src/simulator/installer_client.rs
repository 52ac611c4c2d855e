//! The HTTP side of the Proxmox installer: what it sends and what it accepts, for machines that are not there.
//!
//! It follows pve-installer 9.2 (`proxmox-installer-common/src/http.rs`, `proxmox-fetch-answer`, `proxmox-post-hook`): one exchange of at
//! most 60 seconds, no retry, only 200 and 201 count, and the server's certificate is known by its fingerprint alone.

use std::{collections::BTreeMap, net::IpAddr, sync::Arc, time::Duration};

use data_encoding::HEXLOWER;
use reqwest::{Client, RequestBuilder, Response, StatusCode, header, redirect};
use rustls::ClientConfig;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::pinned_leaf::PinnedLeaf;

/// The limit of a whole exchange, its body included.
const EXCHANGE_LIMIT: Duration = Duration::from_secs(60);
/// The installer reads no more of an answer (the default of its HTTP library).
const ANSWER_LIMIT_BYTES: usize = 10 << 20;
/// A first-boot script is silently cut here.
const SCRIPT_LIMIT_BYTES: usize = 1 << 20;
/// How much of a refusal is shown.
const REFUSAL_SHOWN_BYTES: usize = 2000;
/// What the installer calls itself.
const USER_AGENT: &str = "ureq/3.1.4";

/// What the installer could not do, in the words that a person at the machine would read.
#[derive(Debug, thiserror::Error)]
pub enum InstallerError {
    /// The mode file on the ISO is not one.
    #[error("/cdrom/auto-installer-mode.toml cannot be read: {0}")]
    ModeFile(#[from] toml::de::Error),
    /// The mode file does not say where the answer is.
    #[error("the mode file names no answer URL, and this installer asks neither DHCP nor DNS for one")]
    NoAnswerUrl,
    /// A fingerprint is not 64 hexadecimal digits.
    #[error("`{0}` is not a SHA-256 fingerprint of 64 hexadecimal digits")]
    Fingerprint(String),
    /// The server did not answer, or not in the way that was agreed.
    #[error("{url}: {reason}")]
    Exchange {
        /// What was asked.
        url: String,
        /// Why it failed, with all causes.
        reason: String,
    },
    /// The server answered with a status that does not count as success.
    #[error("{url}: http error: {status}: {body}")]
    Status {
        /// What was asked.
        url: String,
        /// The status.
        status: StatusCode,
        /// What the server said to the person at the machine.
        body: String,
    },
}

/// `auto-installer-mode.toml`. Its top level takes no unknown keys, its table `http` ignores them.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModeFile {
    /// Where the answer comes from.
    pub mode: AnswerSource,
    /// Label of the partition with the answer; not used over HTTP.
    #[serde(default)]
    pub partition_label: Option<String>,
    /// How to ask over HTTP.
    #[serde(default)]
    pub http: HttpSettings,
}

/// Where an installer takes its answer from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AnswerSource {
    /// From the ISO itself.
    Iso,
    /// Over HTTP.
    Http,
    /// From a partition.
    Partition,
}

/// The table `[http]` of a mode file.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct HttpSettings {
    /// Where to ask.
    pub url: Option<String>,
    /// SHA-256 of the server's leaf certificate.
    pub cert_fingerprint: Option<String>,
    /// Sent as bearer token.
    pub token: Option<String>,
}

impl ModeFile {
    /// Reads the text of a mode file.
    pub fn parse(text: &str) -> Result<Self, InstallerError> {
        Ok(toml::from_str(text)?)
    }
}

/// What SMBIOS says; a key that the machine lacks is missing in its map.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Dmi {
    /// `serial`, `sku`, `uuid`, `name`.
    pub system: BTreeMap<String, String>,
    /// `asset_tag`, `serial`, `name`.
    pub baseboard: BTreeMap<String, String>,
    /// `serial`, `sku`, `asset_tag`, `name`.
    pub chassis: BTreeMap<String, String>,
}

/// What the installer knows of the machine that it runs on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Machine {
    /// SMBIOS.
    pub dmi: Dmi,
    /// Name and MAC address of every network interface but `lo`.
    pub interfaces: Vec<(String, String)>,
}

/// The release of the installer, from `.cd-info`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Release {
    /// `RELEASE`, such as `9.2`.
    pub release: String,
    /// `ISORELEASE`, such as `1`.
    pub iso_release: String,
}

/// What is told after the installation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installed {
    /// Full name of the node.
    pub fqdn: String,
    /// The new system's machine id.
    pub machine_id: String,
    /// Address of the management card in CIDR notation.
    pub address: String,
    /// Name of the management card.
    pub management_interface: String,
    /// Whether the machine was started by UEFI.
    pub is_efi: bool,
    /// The public host key lines of the new system, or `unknown`.
    pub host_keys: HostKeys,
}

/// Public host keys as OpenSSH lines.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HostKeys {
    /// Of type ecdsa.
    pub ecdsa: String,
    /// Of type ed25519.
    pub ed25519: String,
    /// Of type rsa.
    pub rsa: String,
}

/// The body of the answer fetch: keys in `snake_case`, MAC addresses in upper case as 9.2 sends them.
pub fn system_report(release: &Release, machine: &Machine) -> serde_json::Value {
    let interfaces: Vec<_> =
        machine.interfaces.iter().map(|(link, mac)| json!({ "link": link, "mac": mac.to_uppercase() })).collect();
    json!({
        "$schema": { "version": "1.0" },
        "product": { "fullname": "Proxmox VE", "product": "pve", "enable_btrfs": true },
        "iso": { "release": release.release, "isorelease": release.iso_release },
        "dmi": machine.dmi,
        "network_interfaces": interfaces,
    })
}

/// The body of the post-installation webhook: keys in `kebab-case`, schema 1.2, MAC addresses in lower case.
pub fn install_report(release: &Release, machine: &Machine, installed: &Installed) -> serde_json::Value {
    let interfaces: Vec<_> = machine
        .interfaces
        .iter()
        .map(|(name, mac)| {
            let mut row = json!({ "name": name, "mac": mac.to_lowercase(), "udev-properties": { "INTERFACE": name } });
            if *name == installed.management_interface {
                row["is-management"] = json!(true);
                row["address"] = json!(installed.address);
            }
            row
        })
        .collect();
    json!({
        "$schema": { "version": "1.2" },
        "boot-info": { "mode": if installed.is_efi { "efi" } else { "bios" } },
        "cpu-info": { "cores": 1, "cpus": 1, "flags": "", "hvm": true, "model": "simulated", "sockets": 1 },
        "debian-version": "13.4",
        "disks": [{
            "size": 107_374_182_400_u64, "is-bootdisk": true,
            "udev-properties": { "DEVNAME": "/dev/sda", "ID_MODEL": "Simulated_SSD", "ID_SERIAL": "Simulated_SSD_SIM0001", "ID_SERIAL_SHORT": "SIM0001" },
        }],
        "dmi": machine.dmi,
        "filesystem": "ext4",
        "fqdn": installed.fqdn,
        "iso": { "release": release.release, "isorelease": release.iso_release },
        "kernel-version": { "machine": "x86_64", "release": "7.0.2-6-pve", "sysname": "Linux", "version": "#1 SMP" },
        "machine-id": installed.machine_id,
        "network-interfaces": interfaces,
        "product": { "fullname": "Proxmox VE", "short": "pve", "version": "9.2.2" },
        "reboot-mode": "reboot",
        "ssh-public-host-keys": installed.host_keys,
    })
}

/// Fetches the answer, and returns it as the text of a TOML file.
pub async fn fetch_answer(http: &HttpSettings, report: &serde_json::Value) -> Result<String, InstallerError> {
    InstallerClient::default().fetch_answer(http, report).await
}

/// Fetches the first-boot script; what is longer than a mebibyte is cut, as the installer does.
pub async fn fetch_first_boot_script(url: &str, fingerprint: Option<&str>) -> Result<Vec<u8>, InstallerError> {
    InstallerClient::default().fetch_first_boot_script(url, fingerprint).await
}

/// Calls the post-installation webhook.
pub async fn call_webhook(
    url: &str,
    fingerprint: Option<&str>,
    report: &serde_json::Value,
) -> Result<(), InstallerError> {
    InstallerClient::default().call_webhook(url, fingerprint, report).await
}

/// The same calls from a chosen address, for several machines that share one network card.
#[derive(Debug, Clone, Copy, Default)]
pub struct InstallerClient {
    /// The address from which the machine asks; absent: the system chooses.
    pub source: Option<IpAddr>,
}

impl InstallerClient {
    /// See [`fetch_answer`].
    pub async fn fetch_answer(self, http: &HttpSettings, report: &serde_json::Value) -> Result<String, InstallerError> {
        let url = http.url.as_deref().ok_or(InstallerError::NoAnswerUrl)?;
        let mut request = post(client(http.cert_fingerprint.as_deref(), self.source)?, url, report)
            .header(header::ACCEPT, "application/json, application/toml;q=0.5");
        if let Some(token) = &http.token {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        let body = exchange(url, request, ANSWER_LIMIT_BYTES).await?;
        Ok(String::from_utf8_lossy(&body).into_owned())
    }

    /// See [`fetch_first_boot_script`].
    pub async fn fetch_first_boot_script(
        self,
        url: &str,
        fingerprint: Option<&str>,
    ) -> Result<Vec<u8>, InstallerError> {
        let request = client(fingerprint, self.source)?.get(url).header(header::ACCEPT, "*/*");
        exchange(url, request, SCRIPT_LIMIT_BYTES).await
    }

    /// See [`call_webhook`].
    pub async fn call_webhook(
        self,
        url: &str,
        fingerprint: Option<&str>,
        report: &serde_json::Value,
    ) -> Result<(), InstallerError> {
        let request = post(client(fingerprint, self.source)?, url, report).header(header::ACCEPT, "*/*");
        exchange(url, request, ANSWER_LIMIT_BYTES).await.map(drop)
    }
}

fn post(client: Client, url: &str, report: &serde_json::Value) -> RequestBuilder {
    client.post(url).header(header::CONTENT_TYPE, "application/json; charset=utf-8").body(report.to_string())
}

async fn exchange(url: &str, request: RequestBuilder, limit_bytes: usize) -> Result<Vec<u8>, InstallerError> {
    let failed = |error: reqwest::Error| InstallerError::Exchange { url: url.to_owned(), reason: chain(&error) };
    let mut response = request.send().await.map_err(failed)?;
    let status = response.status();
    let has_succeeded = status == StatusCode::OK || status == StatusCode::CREATED;
    let limit = if has_succeeded { limit_bytes } else { REFUSAL_SHOWN_BYTES };
    let body = read_up_to(&mut response, limit).await.map_err(failed)?;
    if has_succeeded {
        return Ok(body);
    }
    Err(InstallerError::Status { url: url.to_owned(), status, body: String::from_utf8_lossy(&body).into_owned() })
}

async fn read_up_to(response: &mut Response, limit_bytes: usize) -> Result<Vec<u8>, reqwest::Error> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        let room = limit_bytes - body.len();
        body.extend_from_slice(&chunk[..chunk.len().min(room)]);
        if body.len() == limit_bytes {
            break;
        }
    }
    Ok(body)
}

/// A client for one exchange. Without a fingerprint it trusts nobody over HTTPS: the certificate authorities of the system are of no use to
/// a machine that is installed by us.
fn client(fingerprint: Option<&str>, source: Option<IpAddr>) -> Result<Client, InstallerError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let pin = fingerprint.map(parse_fingerprint).transpose()?;
    let verifier = Arc::new(PinnedLeaf { pin, provider: Arc::clone(&provider) });
    let unavailable = |reason: String| InstallerError::Exchange { url: String::new(), reason };
    let tls = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| unavailable(error.to_string()))?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    Client::builder()
        .tls_backend_preconfigured(tls)
        .local_address(source)
        .timeout(EXCHANGE_LIMIT)
        .redirect(redirect::Policy::none())
        .no_proxy()
        .user_agent(USER_AGENT)
        .build()
        .map_err(|error| unavailable(chain(&error)))
}

/// Reads 64 hexadecimal digits in any case, colons allowed.
fn parse_fingerprint(text: &str) -> Result<[u8; 32], InstallerError> {
    let digits = text.replace(':', "").to_lowercase();
    let bytes = HEXLOWER.decode(digits.as_bytes()).ok();
    bytes.and_then(|bytes| bytes.try_into().ok()).ok_or_else(|| InstallerError::Fingerprint(text.to_owned()))
}

/// An error with all its causes.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_top_level_of_a_mode_file_takes_no_unknown_keys_and_its_http_table_does() {
        let mode =
            ModeFile::parse("mode = \"http\"\n[http]\nurl = \"http://10.0.0.2/\"\nlater = 1\n# padding\n").unwrap();
        assert_eq!((mode.mode, mode.http.url.as_deref()), (AnswerSource::Http, Some("http://10.0.0.2/")));
        assert!(ModeFile::parse("mode = \"http\"\nlater = 1\n").is_err());
    }

    #[test]
    fn a_fingerprint_may_have_colons_and_capitals_and_nothing_else() {
        assert_eq!(parse_fingerprint(&format!("{}Ab", "aB:".repeat(31))).unwrap(), [0xab; 32]);
        assert!(parse_fingerprint("sha256:00").is_err());
    }

    #[test]
    fn the_reports_are_what_the_domain_reads() {
        let machine = Machine { dmi: Dmi::default(), interfaces: vec![("eno1".into(), "b4:2e:99:ac:ad:b4".into())] };
        let release = Release { release: "9.2".into(), iso_release: "1".into() };
        let report = system_report(&release, &machine);
        assert_eq!(report["network_interfaces"][0]["mac"], "B4:2E:99:AC:AD:B4");
        let read: crate::domain::installer::SystemReport = serde_json::from_value(report).unwrap();
        assert!(read.has_mac("b4:2e:99:ac:ad:b4".parse().unwrap()));
    }
}
