//! What is proved about a rebuilt host, and by what: completion is a checklist of evidence, not "it booted".

use jiff::Timestamp;

use super::{
    operation::{Progress, StepStatus},
    rebuild::Rebuild,
};

super::words::words!(
    /// How well something is proved.
    Standing, "standing" {
        /// It was seen.
        Proved = "proved",
        /// Its turn has not come, or it is being looked at.
        Awaited = "awaited",
        /// The step was done, or left out, and nothing was kept that would prove it.
        Unproved = "unproved",
        /// It was looked for, and it is not so.
        Refuted = "refuted",
    }
);

/// One line of the checklist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evidence {
    /// The word for it.
    pub id: &'static str,
    /// What is claimed, in words.
    pub claim: &'static str,
    /// How well it is proved.
    pub standing: Standing,
    /// When it was seen.
    pub at: Option<Timestamp>,
    /// What was seen, or why nothing was.
    pub proof: String,
}

/// Whether evidence is about the rebuild's key: the part of the list that a customer asks for.
pub const KEY_EVIDENCE: [&str; 3] = ["key_read_back", "key_refused", "key_erased"];

/// Lists what is proved by a rebuild, from its marks and the journal of its operation. `fingerprint` is that of the reported host key.
pub fn evidence(rebuild: &Rebuild, progress: &Progress, fingerprint: Option<&str>) -> Vec<Evidence> {
    let ended = rebuild.ended_at.is_some();
    let marks = &rebuild.marks;
    let (peer, no_key) = (marks.image_address.map(|peer| format!(" {peer},")), "no key could be read");
    let given = format!(
        "given to{} the machine that had fetched the installer and named the host's MAC address; the one-time token is spent",
        peer.unwrap_or_default()
    );
    let home = "with a one-time token, which is spent".to_owned();
    let key = fingerprint.unwrap_or(no_key).to_owned();
    let claim = "The installer reported the new system's SSH host key";
    let mut reported = seen("host_key_reported", claim, marks.installed_at, ended, key);
    if marks.installed_at.is_some() && fingerprint.is_none() {
        reported.standing = Standing::Refuted;
    }
    let mut list = vec![
        seen("answer_given", "The answer was given once, to this machine", marks.answered_at, ended, given),
        reported,
        seen("first_boot_heard", "The installed system phoned home", marks.phoned_home_at, ended, home),
        of_step(progress, "reach_node", "host_key_met", "SSH met exactly the host key that was reported", |_| {
            Some("logged in with the key of this rebuild; no other host key was accepted".into())
        }),
    ];
    if let Some(at) = marks.host_key_confirmed_at {
        let proof = "somebody compared the fingerprint with the console".into();
        list.push(seen("host_key_confirmed", "A person confirmed the host key", Some(at), ended, proof));
    }
    list.extend([
        of_step(
            progress,
            "verify_membership",
            "membership",
            "The cluster lists the node, online and with a quorum",
            |output| {
                let cluster =
                    output["cluster"].as_str().map(|name| format!(" of the cluster {name}")).unwrap_or_default();
                let also = output["seen_by"].as_str().map(|member| format!(", and on the member {member}"));
                Some(format!("seen on the node itself{}{cluster}", also.unwrap_or_default()))
            },
        ),
        of_step(
            progress,
            "install_join_gate",
            "join_gate",
            "The join gate is installed, for the next node",
            |output| {
                let sum = output["script_sha256"].as_str()?;
                Some(format!("a key that may run one checked script only; SHA-256 {}", sum.get(..16).unwrap_or(sum)))
            },
        ),
        of_step(
            progress,
            "remove_key",
            "key_read_back",
            "The rebuild's key is in none of its places on the node",
            read_back,
        ),
        of_step(progress, "remove_key", "key_refused", "A login with the rebuild's key is refused", |output| {
            let (user, address) = (output["refused"]["user"].as_str()?, output["refused"]["address"].as_str()?);
            Some(format!("tried as {user}@{address} after the removal, and refused"))
        }),
        erased(rebuild, progress),
    ]);
    list
}

