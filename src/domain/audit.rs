//! Who did what: one row of the audit log, which is only ever added to.

use jiff::Timestamp;
use serde::Serialize;

use super::{
    identity::{BatchId, HostId, ImageId, OperationId},
    questions::AuditResult,
};

super::words::words!(
    /// The way in which something was asked.
    Via, "way in" {
        /// A page of the dashboard.
        Dashboard = "dashboard",
        /// The interface for programs.
        Api = "api",
        /// Our own command line.
        CommandLine = "command_line",
        /// The daemon by itself, on behalf of what somebody asked.
        Daemon = "daemon",
    }
);

/// Who asked, as far as we know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asker {
    /// The name of the user or token; `None` for whoever was not let in.
    pub actor: Option<String>,
    /// The way in.
    pub via: Via,
    /// The address that asked, or the user of this computer. May be empty.
    pub peer: String,
    /// What kind of program asked: one of a few words.
    pub agent: &'static str,
}

impl Asker {
    /// The daemon itself.
    pub fn daemon() -> Self {
        Self { actor: None, via: Via::Daemon, peer: String::new(), agent: "rackseed" }
    }
}

/// A row that has not been written yet. It never holds a body or a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewAuditEntry {
    /// Who.
    pub asker: Asker,
    /// What: method and route pattern, or a word for what an operation did.
    pub action: String,
    /// The host that it is about.
    pub host: Option<HostId>,
    /// Its name; left out, it is looked up when the row is written.
    pub hostname: Option<String>,
    /// The operation that it is about.
    pub operation: Option<OperationId>,
    /// The image that it is about.
    pub image: Option<ImageId>,
    /// The batch that it is about.
    pub batch: Option<BatchId>,
    /// The HTTP status, where there was one.
    pub status: Option<u16>,
    /// One sentence for a person.
    pub sentence: String,
}

impl NewAuditEntry {
    /// A row about nothing in particular; the caller fills in what it is about.
    pub fn new(asker: Asker, action: impl Into<String>, sentence: impl Into<String>) -> Self {
        Self {
            asker,
            action: action.into(),
            host: None,
            hostname: None,
            operation: None,
            image: None,
            batch: None,
            status: None,
            sentence: sentence.into(),
        }
    }

    /// A row of the daemon about one host, such as a check that an operator overrode.
    pub fn of_daemon(action: &str, host: &HostId, operation: Option<&OperationId>, sentence: String) -> Self {
        let entry = Self::new(Asker::daemon(), action, sentence);
        Self { host: Some(host.clone()), operation: operation.cloned(), ..entry }
    }
}

/// A row of the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AuditEntry {
    /// Rises with every row.
    pub number: i64,
    /// When.
    pub at: Timestamp,
    /// The user's name, where one was known.
    pub actor: Option<String>,
    /// The way in.
    pub via: Via,
    /// The address that asked, or the user of this computer.
    pub peer: String,
    /// What kind of program asked.
    pub agent: String,
    /// Method and route pattern, or a word.
    pub action: String,
    /// The host that it is about.
    pub host: Option<HostId>,
    /// The name that the host had.
    pub hostname: Option<String>,
    /// The operation that it is about.
    pub operation: Option<OperationId>,
    /// The image that it is about.
    pub image: Option<ImageId>,
    /// The batch that it is about.
    pub batch: Option<BatchId>,
    /// The HTTP status, where there was one.
    pub status: Option<u16>,
    /// One sentence for a person.
    pub sentence: String,
}

impl AuditEntry {
    /// How it ended, as far as that is known.
    pub fn result(&self) -> AuditResult {
        match (self.status, self.via) {
            (Some(..400), _) | (None, Via::Daemon | Via::CommandLine) => AuditResult::Done,
            (Some(400..500), _) => AuditResult::Refused,
            (Some(500..), _) => AuditResult::Failed,
            (None, Via::Dashboard | Via::Api) => AuditResult::Unanswered,
        }
    }
}

/// What kind of program calls itself so (`User-Agent`): a few words, because what is sent may be anything.
pub fn agent_class(user_agent: &str) -> &'static str {
    let starts = |word: &str| user_agent.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word));
    if user_agent.is_empty() {
        "unnamed"
    } else if starts("mozilla/") {
        "browser"
    } else if starts("rackseed/") {
        "rackseed"
    } else if starts("curl/") || starts("wget/") {
        "shell"
    } else {
        "program"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_told_by_one_of_a_few_words() {
        for (text, class) in [
            ("Mozilla/5.0 (X11; Linux x86_64)", "browser"),
            ("rackseed/0.1.0", "rackseed"),
            ("curl/8.14.1", "shell"),
            ("python-requests/2", "program"),
            ("é", "program"),
            ("", "unnamed"),
        ] {
            assert_eq!(agent_class(text), class, "{text}");
        }
    }
}
