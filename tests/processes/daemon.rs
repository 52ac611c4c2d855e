//! The daemon as a child process: started, killed, started again.

use std::{
    fs::File,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use reqwest::{Client, Method};
use serde_json::{Value, json};

/// How long the daemon may take to begin to serve. It takes a tenth of a second; the machine may be busy.
const START_LIMIT: Duration = Duration::from_secs(60);
/// How long an answer of the API may take.
const ANSWER_LIMIT: Duration = Duration::from_secs(30);
/// How often something is looked at that is waited for.
pub(crate) const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// A daemon that runs; it is killed when this is dropped.
pub(crate) struct Daemon(Child);

impl Daemon {
    /// Starts it. It may not serve yet.
    pub(crate) fn start(command: &mut Command, log: &Path) -> Self {
        let file = File::options().create(true).append(true).open(log).unwrap();
        let copy = file.try_clone().unwrap();
        let child = command.stdin(Stdio::null()).stdout(file).stderr(copy).env("NO_COLOR", "1").spawn();
        Self(child.unwrap_or_else(|error| panic!("cannot start {command:?}: {error}")))
    }

    /// SIGKILL, to this process alone; returns when it is gone.
    pub(crate) fn kill(mut self) {
        self.end();
    }

    fn end(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.end();
    }
}

/// The command that serves with these settings. It is a little less urgent than the test, so that a kill comes in time.
pub(crate) fn serve(settings: &Path) -> Command {
    let mut command = Command::new("nice");
    command.args(["-n", "5", env!("CARGO_BIN_EXE_rackseed"), "--config"]).arg(settings).arg("serve");
    command
}

/// The operator, at the API.
#[derive(Clone)]
pub(crate) struct Operator {
    base: String,
    http: Client,
    token: PathBuf,
    log: PathBuf,
}

impl Operator {
    pub(crate) fn new(address: SocketAddr, data_folder: &Path, log: &Path) -> Self {
        let http = rackseed::daemon::http_client(ANSWER_LIMIT).unwrap();
        let token = data_folder.join("command-line-token");
        Self { base: format!("http://{address}"), http, token, log: log.to_owned() }
    }

    /// The address of its pages.
    pub(crate) fn base(&self) -> &str {
        &self.base
    }

    /// Waits until the daemon serves.
    pub(crate) async fn wait_until_served(&self) {
        let end = Instant::now() + START_LIMIT;
        while !matches!(self.ask(Method::GET, "/healthz", None).await, Ok((200, _))) {
            assert!(Instant::now() < end, "the daemon does not serve; it says:\n{}", self.daemon_log());
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    /// One request: status and body; `Err` when the daemon was not there, or died over it.
    pub(crate) async fn ask(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<(u16, Value), reqwest::Error> {
        let mut request = self.http.request(method, format!("{}{path}", self.base));
        // The daemon makes it before it serves for the first time.
        if let Ok(token) = std::fs::read_to_string(&self.token) {
            request = request.bearer_auth(token.trim_end());
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        let response = request.send().await?;
        let status = response.status().as_u16();
        let text = response.text().await?;
        Ok((status, serde_json::from_str(&text).unwrap_or(Value::String(text))))
    }

    /// Registers a host and returns its id.
    pub(crate) async fn register(&self, hostname: &str, mac: &str) -> String {
        let body = json!({ "hostname": hostname, "mac": mac, "server_type": "generic-sata" });
        let (status, host) = self.ask(Method::POST, "/api/hosts", Some(&body)).await.unwrap();
        assert_eq!(status, 201, "{host:#}");
        host["id"].as_str().unwrap().to_owned()
    }

    /// Asks for a rebuild. The daemon may die over it.
    pub(crate) async fn rebuild(&self, host: &str, hostname: &str) -> Result<(), reqwest::Error> {
        let body = json!({ "confirm": hostname, "accept_warnings": true });
        let (status, answer) = self.ask(Method::POST, &format!("/api/hosts/{host}/rebuild"), Some(&body)).await?;
        assert_eq!(status, 202, "{answer:#}");
        Ok(())
    }

    /// A host with its operation.
    pub(crate) async fn host(&self, id: &str) -> Value {
        let (status, host) = self.ask(Method::GET, &format!("/api/hosts/{id}"), None).await.unwrap();
        assert_eq!(status, 200, "{host:#}");
        host
    }

    /// Waits until something is so of a host, and returns it as it is then; panics with the daemon's log when that takes too long.
    pub(crate) async fn wait_for(
        &self,
        host: &str,
        what: &str,
        limit: Duration,
        is_so: impl Fn(&Value) -> bool,
    ) -> Value {
        let end = Instant::now() + limit;
        loop {
            let now = self.host(host).await;
            if is_so(&now) {
                return now;
            }
            assert!(
                Instant::now() < end,
                "waited {limit:?} in vain until the host {what}; it is {now:#}\n{}",
                self.daemon_log()
            );
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    /// What the daemon has said, all its lives one after the other.
    pub(crate) fn daemon_log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }
}

/// Whether a host is ready and its operation over.
pub(crate) fn is_ready(host: &Value) -> bool {
    host["state"] == "ready" && host["operation"]["status"] == "succeeded"
}
