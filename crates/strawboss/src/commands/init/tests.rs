//! What is written is what is read: every file that `init` makes is a good configuration.

use super::{detect, write};
use crate::config::{Flags, parse};
use crate::environment::Environment;
use std::path::Path;
use strawboss_core::project::Project;

async fn project(files: &[(&str, &str)], name: &str) -> (Project, String) {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    let found = detect::look(folder.path(), Some(name.to_owned())).await.unwrap();
    let text = write::yaml(&found);
    let config = parse(Path::new("/x/strawboss.yaml"), &text, &Flags::default(), &Environment::default());
    let config = config.unwrap_or_else(|error| panic!("{error}\n{text}"));
    assert_eq!(config.report.problems, [], "{text}");
    let project = config.settings.projects.into_values().next().unwrap();
    assert_eq!(project.name, found.name, "{text}");
    assert!(write::csv(&found).starts_with("Project,Priority,Status"));
    (project, text)
}

#[tokio::test]
async fn a_rust_repository() {
    let (project, _) = project(&[("Cargo.toml", "[workspace]\n"), ("Cargo.lock", "")], "Antenna").await;
    assert_eq!(project.image.as_deref(), Some("rust:1-bookworm"));
    assert_eq!(project.setup, ["cargo fetch --locked"]);
    assert_eq!(project.checks, ["cargo test --locked --workspace"]);
    assert_eq!(project.allow, ["crates"]);
}

#[tokio::test]
async fn a_node_repository() {
    let manifest = r#"{"scripts": {"test": "node --test", "lint": "eslint ."}}"#;
    let (with_lock, _) = project(&[("package.json", manifest), ("package-lock.json", "{}")], "Site").await;
    assert_eq!(with_lock.setup, ["npm ci"]);
    assert_eq!(with_lock.checks, ["npm run lint", "npm run test"]);
    let nothing = r#"{"scripts": {"test": "echo \"Error: no test specified\" && exit 1"}}"#;
    let (without, _) = project(&[("package.json", nothing), ("yarn.lock", "")], "Site").await;
    assert_eq!(without.setup, ["npx --yes yarn install --frozen-lockfile"]);
    assert_eq!(without.checks, ["node --test"]);
}

#[tokio::test]
async fn a_python_repository() {
    let (requirements, _) = project(&[("requirements.txt", "requests\npytest\n")], "Tool").await;
    assert_eq!(requirements.checks, [". .venv/bin/activate && python -m pytest -q"]);
    assert!(requirements.setup[0].contains("-r requirements.txt"), "{:?}", requirements.setup);
    let (package, _) = project(&[("pyproject.toml", "[project]\nname = \"x\"\n")], "Tool").await;
    assert_eq!(package.checks, [". .venv/bin/activate && python -m unittest -q"]);
    assert!(package.setup[0].ends_with("-e ."), "{:?}", package.setup);
}

#[tokio::test]
async fn the_image_holds_the_version_that_a_repository_asks_for() {
    for (engines, expected) in [
        ("", 24),
        (">=14", 24),
        (">=26.1.0", 26),
        ("^18.17 || ^20", 20),
        ("18.x", 18),
        ("^18 || >=20", 24),
        ("*", 24),
        (">=18 <21", 20),
    ] {
        let manifest = format!(r#"{{"engines": {{"node": "{engines}"}}}}"#);
        let (site, _) = project(&[("package.json", &manifest)], "Site").await;
        assert_eq!(site.image, Some(format!("node:{expected}-bookworm")), "{engines}");
    }
    let (pinned, _) = project(&[("package.json", "{}"), (".nvmrc", "v22.11.0\n")], "Site").await;
    assert_eq!(pinned.image.as_deref(), Some("node:22-bookworm"));
    for (requires, expected) in
        [("", 13), (">=3.9", 13), (">=3.14", 14), (">=3.8,<3.12", 11), ("==3.10.*", 10), ("~=3.9", 13), ("<=3.12", 12)]
    {
        let manifest = format!("[project]\nname = 'x'\nrequires-python = \"{requires}\"\n");
        let (tool, _) = project(&[("pyproject.toml", &manifest)], "Tool").await;
        assert_eq!(tool.image, Some(format!("python:3.{expected}-bookworm")), "{requires}");
    }
    let (pinned, _) = project(&[("setup.py", ""), (".python-version", "3.12.4\n")], "Tool").await;
    assert_eq!(pinned.image.as_deref(), Some("python:3.12-bookworm"));
}

#[tokio::test]
async fn a_python_package_is_installed_with_what_its_tests_want() {
    let manifest = "[project]\nname = 'x'\n[project.optional-dependencies]\ncli = ['click']\ntest = ['pytest']\n";
    let (package, _) = project(&[("pyproject.toml", manifest)], "Tool").await;
    assert_eq!(package.setup, ["python3 -m venv .venv && .venv/bin/pip install --quiet -e '.[test]'"]);
    assert_eq!(package.checks, [". .venv/bin/activate && python -m pytest -q"]);
}

#[tokio::test]
async fn several_languages_and_none() {
    let (both, text) = project(&[("Cargo.toml", ""), ("package.json", "{}")], "Both").await;
    assert_eq!(both.allow, ["crates", "npm"]);
    assert!(text.contains("build your own"), "{text}");
    let (none, _) = project(&[], "Empty").await;
    assert_eq!((none.image, none.checks.len()), (None, 0));
    let (make, _) = project(&[("Makefile", "all:\n\ttrue\ntest: all\n")], "Make").await;
    assert_eq!(make.checks, ["make test"]);
}

#[tokio::test]
async fn odd_names_are_written_so_that_they_are_read_back() {
    for name in ["Antenna: \"ML\" #1", "true", "- x", "日本", "a'b", "{a}", "*x", "1.5", "x:y", "~"] {
        project(&[], name).await;
    }
}
