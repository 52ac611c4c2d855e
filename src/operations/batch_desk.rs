//! Batches: takes them from people, and moves each by one write at a time from what the ledger says, so that whoever is killed between any
//! two writes goes on where they left off.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use jiff::SignedDuration;
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

use super::{Asked, OperationView, RebuildDesk, RebuildRefusal, RebuildWish, World, member::find_member};
use crate::{
    domain::{
        batch::{
            Batch, BatchMove, BatchState, MOST_AT_ONCE, MOST_HOSTS, Outcome, Turn, TurnState, confirmation,
            is_confirmed, next,
        },
        host::Host,
        host_lifecycle::HostState,
        identity::{BatchId, HostId, Hostname, ImageId, OperationId},
        operation::OperationStatus,
        preflight::Consent,
        repeat::Intended,
    },
    ports::{BatchLedger, Doorbell, LedgerError, SecretsError},
    provisioning::KeeperError,
};

/// How often batches are looked at without being rung for.
const TICK: Duration = Duration::from_secs(1);
/// More moves than a batch makes in one look; the rest comes with the next.
const MOST_MOVES: usize = 4 * MOST_HOSTS;
/// How long a rolling batch waits for the cluster to be whole before it asks for a person.
const GUARD_PATIENCE: SignedDuration = SignedDuration::from_mins(15);

/// What a person wants.
#[derive(Debug, Clone, Default)]
pub struct BatchWish {
    /// The hosts, in the order of their turns.
    pub hosts: Vec<HostId>,
    /// How many at the same time; none is one.
    pub at_most: Option<u16>,
    /// Whether the cluster must be whole before the next one begins.
    pub rolling: bool,
    /// The image, if not what each host would get by itself.
    pub image: Option<ImageId>,
    /// Whether warnings are accepted for all of them.
    pub accept_warnings: bool,
    /// What was typed as confirmation.
    pub confirm: Option<String>,
    /// The batch's id, where that was chosen before.
    pub intended: Option<Intended>,
}

/// Why a person does not get what they asked for.
#[derive(Debug, thiserror::Error)]
pub enum BatchRefusal {
    /// Nothing has this id.
    #[error("{0}")]
    Unknown(String),
    /// Something that was said is wrong.
    #[error("{problem}")]
    Invalid {
        /// The field.
        field: &'static str,
        /// What is wrong with it.
        problem: String,
    },
    /// It cannot be done now.
    #[error("{0}")]
    NotPossible(String),
    /// The ledger failed.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// No id can be made.
    #[error(transparent)]
    Secrets(#[from] SecretsError),
}

/// Takes and moves batches.
pub struct BatchDesk {
    /// The outside.
    pub world: Arc<World>,
    /// Where batches are kept.
    pub batches: Arc<dyn BatchLedger>,
    /// Starts each host's rebuild.
    pub rebuild: Arc<RebuildDesk>,
    /// Wakes the mover.
    pub bell: Doorbell,
    /// Held for one move or one act of a person: no start is under way while another is decided.
    pub moving: Mutex<()>,
}

/// Moves batches until it is stopped.
pub async fn run_batches(desk: Arc<BatchDesk>, stop: CancellationToken) {
    loop {
        match desk.batches.open_batches().await {
            Ok(open) => {
                for id in open {
                    if let Err(error) = desk.move_on(&id).await {
                        tracing::error!(batch = id.as_str(), %error, "a batch cannot move; it will be looked at again");
                    }
                }
            }
            Err(error) => tracing::error!(%error, "cannot read the batches; will look again"),
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = desk.bell.wait() => {}
            () = tokio::time::sleep(TICK) => {}
        }
    }
}

impl BatchDesk {
    /// Makes a batch. Nothing is started yet: each host is checked at its turn.
    pub async fn open(&self, wish: BatchWish) -> Result<Batch, BatchRefusal> {
        let invalid = |field, problem: String| BatchRefusal::Invalid { field, problem };
        if wish.hosts.is_empty() || wish.hosts.len() > MOST_HOSTS {
            return Err(invalid("hosts", format!("choose 1 to {MOST_HOSTS} hosts")));
        }
        let at_most = wish.at_most.unwrap_or(1);
        if at_most == 0 || at_most > MOST_AT_ONCE || (wish.rolling && at_most != 1) {
            let problem = format!("say 1 to {MOST_AT_ONCE}; a rolling batch rebuilds one at a time");
            return Err(invalid("at_most", problem));
        }
        let mut turns: Vec<Turn> = Vec::new();
        for id in &wish.hosts {
            let host = self.known_host(id).await?;
            if turns.iter().any(|turn| turn.host == *id) {
                return Err(invalid("hosts", format!("{} is there twice", host.hostname)));
            }
            turns.push(Turn::waiting(host));
        }
        let names: Vec<&Hostname> = turns.iter().map(|turn| &turn.hostname).collect();
        if !is_confirmed(wish.confirm.as_deref().unwrap_or_default(), &names) {
            let problem = format!(
                "this wipes the disks of {} hosts; confirm it with `{}`, or with all their names",
                names.len(),
                confirmation(names.len())
            );
            return Err(invalid("confirm", problem));
        }
        let random = wish.intended.map_or_else(|| self.world.secrets.short_random(), Ok)?;
        let batch = Batch {
            id: BatchId::from_random(random),
            revision: 0,
            at_most,
            rolling: wish.rolling,
            image: wish.image,
            accept_warnings: wish.accept_warnings,
            created_at: self.world.clock.now(),
            state: BatchState::Running,
            note: None,
            note_since: None,
            ended_at: None,
            turns,
        };
        let message = format!("a batch of {} rebuilds was made ({})", batch.turns.len(), batch.id);
        if let Some(taken) = self.batches.open(&batch, &message).await? {
            let name = batch.turns.iter().find(|turn| turn.host == taken).map(|turn| turn.hostname.to_string());
            let name = name.unwrap_or_else(|| taken.to_string());
            return Err(BatchRefusal::NotPossible(format!("{name} is in another batch that has not ended")));
        }
        self.bell.ring();
        Ok(batch)
    }

