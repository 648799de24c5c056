//! What breaks, and what must hold all the same.

use crate::plane::{DEADLINE, Plane};
use crate::shell::{BRANCH, SAVED};
use nix::sys::signal::Signal;
use std::path::Path;
use std::time::Duration;
use strawboss_protocol::supervisor::{End, Phase, TERMINAL_BUFFER, ToSupervisor};

/// Waits until something outside holds.
pub(crate) async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let end = tokio::time::Instant::now() + DEADLINE;
    while !holds() {
        assert!(tokio::time::Instant::now() < end, "waited in vain for {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

fn exists(pid: i32) -> bool {
    // A zombie that its new parent has not waited for yet is no longer there.
    std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
}

fn pid_in(file: &Path) -> i32 {
    std::fs::read_to_string(file).unwrap().trim().parse().unwrap()
}

/// A file that a test writes for the sandbox, and takes away to let it go on.
fn gate(plane: &Plane) -> std::path::PathBuf {
    let gate = plane.home().join("gate");
    std::fs::write(&gate, "").unwrap();
    gate
}

const WAIT: &str = "while [ -e ~/gate ]; do sleep 0.05; done";

#[tokio::test]
async fn a_control_plane_that_is_away_loses_nothing() {
    let plane = Plane::new(&format!("seq 1 2000; {WAIT}; seq 2001 60000; echo work > work; touch ~/done"));
    let gate = gate(&plane);
    let mut supervisor = plane.supervisor();
    plane.shown("\r\n2000\r\n").await;
    plane.away();
    std::fs::remove_file(gate).unwrap();
    until("the agent's end", || plane.home().join("done").exists()).await;
    plane.back();
    assert_eq!(plane.end().await, End::Complete { summary: None });
    let terminal = plane.terminal();
    let seen: Vec<&str> = terminal.split("\r\n").filter(|line| line.parse::<u32>().is_ok()).collect();
    let expected: Vec<String> = (1..=60_000).map(|number| number.to_string()).collect();
    assert!(seen == expected, "lines were lost or changed; {}", plane.tell());
    assert_eq!(plane.state.lock().unwrap().gaps, []);
    assert_eq!(plane.pushed(BRANCH, "work").as_deref(), Some("work\n"));
    assert!(plane.state.lock().unwrap().hellos.last().unwrap().has_orders);
    plane.tell_supervisor(&ToSupervisor::Dismiss);
    assert_eq!(supervisor.code().await, Some(0));
}

#[tokio::test]
async fn connections_that_break_again_and_again_lose_and_repeat_nothing() {
    let plane = Plane::new("i=0; while [ -e ~/gate ]; do i=$((i+1)); echo $i; done; echo $i > count");
    let gate = gate(&plane);
    let mut supervisor = plane.supervisor();
    for _ in 0..8 {
        let before = plane.until("a greeting", |state| (state.terminal.len() > 100).then_some(state.terminal.len())).await;
        plane.until("more output", |state| (state.terminal.len() > before + 20_000).then_some(())).await;
        plane.away();
        plane.back();
    }
    std::fs::remove_file(gate).unwrap();
    assert_eq!(plane.end().await, End::Complete { summary: None });
    let count: u32 = plane.pushed(BRANCH, "count").unwrap().trim().parse().unwrap();
    let terminal = plane.terminal();
    let seen: Vec<u32> = terminal.split("\r\n").filter_map(|line| line.parse().ok()).collect();
    assert!(seen.iter().copied().eq(1..=count), "{} lines of {count}; {}", seen.len(), plane.tell());
    assert_eq!(plane.state.lock().unwrap().gaps, []);
    plane.tell_supervisor(&ToSupervisor::Dismiss);
    assert_eq!(supervisor.code().await, Some(0));
}

#[tokio::test]
async fn while_it_is_away_the_oldest_output_goes_first_and_the_agent_goes_on() {
    let plane = Plane::new(&format!("echo begin; {WAIT}; head -c 9000000 /dev/zero | tr '\\0' x; echo end; touch ~/done"));
    let gate = gate(&plane);
    let mut supervisor = plane.supervisor();
    plane.shown("begin").await;
    plane.away();
    std::fs::remove_file(gate).unwrap();
    until("the agent's end", || plane.home().join("done").exists()).await;
    plane.back();
    assert_eq!(plane.end().await, End::Complete { summary: None });
    let (terminal, gaps) = (plane.terminal(), plane.state.lock().unwrap().gaps.clone());
    assert_eq!(gaps.len(), 1);
    assert!(terminal.contains("end\r\n"));
    let kept = terminal.len() as u64 - gaps[0].1;
    assert!(kept >= TERMINAL_BUFFER as u64, "{kept} kept");
    plane.tell_supervisor(&ToSupervisor::Dismiss);
    assert_eq!(supervisor.code().await, Some(0));
}

#[tokio::test]
async fn an_agent_that_prints_200_megabytes_is_slowed_and_not_kept() {
    let plane = Plane::new(&format!("head -c 200000000 /dev/zero | tr '\\0' x; echo end; {WAIT}"));
    let gate = gate(&plane);
    let mut supervisor = plane.supervisor();
    plane.shown("xend").await;
    let status = std::fs::read_to_string(format!("/proc/{}/status", supervisor.pid())).unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap().trim().trim_end_matches(" kB");
    assert!(peak.parse::<u64>().unwrap() < 64 * 1024, "{peak} kB at its peak");
    std::fs::remove_file(gate).unwrap();
    assert_eq!(plane.end().await, End::Complete { summary: None });
    assert!(plane.state.lock().unwrap().terminal.len() > 200_000_000);
    plane.tell_supervisor(&ToSupervisor::Dismiss);
    assert_eq!(supervisor.code().await, Some(0));
}

#[tokio::test]
async fn without_acknowledgement_the_agent_is_read_no_further() {
    let plane = Plane::new("head -c 50000000 /dev/zero | tr '\\0' x; echo end");
    plane.acks(false);
    let mut supervisor = plane.supervisor();
    // What is in flight beyond the window: one read, and what the kernel holds of the terminal.
    let window = 1 << 20;
    plane.until("a full window", |state| (state.terminal.len() >= window).then_some(())).await;
    let stuck = plane.state.lock().unwrap().terminal.len();
    plane.until("a heartbeat", |state| (state.heartbeats.len() > 1).then_some(())).await;
    assert!(plane.state.lock().unwrap().terminal.len() <= window + 128 * 1024, "{stuck}");
    plane.acks(true);
    let state = plane.state.lock().unwrap().terminal.len() as u64;
    plane.tell_supervisor(&ToSupervisor::Ack { terminal: state, reports: 0 });
    assert_eq!(plane.end().await, End::Complete { summary: None });
    assert!(plane.state.lock().unwrap().terminal.len() > 50_000_000);
    plane.tell_supervisor(&ToSupervisor::Dismiss);
    assert_eq!(supervisor.code().await, Some(0));
}

const STUBBORN: &str = "trap '' TERM INT HUP QUIT; echo wip > wip; echo $$ > ~/pid; echo ready; while :; do sleep 1; done";

#[tokio::test]
async fn an_agent_that_ignores_sigterm_is_stopped_and_its_work_is_saved() {
    let plane = Plane::new(STUBBORN);
    let mut supervisor = plane.supervisor();
    plane.shown("ready").await;
    plane.tell_supervisor(&ToSupervisor::Stop { grace_ms: 100, cause: None });
    assert_eq!(plane.end().await, End::Stopped);
    assert_eq!(plane.pushed(SAVED, "wip").as_deref(), Some("wip\n"));
    assert_eq!(plane.pushed(BRANCH, "wip"), None);
    assert!(!exists(pid_in(&plane.home().join("pid"))));
    plane.tell_supervisor(&ToSupervisor::Dismiss);
    assert_eq!(supervisor.code().await, Some(0));
}

#[tokio::test]
async fn an_agent_that_listens_ends_by_itself() {
    let plane = Plane::new("trap 'echo tidied > tidied; exit 0' TERM; echo ready; while :; do sleep 0.05; done");
    let mut supervisor = plane.supervisor();
    plane.shown("ready").await;
    plane.tell_supervisor(&ToSupervisor::Stop { grace_ms: 60_000, cause: None });
    assert_eq!(plane.end().await, End::Stopped);
    assert_eq!(plane.pushed(SAVED, "tidied").as_deref(), Some("tidied\n"));
    plane.tell_supervisor(&ToSupervisor::Dismiss);
    assert_eq!(supervisor.code().await, Some(0));
}

#[tokio::test]
async fn a_sandbox_told_to_end_saves_first() {
    let plane = Plane::new(STUBBORN);
    let mut supervisor = plane.supervisor();
    plane.shown("ready").await;
    supervisor.signal(Signal::SIGTERM);
    assert_eq!(plane.end().await, End::Stopped);
    assert_eq!(plane.pushed(SAVED, "wip").as_deref(), Some("wip\n"));
    assert_eq!(supervisor.code().await, Some(0), "{}", plane.tell());
}

#[tokio::test]
async fn a_sandbox_told_to_end_while_nobody_answers_ends_and_says_so() {
    let plane = Plane::new(STUBBORN);
    let mut supervisor = plane.supervisor();
    plane.shown("ready").await;
    plane.away();
    supervisor.signal(Signal::SIGTERM);
    assert_eq!(supervisor.code().await, Some(1));
    assert!(!exists(pid_in(&plane.home().join("pid"))));
    // The work is still on the volume.
    assert!(plane.home().join("workspace/wip").exists());
}

#[tokio::test]
async fn what_an_agent_leaves_behind_is_ended_before_its_work_is_read() {
    let plane = Plane::new(
        "(setsid sh -c 'echo $$ > ~/daemon; while :; do echo x >> racing; done' < /dev/null > /dev/null 2>&1 &); \
         while [ ! -s ~/daemon ]; do sleep 0.01; done; git add -A; git commit -qm Mine",
    );
    assert_eq!(plane.whole().await, End::Complete { summary: None }, "{}", plane.tell());
    assert!(!exists(pid_in(&plane.home().join("daemon"))));
    let pushed = plane.pushed(BRANCH, "racing").unwrap();
    assert_eq!(pushed, std::fs::read_to_string(plane.home().join("workspace/racing")).unwrap());
}

#[tokio::test]
async fn a_storm_of_forks_is_ended() {
    // A chain that hops from process to process, orphaned at each hop, and a loop that starts more and more. Both end some
    // day, so that a test that fails does not take the machine with it.
    let plane = Plane::new(
        "echo '[ $1 -gt 0 ] && sh ~/hop $(($1 - 1)) &' > ~/hop; sh ~/hop 30000; \
         (i=0; while [ $i -lt 3000 ]; do sleep 50 & i=$((i+1)); done) & echo work > work; sleep 0.2; exit 0",
    );
    let before = processes();
    assert_eq!(plane.whole().await, End::Complete { summary: None }, "{}", plane.tell());
    assert_eq!(plane.pushed(BRANCH, "work").as_deref(), Some("work\n"));
    let home = plane.home().display().to_string();
    let left: Vec<String> =
        processes().into_iter().filter(|process| !before.contains(process) && process.contains(&home)).collect();
    assert_eq!(left, Vec::<String>::new());
}

/// Command line and environment of every process, which name the home of the sandbox that it belongs to.
fn processes() -> Vec<String> {
    let folders = std::fs::read_dir("/proc")
        .unwrap()
        .flatten()
        .filter(|entry| entry.file_name().to_str().is_some_and(|name| name.parse::<u32>().is_ok()));
    let text = |path: std::path::PathBuf| String::from_utf8_lossy(&std::fs::read(path).unwrap_or_default()).into_owned();
    folders.map(|entry| text(entry.path().join("cmdline")) + &text(entry.path().join("environ"))).collect()
}

#[tokio::test]
async fn an_agent_that_closes_its_terminal_is_waited_for() {
    let plane = Plane::new(&format!("exec < /dev/null > /dev/null 2>&1; touch ~/closed; {WAIT}; echo later > later"));
    let gate = gate(&plane);
    let mut supervisor = plane.supervisor();
    until("the closed terminal", || plane.home().join("closed").exists()).await;
    std::fs::remove_file(gate).unwrap();
    assert_eq!(plane.end().await, End::Complete { summary: None });
    assert_eq!(plane.pushed(BRANCH, "later").as_deref(), Some("later\n"));
    plane.tell_supervisor(&ToSupervisor::Dismiss);
    assert_eq!(supervisor.code().await, Some(0));
}

#[tokio::test]
async fn a_token_that_somebody_else_took_ends_it_with_the_reason() {
    let plane = Plane::new("true");
    plane.state.lock().unwrap().token_taken = true;
    let mut supervisor = plane.supervisor();
    assert_eq!(supervisor.code().await, Some(3));
    let log = std::fs::read_to_string(plane.dir.path().join("log")).unwrap();
    assert!(log.contains("was taken before this supervisor asked for it"), "{log}");
    assert!(!plane.home().join("workspace").exists());
}

#[tokio::test]
async fn the_agent_gets_no_control_through_relay_or_door() {
    // curl is not in every image; the shell's own sockets are enough.
    let plane = Plane::new(
        "port=$(git remote get-url origin | sed 's/[^0-9]*127.0.0.1:\\([0-9]*\\).*/\\1/'); \
         for path in /control /control/token //control /%63ontrol; do \
           bash -c \"exec 3<>/dev/tcp/127.0.0.1/$port; printf 'POST %s HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n' $path >&3; head -1 <&3\"; done; \
         bash -c \"exec 3<>/dev/tcp/127.0.0.1/$port; printf 'GET /elsewhere HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n' >&3; head -1 <&3\"",
    );
    assert_eq!(plane.whole().await, End::Complete { summary: None }, "{}", plane.tell());
    let terminal = plane.terminal();
    assert_eq!(terminal.matches("HTTP/1.1 403").count(), 4, "{terminal}");
    assert!(terminal.contains("HTTP/1.1 404 Not Found"), "{terminal}");
    let requests = plane.state.lock().unwrap().requests.clone();
    assert_eq!(requests.iter().filter(|request| request.contains("ontrol")).count(), 2, "{requests:?}");
}

#[tokio::test]
async fn past_its_time_the_agent_is_ended_and_its_work_saved() {
    let plane = Plane::new("echo slow > slow; sleep 1000");
    // The clone is in it.
    plane.orders(|orders| orders.timeout_ms = 10_000);
    let end = plane.whole().await;
    let End::AgentFailed { detail } = end else { panic!("{end:?}") };
    assert!(detail.starts_with("timed out"), "{detail}");
    assert_eq!(plane.pushed(SAVED, "slow").as_deref(), Some("slow\n"));
}

#[tokio::test]
async fn past_its_disk_limit_the_agent_is_ended_and_its_work_saved() {
    let plane = Plane::new("echo small > small; head -c 90000000 /dev/zero > 'a [b] #c'; sleep 1000");
    plane.orders(|orders| orders.disk_bytes = 20_000_000);
    let end = plane.whole().await;
    let End::AgentFailed { detail } = end else { panic!("{end:?}") };
    assert!(detail.starts_with("disk full"), "{detail}");
    assert_eq!(plane.pushed(SAVED, "small").as_deref(), Some("small\n"));
    // What has most likely filled it is not sent on.
    assert_eq!(plane.pushed(SAVED, "a [b] #c"), None, "{}", plane.tell());
}

#[tokio::test]
async fn a_control_plane_that_comes_late_is_waited_for() {
    let plane = Plane::new("true");
    plane.away();
    let mut supervisor = plane.supervisor();
    until("a first try", || {
        std::fs::read_to_string(plane.dir.path().join("log")).is_ok_and(|log| log.contains("no control token yet"))
    })
    .await;
    plane.back();
    assert_eq!(plane.end().await, End::Complete { summary: None });
    plane.tell_supervisor(&ToSupervisor::Dismiss);
    assert_eq!(supervisor.code().await, Some(0));
}

#[tokio::test]
async fn dismissed_in_the_middle_it_ends_everything() {
    let plane = Plane::new(STUBBORN);
    let mut supervisor = plane.supervisor();
    plane.shown("ready").await;
    plane.phase(Phase::Working).await;
    plane.tell_supervisor(&ToSupervisor::Dismiss);
    assert_eq!(supervisor.code().await, Some(0));
    assert!(!exists(pid_in(&plane.home().join("pid"))));
}
