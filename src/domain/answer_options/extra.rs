//! Answer keys of one host: they are put into an answer that is good otherwise, and read as the installer reads it.

use serde_json::{Map, Value, json};

use crate::domain::{
    answer_file::{AnswerFile, NEWEST_DIALECT},
    host_options::OptionProblem,
};

/// Keys that another option, or the daemon, has.
const ELSEWHERE: &[(&str, &str)] = &[
    ("post-installation-webhook", "is the daemon's to set"),
    ("first-boot", "is the daemon's to set"),
    ("global.fqdn", "is made of the host's name and `answer.domain`"),
    ("global.root-password", "is not kept here; set it in the template, better as root-password-hashed"),
    ("global.root-password-hashed", "is not kept here; set it in the template or the settings"),
    ("global.subscription-key", "has an option of its own: `answer.subscription_key`"),
    ("disk-setup.filesystem", "has an option of its own: `answer.disks.filesystem`"),
    ("disk-setup.disk-list", "has an option of its own: `answer.disks.select`"),
    ("disk-setup.filter", "has an option of its own: `answer.disks.select`"),
    ("disk-setup.filter-match", "has an option of its own: `answer.disks.select`"),
];

/// Returns every rule that the keys break, whatever the template says.
pub(super) fn check(extra: &Map<String, Value>) -> Vec<OptionProblem> {
    if extra.is_empty() {
        return Vec::new();
    }
    let keys = kebab(extra);
    let is_there = |path: &str| path.split('.').try_fold(&keys, |place, name| place.get(name)).is_some();
    let problems: Vec<_> = ELSEWHERE
        .iter()
        .filter(|(path, _)| is_there(path))
        .map(|(path, rule)| OptionProblem::new(format!("answer.extra.{path}"), *rule))
        .collect();
    if !problems.is_empty() {
        return problems;
    }
    let mut file = good_file(&keys);
    merge(&mut file, &keys);
    let file: AnswerFile = match serde_json::from_value(file) {
        Ok(file) => file,
        Err(error) => return vec![OptionProblem::new("answer.extra", error.to_string())],
    };
    let mut problems = Vec::new();
    for problem in file.check(NEWEST_DIALECT) {
        let (key, rule) = problem.split_once(' ').unwrap_or((&problem, ""));
        problems.push(OptionProblem::new(format!("answer.extra.{key}"), rule));
    }
    problems
}

/// A file that is good but for what is put into it.
fn good_file(keys: &Value) -> Value {
    let options = |name: &str| keys["disk-setup"].get(name).is_some();
    let (filesystem, raid) = match (options("zfs"), options("btrfs")) {
        (true, _) => ("zfs", json!({ "zfs": { "raid": "raid0" } })),
        (false, true) => ("btrfs", json!({ "btrfs": { "raid": "raid0" } })),
        (false, false) => ("ext4", json!({})),
    };
    let mut file = json!({
        "global": {
            "country": "us", "fqdn": "node.home.arpa", "keyboard": "en-us", "mailto": "root@home.arpa", "timezone": "UTC",
            "root-password-hashed": "$6$salt$hash",
        },
        "network": { "source": "from-dhcp" },
        "disk-setup": { "filesystem": filesystem, "filter": { "ID_SERIAL": "x" } },
    });
    merge(&mut file["disk-setup"], &raid);
    file
}

fn merge(target: &mut Value, source: &Value) {
    match (target, source) {
        (Value::Object(target), Value::Object(source)) => {
            for (key, value) in source {
                merge(target.entry(key.clone()).or_insert(Value::Null), value);
            }
        }
        (target, source) => *target = source.clone(),
    }
}

/// Spells keys in kebab-case; udev properties and MAC addresses stay as they are.
fn kebab(keys: &Map<String, Value>) -> Value {
    let spelled = keys.iter().map(|(key, value)| {
        let inner = value.as_object().filter(|_| !matches!(key.as_str(), "filter" | "mapping"));
        let value = inner.map_or_else(|| value.clone(), kebab);
        (key.replace('_', "-"), value)
    });
    Value::Object(spelled.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(extra: Value) -> Vec<String> {
        let Value::Object(extra) = extra else { panic!("an object") };
        check(&extra).into_iter().map(|problem| format!("{}: {}", problem.path, problem.rule)).collect()
    }

    #[test]
    fn keys_are_read_as_the_installer_reads_them() {
        for good in [
            json!({"global": {"keyboard": "de", "reboot_mode": "power-off", "root-ssh-keys": ["ssh-ed25519 AAAA x"]}}),
            json!({"disk-setup": {"zfs": {"raid": "raid0", "ashift": 13, "compress": "zstd", "hdsize": 80.5, "arc-max": 1024}}}),
            json!({"disk_setup": {"lvm": {"swapsize": 4, "maxroot": 20}}}),
            json!({"disk-setup": {"btrfs": {"compress": "zstd"}}}),
            json!({"network": {"interface-name-pinning": {"enabled": true, "mapping": {"52:54:00:12:34:56": "mgmt0"}}}}),
        ] {
            assert_eq!(problems(good.clone()), Vec::<String>::new(), "{good}");
        }
        for (bad, complaint) in [
            (json!({"first-boot": {}}), "answer.extra.first-boot: is the daemon's"),
            (json!({"global": {"fqdn": "a.b"}}), "answer.extra.global.fqdn"),
            (json!({"global": {"root_password": "12345678"}}), "answer.extra.global.root-password"),
            (json!({"disk-setup": {"disk_list": ["/dev/sda"]}}), "answer.extra.disk-setup.disk-list"),
            (json!({"surprise": {}}), "surprise"),
            (json!({"global": {"surprise": 1}}), "surprise"),
            (json!({"global": {"keyboard": "xx"}}), "answer.extra.global.keyboard"),
            (json!({"global": {"keyboard": 1}}), "answer.extra"),
            (json!({"disk-setup": {"zfs": {"ashift": 99}}}), "answer.extra.disk-setup.zfs.ashift"),
            (json!({"network": {"source": "from-answer"}}), "answer.extra.network"),
        ] {
            let found = problems(bad.clone());
            assert!(found.len() == 1 && found[0].contains(complaint), "{bad}: {found:?}");
        }
    }
}
