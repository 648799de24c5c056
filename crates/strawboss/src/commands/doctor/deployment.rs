//! The deployment from inside: versions that belong together, clocks, the database, disks.

use super::Finding;
use crate::config::settings::{Database, Settings};
use crate::environment::Environment;
use crate::output::words;
use crate::serve::state::SQLITE;
use crate::tools;
use std::path::Path;
use std::time::Duration;
use strawboss_core::Timestamp;
use strawboss_runner::EngineFacts;
use strawboss_store::{Inspection, OpenError, SqlStore};

/// Clocks that differ by more put events and time limits out of order.
const CLOCK_WARN_MS: i64 = 5000;
/// Connections that the control plane needs: one that writes, three that read.
const CONNECTIONS: u64 = 4;

/// Program and supervisor of one release.
pub(super) async fn versions(environment: &Environment) -> Vec<Finding> {
    let ours = env!("CARGO_PKG_VERSION");
    let mut found = vec![Finding::ok("version", format!("strawboss {ours}"))];
    if let Ok(tool) = tools::supervisor(environment) {
        let program = tool.dir.join("bin/strawboss-supervisor");
        let asked = tokio::process::Command::new(&program).arg("--version").kill_on_drop(true).output();
        let said = match tokio::time::timeout(Duration::from_secs(10), asked).await {
            Ok(Ok(said)) => Ok(String::from_utf8_lossy(&said.stdout).trim().to_owned()),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err("it does not answer".to_owned()),
        };
        found.push(supervisor(&program, said, ours));
    }
    found
}

fn supervisor(program: &Path, said: Result<String, String>, ours: &str) -> Finding {
    let what = "supervisor's version";
    let fix = "Build or unpack both from one release: `scripts/build-supervisor.sh`, or the archive of that version.";
    match said {
        Ok(said) if said == format!("strawboss-supervisor {ours}") => Finding::ok(what, said),
        Ok(said) => {
            let detail =
                format!("{} says `{}`, and this is {ours}", program.display(), words::shortened(&words::one_line(&said), 80));
            Finding::warn(what, detail, fix)
        }
        Err(why) => Finding::fail(what, format!("{} does not run here: {why}", program.display()), fix),
    }
}

/// Another clock against ours, with the moments right before and after it was asked.
pub(super) fn clock(whose: &str, theirs: Option<Timestamp>, before: Timestamp, after: Timestamp) -> Option<Finding> {
    let theirs = theirs?;
    let what = format!("clock of the {whose}");
    // Whatever lies between the two moments is right.
    let off = if theirs < before { theirs.ms_since(before) } else { theirs.ms_since(after).max(0) };
    if off.abs() <= CLOCK_WARN_MS {
        return Some(Finding::ok(what, format!("within {} of ours", words::span(off.abs().max(1000)))));
    }
    let side = if off < 0 { "behind" } else { "ahead of" };
    let detail = format!("it is {} {side} ours", words::span(off.abs()));
    Some(Finding::warn(
        what,
        detail,
        "Let both machines keep time (systemd-timesyncd, chrony): `timedatectl` says whether they do.",
    ))
}

fn now() -> Timestamp {
    Timestamp(words::now())
}

/// The database: there, writable, with room for our connections, and its clock.
pub(super) async fn database(settings: &Settings) -> Vec<Finding> {
    let before = now();
    let seen = match &settings.database {
        Database::Sqlite => {
            let file = settings.server.data_dir.join(SQLITE);
            if !file.exists() {
                return vec![Finding::ok("database", format!("{} will be made", file.display()))];
            }
            SqlStore::inspect_sqlite(&file).await
        }
        Database::Postgres(url) => SqlStore::inspect_postgres(url.reveal()).await,
    };
    let after = now();
    match seen {
        Ok(seen) => judged(&seen, before, after),
        Err(error) => vec![unseen(&error)],
    }
}

fn unseen(error: &OpenError) -> Finding {
    let fix = match error {
        OpenError::Away { .. } => "Start the server, and look at host, port, name and password of `database:` or DATABASE_URL.",
        _ => "Mend what it says, or name another database with `database:` or DATABASE_URL.",
    };
    Finding::fail("database", error.to_string(), fix)
}

fn judged(seen: &Inspection, before: Timestamp, after: Timestamp) -> Vec<Finding> {
    let mut found = Vec::new();
    let holder = seen.holder.as_ref().map(|name| format!("; held by {name}")).unwrap_or_default();
    let detail = format!("{}, {}{holder}", seen.version, words::size(seen.bytes));
    found.push(match &seen.read_only {
        Some(why) => Finding::fail(
            "database",
            format!("{detail}; it cannot be written: {why}"),
            "Name the primary server, and a role that may write.",
        ),
        None => Finding::ok("database", detail),
    });
    if let Some((used, most)) = seen.connections {
        let detail = format!("{used} of {most} are taken");
        let left = most.saturating_sub(used);
        // Who holds the state has its own already.
        let needed = if seen.holder.is_some() { 0 } else { CONNECTIONS };
        let fix = "Raise `max_connections` of the server, or end what else holds connections.";
        found.push(if left < needed {
            Finding::fail(
                "database connections",
                format!("{detail}: too few are left for the {CONNECTIONS} that Strawboss needs"),
                fix,
            )
        } else if left < 2 * CONNECTIONS {
            Finding::warn("database connections", detail, fix)
        } else {
            Finding::ok("database connections", detail)
        });
    }
    found.extend(clock("database", seen.clock, before, after));
    found
}

