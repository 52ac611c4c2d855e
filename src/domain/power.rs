//! How one host is switched on and off: which driver, and what that driver must know. Passwords are not here; they are stored sealed.

use std::{collections::BTreeMap, net::Ipv4Addr};

use serde::{Deserialize, Serialize};

use super::{
    host::Host,
    identity::{HostId, MacAddress},
};

/// The port of IPMI over LAN.
const IPMI_PORT: u16 = 623;
/// The port to which wake-up packets are usually sent.
const WAKE_ON_LAN_PORT: u16 = 9;
/// What stands in a webhook's URL for the stored secret.
pub const SECRET_IN_URL: &str = "{secret}";

super::words::words!(
    /// What switches a host on and off.
    PowerDriver, "power driver" {
        /// A person.
        None = "none",
        /// A wake-up packet, which can only switch on.
        WakeOnLan = "wake_on_lan",
        /// A BMC that speaks Redfish.
        Redfish = "redfish",
        /// A BMC that speaks IPMI.
        Ipmi = "ipmi",
        /// Anything with URLs, such as a smart plug.
        Webhook = "webhook",
    }
);

super::words::words!(
    /// How a BMC is told to boot from the network.
    BootMode, "boot mode" {
        /// As the host's last installer was booted; before that, as the BMC has it.
        Auto = "auto",
        /// By UEFI.
        Uefi = "uefi",
        /// By a legacy BIOS.
        Legacy = "legacy",
    }
);

super::words::words!(
    /// Whether a machine is on.
    PowerState, "power state" {
        /// It is.
        On = "on",
        /// It is not.
        Off = "off",
        /// Nobody can tell.
        Unknown = "unknown",
    }
);

super::words::words!(
    /// What a person may ask of a host's power.
    PowerAction, "power action" {
        /// Switch it on; nothing happens to one that is on.
        On = "on",
        /// Cut its power at once.
        Off = "off",
        /// Cut its power and give it back.
        Cycle = "cycle",
        /// Let it boot from the network once, now: one that runs is restarted hard.
        NetworkBoot = "network_boot",
    }
);

super::words::words!(
    /// How a webhook is called.
    WebhookMethod, "webhook method" {
        /// With GET, as most smart plugs want it.
        Get = "GET",
        /// With POST.
        Post = "POST",
        /// With PUT.
        Put = "PUT",
    }
);

impl PowerAction {
    /// Whether what runs on the host is lost by it, so that a person must type the host's name first.
    pub fn is_destructive(self) -> bool {
        match self {
            Self::On => false,
            Self::Off | Self::Cycle | Self::NetworkBoot => true,
        }
    }
}

/// How one host is switched on and off. Each driver has a place of its own, so that a change of driver keeps what was said before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PowerOptions {
    /// Which driver is used.
    pub driver: PowerDriver,
    /// For `wake_on_lan`; everything in it has a default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wake_on_lan: Option<WakeOnLanOptions>,
    /// For `redfish`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub redfish: Option<RedfishOptions>,
    /// For `ipmi`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ipmi: Option<IpmiOptions>,
    /// For `webhook`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub webhook: Option<WebhookOptions>,
}

impl Default for PowerOptions {
    fn default() -> Self {
        Self { driver: PowerDriver::None, wake_on_lan: None, redfish: None, ipmi: None, webhook: None }
    }
}

/// Where wake-up packets go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WakeOnLanOptions {
    /// The network card to wake; absent: the one that the host boots from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mac: Option<MacAddress>,
    /// The broadcast address; absent: 255.255.255.255, through the interface.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub broadcast: Option<Ipv4Addr>,
    /// The interface through which it leaves; absent: those of the `pxe` settings.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interface: Option<String>,
    /// The UDP port.
    pub port: u16,
}

impl Default for WakeOnLanOptions {
    fn default() -> Self {
        Self { mac: None, broadcast: None, interface: None, port: WAKE_ON_LAN_PORT }
    }
}

/// A BMC that speaks Redfish.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RedfishOptions {
    /// Where it is: `https://10.0.0.9`.
    pub url: String,
    /// The system, when the BMC has several: its id or its path.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub system: Option<String>,
    /// The user; empty: none.
    pub user: String,
    /// The SHA-256 of its certificate; absent: the certificate must be good for this system's certificate authorities.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub certificate_fingerprint: Option<String>,
    /// How it boots from the network.
    pub boot_mode: BootMode,
}

impl Default for RedfishOptions {
    fn default() -> Self {
        Self {
            url: String::new(),
            system: None,
            user: String::new(),
            certificate_fingerprint: None,
            boot_mode: BootMode::Auto,
        }
    }
}

