//! One command on a connection that is logged in.

use bytes::Bytes;
use russh::{ChannelMsg, ChannelReadHalf, ChannelWriteHalf, client::Msg};
use secrecy::ExposeSecret;

use super::connect::Connection;
use crate::ports::{Command, Login, Output, RemoteShellError};

/// How much of a command's standard output is kept; the rest is read and thrown away, so that the command can end.
const OUTPUT_LIMIT_BYTES: usize = 1 << 20;
/// The same for standard error.
const ERROR_LIMIT_BYTES: usize = 64 << 10;
/// The kind of extended data that is standard error (RFC 4254 §5.2).
const STANDARD_ERROR: u32 = 1;

/// Runs the command to its end. The caller bounds the time.
pub(super) async fn run_command(
    connection: &Connection,
    login: &Login,
    command: &Command,
) -> Result<Output, RemoteShellError> {
    let broken = |reason: String| RemoteShellError::Broken { address: login.address, reason };
    let channel =
        connection.channel_open_session().await.map_err(|error| broken(format!("no session was opened: {error}")))?;
    let (mut reader, writer) = channel.split();
    writer
        .exec(true, command.line.as_str())
        .await
        .map_err(|error| broken(format!("the command was not sent: {error}")))?;
    let input = Bytes::copy_from_slice(command.input.expose_secret().as_bytes());
    // Reading goes on while we write: writing everything first hangs as soon as the windows of both directions are full. When the
    // command ends without having read its input, the writer would wait for ever, so the reader alone decides when it is over.
    let report = tokio::select! {
        report = read_to_end(&mut reader) => report,
        never = feed(&writer, input) => match never {},
    };
    let _ = writer.close().await;
    report.finish().map_err(broken)
}

/// Writes the input and its end, then stays pending. A failed write is not told: the reader sees the channel end, with the reason.
async fn feed(writer: &ChannelWriteHalf<Msg>, input: Bytes) -> std::convert::Infallible {
    if writer.data_bytes(input).await.is_ok() {
        let _ = writer.eof().await;
    }
    std::future::pending().await
}

async fn read_to_end(reader: &mut ChannelReadHalf) -> Report {
    let mut report = Report::default();
    // Neither Eof nor ExitStatus is the end: output may still follow both.
    while let Some(message) = reader.wait().await {
        report.take(message);
    }
    report
}

/// What the channel has said so far.
#[derive(Default)]
struct Report {
    output: Vec<u8>,
    error: Vec<u8>,
    ending: Option<Ending>,
}

enum Ending {
    Status(u32),
    Signal(String),
    Refused,
}

impl Report {
    #[allow(
        clippy::wildcard_enum_match_arm,
        reason = "the messages are russh's own and open-ended; those of a server do not come"
    )]
    fn take(&mut self, message: ChannelMsg) {
        match message {
            ChannelMsg::Data { data } => keep(&mut self.output, &data, OUTPUT_LIMIT_BYTES),
            ChannelMsg::ExtendedData { data, ext: STANDARD_ERROR } => keep(&mut self.error, &data, ERROR_LIMIT_BYTES),
            ChannelMsg::ExitStatus { exit_status } => self.ending = Some(Ending::Status(exit_status)),
            ChannelMsg::ExitSignal { signal_name, .. } => {
                self.ending = Some(Ending::Signal(format!("{signal_name:?}")))
            }
            ChannelMsg::Failure => self.ending = Some(Ending::Refused),
            _ => {}
        }
    }

    fn finish(self) -> Result<Output, String> {
        let mut error = String::from_utf8_lossy(&self.error).into_owned();
        let status = match self.ending {
            Some(Ending::Status(status)) => Some(status),
            Some(Ending::Signal(name)) => {
                error.push_str(&format!("[ended by signal {name}]"));
                None
            }
            Some(Ending::Refused) => return Err("the node refused to run a command".to_owned()),
            None => return Err("it ended before the command did".to_owned()),
        };
        Ok(Output { status, output: String::from_utf8_lossy(&self.output).into_owned(), error })
    }
}

fn keep(kept: &mut Vec<u8>, data: &[u8], limit: usize) {
    let room = limit.saturating_sub(kept.len());
    kept.extend_from_slice(&data[..room.min(data.len())]);
}
