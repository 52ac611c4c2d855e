//! Short HTTP requests to BMCs and plugs: bounded, without redirects or proxy, to a server that proved who it is.

use std::{
    error::Error,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use reqwest::{Client, Method, StatusCode, header, redirect};
use secrecy::{ExposeSecret, SecretString};

use super::pinned_leaf::PinnedLeaf;
use crate::ports::PowerError;

/// How long one request may take. BMCs are slow: five seconds are common, and a new TLS session takes the older ones two more.
const REQUEST_LIMIT: Duration = Duration::from_secs(15);
/// How much of an answer is read.
const ANSWER_BYTES: usize = 1 << 20;
/// How much of a refusal a person is told.
const REFUSAL_CHARACTERS: usize = 200;

/// How we prove who we are.
pub(super) enum Login {
    Nobody,
    Basic { user: String, password: SecretString },
    Bearer(SecretString),
}

/// One server, as it is asked and as people are told of it.
pub(super) struct Web {
    pub(super) whom: String,
    pub(super) hostname: String,
    pub(super) login: Login,
    pin: Option<[u8; 32]>,
    option: &'static str,
    client: Client,
    seen: Arc<Mutex<Option<[u8; 32]>>>,
}

/// What a server answered.
pub(super) struct WebAnswer {
    pub(super) status: StatusCode,
    pub(super) entity_tag: Option<String>,
    pub(super) text: String,
}

impl Web {
    /// Prepares for a server. Nothing is sent yet.
    pub(super) fn new(
        whom: String,
        hostname: String,
        login: Login,
        pin: Option<[u8; 32]>,
        option: &'static str,
        is_https: bool,
    ) -> Result<Self, PowerError> {
        let seen = Arc::default();
        let client = match (is_https, pin) {
            (true, Some(_)) => pinned(pin, &seen)?,
            // A system without any certificates, such as a small container, would refuse to build a client even for plain HTTP.
            (false, _) => build(bare().tls_certs_only([]))?,
            // A system without any certificates believes nobody, and can still say what it was shown.
            (true, None) => build(bare()).or_else(|_| pinned(None, &seen))?,
        };
        Ok(Self { whom, hostname, login, pin, option, client, seen })
    }

    /// Asks. Any status is an answer, except those that refuse the login.
    pub(super) async fn ask(
        &self,
        method: Method,
        url: &str,
        change: impl FnOnce(reqwest::RequestBuilder) -> reqwest::RequestBuilder,
    ) -> Result<WebAnswer, PowerError> {
        let request = change(self.client.request(method, url));
        let request = match &self.login {
            Login::Nobody => request,
            Login::Basic { user, password } => request.basic_auth(user, Some(password.expose_secret())),
            Login::Bearer(token) => request.bearer_auth(token.expose_secret()),
        };
        let mut response = match request.send().await {
            Ok(response) => response,
            Err(error) => return Err(self.explain(error, url).await),
        };
        let status = response.status();
        if matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) {
            return Err(self.wrong_credentials());
        }
        let tag = response.headers().get(header::ETAG).and_then(|tag| tag.to_str().ok()).map(str::to_owned);
        let mut body = Vec::new();
        while body.len() < ANSWER_BYTES {
            match response.chunk().await {
                Ok(Some(chunk)) => body.extend_from_slice(&chunk),
                Ok(None) => break,
                Err(error) => return Err(self.unreachable(&error.without_url())),
            }
        }
        Ok(WebAnswer { status, entity_tag: tag, text: String::from_utf8_lossy(&body).into_owned() })
    }

    fn wrong_credentials(&self) -> PowerError {
        let user = match &self.login {
            Login::Basic { user, .. } => format!(" of `{user}`"),
            Login::Nobody | Login::Bearer(_) => String::new(),
        };
        PowerError::WrongCredentials { whom: self.whom.clone(), user, hostname: self.hostname.clone() }
    }

    fn unreachable(&self, error: &reqwest::Error) -> PowerError {
        let reason =
            if error.is_timeout() { format!("no answer within {} s", REQUEST_LIMIT.as_secs()) } else { chain(error) };
        PowerError::Unreachable { whom: self.whom.clone(), reason }
    }

    /// A refused certificate is told with the fingerprint that was seen, so that a person can compare it.
    async fn explain(&self, error: reqwest::Error, url: &str) -> PowerError {
        let error = error.without_url();
        let seen = match self.pin {
            Some(_) => self.seen(),
            None if error.is_connect() && url.starts_with("https://") => self.look_at_certificate(url).await,
            None => None,
        };
        match seen.filter(|seen| self.pin != Some(*seen)) {
            Some(seen) => PowerError::WrongCertificate {
                whom: self.whom.clone(),
                expected: match self.pin {
                    Some(_) => format!("the one that {} names", self.option),
                    None => "vouched for by a certificate authority of this system".to_owned(),
                },
                seen: colons(&seen),
                option: self.option,
            },
            None => self.unreachable(&error),
        }
    }

    fn seen(&self) -> Option<[u8; 32]> {
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins a TLS session that is broken off as soon as the certificate was shown: nothing is sent in it.
    async fn look_at_certificate(&self, url: &str) -> Option<[u8; 32]> {
        let client = pinned(None, &self.seen).ok()?;
        let _ = client.get(url).send().await;
        self.seen()
    }
}

fn bare() -> reqwest::ClientBuilder {
    // It fails only when there is one already, which then is the one that is used.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::builder()
        .timeout(REQUEST_LIMIT)
        .redirect(redirect::Policy::none())
        .no_proxy()
        .user_agent(concat!("rackseed/", env!("CARGO_PKG_VERSION")))
}

fn pinned(pin: Option<[u8; 32]>, seen: &Arc<Mutex<Option<[u8; 32]>>>) -> Result<Client, PowerError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = PinnedLeaf { pin, seen: Arc::clone(seen), provider: Arc::clone(&provider) };
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| PowerError::Failed(format!("TLS cannot be prepared: {error}")))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    build(bare().tls_backend_preconfigured(config))
}

fn build(builder: reqwest::ClientBuilder) -> Result<Client, PowerError> {
    builder.build().map_err(|error| PowerError::Failed(format!("this system cannot make requests: {}", chain(&error))))
}

fn colons(fingerprint: &[u8; 32]) -> String {
    fingerprint.map(|byte| format!("{byte:02X}")).join(":")
}

/// A text of somebody else on one line, cut.
pub(super) fn told(text: &str) -> String {
    let plain: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(REFUSAL_CHARACTERS).collect();
    plain.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The error with its causes: reqwest's own text is only "error sending request".
fn chain(error: &dyn Error) -> String {
    let mut sentence = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        sentence.push_str(": ");
        sentence.push_str(&error.to_string());
        cause = error.source();
    }
    sentence
}
