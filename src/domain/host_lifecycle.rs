//! The life of a host as one table.
//!
//! [`TRANSITIONS`] says which event moves a host from which state to which, and why; [`STATE_FACTS`] says what each state means.
//! [`next`] is the only reader of the first, the host keeper (`provisioning::host_keeper`) the only writer of a host's state.
//! States carry no data: what is known of a machine lives on the host and on its rebuild. The README's diagram is drawn from here.

use std::time::Duration;

use super::words::words;

words!(
    /// Where a host is in its life.
    HostState, "host state" {
        /// Known to us, nothing asked of it.
        Registered = "registered",
        /// A rebuild is armed: the next network boot gets the installer.
        PxeReady = "pxe_ready",
        /// The machine fetched its boot script.
        PxeBooted = "pxe_booted",
        /// The installer has its answer and may write to the disk.
        Installing = "installing",
        /// The installer reported the end of the installation.
        Installed = "installed",
        /// The installed system phoned home.
        FirstBoot = "first_boot",
        /// We are logged in and bringing the node into the cluster.
        Joining = "joining",
        /// A verified member of the cluster.
        Ready = "ready",
        /// A rebuild went wrong; the reason is on the host.
        Failed = "failed",
    }
);

words!(
    /// What can happen to a host.
    HostEvent, "host event" {
        /// The operator asked for a rebuild.
        RebuildRequested = "rebuild_requested",
        /// iPXE fetched the install script with this rebuild's token.
        BootScriptServed = "boot_script_served",
        /// The host was removed from its cluster, so that its new system can join as a fresh node.
        LeftCluster = "left_cluster",
        /// The installer is about to get its answer: the point of no return.
        AnswerServed = "answer_served",
        /// The post-installation webhook came with its token.
        InstallReported = "install_reported",
        /// The first-boot script came with its token.
        PhonedHome = "phoned_home",
        /// The operation begins to bring the node into the cluster.
        JoinStarted = "join_started",
        /// The cluster lists the node, with a quorum: from here on it counts as a member, whatever becomes of the operation.
        MembershipVerified = "membership_verified",
        /// Membership, quorum and the removal of the key are verified.
        JoinVerified = "join_verified",
        /// The operation gave up, for the reason that it gives.
        OperationFailed = "operation_failed",
        /// The host stayed in a transitional state for longer than its patience.
        Overdue = "overdue",
        /// The operator cancelled the rebuild.
        Cancelled = "cancelled",
        /// A cancelled rebuild left nothing behind on a machine that had never been installed.
        RebuildWithdrawn = "rebuild_withdrawn",
        /// A cancelled rebuild left nothing behind, and the node that was to be rebuilt was ready.
        NodeUntouched = "node_untouched",
    }
);

/// One row of the table.
#[derive(Debug, Clone, Copy)]
pub struct Transition {
    /// The state before.
    pub from: HostState,
    /// What happens.
    pub event: HostEvent,
    /// The state after; the same state for a repeat that changes nothing.
    pub to: HostState,
    /// The sentence that the history shows.
    pub because: &'static str,
}

const fn row(from: HostState, event: HostEvent, to: HostState, because: &'static str) -> Transition {
    Transition { from, event, to, because }
}

