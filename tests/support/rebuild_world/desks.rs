//! The desks of a world of rebuilds, as the daemon puts them together.

use super::*;

impl RebuildWorld {
    pub(crate) fn answers(&self) -> Arc<AnswerDesk> {
        Arc::new(AnswerDesk {
            keeper: self.world.keeper.clone(),
            rebuilds: self.store.clone(),
            catalog: self.catalog.clone(),
            images: Arc::new(OneImage(Some(image()))),
            clock: self.clock.clone(),
            refusals: self.refusals.clone(),
            urls: urls(),
            certificate: OwnCertificate {
                pem: String::new(),
                name: "rackseed.internal".into(),
                fingerprint: "0".repeat(64),
            },
            domain: "home.arpa".into(),
            root_password_hash: "$6$sample$sample".into(),
            root_ssh_keys: Vec::new(),
            trace: Arc::new(NoTrace),
        })
    }

    pub(crate) fn boot_desk(&self) -> BootDesk {
        BootDesk {
            keeper: self.world.keeper.clone(),
            hosts: self.store.clone(),
            rebuilds: self.store.clone(),
            catalog: self.catalog.clone(),
            images: Arc::new(OneImage(Some(image()))),
            clock: self.clock.clone(),
            refusals: self.refusals.clone(),
            urls: urls(),
            certificate: certificate(),
            trace: Arc::new(NoTrace),
            sightings: self.sightings(),
        }
    }

    pub(crate) fn boot_offers(&self) -> BootOffers {
        BootOffers {
            boot_table: self.world.keeper.boot_table(),
            clock: self.clock.clone(),
            urls: urls(),
            boot_files: Arc::new(UsualBootFiles),
            unarmed: Unarmed::Silence,
            memory: Arc::default(),
            trace: Arc::new(NoTrace),
        }
    }

    pub(crate) fn check_in(&self) -> CheckIn {
        CheckIn {
            keeper: self.world.keeper.clone(),
            rebuilds: self.store.clone(),
            clock: self.clock.clone(),
            refusals: self.refusals.clone(),
            urls: urls(),
            certificate: certificate(),
            trace: Arc::new(NoTrace),
        }
    }

    /// The token of a host's current rebuild, as its machine would know it.
    pub(crate) async fn token(&self, operation: &OperationId, purpose: TokenPurpose) -> String {
        let rebuild = self.store.rebuild(operation).await.unwrap().unwrap();
        self.world.keeper.tokens(&rebuild).unwrap().expect("the rebuild has not ended").token(purpose)
    }

    pub(crate) fn operations(&self) -> Arc<OperationDesk> {
        Arc::new(OperationDesk { world: self.world.clone(), doorbell: Arc::default() })
    }

    pub(crate) fn rebuild_desk(&self, image: Option<Image>) -> RebuildDesk {
        RebuildDesk {
            world: self.world.clone(),
            catalog: self.catalog.clone(),
            images: Arc::new(OneImage(image)),
            answers: self.answers(),
            operations: self.operations(),
            armed_for: Duration::from_secs(3600),
        }
    }

    /// Remembers who asks and is not registered.
    pub(crate) fn sightings(&self) -> Arc<Sightings> {
        let table = self.world.keeper.boot_table();
        Arc::new(Sightings::new(table, self.clock.clone(), self.store.clone(), self.store.clone()))
    }

    pub(super) fn enrolment(&self) -> Enrolment {
        Enrolment {
            keeper: self.world.keeper.clone(),
            hosts: self.store.clone(),
            catalog: self.catalog.clone(),
            secrets: self.world.secrets.clone(),
            clock: self.clock.clone(),
            sightings: self.sightings(),
        }
    }
}
