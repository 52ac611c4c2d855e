//! Rackseed in the lab: the real engine, steps, store and SSH client. What machines tell before their first login is recorded as the desks
//! would.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use jiff::{SignedDuration, Timestamp};
use rackseed::{
    daemon::SystemClock,
    domain::{
        host_lifecycle::HostState,
        identity::{HostId, OperationId},
        operation::{OperationStatus, Progress},
    },
    operations::{Advance, ClusterSettings, Engine, MemberCredential},
    ports::{Clock, RebuildLedger},
    remote_shell::Ssh,
};

use crate::{
    lab::{Lab, Node, Oddities, PASSWORD},
    support::rebuild_world::RebuildWorld,
};

/// How long one rebuild may take in the lab, counted from the node's first login.
const LONGEST: Duration = Duration::from_secs(240);
/// How often a resting engine is looked at again.
const LOOK_AGAIN: Duration = Duration::from_millis(150);

/// Rackseed, and the nodes that it has brought up.
pub(crate) struct Story<'a> {
    lab: &'a Lab,
    pub(crate) rebuilds: RebuildWorld,
    pub(crate) nodes: BTreeMap<String, Node>,
}

/// A rebuild that came to rest.
#[derive(Debug)]
pub(crate) struct Ending {
    pub(crate) host: HostId,
    pub(crate) operation: OperationId,
    pub(crate) progress: Progress,
}

impl Ending {
    /// Why it did not succeed.
    pub(crate) fn reason(&self) -> &str {
        self.progress.reason.as_deref().unwrap_or_default()
    }
}

/// The settings of a Rackseed that makes its cluster itself.
pub(crate) fn settings(credential: MemberCredential) -> ClusterSettings {
    ClusterSettings {
        existing_node: None,
        existing_node_ssh_host_key: None,
        join_fingerprint: None,
        cluster_name: "lab".into(),
        credential: Some(credential),
        links: BTreeMap::new(),
        ssh_port: 22,
        confirm_host_key: false,
    }
}

/// Root's password of every node.
pub(crate) fn password() -> MemberCredential {
    MemberCredential::Password(PASSWORD.to_owned().into())
}

/// The operator's key, which every node knows.
pub(crate) fn key(lab: &Lab) -> MemberCredential {
    MemberCredential::Key(lab.private_key.clone().into())
}

/// The step that is at work, and what it says.
pub(crate) fn current(progress: &Progress) -> (&str, &str) {
    let step = progress.current_step();
    step.map_or(("", ""), |step| (step.name.as_str(), step.reason.as_deref().unwrap_or_default()))
}

/// A cluster with this many nodes, by key.
pub(crate) async fn cluster(lab: &Lab, count: u8) -> (Story<'_>, Vec<Ending>) {
    let (mut story, mut endings) = (Story::new(lab, settings(key(lab))), Vec::new());
    for last in 1..=count {
        let ending = story.rebuild(&format!("pve-0{last}"), last).await;
        story.assert_ready(&ending).await;
        endings.push(ending);
    }
    (story, endings)
}

impl<'a> Story<'a> {
    pub(crate) fn new(lab: &'a Lab, settings: ClusterSettings) -> Self {
        let mut rebuilds = RebuildWorld::new();
        rebuilds.use_nodes(Arc::new(Ssh), settings);
        let story = Self { lab, rebuilds, nodes: BTreeMap::new() };
        story.set_clock(SystemClock.now());
        story
    }

    /// A cluster of one that Rackseed did not make, joined through with root's password.
    pub(crate) fn with_old_member(lab: &'a Lab) -> Self {
        Self::with_old_member_at(lab, &Oddities::default(), "--link0 10.0.0.9")
    }

    /// The same with other links.
    pub(crate) fn with_old_member_at(lab: &'a Lab, oddities: &Oddities, links: &str) -> Self {
        let node = lab.boot("old-01", 9, "", oddities);
        assert!(node.console(&format!("pvecm create old {links}")).contains("Restart corosync"));
        let mut settings = settings(password());
        settings.existing_node = Some(node.address);
        settings.existing_node_ssh_host_key = Some(node.host_key());
        let mut story = Self::new(lab, settings);
        story.nodes.insert(node.name.clone(), node);
        story
    }

    /// The settings of now, to be changed and given to [`Self::restart`].
    pub(crate) fn settings(&self) -> ClusterSettings {
        self.rebuilds.world.cluster.clone()
    }

    /// Changes the settings, as a restart with another file would.
    pub(crate) fn restart(&mut self, settings: ClusterSettings) {
        self.rebuilds.use_nodes(Arc::new(Ssh), settings);
    }

    pub(crate) fn node(&self, name: &str) -> &Node {
        &self.nodes[name]
    }

    /// Arms a host, boots its node and brings it to the point where the node has phoned home.
    pub(crate) async fn install(&mut self, name: &str, last: u8, oddities: &Oddities) -> (HostId, OperationId) {
        let (host, operation) = self.rebuilds.armed(name, last).await;
        self.boot(&operation, name, last, oddities).await;
        (host, operation)
    }

