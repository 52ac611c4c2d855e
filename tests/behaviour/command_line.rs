//! What people type: the words for looking at the daemon, and a shell that completes them.

use std::process::{Output, Stdio};

use serde_json::Value;
use tokio::process::Command;

use crate::support::house::House;

async fn rackseed(house: &House, words: &[&str]) -> Output {
    let mut command = Command::from(house.program());
    command.args(words).stdin(Stdio::null());
    command.output().await.unwrap()
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
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
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
