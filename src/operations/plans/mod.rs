//! Every plan: a name and a straight list of steps.

mod rebuild_host;

/// One plan.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// Its name in operations.
    pub name: &'static str,
    /// The sentence that the dashboard shows.
    pub purpose: &'static str,
    /// The names of its steps, in order.
    pub steps: &'static [&'static str],
}

/// Every plan; one row each.
pub const PLANS: &[Plan] = &[rebuild_host::PLAN];

/// The plan of a rebuild.
pub const REBUILD_HOST: &Plan = &rebuild_host::PLAN;
