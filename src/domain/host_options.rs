//! What an operator chose for one host, beyond its server type.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{answer_options::AnswerOptions, boot_options::BootOptions, identity::ImageId, power::PowerOptions};

/// The choices of one host. Every one of them may be absent: then the server type, or the default, decides.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HostOptions {
    /// How it boots from the network.
    pub boot: BootOptions,
    /// What its answer says.
    pub answer: AnswerOptions,
    /// How it is switched on.
    pub power: PowerOptions,
    /// The image that it is installed from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image: Option<ImageId>,
}

/// One option that breaks a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OptionProblem {
    /// Its path, such as `answer.network.cidr`.
    pub path: String,
    /// The rule and what to do.
    pub rule: String,
}

impl OptionProblem {
    /// A problem at a path.
    pub fn new(path: impl Into<String>, rule: impl Into<String>) -> Self {
        Self { path: path.into(), rule: rule.into() }
    }
}

impl HostOptions {
    /// Returns every rule that the options break by themselves; none means that they may be kept.
    pub fn check(&self) -> Vec<OptionProblem> {
        [self.boot.check(), self.answer.check(), self.power.check()].concat()
    }

    /// Applies a merge patch (RFC 7396): what is named is changed, `null` takes a choice back, the rest stays.
    ///
    /// # Errors
    /// Every problem of the result; nothing is changed then.
    pub fn patched(&self, patch: &Value) -> Result<Self, Vec<OptionProblem>> {
        let unreadable = |error: serde_json::Error| vec![OptionProblem::new("options", error.to_string())];
        let mut merged = serde_json::to_value(self).map_err(unreadable)?;
        merge(&mut merged, patch);
        let options: Self = serde_json::from_value(merged).map_err(unreadable)?;
        let problems = options.check();
        if problems.is_empty() { Ok(options) } else { Err(problems) }
    }
}

/// RFC 7396 §2, to the letter.
fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(changes) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = Value::Object(serde_json::Map::new());
    }
    let Value::Object(fields) = target else { return };
    for (name, change) in changes {
        if change.is_null() {
            fields.remove(name);
        } else {
            merge(fields.entry(name.clone()).or_insert(Value::Null), change);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_merge_patch_changes_what_it_names_and_null_takes_it_back() {
        for (before, patch, after) in [
            (json!({"a": "b"}), json!({"a": "c"}), json!({"a": "c"})),
            (json!({"a": "b"}), json!({"a": null}), json!({})),
            (json!({"a": {"b": "c"}}), json!({"a": {"b": "d", "c": null}}), json!({"a": {"b": "d"}})),
            (json!({"a": [1, 2]}), json!({"a": [3]}), json!({"a": [3]})),
            (json!({}), json!({"a": {"b": {"c": null}}}), json!({"a": {"b": {}}})),
        ] {
            let mut merged = before;
            merge(&mut merged, &patch);
            assert_eq!(merged, after);
        }
    }

    #[test]
    fn an_unknown_option_is_refused_by_its_name() {
        let problems = HostOptions::default().patched(&json!({"bot": {}})).unwrap_err();
        assert!(problems[0].rule.contains("bot"), "{problems:?}");
        let options = HostOptions::default().patched(&json!({"image": "pve-9.2-1-8b29d67c"})).unwrap();
        assert_eq!(options.image.as_ref().map(ImageId::as_str), Some("pve-9.2-1-8b29d67c"));
        assert_eq!(options.patched(&json!({"image": null})).unwrap(), HostOptions::default());
    }
}
