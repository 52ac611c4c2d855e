//! Serves a file that never changes: GET and HEAD, exact length, entity tag, one range (RFC 9110 §13, §14).

use std::ops::Range;

use axum::{
    body::Body,
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    response::Response,
};

use super::problem::Problem;
use crate::ports::ServedFile;

/// Answers a request for a file.
pub(super) fn serve(method: &Method, headers: &HeaderMap, file: &dyn ServedFile) -> Result<Response, Problem> {
    let (length, tag) = (file.length(), file.entity_tag());
    if text(headers, header::IF_NONE_MATCH)
        .is_some_and(|tags| tags == "*" || tags.split(',').any(|it| it.trim() == tag))
    {
        return build(StatusCode::NOT_MODIFIED, tag, 0, None, Body::empty());
    }
    if text(headers, header::IF_MATCH).is_some_and(|tags| tags != "*" && tags.split(',').all(|it| it.trim() != tag)) {
        return Err(Problem::new(
            StatusCode::PRECONDITION_FAILED,
            "the file is another one than the one that was begun",
        ));
    }
    // A range of another file than the one that was begun would splice two files: the whole is sent instead.
    let may_resume = text(headers, header::IF_RANGE).is_none_or(|it| it == tag);
    let asked = text(headers, header::RANGE).filter(|_| may_resume).map(|range| parse(range, length));
    let (status, range) = match asked {
        None | Some(Asked::Ignored) => (StatusCode::OK, 0..length),
        Some(Asked::Part(range)) => (StatusCode::PARTIAL_CONTENT, range),
        Some(Asked::Impossible) => {
            return build(StatusCode::RANGE_NOT_SATISFIABLE, tag, 0, Some(format!("bytes */{length}")), Body::empty());
        }
    };
    let content_range =
        (status == StatusCode::PARTIAL_CONTENT).then(|| format!("bytes {}-{}/{length}", range.start, range.end - 1));
    let size = range.end - range.start;
    let body = if method == Method::HEAD { Body::empty() } else { Body::from_stream(file.read(range)) };
    build(status, tag, size, content_range, body)
}

fn build(
    status: StatusCode,
    tag: &str,
    length: u64,
    content_range: Option<String>,
    body: Body,
) -> Result<Response, Problem> {
    let mut response = Response::builder()
        .status(status)
        .header(header::CONTENT_TYPE, "application/octet-stream")
        .header(header::ACCEPT_RANGES, "bytes")
        .header(header::ETAG, tag);
    if status != StatusCode::NOT_MODIFIED {
        response = response.header(header::CONTENT_LENGTH, HeaderValue::from(length));
    }
    if let Some(range) = content_range {
        response = response.header(header::CONTENT_RANGE, range);
    }
    response.body(body).map_err(|error| Problem::internal(error.to_string()))
}

fn text(headers: &HeaderMap, name: header::HeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok()
}

/// What a `Range` header asks for.
#[derive(Debug, PartialEq, Eq)]
enum Asked {
    /// Something else than one range of bytes: the whole is sent, as the RFC allows.
    Ignored,
    /// One range.
    Part(Range<u64>),
    /// A range that the file does not have.
    Impossible,
}

fn parse(header: &str, length: u64) -> Asked {
    let Some((first, last)) = header.strip_prefix("bytes=").and_then(|range| range.split_once('-')) else {
        return Asked::Ignored;
    };
    let (first, last) = (first.trim(), last.trim());
    let range = match (first.parse::<u64>(), last.parse::<u64>()) {
        (Ok(first), Ok(last)) if first <= last => first..last.saturating_add(1).min(length),
        (Ok(first), Err(_)) if last.is_empty() => first..length,
        (Err(_), Ok(suffix)) if first.is_empty() => length.saturating_sub(suffix)..length,
        _ => return Asked::Ignored,
    };
    if range.start < range.end { Asked::Part(range) } else { Asked::Impossible }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_as_the_rfc_says() {
        for (header, asked) in [
            ("bytes=0-0", Asked::Part(0..1)),
            ("bytes=5-", Asked::Part(5..10)),
            ("bytes=-3", Asked::Part(7..10)),
            ("bytes=-30", Asked::Part(0..10)),
            ("bytes=2-99", Asked::Part(2..10)),
            ("bytes=10-", Asked::Impossible),
            ("bytes=-0", Asked::Impossible),
            ("bytes=5-2", Asked::Ignored),
            ("bytes=0-1,4-5", Asked::Ignored),
            ("lines=1-2", Asked::Ignored),
            ("bytes=a-b", Asked::Ignored),
        ] {
            assert_eq!(parse(header, 10), asked, "{header}");
        }
    }
}
