//! Passwords as people type them.

use std::{
    io::{self, BufRead, IsTerminal, Read, Write},
    os::fd::AsFd,
};

use anyhow::Context;
use nix::sys::termios::{LocalFlags, SetArg, Termios, tcgetattr, tcsetattr};
use secrecy::SecretString;
use zeroize::Zeroizing;

/// The longest password that is read, in bytes.
const LONGEST_PASSWORD: u64 = 4096;

/// Asks for a password on the terminal without showing it; else one line of standard input. It may be empty.
pub(super) fn ask_hidden(question: &str) -> anyhow::Result<SecretString> {
    let input = io::stdin();
    let mut line = Zeroizing::new(String::new());
    if input.is_terminal() {
        let mut prompt = io::stderr();
        write!(prompt, "{question}").context("no terminal")?;
        prompt.flush().context("no terminal")?;
        let silence = Silence::begin().context("the terminal cannot be kept from showing what is typed")?;
        let read = input.lock().take(LONGEST_PASSWORD).read_line(&mut line);
        drop(silence);
        // What was typed to end the line was not shown either.
        let _ = writeln!(prompt);
        read.context("cannot read the password")?;
    } else {
        input.lock().take(LONGEST_PASSWORD).read_line(&mut line).context("cannot read the password")?;
    }
    Ok(SecretString::from(line.trim_end_matches(['\r', '\n'])))
}

/// While it lives, the terminal does not show what is typed.
struct Silence(Termios);

impl Silence {
    fn begin() -> nix::Result<Self> {
        let before = tcgetattr(io::stdin().as_fd())?;
        let mut silent = before.clone();
        silent.local_flags.remove(LocalFlags::ECHO);
        tcsetattr(io::stdin().as_fd(), SetArg::TCSAFLUSH, &silent)?;
        Ok(Self(before))
    }
}

impl Drop for Silence {
    fn drop(&mut self) {
        let _ = tcsetattr(io::stdin().as_fd(), SetArg::TCSAFLUSH, &self.0);
    }
}
