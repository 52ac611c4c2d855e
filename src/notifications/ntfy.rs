//! A topic of ntfy (<https://docs.ntfy.sh/publish/>): the text as body, the rest in headers.

use data_encoding::BASE64;

use super::web::Place;
use crate::{
    domain::notification::{Message, Urgency},
    ports::NotTaken,
};

/// A longer body becomes a file that is attached (4096 bytes are ntfy's own bound).
const LONGEST_BODY_BYTES: usize = 3_900;

/// A topic.
pub struct Ntfy {
    /// The topic's URL.
    pub place: Place,
}

impl Ntfy {
    pub(super) async fn send(&self, message: &Message) -> Result<String, NotTaken> {
        let filled = |request: reqwest::RequestBuilder| {
            let request = request
                .header("Title", header(&message.title()))
                .header("Priority", priority(message.urgency()))
                .header("Tags", tag(message.word()));
            let request = match message.link() {
                Some(link) => request.header("Click", link),
                None => request,
            };
            request.body(cut(message.text()))
        };
        self.place.post(filled).await
    }
}

fn priority(urgency: Urgency) -> &'static str {
    match urgency {
        Urgency::Low => "low",
        Urgency::Normal => "default",
        Urgency::High => "high",
    }
}

/// A short code of an emoji, which ntfy shows before the title.
fn tag(word: &str) -> &'static str {
    match word {
        "ready" => "white_check_mark",
        "needs_attention" => "warning",
        "failed" => "x",
        "refused" => "rotating_light",
        "overdue" => "hourglass",
        "digest" => "inbox_tray",
        _ => "wave",
    }
}

/// Text for a header: as it is where it is ASCII, else as an encoded word (RFC 2047), which ntfy reads.
fn header(text: &str) -> String {
    if text.is_ascii() { text.to_owned() } else { format!("=?UTF-8?B?{}?=", BASE64.encode(text.as_bytes())) }
}

fn cut(mut text: String) -> String {
    if text.len() > LONGEST_BODY_BYTES {
        let end = (0..=LONGEST_BODY_BYTES).rev().find(|end| text.is_char_boundary(*end)).unwrap_or_default();
        text.truncate(end);
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_title_beyond_ascii_is_an_encoded_word() {
        assert_eq!(header("pve-01 is ready"), "pve-01 is ready");
        assert_eq!(header("müde"), "=?UTF-8?B?bcO8ZGU=?=");
    }

    #[test]
    fn a_long_text_is_cut_at_a_character() {
        let text = cut("ü".repeat(3_000));
        assert!(text.len() < 4_096 && text.ends_with("ü…"));
    }
}
