//! What a Redfish service says of one machine (`ComputerSystem`, DMTF DSP0268), read tolerantly.

use serde_json::Value;

use crate::domain::power::PowerState;

/// The action that switches.
const RESET: &str = "#ComputerSystem.Reset";

/// One machine as its BMC showed it a moment ago.
pub(super) struct System {
    pub(super) path: String,
    pub(super) entity_tag: Option<String>,
    value: Value,
}

impl System {
    pub(super) fn new(path: String, value: Value, header_tag: Option<String>) -> Self {
        let entity_tag = header_tag.or_else(|| value["@odata.etag"].as_str().map(str::to_owned));
        Self { path, entity_tag, value }
    }

    pub(super) fn power_state(&self) -> PowerState {
        match self.value["PowerState"].as_str() {
            Some("On" | "PoweringOn") => PowerState::On,
            Some("Off") => PowerState::Off,
            Some(_) | None => PowerState::Unknown,
        }
    }

    /// Whether the network may be chosen; a BMC that does not list its choices is tried.
    pub(super) fn can_boot_from_network(&self) -> bool {
        let known = self.value["Boot"]["BootSourceOverrideTarget@Redfish.AllowableValues"].as_array();
        known.is_none_or(|known| known.iter().any(|target| target == "Pxe"))
    }

    pub(super) fn boot_mode(&self) -> Option<String> {
        self.value["Boot"]["BootSourceOverrideMode"].as_str().map(str::to_owned)
    }

    pub(super) fn boot_target(&self) -> &str {
        self.value["Boot"]["BootSourceOverrideTarget"].as_str().unwrap_or("nothing")
    }

    /// Whether the next boot is from the network. The emulator of sushy-tools calls every override continuous.
    pub(super) fn will_boot_from_network(&self) -> bool {
        self.boot_target() == "Pxe" && self.value["Boot"]["BootSourceOverrideEnabled"] != "Disabled"
    }

    /// Where the machine is reset. A target outside the service is not followed: the password would go with it.
    pub(super) fn reset_path(&self) -> String {
        let target = self.value["Actions"][RESET]["target"].as_str().filter(|target| target.starts_with("/redfish/"));
        target.map_or_else(|| format!("{}/Actions/ComputerSystem.Reset", self.path), str::to_owned)
    }

    /// Whether a kind of reset is allowed. A machine that does not list them is taken to know the usual three.
    pub(super) fn knows_reset(&self, kind: &str) -> bool {
        match self.value["Actions"][RESET]["ResetType@Redfish.AllowableValues"].as_array() {
            Some(known) => known.iter().any(|known| known == kind),
            None => matches!(kind, "On" | "ForceOff" | "ForceRestart"),
        }
    }
}
