//! Asks the network as booting machines would, and says what that means.

use std::net::Ipv4Addr;

use super::{
    doctor::{Finding, Verdict},
    probes::{bad, good},
};
use crate::{
    dhcp::probe,
    domain::{
        dhcp_advice::{Hindrance, cures},
        identity::MacAddress,
        network_probe::{NetworkFinding, ProbeClient, judge},
    },
};

/// What these findings are about.
const LAN: &str = "LAN";

/// Imitates every kind of client on an interface: with a MAC address of nobody's, or with that of an armed host, to see what it would get.
pub(super) async fn ask(interface: &str, our: Ipv4Addr, imitated: Option<MacAddress>) -> Vec<Finding> {
    let name = interface.to_owned();
    let asked = tokio::task::spawn_blocking(move || probe(&name, our, imitated.map_or_else(nobody, Ok)?)).await;
    match asked {
        Ok(Ok(answers)) => {
            let mut findings: Vec<_> = judge(&answers, Some(our)).into_iter().map(finding).collect();
            let is_ours = answers.iter().any(|answer| answer.server == our);
            if let Some(mac) = imitated.filter(|_| !is_ours) {
                findings.push(warning(format!(
                    "we offer {mac} nothing: `rackseed doctor --mac {mac}` says why; if it is armed and the daemon runs, our answers are lost"
                )));
            }
            findings
        }
        Ok(Err(error)) => vec![warning(format!("{interface} could not be asked ({error}); run as root"))],
        Err(error) => vec![warning(format!("{interface} could not be asked ({error})"))],
    }
}

/// A locally administered address: no card has it, and we ourselves are silent to it.
fn nobody() -> std::io::Result<MacAddress> {
    let mut random = [0; 4];
    getrandom::fill(&mut random).map_err(std::io::Error::other)?;
    MacAddress::from_bytes([0x02, 0x52, random[0], random[1], random[2], random[3]]).map_err(std::io::Error::other)
}

fn warning(detail: String) -> Finding {
    Finding { what: LAN, verdict: Verdict::Warning, detail }
}

fn finding(found: NetworkFinding) -> Finding {
    match found {
        NetworkFinding::NoDhcpServer => {
            bad(LAN, "no DHCP server answered; machines get no address and cannot boot from the network".into())
        }
        NetworkFinding::SeveralDhcpServers(servers) => warning(format!(
            "several DHCP servers answer ({}); machines take the address of any of them: switch all but one off",
            list(&servers)
        )),
        NetworkFinding::DhcpServer(server) => {
            good(LAN, format!("the DHCP server {server} gives addresses and leaves booting to us"))
        }
        NetworkFinding::DhcpServerClaimsPxe(server) => bad(
            LAN,
            with_cures(
                format!(
                    "the DHCP server {server} sends option 60 (PXEClient): UEFI machines then ask it on port 4011 and never follow us"
                ),
                Hindrance::ClaimsPxe,
            ),
        ),
        NetworkFinding::StrayBootFile { server, file, clients } => warning(with_cures(
            format!(
                "the DHCP server {server} offers {} the boot file `{file}`; some firmware takes it in place of ours",
                list(&clients)
            ),
            Hindrance::BootFile,
        )),
        NetworkFinding::RivalBootServer { server, clients } => bad(
            LAN,
            format!(
                "{server} is another boot server and answers {}; machines may follow it in place of us: switch it off, or let it ignore ours \
             (the host option `boot.discovery=direct` lets UEFI prefer us)",
                list(&clients)
            ),
        ),
        NetworkFinding::SilentBootServer(server) => bad(
            LAN,
            format!(
                "{server} leads UEFI machines to its port 4011 and does not answer there; they end with PXE-E16: open UDP 4011 in its firewall, \
             or switch it off"
            ),
        ),
        NetworkFinding::Ours(clients) => good(LAN, format!("we answer {}", list::<ProbeClient>(&clients))),
    }
}

fn with_cures(sentence: String, hindrance: Hindrance) -> String {
    cures(hindrance).fold(sentence, |text, cure| format!("{text}\n{:<30}{cure}", ""))
}

fn list<T: std::fmt::Display>(things: &[T]) -> String {
    things.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