    /// Returns a batch.
    pub async fn batch(&self, id: &BatchId) -> Result<Batch, BatchRefusal> {
        let batch = self.batches.batch(id).await?;
        batch.ok_or_else(|| BatchRefusal::Unknown(format!("there is no batch {id}")))
    }

    /// Goes on with a paused batch.
    pub async fn resume(&self, id: &BatchId) -> Result<Batch, BatchRefusal> {
        let _turn = self.moving.lock().await;
        let mut batch = self.settled(id).await?;
        let mut over = Vec::new();
        for operation in batch.turns.iter().filter_map(|turn| turn.operation.as_ref()) {
            let view = self.view(operation).await?;
            if view.is_none_or(|view| view.progress.status.is_over()) {
                over.push(operation.clone());
            }
        }
        batch.resume(|operation| over.contains(operation)).map_err(BatchRefusal::NotPossible)?;
        self.save(batch, Some("was resumed")).await
    }

    /// Leaves a host out of a batch.
    pub async fn skip(&self, id: &BatchId, host: &HostId) -> Result<Batch, BatchRefusal> {
        let _turn = self.moving.lock().await;
        let mut batch = self.settled(id).await?;
        if batch.ended_at.is_some() {
            return Err(BatchRefusal::NotPossible(format!("the batch is over: {}", batch.state)));
        }
        batch.skip(host).map_err(BatchRefusal::NotPossible)?;
        self.save(batch, Some("goes on without a host")).await
    }

    /// Ends a batch: hosts whose turn has not come stay as they are.
    pub async fn cancel(&self, id: &BatchId) -> Result<Batch, BatchRefusal> {
        let _turn = self.moving.lock().await;
        let mut batch = self.settled(id).await?;
        batch.cancel(self.world.clock.now()).map_err(BatchRefusal::NotPossible)?;
        self.save(batch, Some("was cancelled; what is under way goes on")).await
    }

