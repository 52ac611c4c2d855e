//! What the SSH client does beside a real OpenSSH server, and, for passwords, beside a server of the same library.

use std::{
    fs,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::PathBuf,
    process::Command as Program,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use crate::support::sshd::Sshd;
use rackseed::{
    ports::{Command, Credential, Login, RemoteShell, RemoteShellError, SshKeys},
    remote_shell::Ssh,
};
use russh::{
    Channel, ChannelId,
    keys::{
        PrivateKey,
        ssh_key::private::{Ed25519Keypair, KeypairData},
    },
    server,
};
use secrecy::{SecretSlice, SecretString};
use tempfile::TempDir;

const PATIENCE: Duration = Duration::from_secs(20);

#[tokio::test]
async fn a_command_returns_its_output_its_error_and_its_status() {
    let node = Node::start();
    let output = node.run("echo out; echo err >&2; exit 7").await.unwrap();
    assert_eq!((output.status, output.output.as_str(), output.error.as_str()), (Some(7), "out\n", "err\n"));
    assert!(!output.is_success());
    assert!(node.run("true").await.unwrap().is_success());
}

#[tokio::test]
async fn a_command_that_a_signal_ended_has_no_status() {
    let output = Node::start().run("kill -KILL $$").await.unwrap();
    assert_eq!(output.status, None);
    assert!(output.error.contains("KILL"), "{output:?}");
}

#[tokio::test]
async fn a_command_gets_no_terminal() {
    let output = Node::start().run("test -t 0 || test -t 1 || echo none").await.unwrap();
    assert_eq!(output.output, "none\n");
}

#[tokio::test]
async fn of_much_output_the_first_part_is_kept_and_the_rest_is_drained() {
    let line =
        "head -c 20000000 /dev/zero | tr '\\0' o; head -c 5000000 /dev/zero | tr '\\0' e >&2; echo done >&2; exit 3";
    let output = Node::start().run(line).await.unwrap();
    assert_eq!((output.status, output.output.len(), output.error.len()), (Some(3), 1 << 20, 64 << 10));
}

#[tokio::test]
async fn two_mebibytes_go_through_cat_without_a_deadlock() {
    let node = Node::start();
    let input: String = "0123456789abcde\n".repeat(2 << 16);
    let counted = Command { input: SecretString::from(input.clone()), ..Command::new("cat | wc -c", PATIENCE) };
    assert_eq!(Ssh.run(&node.login(), &counted).await.unwrap().output.trim(), (2 << 20).to_string());
    let echoed = Command { input: SecretString::from(input.clone()), ..Command::new("cat", PATIENCE) };
    let output = Ssh.run(&node.login(), &echoed).await.unwrap();
    assert!(output.is_success() && input.starts_with(&output.output) && output.output.len() == 1 << 20);
}

#[tokio::test]
async fn input_that_nobody_reads_does_not_hold_the_command() {
    let node = Node::start();
    let input = SecretString::from("x".repeat(8 << 20));
    let output = Ssh.run(&node.login(), &Command { input, ..Command::new("exit 4", PATIENCE) }).await.unwrap();
    assert_eq!(output.status, Some(4));
}

#[tokio::test]
async fn a_command_that_takes_too_long_is_given_up_at_its_limit() {
    let node = Node::start();
    let began = Instant::now();
    let limit = Duration::from_millis(1500);
    let error = Ssh.run(&node.login(), &Command::new("sleep 30", limit)).await.unwrap_err();
    assert_eq!(error, RemoteShellError::TimedOut { address: node.address, limit });
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_server_with_another_host_key_is_sent_nothing() {
    let node = Node::start();
    let other = Ssh.public_line(&SecretSlice::from(vec![9; 32]), "").unwrap();
    let error =
        Ssh.run(&Login { host_key: other.clone(), ..node.login() }, &Command::new("true", PATIENCE)).await.unwrap_err();
    let expected = Ssh.fingerprint(&other).unwrap();
    let seen = Ssh.fingerprint(&node.host_key).unwrap();
    assert_eq!(error, RemoteShellError::HostKeyMismatch { address: node.address, expected, seen });
    // The same log, with the right key, does show the attempt: so its absence above means something.
    let log = node.server.log_once_it_says("Connection closed by");
    assert!(!log.contains("userauth") && !log.contains(&who_we_are()), "{log}");
    node.run("true").await.unwrap();
    let log = node.server.log_once_it_says(&format!("Accepted publickey for {}", who_we_are()));
    assert!(log.contains(&format!("userauth-request for user {}", who_we_are())), "{log}");
}

#[tokio::test]
async fn a_key_that_the_node_does_not_know_is_refused() {
    let node = Node::start();
    let credential = Credential::Ed25519(SecretSlice::from(vec![8; 32]));
    let error = Ssh.run(&Login { credential, ..node.login() }, &Command::new("true", PATIENCE)).await.unwrap_err();
    assert_eq!(error, RemoteShellError::LoginRefused { address: node.address, user: who_we_are() });
}

#[tokio::test]
async fn a_closed_port_is_told_within_the_limit() {
    let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
    let began = Instant::now();
    let login = Login { address: free, ..login(free, KEY, ANY_HOST_KEY) };
    let error = Ssh.run(&login, &Command::new("true", Duration::from_secs(2))).await.unwrap_err();
    assert!(matches!(error, RemoteShellError::CannotReach { .. }), "{error}");
    assert!(began.elapsed() < Duration::from_secs(3));
}

#[tokio::test]
async fn a_peer_that_accepts_and_says_nothing_is_told_within_the_limit() {
    let silent = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let began = Instant::now();
    let login = login(silent.local_addr().unwrap(), KEY, ANY_HOST_KEY);
    let error = Ssh.run(&login, &Command::new("true", Duration::from_secs(1))).await.unwrap_err();
    assert!(matches!(error, RemoteShellError::CannotReach { .. }), "{error}");
    assert!(began.elapsed() < Duration::from_secs(3));
}

#[tokio::test]
async fn a_key_file_logs_in_like_the_bytes_of_its_key() {
    let node = Node::start();
    let text = SecretString::from(fs::read_to_string(node.folder.path().join("operator")).unwrap());
    let credential = Credential::OpenSshKey(text);
    let output = Ssh.run(&Login { credential, ..node.login() }, &Command::new("echo hello", PATIENCE)).await.unwrap();
    assert_eq!(output.output, "hello\n");
}

#[tokio::test]
async fn a_password_logs_in_and_a_wrong_one_is_refused() {
    let server = PasswordServer::start().await;
    let login = |password: &str| Login {
        credential: Credential::Password(SecretString::from(password)),
        ..login(server.address, KEY, &server.host_key)
    };
    let output = Ssh.run(&login("correct horse"), &Command::new("uname", PATIENCE)).await.unwrap();
    assert_eq!((output.status, output.output.as_str()), (Some(0), "ran uname"));
    let error = Ssh.run(&login("wrong"), &Command::new("uname", PATIENCE)).await.unwrap_err();
    assert!(matches!(error, RemoteShellError::LoginRefused { .. }), "{error}");
    // A connection that ends before the answer is no refusal, which would be the proof that a key was removed.
    let error = Ssh.run(&login("hang up"), &Command::new("uname", PATIENCE)).await.unwrap_err();
    assert!(matches!(error, RemoteShellError::Broken { .. }), "{error}");
    assert_eq!(*server.passwords.lock().unwrap(), ["correct horse", "wrong", "hang up"]);
}

#[tokio::test]
async fn a_password_is_never_shown_to_a_server_with_another_host_key() {
    let server = PasswordServer::start().await;
    let credential = Credential::Password(SecretString::from("correct horse"));
    let login = Login { credential, ..login(server.address, KEY, ANY_HOST_KEY) };
    let error = Ssh.run(&login, &Command::new("uname", PATIENCE)).await.unwrap_err();
    assert!(matches!(error, RemoteShellError::HostKeyMismatch { .. }), "{error}");
    assert!(server.passwords.lock().unwrap().is_empty());
}

#[tokio::test]
async fn keys_that_cannot_be_used_are_refused_before_anything_is_sent() {
    let nowhere = SocketAddr::from((Ipv4Addr::LOCALHOST, 1));
    let unknown = Login { host_key: "unknown".to_owned(), ..login(nowhere, KEY, ANY_HOST_KEY) };
    let short =
        Login { credential: Credential::Ed25519(SecretSlice::from(vec![1; 31])), ..login(nowhere, KEY, ANY_HOST_KEY) };
    let garbage = Login {
        credential: Credential::OpenSshKey(SecretString::from("-----BEGIN NOTHING-----")),
        ..login(nowhere, KEY, ANY_HOST_KEY)
    };
    for login in [unknown, short, garbage] {
        let error = Ssh.run(&login, &Command::new("true", PATIENCE)).await.unwrap_err();
        assert!(matches!(error, RemoteShellError::InvalidKey(_)), "{error}");
    }
}

#[test]
fn public_lines_and_fingerprints_are_those_of_ssh_keygen() {
    let node = Node::start();
    let path = |name: &str| node.folder.path().join(name);
    let ours = Ssh.public_line(&SecretSlice::from(KEY.to_vec()), "rackseed rebuild").unwrap();
    fs::write(path("ours.pub"), format!("{ours}\n")).unwrap();
    assert!(ours.starts_with("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5") && ours.ends_with(" rackseed rebuild"), "{ours}");
    let printed = text_of(Program::new("ssh-keygen").arg("-lf").arg(path("ours.pub")));
    assert_eq!(printed.split_whitespace().nth(1), Some(Ssh.fingerprint(&ours).unwrap().as_str()));
    let file = SecretString::from(fs::read_to_string(path("operator")).unwrap());
    let public = fs::read_to_string(path("operator.pub")).unwrap();
    assert_eq!(Ssh.public_line_of_key_file(&file).unwrap(), public.trim());
    assert!(Ssh.public_line(&SecretSlice::from(KEY.to_vec()), "x\nssh-ed25519 AAAA evil").is_err());
}

#[test]
fn a_key_file_with_a_passphrase_or_of_another_kind_is_refused_with_the_reason() {
    let folder = tempfile::tempdir().unwrap();
    for (name, kind, passphrase, reason) in
        [("locked", "ed25519", "secret", "passphrase"), ("curve", "ecdsa", "", "only ssh-ed25519")]
    {
        make_key(&folder, name, kind, passphrase);
        let text = SecretString::from(fs::read_to_string(folder.path().join(name)).unwrap());
        let error = Ssh.public_line_of_key_file(&text).unwrap_err().to_string();
        assert!(error.contains(reason), "{error}");
    }
}

/// The bytes of the private key that nodes of these tests accept.
const KEY: [u8; 32] = [7; 32];
/// A host key that no server of these tests has.
const ANY_HOST_KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl";

fn login(address: SocketAddr, key: [u8; 32], host_key: &str) -> Login {
    Login {
        address,
        user: who_we_are(),
        credential: Credential::Ed25519(SecretSlice::from(key.to_vec())),
        host_key: host_key.to_owned(),
    }
}

/// The user that runs the tests: without root, a server can let in nobody else.
fn who_we_are() -> String {
    text_of(Program::new("id").arg("-un")).trim().to_owned()
}

/// A real OpenSSH server on a free port, in a folder of its own.
struct Node {
    folder: TempDir,
    server: Sshd,
    address: SocketAddr,
    host_key: String,
}

impl Node {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for (name, kind) in [("host", "ed25519"), ("host_ecdsa", "ecdsa"), ("operator", "ed25519")] {
            make_key(&folder, name, kind, "");
        }
        let path = |name: &str| folder.path().join(name);
        let ours = Ssh.public_line(&SecretSlice::from(KEY.to_vec()), "test").unwrap();
        let operator = fs::read_to_string(path("operator.pub")).unwrap();
        fs::write(path("authorized_keys"), format!("{ours}\n{operator}")).unwrap();
        // ECDSA comes first: a client that takes what it is shown first would fail.
        let configuration = format!(
            "HostKey {0}/host_ecdsa\nHostKey {0}/host\nAuthorizedKeysFile {0}/authorized_keys\nLogLevel DEBUG2\n",
            folder.path().display()
        );
        let server = Sshd::start(folder.path(), &configuration);
        let host_key = fs::read_to_string(path("host.pub")).unwrap();
        Self { address: server.address, server, host_key, folder }
    }

    fn login(&self) -> Login {
        login(self.address, KEY, &self.host_key)
    }

    async fn run(&self, line: &str) -> Result<rackseed::ports::Output, RemoteShellError> {
        Ssh.run(&self.login(), &Command::new(line, PATIENCE)).await
    }
}

fn make_key(folder: &TempDir, name: &str, kind: &str, passphrase: &str) {
    let path: PathBuf = folder.path().join(name);
    text_of(Program::new("ssh-keygen").args(["-q", "-t", kind, "-N", passphrase, "-C", name, "-f"]).arg(path));
}

fn text_of(program: &mut Program) -> String {
    let output = program.output().unwrap();
    assert!(output.status.success(), "{program:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// An SSH server that knows one password and repeats commands.
struct PasswordServer {
    address: SocketAddr,
    host_key: String,
    passwords: Arc<Mutex<Vec<String>>>,
}

impl PasswordServer {
    async fn start() -> Self {
        let keypair = KeypairData::from(Ed25519Keypair::from_seed(&[3; 32]));
        let key = PrivateKey::new(keypair, "").unwrap();
        let host_key = key.public_key().to_openssh().unwrap();
        let quickly = Duration::from_millis(1);
        let configuration = Arc::new(server::Config {
            keys: vec![key],
            auth_rejection_time: quickly,
            auth_rejection_time_initial: Some(quickly),
            ..server::Config::default()
        });
        let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let passwords = Arc::<Mutex<Vec<String>>>::default();
        let heard = Arc::clone(&passwords);
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let visitor = Visitor { passwords: Arc::clone(&heard) };
                if let Ok(session) = server::run_stream(Arc::clone(&configuration), socket, visitor).await {
                    tokio::spawn(session);
                }
            }
        });
        Self { address, host_key, passwords }
    }
}

struct Visitor {
    passwords: Arc<Mutex<Vec<String>>>,
}

impl server::Handler for Visitor {
    type Error = russh::Error;

    async fn auth_password(&mut self, _user: &str, password: &str) -> Result<server::Auth, Self::Error> {
        self.passwords.lock().unwrap().push(password.to_owned());
        match password {
            "correct horse" => Ok(server::Auth::Accept),
            "hang up" => Err(russh::Error::Disconnect),
            _ => Ok(server::Auth::reject()),
        }
    }

    async fn channel_open_session(
        &mut self,
        _channel: Channel<server::Msg>,
        reply: server::ChannelOpenHandle,
        _session: &mut server::Session,
    ) -> Result<(), Self::Error> {
        reply.accept().await;
        Ok(())
    }

    async fn exec_request(
        &mut self,
        channel: ChannelId,
        line: &[u8],
        session: &mut server::Session,
    ) -> Result<(), Self::Error> {
        session.channel_success(channel)?;
        session.data(channel, format!("ran {}", String::from_utf8_lossy(line)).into_bytes())?;
        session.exit_status_request(channel, 0)?;
        session.eof(channel)?;
        session.close(channel)
    }
}
