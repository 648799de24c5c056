//! Sessions that are shells in sandboxes of their own.

use super::ground::{Ground, Played, git, soon, until};
use bytes::Bytes;
use std::time::Duration;
use strawboss_core::runner::{Purpose, RunnerError};
use strawboss_core::{RunId, SessionId, TaskId};
use strawboss_engine::{NewShell, Refused, ShellHabits, TaskQuery, Viewer, ViewerFrame, Visitor};
use strawboss_protocol::api::{SessionSource, SessionState, SessionView};
use strawboss_protocol::supervisor::{End, Phase, ReportBody};

fn who(name: &str) -> Visitor {
    Visitor { name: name.to_owned(), admin: name == "admin" }
}

fn name(text: &str) -> SessionId {
    SessionId::parse(text).unwrap()
}

fn new(text: &str) -> NewShell {
    NewShell { name: name(text), project: Some("Demo".to_owned()), image: None, command: None, private: false }
}

fn run(text: &str) -> RunId {
    RunId::parse(text).unwrap()
}

async fn until_state(ground: &Ground, session: &str, state: SessionState) -> SessionView {
    until(&format!("{session} is {}", state.word()), async || {
        let view = ground.engine.shell(&name(session), &who("admin")).await.unwrap();
        (view.state == Some(state)).then_some(view)
    })
    .await
}

/// Opens a session and plays its supervisor until somebody can type.
async fn opened(ground: &Ground, shell: NewShell, first: &RunId) -> Played {
    let session = shell.name.to_string();
    ground.engine.shell_create(shell, &who("anna")).await.unwrap();
    let mut supervisor = ground.play(first, "agent").await;
    supervisor.report(ReportBody::Phase { phase: Phase::Working }).await;
    until_state(ground, &session, SessionState::Running).await;
    supervisor
}

/// The supervisor is told to stop, saves what there is, and ends.
async fn saves_and_stops(ground: &Ground, supervisor: &mut Played, run: &RunId) -> String {
    supervisor.until_stop().await;
    let saved = run.saved_ref();
    let commit = ground.push("work.txt", "half done", &saved);
    supervisor.report(ReportBody::Pushed { reference: saved.clone(), commit }).await;
    supervisor.done(End::Stopped).await;
    saved
}

#[tokio::test]
async fn a_session_is_a_shell_of_its_own_that_no_board_shows() {
    let ground = Ground::started(|project| project.setup = vec!["false".to_owned()]).await;
    let first = run("session-1.1");
    let supervisor = opened(&ground, new("try"), &first).await;
    let orders = &supervisor.orders;
    let agent = orders.agent.as_ref().unwrap();
    assert!(agent.session && agent.gateway.is_none() && agent.command.as_ref().unwrap().contains("bash"));
    assert!(orders.setup.is_empty(), "a shell opens also where the set-up is broken");
    let reach = ground.engine.door_reach(&supervisor.sandbox).unwrap();
    assert!(reach.providers.is_empty() && !reach.has_agent, "{reach:?}");
    let view = ground.engine.shell(&name("try"), &who("bert")).await.unwrap();
    assert_eq!((view.source, view.owner.as_deref(), view.live), (SessionSource::Container, Some("anna"), true));
    assert_eq!(ground.engine.task_list(&TaskQuery::default()).await.unwrap().items, []);
    assert_eq!(ground.engine.run_list(None, 0).await.unwrap(), []);
    assert_eq!(ground.engine.session_list().await.unwrap(), []);
    assert_eq!(ground.engine.status().await.unwrap().live_runs, 0);
    let hidden = TaskId::parse("session-1").unwrap();
    for refused in [
        ground.engine.task(&hidden).await.err(),
        ground.engine.task_stop(&hidden).await.err(),
        ground.engine.task_retry(&hidden).await.err(),
        ground.engine.run(&first).await.err(),
        ground.engine.run_stop(&first).await.err(),
        ground.engine.session_attach(&first, None).await.err(),
    ] {
        assert!(matches!(refused, Some(Refused::NotFound { .. })), "{refused:?}");
    }
    // It takes no slot: as many runs as ever start beside it.
    let task = ground.add("Do something").await;
    ground.until_state(&task, "running").await;
}

