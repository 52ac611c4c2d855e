//! Findings about the guests on the host and their backups. A wipe takes what lies on the host's disks, backups on them included.

use super::{Facts, Rule, age, blocker, list, note, warning};
use crate::domain::cluster_report::{Guest, GuestState};

/// A backup older than this is worth a question.
const OLD_BACKUP_DAYS: i64 = 7;

pub(super) const RULES: &[Rule] = &[
    blocker("guests_running", |facts| {
        let running = guests(facts).filter(|guest| guest.state == GuestState::Running);
        named(running, "these guests run on this host", "move or stop them first")
    }),
    blocker("guests_state_unread", |facts| {
        let unknown = guests(facts).filter(|guest| guest.state == GuestState::Unknown);
        let what = "nobody can tell whether these guests of the host run";
        named(unknown, what, "look at the host itself: it may be cut off from the cluster and still run them")
    }),
    blocker("guests_without_backup", |facts| {
        if facts.read(|report| &report.backups).is_none() {
            return Vec::new();
        }
        let without = guests(facts).filter(|guest| facts.backup_of(guest.id).is_none());
        let what = "these guests have no backup that the cluster sees away from this host";
        named(without, what, "back them up or move them, or they are lost with its disk")
    }),
    blocker("guests_unread", |facts| {
        facts
            .unread(|report| &report.guests)
            .map(|why| format!("{why}; nobody knows which guests are on this host"))
            .into_iter()
            .collect()
    }),
    blocker("backups_unread", |facts| {
        if guests(facts).next().is_none() {
            return Vec::new();
        }
        let nothing = facts.unread(|report| &report.backups).map(|why| format!("{why}, so nobody knows of backups"));
        let storages = facts.read(|report| &report.backups).into_iter().flat_map(|backups| &backups.unread);
        nothing.into_iter().chain(storages.map(ToString::to_string)).collect()
    }),
    warning("backups_old", |facts| {
        let old = guests(facts).filter_map(|guest| {
            let at = facts.backup_of(guest.id)?;
            let is_old = facts.now.as_second() - at.as_second() > OLD_BACKUP_DAYS * 86_400;
            is_old.then(|| format!("{} ({})", guest.title(), age(facts.now, at)))
        });
        let old: Vec<_> = old.collect();
        if old.is_empty() {
            return Vec::new();
        }
        vec![format!("the newest backup is older than {OLD_BACKUP_DAYS} days for {}", list(old))]
    }),
    warning("guests_stopped", |facts| {
        let stopped = guests(facts).filter(|guest| guest.state == GuestState::Stopped);
        let what = "these guests are stopped on this host";
        named(stopped, what, "what of them lies on its disks is lost, and comes back only from a backup")
    }),
    note("no_guests", |facts| {
        let none = facts.read(|report| &report.guests).is_some_and(Vec::is_empty);
        if none { vec!["no guests are on this host".to_owned()] } else { Vec::new() }
    }),
];

fn guests(facts: &Facts) -> impl Iterator<Item = &Guest> {
    facts.read(|report| &report.guests).into_iter().flatten()
}

/// `WHAT: VM 101 (web), CT 102; TO DO`, where there are any.
fn named<'a>(found: impl Iterator<Item = &'a Guest>, what: &str, to_do: &str) -> Vec<String> {
    let titles: Vec<_> = found.map(Guest::title).collect();
    if titles.is_empty() { Vec::new() } else { vec![format!("{what}: {}; {to_do}", list(titles))] }
}
