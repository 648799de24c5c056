//! A state is backed up, wiped and restored, into either kind of database: the same, by count and checksum; and the service
//! goes on from it.

use anyhow::{Context as _, Result};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use strawboss_testkit::{Postgres, Repository, World, WorldOptions};

fn options(database: &str) -> WorldOptions {
    WorldOptions { more: format!("database: '{database}'\n"), ..WorldOptions::default() }
}

/// Three tasks: one landed, one in review with its branch in the mirror, one that waits for a person.
async fn worked(database: &str) -> Result<(World, Repository)> {
    let mut world = World::new(options(database))?;
    let repository = world.project("One", &[("README.md", "one\n")], "agent: shell\nreview: auto\n")?;
    world.project("Two", &[("README.md", "two\n")], "agent: shell\nreview: manual\n")?;
    world.project("Three", &[("README.md", "three\n")], "agent: shell\napproval: manual\n")?;
    for (project, action) in [("One", "echo landed > one.txt"), ("Two", "echo heard; echo kept > two.txt"), ("Three", "true")] {
        world.backlog().append(project, "1", "Pending", action, ",,")?;
    }
    world.start().await?;
    world.until_task("echo landed > one.txt", "done").await?;
    world.until_task("echo heard; echo kept > two.txt", "review").await?;
    world.until_statuses(&["Completed", "In Review", "Pending"]).await?;
    world
        .until("the sandboxes are gone", async |world| {
            let runs = world.get("/api/v1/status").await?["live_runs"].clone();
            Ok((runs == 0).then_some(()))
        })
        .await?;
    Ok((world, repository))
}

fn json(text: &str) -> Result<Value> {
    Ok(serde_json::from_str(text)?)
}

fn backup(world: &World, folder: &Path) -> Result<(PathBuf, Value)> {
    let made = json(&world.done(&["db", "backup", "--json", "--to", &folder.to_string_lossy()])?)?;
    let file = made["file"].as_str().context("no file")?.into();
    Ok((file, made["end"]["state"].clone()))
}

/// What people see of everything.
async fn seen(world: &World) -> Result<Value> {
    let mut tasks = Vec::new();
    for mut task in world.tasks().await? {
        let id = task["id"].as_str().context("no id")?.to_owned();
        let runs = world.get(&format!("/api/v1/tasks/{id}")).await?;
        task["whole"] = runs;
        tasks.push(task);
    }
    Ok(Value::Array(tasks))
}

async fn wiped_and_restored(database: &str, wipe: impl Fn(&World) -> Result<()>) -> Result<()> {
    let (mut world, _repository) = worked(database).await?;
    let before = seen(&world).await?;
    let folder = world.path().join("backups");
    // While it runs.
    let (file, _) = backup(&world, &folder)?;
    let (code, complaint) = world.refused(&["db", "restore", &file.to_string_lossy(), "--force"])?;
    assert_eq!(code, 6, "{complaint}");
    assert!(complaint.contains("is in use by another control plane (process "), "{complaint}");
    world.stop().await?;
    // And while it does not: now nothing changes any more.
    let (file, state) = backup(&world, &folder)?;
    let (code, complaint) = world.refused(&["db", "restore", &file.to_string_lossy()])?;
    assert_eq!(code, 6, "{complaint}");
    assert!(complaint.contains("there is something already") && complaint.contains("--force"), "{complaint}");

    let token = fs::read_to_string(world.data_dir().join("admin-token"))?;
    wipe(&world)?;
    let restored = json(&world.done(&["db", "restore", "--json", &file.to_string_lossy()])?)?;
    assert_eq!(restored["state"], state, "by count and checksum");
    assert_eq!(restored["mirrors"], 2);
    let (_, again) = backup(&world, &folder)?;
    assert_eq!(again, state);
    assert_eq!(fs::read_to_string(world.data_dir().join("admin-token"))?, token);
    let left: Vec<_> =
        fs::read_dir(world.data_dir())?.map(|entry| entry.map(|entry| entry.file_name())).collect::<Result<_, _>>()?;
    assert!(
        left.iter().all(|name| !name.to_string_lossy().starts_with(".restore") && !name.to_string_lossy().starts_with(".backup")),
        "{left:?}"
    );

    // It goes on: all that people saw is there, recordings too, and what was in review lands.
    world.start().await?;
    assert_eq!(seen(&world).await?, before);
    let task = world.task_by_action("echo heard; echo kept > two.txt").await?;
    let run = format!("{}.1", task["id"].as_str().context("no id")?);
    assert!(world.terminal_has(&run, "heard").await?, "its terminal was recorded");
    world.post(&format!("/api/v1/reviews/{}/approve", task["id"].as_str().unwrap_or_default()), serde_json::json!({})).await?;
    world.until_task("echo heard; echo kept > two.txt", "done").await?;
    world.stop().await
}

