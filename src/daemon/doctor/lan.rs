//! Asks the network as booting machines would, and says what that means.

use std::net::Ipv4Addr;

use crate::{
    dhcp::probe,
    domain::{
        checkup::Finding,
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
    let again = format!("tcpdump -eni {interface} 'port 67 or port 68 or port 4011'");
    match asked {
        Ok(Ok(answers)) => {
            let found = judge(&answers, Some(our)).into_iter().map(finding);
            let mut findings: Vec<_> = found
                .map(|finding| match finding.fix {
                    Some(_) => finding.confirmed_by(&again),
                    None => finding,
                })
                .collect();
            let is_ours = answers.iter().any(|answer| answer.server == our);
            if let Some(mac) = imitated.filter(|_| !is_ours) {
                let cure = "if it is armed and the daemon runs, our answers are lost";
                findings.push(
                    Finding::warning(LAN, format!("we offer {mac} nothing: `rackseed doctor --mac {mac}` says why"))
                        .mended_by(cure),
                );
            }
            findings
        }
        Ok(Err(error)) => {
            let sign = format!("{interface} could not be asked ({error})");
            vec![Finding::warning(LAN, sign).mended_by("run as root")]
        }
        Err(error) => vec![Finding::warning(LAN, format!("{interface} could not be asked ({error})"))],
    }
}

/// A locally administered address: no card has it, and we ourselves are silent to it.
fn nobody() -> std::io::Result<MacAddress> {
    let mut random = [0; 4];
    getrandom::fill(&mut random).map_err(std::io::Error::other)?;
    MacAddress::from_bytes([0x02, 0x52, random[0], random[1], random[2], random[3]]).map_err(std::io::Error::other)
}

fn finding(found: NetworkFinding) -> Finding {
    match found {
        NetworkFinding::NoDhcpServer => Finding::bad(LAN, "no DHCP server answered")
            .mended_by("machines get no address and cannot boot from the network: connect the network's DHCP server"),
        NetworkFinding::SeveralDhcpServers(servers) => {
            Finding::warning(LAN, format!("several DHCP servers answer ({})", list(&servers)))
                .mended_by("machines take the address of any of them: switch all but one off")
        }
        NetworkFinding::DhcpServer(server) => {
            Finding::good(LAN, format!("the DHCP server {server} gives addresses and leaves booting to us"))
        }
        NetworkFinding::DhcpServerClaimsPxe(server) => Finding::bad(
            LAN,
            format!(
                "the DHCP server {server} sends option 60 (PXEClient): UEFI machines then ask it on port 4011 and never follow us"
            ),
        )
        .mended_by(all_cures(Hindrance::ClaimsPxe)),
        NetworkFinding::StrayBootFile { server, file, clients } => Finding::warning(
            LAN,
            format!(
                "the DHCP server {server} offers {} the boot file `{file}`; some firmware takes it in place of ours",
                list(&clients)
            ),
        )
        .mended_by(all_cures(Hindrance::BootFile)),
        NetworkFinding::RivalBootServer { server, clients } => Finding::bad(
            LAN,
            format!("{server} is another boot server and answers {}", list(&clients)),
        )
        .mended_by(
            "machines may follow it in place of us: switch it off, or let it ignore ours (the host option `boot.discovery=direct` lets UEFI \
             prefer us)",
        ),
        NetworkFinding::SilentBootServer(server) => Finding::bad(
            LAN,
            format!(
                "{server} leads UEFI machines to its port 4011 and does not answer there; they end with PXE-E16"
            ),
        )
        .mended_by("open UDP 4011 in its firewall, or switch it off"),
        NetworkFinding::Ours(clients) => Finding::good(LAN, format!("we answer {}", list::<ProbeClient>(&clients))),
    }
}

/// What is changed on servers of every make, a line each.
fn all_cures(hindrance: Hindrance) -> String {
    cures(hindrance).map(|cure| format!("\n{:<30}{cure}", "")).collect()
}

fn list<T: std::fmt::Display>(things: &[T]) -> String {
    things.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
