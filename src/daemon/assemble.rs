//! Puts a daemon together from its settings.

use std::{collections::BTreeMap, net::SocketAddr, path::Path, sync::Arc, time::Duration};

use anyhow::Context;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use super::{RunningDaemon, SystemClock, certificate::own_certificate, tasks};
use crate::{
    catalog::{CatalogFolders, FolderCatalog, redact},
    dhcp::{DhcpConfig, DhcpListener, interface_address},
    domain::host_lifecycle::HostState,
    http::{
        BootState, FormToken, HttpListener, MachineState, OperatorState, boot_router, machine_router, operator_router,
    },
    images::ImageFolder,
    infrastructure::InfrastructureService,
    operations::{ClusterSettings, MemberCredential, OperationDesk, RebuildDesk, World, run_runner},
    ports::{Catalog, Clock, Doorbell, SshKeys},
    provisioning::{
        AnswerDesk, BootDesk, CheckIn, Enrolment, HostKeeper, MachineUrls, OwnCertificate, Patience, RefusalLog,
        Watchdog,
    },
    remote_shell::Ssh,
    settings::{Settings, read_private_file},
    store::{KeyFile, Store},
    tftp::{BootFiles, TftpServer},
};

/// How long a host may wait in `joining` while a person is asked to compare a fingerprint.
const CONFIRMATION_PATIENCE: Duration = Duration::from_secs(24 * 60 * 60);

/// Starts daemons.
pub struct Daemon;

/// The adapters.
struct Adapters {
    store: Arc<Store>,
    key_file: Arc<KeyFile>,
    catalog: Arc<FolderCatalog>,
    images: Arc<ImageFolder>,
    clock: Arc<dyn Clock>,
}

/// The HTTP listeners, bound.
struct Listeners {
    operator: HttpListener,
    boot: HttpListener,
    machine: HttpListener,
}

/// What answers machines and people.
struct Desks {
    boot: Arc<BootDesk>,
    answers: Arc<AnswerDesk>,
    check_in: Arc<CheckIn>,
    enrolment: Arc<Enrolment>,
    world: Arc<World>,
}

impl Daemon {
    /// Starts a daemon; when this returns it serves.
    pub async fn start(settings: Settings) -> anyhow::Result<RunningDaemon> {
        let adapters = Adapters::open(&settings)?;
        let (certificate, tls) = own_certificate(&settings.data_folder)?;
        let listeners = Listeners::bind(&settings, tls).await?;
        let operator_address = listeners.operator.address()?;
        let (boot_address, machine_address) = (listeners.boot.address()?, listeners.machine.address()?);
        let boot_files = Arc::new(BootFiles::load(&settings.pxe.ipxe_folder));
        let doorbell = Arc::new(Doorbell::default());
        let urls = machine_urls(&settings, boot_address, machine_address);
        let desks = Desks::build(&settings, &adapters, &doorbell, &urls, &certificate, &boot_files)?;
        desks.world.keeper.restore().await.context("cannot read the hosts")?;
        let (stop, mut tasks) = (CancellationToken::new(), JoinSet::new());
        if settings.pxe.enabled {
            for problem in &boot_files.problems {
                tracing::error!("{problem}");
            }
            start_network_boot(&settings, &desks.boot, boot_files, &stop, &mut tasks)?;
        }
        let operator = operator_state(&settings, &adapters, &desks, &doorbell, operator_address, &stop)?;
        let requests = Arc::clone(&operator.requests);
        let (answers, check_in) = (Arc::clone(&desks.answers), Arc::clone(&desks.check_in));
        let machine = MachineState { answers, check_in, requests: Arc::clone(&requests) };
        let boot = BootState { desk: Arc::clone(&desks.boot), requests };
        for (listener, router) in [
            (listeners.operator, operator_router(operator)),
            (listeners.boot, boot_router(boot)),
            (listeners.machine, machine_router(machine)),
        ] {
            let stop = stop.clone();
            tasks.spawn(async move {
                listener.run(router, stop).await;
                Ok(())
            });
        }
        let watchdog = Watchdog {
            keeper: Arc::clone(&desks.world.keeper),
            hosts: adapters.store.clone(),
            clock: Arc::clone(&adapters.clock),
            patience: patience(&settings),
        };
        let (watchdog_stop, runner_stop) = (stop.clone(), stop.clone());
        tasks.spawn(async move {
            tasks::run_watchdog(watchdog, watchdog_stop).await;
            Ok(())
        });
        let world = Arc::clone(&desks.world);
        tasks.spawn(async move {
            run_runner(world, doorbell, runner_stop).await;
            Ok(())
        });
        tasks::tell(&adapters.catalog.status());
        let watch =
            tasks::watch_catalog(Arc::clone(&adapters.catalog), adapters.store.clone(), Arc::clone(&adapters.clock))?;
        announce(operator_address, boot_address, machine_address, &certificate);
        Ok(RunningDaemon { operator_address, boot_address, machine_address, stop, tasks, _watch: watch })
    }
}

