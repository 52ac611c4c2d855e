//! Wake-up packets, byte by byte.

use std::{net::UdpSocket, time::Duration};

use rackseed::{
    domain::power::PowerState,
    ports::{NetworkBoot, Power},
};
use serde_json::json;

use crate::support::power::Switched;

/// Who listens where a packet goes.
fn listener() -> (UdpSocket, u16) {
    let socket = UdpSocket::bind("127.255.255.255:0").unwrap();
    socket.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
    let port = socket.local_addr().unwrap().port();
    (socket, port)
}

fn packets(socket: &UdpSocket) -> Vec<Vec<u8>> {
    let mut buffer = [0; 2000];
    std::iter::from_fn(|| socket.recv(&mut buffer).ok().map(|length| buffer[..length].to_vec())).collect()
}

#[tokio::test]
async fn the_boot_card_is_woken_by_five_packets_of_six_bytes_and_sixteen_addresses() {
    let (socket, port) = listener();
    let options = json!({ "driver": "wake_on_lan", "wake_on_lan": { "broadcast": "127.255.255.255", "port": port } });
    let switched = Switched::new(options, None).await;
    assert_eq!(switched.boot_from_network().await, Ok(NetworkBoot::Woken));
    let expected = format!("{}{}", "ff".repeat(6), "525400123456".repeat(16));
    let packets: Vec<_> = packets(&socket).iter().map(|packet| data_encoding::HEXLOWER.encode(packet)).collect();
    assert_eq!(packets, vec![expected; 5]);
}

#[tokio::test]
async fn another_card_can_be_woken_through_a_named_interface() {
    let (socket, port) = listener();
    let options = json!({ "driver": "wake_on_lan", "wake_on_lan": {
        "mac": "52:54:00:ff:ff:01", "broadcast": "127.255.255.255", "interface": "lo", "port": port
    } });
    let switched = Switched::new(options, None).await;
    switched.drivers.switch_on(&switched.host).await.unwrap();
    assert_eq!(packets(&socket)[0][6..12], [0x52, 0x54, 0, 0xff, 0xff, 1]);
}

#[tokio::test]
async fn what_a_wake_up_packet_cannot_do_is_said() {
    let (socket, port) = listener();
    let options = json!({ "driver": "wake_on_lan", "wake_on_lan": { "broadcast": "127.255.255.255", "port": port } });
    let switched = Switched::new(options, None).await;
    let (drivers, host) = (&switched.drivers, &switched.host);
    assert_eq!(switched.status().await, Ok(PowerState::Unknown));
    let said = drivers.switch_off(host).await.unwrap_err().to_string();
    assert_eq!(said, "Wake-on-LAN can only wake; switch off pve-01 by hand");
    let said = drivers.cycle(host).await.unwrap_err().to_string();
    assert_eq!(said, "Wake-on-LAN can only wake; restart pve-01 by hand");
    assert_eq!(packets(&socket), [] as [Vec<u8>; 0]);
    let options = json!({ "driver": "wake_on_lan", "wake_on_lan": { "interface": "nowhere0" } });
    let error = Switched::new(options, None).await.boot_from_network().await.unwrap_err();
    assert!(error.to_string().contains("nowhere0"), "{error}");
}
