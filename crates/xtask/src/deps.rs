//! Which crate may know which: ARCHITECTURE.md's table, enforced.
//!
//! Two questions: does a crate name a crate of ours that it may not know, and does its tree of normal dependencies hold
//! a third-party crate that must stay out of it, by whatever way it came in.

use anyhow::{Context as _, Result, bail};
use serde::Deserialize;
use std::path::Path;

/// A row of the table.
struct Rule {
    /// The package.
    package: &'static str,
    /// Crates of ours that it may depend on, without `strawboss-`. `core` is known to all.
    may_know: &'static [&'static str],
    /// The same for its tests alone, which may also use `testkit`.
    tests_may_know: &'static [&'static str],
    /// Third-party crates that must not be anywhere in its tree, and why.
    keeps_out: &'static [(&'static str, &'static str)],
}

const NO_SERVER: &str = "what faces people and networks is the server's";
const NO_SQL: &str = "state is the store's";
const NO_DOCKER: &str = "containers are the runner's";
const NO_OPENAPI: &str = "descriptions of the API are the server's; keep the `openapi` feature of protocol off";
const NO_IO: &str = "core has rules without IO, clock or runtime";

const RULES: &[Rule] = &[
    Rule {
        package: "strawboss-core",
        may_know: &[],
        tests_may_know: &[],
        keeps_out: &[
            ("tokio", NO_IO),
            ("axum", NO_IO),
            ("sqlx", NO_IO),
            ("bollard", NO_IO),
            ("reqwest", NO_IO),
            ("hyper", NO_IO),
            ("notify", NO_IO),
            ("rustix", NO_IO),
            ("nix", NO_IO),
            ("jiff", NO_IO),
        ],
    },
    Rule {
        package: "strawboss-protocol",
        may_know: &["core"],
        tests_may_know: &[],
        keeps_out: &[("tokio", "it says what travels, not how"), ("utoipa", NO_OPENAPI)],
    },
    Rule {
        package: "strawboss-store",
        may_know: &["core"],
        tests_may_know: &[],
        keeps_out: &[("axum", NO_SERVER), ("bollard", NO_DOCKER)],
    },
    Rule {
        package: "strawboss-backlog",
        may_know: &["core"],
        tests_may_know: &[],
        keeps_out: &[("axum", NO_SERVER), ("sqlx", NO_SQL), ("bollard", NO_DOCKER)],
    },
    Rule {
        package: "strawboss-runner",
        may_know: &["core"],
        tests_may_know: &[],
        keeps_out: &[("axum", NO_SERVER), ("sqlx", NO_SQL)],
    },
    Rule {
        package: "strawboss-docker-proxy",
        may_know: &["core"],
        // Its tests send the runner's own calls through it.
        tests_may_know: &["runner"],
        keeps_out: &[
            ("axum", NO_SERVER),
            ("sqlx", NO_SQL),
            ("bollard", "it judges what travels; a client of the engine's would hide it"),
        ],
    },
    Rule {
        package: "strawboss-agent",
        may_know: &["core", "protocol"],
        tests_may_know: &[],
        keeps_out: &[("axum", NO_SERVER), ("sqlx", NO_SQL), ("bollard", NO_DOCKER), ("utoipa", NO_OPENAPI)],
    },
    Rule {
        package: "strawboss-engine",
        may_know: &["core", "protocol"],
        // Its tests drive it on a real store, with sandboxes that they play themselves.
        tests_may_know: &["store"],
        keeps_out: &[("axum", NO_SERVER), ("sqlx", NO_SQL), ("bollard", NO_DOCKER), ("utoipa", NO_OPENAPI)],
    },
    Rule {
        package: "strawboss-gateway",
        may_know: &["core", "protocol"],
        tests_may_know: &[],
        keeps_out: &[("axum", NO_SERVER), ("sqlx", NO_SQL), ("bollard", NO_DOCKER)],
    },
    Rule {
        package: "strawboss-fleet",
        may_know: &["core"],
        tests_may_know: &[],
        keeps_out: &[("axum", NO_SERVER), ("sqlx", NO_SQL)],
    },
    Rule {
        package: "strawboss-server",
        may_know: &["core", "protocol", "engine", "gateway", "fleet"],
        // Its tests start the real thing.
        tests_may_know: &["store", "runner", "backlog"],
        keeps_out: &[("sqlx", NO_SQL), ("bollard", NO_DOCKER)],
    },
    Rule {
        package: "strawboss-supervisor",
        may_know: &["core", "protocol", "agent"],
        tests_may_know: &[],
        keeps_out: &[("axum", NO_SERVER), ("sqlx", NO_SQL), ("bollard", NO_DOCKER), ("utoipa", NO_OPENAPI)],
    },
];

