//! Proxmox's section files (`storage.cfg`, `replication.cfg`, `ha/*.cfg`, `jobs.cfg`): `TYPE: ID`, then indented `KEY VALUE` lines.

/// One section.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Section {
    pub(super) kind: String,
    pub(super) id: String,
    fields: Vec<(String, String)>,
}

impl Section {
    /// The value of a key.
    pub(super) fn get(&self, key: &str) -> Option<&str> {
        self.fields.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str())
    }

    /// The names in a list such as `pve-01:2,pve-02`, without the priorities.
    pub(super) fn names(&self, key: &str) -> Vec<String> {
        let words = self.get(key).unwrap_or_default().split([',', ';', ' ']);
        words
            .map(|word| word.split(':').next().unwrap_or_default().trim().to_owned())
            .filter(|w| !w.is_empty())
            .collect()
    }

    /// The words of a list as they stand.
    pub(super) fn words(&self, key: &str) -> Vec<String> {
        let words = self.get(key).unwrap_or_default().split([',', ';', ' ']);
        words.map(|word| word.trim().to_owned()).filter(|word| !word.is_empty()).collect()
    }
}

/// Reads a file of sections.
pub(super) fn sections(text: &str) -> Vec<Section> {
    let mut sections: Vec<Section> = Vec::new();
    for line in text.lines() {
        let is_indented = line.starts_with([' ', '\t']);
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if !is_indented && let Some((kind, id)) = line.split_once(':') {
            sections.push(Section { kind: kind.trim().to_owned(), id: id.trim().to_owned(), fields: Vec::new() });
        } else if let Some(section) = sections.last_mut() {
            let (key, value) = line.split_once([' ', '\t']).unwrap_or((line, ""));
            section.fields.push((key.to_owned(), value.trim().to_owned()));
        }
    }
    sections
}
