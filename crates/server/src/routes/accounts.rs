//! `/api/v1/accounts`: people who sign in with a name and a password, for `admin` only.

use super::{BodyErrors, FindErrors, ReadErrors};
use crate::auth::{Scope, passwords};
use crate::error::ApiError;
use crate::extract::JsonBody;
use crate::state::AppState;
use axum::Json;
use axum::extract::{Path, State};
use http::StatusCode;
use strawboss_protocol::api::{AccountChange, AccountView, NewAccount};

/// Checks a password and hashes it.
pub(crate) async fn hashed(password: String) -> Result<String, ApiError> {
    if password.chars().count() < passwords::LEAST || password.len() > passwords::MOST {
        let why = format!("a password has {} characters at least, and {} bytes at most", passwords::LEAST, passwords::MOST);
        return Err(ApiError::invalid(why, "Choose another one."));
    }
    passwords::hash(password).await
}

/// Accounts, by name.
#[utoipa::path(get, path = "/api/v1/accounts", tag = "accounts", responses((status = 200, body = Vec<AccountView>), ReadErrors))]
pub(crate) async fn account_list(State(state): State<AppState>) -> Result<Json<Vec<AccountView>>, ApiError> {
    Ok(Json(state.engine.account_list().await?))
}

/// Makes an account.
#[utoipa::path(post, path = "/api/v1/accounts", tag = "accounts", request_body = NewAccount,
    responses((status = 201, body = AccountView), BodyErrors))]
pub(crate) async fn account_create(
    State(state): State<AppState>,
    JsonBody(new): JsonBody<NewAccount>,
) -> Result<(StatusCode, Json<AccountView>), ApiError> {
    let hash = hashed(new.password).await?;
    let (engine, scope) = (state.engine.clone(), new.scope.unwrap_or_else(|| Scope::Write.word().to_owned()));
    let making = async move { engine.account_create(&new.username, hash, &scope).await };
    let account = state.carry_out(making).await?;
    tracing::info!(account = account.username, scope = account.scope, "an account was made");
    Ok((StatusCode::CREATED, Json(account)))
}

/// Gives an account another password or another scope; all of its sign-ins end.
#[utoipa::path(put, path = "/api/v1/accounts/{username}", tag = "accounts", request_body = AccountChange,
    params(("username" = String, Path, description = "What the person signs in as")),
    responses((status = 200, body = AccountView), BodyErrors))]
pub(crate) async fn account_change(
    State(state): State<AppState>,
    Path(username): Path<String>,
    JsonBody(change): JsonBody<AccountChange>,
) -> Result<Json<AccountView>, ApiError> {
    if change.password.is_none() && change.scope.is_none() {
        return Err(ApiError::invalid("nothing is to be changed", "Send `password`, `scope` or both."));
    }
    let hash = match change.password {
        Some(password) => Some(hashed(password).await?),
        None => None,
    };
    let engine = state.engine.clone();
    let changing = async move { engine.account_change(&username, hash, change.scope).await };
    let account = state.carry_out(changing).await?;
    tracing::info!(account = account.username, scope = account.scope, "an account was changed, and its sign-ins ended");
    Ok(Json(account))
}

/// Removes an account; all of its sign-ins end.
#[utoipa::path(delete, path = "/api/v1/accounts/{username}", tag = "accounts",
    params(("username" = String, Path, description = "What the person signs in as")),
    responses((status = 204, description = "It is gone"), FindErrors))]
pub(crate) async fn account_delete(State(state): State<AppState>, Path(username): Path<String>) -> Result<StatusCode, ApiError> {
    let engine = state.engine.clone();
    let account = username.clone();
    state.carry_out(async move { engine.account_remove(&username).await }).await?;
    tracing::info!(account, "an account was removed, and its sign-ins ended");
    Ok(StatusCode::NO_CONTENT)
}
