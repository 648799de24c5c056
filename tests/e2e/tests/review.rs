//! Reviews: approve, send back, discard; targets that move; conflicts; checks that are red.

use anyhow::Result;
use serde_json::json;
use strawboss_testkit::{World, WorldOptions};

async fn in_review(world: &World, action: &str) -> Result<String> {
    let task = world.until_task(action, "review").await?;
    Ok(task["id"].as_str().unwrap_or_default().to_owned())
}

#[tokio::test]
async fn a_person_sends_back_with_a_comment_and_then_approves() -> Result<()> {
    // The agent does what the first line says; sent back, the first line of its comment.
    let shell = r#"line=$(printf '%s\n' "$STRAWBOSS_PROMPT" | sed -n '/^run: /{s///;p;q}'); eval "${line:-$(printf '%s\n' "$STRAWBOSS_PROMPT" | head -n 1)}""#;
    let mut world = World::new(WorldOptions { shell: shell.to_owned(), ..WorldOptions::default() })?;
    let repository = world.project("One", &[("a", "a\n")], "agent: shell\nchecks: [\"grep -q better work.txt\"]\n")?;
    world.backlog().append("One", "1", "Pending", "echo good > work.txt", ",,")?;
    world.start().await?;
    let id = in_review(&world, "echo good").await?;
    world.until_statuses(&["In Review"]).await?;
    let review = world.get(&format!("/api/v1/reviews/{id}")).await?;
    assert_eq!((review["stat"]["files"].as_u64(), review["evidence"]["run"]["green"].as_bool()), (Some(1), Some(false)));
    let diff = world.get(&format!("/api/v1/reviews/{id}/diff")).await?;
    assert!(diff["patch"].as_str().is_some_and(|patch| patch.contains("+good")));
    world.post(&format!("/api/v1/reviews/{id}/reject"), json!({ "comment": "run: echo better >> work.txt" })).await?;
    world
        .until("the second attempt", async |world| {
            let task = world.task_by_action("echo good").await?;
            Ok((task["state"] == "review" && task["attempts"] == 2).then_some(()))
        })
        .await?;
    let review = world.get(&format!("/api/v1/reviews/{id}")).await?;
    assert_eq!(review["evidence"]["run"]["green"], true);
    world.post(&format!("/api/v1/reviews/{id}/approve"), json!({})).await?;
    world.until_statuses(&["Completed"]).await?;
    assert_eq!(repository.file("main", "work.txt").as_deref(), Some("good\nbetter"), "the same branch went on");
    let (status, _) = world.call("POST", &format!("/api/v1/reviews/{id}/approve"), Some(json!({}))).await?;
    assert_eq!(status, 409, "what is done cannot be approved again");
    world.stop().await
}

#[tokio::test]
async fn a_target_that_moved_is_merged_and_the_result_checked_before_it_lands() -> Result<()> {
    let mut world = World::new(WorldOptions::default())?;
    // Green alone, red together with what the person does meanwhile.
    let repository =
        world.project("One", &[("a", "a\n")], "agent: shell\nchecks: [\"! { test -e one.txt && test -e two.txt; }\"]\n")?;
    let other = world.project("Two", &[("a", "a\n")], "agent: shell\nchecks: [\"test -e one.txt\"]\n")?;
    world.backlog().append("One", "1", "Pending", "echo 1 > one.txt", ",,")?;
    world.backlog().append("Two", "1", "Pending", "echo 1 > one.txt; echo two", ",,")?;
    world.start().await?;
    let red = in_review(&world, "echo 1 > one.txt").await?;
    let tasks = world.tasks().await?;
    let of = |project: &str| {
        tasks.iter().find(|task| task["project"] == project).and_then(|task| task["id"].as_str()).unwrap_or_default().to_owned()
    };
    let (one, two) = (of("One"), of("Two"));
    assert!(red == one || red == two);
    world
        .until("both in review", async |world| {
            Ok(world.tasks().await?.iter().all(|task| task["state"] == "review").then_some(()))
        })
        .await?;
    let before = repository.commit(&[("two.txt", "2\n")], "A person's work")?;
    other.commit(&[("two.txt", "2\n")], "A person's work")?;
    world.post(&format!("/api/v1/reviews/{one}/approve"), json!({})).await?;
    world.post(&format!("/api/v1/reviews/{two}/approve"), json!({})).await?;
    world
        .until("the merge that is red", async |world| {
            let task = world.get(&format!("/api/v1/tasks/{one}")).await?;
            Ok(task["waits_for"].as_str().is_some_and(|why| why.contains("result of the merge")).then_some(()))
        })
        .await?;
    assert_eq!(repository.git(&["rev-parse", "main"])?, before, "nothing landed");
    world
        .until("the merge that is green", async |world| {
            Ok((world.get(&format!("/api/v1/tasks/{two}")).await?["state"] == "done").then_some(()))
        })
        .await?;
    assert!(other.file("main", "one.txt").is_some() && other.file("main", "two.txt").is_some());
    assert_eq!(other.git(&["rev-list", "--merges", "--count", "main"])?, "1");
    world.stop().await
}

