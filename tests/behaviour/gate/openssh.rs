//! The gate behind a real OpenSSH server: what `restrict,command=` and `expiry-time=` of our lines do there.

use std::{fs, net::SocketAddr, process::Command as Program, time::Duration};

use crate::support::sshd::Sshd;
use rackseed::{
    ports::{Command, Credential, Login, Output, RemoteShell, RemoteShellError, SshKeys},
    remote_shell::Ssh,
};
use secrecy::SecretSlice;
use tempfile::TempDir;

use super::script::SCRIPT;

const PATIENCE: Duration = Duration::from_secs(20);
const GATE_KEY: [u8; 32] = [5; 32];
const JOINING_KEY: [u8; 32] = [6; 32];

/// A member with a real server, whose files are in a folder.
struct Member {
    folder: TempDir,
    server: Sshd,
    address: SocketAddr,
    host_key: String,
}

impl Member {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::create_dir_all(path("priv")).unwrap();
        fs::write(path(".members"), "{\"nodename\": \"pve-01\"}\n").unwrap();
        fs::write(path("priv/authorized_keys"), "").unwrap();
        let led = SCRIPT.replace("/etc/pve", &folder.path().display().to_string());
        fs::write(path("gate"), led).unwrap();
        let gate = Ssh.public_line(&SecretSlice::from(GATE_KEY.to_vec()), "rackseed-join-gate").unwrap();
        let line = format!("restrict,command=\"sh {}\" {gate}\n", path("gate").display());
        fs::write(path("authorized_keys2"), line).unwrap();
        text_of(Program::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(path("host")));
        let configuration = format!(
            "HostKey {0}/host\nAuthorizedKeysFile {0}/priv/authorized_keys {0}/authorized_keys2\nSubsystem sftp internal-sftp\nLogLevel VERBOSE\n",
            folder.path().display()
        );
        let server = Sshd::start(folder.path(), &configuration);
        let host_key = fs::read_to_string(path("host.pub")).unwrap();
        Self { address: server.address, server, host_key, folder }
    }

    async fn run(&self, key: [u8; 32], line: &str) -> Result<Output, RemoteShellError> {
        let login = Login {
            address: self.address,
            user: text_of(Program::new("id").arg("-un")).trim().to_owned(),
            credential: Credential::Ed25519(SecretSlice::from(key.to_vec())),
            host_key: self.host_key.clone(),
        };
        Ssh.run(&login, &Command::new(line, PATIENCE)).await
    }

    fn keys(&self) -> String {
        fs::read_to_string(self.folder.path().join("priv/authorized_keys")).unwrap()
    }
}

fn text_of(program: &mut Program) -> String {
    let output = program.output().unwrap();
    assert!(output.status.success(), "{program:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn joining_line() -> String {
    Ssh.public_line(&SecretSlice::from(JOINING_KEY.to_vec()), "").unwrap().trim().to_owned()
}

#[tokio::test]
async fn the_gates_key_has_the_gates_commands_done_and_no_other() {
    let member = Member::start();
    let said = member.run(GATE_KEY, "members").await.unwrap();
    assert_eq!((said.status, said.output.as_str()), (Some(0), "{\"nodename\": \"pve-01\"}\n"), "{said:?}");
    for hostile in
        ["id", "members; id", "sh -c id", "$(id)", "", "members\nid", "cat /etc/shadow", "scp -t /tmp", "internal-sftp"]
    {
        let said = member.run(GATE_KEY, hostile).await.unwrap();
        assert_eq!((said.status, said.output.as_str()), (Some(64), ""), "`{hostile}`: {said:?}");
        assert!(said.error.starts_with("rackseed-join-gate: "), "`{hostile}`: {said:?}");
    }
}

#[tokio::test]
async fn the_gates_key_opens_no_terminal_no_port_and_no_files() {
    let member = Member::start();
    let keys = tempfile::tempdir().unwrap();
    let known = format!("[{}]:{} {}", member.address.ip(), member.address.port(), member.host_key);
    fs::write(keys.path().join("known"), known).unwrap();
    // OpenSSH's own client needs a file of its own making.
    text_of(Program::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(keys.path().join("gate")));
    let public = fs::read_to_string(keys.path().join("gate.pub")).unwrap();
    let script = member.folder.path().join("gate");
    let line = format!("restrict,command=\"sh {}\" {public}", script.display());
    fs::write(member.folder.path().join("authorized_keys2"), line).unwrap();
    let client = |program: &str, words: &[&str]| {
        let mut command = Program::new(program);
        command.args(["-F", "none", "-o", "BatchMode=yes", "-i"]).arg(keys.path().join("gate"));
        command.arg("-o").arg(format!("UserKnownHostsFile={}", keys.path().join("known").display()));
        command.args(["-o", "HostKeyAlgorithms=ssh-ed25519"]).args(words).output().unwrap()
    };
    let (port, host) = (member.address.port().to_string(), member.address.ip().to_string());
    let said = client("ssh", &["-p", &port, &host, "members"]);
    assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
    let shell = client("ssh", &["-tt", "-p", &port, &host]);
    let told = String::from_utf8_lossy(&shell.stderr).into_owned();
    assert!(!shell.status.success() && told.contains("PTY allocation request failed"), "{told}");
    // A tunnel to the server itself: the port is open, so only the key's rules stand between.
    let tunnel = client("ssh", &["-p", &port, "-W", &format!("{host}:{port}"), &host]);
    assert!(!tunnel.status.success() && tunnel.stdout.is_empty(), "{tunnel:?}");
    let files = client("sftp", &["-P", &port, "-b", "/dev/null", &host]);
    assert!(!files.status.success(), "{files:?}");
}

#[tokio::test]
async fn a_joining_key_is_let_in_for_its_minutes_and_not_after() {
    let member = Member::start();
    let refused = member.run(JOINING_KEY, "true").await.unwrap_err();
    assert!(matches!(refused, RemoteShellError::LoginRefused { .. }), "{refused}");
    let said = member.run(GATE_KEY, &format!("authorise {} 5", joining_line())).await.unwrap();
    assert_eq!(said.status, Some(0), "{said:?}");
    assert_eq!(member.run(JOINING_KEY, "echo hello").await.unwrap().output, "hello\n");
    // The same line, written five minutes and some seconds ago.
    let past = text_of(Program::new("date").args(["-u", "-d", "-1 minute", "+%Y%m%d%H%MZ"]));
    let keys = member.keys();
    let time = keys.split('"').nth(1).unwrap().to_owned();
    fs::write(member.folder.path().join("priv/authorized_keys"), keys.replace(&time, past.trim())).unwrap();
    let refused = member.run(JOINING_KEY, "true").await.unwrap_err();
    assert!(matches!(refused, RemoteShellError::LoginRefused { .. }), "{refused}");
    member.server.log_once_it_says("Refused by key options");
    // And withdrawn before its time.
    member.run(GATE_KEY, &format!("authorise {} 5", joining_line())).await.unwrap();
    assert!(member.run(JOINING_KEY, "true").await.unwrap().is_success());
    assert!(member.run(GATE_KEY, &format!("withdraw {}", joining_line())).await.unwrap().is_success());
    assert!(member.run(JOINING_KEY, "true").await.is_err());
}
