//! What is kept of images, who uses them, and how damage is found. The ledger is the real one where users matter.

use std::{fs, path::Path, process::Command, sync::Arc};

use rackseed::{
    domain::{
        image::{ImagePart, InstallerRelease},
        image_memory::memory_need,
        image_use::ImageUse,
    },
    images::{AddError, ImageFolder},
    ports::{ImageKeeper, ImageLedger, ImageLibrary, ImageLibraryError, ImageRefusal},
    store::Store,
};

use super::shelf::{Layout, Shelf, now, silent};
use crate::support::{rebuild_world::RebuildWorld, served::bytes_of};

#[tokio::test]
async fn every_release_is_taken_in_and_those_that_cannot_rebuild_a_host_say_why() {
    let shelf = Shelf::new();
    let (pve, pbs) = (("pve", "Proxmox VE"), ("pbs", "Proxmox Backup Server"));
    for (product, release, why) in [
        (
            pve,
            "8.2",
            Some("8.3 or newer is needed, because older installers know neither the post-installation webhook"),
        ),
        (pve, "8.3", None),
        (pve, "8.4", None),
        (pve, "9.0", None),
        (pve, "9.1", None),
        (pve, "9.2", None),
        (pbs, "3.4", Some("installs Proxmox Backup Server, which cannot be a member of a Proxmox VE cluster")),
        (pbs, "4.1", Some("installs Proxmox Backup Server")),
    ] {
        let image = shelf.add(&Layout { product, release, ..Layout::default() }).await.unwrap();
        assert_eq!((image.product.as_str(), image.release), (product.0, InstallerRelease::parse(release).unwrap()));
        match (image.unfit_for_rebuild(), why) {
            (None, None) => {}
            (Some(said), Some(why)) => assert!(said.contains(why), "{said}"),
            (said, why) => panic!("{release}: {said:?} in place of {why:?}"),
        }
        let refused = shelf.library.make_default(&image.id, now()).await.err();
        assert_eq!(refused.is_some_and(|error| matches!(error, ImageRefusal::Unfit(_))), why.is_some());
        let served = shelf.open(&image.id, "").await;
        assert!(served.length() > 1_500_000);
    }
}

#[tokio::test]
async fn what_is_recorded_of_the_files_is_what_they_are() {
    let shelf = Shelf::new();
    let image = shelf.add(&Layout::default()).await.unwrap();
    let files = image.files.as_ref().unwrap();
    for part in ImagePart::ALL {
        let bytes = fs::read(shelf.place(&image, part.file_name())).unwrap();
        let sha256 = data_encoding::HEXLOWER.encode(&<sha2::Sha256 as sha2::Digest>::digest(&bytes));
        assert_eq!((files.of(*part).size_bytes, &files.of(*part).sha256), (bytes.len() as u64, &sha256));
    }
    // `initr` is no archive of a known kind, so that it is taken to grow seven times.
    assert_eq!(files.initrd_unpacked_bytes, 35);
    assert_eq!(memory_need(&image).uefi_bytes, 4 * (image.iso_size_bytes + 35) + (512 << 20));
}

