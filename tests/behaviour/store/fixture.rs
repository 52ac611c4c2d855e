//! A data folder of one test, the things that are written into it, and the raw look at what lies there.

use std::{fs, path::Path};

use jiff::Timestamp;
use rackseed::{
    domain::{
        change::{Change, OpenedRebuild},
        host::{Host, HostFacts, NewHost},
        host_lifecycle::{self, HostEvent},
        identity::{HostId, OperationId},
        image::{Image, InstallerRelease},
        live_event::{NewLiveEvent, Topic},
        operation::{JournalEntry, JournalEvent, Operation},
        rebuild::{Rebuild, RebuildMarks, SealedSecrets, TokenHash, TokenPurpose},
        server_type::ServerType,
    },
    ports::{HostLedger, ImageLedger, LedgerError},
    store::Store,
};
use rusqlite::{Connection, types::Value};

/// A moment, in seconds after the first.
pub(super) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_nanosecond(i128::from(1_790_000_000 + seconds) * 1_000_000_000 + 123_456_789).unwrap()
}

pub(super) fn host_id(number: u8) -> HostId {
    HostId::from_random([number; 8])
}

pub(super) fn operation_id(number: u64) -> OperationId {
    OperationId::from_random(number.to_be_bytes())
}

pub(super) fn new_host(number: u8) -> NewHost {
    NewHost {
        id: host_id(number),
        hostname: format!("pve-{number:02}").parse().unwrap(),
        mac: format!("52:54:00:00:00:{number:02x}").parse().unwrap(),
        server_type: "small".parse().unwrap(),
        registered_at: at(0),
    }
}

pub(super) fn line(host: u8, message: &str) -> NewLiveEvent {
    NewLiveEvent { topic: Topic::Host, host: Some(host_id(host)), operation: None, message: message.to_owned() }
}

pub(super) async fn register(store: &Store, number: u8) -> Host {
    store.register(&new_host(number), &line(number, "registered")).await.unwrap()
}

/// A move of a host as the table has it, with nothing that comes with it.
pub(super) fn change(host: &Host, event: HostEvent, seconds: i64) -> Change {
    let row = host_lifecycle::next(host.state, event).unwrap();
    Change {
        host: host.id.clone(),
        from: row.from,
        to: row.to,
        event,
        because: row.because.to_owned(),
        at: at(seconds),
        facts: HostFacts::default(),
        marks: None,
        spends: None,
        opens: None,
        ends: None,
        served: None,
        feed: vec![NewLiveEvent {
            topic: Topic::Host,
            host: Some(host.id.clone()),
            operation: None,
            message: event.to_string(),
        }],
    }
}

pub(super) fn server_type() -> ServerType {
    let settings = serde_json::json!({"display_name": "Small server", "boot_disk": "/dev/nvme0n1", "gpu": "none"});
    ServerType { name: "small".parse().unwrap(), ..serde_json::from_value(settings).unwrap() }
}

/// The bytes that stand for a sealed secret of a rebuild; no other bytes in a database look like them.
pub(super) fn sealed_bytes(operation: &OperationId, column: &str) -> Vec<u8> {
    format!("<<sealed {column} of {operation} with bytes that are found nowhere else>>").into_bytes()
}

pub(super) fn token_hash(operation: u64, purpose: TokenPurpose) -> TokenHash {
    let mut hash = [0xEE; 32];
    hash[..8].copy_from_slice(&operation.to_be_bytes());
    hash[8] = purpose as u8;
    hash
}

