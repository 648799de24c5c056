//! The mechanical rules of the house, over every file that git knows or would add.
//!
//! Rules are in [`rules`], one function each. A line that must break one says so with its reason on it or right above:
//! `tidy: RULE because REASON`; a file full of such lines says `tidy: RULE throughout because REASON` at its top.

mod rules;

use crate::deps::count;
use anyhow::{Result, bail};
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A file larger than this is data: 1 MiB.
const MAX_BYTES: u64 = 1 << 20;

/// What breaks a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Finding {
    file: PathBuf,
    /// From 1.
    line: usize,
    rule: &'static str,
    what: String,
    mend: &'static str,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {} ({}). {}", self.file.display(), self.line, self.what, self.rule, self.mend)
    }
}

/// A text file of the repository.
struct Source<'a> {
    root: &'a Path,
    /// From the root.
    path: &'a Path,
    text: &'a str,
    lines: Vec<&'a str>,
}

impl<'a> Source<'a> {
    fn new(root: &'a Path, path: &'a Path, text: &'a str) -> Self {
        Self { root, path, text, lines: text.split('\n').map(|line| line.strip_suffix('\r').unwrap_or(line)).collect() }
    }

    fn has_extension(&self, wanted: &[&str]) -> bool {
        self.path.extension().and_then(|ending| ending.to_str()).is_some_and(|ending| wanted.contains(&ending))
    }

    fn is_generated(&self) -> bool {
        self.lines.iter().take(3).any(|line| line.contains("Do not edit") || line.contains("@generated"))
    }

    /// Whether the line, or the one above it, excuses itself from the rule with a reason.
    fn is_excused(&self, index: usize, rule: &str) -> bool {
        let excuse = format!("tidy: {rule} because ");
        let throughout = format!("tidy: {rule} throughout because ");
        let reasoned = |line: &str, excuse: &str| line.split_once(excuse).is_some_and(|(_, reason)| reason.trim().len() > 3);
        let says = |line: &str| reasoned(line, &excuse);
        if self.lines.iter().take(5).any(|line| reasoned(line, &throughout)) {
            return true;
        }
        self.lines.get(index).is_some_and(|line| says(line))
            || index.checked_sub(1).and_then(|above| self.lines.get(above)).is_some_and(|line| says(line))
    }
}

/// Checks the repository.
pub(crate) fn check(root: &Path) -> Result<()> {
    let files = files(root)?;
    let findings = find(root, &files);
    if findings.is_empty() {
        return Ok(());
    }
    let lines: Vec<_> = findings.iter().map(ToString::to_string).collect();
    bail!("{}\n{} of a rule of the house", lines.join("\n"), count(findings.len(), "breach", "breaches"));
}

/// Every file that git knows, or would with `git add .`.
fn files(root: &Path) -> Result<Vec<PathBuf>> {
    let mut git = Command::new("git");
    git.current_dir(root).args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]);
    let mut files: Vec<PathBuf> =
        crate::output(&mut git)?.split('\0').filter(|name| !name.is_empty()).map(PathBuf::from).collect();
    files.sort();
    files.dedup();
    Ok(files)
}

fn find(root: &Path, files: &[PathBuf]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for path in files {
        let full = root.join(path);
        // Links lead to files that are looked at under their own name; a deleted file is none.
        if !std::fs::symlink_metadata(&full).is_ok_and(|found| found.is_file() && found.len() <= MAX_BYTES) {
            continue;
        }
        // What is no text has no rules.
        let Ok(text) = std::fs::read_to_string(&full) else { continue };
        if text.contains('\0') {
            continue;
        }
        let source = Source::new(root, path, &text);
        let mut found = Vec::new();
        for rule in rules::ALL {
            rule(&source, &mut found);
        }
        found.retain(|finding| !source.is_excused(finding.line - 1, finding.rule));
        findings.append(&mut found);
    }
    findings
}

#[cfg(test)]
mod examples;
