//! Reads the heads of HTTP/1 requests off a connection, within a bound of bytes. How long that may take is the caller's business.
//!
//! Bodies are never read: whoever sends one is answered, and its connection is closed. So no two programs can disagree about where a
//! request ends (RFC 9112 §11.2).

use std::io;

use axum::body::Body;
use bytes::{Buf, BufMut, BytesMut};
use hyper::{
    HeaderMap, Method, Request, StatusCode, Uri, Version,
    header::{CONNECTION, CONTENT_LENGTH, HeaderName, HeaderValue, TRANSFER_ENCODING},
};
use tokio::io::{AsyncRead, AsyncReadExt};

/// The longest head. iPXE's and firmware's have a few hundred bytes; a longer bound lets strangers fill more memory.
const MOST_HEAD_BYTES: usize = 16 << 10;
/// The most header fields of a head.
const MOST_HEADERS: usize = 64;

/// What comes next on a connection.
#[derive(Debug)]
pub(super) enum Next {
    /// A request without its body.
    Request {
        /// The request.
        request: Box<Request<Body>>,
        /// Whether another request may follow on this connection.
        may_stay: bool,
    },
    /// Something that is no request, or too large for one; what the peer is told before the connection is closed.
    Refused(StatusCode, &'static str),
    /// The peer has nothing more to say.
    End,
}

/// The requests of one connection, in their order.
#[derive(Debug, Default)]
pub(super) struct Requests {
    /// What was read and not yet understood. Never longer than [`MOST_HEAD_BYTES`].
    read: BytesMut,
}

impl Requests {
    /// Waits for the next head. What was read beyond it is kept for the next call, also when this one is given up.
    pub(super) async fn next(&mut self, stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Next> {
        loop {
            if let Some(next) = self.take_head() {
                return Ok(next);
            }
            let room = MOST_HEAD_BYTES - self.read.len();
            if room == 0 {
                return Ok(too_large());
            }
            if stream.read_buf(&mut (&mut self.read).limit(room)).await? == 0 {
                return Ok(Next::End);
            }
        }
    }

    /// Takes a head off what was read; `None` when it is not complete yet.
    fn take_head(&mut self) -> Option<Next> {
        let mut headers = [httparse::EMPTY_HEADER; MOST_HEADERS];
        let mut head = httparse::Request::new(&mut headers);
        match head.parse(&self.read) {
            Ok(httparse::Status::Partial) => None,
            Ok(httparse::Status::Complete(length)) => {
                let next =
                    understand(&head).unwrap_or(Next::Refused(StatusCode::BAD_REQUEST, "this is no HTTP request"));
                self.read.advance(length);
                Some(next)
            }
            Err(httparse::Error::TooManyHeaders) => Some(too_large()),
            Err(
                httparse::Error::HeaderName
                | httparse::Error::HeaderValue
                | httparse::Error::NewLine
                | httparse::Error::Status
                | httparse::Error::Token
                | httparse::Error::Version,
            ) => Some(Next::Refused(StatusCode::BAD_REQUEST, "this is no HTTP/1 request")),
        }
    }
}

fn too_large() -> Next {
    Next::Refused(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "the request's head is larger than any machine's")
}

/// Turns a parsed head into a request; `None` when a part of it is none of HTTP's.
fn understand(head: &httparse::Request<'_, '_>) -> Option<Next> {
    let mut request = Request::new(Body::empty());
    *request.method_mut() = Method::from_bytes(head.method?.as_bytes()).ok()?;
    *request.uri_mut() = head.path?.parse::<Uri>().ok()?;
    *request.version_mut() = if head.version? == 0 { Version::HTTP_10 } else { Version::HTTP_11 };
    for field in head.headers.iter() {
        let name = HeaderName::from_bytes(field.name.as_bytes()).ok()?;
        request.headers_mut().append(name, HeaderValue::from_bytes(field.value).ok()?);
    }
    let may_stay = may_stay(request.version(), request.headers());
    Some(Next::Request { request: Box::new(request), may_stay })
}

/// Whether the peer wants to go on (RFC 9112 §9.3) and sends no body, which would have to be read first.
fn may_stay(version: Version, headers: &HeaderMap) -> bool {
    let has_body =
        headers.contains_key(TRANSFER_ENCODING) || headers.get_all(CONTENT_LENGTH).iter().any(|length| length != "0");
    let says = |word: &str| {
        let lines = headers.get_all(CONNECTION).iter().filter_map(|line| line.to_str().ok());
        lines.flat_map(|line| line.split(',')).any(|option| option.trim().eq_ignore_ascii_case(word))
    };
    !has_body && !says("close") && (version == Version::HTTP_11 || says("keep-alive"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is told of some bytes: methods and paths, `+` when the connection stays, or the refusal's status.
    async fn told(bytes: &[u8]) -> Vec<String> {
        let (mut requests, mut stream, mut told) = (Requests::default(), bytes, Vec::new());
        loop {
            match requests.next(&mut stream).await.unwrap() {
                Next::Request { request, may_stay } => {
                    let stays = if may_stay { "+" } else { "" };
                    told.push(format!("{} {}{stays}", request.method(), request.uri().path()));
                }
                Next::Refused(status, _) => {
                    told.push(status.as_u16().to_string());
                    return told;
                }
                Next::End => return told,
            }
        }
    }

    #[tokio::test]
    async fn requests_are_read_one_after_the_other() {
        for (bytes, expected) in [
            ("GET /a HTTP/1.1\r\n\r\nHEAD /b?c HTTP/1.1\r\nHost: x\r\n\r\n", &["GET /a+", "HEAD /b+"][..]),
            ("\r\nGET /a HTTP/1.1\n\n", &["GET /a+"]),
            ("GET http://10.0.0.1:8081/a HTTP/1.1\r\n\r\n", &["GET /a+"]),
            ("GET /a HTTP/1.0\r\n\r\n", &["GET /a"]),
            ("GET /a HTTP/1.0\r\nConnection: x, Keep-Alive\r\n\r\n", &["GET /a+"]),
            ("GET /a HTTP/1.1\r\nConnection: Close\r\n\r\n", &["GET /a"]),
            ("GET /a HTTP/1.1\r\nContent-Length: 0\r\n\r\n", &["GET /a+"]),
            ("GET /a HTTP/1.1\r\nContent-Length: 0\r\nContent-Length: 5\r\n\r\n", &["GET /a"]),
            ("POST /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", &["POST /a"]),
            ("GET /a HTTP/1.1\r\nHost: x", &[]),
            ("GET /a b HTTP/1.1\r\n\r\n", &["400"]),
            ("GET /a HTTP/2.0\r\n\r\n", &["400"]),
            ("GET /a HTTP/1.1\r\nna me: x\r\n\r\n", &["400"]),
            ("GET /a HTTP/1.1\r\nname : x\r\n\r\n", &["400"]),
            ("GET /a HTTP/1.1\r\nname: a\r\n folded\r\n\r\n", &["400"]),
            ("\x16\x03\x01\x02\x00\x01", &["400"]),
        ] {
            assert_eq!(told(bytes.as_bytes()).await, expected, "{bytes:?}");
        }
    }

    #[tokio::test]
    async fn a_head_is_bounded_in_bytes_and_fields() {
        let path = "x".repeat(MOST_HEAD_BYTES);
        assert_eq!(told(format!("GET /{path} HTTP/1.1\r\n\r\n").as_bytes()).await, ["431"]);
        let fields = "a: b\r\n".repeat(MOST_HEADERS + 1);
        assert_eq!(told(format!("GET / HTTP/1.1\r\n{fields}\r\n").as_bytes()).await, ["431"]);
        let pipelined = "GET / HTTP/1.1\r\n\r\n".repeat(5000);
        assert_eq!(told(pipelined.as_bytes()).await.len(), 5000);
    }
}
