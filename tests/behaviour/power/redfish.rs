//! Redfish against the emulator of sushy-tools, over TLS with a certificate that only its fingerprint vouches for.

use std::{
    fs,
    net::{SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::OnceLock,
    time::{Duration, Instant},
};

use rackseed::{
    domain::power::PowerState,
    ports::{NetworkBoot, Power, PowerError},
};
use rustls::pki_types::{CertificateDer, pem::PemObject};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::support::{house::House, power::Switched};

/// What the emulator knows of its one user: the bcrypt hash of [`PASSWORD`].
const USER: &str = "rackseed:$2b$04$Z0OysqT2.h5PwdS1hpjwyeLV5Lyjp7bQGG2I3irfIChbJUXIOAfGW\n";
const PASSWORD: &str = "Right-word-1";
/// The id of its one machine.
const SYSTEM: &str = "27946b59-9e44-4fa7-8e91-f3527a1ef094";

/// Where the emulator is installed; it is, when this returns.
fn emulator() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap().join("redfish-emulator");
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join(".ci/install-redfish-emulator");
        let installed = Command::new(script).arg(&folder).output().expect("the tests need bash");
        assert!(installed.status.success(), "{}", String::from_utf8_lossy(&installed.stderr));
        folder
    })
}

/// A running emulator; it ends with the test.
struct Bmc {
    folder: tempfile::TempDir,
    child: Child,
    port: u16,
    fingerprint: String,
}

impl Drop for Bmc {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Bmc {
    /// A BMC whose machine is in a state.
    fn start(state: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let own = rcgen::generate_simple_self_signed(["bmc.invalid".to_owned()]).unwrap();
        let place = |name: &str| folder.path().join(name).display().to_string();
        fs::write(place("certificate.pem"), own.cert.pem()).unwrap();
        fs::write(place("key.pem"), own.signing_key.serialize_pem()).unwrap();
        fs::write(place("users"), USER).unwrap();
        let leaf = CertificateDer::from_pem_slice(own.cert.pem().as_bytes()).unwrap();
        let fingerprint = data_encoding::HEXLOWER.encode(&Sha256::digest(&leaf));
        let config = format!(
            "SUSHY_EMULATOR_LISTEN_IP = '127.0.0.1'\n\
             SUSHY_EMULATOR_SSL_CERT = '{}'\nSUSHY_EMULATOR_SSL_KEY = '{}'\n\
             SUSHY_EMULATOR_AUTH_FILE = '{}'\nSUSHY_EMULATOR_STATE_DIR = '{}'\n\
             SUSHY_EMULATOR_FAKE_SYSTEMS = [{{'uuid': '{SYSTEM}', 'name': 'fake', 'power_state': '{state}', 'nics': []}}]\n",
            place("certificate.pem"),
            place("key.pem"),
            place("users"),
            folder.path().display()
        );
        fs::write(place("emulator.conf"), config).unwrap();
        // Somebody else may take the free port before the emulator does.
        for _ in 0..5 {
            let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
            let log = fs::File::create(place("log")).unwrap();
            let mut child = Command::new(emulator().join("bin/sushy-emulator"))
                .args(["--fake", "--config", &place("emulator.conf"), "--port", &port.to_string()])
                .stdout(Stdio::null())
                .stderr(log)
                .spawn()
                .unwrap();
            if listens(&mut child, port) {
                return Self { folder, child, port, fingerprint };
            }
            let _ = child.kill();
            let _ = child.wait();
        }
        panic!("the emulator does not start: {}", fs::read_to_string(place("log")).unwrap());
    }

    fn options(&self, more: Value) -> Value {
        let mut redfish = json!({
            "url": format!("https://127.0.0.1:{}", self.port),
            "user": "rackseed",
            "certificate_fingerprint": self.fingerprint,
        });
        redfish.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!({ "driver": "redfish", "redfish": redfish })
    }

    async fn switched(&self, more: Value) -> Switched {
        Switched::new(self.options(more), Some(PASSWORD)).await
    }