#[tokio::test]
async fn a_wiped_state_in_sqlite_comes_back() -> Result<()> {
    wiped_and_restored("sqlite", |world| Ok(fs::remove_dir_all(world.data_dir())?)).await
}

#[tokio::test]
async fn a_wiped_state_in_postgresql_comes_back() -> Result<()> {
    let server = Postgres::start(&[])?;
    let url = server.database()?;
    wiped_and_restored(&url, |world| {
        server.sql("case_0", "DROP SCHEMA public CASCADE; CREATE SCHEMA public")?;
        Ok(fs::remove_dir_all(world.data_dir())?)
    })
    .await
}

#[tokio::test]
async fn a_state_moves_to_postgresql_and_the_service_goes_on_there() -> Result<()> {
    let server = Postgres::start(&[])?;
    let url = server.database()?;
    let (mut world, _repository) = worked("sqlite").await?;
    let before = seen(&world).await?;
    let (code, complaint) = world.refused(&["db", "copy", "--from", "sqlite", "--to", &url])?;
    assert!(code == 6 && complaint.contains("in use"), "{code}: {complaint}");
    world.stop().await?;
    let there = json(&world.done(&["db", "copy", "--json", "--from", "sqlite", "--to", &url])?)?;
    assert!(!there["to"].to_string().contains("host="), "{there}");
    let (code, complaint) = world.refused(&["db", "copy", "--from", "sqlite", "--to", &url])?;
    assert!(code == 6 && complaint.contains("rows already") && complaint.contains("--force"), "{code}: {complaint}");
    let copy = world.path().join("copy.db");
    let back = json(&world.done(&["db", "copy", "--json", "--from", &url, "--to", &format!("sqlite:{}", copy.display())])?)?;
    assert_eq!(back["tables"], there["tables"]);
    world.set_more(&format!("database: '{url}'\n"));
    world.start().await?;
    assert_eq!(world.get("/api/v1/status").await?["store"]["name"], "postgresql");
    assert_eq!(seen(&world).await?, before);

    // Another data directory knows nothing of these runs, and a second control plane is told who holds them.
    let mut stranger = World::new(options(&url))?;
    let error = stranger.start().await.err().context("two control planes on one database")?.to_string();
    assert!(error.contains(&format!("in use by strawboss process {}", world.pid()?)), "{error}");
    world.stop().await?;
    let error = stranger.start().await.err().context("a database of another installation")?.to_string();
    assert!(error.contains("belongs to installation") && error.contains("db restore"), "{error}");
    Ok(())
}