    /// Boots the node that a rebuild installs.
    pub(crate) async fn boot(&mut self, operation: &OperationId, name: &str, last: u8, oddities: &Oddities) {
        let rebuild = self.rebuilds.store.rebuild(operation).await.unwrap().unwrap();
        let node = self.lab.boot(name, last, rebuild.public_key.trim(), oddities);
        self.rebuilds.host_keys.lock().unwrap().insert(node.address, node.host_key());
        self.nodes.insert(name.to_owned(), node);
    }

    /// Rebuilds a host from its registration to wherever it ends.
    pub(crate) async fn rebuild(&mut self, name: &str, last: u8) -> Ending {
        self.rebuild_odd(name, last, &Oddities::default()).await
    }

    /// The same with an unusual node.
    pub(crate) async fn rebuild_odd(&mut self, name: &str, last: u8, oddities: &Oddities) -> Ending {
        let (host, operation) = self.install(name, last, oddities).await;
        self.drive(&host, &operation).await
    }

    /// The operator presses retry.
    pub(crate) async fn retry(&self, ending: &Ending) -> Ending {
        self.rebuilds.operations().retry(&ending.operation).await.unwrap();
        self.drive(&ending.host, &ending.operation).await
    }

    /// Moves an operation until it rests.
    pub(crate) async fn drive(&self, host: &HostId, operation: &OperationId) -> Ending {
        self.drive_while(host, operation, |_| true).await
    }

    /// Moves an operation until it rests, or until somebody has seen enough of its progress.
    pub(crate) async fn drive_while(
        &self,
        host: &HostId,
        operation: &OperationId,
        mut goes_on: impl FnMut(&Progress) -> bool,
    ) -> Ending {
        let engine = Engine::new(self.rebuilds.world.clone());
        let began = Instant::now();
        loop {
            let progress = self.progress(operation).await;
            let mut rests = !goes_on(&progress);
            if !rests {
                match engine.advance(operation).await.unwrap() {
                    Advance::Again => {}
                    Advance::Rest => rests = true,
                    Advance::NotBefore(moment) => self.wait(host, moment).await,
                }
            }
            if rests {
                return Ending {
                    host: host.clone(),
                    operation: operation.clone(),
                    progress: self.progress(operation).await,
                };
            }
            assert!(began.elapsed() < LONGEST, "the operation never rests: {progress:#?}");
        }
    }

    /// Moves an operation until its current step says something with these words.
    pub(crate) async fn drive_until(&self, host: &HostId, operation: &OperationId, words: &str) -> String {
        let mut said = String::new();
        let goes_on = |progress: &Progress| {
            said = current(progress).1.to_owned();
            !said.contains(words)
        };
        let ending = self.drive_while(host, operation, goes_on).await;
        assert!(said.contains(words), "never said: {words}; at the end {:#?}", ending.progress);
        said
    }

    /// Lets the machine act, and time pass; pauses between two tries are cut short.
    async fn wait(&self, host: &HostId, moment: Timestamp) {
        let world = &self.rebuilds.world;
        self.rebuilds.machine_acts(world, host).await;
        let state = self.rebuilds.host(host).await.state;
        let began = Instant::now();
        // Before, the machine does its part at once; but a member that leaves waits for its cluster.
        let waits =
            [HostState::PxeBooted, HostState::FirstBoot, HostState::Joining, HostState::Failed, HostState::Ready];
        if waits.contains(&state) {
            tokio::time::sleep(LOOK_AGAIN).await;
        }
        let passed = world.clock.now() + SignedDuration::try_from(began.elapsed()).unwrap();
        self.set_clock(passed.max(moment));
    }

    pub(crate) async fn progress(&self, operation: &OperationId) -> Progress {
        self.rebuilds.operations().view(operation).await.unwrap().unwrap().progress
    }

    /// Asserts that a rebuild has ended well: the host is ready, and our key is gone from its node.
    pub(crate) async fn assert_ready(&self, ending: &Ending) {
        assert_eq!(ending.progress.status, OperationStatus::Succeeded, "{:#?}", ending.progress);
        let host = self.rebuilds.host(&ending.host).await;
        assert_eq!((host.state, host.is_member), (HostState::Ready, true));
        let rebuild = self.rebuilds.store.rebuild(&ending.operation).await.unwrap().unwrap();
        let key = rebuild.public_key.split(' ').nth(1).unwrap();
        let left =
            self.node(host.hostname.as_str()).console(&format!("grep -rlF {key} /root/.ssh /etc/pve 2> /dev/null"));
        assert_eq!(left, "status 1\n", "our key is left on the node");
    }

    fn set_clock(&self, now: Timestamp) {
        let clock = &self.rebuilds.clock;
        clock.advance(now.duration_since(clock.now()));
    }
}
