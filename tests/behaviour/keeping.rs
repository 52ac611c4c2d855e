//! Backups and the way back: what is in them, what is refused, and what a restored daemon must never do.

mod fixture;
mod key;
mod moving;

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use fixture::{Kept, mode, restore_of};
use rackseed::{
    domain::{host_lifecycle::HostState, operation::OperationStatus, rebuild::TokenPurpose},
    keeping::{self, KeepingError, SettingsOutcome},
    operations::{Advance, Engine},
    ports::{HostLedger, ImageLedger, PowerSecrets, RebuildLedger, Secrets},
    provisioning::RebuildTokens,
    store::{Store, StoreError},
};
use secrecy::ExposeSecret;
use sha2::{Digest, Sha256};

#[tokio::test]
async fn a_backup_taken_beside_a_running_daemon_brings_everything_back_elsewhere() {
    let kept = Kept::new().await;
    let backup = kept.back_up(false);
    assert_eq!(mode(&backup), 0o600);
    let names: Vec<_> = fs::read_dir(backup.parent().unwrap()).unwrap().map(|it| it.unwrap().file_name()).collect();
    assert_eq!(names, ["rackseed.tar"], "nothing else is left there");

    let elsewhere = tempfile::tempdir().unwrap();
    let restored = keeping::restore(restore_of(&backup, elsewhere.path())).await.unwrap();
    assert_eq!(restored.settings, SettingsOutcome::Written);
    assert!(restored.aside.is_empty() && restored.missing_files.is_empty());
    let data = elsewhere.path().join("data");
    for name in ["rackseed.db", "secret.key", "certificate.key"] {
        assert_eq!(mode(&data.join(name)), 0o600, "{name}");
    }
    assert_eq!(mode(&data.join("certificate.pem")), 0o644);
    for path in ["certificate.pem", "certificate.key", "secret.key"] {
        assert_eq!(fs::read(data.join(path)).unwrap(), fs::read(kept.data().join(path)).unwrap(), "{path}");
    }
    let template = "answer-templates/mine/own.toml";
    assert_eq!(fs::read(elsewhere.path().join(template)).unwrap(), fs::read(kept.place(template)).unwrap());
    assert!(fs::read_to_string(elsewhere.path().join("rackseed.yaml")).unwrap().contains("# a comment of mine"));

    let store = Store::open(&data).unwrap();
    let key = store.open_key(&data).await.unwrap();
    let ready = HostLedger::host(&store, &kept.ready).await.unwrap().unwrap();
    assert_eq!(ready, kept.world.host(&kept.ready).await);
    assert_eq!(ready.state, HostState::Ready);
    let history = store.history(&kept.ready, 50).await.unwrap();
    assert_eq!(history, kept.world.store.history(&kept.ready, 50).await.unwrap());
    let sealed = store.power_secret(&kept.ready).await.unwrap().unwrap();
    assert_eq!(key.open("a place", &sealed).unwrap().expose_secret(), b"the password of a BMC");
}

#[tokio::test]
async fn a_restored_database_arms_nothing_and_knows_no_token() {
    let kept = Kept::new().await;
    let rebuild = kept.world.store.rebuild(&kept.operation).await.unwrap().unwrap();
    let tokens: RebuildTokens = kept.world.world.keeper.tokens(&rebuild).unwrap().unwrap();
    let mac = kept.world.host(&kept.armed).await.mac;
    kept.world.world.keeper.restore().await.unwrap();
    assert!(kept.world.world.keeper.boot_table().armed(mac).is_some(), "it was armed when it was kept");
    let backup = kept.back_up(false);
    let elsewhere = tempfile::tempdir().unwrap();
    let restored = keeping::restore(restore_of(&backup, elsewhere.path())).await.unwrap();
    assert_eq!(restored.disarmed.iter().map(|host| host.hostname.as_str()).collect::<Vec<_>>(), ["pve-02"]);

    let after = kept.world_on(&elsewhere.path().join("data")).await;
    let host = after.hosts.host(&kept.armed).await.unwrap().unwrap();
    assert_eq!(host.state, HostState::Failed);
    assert!(host.reason.as_ref().unwrap().contains("restored from its backup of 20"), "{host:?}");
    after.keeper.restore().await.unwrap();
    assert!(after.keeper.boot_table().armed(mac).is_none());
    for purpose in TokenPurpose::ALL {
        let hash = Sha256::digest(tokens.token(*purpose).as_bytes()).into();
        assert_eq!(after.rebuilds.token(&hash).await.unwrap(), None, "{purpose}");
    }
    let ended = after.rebuilds.rebuild(&kept.operation).await.unwrap().unwrap();
    assert!(ended.sealed.is_none() && ended.ended_at.is_some() && !ended.is_armed(kept.now()));
    assert_eq!(after.journal.open_operations().await.unwrap(), []);
    let (operation, journal) = after.journal.operation(&kept.operation).await.unwrap().unwrap();
    let progress = rackseed::domain::operation::fold(&operation, &journal);
    assert_eq!(progress.status, OperationStatus::Cancelled);
    assert_eq!(Engine::new(after.clone()).advance(&kept.operation).await.unwrap(), Advance::Rest);
}

