//! Machines behind a wire that loses, copies and reorders packets.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use tokio::{net::UdpSocket, task::JoinSet, time::timeout};

use super::{Running, bios_loader, client::read_request};

/// One datagram in so many is lost, one comes twice, one is overtaken.
const ONE_IN: u64 = 5;
/// When a machine acknowledges again; real ones wait for one to three seconds.
const BOREDOM: Duration = Duration::from_millis(500);
/// How much later a datagram comes that is overtaken.
const LATE: Duration = Duration::from_millis(4);
const STALLED: Duration = Duration::from_secs(50);

/// A wire between one machine and the server; machines speak to `address`.
struct Wire {
    address: SocketAddr,
    _task: JoinSet<()>,
}

impl Wire {
    /// Every machine gets a wire of its own, so that the port of the transfer behind it is one.
    async fn lay(server: SocketAddr, seed: u64) -> Self {
        let near = Arc::new(UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap());
        let far = Arc::new(UdpSocket::bind((Ipv4Addr::new(127, 8, 0, seed.to_be_bytes()[7]), 0)).await.unwrap());
        let address = near.local_addr().unwrap();
        let mut task = JoinSet::new();
        task.spawn(carry(near, far, server, seed));
        Self { address, _task: task }
    }
}

async fn carry(near: Arc<UdpSocket>, far: Arc<UdpSocket>, server: SocketAddr, seed: u64) {
    let (mut machine, mut peer) = (None, server);
    let (mut up, mut down) = ([0; 2048], [0; 2048]);
    let mut chance = seed;
    loop {
        let (to_server, datagram) = tokio::select! {
            Ok((length, from)) = near.recv_from(&mut up) => {
                machine = Some(from);
                (true, up[..length].to_vec())
            }
            Ok((length, from)) = far.recv_from(&mut down) => {
                peer = from;
                (false, down[..length].to_vec())
            }
        };
        chance = chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let (is_lost, is_doubled, is_late) = (
            (chance >> 33).is_multiple_of(ONE_IN),
            (chance >> 40).is_multiple_of(ONE_IN),
            (chance >> 47).is_multiple_of(ONE_IN),
        );
        for is_late in std::iter::repeat_n(is_late, 1 + usize::from(is_doubled)).skip(usize::from(is_lost)) {
            let to = if to_server { (&far, Some(peer)) } else { (&near, machine) };
            let (Some(receiver), socket, datagram) = (to.1, Arc::clone(to.0), datagram.clone()) else { continue };
            tokio::spawn(async move {
                tokio::time::sleep(if is_late { LATE } else { Duration::ZERO }).await;
                drop(socket.send_to(&datagram, receiver).await);
            });
        }
    }
}

/// A machine that is as stubborn as real ones: it asks again, and acknowledges again.
async fn fetch(server: SocketAddr, block_bytes: usize, window: u16) -> Vec<u8> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    socket.connect(server).await.unwrap();
    let wanted = [("blksize", u64::try_from(block_bytes).unwrap()), ("windowsize", window.into())];
    let request = read_request("undionly.kpxe", &wanted);
    let (mut file, mut last, mut in_window, mut packet) = (Vec::new(), None::<u16>, 0, [0; 2048]);
    socket.send(&request).await.unwrap();
    loop {
        let heard = timeout(BOREDOM, socket.recv(&mut packet)).await;
        let number = u16::from_be_bytes([packet[2], packet[3]]);
        let mut says = last;
        match (heard, packet[1]) {
            (Err(_), _) => in_window = 0,
            (Ok(_), 6) if last.is_none() => (last, says) = (Some(0), Some(0)),
            (Ok(length), 3) if last.is_some_and(|last| number == last.wrapping_add(1)) => {
                let data = &packet[4..length.unwrap()];
                file.extend_from_slice(data);
                (last, in_window) = (Some(number), in_window + 1);
                let is_end = data.len() < block_bytes;
                says = (is_end || in_window == window).then_some(number);
                if is_end {
                    socket.send(&acknowledgement(number)).await.unwrap();
                    return file;
                }
                if says.is_none() {
                    continue;
                }
                in_window = 0;
            }
            (Ok(_), _) => in_window = 0,
        }
        match says {
            Some(number) => drop(socket.send(&acknowledgement(number)).await),
            None => drop(socket.send(&request).await),
        }
    }
}

fn acknowledgement(number: u16) -> [u8; 4] {
    let [high, low] = number.to_be_bytes();
    [0, 4, high, low]
}

#[tokio::test]
async fn a_wire_that_loses_doubles_and_reorders_one_packet_in_five_never_stalls_a_boot() {
    let server = Running::start();
    let mut machines = JoinSet::new();
    for (seed, (block_bytes, window)) in
        [(1468, 1), (1468, 4), (1468, 16), (1432, 1), (1468, 4), (1468, 16), (1024, 2), (1468, 8)]
            .into_iter()
            .enumerate()
    {
        let wire = Wire::lay(server.address, 11 + u64::try_from(seed).unwrap()).await;
        machines.spawn(async move {
            // The whole of it: a wire that is dropped is cut.
            let wire = wire;
            let file = timeout(STALLED, fetch(wire.address, block_bytes, window)).await;
            let file = file.unwrap_or_else(|_| panic!("blocks of {block_bytes}, window {window}: stalled"));
            assert!(file == bios_loader(), "{} bytes", file.len());
        });
    }
    while let Some(fetched) = machines.join_next().await {
        fetched.unwrap();
    }
    server.end().await;
}