fn announce(operator: SocketAddr, boot: SocketAddr, machine: SocketAddr, certificate: &OwnCertificate) {
    tracing::info!(%boot, %machine, certificate = certificate.fingerprint, "serving; the dashboard is at http://{operator}");
    if operator.ip().is_loopback() {
        tracing::info!(
            "there is no login yet, so operators are served on loopback only; reach it from elsewhere through an SSH tunnel"
        );
    } else {
        tracing::warn!(
            "there is no login yet, and {operator} is not loopback: anyone who reaches it can wipe disks; set server.listen"
        );
    }
}

impl Adapters {
    fn open(settings: &Settings) -> anyhow::Result<Self> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let store = Arc::new(Store::open(&settings.data_folder)?);
        let key_file = Arc::new(KeyFile::open(&settings.data_folder)?);
        let folders = CatalogFolders {
            answer_templates: settings.catalog.answer_templates.clone(),
            server_types: settings.catalog.server_types.clone(),
            ipxe: settings.catalog.ipxe.clone(),
        };
        let catalog = FolderCatalog::open(folders, Arc::clone(&clock)).context("cannot make the catalog's folders")?;
        let images = Arc::new(ImageFolder::new(settings.data_folder.join("images"), store.clone()));
        match images.clean_up() {
            Ok(0) => {}
            Ok(count) => tracing::info!(count, "removed what interrupted image additions had left"),
            // Another process may be adding one at this moment.
            Err(error) => tracing::warn!(%error, "left-overs of image additions were not removed"),
        }
        Ok(Self { store, key_file, catalog: Arc::new(catalog), images, clock })
    }
}

impl Listeners {
    async fn bind(settings: &Settings, tls: TlsAcceptor) -> anyhow::Result<Self> {
        let server = &settings.server;
        let cannot =
            |key: &str, address: SocketAddr| format!("cannot listen on {address}; free it, or change server.{key}");
        Ok(Self {
            operator: HttpListener::bind(server.listen, None).await.with_context(|| cannot("listen", server.listen))?,
            boot: HttpListener::bind(server.boot_listen, None)
                .await
                .with_context(|| cannot("boot_listen", server.boot_listen))?,
            machine: HttpListener::bind(server.machine_listen, Some(tls))
                .await
                .with_context(|| cannot("machine_listen", server.machine_listen))?,
        })
    }
}

