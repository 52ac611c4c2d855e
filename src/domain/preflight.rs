//! What speaks against wiping a host: findings as rows of tables, each a pure look at the facts.
//!
//! A blocker stops a rebuild unless an operator overrides it by its name, with a reason that is kept; some never can be. A warning asks.
//! A note only tells. What could not be read is a finding of its own: silence never means that all is well.

mod cluster_rules;
mod guest_rules;
mod machine_rules;
mod moments;
mod outlook;
mod role_rules;

use std::collections::BTreeMap;

use jiff::Timestamp;

pub use moments::{Moment, moments};
pub use outlook::{GuestOutlook, Outlook, Phase};

use super::{
    answer::AnswerReview,
    cluster::ClusterView,
    cluster_plan::{Belonging, Votes},
    cluster_report::{ClusterReport, Reading},
    host::{HistoryEntry, Host},
    image_choice::ImageChoice,
    server_type::ServerType,
};

super::words::words!(
    /// How much a finding weighs.
    Severity, "severity" {
        /// It stops the rebuild.
        Blocker = "blocker",
        /// A person must say that it is meant.
        Warning = "warning",
        /// It is told.
        Note = "note",
    }
);

/// One thing that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The word by which it is overridden.
    pub id: &'static str,
    /// How much it weighs.
    pub severity: Severity,
    /// Whether an operator may go on in spite of it.
    pub can_be_overridden: bool,
    /// What was found and what to do, for a person.
    pub sentence: String,
}

/// One row of a table: what is looked for, and how much it weighs.
struct Rule {
    id: &'static str,
    severity: Severity,
    can_be_overridden: bool,
    /// Sentences about what was found; none when it is not there.
    look: fn(&Facts) -> Vec<String>,
}

/// A blocker that can be overridden.
const fn blocker(id: &'static str, look: fn(&Facts) -> Vec<String>) -> Rule {
    Rule { id, severity: Severity::Blocker, can_be_overridden: true, look }
}

/// A blocker that nobody can override: there is nothing to go on with, or the way on is another one.
const fn wall(id: &'static str, look: fn(&Facts) -> Vec<String>) -> Rule {
    Rule { id, severity: Severity::Blocker, can_be_overridden: false, look }
}

const fn warning(id: &'static str, look: fn(&Facts) -> Vec<String>) -> Rule {
    Rule { id, severity: Severity::Warning, can_be_overridden: false, look }
}

const fn note(id: &'static str, look: fn(&Facts) -> Vec<String>) -> Rule {
    Rule { id, severity: Severity::Note, can_be_overridden: false, look }
}

/// Every table, in the order in which findings of one severity are told.
const TABLES: &[&[Rule]] = &[machine_rules::RULES, cluster_rules::RULES, guest_rules::RULES, role_rules::RULES];

/// Everything that is looked at.
#[derive(Debug, Clone)]
pub struct Facts {
    /// Now.
    pub now: Timestamp,
    /// The host.
    pub host: Host,
    /// Its server type, as the catalog has it now.
    pub server_type: Option<ServerType>,
    /// What would be installed, or why nothing can be.
    pub image: Result<ImageChoice, String>,
    /// What is wrong with the image's files.
    pub image_damage: Option<String>,
    /// Its answer, or why there is none; absent where there is no image or no server type to write one for.
    pub answer: Option<Result<AnswerReview, String>>,
    /// What the machine itself said to us last.
    pub last_heard: Option<HistoryEntry>,
    /// What the cluster says.
    pub cluster: ClusterFacts,
}

/// What the cluster says of the host.
#[derive(Debug, Clone)]
pub struct ClusterFacts {
    /// Whether it is a member.
    pub belonging: Belonging,
    /// The votes around it; absent where there is no cluster, or none could be asked.
    pub votes: Option<Votes>,
    /// What the asked member sees.
    pub view: Option<ClusterView>,
    /// The report of that member; absent for a host that the cluster does not know.
    pub report: Option<Reading<ClusterReport>>,
}

/// The report that a person reads before anything is armed.
#[derive(Debug, Clone)]
pub struct Preflight {
    /// What was looked at.
    pub facts: Facts,
    /// What was found, the gravest first.
    pub findings: Vec<Finding>,
    /// What the cluster looks like with and without the host; absent where there is none, or it was not seen.
    pub outlook: Option<Outlook>,
}

/// Looks at the facts.
pub fn examine(facts: Facts) -> Preflight {
    let mut findings: Vec<Finding> = Vec::new();
    for rule in TABLES.iter().copied().flatten() {
        findings.extend((rule.look)(&facts).into_iter().map(|sentence| Finding {
            id: rule.id,
            severity: rule.severity,
            can_be_overridden: rule.can_be_overridden,
            sentence,
        }));
    }
    findings.sort_by_key(|finding| finding.severity);
    let outlook = outlook::look_ahead(&facts);
    Preflight { facts, findings, outlook }
}

/// What an operator agreed to with the request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Consent {
    /// That warnings are meant.
    pub accepts_warnings: bool,
    /// The blockers to go on in spite of, by their ids.
    pub overrides: Vec<String>,
    /// Why.
    pub reason: String,
}

/// The longest reason that is kept with an override.
pub const LONGEST_REASON: usize = 500;

