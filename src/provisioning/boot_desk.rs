//! Decides what a machine boots: the iPXE script, and the files that the script names.
//!
//! DHCP has decided only whether we speak at all. Installer or local disk is decided again here, from the ledger and in one transaction; any
//! doubt is the local disk.

use std::{net::Ipv4Addr, sync::Arc};

use super::{
    MachineUrls, OwnCertificate,
    host_keeper::{HostKeeper, KeeperError, Move},
    refusal::{Refusal, RefusalLog},
    sightings::Sightings,
    tokens::hash_token,
};
use crate::{
    domain::{
        boot_trace::{Milestone, Transfer},
        catalog::{ScriptName, ScriptValues},
        firmware::{self, FirmwareKind, OLDEST_UEFI_IPXE},
        host::Host,
        host_lifecycle::HostEvent,
        identity::MacAddress,
        image::ImagePart,
        rebuild::{Rebuild, RebuildMarks, TokenPurpose},
        sighting::Question,
    },
    ports::{BootTrace, Catalog, Clock, HostLedger, ImageLibrary, LedgerError, RebuildLedger, ServedFile},
};

/// What iPXE asks when it wants its script.
#[derive(Debug, Clone)]
pub struct ScriptRequest {
    /// The MAC address in the path, as it was written.
    pub mac: String,
    /// The boot token in the query.
    pub token: Option<String>,
    /// `${platform}`: `pcbios` or `efi`; absent in the first of the two requests.
    pub platform: Option<String>,
    /// `${version}`.
    pub version: Option<String>,
    /// `${buildarch}`: the processor that this iPXE is built for.
    pub processor: Option<String>,
    /// Who asks.
    pub peer: Ipv4Addr,
    /// The address on which we were asked.
    pub our: Ipv4Addr,
}

/// A file of the installer, and the machine for which it was opened.
#[derive(Debug)]
pub struct InstallerFile {
    /// The machine.
    pub mac: MacAddress,
    /// The file.
    pub file: ServedFile,
}

/// Answers booting machines.
pub struct BootDesk {
    /// Keeps states.
    pub keeper: Arc<HostKeeper>,
    /// Hosts.
    pub hosts: Arc<dyn HostLedger>,
    /// Rebuilds and tokens.
    pub rebuilds: Arc<dyn RebuildLedger>,
    /// Scripts.
    pub catalog: Arc<dyn Catalog>,
    /// Kernel, initrd, ISO.
    pub images: Arc<dyn ImageLibrary>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Tells of refused tokens.
    pub refusals: Arc<RefusalLog>,
    /// Where machines find us.
    pub urls: MachineUrls,
    /// What the installer must pin.
    pub certificate: OwnCertificate,
    /// Is told what machines fetch.
    pub trace: Arc<dyn BootTrace>,
    /// Is told who asks and is not registered.
    pub sightings: Arc<Sightings>,
}

impl BootDesk {
    /// Returns an iPXE script for every question, also for wrong ones: what is wrong stands on the machine's console.
    pub async fn script(&self, request: &ScriptRequest) -> String {
        let answer = match request.mac.parse::<MacAddress>() {
            Ok(mac) => self
                .decide_script(request, mac)
                .await
                .unwrap_or_else(|refusal| ScriptAnswer::refuse(Some(mac), refusal.to_string())),
            Err(error) => ScriptAnswer::refuse(None, error.to_string()),
        };
        if let Some(mac) = answer.mac {
            self.trace.saw(mac, Milestone::ScriptFetched { script: answer.told() });
        }
        self.render(request, &answer)
    }

