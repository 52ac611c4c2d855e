//! Brings the node into the cluster: `pvecm create` when there is none, else `pvecm add` through a member.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::Ipv4Addr,
    time::Duration,
};

use async_trait::async_trait;
use secrecy::SecretString;
use serde_json::json;

use super::{
    join_checks::{self, Joiner, Leftover},
    join_process::{self, JoinProcess},
};
use crate::{
    domain::{
        cluster::{ClusterView, read_members},
        corosync::{choose_links, link_arguments},
    },
    operations::{
        Outcome, Step, StepContext, StepError, StepKind, World,
        cluster_access::{SHORT_COMMAND, node_login, plain_public_key, run},
        member::{GateCommand, Member, find_cluster, find_member},
    },
    ports::{Command, Credential, Login},
};

/// For how long a joining node may log in to the cluster by its own key; then Proxmox has made it a member, or it must be asked for again.
const JOINING_KEY_MINUTES: u8 = 30;

/// The step.
pub(super) struct JoinCluster;

#[async_trait]
impl Step for JoinCluster {
    fn name(&self) -> &'static str {
        "join_cluster"
    }

    fn kind(&self) -> StepKind {
        StepKind::ForwardOnly
    }

    fn deadline(&self, _world: &World) -> Duration {
        Duration::from_secs(15 * 60)
    }

    /// Look: is it a member already, or does a join run? Act: start one. Look again at the next call.
    async fn perform(&self, context: &StepContext<'_>) -> Result<Outcome, StepError> {
        let world = context.world;
        let login = node_login(world, &context.host, &context.rebuild)?;
        let process = join_process::read(&run(world, &login, &join_process::look()).await?.output);
        if let JoinProcess::Running(said) = process {
            return Ok(Outcome::NotYet(if said.is_empty() {
                "pvecm is at work".into()
            } else {
                format!("pvecm is at work: {said}")
            }));
        }
        if matches!(process, JoinProcess::Ended(_)) {
            run(world, &login, join_process::REVIVE).await?;
        }
        if let Some(cluster) = view(world, &login).await?.cluster {
            return Ok(Outcome::Done(json!({ "cluster": cluster.name })));
        }
        if let JoinProcess::Ended(said) = process {
            let (reason, may_pass) = join_process::explain(&said);
            // The key is void by itself after some minutes; that it cannot be taken back now must not hide why the join failed.
            if let Ok(Some(member)) = find_member(world, &context.host).await {
                let _ = join_checks::withdraw(world, &login, &member).await;
            }
            run(world, &login, &join_process::forget()).await?;
            return Err(StepError { reason, may_pass });
        }
        run(world, &login, join_process::RECOVER).await?;
        let joiner = join_checks::look_at_joiner(context, &login).await?;
        match find_cluster(world, &context.host).await? {
            None => {
                let links = links(context, &joiner, None)?;
                let arguments = format!("create {} {}", world.cluster.cluster_name, link_arguments(&links));
                start(world, &login, &arguments, SecretString::default()).await?;
                Ok(Outcome::NotYet("pvecm was started".into()))
            }
            Some((member, there)) => add(context, &login, &joiner, &member, &there).await,
        }
    }
}

async fn view(world: &World, login: &Login) -> Result<ClusterView, StepError> {
    let output = run(world, login, join_process::VIEW).await?;
    read_members(&output.output).map_err(|error| StepError::passing(error.to_string()))
}

async fn start(world: &World, login: &Login, arguments: &str, input: SecretString) -> Result<(), StepError> {
    let command = Command { line: join_process::start(arguments), input, limit: SHORT_COMMAND };
    let output = world.shell.run(login, &command).await?;
    if output.is_success() {
        Ok(())
    } else {
        Err(StepError::passing(format!("pvecm could not be started: {}", output.error.trim())))
    }
}

