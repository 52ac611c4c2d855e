//! What a person must know of a machine whose operation is ended half-way.

use super::{Progress, StepStatus};

/// From when on a sentence is true.
#[derive(Clone, Copy, PartialEq, Eq)]
enum From {
    /// The step was begun: what it does may have happened.
    Begun(&'static str),
    /// The step is done.
    Done(&'static str),
}

/// What each stretch of a plan leaves behind: from a step on, until another one is done. Plans that lack a step never come to its rows.
const LEFT_BEHIND: &[(From, &str, &str)] = &[
    (
        From::Done("await_network_boot"),
        "await_answer",
        "if the machine is loading the installer at this moment, it will be refused its answer and stand there until it is restarted",
    ),
    (
        From::Done("leave_cluster"),
        "verify_membership",
        "the host was removed from its cluster: its old system must never be started on the cluster's network again",
    ),
    (
        From::Done("await_answer"),
        "await_installation",
        "its disk may be half written: do not start the machine as it was, rebuild it",
    ),
    (
        From::Done("await_installation"),
        "join_cluster",
        "a fresh Proxmox VE is on its disk that is in no cluster; rebuild the host to go on with it",
    ),
    (
        From::Begun("join_cluster"),
        "verify_membership",
        "the cluster may list it as a half-joined node: look with `pvecm nodes` on a member, and remove it there before the name is used again",
    ),
    (
        From::Done("verify_membership"),
        "finish",
        "it is a member of the cluster and stays one; remove it there before its disk is wiped",
    ),
    (
        From::Done("await_installation"),
        "remove_key",
        "the public key of this rebuild is still in /root/.ssh/authorized_keys and authorized_keys2 of the node, and after a join in /etc/pve/priv/authorized_keys; its private half is erased, but remove the lines",
    ),
    (From::Done("remove_key"), "register_host", "the inventory service was not told of it"),
];

/// What a person must know if the operation is ended now: one sentence for each thing that is left behind. `is_answered` tells that the
/// installer was given its answer, whether or not the journal says so already.
pub fn aftermath(progress: &Progress, is_answered: bool) -> Vec<&'static str> {
    let is_done = |name: &str| {
        let answered = is_answered && name == "await_answer";
        answered || progress.step(name).is_some_and(|step| step.status == StepStatus::Succeeded)
    };
    let is_begun = |name: &str| is_done(name) || progress.step(name).is_some_and(|step| step.is_touched);
    let rows = LEFT_BEHIND.iter().filter(|(from, until, _)| {
        let is_true = match from {
            From::Begun(step) => is_begun(step),
            From::Done(step) => is_done(step),
        };
        is_true && !is_done(until) && !(*until == "join_cluster" && is_begun(until))
    });
    rows.map(|(.., sentence)| *sentence).collect()
}
