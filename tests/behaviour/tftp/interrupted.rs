//! Machines that break off, ask again, vanish, or get only small packets.

use std::time::{Duration, Instant};

use super::{
    BIOS_LOADER_BYTES, Running, bios_loader,
    client::{Answer, read_request},
    options,
};

const AT_ONCE: Duration = Duration::from_millis(300);

#[tokio::test]
async fn a_request_from_the_same_port_is_served_at_once() {
    let server = Running::start();
    let machine = server.machine().await;
    for block_bytes in [1024, 1025, 1026] {
        let began = Instant::now();
        let name = "undionly.kpxe";
        machine.ask(&read_request(name, &[("blksize", block_bytes), ("tsize", 0)])).await;
        let (answer, transfer) = machine.hear().await.unwrap();
        let expected = [("blksize", usize::try_from(block_bytes).unwrap()), ("tsize", BIOS_LOADER_BYTES)];
        assert_eq!(answer, Answer::Options(options(&expected)));
        assert!(began.elapsed() < AT_ONCE);
        // Once in the middle of a transfer, once before its first block.
        if block_bytes == 1025 {
            machine.acknowledge(0, transfer).await;
            assert!(matches!(machine.hear().await, Some((Answer::Data(1, _), _))));
        }
    }
    let fetched = machine.fetch(&read_request("undionly.kpxe", &[("blksize", 1200)])).await.unwrap();
    assert!(fetched.bytes == bios_loader());
    server.end().await;
}

#[tokio::test]
async fn a_machine_that_repeats_its_request_because_the_answer_was_lost_hears_it_again_from_the_same_port() {
    let server = Running::start();
    let machine = server.machine().await;
    let request = read_request("undionly.kpxe", &[("blksize", 1024)]);
    let mut ports = Vec::new();
    for _ in 0..3 {
        let began = Instant::now();
        machine.ask(&request).await;
        ports.push(machine.hear().await.unwrap().1);
        assert!(began.elapsed() < AT_ONCE);
    }
    ports.dedup();
    assert_eq!(ports.len(), 1, "{ports:?}");
    server.end().await;
}

#[tokio::test]
async fn a_copy_of_the_request_that_arrives_late_does_not_disturb_the_transfer() {
    let server = Running::start();
    let machine = server.machine().await;
    let request = read_request("undionly.kpxe", &[("blksize", 1024)]);
    machine.ask(&request).await;
    let (_, transfer) = machine.hear().await.unwrap();
    machine.acknowledge(0, transfer).await;
    assert!(matches!(machine.hear().await, Some((Answer::Data(1, _), _))));
    machine.ask(&request).await;
    machine.acknowledge(1, transfer).await;
    let (answer, from) = machine.hear().await.unwrap();
    assert!(matches!(answer, Answer::Data(2, _)) && from == transfer, "{answer:?} from {from}");
    server.end().await;
}

#[tokio::test]
async fn nothing_is_sent_to_a_machine_that_broke_off() {
    let server = Running::start();
    for acknowledges in [false, true] {
        let machine = server.machine().await;
        machine.ask(&read_request("undionly.kpxe", &[("blksize", 1024), ("tsize", 0)])).await;
        let (_, transfer) = machine.hear().await.unwrap();
        if acknowledges {
            machine.acknowledge(0, transfer).await;
            machine.hear().await.unwrap();
        }
        machine.send(b"\0\x05\0\x08User aborted the transfer\0", transfer).await;
        assert!(machine.hears_nothing_for(Duration::from_millis(2500)).await, "{acknowledges}");
    }
    server.end().await;
}

#[tokio::test]
async fn a_repeated_acknowledgement_makes_no_block_be_sent_twice() {
    let server = Running::start();
    let machine = server.machine().await;
    machine.ask(&read_request("undionly.kpxe", &[])).await;
    let (_, transfer) = machine.hear().await.unwrap();
    for _ in 0..5 {
        machine.acknowledge(1, transfer).await;
    }
    assert!(matches!(machine.hear().await, Some((Answer::Data(2, _), _))));
    assert!(machine.hears_nothing_for(Duration::from_millis(60)).await);
    server.end().await;
}

