//! Real git repositories, as a user would have them.

use crate::programs::run;
use crate::world::World;
use anyhow::Result;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A repository with a working tree.
#[derive(Debug, Clone)]
pub struct Repository {
    path: PathBuf,
}

impl Repository {
    /// Makes one with one commit on `main` that holds these files.
    pub fn create(path: &Path, files: &[(&str, &str)]) -> Result<Self> {
        std::fs::create_dir_all(path)?;
        let it = Self { path: path.to_owned() };
        it.git(&["init", "--quiet", "--initial-branch=main"])?;
        it.git(&["config", "user.name", "A Person"])?;
        it.git(&["config", "user.email", "person@example.org"])?;
        it.commit(files, "Begin")?;
        Ok(it)
    }

    /// Its working tree.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes files and commits them.
    pub fn commit(&self, files: &[(&str, &str)], message: &str) -> Result<String> {
        for (name, text) in files {
            let file = self.path.join(name);
            if let Some(parent) = file.parent() {
                std::fs::create_dir_all(parent)?;
            }
            std::fs::write(file, text)?;
        }
        self.git(&["add", "--all"])?;
        self.git(&["commit", "--quiet", "--allow-empty", "-m", message])?;
        self.git(&["rev-parse", "HEAD"])
    }

    /// Runs git in it; what it printed, trimmed.
    pub fn git(&self, args: &[&str]) -> Result<String> {
        let mut command = Command::new("git");
        // The person whose it is may be another user.
        command
            .args(["-c", "safe.directory=*", "-C"])
            .arg(&self.path)
            .args(args)
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_CONFIG_NOSYSTEM", "1");
        Ok(run(&mut command)?.trim().to_owned())
    }

    /// A file as a branch has it; none when it is not there.
    pub fn file(&self, branch: &str, name: &str) -> Option<String> {
        self.git(&["show", &format!("{branch}:{name}")]).ok()
    }
}

impl World {
    /// A file as a ref of any of the mirrors has it, trimmed.
    pub fn mirror_file(&self, reference: &str, name: &str) -> Result<Option<String>> {
        for mirror in std::fs::read_dir(self.data_dir().join("mirrors"))? {
            let mut command = Command::new("git");
            command.arg("-C").arg(mirror?.path()).args(["-c", "safe.directory=*", "show", &format!("{reference}:{name}")]);
            if let Ok(text) = run(&mut command) {
                return Ok(Some(text.trim().to_owned()));
            }
        }
        Ok(None)
    }
}
