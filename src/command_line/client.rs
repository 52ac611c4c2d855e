//! Talks to the running daemon's operator API.

use std::{path::Path, time::Duration};

use anyhow::{Context, bail};
use reqwest::{Method, StatusCode, header::USER_AGENT};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

use crate::{domain::access::COMMAND_LINE_TOKEN_FILE, settings::Settings};

/// How long the daemon may take to answer. A rebuild asks the cluster first, which may take some seconds.
const ANSWER_LIMIT: Duration = Duration::from_secs(90);

/// What we call ourselves.
const OURSELVES: &str = concat!("rackseed/", env!("CARGO_PKG_VERSION"));

/// What came of fetching a file.
pub(super) enum Fetched {
    /// The file.
    Bytes(Vec<u8>),
    /// No daemon runs there.
    NobodyAnswers,
}

/// The daemon's operator API.
pub(super) struct Client {
    base: String,
    token: Token,
    http: reqwest::Client,
}

/// What we are let in with.
enum Token {
    /// What is sent.
    Known(SecretString),
    /// Why there is none: it may be that none is needed, so it is said only when it is.
    Missing(String),
}

impl Client {
    /// Finds the daemon: the URL in `RACKSEED_URL`, else the operator listener of the settings. The token is that of `RACKSEED_TOKEN`, else
    /// the one in the data folder of the settings, which is sent to nobody but the daemon of these settings.
    pub(super) fn new(config: &Path) -> anyhow::Result<Self> {
        let given = std::env::var("RACKSEED_TOKEN").ok().filter(|token| !token.is_empty());
        let (base, own) = match std::env::var("RACKSEED_URL") {
            Ok(url) => (url.trim_end_matches('/').to_owned(), Token::Missing("RACKSEED_TOKEN is not set".to_owned())),
            Err(_) => {
                let settings = Settings::load(config)?;
                (format!("http://{}", settings.server.listen), own_token(&settings.data_folder))
            }
        };
        let token = given.map_or(own, |token| Token::Known(token.trim().into()));
        let http = crate::daemon::http_client(ANSWER_LIMIT)?;
        Ok(Self { base, token, http })
    }

    /// Asks; a problem document becomes an error with its sentence.
    pub(super) async fn ask(&self, method: Method, path: &str, body: Option<&Value>) -> anyhow::Result<Value> {
        // The audit log tells by it that somebody typed this.
        let mut request =
            self.http.request(method.clone(), format!("{}{path}", self.base)).header(USER_AGENT, OURSELVES);
        if let Token::Known(token) = &self.token {
            request = request.bearer_auth(token.expose_secret());
        }
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
        if status == StatusCode::UNAUTHORIZED {
            bail!("{}", self.not_let_in(answer["detail"].as_str().unwrap_or("the daemon wants a token")));
        }
        match answer["detail"].as_str() {
            Some(detail) => bail!("{detail}"),
            None => bail!("the daemon answered {status}: {}", text.chars().take(200).collect::<String>()),
        }
    }

    /// Why we are not let in, and what to do about it.
    fn not_let_in(&self, detail: &str) -> String {
        let why = match &self.token {
            Token::Known(_) => detail,
            Token::Missing(why) => why,
        };
        format!(
            "the daemon at {} does not let us in ({why}); set RACKSEED_TOKEN to a token made under Account on the dashboard, or run this as a \
             user who may read the data folder on the computer of the daemon",
            self.base
        )
    }

    /// Fetches a file, unless nobody answers there.
    pub(super) async fn fetch(&self, path: &str) -> anyhow::Result<Fetched> {
        let mut request = self.http.get(format!("{}{path}", self.base)).header(USER_AGENT, OURSELVES);
        if let Token::Known(token) = &self.token {
            request = request.bearer_auth(token.expose_secret());
        }
        let response = match request.send().await {
            Ok(response) => response,
            Err(error) if error.is_connect() => return Ok(Fetched::NobodyAnswers),
            Err(error) => return Err(error).with_context(|| format!("the daemon at {} broke off", self.base)),
        };
        let status = response.status();
        let bytes = response.bytes().await.context("the daemon broke off its answer")?;
        if status.is_success() {
            return Ok(Fetched::Bytes(bytes.to_vec()));
        }
        let answer: Value = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
        let detail = answer["detail"].as_str().map_or_else(|| format!("the daemon answered {status}"), str::to_owned);
        if status == StatusCode::UNAUTHORIZED { bail!("{}", self.not_let_in(&detail)) } else { bail!("{detail}") }
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

/// The token in a data folder.
fn own_token(data_folder: &Path) -> Token {
    let path = data_folder.join(COMMAND_LINE_TOKEN_FILE);
    match std::fs::read_to_string(&path) {
        Ok(text) => Token::Known(text.trim_end().into()),
        Err(error) => Token::Missing(format!("{} cannot be read: {error}", path.display())),
    }
}
