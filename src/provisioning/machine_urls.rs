//! The URLs that machines are given, and the certificate behind them.

use std::net::Ipv4Addr;

use crate::domain::{
    identity::{HostId, MacAddress},
    image::ImagePart,
};

/// Our own certificate as the machines must know it.
#[derive(Debug, Clone)]
pub struct OwnCertificate {
    /// PEM, for `curl --cacert` in the first-boot script.
    pub pem: String,
    /// The fixed name in it, for `curl --connect-to`.
    pub name: String,
    /// SHA-256 of its DER form, 64 lower-case hexadecimal digits: what the installer pins.
    pub fingerprint: String,
}

/// Builds the URLs of the boot and machine listeners. They are IPv4 literals of the interface on which the machine was met: firmware
/// and installers may have no DNS. Settings override both bases, for networks in which we are reached by another address.
#[derive(Debug, Clone)]
pub struct MachineUrls {
    /// Port of the boot listener.
    pub boot_port: u16,
    /// Port of the machine listener.
    pub machine_port: u16,
    /// Setting `server.public_url`.
    pub public_url: Option<String>,
    /// Setting `server.public_machine_url`.
    pub public_machine_url: Option<String>,
}

impl MachineUrls {
    /// `http://A:P` of the boot listener, seen from a machine that met us at `our`.
    pub fn boot(&self, our: Ipv4Addr) -> String {
        self.public_url.clone().unwrap_or_else(|| format!("http://{our}:{}", self.boot_port))
    }

    /// `https://A:P` of the machine listener, seen from a machine that met us at `our`.
    pub fn machine(&self, our: Ipv4Addr) -> String {
        self.public_machine_url.clone().unwrap_or_else(|| format!("https://{our}:{}", self.machine_port))
    }

    /// The script's URL: what the DHCP offer to iPXE carries. Without a token the script starts the machine's disk.
    pub fn script(&self, our: Ipv4Addr, mac: MacAddress, token: Option<&str>) -> String {
        let base = self.boot(our);
        token.map_or_else(|| format!("{base}/ipxe/{mac}"), |token| format!("{base}/ipxe/{mac}?b={token}"))
    }

    /// The URL of a boot file: what the DHCP offer to UEFI HTTP boot carries.
    pub fn loader(&self, our: Ipv4Addr, path: &str) -> String {
        format!("{}/loader/{path}", self.boot(our))
    }

    /// The path of a part of the image on the boot listener.
    pub fn image_path(token: &str, part: ImagePart) -> String {
        format!("/boot/{token}/{}", part.file_name())
    }

    /// Where the installer asks for its answer.
    pub fn answer(&self, our: Ipv4Addr, token: &str) -> String {
        format!("{}/api/boot/answer?t={token}", self.machine(our))
    }

    /// Where a host of ours calls back: `installed`, `first-boot-script` or `phone-home`.
    pub fn callback(&self, our: Ipv4Addr, host: &HostId, what: &str, token: &str) -> String {
        format!("{}/api/hosts/{host}/{what}?t={token}", self.machine(our))
    }
}
