//! Tells the Infrastructure service of the node; off when there is none. While the service fails, the host is not ready and says why.

use std::time::Duration;

use async_trait::async_trait;

use crate::{
    operations::{Outcome, Step, StepContext, StepError, StepKind, World},
    ports::HostRecord,
};

/// The step.
pub(super) struct RegisterHost;

#[async_trait]
impl Step for RegisterHost {
    fn name(&self) -> &'static str {
        "register_host"
    }

    fn kind(&self) -> StepKind {
        StepKind::ForwardOnly
    }

    /// Short of the patience of `joining`, so that the operation parks with the service's own words.
    fn deadline(&self, _world: &World) -> Duration {
        Duration::from_secs(10 * 60)
    }

    fn skip(&self) -> Option<&'static str> {
        Some("the inventory service is not told of this node; tell it yourself, nothing will do it later")
    }

    async fn perform(&self, context: &StepContext<'_>) -> Result<Outcome, StepError> {
        let (world, host) = (context.world, &context.host);
        if !world.infrastructure.is_on() {
            return Ok(Outcome::DONE);
        }
        let ip = host.address.ok_or_else(|| StepError::lasting("the node's address is not known"))?;
        let server_type = host.server_type.as_str();
        let record = HostRecord {
            hostname: host.hostname.clone(),
            mac: host.mac,
            ip,
            hardware_id: host.hardware_id.clone().unwrap_or_default(),
            server_type: world.server_type_map.get(server_type).cloned().unwrap_or_else(|| server_type.to_owned()),
        };
        world.infrastructure.register(&record).await?;
        Ok(Outcome::DONE)
    }
}
