//! What the answer of one host says beyond its template and server type.

use serde::{Deserialize, Serialize};

use super::host_options::OptionProblem;

/// What the answer of one host says beyond its template and server type.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AnswerOptions {}

impl AnswerOptions {
    /// Returns every rule that these options break.
    pub fn check(&self) -> Vec<OptionProblem> {
        Vec::new()
    }
}
