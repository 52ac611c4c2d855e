//! A TFTP client as firmware has them: RFC 1350 with the options of RFC 2347 to 2349 and 7440.

use std::{
    collections::BTreeMap,
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use tokio::{net::UdpSocket, time::timeout};

/// Longer than the server waits before it sends again.
const PATIENCE: Duration = Duration::from_secs(4);
/// A transfer has no more datagrams than this.
const MOST_DATAGRAMS: usize = 100_000;

/// What the server says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// A block of the file.
    Data(u16, Vec<u8>),
    /// The options that it agrees to.
    Options(BTreeMap<String, u64>),
    /// No, or no more.
    Error(u16, String),
}

/// A file that arrived.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Fetched {
    pub(super) bytes: Vec<u8>,
    pub(super) options: BTreeMap<String, u64>,
}

/// A port of a machine.
pub(super) struct Client {
    socket: UdpSocket,
    server: SocketAddr,
    /// Which of the datagrams that arrive get lost, counted from 0.
    pub(super) lost: Vec<usize>,
}

/// The bytes of a read request.
pub(super) fn read_request(name: &str, options: &[(&str, u64)]) -> Vec<u8> {
    request(1, name, options)
}

/// The bytes of a request.
pub(super) fn request(opcode: u8, name: &str, options: &[(&str, u64)]) -> Vec<u8> {
    let mut bytes = vec![0, opcode];
    let options = options.iter().flat_map(|(name, value)| [(*name).to_owned(), value.to_string()]);
    for text in [name.to_owned(), "octet".to_owned()].into_iter().chain(options) {
        bytes.extend(text.bytes());
        bytes.push(0);
    }
    bytes
}

impl Client {
    pub(super) async fn new(own: Ipv4Addr, server: SocketAddr) -> Self {
        let socket = UdpSocket::bind((own, 0)).await.unwrap();
        Self { socket, server, lost: Vec::new() }
    }

    /// Another port of the same machine.
    pub(super) async fn beside(&self) -> Self {
        let SocketAddr::V4(own) = self.socket.local_addr().unwrap() else { panic!("IPv4") };
        Self::new(*own.ip(), self.server).await
    }

    /// Sends to the server's own port.
    pub(super) async fn ask(&self, request: &[u8]) {
        self.socket.send_to(request, self.server).await.unwrap();
    }

    /// Sends to the port of a transfer.
    pub(super) async fn send(&self, bytes: &[u8], transfer: SocketAddr) {
        self.socket.send_to(bytes, transfer).await.unwrap();
    }

    /// The next thing that the server says, and from which port; `None` when it says nothing.
    pub(super) async fn hear(&self) -> Option<(Answer, SocketAddr)> {
        let mut buffer = vec![0; 65_536];
        let (length, from) = timeout(PATIENCE, self.socket.recv_from(&mut buffer)).await.ok()?.unwrap();
        assert_eq!(from.ip(), self.server.ip(), "a transfer must leave from the address that was asked");
        Some((understand(&buffer[..length]), from))
    }

    /// Whether the server is silent for so long.
    pub(super) async fn hears_nothing_for(&self, duration: Duration) -> bool {
        timeout(duration, self.socket.recv_from(&mut [0; 2048])).await.is_err()
    }

    /// Fetches a whole file, or returns the server's error.
    pub(super) async fn fetch(&self, request: &[u8]) -> Result<Fetched, (u16, String)> {
        self.ask(request).await;
        let mut fetched = Fetched { bytes: Vec::new(), options: BTreeMap::new() };
        let (mut expected, mut in_window) = (1_u16, 0);
        for datagram in 0..MOST_DATAGRAMS {
            let (answer, transfer) = self.hear().await.expect("the server says nothing more");
            if self.lost.contains(&datagram) {
                continue;
            }
            let (block_size, window) = (fetched.option("blksize", 512), fetched.option("windowsize", 1));
            match answer {
                Answer::Error(code, message) => return Err((code, message)),
                Answer::Options(options) => {
                    fetched.options = options;
                    self.acknowledge(0, transfer).await;
                }
                Answer::Data(block, data) if block == expected => {
                    let is_last = data.len() < block_size;
                    fetched.bytes.extend(data);
                    expected = expected.wrapping_add(1);
                    in_window += 1;
                    if is_last || in_window == window {
                        self.acknowledge(block, transfer).await;
                        in_window = 0;
                    }
                    if is_last {
                        return Ok(fetched);
                    }
                }
                // Out of turn: say what arrived in order.
                Answer::Data(..) => {
                    self.acknowledge(expected.wrapping_sub(1), transfer).await;
                    in_window = 0;
                }
            }
        }
        panic!("the transfer has no end");
    }

    pub(super) async fn acknowledge(&self, block: u16, transfer: SocketAddr) {
        let [high, low] = block.to_be_bytes();
        self.send(&[0, 4, high, low], transfer).await;
    }
}

impl Fetched {
    fn option(&self, name: &str, default: u64) -> usize {
        usize::try_from(self.options.get(name).copied().unwrap_or(default)).unwrap()
    }
}

fn understand(bytes: &[u8]) -> Answer {
    let number = u16::from_be_bytes([bytes[2], bytes[3]]);
    match bytes[1] {
        3 => Answer::Data(number, bytes[4..].to_vec()),
        5 => Answer::Error(number, texts(&bytes[4..]).concat()),
        6 => {
            let texts = texts(&bytes[2..]);
            let pairs = texts.chunks_exact(2).map(|pair| (pair[0].to_ascii_lowercase(), pair[1].parse().unwrap()));
            Answer::Options(pairs.collect())
        }
        other => panic!("an answer with opcode {other}"),
    }
}

fn texts(bytes: &[u8]) -> Vec<String> {
    let text = std::str::from_utf8(bytes).unwrap().strip_suffix('\0').expect("a text without its NUL");
    text.split('\0').map(str::to_owned).collect()
}
