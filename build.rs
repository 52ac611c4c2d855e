//! Rebuilds when a migration is added: the macro that embeds them notices edits, but not new files. Tells the program what built it: the
//! same compiler says the same, so that a build stays reproducible.

use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=migrations");
    println!("cargo::rerun-if-env-changed=RACKSEED_COMMIT");
    let variable = |name| std::env::var(name).unwrap_or_else(|_| "unknown".to_owned());
    let compiler = Command::new(variable("RUSTC")).arg("--version").output().ok();
    let compiler = compiler.and_then(|output| String::from_utf8(output.stdout).ok()).unwrap_or_default();
    println!("cargo::rustc-env=RACKSEED_COMPILER={}", compiler.trim());
    println!("cargo::rustc-env=RACKSEED_TARGET={}", variable("TARGET"));
}
