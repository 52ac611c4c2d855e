//! IPMI against `OpenIPMI`'s simulator of a BMC, through the real `ipmitool`.

use std::{
    fs,
    net::UdpSocket,
    os::unix::fs::PermissionsExt,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use rackseed::{
    domain::power::PowerState,
    ports::{NetworkBoot, Power, PowerError},
};
use serde_json::{Value, json};

use crate::support::power::Switched;

const PASSWORD: &str = "Right-word-1";

/// A running simulator; it ends with the test. The machine behind it is two files, which a script of ours reads and writes.
struct Bmc {
    folder: tempfile::TempDir,
    child: Child,
    port: u16,
}

impl Drop for Bmc {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Bmc {
    /// A BMC whose machine is on (`1`) or off (`0`).
    fn start(power: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let place = |name: &str| folder.path().join(name);
        fs::create_dir(place("state")).unwrap();
        fs::write(place("power"), power).unwrap();
        fs::write(place("asked"), "").unwrap();
        let chassis =
            include_str!("../../fixtures/ipmi/chassis").replace("FOLDER", &folder.path().display().to_string());
        fs::write(place("chassis"), chassis).unwrap();
        fs::set_permissions(place("chassis"), fs::Permissions::from_mode(0o755)).unwrap();
        fs::write(place("commands"), include_str!("../../fixtures/ipmi/commands.emu")).unwrap();
        // Somebody else may take the free port before the simulator does.
        for _ in 0..5 {
            let port = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
            let settings = include_str!("../../fixtures/ipmi/lan.conf")
                .replace("PORT", &port.to_string())
                .replace("FOLDER", &folder.path().display().to_string());
            fs::write(place("lan.conf"), settings).unwrap();
            let mut child = Command::new("ipmi_sim")
                .args(["-c", "lan.conf", "-f", "commands", "-s", "state", "-n"])
                .current_dir(folder.path())
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .expect("the tests need Debian's package openipmi");
            if answers(&mut child, port) {
                return Self { folder, child, port };
            }
            let _ = child.kill();
            let _ = child.wait();
        }
        panic!("ipmi_sim does not answer")
    }

    fn options(&self, more: Value) -> Value {
        let mut ipmi = json!({ "address": "127.0.0.1", "port": self.port, "user": "rackseed", "cipher_suite": 3 });
        ipmi.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!({ "driver": "ipmi", "ipmi": ipmi })
    }

    async fn switched(&self) -> Switched {
        Switched::new(self.options(json!({})), Some(PASSWORD)).await
    }

    /// What the machine was told, in order.
    fn asked(&self) -> Vec<String> {
        fs::read_to_string(self.folder.path().join("asked")).unwrap().lines().map(str::to_owned).collect()
    }
}

fn answers(child: &mut Child, port: u16) -> bool {
    let end = Instant::now() + Duration::from_secs(10);
    while Instant::now() < end && child.try_wait().unwrap().is_none() {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
        // An RMCP presence ping (IPMI 2.0 §13.2.3).
        socket.send_to(&[6, 0, 255, 6, 0, 0, 0x11, 0xbe, 0x80, 0, 0, 0], ("127.0.0.1", port)).unwrap();
        if socket.recv(&mut [0; 64]).is_ok() {
            return true;
        }
    }
    false
}

#[tokio::test]
async fn a_machine_that_is_off_is_switched_on_to_boot_from_the_network_once() {
    let bmc = Bmc::start("0");
    let switched = bmc.switched().await;
    assert_eq!(switched.status().await, Ok(PowerState::Off));
    assert_eq!(switched.boot_from_network().await, Ok(NetworkBoot::Confirmed));
    assert_eq!(bmc.asked(), ["boot pxe", "power 1"]);
    assert_eq!(switched.status().await, Ok(PowerState::On));
}

#[tokio::test]
async fn a_machine_that_is_on_is_power_cycled_to_boot_from_the_network() {
    let bmc = Bmc::start("1");
    let switched = bmc.switched().await;
    assert_eq!(switched.boot_from_network().await, Ok(NetworkBoot::Confirmed));
    assert_eq!(bmc.asked(), ["boot pxe", "power 0", "power 1"]);
}

#[tokio::test]
async fn a_machine_is_switched_off_and_what_is_so_already_is_left_alone() {
    let bmc = Bmc::start("1");
    let switched = bmc.switched().await;
    let (drivers, host) = (&switched.drivers, &switched.host);
    drivers.switch_on(host).await.unwrap();
    assert_eq!(bmc.asked(), [] as [&str; 0]);
    drivers.switch_off(host).await.unwrap();
    drivers.switch_off(host).await.unwrap();
    assert_eq!(bmc.asked(), ["power 0"]);
    drivers.cycle(host).await.unwrap();
    assert_eq!(bmc.asked(), ["power 0", "power 1"], "one that is off is switched on");
}

#[tokio::test]
async fn a_wrong_user_or_password_is_one_sentence_and_changes_nothing() {
    let bmc = Bmc::start("0");
    for (user, password) in [("rackseed", "Wrong-word"), ("nobody", PASSWORD)] {
        let switched = Switched::new(bmc.options(json!({ "user": user })), Some(password)).await;
        let error = switched.boot_from_network().await.unwrap_err();
        assert!(!error.may_pass());
        let expected = format!(
            "the BMC at 127.0.0.1 (IPMI port {}) refused the login of `{user}`; store the right password: `rackseed host power-secret pve-01`",
            bmc.port
        );
        assert_eq!(error.to_string(), expected);
    }
    assert_eq!(bmc.asked(), [] as [&str; 0]);
}

#[tokio::test]
async fn a_cipher_suite_that_the_bmc_does_not_know_is_said() {
    let bmc = Bmc::start("0");
    let switched = Switched::new(bmc.options(json!({ "cipher_suite": 17 })), Some(PASSWORD)).await;
    let error = switched.boot_from_network().await.unwrap_err();
    let is_told =
        matches!(&error, PowerError::NotSupported(sentence) if sentence.contains("power.ipmi.cipher_suite=3"));
    assert!(is_told, "{error:?}");
    assert_eq!(bmc.asked(), [] as [&str; 0]);
}

#[tokio::test]
async fn a_bmc_that_is_away_or_has_no_name_is_one_sentence_and_may_be_tried_again() {
    let port = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    for address in ["127.0.0.1", "bmc.invalid"] {
        let options = json!({ "driver": "ipmi", "ipmi": { "address": address, "port": port, "user": "rackseed" } });
        let error = Switched::new(options, Some(PASSWORD)).await.status().await.unwrap_err();
        assert!(error.may_pass(), "{error:?}");
        let sentence = error.to_string();
        let begin = format!("the BMC at {address} (IPMI port {port}) cannot be reached: ");
        assert!(sentence.starts_with(&begin) && !sentence.contains('\n'), "{sentence}");
    }
}

#[tokio::test]
async fn a_password_is_in_no_argument_that_other_users_could_read() {
    // Nobody answers here, so that the command is there to be looked at for some seconds.
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    let options = json!({ "driver": "ipmi", "ipmi": { "address": "127.0.0.1", "port": port, "user": "rackseed" } });
    let switched = Switched::new(options, Some("Never-in-arguments")).await;
    let asking = tokio::spawn(async move { switched.status().await });
    let mut seen = String::new();
    let end = Instant::now() + Duration::from_secs(10);
    while seen.is_empty() && Instant::now() < end {
        tokio::time::sleep(Duration::from_millis(20)).await;
        let processes =
            fs::read_dir("/proc").unwrap().filter_map(|entry| fs::read(entry.ok()?.path().join("cmdline")).ok());
        let lines = processes.map(|line| String::from_utf8_lossy(&line).replace('\0', " "));
        seen = lines.filter(|line| line.starts_with("ipmitool") && line.contains(&port.to_string())).collect();
    }
    assert!(seen.contains("-U rackseed") && !seen.contains("Never-in-arguments"), "{seen}");
    asking.abort();
}
