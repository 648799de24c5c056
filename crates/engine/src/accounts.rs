//! Accounts: people who sign in with a name and a password, and are then known by a token like everybody else.

use crate::engine::Engine;
use crate::error::Refused;
use crate::shared::Shared;
use crate::shells;
use crate::supervise::{hash, random_secret};
use crate::tokens::{PREFIX, SCOPES};
use strawboss_core::store::{Account, ApiToken, StoreError};
use strawboss_protocol::api::AccountView;

/// How long a sign-in lasts, in milliseconds: as long as a browser's.
const SIGN_IN_MS: i64 = 30 * 24 * 3_600_000;
/// How many sign-ins of one account last at once; the oldest ends first.
const SIGN_INS: usize = 20;
/// The longest name, in bytes.
const NAME_BYTES: usize = 64;
/// How many projects an account may name, and how long each may be.
const PROJECTS: usize = 200;
const PROJECT_BYTES: usize = 200;

fn check_name(name: &str) -> Result<(), Refused> {
    let sound = |b: u8| b.is_ascii_alphanumeric() || b"._@+-".contains(&b);
    if !name.is_empty() && name.len() <= NAME_BYTES && name.bytes().all(sound) {
        return Ok(());
    }
    Err(Refused::invalid(format!("An account's name has 1 to {NAME_BYTES} letters, digits and `._@+-`."), "Choose another name."))
}

/// The account that a token was given to when it signed in.
pub(crate) fn account_of(token: &str) -> Option<&str> {
    token.rsplit_once('@').map(|(name, _)| name)
}

fn check_scope(scope: &str) -> Result<(), Refused> {
    if SCOPES.contains(&scope) {
        return Ok(());
    }
    let shown = scope.chars().take(80).collect::<String>();
    Err(Refused::invalid(format!("`{}` is no scope.", shown.escape_debug()), format!("Choose one of {}.", SCOPES.join(", "))))
}

impl Shared {
    pub(crate) async fn account_add(&self, name: &str, password_hash: String, scope: &str) -> Result<Account, Refused> {
        check_name(name)?;
        check_scope(scope)?;
        let account = Account {
            username: name.to_owned(),
            password_hash,
            scope: scope.to_owned(),
            projects: Vec::new(),
            created_at: self.now(),
        };
        match self.parts.store.account_add(&account).await {
            Ok(()) => Ok(account),
            Err(StoreError::Conflict { .. }) => Err(Refused::conflict(
                format!("There is an account `{name}` already."),
                "Sign in with it, or choose another name.",
            )),
            Err(error) => Err(error.into()),
        }
    }

    pub(crate) async fn account(&self, name: &str) -> Result<Option<Account>, Refused> {
        if check_name(name).is_err() {
            return Ok(None);
        }
        Ok(self.parts.store.account(name).await?)
    }

    /// The account behind a token, while both are there.
    pub(crate) async fn account_by_token(&self, token: &str) -> Result<Account, Refused> {
        let account = match account_of(token) {
            Some(name) => self.account(name).await?,
            None => None,
        };
        account.ok_or_else(|| Refused::not_found("account of the token", token))
    }

    pub(crate) async fn account_projects(&self, token: &str, projects: Vec<String>) -> Result<Account, Refused> {
        let sound = |project: &String| project.len() <= PROJECT_BYTES && !project.chars().any(char::is_control);
        if projects.len() > PROJECTS || !projects.iter().all(sound) {
            return Err(Refused::invalid(
                format!("An account has at most {PROJECTS} projects, each one line of at most {PROJECT_BYTES} bytes."),
                "Send less.",
            ));
        }
        // What another one changed is not written over.
        let _writer = self.write().await;
        let mut account = self.account_by_token(token).await?;
        account.projects = projects;
        if self.parts.store.account_set(&account).await? { Ok(account) } else { Err(Refused::not_found("account", token)) }
    }

