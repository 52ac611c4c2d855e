//! What is remembered of booting machines between their questions: a bounded map of [`BootAttempts`], fed by the questions themselves and by
//! the milestones that TFTP and the HTTP listeners see.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use crate::{
    domain::{
        boot_attempts::BootAttempts,
        boot_trace::Milestone,
        firmware::{FirmwareKind, boot_file},
        identity::MacAddress,
    },
    ports::{BootTrace, Clock},
};

/// How many machines are remembered. Only registered ones come in here, so it is never reached; past it everything is forgotten and learned
/// anew.
const MOST_MACHINES: usize = 10_000;

/// Remembers machines by address and kind of firmware.
#[derive(Debug, Default)]
pub struct BootMemory(Mutex<HashMap<MacAddress, Vec<(FirmwareKind, BootAttempts)>>>);

impl BootMemory {
    /// Looks at the attempts of a machine, which begin here if there are none yet.
    pub(super) fn of<T>(&self, mac: MacAddress, kind: FirmwareKind, look: impl FnOnce(&mut BootAttempts) -> T) -> T {
        let mut machines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if machines.len() >= MOST_MACHINES && !machines.contains_key(&mac) {
            machines.clear();
        }
        let kinds = machines.entry(mac).or_default();
        let place = kinds.iter().position(|(known, _)| *known == kind).unwrap_or_else(|| {
            kinds.push((kind, BootAttempts::default()));
            kinds.len() - 1
        });
        look(&mut kinds[place].1)
    }

    /// Looks at the attempts that a machine has made.
    fn each(&self, mac: MacAddress, look: impl Fn(FirmwareKind, &mut BootAttempts)) {
        let mut machines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        machines.entry(mac).and_modify(|kinds| kinds.iter_mut().for_each(|(kind, attempts)| look(*kind, attempts)));
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
        match &milestone {
            Milestone::LoaderFetched { file, transfer } if transfer.complete => {
                let (now, loaded) = (self.clock.now(), boot_file(file).map(|file| file.kind));
                self.memory.each(mac, |kind, attempts| {
                    if Some(kind) == loaded {
                        attempts.loader_arrived(now);
                    }
                });
            }
            Milestone::ScriptFetched { .. } => self.memory.each(mac, |_, attempts| attempts.script_fetched()),
            Milestone::Asked { .. }
            | Milestone::NotOffered { .. }
            | Milestone::Offered { .. }
            | Milestone::AskedBootServer
            | Milestone::LoaderFetched { .. }
            | Milestone::KernelFetched { .. }
            | Milestone::InitrdFetched { .. }
            | Milestone::ImageFetched { .. }
            | Milestone::AnswerServed
            | Milestone::FirstBootScriptFetched
            | Milestone::Installed
            | Milestone::PhonedHome => {}
        }
        self.next.saw(mac, milestone);
    }
}
