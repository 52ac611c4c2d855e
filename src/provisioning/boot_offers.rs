//! Decides what a machine on the wire is offered: from memory alone, in microseconds, for every packet.
//!
//! This decides only whether we speak at all. Installer or local disk is decided again, by the boot desk, when iPXE asks for its script.

use std::{net::Ipv4Addr, sync::Arc};

use super::{
    MachineUrls,
    boot_table::{ArmedHost, BootTable},
};
use crate::{
    domain::{
        boot_options::Discovery,
        boot_path::{self, boot_path},
        boot_request::{BootOffer, BootRequest, Loader, SilenceReason},
        boot_trace::{Milestone, Transfer},
        firmware::Transport,
        identity::MacAddress,
    },
    ports::{BootFileShelf, BootTrace, Clock, ServedFile},
};

/// The boot file field of a DHCP packet has 128 bytes, the last of them NUL (RFC 2131 §2).
const LONGEST_BOOT_FILE: usize = 127;

/// What iPXE 2.0 looks for beside its binary.
const AUTOEXEC: &str = "autoexec.ipxe";

/// What is loaded by a path.
#[derive(Debug)]
pub enum ByPath {
    /// The script beside the binary.
    Script(String),
    /// A boot file.
    File {
        /// The machine, if the path tells it.
        mac: Option<MacAddress>,
        /// The file's name.
        name: String,
        /// The file.
        file: ServedFile,
    },
}

/// Makes offers.
pub struct BootOffers {
    /// Who is registered, and who is armed.
    pub boot_table: Arc<BootTable>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Where machines find us.
    pub urls: MachineUrls,
    /// The boot files that can be served.
    pub boot_files: Arc<dyn BootFileShelf>,
    /// Is told what machines ask and are offered.
    pub trace: Arc<dyn BootTrace>,
}

impl BootOffers {
    /// Decides what to offer a machine that met us at `our`.
    pub fn offer(&self, request: &BootRequest, our: Ipv4Addr) -> BootOffer {
        let milestone = if request.to_boot_server {
            Milestone::AskedBootServer
        } else {
            Milestone::Asked { client: request.client() }
        };
        self.trace.saw(request.mac, milestone);
        let offer = self.decide(request, our).unwrap_or_else(BootOffer::Silence);
        self.trace.saw(request.mac, told(request, &offer));
        offer
    }

    fn decide(&self, request: &BootRequest, our: Ipv4Addr) -> Result<BootOffer, SilenceReason> {
        let known = self.boot_table.known(request.mac).ok_or(SilenceReason::NotRegistered)?;
        let armed = self.armed(request.mac)?;
        let firmware = request.firmware().ok_or(SilenceReason::UnknownArchitecture)?;
        let is_good_ipxe = request.ipxe.is_some_and(|ipxe| ipxe.shortcoming(firmware.kind).is_none());
        if is_good_ipxe {
            let url = self.urls.script(our, request.mac, &armed.boot_token);
            return fits(url).map(BootOffer::Script);
        }
        let name = known.boot.boot_file(firmware.kind, firmware.boot_file);
        if !self.boot_files.has(name) {
            return Err(SilenceReason::NoBootFile);
        }
        let path = boot_path(request.mac, name);
        let file = match firmware.transport {
            Transport::Tftp => path,
            Transport::Http => self.urls.loader(our, &path),
        };
        let usual = Discovery::usual(firmware.kind);
        // iPXE takes what is offered, on every firmware.
        let discovery = if request.ipxe.is_some() {
            Discovery::Direct
        } else {
            known.boot.discovery(firmware.transport).unwrap_or(usual)
        };
        Ok(BootOffer::Loader(Loader { firmware, file: fits(file)?, discovery }))
    }

    /// The script that iPXE 2.0 looks for beside its binary, before it asks DHCP; `None` where the machine is not armed.
    pub fn autoexec(&self, mac: MacAddress, our: Ipv4Addr) -> Option<String> {
        let armed = self.armed(mac).ok()?;
        let url = self.urls.script(our, mac, &armed.boot_token);
        Some(format!("#!ipxe\nimgfree autoexec.ipxe ||\nchain --replace {url}\n"))
    }

    /// What UEFI HTTP boot, and the iPXE that it started, load by the path of an offer: a boot file, or `autoexec.ipxe`.
    pub fn by_path(&self, path: &str, our: Ipv4Addr) -> Option<ByPath> {
        let (mac, name) = boot_path::parse(path.as_bytes())?;
        if name == AUTOEXEC {
            return Some(ByPath::Script(self.autoexec(mac?, our)?));
        }
        let file = self.boot_files.boot_file(&name)?;
        Some(ByPath::File { mac, name, file })
    }

    /// A boot file went out by HTTP.
    pub fn fetched(&self, mac: Option<MacAddress>, file: String, transfer: Transfer) {
        if let Some(mac) = mac {
            self.trace.saw(mac, Milestone::LoaderFetched { file, transfer });
        }
    }

    fn armed(&self, mac: MacAddress) -> Result<ArmedHost, SilenceReason> {
        let armed = self.boot_table.armed(mac).ok_or(SilenceReason::NotArmed)?;
        let now = self.clock.now();
        if now < armed.armed_from || now >= armed.armed_until { Err(SilenceReason::ArmingExpired) } else { Ok(armed) }
    }
}

/// What the trace is told of an offer: no token.
fn told(request: &BootRequest, offer: &BootOffer) -> Milestone {
    match offer {
        BootOffer::Silence(reason) => Milestone::NotOffered { reason: reason.sentence(request) },
        BootOffer::Loader(loader) => Milestone::Offered { what: loader.file.clone() },
        BootOffer::Script(_) => Milestone::Offered { what: "its iPXE script".to_owned() },
    }
}

fn fits(file: String) -> Result<String, SilenceReason> {
    if file.len() > LONGEST_BOOT_FILE { Err(SilenceReason::UrlTooLong) } else { Ok(file) }
}
