//! How a BMC with a certificate of its own making is known: by the SHA-256 of that certificate.

use std::sync::{Arc, Mutex, PoisonError};

use rustls::{
    DigitallySignedStruct, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime},
};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// Accepts exactly the leaf certificate with this SHA-256, and remembers the one that it saw. Name, dates and issuer do not matter:
/// BMCs show `idrac.local` of 2016.
#[derive(Debug)]
pub(super) struct PinnedLeaf {
    /// The fingerprint; absent: nobody is believed, and only what was seen is remembered.
    pub(super) pin: Option<[u8; 32]>,
    /// The fingerprint of the certificate that was shown.
    pub(super) seen: Arc<Mutex<Option<[u8; 32]>>>,
    /// Who checks signatures.
    pub(super) provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for PinnedLeaf {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let seen: [u8; 32] = Sha256::digest(leaf).into();
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = Some(seen);
        match &self.pin {
            Some(pin) if bool::from(pin.ct_eq(&seen)) => Ok(ServerCertVerified::assertion()),
            Some(_) | None => Err(rustls::Error::General("another certificate than the expected one".into())),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signature, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
