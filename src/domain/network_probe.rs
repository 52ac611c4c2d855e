//! What a probe of the network found, and what that means for machines that want to boot.

use std::{fmt, net::Ipv4Addr};

/// A kind of client that a probe imitates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProbeClient {
    /// A machine with a BIOS.
    Bios,
    /// A machine with UEFI, by PXE.
    Uefi,
    /// A machine with UEFI, by HTTP boot.
    HttpBoot,
    /// iPXE.
    Ipxe,
}

impl ProbeClient {
    /// Every kind.
    pub const ALL: [Self; 4] = [Self::Bios, Self::Uefi, Self::HttpBoot, Self::Ipxe];
}

impl fmt::Display for ProbeClient {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Bios => "BIOS",
            Self::Uefi => "UEFI",
            Self::HttpBoot => "UEFI HTTP boot",
            Self::Ipxe => "iPXE",
        })
    }
}

/// What one server answered to one kind of client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProbeAnswer {
    /// Whom it answered.
    pub client: ProbeClient,
    /// Its address (option 54, else the packet's sender).
    pub server: Ipv4Addr,
    /// Whether it offered an address: a DHCP server.
    pub offers_address: bool,
    /// Whether it calls itself a boot server (option 60).
    pub is_pxe: bool,
    /// Whether it says how its boot file is to be found (option 43).
    pub has_discovery_control: bool,
    /// The boot file that it offered, if any.
    pub boot_file: Option<String>,
    /// Whether it answered on port 4011, where firmware would ask it; `None` where firmware would not.
    pub boot_server: Option<bool>,
}

impl ProbeAnswer {
    /// Whether firmware that takes this offer asks port 4011 next: a boot server without option 43 (seen with OVMF), never by HTTP boot.
    pub fn needs_boot_server(&self) -> bool {
        self.is_pxe && !self.has_discovery_control && self.client == ProbeClient::Uefi
    }
}

/// One thing that a person should know about the network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NetworkFinding {
    /// Nobody offered an address.
    NoDhcpServer,
    /// More than one server offers addresses.
    SeveralDhcpServers(Vec<Ipv4Addr>),
    /// A DHCP server is there and stays out of booting.
    DhcpServer(Ipv4Addr),
    /// A DHCP server calls itself a boot server: UEFI firmware then asks it on port 4011, whatever we offer.
    DhcpServerClaimsPxe(Ipv4Addr),
    /// A DHCP server offers a boot file of its own.
    StrayBootFile {
        /// The server.
        server: Ipv4Addr,
        /// The file.
        file: String,
        /// Who is offered it.
        clients: Vec<ProbeClient>,
    },
    /// Another boot server answers machines.
    RivalBootServer {
        /// The server.
        server: Ipv4Addr,
        /// Whom it answers.
        clients: Vec<ProbeClient>,
    },
    /// A boot server sends firmware to its port 4011 and does not answer there.
    SilentBootServer(Ipv4Addr),
    /// We answered, as the machine that was imitated would be.
    Ours(Vec<ProbeClient>),
}

/// Judges what a probe found; `our` is our own address on the interface.
pub fn judge(answers: &[ProbeAnswer], our: Option<Ipv4Addr>) -> Vec<NetworkFinding> {
    let mut servers: Vec<_> = answers.iter().map(|answer| answer.server).collect();
    servers.sort_unstable();
    servers.dedup();
    let of = |server: Ipv4Addr| answers.iter().filter(move |answer| answer.server == server);
    let mut findings = Vec::new();
    let dhcp: Vec<_> = servers.iter().copied().filter(|server| of(*server).any(|it| it.offers_address)).collect();
    match dhcp.len() {
        0 => findings.push(NetworkFinding::NoDhcpServer),
        1 => {}
        _ => findings.push(NetworkFinding::SeveralDhcpServers(dhcp.clone())),
    }
    for server in servers {
        let clients: Vec<_> = of(server).map(|answer| answer.client).collect();
        if of(server).any(|answer| answer.boot_server == Some(false)) {
            findings.push(NetworkFinding::SilentBootServer(server));
        }
        if Some(server) == our {
            findings.push(NetworkFinding::Ours(clients));
        } else if dhcp.contains(&server) {
            findings.extend(judge_dhcp_server(server, &of(server).collect::<Vec<_>>()));
        } else {
            findings.push(NetworkFinding::RivalBootServer { server, clients });
        }
    }
    findings
}

fn judge_dhcp_server(server: Ipv4Addr, answers: &[&ProbeAnswer]) -> Vec<NetworkFinding> {
    let mut findings = Vec::new();
    if answers.iter().any(|answer| answer.is_pxe) {
        findings.push(NetworkFinding::DhcpServerClaimsPxe(server));
    }
    let mut files: Vec<_> = answers.iter().filter_map(|answer| answer.boot_file.as_deref()).collect();
    files.sort_unstable();
    files.dedup();
    findings.extend(files.into_iter().map(|file| NetworkFinding::StrayBootFile {
        server,
        file: file.to_owned(),
        clients: answers.iter().filter(|it| it.boot_file.as_deref() == Some(file)).map(|it| it.client).collect(),
    }));
    if findings.is_empty() {
        findings.push(NetworkFinding::DhcpServer(server));
    }
    findings
}
