//! Who uses an image, and so keeps it from being removed.

use std::fmt;

use super::{
    identity::{Hostname, ImageId, ServerTypeName},
    server_type::ServerType,
};

/// One user of an image.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum ImageUse {
    /// A rebuild of this host that has not ended.
    Rebuild(Hostname),
    /// It was chosen for this host.
    Host(Hostname),
    /// It was chosen by this server type.
    ServerType(ServerTypeName),
    /// It is the default.
    Default,
}

impl fmt::Display for ImageUse {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rebuild(host) => write!(formatter, "the rebuild of {host} that has not ended"),
            Self::Host(host) => write!(formatter, "the options of {host}"),
            Self::ServerType(name) => write!(formatter, "the server type `{name}`"),
            Self::Default => formatter.write_str("being the default (make another image the default)"),
        }
    }
}

/// The server types that have chosen an image.
pub fn server_types_with(image: &ImageId, server_types: &[ServerType]) -> Vec<ImageUse> {
    let have_it = server_types.iter().filter(|kind| kind.image.as_deref() == Some(image.as_str()));
    have_it.map(|kind| ImageUse::ServerType(kind.name.clone())).collect()
}
