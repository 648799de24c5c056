//! How whole entities lie in a row: as JSON, with the version in a column of its own.

use crate::error::Failure;
use serde::Serialize;
use serde::de::DeserializeOwned;
use sqlx::Row;
use sqlx::any::AnyRow;
use strawboss_core::run::{Run, Sandbox};
use strawboss_core::store::StoreError;
use strawboss_core::task::Task;

/// Something that is kept whole.
pub(crate) trait Entity: Serialize + DeserializeOwned + Send {
    /// The word for it in errors.
    const WHAT: &'static str;
    /// Its id.
    fn key(&self) -> &str;
    /// How often it was written.
    fn version(&self) -> i64;
    /// Says how often it was written.
    fn set_version(&mut self, version: i64);
}

macro_rules! entity {
    ($type:ty, $what:literal) => {
        impl Entity for $type {
            const WHAT: &'static str = $what;
            fn key(&self) -> &str {
                self.id.as_str()
            }
            fn version(&self) -> i64 {
                self.version
            }
            fn set_version(&mut self, version: i64) {
                self.version = version;
            }
        }
    };
}

entity!(Task, "task");
entity!(Run, "run");
entity!(Sandbox, "sandbox");

/// Reads a row of `id, version, body`.
pub(crate) fn from_row<E: Entity>(row: &AnyRow) -> Result<E, Failure> {
    let id: &str = row.try_get(0)?;
    let corrupt = |why: String| StoreError::Corrupt { what: E::WHAT, id: id.to_owned(), why };
    let version: i64 = row.try_get(1).map_err(|error| corrupt(error.to_string()))?;
    let body: &str = row.try_get(2).map_err(|error| corrupt(error.to_string()))?;
    let mut entity: E = serde_json::from_str(body).map_err(|error| corrupt(error.to_string()))?;
    if entity.key() != id {
        return Err(corrupt(format!("its body is that of `{}`", entity.key())).into());
    }
    entity.set_version(version);
    Ok(entity)
}

/// The JSON of an entity and the version that it will have once it is written.
pub(crate) fn to_body<E: Entity>(entity: &E) -> Result<(String, i64), Failure> {
    let refused = |why: String| StoreError::Refused { what: E::WHAT, id: entity.key().to_owned(), why };
    let version = entity.version().checked_add(1).ok_or_else(|| refused("its version is the last there is".to_owned()))?;
    let body = serde_json::to_string(entity).map_err(|error| refused(error.to_string()))?;
    Ok((body, version))
}
