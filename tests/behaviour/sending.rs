//! How the installer's files go out to machines: over real sockets, to raw clients, curl and wget.

mod depot;

use std::{process::Stdio, time::Duration};

use depot::{Client, Depot, ROOM, ROOM_BYTES, noise};
use rackseed::http::Limits;
use sha2::{Digest, Sha256};
use tokio::{io::AsyncReadExt, process::Command, time::Instant};

/// A few turns of the sender, and a rest.
const SIZE: usize = (3 << 20) + 123;
/// More than the kernel keeps for a connection whose client reads nothing.
const LARGE: usize = 24 << 20;

#[tokio::test]
async fn every_corner_of_a_range_is_answered_as_the_rfc_says() {
    let depot = Depot::open(SIZE, Limits::default()).await;
    let (mut client, iso, last) = (depot.client().await, depot.path("installer.iso"), SIZE - 1);
    for (asked, status, range) in [
        ("bytes=0-0".to_owned(), 206, 0..1),
        ("bytes=0-".to_owned(), 206, 0..SIZE),
        (format!("bytes={last}-{last}"), 206, last..SIZE),
        (format!("bytes={last}-"), 206, last..SIZE),
        (format!("bytes=1048570-{}", u64::MAX), 206, 1_048_570..SIZE),
        ("bytes=-1".to_owned(), 206, last..SIZE),
        ("bytes=-99999999999999999999999".to_owned(), 206, 0..SIZE),
        (format!("bytes={ROOM}-{}", ROOM + ROOM_BYTES - 1), 206, ROOM..ROOM + ROOM_BYTES),
        (format!("bytes={}-{}", ROOM - 1, ROOM + ROOM_BYTES), 206, ROOM - 1..ROOM + ROOM_BYTES + 1),
        ("bytes=5-2".to_owned(), 200, 0..SIZE),
        ("bytes=0-1,4-5".to_owned(), 200, 0..SIZE),
        ("lines=1-2".to_owned(), 200, 0..SIZE),
        (format!("bytes={SIZE}-"), 416, 0..0),
        ("bytes=-0".to_owned(), 416, 0..0),
    ] {
        let reply = client.ask(&iso, &format!("Range: {asked}\r\n")).await;
        assert_eq!(reply.status, status, "{asked}");
        assert!(reply.body == depot.truth[range.clone()], "{asked}");
        let told = match status {
            206 => format!("bytes {}-{}/{SIZE}", range.start, range.end - 1),
            416 => format!("bytes */{SIZE}"),
            _ => String::new(),
        };
        assert_eq!(reply.header("content-range"), told, "{asked}");
        assert_eq!((reply.header("accept-ranges"), reply.header("connection")), ("bytes", "keep-alive"));
    }
}

#[tokio::test]
async fn thousands_of_ranges_around_the_settings_are_parts_of_one_whole() {
    let depot = Depot::open(SIZE, Limits::default()).await;
    let (mut client, iso) = (depot.client().await, depot.path("installer.iso"));
    let dice = noise(3000 * 4);
    for dice in dice.chunks(4) {
        let two = |pair: &[u8]| usize::from(u16::from_le_bytes([pair[0], pair[1]]));
        let begin = ROOM - 6000 + two(dice) % 14_000;
        let end = begin + two(&dice[2..]) % 9000;
        let reply = client.ask(&iso, &format!("Range: bytes={begin}-{end}\r\n")).await;
        assert!(reply.status == 206 && reply.body == depot.truth[begin..=end], "{begin}-{end}");
    }
    assert!(depot.seen.is_empty(), "a part from the middle is no fetched file");
}

