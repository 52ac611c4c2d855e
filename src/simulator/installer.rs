//! The installer on a simulated machine: it reads its private settings from the ISO, and does in the order of the real one what can be seen
//! from outside: answer, first-boot script, disk, webhook.

use std::net::IpAddr;

use serde::Deserialize;

use super::{
    HeldWebhook, Installation, SimulatedFirmware, SimulatedMachine, SimulatedNode,
    installer_client::{
        AnswerSource, Dmi, HostKeys, Installed, InstallerClient, Machine, ModeFile, Release, install_report,
        system_report,
    },
    machine::{Teller, stopped},
};

/// Why a machine went no further: the sentence on its console.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct MachineStopped(pub String);

/// What iPXE has loaded.
#[derive(Debug, Default)]
pub(super) struct Loaded {
    /// Size of the kernel.
    pub(super) kernel_bytes: usize,
    /// Size of the first initial file system.
    pub(super) initrd_bytes: usize,
    /// `/proxmox.iso`.
    pub(super) iso: Vec<u8>,
}

/// The parts of an answer that a simulated machine follows.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Answer {
    global: Global,
    post_installation_webhook: Option<Callback>,
    first_boot: Option<Callback>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Global {
    fqdn: String,
    #[serde(default)]
    root_ssh_keys: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Callback {
    url: String,
    cert_fingerprint: Option<String>,
}

/// Installs a node.
pub(super) async fn install(
    machine: &SimulatedMachine,
    loaded: &Loaded,
    teller: &Teller,
) -> Result<SimulatedNode, MachineStopped> {
    let mode = find_mode_file(&loaded.iso)?;
    let client = InstallerClient { source: Some(IpAddr::V4(machine.address)) };
    let (release, hardware) = (release(), hardware(machine));
    let (habits, report) = (&machine.habits, system_report(&release, &hardware));
    let answer = habits.insist(|| client.fetch_answer(&mode.http, &report)).await;
    let answer = answer.map_err(stopped("answer"))?;
    let answer: Answer = toml::from_str(&answer).map_err(stopped("the answer cannot be read"))?;
    let script = match &answer.first_boot {
        Some(first_boot) => {
            let fingerprint = first_boot.cert_fingerprint.as_deref();
            let fetched = habits.insist(|| client.fetch_first_boot_script(&first_boot.url, fingerprint)).await;
            Some(fetched.map_err(stopped("first-boot script"))?)
        }
        None => None,
    };
    let fqdn = answer.global.fqdn;
    let hostname = fqdn.split('.').next().unwrap_or_default().to_owned();
    teller.tell(format!("installing {fqdn} from its answer")).await;
    let installation = Installation {
        hostname,
        address: machine.address,
        hardware_id: machine.hardware_id.clone(),
        root_ssh_keys: answer.global.root_ssh_keys,
        root_password: machine.root_password.clone(),
    };
    let node = machine.network.install(&installation).map_err(stopped("writing the disk"))?;
    if let Some(script) = &script {
        node.write_first_boot_script(script).map_err(stopped("writing the first-boot script"))?;
    }
    if let Some(webhook) = &answer.post_installation_webhook {
        let report = install_report(&release, &hardware, &installed(machine, &node, fqdn));
        let webhook =
            HeldWebhook { client, url: webhook.url.clone(), fingerprint: webhook.cert_fingerprint.clone(), report };
        teller.tell(habits.call(webhook).await.map_err(stopped("webhook"))?).await;
    }
    Ok(node)
}

/// Finds `/auto-installer-mode.toml` in the bytes of the ISO: the demo's image has no file system around it. What follows it there are
/// comments up to the end of its room, and then no text any more.
fn find_mode_file(iso: &[u8]) -> Result<ModeFile, MachineStopped> {
    const BEGIN: &[u8] = b"mode = \"http\"";
    let begin = iso.windows(BEGIN.len()).position(|window| window == BEGIN);
    let begin = begin.ok_or_else(|| MachineStopped("there is no /auto-installer-mode.toml on the ISO".into()))?;
    let text: Vec<u8> = iso[begin..].iter().copied().take_while(|byte| *byte != 0).collect();
    let text = String::from_utf8(text).map_err(stopped("the mode file"))?;
    let mode = ModeFile::parse(&text).map_err(stopped("the mode file"))?;
    match mode.mode {
        AnswerSource::Http => Ok(mode),
        AnswerSource::Iso | AnswerSource::Partition => {
            Err(MachineStopped("the answer is not asked for by HTTP".into()))
        }
    }
}

fn release() -> Release {
    Release { release: "9.2".into(), iso_release: "1".into() }
}

fn hardware(machine: &SimulatedMachine) -> Machine {
    let system =
        [("uuid", machine.hardware_id.as_str()), ("name", "Simulated machine"), ("serial", machine.name.as_str())];
    let system = system.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
    Machine { dmi: Dmi { system, ..Dmi::default() }, interfaces: vec![("nic0".to_owned(), machine.mac.to_string())] }
}

fn installed(machine: &SimulatedMachine, node: &SimulatedNode, fqdn: String) -> Installed {
    Installed {
        fqdn,
        machine_id: machine.hardware_id.replace('-', ""),
        address: format!("{}/8", machine.address),
        management_interface: "nic0".into(),
        is_efi: machine.firmware == SimulatedFirmware::Uefi,
        host_keys: HostKeys { ecdsa: "unknown".into(), ed25519: node.host_key_line(), rsa: "unknown".into() },
    }
}
