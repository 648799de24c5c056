//! API tokens: made, listed, ended, and checked without telling how close a guess was.

use crate::error::Refused;
use crate::shared::Shared;
use crate::supervise::{hash, random_secret};
use strawboss_core::store::ApiToken;
use strawboss_protocol::api::{NewToken, TokenView};

/// The words that a scope can be, from least to most.
pub(crate) const SCOPES: [&str; 3] = ["read", "write", "admin"];
/// What secrets begin with, so that scanners and people know them.
pub(crate) const PREFIX: &str = "sb_";
const DAY_MS: i64 = 86_400_000;

fn view(token: ApiToken, secret: Option<String>) -> TokenView {
    TokenView {
        id: token.id,
        label: token.label,
        scope: token.scope,
        created_at: token.created_at.0,
        expires_at: token.expires_at.map(|at| at.0),
        secret,
    }
}

impl Shared {
    pub(crate) async fn token_create(&self, new: NewToken) -> Result<TokenView, Refused> {
        if !SCOPES.contains(&new.scope.as_str()) {
            return Err(Refused::invalid(
                format!("`{}` is no scope.", new.scope),
                format!("Choose one of {}.", SCOPES.join(", ")),
            ));
        }
        let label = new.label.trim();
        if label.is_empty() || label.len() > 100 || label.chars().any(char::is_control) {
            return Err(Refused::invalid("A token needs a label of 1 to 100 bytes on one line.", "Say what it is for."));
        }
        let secret = format!("{PREFIX}{}", random_secret()?);
        let id = random_secret()?.chars().take(12).collect();
        let now = self.now();
        let expires_at = new.expires_in_days.map(|days| now.plus_ms(i64::from(days).saturating_mul(DAY_MS)));
        let token = ApiToken { id, label: label.to_owned(), hash: hash(&secret), scope: new.scope, created_at: now, expires_at };
        self.parts.store.token_add(&token).await?;
        Ok(view(token, Some(secret)))
    }

    pub(crate) async fn token_list(&self) -> Result<Vec<TokenView>, Refused> {
        Ok(self.parts.store.token_list().await?.into_iter().map(|token| view(token, None)).collect())
    }

    pub(crate) async fn token_revoke(&self, id: &str) -> Result<(), Refused> {
        if self.parts.store.token_remove(id).await? { Ok(()) } else { Err(Refused::not_found("token", id)) }
    }

    /// Secrets are 256 random bits and only their hashes are compared, so the time taken tells nothing about a secret.
    pub(crate) async fn token_check(&self, secret: &str) -> Result<Option<ApiToken>, Refused> {
        let hash = hash(secret);
        let now = self.now();
        let tokens = self.parts.store.token_list().await?;
        Ok(tokens.into_iter().find(|token| token.hash == hash && token.expires_at.is_none_or(|at| at > now)))
    }
}
