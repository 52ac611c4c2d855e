//! Decides what a machine on the wire is offered: from memory alone, in microseconds, for every packet.
//!
//! This decides only whether we speak at all. Installer or local disk is decided again, by the boot desk, when iPXE asks for its script.

use std::{net::Ipv4Addr, sync::Arc};

use jiff::Timestamp;

use super::{
    MachineUrls,
    boot_memory::BootMemory,
    boot_table::{ArmedHost, BootTable, KnownHost},
};
use crate::{
    domain::{
        boot_attempts::BootAttempts,
        boot_options::{BootOptions, Discovery},
        boot_path::{self, boot_path},
        boot_request::{BootOffer, BootRequest, Loader, SilenceReason, TakenAddress, Unarmed},
        boot_trace::{Milestone, Transfer},
        firmware::{Firmware, FirmwareKind, Transport},
        identity::MacAddress,
        ipxe::Ipxe,
    },
    ports::{BootFileShelf, BootTrace, Clock, ServedFile},
};

/// The boot file field of a DHCP packet has 128 bytes, the last of them NUL (RFC 2131 §2).
const LONGEST_BOOT_FILE: usize = 127;

/// What iPXE looks for beside its binary.
const AUTOEXEC: &str = "autoexec.ipxe";

/// How the script beside the binary ends where the real one cannot be had: like every other, with the disk and never with a bare `exit`.
const AUTOEXEC_FAILED: &str = "echo Rackseed: the boot script could not be loaded. Booting the local disk in 10 seconds.\n\
     sleep 10\nsanboot --no-describe --drive 0x80 || sanboot --no-describe --drive 0x81 || exit 1\n";

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
    /// What a registered host gets that is not armed.
    pub unarmed: Unarmed,
    /// What is remembered of machines between their questions.
    pub memory: Arc<BootMemory>,
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
        let known = self.boot_table.known(request.mac);
        if let Some(known) = &known {
            self.memory.asked(request.mac, known);
        }
        let known = known.ok_or(SilenceReason::NotRegistered);
        let offer = known.and_then(|known| self.decide(request, &known, our)).unwrap_or_else(BootOffer::Silence);
        self.trace.saw(request.mac, self.told(request, &offer));
        offer
    }

    fn decide(&self, request: &BootRequest, known: &KnownHost, our: Ipv4Addr) -> Result<BootOffer, SilenceReason> {
        let armed = match self.armed(request.mac) {
            Ok(armed) => Some(armed),
            Err(reason) if self.unarmed == Unarmed::Silence => return Err(reason),
            Err(_) => None,
        };
        let firmware = request.firmware().ok_or(SilenceReason::UnknownArchitecture)?;
        let now = self.clock.now();
        self.memory.of(request.mac, firmware.kind, |attempts| {
            if let Some(armed) = &armed {
                attempts.armed(armed.armed_from);
            }
            let is_switched = attempts.asked(request, now);
            if request.ipxe.is_some_and(|ipxe| may_run_script(ipxe, firmware.kind, &known.boot, attempts, now)) {
                // Without a token the script starts the disk.
                let token = armed.as_ref().map(|armed| armed.boot_token.as_str());
                return fits(self.urls.script(our, request.mac, token)).map(BootOffer::Script);
            }
            if attempts.is_in_a_loop(now) {
                return Err(SilenceReason::LoaderLoop);
            }
            let discovery = match known.boot.discovery(firmware.transport) {
                // iPXE takes what is offered, on every firmware.
                _ if request.ipxe.is_some() => Discovery::Direct,
                Some(chosen) => chosen,
                None => {
                    if is_switched {
                        tell_of_switch(known, request, attempts.discovery(firmware.kind));
                    }
                    attempts.discovery(firmware.kind)
                }
            };
            let file = self.loader(request.mac, firmware, &known.boot, our)?;
            attempts.loader_offered(request.transaction);
            Ok(BootOffer::Loader(Loader { firmware, file, discovery }))
        })
    }

    /// What the machine loads: a name on TFTP, or a URL. Only a file that there is is offered.
    fn loader(
        &self,
        mac: MacAddress,
        firmware: &Firmware,
        options: &BootOptions,
        our: Ipv4Addr,
    ) -> Result<String, SilenceReason> {
        let name = options.boot_file(firmware.kind, firmware.boot_file);
        if !self.boot_files.has(name) {
            return Err(SilenceReason::NoBootFile);
        }
        let path = boot_path(mac, name);
        fits(match firmware.transport {
            Transport::Tftp => path,
            Transport::Http => self.urls.loader(our, &path),
        })
    }

    /// The script that iPXE on UEFI looks for beside its binary, before it asks DHCP; `None` where the machine is not armed. 2.0 has the
    /// firmware's address by then, 1.21.1+git20250501 has none (seen with OVMF's HTTP boot), so the script asks for one.
    pub fn autoexec(&self, mac: MacAddress, our: Ipv4Addr) -> Option<String> {
        let armed = self.armed(mac).ok()?;
        let url = self.urls.script(our, mac, Some(&armed.boot_token));
        Some(format!("#!ipxe\nimgfree autoexec.ipxe ||\ndhcp ||\nchain --replace {url} ||\n{AUTOEXEC_FAILED}"))
    }

    /// What UEFI HTTP boot, and the iPXE that it started, load by the path of an offer: a boot file, or `autoexec.ipxe`.
    pub fn by_path(&self, path: &[u8], our: Ipv4Addr) -> Option<ByPath> {
        let (mac, name) = boot_path::parse(path)?;
        if name == AUTOEXEC {
            return Some(ByPath::Script(self.autoexec(mac?, our)?));
        }
        let file = self.boot_files.boot_file(&name)?;
        Some(ByPath::File { mac, name, file })
    }

    /// A boot file went out, by HTTP or TFTP.
    pub fn fetched(&self, mac: Option<MacAddress>, file: String, transfer: Transfer) {
        if let Some(mac) = mac {
            self.trace.saw(mac, Milestone::LoaderFetched { file, transfer });
        }
    }

    /// A machine took its address from a DHCP server; whether it comes to us next tells who leads it.
    pub fn overheard(&self, taken: &TakenAddress) {
        self.memory.took_address(taken);
    }

    /// What the trace is told of an offer: no token.
    fn told(&self, request: &BootRequest, offer: &BootOffer) -> Milestone {
        let what = match offer {
            BootOffer::Silence(reason) => return Milestone::NotOffered { reason: reason.sentence(request) },
            BootOffer::Loader(loader) if loader.firmware.transport == Transport::Http => loader.file.clone(),
            BootOffer::Loader(loader) => match self.memory.led_away_by(request.mac, loader.firmware.kind) {
                None => format!("{}, {}", loader.file, loader.discovery.label()),
                Some(server) => format!(
                    "{}, {}; before, it took its address from {server} and did not come to us: remove option 60 (PXEClient), \
                     next-server and boot file from that DHCP server, or see whether a switch drops our offers (DHCP snooping)",
                    loader.file,
                    loader.discovery.label()
                ),
            },
            BootOffer::Script(_) => "its iPXE script".to_owned(),
        };
        Milestone::Offered { what }
    }

    fn armed(&self, mac: MacAddress) -> Result<ArmedHost, SilenceReason> {
        let armed = self.boot_table.armed(mac).ok_or(SilenceReason::NotArmed)?;
        let now = self.clock.now();
        if now < armed.armed_from || now >= armed.armed_until { Err(SilenceReason::ArmingExpired) } else { Ok(armed) }
    }
}

/// Whether an iPXE gets its script; else ours is loaded first. One that describes itself is judged by that; of one that does not, and where the
/// operator wants ours, only the one that we handed over is believed.
fn may_run_script(
    ipxe: Ipxe,
    kind: FirmwareKind,
    options: &BootOptions,
    attempts: &BootAttempts,
    now: Timestamp,
) -> bool {
    if ipxe.is_described() && ipxe.shortcoming(kind).is_some() {
        return false;
    }
    let must_be_ours = options.own_ipxe || !ipxe.is_described() || ipxe.may_lose_the_iso(kind);
    !must_be_ours || attempts.has_our_ipxe(now)
}

fn tell_of_switch(known: &KnownHost, request: &BootRequest, discovery: Discovery) {
    let way = discovery.label();
    tracing::info!(
        host.id = known.host.as_str(), host.mac = %request.mac, firmware = request.client(),
        "{} asked twice anew and did not follow; it is now led {way} (boot.discovery decides it for good)", known.hostname
    );
}

fn fits(file: String) -> Result<String, SilenceReason> {
    if file.len() > LONGEST_BOOT_FILE { Err(SilenceReason::UrlTooLong) } else { Ok(file) }
}
