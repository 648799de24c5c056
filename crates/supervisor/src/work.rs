//! Carrying out orders, from the first step to how it ended.

use crate::command::{run, step};
use crate::drive::{Driven, NoLaunch, drive};
use crate::environment::{self, Env};
use crate::git::{GitError, is_commit};
use crate::halt::Halt;
use crate::save::{LeaveOut, Where, save, save_without};
use crate::site::Site;
use crate::workspace;
use strawboss_agent::Outcome;
use strawboss_agent::text::cut;
use strawboss_core::run::CheckResult;
use strawboss_core::runner::Purpose;
use strawboss_protocol::supervisor::{AgentOrders, End, MAX_REPORT_TEXT, Orders, Phase, ReportBody};

/// Carries out the orders. However it ends, no other process of the sandbox lives afterwards.
pub(crate) async fn carry_out(site: &Site) -> End {
    if let Err(detail) = check(&site.orders) {
        return End::MachineryFailed { detail: format!("the orders make no sense: {detail}") };
    }
    match site.orders.purpose {
        Purpose::Agent => work(site).await,
        Purpose::Checks => checks(site).await,
        Purpose::Rescue => rescue(site).await,
    }
}

/// Orders come from the control plane, but what is in them is about to be handed to git.
fn check(orders: &Orders) -> Result<(), String> {
    let git = &orders.git;
    for (what, id) in [("commit", &git.commit), ("base", &git.base)] {
        if !is_commit(id) {
            return Err(format!("`{}` is no full commit id ({what})", cut(id, 80)));
        }
    }
    let branch = git.branch.as_ref().map(|branch| format!("refs/heads/{branch}"));
    for reference in [Some(&git.fetch_ref), branch.as_ref(), git.saved_ref.as_ref()].into_iter().flatten() {
        let bad = |c: char| c.is_control() || c.is_whitespace() || "~^:?*[\\".contains(c);
        if !reference.starts_with("refs/") || reference.contains("..") || reference.contains("/-") || reference.contains(bad) {
            return Err(format!("`{}` is no full ref", cut(reference, 80)));
        }
    }
    match (orders.purpose, &orders.agent, &git.branch, &git.saved_ref) {
        (Purpose::Agent, None, ..) => Err("an agent's run without an agent".to_owned()),
        (Purpose::Agent | Purpose::Rescue, _, None, _) => Err("no branch to work on".to_owned()),
        (Purpose::Agent | Purpose::Rescue, _, _, None) => Err("no ref to save to".to_owned()),
        _ => Ok(()),
    }
}

fn machinery(site: &Site, what: &str, error: &GitError) -> End {
    let hint =
        if error.is_disk_full(site) { ". The disk is full: free some, or raise the project's `limits: disk:`" } else { "" };
    match error {
        GitError::Missing => End::SetupFailed { detail: error.to_string() },
        _ => End::MachineryFailed { detail: format!("{what}: {error}{hint}") },
    }
}

/// Clone (or the workspace that is there) and set-up commands. An error is the end.
async fn prepare(site: &Site, env: &Env) -> Result<(), Option<End>> {
    site.phase(Phase::Preparing);
    let cloned = tokio::select! {
        cloned = workspace::prepare(site) => cloned,
        _ = site.halts.asked() => return Err(None),
    };
    cloned.map_err(|error| Some(machinery(site, "clone the project", &error)))?;
    for line in &site.orders.setup {
        let ended = step(site, env, &format!("setup: {line}"), line).await;
        let ended = ended.map_err(|error| {
            let detail = format!("could not start `/bin/sh -c {line}`: {error}");
            let no_shell = error.kind() == std::io::ErrorKind::NotFound;
            Some(if no_shell { End::SetupFailed { detail } } else { End::MachineryFailed { detail } })
        })?;
        if ended.halt.is_some() {
            return Err(None);
        }
        if !ended.ok() {
            let detail = format!("`{line}` {}: {}", ended.words(), ended.tail.trim());
            return Err(Some(End::SetupFailed { detail: cut(&detail, MAX_REPORT_TEXT) }));
        }
    }
    if site.orders.purpose == Purpose::Agent && !site.orders.setup.is_empty() && !site.orders.git.keep_workspace {
        let ignored = workspace::ignore_leftovers(site).await;
        ignored.map_err(|error| Some(machinery(site, "look at what set-up left", &error)))?;
    }
    Ok(())
}

