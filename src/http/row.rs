//! One row of a table of routes: everything that is known of a route, for the router, the guard, the OpenAPI document and the audit log.

use axum::routing::MethodRouter;

use super::repeats::Makes;

/// Who asks; one listener each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Audience {
    /// Booting machines (HTTP).
    Boot,
    /// Installers and nodes (HTTPS).
    Machine,
    /// People and their programs (HTTP, loopback).
    Operator,
}

impl Audience {
    /// Its name in metrics and documents.
    pub fn word(self) -> &'static str {
        match self {
            Self::Boot => "boot",
            Self::Machine => "machine",
            Self::Operator => "operator",
        }
    }
}

/// One route, for whoever lists them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Route {
    /// Who asks.
    pub audience: Audience,
    /// The method.
    pub method: &'static str,
    /// The path, with `{parameters}`.
    pub path: &'static str,
    /// What it is for.
    pub summary: &'static str,
    /// What somebody needs who asks, on the listener of people.
    pub needs: Needs,
}

/// One row of a table.
pub(super) struct Row<S: 'static> {
    pub(super) method: &'static str,
    pub(super) path: &'static str,
    pub(super) summary: &'static str,
    /// The names of its query's fields.
    pub(super) query: &'static [&'static str],
    pub(super) takes: Body,
    /// What it makes, where a request that is sent again with the same Idempotency-Key makes it once.
    pub(super) makes: Option<Makes>,
    /// The status and body of success.
    pub(super) gives: (u16, Body),
    /// Who may ask. On the listeners of machines it says nothing: those have their own tokens.
    pub(super) needs: Needs,
    pub(super) handler: fn() -> MethodRouter<S>,
}

/// What somebody needs who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Needs {
    /// Nothing.
    Nobody,
    /// To have been let in.
    ReadOnly,
    /// The scope of an operator.
    Operator,
}

/// What a request or an answer carries.
#[derive(Clone, Copy)]
pub(super) enum Body {
    /// Nothing.
    Nothing,
    /// A JSON value of a schema of the document.
    Json(&'static str),
    /// A list of such values.
    List(&'static str),
    /// JSON of the Proxmox installer; its limit in bytes.
    Report(usize),
    /// Lines of a log; its limit in bytes.
    Log(usize),
    /// Fields of a form, besides its token.
    Form(&'static [&'static str]),
    /// Anything else, by its media type.
    Text(&'static str),
    /// A whole file as it arrives: without a limit here, and without one on the time that it takes; who takes it has his own.
    Stream,
}

impl<S: Clone + Send + Sync + 'static> Row<S> {
    pub(super) const fn new(method: &'static str, path: &'static str, handler: fn() -> MethodRouter<S>) -> Self {
        let needs = if matches!(method.as_bytes(), b"GET") { Needs::ReadOnly } else { Needs::Operator };
        Self {
            method,
            path,
            summary: "",
            query: &[],
            takes: Body::Nothing,
            makes: None,
            gives: (200, Body::Nothing),
            needs,
            handler,
        }
    }

    pub(super) const fn get(path: &'static str, gives: Body, handler: fn() -> MethodRouter<S>) -> Self {
        Self { gives: (200, gives), ..Self::new("GET", path, handler) }
    }

    pub(super) const fn post(
        path: &'static str,
        takes: Body,
        gives: (u16, Body),
        handler: fn() -> MethodRouter<S>,
    ) -> Self {
        Self { takes, gives, ..Self::new("POST", path, handler) }
    }

    pub(super) const fn form(
        path: &'static str,
        fields: &'static [&'static str],
        handler: fn() -> MethodRouter<S>,
    ) -> Self {
        Self { takes: Body::Form(fields), gives: (303, Body::Nothing), ..Self::new("POST", path, handler) }
    }

    pub(super) const fn route(&self, audience: Audience) -> Route {
        Route { audience, method: self.method, path: self.path, summary: self.summary, needs: self.needs }
    }

    pub(super) const fn asking(self, query: &'static [&'static str]) -> Self {
        Self { query, ..self }
    }

    pub(super) const fn once(self, makes: Makes) -> Self {
        Self { makes: Some(makes), ..self }
    }

    /// A route for people who have not been let in yet.
    pub(super) const fn open(self) -> Self {
        Self { needs: Needs::Nobody, ..self }
    }

    pub(super) const fn says(self, summary: &'static str) -> Self {
        Self { summary, ..self }
    }
}
