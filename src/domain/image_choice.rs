//! Which image a host is installed from. One order everywhere: what was asked for with the rebuild, what was chosen for the host, what its
//! server type says, the default, the newest that hosts can be rebuilt with.

use std::fmt;

use super::{identity::ImageId, image::Image};

super::words::words!(
    /// Why it is this image.
    ChosenBecause, "reason for an image" {
        /// It was asked for with the rebuild.
        Asked = "asked",
        /// It was chosen for the host.
        Host = "host",
        /// The server type says so.
        ServerType = "server_type",
        /// It is the default.
        Default = "default",
        /// It is the newest, and nothing else was chosen.
        Newest = "newest",
    }
);

impl ChosenBecause {
    /// The same for a person.
    pub fn sentence(self) -> &'static str {
        match self {
            Self::Asked => "asked for",
            Self::Host => "chosen for this host",
            Self::ServerType => "chosen by its server type",
            Self::Default => "the default image",
            Self::Newest => "the newest image",
        }
    }
}

/// What was chosen where.
#[derive(Debug, Clone, Copy, Default)]
pub struct Wishes<'a> {
    /// With the rebuild.
    pub asked: Option<&'a str>,
    /// For the host.
    pub host: Option<&'a ImageId>,
    /// By the server type.
    pub server_type: Option<&'a str>,
}

/// The image that a host is installed from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageChoice {
    /// The image.
    pub image: Image,
    /// Why this one.
    pub because: ChosenBecause,
}

/// Why there is no image to install.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoImage {
    /// What was chosen is not in the library.
    Unknown {
        /// The name that was chosen.
        name: String,
        /// Where it was chosen.
        because: ChosenBecause,
    },
    /// No host can be rebuilt with what was chosen.
    Unfit(String),
    /// The library is empty.
    NoneYet,
    /// No host can be rebuilt with any image of the library; why not with the newest.
    NoneFit(String),
}

impl fmt::Display for NoImage {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown { name, because } => write!(
                formatter,
                "there is no image `{name}` ({}); `rackseed image list` shows what there is",
                because.sentence()
            ),
            Self::Unfit(why) => formatter.write_str(why),
            Self::NoneYet => {
                formatter.write_str("there is no installer image yet; add one with `rackseed image add FILE`")
            }
            Self::NoneFit(why) => {
                write!(formatter, "no image can be used for a rebuild; add an installer of Proxmox VE ({why})")
            }
        }
    }
}

/// Chooses among images, which are given newest release first.
pub fn choose_image(images: &[Image], wishes: Wishes<'_>) -> Result<ImageChoice, NoImage> {
    let chosen = [
        (wishes.asked.filter(|name| !name.is_empty()), ChosenBecause::Asked),
        (wishes.host.map(ImageId::as_str), ChosenBecause::Host),
        (wishes.server_type, ChosenBecause::ServerType),
        (images.iter().find(|image| image.is_default).map(|image| image.id.as_str()), ChosenBecause::Default),
    ];
    let named = chosen.into_iter().find_map(|(name, because)| name.map(|name| (name, because)));
    let Some((name, because)) = named else { return newest(images) };
    let image = images.iter().find(|image| image.id.as_str() == name);
    let image = image.ok_or_else(|| NoImage::Unknown { name: name.to_owned(), because })?;
    match image.unfit_for_rebuild() {
        Some(why) => Err(NoImage::Unfit(why)),
        None => Ok(ImageChoice { image: image.clone(), because }),
    }
}

fn newest(images: &[Image]) -> Result<ImageChoice, NoImage> {
    let fit = images.iter().find(|image| image.unfit_for_rebuild().is_none());
    match (fit, images.first()) {
        (Some(image), _) => Ok(ImageChoice { image: image.clone(), because: ChosenBecause::Newest }),
        (None, Some(newest)) => Err(NoImage::NoneFit(newest.unfit_for_rebuild().unwrap_or_default())),
        (None, None) => Err(NoImage::NoneYet),
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::domain::image::InstallerRelease;

    fn image(id: &str, product: &str, major: u16, minor: u16) -> Image {
        Image {
            id: id.parse().unwrap(),
            product: product.into(),
            product_name: if product == "pve" { "Proxmox VE" } else { "Proxmox Backup Server" }.into(),
            release: InstallerRelease { major, minor },
            iso_release: "1".into(),
            source_name: String::new(),
            source_sha256: String::new(),
            iso_size_bytes: 0,
            settings_offset_bytes: 0,
            settings_size_bytes: 0,
            added_at: Timestamp::UNIX_EPOCH,
            is_default: false,
            files: None,
        }
    }

    /// Newest first, as the library gives them; a Backup Server's own releases count differently.
    fn shelf() -> Vec<Image> {
        vec![
            image("pbs", "pbs", 10, 0),
            image("new", "pve", 9, 2),
            Image { is_default: true, ..image("default", "pve", 9, 1) },
            image("type", "pve", 9, 0),
            image("host", "pve", 8, 4),
            image("asked", "pve", 8, 3),
            image("old", "pve", 8, 2),
        ]
    }

    #[test]
    fn the_nearest_choice_wins() {
        let (shelf, host) = (shelf(), "host".parse().unwrap());
        let all = Wishes { asked: Some("asked"), host: Some(&host), server_type: Some("type") };
        let choice = |images: &[Image], wishes| {
            let choice = choose_image(images, wishes).unwrap();
            (choice.image.id.to_string(), choice.because)
        };
        assert_eq!(choice(&shelf, all), ("asked".into(), ChosenBecause::Asked));
        let all = Wishes { asked: Some(""), ..all };
        assert_eq!(choice(&shelf, all), ("host".into(), ChosenBecause::Host));
        let all = Wishes { host: None, ..all };
        assert_eq!(choice(&shelf, all), ("type".into(), ChosenBecause::ServerType));
        let all = Wishes { server_type: None, ..all };
        assert_eq!(choice(&shelf, all), ("default".into(), ChosenBecause::Default));
        assert_eq!(choice(&shelf[..2], all), ("new".into(), ChosenBecause::Newest));
    }

    #[test]
    fn what_cannot_be_used_is_said_and_never_replaced_by_a_guess() {
        let shelf = shelf();
        let refused = |images: &[Image], asked| {
            choose_image(images, Wishes { asked, ..Wishes::default() }).unwrap_err().to_string()
        };
        assert!(refused(&shelf, Some("gone")).contains("no image `gone` (asked for)"));
        assert!(refused(&shelf, Some("old")).contains("8.3 or newer is needed"));
        assert!(refused(&shelf, Some("pbs")).contains("cannot be a member of a Proxmox VE cluster"));
        assert!(refused(&[], None).contains("no installer image yet"));
        assert!(refused(&shelf[..1], None).contains("no image can be used for a rebuild"));
    }
}
