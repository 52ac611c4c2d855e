//! What the image library makes of ISOs laid out like Proxmox's, written by `xorriso` for these tests.

mod intake;
mod keeping;
mod mirror;
mod shelf;

use std::{fs, os::unix::fs::PermissionsExt, sync::Mutex, time::Duration};

use proptest::prelude::*;
use rackseed::{
    domain::image::{ImagePart, InstallerRelease},
    images::{AddError, Progress, fill_room},
    ports::{ImageLedger, ImageLibrary, ImageLibraryError, LedgerError},
};
use sha2::{Digest, Sha256};
use shelf::{KERNEL, Layout, Shelf, UUID, list, now, read_out, silent, squashfs};

use crate::support::served::bytes_of;

const SETTINGS: &str = "mode = \"http\"\n[http]\nurl = \"https://10.0.0.2:8443/api/boot/answer?t=abc\"\n";

#[tokio::test]
async fn an_iso_becomes_kernel_initrd_and_a_copy_without_boot() {
    let shelf = Shelf::new();
    let iso = shelf.iso(&Layout::default());
    let seen = Mutex::new(Vec::new());
    let image = shelf.library.add(&iso, None, now(), &|progress| seen.lock().unwrap().push(progress)).await.unwrap();
    let sha256 = data_encoding::HEXLOWER.encode(&Sha256::digest(fs::read(&iso).unwrap()));
    assert_eq!(image.id.as_str(), format!("pve-9.2-1-{}", &sha256[..8]));
    assert_eq!((image.product.as_str(), image.product_name.as_str()), ("pve", "Proxmox VE"));
    assert_eq!((image.release, image.iso_release.as_str()), (InstallerRelease { major: 9, minor: 2 }, "1"));
    assert_eq!((image.source_name.as_str(), image.source_sha256), ("source.iso", sha256));
    assert_eq!(shelf.whole(&image.id, ImagePart::Kernel, None).await, KERNEL);
    // Five bytes are padded to eight, so that Linux finds the archive that iPXE appends.
    assert_eq!(shelf.whole(&image.id, ImagePart::Initrd, None).await, b"initr\0\0\0");
    let copy = shelf.folder.path().join("images").join(image.id.as_str()).join("installer.iso");
    assert_eq!(
        list(&copy),
        [
            "/.cd-info",
            "/.pve-cd-id.txt",
            "/auto-installer-capable",
            "/auto-installer-mode.toml",
            "/efi.img",
            "/pve-base.squashfs"
        ]
    );
    let bytes = fs::read(&copy).unwrap();
    assert_eq!(&bytes[0x833e..0x834e], UUID.as_bytes());
    assert_eq!(fs::metadata(&copy).unwrap().permissions().mode() & 0o777, 0o444);
    assert_eq!(seen.lock().unwrap().last(), Some(&Progress::Finishing));
    assert_eq!(shelf.names(), [".lock", image.id.as_str()]);
}

#[tokio::test]
async fn the_settings_of_a_view_are_what_an_iso_reader_finds_in_it() {
    let shelf = Shelf::new();
    let image = shelf.add(&Layout::default()).await.unwrap();
    let view = shelf.whole(&image.id, ImagePart::InstallerIso, Some(SETTINGS)).await;
    let path = shelf.folder.path().join("view.iso");
    fs::write(&path, &view).unwrap();
    let settings = read_out(&path, "/auto-installer-mode.toml");
    let comments = settings.strip_prefix(SETTINGS).unwrap();
    assert_eq!(settings.len(), 4096);
    assert!(comments.lines().all(|line| line.starts_with('#') || line.is_empty()), "{comments}");
    let parsed: toml::Table = toml::from_str(&settings).unwrap();
    assert_eq!(parsed["http"]["url"].as_str(), Some("https://10.0.0.2:8443/api/boot/answer?t=abc"));
    assert_eq!(read_out(&path, "/pve-base.squashfs").into_bytes(), squashfs());
    // The library's own copy still has its placeholder, and with it no settings at all.
    let without = shelf.whole(&image.id, ImagePart::InstallerIso, None).await;
    fs::write(&path, &without).unwrap();
    assert!(toml::from_str::<toml::Table>(&read_out(&path, "/auto-installer-mode.toml")).unwrap().is_empty());
}

#[tokio::test]
async fn every_range_is_a_part_of_the_same_whole_and_has_the_same_tag() {
    let shelf = Shelf::new();
    let image = shelf.add(&Layout::default()).await.unwrap();
    let served = shelf.open(&image.id, SETTINGS).await;
    let whole = bytes_of(&served, 0..served.length());
    assert_eq!(whole.len() as u64, image.iso_size_bytes);
    let (room, end) = (image.settings_offset_bytes, served.length());
    for cut in
        [1, 2047, room - 1, room, room + 1, room + 100, room + 4095, room + 4096, room + 4097, 1 << 20, end - 1, end]
    {
        let again = shelf.open(&image.id, SETTINGS).await;
        let mut parts = bytes_of(&again, 0..cut);
        parts.extend(bytes_of(&again, cut..end));
        assert!(parts == whole, "cut at {cut}");
        assert_eq!(again.entity_tag(), served.entity_tag());
    }
    let other = shelf.open(&image.id, "mode = \"iso\"\n").await;
    assert_ne!(other.entity_tag(), served.entity_tag());
    assert!(served.entity_tag().starts_with('"') && served.entity_tag().ends_with('"'));
}

