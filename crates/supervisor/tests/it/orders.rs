//! Set-up, checks, rescue, and going on with a workspace.

use crate::faults::until;
use crate::plane::{Plane, git};
use crate::shell::{BRANCH, SAVED};
use nix::sys::signal::Signal;
use strawboss_core::run::CheckResult;
use strawboss_core::runner::Purpose;
use strawboss_protocol::supervisor::{End, Orders, ReportBody, ToSupervisor};

#[tokio::test]
async fn set_up_runs_first_and_what_it_starts_stays() {
    let plane = Plane::new("until [ -s ~/beats ]; do sleep 0.02; done; cat ~/made > made");
    plane.orders(|orders| {
        orders.setup = vec![
            "echo made > ~/made; echo visible".to_owned(),
            "(while echo beat >> ~/beats; do sleep 0.05; done) & echo started".to_owned(),
        ];
    });
    assert_eq!(plane.whole().await, End::Complete { summary: None }, "{}", plane.tell());
    assert_eq!(plane.pushed(BRANCH, "made").as_deref(), Some("made\n"));
    assert!(plane.terminal().contains("visible\r\n") && plane.terminal().contains("started\r\n"));
    let steps: Vec<(String, bool)> = plane
        .bodies()
        .into_iter()
        .filter_map(|body| match body {
            ReportBody::Step { name, ok, .. } => Some((name, ok)),
            _ => None,
        })
        .collect();
    assert_eq!(steps.iter().map(|(name, _)| name.starts_with("setup: ")).collect::<Vec<_>>(), [false, true, true]);
    assert!(steps.iter().all(|(_, ok)| *ok));
}

#[tokio::test]
async fn what_set_up_leaves_is_none_of_the_work() {
    let plane = Plane::new(
        "test -z \"$(git status --porcelain)\" || exit 3; echo more > env/more; echo mine > mine; echo new > asked; \
         git add -A; git add -f asked; git commit -qm Mine; echo left > left; echo also > '[lock] #2'",
    );
    plane.orders(|orders| {
        orders.setup = vec!["mkdir -p env/lib pkg".to_owned(), "touch env/lib/x pkg/y '[lock] #1' asked".to_owned()];
    });
    assert_eq!(plane.whole().await, End::Complete { summary: None }, "{}", plane.tell());
    let files = git(&plane.mirror(), &["ls-tree", "-r", "--name-only", BRANCH]);
    assert_eq!(files, ".gitignore\nREADME\n[lock] #2\nasked\nleft\nmine");
    assert!(plane.terminal().contains("set-up left") && plane.terminal().contains("and 3 more"), "{}", plane.tell());
}

#[tokio::test]
async fn a_set_up_that_fails_says_how() {
    let plane = Plane::new("touch never");
    plane.orders(|orders| orders.setup = vec!["seq 1 9999; echo the reason >&2; exit 4".to_owned(), "touch ~/second".to_owned()]);
    let end = plane.whole().await;
    let End::SetupFailed { detail } = end else { panic!("{end:?}") };
    assert!(detail.contains("ended with code 4") && detail.ends_with("the reason"), "{detail}");
    let tail = plane.bodies().into_iter().find_map(|body| match body {
        ReportBody::Step { ok: false, output_tail, .. } => output_tail,
        _ => None,
    });
    let tail = tail.unwrap();
    assert!(tail.len() <= CheckResult::TAIL_BYTES && tail.starts_with("… ") && tail.ends_with("9999\nthe reason\n"), "{tail}");
    assert!(!plane.home().join("second").exists() && !plane.home().join("workspace/never").exists());
}

#[tokio::test]
async fn an_unknown_commit_is_a_failure_of_the_machinery() {
    let plane = Plane::new("true");
    plane.orders(|orders| orders.git.commit = "0123456789".repeat(4));
    let end = plane.whole().await;
    let End::MachineryFailed { detail } = end else { panic!("{end:?}") };
    assert!(detail.contains("clone the project"), "{detail}");
    assert!(!plane.home().join("workspace").exists());
}

