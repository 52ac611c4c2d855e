//! A web server that serves one file and breaks off, changes its mind or has trouble, as it is told for each request in turn.

use std::{
    collections::VecDeque,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

/// What one request is answered.
#[derive(Debug, Clone)]
pub(super) enum Reply {
    /// The file, or the part that was asked for, whole.
    Whole,
    /// So many bytes of it, then the connection ends.
    Cut(usize),
    /// So many bytes of it, then nothing more comes.
    Stall(usize),
    /// An error.
    Status(&'static str),
    /// A redirect to another place of this server.
    Redirect(&'static str),
}

/// The server.
pub(super) struct Mirror {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    content: Vec<u8>,
    tag: Option<&'static str>,
    replies: VecDeque<Reply>,
    /// The `Range` of each request.
    asked: Vec<Option<String>>,
}

impl Mirror {
    /// Serves a file with an entity tag; requests for which no reply is told are answered whole.
    pub(super) async fn start(content: Vec<u8>, tag: Option<&'static str>, replies: &[Reply]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let replies = replies.iter().cloned().collect();
        let state = Arc::new(Mutex::new(State { content, tag, replies, asked: Vec::new() }));
        let served = Arc::clone(&state);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&served)));
            }
        });
        Self { address, state }
    }

    pub(super) fn url(&self) -> String {
        format!("http://user:secret@{}/iso/proxmox-ve_9.2-1.iso?key=hidden", self.address)
    }

    pub(super) fn asked(&self) -> Vec<Option<String>> {
        self.state.lock().unwrap().asked.clone()
    }

    pub(super) fn change(&self, content: Vec<u8>, tag: &'static str) {
        let mut state = self.state.lock().unwrap();
        (state.content, state.tag) = (content, Some(tag));
    }
}

async fn serve(mut stream: TcpStream, state: Arc<Mutex<State>>) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        if stream.read_exact(&mut byte).await.is_err() {
            return;
        }
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).unwrap().to_lowercase();
    let field = |name: &str| {
        head.lines().find_map(|line| line.strip_prefix(&format!("{name}: "))).map(|value| value.trim().to_owned())
    };
    let (reply, begin, content, tag) = {
        let mut state = state.lock().unwrap();
        state.asked.push(field("range"));
        let reply = state.replies.pop_front().unwrap_or(Reply::Whole);
        let begin = field("range").and_then(|range| range.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok());
        let is_same = field("if-range").is_none_or(|wanted| Some(wanted.as_str()) == state.tag);
        (reply, begin.filter(|_| is_same), state.content.clone(), state.tag)
    };
    let tag = tag.map(|tag| format!("ETag: {tag}\r\n")).unwrap_or_default();
    let (status, offset) = match begin {
        Some(begin) if begin >= content.len() => {
            let answer = format!(
                "HTTP/1.1 416 No\r\nContent-Range: bytes */{}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
                content.len()
            );
            let _ = stream.write_all(answer.as_bytes()).await;
            return;
        }
        Some(begin) => {
            (format!("206 Part\r\nContent-Range: bytes {begin}-{}/{}", content.len() - 1, content.len()), begin)
        }
        None => ("200 OK".to_owned(), 0),
    };
    let rest = &content[offset..];
    let head = format!("HTTP/1.1 {status}\r\n{tag}Content-Length: {}\r\nConnection: close\r\n\r\n", rest.len());
    let _ = match reply {
        Reply::Whole => stream.write_all(&[head.as_bytes(), rest].concat()).await,
        Reply::Cut(bytes) => stream.write_all(&[head.as_bytes(), &rest[..bytes]].concat()).await,
        Reply::Stall(bytes) => {
            let _ = stream.write_all(&[head.as_bytes(), &rest[..bytes]].concat()).await;
            tokio::time::sleep(std::time::Duration::from_secs(600)).await;
            Ok(())
        }
        Reply::Status(status) => {
            stream
                .write_all(format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").as_bytes())
                .await
        }
        Reply::Redirect(place) => {
            let answer =
                format!("HTTP/1.1 302 Found\r\nLocation: {place}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
            stream.write_all(answer.as_bytes()).await
        }
    };
}
