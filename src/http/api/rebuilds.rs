//! Rebuilds: what one would do and what speaks against it, and starting one.

use axum::{
    Extension, Json,
    extract::State,
    http::{StatusCode, Uri, header},
    response::IntoResponse,
};
use serde::Deserialize;

use super::{rebuild_views::RebuildPlanJson, views::OperationJson};
use crate::{
    domain::{preflight::Consent, repeat::Intended},
    http::{
        OperatorState,
        extract::{HostPath, JsonBody, query_field},
        problem::Problem,
        repeats::intended,
        schema::described,
    },
    operations::{Asked, RebuildWish},
};

/// The most blockers that one request overrides: more than there are.
const MOST_OVERRIDES: usize = 64;

described! {
    /// What is said to rebuild a host.
    #[derive(Debug, Default, Deserialize)]
    #[serde(default, deny_unknown_fields)]
    pub(crate) struct RebuildJson as "RebuildRequest" {
        /// The host's name: a rebuild wipes its disk.
        confirm: Option<String>,
        /// The image to install; absent: that of the host, of its server type, the default, or the newest.
        image: Option<String>,
        /// The address under which the cluster lists this host; needed for a member that Rackseed has never installed.
        member_address: Option<String>,
        /// Whether the warnings of the plan were read and are meant.
        accept_warnings: Option<bool>,
        /// The ids of the blockers to go on in spite of; each of them must be named.
        r#override: Option<Vec<String>>,
        /// Why they are overridden; kept with the rebuild.
        reason: Option<String>,
    }
}

/// Starts a rebuild.
pub(crate) async fn rebuild(
    State(state): State<OperatorState>,
    HostPath(id): HostPath,
    chosen: Option<Extension<Intended>>,
    JsonBody(said): JsonBody<Option<RebuildJson>>,
) -> Result<impl IntoResponse, Problem> {
    let said = said.unwrap_or_default();
    let overrides = said.r#override.unwrap_or_default();
    if overrides.len() > MOST_OVERRIDES {
        return Err(Problem::fields(&[("override", format!("at most {MOST_OVERRIDES} ids"))]));
    }
    let consent = Consent {
        accepts_warnings: said.accept_warnings.unwrap_or_default(),
        overrides,
        reason: said.reason.unwrap_or_default(),
    };
    let asked = asked(said.image, said.member_address.as_deref())?;
    let wish = RebuildWish { confirm: said.confirm, asked, consent, intended: intended(chosen) };
    let view = state.rebuild.request_with(&id, &wish).await?;
    let place = format!("/api/operations/{}", view.operation.id);
    Ok((StatusCode::ACCEPTED, [(header::LOCATION, place)], Json(OperationJson::new(&view))))
}

/// What a rebuild of a host would do, and what speaks against it.
pub(crate) async fn plan(
    State(state): State<OperatorState>,
    HostPath(id): HostPath,
    uri: Uri,
) -> Result<Json<RebuildPlanJson>, Problem> {
    let field = |name| query_field(uri.query(), name);
    let asked = asked(field("image"), field("member_address").as_deref())?;
    let preflight = state.rebuild.plan(&id, &asked).await?;
    Ok(Json(RebuildPlanJson::new(&state, &preflight).await?))
}

/// Reads what a plan is asked for beside the host.
pub(in crate::http) fn asked(image: Option<String>, member_address: Option<&str>) -> Result<Asked, Problem> {
    let member_address = match member_address.map(str::trim).filter(|address| !address.is_empty()) {
        Some(address) => Some(address.parse().map_err(|_| {
            Problem::fields(&[("member_address", format!("`{address}` is not an IPv4 address such as 192.168.1.13"))])
        })?),
        None => None,
    };
    Ok(Asked { image: image.filter(|image| !image.is_empty()), member_address })
}