/// The time at which a step saw something, where it kept one.
fn seen_at(progress: &Progress, step: &str) -> Option<Timestamp> {
    let kept = progress.output(step)["at"].as_str().and_then(|at| at.parse().ok());
    kept.or_else(|| progress.step(step)?.ended_at)
}

fn seen(id: &'static str, claim: &'static str, at: Option<Timestamp>, ended: bool, proof: String) -> Evidence {
    let (standing, proof) = match (at, ended) {
        (Some(_), _) => (Standing::Proved, proof),
        (None, false) => (Standing::Awaited, "not yet".into()),
        (None, true) => (Standing::Unproved, "the rebuild ended before that".into()),
    };
    Evidence { id, claim, standing, at, proof }
}

fn of_step(
    progress: &Progress,
    step: &str,
    id: &'static str,
    claim: &'static str,
    tell: impl FnOnce(&serde_json::Value) -> Option<String>,
) -> Evidence {
    let Some(done) = progress.step(step) else {
        let proof = "this rebuild had no such step".into();
        return Evidence { id, claim, standing: Standing::Unproved, at: None, proof };
    };
    let is_over = progress.status.is_over();
    let unless_over = |why: &str| {
        if is_over {
            (Standing::Unproved, "the rebuild ended before that".to_owned())
        } else {
            (Standing::Awaited, why.to_owned())
        }
    };
    let (standing, proof) = match done.status {
        StepStatus::Succeeded => match tell(&done.output) {
            Some(proof) => (Standing::Proved, proof),
            None => (Standing::Unproved, "the step succeeded, and what it saw was not kept".into()),
        },
        StepStatus::Skipped => (Standing::Unproved, "the operator left this step out".into()),
        StepStatus::Failed | StepStatus::UndoFailed => {
            (Standing::Refuted, done.reason.clone().unwrap_or_else(|| "the step failed".into()))
        }
        StepStatus::Running | StepStatus::Waiting | StepStatus::Undoing => {
            unless_over(done.reason.as_deref().unwrap_or("being looked at"))
        }
        StepStatus::Pending | StepStatus::Undone => unless_over("not yet"),
    };
    let at = (standing == Standing::Proved).then(|| seen_at(progress, step)).flatten();
    Evidence { id, claim, standing, at, proof }
}

/// Which places were read back, and what was found there.
fn read_back(output: &serde_json::Value) -> Option<String> {
    let places = output["places"].as_array().filter(|places| !places.is_empty())?;
    let told = places.iter().map(|place| {
        let (path, found) = (place["path"].as_str().unwrap_or_default(), place["found"].as_str().unwrap_or_default());
        format!("{path}: {found}")
    });
    Some(told.collect::<Vec<_>>().join("; "))
}

fn erased(rebuild: &Rebuild, progress: &Progress) -> Evidence {
    let (id, claim) = ("key_erased", "Rackseed has erased the private key and the tokens of the rebuild");
    match (rebuild.ended_at, rebuild.sealed.is_some()) {
        (Some(at), false) => {
            let proof = "overwritten in the database when the rebuild ended".into();
            Evidence { id, claim, standing: Standing::Proved, at: Some(at), proof }
        }
        (_, true) if !progress.status.is_over() => {
            let proof = "kept, encrypted, until the rebuild ends".into();
            Evidence { id, claim, standing: Standing::Awaited, at: None, proof }
        }
        (_, true) => {
            let proof = "they are still in the database, encrypted, though the rebuild is over".into();
            Evidence { id, claim, standing: Standing::Refuted, at: None, proof }
        }
        (None, false) => {
            let proof = "nothing is kept of them, and when they were erased was not noted".into();
            Evidence { id, claim, standing: Standing::Unproved, at: None, proof }
        }
    }
}
