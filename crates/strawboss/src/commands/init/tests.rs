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
    assert_eq!(requirements.checks, [".venv/bin/python -m pytest -q"]);
    assert!(requirements.setup[0].contains("-r requirements.txt"), "{:?}", requirements.setup);
    let (package, _) = project(&[("pyproject.toml", "[project]\nname = \"x\"\n")], "Tool").await;
    assert_eq!(package.checks, [".venv/bin/python -m unittest -q"]);
    assert!(package.setup[0].ends_with("-e ."), "{:?}", package.setup);
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
