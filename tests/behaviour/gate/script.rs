//! The script of the gate in real shells, as sshd runs it: hostile words have nothing done, and good ones have exactly what they say.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::PathBuf,
    process::{Command, Output},
};

use tempfile::TempDir;

/// The script as it is installed.
pub(super) const SCRIPT: &str = include_str!("../../../src/operations/member/join-gate");
/// Debian's `sh` is dash; an operator may have made it bash.
const SHELLS: &[&str] = &["dash", "bash"];
/// Every program that the script may want, and some that only an attacker does.
const PROGRAMS: &[&str] = &[
    "awk",
    "cat",
    "chmod",
    "cp",
    "curl",
    "cut",
    "date",
    "find",
    "grep",
    "head",
    "id",
    "logger",
    "ls",
    "mktemp",
    "mv",
    "openssl",
    "perl",
    "printf",
    "pvecm",
    "pvesh",
    "python3",
    "rm",
    "rmdir",
    "sed",
    "sh",
    "sha256sum",
    "sleep",
    "sort",
    "ssh",
    "stat",
    "systemctl",
    "tail",
    "tee",
    "touch",
    "tr",
    "uname",
    "wc",
    "xargs",
];
const KEY: &str = "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQDpK5e7+d3qo/077dOELA==";

/// A member that is a folder, on which the script runs with recorders in the place of programs.
struct Member {
    folder: TempDir,
}

