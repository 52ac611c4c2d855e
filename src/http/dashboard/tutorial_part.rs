//! From nothing to the first host that is ready: the steps, which of them is next, and what to do for it.

use crate::{domain::host_lifecycle::HostState, http::known_hosts::KnownHost};

/// What the page shows.
pub(super) struct Tutorial {
    pub(super) lessons: Vec<Lesson>,
    /// Whether there is no host at all: all of it is shown, and else only what is next.
    pub(super) is_whole: bool,
}

/// One step.
pub(super) struct Lesson {
    pub(super) number: usize,
    pub(super) name: &'static str,
    pub(super) is_done: bool,
    /// Whether it is the one to do now.
    pub(super) is_next: bool,
    pub(super) todo: String,
    /// What to type in a terminal for it, if that is a way.
    pub(super) command: &'static str,
    /// Where it is done on a page, and what the button there says; empty where it is done elsewhere.
    pub(super) address: String,
    pub(super) button: &'static str,
}

impl Tutorial {
    /// Looks how far somebody has come; `None` once a host is, or was, ready.
    pub(super) fn new(known: &[KnownHost], has_image: bool, seen: usize) -> Option<Self> {
        let was_ready = |known: &KnownHost| known.host.state == HostState::Ready || known.host.is_member;
        if known.iter().any(was_ready) {
            return None;
        }
        let mut lessons = [image(has_image), register(known, seen), rebuild(known), switch_on(known)];
        for (place, lesson) in lessons.iter_mut().enumerate() {
            lesson.number = place + 1;
        }
        if let Some(next) = lessons.iter_mut().find(|lesson| !lesson.is_done) {
            next.is_next = true;
        }
        Some(Self { lessons: lessons.into(), is_whole: known.is_empty() })
    }

    /// What is to be done now.
    pub(super) fn next(&self) -> Option<&Lesson> {
        self.lessons.iter().find(|lesson| lesson.is_next)
    }
}

fn lesson(name: &'static str, is_done: bool, todo: String) -> Lesson {
    Lesson { number: 0, name, is_done, is_next: false, todo, command: "", address: String::new(), button: "" }
}

fn image(has_image: bool) -> Lesson {
    let todo = "Give Rackseed a Proxmox VE installer, by its web address or from your disk.".to_owned();
    Lesson {
        command: "rackseed image add proxmox-ve_9.2-1.iso",
        address: "/images".to_owned(),
        button: "Add an image",
        ..lesson("Add an installer", has_image, todo)
    }
}

fn register(known: &[KnownHost], seen: usize) -> Lesson {
    let todo = match seen {
        0 => "Tell its name, the MAC address of the card that it boots from, and what kind of server it is. Or switch it on and let \
              it boot from the network: then it shows up here by itself."
            .to_owned(),
        1 => "One machine has asked for a boot: it is below, and one press registers it.".to_owned(),
        count => format!("{count} machines have asked for a boot: they are below, and one press registers each."),
    };
    Lesson {
        address: "/hosts/new".to_owned(),
        button: "Register a host",
        ..lesson("Register a machine", !known.is_empty(), todo)
    }
}

fn rebuild(known: &[KnownHost]) -> Lesson {
    let was_asked = known.iter().any(|known| known.host.operation.is_some());
    let todo =
        "Look at what a rebuild would wipe and install, then start it. Until the machine boots, nothing happens to it.";
    let mut lesson = lesson("Arm its rebuild", was_asked, todo.to_owned());
    if let Some(first) = known.first() {
        lesson.address = format!("/hosts/{}/rebuild", first.host.id);
        lesson.button = "Look at the rebuild";
    }
    lesson
}

fn switch_on(known: &[KnownHost]) -> Lesson {
    let armed = known.iter().find(|known| known.host.state == HostState::PxeReady);
    let at_work = known.iter().find(|known| !known.host.state.is_stable());
    let failed = known.iter().find(|known| known.host.state == HostState::Failed);
    let todo = match (armed, at_work) {
        (Some(host), _) => {
            format!("Switch {} on and let it boot from the network. The rest goes by itself.", host.host.hostname)
        }
        (None, Some(host)) => format!("{} is on its way; its page shows each step as it happens.", host.host.hostname),
        (None, None) if failed.is_some() => {
            "The rebuild did not end well. The page of the host says why, and what to do next.".to_owned()
        }
        (None, None) => "Switch the machine on and let it boot from the network. The rest goes by itself.".to_owned(),
    };
    let mut lesson = lesson("Switch it on", false, todo);
    if let Some(host) = armed.or(at_work).or(failed) {
        lesson.address = format!("/hosts/{}", host.host.id);
        lesson.button = if host.host.state == HostState::Failed { "Look at it" } else { "Watch it" };
    }
    if armed.or(at_work).is_none() && failed.is_some() {
        lesson.name = "See why it failed";
    }
    lesson
}
