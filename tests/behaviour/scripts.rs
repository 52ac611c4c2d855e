//! The iPXE scripts as machines get them: whole files, and what can not get into one.

use std::{fs, path::Path, sync::Arc};

use rackseed::{
    catalog::{CatalogFolders, FolderCatalog},
    domain::{
        catalog::{ScriptName, ScriptValues},
        server_type::ServerType,
    },
    ports::Catalog,
};

use crate::support::clock::TestClock;

fn catalog() -> (tempfile::TempDir, FolderCatalog) {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let folders = CatalogFolders {
        answer_templates: path("answer-templates"),
        server_types: path("server-types"),
        ipxe: path("ipxe"),
    };
    let catalog = FolderCatalog::open(folders, Arc::new(TestClock::default())).unwrap();
    (folder, catalog)
}

fn values(uefi: bool) -> ScriptValues {
    ScriptValues {
        mac: "52:54:00:12:34:56".parse().unwrap(),
        hostname: "pve-01".parse().ok(),
        boot_url: "http://192.0.2.1:8081".into(),
        boot_token: Some("TOKEN".into()),
        kernel_command_line: Some(ServerType::sample().kernel_command_line()),
        uefi,
        message: "installing pve-01 on /dev/sda".into(),
    }
}

#[test]
fn every_script_is_what_the_fixtures_show() {
    let (_folder, catalog) = catalog();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/scripts");
    for script in ScriptName::ALL {
        for (firmware, uefi) in [("bios", false), ("uefi", true)] {
            let rendered = catalog.render_script(*script, &values(uefi)).unwrap();
            let path = folder.join(format!("{}-{firmware}.ipxe", script.word()));
            if std::env::var_os("RACKSEED_WRITE_FIXTURES").is_some() {
                fs::write(&path, &rendered).unwrap();
            }
            assert_eq!(rendered, fs::read_to_string(&path).unwrap(), "{}", path.display());
        }
    }
}

#[test]
fn every_script_says_what_it_is_for_ends_its_last_line_and_never_leaves_uefi_with_a_bare_exit() {
    let (_folder, catalog) = catalog();
    for script in ScriptName::ALL {
        let text = catalog.render_script(*script, &values(true)).unwrap();
        let mut lines = text.lines();
        assert_eq!(lines.next(), Some("#!ipxe"), "{script:?}");
        assert!(lines.next().unwrap().starts_with("# "), "{script:?}");
        assert!(text.ends_with('\n'), "{script:?}: iPXE does not run a last line without its end");
        let uefi_part = text.split(":uefi\n").last().unwrap();
        for line in uefi_part.lines().filter(|line| line.contains("exit")) {
            assert!(line.ends_with("exit 1"), "{script:?}: {line}");
        }
        assert!(text.contains("sanboot --no-describe --drive 0x80"), "{script:?} falls back to the disk");
    }
}

#[test]
fn the_installer_gets_the_kernel_words_of_the_decision_and_no_others() {
    let (_folder, catalog) = catalog();
    let text = catalog.render_script(ScriptName::Install, &values(false)).unwrap();
    let kernel = text.lines().find(|line| line.starts_with("kernel ")).unwrap();
    assert_eq!(
        kernel,
        "kernel --name proxmox-kernel http://192.0.2.1:8081/boot/TOKEN/linux26 ramdisk_size=16777216 rw quiet splash=silent \
         proxmox-start-auto-installer || goto failed"
    );
    assert!(text.contains("/installer.iso /proxmox.iso"), "the installer looks for /proxmox.iso");
    assert!(!text.contains("initrd="), "that word would end up on the node");
}

#[test]
fn no_value_becomes_a_command() {
    let (_folder, catalog) = catalog();
    for hostile in
        ["a\nreboot", "a\rreboot", "${net0/ip}", "a || reboot", "a && reboot", "a ; reboot", "# a", "a\u{1b}[2J"]
    {
        for place in ["message", "kernel", "token", "url"] {
            let mut values = values(false);
            match place {
                "message" => values.message = hostile.into(),
                "kernel" => values.kernel_command_line = Some(hostile.into()),
                "token" => values.boot_token = Some(hostile.into()),
                _ => values.boot_url = hostile.into(),
            }
            let refused = catalog.render_script(ScriptName::Install, &values);
            assert!(refused.is_err(), "{hostile:?} as {place} became {refused:?}");
        }
    }
    let mut harmless = values(false);
    harmless.message = "registered; it boots its own disk (#2)".into();
    assert!(catalog.render_script(ScriptName::Local, &harmless).is_ok());
}

#[test]
fn a_script_that_names_what_it_is_not_given_is_refused_before_it_is_used() {
    let (folder, catalog) = catalog();
    for (script, name) in
        [("local", "boot_token"), ("refuse", "kernel_command_line"), ("identify", "kernel_command_line")]
    {
        let file = folder.path().join(format!("ipxe/{script}.ipxe"));
        let good = fs::read_to_string(&file).unwrap();
        fs::write(&file, format!("{good}echo {{{{ {name} }}}}\n")).unwrap();
        let problem = catalog.reload().unwrap().problems[0].to_string();
        let line = good.lines().count() + 1;
        assert!(problem.starts_with(&format!("ipxe/{script}.ipxe:{line}: ")), "{problem}");
        fs::write(&file, good).unwrap();
        assert_eq!(catalog.reload().unwrap().problems, []);
    }
}

#[test]
fn a_script_without_its_first_line_or_with_a_name_of_nobody_is_refused() {
    let (folder, catalog) = catalog();
    fs::write(folder.path().join("ipxe/local.ipxe"), "echo hello\n").unwrap();
    fs::write(folder.path().join("ipxe/lokal.ipxe"), "#!ipxe\n").unwrap();
    fs::remove_file(folder.path().join("ipxe/refuse.ipxe")).unwrap();
    let problems: Vec<_> = catalog.reload().unwrap().problems.iter().map(ToString::to_string).collect();
    for expected in ["ipxe/local.ipxe:1: ", "ipxe/lokal.ipxe: ", "ipxe/refuse.ipxe: "] {
        assert!(problems.iter().any(|problem| problem.starts_with(expected)), "{expected} in {problems:?}");
    }
    assert_eq!(problems.len(), 3, "{problems:?}");
}
