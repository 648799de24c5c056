//! Who is asking, and may they? Tokens, browsers' cookies, and what keeps strangers' pages from using either.
//!
//! Nothing here knows routes: [`guard`] puts it in front of them.

pub(crate) mod backoff;
pub(crate) mod cookie;
pub(crate) mod guard;
pub(crate) mod origin;
pub(crate) mod passwords;
mod proxies;

use crate::error::ApiError;
use crate::state::AppState;
use axum::extract::{FromRequestParts, Query};
use backoff::Backoff;
use cookie::CookieKey;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use origin::Hosts;
pub use proxies::TrustedProxy;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use strawboss_core::Timestamp;
use strawboss_engine::ports::Clock;
use strawboss_engine::{Engine, Refused};
use subtle::ConstantTimeEq;

/// The id of the admin token that is made at first start; API tokens never have it.
pub const ADMIN_ID: &str = "admin";
/// The longest secret that is looked at, in bytes; ours have 64 digits and a prefix.
const MAX_SECRET_BYTES: usize = 256;
/// How long a browser stays signed in: a working month, so that a forgotten laptop is not signed in for ever.
const COOKIE_LIFE_MS: i64 = 30 * 24 * 3_600_000;

/// What a token allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// Asking.
    Read,
    /// Commands too: tasks, runs, reviews, terminals' input.
    Write,
    /// Tokens too.
    Admin,
}

impl Scope {
    /// The word on the wire.
    pub fn word(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Admin => "admin",
        }
    }

    /// Reads [`Scope::word`].
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::Read, Self::Write, Self::Admin].into_iter().find(|scope| scope.word() == word)
    }
}

/// How a caller said who it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Via {
    /// `Authorization: Bearer`.
    Bearer,
    /// A browser's cookie.
    Cookie,
}

/// A token that is good, without its secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownToken {
    /// Its public name.
    pub id: String,
    /// What it is for.
    pub label: String,
    /// What it allows.
    pub scope: Scope,
    /// When it stops working.
    pub expires_at: Option<Timestamp>,
}

/// Where API tokens are looked up. An implementation compares secrets in constant time.
#[async_trait::async_trait]
pub trait TokenCheck: Send + Sync {
    /// The token that this secret belongs to and that is not over.
    async fn by_secret(&self, secret: &str) -> Result<Option<KnownToken>, Refused>;
    /// The token of this id, when it is not revoked; it may have expired.
    async fn by_id(&self, id: &str) -> Result<Option<KnownToken>, Refused>;
}

fn known(id: String, label: String, scope: &str, expires_at: Option<Timestamp>) -> Result<Option<KnownToken>, Refused> {
    let scope = Scope::from_word(scope).ok_or_else(|| Refused::Internal(format!("token {id} has the scope `{scope}`")))?;
    Ok(Some(KnownToken { id, label, scope, expires_at }))
}

#[async_trait::async_trait]
impl TokenCheck for Engine {
    async fn by_secret(&self, secret: &str) -> Result<Option<KnownToken>, Refused> {
        match self.token_check(secret).await? {
            Some(token) => known(token.id, token.label, &token.scope, token.expires_at),
            None => Ok(None),
        }
    }

    async fn by_id(&self, id: &str) -> Result<Option<KnownToken>, Refused> {
        match self.token_list().await?.into_iter().find(|token| token.id == id) {
            Some(token) => known(token.id, token.label, &token.scope, token.expires_at.map(Timestamp)),
            None => Ok(None),
        }
    }
}

