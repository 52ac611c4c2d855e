//! Answers a request for a file that never changes: GET and HEAD, exact length, entity tag, one range (RFC 9110 §13, §14).

use std::{ops::Range, sync::Arc};

use axum::{
    body::Body,
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    response::Response,
};

use super::{outgoing::Outgoing, problem::Problem};
use crate::{domain::boot_trace::Transfer, ports::ServedFile};

/// Answers a request for a file. The response has no body but an [`Outgoing`], which the connection sends; `report` is told how that went.
pub(super) fn serve(
    method: &Method,
    headers: &HeaderMap,
    file: &ServedFile,
    report: impl Fn(Transfer) + Send + Sync + 'static,
) -> Result<Response, Problem> {
    let (length, tag) = (file.length(), file.entity_tag());
    if text(headers, header::IF_MATCH).is_some_and(|tags| !names(tags, tag)) {
        return Err(Problem::new(
            StatusCode::PRECONDITION_FAILED,
            "the file is another one than the one that was begun",
        ));
    }
    if text(headers, header::IF_NONE_MATCH).is_some_and(|tags| names(&tags.replace("W/", ""), tag)) {
        return build(StatusCode::NOT_MODIFIED, tag, None, None);
    }
    // A range of another file than the one that was begun would splice two files: the whole is sent instead. Ranges are for GET alone.
    let may_resume = method == Method::GET && text(headers, header::IF_RANGE).is_none_or(|it| it == tag);
    let asked = text(headers, header::RANGE).filter(|_| may_resume).map_or(Asked::Whole, |range| parse(range, length));
    let (status, range) = match asked {
        Asked::Whole => (StatusCode::OK, 0..length),
        Asked::Part(range) => (StatusCode::PARTIAL_CONTENT, range),
        Asked::Impossible => {
            let size = Some(format!("bytes */{length}"));
            return build(StatusCode::RANGE_NOT_SATISFIABLE, tag, Some(0), size);
        }
    };
    let content_range =
        (status == StatusCode::PARTIAL_CONTENT).then(|| format!("bytes {}-{}/{length}", range.start, range.end - 1));
    let mut response = build(status, tag, Some(range.end - range.start), content_range)?;
    if method != Method::HEAD {
        let reaches_end = range.end == length;
        let outgoing = Outgoing { segments: file.part(range), reaches_end, report: Arc::new(report) };
        response.extensions_mut().insert(outgoing);
    }
    Ok(response)
}

fn build(
    status: StatusCode,
    tag: &str,
    length: Option<u64>,
    content_range: Option<String>,
) -> Result<Response, Problem> {
    let mut response = Response::builder()
        .status(status)
        .header(header::CONTENT_TYPE, "application/octet-stream")
        .header(header::ACCEPT_RANGES, "bytes")
        .header(header::ETAG, tag);
    if let Some(length) = length {
        response = response.header(header::CONTENT_LENGTH, HeaderValue::from(length));
    }
    if let Some(range) = content_range {
        response = response.header(header::CONTENT_RANGE, range);
    }
    response.body(Body::empty()).map_err(|error| Problem::internal(error.to_string()))
}

fn text(headers: &HeaderMap, name: header::HeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok()
}

/// Whether a list of entity tags names this one, which is a strong one and so never equals a weak one.
fn names(tags: &str, tag: &str) -> bool {
    tags.trim() == "*" || tags.split(',').any(|it| it.trim() == tag)
}

/// What a `Range` header asks for.
#[derive(Debug, PartialEq, Eq)]
enum Asked {
    /// Everything: no range, or something else than one range of bytes, which the RFC lets us ignore.
    Whole,
    /// One range.
    Part(Range<u64>),
    /// A range that the file does not have.
    Impossible,
}

fn parse(header: &str, length: u64) -> Asked {
    let Some((unit, range)) = header.split_once('=') else { return Asked::Whole };
    let Some((first, last)) = range.split_once('-').filter(|_| unit.trim().eq_ignore_ascii_case("bytes")) else {
        return Asked::Whole;
    };
    let range = match (place(first), place(last)) {
        (Place::At(first), Place::At(last)) if first <= last => first..last.saturating_add(1).min(length),
        (Place::At(first), Place::Open) => first..length,
        (Place::Open, Place::At(suffix)) => length.saturating_sub(suffix)..length,
        (Place::At(_), Place::At(_)) | (Place::Open, Place::Open) | (Place::Odd, _) | (_, Place::Odd) => {
            return Asked::Whole;
        }
    };
    if range.start < range.end { Asked::Part(range) } else { Asked::Impossible }
}

/// One side of a range.
enum Place {
    At(u64),
    Open,
    Odd,
}

