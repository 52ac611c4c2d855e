//! The code with which the first visitor proves to be whoever started the daemon.

use std::fmt;

/// Digits and letters without those that are taken for one another (Crockford's base32: no I, L, O, U).
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
/// How many characters a code has: sixty random bits.
const LENGTH: usize = 12;
/// After how many of them stands a dash.
const GROUP: usize = 4;

/// A set-up code.
#[derive(Clone, PartialEq, Eq)]
pub struct SetUpCode(String);

impl SetUpCode {
    /// Makes a code from random bytes; the caller brings the randomness.
    pub fn from_random(random: [u8; LENGTH]) -> Self {
        Self(random.iter().map(|byte| char::from(ALPHABET[usize::from(byte & 31)])).collect())
    }

    /// Reads a code as people type it: in any case, with or without dashes and spaces, O for 0 and I or L for 1.
    pub fn typed(text: &str) -> Self {
        let letters = text.chars().filter(|character| !character.is_whitespace() && *character != '-');
        // One more than a code has: a longer text is no code, however long.
        let letters = letters.take(LENGTH + 1).map(|character| match character.to_ascii_uppercase() {
            'O' => '0',
            'I' | 'L' => '1',
            other => other,
        });
        Self(letters.collect())
    }

    /// The characters alone.
    pub fn letters(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SetUpCode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, character) in self.0.chars().enumerate() {
            if place > 0 && place % GROUP == 0 {
                formatter.write_str("-")?;
            }
            write!(formatter, "{character}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for SetUpCode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("SetUpCode(hidden)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_three_groups_of_four_and_read_however_it_is_typed() {
        let code = SetUpCode::from_random([0, 1, 2, 3, 16, 17, 18, 19, 255, 254, 64, 33]);
        let text = code.to_string();
        assert_eq!(text, "0123-GHJK-ZY01");
        for typed in ["0123-GHJK-ZY01", "o1 23ghjkzyol", "  OI23 GHJK ZYOl\n"] {
            assert!(SetUpCode::typed(typed) == code, "{typed}");
        }
        for typed in ["", "0123-GHJK-ZY0", "0123-GHJK-ZY011", "0123-GHJK-ZY00"] {
            assert!(SetUpCode::typed(typed) != code, "{typed}");
        }
        assert!(!format!("{code:?}").contains("0123"));
    }
}