#[tokio::test]
async fn orders_that_make_no_sense_are_refused() {
    let changes: [fn(&mut Orders); 5] = [
        |orders| orders.git.commit = "--upload-pack=touch".to_owned(),
        |orders| orders.git.fetch_ref = "refs/heads/a:refs/heads/b".to_owned(),
        |orders| orders.git.branch = Some("../x".to_owned()),
        |orders| orders.git.saved_ref = None,
        |orders| orders.agent = None,
    ];
    for change in changes {
        let plane = Plane::new("true");
        plane.orders(change);
        let end = plane.whole().await;
        assert!(matches!(&end, End::MachineryFailed { detail } if detail.contains("make no sense")), "{end:?}");
    }
}

fn as_checks(plane: &Plane, checks: &[&str]) {
    plane.orders(|orders| {
        orders.purpose = Purpose::Checks;
        orders.agent = None;
        (orders.git.branch, orders.git.saved_ref) = (None, None);
        orders.checks = checks.iter().map(|check| (*check).to_owned()).collect();
    });
}

fn results(plane: &Plane) -> Vec<(u32, Option<i32>, String)> {
    let results = plane.bodies().into_iter().filter_map(|body| match body {
        ReportBody::Check { index, result } => Some((index, result.exit_code, result.output_tail)),
        _ => None,
    });
    results.collect()
}

#[tokio::test]
async fn every_check_runs_and_each_is_reported() {
    let plane = Plane::new("");
    as_checks(
        &plane,
        &[
            "cat README",
            "echo bad; exit 3",
            "kill -9 $$",
            "git status --porcelain; git rev-parse HEAD",
            "test -t 1 || echo no terminal",
        ],
    );
    assert_eq!(plane.whole().await, End::Complete { summary: None }, "{}", plane.tell());
    let expected = [
        (0, Some(0), "hello\n".to_owned()),
        (1, Some(3), "bad\n".to_owned()),
        (2, None, String::new()),
        (3, Some(0), format!("{}\n", plane.commit())),
        (4, Some(0), "no terminal\n".to_owned()),
    ];
    assert_eq!(results(&plane), expected);
    assert!(plane.terminal().contains("$ cat README\x1b[0m\r\nhello\r\n"));
    assert_eq!(git(&plane.mirror(), &["for-each-ref", "--format=%(refname)"]), "refs/heads/main");
}

#[tokio::test]
async fn checks_past_their_time_are_told_apart_from_those_that_failed() {
    let plane = Plane::new("");
    as_checks(&plane, &["true", "echo begun; sleep 1000", "true"]);
    // The clone is in it.
    plane.orders(|orders| orders.timeout_ms = 10_000);
    assert_eq!(plane.whole().await, End::Complete { summary: None });
    let results = results(&plane);
    let codes: Vec<_> = results.iter().map(|(_, code, _)| *code).collect();
    assert_eq!(codes, [Some(0), None, None]);
    assert!(results[1].2.contains("begun") && results[1].2.contains("timed out"), "{results:?}");
    assert!(results[2].2.contains("not run"), "{results:?}");
}

#[tokio::test]
async fn a_checks_output_of_any_size_and_kind_is_bounded() {
    let plane = Plane::new("");
    as_checks(&plane, &["head -c 20000000 /dev/urandom; echo; echo last"]);
    assert_eq!(plane.whole().await, End::Complete { summary: None });
    let (_, code, tail) = results(&plane).remove(0);
    assert_eq!(code, Some(0));
    assert!(tail.len() <= CheckResult::TAIL_BYTES && tail.ends_with("\nlast\n"));
}

#[tokio::test]
async fn stopped_checks_are_stopped() {
    let plane = Plane::new("");
    as_checks(&plane, &["echo begun; sleep 1000", "touch ~/second"]);
    let mut supervisor = plane.supervisor();
    plane.shown("begun\r\n").await;
    plane.tell_supervisor(&ToSupervisor::Stop { grace_ms: 1000, cause: None });
    assert_eq!(plane.end().await, End::Stopped);
    assert!(!plane.home().join("second").exists());
    plane.tell_supervisor(&ToSupervisor::Dismiss);
    assert_eq!(supervisor.code().await, Some(0));
}

/// It outlives its killed supervisor, but not the test's folder.
const BUSY: &str = "echo a > a; git add a; git commit -qm Mine; echo b > b; touch .git/index.lock; touch ~/busy; while [ -e ~/busy ]; do sleep 0.1; done";