/// They see everything: the one binary, and what tests it.
const SEE_ALL: &[&str] = &["strawboss", "strawboss-testkit", "strawboss-e2e", "strawboss-bench", "xtask"];

/// What `cargo metadata` says of the workspace.
#[derive(Debug, Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Debug, Deserialize)]
struct Package {
    name: String,
    dependencies: Vec<Dependency>,
}

#[derive(Debug, Deserialize)]
struct Dependency {
    name: String,
    /// `None` for normal ones, `dev` and `build`.
    kind: Option<String>,
}

/// Checks the workspace.
pub(crate) fn check(root: &Path) -> Result<()> {
    let metadata = crate::output(crate::cargo(root).args(["metadata", "--no-deps", "--format-version", "1", "--locked"]))?;
    let metadata: Metadata = serde_json::from_str(&metadata).context("cargo metadata printed what cannot be read")?;
    let mut faults = direction(&metadata);
    for rule in RULES.iter().filter(|rule| metadata.packages.iter().any(|package| package.name == rule.package)) {
        let tree = crate::output(crate::cargo(root).args([
            "tree",
            "--package",
            rule.package,
            "--edges",
            "normal",
            "--prefix",
            "none",
            "--format",
            "{p}",
            "--locked",
            "--offline",
        ]))
        .context("the tree of dependencies needs the locked crates here: run `cargo fetch --locked`")?;
        faults.extend(kept_out(rule, &tree));
    }
    if faults.is_empty() {
        return Ok(());
    }
    bail!("{}\n{} of the table in ARCHITECTURE.md", faults.join("\n"), count(faults.len(), "breach", "breaches"));
}

/// Crates of ours that are named where they may not be.
fn direction(metadata: &Metadata) -> Vec<String> {
    let mut faults = Vec::new();
    for package in metadata.packages.iter().filter(|package| !SEE_ALL.contains(&package.name.as_str())) {
        let Some(rule) = RULES.iter().find(|rule| rule.package == package.name) else {
            faults.push(format!(
                "{}: the table has no row for it. Add it to ARCHITECTURE.md and to RULES in crates/xtask/src/deps.rs.",
                package.name
            ));
            continue;
        };
        for dependency in &package.dependencies {
            let Some(name) = dependency.name.strip_prefix("strawboss-") else {
                if ["strawboss", "xtask"].contains(&dependency.name.as_str()) {
                    faults.push(format!("{}: may not know `{}`, which sees everything.", package.name, dependency.name));
                }
                continue;
            };
            let in_tests = dependency.kind.as_deref() == Some("dev");
            let allowed = name == "core" && rule.package != "strawboss-core"
                || rule.may_know.contains(&name)
                // A crate's tests may turn on its own features.
                || in_tests
                    && (name == "testkit" || dependency.name == package.name || rule.tests_may_know.contains(&name));
            if !allowed {
                let known = if rule.may_know.is_empty() { "nothing of ours".to_owned() } else { rule.may_know.join(", ") };
                faults.push(format!(
                    "{}: depends on `{}`{}, and may know {known}. Move what it needs to a crate that both may know, or \
                     reach it through a port (a trait in core).",
                    package.name,
                    dependency.name,
                    if in_tests { " in its tests" } else { "" }
                ));
            }
        }
    }
    faults
}

