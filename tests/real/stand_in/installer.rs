//! Stands in for Proxmox's installer: runs in the RAM disk of a machine that booted from the network, speaks the real protocol to whoever its
//! ISO names, and installs a small Debian system onto the disk that the answer names. It is an example so that no release contains it.
#![allow(clippy::print_stdout, reason = "its console is the serial line that the test reads")]
#![allow(clippy::disallowed_methods, reason = "it is a program of its own, without a clock port")]

mod answer;
mod machine;
mod target;

use std::{fs, process::ExitCode};

use anyhow::{Context, bail};
use rackseed::simulator::installer_client::{
    AnswerSource, Installed, ModeFile, Release, call_webhook, fetch_answer, fetch_first_boot_script, install_report,
    system_report,
};

use crate::{answer::Answer, target::Target};

fn main() -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let result = runtime.map_err(anyhow::Error::from).and_then(|runtime| runtime.block_on(install()));
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("STAND-IN: ERROR: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn say(what: &str) {
    let uptime = fs::read_to_string("/proc/uptime").unwrap_or_default();
    println!("STAND-IN: [{}] {what}", uptime.split(' ').next().unwrap_or_default());
}

/// The order of the real one: answer, first-boot script, checks, disk, webhook.
async fn install() -> anyhow::Result<()> {
    let text = fs::read_to_string("/cdrom/auto-installer-mode.toml")
        .context("no /auto-installer-mode.toml on the ISO, so that a real machine would stop at a shell")?;
    let mode = ModeFile::parse(&text)?;
    if mode.mode != AnswerSource::Http {
        bail!("the mode file asks for {:?}, and this installer only knows http", mode.mode);
    }
    let release = read_release()?;
    let machine = machine::read()?;
    say(&format!("asking for the answer, from {}", machine::lease()?.address));
    let answer_text = fetch_answer(&mode.http, &system_report(&release, &machine)).await?;
    let answer = Answer::parse(&answer_text)?;
    say(&format!("answer received for {}", answer.global.fqdn));
    let script = match &answer.first_boot {
        Some(first_boot) => {
            Some(fetch_first_boot_script(first_boot.url()?, first_boot.cert_fingerprint.as_deref()).await?)
        }
        None => None,
    };
    let plan = answer.check(&machine::disks()?)?;
    say(&format!("installing onto {}", plan.disk.display()));
    let lease = machine::lease()?;
    let target = Target::write(&plan.disk, "/cdrom/pve-base.img.zst")?;
    say("the disk is written");
    let machine_id = target.customise(&plan, &lease, script.as_deref())?;
    let host_keys = target.make_host_keys()?;
    target.finish()?;
    say("the system is installed");
    if let Some(webhook) = &answer.post_installation_webhook {
        let installed = Installed {
            fqdn: answer.global.fqdn.clone(),
            machine_id,
            address: format!("{}/{}", lease.address, lease.prefix),
            management_interface: lease.interface,
            is_efi: fs::exists("/sys/firmware/efi")?,
            host_keys,
        };
        let report = install_report(&release, &machine, &installed);
        call_webhook(&webhook.url, webhook.cert_fingerprint.as_deref(), &report).await?;
        say("the webhook was heard");
    }
    Ok(())
}

/// `.cd-info` is shell: `NAME='value'` lines.
fn read_release() -> anyhow::Result<Release> {
    let text = fs::read_to_string("/cdrom/.cd-info").context("the ISO has no .cd-info")?;
    let value = |key: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
        line.map(|value| value.trim_matches('\'').to_owned()).with_context(|| format!(".cd-info has no {key}"))
    };
    Ok(Release { release: value("RELEASE")?, iso_release: value("ISORELEASE")? })
}
