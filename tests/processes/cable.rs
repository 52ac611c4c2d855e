//! The cable between the daemon and the SSH port of a node, which can be pulled.

use std::net::SocketAddr;

use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    sync::watch,
    task::{JoinHandle, JoinSet},
};

/// How a cable is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// It carries everything.
    Plugged,
    /// Whoever calls is refused, and what was connected is cut off.
    Refusing,
    /// Whoever calls is never answered, and what was connected is cut off.
    Silent,
}

/// One cable.
pub(crate) struct Cable {
    state: watch::Sender<State>,
    task: JoinHandle<()>,
}

impl Cable {
    /// Leads from where the daemon calls to where the node listens.
    pub(crate) fn lay(from: SocketAddr, to: SocketAddr) -> Self {
        let (state, states) = watch::channel(State::Plugged);
        Self { state, task: tokio::spawn(carry(from, to, states)) }
    }

    pub(crate) fn set(&self, state: State) {
        self.state.send_replace(state);
    }
}

impl Drop for Cable {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn carry(from: SocketAddr, to: SocketAddr, mut states: watch::Receiver<State>) {
    loop {
        let state = *states.borrow_and_update();
        if state == State::Refusing {
            // No listener: the system itself refuses.
            if states.changed().await.is_err() {
                return;
            }
            continue;
        }
        let listener = TcpListener::bind(from).await.unwrap();
        // Everything that is connected ends with this set.
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                changed = states.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    break;
                }
                Ok((caller, _)) = listener.accept() => { connections.spawn(connect(caller, to, state)); }
            }
        }
    }
}

async fn connect(mut caller: TcpStream, to: SocketAddr, state: State) {
    if state == State::Silent {
        return std::future::pending().await;
    }
    // Nobody listens there yet: the caller is cut off at once.
    if let Ok(mut node) = TcpStream::connect(to).await {
        let _ = copy_bidirectional(&mut caller, &mut node).await;
    }
}
