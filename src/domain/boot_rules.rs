//! Why a boot stands still, as a table: at each place of a boot, what the evidence speaks for, and what to do about it.
//!
//! The knowledge is that of the field: what PXE firmware, LAN DHCP servers and switches really do, and how it looks from where we stand.

use super::{
    boot_diagnosis::{Cause, Place, Subject},
    boot_record::Seen,
    boot_trace::{Milestone, Stage, size},
};

/// What speaks for one cause or another.
#[derive(Debug, Clone, Default)]
pub struct Evidence {
    /// Questions of the firmware in this boot.
    pub questions: u32,
    /// Questions on the boot server's port.
    pub boot_server_questions: u32,
    /// Whether it is UEFI.
    pub is_uefi: bool,
    /// Whether it is UEFI HTTP boot.
    pub is_http_boot: bool,
    /// How many boots ended with iPXE and no script.
    pub loaders_without_script: usize,
    /// Bytes of the transfer that broke off.
    pub broken_after_bytes: u64,
    /// Size of the ISO, where it was loaded.
    pub image_bytes: Option<u64>,
    /// Its memory, where that is known.
    pub memory_bytes: Option<u64>,
    /// Why it was offered nothing.
    pub refused_because: Option<String>,
    /// Whether it asked for a network boot after it had been installed.
    pub asked_after_install: bool,
    /// Unregistered cards that asked meanwhile.
    pub strangers: Vec<String>,
}

impl Evidence {
    /// Gathers it.
    pub fn new(subject: &Subject<'_>, place: Place, memory_bytes: Option<u64>) -> Self {
        let record = subject.record;
        let latest: Vec<&Seen> = record.latest().collect();
        let mut evidence = Self { memory_bytes, ..Self::default() };
        for seen in &latest {
            match &seen.milestone {
                Milestone::Asked { client } => {
                    evidence.is_uefi |= client.contains("UEFI");
                    evidence.is_http_boot |= client.contains("HTTP");
                    evidence.questions += if seen.milestone.is_of_ipxe() { 0 } else { seen.times };
                }
                Milestone::NotOffered { reason } => evidence.refused_because = Some(reason.clone()),
                Milestone::AskedBootServer => evidence.boot_server_questions += seen.times,
                Milestone::ImageFetched { transfer } if transfer.complete => {
                    evidence.image_bytes = Some(transfer.bytes)
                }
                Milestone::Offered { .. }
                | Milestone::LoaderFetched { .. }
                | Milestone::ScriptFetched { .. }
                | Milestone::KernelFetched { .. }
                | Milestone::InitrdFetched { .. }
                | Milestone::ImageFetched { .. }
                | Milestone::AnswerServed
                | Milestone::FirstBootScriptFetched
                | Milestone::Installed
                | Milestone::PhonedHome => {}
            }
        }
        let broken =
            latest.iter().rev().find_map(|seen| seen.milestone.transfer()).filter(|transfer| !transfer.complete);
        evidence.broken_after_bytes = broken.map_or(0, |transfer| transfer.bytes);
        let since_installed: Vec<_> =
            record.all().rev().take_while(|seen| seen.milestone.stage() != Stage::Installed).collect();
        evidence.asked_after_install = since_installed.len() < record.all().count()
            && since_installed.iter().any(|seen| seen.milestone.stage() == Stage::Asked);
        evidence.loaders_without_script = loaders_without_script(record.all());
        if place == Place::Silent {
            evidence.strangers = subject.strangers.iter().take(3).map(ToString::to_string).collect();
        }
        evidence
    }

    /// The memory that the ISO needs: the kernel, the unpacked initrd, and the ISO itself several times over while it is handed on (measured in
    /// QEMU: three times the ISO on BIOS, four times on UEFI).
    fn memory_needed(&self) -> Option<u64> {
        Some(self.image_bytes? * if self.is_uefi { 4 } else { 3 })
    }
}

fn loaders_without_script<'a>(seen: impl Iterator<Item = &'a Seen>) -> usize {
    let mut boots: Vec<(u32, bool, bool)> = Vec::new();
    for seen in seen {
        if boots.last().is_none_or(|(boot, ..)| *boot != seen.boot) {
            boots.push((seen.boot, false, false));
        }
        if let Some((_, has_loader, has_script)) = boots.last_mut() {
            *has_loader |= seen.milestone.stage() == Stage::LoaderFetched;
            *has_script |= seen.milestone.stage() >= Stage::ScriptFetched;
        }
    }
    boots.iter().rev().take_while(|(_, has_loader, has_script)| *has_loader && !has_script).count()
}

/// One rule.
pub struct Rule {
    /// Its name, the same for ever.
    pub name: &'static str,
    /// Where the boot stands.
    pub place: &'static [Place],
    /// The likely cause, if the evidence speaks for it.
    pub cause: fn(&Evidence) -> Option<String>,
    /// What to do.
    pub fix: &'static str,
}

const fn rule(
    name: &'static str,
    place: &'static [Place],
    cause: fn(&Evidence) -> Option<String>,
    fix: &'static str,
) -> Rule {
    Rule { name, place, cause, fix }
}

