//! A real OpenSSH server on loopback, with its files in a folder of the test; it ends when it is dropped.

use std::{
    fs,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

/// A running server.
pub(crate) struct Sshd {
    child: Child,
    log: PathBuf,
    pub(crate) address: SocketAddr,
}

impl Sshd {
    /// Starts with these lines of configuration, which name its host keys and key files.
    pub(crate) fn start(folder: &Path, configuration: &str) -> Self {
        let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
        let common = "PidFile none\nStrictModes no\nUsePAM no\nPermitRootLogin yes\nPasswordAuthentication no\n";
        let (file, log) = (folder.join("sshd_config"), folder.join("log"));
        fs::write(&file, format!("ListenAddress {address}\n{common}{configuration}")).unwrap();
        // The server wants its privilege separation folder when it runs as root; Debian makes it at boot.
        let _ = fs::create_dir_all("/run/sshd");
        let child = Command::new("/usr/sbin/sshd")
            .args(["-D", "-f"])
            .arg(file)
            .arg("-E")
            .arg(&log)
            .stdin(Stdio::null())
            .spawn()
            .expect("these tests need Debian's package openssh-server");
        let server = Self { child, log, address };
        server.log_once_it_says("Server listening on");
        server
    }

    /// Its log, once these words stand there.
    pub(crate) fn log_once_it_says(&self, words: &str) -> String {
        let end = Instant::now() + Duration::from_secs(10);
        loop {
            let log = fs::read_to_string(&self.log).unwrap_or_default();
            if log.contains(words) {
                return log;
            }
            assert!(Instant::now() < end, "sshd did not say `{words}`:\n{log}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
