//! One bare mirror per project: all that sandboxes see of a repository.
//!
//! It holds the target branch, the branches that runs pushed, and refs under `refs/strawboss/`. It is fetched from the
//! user's repository or URL with the host's own credentials; nothing in it is ever run.

use super::{Git, GitError};
use sha2::{Digest as _, Sha256};
use std::path::{Path, PathBuf};
use std::time::Duration;
use strawboss_core::project::{Project, Repository, Unusable};

/// A git command takes half an hour at most; what is older than this nobody writes any more.
const UNFINISHED_AGE: Duration = Duration::from_hours(1);

/// A mirror, its target branch brought up to date.
#[derive(Debug, Clone)]
pub(crate) struct Mirror {
    /// The bare repository.
    pub(crate) path: PathBuf,
    /// The branch that work starts from, without `refs/heads/`.
    pub(crate) target: String,
    /// Its commit.
    pub(crate) commit: String,
}

/// Why a mirror could not be brought up to date.
#[derive(Debug, thiserror::Error)]
pub enum MirrorError {
    /// A person must change the repository or the configuration.
    #[error("{}", .0.message)]
    Unusable(Unusable),
    /// Worth another try.
    #[error(transparent)]
    Git(#[from] GitError),
    /// The mirror's folder cannot be made.
    #[error("cannot make {path}: {source}", path = path.display())]
    Folder {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

fn unusable(message: String, fix: &str) -> MirrorError {
    MirrorError::Unusable(Unusable { message, fix: fix.to_owned() })
}

/// Where a project's mirror is: by name for people, by what it mirrors for uniqueness.
pub(crate) fn path_of(data_dir: &Path, project: &Project) -> PathBuf {
    let origin = match &project.repository {
        Repository::Directory(path) => path.to_string_lossy().into_owned(),
        Repository::Url(url) => url.clone(),
    };
    let digest = Sha256::digest(format!("{}\0{origin}", project.name).as_bytes());
    let short = crate::supervise::hex(digest.get(..6).unwrap_or_default());
    data_dir.join("mirrors").join(format!("{}-{short}.git", project.name.slug()))
}

/// What git is given to fetch from.
fn origin_of(project: &Project) -> String {
    match &project.repository {
        Repository::Directory(path) => path.to_string_lossy().into_owned(),
        Repository::Url(url) => url.clone(),
    }
}

/// The branch that work starts from: the configured one, or what the repository's HEAD names.
async fn target_of(project: &Project, mirror: Option<&Path>) -> Result<String, MirrorError> {
    let branch = match (&project.branch, &project.repository) {
        (Some(branch), _) => branch.clone(),
        (None, Repository::Directory(dir)) => match Git::at(dir).line(&["symbolic-ref", "--quiet", "--short", "HEAD"]).await {
            Ok(branch) => branch,
            Err(error) if error.code() == Some(1) => {
                return Err(unusable(
                    format!("{} is on no branch (detached HEAD).", dir.display()),
                    "Check out a branch there, or name one with `branch:` in strawboss.yaml.",
                ));
            }
            Err(error) => return Err(error.into()),
        },
        (None, Repository::Url(url)) => {
            let anywhere = mirror.unwrap_or(Path::new("/"));
            let answer = Git::at(anywhere).line(&["ls-remote", "--symref", "--", url, "HEAD"]).await?;
            answer
                .lines()
                .find_map(|line| line.strip_prefix("ref: refs/heads/")?.split_once('\t').map(|(branch, _)| branch.to_owned()))
                .ok_or_else(|| {
                    unusable(
                        format!("{url} does not say which branch is its HEAD."),
                        "Name one with `branch:` in strawboss.yaml.",
                    )
                })?
        }
    };
    let full = format!("refs/heads/{branch}");
    if branch.starts_with("strawboss/") || !Git::at(Path::new("/")).test(&["check-ref-format", &full]).await? {
        return Err(unusable(format!("`{branch}` cannot be a target branch."), "Name another with `branch:` in strawboss.yaml."));
    }
    Ok(branch)
}

/// Looks at a repository without changing anything: why it cannot be worked on, if so. An error when it could not be
/// looked at, which says nothing about it.
pub(crate) async fn inspect(project: &Project) -> Result<Option<Unusable>, GitError> {
    let Repository::Directory(dir) = &project.repository else { return Ok(None) };
    match look(project, dir).await {
        Ok(()) => Ok(None),
        Err(MirrorError::Unusable(unusable)) => Ok(Some(unusable)),
        Err(MirrorError::Git(error @ GitError::NotRun { .. })) => Err(error),
        Err(error) => Ok(Some(Unusable {
            message: format!("{} cannot be read: {error}.", dir.display()),
            fix: "Mend the repository or its permissions; it is looked at again by itself.".to_owned(),
        })),
    }
}

async fn look(project: &Project, dir: &Path) -> Result<(), MirrorError> {
    if !dir.is_dir() {
        return Err(unusable(
            format!("The folder {} is not there.", dir.display()),
            "Create it, or correct `directory:` in strawboss.yaml.",
        ));
    }
    match Git::at(dir).line(&["rev-parse", "--git-dir"]).await {
        Ok(_) => {}
        Err(GitError::Failed { .. }) => {
            return Err(unusable(
                format!("{} is no git repository.", dir.display()),
                "Run `git init` there and commit, or correct `directory:` in strawboss.yaml.",
            ));
        }
        Err(error) => return Err(error.into()),
    }
    let target = target_of(project, None).await?;
    let Some(commit) = Git::at(dir).commit(&format!("refs/heads/{target}")).await? else {
        return Err(unusable(
            format!("The branch `{target}` of {} has no commit.", dir.display()),
            "Commit something there, or name another branch with `branch:` in strawboss.yaml.",
        ));
    };
    supported(dir, &commit).await
}

/// Submodules and LFS would be silently missing in a workspace, so they are refused until they are supported.
async fn supported(repository: &Path, commit: &str) -> Result<(), MirrorError> {
    let git = Git::at(repository);
    let listed = git.run(&["ls-tree", "-r", "-z", "--full-tree", commit, "--", ".gitmodules"]).await?;
    if !listed.is_empty() {
        return Err(unusable(
            "The repository has submodules, which are not supported yet.".to_owned(),
            "Vendor what the work needs, or choose a branch without submodules.",
        ));
    }
    let patterns = git.test(&["grep", "-q", "-E", "filter=lfs", commit, "--", ".gitattributes", "**/.gitattributes"]).await?;
    if patterns {
        return Err(unusable(
            "The repository keeps files in Git LFS, which is not supported yet.".to_owned(),
            "Choose a branch without LFS files.",
        ));
    }
    Ok(())
}

/// Makes the mirror if need be and brings its target branch up to date.
pub(crate) async fn sync(data_dir: &Path, project: &Project) -> Result<Mirror, MirrorError> {
    if let Repository::Directory(dir) = &project.repository {
        look(project, dir).await?;
    }
    let path = path_of(data_dir, project);
    let origin = origin_of(project);
    if !path.join("HEAD").is_file() {
        make(&path).await?;
    }
    sweep(&path).await;
    let target = target_of(project, Some(&path)).await?;
    let refspec = format!("+refs/heads/{target}:refs/heads/{target}");
    // The other side's process reads a repository that may belong to another user; see `Git::run`.
    let fetched = Git::at(&path)
        .run(&[
            "fetch",
            "--quiet",
            "--no-tags",
            "--no-write-fetch-head",
            "--upload-pack=git -c safe.directory=* upload-pack",
            "--",
            &origin,
            &refspec,
        ])
        .await;
    if let Err(error) = fetched {
        sweep(&path).await;
        if let GitError::Failed { stderr, .. } = &error
            && stderr.contains("couldn't find remote ref")
        {
            return Err(unusable(
                format!("{origin} has no branch `{target}`."),
                "Create it there, or name another with `branch:` in strawboss.yaml.",
            ));
        }
        return Err(error.into());
    }
    let Some(commit) = Git::at(&path).commit(&format!("refs/heads/{target}")).await? else {
        return Err(unusable(format!("The branch `{target}` of {origin} has no commit."), "Commit something there."));
    };
    if matches!(project.repository, Repository::Url(_)) {
        supported(&path, &commit).await?;
    }
    Ok(Mirror { path, target, commit })
}

/// Removes what git commands that were cut short (killed, or for want of room) left of objects and packs; git itself never
/// uses it again. What is younger may still be written by one that outlived us.
async fn sweep(mirror: &Path) {
    let objects = mirror.join("objects");
    let swept = tokio::task::spawn_blocking(move || {
        let mut folders = vec![objects.clone()];
        folders.extend(std::fs::read_dir(&objects)?.filter_map(|item| Some(item.ok()?.path())).filter(|path| path.is_dir()));
        for item in folders.iter().filter_map(|folder| std::fs::read_dir(folder).ok()).flatten() {
            let item = item?;
            let name = item.file_name();
            let name = name.to_string_lossy();
            let unfinished = name.starts_with("tmp_") || name.starts_with(".tmp-");
            let meta = item.metadata()?;
            if unfinished && meta.modified()?.elapsed().is_ok_and(|age| age >= UNFINISHED_AGE) {
                tracing::info!(path = %item.path().display(), "removing what an interrupted git command left");
                let path = item.path();
                if meta.is_dir() { std::fs::remove_dir_all(path)? } else { std::fs::remove_file(path)? }
            }
        }
        Ok::<_, std::io::Error>(())
    });
    if let Ok(Err(error)) = swept.await {
        tracing::warn!(error = %error, "what interrupted git commands left could not be removed now");
    }
}

/// Makes an empty bare repository under a temporary name and moves it into place, so that a half-made one is never used.
pub(super) async fn make(path: &Path) -> Result<(), MirrorError> {
    let folder = |source| MirrorError::Folder { path: path.to_owned(), source };
    let parent = path.parent().unwrap_or(Path::new("/"));
    tokio::fs::create_dir_all(parent).await.map_err(folder)?;
    let making = path.with_extension("making");
    if let Err(error) = tokio::fs::remove_dir_all(&making).await
        && error.kind() != std::io::ErrorKind::NotFound
    {
        return Err(folder(error));
    }
    let text = making.to_string_lossy().into_owned();
    Git::at(parent).run(&["init", "--quiet", "--bare", "--template=", "--initial-branch=strawboss-none", "--", &text]).await?;
    let git = Git::at(&making);
    for (key, value) in [
        ("receive.fsckObjects", "true"),
        ("receive.denyDeletes", "true"),
        ("uploadpack.allowAnySHA1InWant", "false"),
        ("uploadpack.allowFilter", "true"),
        ("core.logAllRefUpdates", "false"),
    ] {
        git.run(&["config", key, value]).await?;
    }
    tokio::fs::rename(&making, path).await.map_err(folder)
}

#[cfg(test)]
mod tests {
    use super::{UNFINISHED_AGE, sweep};
    use std::fs::{self, File};
    use std::time::SystemTime;

    #[tokio::test]
    async fn what_interrupted_commands_left_goes_and_all_else_stays() {
        let mirror = tempfile::tempdir().unwrap();
        let at = |path: &str| mirror.path().join("objects").join(path);
        for folder in ["ab", "pack", "tmp_objdir-incoming-x/ab"] {
            fs::create_dir_all(at(folder)).unwrap();
        }
        let old = SystemTime::now() - 2 * UNFINISHED_AGE;
        let left = ["ab/tmp_obj_x", "pack/tmp_pack_x", "pack/.tmp-1-pack-x.idx", "tmp_objdir-incoming-x/ab/cd"];
        let kept = ["ab/cdef", "pack/pack-x.pack", "pack/tmp_pack_young"];
        for path in left.iter().chain(&kept) {
            File::create(at(path)).unwrap();
        }
        for path in left.iter().chain(&kept[..2]).chain(&["tmp_objdir-incoming-x"]) {
            File::open(at(path)).unwrap().set_modified(old).unwrap();
        }
        sweep(mirror.path()).await;
        assert!(left.iter().all(|path| !at(path).exists()) && !at("tmp_objdir-incoming-x").exists());
        assert!(kept.iter().all(|path| at(path).exists()));
    }
}
