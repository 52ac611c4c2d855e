//! A data folder on a disk of its own that can be filled. It is mounted in a namespace that a sleeping process keeps, so it outlives the
//! daemon, and nobody else on the machine sees it. It needs root.

use std::{
    fs::{self, File},
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

/// The image, the database, and a little.
const SIZE: &str = "size=16m";
/// The file that fills it.
const BALLAST: &str = "ballast";

/// The disk; gone when this is dropped.
pub(crate) struct SmallDisk {
    keeper: Child,
    data: PathBuf,
}

impl SmallDisk {
    /// Puts a disk under a folder, with everything that is in it.
    pub(crate) fn under(data: &Path) -> Self {
        let script = format!(
            "set -e; cp -a \"$0\" \"$0.before\"; mount -t tmpfs -o {SIZE} none \"$0\"; cp -a \"$0.before/.\" \"$0\"; echo mounted; exec sleep 1000"
        );
        let mut keeper = Command::new("unshare")
            .args(["--mount", "--propagation", "private", "sh", "-c", &script])
            .arg(data)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(keeper.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "mounted\n", "this test mounts a file system; run it as root: `sudo make test`");
        Self { keeper, data: data.to_owned() }
    }

    /// The same command, run where the disk is to be seen.
    pub(crate) fn inside(&self, command: &Command) -> Command {
        let mut inside = Command::new("nsenter");
        inside.args(["--mount", "--target", &self.keeper.id().to_string(), "--"]);
        inside.arg(command.get_program()).args(command.get_args());
        inside
    }

    /// Fills it to the last byte.
    pub(crate) fn fill(&self) {
        let mut ballast = File::create(self.path().join(BALLAST)).unwrap();
        for size in [1 << 16, 1 << 10, 1] {
            while ballast.write_all(&vec![0; size]).is_ok() {}
        }
    }

    /// Makes room again.
    pub(crate) fn free(&self) {
        fs::remove_file(self.path().join(BALLAST)).unwrap();
    }

    /// Copies the database to the folder below the disk, where everybody sees it.
    pub(crate) fn copy_database(&self) {
        for name in ["rackseed.db", "rackseed.db-wal"] {
            let _ = fs::remove_file(self.data.join(name));
            let _ = fs::copy(self.path().join(name), self.data.join(name));
        }
        let _ = fs::remove_file(self.data.join("rackseed.db-shm"));
    }

    /// Copies the token of the command line to the folder below the disk.
    pub(crate) fn copy_token(&self) {
        let name = "command-line-token";
        fs::copy(self.path().join(name), self.data.join(name)).unwrap();
    }

    /// The folder as the namespace sees it.
    fn path(&self) -> PathBuf {
        let root = PathBuf::from(format!("/proc/{}/root", self.keeper.id()));
        root.join(self.data.strip_prefix("/").unwrap())
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = self.keeper.kill();
        let _ = self.keeper.wait();
    }
}
