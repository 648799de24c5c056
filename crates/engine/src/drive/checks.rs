//! The checks' part of a run: the pushed commit in a fresh sandbox, without agent or model gateway.

use super::{StepError, Work, agent, ending, unless_stopped};
use crate::rescue::Saved;
use crate::sandbox::{self, Over, Plan, RaiseError};
use crate::shared::Shared;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use strawboss_core::RunId;
use strawboss_core::project::Project;
use strawboss_core::run::CheckResult;
use strawboss_core::runner::{Purpose, SandboxVolume};
use strawboss_protocol::supervisor::{End, GitOrders, Orders};
use tokio::sync::Notify;

/// How often a sandbox for checks may be lost before a person is asked instead.
const TRIES: u32 = 3;

/// What checks are run on.
pub(crate) struct Subject {
    pub(crate) run: RunId,
    pub(crate) project: Project,
    pub(crate) mirror: PathBuf,
    pub(crate) commit: String,
    /// A ref that has it.
    pub(crate) reference: String,
    pub(crate) base: String,
}

pub(super) async fn step(shared: &Arc<Shared>, work: Work, wake: &Notify) -> Result<(), StepError> {
    let Some(head) = work.run.head_commit.clone() else {
        return Err(StepError::Defect("there is no commit to check".to_owned()));
    };
    if work.run.stop_requested.is_some() {
        return ending::stopped(shared, &work, Saved::default()).await;
    }
    // What the agent's sandbox left, should its removal have been cut short.
    for row in
        shared.parts.store.sandbox_list(&work.run.id).await?.iter().filter(|row| row.purpose == Purpose::Agent && !row.removed)
    {
        sandbox::lower_or_leave(shared, &row.id).await;
    }
    if work.project.checks.is_empty() {
        return ending::checked(shared, &work, &head, Vec::new()).await;
    }
    let subject = Subject {
        run: work.run.id.clone(),
        project: work.project.clone(),
        mirror: agent::mirror_of(shared, &work).path,
        commit: head.clone(),
        reference: format!("refs/heads/{}", work.run.branch),
        base: work.run.base_commit.clone().unwrap_or_default(),
    };
    match unless_stopped(shared, &work.run.id, wake, run(shared, &subject)).await? {
        None => ending::stopped(shared, &work, Saved::default()).await,
        Some(Ok(results)) => ending::checked(shared, &work, &head, results).await,
        Some(Err(StepError::Machinery(why))) => ending::unchecked(shared, &work, &why).await,
        Some(Err(other)) => Err(other),
    }
}

/// Runs a project's checks on a commit in a fresh sandbox; the results in order. A red check is a result, no error.
pub(crate) async fn run(shared: &Arc<Shared>, subject: &Subject) -> Result<Vec<CheckResult>, StepError> {
    let mut tries = 0;
    loop {
        let why = match once(shared, subject).await {
            Ok(Ok(results)) => return Ok(results),
            Ok(Err(why)) | Err(RaiseError::Ended(why)) => why,
            Err(error) => return Err(error.into()),
        };
        lower(shared, &subject.run).await?;
        tries += 1;
        if tries >= TRIES {
            return Err(StepError::Machinery(format!("The sandbox for the checks was lost {TRIES} times: {why}.")));
        }
        tracing::warn!(run.id = %subject.run, why, "a sandbox for checks was lost; the checks are run again");
        tokio::time::sleep(shared.config.backoff).await;
    }
}

async fn lower(shared: &Shared, run: &RunId) -> Result<(), StepError> {
    for row in shared.parts.store.sandbox_list(run).await?.iter().filter(|row| row.purpose == Purpose::Checks && !row.removed) {
        sandbox::lower(shared, &row.id).await?;
    }
    Ok(())
}

