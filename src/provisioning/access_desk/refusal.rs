//! Why somebody is not let in, in words for them.

use jiff::SignedDuration;

use crate::ports::{LedgerError, PasswordsError, SecretsError};

/// Why something is refused.
#[derive(Debug, thiserror::Error)]
pub enum AccessRefusal {
    /// Fields that are wrong.
    #[error("{}", .0.iter().map(|(field, problem)| format!("{field}: {problem}")).collect::<Vec<_>>().join("; "))]
    Invalid(Vec<(&'static str, String)>),
    /// Name or password is wrong; which, nobody is told.
    #[error(
        "this name and this password do not belong together; nothing more is said, so that names cannot be found out"
    )]
    Wrong,
    /// Too many guesses.
    #[error("too many attempts that were not right; try again in {}", spell(.0))]
    Wait(SignedDuration),
    /// Somebody has claimed this daemon already.
    #[error("this Rackseed has been claimed already; sign in instead")]
    Claimed,
    /// Nothing has this id.
    #[error("{0}")]
    Unknown(&'static str),
    /// It cannot be done as things are.
    #[error("{0}")]
    NotPossible(String),
    /// The password cannot be checked.
    #[error(transparent)]
    Passwords(#[from] PasswordsError),
    /// No randomness.
    #[error(transparent)]
    Secrets(#[from] SecretsError),
    /// The ledger failed.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

impl AccessRefusal {
    /// After how many seconds it may be tried again, where waiting helps.
    pub fn retry_after(&self) -> Option<i64> {
        match self {
            // Rounded up: who comes back a moment too early is refused again.
            Self::Wait(wait) => Some(wait.as_secs() + 1),
            Self::Passwords(PasswordsError::Busy) => Some(2),
            Self::Invalid(_)
            | Self::Wrong
            | Self::Claimed
            | Self::Unknown(_)
            | Self::NotPossible(_)
            | Self::Passwords(PasswordsError::Failed(_))
            | Self::Secrets(_)
            | Self::Ledger(_) => None,
        }
    }
}

fn spell(wait: &SignedDuration) -> String {
    match wait.as_secs() + 1 {
        1 => "1 second".to_owned(),
        seconds @ ..=90 => format!("{seconds} seconds"),
        seconds => format!("{} minutes", (seconds + 59) / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_said_in_words_and_rounded_up() {
        for (seconds, text) in [(0, "1 second"), (4, "5 seconds"), (100, "2 minutes"), (899, "15 minutes")] {
            let refusal = AccessRefusal::Wait(SignedDuration::from_secs(seconds));
            assert!(refusal.to_string().ends_with(&format!("try again in {text}")), "{refusal}");
            assert_eq!(refusal.retry_after(), Some(seconds + 1));
        }
    }
}
