//! `/api/v1/tokens`: API tokens, for `admin` only.

use super::{BodyErrors, FindErrors, ReadErrors};
use crate::error::ApiError;
use crate::extract::{Id, JsonBody};
use crate::state::AppState;
use axum::Json;
use axum::extract::State;
use http::StatusCode;
use std::str::FromStr;
use strawboss_protocol::api::{NewToken, TokenView};

/// The longest life, in days: ten years.
const MAX_DAYS: u32 = 3660;

/// A token's public name.
pub(crate) struct TokenId(String);

impl FromStr for TokenId {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.@+".contains(&byte));
        if plain && (1..=80).contains(&text.len()) { Ok(Self(text.to_owned())) } else { Err("that is no token's id") }
    }
}

/// Tokens without their secrets.
#[utoipa::path(get, path = "/api/v1/tokens", tag = "tokens", responses((status = 200, body = Vec<TokenView>), ReadErrors))]
pub(crate) async fn token_list(State(state): State<AppState>) -> Result<Json<Vec<TokenView>>, ApiError> {
    Ok(Json(state.engine.token_list().await?))
}

/// Makes a token; its secret is in this answer and nowhere else.
#[utoipa::path(post, path = "/api/v1/tokens", tag = "tokens", request_body = NewToken,
    responses((status = 201, body = TokenView), BodyErrors))]
pub(crate) async fn token_create(
    State(state): State<AppState>,
    JsonBody(new): JsonBody<NewToken>,
) -> Result<(StatusCode, Json<TokenView>), ApiError> {
    if new.expires_in_days.is_some_and(|days| !(1..=MAX_DAYS).contains(&days)) {
        return Err(ApiError::invalid("the token would expire at once or never", format!("Use 1 to {MAX_DAYS} days.")));
    }
    let engine = state.engine.clone();
    let token = state.carry_out(async move { engine.token_create(new).await }).await?;
    Ok((StatusCode::CREATED, Json(token)))
}

/// Ends a token, and the sessions that were opened with it.
#[utoipa::path(delete, path = "/api/v1/tokens/{id}", tag = "tokens", params(("id" = String, Path, description = "The token's id")),
    responses((status = 204, description = "It is over"), FindErrors))]
pub(crate) async fn token_revoke(State(state): State<AppState>, Id(id): Id<TokenId>) -> Result<StatusCode, ApiError> {
    let engine = state.engine.clone();
    state.carry_out(async move { engine.token_revoke(&id.0).await }).await?;
    Ok(StatusCode::NO_CONTENT)
}
