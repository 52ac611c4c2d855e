//! The rules of power options: every problem at once, each with its place.

use super::{
    host_options::OptionProblem,
    power::{
        IpmiOptions, PowerDriver, PowerOptions, RedfishOptions, SECRET_IN_URL, WakeOnLanOptions, WebhookOptions,
        fingerprint_bytes,
    },
};

/// The longest user name that IPMI knows, in bytes (IPMI 2.0 §22.28).
const LONGEST_IPMI_USER: usize = 16;
/// The longest URL that is kept, in bytes.
const LONGEST_URL: usize = 1000;

impl PowerOptions {
    /// Returns every rule that these options break.
    pub fn check(&self) -> Vec<OptionProblem> {
        let mut problems = Vec::new();
        let mut missing = |is_missing: bool, name: &str| {
            if is_missing {
                problems.push(OptionProblem::new(format!("power.{name}"), format!("the driver {name} needs it")));
            }
        };
        match self.driver {
            PowerDriver::None | PowerDriver::WakeOnLan => {}
            PowerDriver::Redfish => missing(self.redfish.is_none(), "redfish"),
            PowerDriver::Ipmi => missing(self.ipmi.is_none(), "ipmi"),
            PowerDriver::Webhook => missing(self.webhook.is_none(), "webhook"),
        }
        problems.extend(self.wake_on_lan.iter().flat_map(WakeOnLanOptions::check));
        problems.extend(self.redfish.iter().flat_map(RedfishOptions::check));
        problems.extend(self.ipmi.iter().flat_map(IpmiOptions::check));
        problems.extend(self.webhook.iter().flat_map(WebhookOptions::check));
        problems
    }
}

impl WakeOnLanOptions {
    fn check(&self) -> Vec<OptionProblem> {
        let at = |field: &str, rule: &str| OptionProblem::new(format!("power.wake_on_lan.{field}"), rule);
        let mut problems = Vec::new();
        if self.port == 0 {
            problems.push(at("port", "0 is no port; 9 is the usual one"));
        }
        let is_name = |name: &str| (1..=15).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_graphic());
        if self.interface.as_deref().is_some_and(|name| !is_name(name)) {
            problems.push(at("interface", "that is no name of an interface; `ip link` lists them"));
        }
        problems
    }
}

impl RedfishOptions {
    fn check(&self) -> Vec<OptionProblem> {
        let at = |field: &str, rule: String| OptionProblem::new(format!("power.redfish.{field}"), rule);
        let mut problems = Vec::new();
        if let Some(rule) = url_problem(&self.url, false) {
            problems.push(at("url", rule));
        } else if !self.url.starts_with("https://") && !self.user.is_empty() {
            problems.push(at("url", "a password may only go over https".into()));
        } else if self.url.contains(['?', '#']) {
            problems.push(at("url", "name the BMC only: https://10.0.0.9".into()));
        }
        if self.user.contains(':') || has_control(&self.user) {
            problems.push(at("user", "a user name has no colon and no control character".into()));
        }
        if self.system.as_deref().is_some_and(|system| !is_path(system)) {
            problems.push(at("system", "write the id of the system, or its path below /redfish/v1/Systems/".into()));
        }
        problems.extend(fingerprint_problem("power.redfish", self.certificate_fingerprint.as_deref()));
        problems
    }
}

impl IpmiOptions {
    fn check(&self) -> Vec<OptionProblem> {
        let at = |field: &str, rule: &str| OptionProblem::new(format!("power.ipmi.{field}"), rule);
        let mut problems = Vec::new();
        let is_address = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | ':' | '_');
        if self.address.is_empty()
            || self.address.len() > 253
            || self.address.starts_with('-')
            || !self.address.chars().all(is_address)
        {
            problems.push(at("address", "write the address or name of the BMC, without a port: 10.0.0.9"));
        }
        if self.port == 0 {
            problems.push(at("port", "0 is no port; 623 is the usual one"));
        }
        if self.user.is_empty()
            || self.user.len() > LONGEST_IPMI_USER
            || self.user.starts_with('-')
            || !self.user.bytes().all(|byte| byte.is_ascii_graphic())
        {
            problems.push(at("user", "IPMI users have 1 to 16 ASCII characters without spaces"));
        }
        if self.cipher_suite.is_some_and(|suite| !matches!(suite, 3 | 8 | 12 | 17)) {
            problems.push(at("cipher_suite", "choose 17 (SHA-256) or 3 (SHA-1); the others do not encrypt"));
        }
        problems
    }
}

impl WebhookOptions {
    fn check(&self) -> Vec<OptionProblem> {
        let at = |field: &str, rule: String| OptionProblem::new(format!("power.webhook.{field}"), rule);
        let mut problems = Vec::new();
        let urls = [
            ("on_url", Some(&self.on_url)),
            ("off_url", self.off_url.as_ref()),
            ("status_url", self.status_url.as_ref()),
        ];
        for (field, url) in urls {
            problems.extend(url.and_then(|url| url_problem(url, true)).map(|rule| at(field, rule)));
        }
        if self.status_url.is_some() && self.status_on.as_deref().unwrap_or_default().is_empty() {
            problems
                .push(at("status_on", "status_url needs the text that its answer holds when the machine is on".into()));
        }
        for (name, value) in &self.headers {
            let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
            let lower = name.to_ascii_lowercase();
            if matches!(lower.as_str(), "authorization" | "proxy-authorization" | "cookie") {
                let rule = "options are shown to operators; store the secret with `rackseed host power-secret`";
                problems.push(at(&format!("headers.{name}"), rule.into()));
            } else if name.is_empty() || !name.bytes().all(is_token) || has_control(value) {
                problems.push(at(&format!("headers.{name}"), "that is no header of HTTP".into()));
            }
        }
        if self.user.as_deref().is_some_and(|user| user.is_empty() || user.contains(':') || has_control(user)) {
            problems.push(at("user", "a user name has no colon and no control character".into()));
        }
        problems.extend(fingerprint_problem("power.webhook", self.certificate_fingerprint.as_deref()));
        problems
    }
}