#[tokio::test]
async fn a_conflict_is_reported_and_nothing_is_half_merged() -> Result<()> {
    let mut world = World::new(WorldOptions::default())?;
    let repository = world.project("One", &[("a", "a\n")], "agent: shell\nchecks: [\"true\"]\n")?;
    world.backlog().append("One", "1", "Pending", "echo agent > a", ",,")?;
    world.start().await?;
    let id = in_review(&world, "echo agent").await?;
    let before = repository.commit(&[("a", "person\n")], "A person's word")?;
    world.post(&format!("/api/v1/reviews/{id}/approve"), json!({})).await?;
    let task = world
        .until("the conflict", async |world| {
            let task = world.get(&format!("/api/v1/tasks/{id}")).await?;
            Ok(task["waits_for"].as_str().is_some_and(|why| why.contains("conflicts")).then_some(task))
        })
        .await?;
    assert!(task["waits_for"].as_str().is_some_and(|why| why.contains(" a.")), "{}", task["waits_for"]);
    assert_eq!(repository.git(&["rev-parse", "main"])?, before);
    assert_eq!(repository.git(&["status", "--porcelain"])?, "");
    world.post(&format!("/api/v1/reviews/{id}/reject"), json!({})).await?;
    world.until_task("echo agent", "cancelled").await?;
    assert_eq!(
        world.mirror_file(&format!("refs/heads/strawboss/{id}"), "a")?.as_deref(),
        Some("agent"),
        "discarded work stays in the mirror"
    );
    world.stop().await
}

#[tokio::test]
async fn red_checks_are_sent_back_by_themselves_until_the_tries_are_used_up() -> Result<()> {
    let mut world = World::new(WorldOptions { shell: "echo try >> tries.txt".to_owned(), ..WorldOptions::default() })?;
    let check = "checks: [\"test $(wc -l < tries.txt) -ge 2\"]\n";
    let second = world.project("Second", &[("a", "a\n")], &format!("agent: shell\nreview: auto\ntries: 2\n{check}"))?;
    world.project("Never", &[("a", "a\n")], "agent: shell\nreview: auto\ntries: 2\nchecks: [\"false\"]\n")?;
    world.backlog().append("Second", "1", "Pending", "second time lucky", ",,")?;
    world.backlog().append("Never", "1", "Pending", "never green", ",,")?;
    world.start().await?;
    world.until_statuses(&["Completed", "In Review"]).await?;
    assert_eq!(second.file("main", "tries.txt").as_deref(), Some("try\ntry"));
    assert_eq!(world.task_by_action("never").await?["attempts"], 2);
    world.stop().await
}

#[tokio::test]
async fn an_agent_that_deletes_the_tests_is_shown_and_its_checks_are_red() -> Result<()> {
    let mut world = World::new(WorldOptions::default())?;
    let files = [("greeting", "hello\n"), ("tests/greeting.sh", "grep -q hello greeting\n"), ("tests/other.sh", "true\n")];
    let repository =
        world.project("One", &files, "agent: shell\nreview: auto\ntries: 1\nchecks: [\"sh tests/greeting.sh\", \"true\"]\n")?;
    let before = repository.git(&["rev-parse", "main"])?;
    // It only takes the tests out of the commit, and leaves some where they were that are always green: what counts is
    // the commit.
    let action = "echo broken > greeting; git rm -rq tests; printf 'tests/\\n' > .gitignore; git add -A; git commit -qm Done; mkdir tests; touch tests/greeting.sh";
    world.backlog().append("One", "1", "Pending", action, ",,")?;
    world.start().await?;
    let id = in_review(&world, "echo broken").await?;
    world.until_statuses(&["In Review"]).await?;
    let review = world.get(&format!("/api/v1/reviews/{id}")).await?;
    assert_eq!(review["evidence"]["run"]["green"], false);
    let checks = review["evidence"]["checks"].as_array().cloned().unwrap_or_default();
    assert_eq!(checks.len(), 2, "the configured checks, all of them: {checks:?}");
    assert_ne!(checks[0]["exit_code"], 0, "{checks:?}");
    assert_eq!(checks[1]["exit_code"], 0, "{checks:?}");
    assert_eq!((review["stat"]["files"].as_u64(), review["stat"]["removed"].as_u64()), (Some(4), Some(3)), "{review}");
    let diff = world.get(&format!("/api/v1/reviews/{id}/diff")).await?;
    let patch = diff["patch"].as_str().unwrap_or_default();
    assert_eq!(patch.matches("deleted file mode").count(), 2, "{patch}");
    assert!(patch.contains("--- a/tests/greeting.sh") && patch.contains("--- a/tests/other.sh"), "{patch}");
    assert_eq!(repository.git(&["rev-parse", "main"])?, before, "nothing landed by itself");
    world.stop().await
}

#[tokio::test]
async fn work_that_starts_after_accepted_work_starts_from_it() -> Result<()> {
    let mut world = World::new(WorldOptions::default())?;
    let repository = world.project("One", &[("log", "begin\n")], "agent: shell\nreview: auto\nchecks: [\"true\"]\n")?;
    // Each appends to the same file: started from the same commit, any two would conflict.
    for row in 0..4 {
        world.backlog().append("One", "1", "Pending", &format!("echo {row} >> log"), ",,")?;
    }
    world.start().await?;
    world.until_statuses(&["Completed"; 4]).await?;
    assert_eq!(repository.file("main", "log").map_or(0, |text| text.lines().count()), 5);
    world.stop().await
}