#[tokio::test]
async fn settings_that_do_not_fit_are_refused() {
    let shelf = Shelf::new();
    let image = shelf.add(&Layout::default()).await.unwrap();
    let exactly = "#".repeat(4096);
    assert!(shelf.library.open(&image.id, ImagePart::InstallerIso, Some(&exactly)).await.is_ok());
    let error = shelf.library.open(&image.id, ImagePart::InstallerIso, Some(&"#".repeat(4097))).await.err().unwrap();
    assert!(matches!(error, ImageLibraryError::SettingsTooLarge { needed: 4097, room: 4096, .. }), "{error}");
}

#[tokio::test]
async fn the_right_checksum_is_accepted_in_any_case_and_a_wrong_one_refused() {
    let shelf = Shelf::new();
    let iso = shelf.iso(&Layout::default());
    let error = shelf.library.add(&iso, Some(&"0".repeat(64)), now(), &silent).await.unwrap_err();
    assert!(matches!(&error, AddError::WrongChecksum { .. }), "{error}");
    let error = shelf.library.add(&iso, Some("sha256"), now(), &silent).await.unwrap_err();
    assert!(matches!(&error, AddError::NotAChecksum(_)), "{error}");
    assert_eq!(shelf.names(), [".lock"]);
    let sha256 = data_encoding::HEXUPPER.encode(&Sha256::digest(fs::read(&iso).unwrap()));
    assert!(shelf.library.add(&iso, Some(&sha256), now(), &silent).await.is_ok());
}

#[tokio::test]
async fn what_cannot_be_used_is_refused_with_the_reason_and_leaves_nothing() {
    for (layout, reason) in [
        (Layout { without: Some("auto-installer-capable"), ..Layout::default() }, "cannot run without a person"),
        (Layout { without: Some(".cd-info"), ..Layout::default() }, "no `/.cd-info`"),
        (Layout { without: Some("boot/initrd.img"), ..Layout::default() }, "no `/boot/initrd.img`"),
    ] {
        let shelf = Shelf::new();
        let error = shelf.add(&layout).await.unwrap_err().to_string();
        assert!(error.contains(reason), "{error}");
        assert_eq!(shelf.names(), [".lock"]);
    }
}

#[tokio::test]
async fn what_is_no_iso_is_refused() {
    let shelf = Shelf::new();
    for content in [&b"not an ISO"[..], &[7; 100_000]] {
        let path = shelf.folder.path().join("file");
        fs::write(&path, content).unwrap();
        let error = shelf.library.add(&path, None, now(), &silent).await.unwrap_err();
        assert!(error.to_string().contains("not an ISO 9660 file"), "{error}");
    }
    let error = shelf.library.add(&shelf.folder.path().join("missing"), None, now(), &silent).await.unwrap_err();
    assert!(matches!(error, AddError::UnreadableSource { .. }), "{error}");
    let error = shelf.library.add(shelf.folder.path(), None, now(), &silent).await.unwrap_err();
    assert!(matches!(error, AddError::UnreadableSource { .. }), "{error}");
}

#[tokio::test]
async fn a_disk_that_is_too_small_is_told_before_anything_is_written() {
    let shelf = Shelf::new();
    let iso = shelf.iso(&Layout::default());
    let size = fs::metadata(&iso).unwrap().len();
    let library = shelf.library.clone().with_free_space(move |_| Ok(size + size / 4 + (64 << 20) - 1));
    let hashed = Mutex::new(false);
    let error = library.add(&iso, None, now(), &|_| *hashed.lock().unwrap() = true).await.unwrap_err();
    assert!(matches!(error, AddError::NotEnoughSpace { .. }), "{error}");
    assert!(!*hashed.lock().unwrap());
    assert_eq!(shelf.names(), [".lock"]);
}

#[tokio::test]
async fn a_missing_xorriso_is_told_with_the_package_that_has_it() {
    let shelf = Shelf::new();
    let iso = shelf.iso(&Layout::default());
    let error =
        shelf.library.clone().with_xorriso("no-such-xorriso").add(&iso, None, now(), &silent).await.unwrap_err();
    assert_eq!(error.to_string(), "the program `no-such-xorriso` is missing; install Debian's package xorriso");
}

#[tokio::test]
async fn what_xorriso_complains_of_is_in_the_error() {
    let shelf = Shelf::new();
    let iso = shelf.iso(&Layout::default());
    let program = shelf.program("echo 'xorriso : FAILURE : the moon is full' >&2; exit 5");
    let error = shelf.library.clone().with_xorriso(program).add(&iso, None, now(), &silent).await.unwrap_err();
    assert!(error.to_string().contains("listing the ISO failed: xorriso : FAILURE : the moon is full"), "{error}");
}

