//! What is kept of passwords, sessions and tokens, what is told of them, and what to do when a password is lost.

use std::{
    fs::{self, File},
    io::Write,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use rusqlite::Connection;
use serde_json::json;

use super::first_visit::{claim, cookie, send};
use crate::support::house::{ADMINISTRATOR, Answer, House, command_line_token};

fn files(folder: &Path) -> Vec<PathBuf> {
    let (mut found, mut folders) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { folders.push(path) } else { found.push(path) }
        }
    }
    found
}

fn contains(path: &Path, text: &str) -> bool {
    fs::read(path).unwrap_or_default().windows(text.len()).any(|window| window == text.as_bytes())
}

#[tokio::test]
async fn no_password_session_or_token_lies_in_the_data_folder() {
    let house = House::empty().await;
    let session = claim(&house).await.split_once('=').unwrap().1.to_owned();
    let made = house.post("/api/tokens", &json!({ "name": "ci", "scope": "operator" })).await.json();
    let token = made["token"].as_str().unwrap().to_owned();
    send(&house, "/sign-in", &[("name", ADMINISTRATOR.0), ("password", "a wrong password of somebody")]).await;
    let password: String = Connection::open(house.database())
        .unwrap()
        .query_row("SELECT password FROM users", [], |row| row.get(0))
        .unwrap();
    assert!(password.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{password}");
    for path in files(&house.folder.path().join("data")) {
        for secret in [ADMINISTRATOR.1, "a wrong password of somebody", &session, &token] {
            assert!(!contains(&path, secret), "{} holds `{secret}`", path.display());
        }
        if path.file_name().unwrap() != "command-line-token" {
            assert!(!contains(&path, &house.command_line_token()), "{}", path.display());
        }
    }
    let mode = fs::metadata(house.folder.path().join("data/command-line-token")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

/// The program with a settings file of its own; killed when it is dropped.
struct Program {
    child: Child,
    folder: tempfile::TempDir,
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Program {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let server = "server: {listen: '127.0.0.1:0', boot_listen: '127.0.0.1:0', machine_listen: '127.0.0.1:0'}";
        let text = format!("data_folder: data\n{server}\npxe: {{enabled: false}}\n");
        fs::write(folder.path().join("rackseed.yaml"), text).unwrap();
        let log = File::create(folder.path().join("log")).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_rackseed"));
        command.arg("serve").arg("--config").arg(folder.path().join("rackseed.yaml")).env("NO_COLOR", "1");
        let child = command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap();
        Self { child, folder }
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap()
    }

    /// What stands in the log behind these words, as soon as it does.
    fn told(&self, words: &str) -> String {
        let end = Instant::now() + Duration::from_secs(30);
        loop {
            if let Some((_, rest)) = self.log().split_once(words)
                && let Some((told, _)) = rest.split_once(char::is_whitespace)
            {
                return told.to_owned();
            }
            assert!(Instant::now() < end, "the log does not say `{words}`: {}", self.log());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn rackseed(&self, words: &[&str], input: &str) -> (bool, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_rackseed"));
        command.arg("--config").arg(self.folder.path().join("rackseed.yaml")).args(words);
        command.env_remove("RACKSEED_URL").env_remove("RACKSEED_TOKEN");
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&[&output.stdout[..], &output.stderr[..]].concat()).into_owned();
        (output.status.success(), said)
    }
}

#[tokio::test]
async fn the_log_tells_the_set_up_code_and_never_a_password_which_is_replaced_on_the_computer_itself() {
    let program = Program::start();
    let (address, code) = (program.told("the dashboard is at "), program.told("type the set-up code "));
    let (done, said) = program.rackseed(&["user", "list"], "");
    assert!(done && said.contains("there is no user yet"), "{said}");
    let (done, said) = program.rackseed(&["user", "reset-password", "admin"], "a new password\n");
    assert!(!done && said.contains("/first-visit"), "{said}");
    let client = rackseed::daemon::http_client(Duration::from_secs(20)).unwrap();
    let send = async |path: &str, fields: &[(&str, &str)]| {
        let page = Answer::of(client.get(format!("{address}{path}"))).await.text;
        let token = page.split_once("name=\"form_token\" value=\"").unwrap().1.split_once('"').unwrap().0.to_owned();
        let fields = fields.iter().copied().chain([("form_token", token.as_str())]);
        let body: String =
            fields.map(|(name, text)| format!("{name}={}&", super::first_visit::escaped(text))).collect();
        let request =
            client.post(format!("{address}{path}")).header("content-type", "application/x-www-form-urlencoded");
        Answer::of(request.body(body)).await
    };
    let claimed =
        [("code", code.as_str()), ("name", "Ada"), ("password", "the first password"), ("again", "the first password")];
    let claimed = send("/first-visit", &claimed).await;
    assert_eq!(claimed.status, 303, "{}", claimed.text);
    let session = cookie(&claimed);
    assert_eq!(send("/sign-in", &[("name", "Ada"), ("password", "not the password")]).await.status, 401);
    // The command line needs no password where it may read the data folder. The address is not the one of the settings.
    let token = command_line_token(&program.folder.path().join("data"));
    let asked = client.get(format!("{address}/api/account")).bearer_auth(token);
    assert_eq!(Answer::of(asked).await.json()["kind"], "command_line");

    let (done, said) = program.rackseed(&["user", "reset-password", "ada"], "short\n");
    assert!(!done && said.contains("at least 10 characters"), "{said}");
    let (done, said) = program.rackseed(&["user", "reset-password", "bob"], "a new password\n");
    assert!(!done && said.contains("there is no user `bob`; there are: Ada"), "{said}");
    let (done, said) = program.rackseed(&["user", "reset-password", "ada"], "a new password\n");
    assert!(done && said.contains("Ada has a new password; 1 sessions have ended"), "{said}");
    let gone = Answer::of(client.get(format!("{address}/api/account")).header("cookie", session)).await;
    assert_eq!(gone.status, 401);
    assert_eq!(send("/sign-in", &[("name", "Ada"), ("password", "the first password")]).await.status, 401);
    assert_eq!(send("/sign-in", &[("name", "Ada"), ("password", "a new password")]).await.status, 303);
    assert!(program.rackseed(&["user", "list"], "").1.contains("Ada"));
    let log = program.log();
    for secret in ["the first password", "a new password", "not the password"] {
        assert!(!log.contains(secret), "{log}");
    }
    assert!(log.contains("wrong name or password"), "{log}");
}

#[tokio::test]
async fn whoever_has_claimed_it_is_still_there_after_a_restart_and_no_code_is_told() {
    let house = House::empty().await;
    let session = claim(&house).await;
    let house = house.restarted().await;
    assert!(house.daemon.first_visit.is_none());
    let page = Answer::of(house.stranger().get(house.operator("/")).header("cookie", &session)).await;
    assert_eq!(page.status, 200, "sessions outlive a restart");
    assert_eq!(house.get("/api/account").await.status, 200, "and so does the token of the command line");
}