#[tokio::test]
async fn a_backup_with_any_byte_changed_or_cut_off_is_refused_and_nothing_is_written() {
    let kept = Kept::new().await;
    let backup = kept.back_up(false);
    let whole = fs::read(&backup).unwrap();
    let bad = backup.with_file_name("bad.tar");
    let manifest = keeping::check(&backup).unwrap().manifest;
    let mut tried = 0;
    for part in &manifest.parts {
        // A byte in the middle of each part: where its content begins is found by its name in the header before it.
        let header = whole.windows(part.path.len()).rposition(|window| window == part.path.as_bytes()).unwrap();
        let place = header + 512 + usize::try_from(part.bytes / 2).unwrap();
        if part.bytes > 0 {
            let mut altered = whole.clone();
            altered[place] ^= 1;
            assert_refused(&bad, &altered, &part.path).await;
            tried += 1;
        }
    }
    assert!(tried > 8, "{tried}");
    for length in [0, 100, 512, 5_000, whole.len() / 2, whole.len() - 20_000] {
        assert_refused(&bad, &whole[..length], &format!("cut at {length}")).await;
    }
    assert_refused(&bad, b"not a tar file at all, but text that is long enough to be looked at", "text").await;
}

async fn assert_refused(file: &Path, bytes: &[u8], what: &str) {
    fs::write(file, bytes).unwrap();
    let error = keeping::check(file).err().unwrap_or_else(|| panic!("{what} is taken"));
    assert!(matches!(error, KeepingError::Unusable { .. }), "{what}: {error}");
    let elsewhere = tempfile::tempdir().unwrap();
    assert!(keeping::restore(restore_of(file, elsewhere.path())).await.is_err(), "{what}");
    assert_eq!(fs::read_dir(elsewhere.path()).unwrap().count(), 0, "{what}");
}

#[tokio::test]
async fn a_database_that_is_there_stays_unless_it_is_forced_and_then_it_is_moved_aside() {
    let kept = Kept::new().await;
    let backup = kept.back_up(false);
    let place = tempfile::tempdir().unwrap();
    let data = place.path().join("data");
    drop(Store::open(&data).unwrap());
    fs::write(data.join("secret.key"), [7; 32]).unwrap();
    let old = fs::read(data.join("rackseed.db")).unwrap();
    let error = keeping::restore(restore_of(&backup, place.path())).await.unwrap_err();
    assert!(error.to_string().contains("has a database already. `--force` moves it aside"), "{error}");
    assert_eq!(fs::read(data.join("rackseed.db")).unwrap(), old);

    let forced = keeping::RestoreWish { force: true, ..restore_of(&backup, place.path()) };
    let running = Store::open(&data).unwrap();
    let error = keeping::restore(forced.clone()).await.unwrap_err();
    assert!(matches!(error, KeepingError::Store(StoreError::InUse { .. })), "{error}");
    drop(running);
    let restored = keeping::restore(forced).await.unwrap();
    let [aside] = restored.aside.as_slice() else { panic!("{:?}", restored.aside) };
    assert_eq!(fs::read(aside.join("rackseed.db")).unwrap(), old);
    assert_eq!(fs::read(aside.join("secret.key")).unwrap(), [7; 32]);
    assert_eq!(Store::open(&data).unwrap().hosts().await.unwrap().len(), 2);
}