fn place(text: &str) -> Place {
    let text = text.trim();
    if text.is_empty() {
        Place::Open
    } else if text.bytes().all(|byte| byte.is_ascii_digit()) {
        // More digits than fit are past the end of every file.
        Place::At(text.parse().unwrap_or(u64::MAX))
    } else {
        Place::Odd
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::ports::Segment;

    #[test]
    fn ranges_are_read_as_the_rfc_says() {
        for (header, asked) in [
            ("bytes=0-0", Asked::Part(0..1)),
            ("Bytes=5-", Asked::Part(5..10)),
            ("bytes=-3", Asked::Part(7..10)),
            ("bytes=-30", Asked::Part(0..10)),
            ("bytes=2-99", Asked::Part(2..10)),
            ("bytes=2-99999999999999999999999", Asked::Part(2..10)),
            ("bytes=10-", Asked::Impossible),
            ("bytes=99999999999999999999999-", Asked::Impossible),
            ("bytes=-0", Asked::Impossible),
            ("bytes=5-2", Asked::Whole),
            ("bytes=0-1,4-5", Asked::Whole),
            ("bytes=+1-5", Asked::Whole),
            ("lines=1-2", Asked::Whole),
            ("bytes=a-b", Asked::Whole),
            ("bytes=-", Asked::Whole),
            ("", Asked::Whole),
        ] {
            assert_eq!(parse(header, 10), asked, "{header}");
        }
    }

    /// A file in two pieces.
    fn letters(bytes: &[u8]) -> ServedFile {
        let (left, right) = bytes.split_at(bytes.len() / 3);
        let segments = [left, right].map(|piece| Segment::Memory(bytes::Bytes::copy_from_slice(piece)));
        ServedFile::new("\"letters\"".into(), segments.into())
    }

    fn ask(
        file: &ServedFile,
        method: &Method,
        asked: &[(header::HeaderName, &str)],
    ) -> (StatusCode, HeaderMap, Vec<u8>) {
        let headers = asked.iter().map(|(name, value)| (name.clone(), value.parse().unwrap())).collect();
        let response = serve(method, &headers, file, |_| ()).unwrap();
        let segments = response.extensions().get::<Outgoing>().map(|outgoing| outgoing.segments.clone());
        let bytes = segments.unwrap_or_default().into_iter().map(|segment| match segment {
            Segment::Memory(bytes) => bytes.to_vec(),
            Segment::Disk { .. } => unreachable!("the letters are in memory"),
        });
        (response.status(), response.headers().clone(), bytes.collect::<Vec<_>>().concat())
    }

    proptest! {
        #[test]
        fn the_parts_of_any_split_make_the_whole_file(
            bytes in proptest::collection::vec(any::<u8>(), 1..200),
            mut cuts in proptest::collection::vec(0_usize..200, 0..8),
        ) {
            let file = letters(&bytes);
            cuts.extend([0, bytes.len()]);
            cuts.retain(|cut| *cut <= bytes.len());
            cuts.sort_unstable();
            cuts.dedup();
            let mut read = Vec::new();
            for pair in cuts.windows(2) {
                let range = format!("bytes={}-{}", pair[0], pair[1] - 1);
                let (status, headers, part) = ask(&file, &Method::GET, &[(header::RANGE, &range)]);
                prop_assert_eq!(status, StatusCode::PARTIAL_CONTENT);
                prop_assert_eq!(headers[header::CONTENT_LENGTH].to_str().unwrap(), part.len().to_string());
                let told = format!("bytes {}-{}/{}", pair[0], pair[1] - 1, bytes.len());
                prop_assert_eq!(headers[header::CONTENT_RANGE].to_str().unwrap(), told);
                read.extend(part);
            }
            prop_assert_eq!(&read, &bytes);
        }

        #[test]
        fn no_range_header_breaks_anything(range in "[ -~]{0,40}") {
            let file = letters(&[7; 50]);
            let (status, ..) = ask(&file, &Method::GET, &[(header::RANGE, &range)]);
            prop_assert!([200, 206, 416].contains(&status.as_u16()));
        }
    }

    #[test]
    fn a_head_has_the_whole_length_and_no_body() {
        let file = letters(&[7; 50]);
        let (status, headers, body) = ask(&file, &Method::HEAD, &[(header::RANGE, "bytes=0-3")]);
        assert_eq!((status, headers[header::CONTENT_LENGTH].to_str().unwrap()), (StatusCode::OK, "50"));
        assert!(body.is_empty());
    }

    #[test]
    fn a_download_is_resumed_only_of_the_same_file() {
        let file = letters(&[7; 50]);
        let resume = |tag| ask(&file, &Method::GET, &[(header::RANGE, "bytes=40-"), (header::IF_RANGE, tag)]).0;
        assert_eq!(resume("\"letters\""), StatusCode::PARTIAL_CONTENT);
        assert_eq!(resume("\"digits\""), StatusCode::OK);
        let (status, _, body) = ask(&file, &Method::GET, &[(header::IF_NONE_MATCH, "\"a\", \"letters\"")]);
        assert_eq!((status, body.len()), (StatusCode::NOT_MODIFIED, 0));
    }
}
