//! What the first visitor needs, on the terminal on which the daemon was started.

use std::io::IsTerminal;

use super::output::Printer;
use crate::daemon::{FirstVisit, RunningDaemon};

/// Tells it where somebody sits at a terminal. Everywhere else, the log has it.
pub(super) fn tell(daemon: &RunningDaemon, printer: &Printer) {
    if let Some(first_visit) = &daemon.first_visit
        && std::io::stdout().is_terminal()
    {
        printer.line(&sentence(first_visit));
    }
}

/// The words.
pub(super) fn sentence(first_visit: &FirstVisit) -> String {
    let FirstVisit { url, code } = first_visit;
    format!("\n    First visit:  {url}\n    Set-up code:  {code}\n")
}
