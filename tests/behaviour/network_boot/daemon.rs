//! The program itself, with no more rights than its container gives it.

use std::{
    fs::File,
    io::{Read, Write},
    net::TcpStream,
    path::Path,
    process::{Child, Command},
};

use serde_json::Value;

use super::*;

struct Daemon(Child);

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The capabilities in the container's description, as `setpriv` wants them.
fn container_capabilities() -> String {
    let compose: Value =
        serde_yaml::from_str(include_str!("../../../docker/compose.yaml")).expect("the container's description");
    let service = &compose["services"]["rackseed"];
    assert_eq!((service["network_mode"].as_str(), service["cap_drop"][0].as_str()), (Some("host"), Some("ALL")));
    let added = service["cap_add"].as_array().expect("capabilities");
    added.iter().map(|name| format!(",+{}", name.as_str().unwrap().to_lowercase())).collect()
}

/// Asks the daemon as a person's program.
fn get(namespace: &Namespace, data_folder: &Path, path: &str) -> Option<String> {
    let token = fs::read_to_string(data_folder.join("command-line-token")).ok()?;
    let answer = namespace.enter(|| {
        let mut stream = TcpStream::connect("127.0.0.1:8080").ok()?;
        let request = format!(
            "GET {path} HTTP/1.0\r\nHost: 127.0.0.1:8080\r\nAuthorization: Bearer {}\r\n\r\n",
            token.trim_end()
        );
        stream.write_all(request.as_bytes()).ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok().map(|_| answer)
    })?;
    Some(answer.split_once("\r\n\r\n")?.1.to_owned())
}

/// The program as it would run in the container, but with these capabilities.
fn serve(namespace: &Namespace, capabilities: &str, settings: &Path, log: &Path) -> Daemon {
    namespace.enter(|| {
        let mut command = Command::new("setpriv");
        command.args([&format!("--bounding-set=-all{capabilities}"), "--no-new-privs"]);
        command.arg(env!("CARGO_BIN_EXE_rackseed")).arg("--config").arg(settings).arg("serve");
        Daemon(command.stderr(File::create(log).unwrap()).spawn().unwrap())
    })
}

#[test]
fn without_the_right_to_open_its_ports_the_daemon_ends_and_names_the_right() {
    let server = Namespace::new();
    server.ip("link set lo up");
    server.ip("address add 10.91.1.1/24 dev lo");
    let folder = tempfile::tempdir().unwrap();
    let (settings, log) = (folder.path().join("rackseed.yaml"), folder.path().join("log"));
    for (capabilities, shared) in [("", false), (",+net_raw", false), (",+net_bind_service", true)] {
        let text =
            format!("data_folder: data\npxe: {{interface: lo, subnet: 10.91.1.0/24, dhcp_port_is_shared: {shared}}}\n");
        fs::write(&settings, text).unwrap();
        let mut daemon = serve(&server, capabilities, &settings, &log);
        let status = wait_for("the end of the daemon", || daemon.0.try_wait().unwrap());
        let log = fs::read_to_string(&log).unwrap();
        assert!(!status.success() && log.contains("CAP_NET_BIND_SERVICE and CAP_NET_RAW"), "{capabilities}: {log}");
    }
}

#[test]
fn the_daemon_waits_for_a_missing_interface_and_tells_each_change_once() {
    let (server, lan) = (Namespace::new(), Namespace::new());
    server.cable("eth0", &lan, "eth0");
    server.ip("address add 10.91.1.1/24 dev eth0");
    let folder = tempfile::tempdir().unwrap();
    let (settings, log) = (folder.path().join("rackseed.yaml"), folder.path().join("log"));
    let data = folder.path().join("data");
    let text = "data_folder: data\npxe: {interface: eth0, interfaces: [{name: vmbr9}], dhcp_port_is_shared: true}\n";
    fs::write(&settings, text).unwrap();
    let _daemon = serve(&server, &container_capabilities(), &settings, &log);
    let state = |name: &str, wanted: &str| {
        wait_for(&format!("{name} to be {wanted}"), || {
            let network: Value = serde_json::from_str(&get(&server, &data, "/api/network")?).ok()?;
            let interface = network["interfaces"].as_array()?.iter().find(|it| it["name"] == name)?.clone();
            (interface["state"] == wanted).then_some(interface)
        })
    };
    let missing = state("vmbr9", "waiting");
    assert_eq!(missing["detail"], "there is no network interface `vmbr9`; there are: eth0, lo");
    let page = get(&server, &data, "/").unwrap();
    assert!(page.contains("<code>vmbr9</code> can boot:</strong> there is no network interface"), "{page}");
    assert!(!page.contains("<code>eth0</code> can boot"), "{page}");
    let served = state("eth0", "answering");
    assert_eq!(served["addresses"][0], "10.91.1.1");
    let services: Vec<_> = served["services"].as_array().unwrap().iter().map(|it| it["port"].as_u64()).collect();
    assert_eq!(services, [Some(67), Some(4011), Some(69)]);
    server.cable("vmbr9", &lan, "eth9");
    server.ip("address add 10.91.9.1/24 dev vmbr9");
    state("vmbr9", "answering");
    assert!(!get(&server, &data, "/").unwrap().contains("vmbr9"));
    server.ip("link delete vmbr9");
    state("vmbr9", "waiting");
    // Two more looks, which find nothing new.
    std::thread::sleep(std::time::Duration::from_secs(5));
    let log = fs::read_to_string(log).unwrap();
    let lines = |what: &str| log.lines().filter(|line| line.contains("vmbr9") && line.contains(what)).count();
    assert_eq!(lines("WARN"), lines("no booting machine is answered there yet"), "{log}");
    assert_eq!((lines("there is no network interface"), lines("booting machines are answered from")), (2, 1), "{log}");
    assert!(!log.contains("panicked"), "{log}");
}
