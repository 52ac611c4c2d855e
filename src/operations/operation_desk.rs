//! What a person may ask about operations: look, retry, cancel, confirm a host key.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};

use super::{
    Advance, Engine, Pause, World,
    actions::{self, Done},
    engine::{CANCELLED, sentence},
};
use crate::{
    domain::{
        host::Host,
        host_lifecycle::{HostEvent, HostState},
        identity::{HostId, OperationId},
        live_event::{NewLiveEvent, Topic},
        operation::{
            self, ActionOffer, JournalEntry, JournalEvent, Operation, OperationStatus, Progress, StepOutput, StepStatus,
        },
        patience,
        questions::{OperationGroup, OperationQuestion},
        rebuild::RebuildMarks,
    },
    ports::{Doorbell, LedgerError, OperationRecord},
    provisioning::{KeeperError, Move},
};

/// How often an entry for a person is tried while the engine writes at the same moments.
const TRIES: usize = 10;
/// How many moves a cancelled operation is helped along before the person is answered; the runner does the rest.
const MOST_MOVES: usize = 100;
/// How long the person waits for that.
const CANCEL_PATIENCE: Duration = Duration::from_secs(5);

/// How many ended operations are looked at for what is usual. More finds rarer steps; fewer keeps pages fast.
const MOST_COMPARED: u32 = 30;

/// An operation and how it is doing.
#[derive(Debug, Clone)]
pub struct OperationView {
    /// The operation.
    pub operation: Operation,
    /// How it is doing.
    pub progress: Progress,
    /// What a person can do about it, and what each would mean.
    pub actions: Vec<ActionOffer>,
    /// Why it stands still at the moment, for a reason of ours.
    pub pause: Option<Pause>,
}

/// Why a person does not get what they asked for.
#[derive(Debug, thiserror::Error)]
pub enum OperationRefusal {
    /// Nothing has this id.
    #[error("{0}")]
    Unknown(String),
    /// It cannot be done now.
    #[error("{0}")]
    NotPossible(String),
    /// What was typed is not what is there.
    #[error("{0}")]
    Mismatch(String),
    /// The ledger failed.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

impl From<KeeperError> for OperationRefusal {
    fn from(error: KeeperError) -> Self {
        match error {
            KeeperError::Ledger(LedgerError::Conflict) => {
                Self::NotPossible("the host has just changed; look again".into())
            }
            KeeperError::Ledger(error) => Self::Ledger(error),
            KeeperError::UnknownHost(_) => Self::Unknown(error.to_string()),
            KeeperError::Illegal(_) | KeeperError::Secrets(_) => Self::NotPossible(error.to_string()),
        }
    }
}

/// Answers people about operations.
pub struct OperationDesk {
    /// The outside.
    pub world: Arc<World>,
    /// Wakes the runner.
    pub doorbell: Arc<Doorbell>,
}

impl OperationDesk {
    /// Returns an operation.
    pub async fn view(&self, id: &OperationId) -> Result<Option<OperationView>, LedgerError> {
        Ok(self.read(id).await?.map(|(view, _)| view))
    }

    /// Returns the operations that a question asks for, newest first, each with the name of its host.
    pub async fn list(&self, question: &OperationQuestion) -> Result<Vec<(OperationView, String)>, LedgerError> {
        let world = &self.world;
        let records = world.journal.operations(question).await?;
        // What can be done about one that goes on depends on its host.
        let is_any_open = records.iter().any(|record| record.rebuild.is_some());
        let hosts = if is_any_open { world.hosts.hosts().await? } else { Vec::new() };
        let mut pauses = world.pauses.all();
        let view = |record: OperationRecord| {
            let progress = operation::fold(&record.operation, &record.journal);
            let host = hosts.iter().find(|host| host.id == record.operation.host && !progress.status.is_over());
            let actions = actions::offers(&progress, host, Done::of(record.rebuild.as_ref()));
            let pause = pauses.remove(&record.operation.id);
            (OperationView { operation: record.operation, progress, actions, pause }, record.hostname)
        };
        Ok(records.into_iter().map(view).collect())
    }

