//! Our own certificate: made at first start, kept beside the database, pinned by installers and first-boot scripts.

use std::{
    fs,
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
    sync::Arc,
};

use anyhow::Context;
use data_encoding::HEXLOWER;
use rcgen::{CertificateParams, DnType, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use sha2::{Digest, Sha256};
use tokio_rustls::TlsAcceptor;

use crate::provisioning::OwnCertificate;

/// The fixed name in the certificate. Nobody resolves it: installers pin the fingerprint, our first-boot script says `--connect-to`.
const NAME: &str = "rackseed.internal";
/// The certificate in the data folder.
const CERTIFICATE_FILE: &str = "certificate.pem";
/// Its private key, mode 0600.
const KEY_FILE: &str = "certificate.key";

/// Reads the certificate of a data folder, or makes it, and returns it with the acceptor that uses it.
pub(super) fn own_certificate(data_folder: &Path) -> anyhow::Result<(OwnCertificate, TlsAcceptor)> {
    let (certificate_path, key_path) = (data_folder.join(CERTIFICATE_FILE), data_folder.join(KEY_FILE));
    if !certificate_path.exists() || !key_path.exists() {
        make(&certificate_path, &key_path)?;
    }
    let pem =
        fs::read_to_string(&certificate_path).with_context(|| format!("cannot read {}", certificate_path.display()))?;
    let damaged = |what: &Path| {
        format!(
            "{} is damaged; remove {CERTIFICATE_FILE} and {KEY_FILE}, a new pair is made at the next start",
            what.display()
        )
    };
    let certificate = CertificateDer::from_pem_slice(pem.as_bytes()).with_context(|| damaged(&certificate_path))?;
    let key = PrivateKeyDer::from_pem_file(&key_path).with_context(|| damaged(&key_path))?;
    let fingerprint = HEXLOWER.encode(&Sha256::digest(&certificate));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .with_context(|| damaged(&key_path))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok((OwnCertificate { pem, name: NAME.to_owned(), fingerprint }, TlsAcceptor::from(Arc::new(config))))
}

/// Makes a self-signed certificate. It does not expire within the life of the machines that we install (rcgen's default end is the year
/// 4096); whoever pins it checks the fingerprint and not the date.
fn make(certificate_path: &Path, key_path: &Path) -> anyhow::Result<()> {
    let key = KeyPair::generate().context("cannot make a key for our certificate")?;
    let mut params = CertificateParams::new(vec![NAME.to_owned()])?;
    params.distinguished_name.push(DnType::CommonName, "Rackseed");
    let certificate = params.self_signed(&key).context("cannot make our certificate")?;
    write_private(key_path, &key.serialize_pem()).with_context(|| format!("cannot write {}", key_path.display()))?;
    fs::write(certificate_path, certificate.pem())
        .with_context(|| format!("cannot write {}", certificate_path.display()))
}

fn write_private(path: &Path, text: &str) -> io::Result<()> {
    let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}