impl Member {
    fn new() -> Self {
        let member = Self { folder: tempfile::tempdir().unwrap() };
        for folder in ["etc/pve/priv", "etc/pve/nodes/pve-01", "root/.ssh", "usr/local/sbin", "fake", "tmp"] {
            fs::create_dir_all(member.path(folder)).unwrap();
        }
        fs::write(member.path("etc/pve/.members"), "{\"nodename\": \"pve-01\"}\n").unwrap();
        // As the installer leaves it: without a line break at the end.
        fs::write(member.path("etc/pve/priv/authorized_keys"), "ssh-rsa AAAAOTHER root@pve-01").unwrap();
        let script = member.path("usr/local/sbin/rackseed-join-gate");
        fs::write(&script, member.led()).unwrap();
        for program in PROGRAMS {
            let recorder = format!("#!/bin/sh\nprintf '%s\\n' \"{program} $*\" >> {}\n", member.path("ran").display());
            fs::write(member.path("fake").join(program), recorder).unwrap();
            fs::set_permissions(member.path("fake").join(program), fs::Permissions::from_mode(0o755)).unwrap();
        }
        member
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The script with the member's folder before its own files.
    fn led(&self) -> String {
        let folder = self.folder.path().display();
        let led =
            SCRIPT.replace("/etc/pve", &format!("{folder}/etc/pve")).replace("/root/", &format!("{folder}/root/"));
        led.replace("/usr/local/sbin/", &format!("{folder}/usr/local/sbin/"))
    }

    /// Runs the script as the forced command of a login.
    fn ask(&self, shell: &str, path: &str, asked: &str) -> Output {
        Command::new(format!("/bin/{shell}"))
            .arg(self.path("usr/local/sbin/rackseed-join-gate"))
            .env_clear()
            .env("PATH", path)
            .env("TMPDIR", self.path("tmp"))
            .env("LC_ALL", "en_US.UTF-8")
            .env("TZ", "Pacific/Kiritimati")
            .env("SSH_CLIENT", "192.0.2.7 4711 22")
            .env("SSH_ORIGINAL_COMMAND", asked)
            .output()
            .unwrap()
    }

    /// The same with recorders in the place of programs.
    fn ask_recorded(&self, shell: &str, asked: &str) -> (Option<i32>, Vec<String>) {
        let _ = fs::remove_file(self.path("ran"));
        let output = self.ask(shell, &self.path("fake").display().to_string(), asked);
        let ran = fs::read_to_string(self.path("ran")).unwrap_or_default();
        (output.status.code(), ran.lines().map(str::to_owned).collect())
    }

    /// The same with the programs of this machine, but `logger`.
    fn ask_really(&self, shell: &str, asked: &str) -> Output {
        let only = self.path("only-logger");
        fs::create_dir_all(&only).unwrap();
        fs::copy(self.path("fake/logger"), only.join("logger")).unwrap();
        self.ask(shell, &format!("{}:/usr/bin:/bin", only.display()), asked)
    }

    fn keys(&self) -> String {
        fs::read_to_string(self.path("etc/pve/priv/authorized_keys")).unwrap()
    }
}

/// What nobody may ask, and what a shell might make of it.
const HOSTILE: &[&str] = &[
    "",
    " ",
    "   \t ",
    "id",
    "sh",
    "-c id",
    "--",
    "-s",
    "members; rm -rf /",
    "members && id",
    "members | sh",
    "members & id",
    "members > /etc/passwd",
    "$(id)",
    "members $(id)",
    "`id`",
    "members\nid",
    "members\r\nid",
    "members\tid",
    "members\n",
    "\nmembers",
    "members\t",
    "authorise\nssh-rsa\nAAAAB3Nza\n30",
    "members *",
    "members ?",
    "members [a-z]",
    "members ~",
    "members {a,b}",
    "members !1",
    "members #",
    "members %s",
    "\"members\"",
    "'members'",
    "mem\\bers",
    "${IFS}members",
    "membérs",
    "members extra",
    "fingerprint ../../../etc/shadow",
    "Members",
    "MEMBERS",
    "authorise",
    "authorise ssh-rsa",
    "authorise ssh-rsa AAAAB3Nza",
    "authorise ssh-rsa AAAAB3Nza 30 extra",
    "authorise ssh-rsa AAAAB3Nza 0",
    "authorise ssh-rsa AAAAB3Nza 121",
    "authorise ssh-rsa AAAAB3Nza 999999999999999999999999",
    "authorise ssh-rsa AAAAB3Nza -5",
    "authorise ssh-rsa AAAAB3Nza 1e3",
    "authorise ssh-rsa AAAAB3Nza ten",
    "authorise ssh-rsa BBBB 30",
    "authorise ssh-rsa AAAA.B 30",
    "authorise ssh-dss AAAAB3Nza 30",
    "authorise -e AAAAB3Nza 30",
    "authorise command=/bin/sh AAAAB3Nza 30",
    "authorise restrict,pty AAAAB3Nza 30",
    "withdraw",
    "withdraw ssh-rsa .*",
    "withdraw ssh-rsa A",
    "withdraw ssh-rsa AAAA extra",
    "version -v",
    "retire",
    "retire ssh-ed25519",
    "retire ssh-ed25519 .",
    "retire -F /",
    "remove",
    "remove pve-02",
    "remove -f 10.0.0.2",
    "remove pve-02 10.0.0.2 extra",
    "remove pve_02 10.0.0.2",
    "remove pve-02 everything",
    "remove ../nodes 10.0.0.2",
    "remove . 10.0.0.2",
    "report ../../etc",
    "report -h",
    "report . .",
];

#[test]
fn hostile_words_have_nothing_done() {
    let long = format!("authorise ssh-rsa AAAA{} 30", "A".repeat(100_000));
    let many = "members ".repeat(50);
    for shell in SHELLS {
        let member = Member::new();
        let before = member.keys();
        for asked in HOSTILE.iter().copied().chain([long.as_str(), &many]) {
            let (status, ran) = member.ask_recorded(shell, asked);
            let shown: String = asked.chars().take(60).collect();
            assert_eq!(status, Some(64), "{shell} `{shown}` ran {ran:?}");
            assert!(
                ran.iter().all(|line| line.starts_with("logger -t rackseed-join-gate -- ")),
                "{shell} `{shown}`: {ran:?}"
            );
            assert!(
                ran.iter().any(|line| line.contains("refused: ") && line.ends_with("(from 192.0.2.7)")),
                "{shell} `{shown}`: {ran:?}"
            );
        }
        assert_eq!(member.keys(), before);
    }
}

#[test]
fn a_key_is_authorised_for_minutes_of_utc_and_withdrawn_without_touching_the_others() {
    for shell in SHELLS {
        let member = Member::new();
        let other = "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQDother=";
        for asked in [format!("authorise {KEY} 30"), format!("authorise {other} 5"), format!("authorise {KEY} 30")] {
            let output = member.ask_really(shell, &asked);
            assert!(output.status.success() && output.stdout.is_empty(), "{shell}: {output:?}");
        }
        let keys = member.keys();
        let lines: Vec<_> = keys.lines().collect();
        assert_eq!((lines.len(), lines[0]), (3, "ssh-rsa AAAAOTHER root@pve-01"), "{shell}: {keys}");
        let ours = lines.iter().find(|line| line.contains(KEY)).unwrap();
        let time = ours.strip_prefix("expiry-time=\"").unwrap().split('"').next().unwrap();
        let now = Command::new("date").args(["-u", "-d", "+30 minutes", "+%Y%m%d%H%M"]).output().unwrap();
        let now: i64 = String::from_utf8(now.stdout).unwrap().trim().parse().unwrap();
        let written: i64 = time.strip_suffix('Z').unwrap().parse().unwrap();
        assert!((0..=2).contains(&(now - written)) || now - written > 40, "{time}");
        // `ssh_merge_keys` of pve-cluster takes a line that ends in `ssh-rsa KEY WORD` for the node's own, and drops the real one after it.
        assert!(ours.ends_with(&format!("{KEY} rackseed join")), "{ours}");
        // What only begins like keys that are there is none of them.
        assert!(member.ask_really(shell, "withdraw ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQD").status.success());
        assert_eq!(member.keys(), keys);
        let output = member.ask_really(shell, &format!("withdraw {KEY}"));
        assert!(output.status.success(), "{output:?}");
        assert!(!member.keys().contains(KEY) && member.keys().contains(other) && member.keys().contains("AAAAOTHER"));
        // The line without a limit, which Proxmox writes in the join, is not ours to take away.
        fs::write(member.path("etc/pve/priv/authorized_keys"), format!("{KEY} root@pve-02\n")).unwrap();
        assert!(member.ask_really(shell, &format!("withdraw {KEY}")).status.success());
        assert_eq!(member.keys(), format!("{KEY} root@pve-02\n"));
    }
}

#[test]
fn a_full_disk_leaves_the_keys_as_they_were() {
    for shell in SHELLS {
        let member = Member::new();
        member.ask_really(shell, &format!("authorise {KEY} 30"));
        let before = member.keys();
        // What `grep` does when it cannot write.
        let grep = "#!/bin/sh\n[ \"$1\" != -v ] || exit 2\nexec /bin/grep \"$@\"\n";
        fs::write(member.path("only-logger/grep"), grep).unwrap();
        fs::set_permissions(member.path("only-logger/grep"), fs::Permissions::from_mode(0o755)).unwrap();
        let output = member.ask_really(shell, &format!("withdraw {KEY}"));
        assert_eq!(output.status.code(), Some(74), "{output:?}");
        assert_eq!(member.keys(), before);
    }
}

#[test]
fn retiring_takes_one_key_away_and_the_script_goes_with_the_last() {
    for shell in SHELLS {
        let member = Member::new();
        let file = member.path("usr/local/sbin/rackseed-join-gate");
        let line = |key: &str| format!("restrict,command=\"{}\" {key} rackseed-join-gate\n", file.display());
        let (ours, theirs) = ("ssh-ed25519 AAAAC3NzaOURS", "ssh-ed25519 AAAAC3NzaTHEIRS");
        let own_keys = member.path("root/.ssh/authorized_keys2");
        fs::write(&own_keys, format!("{}{}", line(ours), line(theirs))).unwrap();
        let sum = member.ask_really(shell, "version");
        let expected = Command::new("sha256sum").arg(&file).output().unwrap();
        assert_eq!(sum.stdout[..64], expected.stdout[..64]);
        assert!(member.ask_really(shell, "retire ssh-ed25519 AAAA").status.success());
        assert_eq!(fs::read_to_string(&own_keys).unwrap(), format!("{}{}", line(ours), line(theirs)));
        assert!(member.ask_really(shell, &format!("retire {ours}")).status.success());
        assert_eq!(fs::read_to_string(&own_keys).unwrap(), line(theirs));
        assert!(file.exists());
        assert!(member.ask_really(shell, &format!("retire {theirs}")).status.success());
        assert!(!own_keys.exists() && !file.exists());
    }
}

#[test]
fn the_script_has_nothing_that_shellcheck_warns_of() {
    let output = Command::new("shellcheck")
        .arg("--severity=warning")
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/src/operations/member/join-gate"))
        .output()
        .expect("shellcheck is there after .ci/install-packages");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}
