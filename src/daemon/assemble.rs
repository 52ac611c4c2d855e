//! Puts a daemon together from its settings.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use anyhow::Context;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use super::{
    RunningDaemon,
    access::{access_desk, announce},
    adapters::Adapters,
    appliance::{Addresses, RunningAppliance},
    certificate::own_certificate,
    cluster::patience,
    desks::Desks,
    doctor::Doctor,
    known_secrets::KnownSecrets,
    network_boot::NetworkBoard,
    network_start::start_network_boot,
    notifications,
    settings_words::set,
    tasks,
};
use crate::{
    catalog::redact,
    http::{
        BootState, FormToken, HttpListener, MachineState, OperatorState, Repeats, RequestCounts, boot_router,
        machine_router, operator_router,
    },
    operations::{BatchDesk, ClusterDesk, GateDesk, OperationDesk, RebuildDesk, run_batches, run_runner},
    ports::{Catalog, Doorbell},
    provisioning::{MachineUrls, PatienceDesk, Watchdog, keep_boot_orders},
    remote_shell::Ssh,
    settings::{Settings, SettingsFile},
    tftp::BootFiles,
};

/// Starts daemons.
pub struct Daemon;

/// The HTTP listeners, bound.
struct Listeners {
    operator: HttpListener,
    boot: HttpListener,
    machine: HttpListener,
}

impl Daemon {
    /// Starts a daemon; when this returns it serves.
    pub async fn start(settings: Settings) -> anyhow::Result<RunningDaemon> {
        Self::start_from(settings, None).await
    }

    /// The same; the settings are those of a file.
    pub async fn start_from(settings: Settings, file: Option<SettingsFile>) -> anyhow::Result<RunningDaemon> {
        let adapters = Adapters::open(&settings).await?;
        adapters.clean_up_images().await;
        let (certificate, tls) = own_certificate(&settings.data_folder)?;
        let listeners = Listeners::bind(&settings, tls).await?;
        let operator_address = listeners.operator.address()?;
        let (boot_address, machine_address) = (listeners.boot.address()?, listeners.machine.address()?);
        let boot_files = Arc::new(BootFiles::load(&settings.pxe.ipxe_folder));
        let doorbell = Arc::new(Doorbell::default());
        let urls = machine_urls(&settings, boot_address, machine_address);
        let mut desks = Desks::build(&settings, &adapters, &doorbell, &urls, &certificate, &boot_files)?;
        desks.world.keeper.restore().await.context("cannot read the hosts")?;
        let (stop, mut tasks) = (CancellationToken::new(), JoinSet::new());
        desks.watchers.start(&stop, &mut tasks).await;
        let network = Arc::new(NetworkBoard::default());
        if settings.pxe.enabled {
            for problem in &boot_files.problems {
                tracing::error!("{problem}");
            }
            let board = Arc::clone(&network);
            start_network_boot(&settings, &desks, board, &stop, &mut tasks).await?;
        }
        let addresses = Addresses { operator: operator_address, boot: boot_address, machine: machine_address };
        let secrets = KnownSecrets::new(&adapters, &desks);
        let doctor = Doctor::new(addresses.in_settings(&settings), adapters.clock.clone(), stop.clone());
        let appliance = Arc::new(RunningAppliance {
            settings: settings.clone(),
            file,
            started_at: adapters.clock.now(),
            certificate: certificate.clone(),
            addresses,
            boot_files: Arc::clone(&boot_files),
            doctor,
            secrets,
        });
        let operator = operator_state(&settings, &adapters, &desks, &doorbell, (network, appliance), &stop).await?;
        let access = Arc::clone(&operator.access);
        operator.gates.tell_older().await;
        notifications::start(&adapters, &settings, &stop, &mut tasks).await?;
        let (requests, operator_patience) = (Arc::clone(&operator.requests), Arc::clone(&operator.patience));
        let (batches, batches_stop) = (Arc::clone(&operator.batches), stop.clone());
        tasks.spawn(async move {
            run_batches(batches, batches_stop).await;
            Ok(())
        });
        listeners.serve(operator, &desks, requests, &stop, &mut tasks);
        let watchdog = Watchdog {
            keeper: Arc::clone(&desks.world.keeper),
            hosts: adapters.store.clone(),
            clock: Arc::clone(&adapters.clock),
            patience: Arc::clone(&operator_patience),
        };
        let (watchdog_stop, runner_stop) = (stop.clone(), stop.clone());
        tasks.spawn(async move {
            tasks::run_watchdog(watchdog, watchdog_stop).await;
            Ok(())
        });
        remember_boot_orders(&adapters, &desks, &stop, &mut tasks);
        let world = Arc::clone(&desks.world);
        tasks.spawn(async move {
            run_runner(world, doorbell, runner_stop).await;
            Ok(())
        });
        tasks::tell(&adapters.catalog.status());
        let watch =
            tasks::watch_catalog(Arc::clone(&adapters.catalog), adapters.store.clone(), Arc::clone(&adapters.clock))?;
        tracing::info!(boot = %boot_address, machine = %machine_address, certificate = certificate.fingerprint, "serving");
        let first_visit = announce(operator_address, &access);
        Ok(RunningDaemon { operator_address, boot_address, machine_address, first_visit, stop, tasks, _watch: watch })
    }
}

