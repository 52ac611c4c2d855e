//! What an edit of the catalog changes, and for which hosts: the difference of two catalogs as a person reads it.

use super::{
    catalog_view::{CatalogContents, Placed},
    host::Host,
    identity::ServerTypeName,
    server_type::ServerType,
    text_difference::unified,
};

/// What stands where there is nothing.
const NOTHING: &str = "nothing";

/// One thing that an edit changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CatalogChange<'a> {
    /// What: `disk rule of generic-sata`.
    pub what: String,
    /// What it was, and what it is now, in words; for texts both are absent.
    pub values: Option<(String, String)>,
    /// The unified difference of a text.
    pub difference: Option<String>,
    /// When it matters.
    pub when: Effect,
    /// The hosts for which it does.
    pub hosts: Vec<&'a Host>,
}

/// When a change matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// A host is installed in another way from now on.
    NextRebuild,
    /// A machine is served another script from now on.
    NextNetworkBoot,
    /// Only what people read.
    WordsOnly,
}

impl Effect {
    /// When, as the end of a sentence.
    pub fn words(self) -> &'static str {
        match self {
            Self::NextRebuild => "at the next rebuild",
            Self::NextNetworkBoot => "at the next network boot",
            Self::WordsOnly => "changes nothing for machines",
        }
    }

    /// Its name in JSON.
    pub fn word(self) -> &'static str {
        match self {
            Self::NextRebuild => "next_rebuild",
            Self::NextNetworkBoot => "next_network_boot",
            Self::WordsOnly => "words_only",
        }
    }
}

/// A change of something that a person sees; the values of hosts count as far as they do not choose otherwise. `readable` makes the text of a
/// template fit to be shown.
pub fn difference<'a>(
    before: &CatalogContents,
    after: &CatalogContents,
    hosts: &'a [Host],
    readable: &dyn Fn(&str) -> String,
) -> Vec<CatalogChange<'a>> {
    let mut changes = Vec::new();
    for name in keys(&before.server_types, &after.server_types) {
        let (old, new) = (before.server_types.get(name), after.server_types.get(name));
        let of_type = || hosts.iter().filter(|host| host.server_type == *name);
        match (old, new) {
            (Some(old), Some(new)) => {
                changes.extend(of_server_type(name, &old.value, &new.value, &of_type().collect::<Vec<_>>()));
            }
            (None, None) => {}
            (old, new) => changes.push(CatalogChange {
                what: format!("server type {name}"),
                values: Some(presence(old.is_some(), new.is_some())),
                difference: None,
                when: Effect::NextRebuild,
                hosts: of_type().collect(),
            }),
        }
    }
    for name in keys(&before.answer_templates, &after.answer_templates) {
        let uses = |host: &&Host| {
            [before, after].iter().any(|contents| contents.template_of(host).is_some_and(|template| template == name))
        };
        let (old, new) = (before.answer_templates.get(name), after.answer_templates.get(name));
        let hosts = hosts.iter().filter(uses).collect();
        let what = format!("answer template {name}");
        changes.extend(of_text(what, old, new, readable, (Effect::NextRebuild, hosts)));
    }
    for name in keys(&before.scripts, &after.scripts) {
        let (old, new) = (before.scripts.get(name), after.scripts.get(name));
        let what = format!("iPXE script {}", name.word());
        let all = hosts.iter().collect();
        changes.extend(of_text(what, old, new, &str::to_owned, (Effect::NextNetworkBoot, all)));
    }
    changes
}

fn keys<'a, K: Ord, V>(
    before: &'a std::collections::BTreeMap<K, V>,
    after: &'a std::collections::BTreeMap<K, V>,
) -> std::collections::BTreeSet<&'a K> {
    before.keys().chain(after.keys()).collect()
}

fn presence(was: bool, is: bool) -> (String, String) {
    let word = |there: bool| if there { "there".to_owned() } else { NOTHING.to_owned() };
    (word(was), word(is))
}

fn of_server_type<'a>(
    name: &ServerTypeName,
    old: &ServerType,
    new: &ServerType,
    hosts: &[&'a Host],
) -> Vec<CatalogChange<'a>> {
    let pairs = old.in_words().into_iter().zip(new.in_words());
    let changed = pairs.filter(|(old, new)| old.value != new.value);
    changed
        .map(|(old, new)| CatalogChange {
            what: format!("{} of {name}", old.label),
            values: Some((
                old.value.unwrap_or_else(|| old.otherwise.to_owned()),
                new.value.unwrap_or_else(|| new.otherwise.to_owned()),
            )),
            difference: None,
            when: if old.key.is_for_machines() { Effect::NextRebuild } else { Effect::WordsOnly },
            hosts: hosts.iter().copied().filter(|host| old.key.matters_to(host)).collect(),
        })
        .collect()
}

fn of_text<'a>(
    what: String,
    old: Option<&Placed<String>>,
    new: Option<&Placed<String>>,
    readable: &dyn Fn(&str) -> String,
    (when, hosts): (Effect, Vec<&'a Host>),
) -> Option<CatalogChange<'a>> {
    let (old, new) = (old.map(|text| &text.value), new.map(|text| &text.value));
    if old == new {
        return None;
    }
    let text = |text: Option<&String>| text.map(|text| readable(text)).unwrap_or_default();
    let (before, after) = (text(old), text(new));
    let mut difference = unified(("before", &before), ("now", &after));
    if difference.is_empty() && old.is_some() && new.is_some() {
        "a secret or the way of writing has changed\n".clone_into(&mut difference);
    }
    let values = (old.is_none() || new.is_none()).then(|| presence(old.is_some(), new.is_some()));
    Some(CatalogChange { what, values, difference: Some(difference), when, hosts })
}
