//! The secrets of one rebuild, for taking them out of whatever is written down.

use data_encoding::{BASE64, BASE64URL_NOPAD, HEXLOWER};
use secrecy::ExposeSecret;

use super::{MemberCredential, World};
use crate::{
    domain::{
        masking::Masker,
        rebuild::{Rebuild, TokenPurpose},
    },
    provisioning::secret_place,
};

/// Knows every secret of a rebuild and of the cluster that can come near a command. What cannot be opened any more is erased, and cannot
/// be said by anybody.
pub(super) fn masker(world: &World, rebuild: Option<&Rebuild>) -> Masker {
    let mut secrets = Vec::new();
    match &world.cluster.credential {
        Some(MemberCredential::Password(secret) | MemberCredential::Key(secret)) => {
            secrets.push(secret.expose_secret().to_owned());
        }
        None => {}
    }
    if let Some(rebuild) = rebuild {
        if let Ok(Some(tokens)) = world.keeper.tokens(rebuild) {
            secrets.extend(TokenPurpose::ALL.iter().map(|purpose| tokens.token(*purpose)));
        }
        if let Some(sealed) = &rebuild.sealed {
            for (column, bytes) in [("private_key", &sealed.private_key), ("token_secret", &sealed.token_secret)] {
                if let Ok(secret) = world.secrets.open(&secret_place(&rebuild.operation, column), bytes) {
                    let bytes = secret.expose_secret();
                    secrets.extend([HEXLOWER.encode(bytes), BASE64.encode(bytes), BASE64URL_NOPAD.encode(bytes)]);
                }
            }
        }
    }
    Masker::new(secrets)
}