/// Writes down which way machines start, as it is seen.
fn remember_boot_orders(
    adapters: &Adapters,
    desks: &Desks,
    stop: &CancellationToken,
    tasks: &mut JoinSet<anyhow::Result<()>>,
) {
    let (memory, keeper) = (Arc::clone(&adapters.boot_memory), Arc::clone(&desks.world.keeper));
    let stop = stop.clone();
    tasks.spawn(async move {
        tokio::select! {
            () = stop.cancelled() => {}
            () = keep_boot_orders(&memory, &keeper) => {}
        }
        Ok(())
    });
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
                .with_context(|| cannot("boot_listen", server.boot_listen))?
                .sending_files(),
            machine: HttpListener::bind(server.machine_listen, Some(tls))
                .await
                .with_context(|| cannot("machine_listen", server.machine_listen))?,
        })
    }

    /// Lets everybody in until the stop.
    fn serve(
        self,
        operator: OperatorState,
        desks: &Desks,
        requests: Arc<RequestCounts>,
        stop: &CancellationToken,
        tasks: &mut JoinSet<anyhow::Result<()>>,
    ) {
        let (answers, check_in) = (Arc::clone(&desks.answers), Arc::clone(&desks.check_in));
        let exchanges = Arc::clone(&desks.exchanges);
        let machine = MachineState { answers, check_in, exchanges, requests: Arc::clone(&requests) };
        let boot = BootState { desk: Arc::clone(&desks.boot), offers: Arc::clone(&desks.offers), requests };
        for (listener, router) in [
            (self.operator, operator_router(operator)),
            (self.boot, boot_router(boot)),
            (self.machine, machine_router(machine)),
        ] {
            let stop = stop.clone();
            tasks.spawn(async move {
                listener.run(router, stop).await;
                Ok(())
            });
        }
    }
}

pub(super) async fn operator_state(
    settings: &Settings,
    adapters: &Adapters,
    desks: &Desks,
    doorbell: &Arc<Doorbell>,
    (network, appliance): (Arc<NetworkBoard>, Arc<RunningAppliance>),
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
    let patience = PatienceDesk::new(adapters.store.clone(), Arc::clone(&adapters.clock), patience(settings));
    let rebuild = Arc::new(rebuild);
    let batches = BatchDesk {
        world: Arc::clone(&desks.world),
        batches: adapters.store.clone(),
        rebuild: Arc::clone(&rebuild),
        bell: Doorbell::default(),
        moving: tokio::sync::Mutex::default(),
    };
    Ok(OperatorState {
        access: Arc::new(access_desk(settings, adapters).await?),
        trusted_origins: settings.server.trusted_origins.clone().into(),
        patience: Arc::new(patience),
        hosts: adapters.store.clone(),
        journal: adapters.store.clone(),
        rebuilds: adapters.store.clone(),
        exchanges: adapters.store.clone(),
        feed: adapters.store.clone(),
        catalog: adapters.catalog.clone(),
        images: adapters.images.clone(),
        image_keeper: adapters.images.clone(),
        intake: Arc::new(adapters.intake(stop)),
        ssh_keys: Arc::new(Ssh),
        clock: Arc::clone(&adapters.clock),
        enrolment: Arc::clone(&desks.enrolment),
        answers: Arc::clone(&desks.answers),
        rebuild,
        batches: Arc::new(batches),
        cluster: Arc::new(ClusterDesk::new(Arc::clone(&desks.world), Arc::clone(&operations))),
        operations,
        gates: Arc::new(GateDesk { world: Arc::clone(&desks.world) }),
        network,
        power: Arc::clone(&desks.power),
        diary: Arc::clone(&desks.watchers.diary),
        sightings: Arc::clone(&desks.watchers.sightings),
        redact,
        listen: appliance.addresses.operator,
        appliance,
        form_token: FormToken::new(adapters.key_file.as_ref())?,
        requests: Arc::default(),
        image_checks: Arc::default(),
        audit: adapters.store.clone(),
        repeats: Arc::new(Repeats::new(adapters.store.clone())),
        refusals: Arc::default(),
        targets: adapters.notifications.clone(),
        outbox: adapters.store.clone(),
        stop: stop.clone(),
    })
}

pub(super) fn machine_urls(settings: &Settings, boot: SocketAddr, machine: SocketAddr) -> MachineUrls {
    let server = &settings.server;
    MachineUrls {
        boot_port: boot.port(),
        machine_port: machine.port(),
        public_url: set(&server.public_url).map(str::to_owned),
        public_machine_url: set(&server.public_machine_url).map(str::to_owned),
    }
}
