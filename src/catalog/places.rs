//! Finds the line of a template that a broken rule is about.

use toml::de::DeTable;

/// Returns the line of the key with which a rule begins (`global.keyboard is …`), or that it calls an unknown field; of the section when the
/// key itself is not there.
pub(super) fn line_of(template: &str, rule: &str) -> Option<usize> {
    let table = DeTable::parse(template).ok()?;
    let unknown = rule.strip_prefix("unknown field `").and_then(|rest| rest.split('`').next());
    let place = match unknown {
        Some(key) => find(table.get_ref(), key),
        None => follow(table.get_ref(), rule.split([' ', ':']).next()?.trim_matches(['[', ']', '`'])),
    };
    place.map(|place| line_at(template, place))
}

/// The line of a byte of a text, from 1.
pub(super) fn line_at(text: &str, place: usize) -> usize {
    text.bytes().take(place).filter(|byte| *byte == b'\n').count() + 1
}

/// Goes down the path as far as the template has it.
fn follow(table: &DeTable<'_>, path: &str) -> Option<usize> {
    let (name, rest) = path.split_once('.').unwrap_or((path, ""));
    let (key, value) = table.iter().find(|(key, _)| is_same(key.get_ref(), name))?;
    let inner = value.get_ref().as_table().filter(|_| !rest.is_empty());
    let deeper = inner.and_then(|inner| follow(inner, rest));
    Some(deeper.unwrap_or(key.span().start))
}

/// Looks for a key everywhere.
fn find(table: &DeTable<'_>, name: &str) -> Option<usize> {
    table.iter().find_map(|(key, value)| match is_same(key.get_ref(), name) {
        true => Some(key.span().start),
        false => value.get_ref().as_table().and_then(|inner| find(inner, name)),
    })
}

fn is_same(key: &str, name: &str) -> bool {
    key.replace('_', "-") == name.replace('_', "-")
}

/// Returns the line of the key that a rule about a server type names, among the lines that belong to the entry that begins at a line.
pub(super) fn line_of_key(text: &str, entry: usize, rule: &str) -> Option<usize> {
    let indentation = |line: &str| line.len() - line.trim_start().len();
    let mut lines = text.lines().enumerate().skip(entry.checked_sub(1)?);
    let outer = indentation(lines.next()?.1);
    let key = |line: &str| Some(line.trim_start().split_once(':')?.0.trim_matches(['"', '\'']).to_owned());
    let is_named = |line: &str| {
        let name = key(line)?;
        let is_key = !name.is_empty() && name.chars().all(|c| c.is_ascii_lowercase() || c == '_');
        (is_key && (rule.contains(&format!("`{name}")) || rule.starts_with(&name.replace('_', " ")))).then_some(())
    };
    let below = lines.take_while(|(_, line)| line.trim().is_empty() || indentation(line) > outer);
    below.filter(|(_, line)| is_named(line).is_some()).map(|(number, _)| number + 1).next()
}
