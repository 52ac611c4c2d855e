//! Who may ask what: people who have signed in, and programs with a token. The rules of names, passwords, codes and expiry.

mod attempts;
mod set_up_code;

use std::{fmt, str::FromStr};

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::identity::{InvalidIdentity, OperationId};

pub use attempts::{AttemptTable, Attempts};
pub use set_up_code::SetUpCode;

super::words::words!(
    /// What a credential allows.
    Scope, "scope" {
        /// To look at everything, and to change nothing.
        ReadOnly = "read_only",
        /// To do everything that the pages can do.
        Operator = "operator",
    }
);

/// The file in the data folder with the token of the command line: whoever may read it may do everything here anyway.
pub const COMMAND_LINE_TOKEN_FILE: &str = "command-line-token";
/// The name under which is written down what was done with it. No user has it: names have no spaces.
pub const COMMAND_LINE: &str = "command line";

/// After this long without a request, a session ends. Longer asks less often for the password on a computer that is rarely used.
pub const SESSION_IDLE: SignedDuration = SignedDuration::from_hours(7 * 24);
/// After this long, a session ends even if it is used all the time: so long a stolen cookie is worth something.
pub const SESSION_LONGEST: SignedDuration = SignedDuration::from_hours(30 * 24);
/// How exactly the last use of a session or a token is remembered: every request would otherwise cost a write to the disk.
pub const LAST_USE_STEP: SignedDuration = SignedDuration::from_mins(1);

/// The shortest password, in characters. What is guessed is short; we ask for no digits or signs, which only make people write it down.
pub const SHORTEST_PASSWORD: usize = 10;
/// The longest password, in characters. More would only cost time to hash.
pub const LONGEST_PASSWORD: usize = 256;
/// The longest name of a user or a token, in characters.
const LONGEST_NAME: usize = 64;

/// The SHA-256 of a session's or a token's text, which is how it is stored and looked up.
pub type CredentialHash = [u8; 32];

/// Names a user, a session or a token: twelve characters of lower-case base32, safe in URLs.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct AccessId(OperationId);

impl AccessId {
    /// Makes an id from random bytes; the caller brings the randomness.
    pub fn from_random(random: [u8; 8]) -> Self {
        Self(OperationId::from_random(random))
    }

    /// The text itself.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl FromStr for AccessId {
    type Err = InvalidIdentity;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let short = text.chars().take(40).collect::<String>();
        text.parse().map(Self).map_err(|_| InvalidIdentity(format!("`{short}` is not the id of a session or token")))
    }
}

impl fmt::Display for AccessId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// The name of a user or a token: 1 to 64 visible characters, no spaces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessName(String);

impl AccessName {
    /// The text itself.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The same for all spellings in upper and lower case: two names that differ in nothing else are one.
    pub fn folded(&self) -> String {
        self.0.to_lowercase()
    }
}

impl FromStr for AccessName {
    type Err = InvalidIdentity;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let refused = |why: String| Err(InvalidIdentity(why));
        let length = text.chars().count();
        if text.is_empty() {
            return refused("a name is needed".into());
        }
        if length > LONGEST_NAME {
            return refused(format!("a name has at most {LONGEST_NAME} characters, and this one has {length}"));
        }
        if let Some(hidden) = text.chars().find(|c| !is_visible(*c)) {
            let what = if hidden == ' ' { "a space".to_owned() } else { format!("U+{:04X}", u32::from(hidden)) };
            return refused(format!("a name has only visible characters, and no spaces; this one has {what}"));
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for AccessName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// Whether a character can be seen. Marks that turn the direction of text, or have no width, make one name look like another.
fn is_visible(character: char) -> bool {
    let is_hidden_mark = matches!(
        character,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e01ff}'
    );
    !character.is_control() && !character.is_whitespace() && !is_hidden_mark
}

/// Whether a password may be had by a user of this name; else what is wrong with it, without repeating it.
pub fn check_password(name: &str, password: &str) -> Result<(), String> {
    let length = password.chars().count();
    if length < SHORTEST_PASSWORD {
        let has = if length == 1 { "1 character".to_owned() } else { format!("{length} characters") };
        return Err(format!("a password has at least {SHORTEST_PASSWORD} characters, and this one has {has}"));
    }
    if length > LONGEST_PASSWORD {
        return Err(format!("a password has at most {LONGEST_PASSWORD} characters, and this one has {length}"));
    }
    if password.contains('\0') {
        return Err("a password cannot contain the character NUL".into());
    }
    let (name, password) = (name.to_lowercase(), password.to_lowercase());
    let rest = if name.is_empty() { password.clone() } else { password.replace(&name, "") };
    if rest.is_empty() {
        return Err("the password is nothing but the name; choose one that nobody can guess from it".into());
    }
    let first = password.chars().next();
    if password.chars().all(|character| Some(character) == first) {
        return Err("the password is one character again and again; choose one that nobody guesses at once".into());
    }
    Ok(())
}

/// A user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// Its id.
    pub id: AccessId,
    /// Its name.
    pub name: AccessName,
    /// When it was made.
    pub created_at: Timestamp,
}

