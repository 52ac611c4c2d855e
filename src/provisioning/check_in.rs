//! What the installer and the installed system report: the first-boot script's fetch, the webhook, the phone-home.
//!
//! A repeat of this rebuild's own event is answered as before and changes nothing, also after the rebuild has ended: a refused webhook
//! parks the machine. What is of another host or an older rebuild is refused.

use std::{net::Ipv4Addr, sync::Arc};

use jiff::SignedDuration;

use super::{
    MachineUrls, OwnCertificate,
    first_boot_script::FirstBootScript,
    host_keeper::{HostKeeper, KeeperError, Move},
    refusal::{Refusal, RefusalLog},
    tokens::hash_token,
};
use crate::{
    domain::{
        boot_trace::Milestone,
        host::{Host, HostFacts},
        host_lifecycle::{self, HostEvent, HostState},
        identity::HostId,
        installer::{InstallReport, PhoneHomeReport},
        live_event::{NewLiveEvent, Topic},
        masking::Masker,
        rebuild::{Rebuild, RebuildMarks, TokenPurpose},
    },
    ports::{BootTrace, Clock, LedgerError, RebuildLedger},
};

/// How many lines of a log are shown when a machine fails, the last ones.
const LINES_SHOWN: usize = 12;
/// How many characters of them.
const LONGEST_TAIL: usize = 1_500;
/// For how long the same report is a repeat of the same failure: a call that was not heard is made again within this time.
const REPEATS_FOR: SignedDuration = SignedDuration::from_mins(2);

/// Hears the machines.
pub struct CheckIn {
    /// Keeps states.
    pub keeper: Arc<HostKeeper>,
    /// Rebuilds and tokens.
    pub rebuilds: Arc<dyn RebuildLedger>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Tells of refused tokens.
    pub refusals: Arc<RefusalLog>,
    /// Where machines find us.
    pub urls: MachineUrls,
    /// What the first-boot script must trust.
    pub certificate: OwnCertificate,
    /// Is told what machines report.
    pub trace: Arc<dyn BootTrace>,
}

impl CheckIn {
    /// Returns the first-boot script; the installer fetches it right after it has read its answer.
    pub async fn first_boot_script(
        &self,
        host: &HostId,
        token: &str,
        peer: Ipv4Addr,
        our: Ipv4Addr,
    ) -> Result<String, Refusal> {
        let (host, rebuild) = self.identify(host, token, TokenPurpose::FirstBootScript, peer).await?;
        let Some(tokens) = self.keeper.tokens(&rebuild)? else {
            return Err(Refusal::Forbidden(format!("the rebuild of {} has ended", host.hostname)));
        };
        if rebuild.marks.answered_at.is_none() {
            return Err(self.before_its_turn(&host, TokenPurpose::FirstBootScript, peer).await);
        }
        let marks = RebuildMarks { first_boot_fetched_at: Some(self.clock.now()), ..RebuildMarks::default() };
        self.keeper.mark(&rebuild.operation, &marks, Some(&hash_token(token)), None).await?;
        self.trace.saw(host.mac, Milestone::FirstBootScriptFetched);
        let token = tokens.token(TokenPurpose::PhoneHome);
        let callback = |what| self.urls.callback(our, &host.id, what, &token);
        let script = FirstBootScript {
            certificate: &self.certificate,
            phone_home_url: &callback("phone-home"),
            failed_url: &callback("failed"),
            public_key: &rebuild.public_key,
        };
        Ok(script.render())
    }