    /// Moves a batch until it has to wait.
    pub async fn move_on(&self, id: &BatchId) -> Result<(), LedgerError> {
        for _ in 0..MOST_MOVES {
            let _turn = self.moving.lock().await;
            let Some(batch) = self.batches.batch(id).await? else { return Ok(()) };
            match self.advance(batch).await {
                Ok(true) | Err(LedgerError::Conflict) => {}
                Ok(false) => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Makes one move. Returns whether there may be another.
    async fn advance(&self, mut batch: Batch) -> Result<bool, LedgerError> {
        let now = self.world.clock.now();
        let outcomes = self.outcomes(&batch).await?;
        match next(&batch, &outcomes) {
            BatchMove::Recover(place) => self.recover(batch, place).await.map(|()| true),
            BatchMove::Settle(place, outcome) => {
                let told = match &outcome {
                    Outcome::Trouble(reason) => {
                        Some(format!("batch {}: paused: {}: {reason}", batch.id, batch.turns[place].hostname))
                    }
                    Outcome::Ready | Outcome::UnderWay => None,
                };
                batch.settle(place, outcome, now);
                self.batches.save(&batch, told.as_deref(), now).await.map(|()| true)
            }
            BatchMove::Start(place) => self.start(batch, place).await,
            BatchMove::End => {
                batch.end(now);
                let told = format!("batch {}: every host is done or was skipped", batch.id);
                self.batches.save(&batch, Some(&told), now).await.map(|()| false)
            }
            BatchMove::Rest => Ok(false),
        }
    }

    /// Starts a turn: the intent first, then the rebuild, then what came of it.
    async fn start(&self, mut batch: Batch, place: usize) -> Result<bool, LedgerError> {
        let now = self.world.clock.now();
        let host = match self.world.keeper.host(&batch.turns[place].host).await {
            Ok(host) => host,
            Err(KeeperError::Ledger(error)) => return Err(error),
            Err(error) => return self.refuse(batch, place, error.to_string()).await.map(|()| true),
        };
        if batch.rolling
            && let Err(obstacle) = self.is_cluster_whole(&host).await
        {
            let since = batch.note_since.filter(|_| batch.note.is_some());
            if since.is_some_and(|since| now.duration_since(since) >= GUARD_PATIENCE) {
                let sentence = format!("not within {} min: {obstacle}", GUARD_PATIENCE.as_mins());
                return self.refuse(batch, place, sentence).await.map(|()| true);
            }
            if batch.wait_for(&format!("{} waits: {obstacle}", host.hostname), now) {
                self.batches.save(&batch, None, now).await?;
            }
            return Ok(false);
        }
        batch.intend(place, host.operation.clone());
        self.batches.save(&batch, None, now).await?;
        batch.revision += 1;
        self.recover(batch, place).await.map(|()| true)
    }

    /// Does what was intended, unless it has happened: a host with a newer operation than at the intent has been started.
    async fn recover(&self, mut batch: Batch, place: usize) -> Result<(), LedgerError> {
        let now = self.world.clock.now();
        let turn = &batch.turns[place];
        let host = match self.world.keeper.host(&turn.host).await {
            Ok(host) => host,
            Err(KeeperError::Ledger(error)) => return Err(error),
            Err(error) => return self.refuse(batch, place, error.to_string()).await,
        };
        if let Some(operation) = host.operation.clone().filter(|latest| turn.before.as_ref() != Some(latest)) {
            batch.begun(place, operation);
            return self.batches.save(&batch, None, now).await;
        }
        match self.request(&batch, &host).await {
            Ok(view) => {
                let told = format!("batch {}: the rebuild of {} begins", batch.id, host.hostname);
                batch.begun(place, view.operation.id);
                self.batches.save(&batch, Some(&told), now).await
            }
            Err(RebuildRefusal::Ledger(error)) => Err(error),
            Err(refusal) => self.refuse(batch, place, refusal.to_string()).await,
        }
    }

    async fn request(&self, batch: &Batch, host: &Host) -> Result<OperationView, RebuildRefusal> {
        let wish = RebuildWish {
            confirm: Some(host.hostname.to_string()),
            asked: Asked { image: batch.image.as_ref().map(ToString::to_string), member_address: None },
            // A blocker is overridden for one host, by a person who looks at it; never for a whole batch.
            consent: Consent { accepts_warnings: batch.accept_warnings, ..Consent::default() },
            intended: None,
        };
        self.rebuild.request_with(&host.id, &wish).await
    }

    async fn refuse(&self, mut batch: Batch, place: usize, reason: String) -> Result<(), LedgerError> {
        let now = self.world.clock.now();
        let told = format!("batch {}: paused: {} was not started: {reason}", batch.id, batch.turns[place].hostname);
        batch.refused(place, reason, now);
        self.batches.save(&batch, Some(&told), now).await
    }

    /// Whether the cluster is quorate with every member online, but the one that is to be rebuilt. Without a cluster there is nothing to guard.
    async fn is_cluster_whole(&self, host: &Host) -> Result<(), String> {
        let Some(member) = find_member(&self.world, host).await.map_err(|error| error.reason)? else { return Ok(()) };
        let view = member.view(&self.world).await.map_err(|error| error.reason)?;
        let Some(cluster) = view.cluster else { return Ok(()) };
        if !cluster.quorate {
            return Err(format!("the cluster {} has no quorum", cluster.name));
        }
        let is_off = |(name, node): &(&String, &crate::domain::cluster::NodeView)| {
            !node.online && name.as_str() != host.hostname.as_str()
        };
        let offline: Vec<&str> = cluster.nodes.iter().filter(is_off).map(|(name, _)| name.as_str()).collect();
        if offline.is_empty() {
            return Ok(());
        }
        Err(format!("{} of the cluster {} is not online", offline.join(", "), cluster.name))
    }

    /// What the ledger says of every rebuild of a batch.
    async fn outcomes(&self, batch: &Batch) -> Result<BTreeMap<usize, Outcome>, LedgerError> {
        let mut outcomes = BTreeMap::new();
        for (place, turn) in batch.turns.iter().enumerate() {
            let Some(operation) = turn.operation.as_ref().filter(|_| turn.state.holds_a_place()) else { continue };
            let host = self.world.hosts.host(&turn.host).await?;
            let Some((host, view)) = host.zip(self.view(operation).await?) else {
                outcomes.insert(place, Outcome::Trouble("the host was removed".into()));
                continue;
            };
            outcomes.insert(place, outcome(&host, &view));
        }
        Ok(outcomes)
    }

    async fn view(&self, operation: &OperationId) -> Result<Option<OperationView>, LedgerError> {
        self.rebuild.operations.view(operation).await
    }

    /// A batch without an intent of which nobody knows what became.
    async fn settled(&self, id: &BatchId) -> Result<Batch, BatchRefusal> {
        let batch = self.batch(id).await?;
        match batch.turns.iter().position(|turn| turn.state == TurnState::Starting) {
            None => Ok(batch),
            Some(place) => {
                self.recover(batch, place).await?;
                self.batch(id).await
            }
        }
    }

    async fn save(&self, batch: Batch, what: Option<&str>) -> Result<Batch, BatchRefusal> {
        let told = what.map(|what| format!("batch {}: it {what}", batch.id));
        self.batches.save(&batch, told.as_deref(), self.world.clock.now()).await?;
        self.bell.ring();
        self.batch(&batch.id).await
    }

    async fn known_host(&self, id: &HostId) -> Result<Host, BatchRefusal> {
        let host = self.world.hosts.host(id).await?;
        host.ok_or_else(|| BatchRefusal::Unknown(format!("there is no host {id}")))
    }
}

/// How a rebuild is doing. A host that was given up by the watchdog is in trouble although its operation may still wait for it.
fn outcome(host: &Host, view: &OperationView) -> Outcome {
    let reason = || {
        let reason = view.progress.reason.clone().or_else(|| host.reason.clone());
        reason.unwrap_or_else(|| format!("its rebuild is {}", view.progress.status))
    };
    match view.progress.status {
        OperationStatus::Succeeded => Outcome::Ready,
        OperationStatus::NeedsAttention | OperationStatus::Failed | OperationStatus::Cancelled => {
            Outcome::Trouble(reason())
        }
        // Until it has ended, nobody knows how.
        OperationStatus::Cancelling => Outcome::UnderWay,
        OperationStatus::Running | OperationStatus::Waiting | OperationStatus::Unwinding => {
            if host.state == HostState::Failed { Outcome::Trouble(reason()) } else { Outcome::UnderWay }
        }
    }
}
