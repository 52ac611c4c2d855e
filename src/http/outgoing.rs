//! Sends a file to a machine: from the page cache to the socket by `sendfile`, so that not one byte of it passes through our memory.

use std::{fs::File, future::Future, io, ops::Range, sync::Arc, time::Duration};

use tokio::{
    io::{AsyncWriteExt, Interest},
    net::TcpStream,
    time::Instant,
};

use super::page_cache;
use crate::{domain::boot_trace::Transfer, ports::Segment};

/// How much of a file is brought into memory and then sent at a time. Less costs more system calls, more makes a cold start wait longer.
const PIECE_BYTES: u64 = 1 << 20;
/// How much is sent before the other connections have their turn, should this one never have to wait. Measured beside nginx: a turn after
/// every piece costs a third more time of the processor; at 2 GiB/s, this is 4 ms.
const TURN_BYTES: u64 = 8 << 20;

/// The body of a response, as an extension of it: what follows the head.
#[derive(Clone)]
pub(super) struct Outgoing {
    /// What is sent.
    pub(super) segments: Vec<Segment>,
    /// Whether the file's last byte is among it.
    pub(super) reaches_end: bool,
    /// Is told how it went.
    pub(super) report: Arc<dyn Fn(Transfer) + Send + Sync>,
}

impl Outgoing {
    /// Sends all of it. A machine that takes nothing for as long as `stall` is cut off.
    pub(super) async fn send(self, stream: &mut TcpStream, stall: Duration) -> io::Result<()> {
        let mut progress = Progress { began: Instant::now(), sent: 0, whole: false, of: &self };
        for segment in &self.segments {
            match segment {
                Segment::Memory(bytes) => {
                    write(stream, bytes, stall).await?;
                    progress.sent += bytes.len() as u64;
                }
                Segment::Disk { file, range } => {
                    send_file(stream, file, range.clone(), stall, &mut progress.sent).await?;
                }
            }
        }
        progress.whole = true;
        Ok(())
    }
}

/// Tells how a transfer went, in whatever way it ends.
struct Progress<'a> {
    began: Instant,
    sent: u64,
    whole: bool,
    of: &'a Outgoing,
}

impl Drop for Progress<'_> {
    fn drop(&mut self) {
        // A machine that asked for a part from the middle and got it has neither the whole file, nor has it broken off.
        if self.whole && !self.of.reaches_end {
            return;
        }
        let milliseconds = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        (self.of.report)(Transfer { bytes: self.sent, milliseconds, complete: self.whole });
    }
}

async fn send_file(
    stream: &TcpStream,
    file: &Arc<File>,
    range: Range<u64>,
    stall: Duration,
    sent: &mut u64,
) -> io::Result<()> {
    let mut next = range.start;
    let mut turn_end = next + TURN_BYTES;
    while next < range.end {
        let end = range.end.min(next + PIECE_BYTES);
        page_cache::bring_in(file, next..end).await?;
        while next < end {
            // At most a piece.
            let rest = (end - next) as usize;
            let send = || Ok(rustix::fs::sendfile(stream, file, Some(&mut next), rest)?);
            let taken = within(stall, stream.async_io(Interest::WRITABLE, send)).await?;
            if taken == 0 {
                return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the file became shorter while it was sent"));
            }
            *sent += taken as u64;
        }
        if next >= turn_end {
            tokio::task::yield_now().await;
            turn_end = next + TURN_BYTES;
        }
    }
    Ok(())
}

/// Writes all bytes. A machine that takes nothing for as long as `stall` is cut off.
pub(super) async fn write(stream: &mut TcpStream, mut bytes: &[u8], stall: Duration) -> io::Result<()> {
    while !bytes.is_empty() {
        let taken = within(stall, stream.write(bytes)).await?;
        if taken == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        bytes = &bytes[taken..];
    }
    Ok(())
}

async fn within<T>(stall: Duration, sending: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    let stalled = |_| io::Error::new(io::ErrorKind::TimedOut, "the machine takes nothing more of what it asked for");
    tokio::time::timeout(stall, sending).await.map_err(stalled)?
}