/// One signed-in browser.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// Its id, which is no secret.
    pub id: AccessId,
    /// Whose it is.
    pub user: User,
    /// When it began.
    pub created_at: Timestamp,
    /// When it was used last, to the minute.
    pub last_seen_at: Timestamp,
    /// The address from which it began.
    pub peer: String,
    /// What kind of program began it: one of a few words.
    pub agent: String,
}

impl Session {
    /// When it ends if it is used no more.
    pub fn expires_at(&self) -> Timestamp {
        session_end(self.created_at, self.last_seen_at)
    }
}

/// When a session ends that began then and was used then.
pub fn session_end(created_at: Timestamp, last_seen_at: Timestamp) -> Timestamp {
    let after = |moment: Timestamp, span| moment.checked_add(span).unwrap_or(Timestamp::MAX);
    after(created_at, SESSION_LONGEST).min(after(last_seen_at, SESSION_IDLE))
}

/// Whether a use at this moment is worth to be written down, after the last one that was.
pub fn is_worth_writing(last: Option<Timestamp>, now: Timestamp) -> bool {
    last.is_none_or(|last| now.duration_since(last).abs() >= LAST_USE_STEP)
}

/// A token of a program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiToken {
    /// Its id, which is no secret.
    pub id: AccessId,
    /// Its name.
    pub name: AccessName,
    /// What it allows.
    pub scope: Scope,
    /// When it was made.
    pub created_at: Timestamp,
    /// Who made it.
    pub created_by: String,
    /// When it was used last, to the minute.
    pub last_used_at: Option<Timestamp>,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_visible_and_without_spaces() {
        for name in ["admin", "Zoë", "a.b@c", "李", &"x".repeat(64)] {
            assert_eq!(name.parse::<AccessName>().unwrap().as_str(), name);
        }
        for name in ["", " ", "two words", "a\nb", "a\u{202e}b", "a\u{200b}b", "a\0", &"x".repeat(65)] {
            assert!(name.parse::<AccessName>().is_err(), "{name:?}");
        }
        assert_eq!("ZOË".parse::<AccessName>().unwrap().folded(), "zoë");
    }

    #[test]
    fn a_password_is_long_and_not_the_name() {
        for password in ["correct horse", "0123456789", "pässwörter", &"ab".repeat(128)] {
            assert_eq!(check_password("admin", password), Ok(()), "{password}");
        }
        for (password, why) in [
            ("", "at least 10"),
            ("short", "has 5 characters"),
            ("adminADMIN", "nothing but the name"),
            ("aaaaaaaaaaaa", "one character"),
            (&"ab".repeat(129), "at most 256"),
            ("a password\0", "NUL"),
        ] {
            let problem = check_password("admin", password).unwrap_err();
            assert!(problem.contains(why), "{password}: {problem}");
        }
    }

    #[test]
    fn a_session_ends_a_week_after_its_last_use_and_a_month_after_its_beginning() {
        let day = |day: i64| Timestamp::from_second(day * 86_400).unwrap();
        assert_eq!(session_end(day(0), day(0)), day(7));
        assert_eq!(session_end(day(0), day(20)), day(27));
        assert_eq!(session_end(day(0), day(29)), day(30));
    }

    #[test]
    fn a_use_is_written_down_once_a_minute() {
        let at = |second| Timestamp::from_second(second).unwrap();
        assert!(is_worth_writing(None, at(0)));
        assert!(!is_worth_writing(Some(at(0)), at(59)));
        assert!(is_worth_writing(Some(at(0)), at(60)));
        // A clock that was set back must not keep a session from being seen.
        assert!(is_worth_writing(Some(at(1_000)), at(0)));
    }
}
