//! How one host boots from the network, where that differs from what its firmware usually wants.

use serde::{Deserialize, Serialize};

use super::host_options::OptionProblem;

/// How one host boots from the network, where that differs from what its firmware usually wants.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BootOptions {}

impl BootOptions {
    /// Returns every rule that these options break.
    pub fn check(&self) -> Vec<OptionProblem> {
        Vec::new()
    }
}
