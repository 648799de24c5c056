//! Work that lies beside what is checked out: on other branches and in the stash.

use super::Room;
use crate::git::{Git, GitError, LONG, is_commit};
use crate::site::Site;
use std::path::Path;

/// How many branches and stashes there may be; with more, what is on them counts as not saved.
const MAX_TIPS: usize = 256;
/// How much of a name is kept, in characters: all of them go into one message.
const MAX_NAME: usize = 200;

/// A commit, and what leads to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Tip {
    pub(super) commit: String,
    pub(super) name: String,
}

/// What is neither in the history of `saved` nor in that of the commit that the work started from.
pub(super) async fn beside(room: &Room<'_>, saved: &str) -> Result<Vec<Tip>, GitError> {
    let start = room.site.orders.git.commit.as_str();
    let mut tips = tips(room.site, &room.look.folder).await?;
    tips.retain(|tip| tip.commit != saved && tip.commit != start);
    if tips.is_empty() {
        return Ok(tips);
    }
    let there = room.git("rev-list").args(["--no-walk", "--ignore-missing"]).args(commits(&tips)).run().await?;
    tips.retain(|tip| {
        let is_there = there.lines().any(|commit| commit == tip.commit);
        if !is_there {
            room.site.note(&format!("{} leads to nothing that is there: left out", tip.name));
        }
        is_there
    });
    if tips.is_empty() {
        return Ok(tips);
    }
    let broken = |error| match error {
        GitError::Failed { .. } => GitError::Elsewhere { why: error.to_string() },
        error => error,
    };
    let apart = room.git("merge-base").args(["--independent", saved, start]).args(commits(&tips)).run().await;
    let apart = apart.map_err(broken)?;
    tips.retain(|tip| apart.lines().any(|commit| commit == tip.commit));
    if tips.is_empty() {
        return Ok(tips);
    }
    // A push that finds an object missing looks like one that was cut off, and would be tried again.
    let whole = room.git("rev-list").limit(LONG).args(["--objects", "--quiet"]).args(commits(&tips));
    whole.args(["--not", saved, start]).run().await.map_err(broken)?;
    Ok(tips)
}

/// The first of them in a repository that is broken or another than it was, beside the run's own branch.
pub(super) async fn in_broken(site: &Site, branch: &str) -> Result<Option<Tip>, GitError> {
    let folder = site.place.workspace().join(".git");
    let own = format!("refs/heads/{branch}");
    let git = || Git::new(site, "rev-list").env("GIT_DIR", &folder);
    let tips = match tips(site, &folder).await {
        // Not a repository any more.
        Err(GitError::Failed { .. }) => return Ok(None),
        tips => tips?,
    };
    for tip in tips.into_iter().filter(|tip| tip.name != own) {
        let new = git().args(["--max-count=1", "--ignore-missing", &tip.commit, "--not", &site.orders.git.commit]).run().await;
        let is_there = || git().args(["--no-walk", &tip.commit]).ask();
        match new {
            Ok(new) if new.is_empty() => {}
            Ok(_) => return Ok(Some(tip)),
            Err(_) if is_there().await.is_some() => return Ok(Some(tip)),
            Err(_) => {}
        }
    }
    Ok(None)
}

fn commits(tips: &[Tip]) -> impl Iterator<Item = &str> {
    tips.iter().map(|tip| tip.commit.as_str())
}

/// Where branches and stashes lead, each commit once.
async fn tips(site: &Site, folder: &Path) -> Result<Vec<Tip>, GitError> {
    let git = |what| Git::new(site, what).env("GIT_DIR", folder);
    let most = MAX_TIPS + 1;
    let list = git("for-each-ref").arg(format!("--count={most}")).arg("--format=%(objectname) %(refname)");
    let mut text = list.args(["refs/heads", "refs/stash"]).run().await?;
    if text.lines().any(|line| line.ends_with(" refs/stash")) {
        // All but the last are only in the log of the ref.
        let log = git("rev-list").args(["--walk-reflogs", &format!("--max-count={most}"), "refs/stash"]).run().await?;
        for (number, commit) in log.lines().enumerate() {
            text.push_str(&format!("\n{commit} stash@{{{number}}}"));
        }
    }
    let mut tips: Vec<Tip> = Vec::new();
    for (commit, name) in text.lines().filter_map(|line| line.split_once(' ')).filter(|(commit, _)| is_commit(commit)) {
        if tips.iter().all(|tip| tip.commit != commit) {
            tips.push(Tip { commit: commit.to_owned(), name: name.chars().take(MAX_NAME).collect() });
        }
    }
    if text.lines().count() >= most {
        let why = format!("there are more than {MAX_TIPS} of them; delete those that are not needed, or push them elsewhere");
        return Err(GitError::Elsewhere { why });
    }
    Ok(tips)
}
