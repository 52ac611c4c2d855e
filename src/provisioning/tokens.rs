//! The one-time tokens of a rebuild: HMAC-SHA-256(rebuild secret, purpose), so that they can be made again after a restart and are gone
//! when the secret is erased. Only their hashes are stored.

use data_encoding::BASE64URL_NOPAD;
use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretSlice};
use sha2::{Digest, Sha256};

use crate::domain::rebuild::{TokenHash, TokenPurpose};

/// Makes the tokens of one rebuild.
pub struct RebuildTokens(SecretSlice<u8>);

impl RebuildTokens {
    /// Takes the rebuild's secret, 32 random bytes.
    pub fn new(secret: SecretSlice<u8>) -> Self {
        Self(secret)
    }

    /// The token for a purpose: 43 characters that are safe in URLs.
    pub fn token(&self, purpose: TokenPurpose) -> String {
        // A key of any length is accepted (RFC 2104 §3), so this cannot fail; an empty text would match no stored hash.
        let Ok(mac) = Hmac::<Sha256>::new_from_slice(self.0.expose_secret()) else { return String::new() };
        BASE64URL_NOPAD.encode(&mac.chain_update(purpose.word()).finalize().into_bytes())
    }

    /// The hashes of all tokens, as they are stored.
    pub fn hashes(&self) -> Vec<(TokenPurpose, TokenHash)> {
        TokenPurpose::ALL.iter().map(|purpose| (*purpose, hash_token(&self.token(*purpose)))).collect()
    }
}

/// The form in which a token is stored and looked up.
pub fn hash_token(token: &str) -> TokenHash {
    Sha256::digest(token.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_purpose_and_every_rebuild_has_its_own_token() {
        let one = RebuildTokens::new(vec![1; 32].into());
        let two = RebuildTokens::new(vec![2; 32].into());
        let mut all: Vec<_> =
            TokenPurpose::ALL.iter().flat_map(|purpose| [one.token(*purpose), two.token(*purpose)]).collect();
        assert!(all.iter().all(|token| token.len() == 43));
        all.sort();
        all.dedup();
        assert_eq!(all.len(), 2 * TokenPurpose::ALL.len());
    }
}