#[tokio::test]
async fn a_file_of_another_size_or_a_missing_one_is_damage() {
    let shelf = Shelf::new();
    let image = shelf.add(&Layout::default()).await.unwrap();
    let copy = shelf.place(&image, "installer.iso");
    fs::set_permissions(&copy, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    fs::OpenOptions::new().write(true).open(&copy).unwrap().set_len(image.iso_size_bytes - 1).unwrap();
    fs::remove_file(shelf.place(&image, "linux26")).unwrap();
    for part in [ImagePart::InstallerIso, ImagePart::Kernel] {
        let error = shelf.library.open(&image.id, part, None).await.err().unwrap();
        assert!(matches!(error, ImageLibraryError::Damaged { .. }), "{error}");
    }
    let error = shelf.add(&Layout::default()).await.unwrap_err();
    assert!(error.to_string().contains("remove it, then add it again"), "{error}");
    shelf.library.remove(&image.id, &[], now()).await.unwrap();
    assert!(shelf.add(&Layout::default()).await.is_ok());
}

#[tokio::test]
async fn a_file_that_was_written_to_is_not_served_until_its_checksum_is_seen_to_be_right() {
    let shelf = Shelf::new();
    let image = shelf.add(&Layout::default()).await.unwrap();
    let kernel = shelf.place(&image, "linux26");
    let content = fs::read(&kernel).unwrap();
    fs::set_permissions(&kernel, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    let mut other = content.clone();
    other[3] ^= 1;
    fs::write(&kernel, &other).unwrap();
    let error = shelf.library.open(&image.id, ImagePart::Kernel, None).await.err().unwrap();
    assert!(error.to_string().contains("linux26 was written to at"), "{error}");
    let problems = |checks: Vec<rackseed::ports::PartCheck>| {
        checks.into_iter().filter_map(|check| check.problem.map(|problem| (check.part, problem))).collect::<Vec<_>>()
    };
    let found = problems(shelf.library.check(&image.id).await.unwrap());
    assert!(matches!(&found[..], [(ImagePart::Kernel, problem)] if problem.contains("SHA-256")), "{found:?}");
    assert!(shelf.library.open(&image.id, ImagePart::Kernel, None).await.is_err());
    // Put back, as from a backup: the time differs, the content does not.
    fs::write(&kernel, &content).unwrap();
    assert!(shelf.library.open(&image.id, ImagePart::Kernel, None).await.is_err());
    assert_eq!(problems(shelf.library.check(&image.id).await.unwrap()), []);
    assert!(shelf.library.open(&image.id, ImagePart::Kernel, None).await.is_ok());
}

#[tokio::test]
async fn an_image_that_a_server_type_wants_is_kept_and_another_one_is_removed() {
    let shelf = Shelf::new();
    let image = shelf.add(&Layout::default()).await.unwrap();
    let wanted = ImageUse::ServerType("generic-sata".parse().unwrap());
    let error = shelf.library.remove(&image.id, &[wanted], now()).await.unwrap_err();
    assert!(error.to_string().ends_with("is in use by the server type `generic-sata`"), "{error}");
    // A download that runs is not disturbed.
    let served = shelf.open(&image.id, "").await;
    shelf.library.remove(&image.id, &[], now()).await.unwrap();
    assert_eq!(bytes_of(&served, 0..served.length()).len() as u64, image.iso_size_bytes);
    assert_eq!(shelf.names(), [".lock"]);
    assert!(matches!(shelf.library.remove(&image.id, &[], now()).await, Err(ImageRefusal::Unknown(_))));
    let error = shelf.library.open(&image.id, ImagePart::Kernel, None).await.err().unwrap();
    assert!(matches!(error, ImageLibraryError::UnknownImage(_)), "{error}");
}

#[tokio::test]
async fn files_without_a_row_are_swept_up_and_what_is_not_ours_is_left() {
    let shelf = Shelf::new();
    let image = shelf.add(&Layout::default()).await.unwrap();
    let library = shelf.folder.path().join("images");
    // Killed between the row and the files of a removal.
    shelf.ledger.remove(&image.id, &[], now()).await.unwrap();
    fs::create_dir_all(library.join("notes")).unwrap();
    fs::write(library.join("notes/todo.txt"), "buy disks").unwrap();
    assert_eq!(shelf.library.clean_up().await.unwrap(), 1);
    assert_eq!(shelf.names(), [".lock", "notes"]);
}

#[tokio::test]
async fn rebuilds_hosts_and_the_default_keep_their_image() {
    let world = RebuildWorld::new();
    let (host, operation) = world.armed("pve-01", 1).await;
    let library = ImageFolder::new(world.folder.path().join("images"), world.store.clone());
    let id = "pve-9.2-1-test".parse().unwrap();
    let users = |error: ImageRefusal| {
        let ImageRefusal::InUse { users, .. } = error else { panic!("{error}") };
        users.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    library.make_default(&id, now()).await.unwrap();
    let found = users(library.remove(&id, &[], now()).await.unwrap_err());
    let default = "being the default (make another image the default)";
    assert_eq!(found, ["the rebuild of pve-01 that has not ended", default]);
    rackseed::ports::RebuildLedger::end(world.store.as_ref(), &operation, now()).await.unwrap();
    assert_eq!(users(library.remove(&id, &[], now()).await.unwrap_err()), [default]);
    let patch = serde_json::json!({ "image": "pve-9.2-1-test" });
    let options = world.host(&host).await.options.patched(&patch).unwrap();
    let feed = rackseed::domain::live_event::NewLiveEvent {
        topic: rackseed::domain::live_event::Topic::Host,
        host: None,
        operation: None,
        message: String::new(),
    };
    let hosts: &dyn rackseed::ports::HostLedger = world.store.as_ref();
    hosts.set_options(&host, &options, &feed, now()).await.unwrap();
    assert_eq!(users(library.remove(&id, &[], now()).await.unwrap_err()), ["the options of pve-01", default]);
    // What is not there can neither be chosen nor installed.
    let gone = options.patched(&serde_json::json!({ "image": "gone" })).unwrap();
    assert!(hosts.set_options(&host, &gone, &feed, now()).await.is_err());
}

#[tokio::test]
async fn of_a_removal_and_a_rebuild_at_the_same_time_exactly_one_comes_about() {
    for round in 0..20 {
        let world = RebuildWorld::new();
        let host = world.register("pve-01", "52:54:00:00:00:01").await;
        let desk = world.rebuild_desk(Some(crate::support::rebuild_world::image()));
        let library = ImageFolder::new(world.folder.path().join("images"), world.store.clone());
        let id = "pve-9.2-1-test".parse().unwrap();
        let remove = async {
            tokio::time::sleep(std::time::Duration::from_micros(300 * round)).await;
            library.remove(&id, &[], now()).await
        };
        let (armed, removed) = tokio::join!(desk.request(&host.id, Some("pve-01"), None), remove);
        assert_ne!(armed.is_ok(), removed.is_ok(), "{:?} {removed:?}", armed.err());
        assert_eq!(world.store.get(&id).await.unwrap().is_some(), armed.is_ok());
    }
}

/// A file system of its own that is very small.
struct SmallDisk<'a>(&'a Path);

impl<'a> SmallDisk<'a> {
    fn mount(place: &'a Path, size: &str) -> Self {
        fs::create_dir_all(place).unwrap();
        let words = ["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"];
        let mounted = Command::new("mount").args(words).arg(place).status().unwrap();
        assert!(mounted.success(), "this test mounts a file system; run it as root: `sudo make test`");
        Self(place)
    }

    fn grow(&self, size: &str) {
        let words = ["-o", &format!("remount,size={size}")];
        assert!(Command::new("mount").args(words).arg(self.0).status().unwrap().success());
    }
}

impl Drop for SmallDisk<'_> {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0).status();
    }
}

