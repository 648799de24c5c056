//! `/auth/*` and `/me*` of the terminal service: people with a name and a password. Who signs in is given a token of ours,
//! with the account's scope and an end; it is taken everywhere, and listed and ended like every other.
//!
//! An account is made by an admin, or by anybody where `server.registration: open` says so.

use super::{Body, OldError};
use crate::auth::{Caller, Scope, passwords};
use crate::error::ApiError;
use crate::routes::accounts::hashed;
use crate::state::{AppState, Peer};
use axum::Json;
use axum::extract::{Extension, State};
use http::{HeaderMap, StatusCode};
use serde::{Deserialize, Serialize};
use strawboss_core::store::Account;

/// What an account may do unless an admin who makes it says otherwise: work with runs, and nothing on the host.
const SCOPE: Scope = Scope::Write;

/// A name and a password.
#[derive(Deserialize)]
pub(crate) struct Credentials {
    username: String,
    password: String,
    /// Only an admin may say it.
    scope: Option<Scope>,
}

/// An account in old words.
#[derive(Debug, Serialize)]
pub(crate) struct OldUser {
    id: String,
    username: String,
    projects: Vec<String>,
}

impl From<Account> for OldUser {
    fn from(account: Account) -> Self {
        Self { id: account.username.clone(), username: account.username, projects: account.projects }
    }
}

#[derive(Serialize)]
pub(crate) struct SignedIn {
    token: String,
    user: OldUser,
}

async fn signed_in(state: &AppState, account: Account) -> Result<Json<SignedIn>, OldError> {
    let engine = state.engine.clone();
    let known = account.clone();
    let token = state.carry_out(async move { engine.account_sign_in(&known).await }).await?;
    Ok(Json(SignedIn { token, user: account.into() }))
}

/// Makes an account, and signs in with it.
pub(crate) async fn register(
    State(state): State<AppState>,
    Extension(peer): Extension<Peer>,
    near: Option<Extension<Caller>>,
    headers: HeaderMap,
    Body(asked): Body<Credentials>,
) -> Result<(StatusCode, Json<SignedIn>), OldError> {
    let from = state.auth.may_try(peer.addr.ip(), &headers).await?;
    let admin = match state.auth.identify(&headers).await {
        Ok(caller) => {
            state.auth.check_page(&caller, &http::Method::POST, &headers)?;
            caller.may(Scope::Admin)
        }
        // A client that is just about to register may send whatever token it had.
        Err(_) => false,
    };
    // Where nobody signs in everybody may do what an admin may.
    let admin = admin || near.is_some_and(|Extension(caller)| caller.may(Scope::Admin));
    if !admin && !state.auth.registration_is_open() {
        return Err(ApiError::forbidden(
            "accounts are made by an admin here",
            "Send an admin's token in `Authorization`, or allow everybody with `server: { registration: open }` in strawboss.yaml.",
        )
        .into());
    }
    let scope = asked.scope.filter(|_| admin).unwrap_or(SCOPE);
    let hash = hashed(asked.password).await?;
    if !admin {
        // Hashing costs more than asking: who registers again and again waits as one does who guesses.
        state.auth.tried_in_vain(from);
    }
    let engine = state.engine.clone();
    let making = async move { engine.account_add(&asked.username, hash, scope.word()).await };
    let account = state.carry_out(making).await?;
    tracing::info!(account = account.username, scope = account.scope, "an account was made");
    Ok((StatusCode::CREATED, signed_in(&state, account).await?))
}

/// Signs in. Wrong guesses from one address are answered ever more slowly, as with tokens; that there is no such account
/// takes as long to find out as that the password is wrong.
pub(crate) async fn login(
    State(state): State<AppState>,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
    Body(asked): Body<Credentials>,
) -> Result<Json<SignedIn>, OldError> {
    let from = state.auth.may_try(peer.addr.ip(), &headers).await?;
    let account = state.engine.account(&asked.username).await?;
    let short = asked.password.len() <= passwords::MOST;
    // Before it is known: many that guess at once are not to be let through together.
    state.auth.tried_in_vain(from);
    let hash = account.as_ref().map(|account| account.password_hash.clone());
    let right = short && passwords::is(asked.password, hash).await?;
    let Some(account) = account.filter(|_| right) else {
        return Err(
            ApiError::unauthorized("the name or the password is wrong", "Check both; an admin can make an account.").into()
        );
    };
    state.auth.tried_well(from);
    signed_in(&state, account).await
}

/// Whose token it is. Asked of the token itself: where nobody signs in, it still says who somebody is.
async fn token_of(state: &AppState, headers: &HeaderMap) -> Result<String, OldError> {
    Ok(state.auth.identify(headers).await?.token.id)
}

/// Who the caller is.
pub(crate) async fn me(State(state): State<AppState>, headers: HeaderMap) -> Result<Json<OldUser>, OldError> {
    let token = token_of(&state, &headers).await?;
    Ok(Json(state.engine.account_by_token(&token).await?.into()))
}

/// The account's projects.
#[derive(Serialize, Deserialize)]
pub(crate) struct Projects {
    projects: Vec<String>,
}

/// What the account's person works on: a list that old dashboards keep here. It opens nothing and closes nothing.
pub(crate) async fn projects(State(state): State<AppState>, headers: HeaderMap) -> Result<Json<Projects>, OldError> {
    let token = token_of(&state, &headers).await?;
    Ok(Json(Projects { projects: state.engine.account_by_token(&token).await?.projects }))
}

/// Keeps another list.
pub(crate) async fn projects_set(
    State(state): State<AppState>,
    headers: HeaderMap,
    Body(asked): Body<Projects>,
) -> Result<Json<Projects>, OldError> {
    let engine = state.engine.clone();
    let token = token_of(&state, &headers).await?;
    let account = state.carry_out(async move { engine.account_projects(&token, asked.projects).await }).await?;
    Ok(Json(Projects { projects: account.projects }))
}