#[tokio::test]
async fn a_backup_that_is_no_good_is_refused_and_nothing_is_touched() -> Result<()> {
    let (mut world, _repository) = worked("sqlite").await?;
    world.stop().await?;
    let folder = world.path().join("backups");
    let key = world.path().join("key");
    let other = world.path().join("other-key");
    let recipient = world.done(&["db", "key", &key.to_string_lossy()])?;
    world.done(&["db", "key", &other.to_string_lossy()])?;
    assert!(recipient.starts_with("age1"), "{recipient}");
    let (plain, state) = backup(&world, &folder)?;
    world.set_more(&format!("backup: {{ folder: '{}', recipients: [{}] }}\n", folder.display(), recipient.trim()));
    let (secret, _) = backup(&world, &folder)?;
    assert!(secret.to_string_lossy().ends_with(".tar.gz.age"), "{}", secret.display());

    let damaged = |name: &str, change: &dyn Fn(&mut Vec<u8>), of: &Path| -> Result<String> {
        let mut bytes = fs::read(of)?;
        change(&mut bytes);
        let file = world.path().join(name);
        fs::write(&file, bytes)?;
        Ok(file.to_string_lossy().into_owned())
    };
    let half = |bytes: &mut Vec<u8>| bytes.truncate(bytes.len() / 2);
    let last = |bytes: &mut Vec<u8>| bytes.truncate(bytes.len() - 1);
    let flip = |bytes: &mut Vec<u8>| {
        let middle = bytes.len() / 2;
        bytes[middle] ^= 0x20;
    };
    let longer = |bytes: &mut Vec<u8>| bytes.push(0);
    let key = key.to_string_lossy().into_owned();
    let other = other.to_string_lossy().into_owned();
    let cases = [
        (damaged("half.tar.gz", &half, &plain)?, None, "cut short"),
        (damaged("last.tar.gz", &last, &plain)?, None, "cut short"),
        (damaged("flip.tar.gz", &flip, &plain)?, None, "cannot be used"),
        (damaged("longer.tar.gz", &longer, &plain)?, None, "cannot be used"),
        (damaged("half.age", &half, &secret)?, Some(&key), "cannot be used"),
        (damaged("last.age", &last, &secret)?, Some(&key), "cannot be used"),
        (damaged("flip.age", &flip, &secret)?, Some(&key), "cannot be used"),
        (secret.to_string_lossy().into_owned(), Some(&other), "another key"),
        (secret.to_string_lossy().into_owned(), None, "is encrypted"),
        (world.backlog().path().to_string_lossy().into_owned(), None, "no backup of Strawboss"),
    ];
    for (file, key, why) in cases {
        for verb in ["verify", "restore"] {
            let mut args = vec!["db", verb, &file];
            if verb == "restore" {
                args.push("--force");
            }
            if let Some(key) = key {
                args.extend(["--identity", key]);
            }
            let (_, complaint) = world.refused(&args)?;
            assert!(complaint.contains(why), "{verb} {file}: {complaint}");
        }
    }
    // Nothing was touched by all that.
    world.set_more("");
    assert_eq!(backup(&world, &folder)?.1, state);
    let verified = json(&world.done(&["db", "verify", "--json", &secret.to_string_lossy(), "--identity", &key])?)?;
    assert_eq!(verified["end"]["state"], state);
    fs::remove_dir_all(world.data_dir())?;
    let restored = json(&world.done(&["db", "restore", "--json", &secret.to_string_lossy(), "--identity", &key])?)?;
    assert_eq!(restored["state"], state);
    Ok(())
}

#[tokio::test]
async fn backups_are_made_by_themselves_and_the_old_ones_go() -> Result<()> {
    let mut world = World::new(WorldOptions::default())?;
    world.project("One", &[("README.md", "one\n")], "agent: shell\n")?;
    let folder = world.path().join("backups");
    fs::create_dir(&folder)?;
    // Three of last year: two too many, once there is a new one.
    for day in ["01", "02", "03"] {
        fs::write(folder.join(format!("strawboss-202501{day}T000000000Z.tar.gz")), "old")?;
    }
    fs::write(folder.join("notes.txt"), "a person's")?;
    world.set_more(&format!("backup: {{ folder: '{}', every: 1h, keep: 2, keep_age: 36500d }}\n", folder.display()));
    world.start().await?;
    let names = |folder: &Path| -> Result<Vec<String>> {
        let mut names: Vec<_> =
            fs::read_dir(folder)?.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect::<Result<_>>()?;
        names.sort();
        Ok(names)
    };
    let kept = world
        .until("two backups are left", async |_| {
            let names = names(&folder)?;
            Ok((names.len() == 3).then_some(names))
        })
        .await?;
    assert_eq!((kept[0].as_str(), kept[1].as_str()), ("notes.txt", "strawboss-20250103T000000000Z.tar.gz"));
    world.done(&["db", "verify", &folder.join(&kept[2]).to_string_lossy()])?;
    // None is due after a restart: the files themselves say when the last one was.
    world.stop().await?;
    world.start().await?;
    world.stop().await?;
    assert_eq!(names(&folder)?, kept);
    Ok(())
}