#[tokio::test]
async fn a_disk_that_is_full_or_becomes_so_refuses_the_image_and_keeps_nothing_of_it() {
    let shelf = Shelf::new();
    let iso = shelf.iso(&Layout::default());
    let size = fs::metadata(&iso).unwrap().len();
    let place = shelf.folder.path().join("images");
    let disk = SmallDisk::mount(&place, "2m");
    let error = shelf.library.add(&iso, None, now(), &silent).await.unwrap_err();
    let AddError::NotEnoughSpace { needed, free, .. } = error else { panic!("{error}") };
    assert!(needed == size + size / 4 + (64 << 20) && free <= 2 << 20, "{needed} {free}");
    // Whoever takes the space while the copy is written.
    fs::write(place.join("hog"), vec![1; 700_000]).unwrap();
    let hopeful = shelf.library.clone().with_free_space(|_| Ok(u64::MAX));
    let error = hopeful.add(&iso, None, now(), &silent).await.unwrap_err();
    assert!(matches!(error, AddError::Xorriso { .. }), "{error}");
    fs::remove_file(place.join("hog")).unwrap();
    assert_eq!(shelf.names(), [".lock"]);
    disk.grow("100m");
    let image = shelf.library.add(&iso, None, now(), &silent).await.unwrap();
    assert_eq!(shelf.names(), [".lock", image.id.as_str()]);
}

/// Runs the program with a settings file of its own and an `xorriso` that stops for ever at a word.
fn stuck_command(folder: &Path, iso: &Path, word: &str) -> std::process::Child {
    use std::os::unix::{fs::PermissionsExt, process::CommandExt};
    let tools = folder.join("tools");
    fs::create_dir_all(&tools).unwrap();
    let program = tools.join("xorriso");
    let stuck = folder.join("stuck");
    let script = format!(
        "#!/bin/sh\ncase \"$*\" in *{word}*) : > {}; exec sleep 600;; esac\nPATH=${{PATH#*:}} exec xorriso \"$@\"\n",
        stuck.display()
    );
    fs::write(&program, script).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:{}", tools.display(), std::env::var("PATH").unwrap());
    let mut command = Command::new(env!("CARGO_BIN_EXE_rackseed"));
    command.args(["--config", &folder.join("rackseed.yaml").display().to_string(), "image", "add"]).arg(iso);
    command.env("PATH", path).stdout(std::process::Stdio::null()).process_group(0).spawn().unwrap()
}

#[tokio::test]
async fn an_addition_that_is_killed_in_any_stage_leaves_nothing_after_the_next_start_and_can_be_repeated() {
    let shelf = Shelf::new();
    let (folder, iso) = (shelf.folder.path(), shelf.iso(&Layout::default()));
    let data = folder.join("data");
    fs::write(folder.join("rackseed.yaml"), format!("data_folder: {}\npxe: {{ enabled: false }}\n", data.display()))
        .unwrap();
    for word in ["maxdepth", ".cd-info", "linux26", "outdev", "report_lba"] {
        let _ = fs::remove_file(folder.join("stuck"));
        let mut command = stuck_command(folder, &iso, word);
        for _ in 0..400 {
            if folder.join("stuck").exists() {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(25)).await;
        }
        assert!(folder.join("stuck").exists(), "it never came to {word}");
        let group = format!("-{}", command.id());
        assert!(Command::new("kill").args(["-KILL", "--", &group]).status().unwrap().success());
        command.wait().unwrap();
        let left: Vec<_> = fs::read_dir(data.join("images")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert!(left.iter().any(|name| name.to_string_lossy().starts_with(".partial-")), "{word}: {left:?}");
        let library = ImageFolder::new(data.join("images"), Arc::new(Store::open_shared(&data).unwrap()));
        assert_eq!(library.clean_up().await.unwrap(), 1, "{word}");
        let left: Vec<_> = fs::read_dir(data.join("images")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left, [".lock"], "{word}");
    }
    let library = ImageFolder::new(data.join("images"), Arc::new(Store::open_shared(&data).unwrap()));
    let image = library.add(&iso, None, now(), &silent).await.unwrap();
    assert!(library.open(&image.id, ImagePart::Kernel, None).await.is_ok());
}
