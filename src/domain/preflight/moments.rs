//! What happens after the button is pressed, in order, and what cancelling means at each moment: said before anybody presses it.

use std::time::Duration;

use super::Facts;
use crate::domain::{boot_order::what_to_press, cluster_plan::Belonging, power::PowerDriver};

/// One moment of a rebuild.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moment {
    /// The word for it.
    pub id: &'static str,
    /// What happens.
    pub title: String,
    /// What it means, and what cancelling means from here on.
    pub detail: String,
    /// Whether the disk may be wiped from here on.
    pub is_point_of_no_return: bool,
}

/// Lists the moments of a rebuild that stays armed for so long. `disks` are those that would be wiped, in words.
pub fn moments(facts: &Facts, armed_for: Duration, disks: Option<&str>) -> Vec<Moment> {
    let name = facts.name();
    let moment = |id, title: String, detail: String| Moment { id, title, detail, is_point_of_no_return: false };
    let minutes = armed_for.as_secs() / 60;
    let mut moments = vec![
        moment(
            "armed",
            format!("You press the button: {name} is armed for {minutes} minutes"),
            "Everything is looked at once more first. The machine itself is as it was; if it does not boot from the network in this time, it is \
             disarmed by itself. Cancelling takes everything back."
                .into(),
        ),
        moment("started", started(facts), start_detail(facts)),
    ];
    if let Belonging::Member { .. } = &facts.cluster.belonging {
        moments.push(moment(
            "left",
            format!("{name} leaves its cluster"),
            "When the machine has fetched its boot script, another member removes it. Its disk is still untouched, but from here on cancelling does \
             not bring it back: it is no member any more, its old system must never be started on the cluster's network again, and it has to be \
             rebuilt to join again."
                .into(),
        ));
    }
    moments.push(Moment {
        is_point_of_no_return: true,
        ..moment(
            "answered",
            "The point of no return: the installer is given its answer".into(),
            format!(
                "From this moment on {} may be wiped, and nothing brings back what was there. Until then cancelling leaves the disk as it is; \
                 afterwards it does not stop the installer.",
                disks.map_or_else(|| "the disk".to_owned(), |disks| format!("the disk {disks}"))
            ),
        )
    });
    moments.push(moment(
        "installed",
        "It is installed, starts from its disk and phones home".into(),
        "Cancelling here leaves a fresh system that is in no cluster; it has to be rebuilt.".into(),
    ));
    moments.push(moment(
        "ready",
        format!("{name} joins the cluster; the key of this rebuild is removed; it is ready"),
        "Membership and quorum are verified first, and a login with the removed key must fail.".into(),
    ));
    moments
}

fn started(facts: &Facts) -> String {
    match facts.host.options.power.driver {
        PowerDriver::None => "You switch the machine on, and it boots from the network".into(),
        PowerDriver::WakeOnLan => {
            "Rackseed wakes the machine by Wake-on-LAN; one that is on must be restarted by you".into()
        }
        PowerDriver::Webhook => "Rackseed switches the machine through its webhook".into(),
        PowerDriver::Redfish => "Rackseed starts the machine from the network by Redfish, by itself".into(),
        PowerDriver::Ipmi => "Rackseed starts the machine from the network by IPMI, by itself".into(),
    }
}

fn start_detail(facts: &Facts) -> String {
    let press = what_to_press(facts.host.boot_order);
    match facts.host.options.power.driver {
        PowerDriver::None => format!("It has no power driver, so nothing happens until you do. {press}"),
        PowerDriver::WakeOnLan => press.to_owned(),
        PowerDriver::Webhook => format!("Whatever runs there may stop hard. {press}"),
        PowerDriver::Redfish | PowerDriver::Ipmi => "At once, and whatever runs there stops hard.".to_owned(),
    }
}
