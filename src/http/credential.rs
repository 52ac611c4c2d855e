//! What a request carries to be let in, the cookie that a browser is given, and to which page it is sent after that.

use axum::http::{HeaderMap, HeaderValue, header};
use secrecy::{ExposeSecret, SecretString};

use crate::domain::access::SESSION_LONGEST;

/// The cookie of a session.
const SESSION_COOKIE: &str = "rackseed_session";
/// No credential of ours is longer; what is, is none.
const LONGEST_CREDENTIAL: usize = 256;
/// The longest address to which somebody is sent after signing in.
const LONGEST_NEXT: usize = 1_024;

/// What a request carries.
pub(super) enum Credential {
    /// A program's token.
    Bearer(SecretString),
    /// A browser's session.
    Cookie(SecretString),
    /// Something in the header for credentials that is of no use to us.
    Unreadable,
}

/// Finds the credential of a request. With both, the header counts: a program that sends one means it.
pub(super) fn credential(headers: &HeaderMap) -> Option<Credential> {
    if let Some(value) = headers.get(header::AUTHORIZATION) {
        let bearer = value.to_str().ok().and_then(|text| text.trim().split_once(' '));
        let token = bearer.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer")).map(|(_, token)| token.trim());
        let token = token.filter(|token| !token.is_empty() && token.len() <= LONGEST_CREDENTIAL);
        return Some(token.map_or(Credential::Unreadable, |token| Credential::Bearer(token.into())));
    }
    let cookies = headers.get_all(header::COOKIE).into_iter().filter_map(|value| value.to_str().ok());
    let mut pairs = cookies.flat_map(|text| text.split(';')).filter_map(|pair| pair.trim().split_once('='));
    let (_, text) = pairs.find(|(name, _)| *name == SESSION_COOKIE)?;
    (!text.is_empty() && text.len() <= LONGEST_CREDENTIAL).then(|| Credential::Cookie(text.into()))
}

/// The header that gives a browser its session. Strict: no other site's page can make a browser send it, not even by a link.
pub(super) fn session_cookie(secret: &SecretString, is_over_tls: bool) -> Option<HeaderValue> {
    let seconds = SESSION_LONGEST.as_secs();
    let only = if is_over_tls { "; Secure" } else { "" };
    let secret = secret.expose_secret();
    let text = format!("{SESSION_COOKIE}={secret}; HttpOnly; SameSite=Strict; Path=/; Max-Age={seconds}{only}");
    let mut value = HeaderValue::try_from(text).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// The header that takes it away again.
pub(super) fn no_cookie() -> HeaderValue {
    HeaderValue::from_static("rackseed_session=; HttpOnly; SameSite=Strict; Path=/; Max-Age=0")
}

/// To where somebody is sent after signing in: a page of ours, whatever was asked for. Browsers take `//name` and `/\name` for another site.
pub(super) fn own_path(wanted: &str) -> &str {
    let is_own = wanted.starts_with('/')
        && !wanted.starts_with("//")
        && wanted.len() <= LONGEST_NEXT
        && wanted.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    if is_own { wanted } else { "/" }
}

/// The page on which to sign in, and then go on.
pub(super) fn sign_in_path(next: Option<&str>) -> String {
    match next.map(own_path) {
        None | Some("/") => "/sign-in".to_owned(),
        Some(next) => format!("/sign-in?next={}", escaped(next)),
    }
}

/// A text as a query's value.
fn escaped(text: &str) -> String {
    let spell = |byte: u8| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' | b'/' => char::from(byte).to_string(),
        other => format!("%{other:02X}"),
    };
    text.bytes().map(spell).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(header::HeaderName, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.clone(), HeaderValue::try_from(*value).unwrap())).collect()
    }

    #[test]
    fn a_token_counts_more_than_a_cookie_and_its_scheme_may_be_written_in_any_case() {
        for value in ["Bearer secret", "bearer secret", "BEARER   secret "] {
            let headers = headers(&[(header::AUTHORIZATION, value), (header::COOKIE, "rackseed_session=other")]);
            let Some(Credential::Bearer(token)) = credential(&headers) else { panic!("{value}") };
            assert_eq!(token.expose_secret(), "secret");
        }
        for value in ["Basic YTpi", "Bearer", "Bearer ", &format!("Bearer {}", "x".repeat(300))] {
            let headers = headers(&[(header::AUTHORIZATION, value), (header::COOKIE, "rackseed_session=other")]);
            assert!(matches!(credential(&headers), Some(Credential::Unreadable)), "{value}");
        }
    }

    #[test]
    fn the_session_is_found_among_other_cookies() {
        let found = |text: &str| match credential(&headers(&[(header::COOKIE, text)])) {
            Some(Credential::Cookie(secret)) => secret.expose_secret().to_owned(),
            Some(Credential::Bearer(_) | Credential::Unreadable) | None => String::new(),
        };
        assert_eq!(found("a=b; rackseed_session=secret; c=d"), "secret");
        for none in ["", "a=b", "rackseed_session=", "xrackseed_session=secret", "rackseed_session"] {
            assert_eq!(found(none), "", "{none}");
        }
    }

    #[test]
    fn nobody_is_sent_to_another_site() {
        for own in ["/", "/hosts/abc?x=1&y=%20", "/hosts#part", "/a//b"] {
            assert_eq!(own_path(own), own);
        }
        let long = format!("/{}", "x".repeat(2_000));
        for other in [
            "",
            "//evil.example",
            "https://evil.example",
            "/\\evil.example",
            "\\\\evil",
            "/a\tb",
            "/a\nb",
            "javascript:x",
            " /x",
            "/é",
            &long,
        ] {
            assert_eq!(own_path(other), "/", "{other:?}");
        }
        assert_eq!(sign_in_path(Some("/hosts/a?b=c&d")), "/sign-in?next=/hosts/a%3Fb%3Dc%26d");
        assert_eq!(sign_in_path(Some("//evil")), "/sign-in");
    }
}
