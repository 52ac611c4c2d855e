//! Findings about the machine, its image and its answer.

use super::{Facts, Rule, age, list, note, wall, warning};
use crate::domain::{
    boot_order::BootOrder, disk_selection, hardware::Disk, host_lifecycle::HostEvent, image_memory::memory_warning,
    power::PowerDriver,
};

pub(super) const RULES: &[Rule] = &[
    wall("under_way", |facts| {
        let words = format!(
            "{} is being rebuilt already ({}); cancel that operation first",
            facts.name(),
            facts.host.state.label()
        );
        when(!facts.host.state.is_stable(), words)
    }),
    wall("server_type_gone", |facts| {
        let words =
            format!("the server type `{}` is not in the catalog any more; see /api/catalog", facts.host.server_type);
        when(facts.server_type.is_none(), words)
    }),
    wall("no_image", |facts| facts.image.as_ref().err().cloned().into_iter().collect()),
    wall("image_damaged", |facts| facts.image_damage.clone().into_iter().collect()),
    wall("answer_broken", answer_problems),
    wall("disk_unsettled", |facts| {
        let words = "it is not settled which disk the installer takes; name it in the server type or for the host";
        let review = facts.answer.as_ref().and_then(|answer| answer.as_ref().ok());
        when(review.is_some_and(|review| review.toml.is_some() && review.disks.is_none()), words.to_owned())
    }),
    warning("disk_without_system", |facts| {
        let knows_the_system = known_disks(facts).iter().any(|disk| disk.is_boot_disk);
        let others = wiped(facts).iter().filter(|disk| knows_the_system && !disk.is_boot_disk);
        others
            .map(|disk| {
                format!(
                    "the disk {} is wiped, and it did not hold the system at the last report; whatever is on it is lost",
                    disk_selection::describe(disk)
                )
            })
            .collect()
    }),
    note("disks_unknown", |facts| {
        let words = "the disks are unknown before the first installation: the installer takes what the rule names, whatever it is";
        when(known_disks(facts).is_empty(), words.to_owned())
    }),
    warning("memory", |facts| {
        let Ok(choice) = &facts.image else { return Vec::new() };
        memory_warning(&choice.image, facts.name(), facts.host.hardware.as_ref()).into_iter().collect()
    }),
    note("memory_unknown", |facts| {
        let memory = facts.host.hardware.as_ref().and_then(|hardware| hardware.memory_bytes);
        let words = "the memory of the machine is not known yet, so nobody can say whether the installer fits";
        when(memory.is_none(), words.to_owned())
    }),
    note("answer_note", |facts| {
        let review = facts.answer.as_ref().and_then(|answer| answer.as_ref().ok());
        let notes = review.into_iter().flat_map(|review| &review.warnings).map(ToString::to_string);
        // That one is a warning of its own.
        notes.filter(|note| !note.contains("did not hold the system at the last report")).collect()
    }),
    note("silent_since_installation", |facts| {
        let Some(installed) = facts.host.installed_at else { return Vec::new() };
        let words = format!(
            "{} was given its last answer {} and has not been heard of since; look whether it is still the same machine",
            facts.name(),
            age(facts.now, installed)
        );
        let is_silent = facts.last_heard.as_ref().is_none_or(|entry| entry.event == HostEvent::AnswerServed);
        when(is_silent, words)
    }),
    note("never_heard", |facts| {
        let is_new = facts.host.installed_at.is_none() && facts.last_heard.is_none();
        let words =
            format!("nothing has been heard yet from the MAC address {}; compare it with the machine", facts.host.mac);
        when(is_new, words)
    }),
    note("by_hand", |facts| {
        let words = match facts.host.options.power.driver {
            PowerDriver::None => "nobody switches this machine on but a person; it must boot from the network",
            PowerDriver::WakeOnLan | PowerDriver::Webhook => {
                "the machine is switched on, but not told to boot from the network: its own boot order decides"
            }
            PowerDriver::Redfish | PowerDriver::Ipmi => return Vec::new(),
        };
        vec![words.to_owned()]
    }),
    note("disk_first", |facts| {
        let forced = matches!(facts.host.options.power.driver, PowerDriver::Redfish | PowerDriver::Ipmi);
        let words =
            "the machine starts its disk first: choose the network in its boot menu, else nothing is reinstalled";
        when(!forced && facts.host.boot_order == Some(BootOrder::DiskFirst), words.to_owned())
    }),
    note("secure_boot", |facts| {
        let is_on = facts.host.hardware.as_ref().is_some_and(|hardware| hardware.secure_boot == Some(true));
        when(
            is_on,
            "Secure Boot was on at the last installation; a boot loader that is not signed will be refused".to_owned(),
        )
    }),
];

/// A sentence, where a condition holds.
pub(super) fn when(condition: bool, sentence: String) -> Vec<String> {
    if condition { vec![sentence] } else { Vec::new() }
}

/// Every broken rule of the answer in one sentence each.
fn answer_problems(facts: &Facts) -> Vec<String> {
    match &facts.answer {
        None => Vec::new(),
        Some(Err(error)) => vec![error.clone()],
        Some(Ok(review)) if review.toml.is_some() => Vec::new(),
        Some(Ok(review)) => vec![format!(
            "the answer for {} cannot be given: {}",
            facts.name(),
            list(review.problems.iter().map(ToString::to_string))
        )],
    }
}

fn known_disks(facts: &Facts) -> &[Disk] {
    facts.host.hardware.as_ref().map_or(&[], |hardware| &hardware.disks)
}

fn wiped(facts: &Facts) -> &[Disk] {
    match &facts.answer {
        Some(Ok(review)) => &review.wiped,
        Some(Err(_)) | None => &[],
    }
}
