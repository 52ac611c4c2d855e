//! Takes a host that is a member out of its cluster, on another member, while its machine waits in its network boot: its old system runs no
//! more, so the others see it offline, and its new one joins later as a fresh node of the same name.

use std::time::Duration;

use async_trait::async_trait;
use serde_json::json;

use crate::{
    domain::{
        cluster_plan::{Belonging, HostClaim, QuorumWithout, count_votes, find_belonging},
        host::HostFacts,
        host_lifecycle::{HostEvent, HostState},
        identity::Hostname,
        rebuild::RebuildMarks,
    },
    operations::{
        Outcome, Step, StepContext, StepError, StepKind, World,
        member::{GateCommand, Member, find_cluster},
    },
    provisioning::Move,
};

/// The step's name; a rebuild of a host that is no member has none.
pub(in crate::operations) const NAME: &str = "leave_cluster";

/// How long the last look at the cluster may take before its answer counts as unknown.
const LAST_LOOK: Duration = Duration::from_secs(60);

/// The step.
pub(super) struct LeaveCluster;

#[async_trait]
impl Step for LeaveCluster {
    fn name(&self) -> &'static str {
        NAME
    }

    /// A removed node cannot be put back as it was.
    fn kind(&self) -> StepKind {
        StepKind::PointOfNoReturn
    }

    fn deadline(&self, world: &World) -> Duration {
        super::await_network_boot::patience(world, HostState::PxeBooted)
    }

    /// What may pass is waited for: nothing has been changed until a member was asked, and from then on only looking again tells.
    async fn perform(&self, context: &StepContext<'_>) -> Result<Outcome, StepError> {
        match leave(context).await {
            Err(error) if error.may_pass => Ok(Outcome::NotYet(error.reason)),
            result => result,
        }
    }

    /// A member was asked, and none says that the host is still listed.
    async fn may_have_happened(&self, context: &StepContext<'_>) -> bool {
        let marks = &context.rebuild.marks;
        let is_listed = async || {
            let seen = tokio::time::timeout(LAST_LOOK, find_cluster(context.world, &context.host)).await;
            let cluster = seen.ok().and_then(Result::ok).flatten().and_then(|(_, view)| view.cluster);
            cluster.is_some_and(|cluster| cluster.nodes.contains_key(context.host.hostname.as_str()))
        };
        marks.left_cluster_at.is_some() || (marks.leaving_at.is_some() && !is_listed().await)
    }

    /// Nothing was asked yet; only the turn is given back.
    async fn undo(&self, context: &StepContext<'_>) -> Result<(), StepError> {
        super::take_join_turn::give_back(context).await
    }
}

async fn leave(context: &StepContext<'_>) -> Result<Outcome, StepError> {
    let (world, marks) = (context.world, &context.rebuild.marks);
    let (Some(address), None) = (context.rebuild.leaves, marks.left_cluster_at) else {
        super::take_join_turn::give_back(context).await?;
        return Ok(Outcome::DONE);
    };
    // The watchdog gave the machine up. Once a member was asked it must be known how that ended, whatever became of the machine.
    if context.host.state == HostState::Failed && marks.leaving_at.is_none() {
        return Err(StepError::lasting(context.host.reason.clone().unwrap_or_else(|| "the host has failed".into())));
    }
    if let Some(waiting) = super::take_join_turn::take(context).await? {
        return Ok(waiting);
    }
    let Some((member, view)) = find_cluster(world, &context.host).await? else {
        return Err(StepError::lasting(
            "there is no other member left to leave through; set proxmox.existing_node to one, then rebuild the host again",
        ));
    };
    let name = &context.host.hostname;
    let claim = HostClaim { name, known_address: Some(address), stated_address: None, is_member: true };
    match find_belonging(&view, member.address, &claim) {
        Belonging::Member { online: true, .. } => {
            return Ok(Outcome::NotYet(format!(
                "waiting for the cluster to see {name} offline (its machine is in its network boot)"
            )));
        }
        Belonging::Member { online: false, .. } => {
            let votes = count_votes(&view, name.as_str());
            if let Some(votes) =
                votes.filter(|votes| matches!(votes.without(), QuorumWithout::Lost | QuorumWithout::NoneNow))
            {
                return Ok(Outcome::NotYet(votes.sentence()));
            }
        }
        // Removed already, by us before a crash or by a person: what it left is still to be cleared.
        Belonging::NoLongerListed | Belonging::NotAMember => {}
        found @ (Belonging::OnlyMember
        | Belonging::AskedItself
        | Belonging::AddressNotStated { .. }
        | Belonging::NameTakenByAnotherAddress { .. }
        | Belonging::AddressTakenByAnotherName { .. }
        | Belonging::Unknown(_)) => {
            return Err(StepError::lasting(found.obstacle().unwrap_or_else(|| "the cluster has changed".into())));
        }
    }
    remove(context, &member, name, address).await
}

/// Asks the member, and writes down before that we asked, after that how it ended.
async fn remove(
    context: &StepContext<'_>,
    member: &Member,
    name: &Hostname,
    address: std::net::Ipv4Addr,
) -> Result<Outcome, StepError> {
    let (world, operation) = (context.world, &context.operation.id);
    if context.rebuild.marks.leaving_at.is_none() {
        let marks = RebuildMarks { leaving_at: Some(world.clock.now()), ..RebuildMarks::default() };
        world.keeper.mark(operation, &marks, None, None).await?;
    }
    let said = member.ask(world, &GateCommand::Remove { node: name.clone(), address }).await?;
    let marks = RebuildMarks { left_cluster_at: Some(world.clock.now()), ..RebuildMarks::default() };
    let details = Move {
        facts: HostFacts { is_member: Some(false), reason: context.host.reason.clone(), ..HostFacts::default() },
        marks: Some((operation.clone(), marks)),
        ..Move::default()
    };
    // Read again: iPXE asks every few seconds, and each of its questions moves the host.
    let host = world.keeper.host(&context.host.id).await?;
    world.keeper.apply(&host, HostEvent::LeftCluster, details).await?;
    super::take_join_turn::give_back(context).await?;
    Ok(Outcome::Done(json!({ "through": member.address, "said": said.trim() })))
}
