//! What a run changed, in numbers and as a patch.

use super::{Git, GitError};
use std::path::Path;
use strawboss_protocol::api::{DiffStat, DiffView};

/// How much of a patch people are shown.
const PATCH_LIMIT: usize = 2 << 20;

/// The change from `base` to `head` in a mirror: since their merge base, so that work on the target does not show as ours.
pub(crate) async fn between(mirror: &Path, base: &str, head: &str) -> Result<DiffView, GitError> {
    let stat = stat(mirror, base, head).await?;
    let range = format!("{base}...{head}");
    let patch = Git::at(mirror)
        .limit(PATCH_LIMIT as u64 + 1)
        .run(&["diff", "--no-color", "--no-ext-diff", "--no-textconv", "--find-renames", "--end-of-options", &range])
        .await?;
    let truncated = patch.len() > PATCH_LIMIT;
    let patch = String::from_utf8_lossy(&patch[..patch.len().min(PATCH_LIMIT)]).into_owned();
    Ok(DiffView { base: base.to_owned(), head: head.to_owned(), stat, patch, truncated })
}

/// Files and lines.
pub(crate) async fn stat(mirror: &Path, base: &str, head: &str) -> Result<DiffStat, GitError> {
    let range = format!("{base}...{head}");
    let numbers =
        Git::at(mirror).line(&["diff", "--numstat", "--no-ext-diff", "--no-textconv", "--end-of-options", &range]).await?;
    let mut stat = DiffStat::default();
    for line in numbers.lines() {
        let mut fields = line.split('\t');
        stat.files = stat.files.saturating_add(1);
        // A binary file counts as a file of no lines (`-`).
        stat.added = stat.added.saturating_add(fields.next().and_then(|n| n.parse().ok()).unwrap_or(0));
        stat.removed = stat.removed.saturating_add(fields.next().and_then(|n| n.parse().ok()).unwrap_or(0));
    }
    Ok(stat)
}
