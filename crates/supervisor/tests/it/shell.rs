//! Whole tasks with the agent `shell`.

use crate::plane::{Plane, git};
use strawboss_protocol::supervisor::{AgentEvent, End, Phase, ReportBody, ToSupervisor};
use tokio_tungstenite::tungstenite::Message;

pub(crate) const BRANCH: &str = "refs/heads/strawboss/demo-1";
pub(crate) const SAVED: &str = "refs/strawboss/saved/demo-1.1";

#[tokio::test]
async fn a_task_is_cloned_worked_on_committed_and_pushed() {
    let plane = Plane::new("cat README; echo done > out.txt; echo $STRAWBOSS_TASK; test -t 0 && stty size");
    assert_eq!(plane.whole().await, End::Complete { summary: None }, "{}", plane.tell());
    assert_eq!(plane.pushed(BRANCH, "out.txt").as_deref(), Some("done\n"));
    let author = git(&plane.mirror(), &["log", "-1", "--format=%an <%ae> %s", BRANCH]);
    assert_eq!(author, "Straw Boss <boss@localhost> What the agent left");
    assert_eq!(git(&plane.mirror(), &["rev-parse", &format!("{BRANCH}^")]), plane.commit());
    let terminal = plane.terminal();
    assert!(terminal.contains("hello\r\ndemo-1\r\n24 80\r\n"), "{terminal}");
    let commit = git(&plane.mirror(), &["rev-parse", BRANCH]);
    let bodies = plane.bodies();
    assert!(bodies.contains(&ReportBody::Pushed { reference: BRANCH.to_owned(), commit }));
    let phases = [Phase::Preparing, Phase::Working, Phase::Saving].map(|phase| ReportBody::Phase { phase });
    let at = phases.map(|phase| bodies.iter().position(|body| *body == phase).unwrap());
    assert!(at.is_sorted());
    let events = plane.events();
    assert_eq!(events, [AgentEvent::Told { text: "Do it".to_owned() }, AgentEvent::Exited { code: Some(0) }]);
}

#[tokio::test]
async fn without_changes_the_branch_is_pushed_all_the_same() {
    let plane = Plane::new("true");
    assert_eq!(plane.whole().await, End::Complete { summary: None });
    assert_eq!(git(&plane.mirror(), &["rev-parse", BRANCH]), plane.commit());
}

#[tokio::test]
async fn a_failed_agents_work_is_pushed_too() {
    let plane = Plane::new("echo half > half.txt; exit 7");
    assert_eq!(plane.whole().await, End::AgentFailed { detail: "the command ended with code 7".to_owned() });
    assert_eq!(plane.pushed(BRANCH, "half.txt").as_deref(), Some("half\n"));
}

#[tokio::test]
async fn what_a_persons_shell_leaves_is_saved_and_however_it_ends_is_no_failure() {
    let plane = Plane::new("echo half > half.txt; exit 7");
    plane.orders(|orders| orders.agent.as_mut().unwrap().session = true);
    assert_eq!(plane.whole().await, End::Complete { summary: None });
    assert_eq!(plane.pushed(SAVED, "half.txt").as_deref(), Some("half\n"));
    assert_eq!(plane.pushed(BRANCH, "half.txt"), None, "its branch is the person's own affair");
}

#[tokio::test]
async fn a_persons_shell_ends_at_a_stop_before_its_grace_is_spent() {
    for begun in ["", "sleep 1000; "] {
        let plane = Plane::new("PS1='at work> ' exec bash --norc -i");
        plane.orders(|orders| orders.agent.as_mut().unwrap().session = true);
        let mut supervisor = plane.supervisor();
        plane.shown("at work> ").await;
        plane.send(Message::binary(format!("echo half > half.txt; echo all-$((40+2)); {begun}\r").into_bytes()));
        plane.shown("all-42").await;
        plane.tell_supervisor(&ToSupervisor::Stop { grace_ms: 3_600_000, cause: None });
        assert_eq!(plane.end().await, End::Stopped, "{begun}");
        assert_eq!(plane.pushed(SAVED, "half.txt").as_deref(), Some("half\n"));
        plane.tell_supervisor(&ToSupervisor::Dismiss);
        assert_eq!(supervisor.code().await, Some(0));
    }
}

