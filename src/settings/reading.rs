//! Reads the settings key by key, so that one key that cannot be read does not hide the next one.

use serde_yaml::{Mapping, Value};

use super::{Settings, SettingsProblem};

/// Reads the text. Every key that is unknown or has a value of the wrong kind is a problem and has its default; a text that is no YAML at
/// all, or has a key twice, is an error.
pub(super) fn read(text: &str) -> Result<(Settings, Vec<SettingsProblem>), String> {
    let tree: Value = serde_yaml::from_str(text).map_err(|error| error.to_string())?;
    let tree = mapping(tree)
        .ok_or("the file must hold keys and values, as `rackseed config example` shows them")
        .map_err(str::to_owned)?;
    let (mut good, mut problems) = (Mapping::new(), Vec::new());
    for (name, value) in tree {
        let section = name.as_str().unwrap_or_default().to_owned();
        let keys = if is_section(&section) { mapping(value.clone()) } else { None };
        let Some(keys) = keys else {
            match reads(Mapping::from_iter([(name.clone(), value.clone())])) {
                Ok(()) => drop(good.insert(name, value)),
                Err(error) => problems.push(problem(text, &shown(&name), None, &error)),
            }
            continue;
        };
        let mut good_keys = Mapping::new();
        for (key, value) in keys {
            let alone = Mapping::from_iter([(key.clone(), value.clone())]);
            match reads(Mapping::from_iter([(name.clone(), alone.into())])) {
                Ok(()) => drop(good_keys.insert(key, value)),
                Err(error) => problems.push(problem(text, &section, Some(&shown(&key)), &error)),
            }
        }
        good.insert(name, good_keys.into());
    }
    let settings = serde_yaml::from_value(good.into()).map_err(|error| error.to_string())?;
    Ok((settings, problems))
}

/// A mapping, also one without anything in it: a section whose keys are all commented out.
fn mapping(value: Value) -> Option<Mapping> {
    if value.is_null() { Some(Mapping::new()) } else { value.as_mapping().cloned() }
}

fn reads(tree: Mapping) -> Result<(), String> {
    serde_yaml::from_value::<Settings>(tree.into()).map(drop).map_err(|error| error.to_string())
}

/// Whether this is the name of a section, which reads without any key.
fn is_section(name: &str) -> bool {
    reads(Mapping::from_iter([(name.into(), Mapping::new().into())])).is_ok()
}

fn shown(key: &Value) -> String {
    key.as_str().map_or_else(|| format!("{key:?}"), str::to_owned)
}

fn problem(text: &str, name: &str, key: Option<&str>, error: &str) -> SettingsProblem {
    let path = key.map_or_else(|| name.to_owned(), |key| format!("{name}.{key}"));
    // The reader begins with the path as far as it knows it.
    let error =
        error.strip_prefix(&format!("{path}: ")).or_else(|| error.strip_prefix(&format!("{name}: "))).unwrap_or(error);
    let error = error
        .replace("expected u16", "expected a whole number from 0 to 65535")
        .replace("expected path string", "expected a path")
        .replace("invalid socket address syntax", "is not an address with a port such as 127.0.0.1:8080");
    let place = line_of(text, name, key).map(|line| format!(" (line {line})")).unwrap_or_default();
    SettingsProblem { path, problem: format!("{error}{place}") }
}

/// The line of a key in the usual layout, one key in a line; `None` when it is written otherwise.
pub(super) fn line_of(text: &str, name: &str, key: Option<&str>) -> Option<usize> {
    let names = |line: &str, key: &str| line.trim_start().strip_prefix(key).is_some_and(|rest| rest.starts_with(':'));
    let mut lines = text.lines().enumerate().skip_while(|(_, line)| line.starts_with(' ') || !names(line, name));
    let (number, _) = lines.next()?;
    let Some(key) = key else { return Some(number + 1) };
    lines
        .take_while(|(_, line)| line.is_empty() || line.starts_with([' ', '#']))
        .find(|(_, line)| names(line, key))
        .map(|(number, _)| number + 1)
}
