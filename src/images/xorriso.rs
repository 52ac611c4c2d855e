//! Runs `xorriso`, the program that reads and writes ISOs. Every run has a limit, and what it says on standard error becomes the error.

use std::{ffi::OsString, io, path::Path, process::Stdio, time::Duration};

use tokio::{
    io::{AsyncRead, AsyncReadExt},
    process::Command,
};

use super::AddError;

/// How long reading from an ISO may take.
pub(super) const READ_LIMIT: Duration = Duration::from_secs(5 * 60);
/// How long writing the PXE copy (up to 2 GiB) may take; a slow disk under load writes 5 MiB/s.
pub(super) const WRITE_LIMIT: Duration = Duration::from_secs(30 * 60);
/// How much of what the program says is kept: a list of files is far shorter, and an endless one must not fill the memory.
const SAID_LIMIT_BYTES: u64 = 4 << 20;
/// How much of standard error is told to a person, from its end.
const TOLD_CHARACTERS: usize = 600;

/// The program under the name by which it is started.
#[derive(Debug, Clone)]
pub(super) struct Xorriso {
    pub(super) program: OsString,
}

/// The address by which `xorriso` takes a regular file, and never a drive of a similar name.
pub(super) fn drive(path: &Path) -> OsString {
    let mut address = OsString::from("stdio:");
    address.push(path);
    address
}

impl Xorriso {
    /// Runs to the end and returns standard output. Dropping the future kills the program.
    pub(super) async fn run(
        &self,
        doing: &'static str,
        limit: Duration,
        arguments: &[OsString],
    ) -> Result<String, AddError> {
        // `-no_rc`: nobody's start-up file changes what the commands mean.
        let mut child = Command::new(&self.program)
            .arg("-no_rc")
            .args(arguments)
            .env("LC_ALL", "C")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| self.cannot_start(doing, error))?;
        let (mut said, mut complained) = (Vec::new(), Vec::new());
        let (output, error) = (child.stdout.take(), child.stderr.take());
        let ending = tokio::time::timeout(limit, async {
            tokio::join!(drain(output, &mut said), drain(error, &mut complained));
            child.wait().await
        })
        .await;
        let complaint = tail(&complained);
        match ending {
            Ok(Ok(status)) if status.success() => Ok(String::from_utf8_lossy(&said).into_owned()),
            Ok(Ok(status)) => Err(AddError::Xorriso { doing, said: format!("{complaint} ({status})") }),
            Ok(Err(source)) => Err(AddError::Folder { doing, source }),
            Err(_) => Err(AddError::XorrisoTimedOut { doing, limit, said: complaint }),
        }
    }

    fn cannot_start(&self, doing: &'static str, error: io::Error) -> AddError {
        if error.kind() == io::ErrorKind::NotFound {
            return AddError::MissingXorriso(self.program.to_string_lossy().into_owned());
        }
        AddError::Folder { doing, source: error }
    }
}

/// Reads to the end, so that the program never waits for us, and keeps the beginning.
async fn drain(stream: Option<impl AsyncRead + Unpin>, kept: &mut Vec<u8>) {
    let Some(mut stream) = stream else { return };
    // A pipe that breaks is the end of what was said; the exit status says whether it matters.
    let _ = (&mut stream).take(SAID_LIMIT_BYTES).read_to_end(kept).await;
    let _ = tokio::io::copy(&mut stream, &mut tokio::io::sink()).await;
}

/// The lines that say what went wrong; all lines when none is marked.
fn tail(complained: &[u8]) -> String {
    let text = String::from_utf8_lossy(complained);
    let serious = |line: &&str| ["FAILURE", "FATAL", "SORRY", "ABORT"].iter().any(|word| line.contains(word));
    let mut told = text.lines().filter(serious).map(str::trim).collect::<Vec<_>>().join("; ");
    if told.is_empty() {
        told = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join("; ");
    }
    let surplus = told.chars().count().saturating_sub(TOLD_CHARACTERS);
    told.chars().skip(surplus).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_run_that_does_not_end_is_killed_at_its_limit() {
        let folder = tempfile::tempdir().unwrap();
        let (program, started) = (folder.path().join("program"), folder.path().join("started"));
        let script = format!("#!/bin/sh\necho half a word >&2\necho $$ > {}\nexec sleep 600\n", started.display());
        std::fs::write(&program, script).unwrap();
        std::fs::set_permissions(&program, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        let limit = Duration::from_millis(700);
        let error = Xorriso { program: program.into() }.run("sleeping", limit, &[]).await.unwrap_err();
        assert!(matches!(&error, AddError::XorrisoTimedOut { said, .. } if said == "half a word"), "{error}");
        let id = std::fs::read_to_string(started).unwrap();
        let status = format!("/proc/{}/status", id.trim());
        let end = std::time::Instant::now() + Duration::from_secs(5);
        // Killed means gone, or waiting to be collected.
        while std::fs::read_to_string(&status).is_ok_and(|text| !text.contains("State:\tZ")) {
            assert!(std::time::Instant::now() < end, "it still runs");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}
