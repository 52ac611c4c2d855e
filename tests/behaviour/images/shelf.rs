//! A library in a folder of its own, and ISOs to put into it.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use jiff::Timestamp;
use rackseed::{
    domain::{
        identity::ImageId,
        image::{Image, ImageFiles, ImagePart},
        image_use::ImageUse,
    },
    images::{AddError, ImageFolder, Progress},
    ports::{ImageLedger, ImageLibrary, LedgerError, Removal, ServedFile},
};
use tempfile::TempDir;

use crate::support::served::bytes_of;

/// What the tests' ISOs have as volume UUID.
pub(super) const UUID: &str = "2024111212345600";
pub(super) const KERNEL: &[u8] = b"the kernel";

/// Neither text nor a multiple of a block, and longer than one read.
pub(super) fn squashfs() -> Vec<u8> {
    (0..1_500_001_u32).map(|n| b'a' + (n % 23) as u8).collect()
}

pub(super) fn now() -> Timestamp {
    "2026-01-02T03:04:05Z".parse().unwrap()
}

pub(super) fn silent(_: Progress) {}

/// How an ISO of these tests differs from Proxmox's.
pub(super) struct Layout {
    pub(super) product: (&'static str, &'static str),
    pub(super) release: &'static str,
    pub(super) without: Option<&'static str>,
}

impl Default for Layout {
    fn default() -> Self {
        Self { product: ("pve", "Proxmox VE"), release: "9.2", without: None }
    }
}

/// A library in a folder of its own.
pub(super) struct Shelf {
    pub(super) folder: TempDir,
    pub(super) library: ImageFolder,
    pub(super) ledger: Arc<Rows>,
}

