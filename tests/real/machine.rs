//! A bare machine in QEMU: one virtio disk, one virtio network card, BIOS or UEFI, a serial line into a file.

use std::{
    fs::{self, File},
    net::Ipv4Addr,
    path::PathBuf,
    process::Command,
    time::Duration,
};

use crate::{
    capture::dhcp_packets_from,
    lab::{FAR, Lab, NEAR},
    program::{Program, read_log, run, wait_until},
};

/// Disk size; Proxmox asks before it uses less than 8 GiB. The file is sparse.
const DISK_BYTES: u64 = 10 << 30;
/// Memory: four times the ISO and half a gibibyte are enough (UEFI), and this is more.
const MEMORY: &str = "1024";
/// UEFI firmware and its empty variables (package ovmf).
const UEFI_CODE: &str = "/usr/share/OVMF/OVMF_CODE_4M.fd";
const UEFI_VARIABLES: &str = "/usr/share/OVMF/OVMF_VARS_4M.fd";
/// How long a system may take to say on the serial line that it is up, firmware included. Seen under emulation: 50 s.
const UP_LIMIT: Duration = Duration::from_secs(240);
/// How long the system may take to shut down.
const DOWN_LIMIT: Duration = Duration::from_secs(90);
/// What the system says on the serial line.
const UP: &str = " is up from its disk, boot ";
/// What the stand-in installer says there first.
const INSTALLER_RUNS: &str = "STAND-IN: installer started, ";
/// What is said there when nothing can come of it any more: by the stand-in installer, by the firmware's shell.
const HOPELESS: &[&str] = &["STAND-IN: FAILED", "Shell> "];

/// What a machine's firmware is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Firmware {
    /// The BIOS of QEMU, network first and then disk, with the iPXE of its network card.
    Bios,
    /// OVMF with its own PXE, disk first and then network: with the network first it gives up on a server that is silent only after minutes.
    Uefi,
    /// OVMF with nothing but its HTTP boot.
    UefiHttp,
}

/// A machine. Its disk outlives its power.
pub(crate) struct Machine<'a> {
    lab: &'a Lab,
    /// Its name, also of its files.
    pub(crate) name: &'static str,
    /// Its MAC address.
    pub(crate) mac: String,
    firmware: Firmware,
    card: &'static str,
    power: Option<Program>,
    power_ons: u32,
}

impl<'a> Machine<'a> {
    /// A machine with a blank disk that is off. `number` makes its addresses its own.
    pub(crate) fn new(lab: &'a Lab, name: &'static str, number: u8, firmware: Firmware) -> Self {
        let machine = Self {
            lab,
            name,
            mac: format!("52:54:00:77:00:{number:02x}"),
            firmware,
            card: "virtio-net-pci",
            power: None,
            power_ons: 0,
        };
        lab.add_port(name);
        lab.plug(name, NEAR);
        File::create(machine.file("disk")).and_then(|file| file.set_len(DISK_BYTES)).expect("a disk");
        fs::copy(UEFI_VARIABLES, machine.file("uefi-variables")).expect("UEFI variables");
        machine
    }

    /// With another network card, by QEMU's name for it.
    pub(crate) fn with_card(self, card: &'static str) -> Self {
        Self { card, ..self }
    }

    /// Behind the relay.
    pub(crate) fn far(self) -> Self {
        self.lab.plug(self.name, FAR);
        self
    }

    fn file(&self, kind: &str) -> PathBuf {
        self.lab.folder.join(format!("{}.{kind}", self.name))
    }

    /// What the machine said on its serial line since its last power-on.
    fn console(&self) -> PathBuf {
        self.file(&format!("{}.console", self.power_ons))
    }

    /// What went over its network card since its last power-on.
    fn capture(&self) -> PathBuf {
        self.file(&format!("{}.pcap", self.power_ons))
    }

    /// When, in seconds of the Unix epoch, a DHCP packet from this server to this machine came since its last power-on.
    pub(crate) fn dhcp_packets_from(&self, server: Ipv4Addr) -> Vec<u32> {
        dhcp_packets_from(server, &self.mac, &self.capture())
    }

