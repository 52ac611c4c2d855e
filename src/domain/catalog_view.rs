//! The whole catalog as people look at it: what is in use with its places, what the last edit changed, and what a broken one would do.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use jiff::Timestamp;

use super::{
    catalog::{CatalogProblem, ScriptName},
    host::Host,
    identity::{ServerTypeName, TemplateName},
    server_type::ServerType,
};

/// One thing of the catalog, and where it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placed<T> {
    /// The thing.
    pub value: T,
    /// Its file, as people are told of it; `None` where the program brings it.
    pub file: Option<String>,
    /// The line where it begins, from 1, where it shares its file with others.
    pub line: Option<usize>,
}

/// What the folders hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CatalogContents {
    /// The server types.
    pub server_types: BTreeMap<ServerTypeName, Placed<ServerType>>,
    /// The texts of the answer templates.
    pub answer_templates: BTreeMap<TemplateName, Placed<String>>,
    /// The texts of the iPXE scripts.
    pub scripts: BTreeMap<ScriptName, Placed<String>>,
}

/// The last edit that was good.
#[derive(Debug, Clone)]
pub struct GoodEdit {
    /// When it was taken into use.
    pub at: Timestamp,
    /// What was in use before.
    pub before: Arc<CatalogContents>,
}

/// An edit that cannot be used.
#[derive(Debug, Clone)]
pub struct BrokenEdit {
    /// When it was first seen.
    pub since: Timestamp,
    /// What is wrong with it.
    pub problems: Vec<QuotedProblem>,
    /// The server types that it would leave usable, each with the answer template of its own.
    pub usable_types: BTreeSet<ServerTypeName>,
    /// The answer templates that it would leave usable.
    pub usable_templates: BTreeSet<TemplateName>,
    /// Whether every script could still be served.
    pub scripts_are_good: bool,
}

/// A broken rule with the line that breaks it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuotedProblem {
    /// The rule and its place.
    pub problem: CatalogProblem,
    /// The line that breaks it, and its text without what may be a secret. It may stand below that of the problem, which is where the broken
    /// thing begins.
    pub quote: Option<(usize, String)>,
}

/// The catalog as people look at it.
#[derive(Debug, Clone)]
pub struct CatalogView {
    /// When what is in use was read.
    pub loaded_at: Timestamp,
    /// What is in use.
    pub contents: Arc<CatalogContents>,
    /// The last good edit since the start, if there was one.
    pub last_edit: Option<GoodEdit>,
    /// What the files hold now, where that cannot be used.
    pub broken: Option<BrokenEdit>,
}

impl CatalogContents {
    /// The template that a host is given, if its server type is there.
    pub fn template_of<'a>(&'a self, host: &'a Host) -> Option<&'a TemplateName> {
        let kind = &self.server_types.get(&host.server_type)?.value;
        Some(host.options.answer.template_of(kind))
    }
}

impl BrokenEdit {
    /// The hosts that could not be rebuilt if there were only the files as they are now; each with the reason.
    pub fn stranded<'a>(&self, hosts: &'a [Host], in_use: &CatalogContents) -> Vec<(&'a Host, String)> {
        let reason = |host: &Host| {
            if !self.scripts_are_good {
                return Some("no script to boot with".to_owned());
            }
            if !self.usable_types.contains(&host.server_type) {
                return Some(format!("its server type `{}` cannot be used", host.server_type));
            }
            let template = host.options.answer.template.as_ref().or_else(|| in_use.template_of(host))?;
            (!self.usable_templates.contains(template))
                .then(|| format!("its answer template `{template}` cannot be used"))
        };
        hosts.iter().filter_map(|host| Some((host, reason(host)?))).collect()
    }
}
