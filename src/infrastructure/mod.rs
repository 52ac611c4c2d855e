//! Tells the optional inventory service of every host that becomes ready: the adapter behind [`Infrastructure`].
//!
//! One request, `PUT {base_url}/hosts/{mac}` with the record as JSON: a repeat brings the same record up to date. The service is
//! believed by the certificates of the system; redirects are not followed, because they could lead the token elsewhere.

use std::{error::Error, path::PathBuf, time::Duration};

use async_trait::async_trait;
use reqwest::{Client, RequestBuilder, Response, Url, redirect};

use crate::ports::{HostRecord, Infrastructure, InfrastructureError};

/// How long one registration may take, from the look-up of the name to the last byte. The operation retries, so that longer would
/// only hold it up.
const REQUEST_LIMIT: Duration = Duration::from_secs(10);
/// How much of a refusal is read, and how much of that is told to a person.
const REFUSAL_READ_BYTES: usize = 4 << 10;
const REFUSAL_TOLD_CHARACTERS: usize = 200;

/// The service, or none.
#[derive(Debug, Clone, Default)]
pub struct InfrastructureService(Option<Service>);

#[derive(Debug, Clone)]
struct Service {
    client: Client,
    base_url: String,
    token_file: Option<PathBuf>,
}

impl InfrastructureService {
    /// Prepares for a service. With an empty `base_url` (the setting's default) it is off. The file with the bearer token is read for
    /// each registration, so that a new token needs no restart.
    ///
    /// Makes `ring` the process's provider of cryptography unless it has one: reqwest is built without any, so that there is only one
    /// in the program, and takes the process's.
    pub fn new(base_url: &str, token_file: Option<PathBuf>) -> Result<Self, InfrastructureError> {
        if base_url.is_empty() {
            return Ok(Self(None));
        }
        let url =
            Url::parse(base_url).ok().filter(|url| matches!(url.scheme(), "http" | "https")).ok_or_else(|| {
                InfrastructureError(format!("cannot be at `{base_url}`: that is not an http or https URL"))
            })?;
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
        }
        let client = builder
            .build()
            .map_err(|error| InfrastructureError(format!("cannot be called from this system: {}", chain(&error))))?;
        Ok(Self(Some(Service { client, base_url: base_url.trim_end_matches('/').to_owned(), token_file })))
    }
}

#[async_trait]
impl Infrastructure for InfrastructureService {
    fn is_on(&self) -> bool {
        self.0.is_some()
    }

    async fn register(&self, record: &HostRecord) -> Result<(), InfrastructureError> {
        let Some(service) = &self.0 else { return Ok(()) };
        let url = format!("{}/hosts/{}", service.base_url, record.mac);
        let request = service.authorise(service.client.put(&url).json(record)).await?;
        let response = request.send().await.map_err(|error| {
            InfrastructureError(format!("cannot be reached at {url}: {}", chain(&error.without_url())))
        })?;
        if response.status().is_success() {
            return Ok(());
        }
        let status = response.status();
        Err(InfrastructureError(format!("answered {status} to PUT {url}: {}", read_refusal(response).await)))
    }
}

impl Service {
    async fn authorise(&self, request: RequestBuilder) -> Result<RequestBuilder, InfrastructureError> {
        let Some(file) = &self.token_file else { return Ok(request) };
        let token = tokio::fs::read_to_string(file)
            .await
            .map_err(|error| InfrastructureError(format!("was not called: cannot read {}: {error}", file.display())))?;
        let token = token.trim();
        if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(InfrastructureError(format!("was not called: {} does not hold one token", file.display())));
        }
        Ok(request.bearer_auth(token))
    }
}

/// The beginning of what the service says of its refusal, on one line.
async fn read_refusal(mut response: Response) -> String {
    let mut body = Vec::new();
    while body.len() < REFUSAL_READ_BYTES {
        // A body that breaks off is as good as one that ends: the status is what counts.
        let Ok(Some(chunk)) = response.chunk().await else { break };
        body.extend_from_slice(&chunk);
    }
    let text = String::from_utf8_lossy(&body);
    let plain: String =
        text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(REFUSAL_TOLD_CHARACTERS).collect();
    if plain.trim().is_empty() { "(it said nothing more)".to_owned() } else { plain.trim().to_owned() }
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
