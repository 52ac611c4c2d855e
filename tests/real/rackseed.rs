//! Rackseed itself, as an operator runs it: a settings file, the daemon, its API, its command line.

use std::{fs, path::PathBuf, process::Command, time::Duration};

use rusqlite::Connection;
use serde_json::Value;

use crate::{
    lab::{INTERFACE, Lab, SUBNET},
    machine::Machine,
    program::{Program, read_log, run, wait_until},
};

/// How long the daemon may take to answer after its start.
const START_LIMIT: Duration = Duration::from_secs(20);
/// How long a rebuild may take from its power-on to `ready`. Seen under emulation: two minutes.
const REBUILD_LIMIT: Duration = Duration::from_secs(480);
/// Where the operator's listener is; its namespace has no other.
const OPERATOR: &str = "http://127.0.0.1:8080";
/// Root's password on every node of the lab.
const PASSWORD: &str = "correct horse battery";

/// How a node that joins is let in by a member.
#[derive(Debug, Clone, Copy)]
pub(crate) enum WayIn {
    /// `proxmox.key_file`.
    Key,
    /// `proxmox.root_password_file`.
    Password,
}

/// A daemon in the lab.
pub(crate) struct Rackseed<'a> {
    lab: &'a Lab,
    daemon: Option<Program>,
}