    /// What was asked of it that changes something, in order.
    fn changes(&self) -> Vec<String> {
        let log = fs::read_to_string(self.folder.path().join("log")).unwrap();
        // Refusals are coloured.
        let asked =
            log.lines().filter_map(|line| line.split('"').nth(1)).map(|line| line.rsplit("[1m").next().unwrap());
        let asked = asked.map(|asked| asked.trim_end_matches("\u{1b}[0m").replace(SYSTEM, "1"));
        asked.filter(|asked| !asked.starts_with("GET")).collect()
    }

    /// The machine as the emulator shows it to somebody else.
    async fn seen(&self) -> Value {
        let url = format!("https://127.0.0.1:{}/redfish/v1/Systems/{SYSTEM}", self.port);
        let output = Command::new("curl").args(["-sk", "-u", &format!("rackseed:{PASSWORD}"), &url]).output().unwrap();
        serde_json::from_slice(&output.stdout).unwrap()
    }
}

fn listens(child: &mut Child, port: u16) -> bool {
    let end = Instant::now() + Duration::from_secs(30);
    while Instant::now() < end && child.try_wait().unwrap().is_none() {
        if TcpStream::connect(SocketAddr::from(([127, 0, 0, 1], port))).is_ok() {
            return true;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    false
}

const PATCH: &str = "PATCH /redfish/v1/Systems/1 HTTP/1.1";
const RESET: &str = "POST /redfish/v1/Systems/1/Actions/ComputerSystem.Reset HTTP/1.1";

#[tokio::test]
async fn a_machine_that_is_off_is_switched_on_to_boot_from_the_network_once() {
    let bmc = Bmc::start("Off");
    let switched = bmc.switched(json!({ "boot_mode": "legacy" })).await;
    assert_eq!(switched.status().await, Ok(PowerState::Off));
    assert_eq!(switched.boot_from_network().await, Ok(NetworkBoot::Confirmed));
    let seen = bmc.seen().await;
    assert_eq!((&seen["PowerState"], &seen["Boot"]["BootSourceOverrideTarget"]), (&json!("On"), &json!("Pxe")));
    assert_eq!(seen["Boot"]["BootSourceOverrideMode"], "Legacy");
    assert_eq!(bmc.changes(), [PATCH, RESET]);
}

#[tokio::test]
async fn a_machine_that_is_on_is_restarted_to_boot_from_the_network() {
    let bmc = Bmc::start("On");
    let switched = bmc.switched(json!({ "system": SYSTEM })).await;
    assert_eq!(switched.boot_from_network().await, Ok(NetworkBoot::Confirmed));
    let seen = bmc.seen().await;
    assert_eq!((&seen["PowerState"], &seen["Boot"]["BootSourceOverrideTarget"]), (&json!("On"), &json!("Pxe")));
    assert_eq!(seen["Boot"]["BootSourceOverrideMode"], "UEFI", "it stays as the BMC had it");
    assert_eq!(bmc.changes(), [PATCH, RESET]);
}

#[tokio::test]
async fn a_machine_is_switched_off_and_what_is_so_already_is_left_alone() {
    let bmc = Bmc::start("On");
    let switched = bmc.switched(json!({})).await;
    let (drivers, host) = (&switched.drivers, &switched.host);
    drivers.switch_on(host).await.unwrap();
    assert_eq!(bmc.changes(), [] as [&str; 0]);
    drivers.switch_off(host).await.unwrap();
    assert_eq!(switched.status().await, Ok(PowerState::Off));
    drivers.switch_off(host).await.unwrap();
    assert_eq!(bmc.changes(), [RESET]);
}

#[tokio::test]
async fn a_wrong_password_is_one_sentence_and_changes_nothing() {
    let bmc = Bmc::start("Off");
    let switched = Switched::new(bmc.options(json!({})), Some("Wrong-word")).await;
    let error = switched.boot_from_network().await.unwrap_err();
    assert!(!error.may_pass(), "BMCs lock users out");
    assert_eq!(
        error.to_string(),
        format!(
            "the BMC at https://127.0.0.1:{} refused the login of `rackseed`; store the right password: `rackseed host power-secret pve-01`",
            bmc.port
        )
    );
    let error = Switched::new(bmc.options(json!({})), None).await.status().await.unwrap_err();
    assert!(error.to_string().contains("no password is stored"), "{error}");
    assert_eq!(bmc.changes(), [] as [&str; 0]);
}

#[tokio::test]
async fn another_certificate_than_the_pinned_one_is_told_with_its_fingerprint_and_is_sent_nothing() {
    let bmc = Bmc::start("Off");
    let shown = bmc.fingerprint.to_uppercase();
    let shown: Vec<_> = shown.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).unwrap()).collect();
    let shown = shown.join(":");
    for pin in [json!("00".repeat(32)), Value::Null] {
        let mut options = bmc.options(json!({}));
        options["redfish"]["certificate_fingerprint"] = pin.clone();
        let error = Switched::new(options, Some(PASSWORD)).await.status().await.unwrap_err();
        assert!(matches!(&error, PowerError::WrongCertificate { seen, .. } if *seen == shown), "{pin}: {error:?}");
        assert!(!error.may_pass());
        let sentence = error.to_string();
        assert!(
            sentence.contains("nothing was sent to it") && sentence.contains("power.redfish.certificate_fingerprint")
        );
    }
    let asked = fs::read_to_string(bmc.folder.path().join("log")).unwrap();
    assert!(!asked.contains("/redfish/v1/Systems"), "{asked}");
    // With colons and capitals, as BMCs show it, it is the same fingerprint.
    let switched = bmc.switched(json!({ "certificate_fingerprint": shown })).await;
    assert_eq!(switched.status().await, Ok(PowerState::Off));
}

#[tokio::test]
async fn a_bmc_that_is_away_is_one_sentence_and_may_be_tried_again() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let options =
        json!({ "driver": "redfish", "redfish": { "url": format!("https://127.0.0.1:{port}/"), "user": "rackseed" } });
    let error = Switched::new(options, Some(PASSWORD)).await.boot_from_network().await.unwrap_err();
    assert!(error.may_pass());
    let sentence = error.to_string();
    assert!(sentence.starts_with(&format!("the BMC at https://127.0.0.1:{port} cannot be reached: ")), "{sentence}");
    assert!(sentence.contains("refused") && !sentence.contains('\n'), "{sentence}");
}

