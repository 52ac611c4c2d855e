//! A whole daemon on loopback with a data folder of its own, an installer ISO like Proxmox's, and the ways in which machines and people
//! ask it.

use std::{fs, path::Path, process::Command, sync::Arc, time::Duration};

use jiff::Timestamp;
use rackseed::{
    daemon::{Daemon, RunningDaemon, SystemClock},
    domain::{identity::OperationId, rebuild::TokenPurpose},
    images::ImageFolder,
    ports::{Doorbell, RebuildLedger},
    provisioning::HostKeeper,
    settings::{Settings, SettingsFile},
    store::{KeyFile, Store},
};
use reqwest::{Method, RequestBuilder, StatusCode};
use rustls::pki_types::{CertificateDer, pem::PemObject};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{agreed, browser::Browser};

/// Who comes in: name and password.
pub(crate) const ADMINISTRATOR: (&str, &str) = ("admin", "correct horse battery");

/// What the ISO has as kernel.
pub(crate) const KERNEL: &[u8] = b"the kernel of a small installer, long enough to be cut into ranges";

/// A running daemon.
pub(crate) struct House {
    pub(crate) daemon: RunningDaemon,
    pub(crate) folder: TempDir,
    /// Sends the token of the command line, unless a request brings its own.
    pub(crate) client: reqwest::Client,
    settings: Settings,
}

