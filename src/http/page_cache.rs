//! Sees to it that bytes of a file are in memory before `sendfile` is asked for them.
//!
//! `sendfile` on a socket that never blocks still waits for the disk, and with it the thread that also answers DHCP. So we look first,
//! and what is not there is brought in on a thread that may wait, with the kernel's own read-ahead behind it.

use std::{
    fs::File,
    io::{self, IoSliceMut},
    ops::Range,
    sync::Arc,
};

use rustix::io::{ReadWriteFlags, preadv2};
use tokio::sync::Semaphore;

/// One byte in this many is asked for. The kernel reads, and drops, in units of about this size; a hole that is missed costs one wait,
/// and more looks cost more time than they save (128 KiB: 4 % of what sending costs).
const LOOK_STEP_BYTES: usize = 256 << 10;
/// How many threads may wait for the disk at once. More make a slow disk jump between many places, fewer leave a fast one idle.
const MOST_WAITING: usize = 8;

static WAITING: Semaphore = Semaphore::const_new(MOST_WAITING);

/// Waits until a range of a file can be sent without waiting for the disk.
pub(super) async fn bring_in(file: &Arc<File>, range: Range<u64>) -> io::Result<()> {
    if is_in_memory(file, &range) {
        return Ok(());
    }
    let waiting = WAITING.acquire().await.map_err(io::Error::other)?;
    let file = Arc::clone(file);
    let read = tokio::task::spawn_blocking(move || {
        let _waiting = waiting;
        read(&file, range)
    });
    read.await.map_err(io::Error::other)?
}

/// Whether a range is in memory, as far as a look at some of its bytes tells. Where the file system cannot say: no.
fn is_in_memory(file: &File, range: &Range<u64>) -> bool {
    let last = range.end.saturating_sub(1);
    (range.start..range.end).step_by(LOOK_STEP_BYTES).chain([last]).all(|place| {
        let mut byte = [0];
        preadv2(file, &mut [IoSliceMut::new(&mut byte)], place, ReadWriteFlags::NOWAIT).is_ok_and(|read| read == 1)
    })
}

/// Reads a range from the disk without copying it anywhere.
fn read(file: &File, range: Range<u64>) -> io::Result<()> {
    let nowhere = File::options().write(true).open("/dev/null")?;
    let mut next = range.start;
    while next < range.end {
        let rest = usize::try_from(range.end - next).unwrap_or(usize::MAX);
        if rustix::fs::sendfile(&nowhere, file, Some(&mut next), rest)? == 0 {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the file became shorter while it was sent"));
        }
    }
    Ok(())
}
