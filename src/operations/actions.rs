//! What a person can do about an operation now, and what each would mean, in words.

use super::{step::Step, steps};
use crate::domain::{
    host::Host,
    host_lifecycle::HostState,
    operation::{Action, ActionOffer, NextMove, OperationStatus, Progress, StepProgress, StepStatus, aftermath},
    rebuild::Rebuild,
};

/// What a rebuild has done so far that cannot be taken back.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Done {
    /// The installer was given its answer: the disk may be written from then on.
    pub(super) is_answered: bool,
    /// The host may have been removed from its cluster.
    pub(super) may_have_left: bool,
}

impl Done {
    pub(super) fn of(rebuild: Option<&Rebuild>) -> Self {
        let Some(marks) = rebuild.map(|rebuild| &rebuild.marks) else { return Self::default() };
        Self {
            is_answered: marks.answered_at.is_some(),
            may_have_left: marks.leaving_at.is_some() || marks.left_cluster_at.is_some(),
        }
    }
}

/// Offers every action.
pub(super) fn offers(progress: &Progress, host: Option<&Host>, done: Done) -> Vec<ActionOffer> {
    let offer = |action, said: Result<String, String>| {
        let (possible, consequence) = match said {
            Ok(consequence) => (true, consequence),
            Err(reason) => (false, reason),
        };
        ActionOffer { action, possible, consequence }
    };
    vec![
        offer(Action::Retry, retry(progress, host, done)),
        offer(Action::Skip, skip(progress, host, done).map(|(_, consequence)| consequence)),
        offer(Action::Cancel, cancel(progress, done)),
    ]
}

/// What retrying means.
pub(super) fn retry(progress: &Progress, host: Option<&Host>, done: Done) -> Result<String, String> {
    if progress.status != OperationStatus::NeedsAttention {
        return Err(format!(
            "only an operation that needs attention can be retried; this one is `{}`",
            progress.status
        ));
    }
    if let Some(unread) = &progress.not_understood {
        return Err(format!("this would only stop again: {unread}"));
    }
    can_go_on(host, done.is_answered)?;
    let step = stopped_at(progress).map_or("step", |step| step.name.as_str());
    match steps::step(step) {
        Some(_) => Ok(format!("the step `{step}` is tried again, from where the machine is now")),
        None => Err(format!(
            "this program does not know the step `{step}`; start the version that began the operation or a newer one"
        )),
    }
}

/// What leaving the step out means, and which one it is.
pub(super) fn skip(progress: &Progress, host: Option<&Host>, done: Done) -> Result<(String, String), String> {
    if matches!(progress.status, OperationStatus::Unwinding | OperationStatus::Cancelling) || progress.status.is_over()
    {
        return Err(format!("nothing can be left out of an operation that is `{}`", progress.status));
    }
    if progress.not_understood.is_some() {
        return Err("what the operation is at cannot be told".into());
    }
    let step = stopped_at(progress).ok_or("the operation is at no step")?;
    let consequence = steps::step(&step.name).and_then(Step::skip).ok_or_else(|| {
        format!("the step `{}` cannot be left out: what comes after it, or the machine, depends on it", step.name)
    })?;
    can_go_on(host, done.is_answered)?;
    Ok((step.name.clone(), consequence.to_owned()))
}

/// What cancelling means.
pub(super) fn cancel(progress: &Progress, done: Done) -> Result<String, String> {
    match progress.status {
        OperationStatus::Succeeded | OperationStatus::Failed | OperationStatus::Cancelled => {
            return Err(format!("the operation is over: `{}`", progress.status));
        }
        OperationStatus::Unwinding => return Err("it is being undone already, and ends by itself".into()),
        OperationStatus::Cancelling => return Err("it is being cancelled already".into()),
        OperationStatus::Running | OperationStatus::Waiting | OperationStatus::NeedsAttention => {}
    }
    let left = aftermath(progress, done.is_answered).join("; ");
    let more = if left.is_empty() { String::new() } else { format!("; {left}") };
    Ok(if is_past(progress, done) {
        format!("the operation ends where it is, its secrets are erased, and nothing is taken back{more}")
    } else {
        format!("the machine is disarmed and what was done is taken back; nothing was written to its disk{more}")
    })
}

fn is_past(progress: &Progress, done: Done) -> bool {
    done.is_answered
        || done.may_have_left
        || progress.not_understood.is_some()
        || progress.step("await_answer").is_some_and(StepProgress::is_done)
}

/// A host that was given up before its disk was touched is disarmed: nothing would ever boot for this operation again.
fn can_go_on(host: Option<&Host>, is_answered: bool) -> Result<(), String> {
    match host {
        None => Err("the host is gone".into()),
        Some(host) if host.state == HostState::Failed && !is_answered => {
            Err("the machine was disarmed when the operation stopped; cancel it, then press Rebuild".into())
        }
        Some(_) => Ok(()),
    }
}

/// The step at which the operation stands.
fn stopped_at(progress: &Progress) -> Option<&StepProgress> {
    match progress.next {
        NextMove::Do(index) | NextMove::Decide(index) | NextMove::Undo(index) => progress.steps.get(index),
        NextMove::Rest | NextMove::Park | NextMove::Stop | NextMove::EndCancelled => {
            let failed = progress.steps.iter().find(|step| step.status == StepStatus::Failed);
            failed.or_else(|| progress.steps.iter().find(|step| !step.is_done()))
        }
    }
}
