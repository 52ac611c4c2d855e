//! The accept loop: TLS or plain, with a bound on every wait.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use axum::{Router, body::Body};
use hyper::{Request, body::Incoming};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{conn::auto::Builder, graceful::GracefulShutdown},
    service::TowerToHyperService,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::Semaphore,
};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use super::connection::Connection;

/// The bounds of a listener.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// How many connections are open at once; the next ones wait in the kernel's queue.
    pub connections: usize,
    /// How long a TLS handshake may take.
    pub handshake: Duration,
    /// How long the head of a request may take.
    pub head: Duration,
    /// How long open connections may go on after the stop.
    pub stop: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 512,
            handshake: Duration::from_secs(10),
            head: Duration::from_secs(20),
            stop: Duration::from_secs(2),
        }
    }
}

/// A listener with its routes.
pub struct HttpListener {
    tcp: TcpListener,
    router: Router,
    tls: Option<TlsAcceptor>,
    limits: Limits,
}

impl HttpListener {
    /// Binds an address.
    pub async fn bind(address: SocketAddr, tls: Option<TlsAcceptor>) -> io::Result<Self> {
        Ok(Self { tcp: TcpListener::bind(address).await?, router: Router::new(), tls, limits: Limits::default() })
    }

    /// The address on which it listens.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.tcp.local_addr()
    }

    /// Serves these routes until it is stopped.
    pub async fn run(self, router: Router, stop: CancellationToken) {
        let listener = Arc::new(Self { router, ..self });
        let graceful = GracefulShutdown::new();
        let slots = Arc::new(Semaphore::new(listener.limits.connections));
        loop {
            let accepted = tokio::select! {
                () = stop.cancelled() => break,
                accepted = listener.accept(&slots) => accepted,
            };
            let (stream, slot) = match accepted {
                Ok(accepted) => accepted,
                // Out of file descriptors, or a connection that was gone before it was taken: neither ends the listener.
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                }
            };
            let (listener, watcher) = (Arc::clone(&listener), graceful.watcher());
            tokio::spawn(async move {
                if let Err(error) = listener.connection(stream, watcher).await {
                    tracing::debug!(%error, "a connection ended early");
                }
                drop(slot);
            });
        }
        if tokio::time::timeout(listener.limits.stop, graceful.shutdown()).await.is_err() {
            tracing::debug!("open connections were cut off");
        }
    }

    async fn accept(&self, slots: &Arc<Semaphore>) -> io::Result<(TcpStream, tokio::sync::OwnedSemaphorePermit)> {
        let slot = Arc::clone(slots).acquire_owned().await.map_err(io::Error::other)?;
        let (stream, _) = self.tcp.accept().await?;
        stream.set_nodelay(true)?;
        Ok((stream, slot))
    }

    async fn connection(&self, stream: TcpStream, watcher: hyper_util::server::graceful::Watcher) -> io::Result<()> {
        let ends = Connection::new(stream.peer_addr()?, stream.local_addr()?);
        match &self.tls {
            None => self.serve(stream, ends, watcher).await,
            Some(tls) => {
                let stream = tokio::time::timeout(self.limits.handshake, tls.accept(stream))
                    .await
                    .map_err(|_| io::ErrorKind::TimedOut)??;
                self.serve(stream, ends, watcher).await
            }
        }
    }

    async fn serve<S>(
        &self,
        stream: S,
        ends: Connection,
        watcher: hyper_util::server::graceful::Watcher,
    ) -> io::Result<()>
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
