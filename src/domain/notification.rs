//! What people are told when they are not looking: at which moments, in which words, what they should do next, and where to look.
//!
//! Everything in a message is one clean line of text: names and reasons may have come from outside, and go into headers of mails and requests.

use jiff::Timestamp;

use super::{
    identity::{BatchId, HostId, OperationId},
    words::words,
};

words!(
    /// The moments at which people are told.
    MomentKind, "notification event" {
        /// An operation cannot go on by itself.
        NeedsAttention = "needs_attention",
        /// A rebuild failed before a disk was touched.
        Failed = "failed",
        /// A rebuild was stopped because it cannot be trusted: two machines claimed it, or the node's host key is not known.
        Refused = "refused",
        /// Something takes longer than it should.
        Overdue = "overdue",
        /// A batch of rebuilds starts nothing more until a person decides.
        Paused = "paused",
        /// A host is a verified member of its cluster.
        Ready = "ready",
    }
);

/// How many characters of a reason are told. More is cut: phones show less, and some services turn long messages into files.
const DETAIL_CHARACTERS: usize = 600;
/// How many moments a digest names one by one.
const DIGEST_LINES: usize = 25;

/// Something that people are told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moment {
    /// Rises with every moment.
    pub number: i64,
    /// When it happened.
    pub at: Timestamp,
    /// What kind it is.
    pub kind: MomentKind,
    /// The host that it is about.
    pub host: Option<HostId>,
    /// The name of the host at that moment.
    pub hostname: Option<String>,
    /// The operation that it is about.
    pub operation: Option<OperationId>,
    /// The batch that it is about.
    pub batch: Option<BatchId>,
    /// The reason, in a sentence.
    pub detail: String,
}

/// How loud a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Urgency {
    /// Good to know.
    Low,
    /// To be seen today.
    Normal,
    /// Somebody should look now.
    High,
}

impl MomentKind {
    /// How loud it is.
    pub fn urgency(self) -> Urgency {
        match self {
            Self::Ready => Urgency::Low,
            Self::Overdue | Self::Failed => Urgency::Normal,
            Self::NeedsAttention | Self::Refused | Self::Paused => Urgency::High,
        }
    }

    /// What has happened to a host, as the end of a sentence that begins with its name.
    fn predicate(self) -> &'static str {
        match self {
            Self::NeedsAttention => "needs attention",
            Self::Failed => "could not be rebuilt",
            Self::Refused => "is not rebuilt any further: the rebuild cannot be trusted",
            Self::Overdue => "takes longer than it should",
            Self::Paused => "is paused until a person decides",
            Self::Ready => "is ready",
        }
    }

    /// What a person should do next.
    pub fn advice(self) -> &'static str {
        match self {
            Self::NeedsAttention => "Open the operation, put right what its reason names, then retry it; or cancel it.",
            Self::Failed => "The disk was not touched. Put right what the reason names, then rebuild the host again.",
            Self::Refused => {
                "Find out which machine it was before anything else: look at the host's page, and at who is on the boot network. \
                 Then rebuild the host again."
            }
            Self::Overdue => {
                "Look at the machine's console. It goes on by itself if the machine does; otherwise it is given up."
            }
            Self::Paused => {
                "Open the batch. Retry or cancel the rebuild that its reason names, then resume the batch; or leave that host out."
            }
            Self::Ready => "Nothing.",
        }
    }
}

impl Moment {
    /// One line: who, and what.
    pub fn title(&self) -> String {
        let nobody = if self.batch.is_some() { "a batch of rebuilds" } else { "Rackseed" };
        let whom = self.hostname.as_deref().or(self.host.as_ref().map(HostId::as_str)).unwrap_or(nobody);
        one_line(&format!("{whom} {}", self.kind.predicate()))
    }

    /// The reason, on one line and not longer than a person wants to read.
    pub fn reason(&self) -> String {
        one_line(&self.detail)
    }

    /// The page that shows it.
    fn path(&self) -> String {
        match (&self.operation, &self.batch, &self.host) {
            (Some(operation), ..) => format!("/operations/{operation}"),
            (None, Some(batch), _) => format!("/batches/{batch}"),
            (None, None, Some(host)) => format!("/hosts/{host}"),
            (None, None, None) => "/".to_owned(),
        }
    }

    /// The page that shows it, where people reach the dashboard at this URL.
    pub fn link(&self, dashboard_url: Option<&str>) -> Option<String> {
        dashboard_url.map(|base| format!("{}{}", base.trim_end_matches('/'), self.path()))
    }
}