/// A person's shell that ended, and what its saved ref holds.
async fn left_by_a_person(command: &str) -> (std::sync::Arc<Plane>, End) {
    let plane = Plane::new(command);
    plane.orders(|orders| orders.agent.as_mut().unwrap().session = true);
    let end = plane.whole().await;
    (plane, end)
}

#[tokio::test]
async fn what_a_person_left_on_other_branches_and_in_the_stash_is_saved_too() {
    let (plane, end) = left_by_a_person(
        "git branch same; git checkout -qb idea; echo i > i; git add i; git commit -qm Idea; git checkout -q -; \
         git checkout -q --orphan pages; git rm -rqf .; echo p > p; git add p; git commit -qm Pages; git checkout -q -f strawboss/demo-1; \
         echo first > README; git stash -q; echo new > new; git stash -qu; echo w > w",
    )
    .await;
    assert_eq!(end, End::Complete { summary: None }, "{}", plane.tell());
    assert_eq!(plane.pushed(SAVED, "w").as_deref(), Some("w\n"));
    assert_eq!(plane.pushed(SAVED, "i"), None, "the files are those that were checked out");
    let told = git(&plane.mirror(), &["log", "-1", "--format=%B", SAVED]);
    for (place, path, text) in [
        ("refs/heads/idea", "i", "i"),
        ("refs/heads/pages", "p", "p"),
        ("stash@{1}", "README", "first"),
        ("refs/stash^3", "new", "new"),
    ] {
        let (name, parent) = place.split_once("^3").map_or((place, ""), |(name, _)| (name, "^3"));
        let commit = told.lines().find_map(|line| line.strip_suffix(name)).unwrap_or_else(|| panic!("{name}: {told}")).trim();
        git(&plane.mirror(), &["merge-base", "--is-ancestor", commit, SAVED]);
        assert_eq!(git(&plane.mirror(), &["show", &format!("{commit}{parent}:{path}")]), text);
    }
    assert!(!told.contains("same"), "{told}");
}

#[tokio::test]
async fn what_a_person_left_elsewhere_and_cannot_be_saved_is_not_said_to_be_and_stays() {
    let elsewhere = "git checkout -qb idea; echo i > i; git add i; git commit -qm Idea; git checkout -q -; ";
    for (harm, why) in [
        ("rm -f .git/objects/$(git rev-parse idea^{tree} | sed s,..,\\&/,)", "could not be saved"),
        (
            "git checkout -q --detach; git commit -q --allow-empty -m A; rm -f .git/objects/$(git rev-parse HEAD | sed s,..,\\&/,)",
            "idea",
        ),
        (
            "head=$(git rev-parse HEAD); for n in $(seq 300); do \
               echo create refs/heads/b$n $(git commit-tree -p $head -m $n $head^{tree}); done | git update-ref --stdin",
            "256",
        ),
    ] {
        let (plane, end) = left_by_a_person(&format!("{elsewhere}{harm}")).await;
        let End::MachineryFailed { detail } = end else { panic!("{harm}: {end:?}") };
        assert!(detail.contains(why), "{harm}: {detail}");
        assert!(plane.bodies().iter().all(|body| !matches!(body, ReportBody::Pushed { .. })), "{}", plane.tell());
        git(&plane.home().join("workspace"), &["rev-parse", "--verify", "idea"]);
    }
}

