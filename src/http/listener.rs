//! The accept loop: TLS or plain, with a bound on every wait.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use axum::{Router, body::Body};
use hyper::{Request, body::Incoming};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{
        conn::auto::Builder,
        graceful::{GracefulShutdown, Watcher},
    },
    service::TowerToHyperService,
};
use socket2::{SockRef, TcpKeepalive};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use super::{boot_connection, connection::Connection, lossy_wire::harden};

/// The bounds of a listener.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// How many connections are open at once; the next ones wait in the kernel's queue. More costs memory, fewer makes machines wait.
    pub connections: usize,
    /// How long a TLS handshake may take.
    pub handshake: Duration,
    /// How long the head of a request may take, and how long a connection may lie idle between two requests.
    pub head: Duration,
    /// How long a peer that says nothing more, not even to the kernel, keeps its connection.
    pub silence: Duration,
    /// How long a machine that takes nothing more of a file keeps its connection. Firmware and iPXE pause for seconds at most; longer
    /// keeps a place for machines that were switched off.
    pub stall: Duration,
    /// How long open connections may go on after the stop.
    pub stop: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 512,
            handshake: Duration::from_secs(10),
            head: Duration::from_secs(20),
            silence: Duration::from_secs(60),
            stall: Duration::from_secs(30),
            stop: Duration::from_secs(2),
        }
    }
}

/// How long to wait when a connection cannot be accepted: out of file descriptors, mostly.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// A bound listener that does not serve yet.
pub struct HttpListener {
    tcp: TcpListener,
    tls: Option<TlsAcceptor>,
    sends_files: bool,
    limits: Limits,
}

impl HttpListener {
    /// Binds an address.
    pub async fn bind(address: SocketAddr, tls: Option<TlsAcceptor>) -> io::Result<Self> {
        Ok(Self { tcp: TcpListener::bind(address).await?, tls, sends_files: false, limits: Limits::default() })
    }

    /// Sets other bounds.
    pub fn with_limits(self, limits: Limits) -> Self {
        Self { limits, ..self }
    }

    /// Serves what [`boot_router`](super::boot_router) answers: plain HTTP with files that leave from the page cache.
    pub fn sending_files(self) -> Self {
        harden(&self.tcp);
        Self { sends_files: true, ..self }
    }

    /// The address on which it listens.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.tcp.local_addr()
    }

    /// Serves these routes until it is stopped; connections that are open then may go on for [`Limits::stop`].
    pub async fn run(self, router: Router, stop: CancellationToken) {
        let Self { tcp, tls, sends_files, limits } = self;
        let cut = CancellationToken::new();
        let server = Arc::new(Server { router, tls, sends_files, limits, stop: stop.clone(), cut });
        let _cut_at_the_end = server.cut.clone().drop_guard();
        let (graceful, slots) = (GracefulShutdown::new(), Arc::new(Semaphore::new(limits.connections)));
        loop {
            let accepted = tokio::select! {
                () = stop.cancelled() => break,
                accepted = accept(&tcp, &slots) => accepted,
            };
            match accepted {
                Ok((stream, slot)) => {
                    tokio::spawn(Arc::clone(&server).connection(stream, graceful.watcher(), slot));
                }
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
        // Nobody new gets in while the open connections end.
        drop(tcp);
        if tokio::time::timeout(limits.stop, graceful.shutdown()).await.is_err() {
            tracing::debug!("open connections were cut off");
        }
    }
}

async fn accept(tcp: &TcpListener, slots: &Arc<Semaphore>) -> io::Result<(TcpStream, OwnedSemaphorePermit)> {
    let slot = Arc::clone(slots).acquire_owned().await.map_err(io::Error::other)?;
    let (stream, _) = tcp.accept().await?;
    Ok((stream, slot))
}

struct Server {
    router: Router,
    tls: Option<TlsAcceptor>,
    sends_files: bool,
    limits: Limits,
    stop: CancellationToken,
    /// Ends what goes on for too long after the stop.
    cut: CancellationToken,
}

impl Server {
    async fn connection(self: Arc<Self>, stream: TcpStream, watcher: Watcher, _slot: OwnedSemaphorePermit) {
        let served = tokio::select! {
            () = self.cut.cancelled() => return,
            served = self.shake_hands(stream, watcher) => served,
        };
        if let Err(error) = served {
            tracing::debug!(%error, "a connection ended early");
        }
    }

    async fn shake_hands(&self, stream: TcpStream, watcher: Watcher) -> io::Result<()> {
        stream.set_nodelay(true)?;
        let socket = SockRef::from(&stream);
        socket.set_tcp_user_timeout(Some(self.limits.silence))?;
        socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(self.limits.silence / 2))?;
        let ends = Connection::new(stream.peer_addr()?, stream.local_addr()?);
        match &self.tls {
            None if self.sends_files => {
                let served = boot_connection::serve(stream, &self.router, ends, &self.limits, &self.stop).await;
                // The stop waits for whoever holds a watcher.
                drop(watcher);
                served
            }
            None => self.serve(stream, ends, watcher).await,
            Some(tls) => {
                let shaken = tokio::time::timeout(self.limits.handshake, tls.accept(stream)).await;
                self.serve(shaken.map_err(|_| io::ErrorKind::TimedOut)??, ends, watcher).await
            }
        }
    }

    async fn serve<S>(&self, stream: S, ends: Connection, watcher: Watcher) -> io::Result<()>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let service = self.router.clone().map_request(move |request: Request<Incoming>| {
            let mut request = request.map(Body::new);
            request.extensions_mut().insert(ends);
            request
        });
        let mut builder = Builder::new(TokioExecutor::new()).http1_only();
        builder.http1().timer(TokioTimer::new()).header_read_timeout(self.limits.head);
        let connection = builder.serve_connection(TokioIo::new(stream), TowerToHyperService::new(service)).into_owned();
        watcher.watch(connection).await.map_err(io::Error::other)
    }
}
