//! What the tests share.

pub(crate) mod door;
pub(crate) mod engine;
pub(crate) mod git;
pub(crate) mod tracker;

use std::time::{Duration, Instant};

/// How long anything may take that is waited for; machines are shared.
const DEADLINE: Duration = Duration::from_mins(1);

/// Waits until a condition holds.
pub(crate) async fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let end = Instant::now() + DEADLINE;
    while !holds() {
        assert!(Instant::now() < end, "waited in vain: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// What comes, or a failure when nothing does.
pub(crate) async fn soon<T>(what: &str, coming: impl Future<Output = T>) -> T {
    let came = tokio::time::timeout(DEADLINE, coming).await;
    came.unwrap_or_else(|_| panic!("waited in vain: {what}"))
}

/// A client that follows nothing and knows nobody's proxy.
pub(crate) fn client() -> reqwest::Client {
    // Only the first of the tests installs it.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build().unwrap()
}
