//! How one host is switched on and off.

use serde::{Deserialize, Serialize};

use super::host_options::OptionProblem;

/// How one host is switched on and off.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PowerOptions {}

impl PowerOptions {
    /// Returns every rule that these options break.
    pub fn check(&self) -> Vec<OptionProblem> {
        Vec::new()
    }
}
