//! Says where a boot stands: the last thing seen, what comes next, how long that usually takes, and what is likely wrong when it does not come.
//!
//! Three tables do it: [`PLACES`] (what is expected at each place of a boot), the rules of [`super::boot_rules`] (causes and their fixes) and
//! the record of the machine itself, which knows how long it took the last time.

use jiff::{SignedDuration, Timestamp};

use super::{
    boot_record::BootRecord,
    boot_rules::{Evidence, causes},
    boot_trace::{Milestone, Stage},
    catalog::ScriptName,
    host_lifecycle::HostState,
    identity::{Hostname, MacAddress},
};

super::words::words!(
    /// Where a boot stands.
    Place, "place of a boot" {
        /// Nothing was seen.
        Silent = "silent",
        /// It asked and was offered nothing.
        Refused = "refused",
        /// Its firmware has our offer.
        Offered = "offered",
        /// It asked the boot server's port.
        AskedBootServer = "asked_boot_server",
        /// It broke off loading iPXE.
        LoaderBroken = "loader_broken",
        /// It has loaded iPXE.
        Loaded = "loaded",
        /// iPXE has the offer of its script.
        ScriptOffered = "script_offered",
        /// iPXE has fetched the script that asks what it is.
        Identified = "identified",
        /// It was told to boot its own disk.
        SentHome = "sent_home",
        /// iPXE has the script that installs.
        Instructed = "instructed",
        /// It broke off loading a file of the installer.
        FileBroken = "file_broken",
        /// It has the kernel.
        KernelLoaded = "kernel_loaded",
        /// It has the initrd.
        InitrdLoaded = "initrd_loaded",
        /// It has everything, and starts the installer.
        ImageLoaded = "image_loaded",
        /// The installer has its answer.
        Answered = "answered",
        /// The installer is writing the disk.
        Installing = "installing",
        /// It is installed, and restarts.
        Installed = "installed",
        /// Its first boot has phoned home.
        Home = "home",
    }
);

/// What is expected at a place.
#[derive(Debug, Clone, Copy)]
pub struct Expected {
    /// What comes next.
    pub next: &'static str,
    /// How long that usually takes, in seconds, where the machine itself has not shown it yet.
    pub usually_seconds: i64,
    /// After how many seconds it is overdue. Shorter tells of trouble sooner; shorter than the slowest machine needs raises false alarms.
    pub overdue_seconds: i64,
    /// From which milestone to which of some others the machine's own time is taken.
    pub learned: Option<(Stage, &'static [Stage])>,
}

const fn expected(next: &'static str, usually_seconds: i64, overdue_seconds: i64) -> Option<Expected> {
    Some(Expected { next, usually_seconds, overdue_seconds, learned: None })
}

const fn learned(row: Option<Expected>, from: Stage, to: &'static [Stage]) -> Option<Expected> {
    match row {
        Some(row) => Some(Expected { learned: Some((from, to)), ..row }),
        None => None,
    }
}

/// What is expected at each place, in the order of a boot. The seconds are those of the QEMU runs for what we serve, and of Proxmox VE's own
/// documentation and the field reports for what happens on the machine; servers test their memory for minutes before they ask.
pub const PLACES: &[(Place, Option<Expected>)] = &[
    (Place::Silent, expected("its network card asks for a boot", 120, 600)),
    (Place::Refused, None),
    (Place::Offered, expected("it takes the offer and loads iPXE, or asks port 4011 first", 4, 20)),
    (Place::AskedBootServer, expected("it loads iPXE", 2, 15)),
    (Place::LoaderBroken, expected("it asks for the rest, or again", 3, 30)),
    (Place::Loaded, expected("iPXE starts and asks for its script", 8, 40)),
    (Place::ScriptOffered, expected("iPXE fetches its script", 3, 30)),
    (Place::Identified, expected("iPXE fetches the script that installs", 1, 15)),
    (Place::SentHome, None),
    (Place::Instructed, expected("it loads the kernel", 2, 30)),
    (Place::FileBroken, expected("it asks for the rest, or again", 5, 40)),
    (
        Place::KernelLoaded,
        learned(expected("it loads the initrd", 3, 90), Stage::KernelFetched, &[Stage::InitrdFetched]),
    ),
    (
        Place::InitrdLoaded,
        learned(expected("it loads its installer ISO", 20, 600), Stage::InitrdFetched, &[Stage::ImageFetched]),
    ),
    (
        Place::ImageLoaded,
        learned(
            expected("the installer starts from memory and asks for its answer", 75, 480),
            Stage::ImageFetched,
            &[Stage::AnswerServed],
        ),
    ),
    (
        Place::Answered,
        learned(
            expected("the installer fetches the first-boot script and begins to write the disk", 20, 300),
            Stage::AnswerServed,
            &[Stage::FirstBootScriptFetched, Stage::Installed],
        ),
    ),
    (
        Place::Installing,
        learned(expected("the installer reports that it is done", 360, 2400), Stage::AnswerServed, &[Stage::Installed]),
    ),
    (
        Place::Installed,
        learned(
            expected("the new system starts from its disk and phones home", 180, 900),
            Stage::Installed,
            &[Stage::PhonedHome],
        ),
    ),
    (Place::Home, None),
];

/// What the diagnosis is about.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// What was seen of the machine.
    pub record: &'a BootRecord,
    /// The host, if the machine is registered.
    pub host: Option<BootingHost<'a>>,
    /// Unregistered cards that asked lately, the latest first.
    pub strangers: &'a [MacAddress],
}