/// The engine's clock.
pub(super) fn engine(facts: &EngineFacts, before: Timestamp) -> Option<Finding> {
    clock("engine", facts.clock, before, now())
}

#[cfg(test)]
mod tests {
    use super::super::Verdict;
    use super::{clock, database, judged, supervisor};
    use crate::config::{Flags, parse};
    use crate::environment::Environment;
    use std::path::Path;
    use strawboss_core::Timestamp;
    use strawboss_store::Inspection;

    #[test]
    fn a_supervisor_of_another_release_is_noticed() {
        let judge = |said: Result<&str, &str>| {
            supervisor(Path::new("/x"), said.map(str::to_owned).map_err(str::to_owned), "1.2.3").result
        };
        assert_eq!(judge(Ok("strawboss-supervisor 1.2.3")), Verdict::Ok);
        assert_eq!(judge(Ok("strawboss-supervisor 1.2.2")), Verdict::Warn);
        assert_eq!(judge(Ok("")), Verdict::Warn);
        assert_eq!(judge(Err("exec format error")), Verdict::Fail);
    }

    #[test]
    fn a_clock_that_is_off_is_noticed_and_a_slow_answer_is_not() {
        let judge = |theirs: i64, before: i64, after: i64| {
            clock("database", Some(Timestamp(theirs)), Timestamp(before), Timestamp(after)).unwrap()
        };
        for (theirs, before, after, verdict) in [
            (1_000, 1_000, 1_000, Verdict::Ok),
            (4_000, 0, 9_000, Verdict::Ok),
            (0, 5_000, 5_100, Verdict::Ok),
            (0, 5_001, 5_001, Verdict::Warn),
            (20_000, 0, 14_000, Verdict::Warn),
        ] {
            assert_eq!(judge(theirs, before, after).result, verdict, "{theirs} between {before} and {after}");
        }
        assert!(judge(0, 3_600_000, 3_600_000).detail.contains("1h behind ours"));
        assert!(judge(3_600_000, 0, 0).detail.contains("1h ahead of ours"));
        assert_eq!(clock("engine", None, Timestamp(0), Timestamp(0)), None);
    }

    fn seen() -> Inspection {
        Inspection {
            version: "PostgreSQL 16.2".to_owned(),
            clock: Some(Timestamp(0)),
            read_only: None,
            holder: None,
            connections: Some((5, 97)),
            bytes: 1 << 20,
        }
    }

    #[test]
    fn a_database_is_judged() {
        let results = |seen: Inspection| -> Vec<Verdict> {
            judged(&seen, Timestamp(0), Timestamp(0)).into_iter().map(|finding| finding.result).collect()
        };
        assert_eq!(results(seen()), [Verdict::Ok; 3]);
        assert_eq!(results(Inspection { read_only: Some("it is a standby".to_owned()), ..seen() })[0], Verdict::Fail);
        assert_eq!(results(Inspection { connections: Some((94, 97)), ..seen() })[1], Verdict::Fail);
        assert_eq!(results(Inspection { connections: Some((90, 97)), ..seen() })[1], Verdict::Warn);
        let held = Inspection { connections: Some((96, 97)), holder: Some("strawboss web-1".to_owned()), ..seen() };
        assert_eq!(results(held.clone())[1], Verdict::Warn);
        assert!(judged(&held, Timestamp(0), Timestamp(0))[0].detail.contains("held by strawboss web-1"));
    }

    #[tokio::test]
    async fn a_database_that_is_away_or_broken_is_said_and_nothing_is_made() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("strawboss.yaml");
        let settings = |text: &str| parse(&file, text, &Flags::default(), &Environment::default()).unwrap().settings;
        let found = database(&settings("")).await;
        assert_eq!((found.len(), found[0].result), (1, Verdict::Ok));
        assert!(std::fs::read_dir(dir.path()).unwrap().next().is_none(), "looking makes nothing");
        let found = database(&settings("database: postgres://nobody:s3cret@127.0.0.1:1/none")).await;
        assert_eq!(found[0].result, Verdict::Fail);
        assert!(found[0].fix.as_ref().unwrap().contains("Start the server") && !found[0].detail.contains("s3cret"), "{found:?}");
        std::fs::create_dir(dir.path().join(".strawboss")).unwrap();
        std::fs::write(dir.path().join(".strawboss/strawboss.db"), "no database at all, but long enough to be one".repeat(99))
            .unwrap();
        assert_eq!(database(&settings("")).await[0].result, Verdict::Fail);
    }
}
