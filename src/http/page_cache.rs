//! Sees to it that bytes of a file are in memory before `sendfile` is asked for them.
//!
//! `sendfile` on a socket that never blocks still waits for the disk, and with it the thread that also answers DHCP. So we look first,
//! and what is not there is read on a thread that may wait. From then on the kernel's own read-ahead is in front of us most of the time.

use std::{
    fs::File,
    io::{self, IoSliceMut},
    ops::Range,
    os::unix::fs::FileExt,
    sync::Arc,
};

use rustix::io::{ReadWriteFlags, preadv2};
use tokio::sync::Semaphore;

/// One byte in this many is asked for. The kernel reads ahead, and drops, in units of about this size; a hole that is missed costs one wait.
const PROBE_STEP_BYTES: usize = 128 << 10;
/// How many threads may wait for the disk at once. More read many places of a slow disk in turn, fewer leave a fast one idle.
const MOST_READERS: usize = 8;
/// How much is read at a time.
const READ_BYTES: usize = 128 << 10;

static READERS: Semaphore = Semaphore::const_new(MOST_READERS);

/// Waits until a range of a file can be sent without waiting for the disk.
pub(super) async fn bring_in(file: &Arc<File>, range: Range<u64>) -> io::Result<()> {
    if is_in_memory(file, &range) {
        return Ok(());
    }
    let reader = READERS.acquire().await.map_err(io::Error::other)?;
    let file = Arc::clone(file);
    let read = tokio::task::spawn_blocking(move || {
        let _reader = reader;
        read_through(&file, range)
    });
    read.await.map_err(io::Error::other)?
}

/// Whether a range is in memory, as far as a look at some of its bytes tells. Where the file system cannot say: no.
fn is_in_memory(file: &File, range: &Range<u64>) -> bool {
    let last = range.end.saturating_sub(1);
    (range.start..range.end).step_by(PROBE_STEP_BYTES).chain([last]).all(|place| {
        let mut byte = [0];
        preadv2(file, &mut [IoSliceMut::new(&mut byte)], place, ReadWriteFlags::NOWAIT).is_ok_and(|read| read == 1)
    })
}

fn read_through(file: &File, range: Range<u64>) -> io::Result<()> {
    let mut buffer = vec![0; READ_BYTES];
    let mut next = range.start;
    while next < range.end {
        match file.read_at(&mut buffer, next) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(read) => next += read as u64,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
