//! What people ask of the cluster: who is in it, and who waits to join. A member is asked with a bound, and what it said last is remembered,
//! so that nobody who looks ever waits for a dead one.

use std::{
    net::Ipv4Addr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use jiff::Timestamp;

use super::{OperationDesk, OperationView, World, member::any_member};
use crate::{
    domain::{
        cluster::ClusterView,
        cluster_health::ClusterHealth,
        cluster_report::{CorosyncVotes, read_votes},
        identity::OperationId,
        operation::StepStatus,
        questions::{OperationGroup, OperationQuestion},
    },
    operations::member::GateCommand,
    ports::LedgerError,
};

/// How long all members together may take for an answer. Longer waits for slow ones; a person looks at the page meanwhile.
const PATIENCE: Duration = Duration::from_secs(25);
/// The most operations that are searched for joins.
const MOST_OPERATIONS: u32 = 1000;

/// What a member said.
#[derive(Debug, Clone)]
pub struct ClusterAnswer {
    /// When.
    pub at: Timestamp,
    /// The member's address.
    pub asked: Ipv4Addr,
    /// What it sees.
    pub view: ClusterView,
    /// The votes; `None` where they could not be read, or there is no cluster.
    pub votes: Option<CorosyncVotes>,
}

impl ClusterAnswer {
    /// The votes counted; `None` for a node that stands alone.
    pub fn health(&self) -> Option<ClusterHealth> {
        Some(ClusterHealth::new(self.view.cluster.as_ref()?, self.votes.as_ref()))
    }
}

/// What is known of the cluster without asking anybody.
#[derive(Debug, Clone, Default)]
pub struct ClusterLook {
    /// What a member said last.
    pub answer: Option<ClusterAnswer>,
    /// When a member was asked last, whether or not it answered.
    pub asked_at: Option<Timestamp>,
    /// Why there was no answer then.
    pub problem: Option<String>,
    /// Whether there is anybody to ask: without, there is no cluster yet.
    pub has_members: bool,
}

/// One host that waits for its turn to join or leave, or has it.
#[derive(Debug, Clone)]
pub struct Join {
    /// Its operation.
    pub operation: OperationView,
    /// Its name.
    pub hostname: String,
    /// Since when.
    pub since: Option<Timestamp>,
    /// The name of the step.
    pub step: String,
}

/// The turn to change the cluster.
#[derive(Debug, Clone, Default)]
pub struct Joins {
    /// Who has it.
    pub holder: Option<Join>,
    /// Who waits for it, the longest first.
    pub waiting: Vec<Join>,
}

/// Answers.
pub struct ClusterDesk {
    world: Arc<World>,
    operations: Arc<OperationDesk>,
    last: Mutex<ClusterLook>,
    /// Held by whoever asks: who comes meanwhile shares the answer.
    asking: tokio::sync::Mutex<Duration>,
}

impl ClusterDesk {
    /// Begins without having asked anybody.
    pub fn new(world: Arc<World>, operations: Arc<OperationDesk>) -> Self {
        Self { world, operations, last: Mutex::default(), asking: tokio::sync::Mutex::default() }
    }

    /// The name of the cluster that would be created.
    pub fn name(&self) -> String {
        self.world.cluster.cluster_name.clone()
    }

    /// What was said last, at once.
    pub async fn glance(&self) -> Result<ClusterLook, LedgerError> {
        let mut look = self.last.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let hosts = self.world.hosts.hosts().await?;
        look.has_members = self.world.cluster.existing_node.is_some()
            || hosts.iter().any(|host| host.is_member)
            || !self.world.gates.gates().await?.is_empty();
        Ok(look)
    }

    /// Asks a member now. Who asks while another one does gets the same answer.
    pub async fn ask(&self) -> Result<ClusterLook, LedgerError> {
        let came = self.world.clock.running();
        let mut answered = self.asking.lock().await;
        if *answered <= came || answered.is_zero() {
            let said = tokio::time::timeout(PATIENCE, self.answer()).await;
            let said = said.unwrap_or_else(|_| Err(format!("no member answered within {} s", PATIENCE.as_secs())));
            let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
            last.asked_at = Some(self.world.clock.now());
            match said {
                Ok(answer) => (last.answer, last.problem) = (answer, None),
                Err(reason) => last.problem = Some(reason),
            }
            *answered = self.world.clock.running();
        }
        drop(answered);
        self.glance().await
    }

    async fn answer(&self) -> Result<Option<ClusterAnswer>, String> {
        let found = any_member(&self.world).await.map_err(|error| error.reason)?;
        let Some((member, view)) = found else { return Ok(None) };
        // Members that cannot say it still say who is there.
        let votes = match &view.cluster {
            Some(cluster) => {
                let said = member.ask(&self.world, &GateCommand::About).await.ok();
                let votes = said.and_then(|said| read_votes(&said).ok());
                // A configuration that does not have every member is not the one that counts.
                let has = |votes: &CorosyncVotes, name: &String| votes.nodes.iter().any(|node| node.name == *name);
                votes.filter(|votes| cluster.nodes.keys().all(|name| has(votes, name)))
            }
            None => None,
        };
        Ok(Some(ClusterAnswer { at: self.world.clock.now(), asked: member.address, view, votes }))
    }

    /// Who has the turn to change the cluster, and who waits for it.
    pub async fn joins(&self) -> Result<Joins, LedgerError> {
        let holder = self.world.journal.turn_holder(&self.world.cluster.cluster_name).await?;
        let mut joins = Joins::default();
        for group in [OperationGroup::Running, OperationGroup::NeedsAttention] {
            let question =
                OperationQuestion { group: Some(group), limit: MOST_OPERATIONS, ..OperationQuestion::default() };
            for (view, hostname) in self.operations.list(&question).await? {
                joins.sort_in(view, hostname, holder.as_ref());
            }
        }
        joins.waiting.sort_by_key(|join| join.since);
        Ok(joins)
    }
}

impl Joins {
    fn sort_in(&mut self, view: OperationView, hostname: String, holder: Option<&OperationId>) {
        let step = view.progress.current_step().cloned();
        let join = |view, step: Option<crate::domain::operation::StepProgress>| Join {
            operation: view,
            hostname,
            since: step.as_ref().and_then(|step| step.started_at),
            step: step.map(|step| step.name).unwrap_or_default(),
        };
        if holder == Some(&view.operation.id) {
            self.holder = Some(join(view, step));
            return;
        }
        let waits = step.as_ref().is_some_and(|step| {
            let is_turn = step.name == "take_join_turn"
                || (step.name == "leave_cluster"
                    && step.reason.as_ref().is_some_and(|why| why.contains("one at a time")));
            is_turn && step.status == StepStatus::Waiting
        });
        if waits {
            self.waiting.push(join(view, step));
        }
    }
}