impl<'a> Rackseed<'a> {
    /// Writes everything that an operator writes, and starts nothing yet.
    pub(crate) fn new(lab: &'a Lab) -> Self {
        let rackseed = Self { lab, daemon: None };
        let file = |name: &str| lab.folder.join(name);
        for key in ["operator-key", "member-key"] {
            run(Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-C", key, "-f"]).arg(file(key)));
        }
        let operator_key = fs::read_to_string(file("operator-key.pub")).expect("a public key");
        let template = format!(
            "[global]\ncountry = \"at\"\nkeyboard = \"de\"\ntimezone = \"Europe/Vienna\"\nmailto = \"root@{{{{ fqdn }}}}\"\nroot-ssh-keys = [\"{}\"]\n\n[network]\nsource = \"from-dhcp\"\n",
            operator_key.trim()
        );
        let server_types = "server_types:\n  lab:\n    display_name: Machine of the lab\n    boot_disk: /dev/vda\n    kernel_arguments: [\"console=ttyS0,115200\"]\n";
        for (folder, name, text) in [
            ("answer-templates", "default.toml", template.as_str()),
            ("server-types", "server-types.yaml", server_types),
        ] {
            fs::create_dir_all(file(folder)).expect("a catalog folder");
            fs::write(file(folder).join(name), text).expect("a catalog file");
        }
        fs::write(file("member-password"), format!("{PASSWORD}\n")).expect("a password file");
        run(Command::new("chmod").arg("600").arg(file("member-password")));
        rackseed
    }

    /// Writes the settings for one way in and starts the daemon, or starts it anew.
    pub(crate) fn start(&mut self, way: WayIn) {
        self.daemon = None;
        let hash = run(Command::new("openssl").args(["passwd", "-6", PASSWORD]));
        let credential = match way {
            WayIn::Key => "key_file: member-key",
            WayIn::Password => "root_password_file: member-password",
        };
        let settings = format!(
            "data_folder: data\nserver:\n  listen: 127.0.0.1:8080\npxe:\n  interface: {INTERFACE}\n  subnet: {SUBNET}\n\
             proxmox:\n  cluster_name: lab\n  {credential}\ncredentials:\n  root_password_hash: '{}'\n",
            hash.trim()
        );
        fs::write(self.settings(), settings).expect("a settings file");
        let mut serve = self.lab.in_server(env!("CARGO_BIN_EXE_rackseed"));
        serve.current_dir(&self.lab.folder).arg("--config").arg(self.settings()).arg("serve");
        serve.env("NO_COLOR", "1");
        let log = self.lab.folder.join("rackseed.log");
        let mut daemon = Program::start(&mut serve, &log);
        wait_until(START_LIMIT, "the daemon to answer", || {
            assert!(daemon.is_running(), "the daemon ended:\n{}", read_log(&log));
            self.curl(&["/healthz"]).status().is_ok_and(|status| status.success())
        });
        self.daemon = Some(daemon);
    }

    fn settings(&self) -> PathBuf {
        self.lab.folder.join("rackseed.yaml")
    }

    fn curl(&self, arguments: &[&str]) -> Command {
        let mut curl = self.lab.in_server("curl");
        curl.args(["--silent", "--show-error", "--fail-with-body", "--max-time", "20", "--output", "-"]);
        // The daemon makes it before it serves for the first time.
        if let Ok(token) = fs::read_to_string(self.lab.folder.join("data/command-line-token")) {
            curl.arg("--header").arg(format!("Authorization: Bearer {}", token.trim_end()));
        }
        curl.args(&arguments[1..]).arg(format!("{OPERATOR}{}", arguments[0]));
        curl.stdout(std::process::Stdio::piped());
        curl
    }

    /// Asks the API.
    pub(crate) fn get(&self, path: &str) -> Value {
        let said = run(&mut self.curl(&[path]));
        serde_json::from_str(&said).unwrap_or_else(|error| panic!("{path} said no JSON ({error}): {said}"))
    }

    fn post(&self, path: &str, body: &Value) -> Value {
        let body = body.to_string();
        let said = run(&mut self.curl(&[path, "--header", "Content-Type: application/json", "--data", &body]));
        serde_json::from_str(&said).unwrap_or_else(|error| panic!("{path} said no JSON ({error}): {said}"))
    }

    /// Adds an image with the command line, as an operator does.
    pub(crate) fn add_image(&self, iso: &std::path::Path) {
        let mut add = self.lab.in_server(env!("CARGO_BIN_EXE_rackseed"));
        add.current_dir(&self.lab.folder).arg("--config").arg(self.settings()).args(["image", "add"]).arg(iso);
        self.lab.note(run(&mut add).trim());
    }

    /// Registers a machine and returns its id.
    pub(crate) fn register(&self, machine: &Machine<'_>) -> String {
        let body = serde_json::json!({ "hostname": machine.name, "mac": machine.mac, "server_type": "lab" });
        self.post("/api/hosts", &body)["id"].as_str().expect("an id").to_owned()
    }

    /// Changes what was chosen for a host.
    pub(crate) fn choose(&self, id: &str, options: &Value) {
        let body = serde_json::json!({ "options": options }).to_string();
        run(&mut self.curl(&[
            &format!("/api/hosts/{id}"),
            "--request",
            "PATCH",
            "--header",
            "Content-Type: application/json",
            "--data",
            &body,
        ]));
    }

    /// Arms a host.
    pub(crate) fn rebuild(&self, id: &str, hostname: &str) {
        self.post(&format!("/api/hosts/{id}/rebuild"), &serde_json::json!({ "confirm": hostname }));
    }

    /// Follows a host until it is `ready`.
    pub(crate) fn wait_until_ready(&self, id: &str, machine: &mut Machine<'_>) -> Value {
        self.follow(id, machine, "ready", |host| host["state"] == "ready" && host["operation"]["status"] == "succeeded")
    }

    /// Follows a host until its installer was given its answer.
    pub(crate) fn wait_until_installing(&self, id: &str, machine: &mut Machine<'_>) {
        self.follow(id, machine, "installing", |host| host["state"] == "installing");
    }

    /// Follows a host, telling every state, until it is there; panics as soon as it cannot come there.
    fn follow(&self, id: &str, machine: &mut Machine<'_>, goal: &str, is_there: impl Fn(&Value) -> bool) -> Value {
        let mut last = String::new();
        let mut host = Value::Null;
        let what = format!("{} to be {goal}", machine.name);
        wait_until(REBUILD_LIMIT, &what, || {
            host = self.get(&format!("/api/hosts/{id}"));
            let operation = &host["operation"];
            let steps = operation["steps"].as_array().cloned().unwrap_or_default();
            let step = steps.iter().rfind(|step| step["started_at"].is_string()).cloned().unwrap_or_default();
            let now = format!(
                "{} is {}; {} {} {}",
                machine.name, host["state"], step["name"], step["status"], step["reason"]
            );
            if now != last {
                self.lab.note(&now);
                last = now;
            }
            let status = operation["status"].as_str().unwrap_or_default();
            let is_stuck = host["state"] == "failed" || ["needs_attention", "failed", "cancelled"].contains(&status);
            assert!(!is_stuck, "{host:#}\n{}", read_log(&self.lab.folder.join("rackseed.log")));
            machine.check();
            is_there(&host)
        });
        host
    }

    /// The lines of the daemon's log that name a machine.
    pub(crate) fn log_of(&self, mac: &str) -> String {
        let log = read_log(&self.lab.folder.join("rackseed.log"));
        log.lines().filter(|line| line.contains(mac)).collect::<Vec<_>>().join("\n")
    }

    /// When a host came into a state, in seconds of the Unix epoch.
    pub(crate) fn came_into(host: &Value, state: &str) -> i64 {
        let history = host["history"].as_array().expect("a history");
        let entry =
            history.iter().rfind(|entry| entry["to"] == state).unwrap_or_else(|| panic!("never {state}: {host:#}"));
        let at: jiff::Timestamp = entry["at"].as_str().expect("a time").parse().expect("a time");
        at.as_second()
    }

    /// The ephemeral public key of a host's rebuild (`TYPE BASE64`), and how many secrets of rebuilds the database still holds.
    pub(crate) fn key_and_secrets(&self, host: &Value) -> (String, i64) {
        let store = Connection::open(self.lab.folder.join("data/rackseed.db")).expect("the database");
        let operation = host["operation"]["id"].as_str().expect("an operation");
        let key: String = store
            .query_row("SELECT public_key FROM rebuilds WHERE operation = ?1", [operation], |row| row.get(0))
            .expect("the rebuild");
        let secrets =
            store.query_row("SELECT count(*) FROM sealed_secrets", [], |row| row.get(0)).expect("the secrets");
        (key.split_whitespace().take(2).collect::<Vec<_>>().join(" "), secrets)
    }
}