impl Desks {
    fn build(
        settings: &Settings,
        adapters: &Adapters,
        doorbell: &Arc<Doorbell>,
        urls: &MachineUrls,
        certificate: &OwnCertificate,
        boot_files: &BootFiles,
    ) -> anyhow::Result<Self> {
        let Adapters { store, key_file, catalog, images, clock } = adapters;
        let keeper = Arc::new(HostKeeper::new(
            store.clone(),
            store.clone(),
            key_file.clone(),
            clock.clone(),
            Arc::clone(doorbell),
        ));
        let refusals = Arc::new(RefusalLog::new(store.clone(), clock.clone()));
        let (cluster, root_ssh_keys) = cluster_settings(settings)?;
        let boot = BootDesk {
            keeper: keeper.clone(),
            boot_table: keeper.boot_table(),
            hosts: store.clone(),
            rebuilds: store.clone(),
            catalog: catalog.clone(),
            images: images.clone(),
            clock: clock.clone(),
            refusals: refusals.clone(),
            urls: urls.clone(),
            certificate: certificate.clone(),
            boot_files: boot_files.files.keys().cloned().collect(),
        };
        let answers = AnswerDesk {
            keeper: keeper.clone(),
            rebuilds: store.clone(),
            catalog: catalog.clone(),
            images: images.clone(),
            clock: clock.clone(),
            refusals: refusals.clone(),
            urls: urls.clone(),
            certificate: certificate.clone(),
            domain: settings.proxmox.domain.clone(),
            root_password_hash: settings.credentials.root_password_hash.clone(),
            root_ssh_keys,
        };
        let check_in = CheckIn {
            keeper: keeper.clone(),
            rebuilds: store.clone(),
            clock: clock.clone(),
            refusals,
            urls: urls.clone(),
            certificate: certificate.clone(),
        };
        let enrolment = Enrolment {
            keeper: keeper.clone(),
            hosts: store.clone(),
            catalog: catalog.clone(),
            secrets: key_file.clone(),
            clock: clock.clone(),
        };
        let world = world(settings, adapters, keeper, cluster)?;
        Ok(Self {
            boot: Arc::new(boot),
            answers: Arc::new(answers),
            check_in: Arc::new(check_in),
            enrolment: Arc::new(enrolment),
            world: Arc::new(world),
        })
    }
}

/// What operations may touch.
fn world(
    settings: &Settings,
    adapters: &Adapters,
    keeper: Arc<HostKeeper>,
    cluster: ClusterSettings,
) -> anyhow::Result<World> {
    let Adapters { store, key_file, clock, .. } = adapters;
    let infrastructure = &settings.infrastructure;
    Ok(World {
        keeper,
        hosts: store.clone(),
        rebuilds: store.clone(),
        journal: store.clone(),
        shell: Arc::new(Ssh),
        ssh_keys: Arc::new(Ssh),
        secrets: key_file.clone(),
        infrastructure: Arc::new(InfrastructureService::new(
            &infrastructure.base_url,
            set_path(&infrastructure.token_file),
        )?),
        clock: clock.clone(),
        cluster,
        server_type_map: infrastructure.server_type_map.clone(),
        patience: patience(settings),
    })
}

fn operator_state(
    settings: &Settings,
    adapters: &Adapters,
    desks: &Desks,
    doorbell: &Arc<Doorbell>,
    address: SocketAddr,
    stop: &CancellationToken,
) -> anyhow::Result<OperatorState> {
    let operations = Arc::new(OperationDesk { world: Arc::clone(&desks.world), doorbell: Arc::clone(doorbell) });
    let rebuild = RebuildDesk {
        world: Arc::clone(&desks.world),
        catalog: adapters.catalog.clone(),
        images: adapters.images.clone(),
        answers: Arc::clone(&desks.answers),
        operations: Arc::clone(&operations),
        armed_for: Duration::from_secs(60 * u64::from(settings.pxe.armed_minutes)),
    };
    Ok(OperatorState {
        hosts: adapters.store.clone(),
        journal: adapters.store.clone(),
        rebuilds: adapters.store.clone(),
        feed: adapters.store.clone(),
        catalog: adapters.catalog.clone(),
        images: adapters.images.clone(),
        ssh_keys: Arc::new(Ssh),
        clock: Arc::clone(&adapters.clock),
        enrolment: Arc::clone(&desks.enrolment),
        answers: Arc::clone(&desks.answers),
        rebuild: Arc::new(rebuild),
        operations,
        redact,
        listen: address,
        form_token: FormToken::new(adapters.key_file.as_ref())?,
        requests: Arc::default(),
        stop: stop.clone(),
    })
}

