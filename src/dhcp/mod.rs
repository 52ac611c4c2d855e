//! Proxy DHCP: answers booting machines beside whatever DHCP server the network has, and never disturbs it.
//!
//! Always in this order: is it for us and well formed (`request`), what do we offer (`provisioning::BootDesk`, from memory), the reply's
//! bytes (`reply`). `listener` only owns sockets. We never send `yiaddr` and never answer a REQUEST on port 67.

mod diary;
mod interface;
mod listener;
mod probe;
mod reply;
mod request;

pub use interface::{InterfaceError, interface_address};
pub use listener::{BindError, DhcpConfig, DhcpListener};
pub use probe::{ProbeAnswer, probe};
pub use reply::{Reply, reply};
pub use request::{IgnoreReason, Port, ReceivedRequest, parse};