#[tokio::test]
async fn a_gap_in_a_window_is_filled_without_waiting() {
    let server = Running::start();
    let machine = server.machine().await;
    machine.ask(&read_request("undionly.kpxe", &[("windowsize", 8)])).await;
    let (_, transfer) = machine.hear().await.unwrap();
    machine.acknowledge(0, transfer).await;
    for (acknowledged, expected) in [(3, 1..=8), (3, 4..=11), (11, 4..=11)] {
        let began = Instant::now();
        for block in expected {
            assert!(matches!(machine.hear().await, Some((Answer::Data(number, _), _)) if number == block), "{block}");
        }
        assert!(began.elapsed() < Duration::from_millis(90));
        machine.acknowledge(acknowledged, transfer).await;
    }
    server.end().await;
}

#[tokio::test]
async fn machines_that_vanished_give_way_to_those_that_ask() {
    let server = Running::start();
    let wanted = read_request("undionly.kpxe", &[("blksize", 1468)]);
    let mut vanished = Vec::new();
    for _ in 0..64 {
        let machine = server.machine().await;
        machine.ask(&wanted).await;
        assert!(matches!(machine.hear().await, Some((Answer::Options(_), _))));
        vanished.push(machine);
    }
    let late = server.machine().await;
    late.ask(&wanted).await;
    // An error would make firmware give up; it asks again when it hears nothing.
    assert!(late.hears_nothing_for(AT_ONCE).await);
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(late.fetch(&wanted).await.unwrap().bytes == bios_loader());
    server.end().await;
}

#[tokio::test]
async fn one_machine_has_four_transfers_at_most_and_leaves_the_other_places_to_others() {
    let server = Running::start();
    let wanted = read_request("undionly.kpxe", &[("blksize", 1468)]);
    let machine = server.machine().await;
    let ports = [machine.beside().await, machine.beside().await, machine.beside().await, machine.beside().await];
    for port in &ports {
        port.ask(&wanted).await;
        assert!(port.hear().await.is_some());
    }
    machine.ask(&wanted).await;
    assert!(machine.hears_nothing_for(AT_ONCE).await);
    assert!(server.machine().await.fetch(&wanted).await.unwrap().bytes == bios_loader());
    server.end().await;
}

#[tokio::test]
async fn a_machine_that_gets_no_large_packets_is_given_small_ones_when_it_asks_again() {
    let server = Running::start();
    let machine = server.machine().await;
    let wanted = read_request("undionly.kpxe", &[("blksize", 1468), ("windowsize", 4)]);
    machine.ask(&wanted).await;
    let (answer, transfer) = machine.hear().await.unwrap();
    assert_eq!(answer, Answer::Options(options(&[("blksize", 1468), ("windowsize", 4)])));
    machine.acknowledge(0, transfer).await;
    // Every block is lost: a tunnel on the way carries 1400 bytes.
    tokio::time::sleep(Duration::from_millis(1500)).await;
    let again = machine.beside().await;
    let fetched = again.fetch(&wanted).await.unwrap();
    assert_eq!(fetched.options, options(&[("blksize", 512), ("windowsize", 4)]));
    assert!(fetched.bytes == bios_loader());
    let other = server.machine().await.fetch(&wanted).await.unwrap();
    assert_eq!(other.options, options(&[("blksize", 1468), ("windowsize", 4)]));
    server.end().await;
}

#[tokio::test]
async fn the_largest_block_is_a_setting() {
    let files = std::sync::Arc::new(super::boot_files());
    let server = rackseed::tftp::TftpServer::bind(([127, 0, 0, 1], 0).into(), files).unwrap().with_largest_block(1300);
    let (address, stop) = (server.address().unwrap(), tokio_util::sync::CancellationToken::new());
    let server = Running { address, stop: stop.clone(), task: tokio::spawn(server.run(stop)) };
    let fetched = server.machine().await.fetch(&read_request("undionly.kpxe", &[("blksize", 1468)])).await.unwrap();
    assert_eq!((fetched.options, fetched.bytes.len()), (options(&[("blksize", 1300)]), BIOS_LOADER_BYTES));
    server.end().await;
}