/// Runs them once; the inner error says why the sandbox gave no result.
async fn once(shared: &Arc<Shared>, subject: &Subject) -> Result<Result<Vec<CheckResult>, String>, RaiseError> {
    let project = &subject.project;
    let plan = Plan {
        run: subject.run.clone(),
        purpose: Purpose::Checks,
        project: project.clone(),
        volume: SandboxVolume::Fresh,
        tools: vec![shared.config.supervisor.clone()],
        git: crate::link::GitAccess {
            mirror: subject.mirror.clone(),
            visible: vec![subject.reference.clone()],
            writable: Vec::new(),
            max_pack_bytes: 0,
        },
        reach: crate::link::Reach {
            allow: project.allow.clone(),
            internal: project.internal.clone(),
            ..crate::link::Reach::default()
        },
    };
    let raised = sandbox::raise(shared, plan, |id| Orders {
        sandbox: id.clone(),
        run: subject.run.clone(),
        purpose: Purpose::Checks,
        git: GitOrders {
            commit: subject.commit.clone(),
            fetch_ref: subject.reference.clone(),
            base: subject.base.clone(),
            branch: None,
            saved_ref: None,
            keep_workspace: false,
            user_name: "Strawboss".to_owned(),
            user_email: "strawboss@localhost".to_owned(),
            message: String::new(),
        },
        setup: project.setup.clone(),
        checks: project.checks.clone(),
        agent: None,
        env: project.env.clone(),
        proxy: !(project.allow.is_empty() && project.internal.is_empty()),
        timeout_ms: project.limits.timeout_ms,
        disk_bytes: project.limits.disk_bytes,
        terminal: (120, 36),
    })
    .await?;
    // The sandbox counts its own time; one that does not keep to it is ended a little later.
    let limit = Duration::from_millis(project.limits.timeout_ms) + Duration::from_mins(1);
    let over = tokio::time::timeout(limit, sandbox::until_over(shared, &raised)).await;
    let reported = raised.present.progress().checks;
    let result = |command: &str, exit_code: Option<i32>, output_tail: String| CheckResult {
        command: command.to_owned(),
        exit_code,
        duration_ms: 0,
        output_tail,
    };
    let outcome = match over {
        Err(_) | Ok(Over::End(End::Stopped | End::AgentFailed { .. })) => Ok(fill(project, reported, |command| {
            result(command, None, "It did not end within the project's time or disk limit.".to_owned())
        })),
        Ok(Over::End(End::Complete { .. })) => {
            Ok(fill(project, reported, |command| result(command, None, "It was not run.".to_owned())))
        }
        Ok(Over::End(End::SetupFailed { detail })) => Ok(vec![result("setup", Some(1), detail)]),
        Ok(Over::End(End::MachineryFailed { detail })) => Err(detail),
        Ok(Over::Lost(why)) => Err(why),
    };
    if outcome.is_ok() {
        sandbox::lower_or_leave(shared, &raised.present.id).await;
    }
    Ok(outcome)
}

/// One result for each configured check, whatever was reported: the command is the configured one.
fn fill(
    project: &Project,
    mut reported: std::collections::BTreeMap<u32, CheckResult>,
    missing: impl Fn(&str) -> CheckResult,
) -> Vec<CheckResult> {
    (0_u32..)
        .zip(&project.checks)
        .map(|(index, command)| match reported.remove(&index) {
            Some(mut result) => {
                result.command.clone_from(command);
                result
            }
            None => missing(command),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{CheckResult, Project, fill};
    use std::collections::BTreeMap;
    use strawboss_core::ProjectName;
    use strawboss_core::project::{AfterMerge, AgentKind, Approval, Limits, Repository, ReviewMode};

    #[test]
    fn only_what_was_run_counts_and_only_what_is_configured() {
        let project = Project {
            name: ProjectName::parse("One").unwrap(),
            repository: Repository::Directory("/one".into()),
            agent: AgentKind::Shell,
            model: None,
            mode: None,
            image: None,
            setup: Vec::new(),
            checks: vec!["cargo test".to_owned(), "cargo clippy".to_owned()],
            cache: Vec::new(),
            checks_cache: Vec::new(),
            env: BTreeMap::new(),
            approval: Approval::Auto,
            review: ReviewMode::Auto,
            tries: 1,
            branch: None,
            limits: Limits::default(),
            allow: Vec::new(),
            internal: Vec::new(),
            max_concurrent: 1,
            after_merge: AfterMerge::None,
            unusable: None,
        };
        let result = |command: &str, exit_code| CheckResult {
            command: command.to_owned(),
            exit_code,
            duration_ms: 0,
            output_tail: "x".to_owned(),
        };
        // The first under another name, the second not at all, and one that nobody ordered.
        let reported = BTreeMap::from([(0, result("true", Some(0))), (2, result("true", Some(0)))]);
        let results = fill(&project, reported, |command| CheckResult { output_tail: String::new(), ..result(command, None) });
        let shown: Vec<_> = results.iter().map(|check| (check.command.as_str(), check.passed())).collect();
        assert_eq!(shown, [("cargo test", true), ("cargo clippy", false)]);
    }
}
