//! The names under which boot files are offered: they tell which machine asks.

use super::identity::MacAddress;

/// The longest name that is looked at.
const LONGEST_NAME: usize = 255;
/// What begins a name that tells the machine.
const MACHINE_PREFIX: &str = "b/";

/// The path of a boot file for one machine: `b/525400770001/snponly.efi`. iPXE asks for `autoexec.ipxe` beside it.
pub fn boot_path(mac: MacAddress, file: &str) -> String {
    format!("{MACHINE_PREFIX}{}/{file}", mac.to_string().replace(':', ""))
}

/// Reads a name as firmware sends it, however it mangles it: backslashes, leading and doubled slashes, other case, a NUL or 0xff at its end.
/// Returns the machine, if the name tells it, and the file's bare name; `None` for what no offer of ours can have become.
pub fn parse(name: &[u8]) -> Option<(Option<MacAddress>, String)> {
    let end = name.iter().rposition(|byte| !matches!(byte, 0 | 0xff)).map_or(0, |last| last + 1);
    let name = str::from_utf8(&name[..end]).ok().filter(|name| name.len() <= LONGEST_NAME)?;
    let name = name.replace('\\', "/").to_ascii_lowercase();
    let parts: Vec<_> = name.split('/').filter(|part| !part.is_empty()).collect();
    match parts.as_slice() {
        [file] if is_file(file) => Some((None, (*file).to_owned())),
        ["b", mac, file] if is_file(file) => Some((Some(read_mac(mac)?), (*file).to_owned())),
        _ => None,
    }
}

fn is_file(name: &str) -> bool {
    name != "." && name != ".." && name.chars().all(|c| c.is_ascii_graphic())
}

fn read_mac(text: &str) -> Option<MacAddress> {
    let digits = text.as_bytes();
    if digits.len() != 12 || !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    let pairs: Vec<_> = text.as_bytes().chunks(2).filter_map(|pair| str::from_utf8(pair).ok()).collect();
    pairs.join(":").parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_read_however_firmware_mangles_it() {
        let mac: MacAddress = "52:54:00:77:00:01".parse().unwrap();
        assert_eq!(boot_path(mac, "snponly.efi"), "b/525400770001/snponly.efi");
        for name in [
            "b/525400770001/snponly.efi",
            "\\B\\525400770001\\SNPONLY.EFI",
            "//b//525400770001//snponly.efi\0",
            "/b/525400770001/snponly.efi\u{ff}",
        ] {
            let bytes: Vec<u8> = name.chars().map(|c| c as u8).collect();
            assert_eq!(parse(&bytes), Some((Some(mac), "snponly.efi".to_owned())), "{name}");
        }
        assert_eq!(parse(b"/undionly.kpxe"), Some((None, "undionly.kpxe".to_owned())));
        let long = vec![b'a'; 256];
        for name in [
            &b""[..],
            b"/",
            b"../etc/passwd",
            b"b/../x",
            b"b/1/x",
            b"a/b/c/d",
            b"\xc3\x28",
            b"b/525400770001/..",
            &long,
        ] {
            assert_eq!(parse(name), None, "{name:?}");
        }
    }
}
