//! The HTTP client of every remote source.

use std::time::Duration;

/// One whose requests may take so long. It follows no redirect: what lets a source in is not handed on to wherever an answer points.
pub(crate) fn client(patience: Duration) -> Result<reqwest::Client, String> {
    reqwest::Client::builder()
        .user_agent(concat!("strawboss/", env!("CARGO_PKG_VERSION")))
        .timeout(patience)
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .map_err(|error| error.to_string())
}