/// Third-party crates that are in a tree that they must stay out of.
fn kept_out(rule: &Rule, tree: &str) -> Vec<String> {
    let names: Vec<&str> = tree.lines().filter_map(|line| line.split_whitespace().next()).collect();
    rule.keeps_out
        .iter()
        .filter(|(name, _)| names.contains(name))
        .map(|(name, why)| {
            format!(
                "{}: `{name}` is in its tree, and must not be: {why}. `cargo tree -p {} -e normal -i {name}` says how it came in.",
                rule.package, rule.package
            )
        })
        .collect()
}

pub(crate) fn count(number: usize, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

#[cfg(test)]
mod tests {
    use super::{Dependency, Metadata, Package, RULES, direction, kept_out};

    fn workspace(packages: &[(&str, &[(&str, &str)])]) -> Metadata {
        let packages = packages.iter().map(|(name, dependencies)| Package {
            name: (*name).to_owned(),
            dependencies: dependencies
                .iter()
                .map(|(name, kind)| Dependency { name: (*name).to_owned(), kind: (!kind.is_empty()).then(|| (*kind).to_owned()) })
                .collect(),
        });
        Metadata { packages: packages.collect() }
    }

    #[test]
    fn what_the_table_allows_passes() {
        let metadata = workspace(&[
            ("strawboss-core", &[("serde", ""), ("proptest", "dev"), ("strawboss-core", "dev")]),
            ("strawboss-engine", &[("strawboss-core", ""), ("strawboss-protocol", ""), ("strawboss-testkit", "dev")]),
            ("strawboss-server", &[("strawboss-engine", ""), ("strawboss-store", "dev")]),
            ("strawboss", &[("strawboss-store", ""), ("strawboss-server", "")]),
        ]);
        assert_eq!(direction(&metadata), Vec::<String>::new());
    }

    #[test]
    fn each_breach_is_named() {
        for (package, dependency, kind) in [
            ("strawboss-core", "strawboss-protocol", ""),
            ("strawboss-engine", "strawboss-store", ""),
            ("strawboss-engine", "strawboss-store", "build"),
            ("strawboss-engine", "strawboss-runner", "dev"),
            ("strawboss-engine", "strawboss-testkit", ""),
            ("strawboss-supervisor", "strawboss-engine", ""),
            ("strawboss-server", "strawboss-store", ""),
            ("strawboss-backlog", "strawboss", ""),
        ] {
            let faults = direction(&workspace(&[(package, &[(dependency, kind)])]));
            assert_eq!(faults.len(), 1, "{package} -> {dependency} {kind}");
            assert!(faults[0].contains(package) && faults[0].contains(dependency), "{}", faults[0]);
        }
        let unknown = direction(&workspace(&[("strawboss-new", &[])]));
        assert!(unknown[0].contains("no row"), "{unknown:?}");
    }

    #[test]
    fn what_came_in_by_another_crate_is_found() {
        let supervisor = RULES.iter().find(|rule| rule.package == "strawboss-supervisor").unwrap();
        let tree = "strawboss-supervisor v0.1.0 (/x)\nstrawboss-protocol v0.1.0 (/y)\nutoipa v6.0.0\nserde v1.0.0 (*)\n";
        let faults = kept_out(supervisor, tree);
        assert_eq!(faults.len(), 1);
        assert!(faults[0].contains("`utoipa`") && faults[0].contains("cargo tree"), "{}", faults[0]);
        assert_eq!(kept_out(supervisor, "strawboss-supervisor v0.1.0\nutoipa-like v1.0.0\n"), Vec::<String>::new());
    }
}
