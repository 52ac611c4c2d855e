//! Where log lines go: standard error, for systemd's journal or a terminal.

use std::io::IsTerminal;

use tracing_subscriber::{EnvFilter, fmt};

/// The variable that sets how much is logged, such as `debug` or `rackseed::dhcp=trace,info`.
const VARIABLE: &str = "RACKSEED_LOG";
/// What is logged without it: what a person would tell a colleague.
const DEFAULT: &str = "info,russh=warn";

/// Starts logging; a second call changes nothing.
pub fn start_logging() {
    let filter = EnvFilter::try_from_env(VARIABLE).unwrap_or_else(|_| EnvFilter::new(DEFAULT));
    let is_terminal = std::io::stderr().is_terminal();
    let builder = fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(is_terminal).with_target(false);
    let _ = builder.try_init();
}
