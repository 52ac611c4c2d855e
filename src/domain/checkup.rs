//! What the doctor finds: the sign by which a trouble is known, how to make sure of it in a minute, and what mends it.

use jiff::Timestamp;

super::words::words!(
    /// How a check went.
    Verdict, "verdict" {
        /// Good.
        Good = "ok",
        /// It works, but a person should know.
        Warning = "warning",
        /// It will not work.
        Bad = "problem",
    }
);

/// What a check found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What was looked at.
    pub check: &'static str,
    /// How it went.
    pub verdict: Verdict,
    /// What was seen.
    pub sign: String,
    /// A command that makes sure of it.
    pub confirm: Option<String>,
    /// What mends it.
    pub fix: Option<String>,
}

impl Finding {
    /// All is well.
    pub fn good(check: &'static str, sign: impl Into<String>) -> Self {
        Self { check, verdict: Verdict::Good, sign: sign.into(), confirm: None, fix: None }
    }

    /// It works, but a person should know.
    pub fn warning(check: &'static str, sign: impl Into<String>) -> Self {
        Self { verdict: Verdict::Warning, ..Self::good(check, sign) }
    }

    /// It will not work.
    pub fn bad(check: &'static str, sign: impl Into<String>) -> Self {
        Self { verdict: Verdict::Bad, ..Self::good(check, sign) }
    }

    /// The same with a command that makes sure of it.
    pub fn confirmed_by(self, command: impl Into<String>) -> Self {
        Self { confirm: Some(command.into()), ..self }
    }

    /// The same with what mends it.
    pub fn mended_by(self, fix: impl Into<String>) -> Self {
        Self { fix: Some(fix.into()), ..self }
    }

    /// Sign and cure in one sentence.
    pub fn sentence(&self) -> String {
        match &self.fix {
            Some(fix) if fix.starts_with('\n') => format!("{}{fix}", self.sign),
            Some(fix) => format!("{}; {fix}", self.sign),
            None => self.sign.clone(),
        }
    }
}

/// One round of checks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkup {
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended; `None` while it is under way.
    pub ended_at: Option<Timestamp>,
    /// What is being looked at.
    pub looking_at: Option<String>,
    /// What was found so far.
    pub findings: Vec<Finding>,
    /// Why it ended early.
    pub cut_off: Option<String>,
}

impl Checkup {
    /// A round that begins.
    pub fn begun(now: Timestamp) -> Self {
        Self { started_at: now, ended_at: None, looking_at: None, findings: Vec::new(), cut_off: None }
    }

    /// The worst that was found.
    pub fn worst(&self) -> Verdict {
        let has = |verdict| self.findings.iter().any(|finding| finding.verdict == verdict);
        if has(Verdict::Bad) || self.cut_off.is_some() {
            Verdict::Bad
        } else if has(Verdict::Warning) {
            Verdict::Warning
        } else {
            Verdict::Good
        }
    }

    /// The findings, what needs a person first.
    pub fn by_weight(&self) -> Vec<&Finding> {
        let of = |verdict| self.findings.iter().filter(move |finding| finding.verdict == verdict);
        of(Verdict::Bad).chain(of(Verdict::Warning)).chain(of(Verdict::Good)).collect()
    }
}