#[tokio::test]
async fn a_head_has_no_body_and_conditions_are_kept() {
    let depot = Depot::open(SIZE, Limits::default()).await;
    let (mut client, iso, length) = (depot.client().await, depot.path("installer.iso"), SIZE.to_string());
    let head = client.ask_head(&iso, "Range: bytes=0-3\r\n").await;
    assert_eq!((head.status, head.header("content-length"), head.header("content-range")), (200, &*length, ""));
    assert!(head.header("date").ends_with(" GMT") && head.header("cache-control") == "no-store", "{head:?}");
    let tag = head.header("etag").to_owned();
    for (lines, status, size) in [
        (format!("If-None-Match: {tag}\r\n"), 304, 0),
        (format!("If-None-Match: \"a\", W/{tag}\r\nRange: bytes=0-3\r\n"), 304, 0),
        ("If-None-Match: \"a\"\r\nRange: bytes=0-3\r\n".into(), 206, 4),
        (format!("If-Match: \"a\", {tag}\r\nRange: bytes=0-3\r\n"), 206, 4),
        ("If-Match: *\r\nRange: bytes=0-3\r\n".into(), 206, 4),
        (format!("If-Range: {tag}\r\nRange: bytes=0-3\r\n"), 206, 4),
        ("If-Range: \"a\"\r\nRange: bytes=0-3\r\n".into(), 200, SIZE),
        (format!("If-Range: W/{tag}\r\nRange: bytes=0-3\r\n"), 200, SIZE),
        ("If-Range: Sat, 21 Nov 2026 00:00:00 GMT\r\nRange: bytes=0-3\r\n".into(), 200, SIZE),
    ] {
        let reply = client.ask(&iso, &lines).await;
        assert_eq!((reply.status, reply.body.len(), reply.header("etag")), (status, size, &*tag), "{lines}");
        // The length in a 304 would be taken for the file's.
        assert!(status != 304 || reply.header("content-length").is_empty(), "{reply:?}");
        let reply = client.ask_head(&iso, &lines).await;
        assert_eq!(reply.status, if status == 206 { 200 } else { status }, "{lines}");
    }
    for lines in ["If-Match: \"a\"\r\n".to_owned(), format!("If-Match: W/{tag}\r\n")] {
        let reply = client.ask(&iso, &lines).await;
        assert_eq!((reply.status, reply.header("content-type")), (412, "application/problem+json"));
    }
    assert_eq!(client.ask(&iso, "").await.body, depot.truth, "the connection is still in step");
}