/// What a request was answered.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) async fn of(request: RequestBuilder) -> Self {
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status(), response.headers().clone());
        Self { status, headers, text: response.text().await.unwrap() }
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error} in {:?}", self.text))
    }

    /// The sentence of a problem document, whose form is checked on the way.
    pub(crate) fn problem(&self, status: u16) -> String {
        assert_eq!(self.status.as_u16(), status, "{}", self.text);
        assert_eq!(self.headers["content-type"], "application/problem+json");
        let problem = self.json();
        assert_eq!((&problem["status"], &problem["type"]), (&json!(status), &json!("about:blank")));
        assert!(problem["title"].is_string() && problem["code"].is_string(), "{problem}");
        problem["detail"].as_str().unwrap().to_owned()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

impl House {
    /// A daemon without an image.
    pub(crate) async fn empty() -> Self {
        Self::listening_on("127.0.0.1:0").await
    }

    /// A daemon whose operator listener has this address.
    pub(crate) async fn listening_on(operator: &str) -> Self {
        Self::with(|settings| settings.server.listen = operator.parse().unwrap()).await
    }

    /// A daemon without an image, with settings of its own.
    pub(crate) async fn with(change: impl FnOnce(&mut Settings)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut settings = Settings { data_folder: folder.path().join("data"), ..Settings::default() };
        for catalog in
            [&mut settings.catalog.answer_templates, &mut settings.catalog.server_types, &mut settings.catalog.ipxe]
        {
            *catalog = folder.path().join(&*catalog);
        }
        settings.server.listen = "127.0.0.1:0".parse().unwrap();
        settings.server.boot_listen = "127.0.0.1:0".parse().unwrap();
        settings.server.machine_listen = "127.0.0.1:0".parse().unwrap();
        settings.pxe.enabled = false;
        settings.credentials.root_password_hash = "$6$salt$hash".into();
        change(&mut settings);
        let daemon = Daemon::start(settings.clone()).await.unwrap();
        let client = client_with_token(&command_line_token(&settings.data_folder));
        Self { daemon, folder, client, settings }
    }

    /// A daemon that was started with a settings file; `more` goes below what keeps it on loopback and in its own folder.
    pub(crate) async fn with_file(more: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("rackseed.yaml");
        let server = "server: {listen: '127.0.0.1:0', boot_listen: '127.0.0.1:0', machine_listen: '127.0.0.1:0'}";
        fs::write(&file, format!("data_folder: data\n{server}\npxe: {{enabled: false}}\n{more}")).unwrap();
        let (settings, file) = SettingsFile::load(&file).unwrap();
        let daemon = Daemon::start_from(settings.clone(), Some(file)).await.unwrap();
        let client = client_with_token(&command_line_token(&settings.data_folder));
        Self { daemon, folder, client, settings }
    }

    /// The same house after its daemon was stopped and started again.
    pub(crate) async fn restarted(self) -> Self {
        self.daemon.stop().await;
        let daemon = Daemon::start(self.settings.clone()).await.unwrap();
        Self { daemon, ..self }
    }

    /// The database, for what no route shows.
    pub(crate) fn database(&self) -> std::path::PathBuf {
        self.settings.data_folder.join("rackseed.db")
    }

    /// The token of the command line.
    pub(crate) fn command_line_token(&self) -> String {
        command_line_token(&self.settings.data_folder)
    }

    /// A client that sends nothing by itself to be let in.
    pub(crate) fn stranger(&self) -> reqwest::Client {
        rackseed::daemon::http_client(Duration::from_secs(20)).unwrap()
    }

    /// The program, set up to ask this daemon.
    pub(crate) fn program(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_rackseed"));
        command.env("RACKSEED_URL", self.operator("")).env("RACKSEED_TOKEN", self.command_line_token());
        command
    }

    /// The same daemon after a restart, on the same addresses for people.
    pub(crate) async fn restarted_in_place(self) -> Self {
        let Self { daemon, folder, client, mut settings } = self;
        settings.server.listen = daemon.operator_address;
        daemon.stop().await;
        let daemon = Daemon::start(settings.clone()).await.unwrap();
        Self { daemon, folder, client, settings }
    }

    /// A daemon with one image of release 9.2.
    pub(crate) async fn furnished() -> Self {
        let house = Self::empty().await;
        house.add_image().await;
        house
    }

    pub(crate) async fn add_image(&self) {
        let iso = write_iso(self.folder.path());
        let store = Arc::new(Store::open_shared(&self.settings.data_folder).unwrap());
        let library = ImageFolder::new(self.settings.data_folder.join("images"), store);
        #[expect(clippy::disallowed_methods, reason = "the daemon beside has the system's clock")]
        library.add(&iso, None, Timestamp::now(), &|_| ()).await.unwrap();
    }

    pub(crate) fn server_types_file(&self) -> std::path::PathBuf {
        self.settings.catalog.server_types.join("server-types.yaml")
    }

    pub(crate) fn operator(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.daemon.operator_address.port())
    }

    pub(crate) fn boot(&self, path: &str) -> String {
        format!("http://{}{path}", self.daemon.boot_address)
    }

    pub(crate) fn machine(&self, path: &str) -> String {
        format!("https://rackseed.internal:{}{path}", self.daemon.machine_address.port())
    }

    /// Asks as an operator.
    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.ask(Method::GET, path, None).await
    }

    /// Says something as an operator.
    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answer {
        self.ask(Method::POST, path, Some(body)).await
    }

    pub(crate) async fn patch(&self, path: &str, body: &Value) -> Answer {
        self.ask(Method::PATCH, path, Some(body)).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        self.ask(Method::DELETE, path, None).await
    }

    /// Asks, and holds the answer against the OpenAPI document.
    async fn ask(&self, method: Method, path: &str, body: Option<&Value>) -> Answer {
        let request = self.client.request(method.clone(), self.operator(path));
        let request = match body {
            Some(body) => request.json(body),
            None => request,
        };
        let answer = Answer::of(request).await;
        agreed::check(method.as_str(), path, answer.status.as_u16(), answer.header("content-type"), &answer.text);
        answer
    }

    /// Registers a host and returns its id.
    pub(crate) async fn register(&self, hostname: &str, mac: &str) -> String {
        let body = json!({ "hostname": hostname, "mac": mac, "server_type": "generic-sata" });
        let answer = self.post("/api/hosts", &body).await;
        assert_eq!(answer.status, 201, "{}", answer.text);
        answer.json()["id"].as_str().unwrap().to_owned()
    }

    /// Arms a host and returns its operation's id.
    pub(crate) async fn rebuild(&self, host: &str, hostname: &str) -> String {
        let answer = self.post(&format!("/api/hosts/{host}/rebuild"), &json!({ "confirm": hostname })).await;
        assert_eq!(answer.status, 202, "{}", answer.text);
        answer.json()["id"].as_str().unwrap().to_owned()
    }

    /// Waits until an operation waits for something outside: the runner has written what it writes at first.
    pub(crate) async fn until_waiting(&self, operation: &str) {
        for _ in 0..200 {
            if self.get(&format!("/api/operations/{operation}")).await.json()["status"] == "waiting" {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("the operation {operation} does not come to wait");
    }

    /// The state of a host.
    pub(crate) async fn state(&self, host: &str) -> String {
        self.get(&format!("/api/hosts/{host}")).await.json()["state"].as_str().unwrap().to_owned()
    }

    /// A token of a rebuild, as the machine that was offered its boot would have it.
    pub(crate) async fn token(&self, operation: &str, purpose: TokenPurpose) -> String {
        let store = Arc::new(Store::open_shared(&self.settings.data_folder).unwrap());
        let secrets = Arc::new(KeyFile::open(&self.settings.data_folder).unwrap());
        let operation: OperationId = operation.parse().unwrap();
        let rebuild = store.rebuild(&operation).await.unwrap().unwrap();
        let doorbell = Arc::new(Doorbell::default());
        let keeper = HostKeeper::new(store.clone(), store, secrets, Arc::new(SystemClock), doorbell);
        keeper.tokens(&rebuild).unwrap().unwrap().token(purpose)
    }

    /// Boots the machine of a host from the network: both scripts and the whole ISO.
    pub(crate) async fn boot_machine(&self, mac: &str, operation: &str) -> String {
        let token = self.token(operation, TokenPurpose::Boot).await;
        let script = self.boot(&format!("/ipxe/{mac}?b={token}&platform=pcbios&version=2.0.0"));
        let script = Answer::of(self.client.get(script)).await;
        assert!(script.text.contains("proxmox-start-auto-installer"), "{}", script.text);
        let iso = self.client.get(self.boot(&format!("/boot/{token}/installer.iso"))).send().await.unwrap();
        assert_eq!(iso.status(), 200);
        iso.bytes().await.unwrap();
        token
    }

    /// A client that trusts exactly the daemon's own certificate, and finds it on the machine listener.
    pub(crate) fn installer(&self) -> reqwest::Client {
        let pem = fs::read(self.settings.data_folder.join("certificate.pem")).unwrap();
        let mut roots = rustls::RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(&pem).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let config = config.unwrap().with_root_certificates(roots).with_no_client_auth();
        reqwest::Client::builder()
            .tls_backend_preconfigured(config)
            .resolve("rackseed.internal", self.daemon.machine_address)
            .redirect(reqwest::redirect::Policy::none())
            .timeout(Duration::from_secs(20))
            .build()
            .unwrap()
    }
}

impl Browser {
    /// Comes in as the administrator: by the first visit where nobody has made it, else by signing in.
    pub(crate) async fn sign_in(&self, house: &House) {
        self.sign_in_at(&house.daemon).await;
    }

    /// The same, at a daemon.
    pub(crate) async fn sign_in_at(&self, daemon: &RunningDaemon) {
        self.open(&format!("http://127.0.0.1:{}/sign-in", daemon.operator_address.port())).await;
        if self.place().await.ends_with("/first-visit") {
            self.fill("#code", &daemon.first_visit.as_ref().unwrap().code).await;
            self.fill("#again", ADMINISTRATOR.1).await;
        }
        self.fill("#name", ADMINISTRATOR.0).await;
        self.fill("#password", ADMINISTRATOR.1).await;
        self.click("button[type=submit]").await;
        self.see(".visitor", ADMINISTRATOR.0).await;
    }
}

/// The token that a daemon's data folder has for the command line.
pub(crate) fn command_line_token(data_folder: &Path) -> String {
    fs::read_to_string(data_folder.join("command-line-token")).unwrap().trim_end().to_owned()
}

/// A client that sends this token with every request that has none of its own.
pub(crate) fn client_with_token(token: &str) -> reqwest::Client {
    // Makes sure that the process has its provider of cryptography.
    drop(rackseed::daemon::http_client(Duration::from_secs(1)).unwrap());
    let mut headers = reqwest::header::HeaderMap::new();
    headers.insert(reqwest::header::AUTHORIZATION, format!("Bearer {token}").parse().unwrap());
    reqwest::Client::builder()
        .default_headers(headers)
        .timeout(Duration::from_secs(20))
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .unwrap()
}

/// Writes an ISO that is laid out like Proxmox's.
pub(crate) fn write_iso(folder: &Path) -> std::path::PathBuf {
    let tree = folder.join("iso-tree");
    fs::create_dir_all(tree.join("boot")).unwrap();
    let info = "PRODUCT='pve'\nPRODUCTLONG='Proxmox VE'\nRELEASE='9.2'\nISORELEASE='1'\nISONAME='proxmox-ve'\n";
    let files: [(&str, &[u8]); 5] = [
        (".cd-info", info.as_bytes()),
        ("auto-installer-capable", b""),
        ("boot/linux26", KERNEL),
        ("boot/initrd.img", b"the initrd"),
        ("pve-base.squashfs", &[7; 200_000]),
    ];
    for (path, content) in files {
        fs::write(tree.join(path), content).unwrap();
    }
    let iso = folder.join("proxmox-ve_9.2-1.iso");
    let words = ["-no_rc", "-as", "mkisofs", "-quiet", "-r", "-J", "-V", "PVE"];
    let uuid = "2024111212345600";
    let made = Command::new("xorriso")
        .args(words)
        .arg(format!("--modification-date={uuid}"))
        .arg("-o")
        .args([&iso, &tree])
        .output()
        .expect("the tests need xorriso");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    iso
}
