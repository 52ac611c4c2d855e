//! The operator of the demo: registers hosts, asks for rebuilds and watches, over the real API.

use std::{fs, net::SocketAddr, path::Path, time::Duration};

use reqwest::{Client, Method};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::web;
use crate::domain::{access::COMMAND_LINE_TOKEN_FILE, identity::MacAddress};

/// How long the API may take to answer.
const ANSWER_LIMIT: Duration = Duration::from_secs(20);
/// A longer line of the event stream is none of ours.
const LONGEST_LINE_BYTES: usize = 64 << 10;

/// A host as the API shows it.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct HostView {
    pub(super) id: String,
    pub(super) hostname: String,
    pub(super) mac: MacAddress,
    pub(super) state: String,
    pub(super) reason: Option<String>,
    pub(super) operation: Option<OperationView>,
}

/// An operation as the API shows it.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct OperationView {
    pub(super) status: String,
    pub(super) reason: Option<String>,
}

/// A row of the live feed.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct FeedRow {
    pub(super) host: Option<String>,
    pub(super) message: String,
}

/// The operator.
#[derive(Debug, Clone)]
pub(super) struct Operator {
    base: String,
    token: SecretString,
    http: Client,
}

impl Operator {
    /// The operator may read the daemon's data folder, and so the token of its command line.
    pub(super) fn new(address: SocketAddr, data_folder: &Path) -> Result<Self, String> {
        let http = web::client(None, ANSWER_LIMIT).map_err(|error| error.to_string())?;
        let token = fs::read_to_string(data_folder.join(COMMAND_LINE_TOKEN_FILE)).map_err(|error| error.to_string())?;
        Ok(Self { base: format!("http://{address}"), token: token.trim_end().into(), http })
    }

    /// Where the dashboard is.
    pub(super) fn dashboard(&self) -> &str {
        &self.base
    }

    pub(super) async fn register(&self, hostname: &str, mac: &str, server_type: &str) -> Result<HostView, String> {
        let body = json!({ "hostname": hostname, "mac": mac, "server_type": server_type });
        self.ask(Method::POST, "/api/hosts", Some(&body)).await
    }

    pub(super) async fn rebuild(&self, host: &HostView) -> Result<(), String> {
        let body = json!({ "confirm": host.hostname });
        self.ask::<Value>(Method::POST, &format!("/api/hosts/{}/rebuild", host.id), Some(&body)).await.map(drop)
    }

    pub(super) async fn hosts(&self) -> Result<Vec<HostView>, String> {
        self.ask(Method::GET, "/api/hosts", None).await
    }

    async fn ask<T: DeserializeOwned>(&self, method: Method, path: &str, body: Option<&Value>) -> Result<T, String> {
        let failed = |error: reqwest::Error| format!("{method} {path}: {error}");
        let mut request = self.http.request(method.clone(), format!("{}{path}", self.base));
        request = request.bearer_auth(self.token.expose_secret());
        if let Some(body) = body {
            request = request.json(body);
        }
        let response = request.send().await.map_err(failed)?;
        let status = response.status();
        let text = response.text().await.map_err(failed)?;
        if !status.is_success() {
            let problem: Value = serde_json::from_str(&text).unwrap_or_default();
            return Err(format!("{method} {path}: {status}: {}", problem["detail"].as_str().unwrap_or(&text)));
        }
        serde_json::from_str(&text).map_err(|error| format!("{method} {path}: {error} in {text}"))
    }

    /// Reads the live feed from its beginning, until the daemon ends it or nobody listens any more.
    pub(super) async fn watch(self, rows: mpsc::Sender<FeedRow>) {
        let Ok(client) = web::streaming_client() else { return };
        let request = client.get(format!("{}/events?after=0", self.base)).bearer_auth(self.token.expose_secret());
        let Ok(mut response) = request.send().await else { return };
        let mut waiting = Vec::new();
        while let Ok(Some(chunk)) = response.chunk().await {
            waiting.extend_from_slice(&chunk);
            while let Some(end) = waiting.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = waiting.drain(..=end).collect();
                let row = line.strip_prefix(b"data:").and_then(|data| serde_json::from_slice(data).ok());
                if let Some(row) = row
                    && rows.send(row).await.is_err()
                {
                    return;
                }
            }
            if waiting.len() > LONGEST_LINE_BYTES {
                return;
            }
        }
    }
}
