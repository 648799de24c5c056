//! Agents, supervisors and the control plane end in odd ways; the work goes on.

use anyhow::Result;
use nix::sys::signal::{Signal, kill};
use strawboss_testkit::{RunnerKind, World, WorldOptions};

const CHECKED: &str = "agent: shell\nreview: auto\nchecks: [\"true\"]\n";

fn world(runner: RunnerKind) -> Result<World> {
    World::new(WorldOptions { runner, ..WorldOptions::default() })
}

async fn nothing_left(world: &World) -> Result<()> {
    world.until("nothing is left behind", async |world| Ok(world.leftovers()?.is_empty().then_some(()))).await
}

/// The run that works on the row that begins with `action`, once its terminal shows `text`.
async fn at_work(world: &World, action: &str, text: &str) -> Result<String> {
    world
        .until("the agent at work", async |world| {
            let task = world.task_by_action(action).await?;
            let run = task["run"]["id"].as_str().unwrap_or_default().to_owned();
            Ok((task["run"]["state"] == "working" && world.terminal_has(&run, text).await?).then_some(run))
        })
        .await
}

async fn a_closed_terminal(runner: RunnerKind) -> Result<()> {
    let mut world = world(runner)?;
    let repository = world.project("One", &[("a", "a\n")], CHECKED)?;
    let action = "echo before; exec <&- >&- 2>&-; sleep 1; echo after > after.txt; sleep 1; echo end > end.txt";
    world.backlog().append("One", "1", "Pending", action, ",,")?;
    world.start().await?;
    world.until_statuses(&["Completed"]).await?;
    assert_eq!(repository.file("main", "after.txt").as_deref(), Some("after"));
    assert_eq!(repository.file("main", "end.txt").as_deref(), Some("end"), "its end is the process's, not the terminal's");
    nothing_left(&world).await?;
    world.stop().await
}

#[tokio::test]
async fn an_agent_that_closes_its_terminal_works_on_in_a_container() -> Result<()> {
    a_closed_terminal(RunnerKind::Docker).await
}

#[tokio::test]
async fn an_agent_that_closes_its_terminal_works_on_as_a_process() -> Result<()> {
    a_closed_terminal(RunnerKind::Process).await
}

async fn a_control_plane_that_stops(runner: RunnerKind) -> Result<()> {
    let mut world = world(runner)?;
    // Typed at after the restart: that shows that terminal and input are the same as before.
    let action = "echo begun >> begun.txt; printf 'type %s\\n' now; read -r line; echo \"$line\" > typed.txt";
    let one = world.project("One", &[("a", "a\n")], CHECKED)?;
    let two = world.project("Two", &[("a", "a\n")], CHECKED)?;
    world.backlog().append("One", "1", "Pending", &format!("{action}; true One"), ",,")?;
    world.backlog().append("Two", "1", "Pending", &format!("{action}; true Two"), ",,")?;
    world.start().await?;
    let mut runs = Vec::new();
    for task in ["One", "Two"] {
        let run = world
            .until("both at work", async |world| {
                let tasks = world.tasks().await?;
                let found = tasks.iter().find(|found| found["project"] == task);
                let run = found.and_then(|task| task["run"]["id"].as_str()).unwrap_or_default().to_owned();
                Ok((!run.is_empty() && world.terminal_has(&run, "type now").await?).then_some(run))
            })
            .await?;
        runs.push(run);
    }
    world.until_statuses(&["In Progress"; 2]).await?;
    world.stop().await?;
    assert_eq!(world.backlog().statuses()?, ["In Progress"; 2]);
    world.start().await?;
    for run in &runs {
        world
            .until("the supervisor back", async |world| {
                let (status, _) = world
                    .call("POST", &format!("/api/v1/runs/{run}/say"), Some(serde_json::json!({ "text": "hello again" })))
                    .await?;
                Ok((200..300).contains(&status).then_some(()))
            })
            .await?;
    }
    world.until_statuses(&["Completed", "Completed"]).await?;
    for repository in [&one, &two] {
        assert_eq!(repository.file("main", "begun.txt").as_deref(), Some("begun"), "begun once");
        assert_eq!(repository.file("main", "typed.txt").as_deref(), Some("hello again"));
    }
    for task in world.tasks().await? {
        assert_eq!(task["attempts"], 1, "the same run went on");
        assert!(runs.iter().any(|run| task["run"]["id"] == run.as_str()));
    }
    nothing_left(&world).await?;
    world.stop().await
}

#[tokio::test]
async fn runs_go_on_over_a_stop_and_start_of_the_control_plane_in_containers() -> Result<()> {
    a_control_plane_that_stops(RunnerKind::Docker).await
}

#[tokio::test]
async fn runs_go_on_over_a_stop_and_start_of_the_control_plane_as_processes() -> Result<()> {
    a_control_plane_that_stops(RunnerKind::Process).await
}

/// Begins, and works on until it is begun again on top of its own work.
const RESUMED: &str = "test -e first.txt && { echo second >> second.txt; exit; }; echo first > first.txt; echo at work; while :; do sleep 0.1; echo more >> more.txt; done";

