//! Accounts: `/api/v1/accounts`, for `admin`.

use serde::{Deserialize, Serialize};

/// A person who signs in with a name and a password.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AccountView {
    /// What the person signs in as.
    pub username: String,
    /// What the account's sign-ins may do: `read`, `write` or `admin`.
    pub scope: String,
    /// When it was made, milliseconds since 1970 UTC.
    pub created_at: i64,
    /// How many of its sign-ins are good now.
    pub sign_ins: u32,
}

/// An account to be made.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct NewAccount {
    /// What the person signs in as: 1 to 64 letters, digits and `._@+-`.
    pub username: String,
    /// The password: 6 characters at least.
    pub password: String,
    /// What it may do: `read`, `write` (when left out) or `admin`.
    #[serde(default)]
    pub scope: Option<String>,
}

impl std::fmt::Debug for NewAccount {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NewAccount").field("username", &self.username).field("scope", &self.scope).finish_non_exhaustive()
    }
}

/// What becomes of an account: what is left out stays. Its sign-ins end in any case.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct AccountChange {
    /// Another password.
    #[serde(default)]
    pub password: Option<String>,
    /// What it may do from now on.
    #[serde(default)]
    pub scope: Option<String>,
}

impl std::fmt::Debug for AccountChange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AccountChange").field("scope", &self.scope).finish_non_exhaustive()
    }
}
