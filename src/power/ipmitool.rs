//! Runs `ipmitool`: the password in its environment alone, output and time bounded, and its words turned into one sentence.

use std::{process::Stdio, time::Duration};

use secrecy::{ExposeSecret, SecretString};
use tokio::{
    io::{AsyncRead, AsyncReadExt},
    process::Command,
};

use super::web::told;
use crate::{domain::power::IpmiOptions, ports::PowerError};

/// How long one command may take: ipmitool itself sends each request three times, two seconds apart, for some five requests.
const COMMAND_LIMIT: Duration = Duration::from_secs(20);
/// How much of its output is read.
const OUTPUT_BYTES: u64 = 64 << 10;
/// The longest password of IPMI 2.0, in bytes (§22.30).
const LONGEST_PASSWORD: usize = 20;

/// One BMC, as ipmitool is told of it.
pub(super) struct Ipmitool {
    pub(super) whom: String,
    hostname: String,
    options: IpmiOptions,
    password: SecretString,
}

impl Ipmitool {
    pub(super) fn new(hostname: String, options: IpmiOptions, password: SecretString) -> Result<Self, PowerError> {
        let whom = format!("the BMC at {} (IPMI port {})", options.address, options.port);
        if password.expose_secret().len() > LONGEST_PASSWORD || password.expose_secret().contains('\0') {
            return Err(PowerError::Secret(format!(
                "the password for {whom} cannot be right: IPMI knows at most {LONGEST_PASSWORD} bytes"
            )));
        }
        Ok(Self { whom, hostname, options, password })
    }

    /// Runs one command and returns what it printed.
    pub(super) async fn run(&self, command: &[&str]) -> Result<String, PowerError> {
        let (port, suite) = (self.options.port.to_string(), self.options.cipher_suite.map(|suite| suite.to_string()));
        let mut tool = Command::new("ipmitool");
        // -v names the reason of a refused session; -N and -R bound the waiting for a silent one.
        tool.args(["-v", "-I", "lanplus", "-N", "2", "-R", "3", "-E"]);
        tool.args(["-H", &self.options.address, "-p", &port, "-U", &self.options.user]);
        if let Some(suite) = &suite {
            tool.args(["-C", suite]);
        }
        let path = std::env::var_os("PATH").unwrap_or_else(|| "/usr/sbin:/usr/bin:/sbin:/bin".into());
        tool.args(command).env_clear().env("PATH", path).env("LC_ALL", "C");
        tool.env("IPMI_PASSWORD", self.password.expose_secret());
        tool.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let ran = tokio::time::timeout(COMMAND_LIMIT, run(tool)).await;
        let unreachable = |reason: String| PowerError::Unreachable { whom: self.whom.clone(), reason };
        let (is_success, output, error) = match ran {
            Err(_) => return Err(unreachable(format!("no answer within {} s", COMMAND_LIMIT.as_secs()))),
            Ok(Err(error)) if error.kind() == std::io::ErrorKind::NotFound => {
                let install = "ipmitool is not installed here; install it: `apt-get install ipmitool`";
                return Err(PowerError::NotSupported(install.into()));
            }
            Ok(Err(error)) => return Err(PowerError::Failed(format!("ipmitool cannot be run: {error}"))),
            Ok(Ok(ran)) => ran,
        };
        if is_success { Ok(output) } else { Err(self.explain(&format!("{output}\n{error}"))) }
    }

    fn explain(&self, said: &str) -> PowerError {
        let has = |words: &str| said.contains(words);
        let whom = self.whom.clone();
        if has("RAKP 2 HMAC is invalid") || has("unauthorized name") || has("Invalid user name") {
            let user = format!(" of `{}`", self.options.user);
            return PowerError::WrongCredentials { whom, user, hostname: self.hostname.clone() };
        }
        if has("invalid authentication algorithm") || has("no matching cipher suite") {
            return PowerError::NotSupported(format!(
                "{whom} does not know this cipher suite; try power.ipmi.cipher_suite=3"
            ));
        }
        if has("privilege level") {
            return PowerError::NotSupported(format!(
                "`{}` may not do that on {whom}; it needs the privilege ADMINISTRATOR",
                self.options.user
            ));
        }
        if has("Address lookup for") {
            return PowerError::Unreachable { whom, reason: "its name cannot be resolved".into() };
        }
        if has("Unable to establish") || has("Get Auth Capabilities error") {
            return PowerError::Unreachable {
                whom,
                reason: "no answer to IPMI 2.0; is IPMI over LAN switched on?".into(),
            };
        }
        let mut lines = said.lines().map(str::trim);
        let last =
            lines.rfind(|line| !line.is_empty() && !line.starts_with("Loading IANA")).unwrap_or("it said nothing");
        PowerError::Failed(format!("{whom} refused: {}", told(last)))
    }
}

async fn run(mut tool: Command) -> std::io::Result<(bool, String, String)> {
    let mut child = tool.spawn()?;
    let (output, error) = tokio::try_join!(read(child.stdout.take()), read(child.stderr.take()))?;
    Ok((child.wait().await?.success(), output, error))
}

async fn read(pipe: Option<impl AsyncRead + Unpin>) -> std::io::Result<String> {
    let mut bytes = Vec::new();
    if let Some(pipe) = pipe {
        pipe.take(OUTPUT_BYTES).read_to_end(&mut bytes).await?;
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
