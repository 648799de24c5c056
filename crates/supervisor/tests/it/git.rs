//! What agents do to their repositories, and what is pushed all the same.

use crate::plane::{Plane, git};
use crate::shell::{BRANCH, SAVED};
use strawboss_protocol::supervisor::End;

async fn complete(command: &str) -> std::sync::Arc<Plane> {
    let plane = Plane::new(command);
    assert_eq!(plane.whole().await, End::Complete { summary: None }, "{}", plane.tell());
    plane
}

fn on_top_of_the_start(plane: &Plane) {
    git(&plane.mirror(), &["merge-base", "--is-ancestor", &plane.commit(), BRANCH]);
}

#[tokio::test]
async fn the_agents_own_commits_are_kept_and_what_is_left_comes_on_top() {
    let plane = complete("echo a > a; git add a; git commit -qm Mine; echo b > b").await;
    assert_eq!(git(&plane.mirror(), &["log", "--format=%s", BRANCH]), "What the agent left\nMine\nFirst");
}

#[tokio::test]
async fn ignored_files_stay_out() {
    let plane = complete("echo x > ignored; echo y > kept; echo own >> .git/info/exclude; echo z > own").await;
    assert_eq!(plane.pushed(BRANCH, "kept").as_deref(), Some("y\n"));
    assert_eq!((plane.pushed(BRANCH, "ignored"), plane.pushed(BRANCH, "own")), (None, None));
}

#[tokio::test]
async fn a_deleted_repository_is_made_anew_and_the_files_are_kept() {
    let plane = complete("echo new > new; echo changed > README; rm -rf .git").await;
    assert_eq!(plane.pushed(BRANCH, "new").as_deref(), Some("new\n"));
    assert_eq!(plane.pushed(BRANCH, "README").as_deref(), Some("changed\n"));
    on_top_of_the_start(&plane);
}

#[tokio::test]
async fn a_replaced_history_goes_on_top_of_the_real_one() {
    let plane =
        complete("rm -rf .git; git init -q; echo new > new; git add -A; git commit -qm Unrelated; echo more > more").await;
    assert_eq!(plane.pushed(BRANCH, "new").as_deref(), Some("new\n"));
    assert_eq!(plane.pushed(BRANCH, "more").as_deref(), Some("more\n"));
    on_top_of_the_start(&plane);
}

#[tokio::test]
async fn missing_objects_and_a_broken_index_lose_no_file() {
    let plane = complete("echo a > a; git add a; git commit -qm Mine; rm -rf .git/objects/??; echo b > b").await;
    assert_eq!(plane.pushed(BRANCH, "a").as_deref(), Some("a\n"));
    assert_eq!(plane.pushed(BRANCH, "b").as_deref(), Some("b\n"));
    on_top_of_the_start(&plane);
    let plane = complete("echo a > a; echo garbage > .git/index; touch .git/index.lock .git/HEAD.lock").await;
    assert_eq!(plane.pushed(BRANCH, "a").as_deref(), Some("a\n"));
    assert_eq!(plane.pushed(BRANCH, "README").as_deref(), Some("hello\n"));
}

#[tokio::test]
async fn a_detached_head_and_another_branch_are_what_is_pushed() {
    let plane = complete("git checkout -q --detach; echo a > a; git add a; git commit -qm Detached").await;
    assert_eq!(git(&plane.mirror(), &["log", "-1", "--format=%s", BRANCH]), "Detached");
    let plane = complete("git checkout -qb other; echo a > a; git add a; git commit -qm Other").await;
    assert_eq!(git(&plane.mirror(), &["log", "-1", "--format=%s", BRANCH]), "Other");
}

#[tokio::test]
async fn work_on_the_branch_is_not_lost_when_the_agent_goes_back() {
    let plane = complete("echo a > a; git add a; git commit -qm Work; git checkout -q --detach HEAD^").await;
    assert_eq!(git(&plane.mirror(), &["log", "-1", "--format=%s", BRANCH]), "Work");
    // Both went on: what is checked out counts, and the other is kept.
    let plane = complete(
        "echo a > a; git add a; git commit -qm Work; git checkout -q --detach HEAD^; echo b > b; git add b; git commit -qm Elsewhere",
    )
    .await;
    assert_eq!(git(&plane.mirror(), &["log", "-1", "--format=%s", BRANCH]), "Elsewhere");
    assert_eq!(git(&plane.mirror(), &["log", "-1", "--format=%s", SAVED]), "Work");
}

#[tokio::test]
async fn a_rewritten_branch_replaces_what_was_pushed_before() {
    let plane = Plane::new("git commit -q --amend -m Rewritten; echo more > more");
    let seed = plane.dir.path().join("seed");
    std::fs::write(seed.join("first-try"), "x\n").unwrap();
    git(&seed, &["add", "-A"]);
    git(&seed, &["commit", "-qm", "First try"]);
    git(&seed, &["push", "-q", plane.mirror().to_str().unwrap(), &format!("HEAD:{BRANCH}")]);
    let tip = git(&seed, &["rev-parse", "HEAD"]);
    plane.orders(|orders| {
        orders.git.commit = tip;
        orders.git.fetch_ref = BRANCH.to_owned();
    });
    assert_eq!(plane.whole().await, End::Complete { summary: None }, "{}", plane.tell());
    assert_eq!(git(&plane.mirror(), &["log", "--format=%s", BRANCH]), "What the agent left\nRewritten\nFirst");
}

