//! What commands on nodes said while one step was at work: a shell that writes down what goes through it.

use std::{
    fmt::Write,
    sync::{Arc, Mutex, PoisonError},
};

use async_trait::async_trait;

use super::World;
use crate::{
    domain::masking::Masker,
    ports::{Command, Login, Output, RemoteShell, RemoteShellError},
};

/// How many bytes of one attempt are kept, the last ones. More tells a longer story; fewer keeps the database small.
const MOST_OF_ATTEMPT: usize = 8 << 10;
/// How many characters of a command's line are told.
const LONGEST_LINE: usize = 160;

/// A shell that writes down what goes through it.
pub(super) struct Transcript {
    shell: Arc<dyn RemoteShell>,
    masker: Masker,
    said: Mutex<Vec<String>>,
}

impl Transcript {
    /// The world with a transcript in front of its shell.
    pub(super) fn of(world: &World, masker: Masker) -> (World, Arc<Self>) {
        let transcript = Arc::new(Self { shell: Arc::clone(&world.shell), masker, said: Mutex::default() });
        let shell: Arc<dyn RemoteShell> = transcript.clone();
        (World { shell, ..world.clone() }, transcript)
    }

    /// Whether nothing was said at all.
    pub(super) fn is_empty(&self) -> bool {
        self.said.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    /// What was said, without secrets: appended to what was kept of this attempt before. A step that looks every second and sees the same
    /// is written down once. `None` where nothing is new.
    pub(super) fn appended_to(&self, kept: &str) -> Option<String> {
        let mut text = kept.to_owned();
        for section in self.said.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            // Masked before it is cut: half a secret would not be recognised.
            let section = end_of(&self.masker.mask(section)).to_owned();
            if !text.contains(&section) {
                text.push_str(&section);
            }
        }
        let text = end_of(&text);
        (text != kept).then(|| text.to_owned())
    }
}

/// The last bytes of a text, from the beginning of a line where there is one.
fn end_of(text: &str) -> &str {
    let Some(cut) = text.len().checked_sub(MOST_OF_ATTEMPT).filter(|cut| *cut > 0) else { return text };
    let cut = (cut..text.len()).find(|place| text.is_char_boundary(*place)).unwrap_or(text.len());
    let end = &text[cut..];
    end.find('\n').map_or(end, |line| &end[line + 1..])
}

#[async_trait]
impl RemoteShell for Transcript {
    async fn run(&self, login: &Login, command: &Command) -> Result<Output, RemoteShellError> {
        // Before the step reads it: a step may quote the last lines of what was said, and those may be the end of a key.
        let result = self.shell.run(login, command).await.map(|output| Output {
            output: self.masker.mask_known(&output.output),
            error: self.masker.mask_known(&output.error),
            ..output
        });
        let line: String = command.line.lines().next().unwrap_or_default().chars().take(LONGEST_LINE).collect();
        let mut section = format!("{}@{}$ {line}\n", login.user, login.address.ip());
        match &result {
            Ok(output) => {
                for part in [&output.output, &output.error] {
                    if !part.trim().is_empty() {
                        let _ = writeln!(section, "{}", part.trim_end());
                    }
                }
                if !output.is_success() {
                    let status = output.status.map_or("a signal".to_owned(), |status| format!("status {status}"));
                    let _ = writeln!(section, "(ended with {status})");
                }
            }
            Err(error) => {
                let _ = writeln!(section, "({error})");
            }
        }
        self.said.lock().unwrap_or_else(PoisonError::into_inner).push(section);
        result
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_end_of_a_long_text_is_kept_in_whole_lines() {
        let long: String = (0..2000).map(|line| format!("line {line} ü\n")).collect();
        let end = end_of(&long);
        assert!(end.len() <= MOST_OF_ATTEMPT && end.starts_with("line ") && end.ends_with("line 1999 ü\n"));
        assert_eq!(end_of("short"), "short");
        assert!(end_of(&"ü".repeat(10_000)).len() <= MOST_OF_ATTEMPT, "a text without lines is cut between characters");
    }
}