#[tokio::test]
async fn many_see_the_same_and_type_into_it() {
    let ground = Ground::started(|_| {}).await;
    let supervisor = opened(&ground, new("try"), &run("session-1.1")).await;
    let mut viewers = Vec::new();
    for visitor in ["anna", "bert"] {
        viewers.push(ground.engine.shell_attach(&name("try"), &who(visitor), None).await.unwrap());
    }
    assert!(supervisor.print(0, b"$ ").await);
    for viewer in &mut viewers {
        assert_eq!(soon("the prompt", viewer.next()).await, ViewerFrame::Bytes { offset: 0, bytes: "$ ".into() });
    }
    viewers[1].input(Bytes::from_static(b"ls\r")).unwrap();
    assert_eq!(ground.engine.shell(&name("try"), &who("x")).await.unwrap().viewers, 2);
}

#[tokio::test]
async fn a_session_is_stopped_and_goes_on_on_its_volume_until_it_is_deleted() {
    let ground = Ground::started(|_| {}).await;
    let (first, second) = (run("session-1.1"), run("session-1.2"));
    let mut supervisor = opened(&ground, new("try"), &first).await;
    assert!(supervisor.print(0, b"secret").await);
    ground.engine.shell_stop(&name("try"), &who("bert")).await.unwrap();
    let saved = saves_and_stops(&ground, &mut supervisor, &first).await;
    let stopped = until_state(&ground, "try", SessionState::Stopped).await;
    assert_eq!((stopped.saved_ref, stopped.live), (Some(saved), false));
    until("its sandbox goes", async || (!ground.doors.has(&supervisor.sandbox)).then_some(())).await;
    assert!(ground.runner.has_volume(&first));
    ground.engine.shell_start(&name("try"), &who("bert")).await.unwrap();
    let mut supervisor = ground.play(&second, "agent").await;
    assert!(supervisor.orders.git.keep_workspace && ground.run(&second).await.volume == first);
    supervisor.report(ReportBody::Phase { phase: Phase::Working }).await;
    let refused = ground.engine.shell_remove(&name("try"), &who("bert")).await.unwrap_err();
    assert!(matches!(&refused, Refused::Forbidden(why) if why.contains("anna")), "{refused:?}");
    let owner = who("anna");
    let session = name("try");
    // What takes long is done before: whoever deletes waits for a while only.
    let saved = second.saved_ref();
    let commit = ground.push("work.txt", "half done", &saved);
    let deleting = ground.engine.shell_remove(&session, &owner);
    let saving = async {
        supervisor.until_stop().await;
        supervisor.report(ReportBody::Pushed { reference: saved.clone(), commit }).await;
        supervisor.done(End::Stopped).await;
    };
    let (deleted, ()) = tokio::join!(deleting, saving);
    let deleted = deleted.unwrap();
    assert!(deleted.gone && !ground.runner.has_volume(&first), "{:?}", ground.runner.all_asked());
    assert_eq!(deleted.saved_ref.as_ref(), Some(&saved), "what its project does not have is in a ref");
    let repository = std::path::PathBuf::from(deleted.repository.unwrap());
    assert_eq!(git(&repository, &["show", &format!("{saved}:work.txt")]), "half done");
    assert_eq!(ground.engine.shell_list().await.unwrap(), []);
    until("what was printed is gone", async || {
        let left = std::fs::read_dir(ground.data_dir().join("runs")).map_or(0, Iterator::count);
        (left == 0).then_some(())
    })
    .await;
    ground.engine.shell_create(new("try"), &owner).await.unwrap();
}

#[tokio::test]
async fn a_volume_that_a_failed_start_left_goes_without_what_the_live_run_printed() {
    let mut ground = Ground::started(|_| {}).await;
    let (first, second) = (run("session-1.1"), run("session-1.2"));
    let broken = RunnerError::Failed { what: "create".to_owned(), why: "a test's sandbox cannot be made".to_owned() };
    ground.runner.fail("create", Purpose::Agent, broken);
    ground.engine.shell_create(new("try"), &who("anna")).await.unwrap();
    until("a start fails", async || ground.runner.asked(&format!("create {}", first.sandbox(Purpose::Agent, 1))).then_some(()))
        .await;
    ground.runner.mend();
    let mut supervisor = ground.play(&second, "agent").await;
    supervisor.report(ReportBody::Phase { phase: Phase::Working }).await;
    until_state(&ground, "try", SessionState::Running).await;
    assert!(supervisor.print(0, b"kept").await);
    let recording = ground.data_dir().join("runs").join(second.as_str());
    until("it is recorded", async || recording.is_dir().then_some(())).await;
    ground.runner.leave_volume(&first);
    ground.again(|_| {}).await;
    until("the volume goes", async || (!ground.runner.has_volume(&first)).then_some(())).await;
    let _again = ground.dial_again(supervisor).await;
    until_state(&ground, "try", SessionState::Running).await;
    assert!(recording.is_dir() && ground.runner.has_volume(&second));
}