pub(super) fn rebuild(host: &Host, operation: u64) -> OpenedRebuild {
    let id = operation_id(operation);
    let sealed = SealedSecrets {
        token_secret: sealed_bytes(&id, "token_secret"),
        private_key: sealed_bytes(&id, "private_key"),
    };
    let rebuild = Rebuild {
        operation: id.clone(),
        host: host.id.clone(),
        server_type: server_type(),
        template: "default".parse().unwrap(),
        template_text: "[global]\nkeyboard = \"de\"\n".to_owned(),
        answer: Default::default(),
        image: "pve-9.2-1-3fa94c21".parse().unwrap(),
        public_key: format!("ssh-ed25519 AAAA rackseed-{id}"),
        sealed: Some(sealed),
        leaves: None,
        overridden: None,
        requested_at: at(1),
        armed_until: at(3601),
        ended_at: None,
        marks: RebuildMarks::default(),
    };
    let steps = vec!["await_network_boot".to_owned(), "finish".to_owned()];
    let operation_record = Operation {
        id,
        host: host.id.clone(),
        plan: "rebuild_host".to_owned(),
        steps,
        started_at: at(1),
        program: Some(env!("CARGO_PKG_VERSION").to_owned()),
    };
    let tokens = [TokenPurpose::Boot, TokenPurpose::Answer, TokenPurpose::Installed];
    OpenedRebuild {
        operation: operation_record,
        rebuild,
        tokens: tokens.map(|purpose| (purpose, token_hash(operation, purpose))).to_vec(),
    }
}

/// Opens a rebuild of a host with an image that is there.
pub(super) async fn request_rebuild(store: &Store, host: &Host, operation: u64) -> Host {
    let _ = store.insert(&image("pve-9.2-1-3fa94c21", 9, 2, "1")).await;
    let opens = Some(Box::new(rebuild(host, operation)));
    store.record(&Change { opens, ..change(host, HostEvent::RebuildRequested, 1) }).await.unwrap()
}

pub(super) async fn remove_host(store: &Store, host: &Host, seconds: i64) -> Result<bool, LedgerError> {
    HostLedger::remove(store, &host.id, &line(0, "gone"), at(seconds)).await
}

pub(super) fn started(step: &str, seconds: i64) -> JournalEntry {
    JournalEntry { at: at(seconds), step: step.to_owned(), event: JournalEvent::Started }
}

/// A connection beside the store's, to look and to break things.
pub(super) fn raw(folder: &Path) -> Connection {
    Connection::open(folder.join("rackseed.db")).unwrap()
}

/// Every row of every table as text.
pub(super) fn dump(folder: &Path) -> Vec<String> {
    let connection = raw(folder);
    let mut tables = connection.prepare("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name").unwrap();
    let tables: Vec<String> = tables.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    let mut rows = vec![];
    for table in tables.iter().filter(|table| *table != "sqlite_sequence") {
        let mut statement = connection.prepare(&format!("SELECT * FROM {table}")).unwrap();
        let columns = statement.column_count();
        let read = |row: &rusqlite::Row<'_>| {
            let values: Vec<Value> = (0..columns).map(|column| row.get(column).unwrap()).collect();
            Ok(format!("{table}: {values:?}"))
        };
        rows.extend(statement.query_map([], read).unwrap().map(Result::unwrap));
    }
    rows
}

/// The names of the files in a folder that hold these bytes.
pub(super) fn files_with(folder: &Path, bytes: &[u8]) -> Vec<String> {
    let holds = |path: &Path| fs::read(path).unwrap().windows(bytes.len()).any(|window| window == bytes);
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.filter(|path| holds(path)).map(|path| path.file_name().unwrap().to_string_lossy().into_owned()).collect()
}

/// The row of an image.
pub(super) fn image(id: &str, major: u16, minor: u16, iso_release: &str) -> Image {
    Image {
        id: id.parse().unwrap(),
        product: "pve".into(),
        product_name: "Proxmox VE".into(),
        release: InstallerRelease { major, minor },
        iso_release: iso_release.into(),
        source_name: "proxmox-ve.iso".into(),
        source_sha256: "ab".repeat(32),
        iso_size_bytes: 1_700_000_000,
        settings_offset_bytes: 92_160,
        settings_size_bytes: 4_096,
        added_at: at(0),
        is_default: false,
        files: None,
    }
}
