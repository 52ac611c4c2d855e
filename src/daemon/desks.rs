//! Puts the desks together: what answers machines and people, and what operations may touch.

use std::sync::Arc;

use super::{
    adapters::Adapters,
    cluster::{cluster_settings, patience},
    settings_words::set_path,
    watchers::Watchers,
};
use crate::{
    infrastructure::InfrastructureService,
    operations::{ClusterSettings, World},
    ports::{BootTrace, Doorbell, Power},
    power::PowerDrivers,
    provisioning::{
        AnswerDesk, BootDesk, BootOffers, CheckIn, Enrolment, ExchangeBook, HostKeeper, MachineUrls, OwnCertificate,
        PowerDesk, RefusalLog, Sightings,
    },
    remote_shell::Ssh,
    settings::Settings,
    tftp::BootFiles,
};

/// What answers machines and people.
pub(super) struct Desks {
    pub(super) offers: Arc<BootOffers>,
    pub(super) boot: Arc<BootDesk>,
    pub(super) answers: Arc<AnswerDesk>,
    pub(super) check_in: Arc<CheckIn>,
    pub(super) exchanges: Arc<ExchangeBook>,
    pub(super) enrolment: Arc<Enrolment>,
    pub(super) power: Arc<PowerDesk>,
    pub(super) world: Arc<World>,
    pub(super) watchers: Watchers,
}

impl Desks {
    pub(super) fn build(
        settings: &Settings,
        adapters: &Adapters,
        doorbell: &Arc<Doorbell>,
        urls: &MachineUrls,
        certificate: &OwnCertificate,
        boot_files: &Arc<BootFiles>,
    ) -> anyhow::Result<Self> {
        let Adapters { store, key_file, catalog, images, clock, .. } = adapters;
        let keeper = Arc::new(HostKeeper::new(
            store.clone(),
            store.clone(),
            key_file.clone(),
            clock.clone(),
            Arc::clone(doorbell),
        ));
        let watchers = Watchers::new(adapters, &keeper.boot_table());
        let (trace, sightings) = (&watchers.trace, &watchers.sightings);
        let refusals = Arc::new(RefusalLog::new(store.clone(), clock.clone()));
        let (cluster, root_ssh_keys) = cluster_settings(settings)?;
        let boot = BootDesk {
            keeper: keeper.clone(),
            hosts: store.clone(),
            rebuilds: store.clone(),
            catalog: catalog.clone(),
            images: images.clone(),
            clock: clock.clone(),
            refusals: refusals.clone(),
            urls: urls.clone(),
            certificate: certificate.clone(),
            trace: trace.clone(),
            sightings: sightings.clone(),
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
            trace: trace.clone(),
        };
        let check_in = CheckIn {
            keeper: keeper.clone(),
            rebuilds: store.clone(),
            clock: clock.clone(),
            refusals,
            urls: urls.clone(),
            certificate: certificate.clone(),
            trace: trace.clone(),
        };
        let exchanges = exchange_book(settings, adapters, &keeper);
        let enrolment = enrolment(adapters, &keeper, sightings);
        let power = power(settings, adapters);
        let offers = boot_offers(settings, adapters, &keeper, urls, boot_files, trace);
        let world = world(settings, adapters, keeper, cluster, Arc::clone(&power.power))?;
        Ok(Self {
            offers: Arc::new(offers),
            boot: Arc::new(boot),
            answers: Arc::new(answers),
            check_in: Arc::new(check_in),
            exchanges: Arc::new(exchanges),
            enrolment: Arc::new(enrolment),
            power: Arc::new(power),
            world: Arc::new(world),
            watchers,
        })
    }
}

/// What keeps what machines say.
fn exchange_book(settings: &Settings, adapters: &Adapters, keeper: &Arc<HostKeeper>) -> ExchangeBook {
    ExchangeBook {
        exchanges: adapters.store.clone(),
        rebuilds: adapters.store.clone(),
        keeper: keeper.clone(),
        catalog: adapters.catalog.clone(),
        clock: adapters.clock.clone(),
        secrets: vec![settings.credentials.root_password_hash.clone()],
    }
}

/// What registers hosts.
fn enrolment(adapters: &Adapters, keeper: &Arc<HostKeeper>, sightings: &Arc<Sightings>) -> Enrolment {
    Enrolment {
        keeper: keeper.clone(),
        hosts: adapters.store.clone(),
        catalog: adapters.catalog.clone(),
        secrets: adapters.key_file.clone(),
        clock: adapters.clock.clone(),
        sightings: sightings.clone(),
    }
}

/// What switches machines, and who asks it for people.
fn power(settings: &Settings, adapters: &Adapters) -> PowerDesk {
    let Adapters { store, key_file, clock, .. } = adapters;
    let drivers = PowerDrivers {
        secrets: key_file.clone(),
        sealed: store.clone(),
        interfaces: settings.pxe.wanted_interfaces().into_iter().map(|wanted| wanted.name).collect(),
    };
    PowerDesk {
        hosts: store.clone(),
        power: Arc::new(drivers),
        sealed: store.clone(),
        secrets: key_file.clone(),
        feed: store.clone(),
        clock: clock.clone(),
    }
}

fn boot_offers(
    settings: &Settings,
    adapters: &Adapters,
    keeper: &HostKeeper,
    urls: &MachineUrls,
    boot_files: &Arc<BootFiles>,
    trace: &Arc<dyn BootTrace>,
) -> BootOffers {
    BootOffers {
        boot_table: keeper.boot_table(),
        clock: adapters.clock.clone(),
        urls: urls.clone(),
        boot_files: boot_files.clone(),
        unarmed: settings.pxe.unarmed,
        memory: adapters.boot_memory.clone(),
        trace: trace.clone(),
    }
}

/// What operations may touch.
fn world(
    settings: &Settings,
    adapters: &Adapters,
    keeper: Arc<HostKeeper>,
    cluster: ClusterSettings,
    power: Arc<dyn Power>,
) -> anyhow::Result<World> {
    let Adapters { store, key_file, clock, .. } = adapters;
    let infrastructure = &settings.infrastructure;
    Ok(World {
        keeper,
        hosts: store.clone(),
        rebuilds: store.clone(),
        journal: store.clone(),
        gates: store.clone(),
        certificates: store.clone(),
        shell: Arc::new(Ssh),
        ssh_keys: Arc::new(Ssh),
        power,
        secrets: key_file.clone(),
        infrastructure: Arc::new(InfrastructureService::new(
            &infrastructure.base_url,
            set_path(&infrastructure.token_file),
        )?),
        clock: clock.clone(),
        cluster,
        server_type_map: infrastructure.server_type_map.clone(),
        patience: patience(settings),
        pauses: Arc::default(),
    })
}