/// Why a request does not suffice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Objection {
    /// These blockers stand and were not overridden, or cannot be.
    Blocked(Vec<&'static str>),
    /// Blockers are overridden without a reason, or with one that is too long.
    Reason,
    /// These warnings were not accepted.
    Unaccepted(Vec<&'static str>),
}

impl Preflight {
    /// The findings of one severity.
    pub fn of(&self, severity: Severity) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(move |finding| finding.severity == severity)
    }

    /// Whether a request with this consent may go on; then the blockers that it overrides.
    ///
    /// # Errors
    /// What is missing of it.
    pub fn permits(&self, consent: &Consent) -> Result<Vec<&Finding>, Objection> {
        let is_named = |finding: &Finding| consent.overrides.iter().any(|id| id == finding.id);
        let (overridden, standing): (Vec<_>, Vec<_>) =
            self.of(Severity::Blocker).partition(|finding| finding.can_be_overridden && is_named(finding));
        if !standing.is_empty() {
            return Err(Objection::Blocked(ids(standing)));
        }
        let reason = consent.reason.trim();
        if !overridden.is_empty() && (reason.is_empty() || reason.chars().count() > LONGEST_REASON) {
            return Err(Objection::Reason);
        }
        let warnings = ids(self.of(Severity::Warning).collect());
        if !warnings.is_empty() && !consent.accepts_warnings {
            return Err(Objection::Unaccepted(warnings));
        }
        Ok(overridden)
    }
}

fn ids(findings: Vec<&Finding>) -> Vec<&'static str> {
    let mut ids: Vec<_> = findings.into_iter().map(|finding| finding.id).collect();
    ids.dedup();
    ids
}

impl Objection {
    /// What is missing, in one sentence for whoever asked.
    pub fn sentence(&self, preflight: &Preflight) -> String {
        let name = preflight.facts.name();
        let told = |ids: &[&str], severity| {
            let told = preflight.of(severity).filter(|finding| ids.contains(&finding.id));
            told.map(|finding| format!("{}: {}", finding.id, finding.sentence)).collect::<Vec<_>>().join("; ")
        };
        match self {
            Self::Blocked(ids) => format!("{name} is not rebuilt, nothing was armed. {}", told(ids, Severity::Blocker)),
            Self::Reason => format!(
                "blockers are overridden only with a reason of at most {LONGEST_REASON} characters; it is kept with the rebuild"
            ),
            Self::Unaccepted(ids) => {
                format!(
                    "{name} is not rebuilt before its warnings are accepted, nothing was armed. {}",
                    told(ids, Severity::Warning)
                )
            }
        }
    }
}

impl Facts {
    /// Whether the host is a node of the cluster, or of its own, whatever else stands in the way.
    fn is_node(&self) -> bool {
        self.cluster.report.is_some()
    }

    /// The node's name in sentences.
    fn name(&self) -> &str {
        self.host.hostname.as_str()
    }

    /// The address that the cluster lists for the host, else the one with which it phoned home.
    fn address(&self) -> Option<String> {
        let listed = self.cluster.view.as_ref().and_then(|view| view.cluster.as_ref());
        let listed = listed.and_then(|cluster| cluster.nodes.get(self.name())).map(|node| node.address.clone());
        listed.or_else(|| self.host.address.map(|address| address.to_string()))
    }

    /// A part of the report that could be read.
    fn read<T>(&self, part: fn(&ClusterReport) -> &Reading<T>) -> Option<&T> {
        part(self.cluster.report.as_ref()?.as_ref().ok()?).as_ref().ok()
    }

    /// Why a part of the report could not be read, once the report itself was.
    fn unread<T>(&self, part: fn(&ClusterReport) -> &Reading<T>) -> Option<String> {
        part(self.cluster.report.as_ref()?.as_ref().ok()?).as_ref().err().map(ToString::to_string)
    }

    /// When each guest was backed up last.
    fn backup_of(&self, guest: u32) -> Option<Timestamp> {
        self.read(|report| &report.backups)?.newest.get(&guest).copied()
    }
}

/// Words of a list for a sentence, not too many of them.
fn list(words: impl IntoIterator<Item = String>) -> String {
    const MOST: usize = 12;
    let words: Vec<_> = words.into_iter().collect();
    let more = words.len().saturating_sub(MOST);
    let shown = words.into_iter().take(MOST).collect::<Vec<_>>().join(", ");
    if more > 0 { format!("{shown} and {more} more") } else { shown }
}

/// How long ago something was, for a sentence.
fn age(now: Timestamp, at: Timestamp) -> String {
    match now.as_second() - at.as_second() {
        ..=5399 => "within the last hour".to_owned(),
        seconds @ 5400..=172_799 => format!("{} hours ago", seconds / 3600),
        seconds => format!("{} days ago", seconds / 86_400),
    }
}

/// What was overridden, as it is kept with the rebuild.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Overridden {
    /// The blockers, each with the sentence that the operator was shown.
    pub findings: BTreeMap<String, Vec<String>>,
    /// Why.
    pub reason: String,
}

impl Overridden {
    /// Keeps what a permitted request overrides; `None` when that is nothing.
    pub fn new(overridden: &[&Finding], consent: &Consent) -> Option<Self> {
        let mut findings: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for finding in overridden {
            findings.entry(finding.id.to_owned()).or_default().push(finding.sentence.clone());
        }
        (!findings.is_empty()).then(|| Self { findings, reason: consent.reason.trim().to_owned() })
    }

    /// The sentence for the history, the live feed and the log.
    pub fn sentence(&self) -> String {
        let ids: Vec<_> = self.findings.keys().map(String::as_str).collect();
        format!("rebuild requested against the blockers {}; reason given: {}", ids.join(", "), self.reason)
    }
}

#[cfg(test)]
mod tests;
