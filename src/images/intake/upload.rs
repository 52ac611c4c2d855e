//! Takes one part of an upload: written as it arrives, never held in memory.

use std::sync::Arc;

use futures_util::StreamExt;
use tokio::io::AsyncWriteExt;

use super::{Inner, IntakeRefusal};
use crate::{
    domain::image_addition::{Addition, AdditionId, AdditionStage},
    ports::UploadChunks,
};

/// How a part ended.
enum End {
    /// All that the sender had to say.
    Sender,
    /// The connection broke.
    Broken(String),
}

/// Takes a part that begins at `offset`, and starts the job when nothing is missing any more.
pub(super) async fn receive(
    inner: &Arc<Inner>,
    id: &AdditionId,
    offset: u64,
    chunks: UploadChunks,
) -> Result<Addition, IntakeRefusal> {
    let (uploading, cancel, length) = {
        let jobs = inner.jobs();
        let job = jobs.get(id).ok_or_else(|| IntakeRefusal::Unknown(id.clone()))?;
        if job.addition.stage != AdditionStage::Uploading {
            return Err(IntakeRefusal::NotNow(format!("{} takes nothing more: {}", id, job.addition.sentence())));
        }
        (Arc::clone(&job.uploading), job.cancel.clone(), job.manifest.length)
    };
    let Ok(_alone) = uploading.try_lock() else {
        return Err(IntakeRefusal::NotNow("another request is sending a part of this upload right now".to_owned()));
    };
    let received = inner.incoming(id).received();
    if offset != received {
        return Err(IntakeRefusal::WrongOffset { offset: received });
    }
    let taken = tokio::select! {
        () = cancel.cancelled() => return Err(IntakeRefusal::Unknown(id.clone())),
        taken = write(inner, id, received, length, chunks) => taken,
    };
    let (received, end) = match taken {
        Ok(taken) => taken,
        Err(error) => {
            // It can never become whole: nothing of it is kept.
            inner.give_up(id, &error.to_string()).await;
            return Err(error);
        }
    };
    match (end, length) {
        (End::Broken(reason), _) => Err(IntakeRefusal::BrokenOff { offset: received, reason }),
        (End::Sender, Some(length)) if received < length => inner.known(id),
        (End::Sender, _) => {
            inner.start(id);
            inner.known(id)
        }
    }
}

async fn write(
    inner: &Arc<Inner>,
    id: &AdditionId,
    mut received: u64,
    length: Option<u64>,
    mut chunks: UploadChunks,
) -> Result<(u64, End), IntakeRefusal> {
    let most = length.unwrap_or(inner.limits.largest_bytes);
    let opened = tokio::fs::OpenOptions::new().append(true).open(inner.incoming(id).source()).await;
    let mut file = opened.map_err(cannot_write)?;
    let end = loop {
        let chunk = match tokio::time::timeout(inner.limits.silence, chunks.next()).await {
            Ok(Some(Ok(chunk))) => chunk,
            Ok(Some(Err(error))) => break End::Broken(error.to_string()),
            Ok(None) => break End::Sender,
            Err(_) => break End::Broken("nothing arrived any more".to_owned()),
        };
        received += chunk.len() as u64;
        if received > most {
            return Err(IntakeRefusal::TooLong(format!("the file is larger than the {most} bytes that were agreed")));
        }
        file.write_all(&chunk).await.map_err(cannot_write)?;
        inner.advance(id, |addition| addition.done_bytes = received);
    };
    file.flush().await.map_err(cannot_write)?;
    file.sync_all().await.map_err(cannot_write)?;
    Ok((received, end))
}

impl Inner {
    /// Ends an upload that cannot succeed.
    async fn give_up(&self, id: &AdditionId, problem: &str) {
        self.incoming(id).remove();
        if let Some(job) = self.jobs().get_mut(id) {
            job.addition.stage = AdditionStage::Failed;
            job.addition.problem = Some(problem.to_owned());
        }
        self.tell(id).await;
    }
}

fn cannot_write(error: std::io::Error) -> IntakeRefusal {
    if error.kind() == std::io::ErrorKind::StorageFull {
        return IntakeRefusal::NoRoom(
            "the disk of the image library became full; free some space, then send it again".to_owned(),
        );
    }
    IntakeRefusal::Folder(format!("cannot write to the image library: {error}"))
}
