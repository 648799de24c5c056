//! Landing accepted work: merge in the mirror, then move the user's branch by compare-and-swap.
//!
//! Nothing is ever half-merged: the merge is computed on trees, and the target moves in one step or not at all.

use super::mirror::{self, Mirror, MirrorError};
use super::{Git, GitError};
use std::path::{Path, PathBuf};
use strawboss_core::RunId;
use strawboss_core::project::{AfterMerge, Project, Repository};
use tokio_util::task::TaskTracker;

/// What the merge of a run's work into the target as it is now would be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Merge {
    /// The target has it already.
    Landed,
    /// This commit would become the target.
    Ready {
        /// It: the run's own commit, or a merge commit.
        commit: String,
        /// What the target is now.
        from: String,
        /// Whether its tree is exactly the one that was checked, so that the checks speak for it.
        checked: bool,
    },
    /// Both sides changed the same places.
    Conflict {
        /// Which files.
        files: Vec<String>,
    },
}

/// Why it did not land; for a person, with what to do.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LandError {
    /// The target moved between merging and landing: merge again.
    #[error("the target moved meanwhile")]
    Moved,
    /// A person must do something; the work stays in review.
    #[error("{0}")]
    Person(String),
    /// The mirror could not be brought up to date.
    #[error(transparent)]
    Mirror(#[from] MirrorError),
    /// A command failed.
    #[error(transparent)]
    Git(#[from] GitError),
}

/// The ref that keeps a merge commit until it landed.
pub(crate) fn merge_ref(run: &RunId) -> String {
    format!("refs/strawboss/merge/{run}")
}

/// Computes the merge of `head` into the target as it is now.
pub(crate) async fn merge(mirror: &Mirror, run: &RunId, head: &str, message: &str) -> Result<Merge, GitError> {
    let git = Git::at(&mirror.path);
    if git.test(&["merge-base", "--is-ancestor", head, &mirror.commit]).await? {
        return Ok(Merge::Landed);
    }
    if git.test(&["merge-base", "--is-ancestor", &mirror.commit, head]).await? {
        return Ok(Merge::Ready { commit: head.to_owned(), from: mirror.commit.clone(), checked: true });
    }
    let tree = match git.line(&["merge-tree", "--write-tree", "--name-only", "--no-messages", &mirror.commit, head]).await {
        Ok(tree) => tree,
        Err(GitError::Failed { code: Some(1), .. }) => return Ok(Merge::Conflict { files: conflicts(mirror, head).await? }),
        Err(error) => return Err(error),
    };
    let tree = tree.lines().next().unwrap_or_default().to_owned();
    let commit = Git::at(&mirror.path)
        .env("GIT_AUTHOR_NAME", "Strawboss")
        .env("GIT_AUTHOR_EMAIL", "strawboss@localhost")
        .env("GIT_COMMITTER_NAME", "Strawboss")
        .env("GIT_COMMITTER_EMAIL", "strawboss@localhost")
        .line(&["commit-tree", &tree, "-p", &mirror.commit, "-p", head, "-m", message])
        .await?;
    git.run(&["update-ref", &merge_ref(run), &commit]).await?;
    Ok(Merge::Ready { commit, from: mirror.commit.clone(), checked: false })
}

async fn conflicts(mirror: &Mirror, head: &str) -> Result<Vec<String>, GitError> {
    // merge-tree prints the same again with its exit code 1; `|| true` has no place here, so its files come from a dry read.
    let base = Git::at(&mirror.path).line(&["merge-base", &mirror.commit, head]).await.unwrap_or_default();
    if base.is_empty() {
        return Ok(Vec::new());
    }
    let mut sides = Vec::new();
    for side in [mirror.commit.as_str(), head] {
        let names = Git::at(&mirror.path).line(&["diff", "--name-only", &base, side]).await?;
        sides.push(names.lines().map(str::to_owned).collect::<std::collections::BTreeSet<_>>());
    }
    let both = sides.first().zip(sides.get(1)).map(|(ours, theirs)| ours.intersection(theirs).take(20).cloned().collect());
    Ok(both.unwrap_or_default())
}

/// The work that lands.
#[derive(Debug, Clone)]
pub(crate) struct Work {
    pub(crate) run: RunId,
    pub(crate) branch: String,
    /// What the task's runs left, this one's among them.
    pub(crate) heads: Vec<String>,
}

/// Moves the target of the user's repository from `from` to `commit`. Repeating it after it worked is no error. What is done
/// in a person's work tree is done to its end, as one of `tasks`, also when nobody waits for it any more.
pub(crate) async fn land(
    tasks: &TaskTracker,
    mirror: &Mirror,
    project: &Project,
    work: &Work,
    commit: &str,
    from: &str,
) -> Result<(), LandError> {
    match &project.repository {
        Repository::Directory(dir) => {
            let (mirror, dir, work) = (mirror.clone(), dir.clone(), work.clone());
            let (commit, from) = (commit.to_owned(), from.to_owned());
            let landing = async move { land_in_directory(&mirror, &dir, &work, &commit, &from).await };
            let not_run = |error| GitError::NotRun { command: "merge".to_owned(), why: format!("{error}") };
            tasks.spawn(landing).await.map_err(not_run)??;
        }
        Repository::Url(url) => {
            let target = &mirror.target;
            let refspec = format!("{commit}:refs/heads/{target}");
            let lease = format!("--force-with-lease=refs/heads/{target}:{from}");
            let pushed =
                Git::at(&mirror.path).run(&["push", "--quiet", "--porcelain", "--no-verify", &lease, "--", url, &refspec]).await;
            if let Err(error) = pushed {
                let fresh = mirror::sync(mirror_root(&mirror.path), project).await?;
                if Git::at(&mirror.path).test(&["merge-base", "--is-ancestor", commit, &fresh.commit]).await? {
                    return Ok(());
                }
                if fresh.commit != from {
                    return Err(LandError::Moved);
                }
                return Err(LandError::Person(format!(
                    "{error}. The push to `{target}` of {url} was refused; approve again once that is mended."
                )));
            }
        }
    }
    pass_on(mirror, project).await
}

/// Pushes the target to the `origin` of the user's repository, where the project says so. Repeating it is no error.
pub(crate) async fn pass_on(mirror: &Mirror, project: &Project) -> Result<(), LandError> {
    if project.after_merge == AfterMerge::Push
        && let Repository::Directory(dir) = &project.repository
    {
        let target = &mirror.target;
        let refspec = format!("refs/heads/{target}:refs/heads/{target}");
        if let Err(error) = Git::at(dir).run(&["push", "--quiet", "--no-verify", "--", "origin", &refspec]).await {
            return Err(LandError::Person(format!(
                "The work is merged into `{target}` of {}, but pushing it to `origin` failed: {error}. Push it by hand, then approve again.",
                dir.display()
            )));
        }
    }
    Ok(())
}

fn mirror_root(mirror: &Path) -> &Path {
    // A mirror lies at `<data_dir>/mirrors/<name>.git`: see `mirror::path_of`.
    mirror.parent().and_then(Path::parent).unwrap_or(mirror)
}

async fn land_in_directory(mirror: &Mirror, dir: &Path, work: &Work, commit: &str, from: &str) -> Result<(), LandError> {
    let (git, run, branch) = (Git::at(dir), &work.run, &work.branch);
    let target_ref = format!("refs/heads/{}", mirror.target);
    // A branch of an earlier try, or one that was merged, is moved; what a person added to it there is not taken away.
    if let Some(there) = git.commit(&format!("refs/heads/{branch}")).await?
        && !work.heads.contains(&there)
        && !git.test(&["merge-base", "--is-ancestor", &there, &target_ref]).await?
    {
        return Err(LandError::Person(format!(
            "The branch `{branch}` of {} is at {}, which no run made: merging the work would take that away. Merge it by hand (git -C '{}' merge {branch}), or rename the branch (git -C '{}' branch -m {branch} NAME), and approve again.",
            dir.display(),
            there.get(..10).unwrap_or(&there),
            dir.display(),
            dir.display()
        )));
    }
    let now = git.commit(&target_ref).await?;
    // The objects first: work on the run's branch, and the merge commit if there is one.
    let source = mirror.path.to_string_lossy().into_owned();
    let own = format!("+refs/heads/{branch}:refs/heads/{branch}");
    Git::at(&mirror.path).run(&["update-ref", &merge_ref(run), commit]).await?;
    let keep_from_mirror = format!("+{}:{}", merge_ref(run), merge_ref(run));
    git.run(&[
        "fetch",
        "--quiet",
        "--no-tags",
        "--no-write-fetch-head",
        "--upload-pack=git -c safe.directory=* upload-pack",
        "--",
        &source,
        &keep_from_mirror,
        &own,
    ])
    .await?;
    let drop_kept = async {
        // Best effort: a left-over ref keeps objects alive and harms nothing.
        let _ = git.run(&["update-ref", "-d", &merge_ref(run)]).await;
    };
    if let Some(now) = &now
        && git.test(&["merge-base", "--is-ancestor", commit, now]).await?
    {
        drop_kept.await;
        return Ok(());
    }
    if now.as_deref() != Some(from) {
        return Err(LandError::Moved);
    }
    let moved = match checked_out_at(dir, &target_ref).await? {
        None => git.run(&["update-ref", "-m", "strawboss: merge", &target_ref, commit, from]).await.map(|_| ()),
        Some(worktree) => {
            let tree = Git::at(&worktree);
            let dirty = tree.line(&["status", "--porcelain=v1", "--untracked-files=no", "--ignore-submodules=none"]).await?;
            if !dirty.is_empty() {
                return Err(LandError::Person(format!(
                    "`{}` is checked out at {} with changes that are not committed. Commit or stash them and approve again, or merge by hand: git -C '{}' merge {branch}",
                    mirror.target,
                    worktree.display(),
                    worktree.display(),
                )));
            }
            tree.run(&["merge", "--quiet", "--ff-only", "--no-verify", "--no-stat", commit]).await.map(|_| ())
        }
    };
    match moved {
        Ok(()) => {
            drop_kept.await;
            Ok(())
        }
        Err(error) => {
            if git.commit(&target_ref).await?.as_deref() != Some(from) {
                return Err(LandError::Moved);
            }
            Err(LandError::Person(format!(
                "`{}` could not be moved: {error}. Mend that and approve again, or merge by hand: git -C '{}' merge {branch}",
                mirror.target,
                dir.display()
            )))
        }
    }
}

/// The working tree that has this branch checked out, if one has.
async fn checked_out_at(dir: &Path, target_ref: &str) -> Result<Option<PathBuf>, GitError> {
    let listed = Git::at(dir).run(&["worktree", "list", "--porcelain", "-z"]).await?;
    let mut current: Option<PathBuf> = None;
    let mut bare = false;
    for line in listed.split(|byte| *byte == 0) {
        let line = String::from_utf8_lossy(line);
        if let Some(path) = line.strip_prefix("worktree ") {
            current = Some(PathBuf::from(path));
            bare = false;
        } else if line == "bare" {
            bare = true;
        } else if line.strip_prefix("branch ") == Some(target_ref) && !bare {
            return Ok(current);
        }
    }
    Ok(None)
}