/// What the wiring made at first start and reads at each.
#[derive(Clone)]
pub struct AuthConfig {
    /// SHA-256 of the admin token, which lies in `data_dir/admin-token` (mode 0600).
    pub admin_token_hash: [u8; 32],
    /// The key that cookies are signed with, 256 random bits, from `data_dir/cookie-key` (mode 0600): sessions survive a
    /// restart, and removing the file ends them all.
    pub cookie_key: [u8; 32],
    /// Host names that people reach this server by, beside loopback and the listening address: `crew.example.org`.
    pub public_names: Vec<String>,
    /// Whether `/metrics` answers callers on this machine without a token. Not behind a proxy on the same machine.
    pub metrics_on_loopback: bool,
    /// Whether anybody may make an account; else admins alone.
    pub registration: bool,
    /// Proxies whose `X-Forwarded-For` says who asks: else everybody behind one waits when one of them guesses tokens.
    pub trusted_proxies: Vec<TrustedProxy>,
}

impl AuthConfig {
    /// What [`AuthConfig::admin_token_hash`] is of a secret.
    pub fn hash(secret: &str) -> [u8; 32] {
        Sha256::digest(secret.trim().as_bytes()).into()
    }
}

impl std::fmt::Debug for AuthConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AuthConfig").field("public_names", &self.public_names).finish_non_exhaustive()
    }
}

/// A caller whose credentials are good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The token that stands behind it.
    pub token: KnownToken,
    /// How it said so.
    pub via: Via,
    /// When that stops working: the token's or the cookie's end.
    pub expires_at: Option<Timestamp>,
}

impl Caller {
    /// Whether the caller may do what needs `scope`.
    pub fn may(&self, scope: Scope) -> bool {
        self.token.scope >= scope
    }

    /// The same, as an error that says what to do.
    pub(crate) fn demand(&self, scope: Scope) -> Result<(), ApiError> {
        if self.may(scope) {
            return Ok(());
        }
        Err(ApiError::forbidden(
            format!(
                "token `{}` has the scope `{}`, and this needs `{}`",
                self.token.label,
                self.token.scope.word(),
                scope.word()
            ),
            format!("Use a token made with `strawboss token create --scope {}`, or the admin token.", scope.word()),
        ))
    }
}

/// A successful sign-in.
pub(crate) struct SignedIn {
    pub(crate) caller: Caller,
    pub(crate) set_cookie: HeaderValue,
}

/// Decides who is asking.
pub struct Auth {
    admin_hash: [u8; 32],
    cookies: CookieKey,
    hosts: Hosts,
    tokens: Arc<dyn TokenCheck>,
    clock: Arc<dyn Clock>,
    backoff: Mutex<Backoff>,
    metrics_on_loopback: bool,
    registration: bool,
    trusted_proxies: Vec<TrustedProxy>,
}

impl Auth {
    /// For a server that listens at `listen`.
    pub fn new(config: &AuthConfig, listen: SocketAddr, tokens: Arc<dyn TokenCheck>, clock: Arc<dyn Clock>) -> Self {
        Self {
            admin_hash: config.admin_token_hash,
            cookies: CookieKey::new(config.cookie_key, listen.port()),
            hosts: Hosts::new(listen, &config.public_names),
            tokens,
            clock,
            backoff: Mutex::new(Backoff::default()),
            metrics_on_loopback: config.metrics_on_loopback,
            registration: config.registration,
            trusted_proxies: config.trusted_proxies.clone(),
        }
    }

    fn admin() -> KnownToken {
        KnownToken { id: ADMIN_ID.to_owned(), label: "the admin token".to_owned(), scope: Scope::Admin, expires_at: None }
    }

    async fn by_secret(&self, secret: &str) -> Result<Option<KnownToken>, ApiError> {
        let secret = secret.trim();
        if secret.is_empty() || secret.len() > MAX_SECRET_BYTES {
            return Ok(None);
        }
        if bool::from(AuthConfig::hash(secret).ct_eq(&self.admin_hash)) {
            return Ok(Some(Self::admin()));
        }
        let token = self.tokens.by_secret(secret).await?;
        Ok(token.filter(|token| token.id != ADMIN_ID && self.in_time(token.expires_at)))
    }