/// What matters of a host.
#[derive(Debug, Clone, Copy)]
pub struct BootingHost<'a> {
    /// Its name.
    pub hostname: &'a Hostname,
    /// Its state.
    pub state: HostState,
    /// Since when.
    pub since: Timestamp,
    /// Its memory, as far as it is known.
    pub memory_bytes: Option<u64>,
}

/// Where a boot stands, and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnosis {
    /// Where it stands.
    pub place: Place,
    /// The whole in one sentence.
    pub summary: String,
    /// What comes next, if anything is expected.
    pub expectation: Option<Expectation>,
    /// Whether it should have come by now, or the boot has failed.
    pub overdue: bool,
    /// What is likely wrong, the likeliest first; only where something is.
    pub causes: Vec<Cause>,
}

/// What comes next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expectation {
    /// What.
    pub next: &'static str,
    /// Since when it is waited for.
    pub since: Timestamp,
    /// How long it usually takes.
    pub usually: SignedDuration,
    /// Whether that is what this very machine took the last time.
    pub is_learned: bool,
    /// From when on it is overdue.
    pub overdue_at: Timestamp,
}

/// A likely cause.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cause {
    /// The rule's name.
    pub rule: &'static str,
    /// What is likely the matter.
    pub cause: String,
    /// What to do.
    pub fix: &'static str,
}

/// Says where a boot stands.
pub fn diagnose(subject: &Subject<'_>, now: Timestamp) -> Diagnosis {
    let Some(host) = subject.host else { return of_a_stranger(subject, now) };
    let (place, since) = stand(subject.record, host);
    let is_under_way = !host.state.is_stable();
    let has_failed = host.state == HostState::Failed && place != Place::Home;
    let expectation = if is_under_way { expectation(subject.record, place, since, now) } else { None };
    let is_late = expectation.as_ref().is_some_and(|expectation| now >= expectation.overdue_at);
    let overdue = is_late || has_failed;
    let is_refused = is_under_way && place == Place::Refused;
    let evidence = Evidence::new(subject, place, host.memory_bytes);
    let causes = if overdue || is_refused { causes(place, &evidence) } else { Vec::new() };
    let summary = summary(host, place, expectation.as_ref(), is_late);
    Diagnosis { place, summary, expectation, overdue: overdue || is_refused, causes }
}

fn of_a_stranger(subject: &Subject<'_>, now: Timestamp) -> Diagnosis {
    let place = place_of(subject.record.latest().map(|seen| &seen.milestone));
    let summary = match subject.record.all().next_back() {
        Some(last) => format!(
            "This machine is not registered, so it boots its own disk; it was last seen {} ago. Register it, then press Rebuild.",
            span(now.duration_since(last.last_at))
        ),
        None => "Nothing was seen of this MAC address, and no host has it.".to_owned(),
    };
    Diagnosis { place, summary, expectation: None, overdue: false, causes: Vec::new() }
}

/// Where the boot of a host stands, and since when: what was seen since the host is in its state, but never less than what the state proves.
fn stand(record: &BootRecord, host: BootingHost<'_>) -> (Place, Timestamp) {
    let is_current = |at: Timestamp| host.state != HostState::PxeReady || at >= host.since;
    let seen = record.latest().filter(|seen| is_current(seen.last_at));
    let last = seen.clone().next_back().map(|last| last.last_at);
    let seen_place = place_of(seen.map(|seen| &seen.milestone));
    match proved_by(host.state).filter(|proved| *proved > seen_place) {
        Some(proved) => (proved, host.since),
        None => (seen_place, last.unwrap_or(host.since)),
    }
}

/// What a host's state proves of its boot, whatever was seen: milestones are kept in memory first, and may be lost.
fn proved_by(state: HostState) -> Option<Place> {
    match state {
        HostState::Registered | HostState::PxeReady | HostState::Ready | HostState::Failed => None,
        HostState::PxeBooted => Some(Place::Instructed),
        HostState::Installing => Some(Place::Answered),
        HostState::Installed => Some(Place::Installed),
        HostState::FirstBoot | HostState::Joining => Some(Place::Home),
    }
}

