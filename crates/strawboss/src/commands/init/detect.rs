//! What is in a repository: languages by their files, tools by their lock files, checks by what is configured.

use crate::failure::Failure;
use crate::git::git;
use std::path::Path;
use strawboss_core::ProjectName;

/// The usual major version of Node.js: the oldest that is supported for long.
const NODE: u32 = 24;
/// The usual minor version of Python 3.
const PYTHON: u32 = 13;
/// A file that says how a project is built is no longer than this.
const FILE_MAX: u64 = 1 << 20;

/// How a language's projects are worked on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Language {
    /// For people.
    pub(super) name: &'static str,
    /// An image with its tools.
    pub(super) image: Option<String>,
    /// Commands before agent and checks.
    pub(super) setup: Vec<String>,
    /// Commands that must end with 0.
    pub(super) checks: Vec<String>,
    /// What is kept between runs.
    pub(super) cache: &'static str,
    /// The preset of hosts that its packages come from.
    pub(super) allow: &'static str,
}

/// All that was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) name: ProjectName,
    pub(super) languages: Vec<Language>,
    /// The branch that is checked out.
    pub(super) branch: Option<String>,
    /// The other branches.
    pub(super) branches: Vec<String>,
    /// What a person must do first.
    pub(super) problems: Vec<String>,
}

fn read(folder: &Path, name: &str) -> Option<String> {
    let path = folder.join(name);
    let size = std::fs::metadata(&path).ok().filter(std::fs::Metadata::is_file)?.len();
    if size > FILE_MAX { None } else { std::fs::read_to_string(path).ok() }
}

fn strings(commands: &[&str]) -> Vec<String> {
    commands.iter().map(|command| (*command).to_owned()).collect()
}

/// The first whole numbers of a text, such as 3 and 11 of `>=3.11`.
fn numbers(text: &str) -> impl Iterator<Item = u32> {
    text.split(|c: char| !c.is_ascii_digit()).filter_map(|part| part.parse().ok())
}

/// The major version of Node.js that a repository asks for, else a usual one.
fn node_version(folder: &Path, manifest: &serde_json::Value) -> u32 {
    let pinned = [".nvmrc", ".node-version"].iter().find_map(|name| numbers(&read(folder, name)?).next());
    let engines = manifest["engines"]["node"].as_str().unwrap_or_default();
    // Of `^18 || >=20` the part that allows the newest counts.
    let newest = engines.split("||").filter_map(|part| match part.split_once('<') {
        Some((_, below)) => {
            numbers(below).next().map(|version| if below.starts_with('=') { version } else { version.saturating_sub(1) })
        }
        None if part.contains('>') => numbers(part).next().map(|least| least.max(NODE)),
        None => numbers(part).next(),
    });
    pinned.or(newest.max()).unwrap_or(NODE)
}

/// The minor version of Python 3 that a repository asks for, else a usual one.
fn python_version(folder: &Path, project: Option<&str>) -> u32 {
    let pinned = read(folder, ".python-version").and_then(|text| numbers(&text).nth(1));
    let wanted = project.and_then(|text| text.lines().find(|line| line.trim_start().starts_with("requires-python")));
    let (mut least, mut most) = (0, u32::MAX);
    for clause in wanted.unwrap_or_default().split_once('=').map_or("", |(_, wanted)| wanted).split(',') {
        let Some(minor) = numbers(clause).nth(1) else { continue };
        match clause.trim_matches([' ', '"', '\'']).get(..2) {
            Some(">=" | "~=") => least = minor,
            Some("<=") => most = minor,
            Some("==") => (least, most) = (minor, minor),
            Some(below) if below.starts_with('<') => most = minor.saturating_sub(1),
            _ => {}
        }
    }
    pinned.unwrap_or(PYTHON.min(most).max(least))
}

/// The extra of a Python package that its tests want.
fn test_extra(project: &str) -> Option<&'static str> {
    let lines = project.lines().skip_while(|line| line.trim() != "[project.optional-dependencies]").skip(1);
    let names: Vec<&str> = lines
        .take_while(|line| !line.starts_with('['))
        .filter_map(|line| line.split_once('=').map(|(name, _)| name.trim()))
        .collect();
    ["test", "tests", "testing", "dev"].into_iter().find(|extra| names.contains(extra))
}

fn rust(folder: &Path) -> Option<Language> {
    let manifest = read(folder, "Cargo.toml")?;
    let locked = if folder.join("Cargo.lock").exists() { " --locked" } else { "" };
    let workspace = if manifest.contains("[workspace]") { " --workspace" } else { "" };
    Some(Language {
        name: "Rust",
        image: Some("rust:1-bookworm".to_owned()),
        setup: vec![format!("cargo fetch{locked}")],
        checks: vec![format!("cargo test{locked}{workspace}")],
        cache: "/home/agent/.cargo",
        allow: "crates",
    })
}

fn node(folder: &Path) -> Option<Language> {
    let manifest: serde_json::Value = serde_json::from_str(&read(folder, "package.json")?).ok()?;
    let there = |name: &str| folder.join(name).exists();
    let (setup, run) = if there("pnpm-lock.yaml") {
        (strings(&["npx --yes pnpm install --frozen-lockfile"]), "npx --yes pnpm run")
    } else if there("yarn.lock") {
        (strings(&["npx --yes yarn install --frozen-lockfile"]), "npx --yes yarn run")
    } else if there("package-lock.json") || there("npm-shrinkwrap.json") {
        (strings(&["npm ci"]), "npm run")
    } else {
        (strings(&["npm install"]), "npm run")
    };
    let script = |name: &str| manifest["scripts"][name].as_str().filter(|script| !script.contains("no test specified"));
    let mut checks: Vec<String> = ["build", "lint", "typecheck", "test"]
        .iter()
        .filter(|name| script(name).is_some())
        .map(|name| format!("{run} {name}"))
        .collect();
    if checks.is_empty() {
        checks = strings(&["node --test"]);
    }
    let image = format!("node:{}-bookworm", node_version(folder, &manifest));
    Some(Language { name: "Node.js", image: Some(image), setup, checks, cache: "/home/agent/.npm", allow: "npm" })
}

