//! The key file and what it seals.

use std::{fs, os::unix::fs::PermissionsExt};

use rackseed::{
    ports::Secrets,
    store::{KeyFile, StoreError},
};
use secrecy::ExposeSecret;

#[test]
fn what_was_sealed_is_opened_after_a_restart_and_for_its_place_alone() {
    let folder = tempfile::tempdir().unwrap();
    let sealed = KeyFile::open(folder.path()).unwrap().seal("rebuild/a/private_key", b"secret").unwrap();
    let key = KeyFile::open(folder.path()).unwrap();
    assert_eq!(key.open("rebuild/a/private_key", &sealed).unwrap().expose_secret(), b"secret");
    assert!(key.open("rebuild/b/private_key", &sealed).is_err());
    assert!(key.open("rebuild/a/token_secret", &sealed).is_err());
    for place in 0..sealed.len() {
        let mut altered = sealed.clone();
        altered[place] ^= 1;
        assert!(key.open("rebuild/a/private_key", &altered).is_err(), "byte {place}");
        assert!(key.open("rebuild/a/private_key", &sealed[..place]).is_err(), "cut at {place}");
    }
    assert_ne!(key.seal("rebuild/a/private_key", b"secret").unwrap(), sealed, "the nonce is new each time");
}

#[test]
fn another_key_file_opens_nothing() {
    let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let sealed = KeyFile::open(one.path()).unwrap().seal("place", b"secret").unwrap();
    let error = KeyFile::open(other.path()).unwrap().open("place", &sealed).unwrap_err();
    assert!(error.to_string().contains("another key file"), "{error}");
}

#[test]
fn a_key_file_is_private_and_refused_when_others_may_read_it_or_when_it_is_cut() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("secret.key");
    KeyFile::open(folder.path()).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing else is left");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    let error = KeyFile::open(folder.path()).err().unwrap();
    assert!(matches!(error, StoreError::KeyFile { .. }));
    assert!(error.to_string().contains("mode 0640") && error.to_string().contains("chmod 600"), "{error}");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    fs::write(&path, b"short").unwrap();
    let error = KeyFile::open(folder.path()).err().unwrap();
    assert!(error.to_string().contains("5 bytes in place of 32"), "{error}");
}

#[test]
fn random_bytes_are_as_many_as_asked_for_and_not_the_same_twice() {
    let folder = tempfile::tempdir().unwrap();
    let key = KeyFile::open(folder.path()).unwrap();
    let (one, two) = (key.random_bytes(32).unwrap(), key.random_bytes(32).unwrap());
    assert_eq!(one.len(), 32);
    assert_ne!(one, two);
}
