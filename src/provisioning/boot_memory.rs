//! What is remembered of booting machines between their questions: a bounded map of [`BootAttempts`], fed by the questions themselves and by
//! the milestones that TFTP and the HTTP listeners see.

use std::{
    collections::HashMap,
    net::Ipv4Addr,
    sync::{Arc, Mutex, PoisonError},
};

use jiff::Timestamp;
use tokio::sync::Notify;

use super::{boot_table::KnownHost, host_keeper::HostKeeper};
use crate::{
    domain::{
        boot_attempts::BootAttempts,
        boot_order::{self, BootOrder},
        boot_request::TakenAddress,
        boot_trace::Milestone,
        firmware::{FirmwareKind, boot_file},
        identity::MacAddress,
    },
    ports::{BootTrace, Clock},
};

/// How many machines are remembered. Only registered ones come in here, so it is never reached; past it everything is forgotten and learned
/// anew.
const MOST_MACHINES: usize = 10_000;

/// Remembers machines.
#[derive(Debug, Default)]
pub struct BootMemory {
    machines: Mutex<HashMap<MacAddress, Machine>>,
    /// Boot orders that were seen and are not kept yet.
    learned: Mutex<HashMap<MacAddress, BootOrder>>,
    has_learned: Notify,
}

/// What is remembered of one machine.
#[derive(Debug, Default)]
struct Machine {
    /// Its attempts, by kind of firmware.
    attempts: Vec<(FirmwareKind, BootAttempts)>,
    /// Whether it has asked since its installation ended; `None` when we did not see that end.
    asked_since_installed: Option<bool>,
}

impl BootMemory {
    /// A registered host asks.
    pub(super) fn asked(&self, mac: MacAddress, known: &KnownHost) {
        self.known(mac, |machine| {
            if let Some(asked) = &mut machine.asked_since_installed {
                *asked = true;
            }
        });
        let order = boot_order::learned_from_question(known.state, known.armed.is_some());
        if let Some(order) = order.filter(|order| known.boot_order != Some(*order)) {
            self.learn(mac, order);
        }
    }

    /// A machine took its address from a DHCP server.
    pub(super) fn took_address(&self, taken: &TakenAddress) {
        self.known(taken.mac, |machine| {
            machine.attempts.iter_mut().for_each(|(_, attempts)| attempts.took_address(taken.server));
        });
    }

    /// The DHCP server that leads a machine away from us, most likely.
    pub(super) fn led_away_by(&self, mac: MacAddress, kind: FirmwareKind) -> Option<Ipv4Addr> {
        let of_kind = |machine: &mut Machine| {
            machine.attempts.iter().find(|(known, _)| *known == kind).and_then(|(_, attempts)| attempts.led_away_by())
        };
        self.known(mac, of_kind).flatten()
    }

    /// Waits for boot orders that were seen, and hands them over to be kept.
    pub async fn learned(&self) -> HashMap<MacAddress, BootOrder> {
        loop {
            let learned = std::mem::take(&mut *self.learned.lock().unwrap_or_else(PoisonError::into_inner));
            if !learned.is_empty() {
                return learned;
            }
            self.has_learned.notified().await;
        }
    }

    fn learn(&self, mac: MacAddress, order: BootOrder) {
        self.learned.lock().unwrap_or_else(PoisonError::into_inner).insert(mac, order);
        self.has_learned.notify_one();
    }

    /// Looks at the attempts of a machine, which begin here if there are none yet.
    pub(super) fn of<T>(&self, mac: MacAddress, kind: FirmwareKind, look: impl FnOnce(&mut BootAttempts) -> T) -> T {
        let mut machines = self.machines.lock().unwrap_or_else(PoisonError::into_inner);
        if machines.len() >= MOST_MACHINES && !machines.contains_key(&mac) {
            machines.clear();
        }
        let kinds = &mut machines.entry(mac).or_default().attempts;
        let place = kinds.iter().position(|(known, _)| *known == kind).unwrap_or_else(|| {
            kinds.push((kind, BootAttempts::default()));
            kinds.len() - 1
        });
        look(&mut kinds[place].1)
    }

    /// Looks at a machine if it is remembered.
    fn known<T>(&self, mac: MacAddress, look: impl FnOnce(&mut Machine) -> T) -> Option<T> {
        self.machines.lock().unwrap_or_else(PoisonError::into_inner).get_mut(&mac).map(look)
    }

    fn saw(&self, mac: MacAddress, milestone: &Milestone, now: Timestamp) {
        let mut first_boot = None;
        self.known(mac, |machine| match milestone {
            Milestone::LoaderFetched { file, transfer } if transfer.complete => {
                let loaded = boot_file(file).map(|file| file.kind);
                let of_kind = machine.attempts.iter_mut().find(|(kind, _)| Some(*kind) == loaded);
                if let Some((_, attempts)) = of_kind {
                    attempts.loader_arrived(now);
                }
            }
            Milestone::ScriptFetched { .. } => {
                machine.attempts.iter_mut().for_each(|(_, attempts)| attempts.script_fetched());
            }
            Milestone::Installed => machine.asked_since_installed = Some(false),
            Milestone::PhonedHome => first_boot = machine.asked_since_installed.take(),
            Milestone::Asked { .. }
            | Milestone::NotOffered { .. }
            | Milestone::Offered { .. }
            | Milestone::AskedBootServer
            | Milestone::LoaderFetched { .. }
            | Milestone::KernelFetched { .. }
            | Milestone::InitrdFetched { .. }
            | Milestone::ImageFetched { .. }
            | Milestone::AnswerServed
            | Milestone::FirstBootScriptFetched => {}
        });
        if let Some(has_asked) = first_boot {
            self.learn(mac, boot_order::learned_from_first_boot(has_asked));
        }
    }
}

/// Keeps what the memory learns, until it is dropped.
pub async fn keep_boot_orders(memory: &BootMemory, keeper: &HostKeeper) {
    loop {
        for (mac, order) in memory.learned().await {
            if let Err(error) = keeper.learn_boot_order(mac, order).await {
                tracing::warn!(host.mac = %mac, %error, "a boot order was seen and could not be kept");
            }
        }
    }
}

/// Passes milestones on, and lets the memory see them.
pub struct RememberingTrace {
    /// The memory.
    pub memory: Arc<BootMemory>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Who else is told.
    pub next: Arc<dyn BootTrace>,
}

impl BootTrace for RememberingTrace {
    fn saw(&self, mac: MacAddress, milestone: Milestone) {
        self.memory.saw(mac, &milestone, self.clock.now());
        self.next.saw(mac, milestone);
    }
}
