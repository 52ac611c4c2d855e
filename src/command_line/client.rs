//! Talks to the running daemon's operator API.

use std::{path::Path, time::Duration};

use anyhow::{Context, bail};
use reqwest::{Method, header::USER_AGENT};
use serde_json::Value;

use crate::settings::Settings;

/// How long the daemon may take to answer. A rebuild asks the cluster first, which may take some seconds.
const ANSWER_LIMIT: Duration = Duration::from_secs(90);

/// What we call ourselves.
const OURSELVES: &str = concat!("rackseed/", env!("CARGO_PKG_VERSION"));

/// The daemon's operator API.
pub(super) struct Client {
    base: String,
    http: reqwest::Client,
}

impl Client {
    /// Finds the daemon: the URL in `RACKSEED_URL`, else the operator listener of the settings.
    pub(super) fn new(config: &Path) -> anyhow::Result<Self> {
        let base = match std::env::var("RACKSEED_URL") {
            Ok(url) => url.trim_end_matches('/').to_owned(),
            Err(_) => format!("http://{}", Settings::load(config)?.server.listen),
        };
        let http = crate::daemon::http_client(ANSWER_LIMIT)?;
        Ok(Self { base, http })
    }

    /// Asks; a problem document becomes an error with its sentence.
    pub(super) async fn ask(&self, method: Method, path: &str, body: Option<&Value>) -> anyhow::Result<Value> {
        // The audit log tells by it that somebody typed this.
        let mut request =
            self.http.request(method.clone(), format!("{}{path}", self.base)).header(USER_AGENT, OURSELVES);
        if method != Method::GET {
            request = request.json(body.unwrap_or(&Value::Null));
        }
        let response = request
            .send()
            .await
            .with_context(|| format!("the daemon does not answer at {}; is `rackseed serve` running?", self.base))?;
        let status = response.status();
        let text = response.text().await.context("the daemon broke off its answer")?;
        let answer = serde_json::from_str(&text).unwrap_or(Value::Null);
        if status.is_success() {
            return Ok(answer);
        }
        match answer["detail"].as_str() {
            Some(detail) => bail!("{detail}"),
            None => bail!("the daemon answered {status}: {}", text.chars().take(200).collect::<String>()),
        }
    }

    /// Finds a host by its id, name or MAC address.
    pub(super) async fn find_host(&self, wanted: &str) -> anyhow::Result<Value> {
        let hosts = self.ask(Method::GET, "/api/hosts", None).await?;
        let is_it = |host: &&Value| {
            ["id", "hostname", "mac"]
                .iter()
                .any(|key| host[*key].as_str().is_some_and(|it| it.eq_ignore_ascii_case(wanted)))
        };
        let found = hosts.as_array().into_iter().flatten().find(is_it).and_then(|host| host["id"].as_str());
        let id =
            found.with_context(|| format!("there is no host `{wanted}`; `rackseed host list` shows what there is"))?;
        self.ask(Method::GET, &format!("/api/hosts/{id}"), None).await
    }
}
