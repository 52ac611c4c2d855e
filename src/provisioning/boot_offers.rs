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
        boot_request::{BootOffer, BootRequest, SilenceReason},
        firmware,
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
        let armed = match self.armed(request.mac) {
            Ok(armed) => armed,
            Err(reason) => return BootOffer::Silence(reason),
        };
        let Some(firmware) = firmware::firmware(request.architecture) else {
            return BootOffer::Silence(SilenceReason::UnknownArchitecture);
        };
        if request.is_ipxe {
            let url = self.urls.script(our, request.mac, &armed.boot_token);
            return if url.len() > LONGEST_BOOT_FILE {
                BootOffer::Silence(SilenceReason::UrlTooLong)
            } else {
                BootOffer::Script(url)
            };
        }
        if self.boot_files.iter().any(|file| file == firmware.boot_file) {
            BootOffer::Loader(firmware)
        } else {
            BootOffer::Silence(SilenceReason::NoBootFile)
        }
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
