//! A JSON document to a URL, signed where a key is set.

use std::path::PathBuf;

use data_encoding::HEXLOWER;
use hmac::{Hmac, KeyInit, Mac};
use reqwest::header::{CONTENT_TYPE, HeaderName};
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use sha2::Sha256;

use super::{not_taken, secret, web::Place};
use crate::{
    domain::notification::{Message, Moment},
    ports::NotTaken,
};

const EVENT: HeaderName = HeaderName::from_static("x-rackseed-event");
/// The same for a repeat of the same message.
const DELIVERY: HeaderName = HeaderName::from_static("x-rackseed-delivery");
/// `sha256=` and the HMAC of the body in hexadecimal, as GitHub's webhooks have it.
const SIGNATURE: HeaderName = HeaderName::from_static("x-rackseed-signature");

/// A webhook.
pub struct Webhook {
    /// Where it is.
    pub place: Place,
    /// The file with the key that signs.
    pub signature_key_file: Option<PathBuf>,
}

impl Webhook {
    pub(super) async fn send(&self, message: &Message) -> Result<String, NotTaken> {
        let body = document(message).to_string();
        let signature = match secret(self.place.read_secret, self.signature_key_file.as_ref())? {
            Some(key) => Some(sign(key.expose_secret().as_bytes(), body.as_bytes())?),
            None => None,
        };
        let filled = |request: reqwest::RequestBuilder| {
            let request = request
                .header(CONTENT_TYPE, "application/json")
                .header(EVENT, message.word())
                .header(DELIVERY, message.number());
            let request = match signature {
                Some(signature) => request.header(SIGNATURE, signature),
                None => request,
            };
            request.body(body)
        };
        self.place.post(filled).await
    }
}

fn sign(key: &[u8], body: &[u8]) -> Result<String, NotTaken> {
    let mut mac =
        Hmac::<Sha256>::new_from_slice(key).map_err(|_| not_taken("the signature's key is unusable".into()))?;
    mac.update(body);
    Ok(format!("sha256={}", HEXLOWER.encode(&mac.finalize().into_bytes())))
}

fn document(message: &Message) -> Value {
    json!({
        "event": message.word(),
        "title": message.title(),
        "text": message.text(),
        "url": message.link(),
        "sent_at": message.at.to_string(),
        "moments": message.moments.iter().map(|moment| told(moment, message.dashboard_url.as_deref())).collect::<Vec<_>>(),
    })
}

fn told(moment: &Moment, dashboard_url: Option<&str>) -> Value {
    json!({
        "number": moment.number,
        "event": moment.kind.word(),
        "at": moment.at.to_string(),
        "title": moment.title(),
        "reason": moment.reason(),
        "advice": moment.kind.advice(),
        "host": moment.host.as_ref().map(ToString::to_string),
        "hostname": moment.hostname,
        "operation": moment.operation.as_ref().map(ToString::to_string),
        "batch": moment.batch.as_ref().map(ToString::to_string),
        "url": moment.link(dashboard_url),
    })
}