    /// Returns how long each step of an operation usually takes on hosts of the same server type, where enough of them have passed it.
    pub async fn usual(&self, operation: &Operation) -> Result<BTreeMap<String, Duration>, LedgerError> {
        let Some(rebuild) = self.world.rebuilds.rebuild(&operation.id).await? else { return Ok(BTreeMap::new()) };
        let question = OperationQuestion {
            group: Some(OperationGroup::Ended),
            plan: Some(operation.plan.clone()),
            server_type: Some(rebuild.server_type.name),
            limit: MOST_COMPARED,
            ..OperationQuestion::default()
        };
        let mut passages: BTreeMap<String, Vec<Duration>> = BTreeMap::new();
        for record in self.world.journal.operations(&question).await? {
            let steps = operation::fold(&record.operation, &record.journal).steps.into_iter();
            // How long a person thought about a failure tells nothing.
            for step in
                steps.filter(|step| step.status == StepStatus::Succeeded && step.total_attempts == step.attempts)
            {
                passages.entry(step.name).or_default().push(Duration::from_secs(step.spent_seconds.unsigned_abs()));
            }
        }
        Ok(passages.into_iter().filter_map(|(step, passages)| Some((step, patience::usual(&passages)?))).collect())
    }

    /// Returns an operation as it is now, with the length of its journal.
    async fn read(&self, id: &OperationId) -> Result<Option<(OperationView, usize)>, LedgerError> {
        let world = &self.world;
        let Some((operation, journal)) = world.journal.operation(id).await? else { return Ok(None) };
        let progress = operation::fold(&operation, &journal);
        let (host, done) = if progress.status.is_over() {
            (None, Done::default())
        } else {
            let rebuild = world.rebuilds.rebuild(id).await?;
            (world.hosts.host(&operation.host).await?, Done::of(rebuild.as_ref()))
        };
        let actions = actions::offers(&progress, host.as_ref(), done);
        let pause = world.pauses.all().remove(id);
        Ok(Some((OperationView { operation, progress, actions, pause }, journal.len())))
    }

    /// Returns how several operations are doing, asked for at once, without what a person can do about them.
    pub async fn outlines(&self, ids: &[OperationId]) -> Result<HashMap<OperationId, OperationView>, LedgerError> {
        let mut pauses = self.world.pauses.all();
        let views = self.world.journal.operations_by_id(ids).await?.into_iter().map(|(operation, journal)| {
            let progress = operation::fold(&operation, &journal);
            let pause = pauses.remove(&operation.id);
            (operation.id.clone(), OperationView { operation, progress, actions: Vec::new(), pause })
        });
        Ok(views.collect())
    }

    /// Returns the latest operations of several hosts, asked for at once.
    pub async fn latest_of(&self, hosts: &[&Host]) -> Result<HashMap<OperationId, OperationView>, LedgerError> {
        let ids: Vec<_> = hosts.iter().filter_map(|host| host.operation.clone()).collect();
        let mut views = self.outlines(&ids).await?;
        let open = |view: &&OperationView| !view.progress.status.is_over();
        let open: Vec<_> = views.values().filter(open).map(|view| view.operation.id.clone()).collect();
        let rebuilds = self.world.rebuilds.rebuilds(&open).await?;
        let done: HashMap<_, _> =
            rebuilds.iter().map(|rebuild| (&rebuild.operation, Done::of(Some(rebuild)))).collect();
        for host in hosts {
            let Some(view) = host.operation.as_ref().and_then(|id| views.get_mut(id)) else { continue };
            let is_over = view.progress.status.is_over();
            let done = done.get(&view.operation.id).copied().unwrap_or_default();
            view.actions = actions::offers(&view.progress, (!is_over).then_some(*host), done);
        }
        Ok(views)
    }

    /// Returns what the steps of an operation said, by step and attempt.
    pub async fn outputs(&self, id: &OperationId) -> Result<Vec<StepOutput>, LedgerError> {
        self.world.journal.outputs(id).await
    }

    /// Returns the newest operations of a host, newest first.
    pub async fn history(&self, host: &HostId, limit: u32) -> Result<Vec<OperationView>, LedgerError> {
        let mut views = Vec::new();
        for id in self.world.journal.operations_of(host, limit).await? {
            views.extend(self.view(&id).await?);
        }
        Ok(views)
    }

    /// Tries the failed step of a parked operation again.
    pub async fn retry(&self, id: &OperationId) -> Result<OperationView, OperationRefusal> {
        self.decide(id, |view, host, done| {
            actions::retry(&view.progress, host, done).map(|_| (String::new(), JournalEvent::Retried))
        })
        .await?;
        self.doorbell.ring();
        self.known(id).await
    }

    /// Leaves the step out at which an operation stands, where a step allows that.
    pub async fn skip(&self, id: &OperationId) -> Result<OperationView, OperationRefusal> {
        self.decide(id, |view, host, done| {
            let (step, consequence) = actions::skip(&view.progress, host, done)?;
            Ok((step, JournalEvent::Skipped { consequence }))
        })
        .await?;
        self.doorbell.ring();
        self.known(id).await
    }

