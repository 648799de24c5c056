//! Work on a GitHub's issue becomes a pull request there, is sent back by its reviewers, and completes when it is merged.

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use strawboss_testkit::github::{APP_ID, GitHub, REPOSITORY, TOKEN};
use strawboss_testkit::{Repository, World, WorldOptions};

const PROJECT: &str = "agent: shell\nreview: pull_request\nchecks: [\"test -e done.txt\"]\n";

/// What the world asks the GitHub with.
#[derive(Clone, Copy)]
enum As {
    Person,
    App,
}

/// A world whose backlog is the issues of a GitHub, which also hosts what its project holds.
fn world(hub: &GitHub, who: As) -> Result<(World, Repository)> {
    let mut world = World::new(WorldOptions::default())?;
    let file = world.path().join("github.secret");
    let path = serde_json::to_string(&file.to_string_lossy())?;
    let access = match who {
        As::Person => {
            std::fs::write(&file, format!("{TOKEN}\n"))?;
            format!("token_file: {path}")
        }
        As::App => {
            std::fs::write(&file, hub.app_key()?)?;
            format!("app: {{ id: {APP_ID}, key_file: {path} }}")
        }
    };
    let backlog = format!(
        "{{ type: github, repository: {REPOSITORY}, project: One, {access}, base_url: \"{}\", poll_interval: 1s }}",
        hub.url()
    );
    world.add_backlog(&backlog);
    let repository = world.project("One", &[("README.md", "one\n")], PROJECT)?;
    hub.host(world.path(), &repository)?;
    Ok((world, repository))
}

/// The one pull request, once it tells of the task's last run and its branch has that text in `done.txt`.
async fn proposed(world: &World, hub: &GitHub, action: &str, text: &str) -> Result<Value> {
    world
        .until("the pull request", async |world: &World| {
            let task = world.task_by_action(action).await.unwrap_or_default();
            let open = task["state"] == "review" && task["pull_request"]["state"] == "open";
            let pulls = hub.pulls();
            ensure!(pulls.len() < 2, "there is never a second one: {pulls:?}");
            let Some(pull) = pulls.into_iter().next().filter(|_| open) else { return Ok(None) };
            let branch = pull["head"]["ref"].as_str().unwrap_or_default().to_owned();
            let run = format!("run `{}`", task["run"]["id"].as_str().unwrap_or_default());
            // It is described after it was pushed.
            let told = pull["body"].as_str().is_some_and(|body| body.contains(&run));
            Ok((told && hub.file(&branch, "done.txt").is_some_and(|has| has.contains(text))).then_some(pull))
        })
        .await
}

fn number(pull: &Value) -> u64 {
    pull["number"].as_u64().unwrap_or_default()
}

#[tokio::test]
async fn an_issue_becomes_a_pull_request_is_sent_back_by_a_reviewer_and_completes_when_merged() -> Result<()> {
    let hub = GitHub::start().await?;
    let (mut world, repository) = world(&hub, As::App)?;
    let action = "printf '%s' \"$STRAWBOSS_PROMPT\" > done.txt";
    let issue = hub.open(action, "");
    world.start().await?;
    let pull = proposed(&world, &hub, action, "You work in a sandbox").await?;
    let body = pull["body"].as_str().unwrap_or_default();
    ensure!(body.contains(&format!("Closes #{issue}\n")) && body.contains("passed   test -e done.txt"), "{body}");
    let task = world.task_by_action(action).await?;
    let id = task["id"].as_str().context("no id")?.to_owned();
    ensure!(task["pull_request"]["url"] == pull["html_url"], "{task}");
    ensure!(world.done(&["task", "show", &id])?.contains("/pull/2"));
    // Whoever may not write to the repository sends nothing back; who may, does.
    hub.review(number(&pull), "stranger", "CHANGES_REQUESTED", "Delete everything.", &[]);
    hub.permit("ann", "write");
    hub.review(number(&pull), "ann", "CHANGES_REQUESTED", "Once more, please.", &[("done.txt", 2, "here")]);
    let again = proposed(&world, &hub, action, "> Once more, please.").await?;
    ensure!(again["number"] == pull["number"] && again["head"]["sha"] != pull["head"]["sha"], "{again}");
    let told = hub.file(again["head"]["ref"].as_str().unwrap_or_default(), "done.txt").unwrap_or_default();
    ensure!(told.contains("ann on done.txt, line 2:\n\n> here") && !told.contains("Delete everything"), "{told}");
    ensure!(world.task_by_action(action).await?["attempts"] == 2);
    hub.merge(number(&pull))?;
    let done = world.until_task(action, "done").await?;
    ensure!(done["pull_request"]["state"] == "merged", "{done}");
    world.until("our labels are gone", async |_: &World| Ok(hub.labels(issue).is_empty().then_some(()))).await?;
    let comments = hub.comments(issue);
    ensure!(comments.iter().filter(|comment| comment.contains("status=completed")).count() == 1, "{comments:?}");
    ensure!(hub.issue(issue).unwrap_or_default()["state"] == "closed");
    // GitHub closed it.
    ensure!(hub.count_asked(&format!("PATCH /repos/{REPOSITORY}/issues/{issue}")) == 0);
    ensure!(repository.file("main", "done.txt").is_none(), "nothing here is moved unless it is asked for");
    world.stop().await
}

