//! One request of somebody who has been let in: what the listener asks, together with who asks it.

use std::{ops::Deref, sync::Arc};

use axum::{extract::FromRequestParts, http::request::Parts};
use data_encoding::BASE32_NOPAD;
use subtle::ConstantTimeEq;

use super::{OperatorState, problem::Problem};
use crate::{
    domain::access::Scope,
    ports::{Secrets, SecretsError},
    provisioning::Pass,
};

/// The token in every form of our pages, which another site's page cannot read.
#[derive(Clone)]
pub struct FormToken(Arc<str>);

impl FormToken {
    /// Makes a token of 160 random bits.
    pub fn new(secrets: &dyn Secrets) -> Result<Self, SecretsError> {
        Ok(Self(BASE32_NOPAD.encode(&secrets.random_bytes(20)?).into()))
    }

    /// A token that is made of what only the visitor has.
    pub(super) fn from(text: String) -> Self {
        Self(text.into())
    }

    /// Its text, for our own pages alone.
    pub(super) fn text(&self) -> &str {
        &self.0
    }

    /// Whether a form carries it.
    pub(super) fn is(&self, text: &str) -> bool {
        self.0.as_bytes().ct_eq(text.as_bytes()).into()
    }
}

/// Who asks.
#[derive(Clone)]
pub(super) struct Visitor {
    /// The name under which what they do is written down.
    pub(super) name: Option<String>,
    /// What they may do.
    pub(super) scope: Scope,
    /// What their forms carry.
    pub(super) form_token: FormToken,
    /// With what they came in; `None` on the few pages that are open to everybody.
    pub(super) pass: Option<Pass>,
}

/// What the listener asks, and for whom.
#[derive(Clone)]
pub(super) struct Visit {
    state: OperatorState,
    /// Who asks.
    pub(super) visitor: Visitor,
    /// For which path.
    pub(super) path: String,
}

impl Deref for Visit {
    type Target = OperatorState;

    fn deref(&self) -> &OperatorState {
        &self.state
    }
}

impl FromRequestParts<OperatorState> for Visit {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &OperatorState) -> Result<Self, Problem> {
        let visitor = parts.extensions.get::<Visitor>().cloned();
        let visitor = visitor.ok_or_else(|| Problem::internal("nobody has let this request in"))?;
        Ok(Self { state: state.clone(), visitor, path: parts.uri.path().to_owned() })
    }
}
