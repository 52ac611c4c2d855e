//! Programs that the lab runs: short ones to their end, long ones in the background until they are dropped.

use std::{
    fs::File,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

/// How long a program may take to end after it was asked to.
const END_LIMIT: Duration = Duration::from_secs(10);
/// How often something is looked at that is waited for.
const LOOK_PAUSE: Duration = Duration::from_millis(200);

/// Runs a program to its end and returns what it said; panics with all that it said if it fails.
pub(crate) fn run(command: &mut Command) -> String {
    let output =
        command.stdin(Stdio::null()).output().unwrap_or_else(|error| panic!("cannot run {command:?}: {error}"));
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?} failed with {}:\n{said}{complaint}", output.status);
    said
}

/// Runs `ip` with these words.
pub(crate) fn ip(words: &str) {
    run(Command::new("ip").args(words.split_whitespace()));
}

/// A command that runs a program inside a network namespace.
pub(crate) fn inside(namespace: &str, program: &str) -> Command {
    let mut command = Command::new("ip");
    command.args(["netns", "exec", namespace, program]);
    command
}

/// A program in the background. It ends when this is dropped, also when a test panics; only ever by its own process id.
pub(crate) struct Program {
    child: Child,
    /// What it says.
    pub(crate) log: PathBuf,
}

impl Program {
    /// Starts a program whose output goes into a file.
    pub(crate) fn start(command: &mut Command, log: &Path) -> Self {
        let file = File::options().create(true).append(true).open(log).expect("a log file");
        let copy = file.try_clone().expect("a log file");
        let child = command.stdin(Stdio::null()).stdout(file).stderr(copy).spawn();
        let child = child.unwrap_or_else(|error| panic!("cannot start {command:?}: {error}"));
        Self { child, log: log.to_owned() }
    }

    /// Whether it still runs.
    pub(crate) fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Waits until it ended by itself.
    pub(crate) fn wait(&mut self, limit: Duration) {
        let log = self.log.clone();
        wait_until(limit, &format!("the end of the program that writes {}", log.display()), || !self.is_running());
    }
}

impl Drop for Program {
    /// Asks it to end, and ends it if it does not.
    fn drop(&mut self) {
        if self.is_running() {
            let id = self.child.id().to_string();
            let _ = Command::new("kill").args(["-TERM", &id]).status();
            let end = Instant::now() + END_LIMIT;
            while self.is_running() && Instant::now() < end {
                sleep(LOOK_PAUSE);
            }
            let _ = self.child.kill();
        }
        let _ = self.child.wait();
    }
}

/// Looks again and again until something is so; panics when that takes too long.
pub(crate) fn wait_until(limit: Duration, what: &str, mut is_so: impl FnMut() -> bool) {
    let end = Instant::now() + limit;
    while !is_so() {
        assert!(Instant::now() < end, "waited {limit:?} in vain for {what}");
        sleep(LOOK_PAUSE);
    }
}

/// The text of a log, whatever bytes a console put into it; empty if it is not there.
pub(crate) fn read_log(path: &Path) -> String {
    String::from_utf8_lossy(&std::fs::read(path).unwrap_or_default()).into_owned()
}
