//! Pushes a run's branch to where people review it. What somebody else pushed there is never written over.

use super::{Git, GitError};
use std::path::Path;
use strawboss_core::pull_request::PushRemote;

/// Why a branch was not pushed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PushError {
    /// It is at a commit there that is none of ours.
    #[error("the branch is at {0}, which no run made")]
    Foreign(String),
    /// A command failed.
    #[error(transparent)]
    Git(#[from] GitError),
}

/// Git with what it needs for a remote. The credential goes by the environment, which other users cannot read; neither a
/// helper of the host's nor wherever a redirect points is given it.
fn at<'a>(mirror: &'a Path, remote: &PushRemote) -> Git<'a> {
    let git = Git::at(mirror);
    let Some(authorization) = &remote.authorization else { return git };
    git.env("GIT_CONFIG_COUNT", "3")
        .env("GIT_CONFIG_KEY_0", format!("http.{}.extraHeader", remote.url))
        .env("GIT_CONFIG_VALUE_0", format!("Authorization: {authorization}"))
        .env("GIT_CONFIG_KEY_1", "credential.helper")
        .env("GIT_CONFIG_VALUE_1", "")
        .env("GIT_CONFIG_KEY_2", "http.followRedirects")
        .env("GIT_CONFIG_VALUE_2", "false")
}

/// Brings `branch` there to `head`, if it is not there yet or at one of `ours`. Repeating it is no error.
pub(crate) async fn branch(
    mirror: &Path,
    remote: &PushRemote,
    branch: &str,
    head: &str,
    ours: &[String],
) -> Result<(), PushError> {
    let full = format!("refs/heads/{branch}");
    let git = at(mirror, remote);
    let listed = git.line(&["ls-remote", "--refs", "--", &remote.url, &full]).await?;
    let there = listed.lines().find_map(|line| line.split_once('\t').filter(|(_, name)| *name == full));
    let there = there.map(|(commit, _)| commit);
    match there {
        Some(commit) if commit == head => return Ok(()),
        Some(commit) if !ours.iter().any(|known| known == commit) => return Err(PushError::Foreign(commit.to_owned())),
        Some(_) | None => {}
    }
    // Should it move between the two, the lease is broken and nothing is pushed. An empty one: it must not be there.
    let lease = format!("--force-with-lease={full}:{}", there.unwrap_or_default());
    let refspec = format!("{head}:{full}");
    git.run(&["push", "--quiet", "--porcelain", "--no-verify", &lease, "--", &remote.url, &refspec]).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{PushError, branch};
    use std::path::{Path, PathBuf};
    use std::process::Command;
    use strawboss_core::pull_request::PushRemote;

    fn git(dir: &Path, args: &[&str]) -> String {
        let mut command = Command::new("git");
        command.args(["-c", "user.name=A", "-c", "user.email=a@example.org"]).args(args).current_dir(dir);
        let done = command.output().unwrap();
        assert!(done.status.success(), "{args:?}: {}", String::from_utf8_lossy(&done.stderr));
        String::from_utf8(done.stdout).unwrap().trim().to_owned()
    }

    struct Scene {
        dir: tempfile::TempDir,
        commits: Vec<String>,
    }

    impl Scene {
        fn new() -> Self {
            let dir = tempfile::tempdir().unwrap();
            git(dir.path(), &["init", "--quiet", "--bare", "there.git"]);
            git(dir.path(), &["init", "--quiet", "here"]);
            let here = dir.path().join("here");
            let commit = |text: &str| {
                git(&here, &["commit", "--quiet", "--allow-empty", "-m", text]);
                git(&here, &["rev-parse", "HEAD"])
            };
            let commits = ["one", "two", "three"].map(commit).to_vec();
            Self { dir, commits }
        }

        fn here(&self) -> PathBuf {
            self.dir.path().join("here")
        }

        fn remote(&self) -> PushRemote {
            PushRemote { url: self.dir.path().join("there.git").to_string_lossy().into_owned(), authorization: None }
        }

        async fn push(&self, head: usize, ours: &[usize]) -> Result<(), PushError> {
            let ours: Vec<String> = ours.iter().map(|at| self.commits[*at].clone()).collect();
            branch(&self.here(), &self.remote(), "strawboss/one-1", &self.commits[head], &ours).await
        }

        fn there(&self) -> String {
            git(&self.dir.path().join("there.git"), &["rev-parse", "refs/heads/strawboss/one-1"])
        }
    }

    #[tokio::test]
    async fn a_branch_is_made_moved_and_moved_back_as_long_as_it_is_ours() {
        let scene = Scene::new();
        for (head, ours) in [(1, &[][..]), (1, &[][..]), (2, &[1][..]), (0, &[1, 2][..])] {
            scene.push(head, ours).await.unwrap();
            assert_eq!(scene.there(), scene.commits[head]);
        }
    }

    #[tokio::test]
    async fn what_somebody_else_pushed_stays() {
        let scene = Scene::new();
        scene.push(1, &[]).await.unwrap();
        let there = scene.remote().url;
        git(&scene.here(), &["push", "--quiet", &there, &format!("{}:refs/heads/strawboss/one-1", scene.commits[2])]);
        let refused = scene.push(0, &[1]).await.unwrap_err();
        assert!(matches!(&refused, PushError::Foreign(commit) if *commit == scene.commits[2]), "{refused}");
        assert_eq!(scene.there(), scene.commits[2]);
    }
}
