//! The forms in which programs read what we know; the OpenAPI document is made from these types.

use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};

use crate::{
    domain::{
        boot_order::what_to_press,
        host::{HistoryEntry, Host},
        operation::{ActionOffer, StepOutput, StepProgress},
    },
    http::schema::described,
    operations::{OperationView, steps},
    provisioning::HostPatience,
};

described! {
    /// One machine.
    #[derive(Debug, Serialize)]
    pub(crate) struct HostJson as "Host" {
        /// Twelve characters, safe in URLs.
        id: String,
        /// The name that it has, or will have, as a node.
        hostname: String,
        /// The network card that it boots from.
        mac: String,
        /// A key of `server_types`.
        server_type: String,
        /// A word of the lifecycle table.
        state: String,
        /// The same for people.
        state_label: String,
        /// Since when.
        state_since: Timestamp,
        /// How many seconds hosts of this server type usually stay in this state, where enough of them have passed it.
        usual_seconds: Option<u64>,
        /// After how many seconds it is given up.
        limit_seconds: Option<u64>,
        /// Whether it takes longer than it should, and is not given up yet.
        overdue: bool,
        /// The same for people: `installing 14 min, usually 6`.
        patience: Option<String>,
        /// Why it failed.
        reason: Option<String>,
        /// The address with which it phoned home last.
        address: Option<String>,
        /// The hardware id with which it phoned home last.
        hardware_id: Option<String>,
        /// The SSH host key that its last installation reported.
        ssh_host_key: Option<String>,
        /// The fingerprint of that key, as `ssh-keygen -l` shows it.
        ssh_host_key_fingerprint: Option<String>,
        /// When it was registered.
        registered_at: Timestamp,
        /// When an installer was last given an answer for it.
        installed_at: Option<Timestamp>,
        /// What was chosen for it beyond its server type.
        options: Value,
        /// What it does first when it starts, `network_first` or `disk_first`, as far as that was seen.
        boot_order: Option<String>,
        /// What a person must do at the machine for a rebuild.
        boot_advice: String,
        /// Its hardware, as far as it has been reported.
        hardware: Option<Value>,
        /// What happened to it, newest first; only where one host is asked for.
        #[serde(skip_serializing_if = "Option::is_none")]
        history: Option<Vec<HistoryJson>>,
        /// Its latest operation.
        operation: Option<OperationJson>,
    }
}

impl HostJson {
    pub(super) fn new(
        host: &Host,
        fingerprint: Option<String>,
        operation: Option<&OperationView>,
        history: Option<&[HistoryEntry]>,
    ) -> Self {
        Self {
            id: host.id.to_string(),
            hostname: host.hostname.to_string(),
            mac: host.mac.to_string(),
            server_type: host.server_type.to_string(),
            state: host.state.to_string(),
            state_label: host.state.label().to_owned(),
            state_since: host.state_since,
            usual_seconds: None,
            limit_seconds: None,
            overdue: false,
            patience: None,
            reason: host.reason.clone(),
            address: host.address.map(|address| address.to_string()),
            hardware_id: host.hardware_id.clone(),
            ssh_host_key: host.ssh_host_key.clone(),
            ssh_host_key_fingerprint: fingerprint,
            registered_at: host.registered_at,
            installed_at: host.installed_at,
            options: json!(host.options),
            boot_order: host.boot_order.map(|order| order.to_string()),
            boot_advice: what_to_press(host.boot_order).to_owned(),
            hardware: host.hardware.as_ref().map(|hardware| json!(hardware)),
            history: history.map(|entries| entries.iter().map(HistoryJson::new).collect()),
            operation: operation.map(OperationJson::new),
        }
    }
}

impl HostJson {
    /// The same with how long it may stay in its state.
    pub(super) fn within(self, patience: Option<HostPatience>) -> Self {
        let Some(patience) = patience else { return self };
        Self {
            usual_seconds: patience.expectation.usual.map(|usual| usual.as_secs()),
            limit_seconds: Some(patience.expectation.limit.as_secs()),
            overdue: patience.is_overdue,
            patience: Some(patience.sentence),
            ..self
        }
    }
}

described! {
    /// One line of a host's history.
    #[derive(Debug, Serialize)]
    pub(crate) struct HistoryJson as "HistoryEntry" {
        /// When it happened.
        at: Timestamp,
        /// What happened.
        event: String,
        /// The state before.
        from: String,
        /// The state after.
        to: String,
        /// The sentence for a person.
        because: String,
    }
}

impl HistoryJson {
    fn new(entry: &HistoryEntry) -> Self {
        Self {
            at: entry.at,
            event: entry.event.to_string(),
            from: entry.from.to_string(),
            to: entry.to.to_string(),
            because: entry.because.clone(),
        }
    }
}

