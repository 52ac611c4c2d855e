//! Talks to the running daemon's operator API.

use std::{path::Path, time::Duration};

use anyhow::{Context, anyhow};
use reqwest::{
    Method, RequestBuilder, StatusCode,
    header::{CONTENT_TYPE, LINK, USER_AGENT},
};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

use crate::{domain::access::COMMAND_LINE_TOKEN_FILE, settings::Settings};

/// How long the daemon may take to answer. A rebuild asks the cluster first, which may take some seconds.
const ANSWER_LIMIT: Duration = Duration::from_secs(90);

/// How long a stream is listened to at most.
const STREAM_LIMIT: Duration = Duration::from_hours(24 * 365);
/// The most items that the daemon gives at once.
const LARGEST_PAGE: usize = 1000;
/// How many pages of a list are asked for at most: a hundred thousand hosts.
const MOST_PAGES: usize = 100;

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
        let body = if method == Method::GET { None } else { Some(body.unwrap_or(&Value::Null)) };
        let mut request = self.request(method, path);
        if let Some(body) = body {
            request = request.json(body);
        }
        Ok(self.send(request).await?.0)
    }

    /// Asks for a list, page after page, until it has ended or as many of its items are there as are wanted.
    pub(super) async fn list(
        &self,
        path: &str,
        fields: &[(&str, Option<&str>)],
        most: usize,
    ) -> anyhow::Result<Vec<Value>> {
        let limit = most.min(LARGEST_PAGE).to_string();
        let mut request = self.request(Method::GET, path).query(fields).query(&[("limit", limit)]);
        let mut items = Vec::new();
        for _ in 0..MOST_PAGES {
            let (page, next) = self.send(request).await?;
            items.extend(page.as_array().into_iter().flatten().cloned());
            let Some(next) = next.filter(|_| items.len() < most) else { break };
            request = self.request(Method::GET, &next);
        }
        items.truncate(most);
        Ok(items)
    }

    /// Sends a text that is no JSON.
    pub(super) async fn send_text(
        &self,
        path: &str,
        fields: &[(&str, Option<&str>)],
        kind: &str,
        text: Vec<u8>,
    ) -> anyhow::Result<Value> {
        Ok(self.send(self.request(Method::POST, path).query(fields).header(CONTENT_TYPE, kind).body(text)).await?.0)
    }

    /// Asks for a stream; it goes on for as long as the daemon says something.
    pub(super) async fn stream(&self, path: &str) -> anyhow::Result<reqwest::Response> {
        let response = self.request(Method::GET, path).timeout(STREAM_LIMIT).send().await;
        let response = response.with_context(|| self.absent())?;
        if response.status().is_success() { Ok(response) } else { Err(self.refused(response).await) }
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        // The audit log tells by it that somebody typed this.
        let request = self.http.request(method, format!("{}{path}", self.base)).header(USER_AGENT, OURSELVES);
        match &self.token {
            Token::Known(token) => request.bearer_auth(token.expose_secret()),
            Token::Missing(_) => request,
        }
    }

    /// The answer, and the path of the list's next page.
    async fn send(&self, request: RequestBuilder) -> anyhow::Result<(Value, Option<String>)> {
        let response = request.send().await.with_context(|| self.absent())?;
        if !response.status().is_success() {
            return Err(self.refused(response).await);
        }
        let next = response.headers().get(LINK).and_then(|link| next_page(link.to_str().ok()?));
        let text = response.text().await.context("the daemon broke off its answer")?;
        Ok((serde_json::from_str(&text).unwrap_or(Value::Null), next))
    }

    fn absent(&self) -> String {
        format!("the daemon does not answer at {}; is `rackseed serve` running?", self.base)
    }

    async fn refused(&self, response: reqwest::Response) -> anyhow::Error {
        let status = response.status();
        let text = response.text().await.unwrap_or_default();
        let answer: Value = serde_json::from_str(&text).unwrap_or_default();
        match answer["detail"].as_str() {
            detail if status == StatusCode::UNAUTHORIZED => {
                anyhow!("{}", self.not_let_in(detail.unwrap_or("the daemon wants a token")))
            }
            Some(detail) => anyhow!("{detail}"),
            None => anyhow!("the daemon answered {status}: {}", text.chars().take(200).collect::<String>()),
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
        let response = match self.request(Method::GET, path).send().await {
            Ok(response) => response,
            Err(error) if error.is_connect() => return Ok(Fetched::NobodyAnswers),
            Err(error) => return Err(error).with_context(|| format!("the daemon at {} broke off", self.base)),
        };
        if !response.status().is_success() {
            return Err(self.refused(response).await);
        }
        let bytes = response.bytes().await.context("the daemon broke off its answer")?;
        Ok(Fetched::Bytes(bytes.to_vec()))
    }

    /// Finds a host by its id, name or MAC address.
    pub(super) async fn find_host(&self, wanted: &str) -> anyhow::Result<Value> {
        let hosts = self.list("/api/hosts", &[], usize::MAX).await?;
        let is_it = |host: &&Value| {
            ["id", "hostname", "mac"]
                .iter()
                .any(|key| host[*key].as_str().is_some_and(|it| it.eq_ignore_ascii_case(wanted)))
        };
        let found = hosts.iter().find(is_it).and_then(|host| host["id"].as_str());
        let id =
            found.with_context(|| format!("there is no host `{wanted}`; `rackseed host list` shows what there is"))?;
        self.ask(Method::GET, &format!("/api/hosts/{id}"), None).await
    }
}

/// Where a `Link` header leads for what comes next (RFC 8288).
fn next_page(link: &str) -> Option<String> {
    let (target, parameters) = link.strip_prefix('<')?.split_once('>')?;
    parameters.contains("rel=\"next\"").then(|| target.to_owned())
}

/// The token in a data folder.
fn own_token(data_folder: &Path) -> Token {
    let path = data_folder.join(COMMAND_LINE_TOKEN_FILE);
    match std::fs::read_to_string(&path) {
        Ok(text) => Token::Known(text.trim_end().into()),
        Err(error) => Token::Missing(format!("{} cannot be read: {error}", path.display())),
    }
}
