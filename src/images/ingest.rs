//! Makes the folder of an image from a source whose checksum is right.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use jiff::Timestamp;

use super::{
    AddError, Progress,
    cd_info::CdInfo,
    initrd,
    pxe_copy::{extract, find_settings, read_contents, read_volume_uuid, write_copy},
    records::record,
    settings_room::{ROOM_BYTES, placeholder},
    staging::Partial,
    xorriso::Xorriso,
};
use crate::domain::{
    identity::ImageId,
    image::{Image, ImagePart},
};

/// Where the ISO says what it is.
const CD_INFO: &str = "/.cd-info";
/// What an ISO has whose installer can work without a person.
const AUTOMATIC: &str = "/auto-installer-capable";
const KERNEL: &str = "/boot/linux26";
const INITRD: &str = "/boot/initrd.img";
/// How many digits of the checksum make an id.
const ID_DIGITS: usize = 8;

/// The file that is added.
pub(super) struct Source {
    pub(super) path: PathBuf,
    pub(super) name: String,
    pub(super) sha256: String,
    pub(super) volume_uuid: Option<String>,
}

/// Makes an unfinished folder with everything that an image needs, checked, and the row that describes it.
pub(super) async fn prepare(
    xorriso: &Xorriso,
    library: &Path,
    source: &Source,
    now: Timestamp,
    progress: &(dyn Fn(Progress) + Send + Sync),
) -> Result<(Partial, Image), AddError> {
    progress(Progress::Reading);
    let partial = Partial::create(library).map_err(AddError::folder("making a folder for the image"))?;
    let info = recognise(xorriso, source, &partial).await?;
    progress(Progress::Extracting);
    let initrd_file = partial.file(ImagePart::Initrd.file_name());
    let kernel = partial.file(ImagePart::Kernel.file_name());
    extract(xorriso, &source.path, &[(KERNEL, &kernel), (INITRD, &initrd_file)]).await?;
    let initrd_unpacked_bytes = tokio::task::spawn_blocking(move || {
        let unpacked = initrd::unpacked_bytes(&initrd_file)?;
        initrd::pad(&initrd_file).map(|()| unpacked)
    })
    .await
    .unwrap_or_else(|error| Err(io::Error::other(error)))
    .map_err(AddError::folder("measuring and padding the initrd"))?;
    progress(Progress::WritingCopy);
    let copy = partial.file(ImagePart::InstallerIso.file_name());
    let settings_offset_bytes = make_copy(xorriso, source, &partial, &copy).await?;
    progress(Progress::Finishing);
    let folder = partial.path().to_owned();
    let files = tokio::task::spawn_blocking(move || record(&folder, initrd_unpacked_bytes))
        .await
        .unwrap_or_else(|error| Err(io::Error::other(error)))
        .map_err(AddError::folder("recording what was made"))?;
    let image = Image {
        id: image_id(&info, &source.sha256)?,
        product: info.product,
        product_name: info.product_name,
        release: info.release,
        iso_release: info.iso_release,
        source_name: source.name.clone(),
        source_sha256: source.sha256.clone(),
        iso_size_bytes: files.installer_iso.size_bytes,
        settings_offset_bytes,
        settings_size_bytes: ROOM_BYTES as u64,
        added_at: now,
        is_default: false,
        files: Some(files),
    };
    Ok((partial, image))
}

/// Reads what the ISO is, and refuses what no machine could boot or install without a person.
async fn recognise(xorriso: &Xorriso, source: &Source, partial: &Partial) -> Result<CdInfo, AddError> {
    let contents = read_contents(xorriso, &source.path).await?;
    let missing = |path: &str| AddError::NotAnInstaller(format!("it has no `{path}`"));
    if !contents.contains(CD_INFO) {
        return Err(missing(CD_INFO));
    }
    let text_file = partial.file("cd-info");
    extract(xorriso, &source.path, &[(CD_INFO, &text_file)]).await?;
    let text = fs::read(&text_file)
        .and_then(|text| fs::remove_file(&text_file).map(|()| text))
        .map_err(AddError::folder("reading `/.cd-info`"))?;
    let info = CdInfo::parse(&String::from_utf8_lossy(&text))?;
    if !contents.contains(AUTOMATIC) {
        return Err(AddError::NotAutomatic);
    }
    for path in [KERNEL, INITRD] {
        if !contents.contains(path) {
            return Err(missing(path));
        }
    }
    Ok(info)
}

/// Writes the PXE copy and returns where its settings lie.
async fn make_copy(xorriso: &Xorriso, source: &Source, partial: &Partial, copy: &Path) -> Result<u64, AddError> {
    let doing = "preparing the room for the settings";
    let content = placeholder()?;
    let settings = partial.file("settings");
    fs::write(&settings, &content).map_err(AddError::folder(doing))?;
    write_copy(xorriso, &source.path, copy, &settings, source.volume_uuid.as_deref()).await?;
    fs::remove_file(&settings).map_err(AddError::folder(doing))?;
    let written = fs::File::open(copy).map_err(AddError::folder(doing))?;
    if read_volume_uuid(&written)? != source.volume_uuid && source.volume_uuid.is_some() {
        return Err(AddError::UnexpectedCopy("its volume UUID is not that of the source".to_owned()));
    }
    find_settings(xorriso, copy, &content).await
}

/// `pve-9.2-1-3fa94c21`: the same file has the same id.
fn image_id(info: &CdInfo, sha256: &str) -> Result<ImageId, AddError> {
    format!("{}-{}-{}-{}", info.product, info.release, info.iso_release, &sha256[..ID_DIGITS])
        .parse()
        .map_err(|error| AddError::NotAnInstaller(format!("its `/.cd-info` makes no id: {error}")))
}
