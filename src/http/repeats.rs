//! `Idempotency-Key`: a request that is sent again, because its answer was lost, is not done again; it is answered as it was.
//!
//! What the request makes gets an id that is chosen and written down before anything is done. So a repeat after a crash, or after an answer
//! that was lost inside of Rackseed, looks whether there is such a thing: then it was done, and is answered with what it has become;
//! otherwise it is done now, under the same id. Never twice.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, PoisonError},
};

use axum::{
    Extension, Json,
    body::{Body, Bytes, to_bytes},
    extract::{MatchedPath, Request, State},
    http::{HeaderName, HeaderValue, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use jiff::SignedDuration;
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::{
    OperatorState,
    api::{batches::BatchJson, hosts, views::OperationJson},
    problem::{Problem, completed},
    problem_codes::Code,
    routes::{LARGE_BODY, OPERATOR},
    visit::Visitor,
};
use crate::{
    domain::{
        identity::{BatchId, HostId, OperationId},
        repeat::{Fingerprint, Intended, KeptAnswer, KeyedRequest, Repeat},
    },
    ports::RepeatLedger,
};

/// What names the repeats of a request.
pub(super) const KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// Says that an answer was given before.
pub(super) const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// The longest key.
pub(super) const LONGEST_KEY: usize = 255;
/// How long an answer is kept: longer than any program goes on asking, shorter than anybody remembers a key.
const KEPT_FOR: SignedDuration = SignedDuration::from_hours(24);
/// How many requests are kept; the oldest go. More takes disk, some kilobytes each.
const MOST_KEPT: u32 = 10_000;
/// The largest answer that is kept; a larger one is made anew from what has become of the request.
const LARGEST_ANSWER: usize = 256 << 10;
/// After how many seconds it is worth asking again while the first request is under way.
const RETRY_AFTER: HeaderValue = HeaderValue::from_static("2");

/// The requests with a key: those that were answered, and those that are under way now.
pub struct Repeats {
    ledger: Arc<dyn RepeatLedger>,
    under_way: Arc<Mutex<HashSet<Fingerprint>>>,
}

impl Repeats {
    /// Nothing is under way.
    pub fn new(ledger: Arc<dyn RepeatLedger>) -> Self {
        Self { ledger, under_way: Arc::default() }
    }

    /// Takes the turn of a key, if nobody has it.
    fn turn(&self, key: Fingerprint) -> Option<Turn> {
        let is_free = self.under_way.lock().unwrap_or_else(PoisonError::into_inner).insert(key);
        is_free.then(|| Turn { key, under_way: Arc::clone(&self.under_way) })
    }
}

/// Held while a request is under way.
struct Turn {
    key: Fingerprint,
    under_way: Arc<Mutex<HashSet<Fingerprint>>>,
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.key);
    }
}

/// The id that a handler gives to what it makes.
pub(super) fn intended(chosen: Option<Extension<Intended>>) -> Option<Intended> {
    chosen.map(|Extension(intended)| intended)
}

/// What the request makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Makes {
    /// A host.
    Host,
    /// An operation.
    Operation,
    /// A batch.
    Batch,
}

/// Does a request once, if it has a key and its row of the table is one that can be repeated.
pub(super) async fn once(State(state): State<OperatorState>, request: Request, next: Next) -> Response {
    let Some((route, makes)) = repeatable(&request) else { return next.run(request).await };
    if !request.headers().contains_key(KEY) {
        return next.run(request).await;
    }
    let answer = match read(&state, request, route).await {
        Ok((asked, request)) => answer(&state, asked, makes, request, next).await,
        Err(problem) => Err(problem),
    };
    answer.unwrap_or_else(Problem::into_response)
}

fn repeatable(request: &Request) -> Option<(&'static str, Makes)> {
    let pattern = request.extensions().get::<MatchedPath>()?.as_str();
    let row = OPERATOR.iter().find(|row| row.path == pattern && row.method == request.method().as_str())?;
    Some((row.path, row.makes?))
}

/// Reads the key and the whole request.
async fn read(state: &OperatorState, request: Request, route: &str) -> Result<(KeyedRequest, Request), Problem> {
    let rule = || Problem::header("Idempotency-Key", format!("is 1 to {LONGEST_KEY} visible characters"));
    let mut keys = request.headers().get_all(KEY).iter();
    let key = keys.next().filter(|_| keys.next().is_none()).ok_or_else(rule)?.as_bytes();
    if key.is_empty() || key.len() > LONGEST_KEY || !key.iter().all(u8::is_ascii_graphic) {
        return Err(rule());
    }
    let who = request.extensions().get::<Visitor>().and_then(|visitor| visitor.name.clone()).unwrap_or_default();
    let key = fingerprint(&[who.as_bytes(), route.as_bytes(), key]);
    let (parts, body) = request.into_parts();
    let body: Bytes = to_bytes(body, LARGE_BODY).await.map_err(|_| {
        Problem::coded(Code::BodyTooLarge, format!("the body is over {LARGE_BODY} bytes, or broke off"))
    })?;
    let request = fingerprint(&[parts.method.as_str().as_bytes(), parts.uri.path().as_bytes(), &body]);
    let intended = state.enrolment.secrets.short_random().map_err(|error| Problem::internal(error.to_string()))?;
    Ok((KeyedRequest { key, request, intended }, Request::from_parts(parts, Body::from(body))))
}

