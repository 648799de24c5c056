//! Git on this machine, without anybody's settings.

use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Git in a folder.
pub(crate) struct Git {
    at: PathBuf,
}

/// Git in a folder, which is made when it is not there.
pub(crate) fn git(at: &Path) -> Git {
    std::fs::create_dir_all(at).unwrap();
    Git { at: at.to_owned() }
}

/// Settings of a test, not of whoever runs it.
pub(crate) const ENVIRONMENT: [(&str, &str); 8] = [
    ("GIT_CONFIG_NOSYSTEM", "1"),
    ("GIT_CONFIG_GLOBAL", "/dev/null"),
    ("GIT_TERMINAL_PROMPT", "0"),
    ("GIT_AUTHOR_NAME", "A"),
    ("GIT_AUTHOR_EMAIL", "a@example.org"),
    ("GIT_COMMITTER_NAME", "A"),
    ("GIT_COMMITTER_EMAIL", "a@example.org"),
    ("LC_ALL", "C"),
];

impl Git {
    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new("git");
        command.current_dir(&self.at).envs(ENVIRONMENT).args(["-c", "protocol.file.allow=always"]).args(args);
        command
    }

    pub(crate) fn try_run(&self, args: &[&str]) -> Result<String, String> {
        let out = self.command(args).output().unwrap();
        if out.status.success() {
            Ok(String::from_utf8_lossy(&out.stdout).into_owned())
        } else {
            Err(String::from_utf8_lossy(&out.stderr).into_owned())
        }
    }

    pub(crate) fn run(&self, args: &[&str]) -> String {
        self.try_run(args).unwrap_or_else(|error| panic!("git {args:?} in {}: {error}", self.at.display()))
    }

    pub(crate) fn test(&self, args: &[&str]) -> bool {
        self.try_run(args).is_ok()
    }

    pub(crate) fn pipe(&self, args: &[&str], input: &[u8]) -> String {
        let mut child = self.command(args).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(input).unwrap();
        let out = child.wait_with_output().unwrap();
        assert!(out.status.success(), "git {args:?}");
        String::from_utf8(out.stdout).unwrap()
    }
}

/// Commits everything in a workspace, with one more file in it. Gives the commit.
pub(crate) fn commit(at: &Path, file: &str, text: &str) -> String {
    std::fs::write(at.join(file), text).unwrap();
    let git = git(at);
    git.run(&["add", "--all"]);
    git.run(&["commit", "--quiet", "-m", text]);
    git.run(&["rev-parse", "HEAD"]).trim().to_owned()
}

/// An executable shell script.
pub(crate) fn script(path: &Path, text: &str) {
    std::fs::write(path, format!("#!/bin/sh\n{text}\n")).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

/// How many processes name this repository in their command lines.
pub(crate) fn working_on(repository: &Path) -> usize {
    let wanted = repository.to_str().unwrap();
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let lines = processes.filter_map(|process| std::fs::read(process.path().join("cmdline")).ok());
    lines.filter(|line| String::from_utf8_lossy(line).split('\0').any(|word| word == wanted)).count()
}
