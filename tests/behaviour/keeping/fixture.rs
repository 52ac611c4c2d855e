//! A data folder with a host that is ready and one that is armed, a daemon that holds it, and the settings that belong to it.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use jiff::Timestamp;
use rackseed::{
    domain::identity::{HostId, OperationId},
    keeping::{self, BackupWish, KeepingError, RestoreWish},
    operations::World,
    ports::{Clock, PowerSecrets},
    settings::Settings,
    store::Store,
};

use crate::support::rebuild_world::RebuildWorld;

/// What is kept.
pub(super) struct Kept {
    pub(super) world: RebuildWorld,
    pub(super) ready: HostId,
    pub(super) armed: HostId,
    pub(super) operation: OperationId,
}

impl Kept {
    pub(super) async fn new() -> Self {
        let world = RebuildWorld::new();
        let (ready, operation) = world.armed("pve-01", 1).await;
        world.run(&world.world, &ready, &operation).await.unwrap();
        let (armed, operation) = world.armed("pve-02", 2).await;
        let kept = Self { world, ready, armed, operation };
        let sealed = kept.world.world.secrets.seal("a place", b"the password of a BMC").unwrap();
        kept.world.store.set_power_secret(&kept.ready, Some(&sealed)).await.unwrap();
        drop(kept.world.store.open_key(&kept.data()).await.unwrap());
        fs::write(kept.place("rackseed.yaml"), "# a comment of mine\ndata_folder: data\n").unwrap();
        fs::create_dir(kept.place("answer-templates/mine")).unwrap();
        fs::write(kept.place("answer-templates/mine/own.toml"), "# my own\n").unwrap();
        fs::write(kept.data().join("certificate.pem"), "the certificate").unwrap();
        fs::write(kept.data().join("certificate.key"), "its key").unwrap();
        fs::set_permissions(kept.data().join("certificate.pem"), fs::Permissions::from_mode(0o644)).unwrap();
        fs::set_permissions(kept.data().join("certificate.key"), fs::Permissions::from_mode(0o600)).unwrap();
        let image = kept.data().join("images/pve-9.2-1-test");
        fs::create_dir_all(&image).unwrap();
        for (name, content) in [("linux26", "a kernel"), ("initrd.img", "an initrd"), ("installer.iso", "an ISO")] {
            fs::write(image.join(name), content).unwrap();
        }
        fs::create_dir(kept.place("backups")).unwrap();
        kept
    }

    pub(super) fn place(&self, name: &str) -> PathBuf {
        self.world.folder.path().join(name)
    }

    pub(super) fn data(&self) -> PathBuf {
        self.place("data")
    }

    pub(super) fn now(&self) -> Timestamp {
        self.world.clock.now()
    }

    pub(super) fn back_up(&self, images: bool) -> PathBuf {
        self.try_back_up(images).unwrap()
    }

    pub(super) fn try_back_up(&self, images: bool) -> Result<PathBuf, KeepingError> {
        let (settings_file, target) = (self.place("rackseed.yaml"), self.place("backups/rackseed.tar"));
        let text = fs::read_to_string(&settings_file).unwrap();
        let settings = Settings::read_unchecked(&text, self.world.folder.path()).unwrap();
        let wish =
            BackupWish { settings: &settings, settings_file: &settings_file, target: &target, images, now: self.now() };
        Ok(keeping::write(&wish)?.file)
    }

    /// The same world on another data folder, as a daemon would open it.
    pub(super) async fn world_on(&self, data: &Path) -> Arc<World> {
        let store = Arc::new(Store::open(data).unwrap());
        let key = Arc::new(store.open_key(data).await.unwrap());
        self.world.on(&store, &key)
    }
}

/// A restore into a folder of its own.
pub(super) fn restore_of(file: &Path, folder: &Path) -> RestoreWish {
    RestoreWish {
        file: file.to_owned(),
        settings_file: folder.join("rackseed.yaml"),
        data_folder: Some(folder.join("data")),
        force: false,
        now: "2026-11-21T14:42:30Z".parse().unwrap(),
    }
}

pub(super) fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

/// Lets a database look as if a newer program had migrated it.
pub(super) fn pretend_newer(data: &Path) {
    let newer = "INSERT INTO refinery_schema_history SELECT 9999, 'later', applied_on, '1' FROM refinery_schema_history LIMIT 1";
    assert_eq!(rusqlite::Connection::open(data.join("rackseed.db")).unwrap().execute(newer, []).unwrap(), 1);
}