/// What is sent: nothing but a test, one moment, or a digest of several.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// What it tells, oldest first. Empty: a test.
    pub moments: Vec<Moment>,
    /// Where people reach the dashboard.
    pub dashboard_url: Option<String>,
    /// When it was put together.
    pub at: Timestamp,
}

impl Message {
    /// One line for subjects and titles.
    pub fn title(&self) -> String {
        match self.moments.as_slice() {
            [] => "Rackseed: a test message".to_owned(),
            [moment] => moment.title(),
            many => format!("Rackseed: {} messages", many.len()),
        }
    }

    /// How loud it is: as loud as the loudest in it.
    pub fn urgency(&self) -> Urgency {
        self.moments.iter().map(|moment| moment.kind.urgency()).max().unwrap_or(Urgency::Normal)
    }

    /// A word that tells what it is: that of its moment, `digest` or `test`.
    pub fn word(&self) -> &'static str {
        match self.moments.as_slice() {
            [] => "test",
            [moment] => moment.kind.word(),
            _ => "digest",
        }
    }

    /// The page that shows it.
    pub fn link(&self) -> Option<String> {
        match self.moments.as_slice() {
            [moment] => moment.link(self.dashboard_url.as_deref()),
            _ => self.dashboard_url.clone(),
        }
    }

    /// A number that a repeat of the same message has too: that of its first moment.
    pub fn number(&self) -> i64 {
        self.moments.first().map_or(0, |moment| moment.number)
    }

    /// The text, without the title.
    pub fn text(&self) -> String {
        match self.moments.as_slice() {
            [] => "If you can read this, Rackseed can reach you here.".to_owned(),
            [moment] => {
                let reason = Some(moment.reason()).filter(|reason| !reason.is_empty());
                let advice = format!("What to do: {}", moment.kind.advice());
                reason.into_iter().chain([advice]).collect::<Vec<_>>().join("\n\n")
            }
            many => {
                let told = many.iter().take(DIGEST_LINES).map(|moment| {
                    let reason = moment.reason();
                    let separator = if reason.is_empty() { "" } else { ": " };
                    format!("- {} {}{separator}{reason}", moment.at.strftime("%H:%M UTC"), moment.title())
                });
                let rest = many.len().saturating_sub(DIGEST_LINES);
                let rest = (rest > 0).then(|| format!("- and {rest} more; the dashboard shows them"));
                told.chain(rest).collect::<Vec<_>>().join("\n")
            }
        }
    }
}

/// Text on one line without anything that changes how the rest of a line reads, and cut where it is too long.
pub fn one_line(text: &str) -> String {
    let is_harmless = |c: char| {
        !c.is_control() && !matches!(c, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    let spaced: String = text.chars().map(|c| if is_harmless(c) { c } else { ' ' }).collect();
    let line = spaced.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(DETAIL_CHARACTERS) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moment(kind: MomentKind, hostname: &str, detail: &str) -> Moment {
        Moment {
            number: 7,
            at: Timestamp::UNIX_EPOCH,
            kind,
            host: Some(HostId::from_random([1; 8])),
            hostname: Some(hostname.to_owned()),
            operation: None,
            batch: None,
            detail: detail.to_owned(),
        }
    }

    #[test]
    fn nothing_in_a_message_breaks_out_of_its_line() {
        let hostile = "pve\r\nBcc: all@example.org\u{2028}x\u{202e}y\0z";
        let message = Message {
            moments: vec![moment(MomentKind::Failed, hostile, hostile)],
            dashboard_url: None,
            at: Timestamp::UNIX_EPOCH,
        };
        assert_eq!(message.title(), "pve Bcc: all@example.org x y z could not be rebuilt");
        assert_eq!(message.text().lines().count(), 3, "{:?}", message.text());
    }

    #[test]
    fn a_digest_names_the_first_and_counts_the_rest() {
        let moments = vec![moment(MomentKind::Ready, "pve-01", ""); 30];
        let message =
            Message { moments, dashboard_url: Some("https://rackseed.example".into()), at: Timestamp::UNIX_EPOCH };
        assert_eq!(message.title(), "Rackseed: 30 messages");
        let text = message.text();
        assert_eq!(text.lines().count(), 26);
        assert!(text.ends_with("and 5 more; the dashboard shows them"), "{text}");
        assert_eq!(message.link().as_deref(), Some("https://rackseed.example"));
    }

    #[test]
    fn a_long_reason_is_cut_at_a_character() {
        let told = moment(MomentKind::Failed, "pve-01", &"ü".repeat(5000)).reason();
        assert_eq!(told.chars().count(), DETAIL_CHARACTERS + 1);
    }
}
