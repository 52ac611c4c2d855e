//! A member of the cluster: how we find one, how we log in, and what we ask of it.

mod command;
mod find;
mod gate;
mod gate_desk;
mod gate_install;

use std::net::Ipv4Addr;

pub(in crate::operations) use command::GateCommand;
pub(in crate::operations) use find::{any_member, find_cluster, find_member};
pub use gate::KEY_PLACE as GATE_KEY_PLACE;
pub use gate_desk::{GateDesk, GateRefusal, GateRequest, GateView};
pub(in crate::operations) use gate_install::install_gate;

use super::{World, cluster_access::last_lines, step::StepError};
use crate::{
    domain::{
        cluster::{ClusterView, read_members},
        cluster_plan::{Belonging, HostClaim, Votes, count_votes, find_belonging},
        corosync,
        host::Host,
    },
    ports::{Command, Login, Output, RemoteShellError},
};

/// The status with which the gate refuses: its words, or what a guard found.
const REFUSED: u32 = 64;

/// A member of the cluster that we can ask.
#[derive(Debug, Clone)]
pub(in crate::operations) struct Member {
    /// Its address.
    pub(in crate::operations) address: Ipv4Addr,
    /// How to log in.
    pub(in crate::operations) login: Login,
    /// What that login may do.
    pub(in crate::operations) access: MemberAccess,
}

/// What a login on a member may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::operations) enum MemberAccess {
    /// Everything: root's password, or a key of root's.
    Root,
    /// What the installed join gate does.
    Gate,
}

impl Member {
    /// Reads the cluster's state as this member sees it.
    pub(in crate::operations) async fn view(&self, world: &World) -> Result<ClusterView, StepError> {
        let said = self.ask(world, &GateCommand::Members).await?;
        let mut view = read_members(&said).map_err(|error| StepError::passing(error.to_string()))?;
        let nodes = view.cluster.iter_mut().flat_map(|cluster| &mut cluster.nodes);
        let mut unknown: Vec<_> = nodes.filter(|(_, node)| node.address.is_empty()).collect();
        if unknown.is_empty() {
            return Ok(view);
        }
        // A node that was never online while this member runs has no address there; the configuration has.
        let configured = corosync::read_nodes(&self.ask(world, &GateCommand::About).await?);
        for (name, node) in &mut unknown {
            let found = configured.iter().find(|other| other.name == **name);
            node.address = found.and_then(|other| other.links.get(&0).cloned()).unwrap_or_default();
        }
        Ok(view)
    }

    /// Asks the member for one thing, and returns what it said.
    pub(in crate::operations) async fn ask(&self, world: &World, command: &GateCommand) -> Result<String, StepError> {
        match self.access {
            MemberAccess::Root => {
                let line = Command::new(command.line_for_root(), command.limit());
                match world.shell.run(&self.login, &line).await {
                    Err(RemoteShellError::LoginRefused { .. }) => Err(StepError::lasting(format!(
                        "the member {0} refuses our login as root; correct proxmox.root_password_file or proxmox.key_file, or install the join gate with `rackseed gate install --node {0}`",
                        self.address
                    ))),
                    said => answer(self.address, said?),
                }
            }
            MemberAccess::Gate => gate::ask(world, &self.login, command).await,
        }
    }
}

/// What the script said; a refusal it repeats however often it is asked, all else may pass.
fn answer(address: impl std::fmt::Display, output: Output) -> Result<String, StepError> {
    if output.is_success() {
        return Ok(output.output);
    }
    let said = last_lines(if output.error.trim().is_empty() { &output.output } else { &output.error });
    let reason = format!("the member {address}: {}", said.replace("rackseed-join-gate: ", ""));
    Err(StepError { reason, may_pass: output.status != Some(REFUSED) })
}

/// What the cluster says of a host that is to be rebuilt, and what it has of votes.
#[derive(Debug)]
pub(in crate::operations) struct Found {
    /// Whether it is a member.
    pub(in crate::operations) belonging: Belonging,
    /// The votes around it; `None` when there is no cluster, or it could not be asked.
    pub(in crate::operations) votes: Option<Votes>,
    /// The member that was asked.
    pub(in crate::operations) member: Option<Member>,
    /// What that member sees.
    pub(in crate::operations) view: Option<ClusterView>,
}

/// Asks the cluster about a host. `stated` is the address that the operator states for it.
pub(in crate::operations) async fn belonging(world: &World, host: &Host, stated: Option<Ipv4Addr>) -> Found {
    let claim = HostClaim {
        name: &host.hostname,
        known_address: host.address,
        stated_address: stated,
        is_member: host.is_member,
    };
    let nobody = |belonging| Found { belonging, votes: None, member: None, view: None };
    match find::answering(world, host, find::Itself::Last).await {
        Ok(Some((member, view))) => Found {
            belonging: find_belonging(&view, member.address, &claim),
            votes: count_votes(&view, host.hostname.as_str()),
            member: Some(member),
            view: Some(view),
        },
        Ok(None) if host.is_member => nobody(Belonging::Unknown(
            "no other member is known, and this one's SSH host key is not; set proxmox.existing_node to a member"
                .into(),
        )),
        Ok(None) => nobody(Belonging::NotAMember),
        Err(error) => nobody(Belonging::Unknown(error.reason)),
    }
}
