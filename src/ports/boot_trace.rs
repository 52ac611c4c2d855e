//! Where what was seen of booting machines goes.

use crate::domain::{boot_trace::Milestone, identity::MacAddress};

/// Takes milestones. It is called for packets, so it never blocks and never fails; what it cannot keep it drops and counts.
pub trait BootTrace: Send + Sync {
    /// Something was seen of the machine with this address, now.
    fn saw(&self, mac: MacAddress, milestone: Milestone);
}

/// Keeps nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoTrace;

impl BootTrace for NoTrace {
    fn saw(&self, _: MacAddress, _: Milestone) {}
}
