//! Projects as people really have them: each that cannot be worked on says why, and what to do.

use anyhow::Result;
use std::process::Command;
use strawboss_testkit::{Repository, World, WorldOptions};

const PLAIN: &str = "agent: shell\nreview: auto\nchecks: [\"true\"]\n";

#[tokio::test]
async fn each_unusable_project_is_blocked_with_its_reason_and_recovers() -> Result<()> {
    let mut world = World::new(WorldOptions::default())?;
    let at = |name: &str| world.path().join("repositories").join(name);
    let (plain, empty, detached, missing) = (at("plain folder"), at("empty"), at("detached"), at("missing"));
    std::fs::create_dir_all(&plain)?;
    std::fs::create_dir_all(&empty)?;
    strawboss_testkit::programs::run(Command::new("git").args(["init", "--quiet"]).arg(&empty))?;
    Repository::create(&detached, &[("a", "a\n")])?.git(&["checkout", "--quiet", "--detach"])?;
    let with_modules = Repository::create(&at("modules"), &[(".gitmodules", "[submodule \"x\"]\n\tpath = x\n\turl = ./x\n")])?;
    let with_lfs = Repository::create(&at("lfs"), &[(".gitattributes", "*.bin filter=lfs diff=lfs merge=lfs -text\n")])?;
    world.configure("Plain", &plain, PLAIN);
    world.configure("Empty", &empty, PLAIN);
    world.configure("Detached", &detached, PLAIN);
    world.configure("Missing", &missing, PLAIN);
    world.configure("Modules", with_modules.path(), PLAIN);
    world.configure("Lfs", with_lfs.path(), PLAIN);
    let expected = [
        ("Plain", "is no git repository"),
        ("Empty", "has no commit"),
        ("Detached", "detached HEAD"),
        ("Missing", "is not there"),
        ("Modules", "submodules"),
        ("Lfs", "Git LFS"),
        ("Nobody", "There is no project `Nobody`"),
    ];
    for (project, _) in expected {
        world.backlog().append(project, "1", "Pending", &format!("echo {project} > work.txt"), ",,")?;
    }
    world.start().await?;
    world.until_statuses(&["Blocked"; 7]).await?;
    for (project, why) in expected {
        let task = world.task_by_action(&format!("echo {project} ")).await?;
        let (message, fix) =
            (task["block"]["message"].as_str().unwrap_or_default(), task["block"]["fix"].as_str().unwrap_or_default());
        assert!(message.contains(why), "{project}: {message}");
        assert!(!fix.is_empty(), "{project}");
        let rows = world.backlog().rows()?;
        assert!(
            rows.iter().any(|row| row["Project"] == project && row["Agent"].contains(message)),
            "{project} says so in the file"
        );
    }
    // Mended, it goes on by itself.
    Repository::create(&missing, &[("a", "a\n")])?;
    world.until_task("echo Missing ", "done").await?;
    world.stop().await
}

#[tokio::test]
async fn names_prompts_and_hooks_are_data() -> Result<()> {
    let mut world = World::new(WorldOptions {
        // The prompt is shown back as it came in: quotes, newlines and a leading dash are nothing special.
        shell: r#"printf '%s' "$STRAWBOSS_PROMPT" > prompt.txt"#.to_owned(),
        ..WorldOptions::default()
    })?;
    let name = "It's \"quoted\" & $(spaced)";
    let repository = world.project(name, &[("a", "a\n")], PLAIN)?;
    let marker = world.path().join("hook-ran");
    for hook in ["post-merge", "pre-merge-commit", "reference-transaction", "post-checkout", "pre-push", "post-update"] {
        let file = repository.path().join(".git/hooks").join(hook);
        std::fs::create_dir_all(repository.path().join(".git/hooks"))?;
        std::fs::write(&file, format!("#!/bin/sh\necho {hook} >> '{}'\n", marker.display()))?;
        std::fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o755))?;
    }
    // Programs that its configuration names are no more ours to run than its hooks.
    let program = world.path().join("program");
    std::fs::copy(repository.path().join(".git/hooks/post-merge"), &program)?;
    for key in ["core.fsmonitor", "core.pager", "core.editor", "diff.external", "gpg.program"] {
        repository.git(&["config", key, &program.display().to_string()])?;
    }
    repository.git(&["config", "commit.gpgSign", "true"])?;
    let action = "--help \"double\" 'single' `back` $HOME\n; rm -rf /tmp/nothing-of-ours\n-- last line";
    world.backlog().append(name, "1", "Pending", action, ",,")?;
    world.start().await?;
    world.until_statuses(&["Completed"]).await?;
    assert!(!marker.exists(), "a program of its own ran: {}", std::fs::read_to_string(&marker)?);
    let prompt = repository.file("main", "prompt.txt").unwrap_or_default();
    assert!(prompt.starts_with(action), "{prompt}");
    world.stop().await
}

#[tokio::test]
async fn a_dirty_checkout_stays_in_review_until_it_is_clean() -> Result<()> {
    let mut world = World::new(WorldOptions::default())?;
    let repository = world.project("One", &[("a", "a\n")], PLAIN)?;
    std::fs::write(repository.path().join("a"), "a person's unfinished line\n")?;
    world.backlog().append("One", "1", "Pending", "echo new > new.txt", ",,")?;
    world.start().await?;
    let task = world
        .until("the reason", async |world| {
            let task = world.task_by_action("echo new").await?;
            let why = task["waits_for"].as_str().unwrap_or_default().to_owned();
            Ok((task["state"] == "review" && why.contains("not committed")).then_some(task))
        })
        .await?;
    assert!(task["waits_for"].as_str().is_some_and(|why| why.contains("git -C")), "it says the command: {}", task["waits_for"]);
    assert_eq!(std::fs::read_to_string(repository.path().join("a"))?, "a person's unfinished line\n");
    assert!(repository.file("main", "new.txt").is_none());
    repository.git(&["checkout", "--", "a"])?;
    let id = task["id"].as_str().unwrap_or_default();
    world.post(&format!("/api/v1/reviews/{id}/approve"), serde_json::json!({})).await?;
    world.until_statuses(&["Completed"]).await?;
    assert_eq!(repository.file("main", "new.txt").as_deref(), Some("new"));
    world.stop().await
}
