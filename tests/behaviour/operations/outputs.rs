//! What commands on nodes said is kept with the step, bounded and without secrets.

use std::{
    net::Ipv4Addr,
    sync::{Arc, Mutex},
};

use rackseed::{
    domain::{
        identity::OperationId,
        operation::{OperationStatus, StepOutput},
        rebuild::TokenPurpose,
    },
    operations::{ClusterSettings, MemberCredential},
    ports::{OperationJournal, RebuildLedger},
    provisioning::secret_place,
};
use secrecy::ExposeSecret;

use crate::support::rebuild_world::RebuildWorld;

const PASSWORD: &str = "correct-horse-battery";
const KEY: &str = "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEAAAA\n-----END OPENSSH PRIVATE KEY-----";

/// A world whose members are logged in to with root's password.
fn world() -> RebuildWorld {
    let mut world = RebuildWorld::new();
    let credential = Some(MemberCredential::Password(PASSWORD.to_owned().into()));
    let cluster = ClusterSettings { credential, ..world.world.cluster.clone() };
    let nodes = world.nodes.clone();
    world.use_nodes(nodes, cluster);
    world
}

async fn secrets(world: &RebuildWorld, operation: &OperationId) -> Vec<String> {
    let rebuild = world.store.rebuild(operation).await.unwrap().unwrap();
    let sealed = rebuild.sealed.as_ref().unwrap();
    let place = secret_place(operation, "private_key");
    let key = world.world.secrets.open(&place, &sealed.private_key).unwrap();
    let mut secrets = vec![
        PASSWORD.to_owned(),
        "b3BlbnNzaC1rZXktdjEAAAA".to_owned(), // a key that only its form betrays
        "$6$salt$hashhashhash".to_owned(),
        data_encoding::BASE64.encode(key.expose_secret()),
        data_encoding::HEXLOWER.encode(key.expose_secret()),
    ];
    for purpose in TokenPurpose::ALL {
        secrets.push(world.token(operation, *purpose).await);
    }
    secrets
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn every_secret_that_a_command_says_is_masked_in_database_log_and_view() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let world = world();
    let (host, operation) = world.armed("pve-01", 1).await;
    let secrets = secrets(&world, &operation).await;
    let said = format!("401 Unauthorized pvecm was here\n{KEY}\n{}", secrets[2..].join("\n"));
    let said = said.replace("pvecm was here", &format!("pvecm was here {PASSWORD}"));
    world.nodes.change(Ipv4Addr::new(10, 0, 0, 1), |node| node.join_failure = Some(said.clone()));
    world.run(&world.world, &host, &operation).await.unwrap();

    let view = world.operations().view(&operation).await.unwrap().unwrap();
    assert_eq!(view.progress.status, OperationStatus::NeedsAttention);
    let outputs = world.operations().outputs(&operation).await.unwrap();
    let shown = format!("{view:?} {outputs:?} {:?}", world.host(&host).await);
    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    let mut places = vec![("the view", shown.into_bytes()), ("the log", log.clone().into_bytes())];
    for file in ["rackseed.db", "rackseed.db-wal"] {
        places.push((file, std::fs::read(world.folder.path().join("data").join(file)).unwrap()));
    }
    for (place, bytes) in &places {
        for secret in &secrets {
            let is_there = bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
            assert!(!is_there, "{secret} is in {place}");
        }
    }
    let join = outputs.iter().find(|output| output.step == "join_cluster").expect("the join said something");
    assert!(join.text.contains("pvecm was here") && join.text.contains("[secret]"), "{}", join.text);
    assert!(log.contains("needs attention") || log.contains("journal"), "the log was caught");
}

#[tokio::test]
async fn a_step_that_looks_again_and_again_writes_down_what_is_new_and_each_attempt_has_its_own() {
    let world = world();
    let (host, operation) = world.armed("pve-01", 1).await;
    let address = Ipv4Addr::new(10, 0, 0, 1);
    world.nodes.change(address, |node| node.join_failure = Some("401 Unauthorized".into()));
    world.run(&world.world, &host, &operation).await.unwrap();
    world.nodes.change(address, |node| (node.join_failure, node.joins_started) = (None, 0));
    world.operations().retry(&operation).await.unwrap();
    world.run(&world.world, &host, &operation).await.unwrap();
    let outputs = world.operations().outputs(&operation).await.unwrap();
    let joins: Vec<_> = outputs.iter().filter(|output| output.step == "join_cluster").collect();
    assert_eq!(joins.iter().map(|output| output.attempt).collect::<Vec<_>>(), [1, 2]);
    assert!(joins[0].text.contains("401 Unauthorized") && !joins[1].text.contains("401 Unauthorized"));
    assert_eq!(joins[1].text.matches("waiting for quorum").count(), 1, "{}", joins[1].text);
    assert!(outputs.iter().any(|output| output.step == "remove_key" && output.text.contains("refused the login")));
}

#[tokio::test]
async fn of_a_step_that_says_much_the_newest_attempts_are_kept() {
    let world = world();
    let (_, operation) = world.armed("pve-01", 1).await;
    for attempt in 1..=20 {
        let text = format!("attempt {attempt}\n{}", "x".repeat(8_000));
        let at = rackseed::ports::Clock::now(world.clock.as_ref());
        let output = StepOutput { step: "join_cluster".into(), attempt, at, text };
        world.store.keep_output(&operation, &output).await.unwrap();
    }
    let kept = world.store.outputs(&operation).await.unwrap();
    assert!(kept.iter().map(|output| output.text.len()).sum::<usize>() <= 64 << 10);
    assert_eq!((kept.first().unwrap().attempt, kept.last().unwrap().attempt), (13, 20));
}
