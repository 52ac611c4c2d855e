//! Wake-up packets (AMD "Magic Packet", 1995): six bytes 0xFF, then the address sixteen times. Nobody answers them.

use std::{
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use async_trait::async_trait;
use socket2::{Domain, Protocol, Socket, Type};

use super::driver::Driver;
use crate::{
    domain::{
        host::Host,
        identity::MacAddress,
        power::{PowerState, WakeOnLanOptions},
    },
    ports::{NetworkBoot, PowerError},
};

/// How often the packet is sent: nothing repeats it when it is lost.
const REPEATS: usize = 5;
/// The pause between two packets: a switch port that wakes with the card drops the first ones.
const PAUSE: Duration = Duration::from_millis(200);

/// One sleeping network card.
pub(super) struct WakeOnLan {
    hostname: String,
    mac: MacAddress,
    target: SocketAddr,
    interfaces: Vec<String>,
}

impl WakeOnLan {
    pub(super) fn new(host: &Host, options: WakeOnLanOptions, boot_interfaces: &[String]) -> Self {
        let broadcast = options.broadcast.unwrap_or(Ipv4Addr::BROADCAST);
        // A chosen broadcast address finds its own way; the limited broadcast must be told which network is meant.
        let interfaces = match (options.interface, options.broadcast) {
            (Some(interface), _) => vec![interface],
            (None, Some(_)) => Vec::new(),
            (None, None) => boot_interfaces.to_vec(),
        };
        Self {
            hostname: host.hostname.to_string(),
            mac: options.mac.unwrap_or(host.mac),
            target: SocketAddr::from((broadcast, options.port)),
            interfaces,
        }
    }

    fn packet(&self) -> Vec<u8> {
        [vec![0xff; 6], self.mac.bytes().repeat(16)].concat()
    }

    async fn wake(&self) -> Result<(), PowerError> {
        let through: Vec<_> = match self.interfaces.as_slice() {
            [] => vec![None],
            interfaces => interfaces.iter().map(|name| Some(name.as_str())).collect(),
        };
        // One boot network that is away keeps nobody from being woken in another one.
        let (sockets, failures): (Vec<_>, Vec<_>) =
            through.into_iter().map(|interface| self.socket(interface)).partition(Result::is_ok);
        let sockets: Vec<_> = sockets.into_iter().flatten().collect();
        let mut failure = failures.into_iter().find_map(Result::err);
        let (packet, mut sent) = (self.packet(), 0);
        for round in 0..REPEATS {
            if round > 0 {
                tokio::time::sleep(PAUSE).await;
            }
            for socket in &sockets {
                match socket.send_to(&packet, &self.target.into()) {
                    Ok(_) => sent += 1,
                    Err(error) => failure = Some(self.cannot_send(&error)),
                }
            }
        }
        failure.filter(|_| sent == 0).map_or(Ok(()), Err)
    }

    fn cannot_send(&self, error: &std::io::Error) -> PowerError {
        PowerError::Failed(format!("the wake-up packet cannot be sent to {}: {error}", self.target))
    }

    fn socket(&self, interface: Option<&str>) -> Result<Socket, PowerError> {
        let open = || {
            let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP))?;
            socket.set_broadcast(true)?;
            socket.bind_device(interface.map(str::as_bytes))?;
            socket.set_nonblocking(true)?;
            Ok(socket)
        };
        open().map_err(|error: std::io::Error| {
            let through = interface.map(|name| format!(" through {name}")).unwrap_or_default();
            PowerError::Failed(format!("no wake-up packet can be sent{through}: {error}"))
        })
    }

    fn cannot(&self, what: &str) -> PowerError {
        PowerError::NotSupported(format!("Wake-on-LAN can only wake; {what} {} by hand", self.hostname))
    }
}

#[async_trait]
impl Driver for WakeOnLan {
    async fn status(&self) -> Result<PowerState, PowerError> {
        Ok(PowerState::Unknown)
    }

    async fn boot_from_network(&self) -> Result<NetworkBoot, PowerError> {
        self.wake().await?;
        Ok(NetworkBoot::Woken)
    }

    async fn switch_on(&self) -> Result<(), PowerError> {
        self.wake().await
    }

    async fn switch_off(&self) -> Result<(), PowerError> {
        Err(self.cannot("switch off"))
    }

    async fn cycle(&self) -> Result<(), PowerError> {
        Err(self.cannot("restart"))
    }
}