fn always(text: &str) -> Option<String> {
    Some(text.to_owned())
}

fn when(is_so: bool, text: &str) -> Option<String> {
    is_so.then(|| text.to_owned())
}

const ON_THE_MACHINE: &[Place] = &[Place::ImageLoaded];
const LOADING: &[Place] = &[Place::Instructed, Place::KernelLoaded, Place::InitrdLoaded, Place::FileBroken];
const WRITING: &[Place] = &[Place::Answered, Place::Installing];

/// Every rule, the likeliest cause of a place first.
#[rustfmt::skip]
pub const RULES: &[Rule] = &[
    rule("another_card", &[Place::Silent], |e| (!e.strangers.is_empty()).then(|| format!("another card asked meanwhile and is not registered ({}): the machine may boot from another of its cards", e.strangers.join(", "))),
        "Compare with the MAC address on the machine's own boot screen. If it is one of these, register the host with that address, or let the other card boot first in the firmware's setup."),
    rule("not_booting_from_network", &[Place::Silent], |_| always("the machine is off, still tests its memory, or boots its disk first"),
        "Switch it on and choose network boot once: F12 on most machines and Dell, F12 or F10 on Lenovo, F11 or F12 on HPE and Supermicro. The card's PXE option must be on in the firmware's setup."),
    rule("question_does_not_arrive", &[Place::Silent], |_| always("its question does not reach us: cable, VLAN, or a router in between"),
        "See that the link lights up and that its port is in the VLAN of pxe.interface. From another network, the router must relay DHCP to Rackseed as well (a second `ip helper-address`), and pxe.relays must allow it."),
    rule("offered_nothing", &[Place::Refused], |e| e.refused_because.clone(),
        "Do what the sentence says, then start the machine again."),
    rule("http_boot_takes_no_offer", &[Place::Offered], |e| when(e.is_http_boot, "UEFI HTTP boot has our URL and does not load it: the boot port is closed, or the LAN's DHCP server gave no address"),
        "Open TCP port 8081 (server.boot_listen) for the boot network; see that the machine's screen shows an address. PXE (IPv4) in the boot menu is the other road."),
    rule("no_address_from_lan", &[Place::Offered], |e| when(e.questions >= 3, "it asks again and again and takes no offer: the LAN's DHCP server gives it no address (pool empty, MAC filter, none there), or its firmware ignores offers of a proxy"),
        "Look whether its screen ever shows an address. Run `rackseed doctor` on this network: it names every DHCP server that answers, or says that there is none."),
    rule("other_boot_server", &[Place::Offered], |e| when(e.questions < 3, "it took an address and did not follow us: the LAN's DHCP server names a boot file or a server of its own (options 60, 66, 67, next-server), or a switch drops our offers (DHCP snooping)"),
        "Run `rackseed doctor` here: it names the server and the setting to clear. Mark Rackseed's switch port as trusted for DHCP."),
    rule("firmware_wants_another_way", &[Place::Offered], |e| when(!e.is_http_boot, "this firmware follows offers only in the other way"),
        "Try `rackseed host set HOST boot.discovery=direct`, or `=boot_server`."),
    rule("boot_server_answers_lost", &[Place::AskedBootServer], |e| when(e.boot_server_questions >= 3, "it asks port 4011 again and again, so our answers do not arrive: a firewall, reverse path filter, or no way back to its network"),
        "Allow UDP 4011 in and out on Rackseed's machine, and see `ip route get ADDRESS` for the machine's address; `rackseed doctor` tries it."),
    rule("tftp_blocked", &[Place::AskedBootServer], |e| when(e.boot_server_questions < 3, "it knows the file's name and does not ask for it: UDP port 69 is blocked"),
        "Allow UDP 69 (pxe.tftp_port) and the high ports that answer from it; in a container, use host networking."),
    rule("loader_never_begins", &[Place::LoaderBroken], |e| when(e.broken_after_bytes == 0, "the first block never arrives: a firewall lets port 69 through and not the transfer's own port, or the packets are too large for the way"),
        "Allow UDP from Rackseed's high ports to the machine (nf_conntrack_tftp), and the same MTU on the whole way."),
    rule("loader_breaks_off", &[Place::LoaderBroken], |e| when(e.broken_after_bytes > 0, "packets are lost on the way: cable, duplex, a busy switch"),
        "Try another cable and port; look at the port's error counters. A firmware that first asks for the size breaks off once, and that is normal."),
    rule("loader_loop", &[Place::Loaded], |e| (e.loaders_without_script >= 2).then(|| format!("it loaded iPXE {} times and never came for its script", e.loaders_without_script)),
        "Look at its console while iPXE starts; then try another file: `rackseed host set HOST boot.boot_file=ipxe.efi` (UEFI) or `=ipxe.pxe` (BIOS)."),
    rule("secure_boot", &[Place::Loaded], |e| when(e.is_uefi, "Secure Boot refuses iPXE, which is not signed by Microsoft"),
        "Switch Secure Boot off in the firmware's setup. It may go on again once the system is installed."),
    rule("ipxe_hangs", &[Place::Loaded], |_| always("iPXE hangs on this network card"),
        "Look at its console: it stands at `Initialising devices`. Try another file: `rackseed host set HOST boot.boot_file=ipxe.efi` (UEFI) or `=ipxe.pxe` (BIOS)."),
    rule("link_comes_late", &[Place::Loaded, Place::ScriptOffered], |_| always("the switch port comes up too late for iPXE: spanning tree, or a bond (LACP) without its partner"),
        "Make the port an edge port (portfast); on a bond, allow single links (LACP fallback, `no lacp suspend-individual`)."),
    rule("boot_port_blocked", &[Place::ScriptOffered, Place::Identified], |_| always("iPXE cannot reach our HTTP port"),
        "Allow TCP 8081 (server.boot_listen) for the boot network, and see that server.public_url is right from there: `rackseed doctor` asks it."),
    rule("lan_file_wins", &[Place::ScriptOffered], |_| always("the LAN's own DHCP server names a boot file, and iPXE followed that"),
        "Take next-server and options 66 and 67 out of the LAN's DHCP server, or at least for iPXE (option 175)."),
    rule("ipv6_wait", &[Place::ScriptOffered], |e| when(e.is_uefi, "iPXE waits for an IPv6 router that is not there; that takes some 16 seconds and is no error"),
        "Wait a little; nothing is to be done."),
    rule("sent_home", &[Place::SentHome], |_| always("it was told to boot its own disk; the script's sentence says why"),
        "Do what the sentence says, then start the machine again."),
    rule("loading_stalls", LOADING, |e| when(e.broken_after_bytes == 0, "iPXE cannot load over HTTP any more, or the machine was switched off"),
        "Look at its console: iPXE says which file failed and why. `Connection timed out` is the network; `No space left on device` or `Not enough memory` is its memory."),
    rule("loading_breaks_off", LOADING, |e| (e.broken_after_bytes > 0).then(|| format!("loading broke off after {}: the machine was reset, lost the network, or has too little memory for the ISO", size(e.broken_after_bytes))),
        "Look at its console. The installer needs about three times its size as memory on BIOS and four times on UEFI; below 8 GiB it cannot be booted this way."),
    rule("memory_too_small", ON_THE_MACHINE, |e| { let (needed, has) = (e.memory_needed()?, e.memory_bytes?); (has < needed).then(|| format!("it has {} of memory, and this ISO needs about {}", size(has), size(needed))) },
        "Add memory, or install this machine from a USB stick."),
    rule("memory_unknown", ON_THE_MACHINE, |e| when(e.memory_bytes.is_none(), "too little memory: the kernel then drops the ISO without a word and the installer finds no `/proxmox.iso`"),
        "Look at its console. The machine needs about three times the ISO's size on BIOS and four times on UEFI."),
    rule("machine_port_blocked", ON_THE_MACHINE, |_| always("the installer runs and cannot reach our HTTPS port, or has no address from the LAN's DHCP server on this card"),
        "Allow TCP 8443 (server.machine_listen) for the boot network. The installer's own screen (Alt+F2 and F3) shows the address and the error."),
    rule("console_only", ON_THE_MACHINE, |_| always("it boots well and shows nothing, because its console is another one"),
        "Name the console in the server type (`console=ttyS0,115200`); the installation itself goes on without it."),
    rule("installer_failed", WRITING, |_| always("the installer stopped with an error: a disk that it cannot use, a rule of the answer that it refuses, or a network that it cannot set up"),
        "Its screen shows the error, and `/tmp/install.log` on its shell (Alt+F3) has the rest. Then rebuild the host."),
    rule("slow_disk", WRITING, |_| always("a slow disk or a large RAID that is made anew"),
        "Wait, if its screen still moves."),
    rule("report_lost", WRITING, |_| always("the installer is done, but its report did not reach our HTTPS port"),
        "Allow TCP 8443 (server.machine_listen); the installer says on its screen that the webhook failed, and waits there."),
    rule("boots_network_again", &[Place::Installed], |e| when(e.asked_after_install, "it boots from the network first and was left alone, and then its firmware did not go on to the disk"),
        "Put the disk before the network in the firmware's boot order, or choose the disk once in its boot menu."),
    rule("does_not_boot_disk", &[Place::Installed], |_| always("it does not start from the disk that was installed: another disk is first, or UEFI and legacy boot are mixed"),
        "Look at its console, and choose the installed disk in the boot menu (`proxmox` on UEFI)."),
    rule("no_network_after_install", &[Place::Installed], |_| always("the new system runs and has no network: another card, a VLAN tag or a static address that is wrong"),
        "Log in at its console as root and see `ip address`; correct the answer's network, then rebuild. The first-boot script calls again and again for a day, and at each start."),
];

/// The likely causes at a place, in the table's order.
pub fn causes(place: Place, evidence: &Evidence) -> Vec<Cause> {
    let here = RULES.iter().filter(|rule| rule.place.contains(&place));
    here.filter_map(|rule| Some(Cause { rule: rule.name, cause: (rule.cause)(evidence)?, fix: rule.fix })).collect()
}
