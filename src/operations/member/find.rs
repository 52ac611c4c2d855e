//! Finds a member that answers: those with the join gate first, and among them the one in the settings before the ready hosts of ours and
//! other members.

use std::net::Ipv4Addr;

use super::{Member, gate};
use crate::{
    domain::{cluster::ClusterView, host::Host, host_lifecycle::HostState},
    operations::{World, step::StepError},
};

/// How many members are tried before it counts as a cluster that nobody can ask. More wait longer when a whole rack is off.
const MOST_TRIED: usize = 4;

/// Whether the host that is to be rebuilt may be asked about its own cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Itself {
    /// Never: it is being rebuilt.
    Excluded,
    /// When nobody else is left to ask.
    Last,
}

/// One that may be asked: its address and its pinned host key.
type Candidate = (Ipv4Addr, String);

/// Finds a member to join or leave through. `None` when there is no cluster yet.
pub(in crate::operations) async fn find_member(world: &World, host: &Host) -> Result<Option<Member>, StepError> {
    Ok(find_cluster(world, host).await?.map(|(member, _)| member))
}

/// The same, with what that member sees.
pub(in crate::operations) async fn find_cluster(
    world: &World,
    host: &Host,
) -> Result<Option<(Member, ClusterView)>, StepError> {
    answering(world, host, Itself::Excluded).await
}

/// Finds any member that answers, for whoever only looks. `None` when there is no cluster yet.
pub(in crate::operations) async fn any_member(world: &World) -> Result<Option<(Member, ClusterView)>, StepError> {
    ask_each(world, candidates(world, None, Itself::Excluded).await?).await
}

/// Asks one after the other until one answers. One that is dead is passed over; one that answers counts, also when it has no quorum: another
/// that had it would be another cluster, or the other half of a torn one.
pub(super) async fn answering(
    world: &World,
    host: &Host,
    itself: Itself,
) -> Result<Option<(Member, ClusterView)>, StepError> {
    ask_each(world, candidates(world, Some(host), itself).await?).await
}

async fn ask_each(world: &World, candidates: Vec<Candidate>) -> Result<Option<(Member, ClusterView)>, StepError> {
    if candidates.is_empty() {
        return Ok(None);
    }
    let mut silent = Vec::new();
    for (address, host_key) in candidates.into_iter().take(MOST_TRIED) {
        let (login, access) = match gate::member_login(world, address, host_key).await {
            Ok(way) => way,
            // Those with a gate come first; that the rest cannot be asked at all is not why nobody answers.
            Err(_) if !silent.is_empty() => break,
            Err(error) => return Err(error),
        };
        let member = Member { address, login, access };
        match member.view(world).await {
            Ok(view) => return Ok(Some((member, view))),
            Err(error) if error.may_pass => silent.push(format!("{address}: {}", error.reason)),
            Err(error) => return Err(error),
        }
    }
    Err(StepError::passing(format!(
        "no member of the cluster answers; start one, or set proxmox.existing_node to one that runs ({})",
        silent.join("; ")
    )))
}

/// Those who may be asked; `host` is the one that is to be rebuilt, if any is.
async fn candidates(world: &World, host: Option<&Host>, itself: Itself) -> Result<Vec<Candidate>, StepError> {
    let settings = &world.cluster;
    let mut found = Vec::new();
    if let Some(address) = settings.existing_node {
        let key = settings.existing_node_ssh_host_key.clone().ok_or_else(|| {
            StepError::lasting(format!(
                "no SSH host key is pinned for the member {address}; read it there with `cat /etc/ssh/ssh_host_ed25519_key.pub` and set proxmox.existing_node_ssh_host_key"
            ))
        })?;
        found.push((address, key));
    }
    let hosts = world.hosts.hosts().await?;
    let gated_others = gate::members_of_others(world, &hosts).await?;
    let mut others =
        hosts.into_iter().filter(|other| other.is_member && host.is_none_or(|host| other.id != host.id)).peekable();
    let has_others = others.peek().is_some();
    let ready = others.filter(|other| other.state == HostState::Ready);
    found.extend(ready.filter_map(|other| other.address.zip(other.ssh_host_key)));
    found.extend(gated_others);
    let own = host.filter(|host| host.is_member).and_then(|host| host.address.zip(host.ssh_host_key.clone()));
    found.retain(|(address, _)| host.is_none_or(|host| Some(*address) != host.address));
    if found.is_empty() && has_others {
        return Err(StepError::passing(
            "the cluster has members, but none of them is ready to be asked; see their pages",
        ));
    }
    gate::gates_first(world, &mut found).await?;
    if itself == Itself::Last {
        found.extend(own);
    }
    let mut seen = std::collections::BTreeSet::new();
    found.retain(|(address, _)| seen.insert(*address));
    Ok(found)
}
