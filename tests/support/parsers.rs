//! Every parser of bytes that come from outside, as one function each: the sweeps of `make test` and the targets in `fuzz/` call the same.

use std::time::{Duration, Instant};

use bytes::Bytes;
use rackseed::{
    catalog, dhcp,
    domain::{
        answer_file::AnswerFile,
        image::InstallerRelease,
        installer::{InstallReport, PhoneHomeReport, SystemReport},
    },
    images,
    tftp::{
        request::{self, Asked, Limits},
        transfer::{Action, Transfer},
    },
};

/// The most that is read of an installer's body is far more; longer inputs find nothing else.
const LONGEST_TEXT: usize = 16 << 10;

/// A DHCP packet, on either port.
pub(crate) fn dhcp(bytes: &[u8]) {
    for port in [dhcp::Port::Server, dhcp::Port::Proxy] {
        let _ = dhcp::parse(bytes, port);
    }
    let _ = dhcp::overheard(bytes);
}

/// A TFTP request, and what its machine says in the transfer that follows.
pub(crate) fn tftp(bytes: &[u8]) {
    let (asked, said) = bytes.split_at(bytes.len().min(200));
    let Asked::Read(request) = request::read(asked) else { return };
    let limits = Limits { block_bytes: 1468, window: 16, timeout_seconds: 5 };
    let mut now = Instant::now();
    let (mut transfer, mut action) = Transfer::start(&request.within(limits), Bytes::from_static(&[7; 5000]), now);
    let mut said = said.chunks(4);
    for _ in 0..64 {
        if let Action::Send(blocks) = &action {
            for block in blocks.clone() {
                let mut datagram = Vec::new();
                transfer.write(block, &mut datagram);
                assert!(datagram.len() <= 1472, "{} bytes", datagram.len());
            }
        }
        now += Duration::from_millis(3);
        action = match (action, said.next()) {
            (Action::End(_), _) => return,
            (Action::Send(_) | Action::Wait, Some(datagram)) => transfer.hear(datagram, now),
            (Action::Send(_) | Action::Wait, None) => {
                now = transfer.deadline();
                transfer.time_is_up(now)
            }
        };
    }
}

/// The installer's system report, its webhook, and the phone-home of the first boot.
pub(crate) fn installer_json(bytes: &[u8]) {
    if let Ok(report) = serde_json::from_slice::<SystemReport>(bytes) {
        let _ = (report.release(), report.fingerprint());
    }
    if let Ok(report) = serde_json::from_slice::<InstallReport>(bytes) {
        let _ = report.ed25519_host_key();
    }
    let _ = serde_json::from_slice::<PhoneHomeReport>(bytes);
}

/// An answer template, and an answer.
pub(crate) fn answer(bytes: &[u8]) {
    let Some(text) = str::from_utf8(bytes).ok().filter(|text| text.len() <= LONGEST_TEXT) else { return };
    let _ = catalog::check_template(text);
    if let Ok(file) = toml::from_str::<AnswerFile>(text) {
        let _ = file.check(InstallerRelease { major: 9, minor: 2 });
    }
}

/// What an ISO says that it is. The ISO's own structure is read by `xorriso`, in a process of its own.
pub(crate) fn iso(bytes: &[u8]) {
    let _ = images::read_cd_info(&String::from_utf8_lossy(bytes));
}
