//! What is looked at before a join is started, and what an earlier one that died left in the cluster: whatever can be known before is said
//! before.

use std::{
    collections::BTreeSet,
    net::{IpAddr, Ipv4Addr},
};

use crate::{
    domain::{
        cluster::{ClusterView, NodeView},
        corosync,
        host::Host,
    },
    operations::{
        StepContext, StepError, World,
        cluster_access::{plain_public_key, run},
        member::{GateCommand, Member},
    },
    ports::Login,
};

/// How far the clocks of two nodes may be apart. Proxmox's tickets and certificates bear some minutes; corosync bears anything.
const MOST_SKEW_SECONDS: u64 = 60;

/// What a fresh node says of itself.
const PROBE: &str = "cd /; echo clock $(date +%s); getent ahostsv4 \"$(uname -n)\" | sed -n 's/^\\([0-9.]*\\) .*/name \\1/p'; \
     ls -d /etc/pve/nodes/*/lxc/*.conf /etc/pve/nodes/*/qemu-server/*.conf 2>/dev/null | sed 's/^/guest /'; \
     ip -4 -o addr show scope global | sed -n 's|.* inet \\([0-9.]*\\)/.*|address \\1|p'";

/// A fresh node that may join.
pub(super) struct Joiner {
    /// Its clock, in seconds.
    clock: u64,
    /// Its addresses.
    pub(super) addresses: Vec<Ipv4Addr>,
}

/// Looks at the node itself.
pub(super) async fn look_at_joiner(context: &StepContext<'_>, login: &Login) -> Result<Joiner, StepError> {
    let (world, home) = (context.world, context.host.address);
    let said = run(world, login, PROBE).await?.output;
    let values = |key: &'static str| {
        said.lines()
            .filter_map(move |line| line.split_once(' ').filter(|(word, _)| *word == key))
            .map(|(_, value)| value)
    };
    let names: Vec<Ipv4Addr> = values("name").filter_map(|address| address.parse().ok()).collect();
    if names.is_empty() || names.iter().any(|name| name.is_loopback() && Some(*name) != home) {
        return Err(StepError::lasting(
            "the node cannot resolve its own name; correct its /etc/hosts so that the name has its address and not a loopback one, then retry",
        ));
    }
    if let Some(guest) = values("guest").next() {
        return Err(StepError::lasting(format!(
            "the node already has guests ({guest}), and only a fresh node can join; move them away or rebuild the host"
        )));
    }
    let clock = values("clock").next().and_then(|seconds| seconds.trim().parse().ok());
    let clock = clock.ok_or_else(|| StepError::passing("the node did not say what its clock shows"))?;
    Ok(Joiner { clock, addresses: values("address").filter_map(|address| address.parse().ok()).collect() })
}

/// What a member says of its clock and its cluster's links.
pub(super) struct Cluster {
    clock: u64,
    /// The numbers of its links.
    pub(super) links: BTreeSet<u8>,
}

/// Asks a member.
pub(super) async fn look_at_cluster(world: &World, member: &Member) -> Result<Cluster, StepError> {
    let said = member.ask(world, &GateCommand::About).await?;
    let clock = said.lines().next().and_then(|line| line.strip_prefix("clock ")?.trim().parse().ok());
    let clock = clock.ok_or_else(|| StepError::passing("the member did not say what its clock shows"))?;
    let nodes = corosync::read_nodes(&said);
    Ok(Cluster { clock, links: nodes.into_iter().flat_map(|node| node.links.into_keys()).collect() })
}

/// Clocks may be set by themselves within minutes, so this may pass.
pub(super) fn check_clocks(joiner: &Joiner, cluster: &Cluster, member: &Member) -> Result<(), StepError> {
    let apart = joiner.clock.abs_diff(cluster.clock);
    if apart <= MOST_SKEW_SECONDS {
        return Ok(());
    }
    Err(StepError::passing(format!(
        "the clocks of the node and of the member {} are {apart} s apart, so tickets and certificates would be refused; set both by NTP (`chronyc makestep`)",
        member.address
    )))
}

/// What the member lists under the joining node's name, although that node is in no cluster.
pub(super) enum Leftover {
    /// Nothing.
    None,
    /// What an earlier join of this very node left; it can be removed by this address.
    Ours(Ipv4Addr),
}

/// Looks for a node of this name in the member's list. `mine` are the addresses that are this node's.
pub(super) fn find_leftover(view: &ClusterView, host: &Host, mine: &[Ipv4Addr]) -> Result<Leftover, StepError> {
    let name = host.hostname.as_str();
    let Some(listed) = view.cluster.as_ref().and_then(|cluster| cluster.nodes.get(name)) else {
        return Ok(Leftover::None);
    };
    let NodeView { online, address, .. } = listed;
    let known = address.parse::<IpAddr>().ok().and_then(|address| match address {
        IpAddr::V4(address) => mine.contains(&address).then_some(address),
        IpAddr::V6(_) => None,
    });
    match (online, known) {
        (false, Some(address)) => Ok(Leftover::Ours(address)),
        (false, None) => Err(StepError::lasting(format!(
            "the cluster lists an offline node {name} at {address}, which is not an address of this node; if it is gone for good, remove it on a member with `pvecm delnode {name}`, then retry"
        ))),
        (true, _) => Err(StepError::lasting(format!(
            "the cluster sees a node {name} online at {address}, and this node is in no cluster: another machine has its name; give one of them another name"
        ))),
    }
}

/// Reads the fingerprint of the member's API certificate over the pinned SSH connection, and holds it against the one that counts: that of
/// the settings for the member that they name, else the first that we ever saw of this member.
pub(super) async fn member_fingerprint(context: &StepContext<'_>, member: &Member) -> Result<String, StepError> {
    let world = context.world;
    let said = member.ask(world, &GateCommand::Fingerprint).await?;
    let seen = said.trim().rsplit('=').next().unwrap_or_default().to_uppercase();
    if seen.len() != 95 || !seen.chars().all(|c| c.is_ascii_hexdigit() || c == ':') {
        return Err(StepError::lasting(format!(
            "the member {} did not show the fingerprint of its certificate: {}",
            member.address,
            said.trim()
        )));
    }
    let settings = &world.cluster;
    let is_named = settings.existing_node.is_none_or(|address| address == member.address);
    if let Some(wanted) = settings.join_fingerprint.as_ref().filter(|_| is_named) {
        if wanted.to_uppercase() != seen {
            return Err(StepError::lasting(format!(
                "the member's certificate has changed: proxmox.join_fingerprint is {wanted}, the member {} shows {seen}; if it was renewed, correct the setting, then retry",
                member.address
            )));
        }
        world.certificates.replace_pin(member.address, &seen, context.now).await?;
        return Ok(seen);
    }
    let pinned = world.certificates.pin(member.address, &seen, context.now).await?;
    if pinned != seen {
        return Err(StepError::lasting(format!(
            "the member's certificate has changed: {} showed {pinned} before and shows {seen} now; if it was renewed, set proxmox.join_fingerprint to the new one, restart Rackseed, then retry",
            member.address
        )));
    }
    Ok(seen)
}

/// Takes the joining key off the cluster before its time: the join is over, in whatever way.
pub(super) async fn withdraw(world: &World, login: &Login, member: &Member) -> Result<(), StepError> {
    let said = run(world, login, "cat /root/.ssh/id_rsa.pub 2>/dev/null || true").await?.output;
    if let Some(key) = plain_public_key(&said) {
        member.ask(world, &GateCommand::Withdraw { key }).await?;
    }
    Ok(())
}
