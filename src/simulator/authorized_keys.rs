//! Lines of `authorized_keys` as OpenSSH's server reads them: the key, and the options before it (sshd(8)).

use jiff::{Timestamp, civil, tz::TimeZone};

/// What a login with a key may do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct KeyRules {
    /// The only command that is run, whatever is asked for.
    pub(super) forced_command: Option<String>,
}

/// The rules of the first line that lets a key in. A line that has expired, or has an option that is not known here, lets nobody in.
pub(super) fn rules_for(lines: &str, key: &str, now: Timestamp) -> Option<KeyRules> {
    lines.lines().find_map(|line| rules_of_line(line.trim(), key, now))
}

fn rules_of_line(line: &str, key: &str, now: Timestamp) -> Option<KeyRules> {
    if line.is_empty() || line.starts_with('#') {
        return None;
    }
    if is_key(line, key) {
        return Some(KeyRules::default());
    }
    let (options, rest) = split_options(line)?;
    if !is_key(rest, key) {
        return None;
    }
    let mut rules = KeyRules::default();
    for option in options {
        match option.split_once('=') {
            Some(("command", command)) => rules.forced_command = Some(unquoted(command)?),
            Some(("expiry-time", time)) if now <= expiry(&unquoted(time)?)? => {}
            // Nothing of what these forbid is offered here.
            None if ["restrict", "no-pty", "no-port-forwarding", "no-agent-forwarding"].contains(&option) => {}
            Some(_) | None => return None,
        }
    }
    Some(rules)
}

fn is_key(text: &str, key: &str) -> bool {
    text.split_whitespace().take(2).eq(key.split_whitespace().take(2))
}

/// The options, and what comes after the first blank that is not between quotes.
fn split_options(line: &str) -> Option<(Vec<&str>, &str)> {
    let (mut options, mut start, mut quoted, mut last) = (Vec::new(), 0, false, ' ');
    for (place, character) in line.char_indices() {
        match character {
            '"' if last != '\\' => quoted = !quoted,
            ',' if !quoted => {
                options.push(&line[start..place]);
                start = place + 1;
            }
            ' ' | '\t' if !quoted => {
                options.push(&line[start..place]);
                return Some((options, line[place..].trim_start()));
            }
            _ => {}
        }
        last = character;
    }
    None
}

fn unquoted(value: &str) -> Option<String> {
    Some(value.strip_prefix('"')?.strip_suffix('"')?.replace("\\\"", "\""))
}

/// `YYYYMMDD`, `YYYYMMDDHHMM` or `YYYYMMDDHHMMSS`, in UTC with a `Z` at the end, else in the time zone of the system.
fn expiry(text: &str) -> Option<Timestamp> {
    let (digits, zone) = match text.strip_suffix('Z') {
        Some(digits) => (digits, TimeZone::UTC),
        None => (text, TimeZone::system()),
    };
    let format = match digits.len() {
        8 => "%Y%m%d",
        12 => "%Y%m%d%H%M",
        14 => "%Y%m%d%H%M%S",
        _ => return None,
    };
    let time = match digits.len() {
        8 => civil::Date::strptime(format, digits).ok()?.at(0, 0, 0, 0),
        _ => civil::DateTime::strptime(format, digits).ok()?,
    };
    Some(time.to_zoned(zone).ok()?.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIA";

    fn now() -> Timestamp {
        "2026-03-01T12:00:30Z".parse().unwrap()
    }

    fn rules(line: &str) -> Option<KeyRules> {
        rules_for(line, KEY, now())
    }

    #[test]
    fn a_forced_command_is_read_with_its_quotes_and_commas() {
        let line = format!("restrict,command=\"/bin/do \\\"it\\\", now\" {KEY} a comment");
        assert_eq!(rules(&line).unwrap().forced_command.as_deref(), Some("/bin/do \"it\", now"));
        assert_eq!(rules(&format!("{KEY} comment")), Some(KeyRules::default()));
    }

    #[test]
    fn an_expired_line_lets_nobody_in_and_the_next_one_may() {
        for (time, is_in) in
            [("202603011201Z", true), ("202603011200Z", false), ("20260301120031Z", true), ("20260228Z", false)]
        {
            let line = format!("expiry-time=\"{time}\" {KEY} rackseed join");
            assert_eq!(rules(&line).is_some(), is_in, "{time}");
            assert!(rules(&format!("{line}\n{KEY}")).is_some());
        }
    }

    #[test]
    fn lines_that_are_not_understood_let_nobody_in() {
        for line in [
            "tunnel=\"1\" KEY",
            "command=\"open KEY",
            "command=true KEY",
            "expiry-time=\"soon\" KEY",
            "# KEY",
            "restrict, KEY",
        ] {
            assert_eq!(rules(&line.replace("KEY", KEY)), None, "{line}");
        }
    }
}
