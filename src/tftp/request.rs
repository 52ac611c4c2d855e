//! Reads what a machine asks of TFTP's port: bytes in, a request out.
//!
//! RFC 1350 (requests), 2347 (options), 2348 (blksize), 2349 (timeout, tsize), 7440 (windowsize). Firmware mangles names, so the name stays
//! bytes here and `domain::boot_path` reads it.

/// What the largest blocks, windows and waits are that we agree to.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Bytes of a block. Larger than the path's frames means fragments, which most boot ROMs cannot put together.
    pub block_bytes: u16,
    /// Blocks of a window. A larger one loses more at a dropped packet, and overruns small receive rings.
    pub window: u16,
    /// Seconds between repeats. A larger one keeps the place of a machine that has vanished for longer.
    pub timeout_seconds: u16,
}

/// A datagram to TFTP's port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asked {
    /// A file.
    Read(ReadRequest),
    /// To write one.
    Write,
    /// A file in a mode that would change its bytes on the way, or in none at all.
    OtherMode,
    /// Nothing that is answered: what is left of an old transfer, or no TFTP.
    Nothing,
}

/// A request for a file. An option that is absent, repeated or out of its range is left out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReadRequest {
    /// The name, as it was sent.
    pub name: Vec<u8>,
    /// Bytes of a block.
    pub block_bytes: Option<u16>,
    /// Whether the file's size is asked.
    pub wants_size: bool,
    /// Seconds between repeats.
    pub timeout_seconds: Option<u16>,
    /// Blocks of a window.
    pub window: Option<u16>,
}

const READ: [u8; 2] = [0, 1];
const WRITE: [u8; 2] = [0, 2];
/// RFC 2348.
const BLOCK_BYTES: std::ops::RangeInclusive<u16> = 8..=65_464;
/// What a block has where nothing else is agreed (RFC 1350).
pub const PLAIN_BLOCK_BYTES: u16 = 512;
/// No firmware sends more options.
const MOST_OPTIONS: usize = 16;

/// Reads a datagram.
pub fn read(datagram: &[u8]) -> Asked {
    let Some((opcode, rest)) = datagram.split_first_chunk::<2>() else { return Asked::Nothing };
    match *opcode {
        READ => read_request(rest),
        WRITE => Asked::Write,
        _ => Asked::Nothing,
    }
}

fn read_request(rest: &[u8]) -> Asked {
    let mut texts = rest.split(|byte| *byte == 0);
    let name = texts.next().unwrap_or_default().to_vec();
    // Some DHCP servers put a NUL behind the boot file's name, and firmware asks with it: two NULs in a row.
    let mut texts = texts.skip_while(|text| text.is_empty());
    // Netascii would add and drop carriage returns; a loader that arrives so crashes later than one that is refused.
    if !texts.next().is_some_and(|mode| mode.eq_ignore_ascii_case(b"octet")) {
        return Asked::OtherMode;
    }
    let mut request = ReadRequest { name, ..ReadRequest::default() };
    for _ in 0..MOST_OPTIONS {
        let (Some(option), Some(value)) = (texts.next(), texts.next()) else { break };
        request.take(option, value);
    }
    Asked::Read(request)
}

impl ReadRequest {
    fn take(&mut self, option: &[u8], value: &[u8]) {
        let number = str::from_utf8(value).ok().and_then(|text| text.parse::<u64>().ok());
        let small = number.and_then(|number| u16::try_from(number).ok());
        match option.to_ascii_lowercase().as_slice() {
            b"blksize" if self.block_bytes.is_none() => {
                self.block_bytes = small.filter(|bytes| BLOCK_BYTES.contains(bytes));
            }
            b"tsize" => self.wants_size |= number.is_some(),
            b"timeout" if self.timeout_seconds.is_none() => {
                self.timeout_seconds = small.filter(|seconds| (1..=255).contains(seconds));
            }
            b"windowsize" if self.window.is_none() => self.window = small.filter(|blocks| *blocks > 0),
            _ => {}
        }
    }

    /// What we agree to: never more than was asked. A timeout must be taken as it is or not at all (RFC 2349).
    pub fn within(self, limits: Limits) -> Self {
        Self {
            block_bytes: self.block_bytes.map(|bytes| bytes.min(limits.block_bytes)),
            window: self.window.map(|blocks| blocks.min(limits.window)),
            timeout_seconds: self.timeout_seconds.filter(|seconds| *seconds <= limits.timeout_seconds),
            ..self
        }
    }