/// SHA-256 of several texts, each with its length before it.
fn fingerprint(texts: &[&[u8]]) -> Fingerprint {
    let mut digest = Sha256::new();
    for text in texts {
        digest.update((text.len() as u64).to_be_bytes());
        digest.update(text);
    }
    digest.finalize().into()
}

async fn answer(
    state: &OperatorState,
    asked: KeyedRequest,
    makes: Makes,
    mut request: Request,
    next: Next,
) -> Result<Response, Problem> {
    let Some(turn) = state.repeats.turn(asked.key) else {
        let problem = Problem::coded(Code::RequestUnderWay, Code::RequestUnderWay.meaning());
        return Ok(([(header::RETRY_AFTER, RETRY_AFTER)], problem).into_response());
    };
    let now = state.clock.now();
    let known = state.repeats.ledger.begin(&asked, now, now - KEPT_FOR, MOST_KEPT).await?;
    let intended = match known {
        Repeat::First => asked.intended,
        Repeat::Answered(answer) => return Ok(replay(&answer)),
        Repeat::Different => return Err(Problem::coded(Code::KeyUsedDifferently, Code::KeyUsedDifferently.meaning())),
        Repeat::Unfinished(intended) => {
            if let Some(made) = what_was_made(state, makes, intended).await? {
                return Ok(replayed(keep(&*state.repeats.ledger, &turn, made).await));
            }
            intended
        }
    };
    request.extensions_mut().insert(intended);
    let path = request.uri().path().to_owned();
    let ledger = Arc::clone(&state.repeats.ledger);
    // To its end also when the asker goes away: what was begun is written down.
    let done = tokio::spawn(async move {
        let response = completed(next.run(request).await, &path);
        keep(&*ledger, &turn, response).await
    });
    done.await.map_err(|_| Problem::internal("the daemon stumbled over this request; its log says more"))
}

/// Keeps an answer. Faults of ours are not: whoever asks again may have more luck, and what was done by then is found by its id.
async fn keep(ledger: &dyn RepeatLedger, turn: &Turn, response: Response) -> Response {
    if response.status().is_server_error() {
        return response;
    }
    let (parts, body) = response.into_parts();
    let Ok(body) = to_bytes(body, LARGEST_ANSWER).await else {
        return Problem::internal("the answer is too large to be kept; ask for what was made").into_response();
    };
    let text = |name: HeaderName| parts.headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let answer = KeptAnswer {
        status: parts.status.as_u16(),
        place: text(header::LOCATION),
        kind: text(header::CONTENT_TYPE).unwrap_or_default(),
        body: body.to_vec(),
    };
    if let Err(error) = ledger.finish(&turn.key, &answer).await {
        tracing::warn!(%error, "the answer to a request with a key was not kept; a repeat is answered with what it made");
    }
    Response::from_parts(parts, Body::from(body))
}

fn replay(answer: &KeptAnswer) -> Response {
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = (status, answer.body.clone()).into_response();
    let headers = [(header::CONTENT_TYPE, Some(answer.kind.as_str())), (header::LOCATION, answer.place.as_deref())];
    for (name, value) in headers {
        if let Some(value) = value.and_then(|value| HeaderValue::from_str(value).ok()) {
            response.headers_mut().insert(name, value);
        }
    }
    replayed(response)
}

fn replayed(mut response: Response) -> Response {
    response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
    response
}

/// The answer of a request whose end nobody wrote down, if it was done.
async fn what_was_made(state: &OperatorState, makes: Makes, id: Intended) -> Result<Option<Response>, Problem> {
    Ok(match makes {
        Makes::Host => {
            let id = HostId::from_random(id);
            match state.hosts.host(&id).await? {
                Some(_) => {
                    let Json(host) = hosts::details(state, &id).await?;
                    Some(made(StatusCode::CREATED, format!("/api/hosts/{id}"), host))
                }
                None => None,
            }
        }
        Makes::Operation => {
            let id = OperationId::from_random(id);
            let view = state.operations.view(&id).await?;
            let place = format!("/api/operations/{id}");
            view.map(|view| made(StatusCode::ACCEPTED, place, OperationJson::new(&view)))
        }
        Makes::Batch => {
            let id = BatchId::from_random(id);
            let batch = state.batches.batches.batch(&id).await?;
            batch.map(|batch| made(StatusCode::CREATED, format!("/api/batches/{id}"), BatchJson::new(&batch)))
        }
    })
}

fn made(status: StatusCode, place: String, what: impl Serialize) -> Response {
    (status, [(header::LOCATION, place)], Json(what)).into_response()
}
