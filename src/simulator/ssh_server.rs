//! The SSH server of a simulated node: its own Ed25519 host key, root's keys as they stand in the node's files
//! with their forced commands and expiry times, commands in the node's shell.

use std::{borrow::Cow, collections::HashMap, io, net::SocketAddr, sync::Arc, time::Duration};

use russh::{
    Channel, ChannelId, ChannelMsg, ChannelReadHalf, Preferred, kex,
    server::{self, Auth, ChannelOpenHandle, Handle, Msg, Session, VerifiedPublicKey},
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    process::{Child, ChildStdin},
    task::JoinHandle,
};

use super::{SimulatedNode, authorized_keys::KeyRules};

/// How long a refused login waits for its answer. OpenSSH takes longer; a rehearsal need not.
const REFUSAL_PAUSE: Duration = Duration::from_millis(20);
/// The kind of extended data that is standard error (RFC 4254 §5.2).
const STANDARD_ERROR: u32 = 1;

/// A running server; it ends when this is dropped.
pub struct SimulatedSshServer {
    task: JoinHandle<()>,
}

impl SimulatedSshServer {
    /// Listens on the node's address.
    pub async fn start(node: Arc<SimulatedNode>, port: u16) -> io::Result<Self> {
        let listener = TcpListener::bind(SocketAddr::from((node.address, port))).await?;
        let configuration = Arc::new(server::Config {
            keys: vec![node.host_key().clone()],
            // The key exchange of every OpenSSH since 2014; newer ones cost several times as much in a build without optimisation.
            preferred: Preferred { kex: Cow::Borrowed(&[kex::CURVE25519]), ..Preferred::default() },
            auth_rejection_time: REFUSAL_PAUSE,
            auth_rejection_time_initial: Some(REFUSAL_PAUSE),
            nodelay: true,
            ..server::Config::default()
        });
        let task = tokio::spawn(async move {
            while let Ok((socket, client)) = listener.accept().await {
                let session = RootSession {
                    node: Arc::clone(&node),
                    rules: KeyRules::default(),
                    client,
                    channels: HashMap::new(),
                };
                let configuration = Arc::clone(&configuration);
                tokio::spawn(async move {
                    if let Ok(session) = server::run_stream(configuration, socket, session).await {
                        // A connection that breaks is the client's to notice.
                        let _ = session.await;
                    }
                });
            }
        });
        Ok(Self { task })
    }
}

impl Drop for SimulatedSshServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct RootSession {
    node: Arc<SimulatedNode>,
    /// What the accepted key may do.
    rules: KeyRules,
    client: SocketAddr,
    channels: HashMap<ChannelId, Channel<Msg>>,
}

impl RootSession {
    fn note_login(&self, accepted: bool, by: &str) {
        self.node.note_keys();
        self.node.log().note(if accepted { "login accepted" } else { "login refused" }, by);
    }
}

impl server::Handler for RootSession {
    type Error = russh::Error;

    async fn auth_password(&mut self, user: &str, password: &str) -> Result<Auth, Self::Error> {
        let accepted = user == "root" && self.node.accepts_password(password);
        self.note_login(accepted, "password");
        Ok(if accepted { Auth::Accept } else { Auth::reject() })
    }

    async fn auth_publickey(&mut self, user: &str, key: VerifiedPublicKey<'_>) -> Result<Auth, Self::Error> {
        let line = key.public_key.to_openssh()?;
        let rules = self.node.rules_of_key(&line).filter(|_| user == "root");
        self.note_login(rules.is_some(), &line);
        let Some(rules) = rules else { return Ok(Auth::reject()) };
        self.rules = rules;
        Ok(Auth::Accept)
    }

    async fn channel_open_session(
        &mut self,
        channel: Channel<Msg>,
        reply: ChannelOpenHandle,
        _session: &mut Session,
    ) -> Result<(), Self::Error> {
        self.channels.insert(channel.id(), channel);
        reply.accept().await;
        Ok(())
    }

    async fn exec_request(
        &mut self,
        channel: ChannelId,
        line: &[u8],
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        let Some(opened) = self.channels.remove(&channel) else { return session.channel_failure(channel) };
        session.channel_success(channel)?;
        let (input, _) = opened.split();
        let asked = String::from_utf8_lossy(line);
        self.node.log().note("command started", &asked);
        let started = self.node.start_login_command(&asked, self.rules.forced_command.as_deref(), self.client);
        tokio::spawn(run_command(Arc::clone(&self.node), started, input, channel, session.handle()));
        Ok(())
    }
}

/// Runs one command to its end; a client that is gone does not end it, as with a real server.
async fn run_command(
    node: Arc<SimulatedNode>,
    started: io::Result<Child>,
    input: ChannelReadHalf,
    channel: ChannelId,
    client: Handle,
) {
    let mut child = match started {
        Ok(child) => child,
        Err(error) => {
            let _ = client.extended_data(channel, STANDARD_ERROR, error.to_string().into_bytes()).await;
            let _ = client.exit_status_request(channel, 127).await;
            let _ = client.close(channel).await;
            return;
        }
    };
    let feeding = child.stdin.take().map(|stdin| tokio::spawn(feed(input, stdin)));
    let (output, error) = (child.stdout.take(), child.stderr.take());
    tokio::join!(drain(output, channel, &client, false), drain(error, channel, &client, true));
    let status = child.wait().await.ok().and_then(|status| status.code()).and_then(|code| u32::try_from(code).ok());
    if let Some(feeding) = feeding {
        feeding.abort();
    }
    node.note_keys();
    node.log().note("command ended", &status.map_or_else(|| "by a signal".to_owned(), |status| status.to_string()));
    let _ = client.exit_status_request(channel, status.unwrap_or(255)).await;
    let _ = client.eof(channel).await;
    let _ = client.close(channel).await;
}

#[allow(
    clippy::wildcard_enum_match_arm,
    reason = "the messages are russh's own and open-ended; only input matters here"
)]
async fn feed(mut input: ChannelReadHalf, mut stdin: ChildStdin) {
    while let Some(message) = input.wait().await {
        match message {
            // A command that ended without reading its input is no error.
            ChannelMsg::Data { data } if stdin.write_all(&data).await.is_err() => return,
            ChannelMsg::Eof | ChannelMsg::Close => return,
            _ => {}
        }
    }
}

async fn drain(source: Option<impl AsyncRead + Unpin>, channel: ChannelId, client: &Handle, is_error: bool) {
    let Some(mut source) = source else { return };
    let mut buffer = vec![0; 16 << 10];
    while let Ok(length @ 1..) = source.read(&mut buffer).await {
        let bytes = buffer[..length].to_vec();
        if is_error {
            let _ = client.extended_data(channel, STANDARD_ERROR, bytes).await;
        } else {
            let _ = client.data(channel, bytes).await;
        }
    }
}