#[tokio::test]
async fn a_system_that_does_not_exist_is_one_sentence() {
    let bmc = Bmc::start("Off");
    let error = bmc.switched(json!({ "system": "nobody" })).await.status().await.unwrap_err();
    assert!(error.to_string().contains("/redfish/v1/Systems/nobody"), "{error}");
}

#[tokio::test]
async fn a_rebuild_by_a_whole_daemon_starts_the_machine_from_the_network() {
    let (bmc, house) = (Bmc::start("Off"), House::furnished().await);
    let id = house.register("pve-01", "52:54:00:00:00:01").await;
    let path = format!("/api/hosts/{id}");
    let options = json!({ "options": { "power": bmc.options(json!({})) } });
    assert_eq!(house.patch(&path, &options).await.status, 200);
    let secret = house.client.put(house.operator(&format!("{path}/power-secret"))).json(&json!({ "secret": PASSWORD }));
    assert_eq!(secret.send().await.unwrap().status(), 204);
    let operation = house.rebuild(&id, "pve-01").await;
    let reason = "its BMC has started it from the network; waiting for it to ask for its script";
    let end = Instant::now() + Duration::from_secs(40);
    while Instant::now() < end {
        let steps = house.get(&format!("/api/operations/{operation}")).await.json()["steps"].clone();
        if steps[1]["reason"] == reason {
            let seen = bmc.seen().await;
            assert_eq!((&seen["PowerState"], &seen["Boot"]["BootSourceOverrideTarget"]), (&json!("On"), &json!("Pxe")));
            assert_eq!(bmc.changes(), [PATCH, RESET]);
            return;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    panic!("the rebuild never says: {reason}");
}
