//! Rebuilds when a migration is added: the macro that embeds them notices edits, but not new files.

fn main() {
    println!("cargo::rerun-if-changed=migrations");
}