    async fn by_id(&self, id: &str) -> Result<Option<KnownToken>, ApiError> {
        if id == ADMIN_ID {
            return Ok(Some(Self::admin()));
        }
        Ok(self.tokens.by_id(id).await?.filter(|token| self.in_time(token.expires_at)))
    }

    fn in_time(&self, expires_at: Option<Timestamp>) -> bool {
        expires_at.is_none_or(|at| self.clock.now() < at)
    }

    /// Who the caller is by its headers; 401 when nobody.
    pub(crate) async fn identify(&self, headers: &HeaderMap) -> Result<Caller, ApiError> {
        if let Some(value) = headers.get(header::AUTHORIZATION) {
            let secret = value.to_str().ok().and_then(|text| text.split_once(' '));
            let secret = secret.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer")).map(|(_, secret)| secret);
            let Some(secret) = secret else {
                return Err(ApiError::unauthorized("the Authorization header is not `Bearer` and a token", how_to_sign_in()));
            };
            return self.bearer(secret).await;
        }
        let Some(cookie) = self.cookies.find(headers) else {
            return Err(ApiError::unauthorized("this needs credentials, and none came", how_to_sign_in()));
        };
        let over = || ApiError::unauthorized("the session is over", "Sign in again.");
        let claim = self.cookies.open(cookie, &self.admin_hash).ok_or_else(over)?;
        if !self.in_time(Some(claim.expires_at)) {
            return Err(over());
        }
        let token = self.by_id(&claim.token).await?.ok_or_else(over)?;
        let expires_at = Some(token.expires_at.map_or(claim.expires_at, |at| at.min(claim.expires_at)));
        Ok(Caller { token, via: Via::Cookie, expires_at })
    }

    async fn bearer(&self, secret: &str) -> Result<Caller, ApiError> {
        let token = self.by_secret(secret).await?.ok_or_else(|| {
            ApiError::unauthorized(
                "the token is unknown here, revoked or over",
                "Check which server it is for, or make a new one.",
            )
        })?;
        let expires_at = token.expires_at;
        Ok(Caller { token, via: Via::Bearer, expires_at })
    }

    /// The same for a WebSocket, whose client may be able to set no header: then a token may stand in the query.
    pub(crate) async fn identify_socket(&self, headers: &HeaderMap, uri: &Uri) -> Result<Caller, ApiError> {
        #[derive(Deserialize)]
        struct InQuery {
            token: Option<String>,
        }
        let query = Query::<InQuery>::try_from_uri(uri).ok().and_then(|Query(query)| query.token);
        match query.filter(|_| !headers.contains_key(header::AUTHORIZATION)) {
            Some(secret) => self.bearer(&secret).await,
            None => self.identify(headers).await,
        }
    }

    /// Refuses what a stranger's page could have a signed-in browser do.
    pub(crate) fn check_page(&self, caller: &Caller, method: &Method, headers: &HeaderMap) -> Result<(), ApiError> {
        let upgrade = headers.contains_key(header::UPGRADE);
        if upgrade && headers.contains_key(header::ORIGIN) {
            self.hosts.check_origin(headers)?;
        }
        if caller.via != Via::Cookie || (method.is_safe() && !upgrade) {
            return Ok(());
        }
        self.hosts.check_origin(headers)?;
        // A browser sends no such header to another origin without asking first, and we never agree.
        if !upgrade && headers.get("x-strawboss").is_none_or(|value| value != "1") {
            return Err(ApiError::forbidden(
                "a browser's request that changes something lacks the header `X-Strawboss: 1`",
                "Send the header, or use `Authorization: Bearer` instead of the cookie.",
            ));
        }
        Ok(())
    }

    /// Returns when a caller that was good when its stream began no longer is, which is looked at every `pause`.
    pub(crate) async fn until_over(&self, caller: &Caller, pause: Duration) {
        loop {
            tokio::time::sleep(pause).await;
            if !self.still_good(caller).await {
                return;
            }
        }
    }

