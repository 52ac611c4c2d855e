//! Anything that URLs switch: smart plugs, relays, home automation.

use std::time::Duration;

use async_trait::async_trait;
use reqwest::Method;
use secrecy::{ExposeSecret, SecretString};

use super::{
    driver::{Driver, is_seen},
    no_secret,
    web::{Login, Web, told},
};
use crate::{
    domain::{
        host::Host,
        power::{PowerState, SECRET_IN_URL, WebhookMethod, WebhookOptions, fingerprint_bytes, origin},
    },
    ports::{NetworkBoot, PowerError},
};

/// How long the power stays off before it comes back: a power supply keeps a board alive for some seconds.
const OFF_TIME: Duration = Duration::from_secs(5);
/// How long a plug may take to show what it was told.
const STATE_PATIENCE: Duration = Duration::from_secs(10);

/// One plug.
pub(super) struct Webhook {
    options: WebhookOptions,
    web: Web,
    secret: Option<SecretString>,
}

impl Webhook {
    pub(super) fn new(host: &Host, options: WebhookOptions, secret: Option<SecretString>) -> Result<Self, PowerError> {
        let urls = [Some(&options.on_url), options.off_url.as_ref(), options.status_url.as_ref()];
        let is_in_url = urls.iter().flatten().any(|url| url.contains(SECRET_IN_URL));
        let is_https = urls.iter().flatten().any(|url| url.starts_with("https://"));
        // Only the server is told of: paths and queries of plugs may hold passwords.
        let whom = format!("the webhook at {}", origin(&options.on_url));
        let login = match (&options.user, &secret) {
            (Some(user), Some(password)) => Login::Basic { user: user.clone(), password: password.clone() },
            (None, Some(token)) if !is_in_url => Login::Bearer(token.clone()),
            (Some(_), None) => return Err(no_secret(&whom, host)),
            (None, None) if is_in_url => return Err(no_secret(&whom, host)),
            (None, Some(_) | None) => Login::Nobody,
        };
        let pin = options.certificate_fingerprint.as_deref().and_then(fingerprint_bytes);
        let option = "power.webhook.certificate_fingerprint";
        let web = Web::new(whom, host.hostname.to_string(), login, pin, option, is_https)?;
        Ok(Self { options, web, secret })
    }

    async fn call(&self, method: Method, url: &str) -> Result<String, PowerError> {
        let url = match &self.secret {
            Some(secret) => url.replace(SECRET_IN_URL, &encoded(secret.expose_secret())),
            None => url.to_owned(),
        };
        let headers = self.options.headers.clone();
        let with_headers = |request: reqwest::RequestBuilder| {
            headers.into_iter().fold(request, |request, (name, value)| request.header(name, value))
        };
        let answer = self.web.ask(method, &url, with_headers).await?;
        if answer.status.is_success() {
            return Ok(answer.text);
        }
        let said = self.without_secret(&told(&answer.text));
        Err(PowerError::Failed(format!("{} answered {}: {said}", self.web.whom, answer.status)))
    }

    /// Some plugs repeat the request in their refusal.
    fn without_secret(&self, text: &str) -> String {
        match &self.secret {
            Some(secret) if !secret.expose_secret().is_empty() => {
                text.replace(secret.expose_secret(), "…").replace(&encoded(secret.expose_secret()), "…")
            }
            Some(_) | None => text.to_owned(),
        }
    }

    async fn switch(&self, url: &str, state: PowerState) -> Result<(), PowerError> {
        let method = match self.options.method {
            WebhookMethod::Get => Method::GET,
            WebhookMethod::Post => Method::POST,
            WebhookMethod::Put => Method::PUT,
        };
        self.call(method, url).await?;
        if self.options.status_url.is_none() || is_seen(self, state, STATE_PATIENCE).await? {
            return Ok(());
        }
        let limit = STATE_PATIENCE.as_secs();
        Err(PowerError::Failed(format!("{} was called, but after {limit} s it does not show {state}", self.web.whom)))
    }

    async fn on(&self) -> Result<(), PowerError> {
        self.switch(&self.options.on_url, PowerState::On).await
    }

    async fn off_and_on(&self, off_url: &str) -> Result<(), PowerError> {
        self.switch(off_url, PowerState::Off).await?;
        tokio::time::sleep(OFF_TIME).await;
        self.on().await
    }

    fn no_off_url(&self) -> PowerError {
        PowerError::NotSupported(format!("{} has no power.webhook.off_url; switch off by hand", self.web.whom))
    }
}

/// Percent-encoded for any place of a URL (RFC 3986 §2.3).
fn encoded(text: &str) -> String {
    let encode = |byte: u8| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            char::from(byte).to_string()
        } else {
            format!("%{byte:02X}")
        }
    };
    text.bytes().map(encode).collect()
}

#[async_trait]
impl Driver for Webhook {
    async fn status(&self) -> Result<PowerState, PowerError> {
        let (Some(url), Some(on)) = (&self.options.status_url, &self.options.status_on) else {
            return Ok(PowerState::Unknown);
        };
        let said = self.call(Method::GET, url).await?;
        Ok(if said.contains(on.as_str()) { PowerState::On } else { PowerState::Off })
    }

    async fn boot_from_network(&self) -> Result<NetworkBoot, PowerError> {
        match (self.status().await?, &self.options.off_url) {
            (PowerState::Off, _) => self.on().await?,
            (PowerState::On | PowerState::Unknown, Some(off_url)) => self.off_and_on(off_url).await?,
            (PowerState::On, None) => return Err(self.no_off_url()),
            (PowerState::Unknown, None) => {
                self.on().await?;
                return Ok(NetworkBoot::Woken);
            }
        }
        Ok(NetworkBoot::Switched)
    }

    async fn switch_on(&self) -> Result<(), PowerError> {
        match self.status().await? {
            PowerState::On => Ok(()),
            PowerState::Off | PowerState::Unknown => self.on().await,
        }
    }

    async fn switch_off(&self) -> Result<(), PowerError> {
        let off_url = self.options.off_url.as_ref().ok_or_else(|| self.no_off_url())?;
        match self.status().await? {
            PowerState::Off => Ok(()),
            PowerState::On | PowerState::Unknown => self.switch(off_url, PowerState::Off).await,
        }
    }

    async fn cycle(&self) -> Result<(), PowerError> {
        let off_url = self.options.off_url.as_ref().ok_or_else(|| self.no_off_url())?;
        match self.status().await? {
            PowerState::Off => self.on().await,
            PowerState::On | PowerState::Unknown => self.off_and_on(off_url).await,
        }
    }
}
