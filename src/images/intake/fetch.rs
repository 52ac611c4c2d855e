//! Fetches a file: goes on where a broken connection stopped, as long as it is still the same file (RFC 9110 §13.1.5, §14).

use std::{sync::Arc, time::Duration};

use futures_util::StreamExt;
use reqwest::{
    Client, Response, StatusCode,
    header::{ACCEPT_ENCODING, CONTENT_RANGE, ETAG, HeaderMap, IF_RANGE, LAST_MODIFIED, RANGE},
    redirect,
};
use tokio::io::AsyncWriteExt;

use super::{
    Inner,
    incoming::{Incoming, Manifest},
    job::JobError,
};
use crate::domain::image_addition::AdditionId;

/// How many redirects are followed: mirrors need one or two.
const REDIRECTS: usize = 5;
/// How long a connection may take to come about.
const CONNECT_LIMIT: Duration = Duration::from_secs(20);

/// How one attempt ended.
enum Attempt {
    /// All of the file is there.
    Complete,
    /// The connection broke, or the server has trouble: later it may work.
    Broken(String),
}

/// Fetches all of a file into its place. It is tried again after a pause until it has broken [`IntakeLimits::attempts`](super::IntakeLimits)
/// times in a row without a new byte.
pub(super) async fn fetch(
    inner: &Arc<Inner>,
    id: &AdditionId,
    incoming: &Incoming,
    manifest: &mut Manifest,
) -> Result<(), JobError> {
    let client = client(inner.limits.silence).map_err(JobError::Refused)?;
    let (mut fruitless, mut pause) = (0, inner.limits.first_pause);
    loop {
        let before = incoming.received();
        let problem = match attempt(inner, &client, id, incoming, manifest).await? {
            Attempt::Complete => return Ok(()),
            Attempt::Broken(problem) => problem,
        };
        if incoming.received() > before {
            (fruitless, pause) = (0, inner.limits.first_pause);
        } else {
            fruitless += 1;
        }
        if fruitless >= inner.limits.attempts {
            return Err(JobError::Interrupted(problem));
        }
        tracing::info!(addition = id.as_str(), problem, "a download broke off and will go on");
        inner.advance(id, |addition| addition.problem = Some(format!("{problem}; it goes on soon")));
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(inner.limits.longest_pause);
    }
}

fn client(silence: Duration) -> Result<Client, String> {
    // It fails only when there is one already, which then is the one that is used.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let builder = || {
        Client::builder()
            .connect_timeout(CONNECT_LIMIT)
            .read_timeout(silence)
            .redirect(redirect::Policy::limited(REDIRECTS))
            .user_agent(concat!("rackseed/", env!("CARGO_PKG_VERSION")))
    };
    // A system without any certificates, such as a small container, can still fetch over plain HTTP.
    builder().build().or_else(|_| builder().tls_certs_only([]).build()).map_err(|error| chain(&error))
}

async fn attempt(
    inner: &Arc<Inner>,
    client: &Client,
    id: &AdditionId,
    incoming: &Incoming,
    manifest: &mut Manifest,
) -> Result<Attempt, JobError> {
    let received = incoming.received();
    // Without a validator nobody says whether the rest belongs to the same file, unless the checksum will.
    let may_resume = received > 0 && (manifest.validator.is_some() || manifest.sha256.is_some());
    let mut request = client.get(manifest.url.as_deref().unwrap_or_default()).header(ACCEPT_ENCODING, "identity");
    if may_resume {
        request = request.header(RANGE, format!("bytes={received}-"));
        if let Some(validator) = &manifest.validator {
            request = request.header(IF_RANGE, validator);
        }
    }
    let response = match request.send().await {
        Ok(response) => response,
        Err(error) if error.is_redirect() || error.is_builder() => return Err(JobError::Refused(chain(&error))),
        Err(error) => return Ok(Attempt::Broken(chain(&error))),
    };
    let begin = match begin_of(&response, received, manifest)? {
        Begin::At(offset) => offset,
        Begin::Complete => return Ok(Attempt::Complete),
        Begin::Later(problem) => return Ok(Attempt::Broken(problem)),
        Begin::FromTheStart(problem) => {
            truncate(incoming).map_err(JobError::refused)?;
            return Ok(Attempt::Broken(problem));
        }
    };
    if begin == 0 {
        truncate(incoming).map_err(JobError::refused)?;
        manifest.length = response.content_length();
        manifest.validator = validator(response.headers());
        incoming.save(manifest).map_err(JobError::refused)?;
    }
    inner.check_room(Some(id), manifest.length.unwrap_or(0), begin).map_err(JobError::Refused)?;
    let known = manifest.clone();
    if let Some(job) = inner.jobs().get_mut(id) {
        job.manifest = known;
    }
    receive(inner, id, incoming, manifest.length, begin, response).await
}

/// Where the answer's body begins in the file.
enum Begin {
    At(u64),
    Complete,
    /// The server has trouble.
    Later(String),
    /// What we have is of no use.
    FromTheStart(String),
}

