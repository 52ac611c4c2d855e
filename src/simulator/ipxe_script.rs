//! The part of iPXE that a simulated machine needs: it follows `chain` and finds what `kernel`, `initrd` and `boot` would load.

/// The version that simulated machines name: new enough for UEFI.
pub(super) const VERSION: &str = "2.0.0+ (g0ab22)";

/// What a script makes the machine do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ScriptOutcome {
    /// Asks for another script.
    Chain(String),
    /// Waits, and then asks for another script.
    Wait(String),
    /// Boots what was loaded.
    Boot(Installer),
    /// Boots the local disk; the sentence that the script shows.
    LocalDisk(String),
}

/// What is booted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Installer {
    /// URL of the kernel.
    pub(super) kernel: String,
    /// The words after it.
    pub(super) command_line: String,
    /// URLs with the path under which each appears in the initial file system, if it has one.
    pub(super) initrds: Vec<(String, Option<String>)>,
}

/// Reads a script up to the first line that leaves it. Everything succeeds here, so what follows `||` is never reached.
pub(super) fn read_script(script: &str, platform: &str) -> Option<ScriptOutcome> {
    script.starts_with("#!ipxe").then_some(())?;
    let (mut installer, mut said, mut waits) = (Installer::default(), String::new(), false);
    for line in script.lines().map(|line| line.split("||").next().unwrap_or_default().trim()) {
        let processor = if platform == "efi" { "x86_64" } else { "i386" };
        let line = line.replace("${platform}", platform).replace("${version:uristring}", &uri_string(VERSION));
        let line = line.replace("${buildarch}", processor);
        let mut words = line.split_whitespace().skip_while(|word| *word == "--replace");
        match words.next() {
            Some("chain") => {
                let url = words.find(|word| !word.starts_with("--"))?.to_owned();
                return Some(if waits { ScriptOutcome::Wait(url) } else { ScriptOutcome::Chain(url) });
            }
            Some("kernel") => {
                let mut words = words.peekable();
                while words.next_if(|word| *word == "--name").is_some() {
                    words.next();
                }
                installer.kernel = words.next()?.to_owned();
                installer.command_line = words.collect::<Vec<_>>().join(" ");
            }
            Some("initrd") => installer.initrds.push((words.next()?.to_owned(), words.next().map(str::to_owned))),
            Some("boot") => return Some(ScriptOutcome::Boot(installer)),
            Some("sanboot" | "exit") => return Some(ScriptOutcome::LocalDisk(said)),
            Some("sleep") => waits = true,
            Some("echo") => said = words.collect::<Vec<_>>().join(" "),
            Some(_) | None => {}
        }
    }
    None
}

/// `:uristring`: everything but unreserved characters is escaped.
fn uri_string(text: &str) -> String {
    let escape = |byte: u8| {
        let is_plain = byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
        if is_plain { char::from(byte).to_string() } else { format!("%{byte:02X}") }
    };
    text.bytes().map(escape).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scripts_that_we_ship_are_followed_to_the_installer() {
        let identify = "#!ipxe\n# x\nchain --replace http://a/ipxe/m?b=t&platform=${platform}&version=${version:uristring}&arch=${buildarch} || goto failed\n";
        assert_eq!(
            read_script(identify, "efi"),
            Some(ScriptOutcome::Chain(
                "http://a/ipxe/m?b=t&platform=efi&version=2.0.0%2B%20%28g0ab22%29&arch=x86_64".into()
            ))
        );
        let install = "#!ipxe\necho x\nset tries:int32 0\n:again\nimgfree\nkernel --name proxmox-kernel http://a/k rw quiet || goto failed\n\
             initrd http://a/i || goto failed\ninitrd http://a/iso /proxmox.iso || goto failed\nboot || goto failed\n:failed\nexit\n";
        let Some(ScriptOutcome::Boot(installer)) = read_script(install, "pcbios") else { panic!("it boots") };
        assert_eq!((installer.kernel.as_str(), installer.command_line.as_str()), ("http://a/k", "rw quiet"));
        assert_eq!(
            installer.initrds,
            [("http://a/i".into(), None), ("http://a/iso".into(), Some("/proxmox.iso".into()))]
        );
        let local = "#!ipxe\necho Rackseed: it boots its own disk\niseq ${platform} efi && goto uefi ||\nsanboot --drive 0x80 || exit\n";
        assert_eq!(
            read_script(local, "pcbios"),
            Some(ScriptOutcome::LocalDisk("Rackseed: it boots its own disk".into()))
        );
    }
}
