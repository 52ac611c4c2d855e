//! The sections of the settings file. An empty text means *not set*.

use std::{
    collections::BTreeMap,
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    time::Duration,
};

use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};

use crate::domain::{boot_request::Unarmed, host_lifecycle::HostState, network::WantedInterface};

/// Declares a section: its fields with their defaults.
macro_rules! section {
    ($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident: $kind:ty = $default:expr),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(default, deny_unknown_fields)]
        pub struct $name {
            $($(#[$field_doc])* pub $field: $kind),+
        }

        impl Default for $name {
            fn default() -> Self {
                Self { $($field: $default),+ }
            }
        }
    };
}

section!(
    /// Folders that are edited while the daemon runs.
    CatalogSettings {
        /// Answer templates, `*.toml`.
        answer_templates: PathBuf = "answer-templates".into(),
        /// Server types, `*.yaml`.
        server_types: PathBuf = "server-types".into(),
        /// iPXE scripts, `*.ipxe`.
        ipxe: PathBuf = "ipxe".into(),
    }
);

section!(
    /// Listeners.
    ServerSettings {
        /// Dashboard and API (HTTP).
        listen: SocketAddr = SocketAddr::from((Ipv4Addr::LOCALHOST, 8080)),
        /// Booting machines (HTTP).
        boot_listen: SocketAddr = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 8081)),
        /// Installers and nodes (HTTPS).
        machine_listen: SocketAddr = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 8443)),
        /// Under what a proxy with TLS shows the dashboard.
        trusted_origins: Vec<String> = Vec::new(),
        /// Overrides the boot listener's URL.
        public_url: String = String::new(),
        /// Overrides the machine listener's URL.
        public_machine_url: String = String::new(),
    }
);

section!(
    /// Network boot.
    PxeSettings {
        /// Whether booting machines are answered.
        enabled: bool = true,
        /// The interface of the machines.
        interface: String = String::new(),
        /// Their network, in CIDR form.
        subnet: String = String::new(),
        /// More interfaces.
        interfaces: Vec<PxeInterface> = Vec::new(),
        /// The relays that may ask: addresses and networks in CIDR form. Empty: any.
        relays: Vec<String> = Vec::new(),
        /// UDP port of DHCP.
        dhcp_port: u16 = 67,
        /// Whether a DHCP server of this computer has that port, so that it is never taken.
        dhcp_port_is_shared: bool = false,
        /// UDP port of the PXE boot server.
        proxy_port: u16 = 4011,
        /// UDP port of TFTP.
        tftp_port: u16 = 69,
        /// Whether replies go to the sender's port instead of being broadcast.
        reply_to_source: bool = false,
        /// Where the iPXE binaries are.
        ipxe_folder: PathBuf = "/usr/lib/ipxe".into(),
        /// What a registered host gets that asks without being armed; unregistered machines always get silence.
        unarmed: Unarmed = Unarmed::Silence,
        /// How long a rebuild stays armed, in minutes.
        armed_minutes: u16 = 60,
    }
);

section!(
    /// One more interface of booting machines.
    PxeInterface {
        /// Its name.
        name: String = String::new(),
        /// The machines' network, in CIDR form.
        subnet: String = String::new(),
        /// The one address that is served, such as a virtual router's.
        address: String = String::new(),
    }
);

impl PxeSettings {
    /// Every interface of the section, in its order.
    pub fn wanted_interfaces(&self) -> Vec<WantedInterface> {
        let first = PxeInterface { name: self.interface.clone(), subnet: self.subnet.clone(), address: String::new() };
        let all = std::iter::once(&first).filter(|first| !first.name.is_empty()).chain(&self.interfaces);
        // What cannot be read was refused with its path when the settings were checked.
        all.map(|interface| WantedInterface {
            name: interface.name.clone(),
            subnet: interface.subnet.parse().ok(),
            address: interface.address.parse().ok(),
        })
        .collect()
    }

    /// The networks of the relays; a single address is a network of one.
    pub fn relay_networks(&self) -> Vec<Ipv4Net> {
        self.relays.iter().filter_map(|relay| relay_network(relay)).collect()
    }
}

/// Reads an entry of `pxe.relays`.
pub(super) fn relay_network(relay: &str) -> Option<Ipv4Net> {
    relay.parse().ok().or_else(|| relay.parse::<Ipv4Addr>().ok().map(Ipv4Net::from))
}

section!(
    /// The cluster.
    ProxmoxSettings {
        /// The domain of the nodes.
        domain: String = "home.arpa".into(),
        /// Address of a member.
        existing_node: String = String::new(),
        /// Its SSH host key.
        existing_node_ssh_host_key: String = String::new(),
        /// SHA-256 of its API certificate.
        join_fingerprint: String = String::new(),
        /// The name of a cluster that we create.
        cluster_name: String = "rackseed".into(),
        /// OpenSSH private key that members without the join gate accept.
        key_file: PathBuf = PathBuf::new(),
        /// File with root's password on members without the join gate.
        root_password_file: PathBuf = PathBuf::new(),
        /// The network of corosync's link 0, in CIDR form.
        link0_network: String = String::new(),
        /// The networks of corosync's links, link 0 first.
        links: Vec<String> = Vec::new(),
        /// The SSH port of nodes.
        ssh_port: u16 = 22,
    }
);

section!(
    /// The join.
    JoinSettings {
        /// Whether a person compares the host key first.
        confirm_host_key: bool = false,
    }
);

section!(
    /// What new nodes are given.
    CredentialSettings {
        /// crypt(3) hash of root's password.
        root_password_hash: String = String::new(),
    }
);

section!(
    /// The inventory service.
    InfrastructureSettings {
        /// Its URL; empty is off.
        base_url: String = String::new(),
        /// File with its bearer token.
        token_file: PathBuf = PathBuf::new(),
        /// Our server types in its words.
        server_type_map: BTreeMap<String, String> = BTreeMap::new(),
    }
);

section!(
    /// How many minutes a host may stay in each transitional state.
    PatienceSettings {
        /// Armed, not booted.
        pxe_ready: u16 = 60,
        /// Loading the installer.
        pxe_booted: u16 = 20,
        /// Installing.
        installing: u16 = 60,
        /// Rebooting to disk.
        installed: u16 = 20,
        /// Phoned home.
        first_boot: u16 = 20,
        /// Joining.
        joining: u16 = 30,
    }
);

impl PatienceSettings {
    /// The minutes by state.
    pub fn by_state(&self) -> BTreeMap<HostState, Duration> {
        [
            (HostState::PxeReady, self.pxe_ready),
            (HostState::PxeBooted, self.pxe_booted),
            (HostState::Installing, self.installing),
            (HostState::Installed, self.installed),
            (HostState::FirstBoot, self.first_boot),
            (HostState::Joining, self.joining),
        ]
        .into_iter()
        .map(|(state, minutes)| (state, Duration::from_secs(60 * u64::from(minutes))))
        .collect()
    }
}
