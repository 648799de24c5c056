//! Signing in and out with a browser: a token becomes a cookie that scripts of the page cannot read.

use super::ReadErrors;
use crate::auth::{Caller, Scope, Via};
use crate::error::ApiError;
use crate::extract::JsonBody;
use crate::state::{AppState, Peer};
use axum::Json;
use axum::extract::{Extension, State};
use axum::response::IntoResponse;
use http::{HeaderMap, StatusCode, header};
use serde::{Deserialize, Serialize};
use strawboss_protocol::api::ErrorBody;

/// The token to sign in with: the admin token, or an API token.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SignIn {
    /// The secret.
    pub token: String,
}

/// Who the caller is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Me {
    /// The token's id; `admin` for the admin token.
    pub token: String,
    /// What the token is for.
    pub label: String,
    /// What it allows: `read`, `write` (and `read`) or `admin` (and all).
    #[schema(example = "write")]
    pub scope: Scope,
    /// How the caller said who it is: `bearer` or `cookie`.
    #[schema(example = "cookie")]
    pub via: Via,
    /// When that stops working, milliseconds since 1970 UTC.
    pub expires_at: Option<i64>,
}

impl From<&Caller> for Me {
    fn from(caller: &Caller) -> Self {
        Self {
            token: caller.token.id.clone(),
            label: caller.token.label.clone(),
            scope: caller.token.scope,
            via: caller.via,
            expires_at: caller.expires_at.map(|at| at.0),
        }
    }
}

/// Signs a browser in: answers with an HttpOnly cookie.
///
/// Further requests with that cookie that change something need the header `X-Strawboss: 1` and an `Origin` of this
/// server. Wrong tokens from one address are answered ever more slowly (429 with `Retry-After`).
#[utoipa::path(post, path = "/api/v1/sign-in", tag = "sign-in", security(()), request_body = SignIn,
    responses((status = 200, body = Me, headers(("Set-Cookie" = String, description = "The session"))),
        (status = 400, body = ErrorBody, description = "What was sent makes no sense"),
        (status = 401, body = ErrorBody, description = "No such token, or it is over"),
        (status = 403, body = ErrorBody, description = "The page that asks is not of this server"),
        (status = 415, body = ErrorBody, description = "The body is not JSON"),
        (status = 429, body = ErrorBody, description = "Too many wrong tokens from this address"),
        (status = 503, body = ErrorBody, description = "The store does not answer")))]
pub(crate) async fn sign_in(
    State(state): State<AppState>,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
    JsonBody(body): JsonBody<SignIn>,
) -> Result<impl IntoResponse, ApiError> {
    let signed = state.auth.sign_in(peer.addr.ip(), &headers, &body.token).await?;
    Ok(([(header::SET_COOKIE, signed.set_cookie)], Json(Me::from(&signed.caller))))
}

/// Takes the browser's cookie back.
#[utoipa::path(post, path = "/api/v1/sign-out", tag = "sign-in", responses((status = 204, description = "Signed out"), ReadErrors))]
pub(crate) async fn sign_out(State(state): State<AppState>) -> impl IntoResponse {
    (StatusCode::NO_CONTENT, [(header::SET_COOKIE, state.auth.clear_cookie())])
}

/// Who the caller is and what it may do.
#[utoipa::path(get, path = "/api/v1/me", tag = "sign-in", responses((status = 200, body = Me), ReadErrors))]
pub(crate) async fn me(caller: Caller) -> Json<Me> {
    Json(Me::from(&caller))
}