    /// The acknowledgement of the options, for a file of this size; `None` when there is none to acknowledge. EDK2 refuses an option that it
    /// did not ask for.
    pub fn acknowledgement(&self, file_bytes: usize) -> Option<Vec<u8>> {
        let granted: Vec<_> = [
            ("blksize", self.block_bytes.map(usize::from)),
            ("tsize", self.wants_size.then_some(file_bytes)),
            ("timeout", self.timeout_seconds.map(usize::from)),
            ("windowsize", self.window.map(usize::from)),
        ]
        .into_iter()
        .filter_map(|(name, value)| value.map(|value| format!("{name}\0{value}\0")))
        .collect();
        (!granted.is_empty()).then(|| [&[0, 6], granted.concat().as_bytes()].concat())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(text: &[u8]) -> ReadRequest {
        let Asked::Read(request) = read(text) else { panic!("{:?}", String::from_utf8_lossy(text)) };
        request
    }

    const LIMITS: Limits = Limits { block_bytes: 1468, window: 16, timeout_seconds: 5 };

    #[test]
    fn options_are_read_in_any_case_and_nonsense_is_left_out() {
        let request =
            asked(b"\0\x01a\0OCTET\0BlkSize\x001432\0tsize\x000\0timeout\x003\0windowsize\x004\0multicast\0\0");
        let expected = ReadRequest {
            name: b"a".to_vec(),
            block_bytes: Some(1432),
            wants_size: true,
            timeout_seconds: Some(3),
            window: Some(4),
        };
        assert_eq!(request, expected);
        for nonsense in [
            &b"blksize\x007\0"[..],
            b"blksize\x0065465\0",
            b"blksize\0-1\0",
            b"blksize\0",
            b"timeout\x00256\0",
            b"timeout\x000\0",
            b"windowsize\x000\0",
            b"windowsize\x0070000\0",
            b"tsize\0x\0",
            b"\xff\xfe\x001\0",
        ] {
            let request = asked(&[b"\0\x01a\0octet\0", nonsense].concat());
            assert_eq!(request, ReadRequest { name: b"a".to_vec(), ..ReadRequest::default() }, "{nonsense:?}");
            assert_eq!(request.acknowledgement(9), None);
        }
    }

    #[test]
    fn a_name_with_a_nul_behind_it_or_a_request_without_its_last_nul_is_understood() {
        for (text, name) in [
            (&b"\0\x01loader\0\0octet\0"[..], &b"loader"[..]),
            (b"\0\x01loader\0octet", b"loader"),
            (b"\0\x01loader\xff\0octet\0", b"loader\xff"),
            (b"\0\x01\0octet\0", b""),
        ] {
            assert_eq!(asked(text).name, name);
        }
    }

    #[test]
    fn only_octet_is_served_and_nothing_is_written() {
        for text in [&b"\0\x01a\0netascii\0"[..], b"\0\x01a\0mail\0", b"\0\x01a\0", b"\0\x01a", b"\0\x01"] {
            assert_eq!(read(text), Asked::OtherMode);
        }
        assert_eq!(read(b"\0\x02a\0octet\0"), Asked::Write);
        for text in [&b""[..], b"\0", b"\x01\0a\0octet\0", b"\0\x03a", b"\0\x04\0\0", b"\0\x05\0\0\0", b"\0\x06"] {
            assert_eq!(read(text), Asked::Nothing);
        }
    }

    #[test]
    fn nothing_is_granted_beyond_the_limits_or_beyond_what_was_asked() {
        let greedy = asked(b"\0\x01a\0octet\0windowsize\x0065535\0timeout\x00255\0blksize\x0065464\0tsize\x000\0");
        let granted = greedy.within(LIMITS).acknowledgement(7);
        assert_eq!(granted.as_deref(), Some(&b"\0\x06blksize\x001468\0tsize\x007\0windowsize\x0016\0"[..]));
        let modest = asked(b"\0\x01a\0octet\0windowsize\x002\0timeout\x002\0blksize\x00600\0");
        let granted = modest.within(LIMITS).acknowledgement(7);
        assert_eq!(granted.as_deref(), Some(&b"\0\x06blksize\x00600\0timeout\x002\0windowsize\x002\0"[..]));
    }
}
