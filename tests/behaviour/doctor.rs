//! `rackseed doctor` asks real networks as machines would, and names who stands in the way and what to change there.

use std::{fs, process::Command};

use serde_json::Value;
use tempfile::TempDir;

use crate::support::namespaces::{Namespace, Program};

/// A network of two computers: ours, and one on which DHCP and boot servers run.
struct Lan {
    ours: Namespace,
    other: Namespace,
    folder: TempDir,
}

impl Lan {
    fn new() -> Self {
        let (ours, other) = (Namespace::new(), Namespace::new());
        ours.cable("eth0", &other, "eth0");
        ours.ip("address add 10.92.0.2/24 brd + dev eth0");
        other.ip("address add 10.92.0.1/24 brd + dev eth0");
        let folder = TempDir::new().unwrap();
        let settings = format!(
            "data_folder: {}\npxe:\n  interface: eth0\ncredentials:\n  root_password_hash: '$6$rounds=5000$abcdefgh$abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdef12'\n",
            folder.path().join("data").display()
        );
        fs::write(folder.path().join("rackseed.yaml"), settings).unwrap();
        Self { ours, other, folder }
    }

    /// A real dnsmasq on the other computer.
    fn dnsmasq(&self, more: &[&str]) -> Program {
        let words = [
            "--no-daemon",
            "--conf-file=/dev/null",
            "--port=0",
            "--user=root",
            "--pid-file=",
            "--leasefile-ro",
            "--no-ping",
        ];
        let program = self.other.program("dnsmasq", &[&words[..], more].concat());
        self.other.wait_for_port(67);
        program
    }

    /// What the doctor says of the network: verdict and sentence.
    fn doctor(&self, more: &[&str]) -> Vec<(String, String)> {
        let output = self.ours.enter(|| {
            let mut doctor = Command::new(env!("CARGO_BIN_EXE_rackseed"));
            doctor.arg("--config").arg(self.folder.path().join("rackseed.yaml")).args(["--json", "doctor"]).args(more);
            doctor.output().unwrap()
        });
        let findings: Value =
            serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"));
        let text = |finding: &Value, key: &str| finding[key].as_str().unwrap().to_owned();
        let about_lan = findings.as_array().unwrap().iter().filter(|finding| finding["check"] == "LAN");
        about_lan.map(|finding| (text(finding, "verdict"), text(finding, "detail"))).collect()
    }
}

const ADDRESSES: &str = "--dhcp-range=10.92.0.50,10.92.0.60,1h";

fn says(findings: &[(String, String)], verdict: &str, parts: &[&str]) {
    let found = findings.iter().any(|(said, detail)| said == verdict && parts.iter().all(|part| detail.contains(part)));
    assert!(found, "no {verdict} with {parts:?} in {findings:#?}");
}

#[test]
fn a_network_without_a_dhcp_server_is_a_problem_and_a_plain_one_is_good() {
    let lan = Lan::new();
    says(&lan.doctor(&[]), "problem", &["no DHCP server answered"]);
    let _dnsmasq = lan.dnsmasq(&[ADDRESSES]);
    let findings = lan.doctor(&[]);
    says(&findings, "ok", &["10.92.0.1", "leaves booting to us"]);
    assert_eq!(findings.len(), 1, "{findings:#?}");
}

#[test]
fn a_dhcp_server_with_a_boot_file_or_with_option_60_is_named_with_what_to_change_there() {
    let lan = Lan::new();
    let stray = lan.dnsmasq(&[ADDRESSES, "--dhcp-boot=wrong.efi"]);
    let cures =
        ["`wrong.efi`", "BIOS, UEFI", "iPXE", "`dhcp-boot=`", "MikroTik: `/ip dhcp-server", "options 066 and 067"];
    says(&lan.doctor(&[]), "warning", &cures);
    drop(stray);
    let _claims = lan.dnsmasq(&[ADDRESSES, "--dhcp-option-force=60,PXEClient"]);
    says(&lan.doctor(&[]), "problem", &["option 60 (PXEClient)", "4011", "[find code=60]", "option 060"]);
}

#[test]
fn a_rival_boot_server_is_found_and_so_is_one_whose_port_4011_is_blocked() {
    let lan = Lan::new();
    let services =
        ["--dhcp-range=10.92.0.0,proxy", "--pxe-service=x86PC,rival,nothing", "--pxe-service=X86-64_EFI,rival,nothing"];
    let _rival = lan.dnsmasq(&services);
    let findings = lan.doctor(&[]);
    says(&findings, "problem", &["10.92.0.1 is another boot server", "BIOS", "UEFI", "boot.discovery=direct"]);
    assert!(!findings.iter().any(|(_, detail)| detail.contains("PXE-E16")), "its port answers: {findings:#?}");
    let rules = lan.folder.path().join("rules");
    fs::write(
        &rules,
        "table inet wall {\n chain in {\n type filter hook input priority 0;\n udp dport 4011 drop\n }\n}\n",
    )
    .unwrap();
    let status = lan.other.enter(|| Command::new("nft").arg("--file").arg(&rules).status().unwrap());
    assert!(status.success());
    says(&lan.doctor(&[]), "problem", &["10.92.0.1 leads UEFI machines to its port 4011", "open UDP 4011"]);
}

#[test]
fn asked_as_a_host_that_is_not_armed_the_doctor_says_that_we_are_silent() {
    let lan = Lan::new();
    let findings = lan.doctor(&["--as", "52:54:00:77:00:01"]);
    says(&findings, "warning", &["we offer 52:54:00:77:00:01 nothing", "doctor --mac"]);
}
