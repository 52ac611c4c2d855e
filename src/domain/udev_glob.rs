//! The wildcards of the installer's filters (the `glob` crate's: `*`, `?`, `[ab]`, `[a-z]`, `[!a]`), case-sensitive as there.
//!
//! We read them only to know which disks and cards a filter would take before a machine is given it.

/// One place of a pattern.
#[derive(Debug)]
enum Token {
    One(char),
    Any,
    Many,
    Class { ranges: Vec<(char, char)>, is_inverted: bool },
}

/// Whether a pattern can be read at all; the installer stops at one that cannot.
pub fn is_valid(pattern: &str) -> bool {
    tokens(pattern).is_some()
}

/// Whether a pattern matches nothing but one text.
pub fn is_exact(pattern: &str) -> bool {
    tokens(pattern).is_some_and(|tokens| {
        tokens.iter().all(|token| match token {
            Token::One(_) => true,
            Token::Class { ranges, is_inverted } => !is_inverted && matches!(ranges[..], [(from, to)] if from == to),
            Token::Any | Token::Many => false,
        })
    })
}

/// Whether a pattern has `*`, `?` or an inverted class: it may match texts that nobody thought of.
pub fn is_open(pattern: &str) -> bool {
    tokens(pattern).is_none_or(|tokens| {
        tokens.iter().any(|token| match token {
            Token::Any | Token::Many => true,
            Token::Class { is_inverted, .. } => *is_inverted,
            Token::One(_) => false,
        })
    })
}

/// Whether a pattern matches a whole text; one that cannot be read matches nothing.
pub fn matches(pattern: &str, text: &str) -> bool {
    let Some(tokens) = tokens(pattern) else { return false };
    let text: Vec<char> = text.chars().collect();
    let (mut at, mut place) = (0, 0);
    // Where the last `*` stands, and how much of the text it has been given so far.
    let mut resume: Option<(usize, usize)> = None;
    while at < text.len() {
        match tokens.get(place) {
            Some(Token::Many) => {
                resume = Some((place, at));
                place += 1;
            }
            Some(token) if takes(token, text[at]) => {
                at += 1;
                place += 1;
            }
            Some(_) | None => match resume {
                Some((star, given)) => {
                    resume = Some((star, given + 1));
                    (at, place) = (given + 1, star + 1);
                }
                None => return false,
            },
        }
    }
    tokens[place.min(tokens.len())..].iter().all(|token| matches!(token, Token::Many))
}

/// The pattern that matches this text alone.
pub fn escape(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '?' | '*' | '[' | ']' => format!("[{c}]"),
            other => other.to_string(),
        })
        .collect()
}

fn takes(token: &Token, character: char) -> bool {
    match token {
        Token::One(one) => *one == character,
        Token::Any | Token::Many => true,
        Token::Class { ranges, is_inverted } => {
            ranges.iter().any(|(from, to)| (*from..=*to).contains(&character)) != *is_inverted
        }
    }
}

fn tokens(pattern: &str) -> Option<Vec<Token>> {
    // `**` is for paths alone, and the installer's reader refuses it elsewhere.
    if pattern.contains("**") {
        return None;
    }
    let characters: Vec<char> = pattern.chars().collect();
    let (mut tokens, mut at) = (Vec::new(), 0);
    while let Some(character) = characters.get(at) {
        let (token, length) = match character {
            '?' => (Token::Any, 1),
            '*' => (Token::Many, 1),
            '[' => class(&characters[at..])?,
            other => (Token::One(*other), 1),
        };
        tokens.push(token);
        at += length;
    }
    Some(tokens)
}

/// Reads `[…]`; a `]` directly after the opening stands for itself.
fn class(characters: &[char]) -> Option<(Token, usize)> {
    let is_inverted = characters.get(1) == Some(&'!');
    let start = if is_inverted { 2 } else { 1 };
    let length = characters.iter().skip(start + 1).position(|c| *c == ']')?;
    let inner = &characters[start..=start + length];
    let (mut ranges, mut at) = (Vec::new(), 0);
    while at < inner.len() {
        if inner.len() > at + 2 && inner[at + 1] == '-' {
            ranges.push((inner[at], inner[at + 2]));
            at += 3;
        } else {
            ranges.push((inner[at], inner[at]));
            at += 1;
        }
    }
    Some((Token::Class { ranges, is_inverted }, start + length + 2))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn wildcards_mean_what_they_mean_to_the_installer() {
        for (pattern, text, is_match) in [
            ("*b42e99acadb4", "enxb42e99acadb4", true),
            ("*B42E99ACADB4", "enxb42e99acadb4", false),
            ("INTEL*", "INTEL_SSDSC2KB240G8", true),
            ("*MZ7KM240HAGR*", "SAMSUNG_MZ7KM240HAGR-0E005_S2", true),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("a[bc]d", "acd", true),
            ("a[!bc]d", "acd", false),
            ("a[0-3]", "a2", true),
            ("[]]", "]", true),
            ("[[]x", "[x", true),
            ("*a*b", "xaxxab", true),
            ("", "", true),
            ("*", "", true),
            ("a", "ab", false),
            ("a**", "ab", false),
            ("a[b", "a[b", false),
        ] {
            assert_eq!(matches(pattern, text), is_match, "{pattern} on {text}");
        }
        assert!(!is_valid("a[b") && !is_valid("a**b") && is_valid("a[!b]?"));
        assert!(is_exact("S2[*]") && !is_exact("S[12]") && !is_exact("S*") && !is_open("S[12]") && is_open("S[!1]"));
    }

    proptest! {
        #[test]
        fn an_escaped_text_matches_itself_and_nothing_else(text in ".{0,12}", other in ".{0,12}") {
            let pattern = escape(&text);
            prop_assert!(is_exact(&pattern));
            prop_assert_eq!(matches(&pattern, &other), text == other);
            prop_assert!(matches(&pattern, &text));
        }

        #[test]
        fn no_pattern_panics(pattern in "[a\\[\\]!*?-]{0,10}", text in "[a\\[\\]!*?-]{0,10}") {
            let _ = (matches(&pattern, &text), is_exact(&pattern), is_open(&pattern));
        }
    }
}