fn begin_of(response: &Response, received: u64, manifest: &Manifest) -> Result<Begin, JobError> {
    let status = response.status();
    let range = response.headers().get(CONTENT_RANGE).and_then(|range| range.to_str().ok()).and_then(parse_range);
    if status == StatusCode::OK {
        return Ok(Begin::At(0));
    }
    if status == StatusCode::PARTIAL_CONTENT {
        let is_ours = range.is_some_and(|(begin, total)| {
            begin == Some(received) && (manifest.length.is_none() || total == manifest.length)
        });
        let other = || Begin::FromTheStart("the server sent another part than the one that was asked for".to_owned());
        return Ok(if is_ours { Begin::At(received) } else { other() });
    }
    if status == StatusCode::RANGE_NOT_SATISFIABLE {
        let total = range.and_then(|(_, total)| total);
        let changed = || Begin::FromTheStart("the file has changed on the server".to_owned());
        return Ok(if total == Some(received) && received > 0 { Begin::Complete } else { changed() });
    }
    let passing = [StatusCode::REQUEST_TIMEOUT, StatusCode::TOO_MANY_REQUESTS].contains(&status);
    if status.is_server_error() || passing {
        return Ok(Begin::Later(format!("the server answered {status}")));
    }
    Err(JobError::Refused(format!("the server answered {status}; check the URL")))
}

/// Reads `bytes 5-9/10` and `bytes */10`: where the part begins, and how long the file is.
fn parse_range(text: &str) -> Option<(Option<u64>, Option<u64>)> {
    let (part, total) = text.trim().strip_prefix("bytes ")?.split_once('/')?;
    let begin = part.split_once('-').and_then(|(begin, _)| begin.trim().parse().ok());
    Some((begin, total.trim().parse().ok()))
}

/// What tells this version of the file from others. A weak entity tag says nothing about bytes.
fn validator(headers: &HeaderMap) -> Option<String> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    text(ETAG).filter(|tag| !tag.starts_with("W/")).or_else(|| text(LAST_MODIFIED))
}

async fn receive(
    inner: &Arc<Inner>,
    id: &AdditionId,
    incoming: &Incoming,
    length: Option<u64>,
    begin: u64,
    response: Response,
) -> Result<Attempt, JobError> {
    let mut file =
        tokio::fs::OpenOptions::new().append(true).open(incoming.source()).await.map_err(JobError::refused)?;
    let (mut received, mut body) = (begin, response.bytes_stream());
    let mut broken = None;
    while let Some(chunk) = body.next().await {
        let chunk = match chunk {
            Ok(chunk) => chunk,
            Err(error) => {
                broken = Some(chain(&error));
                break;
            }
        };
        received += chunk.len() as u64;
        if received > length.unwrap_or(inner.limits.largest_bytes) {
            return Err(JobError::Refused(
                "the server sends more than an installer may have, or than it said".to_owned(),
            ));
        }
        file.write_all(&chunk).await.map_err(cannot_write)?;
        inner.advance(id, |addition| {
            addition.problem = None;
            addition.done_bytes = received;
            addition.total_bytes = length;
        });
    }
    file.flush().await.map_err(cannot_write)?;
    file.sync_all().await.map_err(cannot_write)?;
    match (broken, length) {
        (Some(problem), _) => Ok(Attempt::Broken(problem)),
        (None, Some(length)) if received < length => {
            Ok(Attempt::Broken(format!("the connection ended after {received} of {length} bytes")))
        }
        (None, _) => Ok(Attempt::Complete),
    }
}

fn truncate(incoming: &Incoming) -> std::io::Result<()> {
    std::fs::File::create(incoming.source()).map(drop)
}

fn cannot_write(error: std::io::Error) -> JobError {
    if error.kind() == std::io::ErrorKind::StorageFull {
        return JobError::Refused(
            "the disk of the image library became full; free some space, then add it again".to_owned(),
        );
    }
    JobError::Refused(format!("cannot write to the image library: {error}"))
}

/// An error with its causes; its own sentence says only that something failed, and the URL, which may hold a password.
fn chain(error: &reqwest::Error) -> String {
    let mut causes = Vec::new();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        causes.push(error.to_string());
        cause = error.source();
    }
    if causes.is_empty() { "the server could not be asked".to_owned() } else { causes.join(": ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_content_range_is_read() {
        assert_eq!(parse_range("bytes 5-9/10"), Some((Some(5), Some(10))));
        assert_eq!(parse_range("bytes 5-9/*"), Some((Some(5), None)));
        assert_eq!(parse_range("bytes */10"), Some((None, Some(10))));
        assert_eq!(parse_range("items 5-9/10"), None);
    }

    #[test]
    fn a_weak_tag_says_nothing_about_bytes() {
        let headers = |pairs: &[(&'static str, &'static str)]| {
            pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect::<HeaderMap>()
        };
        assert_eq!(validator(&headers(&[("etag", "\"a\""), ("last-modified", "x")])).as_deref(), Some("\"a\""));
        assert_eq!(validator(&headers(&[("etag", "W/\"a\""), ("last-modified", "x")])).as_deref(), Some("x"));
        assert_eq!(validator(&headers(&[])), None);
    }
}
