//! A connection of a booting machine: HTTP/1 with files that leave by `sendfile`.
//!
//! Hyper owns its socket and sees only buffers, so a file could not leave through it without a copy. Booting machines ask little else than
//! `GET` and `HEAD`, so their connections are served here: a head is read, the router answers it, and what it answers goes out. Requests
//! follow one another on one connection, also when they are sent without waiting for the answers.

use std::{io, time::Duration};

use axum::{
    Router,
    body::Body,
    http::{HeaderValue, Method, Response, StatusCode, header, response::Parts},
    response::IntoResponse,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use super::{
    connection::Connection,
    listener::Limits,
    outgoing::{Outgoing, write},
    problem::Problem,
    request_head::{Next, Requests},
};

/// The largest answer that is no file on disk: scripts and iPXE itself.
const MOST_ANSWER_BYTES: usize = 16 << 20;
/// How long a peer may take to read our last answer and close its side.
const GOODBYE: Duration = Duration::from_secs(1);
/// How much of what a peer still says then is read and thrown away: closing before would take our answer from it (RFC 9112 §9.6).
const MOST_GOODBYE_BYTES: u64 = 256 << 10;

/// Serves requests until either side ends. After the stop, the answer that is under way is the last one.
pub(super) async fn serve(
    mut stream: TcpStream,
    router: &Router,
    ends: Connection,
    limits: &Limits,
    stop: &CancellationToken,
) -> io::Result<()> {
    let mut requests = Requests::default();
    loop {
        let next = tokio::select! {
            () = stop.cancelled() => return Ok(()),
            next = timeout(limits.head, requests.next(&mut stream)) => next,
        };
        let Ok(next) = next else { return Ok(()) };
        let (method, response, may_stay) = match next? {
            Next::End => return Ok(()),
            Next::Refused(status, why) => (Method::GET, Problem::new(status, why).into_response(), false),
            Next::Request { mut request, may_stay } => {
                request.extensions_mut().insert(ends);
                let method = request.method().clone();
                let response = router.clone().oneshot(*request).await.unwrap_or_else(|never| match never {});
                (method, response, may_stay)
            }
        };
        let stays = may_stay && !stop.is_cancelled();
        answer(&mut stream, &method, response, stays, limits.stall).await?;
        if !stays {
            return say_goodbye(stream).await;
        }
    }
}

async fn answer(
    stream: &mut TcpStream,
    method: &Method,
    response: Response<Body>,
    stays: bool,
    stall: Duration,
) -> io::Result<()> {
    let (mut parts, body) = response.into_parts();
    let outgoing = parts.extensions.remove::<Outgoing>();
    let body = axum::body::to_bytes(body, MOST_ANSWER_BYTES).await.map_err(io::Error::other)?;
    let bodiless = method == Method::HEAD || parts.status == StatusCode::NOT_MODIFIED;
    if parts.status == StatusCode::NOT_MODIFIED {
        // The router counts the body's bytes; here they would be taken for the file's (RFC 9110 §8.6).
        parts.headers.remove(header::CONTENT_LENGTH);
    }
    if !bodiless && !parts.headers.contains_key(header::CONTENT_LENGTH) {
        parts.headers.insert(header::CONTENT_LENGTH, HeaderValue::from(body.len()));
    }
    parts.headers.insert(header::CONNECTION, HeaderValue::from_static(if stays { "keep-alive" } else { "close" }));
    write(stream, &head(&parts), stall).await?;
    match outgoing {
        Some(outgoing) => outgoing.send(stream, stall).await,
        None if bodiless => Ok(()),
        None => write(stream, &body, stall).await,
    }
}

fn head(parts: &Parts) -> Vec<u8> {
    let reason = parts.status.canonical_reason().unwrap_or_default();
    let mut head = format!("HTTP/1.1 {} {reason}\r\n", parts.status.as_u16()).into_bytes();
    for (name, value) in &parts.headers {
        for part in [name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"] {
            head.extend_from_slice(part);
        }
    }
    head.extend_from_slice(b"\r\n");
    head
}

async fn say_goodbye(mut stream: TcpStream) -> io::Result<()> {
    stream.shutdown().await?;
    let mut rest = stream.take(MOST_GOODBYE_BYTES);
    let _ = timeout(GOODBYE, tokio::io::copy(&mut rest, &mut tokio::io::sink())).await;
    Ok(())
}
