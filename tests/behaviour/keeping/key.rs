//! The key file that is lost: what is said, and the way on.

use std::fs;

use rackseed::{
    domain::host_lifecycle::HostState,
    keeping::{KeepingError, renew_key},
    ports::{HostLedger, PowerSecrets, RebuildLedger},
    store::{Store, StoreError},
};

use tempfile::TempDir;

use super::fixture::{Kept, mode};
use crate::support::rebuild_world::RebuildWorld;

#[tokio::test]
async fn a_lost_key_stops_the_start_says_what_is_lost_and_is_renewed_on_request() {
    let Kept { world, ready, armed, operation } = Kept::new().await;
    let data = world.folder.path().join("data");
    let error = renew_key(&data, "2026-11-21T00:00:00Z".parse().unwrap()).await.unwrap_err();
    assert!(matches!(error, KeepingError::Store(StoreError::InUse { .. })), "a daemon works there: {error}");
    let folder = ended(world);
    let store = Store::open(&data).unwrap();
    fs::remove_file(data.join("secret.key")).unwrap();
    let error = store.open_key(&data).await.err().unwrap();
    assert!(matches!(error, StoreError::KeyLost { .. }), "{error}");
    for words in [
        "keys of rebuilds under way (1)",
        "passwords and tokens that switch machines on (1)",
        "rackseed key renew",
        "Hosts, histories",
    ] {
        assert!(error.to_string().contains(words), "{words}: {error}");
    }
    assert!(!data.join("secret.key").exists(), "no new key is made in silence");

    fs::write(data.join("secret.key"), [9; 32]).unwrap();
    fs::set_permissions(data.join("secret.key"), std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let error = store.open_key(&data).await.err().unwrap();
    assert!(matches!(error, StoreError::KeyOther { .. }), "{error}");
    drop(store);

    let renewed = renew_key(&data, "2026-11-21T00:00:00Z".parse().unwrap()).await.unwrap();
    assert!(renewed.erased.contains("passwords and tokens that switch machines on (1)"), "{renewed:?}");
    assert_eq!(renewed.disarmed.len(), 1);
    assert_eq!(fs::read(renewed.aside.unwrap()).unwrap(), [9; 32]);
    assert_eq!(mode(&data.join("secret.key")), 0o600);
    let store = Store::open(&data).unwrap();
    store.open_key(&data).await.unwrap();
    assert_eq!(HostLedger::host(&store, &ready).await.unwrap().unwrap().state, HostState::Ready);
    assert_eq!(HostLedger::host(&store, &armed).await.unwrap().unwrap().state, HostState::Failed);
    assert_eq!(store.power_secret(&ready).await.unwrap(), None);
    assert!(store.rebuild(&operation).await.unwrap().unwrap().sealed.is_none());
    drop(folder);
}

/// Ends the daemon and keeps its folder.
fn ended(world: RebuildWorld) -> TempDir {
    world.folder
}

#[tokio::test]
async fn a_key_that_is_gone_while_nothing_was_sealed_is_simply_made_anew() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    store.open_key(folder.path()).await.unwrap();
    fs::remove_file(folder.path().join("secret.key")).unwrap();
    store.open_key(folder.path()).await.unwrap();
    store.open_key(folder.path()).await.unwrap();
}
