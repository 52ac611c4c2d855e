//! Proxy DHCP: answers booting machines beside whatever DHCP server the network has, and never disturbs it.
//!
//! Always in this order: is it for us and well formed (`request`), what do we offer (`provisioning::BootDesk`, from memory), the reply's
//! bytes (`reply`). `listener` owns one port of one interface: `udp_socket` where the port is free, `packet_socket` beside another program
//! that has it. We never send `yiaddr` and never answer a REQUEST on port 67.

mod diary;
mod ear;
mod interface;
mod listener;
mod packet_socket;
mod port_holder;
mod probe;
mod probe_packets;
mod reply;
mod request;
mod udp_socket;

pub use ear::{Ear, overheard};
pub use interface::{Interface, InterfaceError, Place, interfaces, place};
pub use listener::{BindError, DhcpConfig, DhcpListener};
pub use port_holder::port_holder;
pub use probe::probe;
pub use reply::{Reply, reply};
pub use request::{IgnoreReason, Port, ReceivedRequest, parse};
