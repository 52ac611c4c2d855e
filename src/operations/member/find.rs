//! Finds a member that answers: the one in the settings first, then every ready host of ours.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use super::{Member, MemberAccess};
use crate::{
    domain::{cluster::ClusterView, host::Host, host_lifecycle::HostState},
    operations::{MemberCredential, World, step::StepError},
    ports::{Credential, Login},
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

/// Asks one after the other until one answers. One that is dead is passed over; one that answers counts, also when it has no quorum: another
/// that had it would be another cluster, or the other half of a torn one.
pub(super) async fn answering(
    world: &World,
    host: &Host,
    itself: Itself,
) -> Result<Option<(Member, ClusterView)>, StepError> {
    let candidates = candidates(world, host, itself).await?;
    if candidates.is_empty() {
        return Ok(None);
    }
    let mut silent = Vec::new();
    for (address, host_key) in candidates.into_iter().take(MOST_TRIED) {
        let member = log_in(world, address, host_key)?;
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

async fn candidates(world: &World, host: &Host, itself: Itself) -> Result<Vec<Candidate>, StepError> {
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
    let mut others = hosts.into_iter().filter(|other| other.is_member && other.id != host.id).peekable();
    let has_others = others.peek().is_some();
    let ready = others.filter(|other| other.state == HostState::Ready);
    found.extend(ready.filter_map(|other| other.address.zip(other.ssh_host_key)));
    let own = host.address.zip(host.ssh_host_key.clone());
    found.retain(|(address, _)| Some(*address) != host.address);
    if found.is_empty() && has_others {
        return Err(StepError::passing(
            "the cluster has members, but none of them is ready to be asked; see their pages",
        ));
    }
    if itself == Itself::Last && host.is_member {
        found.extend(own);
    }
    let mut seen = std::collections::BTreeSet::new();
    found.retain(|(address, _)| seen.insert(*address));
    Ok(found)
}

fn log_in(world: &World, address: Ipv4Addr, host_key: String) -> Result<Member, StepError> {
    let settings = &world.cluster;
    let credential = match &settings.credential {
        Some(MemberCredential::Password(password)) => Credential::Password(password.clone()),
        Some(MemberCredential::Key(key)) => Credential::OpenSshKey(key.clone()),
        None => {
            return Err(StepError::lasting(format!(
                "there is no way to log in to the member {address}; set proxmox.key_file (preferred) or proxmox.root_password_file"
            )));
        }
    };
    let address_and_port = SocketAddr::new(IpAddr::V4(address), settings.ssh_port);
    let login = Login { address: address_and_port, user: "root".into(), credential, host_key };
    Ok(Member { address, login, access: MemberAccess::Root })
}
