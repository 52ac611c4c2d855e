//! What the installer and the installed system report: the first-boot script's fetch, the webhook, the phone-home.
//!
//! A repeat of this rebuild's own event is answered as before and changes nothing, also after the rebuild has ended: a refused webhook
//! parks the machine. What is of another host or an older rebuild is refused.

use std::{net::Ipv4Addr, sync::Arc};

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
        rebuild::{Rebuild, RebuildMarks, TokenPurpose},
    },
    ports::{BootTrace, Clock, LedgerError, RebuildLedger},
};

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
        let url = self.urls.callback(our, &host.id, "phone-home", &tokens.token(TokenPurpose::PhoneHome));
        Ok(FirstBootScript { certificate: &self.certificate, phone_home_url: &url, public_key: &rebuild.public_key }
            .render())
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
        if rebuild.ended_at.is_some() || rebuild.marks.installed_at.is_some() {
            return Ok(());
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
        if rebuild.ended_at.is_some() || rebuild.marks.phoned_home_at.is_some() {
            return Ok(());
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
        let record = self.rebuilds.token(&hash_token(token)).await?;
        let record = record.filter(|record| record.host == *host && record.purpose == purpose);
        let rebuild = match record {
            Some(record) => self.rebuilds.rebuild(&record.operation).await?,
            None => None,
        };
        let Some(rebuild) = rebuild else {
            self.refusals.tell(Some(host), purpose, peer, "a token that is of no current rebuild of this host").await;
            return Err(Refusal::Forbidden("this token belongs to another host or to an older rebuild; press Rebuild on the host's page to start afresh".into()));
        };
        Ok((self.keeper.host(host).await?, rebuild))
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
