//! Recorded packets, changed ones, and the text of a reply in which every byte stands.

use std::{
    fmt::Write as _,
    fs,
    net::Ipv4Addr,
    path::{Path, PathBuf},
};

/// Where the fixed part of a packet ends and its options begin.
pub(super) const OPTIONS: usize = 240;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/packets")
}

/// Reads a recorded payload.
pub(crate) fn recorded(name: &str) -> Vec<u8> {
    let path = folder().join(format!("{name}.hex"));
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let digits: String = text.lines().filter(|line| !line.starts_with('#')).collect();
    data_encoding::HEXLOWER.decode(digits.as_bytes()).unwrap()
}

/// The names of all recorded payloads.
pub(super) fn all_recorded() -> Vec<String> {
    let names = fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = names.filter_map(|name| name.strip_suffix(".hex").map(str::to_owned)).collect();
    names.sort();
    names
}

/// Holds a text against a file of its own; with `REWRITE_EXPECTED` in the environment it is written instead.
pub(super) fn is_as_written(text: &str, file: &str) {
    let path = folder().join(file);
    if std::env::var_os("REWRITE_EXPECTED").is_some() {
        fs::write(&path, text).unwrap();
    }
    let expected = fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(text, expected, "the reply is not what {} says", path.display());
}

/// The options of a packet as they stand in it, without pads, up to the end.
pub(super) fn options(packet: &[u8]) -> Vec<(u8, Vec<u8>)> {
    let (mut found, mut rest) = (Vec::new(), &packet[OPTIONS..]);
    loop {
        match rest {
            [0, tail @ ..] => rest = tail,
            [255, ..] | [] => return found,
            [code, length, tail @ ..] => {
                let (data, tail) = tail.split_at(usize::from(*length));
                found.push((*code, data.to_vec()));
                rest = tail;
            }
            [_] => panic!("an option without length"),
        }
    }
}

/// The value of one option.
pub(crate) fn option(packet: &[u8], wanted: u8) -> Option<Vec<u8>> {
    options(packet).into_iter().find(|(code, _)| *code == wanted).map(|(_, data)| data)
}

/// The same packet with other options.
pub(crate) fn with_options(packet: &[u8], change: impl FnOnce(&mut Vec<(u8, Vec<u8>)>)) -> Vec<u8> {
    let mut found = options(packet);
    change(&mut found);
    let mut changed = packet[..OPTIONS].to_vec();
    for (code, data) in found {
        changed.extend([code, u8::try_from(data.len()).unwrap()]);
        changed.extend(data);
    }
    changed.push(255);
    changed
}

/// The same packet without some options.
pub(super) fn without_options(packet: &[u8], unwanted: &[u8]) -> Vec<u8> {
    with_options(packet, |options| options.retain(|(code, _)| !unwanted.contains(code)))
}

/// Writes a packet out so that no two packets have the same text.
pub(super) fn text(packet: &[u8]) -> String {
    let address = |place: usize| Ipv4Addr::new(packet[place], packet[place + 1], packet[place + 2], packet[place + 3]);
    let mut out = String::new();
    let [op, htype, hlen, hops] = packet[..4] else { panic!("too short") };
    writeln!(out, "op {op}, htype {htype}, hlen {hlen}, hops {hops}").unwrap();
    writeln!(out, "xid    {}", hex(&packet[4..8])).unwrap();
    writeln!(out, "secs   {}", u16::from_be_bytes([packet[8], packet[9]])).unwrap();
    writeln!(out, "flags  {}", hex(&packet[10..12])).unwrap();
    for (name, place) in [("ciaddr", 12), ("yiaddr", 16), ("siaddr", 20), ("giaddr", 24)] {
        writeln!(out, "{name} {}", address(place)).unwrap();
    }
    writeln!(out, "chaddr {}", hex(&packet[28..44])).unwrap();
    writeln!(out, "sname  {}", field(&packet[44..108])).unwrap();
    writeln!(out, "file   {}", field(&packet[108..236])).unwrap();
    writeln!(out, "magic  {}", hex(&packet[236..240])).unwrap();
    let mut rest = &packet[OPTIONS..];
    while let [code, tail @ ..] = rest
        && *code != 255
    {
        let (data, tail) = tail[1..].split_at(usize::from(tail[0]));
        writeln!(out, "option {code:3} {:22} {}", option_name(*code), value(data)).unwrap();
        rest = tail;
    }
    assert_eq!(rest.first(), Some(&255), "the options have no end");
    writeln!(out, "end").unwrap();
    assert!(rest[1..].iter().all(|byte| *byte == 0), "something stands behind the end");
    writeln!(out, "{} zero bytes, {} bytes in all", rest.len() - 1, packet.len()).unwrap();
    out
}

fn option_name(code: u8) -> &'static str {
    match code {
        43 => "vendor extensions",
        53 => "message type",
        54 => "server",
        60 => "vendor class",
        67 => "boot file",
        82 => "relay information",
        97 => "machine id",
        175 => "iPXE",
        _ => "?",
    }
}

/// Printable bytes as text, with the hexadecimal digits of all of them.
fn value(data: &[u8]) -> String {
    let printable = data.len() > 1 && data.iter().all(|byte| byte.is_ascii_graphic());
    if printable { format!("{} {:?}", hex(data), String::from_utf8_lossy(data)) } else { hex(data) }
}

/// A field of fixed length: text and zero bytes.
fn field(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|byte| *byte == 0).expect("the field has no NUL");
    assert!(bytes[end..].iter().all(|byte| *byte == 0), "something stands behind the text of a field");
    format!("{:?}", std::str::from_utf8(&bytes[..end]).unwrap())
}

fn hex(bytes: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(bytes)
}