async fn work(site: &Site) -> End {
    let env = environment::of(site);
    let Some(orders) = &site.orders.agent else { return End::MachineryFailed { detail: "no agent was ordered".to_owned() } };
    match prepare(site, &env).await {
        Ok(()) => {}
        Err(Some(end)) => {
            site.processes.end_all().await;
            if site.orders.git.keep_workspace {
                // What an earlier sandbox left is safe before anybody thinks about this end.
                let _ = save(site, Where::SavedRef).await;
            }
            return end;
        }
        Err(None) => return halted(site, site.halts.asked().await).await,
    }
    site.phase(Phase::Working);
    let driven = drive(site, &env, orders).await;
    site.processes.end_all().await;
    match driven {
        Ok(Driven::Ended(outcome)) => ended(site, outcome, orders).await,
        Ok(Driven::Halted(halt)) => halted(site, halt).await,
        Err(NoLaunch::SetUp(detail)) => End::SetupFailed { detail },
        Err(NoLaunch::Machinery(detail)) => End::MachineryFailed { detail },
    }
}

/// The agent ended by itself: its work goes to the branch, whatever it says of it.
async fn ended(site: &Site, outcome: Outcome, orders: &AgentOrders) -> End {
    site.phase(Phase::Saving);
    if orders.session {
        return match save(site, Where::SavedRef).await {
            Ok(_) => End::Complete { summary: None },
            Err(error) => machinery(site, "save the work", &error),
        };
    }
    let saved = save(site, Where::Branch).await;
    match (outcome, saved) {
        (_, Err(error)) => machinery(site, "save the work", &error),
        (Outcome::Complete { .. }, Ok(None)) => {
            End::AgentFailed { detail: "the agent removed its workspace: there is nothing to save".to_owned() }
        }
        (Outcome::Complete { summary }, Ok(Some(_))) => End::Complete { summary },
        (Outcome::Failed { detail }, Ok(_)) => End::AgentFailed { detail },
        (Outcome::SessionLost, Ok(_)) => {
            End::AgentFailed { detail: format!("{} does not know the session it was to go on with", orders.kind.word()) }
        }
    }
}

/// The work was stopped: what is there goes to the saved ref.
async fn halted(site: &Site, halt: Halt) -> End {
    site.processes.end_all().await;
    site.note(&halt.words());
    site.phase(Phase::Saving);
    let leave_out = if matches!(halt, Halt::DiskFull { .. }) { LeaveOut::LargeUntracked } else { LeaveOut::Nothing };
    let saved = save_without(site, Where::SavedRef, leave_out).await;
    match (halt, saved) {
        (Halt::Stop { .. }, Ok(_)) => End::Stopped,
        (Halt::Stop { .. }, Err(error)) => machinery(site, "save the work in progress", &error),
        (halt, Ok(_)) => End::AgentFailed { detail: halt.words() },
        (halt, Err(error)) => End::AgentFailed { detail: format!("{}; and its work could not be saved: {error}", halt.words()) },
    }
}

async fn checks(site: &Site) -> End {
    let env = environment::of(site);
    match prepare(site, &env).await {
        Err(Some(end)) => {
            site.processes.end_all().await;
            return end;
        }
        Err(None) if matches!(site.halts.now(), Some(Halt::Stop { .. })) => {
            site.processes.end_all().await;
            return End::Stopped;
        }
        // When time is up already, each check says so.
        Ok(()) | Err(None) => {}
    }
    site.phase(Phase::Checking);
    for (index, line) in site.orders.checks.iter().enumerate() {
        let result = match site.halts.now() {
            Some(Halt::Stop { .. }) => break,
            Some(halt) => not_run(line, &halt.words()),
            None => check_result(site, &env, line).await,
        };
        if matches!(site.halts.now(), Some(Halt::Stop { .. })) {
            break;
        }
        site.outbox.report(ReportBody::Check { index: index as u32, result });
    }
    site.processes.end_all().await;
    if matches!(site.halts.now(), Some(Halt::Stop { .. })) { End::Stopped } else { End::Complete { summary: None } }
}

async fn check_result(site: &Site, env: &Env, line: &str) -> CheckResult {
    let ended = match run(site, env, line).await {
        Ok(ended) => ended,
        Err(error) => return not_run(line, &error.to_string()),
    };
    let mut output_tail = ended.tail.clone();
    if let Some(halt) = &ended.halt {
        output_tail = strawboss_agent::text::tail(format!("{output_tail}\n{}", halt.words()).as_bytes(), CheckResult::TAIL_BYTES);
    }
    let exit_code = ended.code.filter(|_| ended.halt.is_none());
    let command = cut(line, MAX_REPORT_TEXT);
    CheckResult { command, exit_code, duration_ms: ended.duration_ms(), output_tail }
}

fn not_run(line: &str, why: &str) -> CheckResult {
    CheckResult {
        command: cut(line, MAX_REPORT_TEXT),
        exit_code: None,
        duration_ms: 0,
        output_tail: format!("not run: {}", cut(why, 1000)),
    }
}

/// What a lost sandbox left on the volume goes to the saved ref.
async fn rescue(site: &Site) -> End {
    site.phase(Phase::Saving);
    match save(site, Where::SavedRef).await {
        Ok(_) => End::Complete { summary: None },
        Err(error) => machinery(site, "save what the lost sandbox left", &error),
    }
}
