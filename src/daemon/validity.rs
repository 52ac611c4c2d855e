//! Reads from a certificate when it ends: the one thing of X.509 that we show, so no whole parser of it is taken in.

use jiff::{Timestamp, civil::DateTime, tz::Offset};

const SEQUENCE: u8 = 0x30;
const VERSION: u8 = 0xa0;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;

/// When a certificate in DER ends (RFC 5280 §4.1); `None` for what cannot be read as one.
pub(super) fn expires_at(der: &[u8]) -> Option<Timestamp> {
    let (_, certificate, _) = element(der)?;
    let (_, mut fields, _) = element(certificate)?;
    if let Some((VERSION, _, rest)) = element(fields) {
        fields = rest;
    }
    // Serial number, algorithm, issuer.
    for _ in 0..3 {
        fields = element(fields)?.2;
    }
    let (SEQUENCE, validity, _) = element(fields)? else { return None };
    let (_, _, not_after) = element(validity)?;
    let (kind, text, _) = element(not_after)?;
    let text = std::str::from_utf8(text).ok()?;
    let text = match kind {
        // Two digits of the year: from 50 on they mean the last century.
        UTC_TIME => format!("{}{text}", if text.get(..2)?.parse::<u8>().ok()? < 50 { "20" } else { "19" }),
        GENERALIZED_TIME => text.to_owned(),
        _ => return None,
    };
    let moment = DateTime::strptime("%Y%m%d%H%M%SZ", text).ok()?;
    Offset::UTC.to_timestamp(moment).ok()
}

/// The first element: its tag, its content, and what comes after it.
fn element(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (tag, first) = (*bytes.first()?, usize::from(*bytes.get(1)?));
    let (length, begin) = if first < 0x80 {
        (first, 2)
    } else {
        let digits = bytes.get(2..2 + (first & 0x7f))?;
        if digits.len() > 4 {
            return None;
        }
        (digits.iter().fold(0, |length, digit| length << 8 | usize::from(*digit)), 2 + digits.len())
    };
    let end = begin.checked_add(length)?;
    Some((tag, bytes.get(begin..end)?, bytes.get(end..)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_certificate_is_read_and_nonsense_has_none() {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut params = rcgen::CertificateParams::new(vec!["rackseed.internal".to_owned()]).unwrap();
        for (year, expected) in [(2031, "2031-02-03T00:00:00Z"), (2096, "2096-02-03T00:00:00Z")] {
            params.not_after = rcgen::date_time_ymd(year, 2, 3);
            let der = params.self_signed(&key).unwrap().der().to_vec();
            assert_eq!(expires_at(&der), Some(expected.parse().unwrap()));
            for length in 0..der.len() {
                // Whatever is cut off, nothing breaks.
                let _ = expires_at(&der[..length]);
            }
        }
        assert_eq!(expires_at(b"no certificate"), None);
    }
}
