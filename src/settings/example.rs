//! Reads the commented example: its keys in their order, each with what its comment says.

use std::sync::OnceLock;

/// One key of the example.
#[derive(Debug, Clone, Default)]
pub(super) struct ExampleKey {
    /// Its section; empty for a key that stands alone.
    pub(super) section: String,
    /// What the comment above the section says.
    pub(super) section_help: String,
    /// Its name.
    pub(super) name: String,
    /// What its comment says.
    pub(super) help: String,
}

impl ExampleKey {
    /// Its path.
    pub(super) fn place(&self) -> String {
        if self.section.is_empty() { self.name.clone() } else { format!("{}.{}", self.section, self.name) }
    }
}

/// The keys of the example. Keys that stand directly below each other share one comment.
pub(super) fn example_keys(example: &'static str) -> &'static [ExampleKey] {
    static KEYS: OnceLock<Vec<ExampleKey>> = OnceLock::new();
    KEYS.get_or_init(|| read(example))
}

fn read(example: &str) -> Vec<ExampleKey> {
    let (mut keys, mut current, mut comment) = (Vec::new(), ExampleKey::default(), Vec::new());
    for line in example.lines() {
        let text = line.trim();
        if let Some(said) = text.strip_prefix('#') {
            comment.push(said.trim());
            continue;
        }
        let said = std::mem::take(&mut comment).join(" ");
        let Some((name, value)) = text.split_once(':') else {
            // An empty line ends a section.
            current = ExampleKey::default();
            continue;
        };
        if !line.starts_with(' ') && value.is_empty() {
            current = ExampleKey { section: name.to_owned(), section_help: said.clone(), help: said, ..current };
            continue;
        }
        if !said.is_empty() {
            current.help = said;
        }
        name.clone_into(&mut current.name);
        keys.push(current.clone());
    }
    keys
}
