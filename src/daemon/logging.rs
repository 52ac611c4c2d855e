//! Where log lines go: standard error, for systemd's journal or a terminal; and the newest ones into memory, for a support bundle.

use std::{
    collections::VecDeque,
    io::{self, IsTerminal},
    sync::{Mutex, PoisonError},
};

use tracing_subscriber::{EnvFilter, fmt, layer::SubscriberExt, util::SubscriberInitExt};

/// The variable that sets how much is logged, such as `debug` or `rackseed::dhcp=trace,info`.
const VARIABLE: &str = "RACKSEED_LOG";
/// What is logged without it: what a person would tell a colleague.
const DEFAULT: &str = "info,russh=warn";
/// How many lines are remembered.
const LINES_KEPT: usize = 2000;
/// More of a line is not remembered.
const LONGEST_LINE_BYTES: usize = 4096;

/// The newest lines of this process.
static LINES: Mutex<VecDeque<String>> = Mutex::new(VecDeque::new());

/// Starts logging; a second call changes nothing.
pub fn start_logging() {
    let filter = EnvFilter::try_from_env(VARIABLE).unwrap_or_else(|_| EnvFilter::new(DEFAULT));
    let is_terminal = io::stderr().is_terminal();
    let to_people = fmt::layer().with_writer(io::stderr).with_ansi(is_terminal).with_target(false);
    let to_memory = fmt::layer().with_writer(|| Remembering).with_ansi(false).with_target(true);
    let _ = tracing_subscriber::registry().with(filter).with(to_people).with(to_memory).try_init();
}

/// The newest lines, oldest first.
pub(super) fn recent_lines() -> Vec<String> {
    LINES.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
}

/// Takes one event at a time, as the formatter writes it.
struct Remembering;

impl io::Write for Remembering {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut text = String::from_utf8_lossy(bytes).trim_end().to_owned();
        if text.len() > LONGEST_LINE_BYTES {
            let end = (0..=LONGEST_LINE_BYTES).rev().find(|end| text.is_char_boundary(*end)).unwrap_or_default();
            text.truncate(end);
        }
        let mut lines = LINES.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.len() == LINES_KEPT {
            lines.pop_front();
        }
        lines.push_back(text);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn the_newest_lines_are_remembered_and_no_more() {
        for number in 0..LINES_KEPT + 10 {
            let line = format!("line {number} {}\n", "é".repeat(LONGEST_LINE_BYTES));
            Remembering.write_all(line.as_bytes()).unwrap();
        }
        let lines = recent_lines();
        assert!(lines.len() <= LINES_KEPT && lines.iter().all(|line| line.len() <= LONGEST_LINE_BYTES));
        assert!(lines.last().unwrap().starts_with(&format!("line {} é", LINES_KEPT + 9)));
    }
}
