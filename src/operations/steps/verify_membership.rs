//! Verifies membership and quorum from the cluster's own state, on the node and on the member that it joined through; then gives the turn
//! back, unless it is the first.

use std::time::Duration;

use async_trait::async_trait;

use crate::{
    domain::{
        cluster::read_members,
        host::HostFacts,
        host_lifecycle::{HostEvent, HostState},
    },
    operations::{
        Outcome, Step, StepContext, StepError, StepKind, World,
        cluster_access::{node_login, run},
        member::find_member,
    },
    provisioning::Move,
};

/// The step.
pub(super) struct VerifyMembership;

#[async_trait]
impl Step for VerifyMembership {
    fn name(&self) -> &'static str {
        "verify_membership"
    }

    fn kind(&self) -> StepKind {
        StepKind::ForwardOnly
    }

    fn deadline(&self, _world: &World) -> Duration {
        Duration::from_secs(5 * 60)
    }

    /// Quorum in corosync comes some seconds before `/etc/pve` can be written, and Proxmox's own test for that is the owner's write bit of
    /// the link `/etc/pve/local` (pve-cluster `PVE/Cluster.pm`).
    async fn perform(&self, context: &StepContext<'_>) -> Result<Outcome, StepError> {
        let world = context.world;
        let name = context.host.hostname.as_str();
        let login = node_login(world, &context.host, &context.rebuild)?;
        let said = run(world, &login, "stat -c %A /etc/pve/local; cat /etc/pve/.members").await?.output;
        let (mode, members) = said.split_once('\n').unwrap_or_default();
        let here = read_members(members).map_err(|error| StepError::passing(error.to_string()))?;
        let member = find_member(world, &context.host).await?;
        let there = match &member {
            Some(member) => Some(member.view(world).await?),
            None => None,
        };
        let mut names = vec![name];
        names.extend(there.as_ref().map(|view| view.node.as_str()));
        let same_cluster = there.as_ref().is_none_or(|there| cluster_name(there) == cluster_name(&here));
        if !same_cluster {
            return Err(StepError::lasting(format!(
                "{name} is in another cluster than the member it should have joined through"
            )));
        }
        if !here.is_whole(&names) {
            return Ok(Outcome::NotYet(format!("waiting for {name} to see a quorum")));
        }
        if mode.as_bytes().get(2) != Some(&b'w') {
            return Ok(Outcome::NotYet(format!("waiting for /etc/pve on {name} to be writable")));
        }
        if there.as_ref().is_some_and(|there| !there.is_whole(&names)) {
            return Ok(Outcome::NotYet(format!("waiting for the other members to see {name} online and a quorum")));
        }
        if let Some(member) = &member {
            super::join_checks::withdraw(world, &login, member).await?;
        }
        // The certificate is a new one since the join.
        if let Some(address) = context.host.address {
            world.certificates.forget_pin(address).await?;
        }
        // Said before the turn goes on: a host that does not know of this member would create a second cluster.
        if context.host.state == HostState::Joining && !context.host.is_member {
            let facts = HostFacts { is_member: Some(true), ..HostFacts::default() };
            world.keeper.apply(&context.host, HostEvent::MembershipVerified, Move { facts, ..Move::default() }).await?;
        }
        // The first node of a cluster can be joined through only when it is ready. Until then the next host would find no member and create
        // a second cluster, so the first one keeps its turn until its operation is over.
        if member.is_some() {
            super::take_join_turn::give_back(context).await?;
        }
        let seen_by = there.as_ref().map(|view| view.node.as_str());
        Ok(Outcome::Done(serde_json::json!({ "cluster": cluster_name(&here), "seen_by": seen_by })))
    }
}

fn cluster_name(view: &crate::domain::cluster::ClusterView) -> Option<&str> {
    view.cluster.as_ref().map(|cluster| cluster.name.as_str())
}