fn fingerprint_problem(part: &str, fingerprint: Option<&str>) -> Option<OptionProblem> {
    fingerprint.filter(|text| fingerprint_bytes(text).is_none()).map(|_| {
        let rule = "a SHA-256 fingerprint has 64 hexadecimal digits, with colons or without";
        OptionProblem::new(format!("{part}.certificate_fingerprint"), rule)
    })
}

/// What is wrong with a URL. Only a webhook's may have `{secret}` in it.
fn url_problem(url: &str, may_hold_secret: bool) -> Option<String> {
    let written = if may_hold_secret { url.replace(SECRET_IN_URL, "secret") } else { url.to_owned() };
    let Some(rest) = written.strip_prefix("https://").or_else(|| written.strip_prefix("http://")) else {
        return Some("write a URL that begins with https:// or http://".into());
    };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if authority.contains('@') {
        return Some("no password belongs in a URL; store it with `rackseed host power-secret`".into());
    }
    let is_plain = written.bytes().all(|byte| byte.is_ascii_graphic() && !b"<>\"{}\\^`|".contains(&byte));
    if authority.is_empty() || written.len() > LONGEST_URL || !is_plain || url.split('/').nth(2)?.contains('{') {
        return Some("that is no URL".into());
    }
    None
}

fn is_path(text: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/-._~:".contains(&byte);
    !text.is_empty()
        && text.len() <= 200
        && text.bytes().all(is_plain)
        && !text.contains("..")
        && !text.starts_with("//")
}

fn has_control(text: &str) -> bool {
    text.chars().any(char::is_control)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn problems(options: serde_json::Value) -> Vec<String> {
        let options: PowerOptions = serde_json::from_value(options).unwrap();
        options.check().into_iter().map(|problem| problem.path).collect()
    }

    #[test]
    fn every_problem_is_named_at_once_with_its_place() {
        let wrong = json!({
            "driver": "redfish",
            "wake_on_lan": { "port": 0, "interface": "a name that is too long" },
            "redfish": { "url": "http://10.0.0.9", "user": "root", "system": "../Managers/1", "certificate_fingerprint": "ab" },
            "ipmi": { "address": "-I open", "port": 0, "user": "", "cipher_suite": 0 },
            "webhook": {
                "on_url": "ftp://plug", "off_url": "http://me:secret@plug/", "status_url": "http://plug/status",
                "headers": { "Authorization": "Bearer x", "bad name": "x" }, "certificate_fingerprint": "zz"
            }
        });
        let expected = [
            "wake_on_lan.port",
            "wake_on_lan.interface",
            "redfish.url",
            "redfish.system",
            "redfish.certificate_fingerprint",
            "ipmi.address",
            "ipmi.port",
            "ipmi.user",
            "ipmi.cipher_suite",
            "webhook.on_url",
            "webhook.off_url",
            "webhook.status_on",
            "webhook.headers.Authorization",
            "webhook.headers.bad name",
            "webhook.certificate_fingerprint",
        ];
        assert_eq!(problems(wrong), expected.map(|path| format!("power.{path}")));
    }

    #[test]
    fn a_driver_needs_its_own_part_and_wake_on_lan_needs_none() {
        for driver in ["redfish", "ipmi", "webhook"] {
            assert_eq!(problems(json!({ "driver": driver })), [format!("power.{driver}")]);
        }
        assert_eq!(problems(json!({ "driver": "wake_on_lan" })), [] as [&str; 0]);
        assert_eq!(problems(json!({})), [] as [&str; 0]);
    }

    #[test]
    fn what_people_really_write_is_taken() {
        let fingerprint = "AB:".repeat(31) + "AB";
        assert_eq!(fingerprint_bytes(&fingerprint), Some([0xab; 32]));
        assert_eq!(fingerprint_bytes(&"ab".repeat(33)), None);
        let right = json!({
            "driver": "webhook",
            "wake_on_lan": { "mac": "52:54:00:12:34:56", "broadcast": "10.0.0.255", "interface": "vmbr0.20" },
            "redfish": { "url": "https://[fd00::9]:8443/", "user": "root", "system": "/redfish/v1/Systems/System.Embedded.1",
                         "certificate_fingerprint": fingerprint, "boot_mode": "uefi" },
            "ipmi": { "address": "bmc-1.home.arpa", "user": "ADMIN", "cipher_suite": 17 },
            "webhook": { "on_url": "http://plug/cm?user=admin&password={secret}&cmnd=Power%20On", "method": "GET",
                         "status_url": "http://plug/status", "status_on": "\"ON\"", "headers": { "X-Plug": "1" } }
        });
        assert_eq!(problems(right), [] as [&str; 0]);
        assert_eq!(problems(json!({ "webhook": { "on_url": "http://{secret}/on" } })), ["power.webhook.on_url"]);
    }
}