    /// A token for an account whose password was right.
    pub(crate) async fn account_sign_in(&self, account: &Account) -> Result<String, Refused> {
        let now = self.now();
        let mut mine: Vec<ApiToken> = self.parts.store.token_list().await?;
        mine.retain(|token| account_of(&token.id) == Some(account.username.as_str()));
        let over = mine.iter().filter(|token| token.expires_at.is_some_and(|at| at <= now)).map(|token| token.id.clone());
        let over: Vec<String> = over.collect();
        let still = mine.iter().filter(|token| !over.contains(&token.id)).map(|token| token.id.clone());
        let still: Vec<String> = still.collect();
        let most = still.len().saturating_sub(SIGN_INS - 1);
        for id in over.iter().chain(&still[..most]) {
            self.parts.store.token_remove(id).await?;
        }
        let secret = format!("{PREFIX}{}", random_secret()?);
        let number: String = random_secret()?.chars().take(12).collect();
        let token = ApiToken {
            // Nobody chooses a token's id but the engine, so that nobody else's token speaks for an account.
            id: format!("{}@{number}", account.username),
            label: format!("sign-in of {}", account.username),
            hash: hash(&secret),
            scope: account.scope.clone(),
            created_at: now,
            expires_at: Some(now.plus_ms(SIGN_IN_MS)),
        };
        self.parts.store.token_add(&token).await?;
        // It may have been removed or changed while its password was compared: a sign-in of then must not stay.
        let now = self.parts.store.account(&account.username).await?;
        if now.is_none_or(|now| now.password_hash != account.password_hash || now.scope != account.scope) {
            self.parts.store.token_remove(&token.id).await?;
            return Err(Refused::conflict("The account was changed at this moment.", "Sign in again."));
        }
        Ok(secret)
    }
}

impl Shared {
    /// The tokens that an account's sign-ins were given.
    async fn sign_ins(&self, name: &str) -> Result<Vec<ApiToken>, Refused> {
        let mut tokens = self.parts.store.token_list().await?;
        tokens.retain(|token| account_of(&token.id) == Some(name));
        Ok(tokens)
    }

    async fn end_sign_ins(&self, name: &str) -> Result<(), Refused> {
        for token in self.sign_ins(name).await? {
            self.parts.store.token_remove(&token.id).await?;
        }
        Ok(())
    }

    async fn account_view(&self, account: Account) -> Result<AccountView, Refused> {
        let now = self.now();
        let good = self.sign_ins(&account.username).await?;
        let good = good.iter().filter(|token| token.expires_at.is_none_or(|at| at > now)).count();
        Ok(AccountView {
            username: account.username,
            scope: account.scope,
            created_at: account.created_at.0,
            sign_ins: u32::try_from(good).unwrap_or(u32::MAX),
        })
    }
}

impl Engine {
    /// Accounts, by name.
    pub async fn account_list(&self) -> Result<Vec<AccountView>, Refused> {
        let mut views = Vec::new();
        for account in self.shared.parts.store.account_list().await? {
            views.push(self.shared.account_view(account).await?);
        }
        Ok(views)
    }

    /// Makes an account, from a hash of its password.
    pub async fn account_create(&self, name: &str, password_hash: String, scope: &str) -> Result<AccountView, Refused> {
        let account = self.shared.account_add(name, password_hash, scope).await?;
        self.shared.account_view(account).await
    }

    /// Gives an account another password or scope. Its sign-ins end: they may be a stranger's, and have the old scope.
    pub async fn account_change(
        &self,
        name: &str,
        password_hash: Option<String>,
        scope: Option<String>,
    ) -> Result<AccountView, Refused> {
        let shared = &self.shared;
        let _writer = shared.write().await;
        let mut account = shared.account(name).await?.ok_or_else(|| Refused::not_found("account", name))?;
        if let Some(scope) = scope {
            check_scope(&scope)?;
            account.scope = scope;
        }
        account.password_hash = password_hash.unwrap_or(account.password_hash);
        // First it is changed: who signs in with the old password in between is ended with the others.
        if !shared.parts.store.account_set(&account).await? {
            return Err(Refused::not_found("account", name));
        }
        shared.end_sign_ins(name).await?;
        shared.account_view(account).await
    }

    /// Removes an account; its sign-ins end. Not while it has sessions: whoever is given its name would have those too.
    pub async fn account_remove(&self, name: &str) -> Result<(), Refused> {
        let shared = &self.shared;
        let _writer = shared.write().await;
        shared.account(name).await?.ok_or_else(|| Refused::not_found("account", name))?;
        let sessions = shells::owned_by(shared, name).await?;
        if !sessions.is_empty() {
            return Err(Refused::conflict(
                format!("The account `{name}` has sessions: {}.", sessions.join(", ")),
                "Delete them first (`strawboss session delete NAME`): their work is saved.",
            ));
        }
        let removed = shared.parts.store.account_remove(name).await?;
        shared.end_sign_ins(name).await?;
        if removed { Ok(()) } else { Err(Refused::not_found("account", name)) }
    }
}