#[tokio::test]
async fn an_interrupted_addition_leaves_nothing_and_can_be_repeated() {
    let shelf = Shelf::new();
    let iso = shelf.iso(&Layout::default());
    // A program that does all but the copy, which it begins and never ends.
    let program = shelf.program("case \"$*\" in *-outdev*) exec sleep 600;; esac; exec xorriso \"$@\"");
    let slow = shelf.library.clone().with_xorriso(program);
    let writing = tokio::sync::Notify::new();
    let told = |progress| {
        if progress == Progress::WritingCopy {
            writing.notify_one()
        }
    };
    tokio::select! {
        result = slow.add(&iso, None, now(), &told) => panic!("it ended: {result:?}"),
        () = async { writing.notified().await; tokio::time::sleep(Duration::from_millis(200)).await } => {}
    }
    assert_eq!(shelf.names(), [".lock"]);
    // Killed outright, a process cannot even clean up: its folder is removed at the next start.
    fs::create_dir_all(shelf.folder.path().join("images/.partial-0123")).unwrap();
    fs::write(shelf.folder.path().join("images/.partial-0123/installer.iso"), "half").unwrap();
    assert_eq!(shelf.library.clean_up().await.unwrap(), 1);
    // Killed just before the row was written, it left a folder without a row.
    let image = shelf.library.add(&iso, None, now(), &silent).await.unwrap();
    shelf.ledger.remove(&image.id, &[], now()).await.unwrap();
    fs::set_permissions(shelf.place(&image, "linux26"), fs::Permissions::from_mode(0o644)).unwrap();
    fs::write(shelf.place(&image, "linux26"), "old").unwrap();
    let again = shelf.library.add(&iso, None, now(), &silent).await.unwrap();
    assert_eq!(shelf.whole(&again.id, ImagePart::Kernel, None).await, KERNEL);
    assert_eq!(shelf.names(), [".lock", again.id.as_str()]);
}

#[tokio::test]
async fn a_row_that_cannot_be_written_takes_its_folder_back() {
    let shelf = Shelf::new();
    *shelf.ledger.is_full.lock().unwrap() = true;
    let error = shelf.add(&Layout::default()).await.unwrap_err();
    assert!(matches!(error, AddError::Ledger(LedgerError::DiskFull)), "{error}");
    assert_eq!(shelf.names(), [".lock"]);
}

#[tokio::test]
async fn the_same_iso_again_is_the_image_that_there_is() {
    let shelf = Shelf::new();
    let first = shelf.add(&Layout::default()).await.unwrap();
    let elsewhere = shelf.folder.path().join("other name.iso");
    fs::copy(shelf.folder.path().join("source.iso"), &elsewhere).unwrap();
    let later = now() + jiff::SignedDuration::from_hours(1);
    assert_eq!(shelf.library.add(&elsewhere, None, later, &silent).await.unwrap(), first);
    assert_eq!(shelf.library.images().await.unwrap(), [first]);
}

#[tokio::test]
async fn only_one_addition_goes_on_at_a_time() {
    let shelf = Shelf::new();
    let iso = shelf.iso(&Layout::default());
    let slow = shelf.library.clone().with_xorriso(shelf.program("exec sleep 600"));
    let reading = tokio::sync::Notify::new();
    let told = |progress| {
        if progress == Progress::Reading {
            reading.notify_one()
        }
    };
    tokio::select! {
        result = slow.add(&iso, None, now(), &told) => panic!("it ended: {result:?}"),
        () = async {
            reading.notified().await;
            let error = shelf.library.add(&iso, None, now(), &silent).await.unwrap_err();
            assert!(matches!(error, AddError::Busy), "{error}");
            assert_eq!(shelf.library.clean_up().await.unwrap(), 0);
        } => {}
    }
}

#[tokio::test]
async fn images_are_listed_newest_release_first() {
    let shelf = Shelf::new();
    for release in ["8.4", "10.0", "9.2"] {
        shelf.add(&Layout { release, ..Layout::default() }).await.unwrap();
    }
    let releases: Vec<_> =
        shelf.library.images().await.unwrap().iter().map(|image| image.release.to_string()).collect();
    assert_eq!(releases, ["10.0", "9.2", "8.4"]);
}

proptest! {
    #[test]
    fn a_room_is_filled_to_the_byte_and_parses_as_its_settings(value in "[ -~]{0,60}", ends in any::<bool>(), room in 0_usize..400) {
        let mut table = toml::Table::new();
        table.insert("key".to_owned(), value.into());
        let mut settings = toml::to_string(&table).unwrap();
        if !ends {
            settings.truncate(settings.trim_end().len());
        }
        match fill_room(&settings, room) {
            None => prop_assert!(settings.len() > room),
            Some(filled) => {
                prop_assert_eq!(filled.len(), room);
                let text = String::from_utf8(filled).unwrap();
                prop_assert!(text.starts_with(&settings));
                prop_assert_eq!(toml::from_str::<toml::Table>(&text).unwrap(), table);
            }
        }
    }
}
