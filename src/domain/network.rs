//! Where we answer booting machines, and how that is going: one entry for each interface of the settings.

use std::{fmt, net::Ipv4Addr, sync::Arc};

use ipnet::Ipv4Net;

/// An interface on which machines are to be answered, as the settings say it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WantedInterface {
    /// Its name: a card, a bridge, a VLAN.
    pub name: String,
    /// Serve only those of its addresses that are in this network.
    pub subnet: Option<Ipv4Net>,
    /// Serve this address and no other; it may come and go, as that of a virtual router does.
    pub address: Option<Ipv4Addr>,
}

/// Where a machine met us.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MeetingPlace {
    /// Our address there: what the machine is told as server, and in URLs.
    pub our: Ipv4Addr,
    /// The interface on which the question came.
    pub interface: Arc<str>,
    /// The relay that passed the question on, if one did.
    pub relay: Option<Ipv4Addr>,
}

/// What is served to booting machines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Service {
    /// DHCP's port 67: the first question.
    Dhcp,
    /// The PXE boot server's port 4011: the second question of UEFI firmware.
    BootServer,
    /// TFTP.
    Tftp,
}

impl Service {
    /// Its name in sentences and in JSON.
    pub fn word(self) -> &'static str {
        match self {
            Self::Dhcp => "dhcp",
            Self::BootServer => "boot_server",
            Self::Tftp => "tftp",
        }
    }
}

impl fmt::Display for Service {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Dhcp => "DHCP",
            Self::BootServer => "the PXE boot server",
            Self::Tftp => "TFTP",
        })
    }
}

/// How one service is going.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ServiceState {
    /// It has its port.
    Serving,
    /// The port is another program's, and we hear and answer beside it: which program, as far as can be seen.
    Beside(String),
    /// It does not run: why, and what to do.
    Failed(String),
}

/// One service of one interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceStatus {
    /// Which.
    pub service: Service,
    /// Our address.
    pub address: Ipv4Addr,
    /// The UDP port.
    pub port: u16,
    /// How it is going.
    pub state: ServiceState,
}

/// How one interface is going, in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InterfaceState {
    /// Every service runs.
    Answering,
    /// Some service does not run.
    Impaired,
    /// Nothing runs there: it is missing, down, or without the address.
    Waiting,
}

impl InterfaceState {
    /// Its name in JSON.
    pub fn word(self) -> &'static str {
        match self {
            Self::Answering => "answering",
            Self::Impaired => "impaired",
            Self::Waiting => "waiting",
        }
    }
}

/// One interface of the settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InterfaceStatus {
    /// Its name.
    pub name: String,
    /// Our addresses there; the first is what machines of the same network are told.
    pub addresses: Vec<Ipv4Addr>,
    /// Why nothing can run there, and what to do.
    pub waiting_for: Option<String>,
    /// Whether a cable, or for a bridge any port, is there.
    pub has_carrier: bool,
    /// Its services.
    pub services: Vec<ServiceStatus>,
}

impl InterfaceStatus {
    /// How it is going.
    pub fn state(&self) -> InterfaceState {
        let fails = |status: &ServiceStatus| matches!(status.state, ServiceState::Failed(_));
        if self.waiting_for.is_some() {
            InterfaceState::Waiting
        } else if self.services.iter().any(fails) {
            InterfaceState::Impaired
        } else {
            InterfaceState::Answering
        }
    }

    /// The same in sentences: what is wrong and what to do, or that all is well.
    pub fn sentence(&self) -> String {
        if let Some(waiting_for) = &self.waiting_for {
            return waiting_for.clone();
        }
        let addresses: Vec<_> = self.addresses.iter().map(ToString::to_string).collect();
        let mut sentences = vec![format!("booting machines are answered from {}", addresses.join(", "))];
        for status in &self.services {
            let ServiceStatus { service, port, state, .. } = status;
            match state {
                ServiceState::Serving => {}
                ServiceState::Beside(other) => sentences
                    .push(format!("{service} is answered beside {other}, which has port {port} and is not disturbed")),
                ServiceState::Failed(why) => sentences.push(format!("{service} is not served: {why}")),
            }
        }
        if !self.has_carrier {
            sentences.push("the interface has no carrier: no cable, or a bridge without ports".into());
        }
        sentences.join("; ")
    }
}

/// Every interface of the settings.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NetworkStatus {
    /// Those of the settings, in their order; none while network boot is off.
    pub interfaces: Vec<InterfaceStatus>,
    /// The names of all interfaces of this computer.
    pub present: Vec<String>,
}