fn python(folder: &Path) -> Option<Language> {
    let project = read(folder, "pyproject.toml");
    let requirements = read(folder, "requirements.txt");
    let there = |name: &str| folder.join(name).exists();
    if project.is_none() && requirements.is_none() && !there("setup.py") && !there("Pipfile") {
        return None;
    }
    let mut setup = "python3 -m venv .venv".to_owned();
    let mut pytest = there("pytest.ini") || there("conftest.py") || there("tests/conftest.py");
    for text in
        [project.as_deref(), requirements.as_deref(), read(folder, "requirements-dev.txt").as_deref()].into_iter().flatten()
    {
        pytest |= text.contains("pytest");
    }
    let mut wanted = Vec::new();
    if requirements.is_some() {
        wanted.push("-r requirements.txt".to_owned());
    }
    if there("requirements-dev.txt") {
        wanted.push("-r requirements-dev.txt".to_owned());
    }
    let package =
        there("setup.py") || project.as_deref().is_some_and(|text| text.contains("[project]") || text.contains("[tool.poetry]"));
    if package {
        let extra = project.as_deref().and_then(test_extra).map(|extra| format!("-e '.[{extra}]'"));
        wanted.push(extra.unwrap_or_else(|| "-e .".to_owned()));
    }
    if pytest && !wanted.iter().any(|what| what.contains("dev") || what.contains("test")) {
        wanted.push("pytest".to_owned());
    }
    if !wanted.is_empty() {
        setup.push_str(" && .venv/bin/pip install --quiet ");
        setup.push_str(&wanted.join(" "));
    }
    let check =
        if pytest { ". .venv/bin/activate && python -m pytest -q" } else { ". .venv/bin/activate && python -m unittest -q" };
    Some(Language {
        name: "Python",
        image: Some(format!("python:3.{}-bookworm", python_version(folder, project.as_deref()))),
        setup: vec![setup],
        checks: strings(&[check]),
        cache: "/home/agent/.cache/pip",
        allow: "pypi",
    })
}

fn go(folder: &Path) -> Option<Language> {
    read(folder, "go.mod")?;
    Some(Language {
        name: "Go",
        image: Some("golang:1-bookworm".to_owned()),
        setup: strings(&["go mod download"]),
        checks: strings(&["go vet ./...", "go test ./..."]),
        cache: "/home/agent/go",
        allow: "go",
    })
}

fn make(folder: &Path) -> Option<Language> {
    let text = read(folder, "Makefile").or_else(|| read(folder, "makefile"))?;
    let target = |name: &str| text.lines().any(|line| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(':')));
    let check = ["check", "test"].into_iter().find(|name| target(name))?;
    Some(Language {
        name: "Make",
        image: None,
        setup: Vec::new(),
        checks: vec![format!("make {check}")],
        cache: "/home/agent/.cache",
        allow: "debian",
    })
}

/// Every language by its files; a Makefile counts only where nothing else does.
fn languages(folder: &Path) -> Vec<Language> {
    let found: Vec<Language> = [rust(folder), node(folder), python(folder), go(folder)].into_iter().flatten().collect();
    if found.is_empty() { make(folder).into_iter().collect() } else { found }
}

/// The folder's name as a project's, as near as it gets.
fn name_of(folder: &Path) -> String {
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    let name: String = name.chars().filter(|c| !c.is_control()).take(100).collect();
    if name.trim().is_empty() { "My project".to_owned() } else { name.trim().to_owned() }
}

/// Looks at a folder.
pub(super) async fn look(folder: &Path, name: Option<String>) -> Result<Found, Failure> {
    let name = name.unwrap_or_else(|| name_of(folder));
    let name = ProjectName::parse(&name).map_err(|error| Failure::usage(error.to_string()))?;
    let shown = folder.display();
    let mut problems = Vec::new();
    let mut branch = None;
    let mut branches = Vec::new();
    match git(folder, &["rev-parse", "--show-toplevel"]).await {
        Err(_) => problems.push(format!(
            "{shown} is no git repository: `git init`, commit your files, then go on (agents work on clones of commits)."
        )),
        Ok(top) => {
            if Path::new(&top) != folder {
                problems
                    .push(format!("the repository begins at {top}: set `directory:` to that, or run `strawboss init` there."));
            }
            branch = git(folder, &["symbolic-ref", "--quiet", "--short", "HEAD"]).await.ok();
            let all = git(folder, &["for-each-ref", "--format=%(refname:short)", "refs/heads"]).await.unwrap_or_default();
            branches = all.lines().filter(|name| Some(*name) != branch.as_deref()).take(10).map(str::to_owned).collect();
            if git(folder, &["rev-parse", "--verify", "--quiet", "HEAD^{commit}"]).await.is_err() {
                problems.push(format!("{shown} has no commit yet: commit your files first (agents work on clones of commits)."));
            } else if branch.is_none() {
                problems.push("no branch is checked out (detached HEAD): name the target with `branch:`.".to_owned());
            }
            if folder.join(".gitmodules").exists() {
                problems
                    .push("the repository has submodules, which are not supported yet: its tasks will be blocked.".to_owned());
            }
        }
    }
    Ok(Found { name, languages: languages(folder), branch, branches, problems })
}