/// Every move that a host can make.
pub const TRANSITIONS: &[Transition] = {
    use HostEvent as E;
    use HostState as S;
    &[
        row(S::Registered, E::RebuildRequested, S::PxeReady, "a rebuild was requested"),
        row(S::Ready, E::RebuildRequested, S::PxeReady, "a rebuild was requested"),
        row(S::Failed, E::RebuildRequested, S::PxeReady, "a rebuild was requested after a failure"),
        row(
            S::PxeReady,
            E::BootScriptServed,
            S::PxeBooted,
            "the machine booted from the network and fetched its script",
        ),
        row(S::PxeBooted, E::BootScriptServed, S::PxeBooted, "the machine fetched its script again"),
        row(S::PxeBooted, E::LeftCluster, S::PxeBooted, "the host has left its cluster"),
        // The machine was given up, or started again, while a member was at work.
        row(S::PxeReady, E::LeftCluster, S::PxeReady, "the host has left its cluster"),
        row(S::Failed, E::LeftCluster, S::Failed, "the host has left its cluster"),
        row(S::PxeBooted, E::AnswerServed, S::Installing, "the installer asked for its answer"),
        row(S::Installing, E::InstallReported, S::Installed, "the installer reported the end of the installation"),
        row(S::Installed, E::PhonedHome, S::FirstBoot, "the installed system phoned home"),
        row(S::FirstBoot, E::JoinStarted, S::Joining, "the node is being brought into the cluster"),
        row(S::Joining, E::MembershipVerified, S::Joining, "the cluster lists the node, with a quorum"),
        row(S::Joining, E::JoinVerified, S::Ready, "membership and quorum are verified and the ephemeral key is gone"),
        // A parked operation may be retried, and a slow machine may report after it was given up: its own token proves that it is
        // the same rebuild, so nothing is lost by believing it.
        row(S::Failed, E::InstallReported, S::Installed, "the installer reported late"),
        row(S::Failed, E::PhonedHome, S::FirstBoot, "the installed system phoned home late"),
        row(S::Failed, E::JoinStarted, S::Joining, "the operator retried the join"),
        row(S::Failed, E::RebuildWithdrawn, S::Registered, "the cancelled rebuild touched nothing"),
        row(S::Failed, E::NodeUntouched, S::Ready, "the cancelled rebuild touched nothing; the node is what it was"),
        row(S::PxeReady, E::OperationFailed, S::Failed, "the rebuild failed before anything was touched"),
        row(S::PxeBooted, E::OperationFailed, S::Failed, "the rebuild failed before anything was touched"),
        row(S::Installing, E::OperationFailed, S::Failed, "the installation failed"),
        row(S::Installed, E::OperationFailed, S::Failed, "the installed system did not come up"),
        row(S::FirstBoot, E::OperationFailed, S::Failed, "the node could not be reached"),
        row(S::Joining, E::OperationFailed, S::Failed, "the join failed"),
        row(S::PxeReady, E::Overdue, S::Failed, "the machine did not boot from the network in time"),
        row(S::PxeBooted, E::Overdue, S::Failed, "the installer did not ask for its answer in time"),
        row(S::Installing, E::Overdue, S::Failed, "the installer did not report in time"),
        row(S::Installed, E::Overdue, S::Failed, "the installed system did not phone home in time"),
        row(S::FirstBoot, E::Overdue, S::Failed, "the join did not begin in time"),
        row(S::Joining, E::Overdue, S::Failed, "the join did not end in time"),
        row(S::PxeReady, E::Cancelled, S::Failed, "the operator cancelled the rebuild"),
        row(S::PxeBooted, E::Cancelled, S::Failed, "the operator cancelled the rebuild"),
        row(S::Installing, E::Cancelled, S::Failed, "the operator cancelled the rebuild"),
        row(S::Installed, E::Cancelled, S::Failed, "the operator cancelled the rebuild"),
        row(S::FirstBoot, E::Cancelled, S::Failed, "the operator cancelled the rebuild"),
        row(S::Joining, E::Cancelled, S::Failed, "the operator cancelled the rebuild"),
    ]
};

/// What a machine in a state is given when it boots from the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Boots {
    /// Its own disk: we stay silent, or a script says so.
    LocalDisk,
    /// The installer of its armed rebuild.
    Installer,
}

/// What a state means.
#[derive(Debug, Clone, Copy)]
pub struct StateFacts {
    /// The state.
    pub state: HostState,
    /// What a person reads.
    pub label: &'static str,
    /// What the machine boots. An installer in `pxe_ready` and `pxe_booted` alone.
    pub boots: Boots,
    /// For a transitional state: how long a host may stay in it by default, and the event that is raised then. A stable state has none.
    /// Shorter finds dead machines sooner; shorter than the slowest machine's step raises false alarms. Settings may change it.
    pub patience: Option<(Duration, HostEvent)>,
}

const fn stable(state: HostState, label: &'static str) -> StateFacts {
    StateFacts { state, label, boots: Boots::LocalDisk, patience: None }
}

const fn transitional(state: HostState, label: &'static str, boots: Boots, minutes: u64) -> StateFacts {
    StateFacts { state, label, boots, patience: Some((Duration::from_secs(60 * minutes), HostEvent::Overdue)) }
}

/// One row for each state.
pub const STATE_FACTS: &[StateFacts] = &[
    stable(HostState::Registered, "registered"),
    transitional(HostState::PxeReady, "waiting for network boot", Boots::Installer, 60),
    transitional(HostState::PxeBooted, "loading the installer", Boots::Installer, 20),
    transitional(HostState::Installing, "installing", Boots::LocalDisk, 60),
    transitional(HostState::Installed, "rebooting to its disk", Boots::LocalDisk, 20),
    transitional(HostState::FirstBoot, "first boot", Boots::LocalDisk, 20),
    transitional(HostState::Joining, "joining the cluster", Boots::LocalDisk, 30),
    stable(HostState::Ready, "ready"),
    stable(HostState::Failed, "failed"),
];

