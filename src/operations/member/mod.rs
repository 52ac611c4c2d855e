//! A member of the cluster: how we find one, how we log in, and what we ask of it.

mod command;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

pub(in crate::operations) use command::GateCommand;

use super::{MemberCredential, World, cluster_access::run, step::StepError};
use crate::{
    domain::{
        cluster::{ClusterView, read_members},
        host::Host,
        host_lifecycle::HostState,
    },
    ports::{Credential, Login},
};

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
        read_members(&said).map_err(|error| StepError::passing(error.to_string()))
    }

    /// Asks the member for one thing, and returns what it said.
    pub(in crate::operations) async fn ask(&self, world: &World, command: &GateCommand) -> Result<String, StepError> {
        let line = match self.access {
            MemberAccess::Root => command.line_for_root(),
            MemberAccess::Gate => command.words(),
        };
        Ok(run(world, &self.login, &line).await?.output)
    }
}

/// Finds a member to join through: the one in the settings, else a ready host of ours. `None` when there is no cluster yet.
pub(in crate::operations) async fn find_member(world: &World, joining: &Host) -> Result<Option<Member>, StepError> {
    let settings = &world.cluster;
    let (address, host_key) = if let Some(address) = settings.existing_node {
        let key = settings.existing_node_ssh_host_key.clone().ok_or_else(|| {
            StepError::lasting(format!(
                "no SSH host key is pinned for the member {address}; read it there with `cat /etc/ssh/ssh_host_ed25519_key.pub` and set proxmox.existing_node_ssh_host_key"
            ))
        })?;
        (address, key)
    } else {
        let hosts = world.hosts.hosts().await?;
        let mut members = hosts.into_iter().filter(|host| host.is_member && host.id != joining.id).peekable();
        if members.peek().is_none() {
            return Ok(None);
        }
        let ready =
            members.filter(|host| host.state == HostState::Ready).find_map(|host| host.address.zip(host.ssh_host_key));
        ready.ok_or_else(|| {
            StepError::passing("the cluster has members, but none of them is ready to join through; see their pages")
        })?
    };
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
    Ok(Some(Member { address, login, access: MemberAccess::Root }))
}
