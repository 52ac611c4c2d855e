//! The detached `pvecm` process on the node: how it is started, and how we learn what became of it.
//!
//! `pvecm` ends with status 0 on nearly every failure, and dies half-way when its SSH channel closes (seen on a real cluster). So it runs
//! detached with its output in a file, and only the node's own state says whether it succeeded.

/// Where the process leaves its traces; gone with the next reboot, which also ends the process.
const FOLDER: &str = "/run/rackseed-join";

/// What became of the process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum JoinProcess {
    /// None was started, or its end was told already.
    Absent,
    /// It runs; the last line that it said.
    Running(String),
    /// It ended, saying this.
    Ended(String),
}

/// The command that tells what became of the process.
pub(super) fn look() -> String {
    format!(
        "cd /; if [ -e {FOLDER}/ended ]; then echo ended; tail -n 12 {FOLDER}/log; \
         elif [ -e {FOLDER}/pid ] && kill -0 \"$(cat {FOLDER}/pid)\" 2>/dev/null; then echo running; tail -n 1 {FOLDER}/log; \
         elif [ -e {FOLDER}/pid ]; then echo ended; tail -n 12 {FOLDER}/log; echo 'the process is gone without a word'; else echo absent; fi"
    )
}

/// Reads what [`look`] said.
pub(super) fn read(output: &str) -> JoinProcess {
    let (word, said) = output.split_once('\n').unwrap_or((output, ""));
    match word.trim() {
        "running" => JoinProcess::Running(said.trim().to_owned()),
        "ended" => JoinProcess::Ended(said.trim().to_owned()),
        _ => JoinProcess::Absent,
    }
}

/// The command that forgets a process that ended.
pub(super) fn forget() -> String {
    format!("rm -rf {FOLDER}")
}

/// The command that starts `pvecm ARGUMENTS` detached. Its standard input is the one line that it reads from ours (a password, or
/// nothing), through a pipe: never in arguments, environment or a file.
pub(super) fn start(arguments: &str) -> String {
    format!(
        "cd / && umask 077 && mkdir {FOLDER} && {{ IFS= read -r line || true; \
         printf '%s\\n' \"$line\" | setsid sh -c 'echo $$ > {FOLDER}/pid; pvecm {arguments} > {FOLDER}/log 2>&1; : > {FOLDER}/ended' > /dev/null 2>&1 & }}; \
         for i in 1 2 3 4 5 6 7 8 9 10; do [ -e {FOLDER}/pid ] && exit 0; sleep 0.2; done; exit 1"
    )
}

/// The command that tells what the node sees of its cluster.
pub(super) const VIEW: &str = "cat /etc/pve/.members || { getent ahostsv4 \"$(uname -n)\" | grep -qv '^127\\.' \
     || echo 'the node cannot resolve its own name; correct its /etc/hosts, then start pve-cluster there' >&2; exit 1; }";

/// The command that starts the cluster filesystem of a node whose join broke off while it was stopped. Only for a process that is known to
/// have ended: on a member that is just booting, the files that it removes are the membership.
pub(super) const REVIVE: &str = "cd /; if [ ! -e /etc/pve/.members ] && ! systemctl -q is-active pve-cluster; then systemctl stop corosync 2>/dev/null; \
     rm -f /etc/corosync/corosync.conf /etc/corosync/authkey; systemctl start pve-cluster; fi; true";

/// The command that makes a half-joined fresh node stand alone again (`pvecm` left the cluster's files, but the node is no member).
pub(super) const RECOVER: &str = "cd /; if [ -e /etc/corosync/corosync.conf ] || [ -e /etc/corosync/authkey ]; then systemctl stop corosync 2>/dev/null; \
     rm -f /etc/corosync/corosync.conf /etc/corosync/authkey; systemctl start pve-cluster; fi; cat /etc/pve/.members";

/// pmxcfs lets go of a lock whose owner died after 120 s, and nobody may delete it before.
const LOCKED: &str =
    "the cluster's configuration is locked by a change that did not end; Proxmox lets go of it after two minutes";

