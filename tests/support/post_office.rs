//! Real servers on loopback that take what we send: one for HTTP, which answers as it is told, and one for mail, which speaks SMTP as far as a
//! client needs it, in the clear, with STARTTLS, or with TLS from the first byte.

use std::{
    collections::VecDeque,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, HeaderValue, StatusCode, Uri, header},
    response::IntoResponse,
};
use rustls::pki_types::PrivateKeyDer;
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
};
use tokio_rustls::TlsAcceptor;

/// What came in one request.
#[derive(Debug, Clone)]
pub(crate) struct Letter {
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Letter {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

/// How a request is answered.
#[derive(Debug, Clone)]
pub(crate) enum Reply {
    /// With a status and a text.
    Status(u16, String),
    /// With 429 and a number of seconds.
    TooMany(u64),
    /// Not for a long time.
    Never,
}

#[derive(Default)]
struct Inside {
    letters: Mutex<Vec<Letter>>,
    replies: Mutex<VecDeque<Reply>>,
}

/// An HTTP server.
#[derive(Clone)]
pub(crate) struct PostOffice {
    pub(crate) address: SocketAddr,
    inside: Arc<Inside>,
}

impl PostOffice {
    pub(crate) async fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, inside) = (listener.local_addr().unwrap(), Arc::new(Inside::default()));
        let router = Router::new().fallback(take).with_state(Arc::clone(&inside));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { address, inside }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// What came so far.
    pub(crate) fn letters(&self) -> Vec<Letter> {
        self.inside.letters.lock().unwrap().clone()
    }

    /// How the next request is answered; without a word it is 200.
    pub(crate) fn answer_next(&self, reply: Reply) {
        self.inside.replies.lock().unwrap().push_back(reply);
    }

    /// Waits until so many letters have come.
    pub(crate) async fn wait_for(&self, count: usize) -> Vec<Letter> {
        for _ in 0..400 {
            if self.letters().len() >= count {
                return self.letters();
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        panic!("{} of {count} letters came in ten seconds", self.letters().len());
    }
}

async fn take(
    State(inside): State<Arc<Inside>>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> axum::response::Response {
    let body = String::from_utf8(body.to_vec()).unwrap();
    inside.letters.lock().unwrap().push(Letter { path: uri.to_string(), headers, body });
    let reply = inside.replies.lock().unwrap().pop_front();
    match reply.unwrap_or_else(|| Reply::Status(200, "{}".to_owned())) {
        Reply::Status(status, text) => (StatusCode::from_u16(status).unwrap(), text).into_response(),
        Reply::TooMany(seconds) => {
            let wait = [(header::RETRY_AFTER, HeaderValue::from(seconds))];
            (StatusCode::TOO_MANY_REQUESTS, wait).into_response()
        }
        Reply::Never => {
            tokio::time::sleep(Duration::from_secs(120)).await;
            StatusCode::OK.into_response()
        }
    }
}

/// How a mail server keeps the way to it private.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Privacy {
    Nothing,
    StartTls,
    Tls,
}

/// One mail that was taken.
#[derive(Debug, Clone, Default)]
pub(crate) struct Mail {
    pub(crate) was_private: bool,
    pub(crate) login: String,
    pub(crate) from: String,
    pub(crate) to: Vec<String>,
    /// Its lines, as they came.
    pub(crate) lines: Vec<String>,
}

impl Mail {
    /// The lines of the head that begin so.
    pub(crate) fn head(&self, name: &str) -> Vec<&str> {
        let head = self.lines.iter().take_while(|line| !line.is_empty());
        head.filter(|line| line.starts_with(name)).map(String::as_str).collect()
    }
}

/// A mail server.
pub(crate) struct MailServer {
    pub(crate) address: SocketAddr,
    /// Our certificate, where there is one.
    pub(crate) ca_file: PathBuf,
    mails: Arc<Mutex<Vec<Mail>>>,
}

impl MailServer {
    pub(crate) async fn open(privacy: Privacy, folder: &Path) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, mails) = (listener.local_addr().unwrap(), Arc::default());
        let ca_file = folder.join("mail-ca.pem");
        let acceptor = acceptor(&ca_file);
        let taken: Arc<Mutex<Vec<Mail>>> = Arc::clone(&mails);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, privacy, acceptor.clone(), Arc::clone(&taken)));
            }
        });
        Self { address, ca_file, mails }
    }

    pub(crate) fn mails(&self) -> Vec<Mail> {
        self.mails.lock().unwrap().clone()
    }
}