fn start_network_boot(
    settings: &Settings,
    desk: &Arc<BootDesk>,
    boot_files: Arc<BootFiles>,
    stop: &CancellationToken,
    tasks: &mut JoinSet<anyhow::Result<()>>,
) -> anyhow::Result<()> {
    let pxe = &settings.pxe;
    let subnet = set(&pxe.subnet).map(|subnet| subnet.parse()).transpose().context("pxe.subnet")?;
    let address = interface_address(&pxe.interface, subnet)?;
    let dhcp = DhcpListener::bind(DhcpConfig {
        interface: pxe.interface.clone(),
        address,
        dhcp_port: pxe.dhcp_port,
        proxy_port: pxe.proxy_port,
        reply_to_source: pxe.reply_to_source,
    })?;
    let tftp = TftpServer::bind(SocketAddr::from((address, pxe.tftp_port)), boot_files)?;
    tracing::info!(interface = pxe.interface, %address, "answering booting machines");
    let (desk, dhcp_stop, tftp_stop) = (Arc::clone(desk), stop.clone(), stop.clone());
    tasks.spawn(async move {
        dhcp.run(move |request, our| desk.offer(request, our), dhcp_stop).await.context("the DHCP socket was lost")
    });
    tasks.spawn(async move {
        tftp.run(tftp_stop).await;
        Ok(())
    });
    Ok(())
}

fn machine_urls(settings: &Settings, boot: SocketAddr, machine: SocketAddr) -> MachineUrls {
    let server = &settings.server;
    MachineUrls {
        boot_port: boot.port(),
        machine_port: machine.port(),
        public_url: set(&server.public_url).map(str::to_owned),
        public_machine_url: set(&server.public_machine_url).map(str::to_owned),
    }
}

/// What the settings say of the cluster, and the public key that every new node is given so that we can join the next one through it.
fn cluster_settings(settings: &Settings) -> anyhow::Result<(ClusterSettings, Vec<String>)> {
    let proxmox = &settings.proxmox;
    let (mut credential, mut root_ssh_keys) = (None, Vec::new());
    if let Some(path) = set_path(&proxmox.key_file) {
        let key = read_private_file(&path).map_err(anyhow::Error::msg)?;
        root_ssh_keys
            .push(Ssh.public_line_of_key_file(&key).with_context(|| format!("{} cannot be used", path.display()))?);
        credential = Some(MemberCredential::Key(key));
    } else if let Some(path) = set_path(&proxmox.root_password_file) {
        credential = Some(MemberCredential::Password(read_private_file(&path).map_err(anyhow::Error::msg)?));
    }
    let cluster = ClusterSettings {
        existing_node: set(&proxmox.existing_node)
            .map(|address| address.parse())
            .transpose()
            .context("proxmox.existing_node")?,
        existing_node_ssh_host_key: set(&proxmox.existing_node_ssh_host_key).map(|key| key.trim().to_owned()),
        join_fingerprint: set(&proxmox.join_fingerprint).map(str::to_owned),
        cluster_name: proxmox.cluster_name.clone(),
        credential,
        link0_network: set(&proxmox.link0_network)
            .map(|network| network.parse())
            .transpose()
            .context("proxmox.link0_network")?,
        ssh_port: proxmox.ssh_port,
        confirm_host_key: settings.join.confirm_host_key,
    };
    Ok((cluster, root_ssh_keys))
}

fn patience(settings: &Settings) -> Patience {
    let mut by_state: BTreeMap<_, _> = settings.patience.by_state();
    if settings.join.confirm_host_key {
        by_state.insert(HostState::Joining, CONFIRMATION_PATIENCE);
    }
    Patience(by_state)
}

/// A text setting that is set.
fn set(text: &str) -> Option<&str> {
    Some(text.trim()).filter(|text| !text.is_empty())
}

/// A path setting that is set.
fn set_path(path: &Path) -> Option<std::path::PathBuf> {
    (!path.as_os_str().is_empty()).then(|| path.to_owned())
}