#[tokio::test]
async fn curl_and_wget_resume_a_broken_download() {
    let depot = Depot::open(SIZE, Limits::default()).await;
    let folder = tempfile::tempdir().unwrap();
    for (program, words) in [("curl", &["-sS", "--fail", "-C", "-", "-o"][..]), ("wget", &["-q", "-c", "-O"])] {
        for broken_at in [0, 1, ROOM - 1, ROOM + 100, SIZE - 1] {
            let file = folder.path().join("iso");
            std::fs::write(&file, &depot.truth[..broken_at]).unwrap();
            let run = Command::new(program).args(words).arg(&file).arg(depot.url("installer.iso")).output();
            let output = run.await.unwrap_or_else(|error| panic!("this test needs {program}: {error}"));
            assert!(output.status.success(), "{program} at {broken_at}: {output:?}");
            assert!(std::fs::read(&file).unwrap() == depot.truth, "{program} at {broken_at}");
            let (_, transfer) = depot.seen.transfer().await;
            assert_eq!((transfer.bytes, transfer.complete), ((SIZE - broken_at) as u64, true));
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_machines_load_the_same_bytes_at_once_also_from_the_disk() {
    let depot = Depot::open(8 << 20, Limits::default()).await;
    let expected = data_encoding::HEXLOWER.encode(&Sha256::digest(&depot.truth));
    depot.forget_the_image();
    let machines: Vec<_> = (0..50)
        .map(|_| {
            let pipe = format!("curl -sS --fail {} | sha256sum", depot.url("installer.iso"));
            Command::new("sh").args(["-c", &pipe]).stdout(Stdio::piped()).spawn().unwrap()
        })
        .collect();
    for machine in machines {
        let output = machine.wait_with_output().await.unwrap();
        assert!(String::from_utf8_lossy(&output.stdout).starts_with(&expected));
    }
    for _ in 0..50 {
        assert!(matches!(depot.seen.transfer().await, ('I', transfer) if transfer.complete));
    }
}

#[tokio::test]
async fn a_machine_that_reads_nothing_more_is_cut_and_makes_room() {
    let limits = Limits { stall: Duration::from_millis(400), connections: 1, ..Limits::default() };
    let depot = Depot::open(LARGE, limits).await;
    let mut slow = depot.client().await;
    slow.say(&format!("GET {} HTTP/1.1\r\nHost: x\r\n\r\n", depot.path("installer.iso"))).await;
    let began = Instant::now();
    assert_eq!(depot.client().await.ask("/healthz", "").await.body, b"ok\n");
    assert!(began.elapsed() >= Duration::from_millis(400), "it was given its time: {:?}", began.elapsed());
    let (file, transfer) = depot.seen.transfer().await;
    assert!(file == 'I' && !transfer.complete && transfer.bytes < LARGE as u64, "{transfer:?}");
    assert!(transfer.milliseconds >= 400, "{transfer:?}");
}

#[tokio::test]
async fn a_machine_that_reads_slowly_but_steadily_gets_everything() {
    let limits = Limits { stall: Duration::from_millis(400), ..Limits::default() };
    let depot = Depot::open(LARGE, limits).await;
    let mut slow = depot.client().await;
    slow.say(&format!("GET {} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", depot.path("installer.iso"))).await;
    let (mut read, mut piece, began) = (0, vec![0; 256 << 10], Instant::now());
    while let taken @ 1.. = slow.stream.read(&mut piece).await.unwrap() {
        read += taken;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(read > LARGE && began.elapsed() > Duration::from_millis(1200), "{read} in {:?}", began.elapsed());
    assert!(depot.seen.transfer().await.1.complete);
}

#[tokio::test]
async fn a_machine_that_vanishes_makes_room_at_once() {
    let limits = Limits { connections: 1, ..Limits::default() };
    let depot = Depot::open(LARGE, limits).await;
    for _ in 0..3 {
        let mut vanishing = depot.client().await;
        vanishing.say(&format!("GET {} HTTP/1.1\r\nHost: x\r\n\r\n", depot.path("installer.iso"))).await;
        vanishing.stream.readable().await.unwrap();
        drop(vanishing);
        let began = Instant::now();
        assert_eq!(depot.client().await.ask("/healthz", "").await.body, b"ok\n");
        assert!(began.elapsed() < Duration::from_secs(5));
        assert!(!depot.seen.transfer().await.1.complete);
    }
}

#[tokio::test]
async fn a_file_that_becomes_shorter_ends_the_connection_instead_of_being_padded() {
    let depot = Depot::open(LARGE, Limits::default()).await;
    let mut client = depot.client().await;
    client.say(&format!("GET {} HTTP/1.1\r\nHost: x\r\n\r\n", depot.path("installer.iso"))).await;
    client.stream.readable().await.unwrap();
    depot.cut_the_image(LARGE - 1000);
    let mut read = Vec::new();
    let _ = client.stream.read_to_end(&mut read).await;
    let end = read.windows(4).position(|bytes| bytes == b"\r\n\r\n").unwrap() + 4;
    assert!(read.len() - end <= LARGE - 1000 && depot.truth.starts_with(&read[end..]));
    assert!(!depot.seen.transfer().await.1.complete);
}

#[tokio::test]
async fn other_machines_are_answered_while_one_loads() {
    let depot = Depot::open(LARGE, Limits::default()).await;
    let mut slow = depot.client().await;
    slow.say(&format!("GET {} HTTP/1.1\r\nHost: x\r\n\r\n", depot.path("installer.iso"))).await;
    let mut client = depot.client().await;
    for _ in 0..20 {
        assert_eq!(client.ask("/healthz", "").await.status, 200);
    }
    assert!(slow.reply(true).await.body == depot.truth);
}

#[tokio::test]
async fn requests_that_are_sent_at_once_are_answered_in_their_order_on_one_connection() {
    let depot = Depot::open(SIZE, Limits::default()).await;
    let (kernel, iso) = (depot.path("linux26"), depot.path("installer.iso"));
    let mut client = depot.client().await;
    let get = |path: &str, lines: &str| format!("GET {path} HTTP/1.1\r\nHost: x\r\n{lines}\r\n");
    let head = format!("HEAD {iso} HTTP/1.1\r\nHost: x\r\n\r\n");
    let range = format!("Range: bytes={}-{}\r\n", ROOM - 9, ROOM + 9);
    let script = format!("/ipxe/52:54:00:00:00:01?b={}&platform=pcbios&version=2.0.0", depot.token);
    let words = [get(&kernel, ""), head, get("/healthz", ""), get(&iso, &range), get("/nothing", ""), get(&script, "")];
    client.say(&(words.concat() + &get(&iso, "Connection: close\r\n"))).await;
    assert!(client.reply(true).await.body == noise(70_000));
    assert_eq!(client.reply(false).await.header("content-length"), SIZE.to_string());
    assert_eq!(client.reply(true).await.body, b"ok\n");
    assert!(client.reply(true).await.body == depot.truth[ROOM - 9..=ROOM + 9]);
    assert_eq!(client.reply(true).await.status, 404);
    assert!(client.reply(true).await.body.starts_with(b"#!ipxe\n"));
    let last = client.reply(true).await;
    assert!(last.body == depot.truth && last.header("connection") == "close");
    assert!(client.is_closed().await);
}

#[tokio::test]
async fn an_old_client_is_answered_and_closed_unless_it_wants_to_stay() {
    let depot = Depot::open(SIZE, Limits::default()).await;
    let (mut client, kernel) = (depot.client().await, depot.path("linux26"));
    client.say(&format!("GET {kernel} HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")).await;
    let first = client.reply(true).await;
    assert!(first.body == noise(70_000) && first.header("connection") == "keep-alive");
    client.say(&format!("GET {kernel} HTTP/1.0\r\n\r\n")).await;
    assert!(client.reply(true).await.body == noise(70_000));
    assert!(client.is_closed().await);
    let output = Command::new("curl").args(["-sS", "--http1.0", &depot.url("linux26")]).output().await.unwrap();
    assert!(output.stdout == noise(70_000));
}

#[tokio::test]
async fn what_is_no_request_of_ours_is_refused_and_the_connection_closed() {
    let depot = Depot::open(SIZE, Limits::default()).await;
    let get = |lines: &str| format!("GET /healthz HTTP/1.1\r\n{lines}\r\n");
    for (words, status) in [
        ("nonsense\r\n\r\n".to_owned(), 400),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".into(), 400),
        (get(&format!("X: {}\r\n", "x".repeat(40_000))), 431),
        (get(&"X: y\r\n".repeat(100)), 431),
        (get("Content-Length: 30\r\n") + &get(""), 200),
        ("POST /healthz HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n".into(), 405),
        (
            format!(
                "DELETE {} HTTP/1.1\r\nContent-Length: 200000\r\n\r\n{}",
                depot.path("linux26"),
                "x".repeat(200_000)
            ),
            405,
        ),
    ] {
        let mut client = depot.client().await;
        client.say(&words).await;
        let reply = client.reply(true).await;
        assert_eq!((reply.status, reply.header("connection")), (status, "close"), "{words:.40}");
        assert!(client.is_closed().await, "{words:.40}");
    }
    let mut client = depot.client().await;
    client.say(&format!("GET {} HTTP/1.1\r\nHo", depot.path("linux26"))).await;
    drop(client);
    assert_eq!(depot.client().await.ask(&depot.path("../linux26"), "").await.status, 404);
    assert_eq!(depot.client().await.ask("/boot/wrong/linux26", "").await.status, 403);
}

#[tokio::test]
async fn an_idle_connection_is_let_go_and_a_stop_ends_it_at_once() {
    let depot = Depot::open(SIZE, Limits { head: Duration::from_millis(300), ..Limits::default() }).await;
    let mut idle = depot.client().await;
    assert_eq!(idle.ask("/healthz", "").await.status, 200);
    assert!(idle.is_closed().await);
    let Depot { stop, served, address, world: _world, .. } = Depot::open(LARGE, Limits::default()).await;
    let mut idle = Client::connect(address).await;
    assert_eq!(idle.ask("/healthz", "").await.status, 200);
    let began = Instant::now();
    stop.cancel();
    served.await.unwrap();
    assert!(idle.is_closed().await && began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_stop_lets_a_download_end_and_cuts_it_when_that_takes_too_long() {
    for (stop_limit, reads) in [(Duration::from_secs(20), true), (Duration::from_millis(300), false)] {
        let depot = Depot::open(LARGE, Limits { stop: stop_limit, ..Limits::default() }).await;
        let mut client = depot.client().await;
        client.say(&format!("GET {} HTTP/1.1\r\nHost: x\r\n\r\n", depot.path("installer.iso"))).await;
        client.stream.readable().await.unwrap();
        depot.stop.cancel();
        if reads {
            assert!(client.reply(true).await.body == depot.truth);
            assert!(client.is_closed().await);
        }
        depot.served.await.unwrap();
        assert_eq!(depot.seen.transfer().await.1.complete, reads);
    }
}

#[tokio::test]
async fn every_fetched_file_is_told_with_its_bytes() {
    let depot = Depot::open(SIZE, Limits::default()).await;
    let mut client = depot.client().await;
    for (file, letter, size) in [("linux26", 'k', 70_000), ("initrd.img", 'i', 40_000), ("installer.iso", 'I', SIZE)] {
        client.ask(&depot.path(file), "").await;
        let (told, transfer) = depot.seen.transfer().await;
        assert_eq!((told, transfer.bytes, transfer.complete), (letter, size as u64, true));
        client.ask_head(&depot.path(file), "").await;
        client.ask(&depot.path(file), "Range: bytes=9999999-\r\n").await;
    }
    assert!(depot.seen.is_empty(), "nothing was sent, so nothing is told");
}
