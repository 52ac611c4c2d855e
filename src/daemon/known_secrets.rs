//! Every secret that this daemon could say, to be looked for in what leaves the house.

use std::{fs, path::PathBuf, sync::Arc};

use data_encoding::{BASE64, BASE64URL_NOPAD, HEXLOWER, HEXUPPER};
use secrecy::ExposeSecret;

use super::{adapters::Adapters, desks::Desks};
use crate::{
    domain::{host::Host, power::power_secret_place, rebuild::TokenPurpose},
    operations::GATE_KEY_PLACE,
    ports::{GateLedger, HostLedger, PowerSecrets, RebuildLedger, Secrets},
    provisioning::{HostKeeper, secret_place},
    settings::Settings,
    store::{KeyFile, Store},
};

/// The files of the data folder that are secrets by themselves.
const OWN_FILES: [&str; 3] = ["secret.key", "certificate.key", "command-line-token"];
/// A larger file is no secret of ours.
const LARGEST_FILE_BYTES: u64 = 64 << 10;

/// Where secrets are found.
pub(super) struct KnownSecrets {
    store: Arc<Store>,
    key_file: Arc<KeyFile>,
    keeper: Arc<HostKeeper>,
}

impl KnownSecrets {
    /// Those of a daemon.
    pub(super) fn new(adapters: &Adapters, desks: &Desks) -> Self {
        Self {
            store: Arc::clone(&adapters.store),
            key_file: Arc::clone(&adapters.key_file),
            keeper: Arc::clone(&desks.world.keeper),
        }
    }

    /// All of them, in every way of writing in which they might be said. What cannot be opened cannot be said either.
    pub(super) async fn all(&self, settings: &Settings) -> Vec<String> {
        let mut secrets = of_settings(settings);
        let files = files(settings);
        secrets.extend(
            tokio::task::spawn_blocking(move || files.iter().flat_map(read).collect())
                .await
                .unwrap_or_else(|_| Vec::new()),
        );
        for host in self.store.hosts().await.unwrap_or_default() {
            secrets.extend(host.options.answer.subscription_key.clone());
            secrets.extend(self.of_power(&host).await);
            secrets.extend(self.of_rebuild(&host).await);
        }
        if let Ok(Some(sealed)) = self.store.gate_key().await
            && let Ok(key) = self.key_file.open(GATE_KEY_PLACE, &sealed)
        {
            secrets.extend(spellings(key.expose_secret()));
        }
        secrets
    }

    async fn of_power(&self, host: &Host) -> Option<String> {
        let sealed = self.store.power_secret(&host.id).await.ok()??;
        let server = host.options.power.server().unwrap_or_default();
        let opened = self.key_file.open(&power_secret_place(&host.id, &server), &sealed).ok()?;
        std::str::from_utf8(opened.expose_secret()).ok().map(str::to_owned)
    }

    async fn of_rebuild(&self, host: &Host) -> Vec<String> {
        let Ok(Some(rebuild)) = self.store.latest_rebuild(&host.id).await else { return Vec::new() };
        let mut secrets = Vec::new();
        if let Ok(Some(tokens)) = self.keeper.tokens(&rebuild) {
            secrets.extend(TokenPurpose::ALL.iter().map(|purpose| tokens.token(*purpose)));
        }
        if let Some(sealed) = &rebuild.sealed {
            for (column, bytes) in [("private_key", &sealed.private_key), ("token_secret", &sealed.token_secret)] {
                if let Ok(secret) = self.key_file.open(&secret_place(&rebuild.operation, column), bytes) {
                    secrets.extend(spellings(secret.expose_secret()));
                }
            }
        }
        secrets
    }
}

/// The ways in which bytes are written as text.
fn spellings(bytes: &[u8]) -> Vec<String> {
    let mut all =
        vec![HEXLOWER.encode(bytes), HEXUPPER.encode(bytes), BASE64.encode(bytes), BASE64URL_NOPAD.encode(bytes)];
    all.extend(std::str::from_utf8(bytes).ok().map(str::to_owned));
    all
}

fn of_settings(settings: &Settings) -> Vec<String> {
    let urls = settings.notifications.targets.iter().map(|target| target.url.clone());
    urls.chain([settings.credentials.root_password_hash.clone()]).collect()
}

fn files(settings: &Settings) -> Vec<PathBuf> {
    let mut files = vec![
        settings.proxmox.key_file.clone(),
        settings.proxmox.root_password_file.clone(),
        settings.infrastructure.token_file.clone(),
    ];
    for target in &settings.notifications.targets {
        let of_target = [&target.url_file, &target.token_file, &target.signature_key_file, &target.password_file];
        files.extend(of_target.map(Clone::clone));
    }
    files.extend(OWN_FILES.map(|name| settings.data_folder.join(name)));
    files.retain(|file| !file.as_os_str().is_empty());
    files
}

fn read(file: &PathBuf) -> Vec<String> {
    let is_small = fs::metadata(file).is_ok_and(|it| it.is_file() && it.len() <= LARGEST_FILE_BYTES);
    if !is_small {
        return Vec::new();
    }
    fs::read(file).map(|bytes| spellings(&bytes)).unwrap_or_default()
}
