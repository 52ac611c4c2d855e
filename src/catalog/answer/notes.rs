//! Collects what is to be said of an answer, and finds the place where a person would change it.

use std::collections::BTreeSet;

use super::Purpose;
use crate::{
    catalog::places::line_of,
    domain::{answer::AnswerValues, identity::TemplateName},
};

/// Keys whose rules compare them with each other: one that is not settled leaves the others undecided.
const COMPARED: &[&[&str]] =
    &[&["network.cidr", "network.gateway", "network.dns"], &["disk-setup.lvm.hdsize", "disk-setup.lvm.swapsize"]];

/// What is to be said of an answer.
#[derive(Debug)]
pub(in crate::catalog) struct Notes {
    /// For whom it is made.
    pub(super) purpose: Purpose,
    problems: Vec<String>,
    warnings: Vec<String>,
    unsettled: BTreeSet<String>,
}

impl Default for Notes {
    fn default() -> Self {
        Self::new(Purpose::Host)
    }
}

impl Notes {
    pub(super) fn new(purpose: Purpose) -> Self {
        Self { purpose, problems: Vec::new(), warnings: Vec::new(), unsettled: BTreeSet::new() }
    }

    pub(super) fn problem(&mut self, problem: impl Into<String>) {
        let problem = problem.into();
        if !self.problems.contains(&problem) {
            self.problems.push(problem);
        }
    }

    pub(super) fn warning(&mut self, warning: impl Into<String>) {
        self.warnings.push(warning.into());
    }

    /// Notes that a key has no value yet: rules about it say nothing.
    pub(super) fn leave_open(&mut self, key: &str) {
        self.unsettled.insert(key.to_owned());
    }

    /// Notes a broken rule, unless it is about a key that has no value yet.
    pub(super) fn rule(&mut self, rule: String) {
        let key = key_of(&rule);
        let is_open = |open: &String| {
            let is_within = |outer: &str, inner: &str| {
                outer == inner || inner.strip_prefix(outer).is_some_and(|rest| rest.starts_with('.'))
            };
            is_within(open, key)
                || is_within(key, open)
                || COMPARED.iter().any(|keys| keys.contains(&open.as_str()) && keys.contains(&key))
        };
        if !self.unsettled.iter().any(is_open) {
            self.problem(rule);
        }
    }

    pub(super) fn has_problems(&self) -> bool {
        !self.problems.is_empty()
    }

    /// Whether every key has its value.
    pub(super) fn is_settled(&self) -> bool {
        self.unsettled.is_empty()
    }

    pub(in crate::catalog) fn problems(&self) -> &[String] {
        &self.problems
    }

    pub(in crate::catalog) fn warnings(&self) -> &[String] {
        &self.warnings
    }
}

/// The key with which a rule begins.
fn key_of(rule: &str) -> &str {
    rule.split([' ', ':']).next().unwrap_or_default().trim_matches(['[', ']', '`'])
}

/// Where a person would change what a note is about: an option of the host, the server type, or a line of the template.
pub(in crate::catalog) fn place_of(
    note: &str,
    template: &TemplateName,
    template_text: &str,
    values: &AnswerValues,
) -> Option<String> {
    let (key, options) = (key_of(note), &values.options);
    if key.starts_with("answer.") {
        return None;
    }
    let in_extra = |path: &str| {
        let mut names = path.split('.');
        let first = names.next().and_then(|name| dashed(&options.extra, name));
        names.try_fold(first?, |place, name| dashed(place.as_object()?, name))
    };
    if in_extra(key).is_some() {
        return Some(format!("answer.extra.{key}"));
    }
    let section = key.split('.').next().unwrap_or_default();
    if section == "network" && (options.network.is_static() || !options.network.names.is_empty()) {
        return Some("answer.network".to_owned());
    }
    if key == "global.subscription-key" && options.subscription_key.is_some() {
        return Some("answer.subscription_key".to_owned());
    }
    let kind = &values.server_type;
    if section == "disk-setup" {
        if !options.disks.select.is_empty() || options.disks.filesystem.is_some() || options.disks.raid.is_some() {
            return Some("answer.disks".to_owned());
        }
        if kind.disk_request().is_some() || kind.filesystem.is_some() || kind.raid.is_some() {
            return Some(format!("server type `{}`", kind.name));
        }
    }
    let line = line_of(template_text, note)?;
    Some(format!("answer-templates/{template}.toml:{line}"))
}

fn dashed<'a>(keys: &'a serde_json::Map<String, serde_json::Value>, name: &str) -> Option<&'a serde_json::Value> {
    keys.iter().find(|(key, _)| key.replace('_', "-") == name).map(|(_, value)| value)
}
