//! Which of the two worlds a host lives in: does its firmware ask the network first when it starts, or its disk? Nobody tells us; it is learned
//! from what an installed machine does when it starts again.

use super::host_lifecycle::HostState;

super::words::words!(
    /// What an installed host does first when it starts.
    BootOrder, "boot order" {
        /// It asks the network: a rebuild needs nothing but a restart.
        NetworkFirst = "network_first",
        /// It starts its disk: somebody must choose network boot for a rebuild.
        DiskFirst = "disk_first",
    }
);

/// What a question on the wire teaches: a host with an installed system that asks although no rebuild waits has the network first.
pub fn learned_from_question(state: HostState, is_armed: bool) -> Option<BootOrder> {
    let has_system = match state {
        HostState::Installed | HostState::FirstBoot | HostState::Joining | HostState::Ready => true,
        // Its disk may hold nothing that starts; then firmware asks the network last.
        HostState::Registered
        | HostState::PxeReady
        | HostState::PxeBooted
        | HostState::Installing
        | HostState::Failed => false,
    };
    (has_system && !is_armed).then_some(BootOrder::NetworkFirst)
}

/// What a first boot teaches: the machine started again after its installation, and did or did not ask on the way.
pub fn learned_from_first_boot(has_asked: bool) -> BootOrder {
    if has_asked { BootOrder::NetworkFirst } else { BootOrder::DiskFirst }
}

/// What a person must do at the machine for a rebuild: one sentence for the screen.
pub fn what_to_press(order: Option<BootOrder>) -> &'static str {
    match order {
        Some(BootOrder::NetworkFirst) => {
            "It asks the network first whenever it starts: restart it, nothing needs to be pressed."
        }
        Some(BootOrder::DiskFirst) => {
            "It starts its disk first: when it starts, choose network boot (PXE) in its boot menu, mostly with F12, F11 or F8; \
             or put the network first in its setup."
        }
        None => {
            "It is not known yet whether it asks the network or its disk first: watch it start, and if it starts its disk, \
             choose network boot (PXE) in its boot menu, mostly with F12, F11 or F8."
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_host_with_a_system_and_without_a_rebuild_teaches_by_asking() {
        for state in HostState::ALL {
            assert_eq!(learned_from_question(*state, true), None, "{state}: the network may have been chosen by hand");
        }
        let teaches: Vec<_> =
            HostState::ALL.iter().filter(|state| learned_from_question(**state, false).is_some()).collect();
        use HostState::{FirstBoot, Installed, Joining, Ready};
        assert_eq!(teaches, [&Installed, &FirstBoot, &Joining, &Ready]);
    }

    #[test]
    fn each_world_has_its_own_sentence() {
        assert!(what_to_press(Some(learned_from_first_boot(true))).contains("nothing needs to be pressed"));
        assert!(what_to_press(Some(learned_from_first_boot(false))).contains("F12"));
        assert!(what_to_press(None).contains("not known yet"));
    }
}