/// Where a boot stands after its milestones.
fn place_of<'a>(milestones: impl DoubleEndedIterator<Item = &'a Milestone> + Clone) -> Place {
    let Some(last) = milestones.clone().next_back() else { return Place::Silent };
    // The end of a talk: who asked, and whether it was ever offered something. A firmware goes on asking on other roads after an offer.
    if last.stage() <= Stage::Offered {
        let mut talk = milestones.clone().rev().take_while(|milestone| milestone.stage() <= Stage::AskedBootServer);
        let is_of_ipxe =
            milestones.rev().find(|milestone| milestone.stage() == Stage::Asked).is_some_and(Milestone::is_of_ipxe);
        return match talk
            .find(|milestone| matches!(milestone.stage(), Stage::Offered | Stage::AskedBootServer | Stage::NotOffered))
        {
            Some(Milestone::NotOffered { .. }) | None => Place::Refused,
            Some(Milestone::AskedBootServer) => Place::AskedBootServer,
            Some(Milestone::Offered { what }) if is_of_ipxe && what.contains("script") => Place::ScriptOffered,
            Some(_) => {
                if talk.any(|milestone| *milestone == Milestone::AskedBootServer) {
                    Place::AskedBootServer
                } else {
                    Place::Offered
                }
            }
        };
    }
    let is_whole = last.transfer().is_none_or(|transfer| transfer.complete);
    match last {
        Milestone::Asked { .. } | Milestone::NotOffered { .. } | Milestone::Offered { .. } => Place::Refused,
        Milestone::AskedBootServer => Place::AskedBootServer,
        Milestone::LoaderFetched { .. } if is_whole => Place::Loaded,
        Milestone::LoaderFetched { .. } => Place::LoaderBroken,
        Milestone::ScriptFetched { script } if script.starts_with(ScriptName::Install.word()) => Place::Instructed,
        Milestone::ScriptFetched { script } if script.starts_with(ScriptName::Identify.word()) => Place::Identified,
        Milestone::ScriptFetched { .. } => Place::SentHome,
        Milestone::KernelFetched { .. } if is_whole => Place::KernelLoaded,
        Milestone::InitrdFetched { .. } if is_whole => Place::InitrdLoaded,
        Milestone::ImageFetched { .. } if is_whole => Place::ImageLoaded,
        Milestone::KernelFetched { .. } | Milestone::InitrdFetched { .. } | Milestone::ImageFetched { .. } => {
            Place::FileBroken
        }
        Milestone::AnswerServed => Place::Answered,
        Milestone::FirstBootScriptFetched => Place::Installing,
        Milestone::Installed => Place::Installed,
        Milestone::PhonedHome => Place::Home,
    }
}

fn expectation(record: &BootRecord, place: Place, since: Timestamp, now: Timestamp) -> Option<Expectation> {
    let row = PLACES.iter().find(|(row, _)| *row == place)?.1?;
    let learned = row.learned.and_then(|(from, to)| record.took(from, to));
    let usually = learned.unwrap_or(SignedDuration::from_secs(row.usually_seconds));
    // A machine that is known to be slow is given three times what it took.
    let patience = SignedDuration::from_secs(row.overdue_seconds).max(usually.saturating_mul(3));
    // A clock that was set back must not let anybody wait for ever.
    let since = since.min(now);
    let overdue_at = since.checked_add(patience).unwrap_or(since);
    Some(Expectation { next: row.next, since, usually, is_learned: learned.is_some(), overdue_at })
}

fn summary(host: BootingHost<'_>, place: Place, expectation: Option<&Expectation>, is_late: bool) -> String {
    let name = host.hostname;
    match (host.state, expectation) {
        (HostState::Registered, _) => format!("No rebuild waits for {name}: whenever it asks, it boots its own disk."),
        (HostState::Ready, _) => format!("{name} is ready; nothing is expected of its boot."),
        (HostState::Failed, _) if place == Place::Home => {
            format!("{name} booted well and phoned home; what failed came after that.")
        }
        (HostState::Failed, _) => format!("{name} came this far and no further."),
        (_, Some(expectation)) if is_late => {
            format!("Overdue: {}. This usually takes {}.", expectation.next, span(expectation.usually))
        }
        (_, Some(expectation)) => {
            format!("Next: {}. This usually takes {}.", expectation.next, span(expectation.usually))
        }
        (HostState::FirstBoot | HostState::Joining, None) => {
            format!("{name} has booted and phoned home; the rest is done over SSH.")
        }
        (HostState::PxeReady | HostState::PxeBooted | HostState::Installing | HostState::Installed, None) => {
            if place == Place::Refused {
                format!("{name} asked and was offered nothing.")
            } else {
                format!("{name} was told to boot its own disk.")
            }
        }
    }
}

/// Spells a time for a person.
pub fn span(time: SignedDuration) -> String {
    match time.as_secs() {
        ..=1 => "a second".to_owned(),
        seconds @ 2..=99 => format!("{seconds} seconds"),
        seconds @ 100..=5999 => format!("{} minutes", (seconds + 30) / 60),
        seconds @ 6000..=129_599 => format!("{} hours", (seconds + 1800) / 3600),
        seconds => format!("{} days", (seconds + 43_200) / 86_400),
    }
}

#[cfg(test)]
mod tests;
