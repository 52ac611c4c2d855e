//! Ways of hosts: straight, through a failure, and cancelled.

use super::*;
use crate::domain::host_options::HostOptions;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn host(state: HostState, since: i64) -> Host {
    Host {
        id: "aaaaaaaaaaaa".parse().unwrap(),
        hostname: "pve-01".parse().unwrap(),
        mac: "52:54:00:00:00:01".parse().unwrap(),
        server_type: "generic-sata".parse().unwrap(),
        state,
        state_since: at(since),
        reason: None,
        address: None,
        hardware_id: None,
        ssh_host_key: None,
        registered_at: at(10),
        installed_at: None,
        is_member: false,
        options: HostOptions::default(),
        boot_order: None,
        hardware: None,
        operation: None,
    }
}

/// Moves of a host, each with its second, told newest first as the ledger does.
fn history(moves: &[(i64, HostEvent, HostState, HostState)]) -> Vec<HistoryEntry> {
    let entry = |(second, event, from, to): &(i64, HostEvent, HostState, HostState)| HistoryEntry {
        at: at(*second),
        event: *event,
        from: *from,
        to: *to,
        because: event.to_string(),
    };
    moves.iter().rev().map(entry).collect()
}

/// State, passage and seconds of every leg behind the registration.
fn told(journey: &Journey) -> Vec<(HostState, Passage, Option<u64>)> {
    let legs = journey.legs.iter().skip(1);
    legs.map(|leg| (leg.state, leg.passage, leg.took.map(|took| took.as_secs()))).collect()
}

use HostEvent as E;
use HostState as S;
use Passage as P;

#[test]
fn a_host_without_a_rebuild_has_reached_nothing() {
    let journey = Journey::read(&host(S::Registered, 10), &[], at(500));
    assert_eq!((journey.began_at, journey.took(at(500))), (None, None));
    assert_eq!((journey.legs[0].state, journey.legs[0].passage), (S::Registered, P::Here));
    assert!(told(&journey).iter().all(|(_, passage, took)| *passage == P::NotReached && took.is_none()));
}

#[test]
fn each_state_has_its_own_time_and_what_lies_ahead_has_none() {
    let old = [(20, E::RebuildRequested, S::Registered, S::PxeReady), (25, E::Cancelled, S::PxeReady, S::Failed)];
    let new = [
        (100, E::RebuildRequested, S::Failed, S::PxeReady),
        (130, E::BootScriptServed, S::PxeReady, S::PxeBooted),
        (140, E::BootScriptServed, S::PxeBooted, S::PxeBooted),
        (170, E::AnswerServed, S::PxeBooted, S::Installing),
    ];
    let journey = Journey::read(&host(S::Installing, 170), &history(&[&old[..], &new[..]].concat()), at(200));
    assert_eq!((journey.began_at, journey.ended_at), (Some(at(100)), None));
    assert_eq!(journey.took(at(200)), Some(Duration::from_secs(100)));
    assert_eq!(
        told(&journey)[..4],
        [
            (S::PxeReady, P::Passed, Some(30)),
            (S::PxeBooted, P::Passed, Some(40)),
            (S::Installing, P::Here, Some(30)),
            (S::Installed, P::NotReached, None),
        ]
    );
    assert!(journey.legs[1].setbacks.is_empty(), "what failed before belongs to the earlier rebuild");
}

#[test]
fn a_failure_that_was_overcome_is_told_where_it_happened_and_its_time_belongs_to_no_state() {
    let moves = [
        (100, E::RebuildRequested, S::Registered, S::PxeReady),
        (110, E::BootScriptServed, S::PxeReady, S::PxeBooted),
        (120, E::AnswerServed, S::PxeBooted, S::Installing),
        (130, E::InstallReported, S::Installing, S::Installed),
        (140, E::PhonedHome, S::Installed, S::FirstBoot),
        (150, E::JoinStarted, S::FirstBoot, S::Joining),
        (160, E::OperationFailed, S::Joining, S::Failed),
        (200, E::JoinStarted, S::Failed, S::Joining),
        (215, E::JoinVerified, S::Joining, S::Ready),
    ];
    let journey = Journey::read(&host(S::Ready, 215), &history(&moves), at(900));
    assert_eq!(journey.took(at(900)), Some(Duration::from_secs(115)));
    let joining = &journey.legs[6];
    assert_eq!((joining.state, joining.passage, joining.took), (S::Joining, P::Passed, Some(Duration::from_secs(25))));
    let setback = Setback { at: at(160), because: "operation_failed".into(), went_on_at: Some(at(200)) };
    assert_eq!(joining.setbacks, [setback]);
    assert_eq!(told(&journey)[6], (S::Ready, P::Here, None));
}

#[test]
fn a_rebuild_that_failed_or_was_cancelled_stops_where_it_was() {
    let moves = [
        (100, E::RebuildRequested, S::Ready, S::PxeReady),
        (110, E::Cancelled, S::PxeReady, S::Failed),
        (111, E::NodeUntouched, S::Failed, S::Ready),
    ];
    let untouched = Journey::read(&host(S::Ready, 111), &history(&moves), at(900));
    assert_eq!(told(&untouched)[0], (S::PxeReady, P::Stopped, Some(10)));
    assert_eq!(told(&untouched)[6], (S::Ready, P::NotReached, None), "it was ready before, and not by this rebuild");
    let failed = Journey::read(&host(S::Failed, 110), &history(&moves[..2]), at(900));
    assert_eq!((failed.ended_at, told(&failed)[0].1), (Some(at(110)), P::Stopped));
    assert_eq!(failed.legs[1].setbacks[0].went_on_at, None);
}