impl Shelf {
    pub(super) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let ledger = Arc::<Rows>::default();
        let library = ImageFolder::new(folder.path().join("images"), Arc::clone(&ledger) as Arc<dyn ImageLedger>);
        Self { folder, library, ledger }
    }

    pub(super) async fn add(&self, layout: &Layout) -> Result<Image, AddError> {
        self.library.add(&self.iso(layout), None, now(), &silent).await
    }

    /// Writes an ISO with the files that matter, El Torito images for BIOS and UEFI, and a volume UUID. The same layout gives the
    /// same bytes.
    pub(super) fn iso(&self, layout: &Layout) -> PathBuf {
        let tree = self.folder.path().join("tree");
        let _ = fs::remove_dir_all(&tree);
        fs::create_dir_all(tree.join("boot/grub")).unwrap();
        let ((product, name), release) = (layout.product, layout.release);
        let info = format!(
            "PRODUCT='{product}'\nPRODUCTLONG='{name}'\nRELEASE='{release}'\nISORELEASE='1'\nISONAME='proxmox-ve'\n"
        );
        let base = format!("{product}-base.squashfs");
        let files: [(&str, &[u8]); 8] = [
            (".cd-info", info.as_bytes()),
            (".pve-cd-id.txt", b"an id"),
            ("auto-installer-capable", b""),
            ("boot/linux26", KERNEL),
            ("boot/initrd.img", b"initr"),
            ("boot/grub/eltorito.img", &[0x90; 2048]),
            ("efi.img", &[0; 65_536]),
            (&base, &squashfs()),
        ];
        for (path, content) in files.iter().filter(|(path, _)| Some(*path) != layout.without) {
            fs::write(tree.join(path), content).unwrap();
        }
        let path = self.folder.path().join("source.iso");
        let date = format!("--modification-date={UUID}");
        let mut words = vec!["-no_rc", "-as", "mkisofs", "-quiet", "-r", "-J", "-V", "PVE", &date];
        words.extend(["--set_all_file_dates", UUID, "-b", "boot/grub/eltorito.img", "-no-emul-boot"]);
        words.extend([
            "-boot-load-size",
            "4",
            "-boot-info-table",
            "-eltorito-alt-boot",
            "-e",
            "efi.img",
            "-no-emul-boot",
            "-o",
        ]);
        xorriso(Command::new("xorriso").args(words).arg(&path).arg(&tree));
        path
    }

    /// Writes a shell script that stands in for `xorriso`.
    pub(super) fn program(&self, line: &str) -> PathBuf {
        let path = self.folder.path().join("program");
        fs::write(&path, format!("#!/bin/sh\n{line}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    pub(super) fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.folder.path().join("images")).unwrap();
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    pub(super) fn place(&self, image: &Image, file: &str) -> PathBuf {
        self.folder.path().join("images").join(image.id.as_str()).join(file)
    }

    pub(super) async fn open(&self, id: &ImageId, settings: &str) -> ServedFile {
        self.library.open(id, ImagePart::InstallerIso, Some(settings)).await.unwrap()
    }

    pub(super) async fn whole(&self, id: &ImageId, part: ImagePart, settings: Option<&str>) -> Vec<u8> {
        let served = self.library.open(id, part, settings).await.unwrap();
        bytes_of(&served, 0..served.length())
    }
}

pub(super) fn list(iso: &Path) -> Vec<String> {
    let output =
        xorriso(Command::new("xorriso").args(["-no_rc", "-indev"]).arg(iso).args(["-find", "/", "-type", "f", "--"]));
    let mut names: Vec<_> = output.lines().map(|line| line.trim_matches('\'').to_owned()).collect();
    names.sort();
    names
}

pub(super) fn read_out(iso: &Path, file: &str) -> String {
    let to = iso.with_extension("extracted");
    let _ = fs::remove_file(&to);
    let mut command = Command::new("xorriso");
    xorriso(command.args(["-no_rc", "-osirrox", "on", "-indev"]).arg(iso).args(["-extract", file]).arg(&to));
    fs::read_to_string(&to).unwrap()
}

pub(super) fn xorriso(command: &mut Command) -> String {
    let output = command.output().expect("these tests need Debian's package xorriso");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Rows in memory.
#[derive(Default)]
pub(super) struct Rows {
    images: Mutex<BTreeMap<String, Image>>,
    pub(super) is_full: Mutex<bool>,
}

#[async_trait]
impl ImageLedger for Rows {
    async fn insert(&self, image: &Image) -> Result<(), LedgerError> {
        if *self.is_full.lock().unwrap() {
            return Err(LedgerError::DiskFull);
        }
        match self.images.lock().unwrap().insert(image.id.to_string(), image.clone()) {
            None => Ok(()),
            Some(_) => Err(LedgerError::Conflict),
        }
    }

    async fn list(&self) -> Result<Vec<Image>, LedgerError> {
        Ok(self.images.lock().unwrap().values().cloned().collect())
    }

    async fn get(&self, id: &ImageId) -> Result<Option<Image>, LedgerError> {
        Ok(self.images.lock().unwrap().get(id.as_str()).cloned())
    }

    async fn remove(&self, id: &ImageId, others: &[ImageUse], _: Timestamp) -> Result<Removal, LedgerError> {
        if !others.is_empty() {
            return Ok(Removal::Used(others.to_vec()));
        }
        let removed = self.images.lock().unwrap().remove(id.as_str());
        Ok(removed.map_or(Removal::Unknown, |_| Removal::Removed))
    }

    async fn uses(&self) -> Result<Vec<(ImageId, ImageUse)>, LedgerError> {
        Ok(Vec::new())
    }

    async fn set_default(&self, id: &ImageId, _: Timestamp) -> Result<bool, LedgerError> {
        Ok(self.images.lock().unwrap().contains_key(id.as_str()))
    }

    async fn set_files(&self, id: &ImageId, files: &ImageFiles) -> Result<(), LedgerError> {
        if let Some(image) = self.images.lock().unwrap().get_mut(id.as_str()) {
            image.files = Some(files.clone());
        }
        Ok(())
    }
}