#[tokio::test]
async fn hostile_settings_run_nothing_and_redirect_nothing() {
    let plane = complete(
        "trap_it() { printf '#!/bin/sh\\ntouch ~/trapped\\nsleep 1000\\n' > \"$1\"; chmod +x \"$1\"; }; \
         mkdir -p .git/hooks; for hook in pre-commit commit-msg post-commit pre-push reference-transaction post-index-change; do \
           trap_it .git/hooks/$hook; done; trap_it ~/evil; \
         echo '* filter=evil diff=evil' > .gitattributes; echo '* filter=evil' > .git/info/attributes; \
         git config filter.evil.clean ~/evil; git config filter.evil.required true; git config core.fsmonitor ~/evil; \
         git config commit.gpgSign true; git config gpg.program ~/evil; git config core.editor ~/evil; git config core.pager ~/evil; \
         git config credential.helper ~/evil; git config core.sshCommand ~/evil; git config remote.origin.url ext::~/evil; \
         git config url.http://127.0.0.1:1/.insteadOf http://; git config http.proxy http://127.0.0.1:1; \
         git config user.name Mallory; git config core.worktree /; git config push.default nothing; git config alias.add '!~/evil'; \
         git config --file ~/.gitconfig core.fsmonitor ~/evil; echo a > a; rm -f ~/trapped",
    )
    .await;
    assert_eq!(plane.pushed(BRANCH, "a").as_deref(), Some("a\n"));
    assert!(!plane.home().join("trapped").exists(), "{}", plane.tell());
    assert_eq!(git(&plane.mirror(), &["log", "-1", "--format=%an", BRANCH]), "Straw Boss");
}

#[tokio::test]
async fn repositories_within_are_taken_in_as_files() {
    let plane = complete(
        "git init -q empty; echo e > empty/e; git init -q full; cd full; echo f > f; git add f; git commit -qm Inner; \
         git init -q deep; echo d > deep/d; cd ..; git worktree add -q side; echo top > top",
    )
    .await;
    for (file, text) in [("empty/e", "e\n"), ("full/f", "f\n"), ("full/deep/d", "d\n"), ("top", "top\n")] {
        assert_eq!(plane.pushed(BRANCH, file).as_deref(), Some(text), "{file}: {}", plane.tell());
    }
    assert!(!git(&plane.mirror(), &["ls-tree", "-r", BRANCH]).contains("160000"));
    assert_eq!(plane.pushed(BRANCH, "side/README"), None);
}

#[tokio::test]
async fn a_removed_workspace_is_a_failure_and_says_so() {
    let plane = Plane::new("cd ..; rm -rf workspace");
    let end = plane.whole().await;
    let End::AgentFailed { detail } = end else { panic!("{end:?}") };
    assert!(detail.contains("removed its workspace"), "{detail}");
}

#[tokio::test]
async fn odd_names_and_kinds_of_files_travel() {
    let plane = complete(
        "mkdir -p 'a b/ü'; echo 1 > 'a b/ü/\"q\"'; ln -s README link; echo x > run; chmod +x run; mkfifo pipe; \
         printf 2 > \"$(printf 'new\\nline')\"; echo 3 > -dash; mkdir empty-dir",
    )
    .await;
    assert_eq!(plane.pushed(BRANCH, "a b/ü/\"q\"").as_deref(), Some("1\n"));
    assert_eq!(plane.pushed(BRANCH, "new\nline").as_deref(), Some("2"));
    assert_eq!(plane.pushed(BRANCH, "-dash").as_deref(), Some("3\n"));
    let tree = git(&plane.mirror(), &["ls-tree", BRANCH]);
    assert!(tree.contains("120000 blob") && tree.contains("100755 blob"), "{tree}");
}

#[tokio::test]
async fn a_repository_with_long_ids_works_too() {
    let plane = Plane::new("echo a > a; git add a; git commit -qm Mine; echo b > b; rm -rf .git");
    let (seed, mirror) = (plane.dir.path().join("seed256"), plane.mirror());
    std::fs::remove_dir_all(&mirror).unwrap();
    git(plane.dir.path(), &["init", "-q", "--bare", "--object-format=sha256", mirror.to_str().unwrap()]);
    git(&mirror, &["config", "http.receivepack", "true"]);
    git(plane.dir.path(), &["init", "-q", "--object-format=sha256", "seed256"]);
    std::fs::write(seed.join("README"), "hello\n").unwrap();
    git(&seed, &["add", "-A"]);
    git(&seed, &["commit", "-qm", "First"]);
    git(&seed, &["push", "-q", mirror.to_str().unwrap(), "HEAD:refs/heads/main"]);
    let commit = git(&seed, &["rev-parse", "HEAD"]);
    plane.orders(|orders| {
        (orders.git.commit, orders.git.base) = (commit.clone(), commit);
    });
    assert_eq!(plane.whole().await, End::Complete { summary: None }, "{}", plane.tell());
    assert_eq!(plane.pushed(BRANCH, "b").as_deref(), Some("b\n"));
    on_top_of_the_start(&plane);
}
