//! Reads `/.cd-info`: what an ISO says that it is.

use crate::domain::image::InstallerRelease;

use super::AddError;

/// The lines of `/.cd-info` that we use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct CdInfo {
    pub(super) product: String,
    pub(super) product_name: String,
    pub(super) release: InstallerRelease,
    pub(super) iso_release: String,
}

/// The longest part of a version that fits into an image's id.
const MAX_WORD_LENGTH: usize = 16;

impl CdInfo {
    /// Reads the file, which is in shell style with values in quotes (`proxmox-auto-install-assistant`, `main.rs:1597-1626`).
    pub(super) fn parse(text: &str) -> Result<Self, AddError> {
        let value = |key: &str| {
            text.lines()
                .filter_map(|line| line.trim().split_once('='))
                .find(|(name, _)| *name == key)
                .map(|(_, value)| unquote(value))
                .ok_or_else(|| AddError::NotAnInstaller(format!("its `/.cd-info` has no {key}")))
        };
        let product = value("PRODUCT")?;
        let release = value("RELEASE")?;
        let iso_release = value("ISORELEASE")?;
        let release = InstallerRelease::parse(&release)
            .ok_or_else(|| AddError::NotAnInstaller(format!("`{release}` in its `/.cd-info` is not a release")))?;
        for word in [&product, &iso_release] {
            let plain = word.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'));
            if word.is_empty() || word.len() > MAX_WORD_LENGTH || !plain {
                return Err(AddError::NotAnInstaller(format!("`{word}` in its `/.cd-info` is not a name or version")));
            }
        }
        let product_name = value("PRODUCTLONG").unwrap_or_else(|_| product.clone());
        Ok(Self { product, product_name, release, iso_release })
    }
}

/// Reads the release that an ISO's `/.cd-info` names, or says why it is none of an installer.
pub fn read_cd_info(text: &str) -> Result<InstallerRelease, AddError> {
    CdInfo::parse(text).map(|info| info.release)
}

fn unquote(value: &str) -> String {
    let value = value.trim();
    for quote in ['\'', '"'] {
        if let Some(inner) = value.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote)) {
            return inner.to_owned();
        }
    }
    value.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const REAL: &str = "PRODUCT='pve'\nPRODUCTLONG='Proxmox VE'\nRELEASE='9.2'\nISORELEASE='1'\nISONAME='proxmox-ve'\n";

    #[test]
    fn the_quoted_values_are_read() {
        let info = CdInfo::parse(REAL).unwrap();
        assert_eq!((info.product.as_str(), info.product_name.as_str()), ("pve", "Proxmox VE"));
        assert_eq!((info.release, info.iso_release.as_str()), (InstallerRelease { major: 9, minor: 2 }, "1"));
    }

    #[test]
    fn missing_and_unusable_values_are_named() {
        for (from, to, named) in [
            ("RELEASE='9.2'\n", "", "RELEASE"),
            ("'9.2'", "'nine'", "nine"),
            ("'pve'", "'../../etc'", "../../etc"),
            ("ISORELEASE='1'", "ISORELEASE=''", "``"),
        ] {
            let error = CdInfo::parse(&REAL.replacen(from, to, 1)).unwrap_err().to_string();
            assert!(error.contains(named), "{error}");
        }
    }
}