    /// Ends an operation. The intent is written first, so that a crash in between only goes on with it: the machine is disarmed, what was
    /// done before the point of no return is undone, secrets are erased, the turn is given back. A machine that is being installed is not
    /// stopped by this, but it will not be joined.
    pub async fn cancel(&self, id: &OperationId) -> Result<OperationView, OperationRefusal> {
        if self.known(id).await?.progress.status != OperationStatus::Cancelling {
            self.decide(id, |view, _, done| {
                let event = JournalEvent::Cancelling { reason: CANCELLED.into() };
                actions::cancel(&view.progress, done).map(|_| (String::new(), event))
            })
            .await?;
        }
        // Done at once where it can be: the person sees what became of it. The runner does whatever is left, now or after a restart.
        let engine = Engine::new(Arc::clone(&self.world));
        let moves = async {
            for _ in 0..MOST_MOVES {
                if engine.advance(id).await? != Advance::Again {
                    break;
                }
            }
            Ok::<(), LedgerError>(())
        };
        if let Ok(Err(error)) = tokio::time::timeout(CANCEL_PATIENCE, moves).await {
            tracing::warn!(operation.id = id.as_str(), %error, "a cancelled operation cannot be ended yet; it is tried again");
        }
        self.doorbell.ring();
        self.known(id).await
    }

    /// Takes the operator's word that the node's console shows this fingerprint.
    pub async fn confirm_host_key(&self, host: &HostId, fingerprint: &str) -> Result<(), OperationRefusal> {
        let host = self.world.keeper.host(host).await?;
        let (Some(operation), Some(key)) = (&host.operation, &host.ssh_host_key) else {
            return Err(OperationRefusal::NotPossible("no SSH host key has been reported for this host".into()));
        };
        let known =
            self.world.ssh_keys.fingerprint(key).map_err(|error| OperationRefusal::NotPossible(error.to_string()))?;
        if known.trim_end_matches('=') != fingerprint.trim().trim_end_matches('=') {
            return Err(OperationRefusal::Mismatch(format!(
                "the installer reported {known}; if the console shows another fingerprint, cancel: this is not the machine that was installed"
            )));
        }
        let marks = RebuildMarks { host_key_confirmed_at: Some(self.world.clock.now()), ..RebuildMarks::default() };
        self.world.keeper.mark(operation, &marks, None, None).await?;
        Ok(())
    }

    async fn known(&self, id: &OperationId) -> Result<OperationView, OperationRefusal> {
        self.view(id).await?.ok_or_else(|| OperationRefusal::Unknown(format!("there is no operation {id}")))
    }

    /// Writes what a person decided, from the operation as it is at the very moment of writing: what the engine wrote in between is looked
    /// at first. A node that was reached and then given up is brought back to where it was.
    async fn decide(
        &self,
        id: &OperationId,
        choose: impl Fn(&OperationView, Option<&Host>, Done) -> Result<(String, JournalEvent), String>,
    ) -> Result<(), OperationRefusal> {
        for _ in 0..TRIES {
            let (view, length) =
                self.read(id).await?.ok_or_else(|| OperationRefusal::Unknown(format!("there is no operation {id}")))?;
            let host = self.world.hosts.host(&view.operation.host).await?;
            let rebuild = self.world.rebuilds.rebuild(id).await?;
            let (step, event) =
                choose(&view, host.as_ref(), Done::of(rebuild.as_ref())).map_err(OperationRefusal::NotPossible)?;
            if !matches!(event, JournalEvent::Cancelling { .. }) {
                self.bring_back(&view, host.as_ref()).await?;
            }
            let feed = sentence(&step, &event).map(|message| NewLiveEvent {
                topic: Topic::Operation,
                host: Some(view.operation.host.clone()),
                operation: Some(id.clone()),
                message,
            });
            let entry = JournalEntry { at: self.world.clock.now(), step, event };
            match self.world.journal.append(id, length, &entry, feed.as_ref()).await {
                Err(LedgerError::Conflict) => {}
                result => return Ok(result?),
            }
        }
        Err(OperationRefusal::NotPossible("the operation is moving; ask again".into()))
    }

    async fn bring_back(&self, view: &OperationView, host: Option<&Host>) -> Result<(), OperationRefusal> {
        let was_reached = view.progress.step("reach_node").is_some_and(|step| step.status == StepStatus::Succeeded);
        if let Some(host) = host
            && was_reached
            && host.state == HostState::Failed
            && host.operation.as_ref() == Some(&view.operation.id)
        {
            self.world.keeper.apply(host, HostEvent::JoinStarted, Move::default()).await?;
        }
        Ok(())
    }
}
