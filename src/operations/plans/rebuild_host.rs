//! From an armed host to a verified member of the cluster.

use super::Plan;

/// The plan. A host without a power driver is rebuilt without `power_on`, one that is no member without `leave_cluster`. Its checks are made before it begins (`rebuild_desk`), as nothing may be armed without them.
pub(super) const PLAN: Plan = Plan {
    name: "rebuild_host",
    purpose: "install Proxmox VE and join the cluster",
    steps: &[
        "power_on",
        "await_network_boot",
        "leave_cluster",
        "await_answer",
        "await_installation",
        "await_first_boot",
        "reach_node",
        "confirm_host_key",
        "take_join_turn",
        "join_cluster",
        "verify_membership",
        "install_join_gate",
        "remove_key",
        "register_host",
        "finish",
    ],
};