/// A supervisor that was killed in the middle of its agent's work.
async fn killed() -> std::sync::Arc<Plane> {
    let plane = Plane::new(BUSY);
    let mut supervisor = plane.supervisor();
    until("the agent's work", || plane.home().join("busy").exists()).await;
    supervisor.signal(Signal::SIGKILL);
    assert_eq!(supervisor.code().await, None);
    plane.next_sandbox();
    plane
}

#[tokio::test]
async fn a_rescue_pushes_what_a_killed_supervisor_left() {
    let plane = killed().await;
    plane.orders(|orders| orders.purpose = Purpose::Rescue);
    assert_eq!(plane.whole().await, End::Complete { summary: None }, "{}", plane.tell());
    assert_eq!(plane.pushed(SAVED, "a").as_deref(), Some("a\n"));
    assert_eq!(plane.pushed(SAVED, "b").as_deref(), Some("b\n"));
    assert_eq!(plane.pushed(BRANCH, "a"), None);
}

#[tokio::test]
async fn a_rescue_of_nothing_is_complete() {
    let plane = Plane::new("");
    plane.orders(|orders| orders.purpose = Purpose::Rescue);
    // Half a clone is nothing: it is made aside.
    std::fs::create_dir_all(plane.home().join(".strawboss/clone/.git/objects")).unwrap();
    assert_eq!(plane.whole().await, End::Complete { summary: None }, "{}", plane.tell());
    assert_eq!(plane.pushed(SAVED, "README"), None);
}

#[tokio::test]
async fn a_new_supervisor_goes_on_with_the_workspace() {
    let plane = killed().await;
    plane.orders(|orders| {
        orders.git.keep_workspace = true;
        orders.agent.as_mut().unwrap().command =
            Some("cat b; git fetch -q origin; git add b; git commit -qm Second; echo c > c".to_owned());
    });
    assert_eq!(plane.whole().await, End::Complete { summary: None }, "{}", plane.tell());
    assert_eq!(git(&plane.mirror(), &["log", "--format=%s", BRANCH]), "What the agent left\nSecond\nMine\nFirst");
    assert_eq!(plane.pushed(BRANCH, "c").as_deref(), Some("c\n"));
}

#[tokio::test]
async fn without_keeping_it_the_workspace_is_made_anew() {
    let plane = killed().await;
    plane.orders(|orders| orders.agent.as_mut().unwrap().command = Some("ls > list".to_owned()));
    assert_eq!(plane.whole().await, End::Complete { summary: None }, "{}", plane.tell());
    assert_eq!(plane.pushed(BRANCH, "list").as_deref(), Some("README\nlist\n"));
}

#[tokio::test]
async fn a_kept_workspace_with_a_broken_repository_keeps_its_files() {
    let plane = killed().await;
    std::fs::remove_dir_all(plane.home().join("workspace/.git/refs")).unwrap();
    plane.orders(|orders| {
        orders.git.keep_workspace = true;
        orders.agent.as_mut().unwrap().command = Some("git status --porcelain > ../status; mv ../status status".to_owned());
    });
    assert_eq!(plane.whole().await, End::Complete { summary: None }, "{}", plane.tell());
    assert_eq!(plane.pushed(BRANCH, "status").as_deref(), Some("?? a\n?? b\n"));
    assert_eq!(plane.pushed(BRANCH, "b").as_deref(), Some("b\n"));
}

#[tokio::test]
async fn a_stop_within_the_set_up_leaves_nothing_running() {
    let plane = Plane::new("touch ~/agent");
    plane.orders(|orders| orders.setup = vec!["echo begun; sleep 1000".to_owned()]);
    let mut supervisor = plane.supervisor();
    plane.shown("begun\r\n").await;
    plane.tell_supervisor(&ToSupervisor::Stop { grace_ms: 500, cause: None });
    assert_eq!(plane.end().await, End::Stopped);
    assert!(!plane.home().join("agent").exists());
    plane.tell_supervisor(&ToSupervisor::Dismiss);
    assert_eq!(supervisor.code().await, Some(0));
}