#[tokio::test]
async fn what_a_lost_session_left_is_rescued_before_a_deletion_takes_it() {
    let ground = Ground::started(|_| {}).await;
    let first = run("session-1.1");
    let supervisor = opened(&ground, new("try"), &first).await;
    let broken = RunnerError::Failed { what: "create".to_owned(), why: "a test's sandbox cannot be made".to_owned() };
    ground.runner.fail("create", Purpose::Rescue, broken.clone());
    ground.runner.fail("create", Purpose::Agent, broken);
    ground.runner.end(&supervisor.sandbox);
    until_state(&ground, "try", SessionState::Failed).await;
    ground.runner.mend();
    // What failed a moment ago is tried again after a while.
    ground.clock.forward(Duration::from_hours(1));
    let owner = who("anna");
    let session = name("try");
    let deleting = ground.engine.shell_remove(&session, &owner);
    let rescued = async {
        let rescue = until("a rescue is raised", async || {
            (1..10)
                .rev()
                .map(|number| first.sandbox(Purpose::Rescue, number))
                .find(|id| ground.runner.asked(&format!("start {id}")))
        })
        .await;
        let purpose = rescue.as_str().rsplit_once('-').unwrap().1.to_owned();
        let mut rescue = ground.play(&first, &purpose).await;
        assert!(ground.runner.has_volume(&first), "{:?}", ground.runner.all_asked());
        let saved = first.saved_ref();
        let commit = ground.push("work.txt", "half done", &saved);
        rescue.report(ReportBody::Pushed { reference: saved.clone(), commit }).await;
        rescue.done(End::Complete { summary: None }).await;
        saved
    };
    // Whoever deletes waits for a while only, and a rescue may take longer.
    let (deleted, saved) = tokio::join!(deleting, rescued);
    deleted.unwrap();
    until("the volume goes", async || (!ground.runner.has_volume(&first)).then_some(())).await;
    assert_eq!(ground.run(&first).await.saved_ref, Some(saved));
}

#[tokio::test]
async fn a_shell_that_is_left_is_a_session_that_is_stopped() {
    let ground = Ground::started(|_| {}).await;
    let mut supervisor = opened(&ground, new("try"), &run("session-1.1")).await;
    supervisor.done(End::Complete { summary: None }).await;
    let stopped = until_state(&ground, "try", SessionState::Stopped).await;
    assert_eq!(stopped.detail.as_deref(), Some("What ran in it ended."));
}

#[tokio::test]
async fn a_session_is_found_again_after_a_restart() {
    let mut ground = Ground::started(|_| {}).await;
    let supervisor = opened(&ground, new("try"), &run("session-1.1")).await;
    assert!(supervisor.print(0, b"$ ").await);
    ground.again(|_| {}).await;
    let again = ground.dial_again(supervisor).await;
    until_state(&ground, "try", SessionState::Running).await;
    // As a supervisor does with what was not confirmed before: what is known already is not shown twice.
    assert!(again.print(0, b"$ echo").await);
    let mut viewer = ground.engine.shell_attach(&name("try"), &who("bert"), Some(0)).await.unwrap();
    let mut seen = Vec::new();
    while seen != b"$ echo" {
        if let ViewerFrame::Bytes { bytes, .. } = soon("what was printed", viewer.next()).await {
            seen.extend_from_slice(&bytes);
        }
    }
    assert_eq!(ground.runner.all_asked().iter().filter(|asked| asked.starts_with("create")).count(), 1);
}

#[tokio::test]
async fn a_private_session_is_for_its_owner_and_admins() {
    let ground = Ground::started(|_| {}).await;
    let _supervisor = opened(&ground, NewShell { private: true, ..new("mine") }, &run("session-1.1")).await;
    let (session, stranger) = (name("mine"), who("bert"));
    for refused in [
        ground.engine.shell_attach(&session, &stranger, None).await.err(),
        ground.engine.shell_stop(&session, &stranger).await.err(),
        ground.engine.shell_remove(&session, &stranger).await.err(),
    ] {
        assert!(matches!(refused, Some(Refused::Forbidden(_))), "{refused:?}");
    }
    for visitor in ["anna", "admin"] {
        ground.engine.shell_attach(&session, &who(visitor), None).await.unwrap();
    }
}