/// A BMC that speaks IPMI 2.0 over LAN.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct IpmiOptions {
    /// Its address or name.
    pub address: String,
    /// Its UDP port.
    pub port: u16,
    /// The user.
    pub user: String,
    /// The cipher suite; absent: the best one that both sides know.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cipher_suite: Option<u8>,
    /// How it boots from the network.
    pub boot_mode: BootMode,
}

impl Default for IpmiOptions {
    fn default() -> Self {
        Self {
            address: String::new(),
            port: IPMI_PORT,
            user: String::new(),
            cipher_suite: None,
            boot_mode: BootMode::Auto,
        }
    }
}

/// Anything that URLs switch. The stored secret is sent as a bearer token, or as the password of `user`, or stands in the URL in place of
/// `{secret}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WebhookOptions {
    /// Switches on.
    pub on_url: String,
    /// Switches off; absent: it cannot.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub off_url: Option<String>,
    /// Tells the state (always asked with GET); absent: it cannot.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status_url: Option<String>,
    /// The machine is on when the answer of `status_url` holds this text, and off otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status_on: Option<String>,
    /// How `on_url` and `off_url` are called.
    pub method: WebhookMethod,
    /// The user of basic authentication; absent: the secret is a bearer token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// More headers. They are shown to operators: no secret belongs here.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// The SHA-256 of its certificate, as for Redfish.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub certificate_fingerprint: Option<String>,
}

impl Default for WebhookOptions {
    fn default() -> Self {
        Self {
            on_url: String::new(),
            off_url: None,
            status_url: None,
            status_on: None,
            method: WebhookMethod::Post,
            user: None,
            headers: BTreeMap::new(),
            certificate_fingerprint: None,
        }
    }
}

/// Where a host's sealed secret belongs: what was sealed for another host, or for another server, does not open. So nobody learns a stored
/// password by pointing the host's options at a server of their own.
pub fn power_secret_place(host: &HostId, server: &str) -> String {
    format!("power_secrets/{host}/{server}")
}

impl PowerOptions {
    /// The server that is given the secret; `None` where the driver needs none.
    pub fn server(&self) -> Option<String> {
        match self.driver {
            PowerDriver::None | PowerDriver::WakeOnLan => None,
            PowerDriver::Redfish => self.redfish.as_ref().map(|redfish| plain(&redfish.url)),
            PowerDriver::Ipmi => {
                self.ipmi.as_ref().map(|ipmi| plain(&format!("ipmi://{}:{}", ipmi.address, ipmi.port)))
            }
            PowerDriver::Webhook => self.webhook.as_ref().map(|webhook| {
                let urls = [Some(&webhook.on_url), webhook.off_url.as_ref(), webhook.status_url.as_ref()];
                let mut origins: Vec<_> = urls.into_iter().flatten().map(|url| origin(url)).collect();
                origins.sort();
                origins.dedup();
                origins.join(" ")
            }),
        }
    }

    /// The machine that is switched, as far as the options tell: two hosts with the same one would switch each other.
    pub fn machine(&self) -> Option<String> {
        match self.driver {
            PowerDriver::None | PowerDriver::WakeOnLan => None,
            PowerDriver::Redfish => {
                let system = self.redfish.as_ref()?.system.as_deref().unwrap_or_default();
                Some(format!("{} {}", self.server()?, system.rsplit('/').next().unwrap_or_default()))
            }
            PowerDriver::Ipmi => self.server(),
            PowerDriver::Webhook => self.webhook.as_ref().map(|webhook| webhook.on_url.clone()),
        }
    }
}

/// Scheme, host and port of a URL.
pub fn origin(url: &str) -> String {
    plain(&url.split('/').take(3).collect::<Vec<_>>().join("/"))
}

fn plain(url: &str) -> String {
    url.trim_end_matches('/').to_ascii_lowercase()
}

/// How a host's network boot is to be asked for; `None` when neither the operator nor the machine has said it.
pub fn wanted_boot_mode(chosen: BootMode, host: &Host) -> Option<BootMode> {
    match chosen {
        BootMode::Uefi | BootMode::Legacy => Some(chosen),
        BootMode::Auto => match host.hardware.as_ref().and_then(|hardware| hardware.boot_mode.as_deref()) {
            Some("efi") => Some(BootMode::Uefi),
            Some("bios") => Some(BootMode::Legacy),
            Some(_) | None => None,
        },
    }
}

/// Reads a SHA-256 fingerprint: 64 hexadecimal digits, with colons or without.
pub fn fingerprint_bytes(text: &str) -> Option<[u8; 32]> {
    let digits: Vec<u32> = text.chars().filter(|c| *c != ':').map(|c| c.to_digit(16)).collect::<Option<_>>()?;
    let bytes: Vec<u8> = digits.chunks_exact(2).map(|pair| u8::try_from(pair[0] * 16 + pair[1]).unwrap_or(0)).collect();
    if digits.len() == 64 { bytes.try_into().ok() } else { None }
}