    async fn still_good(&self, caller: &Caller) -> bool {
        if !self.in_time(caller.expires_at) {
            return false;
        }
        match self.by_id(&caller.token.id).await {
            Ok(token) => token.is_some_and(|token| token.scope == caller.token.scope),
            // The store does not answer: that is no reason to cut people off.
            Err(_) => true,
        }
    }

    /// The address that tries to sign in, unless it must wait because of what it tried before, or a stranger's page tries.
    pub(crate) async fn may_try(&self, peer: IpAddr, headers: &HeaderMap) -> Result<IpAddr, ApiError> {
        let from = proxies::client(&self.trusted_proxies, peer, headers).await;
        if headers.contains_key(header::ORIGIN) {
            self.hosts.check_origin(headers)?;
        }
        let Some(seconds) = self.backoff().wait(from, self.clock.now()) else { return Ok(from) };
        let mut error = ApiError::new(
            StatusCode::TOO_MANY_REQUESTS,
            "unauthorized",
            "too many wrong tokens or passwords came from this address",
            Some(format!("Wait {seconds} s, then try again.")),
        );
        error.retry_after = Some(seconds);
        Err(error)
    }

    /// It tried, and was wrong.
    pub(crate) fn tried_in_vain(&self, from: IpAddr) {
        self.backoff().failed(from, self.clock.now());
    }

    /// It tried, and was right.
    pub(crate) fn tried_well(&self, from: IpAddr) {
        self.backoff().succeeded(from);
    }

    pub(crate) fn registration_is_open(&self) -> bool {
        self.registration
    }

    /// Turns a secret into a cookie.
    pub(crate) async fn sign_in(&self, peer: IpAddr, headers: &HeaderMap, secret: &str) -> Result<SignedIn, ApiError> {
        let from = self.may_try(peer, headers).await?;
        let now = self.clock.now();
        let Some(token) = self.by_secret(secret).await? else {
            self.tried_in_vain(from);
            return Err(ApiError::unauthorized("the token is unknown here, revoked or over", how_to_sign_in()));
        };
        self.tried_well(from);
        let mut expires_at = now.plus_ms(COOKIE_LIFE_MS);
        if let Some(end) = token.expires_at {
            expires_at = expires_at.min(end);
        }
        let value = self.cookies.seal(&token.id, expires_at, &self.admin_hash);
        let https = headers.get(header::ORIGIN).is_some_and(|origin| origin.as_bytes().starts_with(b"https://"));
        let set_cookie = self.cookies.set_cookie(&value, expires_at.ms_since(now) / 1000, https);
        let set_cookie = set_cookie.map_err(|error| ApiError::internal(&format!("token id is no cookie value: {error}")))?;
        Ok(SignedIn { caller: Caller { token, via: Via::Cookie, expires_at: Some(expires_at) }, set_cookie })
    }

    pub(crate) fn clear_cookie(&self) -> HeaderValue {
        self.cookies.clear()
    }

    pub(crate) fn hosts(&self) -> &Hosts {
        &self.hosts
    }

    pub(crate) fn metrics_on_loopback(&self) -> bool {
        self.metrics_on_loopback
    }

    fn backoff(&self) -> std::sync::MutexGuard<'_, Backoff> {
        self.backoff.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

fn how_to_sign_in() -> String {
    "Send `Authorization: Bearer` and the token in `admin-token` of the data directory (or one from `strawboss token create`), \
     or sign in with it in the browser."
        .to_owned()
}

impl FromRequestParts<AppState> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _state: &AppState) -> Result<Self, ApiError> {
        parts.extensions.get::<Self>().cloned().ok_or_else(|| ApiError::internal("a route needs a caller and has no guard"))
    }
}

/// The caller, where credentials are welcome but not needed.
pub(crate) struct MaybeCaller(pub(crate) Option<Caller>);

impl FromRequestParts<AppState> for MaybeCaller {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Self::Rejection> {
        Ok(Self(state.auth.identify(&parts.headers).await.ok()))
    }
}

#[cfg(test)]
mod tests;