    async fn decide_script(&self, request: &ScriptRequest, mac: MacAddress) -> Result<ScriptAnswer, Refusal> {
        let Some(host) = self.hosts.host_by_mac(mac).await? else {
            let (platform, version) = (request.platform.as_deref(), request.version.as_deref());
            self.sightings.asked(&Question::for_script(mac, platform, version));
            return Ok(ScriptAnswer::local(mac, None, "this machine is not registered; it boots its own disk".into()));
        };
        let stays = |why: String| Ok(ScriptAnswer::local(mac, Some(&host), why));
        if !host.state.boots_installer() {
            return stays(format!("{} is `{}`; it boots its own disk", host.hostname, host.state.label()));
        }
        let Some(rebuild) =
            self.rebuilds.latest_rebuild(&host.id).await?.filter(|rebuild| rebuild.is_armed(self.clock.now()))
        else {
            return stays(format!("the rebuild of {} is no longer armed; it boots its own disk", host.hostname));
        };
        let Some(token) = self.valid_token(request, &host, &rebuild).await? else {
            return stays(format!("this boot of {} was not offered by us; it boots its own disk", host.hostname));
        };
        self.check_peer(&host, &rebuild, rebuild.marks.script_address, request.peer, TokenPurpose::Boot).await?;
        let Some(platform) = request.platform.as_deref().filter(|platform| !platform.is_empty()) else {
            return Ok(ScriptAnswer {
                boot_token: Some(token),
                ..ScriptAnswer::new(ScriptName::Identify, mac, Some(&host), String::new())
            });
        };
        let kind = firmware::of_ipxe(platform, request.processor.as_deref().unwrap_or_default());
        if let Some(why) = kind.and_then(FirmwareKind::cannot_install) {
            return Ok(ScriptAnswer::refuse(Some(mac), format!("{} cannot be installed: {why}", host.hostname)));
        }
        let version = request.version.as_deref().unwrap_or_default();
        if platform == "efi" && !firmware::ipxe_boots_uefi(version) {
            let why = format!(
                "iPXE {version} is too old: on UEFI it loses the installer ISO; {OLDEST_UEFI_IPXE} or newer is needed. \
                 If it is in the network card, set boot.own_ipxe for this host"
            );
            return Ok(ScriptAnswer::refuse(Some(mac), why));
        }
        let marks = RebuildMarks { script_address: Some(request.peer), ..RebuildMarks::default() };
        let details = Move {
            marks: Some((rebuild.operation.clone(), marks)),
            spends: Some(hash_token(&token)),
            ..Move::default()
        };
        match self.keeper.apply(&host, HostEvent::BootScriptServed, details).await {
            Ok(_) => {}
            Err(KeeperError::Ledger(LedgerError::Conflict) | KeeperError::Illegal(_)) => {
                return stays(format!("{} has just changed; it boots its own disk", host.hostname));
            }
            Err(error) => return Err(error.into()),
        }
        if rebuild.must_leave() {
            let message = format!(
                "{} leaves its cluster first, then it is installed; this screen goes on by itself",
                host.hostname
            );
            return Ok(ScriptAnswer {
                boot_token: Some(token),
                ..ScriptAnswer::new(ScriptName::Wait, mac, Some(&host), message)
            });
        }
        let kernel_command_line = Some(rebuild.server_type.kernel_command_line());
        let message = format!("installing {} on {}", host.hostname, rebuild.answer.disk_rule(&rebuild.server_type));
        Ok(ScriptAnswer {
            boot_token: Some(token),
            kernel_command_line,
            ..ScriptAnswer::new(ScriptName::Install, mac, Some(&host), message)
        })
    }

    async fn valid_token(
        &self,
        request: &ScriptRequest,
        host: &Host,
        rebuild: &Rebuild,
    ) -> Result<Option<String>, Refusal> {
        let Some(token) = &request.token else { return Ok(None) };
        let record = self.rebuilds.token(&hash_token(token)).await?;
        let valid =
            record.is_some_and(|record| record.operation == rebuild.operation && record.purpose == TokenPurpose::Boot);
        if !valid {
            self.refusals
                .tell(Some(&host.id), TokenPurpose::Boot, request.peer, "a token that is not of this rebuild")
                .await;
        }
        Ok(valid.then(|| token.clone()))
    }

