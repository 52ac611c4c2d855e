//! What must be true of a host that is ready, whatever happened on its way: read from its node, and from what was done there.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use rackseed::simulator::NodeLog;

use crate::{
    daemon::is_ready,
    journal,
    member::{NAME, PASSWORD},
    world::{HOSTNAME, World},
};

/// How long a rebuild may take with all that is done to it here. It takes four seconds alone on the machine.
pub(crate) const READY_LIMIT: Duration = Duration::from_secs(120);
/// How long a ready node is watched for something that must not happen: longer than the daemon's own rounds.
const SETTLED: Duration = Duration::from_millis(1500);

/// How often each of the things was done that must not be done too often.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Times {
    /// The disk was written.
    pub(crate) installed: usize,
    /// The node was brought into the cluster.
    pub(crate) joined: usize,
    /// It was taken out of the cluster.
    pub(crate) removed: usize,
}

impl Times {
    /// Of one rebuild of a host that was in no cluster.
    pub(crate) const FIRST: Self = Self { installed: 1, joined: 1, removed: 0 };
}

/// Waits until the host is ready after its first rebuild, and holds everything against the node's own log.
pub(crate) async fn ends_ready_with_one_join(world: &World) {
    ends_ready_after(world, Times::FIRST).await;
}

/// The same for other stories.
pub(crate) async fn ends_ready_after(world: &World, times: Times) {
    let told = || world.tell();
    world.operator.wait_for(&world.host, "is ready", READY_LIMIT, is_ready).await;
    let log = world.node_log();
    let lines = log.lines().len();
    let key = journal::ephemeral_key(&world.data());

    assert_eq!(log.noted("installed").len(), times.installed, "the disk was not written so often\n{}", told());
    joins(&log, times.joined, &told);
    let removed = world.network.log(NAME).noted("pvecm started");
    let removed: Vec<_> = removed.iter().filter(|line| line.starts_with("delnode ")).collect();
    assert_eq!(removed.len(), times.removed, "{removed:?}\n{}", told());
    key_is_gone(&log, &key, world, &told);
    let text = log.lines().join("\n") + &fs::read_to_string(world.stage.path("daemon.log")).unwrap();
    assert!(!text.contains(PASSWORD), "a password was logged\n{}", told());
    assert_eq!(journal::secrets(&world.data()), 0, "secrets of the rebuild are left\n{}", told());

    tokio::time::sleep(SETTLED).await;
    assert_eq!(log.lines().len(), lines, "something was done to a ready node\n{}", told());
}

/// Exactly so many `pvecm create` or `add`, which all succeeded.
fn joins(log: &NodeLog, count: usize, told: &dyn Fn() -> String) {
    let started: Vec<_> = log
        .noted("pvecm started")
        .into_iter()
        .filter(|line| line.starts_with("create ") || line.starts_with("add "))
        .collect();
    assert_eq!(started.len(), count, "other joins than there should be: {started:?}\n{}", told());
    let ended = log.noted("pvecm ended");
    let well = ended.iter().filter(|line| line.ends_with(" 0")).count();
    assert!(ended.len() == count && well == count, "the join ended otherwise: {ended:?}\n{}", told());
}

/// The ephemeral key came, went, stands nowhere any more, and the daemon has tried it last and was refused.
fn key_is_gone(log: &NodeLog, key: &str, world: &World, told: &dyn Fn() -> String) {
    let named = |what: &str| log.noted(what).iter().any(|line| line.starts_with(key));
    assert!(named("key added") && named("key removed"), "the ephemeral key was never there, or never went\n{}", told());
    let last = log.lines().into_iter().rfind(|line| line.starts_with("login ") && line.contains(key));
    assert_eq!(last, Some(format!("login refused: {key}")), "the removal was not proved\n{}", told());
    let node = world.stage.path("network/nodes").join(HOSTNAME);
    // The first-boot script stays where the installer put it, and names the public key.
    let script = node.join("var/lib/proxmox-first-boot/proxmox-first-boot");
    let holders: Vec<_> = files(&world.stage.path("network/nodes"))
        .into_iter()
        .chain(files(&world.stage.path("network/clusters")))
        .filter(|file| *file != script && fs::read_to_string(file).is_ok_and(|text| text.contains(key)))
        .collect();
    assert_eq!(holders, Vec::<PathBuf>::new(), "{}", told());
}

/// All files below a folder; links are not followed.
fn files(folder: &Path) -> Vec<PathBuf> {
    let (mut found, mut folders) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            let kind = entry.file_type().unwrap();
            if kind.is_dir() {
                folders.push(entry.path());
            } else if kind.is_file() {
                found.push(entry.path());
            }
        }
    }
    found
}