    /// Presses the power button of a machine that is off.
    pub(crate) fn power_on(&mut self) {
        self.power_ons += 1;
        let (disk_index, card_index, option_rom) = match self.firmware {
            Firmware::Bios => (2, 1, ""),
            Firmware::Uefi | Firmware::UefiHttp => (1, 2, ",romfile="),
        };
        let mut qemu = self.lab.in_lan("qemu-system-x86_64");
        qemu.args(["-accel", "tcg,thread=multi", "-cpu", "max", "-m", MEMORY, "-display", "none", "-monitor", "none"]);
        qemu.args(["-nodefaults", "-vga", "std", "-device", "virtio-rng-pci"]);
        if self.firmware == Firmware::UefiHttp {
            for family in ["IPv4", "IPv6"] {
                qemu.args(["-fw_cfg", &format!("name=opt/org.tianocore/{family}PXESupport,string=n")]);
            }
        }
        if self.firmware != Firmware::Bios {
            qemu.args(["-machine", "q35", "-drive", &format!("if=pflash,format=raw,readonly=on,file={UEFI_CODE}")]);
            qemu.args(["-drive", &format!("if=pflash,format=raw,file={}", self.file("uefi-variables").display())]);
        }
        qemu.args(["-smbios", &format!("type=1,manufacturer=Rackseed,product=lab,serial={}", self.name)]);
        qemu.args(["-serial", &format!("file:{}", self.console().display())]);
        qemu.args(["-drive", &format!("file={},format=raw,if=none,id=disk", self.file("disk").display())]);
        qemu.args(["-device", &format!("virtio-blk-pci,drive=disk,serial={},bootindex={disk_index}", self.name)]);
        qemu.args(["-netdev", &format!("tap,id=net,ifname={},script=no,downscript=no,vnet_hdr=off", self.name)]);
        qemu.args([
            "-device",
            &format!("{},netdev=net,mac={},bootindex={card_index}{option_rom}", self.card, self.mac),
        ]);
        qemu.args(["-object", &format!("filter-dump,id=dump,netdev=net,maxlen=400,file={}", self.capture().display())]);
        self.power = Some(Program::start(&mut qemu, &self.file("qemu.log")));
    }

    /// Pulls the plug.
    pub(crate) fn power_off(&mut self) {
        self.power = None;
    }

    /// Shuts the system down by SSH and waits until the machine is off.
    pub(crate) fn shut_down(&mut self, address: &str) {
        let _ = self.ssh(address, "systemctl poweroff").output();
        self.power.as_mut().expect("a machine that is on").wait(DOWN_LIMIT);
        self.power = None;
    }

    /// Waits until the system on the disk says that it is up, and returns which boot that is.
    pub(crate) fn wait_until_up(&mut self) -> String {
        let what = format!("{} to be up from its disk", self.name);
        wait_until(UP_LIMIT, &what, || {
            self.check();
            read_log(&self.console()).contains(UP)
        });
        let said = read_log(&self.console());
        said.rsplit_once(UP).map(|(_, boot)| boot.trim().to_owned()).unwrap_or_default()
    }

    /// Waits until the stand-in installer says that it runs, from its ISO.
    pub(crate) fn wait_until_the_installer_runs(&self) {
        let what = format!("{} to run its installer", self.name);
        wait_until(UP_LIMIT, &what, || read_log(&self.console()).contains(INSTALLER_RUNS));
    }

    /// Panics with the console's last lines if the machine is off or its installer failed.
    pub(crate) fn check(&mut self) {
        let console = read_log(&self.console());
        let is_on = self.power.as_mut().is_some_and(Program::is_running);
        if !is_on || HOPELESS.iter().any(|words| console.contains(words)) {
            let lines: Vec<_> = console.lines().collect();
            let qemu = read_log(&self.file("qemu.log"));
            panic!("{} failed:\n{}\n{qemu}", self.name, lines[lines.len().saturating_sub(25)..].join("\n"));
        }
    }

    fn ssh(&self, address: &str, line: &str) -> Command {
        let mut ssh = self.lab.in_server("ssh");
        ssh.arg("-i").arg(self.lab.folder.join("operator-key")).args([
            "-o",
            "BatchMode=yes",
            "-o",
            "ConnectTimeout=20",
        ]);
        ssh.args(["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR"]);
        ssh.args([&format!("root@{address}"), line]);
        ssh
    }

    /// Runs a command on the installed system with the operator's own key.
    pub(crate) fn ask(&self, address: &str, line: &str) -> String {
        run(&mut self.ssh(address, line))
    }
}