    /// Opens a file of the armed rebuild for the machine that fetched its script. How it went out is told with [`Self::fetched`].
    pub async fn file(
        &self,
        token: &str,
        part: ImagePart,
        peer: Ipv4Addr,
        our: Ipv4Addr,
    ) -> Result<InstallerFile, Refusal> {
        let record =
            self.rebuilds.token(&hash_token(token)).await?.filter(|record| record.purpose == TokenPurpose::Boot);
        let Some(record) = record else {
            self.refusals.tell(None, TokenPurpose::Boot, peer, "an unknown token for a file of the installer").await;
            return Err(Refusal::Forbidden("this boot token is not known; start the machine again".into()));
        };
        let host = self.keeper.host(&record.host).await?;
        let rebuild =
            self.rebuilds.rebuild(&record.operation).await?.filter(|rebuild| rebuild.is_armed(self.clock.now()));
        let (Some(rebuild), true) = (rebuild, host.state.boots_installer()) else {
            return Err(Refusal::Forbidden(format!(
                "the rebuild of {} is over; start the machine again",
                host.hostname
            )));
        };
        if rebuild.must_leave() {
            return Err(Refusal::Forbidden(format!("{} has not left its cluster yet", host.hostname)));
        }
        let Some(script_address) = rebuild.marks.script_address else {
            return Err(Refusal::Forbidden("the boot script has not been fetched yet".into()));
        };
        self.check_peer(&host, &rebuild, Some(script_address), peer, TokenPurpose::Boot).await?;
        if part != ImagePart::InstallerIso {
            return Ok(InstallerFile { mac: host.mac, file: self.images.open(&rebuild.image, part, None).await? });
        }
        if rebuild.marks.image_address.is_none() {
            let marks = RebuildMarks { image_address: Some(peer), ..RebuildMarks::default() };
            self.keeper.mark(&rebuild.operation, &marks, None, None).await?;
        }
        let settings = self.installer_settings(&rebuild, our)?;
        Ok(InstallerFile { mac: host.mac, file: self.images.open(&rebuild.image, part, Some(&settings)).await? })
    }

    /// Records how a file of the installer went out to a machine.
    pub fn fetched(&self, mac: MacAddress, part: ImagePart, transfer: Transfer) {
        let milestone = match part {
            ImagePart::Kernel => Milestone::KernelFetched { transfer },
            ImagePart::Initrd => Milestone::InitrdFetched { transfer },
            ImagePart::InstallerIso => Milestone::ImageFetched { transfer },
        };
        self.trace.saw(mac, milestone);
    }

    /// The private `auto-installer-mode.toml`: only `mode` and `[http]`, which every version accepts (proxmox-auto-installer `utils.rs`);
    /// `token` is ignored before 9.2.
    fn installer_settings(&self, rebuild: &Rebuild, our: Ipv4Addr) -> Result<String, Refusal> {
        let Some(tokens) = self.keeper.tokens(rebuild)? else {
            return Err(Refusal::Forbidden("this rebuild has ended; start the machine again".into()));
        };
        let token = tokens.token(TokenPurpose::Answer);
        let url = self.urls.answer(our, &token);
        let fingerprint = &self.certificate.fingerprint;
        Ok(format!(
            "mode = \"http\"\n\n[http]\nurl = \"{url}\"\ncert_fingerprint = \"{fingerprint}\"\ntoken = \"{token}\"\n"
        ))
    }

    /// Stops the rebuild when a second machine shows its token.
    async fn check_peer(
        &self,
        host: &Host,
        rebuild: &Rebuild,
        known: Option<Ipv4Addr>,
        peer: Ipv4Addr,
        purpose: TokenPurpose,
    ) -> Result<(), Refusal> {
        let Some(first) = known.filter(|first| *first != peer) else { return Ok(()) };
        let why = format!("two machines claimed this rebuild: its token came from {first} and then from {peer}");
        self.refusals.tell(Some(&host.id), purpose, peer, &why).await;
        let marks = RebuildMarks { refused: Some(why.clone()), ..RebuildMarks::default() };
        self.keeper.mark(&rebuild.operation, &marks, None, None).await?;
        Err(Refusal::Forbidden(why))
    }

