//! The appliance on another computer: the real program is killed and restored elsewhere, while the simulated machines stay where they are.

use std::{
    fs,
    io::Write,
    net::SocketAddr,
    path::Path,
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use jiff::Timestamp;
use rackseed::{
    domain::{identity::HostId, power::power_secret_place},
    ports::{HostLedger, ImageLedger, PowerSecrets, Secrets},
    settings::Settings,
    simulator::{Demo, DemoDaemon, DemoStage},
    store::{KeyFile, Store},
};
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use crate::support::house::{client_with_token, command_line_token};

/// How long a daemon may take to answer, and a host to become ready, on a machine on which everything else is being tested as well.
const LIMIT: Duration = Duration::from_secs(90);

/// The real program as the daemon of a demo. It may be exchanged for another one behind the same address.
struct Program {
    child: Arc<Mutex<Child>>,
    address: SocketAddr,
}

impl DemoDaemon for Program {
    fn operator_address(&self) -> SocketAddr {
        self.address
    }

    async fn stop(self) {
        kill(&self.child);
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        kill(&self.child);
    }
}

fn kill(child: &Mutex<Child>) {
    let mut child = child.lock().unwrap();
    let _ = child.kill();
    let _ = child.wait();
}

fn rackseed(settings: &Path, words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rackseed"));
    command.arg("--config").arg(settings).args(words);
    command
}

/// Runs a command to its end and returns what it printed.
fn run(settings: &Path, words: &[&str], input: &str) -> String {
    let mut command = rackseed(settings, words);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let told = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{words:?}: {told}");
    told
}

async fn serve(settings: &Path, address: SocketAddr) -> Child {
    let child = rackseed(settings, &["serve"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let until = Instant::now() + LIMIT;
    while ask(address, "none", "/healthz").await.is_none() {
        assert!(Instant::now() < until, "the daemon does not answer");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    child
}

async fn ask(address: SocketAddr, token: &str, path: &str) -> Option<Value> {
    let client = client_with_token(token);
    let text = client.get(format!("http://{address}{path}")).send().await.ok()?.text().await.ok()?;
    Some(serde_json::from_str(&text).unwrap_or(Value::Null))
}

/// Every host as the interface shows it, with its history.
async fn hosts(address: SocketAddr, token: &str) -> Vec<Value> {
    let mut all = Vec::new();
    for host in ask(address, token, "/api/hosts").await.unwrap().as_array().unwrap() {
        let host = ask(address, token, &format!("/api/hosts/{}", host["id"].as_str().unwrap())).await.unwrap();
        all.push(json!([
            host["hostname"],
            host["state"],
            host["address"],
            host["history"],
            host["operation"]["status"]
        ]));
    }
    all
}

async fn start(stage: &DemoStage) -> Result<Program, String> {
    let store = Store::open(&stage.data_folder).map_err(|error| error.to_string())?;
    ImageLedger::insert(&store, &stage.image).await.map_err(|error| error.to_string())?;
    drop(store);
    let address = Settings::load(&stage.settings_file).map_err(|error| error.to_string())?.server.listen;
    let child = serve(&stage.settings_file, address).await;
    Ok(Program { child: Arc::new(Mutex::new(child)), address })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_appliance_that_is_moved_knows_its_hosts_opens_its_secrets_and_rebuilds_a_new_one() {
    let place = tempfile::tempdir().unwrap();
    let (old, new) = (place.path().join("old"), place.path().join("new"));
    #[expect(clippy::disallowed_methods, reason = "the program beside has the system's clock")]
    let mut demo = Demo::begin(Some(&old), Timestamp::now(), start).await.unwrap();
    demo.run_until_ready(&|_| ()).await.unwrap();
    let settings = old.join("rackseed.yaml");
    let address = Settings::load(&settings).unwrap().server.listen;
    run(
        &settings,
        &["host", "set", "pve-01", "power.driver=webhook", "power.webhook.on_url=https://127.0.0.1:9/on"],
        "",
    );
    run(&settings, &["host", "power-secret", "pve-01"], "the token of a webhook\n");
    let token = command_line_token(&old.join("data"));
    let before = hosts(address, &token).await;
    assert_eq!(before.iter().map(|host| &host[1]).collect::<Vec<_>>(), ["ready"; 3], "{before:#?}");

    fs::create_dir(&new).unwrap();
    let backup = new.join("rackseed.tar");
    let told = run(&settings, &["backup", "--images", backup.to_str().unwrap()], "");
    assert!(told.contains("3 hosts"), "{told}");
    assert!(run(&settings, &["backup", "--check", backup.to_str().unwrap()], "").contains("is whole"));

    // The old computer burns.
    kill(&demo.daemon().child);
    for name in ["data", "rackseed.yaml", "answer-templates", "server-types", "ipxe"] {
        fs::rename(old.join(name), place.path().join(format!("burnt-{name}"))).unwrap();
    }
    let settings = new.join("rackseed.yaml");
    let data = new.join("data");
    let told = run(&settings, &["restore", backup.to_str().unwrap(), "--data", data.to_str().unwrap()], "");
    assert!(told.contains("restored 3 hosts"), "{told}");
    // A backup does not have it. The demo's operator knows no other one.
    assert!(!data.join("command-line-token").exists());
    fs::copy(place.path().join("burnt-data/command-line-token"), data.join("command-line-token")).unwrap();
    *demo.daemon().child.lock().unwrap() = serve(&settings, address).await;

    assert_eq!(hosts(address, &token).await, before);
    let store = Store::open_shared(&data).unwrap();
    let host = store.hosts().await.unwrap().into_iter().find(|host| host.hostname.as_str() == "pve-01").unwrap();
    let sealed = store.power_secret(&host.id).await.unwrap().unwrap();
    let secret_place = power_secret_place(&HostId::clone(&host.id), &host.options.power.server().unwrap());
    let opened = KeyFile::open(&data).unwrap().open(&secret_place, &sealed).unwrap();
    assert_eq!(opened.expose_secret(), b"the token of a webhook");

    run(&settings, &["host", "add", "pve-04", "52:54:00:de:70:04", "generic-nvme"], "");
    run(&settings, &["host", "rebuild", "pve-04", "--confirm", "pve-04"], "");
    let until_ready = async {
        loop {
            let all = hosts(address, &token).await;
            let fourth = all.iter().find(|host| host[0] == "pve-04").unwrap();
            assert!(fourth[1] != "failed" && fourth[4] != "needs_attention", "{fourth:#}");
            if fourth[1] == "ready" {
                break;
            }
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
    };
    tokio::select! {
        () = demo.stay(&|_| ()) => {}
        ready = tokio::time::timeout(LIMIT, until_ready) => ready.expect("the fourth host is not ready in time"),
    }
    let members = fs::read_to_string(old.join("network/nodes/pve-04/etc/pve/.members")).unwrap();
    assert!(members.contains(r#""nodes": 4, "quorate": 1"#), "{members}");
    demo.end().await;
}
