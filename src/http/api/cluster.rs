//! The cluster as a member sees it, and who waits to join it.

use axum::{Json, extract::State, http::Uri};
use jiff::Timestamp;
use serde::Serialize;

use crate::{
    domain::{host::Host, identity::HostId},
    http::{OperatorState, paging::parameter, problem::Problem, schema::described},
    operations::{ClusterAnswer, ClusterLook, Join},
};

/// How many members are told the installed version of; each costs a look at its latest rebuild.
const MOST_VERSIONS: usize = 64;

described! {
    /// The cluster. A member is asked only where that is asked for; else this is what one said last.
    #[derive(Debug, Serialize)]
    pub(crate) struct ClusterJson as "Cluster" {
        /// All of it in one sentence.
        sentence: String,
        /// Its name; null while there is none, or nobody was asked.
        name: Option<String>,
        /// Whether the member that was asked has a quorum.
        quorate: Option<bool>,
        /// All votes.
        votes_expected: Option<u32>,
        /// The votes that are there.
        votes_present: Option<u32>,
        /// How many votes are needed.
        votes_needed: Option<u32>,
        /// How many members may fail before the quorum is lost.
        may_fail: Option<usize>,
        /// The name of the member that answered last.
        asked: Option<String>,
        /// Its address.
        asked_address: Option<String>,
        /// When it answered.
        answered_at: Option<Timestamp>,
        /// When a member was asked last, whether or not one answered.
        asked_at: Option<Timestamp>,
        /// Why none answered then.
        problem: Option<String>,
        /// The members, by name.
        members: Vec<MemberJson>,
        /// Hosts of ours that were members when they were seen last, and that the cluster does not list.
        missing: Vec<String>,
        /// Who has the turn to join or leave.
        holder: Option<JoinJson>,
        /// Who waits for it, the longest first.
        waiting: Vec<JoinJson>,
    }
}

described! {
    /// One member of the cluster.
    #[derive(Debug, Serialize)]
    pub(crate) struct MemberJson as "ClusterMember" {
        /// Its name.
        name: String,
        /// Its number in the cluster.
        node_id: Option<u32>,
        /// Its address.
        address: String,
        /// Whether the others see it.
        online: bool,
        /// Its votes; null where they could not be read.
        votes: Option<u32>,
        /// The host of ours that it is; null for a stranger.
        host: Option<String>,
        /// What it was installed from, if that was done from here.
        installed: Option<String>,
    }
}

described! {
    /// A host that joins or leaves the cluster, or waits for its turn.
    #[derive(Debug, Serialize)]
    pub(crate) struct JoinJson as "ClusterJoin" {
        /// The operation.
        operation: String,
        /// The host.
        host: String,
        /// Its name.
        hostname: String,
        /// The step.
        step: String,
        /// Since when.
        since: Option<Timestamp>,
    }
}

impl JoinJson {
    fn new(join: &Join) -> Self {
        Self {
            operation: join.operation.operation.id.to_string(),
            host: join.operation.operation.host.to_string(),
            hostname: join.hostname.clone(),
            step: join.step.clone(),
            since: join.since,
        }
    }
}

/// The cluster.
pub(crate) async fn show(State(state): State<OperatorState>, uri: Uri) -> Result<Json<ClusterJson>, Problem> {
    let is_asked = parameter(&uri, "ask", "is true or false")?.unwrap_or(false);
    let look = if is_asked { state.cluster.ask().await? } else { state.cluster.glance().await? };
    Ok(Json(describe(&state, &look).await?))
}

/// Tells what is known.
pub(in crate::http) async fn describe(state: &OperatorState, look: &ClusterLook) -> Result<ClusterJson, Problem> {
    let hosts = state.hosts.hosts().await?;
    let joins = state.cluster.joins().await?;
    let (answer, health) = (look.answer.as_ref(), look.answer.as_ref().and_then(ClusterAnswer::health));
    let members = match answer {
        Some(answer) => members(state, answer, &hosts).await?,
        None => Vec::new(),
    };
    let cluster = answer.and_then(|answer| answer.view.cluster.as_ref());
    let is_listed = |host: &&Host| members.iter().any(|member| member.host.as_deref() == Some(host.id.as_str()));
    let missing = hosts.iter().filter(|host| host.is_member && cluster.is_some() && !is_listed(host));
    Ok(ClusterJson {
        sentence: sentence(look, health.map(|health| health.sentence()), &state.cluster.name()),
        name: cluster.map(|cluster| cluster.name.clone()),
        quorate: cluster.map(|cluster| cluster.quorate),
        votes_expected: health.map(|health| health.expected),
        votes_present: health.map(|health| health.present),
        votes_needed: health.map(|health| health.needed),
        may_fail: health.map(|health| health.may_fail),
        asked: answer.map(|answer| answer.view.node.clone()),
        asked_address: answer.map(|answer| answer.asked.to_string()),
        answered_at: answer.map(|answer| answer.at),
        asked_at: look.asked_at,
        problem: look.problem.clone(),
        missing: missing.map(|host| host.hostname.to_string()).collect(),
        members,
        holder: joins.holder.as_ref().map(JoinJson::new),
        waiting: joins.waiting.iter().map(JoinJson::new).collect(),
    })
}

fn sentence(look: &ClusterLook, health: Option<String>, name: &str) -> String {
    match (health, &look.answer, look.has_members) {
        (Some(health), ..) => health,
        (None, Some(answer), _) => format!(
            "{} stands alone: the next host that is rebuilt has the cluster `{name}` created there, and joins it",
            answer.view.node
        ),
        (None, None, true) if look.problem.is_some() => "no member has answered yet".to_owned(),
        (None, None, true) => "no member was asked yet".to_owned(),
        (None, None, false) => format!(
            "there is no cluster yet: the first host that is rebuilt creates the cluster `{name}`, and each one after it joins"
        ),
    }
}

/// The members by name; of a node that stands alone, itself.
async fn members(state: &OperatorState, answer: &ClusterAnswer, hosts: &[Host]) -> Result<Vec<MemberJson>, Problem> {
    let mut members = Vec::new();
    for (name, node) in answer.view.cluster.iter().flat_map(|cluster| &cluster.nodes) {
        let host = find_host(hosts, name, &node.address);
        let installed = match host {
            Some(host) if members.len() < MOST_VERSIONS => installed(state, &host.id).await?,
            Some(_) | None => None,
        };
        members.push(MemberJson {
            name: name.clone(),
            node_id: node.id,
            address: node.address.clone(),
            online: node.online,
            votes: answer.votes.as_ref().map(|votes| votes.of(name)),
            host: host.map(|host| host.id.to_string()),
            installed,
        });
    }
    Ok(members)
}

/// The host of ours that a member is: by its name, unless it is known at another address.
fn find_host<'a>(hosts: &'a [Host], name: &str, address: &str) -> Option<&'a Host> {
    let named = hosts.iter().find(|host| host.hostname.as_str() == name);
    named.filter(|host| address.is_empty() || host.address.is_none_or(|known| known.to_string() == address))
}

async fn installed(state: &OperatorState, host: &HostId) -> Result<Option<String>, Problem> {
    let Some(rebuild) = state.rebuilds.latest_rebuild(host).await? else { return Ok(None) };
    let image = state.images.image(&rebuild.image).await?;
    Ok(Some(image.map_or_else(|| rebuild.image.to_string(), |image| image.title())))
}