    fn render(&self, request: &ScriptRequest, answer: &ScriptAnswer) -> String {
        let mac = answer.mac.or_else(|| MacAddress::from_bytes([2, 0, 0, 0, 0, 0]).ok());
        let values = mac.map(|mac| ScriptValues {
            mac,
            hostname: answer.hostname.clone(),
            boot_url: self.urls.boot(request.our),
            boot_token: answer.boot_token.clone(),
            kernel_command_line: answer.kernel_command_line.clone(),
            uefi: request.platform.as_deref() == Some("efi"),
            message: printable(&answer.message),
        });
        let rendered = values.map(|values| self.catalog.render_script(answer.script, &values));
        match rendered {
            Some(Ok(script)) => script,
            Some(Err(error)) => {
                tracing::error!(%error, "an iPXE script cannot be rendered; the machine boots its own disk");
                last_resort_script()
            }
            None => last_resort_script(),
        }
    }
}

/// What is told to iPXE, before it is rendered.
struct ScriptAnswer {
    script: ScriptName,
    mac: Option<MacAddress>,
    hostname: Option<crate::domain::identity::Hostname>,
    boot_token: Option<String>,
    kernel_command_line: Option<String>,
    message: String,
}

impl ScriptAnswer {
    /// How the trace of the boot names it: `install: installing pve-01 on …`.
    fn told(&self) -> String {
        let word = self.script.word();
        if self.message.is_empty() { word.to_owned() } else { format!("{word}: {}", self.message) }
    }

    fn new(script: ScriptName, mac: MacAddress, host: Option<&Host>, message: String) -> Self {
        Self {
            script,
            mac: Some(mac),
            hostname: host.map(|host| host.hostname.clone()),
            boot_token: None,
            kernel_command_line: None,
            message,
        }
    }

    fn local(mac: MacAddress, host: Option<&Host>, message: String) -> Self {
        Self::new(ScriptName::Local, mac, host, message)
    }

    fn refuse(mac: Option<MacAddress>, message: String) -> Self {
        Self { script: ScriptName::Refuse, mac, hostname: None, boot_token: None, kernel_command_line: None, message }
    }
}

/// Keeps a sentence within what a script may hold: printable ASCII, nothing that iPXE expands or takes for an operator or a comment.
fn printable(message: &str) -> String {
    let safe: String = message
        .chars()
        .map(|c| if (c.is_ascii_graphic() && !"$|&{}#".contains(c)) || c == ' ' { c } else { '_' })
        .collect();
    // A semicolon that stands alone ends a command.
    safe.split(' ').map(|word| if word == ";" { "," } else { word }).collect::<Vec<_>>().join(" ")
}

/// What a machine gets when not even the catalog can be rendered: its disk, in the way of either firmware.
fn last_resort_script() -> String {
    "#!ipxe\necho Rackseed cannot render its scripts; see its log. Booting the local disk.\nsleep 10\n\
     sanboot --no-describe --drive 0x80 || sanboot --no-describe --drive 0x81 || iseq ${platform} efi && exit 1 || exit 0\n"
        .to_owned()
}

impl From<KeeperError> for Refusal {
    fn from(error: KeeperError) -> Self {
        match error {
            KeeperError::UnknownHost(id) => Self::Unknown(format!("there is no host {id}")),
            KeeperError::Illegal(illegal) => Self::NotNow(illegal.to_string()),
            KeeperError::Ledger(LedgerError::Conflict) => Self::NotNow("the host has just changed; ask again".into()),
            KeeperError::Ledger(error) => Self::Ledger(error),
            KeeperError::Secrets(error) => Self::Secrets(error),
        }
    }
}
