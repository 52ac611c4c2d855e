//! One POST to a target: bounded, without redirects or proxy, over TLS that is checked.

use std::{
    error::Error,
    path::{Path, PathBuf},
    time::Duration,
};

use reqwest::{Certificate, Client, RequestBuilder, Url, header, redirect};
use secrecy::{ExposeSecret, SecretString};

use super::{ReadSecret, not_taken, secret};
use crate::{domain::notification::one_line, ports::NotTaken};

/// How long one request may take, from the look-up of the name to the last byte.
const REQUEST_LIMIT: Duration = Duration::from_secs(15);
/// How much of an answer is read, and how much of that a person is told.
const ANSWER_BYTES: usize = 4 << 10;
const ANSWER_CHARACTERS: usize = 200;

/// Where a target is.
pub struct Place {
    /// The URL, unless it is a secret.
    pub url: String,
    /// The file that holds the URL where it is one.
    pub url_file: Option<PathBuf>,
    /// The file with the bearer token.
    pub token_file: Option<PathBuf>,
    /// The file with a certificate authority that is believed besides those of the system.
    pub ca_file: Option<PathBuf>,
    /// Reads files with secrets.
    pub read_secret: ReadSecret,
}

impl Place {
    /// Where it is, for people: whose server, never the path, which often is a secret.
    pub(super) fn shown(&self) -> String {
        match (Url::parse(&self.url), &self.url_file) {
            (Ok(url), _) => format!("{}://{}/…", url.scheme(), authority(&url)),
            (Err(_), Some(file)) => format!("the URL in {}", file.display()),
            (Err(_), None) => String::new(),
        }
    }

    /// Posts; `fill` gives the request its headers and body.
    pub(super) async fn post(
        &self,
        fill: impl FnOnce(RequestBuilder) -> RequestBuilder + Send,
    ) -> Result<String, NotTaken> {
        let secret_url = secret(self.read_secret, self.url_file.as_ref())?;
        let token = secret(self.read_secret, self.token_file.as_ref())?;
        let text = secret_url.as_ref().map_or(self.url.as_str(), ExposeSecret::expose_secret).trim();
        let url = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
        let url = url.ok_or_else(|| not_taken("nothing was sent: its URL is no http or https URL".to_owned()))?;
        let (shown, path) = (authority(&url), SecretString::from(url.path()));
        let mut request = fill(self.client(&url)?.post(url));
        if let Some(token) = &token {
            request = request.bearer_auth(token.expose_secret());
        }
        let response = request.send().await.map_err(|error| {
            let reason = if error.is_timeout() {
                format!("no answer within {} s", REQUEST_LIMIT.as_secs())
            } else {
                innermost(&error.without_url())
            };
            not_taken(format!("{shown} cannot be asked: {reason}"))
        })?;
        let status = response.status();
        let wait = response.headers().get(header::RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
        let mut told = read_beginning(response).await;
        // A server may repeat what it was sent.
        for secret in [token, Some(path).filter(|path| path.expose_secret().len() > 1)].into_iter().flatten() {
            told = told.replace(secret.expose_secret(), "[hidden]");
        }
        let told = one_line(&told).chars().take(ANSWER_CHARACTERS).collect::<String>();
        let answer = format!("{shown} answered {status}{}{told}", if told.is_empty() { "" } else { ": " });
        match status.is_success() {
            true => Ok(answer),
            false => Err(NotTaken { reason: answer, retry_after: wait.map(Duration::from_secs) }),
        }
    }

    fn client(&self, url: &Url) -> Result<Client, NotTaken> {
        // It fails only when there is one already, which then is the one that is used.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut builder = Client::builder()
            .timeout(REQUEST_LIMIT)
            .redirect(redirect::Policy::none())
            .no_proxy()
            .user_agent(concat!("rackseed/", env!("CARGO_PKG_VERSION")));
        if url.scheme() == "http" {
            // A system without any certificates, such as a small container, would refuse to build a client even for plain HTTP.
            builder = builder.tls_certs_only([]);
        } else if let Some(file) = &self.ca_file {
            let certificate = Certificate::from_pem(&read_authority(file)?);
            let wrong =
                |error| not_taken(format!("nothing was sent: {} holds no certificate: {error}", file.display()));
            builder = builder.tls_certs_merge([certificate.map_err(wrong)?]);
        }
        builder.build().map_err(|error| not_taken(format!("this system cannot make requests: {}", chain(&error))))
    }
}

/// Reads a certificate authority.
pub(super) fn read_authority(file: &Path) -> Result<Vec<u8>, NotTaken> {
    std::fs::read(file)
        .map_err(|error| not_taken(format!("nothing was sent: {} cannot be read: {error}", file.display())))
}

fn authority(url: &Url) -> String {
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    format!("{}{port}", url.host_str().unwrap_or_default())
}

async fn read_beginning(mut response: reqwest::Response) -> String {
    let mut body = Vec::new();
    while body.len() < ANSWER_BYTES {
        // A body that breaks off is as good as one that ends: the status is what counts.
        let Ok(Some(chunk)) = response.chunk().await else { break };
        body.extend_from_slice(&chunk);
    }
    body.truncate(ANSWER_BYTES);
    String::from_utf8_lossy(&body).into_owned()
}

/// The last cause, which is what a person can act on: `Connection refused`, or what is wrong with a certificate.
fn innermost(error: &dyn Error) -> String {
    let mut last = error;
    while let Some(cause) = last.source() {
        last = cause;
    }
    one_line(&last.to_string())
}

/// The error with its causes: reqwest's own text is only "error sending request".
pub(super) fn chain(error: &dyn Error) -> String {
    let mut sentence = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        sentence.push_str(": ");
        sentence.push_str(&error.to_string());
        cause = error.source();
    }
    one_line(&sentence)
}
