//! Clients that other people wrote: curl, tftp-hpa's and atftp's.

use std::{fs, process::Command, sync::Arc};

use super::{Running, bios_loader};

/// Runs a client with its output in a file `got` of a folder.
fn run(server: &Running, script: &str) -> (bool, Vec<u8>, String) {
    let folder = tempfile::tempdir().unwrap();
    let script = script.replace("PORT", &server.address.port().to_string());
    let output = Command::new("sh").current_dir(folder.path()).args(["-c", &script]).output().unwrap();
    let words = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    (output.status.success(), fs::read(folder.path().join("got")).unwrap_or_default(), words)
}

const FETCHES: &[&str] = &[
    "curl --silent --show-error --max-time 20 --output got tftp://127.0.0.1:PORT/undionly.kpxe",
    "curl --silent --show-error --max-time 20 --tftp-blksize 1468 --output got tftp://127.0.0.1:PORT/b/525400770001/undionly.kpxe",
    "curl --silent --show-error --max-time 20 --tftp-no-options --output got tftp://127.0.0.1:PORT//UNDIONLY.KPXE",
    "tftp -m binary 127.0.0.1 PORT -c get undionly.kpxe got",
    "atftp --get --remote-file undionly.kpxe --local-file got 127.0.0.1 PORT",
    "atftp --option 'blksize 1468' --option 'tsize 0' --option 'timeout 2' --get --remote-file undionly.kpxe --local-file got 127.0.0.1 PORT",
    "atftp --option 'blksize 1468' --option 'windowsize 8' --get --remote-file undionly.kpxe --local-file got 127.0.0.1 PORT",
];

#[tokio::test(flavor = "multi_thread")]
async fn other_peoples_clients_get_the_file() {
    let server = Arc::new(Running::start());
    for script in FETCHES {
        let server = Arc::clone(&server);
        let (is_well, bytes, words) = tokio::task::spawn_blocking(move || run(&server, script)).await.unwrap();
        assert!(is_well && bytes == bios_loader(), "{script}: {} bytes, {words}", bytes.len());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn other_peoples_clients_say_why_there_is_no_file() {
    let server = Arc::new(Running::start());
    // 68 is curl's code for a file that is not there.
    for (script, expected) in [
        ("curl --silent --show-error --max-time 20 --output got tftp://127.0.0.1:PORT/wrong.efi", "(68)"),
        ("curl --silent --show-error --max-time 20 --upload-file /etc/hostname tftp://127.0.0.1:PORT/new", ""),
        ("tftp -m ascii 127.0.0.1 PORT -c get undionly.kpxe got", "only the mode octet is served"),
    ] {
        let server = Arc::clone(&server);
        let (is_well, bytes, words) = tokio::task::spawn_blocking(move || run(&server, script)).await.unwrap();
        // tftp-hpa's client says what is wrong and returns 0.
        assert!(!is_well || script.starts_with("tftp "), "{script}");
        assert!(bytes.is_empty() && words.to_lowercase().contains(expected), "{script}: {words}");
    }
}