    /// Takes the post-installation webhook: the new SSH host keys.
    pub async fn installed(
        &self,
        host: &HostId,
        token: &str,
        report: &InstallReport,
        peer: Ipv4Addr,
    ) -> Result<(), Refusal> {
        let (host, rebuild) = self.identify(host, token, TokenPurpose::Installed, peer).await?;
        if rebuild.marks.answered_at.is_none() {
            return Err(self.before_its_turn(&host, TokenPurpose::Installed, peer).await);
        }
        if rebuild.marks.installed_at.is_some() {
            return Ok(());
        }
        if rebuild.ended_at.is_some() {
            let marks = RebuildMarks { installed_at: Some(self.clock.now()), ..RebuildMarks::default() };
            return self.note_late(&host, &rebuild, &marks, token, "the end of its installation").await;
        }
        self.keeper.learn(&host.id, |hardware| hardware.learn_from_webhook(report)).await;
        self.trace.saw(host.mac, Milestone::Installed);
        let key = report.ed25519_host_key();
        let name = report.fqdn.split('.').next().unwrap_or_default();
        let is_other = !name.is_empty() && !name.eq_ignore_ascii_case(host.hostname.as_str());
        // Only a name from DHCP can be another one; the cluster is asked for the node by its registered name.
        let misnamed = is_other.then(|| {
            format!(
                "the DHCP server named this node `{name}`, and it is registered as `{}`; correct its reservation (option 12), then rebuild",
                host.hostname
            )
        });
        let refused = misnamed.or_else(|| {
            key.is_none().then(|| {
            "the installer could not read the new system's Ed25519 host key, so the node cannot be recognised; look at its console, then rebuild".to_owned()
        })
        });
        let marks = RebuildMarks { installed_at: Some(self.clock.now()), refused, ..RebuildMarks::default() };
        let facts = HostFacts { ssh_host_key: key, ..HostFacts::default() };
        self.report(&host, &rebuild, HostEvent::InstallReported, facts, marks, token).await
    }

    /// Takes the phone-home of the installed system.
    pub async fn phone_home(
        &self,
        host: &HostId,
        token: &str,
        report: &PhoneHomeReport,
        peer: Ipv4Addr,
    ) -> Result<(), Refusal> {
        let (host, rebuild) = self.identify(host, token, TokenPurpose::PhoneHome, peer).await?;
        if rebuild.marks.phoned_home_at.is_some() {
            return Ok(());
        }
        if rebuild.ended_at.is_some() {
            let marks = RebuildMarks { phoned_home_at: Some(self.clock.now()), ..RebuildMarks::default() };
            return self.note_late(&host, &rebuild, &marks, token, "its first boot").await;
        }
        if rebuild.marks.installed_at.is_none() {
            return Err(self.before_its_turn(&host, TokenPurpose::PhoneHome, peer).await);
        }
        self.keeper.learn(&host.id, |hardware| hardware.learn_from_first_boot(report)).await;
        self.trace.saw(host.mac, Milestone::PhonedHome);
        let marks = RebuildMarks { phoned_home_at: Some(self.clock.now()), ..RebuildMarks::default() };
        let facts = HostFacts {
            address: Some(report.address),
            hardware_id: Some(report.hardware_id.chars().take(64).collect()),
            ..HostFacts::default()
        };
        self.report(&host, &rebuild, HostEvent::PhonedHome, facts, marks, token).await
    }

    /// Takes the machine's own word that something in it failed: the last lines of a log. The operation stops with them at once. What comes
    /// after the first boot was heard, or once more, changes nothing.
    pub async fn failed(&self, host: &HostId, token: &str, log: &str, peer: Ipv4Addr) -> Result<(), Refusal> {
        let purposes = [TokenPurpose::PhoneHome, TokenPurpose::Installed];
        let (host, rebuild, purpose) = self.identify_any(host, token, &purposes, peer).await?;
        if rebuild.marks.answered_at.is_none() {
            return Err(self.before_its_turn(&host, purpose, peer).await);
        }
        let (now, said) = (self.clock.now(), self.last_lines(&rebuild, log));
        let is_repeat = rebuild
            .marks
            .reported_failure
            .as_ref()
            .is_some_and(|(at, known)| *known == said && now.duration_since(*at).abs() < REPEATS_FOR);
        let is_too_late = match purpose {
            TokenPurpose::Installed => rebuild.marks.installed_at.is_some(),
            TokenPurpose::PhoneHome | TokenPurpose::Boot | TokenPurpose::Answer | TokenPurpose::FirstBootScript => {
                rebuild.marks.phoned_home_at.is_some()
            }
        };
        if is_repeat || is_too_late {
            return Ok(());
        }
        let late = if rebuild.ended_at.is_some() { " after its rebuild had ended" } else { "" };
        let feed = NewLiveEvent {
            topic: Topic::Warning,
            host: Some(host.id.clone()),
            operation: Some(rebuild.operation.clone()),
            message: format!("{} reported a failure{late}: {said}", host.hostname),
        };
        let marks = RebuildMarks { reported_failure: Some((now, said)), ..RebuildMarks::default() };
        self.keeper.mark(&rebuild.operation, &marks, None, Some(&feed)).await?;
        Ok(())
    }