#[tokio::test]
async fn settings_and_catalogs_of_the_operator_are_not_overwritten() {
    let kept = Kept::new().await;
    let backup = kept.back_up(false);
    let place = tempfile::tempdir().unwrap();
    let settings = place.path().join("rackseed.yaml");
    fs::write(&settings, "server:\n  listen: 127.0.0.1:9999\n").unwrap();
    fs::create_dir(place.path().join("ipxe")).unwrap();
    fs::write(place.path().join("ipxe/local.ipxe"), "mine").unwrap();
    let wish = restore_of(&backup, place.path());
    let error = keeping::restore(wish.clone()).await.unwrap_err();
    assert!(error.to_string().contains("ipxe is there with other files"), "{error}");
    assert!(!place.path().join("data/rackseed.db").exists());
    let restored = keeping::restore(keeping::RestoreWish { force: true, ..wish }).await.unwrap();
    assert_eq!(restored.settings, SettingsOutcome::Beside(place.path().join("rackseed.yaml.from-backup")));
    assert!(restored.settings_name_another, "the settings that stay name no data folder");
    assert!(fs::read_to_string(&settings).unwrap().contains("9999"));
    let aside: Vec<_> = restored.aside.iter().filter(|path| path.join("local.ipxe").exists()).collect();
    assert_eq!(fs::read_to_string(aside[0].join("local.ipxe")).unwrap(), "mine");
    assert!(place.path().join("ipxe/install.ipxe").exists());
}

#[tokio::test]
async fn a_backup_of_a_newer_version_is_refused_with_both_versions() {
    let kept = Kept::new().await;
    fixture::pretend_newer(&kept.data());
    let backup = kept.back_up(false);
    let elsewhere = tempfile::tempdir().unwrap();
    let error = keeping::restore(restore_of(&backup, elsewhere.path())).await.unwrap_err();
    assert!(
        error.to_string().contains("with tables of version 9999") && error.to_string().contains("Use that version")
    );
    assert_eq!(fs::read_dir(elsewhere.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn images_are_kept_on_request_and_else_named_with_their_checksum_and_forgotten() {
    let kept = Kept::new().await;
    for (with_images, rows) in [(false, 0), (true, 1)] {
        let backup = kept.back_up(with_images);
        let elsewhere = tempfile::tempdir().unwrap();
        let restored = keeping::restore(restore_of(&backup, elsewhere.path())).await.unwrap();
        let store = Store::open(&elsewhere.path().join("data")).unwrap();
        assert_eq!(ImageLedger::list(&store).await.unwrap().len(), rows);
        let image = elsewhere.path().join("data/images/pve-9.2-1-test/installer.iso");
        assert_eq!(image.exists(), with_images);
        match restored.missing_images.as_slice() {
            [] => assert!(with_images),
            [missing] => assert_eq!((missing.source_name.as_str(), missing.source_sha256.len()), ("test.iso", 64)),
            more => panic!("{more:?}"),
        }
        if with_images {
            assert_eq!(fs::read_to_string(image).unwrap(), "an ISO");
        }
    }
}

#[tokio::test]
async fn a_target_that_cannot_be_written_leaves_the_older_backup_as_it_was() {
    let kept = Kept::new().await;
    let backup = kept.back_up(false);
    let old = fs::read(&backup).unwrap();
    fs::set_permissions(kept.place("answer-templates/mine/own.toml"), fs::Permissions::from_mode(0o600)).unwrap();
    fs::remove_file(kept.data().join("images/pve-9.2-1-test/installer.iso")).unwrap();
    let error = kept.try_back_up(true).unwrap_err();
    assert!(error.to_string().contains("installer.iso"), "{error}");
    assert_eq!(fs::read(&backup).unwrap(), old);
    assert_eq!(fs::read_dir(backup.parent().unwrap()).unwrap().count(), 1);
}