async fn add(
    context: &StepContext<'_>,
    login: &Login,
    joiner: &Joiner,
    member: &Member,
    there: &ClusterView,
) -> Result<Outcome, StepError> {
    let (world, address) = (context.world, member.address);
    if let Leftover::Ours(listed) = join_checks::find_leftover(there, &context.host, &joiner.addresses)? {
        let node = context.host.hostname.clone();
        member.ask(world, &GateCommand::Remove { node, address: listed }).await?;
        return Ok(Outcome::NotYet("what an earlier join of this node left in the cluster was removed".into()));
    }
    if !there.cluster.as_ref().is_some_and(|cluster| cluster.quorate) {
        return Err(StepError::passing(format!(
            "the member {address} is in no cluster or has no quorum; nothing is joined until it has{}",
            alone_hint(there)
        )));
    }
    let cluster = join_checks::look_at_cluster(world, member).await?;
    join_checks::check_clocks(joiner, &cluster, member)?;
    let links = link_arguments(&links(context, joiner, Some(&cluster.links))?);
    match &member.login.credential {
        Credential::Password(password) => {
            let fingerprint = join_checks::member_fingerprint(context, member).await?;
            start(world, login, &format!("add {address} --fingerprint {fingerprint} {links}"), password.clone())
                .await?;
        }
        Credential::Ed25519(_) | Credential::OpenSshKey(_) => {
            // No certificate is used this way, which renews itself; but one that the operator names must be the one that is there.
            if world.cluster.join_fingerprint.is_some() {
                join_checks::member_fingerprint(context, member).await?;
            }
            authorise(world, login, member).await?;
            start(world, login, &format!("add {address} --use_ssh {links}"), SecretString::default()).await?;
        }
    }
    Ok(Outcome::NotYet("pvecm was started".into()))
}

/// The node's address on each of corosync's links. Link 0 is always given: without it `pvecm` does not notice an address that is used twice.
fn links(
    context: &StepContext<'_>,
    joiner: &Joiner,
    existing: Option<&BTreeSet<u8>>,
) -> Result<BTreeMap<u8, Ipv4Addr>, StepError> {
    let home = context.host.address.ok_or_else(|| StepError::lasting("the node's address is not known; rebuild it"))?;
    choose_links(&context.world.cluster.links, &joiner.addresses, home, existing).map_err(StepError::lasting)
}

/// What a person can do for the one member that is left of two: a node that died in the middle of its join counts already.
fn alone_hint(there: &ClusterView) -> &'static str {
    let Some(cluster) = &there.cluster else { return "" };
    let is_alone = cluster.nodes.len() == 2 && cluster.nodes.values().filter(|node| node.online).count() == 1;
    if is_alone {
        ". It is one of two nodes; if the other one is this node, which died while it joined, or is off for good, run `pvecm expected 1` there"
    } else {
        ""
    }
}

/// Lets the node log in to the member by its own key and know the member's host key: no password goes anywhere.
async fn authorise(world: &World, login: &Login, member: &Member) -> Result<(), StepError> {
    let make = "[ -e /root/.ssh/id_rsa ] || ssh-keygen -q -t rsa -b 4096 -N '' -f /root/.ssh/id_rsa; cat /root/.ssh/id_rsa.pub";
    let said = run(world, login, make).await?.output;
    let key =
        plain_public_key(&said).ok_or_else(|| StepError::passing("the node has no readable /root/.ssh/id_rsa.pub"))?;
    member.ask(world, &GateCommand::Authorise { key, minutes: JOINING_KEY_MINUTES }).await?;
    let host_key = plain_public_key(&member.login.host_key)
        .ok_or_else(|| StepError::lasting("the member's pinned host key cannot be read"))?;
    let known = format!("{} {host_key}", member.address);
    run(
        world,
        login,
        &format!("file=/root/.ssh/known_hosts; grep -qxF '{known}' $file 2>/dev/null || echo '{known}' >> $file"),
    )
    .await?;
    Ok(())
}
