//! What people type: the words for looking at the daemon, and a shell that completes them.

use std::{
    process::{Output, Stdio},
    time::Duration,
};

use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::Command,
};

use crate::support::house::House;

async fn rackseed(house: &House, words: &[&str]) -> Output {
    let mut command = Command::from(house.program());
    command.args(words).stdin(Stdio::null()).output().await.unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&[&output.stdout[..], &output.stderr[..]].concat()).into_owned()
}

/// Whatever is asked with `--json` is one JSON value.
async fn json(house: &House, words: &[&str]) -> Value {
    let output = rackseed(house, &[words, &["--json"]].concat()).await;
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{words:?}: {error}: {}", said(&output)))
}

/// What bash offers after these words.
async fn offered_by_bash(words: &str) -> Vec<String> {
    let script = format!(
        "source <(\"$RACKSEED\" completion bash); COMP_WORDS=({words} \"\"); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); \
         COMP_LINE='{words} '; COMP_POINT=${{#COMP_LINE}}; _rackseed rackseed '' \"${{COMP_WORDS[COMP_CWORD-1]}}\"; printf '%s\\n' \"${{COMPREPLY[@]}}\""
    );
    let mut bash = Command::new("bash");
    bash.args(["--norc", "-c", &script]).env("RACKSEED", env!("CARGO_BIN_EXE_rackseed"));
    let output = bash.output().await.unwrap();
    assert!(output.status.success(), "{}", said(&output));
    said(&output).lines().map(str::to_owned).collect()
}

#[tokio::test]
async fn bash_completes_verbs_and_their_options() {
    let offered = offered_by_bash("rackseed host").await;
    for word in ["add", "list", "rebuild", "sightings"] {
        assert!(offered.iter().any(|it| it == word), "{word}: {offered:?}");
    }
    let offered = offered_by_bash("rackseed host rebuild").await;
    assert!(offered.iter().any(|it| it == "--confirm"), "{offered:?}");
}

#[tokio::test]
async fn every_shell_is_given_a_script() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let output = Command::new(env!("CARGO_BIN_EXE_rackseed")).args(["completion", shell]).output().await.unwrap();
        assert!(output.status.success() && said(&output).contains("rackseed"), "{shell}");
    }
}