    /// The last lines of a log as one sentence, without the secrets that the machine may know.
    fn last_lines(&self, rebuild: &Rebuild, log: &str) -> String {
        let tokens = self.keeper.tokens(rebuild).ok().flatten();
        let secrets = tokens.iter().flat_map(|tokens| TokenPurpose::ALL.iter().map(|purpose| tokens.token(*purpose)));
        let log = Masker::new(secrets).mask(log);
        let plain: String = log.chars().map(|c| if c.is_control() && c != '\n' { ' ' } else { c }).collect();
        let lines: Vec<_> = plain.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        let tail = lines[lines.len().saturating_sub(LINES_SHOWN)..].join(" / ");
        let skipped = tail.chars().count().saturating_sub(LONGEST_TAIL);
        let tail: String = tail.chars().skip(skipped).collect();
        if tail.is_empty() { "it said nothing of the cause; look at its console".to_owned() } else { tail }
    }

    /// Records a report of a rebuild that has ended: it is told, and nothing else changes.
    async fn note_late(
        &self,
        host: &Host,
        rebuild: &Rebuild,
        marks: &RebuildMarks,
        token: &str,
        what: &str,
    ) -> Result<(), Refusal> {
        let feed = NewLiveEvent {
            topic: Topic::Host,
            host: Some(host.id.clone()),
            operation: Some(rebuild.operation.clone()),
            message: format!("{} reported {what} after its rebuild had ended; nothing follows from it", host.hostname),
        };
        self.keeper.mark(&rebuild.operation, marks, Some(&hash_token(token)), Some(&feed)).await?;
        Ok(())
    }

    /// Records a report: with a move of the host where the table has one, else as a mark alone (the operator may have cancelled).
    async fn report(
        &self,
        host: &Host,
        rebuild: &Rebuild,
        event: HostEvent,
        facts: HostFacts,
        marks: RebuildMarks,
        token: &str,
    ) -> Result<(), Refusal> {
        let spends = hash_token(token);
        let is_current = host.operation.as_ref() == Some(&rebuild.operation);
        if !is_current || host_lifecycle::next(host.state, event).is_err() {
            self.keeper.mark(&rebuild.operation, &marks, Some(&spends), None).await?;
            return Ok(());
        }
        let details =
            Move { facts, marks: Some((rebuild.operation.clone(), marks)), spends: Some(spends), ..Move::default() };
        match self.keeper.apply(host, event, details).await {
            // Two reports at once: the other one was recorded, and it said the same.
            Ok(_) | Err(KeeperError::Ledger(LedgerError::Conflict)) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    async fn identify(
        &self,
        host: &HostId,
        token: &str,
        purpose: TokenPurpose,
        peer: Ipv4Addr,
    ) -> Result<(Host, Rebuild), Refusal> {
        let (host, rebuild, _) = self.identify_any(host, token, &[purpose], peer).await?;
        Ok((host, rebuild))
    }

    async fn identify_any(
        &self,
        host: &HostId,
        token: &str,
        purposes: &[TokenPurpose],
        peer: Ipv4Addr,
    ) -> Result<(Host, Rebuild, TokenPurpose), Refusal> {
        let record = self.rebuilds.token(&hash_token(token)).await?;
        let record = record.filter(|record| record.host == *host && purposes.contains(&record.purpose));
        let known = match record {
            Some(record) => self.rebuilds.rebuild(&record.operation).await?.zip(Some(record.purpose)),
            None => None,
        };
        let Some((rebuild, purpose)) = known else {
            let purpose = purposes.first().copied().unwrap_or(TokenPurpose::PhoneHome);
            self.refusals.tell(Some(host), purpose, peer, "a token that is of no current rebuild of this host").await;
            return Err(Refusal::Forbidden("this token belongs to another host or to an older rebuild; press Rebuild on the host's page to start afresh".into()));
        };
        Ok((self.keeper.host(host).await?, rebuild, purpose))
    }

    async fn before_its_turn(&self, host: &Host, purpose: TokenPurpose, peer: Ipv4Addr) -> Refusal {
        let why = format!("{} is `{}`: this report came before its turn", host.hostname, host.state.label());
        self.refusals.tell(Some(&host.id), purpose, peer, &why).await;
        match host.state {
            HostState::Installing => Refusal::NotNow(why),
            HostState::Registered
            | HostState::PxeReady
            | HostState::PxeBooted
            | HostState::Installed
            | HostState::FirstBoot
            | HostState::Joining
            | HostState::Ready
            | HostState::Failed => Refusal::Forbidden(why),
        }
    }
}
