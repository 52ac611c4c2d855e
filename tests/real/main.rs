//! The real thing: QEMU machines with blank disks boot through Rackseed in network namespaces of their own, beside a foreign DHCP server, are
//! installed by a stand-in of Proxmox's installer, and become members of a cluster of stand-in nodes through real sshd.
//!
//! It needs root (namespaces, bridges) and the packages of `.ci/install-packages`. It never skips: where it cannot run it fails.

mod breadth;
mod capture;
mod iso;
mod lab;
mod machine;
mod program;
mod rackseed;
mod story;
