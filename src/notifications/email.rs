//! A mail over SMTP, by `lettre`.

use std::{path::PathBuf, time::Duration};

use lettre::{
    AsyncSmtpTransport, AsyncTransport, Tokio1Executor,
    message::{
        Mailbox, Message as Mail,
        header::{ContentType, HeaderName, HeaderValue},
    },
    transport::smtp::{
        authentication::Credentials,
        client::{Certificate, Tls, TlsParameters},
        extension::ClientId,
    },
};
use secrecy::ExposeSecret;

use super::{
    ReadSecret, not_taken, secret,
    web::{chain, read_authority},
};
use crate::{
    domain::notification::{Message, one_line},
    ports::NotTaken,
};

/// How long one step of the conversation may take, and all of it.
const STEP_LIMIT: Duration = Duration::from_secs(15);
const WHOLE_LIMIT: Duration = Duration::from_secs(60);

/// How the way to the mail server is kept private.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MailSecurity {
    /// Begins in the clear and must switch to TLS before anything is said.
    StartTls,
    /// TLS from the first byte.
    Tls,
    /// In the clear.
    Nothing,
}

/// A mail server, and whom it brings mail.
pub struct Email {
    /// The server's name or address.
    pub server: String,
    /// Its port.
    pub port: u16,
    /// How the way there is kept private.
    pub security: MailSecurity,
    /// The login, if it wants one: the user, and the file with the password.
    pub login: Option<(String, PathBuf)>,
    /// The file with a certificate authority that is believed besides those of the system.
    pub ca_file: Option<PathBuf>,
    /// Whom mails are from.
    pub from: String,
    /// Whom they go to.
    pub to: Vec<String>,
    /// Reads files with secrets.
    pub read_secret: ReadSecret,
}

impl Email {
    pub(super) fn shown(&self) -> String {
        format!("{} over {}:{}", self.to.join(", "), self.server, self.port)
    }

    pub(super) async fn send(&self, message: &Message) -> Result<String, NotTaken> {
        let mail = self.mail(message)?;
        let transport = self.transport()?;
        let sending = tokio::time::timeout(WHOLE_LIMIT, transport.send(mail)).await;
        let place = format!("{}:{}", self.server, self.port);
        match sending {
            Ok(Ok(response)) => {
                let text = one_line(&response.message().collect::<Vec<_>>().join(" "));
                Ok(format!("{place} answered {}: {text}", response.code()))
            }
            Ok(Err(error)) => Err(not_taken(format!("{place} did not take the mail: {}", chain(&error)))),
            Err(_) => Err(not_taken(format!("{place} did not take the mail within {} s", WHOLE_LIMIT.as_secs()))),
        }
    }

    fn transport(&self) -> Result<AsyncSmtpTransport<Tokio1Executor>, NotTaken> {
        let tls = match self.security {
            MailSecurity::StartTls => Tls::Required(self.tls()?),
            MailSecurity::Tls => Tls::Wrapper(self.tls()?),
            MailSecurity::Nothing => Tls::None,
        };
        let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(&self.server)
            .port(self.port)
            .tls(tls)
            .hello_name(ClientId::default())
            .timeout(Some(STEP_LIMIT));
        if let Some((user, file)) = &self.login {
            let password = secret(self.read_secret, Some(file))?;
            let password = password.map(|password| password.expose_secret().to_owned()).unwrap_or_default();
            builder = builder.credentials(Credentials::new(user.clone(), password));
        }
        Ok(builder.build())
    }

    fn tls(&self) -> Result<TlsParameters, NotTaken> {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let cannot = |error| not_taken(format!("nothing was sent: TLS cannot be prepared: {}", chain(&error)));
        let mut builder = TlsParameters::builder(self.server.clone());
        if let Some(file) = &self.ca_file {
            builder = builder.add_root_certificate(Certificate::from_pem(&read_authority(file)?).map_err(cannot)?);
        }
        builder.build_rustls().map_err(cannot)
    }

    fn mail(&self, message: &Message) -> Result<Mail, NotTaken> {
        let address = |text: &str| -> Result<Mailbox, NotTaken> {
            text.parse().map_err(|error| not_taken(format!("nothing was sent: `{text}` is no mail address: {error}")))
        };
        let from = address(&self.from)?;
        // The same for a repeat of the same message, so that mail programs show it once.
        let (number, seconds) = (message.number(), message.moments.first().map_or(message.at, |first| first.at));
        let id = format!("<rackseed.{number}.{}@{}>", seconds.as_second(), from.email.domain());
        let mut builder = Mail::builder().from(from).subject(message.title()).message_id(Some(id));
        for to in &self.to {
            builder = builder.to(address(to)?);
        }
        let link = message.link().map(|link| format!("\n\n{link}")).unwrap_or_default();
        let text = format!("{}{link}\n", message.text());
        let mut mail = builder
            .header(ContentType::TEXT_PLAIN)
            .body(text)
            .map_err(|error| not_taken(format!("nothing was sent: the mail cannot be written: {error}")))?;
        // Keeps out-of-office programs from answering (RFC 3834).
        let automatic = HeaderValue::new(HeaderName::new_from_ascii_str("Auto-Submitted"), "auto-generated".to_owned());
        mail.headers_mut().insert_raw(automatic);
        Ok(mail)
    }
}
