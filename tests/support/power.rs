//! Power for tests: a driver in memory, and a host with options and secret in a real store for the real drivers.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use rackseed::{
    domain::{
        host::{Host, NewHost},
        host_options::HostOptions,
        identity::HostId,
        live_event::{NewLiveEvent, Topic},
        power::{PowerState, power_secret_place},
    },
    ports::{Clock, HostLedger, NetworkBoot, Power, PowerError, PowerSecrets, Secrets},
    power::PowerDrivers,
    store::{KeyFile, Store},
};
use serde_json::Value;

use super::clock::TestClock;

/// Remembers what it was asked, and does as it is told.
#[derive(Default)]
pub(crate) struct MemoryPower {
    /// What was asked, by host name.
    pub(crate) calls: Mutex<Vec<(&'static str, String)>>,
    /// What it fails with, first in, first out.
    pub(crate) failures: Mutex<Vec<PowerError>>,
}

impl MemoryPower {
    fn call(&self, what: &'static str, host: &Host) -> Result<(), PowerError> {
        self.calls.lock().unwrap().push((what, host.hostname.to_string()));
        let mut failures = self.failures.lock().unwrap();
        if failures.is_empty() { Ok(()) } else { Err(failures.remove(0)) }
    }
}

#[async_trait]
impl Power for MemoryPower {
    async fn status(&self, host: &Host) -> Result<PowerState, PowerError> {
        self.call("status", host).map(|()| PowerState::On)
    }

    async fn boot_from_network(&self, host: &Host) -> Result<NetworkBoot, PowerError> {
        self.call("boot_from_network", host).map(|()| NetworkBoot::Confirmed)
    }

    async fn switch_on(&self, host: &Host) -> Result<(), PowerError> {
        self.call("switch_on", host)
    }

    async fn switch_off(&self, host: &Host) -> Result<(), PowerError> {
        self.call("switch_off", host)
    }

    async fn cycle(&self, host: &Host) -> Result<(), PowerError> {
        self.call("cycle", host)
    }
}

/// One host with the real drivers, and its secret sealed in a real store.
pub(crate) struct Switched {
    _folder: tempfile::TempDir,
    pub(crate) drivers: PowerDrivers,
    pub(crate) host: Host,
}

impl Switched {
    /// A host `pve-01` with these power options, which must break no rule.
    pub(crate) async fn new(power: Value, secret: Option<&str>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Arc::new(Store::open(&folder.path().join("data")).unwrap());
        let secrets = Arc::new(KeyFile::open(&folder.path().join("data")).unwrap());
        let now = TestClock::default().now();
        let id = HostId::from_random([1; 8]);
        let new = NewHost {
            id: id.clone(),
            hostname: "pve-01".parse().unwrap(),
            mac: "52:54:00:12:34:56".parse().unwrap(),
            server_type: "generic-sata".parse().unwrap(),
            registered_at: now,
        };
        let feed = NewLiveEvent { topic: Topic::Host, host: None, operation: None, message: String::new() };
        store.register(&new, &feed).await.unwrap();
        let options = HostOptions::default().patched(&serde_json::json!({ "power": power })).unwrap();
        let host = store.set_options(&id, &options, &feed, now).await.unwrap().unwrap();
        if let Some(secret) = secret {
            let sealed =
                secrets.seal(&power_secret_place(&id, &options.power.server().unwrap()), secret.as_bytes()).unwrap();
            assert!(store.set_power_secret(&id, Some(&sealed)).await.unwrap());
        }
        Self { _folder: folder, drivers: PowerDrivers { secrets, sealed: store, interfaces: Vec::new() }, host }
    }

    pub(crate) async fn status(&self) -> Result<PowerState, PowerError> {
        self.drivers.status(&self.host).await
    }

    pub(crate) async fn boot_from_network(&self) -> Result<NetworkBoot, PowerError> {
        self.drivers.boot_from_network(&self.host).await
    }
}
