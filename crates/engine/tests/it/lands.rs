//! What becomes of accepted work in the user's own repository, and what checks start from.

use super::ground::{Ground, git, until};
use strawboss_core::TaskId;
use strawboss_core::project::AfterMerge;
use strawboss_protocol::supervisor::End;

/// A task whose work waits for a person.
async fn in_review(ground: &Ground, file: &str) -> TaskId {
    let task = ground.add("Do something").await;
    let (_, mut agent) = ground.work(&task, file).await;
    agent.done(End::Complete { summary: None }).await;
    ground.until_state(&task, "review").await;
    task
}

async fn problem(ground: &Ground, task: &TaskId) -> String {
    let problem = async || ground.run(&task.run(1)).await.merge_problem;
    until("it is said why it did not land", problem).await
}

#[tokio::test]
async fn what_a_person_added_to_the_branch_in_their_repository_is_not_taken_away() {
    let ground = Ground::started(|_| {}).await;
    let task = in_review(&ground, "work.txt").await;
    let branch = task.branch();
    let tree = git(&ground.repository, &["rev-parse", "main^{tree}"]);
    let theirs = git(&ground.repository, &["commit-tree", &tree, "-p", "main", "-m", "a fix of mine"]);
    git(&ground.repository, &["branch", &branch, &theirs]);
    ground.engine.review_approve(&task).await.unwrap();
    let said = problem(&ground, &task).await;
    assert!(said.contains(&theirs[..10]) && said.contains(&branch) && said.contains("approve again"), "{said}");
    assert_eq!(git(&ground.repository, &["rev-parse", &branch]), theirs);
    assert!(!ground.on_main("work.txt"));
    git(&ground.repository, &["branch", "-m", &branch, "mine"]);
    ground.engine.review_approve(&task).await.unwrap();
    ground.until_state(&task, "done").await;
    assert!(ground.on_main("work.txt"));
    assert_eq!(git(&ground.repository, &["rev-parse", "mine"]), theirs);
}

#[tokio::test]
async fn a_branch_of_that_name_that_was_merged_long_ago_is_in_nobodys_way() {
    let ground = Ground::started(|_| {}).await;
    let task = in_review(&ground, "work.txt").await;
    git(&ground.repository, &["branch", &task.branch(), "main"]);
    ground.move_main("other.txt");
    ground.engine.review_approve(&task).await.unwrap();
    ground.until_state(&task, "done").await;
    assert!(ground.on_main("work.txt") && ground.on_main("other.txt"));
}

#[tokio::test]
async fn what_was_merged_before_a_restart_is_still_pushed_on() {
    let ground = Ground::started(|project| project.after_merge = AfterMerge::Push).await;
    let origin = ground.repository.with_file_name("origin.git");
    git(&ground.repository, &["clone", "--quiet", "--bare", ".", origin.to_str().unwrap()]);
    git(&ground.repository, &["remote", "add", "origin", origin.to_str().unwrap()]);
    let task = in_review(&ground, "work.txt").await;
    // As it is when the program ends between the merge and the push.
    let mirror = ground.mirror();
    git(&ground.repository, &["fetch", "--quiet", mirror.to_str().unwrap(), &format!("{}:main", task.branch())]);
    ground.engine.review_approve(&task).await.unwrap();
    ground.until_state(&task, "done").await;
    assert_eq!(git(&origin, &["rev-parse", "main"]), git(&ground.repository, &["rev-parse", "main"]));
    assert!(git(&origin, &["ls-tree", "--name-only", "main"]).contains("work.txt"));
}

#[tokio::test]
async fn checks_keep_only_what_is_said_of_checks() {
    let ground = Ground::started(|project| {
        project.checks = vec!["true".to_owned()];
        project.cache = vec!["/of/agents".to_owned()];
        project.checks_cache = vec!["/of/checks".to_owned()];
    })
    .await;
    let task = ground.add("Do something").await;
    let (run, mut agent) = ground.work(&task, "work.txt").await;
    assert_eq!(ground.runner.caches(&agent.sandbox), ["/of/agents"]);
    agent.done(End::Complete { summary: None }).await;
    let checks = ground.play(&run, "checks").await;
    assert_eq!(ground.runner.caches(&checks.sandbox), ["/of/checks"]);
}
