//! Lets the machine boot from the network, where the host has a power driver. A driver that fails keeps nobody from the switch: the step
//! then says so and waits for the machine, however it is started.

use std::time::Duration;

use async_trait::async_trait;
use jiff::SignedDuration;
use serde_json::json;

use super::await_network_boot::{await_mark, patience};
use crate::{
    domain::{
        host_lifecycle::HostState,
        operation::{StepProgress, StepStatus},
        power::PowerDriver,
    },
    operations::{Outcome, Step, StepContext, StepError, StepKind, World},
    ports::NetworkBoot,
};

/// The name of the step in plans.
pub(in crate::operations) const NAME: &str = "power_on";
/// How long a driver that cannot reach its BMC is tried again. A BMC that has just been plugged in takes a minute and a half.
const TRY_AGAIN_FOR: SignedDuration = SignedDuration::from_mins(2);
/// How the sentence begins once the driver is not tried any more. It is in the journal, so that a restart does not try again either: a
/// wrong password that is sent again and again locks the user out of the BMC.
const BY_HAND: &str = "switch it on by hand and let it boot from the network: ";

/// The step.
pub(super) struct PowerOn;

#[async_trait]
impl Step for PowerOn {
    fn name(&self) -> &'static str {
        NAME
    }

    fn kind(&self) -> StepKind {
        StepKind::Reversible
    }

    fn deadline(&self, world: &World) -> Duration {
        patience(world, HostState::PxeReady)
    }

    fn skip(&self) -> Option<&'static str> {
        Some("Rackseed does not start the machine: you start it yourself and let it boot from the network")
    }

    async fn perform(&self, context: &StepContext<'_>) -> Result<Outcome, StepError> {
        // A machine that has its script is on its way: a reset would cut it off.
        let is_booting = context.rebuild.marks.script_address.is_some();
        if is_booting || context.host.options.power.driver == PowerDriver::None {
            return Ok(Outcome::DONE);
        }
        let own = context.progress.steps.iter().find(|step| step.name == NAME);
        if let Some(reason) = own.and_then(given_up) {
            return await_mark(context, false, reason);
        }
        // Cancelled or overdue in the meantime: nothing is started any more.
        await_mark(context, false, "")?;
        let error = match context.world.power.boot_from_network(&context.host).await {
            Ok(boot) => return Ok(Outcome::Done(json!({ "boot": word(boot) }))),
            Err(error) => error,
        };
        let began = own.and_then(|step| step.started_at).unwrap_or(context.now);
        let may_try = error.may_pass() && context.world.clock.now().duration_since(began) < TRY_AGAIN_FOR;
        Ok(Outcome::NotYet(if may_try { format!("trying again: {error}") } else { format!("{BY_HAND}{error}") }))
    }

    /// Disarms, as the next step's undo does; the machine itself is left as it is.
    async fn undo(&self, context: &StepContext<'_>) -> Result<(), StepError> {
        Ok(context.world.rebuilds.end(&context.operation.id, context.now).await?)
    }
}

/// The reason for which the driver is not tried any more.
fn given_up(own: &StepProgress) -> Option<&str> {
    own.reason.as_deref().filter(|reason| own.status == StepStatus::Waiting && reason.starts_with(BY_HAND))
}

fn word(boot: NetworkBoot) -> &'static str {
    match boot {
        NetworkBoot::Confirmed => "confirmed",
        NetworkBoot::Woken => "woken",
        NetworkBoot::Switched => "switched",
    }
}

/// What is said while the machine is waited for, by what the step before could do.
pub(super) fn waiting_for_boot(context: &StepContext<'_>) -> &'static str {
    match context.progress.output(NAME)["boot"].as_str() {
        Some("confirmed") => "its BMC has started it from the network; waiting for it to ask for its script",
        Some("woken") => {
            "a wake-up was sent, which cannot restart a machine that runs; if it is on, restart it by hand and let it boot from the network"
        }
        Some("switched") => "its power was switched; it must boot from the network by its own boot order",
        Some(_) | None => "waiting for the machine to boot from the network; switch it on",
    }
}