#[tokio::test]
async fn a_broken_catalog_is_told_with_its_place_and_the_exit_code() {
    let house = House::empty().await;
    let good = rackseed(&house, &["catalog"]).await;
    assert!(good.status.success() && said(&good).contains("generic-sata"), "{}", said(&good));
    std::fs::write(house.server_types_file(), "server_types:\n  broken:\n    boot_disk: [\n").unwrap();
    for _ in 0..100 {
        if !json(&house, &["catalog"]).await["problems"].as_array().unwrap().is_empty() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let broken = rackseed(&house, &["catalog"]).await;
    assert_eq!(broken.status.code(), Some(1), "{}", said(&broken));
    assert!(said(&broken).contains("MISTAKE server-types/server-types.yaml:"), "{}", said(&broken));
}

#[tokio::test]
async fn a_network_that_is_off_and_nobody_to_tell_are_said_in_words() {
    let house = House::empty().await;
    let network = rackseed(&house, &["network"]).await;
    assert!(network.status.success() && said(&network).contains("network boot is off"), "{}", said(&network));
    assert!(said(&rackseed(&house, &["notify", "list"]).await).contains("nobody is told"));
    assert_eq!(json(&house, &["notify", "list"]).await["targets"], serde_json::json!([]));
}

#[tokio::test]
async fn what_the_daemon_is_and_uses_is_told() {
    let house = House::empty().await;
    let about = rackseed(&house, &["about"]).await;
    assert!(about.status.success(), "{}", said(&about));
    for shown in ["Rackseed 0.", "certificate ", "operator at 127.0.0.1:"] {
        assert!(said(&about).contains(shown), "{shown}: {}", said(&about));
    }
    let settings = said(&rackseed(&house, &["config", "show"]).await);
    let line = settings.lines().find(|line| line.starts_with("server.listen ")).unwrap();
    assert!(line.contains("127.0.0.1:0") && line.ends_with("start"), "{line}");
}

#[tokio::test]
async fn operations_and_what_happened_are_listed_and_a_wrong_filter_is_named() {
    let house = House::furnished().await;
    assert!(said(&rackseed(&house, &["operation", "list"]).await).contains("no such operation"));
    let host = house.register("pve-01", "52:54:00:00:00:01").await;
    let operation = house.rebuild(&host, "pve-01").await;
    let told = said(&rackseed(&house, &["operation", "list", "--host", "pve-01", "--status", "running"]).await);
    assert!(told.contains(&operation) && told.contains("pve-01"), "{told}");
    let ended = json(&house, &["operation", "list", "--status", "ended"]).await;
    assert_eq!(ended, serde_json::json!([]));
    let wrong = rackseed(&house, &["operation", "list", "--status", "sleeping"]).await;
    assert!(!wrong.status.success() && said(&wrong).contains("status"), "{}", said(&wrong));
    let told = said(&rackseed(&house, &["activity", "--host", "pve-01"]).await);
    assert!(told.contains("AT") && told.contains("host"), "{told}");
    let newest = json(&house, &["activity", "--limit", "1"]).await;
    assert_eq!(newest.as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_host_beyond_the_first_page_of_the_list_is_found_by_its_name() {
    let house = House::empty().await;
    for number in 0..120 {
        house.register(&format!("pve-{number:03}"), &format!("52:54:00:00:01:{number:02x}")).await;
    }
    for name in ["pve-000", "pve-119"] {
        assert!(rackseed(&house, &["host", "show", name]).await.status.success(), "{name}");
    }
    assert_eq!(json(&house, &["host", "list"]).await.as_array().unwrap().len(), 120);
}

#[tokio::test]
async fn what_happens_is_followed_as_it_happens() {
    let house = House::empty().await;
    let mut command = Command::from(house.program());
    command.args(["activity", "--follow"]).stdout(Stdio::piped()).kill_on_drop(true);
    let mut follower = command.spawn().unwrap();
    let mut lines = BufReader::new(follower.stdout.take().unwrap()).lines();
    let told = tokio::time::timeout(Duration::from_secs(20), async {
        // Until it listens, it hears nothing.
        for number in 0..40 {
            house.register(&format!("pve-{number:02}"), &format!("52:54:00:00:02:{number:02x}")).await;
            if let Ok(line) = tokio::time::timeout(Duration::from_millis(500), lines.next_line()).await {
                return line.unwrap().unwrap();
            }
        }
        String::new()
    });
    let told = told.await.unwrap();
    assert!(told.contains("pve-"), "{told}");
}

#[tokio::test]
async fn a_list_of_hosts_is_looked_at_then_registered_and_found_again() {
    let house = House::empty().await;
    let list = house.folder.path().join("hosts.csv");
    std::fs::write(
        &list,
        "hostname;mac;server_type\npve-01;52-54-00-00-03-01;generic-sata\npve-02;nonsense;generic-sata\n",
    )
    .unwrap();
    let words = ["host", "import", list.to_str().unwrap()];
    let looked = rackseed(&house, &[&words[..], &["--dry-run"]].concat()).await;
    assert_eq!(looked.status.code(), Some(1));
    assert!(said(&looked).contains("nonsense") && said(&looked).contains("0 registered"), "{}", said(&looked));
    let taken = rackseed(&house, &[&words[..], &["--skip-wrong"]].concat()).await;
    assert!(said(&taken).contains("1 registered"), "{}", said(&taken));
    let found = json(&house, &["host", "list", "--search", "00:03"]).await;
    assert_eq!(found[0]["hostname"], "pve-01");
    assert!(said(&rackseed(&house, &["host", "list", "--state", "ready"]).await).contains("no such host"));
    let way = said(&rackseed(&house, &["host", "lifecycle", "pve-01"]).await);
    assert!(way.contains("registered") && way.contains("not reached"), "{way}");
    let evidence = json(&house, &["host", "evidence", "pve-01"]).await;
    assert!(evidence.is_array(), "{evidence}");
    assert!(said(&rackseed(&house, &["host", "exchanges", "pve-01"]).await).contains("sent nothing yet"));
    let refused = rackseed(&house, &["host", "confirm-key", "pve-01", "SHA256:AAAA"]).await;
    assert_eq!(refused.status.code(), Some(1), "nothing asks for it: {}", said(&refused));
}

#[tokio::test]
async fn a_cluster_that_is_not_there_yet_is_told_in_a_sentence() {
    let house = House::empty().await;
    let cluster = rackseed(&house, &["cluster"]).await;
    assert!(said(&cluster).contains("cluster"), "{}", said(&cluster));
}