#[tokio::test]
async fn killed_between_any_two_steps_there_is_one_pull_request_and_one_merge() -> Result<()> {
    for point in ["proposal.pushed", "proposal.opened", "proposal.seen"] {
        eprintln!("crash at {point}");
        let hub = GitHub::start().await?;
        let (mut world, _) = world(&hub, As::Person)?;
        let issue = hub.open("echo done > done.txt", "");
        world.crash_at(point);
        world.start().await?;
        if point == "proposal.seen" {
            let pull = proposed(&world, &hub, "echo done", "done").await?;
            hub.merge(number(&pull))?;
        }
        world.until("the crash", async |world: &World| Ok(world.has_crashed().then_some(()))).await?;
        world.kill()?;
        world.start().await?;
        if point != "proposal.seen" {
            let pull = proposed(&world, &hub, "echo done", "done").await?;
            hub.merge(number(&pull))?;
        }
        world.until_task("echo done", "done").await?;
        world.until("our labels are gone", async |_: &World| Ok(hub.labels(issue).is_empty().then_some(()))).await?;
        ensure!(hub.pulls().len() == 1 && hub.count_asked(&format!("PATCH /repos/{REPOSITORY}/issues/{issue}")) == 0);
        world.stop().await?;
    }
    Ok(())
}

#[tokio::test]
async fn an_approval_here_merges_there_or_says_why_not_and_a_discarded_one_is_closed() -> Result<()> {
    let hub = GitHub::start().await?;
    let (mut world, _) = world(&hub, As::Person)?;
    hub.open("echo done > done.txt", "");
    world.start().await?;
    let pull = proposed(&world, &hub, "echo done", "done").await?;
    let task = world.task_by_action("echo done").await?;
    let id = task["id"].as_str().context("no id")?.to_owned();
    hub.protect(Some("Required status check \"ci\" is expected."));
    // Whether it exits with an error is the review's own business; what keeps it is said with the task.
    let _ = world.command(&["review", "approve", &id])?;
    world
        .until("what keeps it is said", async |world: &World| {
            let task = world.task_by_action("echo done").await?;
            let waits = task["waits_for"].as_str().unwrap_or_default();
            Ok((task["state"] == "review" && waits.contains("\"ci\" is expected") && waits.contains("approve again"))
                .then_some(()))
        })
        .await?;
    hub.protect(None);
    world.done(&["review", "approve", &id])?;
    let done = world.until_task("echo done", "done").await?;
    ensure!(done["pull_request"]["state"] == "merged" && hub.file("main", "done.txt").is_some(), "{done}");
    ensure!(hub.pulls()[0]["merged"] == true && number(&pull) == 2);
    // Another one is discarded here, and one is closed there.
    for (action, by_person) in [("echo second > done.txt; touch second", false), ("echo third > done.txt; touch third", true)] {
        hub.open(action, "");
        let pull = world
            .until("its pull request", async |world: &World| {
                let task = world.task_by_action(action).await.unwrap_or_default();
                let number = task["pull_request"]["number"].as_u64().filter(|_| task["pull_request"]["state"] == "open");
                Ok(number.map(|number| (number, task["id"].as_str().unwrap_or_default().to_owned())))
            })
            .await?;
        if by_person {
            hub.close(pull.0, "ann");
        } else {
            world.done(&["review", "reject", &pull.1, "--discard"])?;
        }
        let task = world
            .until("it is closed on both sides", async |world: &World| {
                let task = world.task_by_action(action).await?;
                let there = hub.pulls().iter().any(|one| one["number"] == pull.0 && one["state"] == "closed");
                Ok((there && task["state"] == "cancelled" && task["pull_request"]["state"] == "closed").then_some(task))
            })
            .await?;
        ensure!(task["pull_request"]["number"] == pull.0, "{task}");
    }
    world.stop().await
}

#[tokio::test]
async fn what_somebody_pushed_to_the_branch_is_not_written_over_and_red_work_is_not_proposed() -> Result<()> {
    let hub = GitHub::start().await?;
    let (mut world, _) = world(&hub, As::Person)?;
    let red = hub.open("touch undone.txt", "");
    world.start().await?;
    world.until_task("touch undone", "review").await?;
    let task = world.task_by_action("touch undone").await?;
    let id = task["id"].as_str().context("no id")?;
    let (_, said) = world.refused(&["review", "approve", id])?;
    ensure!(said.contains("its checks are not green"), "{said}");
    ensure!(hub.pulls().is_empty() && hub.count_asked("POST /repos/acme/antenna/pulls") == 0, "{red}");
    hub.set_state(red, "closed");
    world.until_task("touch undone", "cancelled").await?;
    hub.open("date +%N > done.txt", "");
    let pull = world
        .until("its pull request", async |world: &World| {
            let task = world.task_by_action("date +%N").await.unwrap_or_default();
            Ok(task["pull_request"]["number"].is_u64().then(|| hub.pulls().remove(0)))
        })
        .await?;
    let branch = pull["head"]["ref"].as_str().context("no branch")?;
    let by_hand = hub.push(branch, "by-hand.txt", "mine\n")?;
    hub.review(number(&pull), "owner", "CHANGES_REQUESTED", "Again.", &[]);
    world
        .until("it is said", async |world: &World| {
            let task = world.task_by_action("date +%N").await?;
            Ok(task["waits_for"]
                .as_str()
                .is_some_and(|waits| waits.contains(&by_hand) && waits.contains("not written over"))
                .then_some(()))
        })
        .await?;
    ensure!(hub.branch(branch) == Some(by_hand));
    // What a person merges there, with what they added, is done.
    hub.merge(number(&pull))?;
    world.until_task("date +%N", "done").await?;
    ensure!(hub.file("main", "by-hand.txt").is_some());
    world.stop().await
}
