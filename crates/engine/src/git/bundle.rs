//! A mirror as one file: every ref, and what they need.

use super::mirror::{MirrorError, make};
use super::{Git, GitError};
use std::path::Path;

/// Writes every ref of a mirror into one file. False: it has none, and there is no file.
pub async fn bundle_mirror(mirror: &Path, to: &Path) -> Result<bool, GitError> {
    let git = Git::at(mirror);
    if git.run(&["for-each-ref", "--count=1"]).await?.is_empty() {
        return Ok(false);
    }
    let to = to.to_string_lossy();
    git.run(&["bundle", "create", "--quiet", &to, "--all"]).await?;
    Ok(true)
}

/// Makes a mirror that has every ref of the file. Everything in it is checked as if a stranger had pushed it.
pub async fn mirror_of_bundle(bundle: &Path, mirror: &Path) -> Result<(), MirrorError> {
    make(mirror).await?;
    let from = bundle.to_string_lossy();
    let fetch =
        ["-c", "fetch.fsckObjects=true", "fetch", "--quiet", "--no-tags", "--no-write-fetch-head", &from, "+refs/*:refs/*"];
    Git::at(mirror).run(&fetch).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{Git, bundle_mirror, make, mirror_of_bundle};

    #[tokio::test]
    async fn a_mirror_comes_back_with_every_ref() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        make(&at("one.git")).await.unwrap();
        assert!(!bundle_mirror(&at("one.git"), &at("none")).await.unwrap());
        let one = at("one.git");
        let git = Git::at(&one)
            .env("GIT_AUTHOR_NAME", "A")
            .env("GIT_AUTHOR_EMAIL", "a@example.org")
            .env("GIT_COMMITTER_NAME", "A")
            .env("GIT_COMMITTER_EMAIL", "a@example.org");
        let tree = "4b825dc642cb6eb9a060e54bf8d69288fbee4904";
        git.run(&["mktree"]).await.unwrap();
        for (message, name) in [("one", "refs/heads/main"), ("two", "refs/strawboss/runs/a-1.1")] {
            let commit = git.run(&["commit-tree", tree, "-m", message]).await.unwrap();
            git.run(&["update-ref", name, String::from_utf8(commit).unwrap().trim()]).await.unwrap();
        }
        assert!(bundle_mirror(&one, &at("bundle")).await.unwrap());
        let two = at("two.git");
        mirror_of_bundle(&at("bundle"), &two).await.unwrap();
        let refs = async |path| String::from_utf8(Git::at(path).run(&["for-each-ref"]).await.unwrap()).unwrap();
        assert_eq!(refs(&two).await, refs(&one).await);
        assert_eq!(refs(&two).await.lines().count(), 2);
        std::fs::write(at("bundle"), b"no bundle").unwrap();
        assert!(mirror_of_bundle(&at("bundle"), &at("three.git")).await.is_err());
    }
}