#[tokio::test]
async fn there_are_as_many_at_once_as_is_said_and_each_name_once() {
    let mut ground = Ground::new(|_| {}).await;
    ground.again(|config| config.shells.most = 1).await;
    let mut supervisor = opened(&ground, new("one"), &run("session-1.1")).await;
    let taken = ground.engine.shell_create(new("one"), &who("anna")).await.unwrap_err();
    assert!(taken.to_string().contains("already"), "{taken}");
    let full = ground.engine.shell_create(new("two"), &who("anna")).await.unwrap_err();
    assert!(full.to_string().contains("sessions.containers.max"), "{full}");
    supervisor.done(End::Complete { summary: None }).await;
    until_state(&ground, "one", SessionState::Stopped).await;
    ground.engine.shell_create(new("two"), &who("anna")).await.unwrap();
    let full = ground.engine.shell_start(&name("one"), &who("anna")).await.unwrap_err();
    assert!(matches!(full, Refused::Conflict { .. }), "{full}");
    for (what, wrong) in [
        ("neither project nor image", NewShell { project: None, ..new("three") }),
        ("no such project", NewShell { project: Some("Nothing".to_owned()), ..new("three") }),
        ("no image", NewShell { image: Some("--privileged".to_owned()), ..new("three") }),
        ("no command", NewShell { command: Some("x".repeat(4000)), ..new("three") }),
    ] {
        let refused = ground.engine.shell_create(wrong, &who("anna")).await.unwrap_err();
        assert!(matches!(refused, Refused::Invalid { fix: Some(_), .. }), "{what}: {refused:?}");
    }
}

#[tokio::test]
async fn a_session_that_nobody_uses_is_stopped_and_one_that_is_looked_at_or_not_open_yet_is_not() {
    let mut ground = Ground::new(|_| {}).await;
    let shells = ShellHabits { idle: Some(Duration::from_millis(300)), ..ShellHabits::default() };
    ground.again(|config| config.shells = shells).await;
    let (first, second, third) = (run("session-1.1"), run("session-2.1"), run("session-3.1"));
    ground.engine.shell_create(new("slow"), &who("anna")).await.unwrap();
    let mut slow = ground.play(&first, "agent").await;
    slow.report(ReportBody::Phase { phase: Phase::Preparing }).await;
    let (_used, _viewer) = looked_at(&ground, "used", &second).await;
    let (mut unused, viewer) = looked_at(&ground, "unused", &third).await;
    drop(viewer);
    saves_and_stops(&ground, &mut unused, &third).await;
    let stopped = until_state(&ground, "unused", SessionState::Stopped).await;
    assert!(stopped.detail.unwrap().contains("sessions.containers.idle"));
    assert_eq!(ground.engine.shell(&name("used"), &who("anna")).await.unwrap().state, Some(SessionState::Running));
    // It has been raised for longer than the one that was stopped, and nobody could use it yet.
    assert_eq!(ground.engine.shell(&name("slow"), &who("anna")).await.unwrap().state, Some(SessionState::Starting));
    slow.report(ReportBody::Phase { phase: Phase::Working }).await;
    saves_and_stops(&ground, &mut slow, &first).await;
    until_state(&ground, "slow", SessionState::Stopped).await;
}

/// A session with somebody at it from before it is open.
async fn looked_at(ground: &Ground, session: &str, first: &RunId) -> (Played, Viewer) {
    ground.engine.shell_create(new(session), &who("anna")).await.unwrap();
    let mut supervisor = ground.play(first, "agent").await;
    let viewer = ground.engine.shell_attach(&name(session), &who("anna"), None).await.unwrap();
    supervisor.report(ReportBody::Phase { phase: Phase::Working }).await;
    until_state(ground, session, SessionState::Running).await;
    (supervisor, viewer)
}

#[tokio::test]
async fn an_image_alone_has_an_empty_repository_and_reaches_what_sessions_may() {
    let mut ground = Ground::new(|_| {}).await;
    ground.again(|config| config.shells.allow = vec!["debian".to_owned()]).await;
    let shell = NewShell { project: None, image: Some("debian:12".to_owned()), ..new("bare") };
    let supervisor = opened(&ground, shell, &run("session-1.1")).await;
    assert_eq!(ground.engine.door_reach(&supervisor.sandbox).unwrap().allow, ["debian"]);
    assert_eq!(git(&ground.mirror(), &["ls-tree", &supervisor.orders.git.commit]), "");
    let view = ground.engine.shell(&name("bare"), &who("anna")).await.unwrap();
    assert_eq!((view.project, view.image.as_deref()), (None, Some("debian:12")));
    assert!(ground.engine.project_list().iter().all(|project| project.name == "Demo"));
}
