//! Every step: one file and one row each.

mod await_answer;
mod await_first_boot;
mod await_installation;
mod await_network_boot;
mod confirm_host_key;
mod finish;
mod install_join_gate;
mod join_checks;
mod join_cluster;
mod join_process;
pub(super) mod leave_cluster;
pub(super) mod power_on;
mod reach_node;
mod register_host;
mod remove_key;
mod take_join_turn;
mod verify_membership;

use super::step::Step;

/// Every step.
pub const STEPS: &[&dyn Step] = &[
    &power_on::PowerOn,
    &await_network_boot::AwaitNetworkBoot,
    &leave_cluster::LeaveCluster,
    &await_answer::AwaitAnswer,
    &await_installation::AwaitInstallation,
    &await_first_boot::AwaitFirstBoot,
    &reach_node::ReachNode,
    &confirm_host_key::ConfirmHostKey,
    &take_join_turn::TakeJoinTurn,
    &join_cluster::JoinCluster,
    &verify_membership::VerifyMembership,
    &install_join_gate::InstallJoinGate,
    &remove_key::RemoveKey,
    &register_host::RegisterHost,
    &finish::Finish,
];

/// Finds a step by its name.
pub fn step(name: &str) -> Option<&'static dyn Step> {
    STEPS.iter().copied().find(|step| step.name() == name)
}
