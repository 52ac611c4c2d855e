//! The rules of registration: what is wrong with what was typed, beside which field, and whom it collides with. The same for one host, for
//! every key that is pressed in its form, and for each line of a list.

use std::collections::HashMap;

use super::{
    host::Host,
    identity::{HostId, Hostname, MacAddress, ServerTypeName},
};

/// What was typed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Typed {
    /// The name that it will have as a node.
    pub hostname: String,
    /// The address of the network card that it boots from, in any notation.
    pub mac: String,
    /// The kind of server that it is.
    pub server_type: String,
}

/// What was typed, understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Understood {
    /// See [`Typed::hostname`].
    pub hostname: Hostname,
    /// See [`Typed::mac`].
    pub mac: MacAddress,
    /// See [`Typed::server_type`].
    pub server_type: ServerTypeName,
}

/// What is wrong with a field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldProblem {
    /// `hostname`, `mac` or `server_type`.
    pub field: &'static str,
    /// What is wrong, and what to do.
    pub problem: String,
    /// The host that it collides with.
    pub host: Option<HostId>,
}

/// Who has a name or an address already.
#[derive(Debug, Clone)]
enum Holder {
    Host { id: HostId, hostname: Hostname, mac: MacAddress },
    Line(usize),
}

/// What registrations are checked against: the hosts and kinds of servers that there are, and the lines of the same list before.
#[derive(Debug, Default)]
pub struct Register {
    names: HashMap<String, Holder>,
    macs: HashMap<MacAddress, Holder>,
    kinds: Vec<ServerTypeName>,
}

impl Register {
    /// Of these hosts and these kinds of servers.
    pub fn new<'a>(hosts: impl Iterator<Item = &'a Host>, kinds: Vec<ServerTypeName>) -> Self {
        let mut register = Self { kinds, ..Self::default() };
        for host in hosts {
            let holder = Holder::Host { id: host.id.clone(), hostname: host.hostname.clone(), mac: host.mac };
            register.names.insert(host.hostname.to_string(), holder.clone());
            register.macs.insert(host.mac, holder);
        }
        register
    }

    /// The names that are taken.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.names.keys().map(String::as_str)
    }

    /// What was typed, or everything that is wrong with it.
    pub fn check(&self, typed: &Typed) -> Result<Understood, Vec<FieldProblem>> {
        match (self.hostname(&typed.hostname), self.mac(&typed.mac), server_type(&typed.server_type, &self.kinds)) {
            (Ok(hostname), Ok(mac), Ok(server_type)) => Ok(Understood { hostname, mac, server_type }),
            (hostname, mac, server_type) => {
                Err([hostname.err(), mac.err(), server_type.err()].into_iter().flatten().collect())
            }
        }
    }

    /// The same for a line of a list: what is good is taken, so that later lines collide with it.
    pub fn take(&mut self, line: usize, typed: &Typed) -> Result<Understood, Vec<FieldProblem>> {
        let checked = self.check(typed);
        // A name or an address that is good by itself is taken by the line, whatever else is wrong with it.
        if let Ok(hostname) = self.hostname(&typed.hostname) {
            self.names.insert(hostname.to_string(), Holder::Line(line));
        }
        if let Ok(mac) = self.mac(&typed.mac) {
            self.macs.insert(mac, Holder::Line(line));
        }
        checked
    }

    fn hostname(&self, text: &str) -> Result<Hostname, FieldProblem> {
        let wrong = |problem: String, host| FieldProblem { field: "hostname", problem, host };
        let name = hostname(text)?;
        match self.names.get(name.as_str()) {
            None => Ok(name),
            Some(Holder::Host { id, mac, .. }) => {
                let problem = format!("the host name {name} is taken by the host with the MAC address {mac}");
                Err(wrong(problem, Some(id.clone())))
            }
            Some(Holder::Line(line)) => Err(wrong(format!("the host name {name} is in line {line} already"), None)),
        }
    }

    fn mac(&self, text: &str) -> Result<MacAddress, FieldProblem> {
        let wrong = |problem: String, host| FieldProblem { field: "mac", problem, host };
        let address = mac(text)?;
        match self.macs.get(&address) {
            None => Ok(address),
            Some(Holder::Host { id, hostname, .. }) => {
                Err(wrong(format!("the MAC address {address} belongs to the host {hostname}"), Some(id.clone())))
            }
            Some(Holder::Line(line)) => {
                Err(wrong(format!("the MAC address {address} is in line {line} already"), None))
            }
        }
    }
}

/// What was typed, by the rules alone, without a look at who has it already.
pub fn understand(typed: &Typed, kinds: &[ServerTypeName]) -> Result<Understood, Vec<FieldProblem>> {
    Register { kinds: kinds.to_vec(), ..Register::default() }.check(typed)
}

fn hostname(text: &str) -> Result<Hostname, FieldProblem> {
    let wrong =
        |error: super::identity::InvalidIdentity| FieldProblem { field: "hostname", problem: error.0, host: None };
    text.trim().parse().map_err(wrong)
}

fn mac(text: &str) -> Result<MacAddress, FieldProblem> {
    let wrong = |error: super::identity::InvalidIdentity| FieldProblem { field: "mac", problem: error.0, host: None };
    text.trim().parse().map_err(wrong)
}

fn server_type(text: &str, kinds: &[ServerTypeName]) -> Result<ServerTypeName, FieldProblem> {
    let wrong = |problem: String| FieldProblem { field: "server_type", problem, host: None };
    let name = text.trim().parse::<ServerTypeName>().map_err(|error| wrong(error.0))?;
    if kinds.contains(&name) {
        return Ok(name);
    }
    let known: Vec<_> = kinds.iter().map(ServerTypeName::as_str).collect();
    Err(wrong(format!("there is no server type `{name}`; known are: {}", known.join(", "))))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(hostname: &str, mac: &str, server_type: &str) -> Typed {
        Typed { hostname: hostname.into(), mac: mac.into(), server_type: server_type.into() }
    }

    fn register() -> Register {
        Register { kinds: vec!["sata".parse().unwrap(), "nvme".parse().unwrap()], ..Register::default() }
    }

    #[test]
    fn every_wrong_field_is_named_at_once() {
        let problems = register().check(&typed("Pve 1", "52:54", "tape")).unwrap_err();
        let fields: Vec<_> = problems.iter().map(|problem| problem.field).collect();
        assert_eq!(fields, ["hostname", "mac", "server_type"]);
        assert!(problems[2].problem.contains("known are: sata, nvme"), "{problems:?}");
    }

    #[test]
    fn spaces_around_are_nothing_and_addresses_are_read_in_any_notation() {
        let good = register().check(&typed(" pve-1 ", " 5254.0012.3456\t", "sata ")).unwrap();
        assert_eq!((good.hostname.as_str(), good.mac.to_string().as_str()), ("pve-1", "52:54:00:12:34:56"));
    }

    #[test]
    fn a_line_collides_with_a_line_before_it_even_where_that_one_is_wrong_elsewhere() {
        let mut register = register();
        assert!(register.take(2, &typed("pve-1", "52:54:00:00:00:01", "tape")).is_err());
        let problems = register.take(3, &typed("pve-1", "52-54-00-00-00-01", "sata")).unwrap_err();
        let told: Vec<_> = problems.iter().map(|problem| problem.problem.as_str()).collect();
        assert_eq!(
            told,
            ["the host name pve-1 is in line 2 already", "the MAC address 52:54:00:00:00:01 is in line 2 already"]
        );
        assert!(register.take(4, &typed("pve-2", "52-54-00-00-00-02", "sata")).is_ok());
    }
}
