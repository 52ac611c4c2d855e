//! The front door: everything is behind the command line.

use std::process::ExitCode;

fn main() -> ExitCode {
    rackseed::command_line::run()
}