#[tokio::test]
async fn a_prompt_arrives_byte_for_byte() {
    let plane = Plane::new("printf %s \"$STRAWBOSS_PROMPT\" > prompt.txt; printf %s \"$STRAWBOSS_TITLE\" > title.txt");
    let prompt = "-rf --help \"double\" 'single' `tick` $HOME $(false) \\ \n\nsecond\tline; exit 1 # é ✓\n";
    plane.orders(|orders| {
        let agent = orders.agent.as_mut().unwrap();
        (agent.prompt, agent.title) = (prompt.to_owned(), "-n 'title'".to_owned());
    });
    assert_eq!(plane.whole().await, End::Complete { summary: None });
    assert_eq!(plane.pushed(BRANCH, "prompt.txt").as_deref(), Some(prompt));
    assert_eq!(plane.pushed(BRANCH, "title.txt").as_deref(), Some("-n 'title'"));
}

#[tokio::test]
async fn people_type_into_the_terminal_and_resize_it() {
    let plane = Plane::new(
        "stty -echo; echo ready; read a; echo \"line:$a\"; read b; echo \"keys:$b\"; \
         while [ \"$(stty size)\" != '50 120' ]; do sleep 0.05; done; echo resized",
    );
    let mut supervisor = plane.supervisor();
    plane.shown("ready\r\n").await;
    plane.tell_supervisor(&ToSupervisor::Say { text: "a person's line".to_owned(), cause: None });
    plane.shown("line:a person's line\r\n").await;
    plane.send(Message::binary(&b"by \xc3\xa9 hand\r"[..]));
    plane.shown("keys:by é hand\r\n").await;
    plane.tell_supervisor(&ToSupervisor::Resize { cols: 120, rows: 50 });
    plane.shown("resized").await;
    assert_eq!(plane.end().await, End::Complete { summary: None });
    assert!(plane.events().contains(&AgentEvent::Told { text: "a person's line".to_owned() }));
    plane.tell_supervisor(&ToSupervisor::Dismiss);
    assert_eq!(supervisor.code().await, Some(0));
}

#[tokio::test]
async fn the_environment_is_the_images_without_the_supervisors_own() {
    let plane = Plane::new("env > env.txt; git fetch -q origin main && git config user.email > mail.txt");
    plane.orders(|orders| {
        orders.proxy = true;
        orders.env.insert("FROM_PROJECT".to_owned(), "a b".to_owned());
    });
    assert_eq!(plane.whole().await, End::Complete { summary: None }, "{}", plane.tell());
    let env = plane.pushed(BRANCH, "env.txt").unwrap();
    for own in ["STRAWBOSS_DOOR", "STRAWBOSS_HOME", "STRAWBOSS_TOOLS", "STRAWBOSS_TEMP", crate::plane::TOKEN] {
        assert!(!env.contains(own), "{env}");
    }
    assert!(env.contains("FROM_PROJECT=a b\n") && env.contains(&format!("HOME={}\n", plane.home().display())), "{env}");
    let proxies = env.lines().filter(|line| line.to_lowercase().starts_with("https_proxy=http://127.0.0.1:")).count();
    assert_eq!(proxies, 2, "{env}");
    assert_eq!(plane.pushed(BRANCH, "mail.txt").as_deref(), Some("boss@localhost\n"));
}

#[tokio::test]
async fn heartbeats_say_what_is_used() {
    let plane = Plane::new("head -c 3000000 /dev/urandom > big; touch ~/there; while [ -e ~/there ]; do sleep 0.05; done");
    let mut supervisor = plane.supervisor();
    let beat = plane.until("a heartbeat with figures", |state| {
        state.heartbeats.iter().find(|beat| beat.disk_bytes.is_some_and(|bytes| bytes > 0) && beat.processes >= Some(2)).copied()
    });
    let beat = beat.await;
    assert!(beat.cpu_ms.is_some() && beat.memory_bytes.is_some_and(|bytes| bytes > 1 << 20), "{beat:?}");
    let there = plane.home().join("there");
    crate::faults::until("the waiting agent", || std::fs::remove_file(&there).is_ok()).await;
    assert_eq!(plane.end().await, End::Complete { summary: None });
    plane.tell_supervisor(&ToSupervisor::Dismiss);
    assert_eq!(supervisor.code().await, Some(0));
}