described! {
    /// A piece of long work on one host.
    #[derive(Debug, Serialize)]
    pub(crate) struct OperationJson as "Operation" {
        /// Twelve characters, safe in URLs.
        id: String,
        /// The host that it works on.
        host_id: String,
        /// Its name; only in the list of operations.
        hostname: Option<String>,
        /// The name of its plan.
        plan: String,
        /// The version of Rackseed that began it.
        program: Option<String>,
        /// `running`, `waiting`, `unwinding`, `cancelling`, `needs_attention`, `succeeded`, `failed` or `cancelled`.
        status: String,
        /// Why it waits, failed or needs attention.
        reason: Option<String>,
        /// When it began.
        started_at: Timestamp,
        /// When it ended.
        ended_at: Option<Timestamp>,
        /// Why it stands still at the moment for a reason of Rackseed's own, such as a full disk; it goes on by itself.
        paused: Option<String>,
        /// What a person can do about it.
        actions: Vec<ActionJson>,
        /// Its steps, in order.
        steps: Vec<StepJson>,
    }
}

described! {
    /// What a person can do about an operation.
    #[derive(Debug, Serialize)]
    pub(crate) struct ActionJson as "OperationAction" {
        /// `retry`, `skip` or `cancel`.
        action: String,
        /// Whether it is possible now.
        possible: bool,
        /// What it would mean, or why it is not possible.
        consequence: String,
    }
}

impl ActionJson {
    fn new(offer: &ActionOffer) -> Self {
        Self { action: offer.action.to_string(), possible: offer.possible, consequence: offer.consequence.clone() }
    }
}

impl OperationJson {
    pub(in crate::http) fn new(view: &OperationView) -> Self {
        Self {
            id: view.operation.id.to_string(),
            host_id: view.operation.host.to_string(),
            hostname: None,
            plan: view.operation.plan.clone(),
            program: view.operation.program.clone(),
            status: view.progress.status.to_string(),
            reason: view.progress.reason.clone(),
            started_at: view.operation.started_at,
            ended_at: view.progress.ended_at,
            paused: view.pause.as_ref().map(|pause| pause.reason.clone()),
            actions: view.actions.iter().map(ActionJson::new).collect(),
            steps: view.progress.steps.iter().map(StepJson::new).collect(),
        }
    }

    /// The same with what its steps said.
    pub(super) fn with_outputs(view: &OperationView, outputs: &[StepOutput]) -> Self {
        let mut operation = Self::new(view);
        for step in &mut operation.steps {
            let said = outputs.iter().filter(|output| output.step == step.name);
            step.outputs = Some(said.map(OutputJson::new).collect());
        }
        operation
    }
}

described! {
    /// One step of an operation.
    #[derive(Debug, Serialize)]
    pub(crate) struct StepJson as "Step" {
        /// Its name.
        name: String,
        /// `pending`, `running`, `waiting`, `succeeded`, `skipped`, `failed`, `undoing`, `undone` or `undo_failed`.
        status: String,
        /// Why it waits or failed.
        reason: Option<String>,
        /// How many times it was started since the last retry.
        attempts: u32,
        /// How many times it was ever started.
        total_attempts: u32,
        /// When it was started, since the last retry.
        started_at: Option<Timestamp>,
        /// When it was started for the very first time.
        first_started_at: Option<Timestamp>,
        /// When it ended.
        ended_at: Option<Timestamp>,
        /// Until when it waits at most, while it waits.
        until: Option<Timestamp>,
        /// Not before this moment is it tried again, after it failed.
        retry_at: Option<Timestamp>,
        /// `reversible`, `point_of_no_return` or `forward_only`; null for a step that this version does not know.
        kind: Option<String>,
        /// How many seconds its attempts took, all together; without the one that is under way.
        spent_seconds: u64,
        /// What its commands on nodes said, without secrets; only where one operation is asked for.
        outputs: Option<Vec<OutputJson>>,
    }
}

described! {
    /// What commands on nodes said during one attempt of a step, the end of it, without secrets.
    #[derive(Debug, Serialize)]
    pub(crate) struct OutputJson as "StepOutput" {
        /// The attempt, counted from 1 over all retries.
        attempt: u32,
        /// When something was last said.
        at: Timestamp,
        /// The commands and what they said.
        text: String,
    }
}

impl OutputJson {
    fn new(output: &StepOutput) -> Self {
        Self { attempt: output.attempt, at: output.at, text: output.text.clone() }
    }
}

impl StepJson {
    fn new(step: &StepProgress) -> Self {
        Self {
            name: step.name.clone(),
            status: step.status.to_string(),
            reason: step.reason.clone(),
            attempts: step.attempts,
            total_attempts: step.total_attempts,
            started_at: step.started_at,
            first_started_at: step.first_started_at,
            ended_at: step.ended_at,
            until: step.until,
            retry_at: step.not_before,
            kind: steps::step(&step.name).map(|step| step.kind().word().to_owned()),
            spent_seconds: step.spent_seconds.unsigned_abs(),
            outputs: None,
        }
    }
}
