//! Batches of rebuilds: make, look, resume, skip, cancel.

use axum::{
    Extension, Json,
    extract::State,
    http::{StatusCode, header},
    response::IntoResponse,
};
use serde::{Deserialize, Serialize};

use crate::{
    domain::{
        batch::Batch,
        host::Host,
        identity::{HostId, MacAddress},
        repeat::Intended,
    },
    http::{
        OperatorState,
        extract::{BatchPath, JsonBody},
        paging::{Page, Paging},
        problem::Problem,
        repeats::intended,
        schema::described,
    },
    operations::BatchWish,
};

described! {
    /// What is said to rebuild several hosts.
    #[derive(Debug, Default, Deserialize)]
    #[serde(default, deny_unknown_fields)]
    pub(crate) struct NewBatchJson as "NewBatch" {
        /// The hosts by id, name or MAC address, in the order of their turns.
        hosts: Vec<String>,
        /// How many at the same time; absent: one.
        at_most: Option<u32>,
        /// Whether each waits until the one before is ready and the cluster is quorate with every other member online.
        rolling: bool,
        /// The image to install; absent: what each host would get by itself.
        image: Option<String>,
        /// Whether what speaks against a rebuild without forbidding it is accepted for all of them; else it pauses the batch.
        accept_warnings: bool,
        /// All their names, or `rebuild N hosts`: the disks of all of them are wiped.
        confirm: Option<String>,
    }
}

described! {
    /// A batch of rebuilds.
    #[derive(Debug, Serialize)]
    pub(crate) struct BatchJson as "Batch" {
        /// Its id.
        id: String,
        /// `running`, `paused`, `done` or `cancelled`.
        state: String,
        /// Why it is paused, or for what it waits.
        note: Option<String>,
        /// How many rebuilds may be under way at the same time.
        at_most: u32,
        /// Whether the cluster must be whole before the next one begins.
        rolling: bool,
        /// The image that was asked for.
        image: Option<String>,
        /// When it was made.
        created_at: jiff::Timestamp,
        /// When it ended.
        ended_at: Option<jiff::Timestamp>,
        /// Its hosts, in the order of their turns.
        turns: Vec<TurnJson>,
    }
}

described! {
    /// One host of a batch.
    #[derive(Debug, Serialize)]
    pub(crate) struct TurnJson as "BatchTurn" {
        /// The host's id.
        host: String,
        /// Its name when the batch was made.
        hostname: String,
        /// `waiting`, `starting`, `under_way`, `in_trouble`, `ready`, `skipped` or `untouched`.
        state: String,
        /// Its rebuild.
        operation: Option<String>,
        /// Why it is in trouble or was not started.
        reason: Option<String>,
    }
}

described! {
    /// What is said to leave a host out of a batch.
    #[derive(Debug, Default, Deserialize)]
    #[serde(default, deny_unknown_fields)]
    pub(crate) struct SkipJson as "BatchSkip" {
        /// The host by id, name or MAC address.
        host: String,
    }
}

impl BatchJson {
    pub(in crate::http) fn new(batch: &Batch) -> Self {
        let turns = batch.turns.iter().map(|turn| TurnJson {
            host: turn.host.to_string(),
            hostname: turn.hostname.to_string(),
            state: turn.state.to_string(),
            operation: turn.operation.as_ref().map(ToString::to_string),
            reason: turn.reason.clone(),
        });
        Self {
            id: batch.id.to_string(),
            state: batch.state.to_string(),
            note: batch.note.clone(),
            at_most: batch.at_most.into(),
            rolling: batch.rolling,
            image: batch.image.as_ref().map(ToString::to_string),
            created_at: batch.created_at,
            ended_at: batch.ended_at,
            turns: turns.collect(),
        }
    }
}

/// Finds a host by id, name or MAC address.
pub(in crate::http) fn find_host(hosts: &[Host], wanted: &str) -> Result<HostId, Problem> {
    let wanted = wanted.trim();
    let mac: Option<MacAddress> = wanted.parse().ok();
    let is_it = |host: &&Host| {
        host.id.as_str() == wanted || host.hostname.as_str() == wanted || mac.is_some_and(|mac| mac == host.mac)
    };
    let found = hosts.iter().find(is_it).map(|host| host.id.clone());
    found.ok_or_else(|| Problem::fields(&[("hosts", format!("there is no host `{wanted}`"))]))
}

/// The batches, newest first.
pub(crate) async fn list(State(state): State<OperatorState>, paging: Paging) -> Result<Page<BatchJson>, Problem> {
    let before = paging.before("is the id of a batch")?;
    let batches = state.batches.batches.batches(before.as_ref(), paging.rows()).await?;
    Ok(paging.older(batches, |batch| batch.id.to_string()).map(|batch| BatchJson::new(&batch)))
}

/// Makes a batch.
pub(crate) async fn open(
    State(state): State<OperatorState>,
    chosen: Option<Extension<Intended>>,
    JsonBody(new): JsonBody<Option<NewBatchJson>>,
) -> Result<impl IntoResponse, Problem> {
    let new = new.unwrap_or_default();
    let known = state.hosts.hosts().await?;
    let mut hosts = Vec::new();
    for wanted in &new.hosts {
        hosts.push(find_host(&known, wanted)?);
    }
    let image = new.image.filter(|image| !image.is_empty());
    let image = image.map(|image| image.parse()).transpose();
    let wish = BatchWish {
        hosts,
        // One that is too large for the type is too large for the desk, which names the bound.
        at_most: new.at_most.map(|count| u16::try_from(count).unwrap_or(u16::MAX)),
        rolling: new.rolling,
        image: image.map_err(|error| Problem::fields(&[("image", format!("{error}"))]))?,
        accept_warnings: new.accept_warnings,
        confirm: new.confirm,
        intended: intended(chosen),
    };
    let batch = state.batches.open(wish).await?;
    let place = format!("/api/batches/{}", batch.id);
    Ok((StatusCode::CREATED, [(header::LOCATION, place)], Json(BatchJson::new(&batch))))
}

/// One batch.
pub(crate) async fn show(
    State(state): State<OperatorState>,
    BatchPath(id): BatchPath,
) -> Result<Json<BatchJson>, Problem> {
    Ok(Json(BatchJson::new(&state.batches.batch(&id).await?)))
}

/// Goes on with a paused batch.
pub(crate) async fn resume(
    State(state): State<OperatorState>,
    BatchPath(id): BatchPath,
) -> Result<Json<BatchJson>, Problem> {
    Ok(Json(BatchJson::new(&state.batches.resume(&id).await?)))
}

/// Leaves a host out.
pub(crate) async fn skip(
    State(state): State<OperatorState>,
    BatchPath(id): BatchPath,
    JsonBody(asked): JsonBody<SkipJson>,
) -> Result<Json<BatchJson>, Problem> {
    let host = find_host(&state.hosts.hosts().await?, &asked.host)?;
    Ok(Json(BatchJson::new(&state.batches.skip(&id, &host).await?)))
}

/// Ends a batch.
pub(crate) async fn cancel(
    State(state): State<OperatorState>,
    BatchPath(id): BatchPath,
) -> Result<Json<BatchJson>, Problem> {
    Ok(Json(BatchJson::new(&state.batches.cancel(&id).await?)))
}