fn acceptor(ca_file: &Path) -> TlsAcceptor {
    let made = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned(), "localhost".to_owned()]).unwrap();
    std::fs::write(ca_file, made.cert.pem()).unwrap();
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = config.with_no_client_auth().with_single_cert(vec![made.cert.der().clone()], key).unwrap();
    TlsAcceptor::from(Arc::new(config))
}

async fn serve(stream: TcpStream, privacy: Privacy, acceptor: TlsAcceptor, mails: Arc<Mutex<Vec<Mail>>>) {
    match privacy {
        Privacy::Nothing => drop(converse(stream, false, false, true, &mails).await),
        Privacy::Tls => {
            let Ok(stream) = acceptor.accept(stream).await else { return };
            drop(converse(stream, true, false, true, &mails).await);
        }
        Privacy::StartTls => {
            let Some(stream) = converse(stream, false, true, true, &mails).await else { return };
            let Ok(stream) = acceptor.accept(stream).await else { return };
            drop(converse(stream, true, false, false, &mails).await);
        }
    }
}

/// Talks with a client. Returns the stream when it is to be made private.
async fn converse<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    is_private: bool,
    offers_tls: bool,
    greets: bool,
    mails: &Mutex<Vec<Mail>>,
) -> Option<S> {
    let mut stream = BufReader::new(stream);
    if greets {
        stream.write_all(b"220 mail.example ESMTP\r\n").await.ok()?;
    }
    let (mut mail, mut line) = (Mail { was_private: is_private, ..Mail::default() }, String::new());
    loop {
        line.clear();
        if stream.read_line(&mut line).await.ok()? == 0 {
            return None;
        }
        let (words, upper) = (line.trim_end().to_owned(), line.trim_end().to_ascii_uppercase());
        let answer = if upper.starts_with("EHLO") {
            let offer = if offers_tls { "250-STARTTLS\r\n" } else { "250-AUTH PLAIN\r\n" };
            format!("250-mail.example\r\n{offer}250 8BITMIME\r\n")
        } else if upper == "STARTTLS" && offers_tls {
            stream.write_all(b"220 go on\r\n").await.ok()?;
            return Some(stream.into_inner());
        } else if upper.starts_with("AUTH PLAIN") {
            mail.login = words["AUTH PLAIN ".len()..].to_owned();
            "235 welcome\r\n".to_owned()
        } else if upper.starts_with("MAIL FROM:") {
            mail.from = words;
            "250 ok\r\n".to_owned()
        } else if upper.starts_with("RCPT TO:") {
            mail.to.push(words);
            "250 ok\r\n".to_owned()
        } else if upper == "DATA" {
            stream.write_all(b"354 go on\r\n").await.ok()?;
            loop {
                line.clear();
                if stream.read_line(&mut line).await.ok()? == 0 {
                    return None;
                }
                match line.trim_end_matches("\r\n") {
                    "." => break,
                    text => mail.lines.push(text.to_owned()),
                }
            }
            mails.lock().unwrap().push(mail.clone());
            "250 queued as 4711\r\n".to_owned()
        } else if upper == "QUIT" {
            "221 bye\r\n".to_owned()
        } else {
            "502 what?\r\n".to_owned()
        };
        stream.write_all(answer.as_bytes()).await.ok()?;
    }
}

/// An HTTPS server with a certificate of its own, which takes everything. Returns its URL, the certificate, and what came.
pub(crate) async fn secure_office(folder: &Path) -> (String, PathBuf, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (url, ca_file) = (format!("https://{}/hook", listener.local_addr().unwrap()), folder.join("web-ca.pem"));
    let (acceptor, letters): (_, Arc<Mutex<Vec<String>>>) = (acceptor(&ca_file), Arc::default());
    let taken = Arc::clone(&letters);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(stream) = acceptor.accept(stream).await else { continue };
            let (mut stream, mut line) = (BufReader::new(stream), String::new());
            if stream.read_line(&mut line).await.is_ok() {
                taken.lock().unwrap().push(line);
            }
            let _ = stream.write_all(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n").await;
            let _ = stream.shutdown().await;
        }
    });
    (url, ca_file, letters)
}