async fn killed(world: &mut World, crash: Option<&str>) -> Result<()> {
    let repository = world.project("One", &[("a", "a\n")], CHECKED)?;
    world.backlog().append("One", "1", "Pending", RESUMED, ",,")?;
    if let Some(point) = crash {
        world.crash_at(point);
    }
    world.start().await?;
    let run = at_work(world, "test -e", "at work").await?;
    let supervisors = world.supervisors()?;
    assert_eq!(supervisors.len(), 1);
    kill(supervisors[0], Signal::SIGKILL)?;
    if crash.is_some() {
        world.until("the crash", async |world| Ok(world.has_crashed().then_some(()))).await?;
        world.kill()?;
        world.start().await?;
    }
    world.until_statuses(&["Completed"]).await?;
    assert_eq!(repository.file("main", "first.txt").as_deref(), Some("first"), "what the lost run had done went on");
    assert_eq!(repository.file("main", "second.txt").as_deref(), Some("second"), "and was gone on with once");
    let task = world.task_by_action("test -e").await?;
    assert_eq!(task["attempts"], 2);
    let lost = world.get(&format!("/api/v1/runs/{run}")).await?;
    assert_eq!(lost["run"]["outcome"], "lost");
    assert_eq!(lost["saved_ref"], format!("refs/strawboss/saved/{run}"));
    assert_eq!(world.mirror_file(&format!("refs/strawboss/saved/{run}"), "first.txt")?.as_deref(), Some("first"));
    nothing_left(world).await?;
    world.stop().await
}

#[tokio::test]
async fn a_supervisor_that_is_killed_as_a_process_is_known_lost_and_its_agent_does_not_live_on() -> Result<()> {
    let mut world = world(RunnerKind::Process)?;
    killed(&mut world, None).await
}

#[tokio::test]
async fn the_work_of_a_killed_supervisor_survives_a_crash_before_it_is_saved() -> Result<()> {
    let mut world = world(RunnerKind::Process)?;
    killed(&mut world, Some("lost.lowered")).await
}

#[tokio::test]
async fn a_project_that_goes_from_the_configuration_takes_no_work_with_it() -> Result<()> {
    let mut world = world(RunnerKind::Process)?;
    let repository = world.project("One", &[("a", "a\n")], CHECKED)?;
    world.backlog().append("One", "1", "Pending", RESUMED, ",,")?;
    world.start().await?;
    let run = at_work(&world, "test -e", "at work").await?;
    // It ends without being saved: nobody can say any more where to. Then its row goes, too.
    world.kill()?;
    world.forget("One");
    world.start().await?;
    world.until_task("test -e", "blocked").await?;
    world.backlog().write(&format!("{}\n", strawboss_testkit::backlog::HEADER))?;
    world.until_task("test -e", "cancelled").await?;
    world.kill()?;
    let before = world.log().len();
    world.start().await?;
    let left_alone = |world: &World| world.log().get(before..).is_some_and(|log| log.contains("a volume stays for now"));
    world.until("that its volume is left alone", async |world| Ok(left_alone(world).then_some(()))).await?;
    world.stop().await?;

    world.configure("One", repository.path(), CHECKED);
    world.start().await?;
    nothing_left(&world).await?;
    assert_eq!(world.mirror_file(&format!("refs/strawboss/saved/{run}"), "first.txt")?.as_deref(), Some("first"));
    let detail = world.get(&format!("/api/v1/runs/{run}")).await?;
    assert_eq!(detail["saved_ref"], format!("refs/strawboss/saved/{run}"));
    world.stop().await
}

/// Its state was put back from a backup, say.
#[tokio::test]
async fn a_sandbox_of_a_run_that_nobody_knows_is_removed_and_what_is_not_ours_stays() -> Result<()> {
    let mut world = world(RunnerKind::Docker)?;
    world.start().await?;
    let ours = format!("--label=strawboss.installation={}", world.installation()?);
    let labels = ["--label=strawboss.run=one-7.1", "--label=strawboss.sandbox=one-7.1-agent", "--label=strawboss.purpose=agent"];
    let what = ["strawboss/sandbox:latest", "sleep", "600"];
    world.docker(&[&["run", "--detach", "--network=none", &ours], &labels[..], &what].concat())?;
    let other = world.docker(&[&["run", "--detach", "--network=none"], &labels[..], &what].concat())?;
    world.kill()?;
    world.start().await?;
    let removed = world.until("the removal", async |world| Ok(world.containers()?.is_empty().then_some(()))).await;
    let other_runs = world.docker(&["inspect", "--format", "{{.State.Running}}", other.trim()]);
    world.docker(&["rm", "--force", other.trim()])?;
    removed?;
    assert_eq!(other_runs?.trim(), "true");
    world.stop().await
}

#[tokio::test]
async fn a_home_of_a_run_that_nobody_knows_is_left_alone() -> Result<()> {
    let mut world = world(RunnerKind::Process)?;
    world.start().await?;
    let home = world.process_root().unwrap_or_default().join("homes/one-7.1");
    std::fs::create_dir(&home)?;
    std::fs::write(home.join("work.txt"), "work")?;
    world.kill()?;
    world.start().await?;
    let said = |world: &World| world.log().contains("a volume belongs to no known run");
    world.until("that it is said", async |world| Ok(said(world).then_some(()))).await?;
    assert!(home.join("work.txt").exists(), "nobody can say what it is worth");
    world.stop().await
}
