//! The suite on SQLite, in a file and in memory.

#![expect(clippy::unwrap_used, reason = "a test reports by panicking")]

use std::sync::Arc;
use strawboss_core::store::Store;
use strawboss_store::SqlStore;
use strawboss_store::conformance::Fixture;

/// A file in a folder that goes with it. Its name holds what a URL would trip over.
struct InFile(tempfile::TempDir);

#[async_trait::async_trait]
impl Fixture for InFile {
    async fn open(&self) -> Arc<dyn Store> {
        Arc::new(SqlStore::open_sqlite(&self.0.path().join("my state %41?mode=memory#1.db")).await.unwrap())
    }
}

/// One store in memory.
struct InMemory(Arc<SqlStore>);

#[async_trait::async_trait]
impl Fixture for InMemory {
    async fn open(&self) -> Arc<dyn Store> {
        Arc::<SqlStore>::clone(&self.0)
    }
}

mod in_file {
    strawboss_store::conformance_tests!(async { super::InFile(tempfile::tempdir().unwrap()) });
}

mod in_memory {
    strawboss_store::conformance_tests!(async {
        super::InMemory(super::Arc::new(super::SqlStore::open_sqlite_in_memory().await.unwrap()))
    });
}