/// An event that the table does not know in this state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a host that is `{from}` cannot take the event `{event}`")]
pub struct IllegalTransition {
    /// The state in which the host is.
    pub from: HostState,
    /// What was to happen.
    pub event: HostEvent,
}

/// Finds the row for an event in a state.
pub fn next(from: HostState, event: HostEvent) -> Result<&'static Transition, IllegalTransition> {
    TRANSITIONS.iter().find(|row| row.from == from && row.event == event).ok_or(IllegalTransition { from, event })
}

impl HostState {
    /// The facts of this state.
    pub fn facts(self) -> &'static StateFacts {
        // Every state has its row (a test holds that); the first row only satisfies the compiler.
        STATE_FACTS.iter().find(|facts| facts.state == self).unwrap_or(&STATE_FACTS[0])
    }

    /// What a person reads.
    pub fn label(self) -> &'static str {
        self.facts().label
    }

    /// Whether a host may rest here for ever.
    pub fn is_stable(self) -> bool {
        self.facts().patience.is_none()
    }

    /// Whether a machine in this state may be given its installer.
    pub fn boots_installer(self) -> bool {
        self.facts().boots == Boots::Installer
    }
}

/// Draws the table as a Mermaid state diagram, for the README. Repeats are left out, and the roads to `failed` are one line for each state.
pub fn diagram() -> String {
    use std::fmt::Write;
    let mut text = String::from("stateDiagram-v2\n    [*] --> registered\n");
    for row in TRANSITIONS.iter().filter(|row| row.from != row.to && row.to != HostState::Failed) {
        let _ = writeln!(text, "    {} --> {}: {}", row.from, row.to, row.event.word().replace('_', " "));
    }
    for state in HostState::ALL.iter().filter(|state| !state.is_stable()) {
        let events: Vec<_> = TRANSITIONS
            .iter()
            .filter(|row| row.from == *state && row.to == HostState::Failed)
            .map(|row| row.event.word().replace('_', " "))
            .collect();
        let _ = writeln!(text, "    {state} --> failed: {}", events.join(", "));
    }
    text
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_state_is_reachable_from_registered() {
        let mut reached = HashSet::from([HostState::Registered]);
        for _ in HostState::ALL {
            let more: Vec<_> = TRANSITIONS.iter().filter(|row| reached.contains(&row.from)).map(|row| row.to).collect();
            reached.extend(more);
        }
        assert_eq!(reached.len(), HostState::ALL.len(), "{reached:?}");
    }

    #[test]
    fn every_state_has_exactly_one_row_of_facts() {
        for state in HostState::ALL {
            assert_eq!(STATE_FACTS.iter().filter(|facts| facts.state == *state).count(), 1, "{state}");
        }
    }

    #[test]
    fn no_event_has_two_rows_in_one_state() {
        let mut seen = HashSet::new();
        for row in TRANSITIONS {
            assert!(seen.insert((row.from, row.event)), "{} in {}", row.event, row.from);
        }
    }

    #[test]
    fn every_transitional_state_has_patience_that_leads_to_failed_and_can_be_failed_and_cancelled() {
        for facts in STATE_FACTS.iter().filter(|facts| facts.patience.is_some()) {
            let (patience, event) = facts.patience.unwrap();
            assert!(patience > Duration::ZERO);
            for event in [event, HostEvent::OperationFailed, HostEvent::Cancelled] {
                assert_eq!(next(facts.state, event).unwrap().to, HostState::Failed, "{} {event}", facts.state);
            }
        }
    }

    #[test]
    fn an_installer_is_booted_before_the_answer_and_never_after() {
        let installer: Vec<_> =
            STATE_FACTS.iter().filter(|facts| facts.boots == Boots::Installer).map(|facts| facts.state).collect();
        assert_eq!(installer, [HostState::PxeReady, HostState::PxeBooted]);
        for row in TRANSITIONS.iter().filter(|row| row.event == HostEvent::AnswerServed) {
            assert!(!row.to.boots_installer());
        }
        for row in TRANSITIONS.iter().filter(|row| row.to.boots_installer() && !row.from.boots_installer()) {
            assert_eq!(row.event, HostEvent::RebuildRequested, "only a rebuild arms a destructive boot");
        }
    }

    #[test]
    fn words_are_read_back_and_unknown_ones_refused() {
        for state in HostState::ALL {
            assert_eq!(state.word().parse::<HostState>().unwrap(), *state);
        }
        assert!("asleep".parse::<HostState>().is_err());
    }
}