/// What `pvecm` says when it fails, what that means, and whether trying again by itself may help (pve-cluster `PVE/Cluster/Setup.pm`,
/// `PVE/CLI/pvecm.pm`, `PVE/API2/ClusterConfig.pm`; seen on a real cluster).
const FAILURES: &[(&str, &str, bool)] = &[
    (
        "401 Unauthorized",
        "the member refused root's password; put the right one into the file of proxmox.root_password_file, then retry",
        false,
    ),
    (
        "TFA-enabled login",
        "root of the member has two-factor login, which works only at a terminal; use proxmox.key_file",
        false,
    ),
    (
        "not verified, abort",
        "the member's certificate is not the one of proxmox.join_fingerprint; compare both, correct the setting, then retry",
        false,
    ),
    ("Connection refused", "the member does not answer on its API port 8006; is pveproxy running there?", true),
    ("unable to copy ssh ID", "the node could not log in to the member by SSH; see the log on the node", false),
    ("Unable to resolve node name", "the node cannot resolve its own name; correct its /etc/hosts", false),
    ("failed to get address info", "the node cannot resolve its own name; correct its /etc/hosts, then retry", false),
    (
        "links, but only",
        "the cluster's corosync has more links than the node was given; give the new node the same ones",
        false,
    ),
    (
        "wasn't specified for new node",
        "the cluster's corosync has more links than the node was given; give the new node the same ones",
        false,
    ),
    ("can't rsync data", "the member's configuration changed in the middle of the join", true),
    ("already contains virtual guests", "the node already has guests; only a fresh node can join", false),
    (
        "can't add existing node",
        "the cluster still lists a node of this name; remove it there with `pvecm delnode`, then retry",
        false,
    ),
    ("no quorum", "the cluster has no quorum; bring its nodes online", true),
    ("lock request timeout", LOCKED, true),
    ("got timeout", LOCKED, true),
    ("Check if node may join a cluster failed", "the node may not join", false),
];

/// Turns what `pvecm` said into a sentence, and tells whether trying again may help.
pub(super) fn explain(said: &str) -> (String, bool) {
    let quote = crate::operations::cluster_access::last_lines(said);
    match FAILURES.iter().find(|(pattern, ..)| said.contains(pattern)) {
        Some((_, sentence, may_pass)) => (format!("{sentence} (pvecm said: {quote})"), *may_pass),
        None => (format!("pvecm ended and the node is no member (pvecm said: {quote})"), false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_password_is_for_a_person_and_a_lock_is_not() {
        assert!(!explain("Please enter superuser (root) password for '10.0.0.1':\n401 Unauthorized").1);
        assert!(explain("cfs-lock 'file-corosync_conf' error: got lock request timeout").1);
    }

    #[test]
    fn the_process_runs_detached_and_its_end_is_told() {
        let place = tempfile::tempdir().unwrap();
        let folder = place.path().join("join");
        let path = format!("{}:/usr/bin:/bin", place.path().display());
        let pvecm = place.path().join("pvecm");
        std::fs::write(&pvecm, "#!/bin/sh\nread line\necho \"$* got ${#line} characters\"\n").unwrap();
        std::os::unix::fs::PermissionsExt::set_mode(&mut std::fs::metadata(&pvecm).unwrap().permissions(), 0o755);
        std::fs::set_permissions(&pvecm, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        let run = |command: String, input: &str| {
            let script = command.replace(FOLDER, &folder.display().to_string());
            let mut child = std::process::Command::new("sh")
                .args(["-c", &script])
                .env("PATH", &path)
                .stdin(std::process::Stdio::piped())
                .stdout(std::process::Stdio::piped())
                .spawn()
                .unwrap();
            std::io::Write::write_all(&mut child.stdin.take().unwrap(), input.as_bytes()).unwrap();
            let output = child.wait_with_output().unwrap();
            String::from_utf8(output.stdout).unwrap()
        };
        assert_eq!(read(&run(look(), "")), JoinProcess::Absent);
        run(start("add 10.0.0.1"), "secret\n");
        let ended = (0..50).map(|_| {
            std::thread::sleep(std::time::Duration::from_millis(50));
            read(&run(look(), ""))
        });
        let ended = ended.into_iter().find(|process| matches!(process, JoinProcess::Ended(_)));
        assert_eq!(ended, Some(JoinProcess::Ended("add 10.0.0.1 got 6 characters".into())));
        run(forget(), "");
        assert_eq!(read(&run(look(), "")), JoinProcess::Absent);
    }
}
