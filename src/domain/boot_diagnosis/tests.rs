//! A case for every rule: what was seen, how long ago, and the cause that must be named.

use std::collections::BTreeSet;

use super::*;
use crate::domain::{boot_rules::RULES, boot_trace::Transfer};

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).unwrap()
}

fn asked(client: &str) -> Milestone {
    Milestone::Asked { client: client.into() }
}

fn offered() -> Milestone {
    Milestone::Offered { what: "b/525400000001/snponly.efi".into() }
}

fn script_offered() -> Milestone {
    Milestone::Offered { what: "its iPXE script".into() }
}

fn loader(bytes: u64, complete: bool) -> Milestone {
    Milestone::LoaderFetched { file: "snponly.efi".into(), transfer: transfer(bytes, complete) }
}

fn transfer(bytes: u64, complete: bool) -> Transfer {
    Transfer { bytes, milliseconds: 10, complete }
}

fn script(script: &str) -> Milestone {
    Milestone::ScriptFetched { script: script.into() }
}

const GIB: u64 = 1 << 30;

fn image(complete: bool) -> Milestone {
    Milestone::ImageFetched { transfer: transfer(2 * GIB, complete) }
}

/// The rule, the host's state, its memory, the seconds since it was armed, and what was seen.
type Case = (&'static str, HostState, Option<u64>, i64, Vec<Milestone>);

/// One milestone in each second.
fn record(milestones: Vec<Milestone>) -> BootRecord {
    let mut record = BootRecord::default();
    for (second, milestone) in (1..).zip(milestones) {
        record.saw(milestone, at(second));
    }
    record
}

fn diagnosed(state: HostState, memory_bytes: Option<u64>, seconds: i64, milestones: Vec<Milestone>) -> Diagnosis {
    let (record, hostname) = (record(milestones), "pve-01".parse().unwrap());
    let host = BootingHost { hostname: &hostname, state, since: at(0), memory_bytes };
    let strangers = ["52:54:00:00:00:99".parse().unwrap()];
    let subject = Subject { record: &record, host: Some(host), strangers: &strangers };
    diagnose(&subject, at(seconds))
}

#[test]
fn every_rule_is_named_where_its_case_is_seen() {
    use HostState::{Installed, Installing, PxeBooted, PxeReady};
    let uefi = || asked("UEFI x86-64");
    let to_boot_server = |times| [vec![uefi(), offered()], vec![Milestone::AskedBootServer; times]].concat();
    let in_ipxe = || vec![uefi(), offered(), loader(9, true), asked("iPXE 2.0.0 on UEFI x86-64"), script_offered()];
    let installs = || [in_ipxe(), vec![script("identify"), script("install: pve-01")]].concat();
    let booted = || [installs(), vec![image(true)]].concat();
    let twice = |milestones: Vec<Milestone>| [milestones.clone(), milestones].concat();
    let no_memory = None;
    let cases: Vec<Case> = vec![
        ("another_card", PxeReady, no_memory, 700, vec![]),
        ("not_booting_from_network", PxeReady, no_memory, 700, vec![]),
        ("question_does_not_arrive", PxeReady, no_memory, 700, vec![]),
        (
            "offered_nothing",
            PxeReady,
            no_memory,
            3,
            vec![uefi(), Milestone::NotOffered { reason: "no boot file".into() }],
        ),
        ("http_boot_takes_no_offer", PxeReady, no_memory, 60, vec![asked("UEFI x86-64 HTTP boot"), offered()]),
        ("no_address_from_lan", PxeReady, no_memory, 60, twice(twice(vec![uefi(), offered()]))),
        ("other_boot_server", PxeReady, no_memory, 60, vec![uefi(), offered()]),
        ("firmware_wants_another_way", PxeReady, no_memory, 60, vec![uefi(), offered()]),
        ("boot_server_answers_lost", PxeReady, no_memory, 60, to_boot_server(4)),
        ("tftp_blocked", PxeReady, no_memory, 60, to_boot_server(1)),
        ("loader_never_begins", PxeReady, no_memory, 90, vec![uefi(), offered(), loader(0, false)]),
        ("loader_breaks_off", PxeReady, no_memory, 90, vec![uefi(), offered(), loader(4096, false)]),
        ("loader_loop", PxeReady, no_memory, 90, twice(vec![uefi(), offered(), loader(9, true)])),
        ("secure_boot", PxeReady, no_memory, 90, vec![uefi(), offered(), loader(9, true)]),
        ("ipxe_hangs", PxeReady, no_memory, 90, vec![asked("BIOS"), offered(), loader(9, true)]),
        ("link_comes_late", PxeReady, no_memory, 90, vec![asked("BIOS"), offered(), loader(9, true)]),
        ("boot_port_blocked", PxeReady, no_memory, 90, in_ipxe()),
        ("lan_file_wins", PxeReady, no_memory, 90, in_ipxe()),
        ("ipv6_wait", PxeReady, no_memory, 90, in_ipxe()),
        ("sent_home", HostState::Failed, no_memory, 90, vec![uefi(), script("local: not armed")]),
        ("loading_stalls", PxeBooted, no_memory, 200, installs()),
        ("loading_breaks_off", PxeBooted, no_memory, 200, [installs(), vec![image(false)]].concat()),
        ("memory_too_small", PxeBooted, Some(4 * GIB), 900, booted()),
        ("memory_unknown", PxeBooted, no_memory, 900, booted()),
        ("machine_port_blocked", PxeBooted, Some(64 * GIB), 900, booted()),
        ("console_only", PxeBooted, Some(64 * GIB), 900, booted()),
        ("installer_failed", Installing, no_memory, 4000, [booted(), vec![Milestone::AnswerServed]].concat()),
        ("slow_disk", Installing, no_memory, 4000, vec![Milestone::FirstBootScriptFetched]),
        ("report_lost", Installing, no_memory, 4000, vec![]),
        (
            "boots_network_again",
            Installed,
            no_memory,
            2000,
            [booted(), vec![Milestone::Installed, uefi(), Milestone::NotOffered { reason: "its turn is over".into() }]]
                .concat(),
        ),
        ("does_not_boot_disk", Installed, no_memory, 2000, vec![Milestone::Installed]),
        ("no_network_after_install", Installed, no_memory, 2000, vec![]),
    ];
    for (rule, state, memory, seconds, milestones) in &cases {
        let diagnosis = diagnosed(*state, *memory, *seconds, milestones.clone());
        assert!(diagnosis.overdue, "{rule}: {diagnosis:?}");
        assert!(diagnosis.causes.iter().any(|cause| cause.rule == *rule), "{rule}: {diagnosis:#?}");
    }
    let covered: BTreeSet<_> = cases.iter().map(|(rule, ..)| *rule).collect();
    assert_eq!(covered, RULES.iter().map(|rule| rule.name).collect(), "every rule has a case");
}

#[test]
fn evidence_against_a_cause_leaves_it_out() {
    let causes = |memory, milestones: Vec<Milestone>, seconds| {
        let diagnosis = diagnosed(HostState::PxeReady, memory, seconds, milestones);
        diagnosis.causes.iter().map(|cause| cause.rule).collect::<Vec<_>>()
    };
    let bios = vec![asked("BIOS"), offered(), loader(9, true)];
    assert!(!causes(None, bios, 90).contains(&"secure_boot"), "BIOS has no Secure Boot");
    let repeated = vec![asked("BIOS"), offered(), asked("BIOS"), offered(), asked("BIOS"), offered()];
    assert_eq!(causes(None, repeated, 90), ["no_address_from_lan", "firmware_wants_another_way"]);
    let enough = vec![asked("BIOS"), offered(), loader(9, true), script("install"), image(true)];
    assert!(!causes(Some(64 * GIB), enough, 900).iter().any(|rule| rule.starts_with("memory")));
}

#[test]
fn what_comes_next_is_said_at_every_place_and_nothing_is_wrong_before_its_time() {
    let mut milestones = Vec::new();
    for (state, next, wanted) in [
        (HostState::PxeReady, None, Place::Silent),
        (HostState::PxeReady, Some(asked("UEFI x86-64")), Place::Refused),
        (HostState::PxeReady, Some(offered()), Place::Offered),
        (HostState::PxeReady, Some(Milestone::AskedBootServer), Place::AskedBootServer),
        (HostState::PxeReady, Some(offered()), Place::AskedBootServer),
        (HostState::PxeReady, Some(loader(9, false)), Place::LoaderBroken),
        (HostState::PxeReady, Some(loader(9, true)), Place::Loaded),
        (HostState::PxeReady, Some(asked("iPXE 2.0.0 on UEFI x86-64")), Place::Refused),
        (HostState::PxeReady, Some(script_offered()), Place::ScriptOffered),
        (HostState::PxeReady, Some(script("identify")), Place::Identified),
        (HostState::PxeBooted, Some(script("install: installing pve-01")), Place::Instructed),
        (HostState::PxeBooted, Some(Milestone::KernelFetched { transfer: transfer(9, true) }), Place::KernelLoaded),
        (HostState::PxeBooted, Some(Milestone::InitrdFetched { transfer: transfer(9, true) }), Place::InitrdLoaded),
        (HostState::PxeBooted, Some(image(false)), Place::FileBroken),
        (HostState::PxeBooted, Some(image(true)), Place::ImageLoaded),
        (HostState::Installing, Some(Milestone::AnswerServed), Place::Answered),
        (HostState::Installing, Some(Milestone::FirstBootScriptFetched), Place::Installing),
        (HostState::Installed, Some(Milestone::Installed), Place::Installed),
        (HostState::FirstBoot, Some(Milestone::PhonedHome), Place::Home),
    ] {
        milestones.extend(next);
        let seconds = i64::try_from(milestones.len()).unwrap() + 1;
        let diagnosis = diagnosed(state, None, seconds, milestones.clone());
        assert_eq!(diagnosis.place, wanted, "{:?}", milestones.last());
        if wanted != Place::Refused {
            assert!(!diagnosis.overdue && diagnosis.causes.is_empty(), "{wanted}: {diagnosis:?}");
        }
        let row = PLACES.iter().find(|(place, _)| *place == wanted).unwrap();
        assert_eq!(diagnosis.expectation.is_some(), row.1.is_some(), "{wanted}");
        assert!(diagnosis.summary.len() > 20, "{}", diagnosis.summary);
    }
    assert_eq!(PLACES.len(), Place::ALL.len());
    for (_, row) in PLACES {
        assert!(row.is_none_or(|row| row.overdue_seconds > row.usually_seconds));
    }
}

#[test]
fn an_older_boot_says_nothing_of_a_host_that_was_armed_since() {
    let (record, hostname) = (record(vec![asked("BIOS"), offered(), loader(9, true)]), "pve-01".parse().unwrap());
    let host = |since| BootingHost { hostname: &hostname, state: HostState::PxeReady, since, memory_bytes: None };
    let subject = |since| Subject { record: &record, host: Some(host(since)), strangers: &[] };
    assert_eq!(diagnose(&subject(at(2)), at(4)).place, Place::Loaded);
    let armed_later = diagnose(&subject(at(100)), at(110));
    assert_eq!((armed_later.place, armed_later.overdue), (Place::Silent, false));
    assert_eq!(armed_later.expectation.unwrap().since, at(100));
}

#[test]
fn a_host_at_rest_expects_nothing_and_a_failed_one_says_why_it_stood_still() {
    let calm = diagnosed(HostState::Ready, None, 9000, vec![asked("BIOS")]);
    assert!(!calm.overdue && calm.expectation.is_none() && calm.causes.is_empty(), "{calm:?}");
    let failed = diagnosed(HostState::Failed, None, 9000, vec![asked("BIOS"), offered(), loader(9, true)]);
    assert!(failed.overdue && failed.expectation.is_none() && !failed.causes.is_empty(), "{failed:?}");
    let later = diagnosed(HostState::Failed, None, 9000, vec![Milestone::PhonedHome]);
    assert!(!later.overdue && later.summary.contains("after that"), "{later:?}");
    let (record, strangers) = (record(vec![asked("BIOS")]), []);
    let stranger = diagnose(&Subject { record: &record, host: None, strangers: &strangers }, at(181));
    assert!(stranger.summary.contains("not registered") && stranger.summary.contains("3 minutes ago"), "{stranger:?}");
}

#[test]
fn a_machine_that_was_slow_before_is_given_its_time() {
    let mut record = BootRecord::default();
    for (second, milestone) in
        [(-9000, Milestone::Installed), (-8000, Milestone::PhonedHome), (1, Milestone::Installed)]
    {
        record.saw(milestone, at(second));
    }
    let hostname = "pve-01".parse().unwrap();
    let host = BootingHost { hostname: &hostname, state: HostState::Installed, since: at(1), memory_bytes: None };
    let subject = Subject { record: &record, host: Some(host), strangers: &[] };
    let diagnosis = diagnose(&subject, at(2000));
    let expectation = diagnosis.expectation.unwrap();
    assert_eq!((expectation.is_learned, expectation.usually), (true, SignedDuration::from_secs(1000)));
    assert!(!diagnosis.overdue && diagnose(&subject, at(3002)).overdue);
}
