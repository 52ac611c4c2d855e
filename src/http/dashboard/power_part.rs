//! The part of a host's page that shows how it is switched on and off.

use super::shell::PageProblem;
use crate::{
    domain::{
        host::Host,
        power::{PowerAction, PowerDriver},
    },
    http::Visit,
};

/// How the host is switched, as far as it is known without asking its BMC: the page asks for the state by itself.
pub(super) struct PowerPart {
    pub(super) driver: &'static str,
    pub(super) is_switchable: bool,
    pub(super) secret: &'static str,
    /// What is asked for, and what it says on its button.
    pub(super) actions: Vec<(&'static str, &'static str)>,
}

impl PowerPart {
    pub(super) async fn new(state: &Visit, host: &Host) -> Result<Self, PageProblem> {
        let driver = host.options.power.driver;
        Ok(Self {
            driver: match driver {
                PowerDriver::None => "a person",
                PowerDriver::WakeOnLan => "Wake-on-LAN",
                PowerDriver::Redfish => "Redfish",
                PowerDriver::Ipmi => "IPMI",
                PowerDriver::Webhook => "webhook",
            },
            is_switchable: driver != PowerDriver::None,
            secret: if state.power.has_secret(&host.id).await? { "stored, encrypted" } else { "none stored" },
            actions: PowerAction::ALL
                .iter()
                .filter(|action| match driver {
                    PowerDriver::WakeOnLan => !matches!(action, PowerAction::Off | PowerAction::Cycle),
                    PowerDriver::None | PowerDriver::Redfish | PowerDriver::Ipmi | PowerDriver::Webhook => true,
                })
                .filter(|action| action.is_destructive())
                .map(|action| (action.word(), spelled(*action)))
                .collect(),
        })
    }
}

fn spelled(action: PowerAction) -> &'static str {
    match action {
        PowerAction::On => "Switch on",
        PowerAction::Off => "Cut the power",
        PowerAction::Cycle => "Cut the power and give it back",
        PowerAction::NetworkBoot => "Restart hard, booting from the network once",
    }
}
