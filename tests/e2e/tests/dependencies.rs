//! Rows that depend on others: in order, however they are ranked, and a cycle is said.

use anyhow::{Result, ensure};
use strawboss_testkit::{World, WorldOptions};

const PROJECT: &str = "agent: shell\nreview: auto\nmax_concurrent: 5\n";

#[tokio::test]
async fn a_row_starts_when_what_it_depends_on_is_done() -> Result<()> {
    let mut world = World::new(WorldOptions { slots: 5, ..WorldOptions::default() })?;
    let repository = world.project("One", &[("README.md", "one\n")], PROJECT)?;
    let rows = "ID,Project,Priority,Status,Depends On,Next Action\n\
                c,One,1,Pending,\"a; b\",cat a.txt b.txt > c.txt\n\
                b,One,2,Pending,a,cat a.txt > b.txt\n\
                a,One,3,Pending,,echo first > a.txt\n\
                d,One,1,Pending,old,echo the old one was done before > d.txt\n\
                old,One,1,Completed,,long done\n\
                x,One,1,Pending,y,echo x > x.txt\n\
                y,One,1,Pending,x,echo y > y.txt\n\
                z,One,1,Pending,nowhere,echo z > z.txt\n";
    world.backlog().write(rows)?;
    world.start().await?;
    let done = ["Completed", "Completed", "Completed", "Completed", "Completed", "Blocked", "Blocked", "Blocked"];
    world.until_statuses(&done).await?;
    assert_eq!(repository.file("main", "c.txt").as_deref(), Some("first\nfirst"));
    ensure!(repository.file("main", "d.txt").is_some());
    let said = |task: &serde_json::Value| task["block"]["message"].as_str().unwrap_or_default().to_owned();
    let cycle = said(&world.task_by_action("echo x").await?);
    ensure!(cycle.starts_with("It depends on itself: ") && cycle == said(&world.task_by_action("echo y").await?), "{cycle}");
    assert_eq!(said(&world.task_by_action("echo z").await?), "It depends on `id:nowhere`, which is not there.");

    // A person mends the file: what could not start does.
    let text = world.backlog().text()?;
    ensure!(text.contains(",y,") && text.contains(",nowhere,"), "{text}");
    world.backlog().write(&text.replace(",y,", ",a,").replace(",nowhere,", ",,"))?;
    world.until_statuses(&["Completed"; 8]).await?;
    world.stop().await
}

#[tokio::test]
async fn a_task_by_hand_waits_for_another_and_names_one_that_is_there() -> Result<()> {
    let mut world = World::new(WorldOptions::default())?;
    let repository = world.project("One", &[("README.md", "one\n")], PROJECT)?;
    world.start().await?;
    let (status, said) = world
        .call("POST", "/api/v1/tasks", Some(serde_json::json!({ "project": "One", "action": "true", "depends_on": ["one-77"] })))
        .await?;
    ensure!(status == 400 && said.to_string().contains("There is no task `one-77`"), "{status} {said}");
    let first = world
        .post("/api/v1/tasks", serde_json::json!({ "project": "One", "action": "read -r word; echo $word > a.txt" }))
        .await?;
    let key = first["id"].as_str().unwrap_or_default().to_owned();
    world.done(&["task", "add", "--project", "One", "--depends-on", &key, "cat a.txt > b.txt"])?;
    let second = world.task_by_action("cat a.txt").await?;
    assert_eq!(second["depends_on"], serde_json::json!([{ "name": key, "task": key }]));
    let run = world
        .until("the first one at work, the second waiting", async |world| {
            let waits = world.task_by_action("cat a.txt").await?["waits_for"] == "Waits for what it depends on.";
            let first = world.task_by_action("read -r word").await?;
            let working = first["run"]["state"] == "working";
            Ok((waits && working).then(|| first["run"]["id"].as_str().unwrap_or_default().to_owned()))
        })
        .await?;
    ensure!(world.done(&["task", "show", second["id"].as_str().unwrap_or_default()])?.contains(&key));
    world.post(&format!("/api/v1/runs/{run}/say"), serde_json::json!({ "text": "enough" })).await?;
    world.until_task("cat a.txt", "done").await?;
    assert_eq!(repository.file("main", "b.txt").as_deref(), Some("enough"));
    world.stop().await
}
