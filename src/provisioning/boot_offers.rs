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
        boot_path::boot_path,
        boot_request::{BootOffer, BootRequest, Loader, SilenceReason},
        boot_trace::Milestone,
        firmware::Transport,
        identity::MacAddress,
    },
    ports::{BootTrace, Clock},
};

/// The boot file field of a DHCP packet has 128 bytes, the last of them NUL (RFC 2131 §2).
const LONGEST_BOOT_FILE: usize = 127;

/// Makes offers.
pub struct BootOffers {
    /// Who is registered, and who is armed.
    pub boot_table: Arc<BootTable>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Where machines find us.
    pub urls: MachineUrls,
    /// The boot files that can be served, by name.
    pub boot_files: Vec<String>,
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
        if !self.boot_files.iter().any(|file| file == name) {
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
