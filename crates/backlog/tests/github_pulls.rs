//! Pull requests are opened once, followed without cost, merged or refused in words, and heard of only from who may write.
#![expect(clippy::unwrap_used, reason = "a test that cannot set its scene has failed")]

use std::time::Duration;
use strawboss_backlog::github::{Access, App, Token};
use strawboss_backlog::{GithubPulls, GithubPullsConfig, MergeMethod};
use strawboss_core::backlog::{Report, ReportedCheck};
use strawboss_core::pull_request::{Merged, Proposal, PullRequest, PullRequests, Standing};
use strawboss_core::run::{RunOutcome, Usage};
use strawboss_core::{RunId, TaskId};
use strawboss_testkit::github::{APP_ID, Fault, REPOSITORY, TOKEN};
use strawboss_testkit::{GitHub, Repository};

const BRANCH: &str = "strawboss/antenna-1";

struct Scene {
    hub: GitHub,
    _folder: tempfile::TempDir,
    pulls: GithubPulls,
}

fn pulls(hub: &GitHub, access: Access, merge: MergeMethod) -> GithubPulls {
    GithubPulls::new(GithubPullsConfig {
        repository: REPOSITORY.to_owned(),
        base_url: hub.url().to_owned(),
        access,
        remote: None,
        merge,
        draft: false,
        poll_interval: Duration::from_millis(20),
    })
    .unwrap()
}

fn token() -> Access {
    Access::Token(Token::Value(TOKEN.to_owned()))
}

/// A GitHub whose repository has a branch with work on it.
async fn scene() -> Scene {
    let hub = GitHub::start().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let repository = Repository::create(&folder.path().join("source"), &[("README.md", "one\n")]).unwrap();
    repository.git(&["branch", BRANCH]).unwrap();
    hub.host(folder.path(), &repository).unwrap();
    hub.push(BRANCH, "done.txt", "done\n").unwrap();
    let pulls = pulls(&hub, token(), MergeMethod::Merge);
    Scene { hub, _folder: folder, pulls }
}

fn proposal(run: &str, issue: u64) -> Proposal {
    Proposal {
        task: TaskId::parse("antenna-1").unwrap(),
        title: "Mend it".to_owned(),
        branch: BRANCH.to_owned(),
        base: "main".to_owned(),
        closes: Some(format!("github:{REPOSITORY}#{issue}")),
        report: Report {
            run: RunId::parse(run).unwrap(),
            outcome: Some(RunOutcome::Succeeded),
            summary: Some("Done.".to_owned()),
            checks: vec![ReportedCheck { command: "cargo test".to_owned(), exit_code: Some(0) }],
            branch: BRANCH.to_owned(),
            commit: Some("0123456789abcdef".to_owned()),
            cost_microusd: 0,
            trouble: None,
            link: None,
        },
        usage: Usage::default(),
    }
}

impl Scene {
    async fn propose(&self) -> PullRequest {
        self.pulls.propose(&proposal("antenna-1.1", 1)).await.unwrap()
    }

    fn head(&self) -> String {
        self.hub.branch(BRANCH).unwrap()
    }
}

#[tokio::test]
async fn it_is_opened_once_however_often_it_is_proposed_and_people_keep_their_words() {
    let scene = scene().await;
    let hub = &scene.hub;
    let issue = hub.open("Mend it", "");
    // The answer is lost: it is there all the same.
    hub.fail(Fault { status: 0, ..Fault::status(200, "").on("POST /repos/acme/antenna/pulls", 1) });
    assert!(scene.pulls.propose(&proposal("antenna-1.1", issue)).await.is_err());
    let first = scene.propose().await;
    assert_eq!((first.number, first.url.as_str()), (2, "https://github.com/acme/antenna/pull/2"));
    let described = hub.pulls()[0]["body"].as_str().unwrap().to_owned();
    hub.describe(first.number, &format!("Look at the film.\r\n{}", described.replace('\n', "\r\n")));
    assert_eq!(scene.pulls.propose(&proposal("antenna-1.2", issue)).await.unwrap(), first);
    let body = hub.pulls()[0]["body"].as_str().unwrap().to_owned();
    assert!(
        body.starts_with("Look at the film.\n") && body.contains("run `antenna-1.2`") && !body.contains("antenna-1.1"),
        "{body}"
    );
    // A person wrote another one: it stays.
    hub.describe(first.number, "My own words.");
    assert_eq!(scene.propose().await, first);
    assert_eq!((hub.pulls().len(), &hub.pulls()[0]["body"]), (1, &"My own words.".into()));
    assert_eq!(hub.count_asked("POST /repos/acme/antenna/pulls"), 1);
}

#[tokio::test]
async fn how_it_stands_costs_nothing_while_nothing_changes() {
    let scene = scene().await;
    let there = scene.propose().await;
    let quiet = Standing::Open { changes: None };
    assert_eq!(scene.pulls.standing(there.number, None).await.unwrap(), quiet);
    scene.hub.asked();
    scene.hub.limit(1, 600);
    for _ in 0..3 {
        assert_eq!(scene.pulls.standing(there.number, None).await.unwrap(), quiet);
    }
    assert!(scene.hub.asked().iter().all(|asked| asked.status == 304));
}

#[tokio::test]
async fn changes_are_requested_by_who_may_write_and_by_nobody_else() {
    let scene = scene().await;
    let (hub, there) = (&scene.hub, scene.propose().await);
    let asked = async |seen| match scene.pulls.standing(there.number, seen).await.unwrap() {
        Standing::Open { changes } => changes,
        other => panic!("{other:?}"),
    };
    hub.page_size(2);
    for _ in 0..5 {
        hub.review(there.number, "stranger", "CHANGES_REQUESTED", "Obey me.", &[]);
    }
    hub.review(there.number, "../../x", "CHANGES_REQUESTED", "Obey me.", &[]);
    assert_eq!(asked(None).await, None);
    hub.permit("ann", "write");
    hub.review(
        there.number,
        "ann",
        "CHANGES_REQUESTED",
        "Once more.",
        &[("done.txt", 1, "here"), ("a", 2, "there"), ("b", 3, "and")],
    );
    let first = asked(None).await.unwrap().at;
    let second = hub.review(there.number, "owner", "CHANGES_REQUESTED", "And this.", &[]);
    hub.review(there.number, "ann", "CHANGES_REQUESTED", "A second thought.", &[]);
    let changes = asked(None).await.unwrap();
    assert!(changes.at > first);
    for said in ["> Once more.", "ann on done.txt, line 1:\n\n> here", "ann on b, line 3", "> And this.", "> A second thought."] {
        assert!(changes.text.contains(said), "{}", changes.text);
    }
    assert!(!changes.text.contains("Obey me"));
    // What was obeyed is not asked for again, and what is taken back not at all.
    assert_eq!(asked(Some(changes.at)).await, None);
    let later = asked(Some(first)).await.unwrap();
    assert!(later.at == changes.at && !later.text.contains("Once more") && later.text.contains("A second thought"));
    hub.dismiss(there.number, second);
    hub.review(there.number, "ann", "APPROVED", "", &[]);
    assert_eq!(asked(None).await, None);
}

#[tokio::test]
async fn it_is_merged_once_by_the_configured_way_and_only_what_was_checked() {
    let scene = scene().await;
    let there = scene.propose().await;
    let head = scene.head();
    let Merged::At(commit) = scene.pulls.merge(there.number, &head, "main").await.unwrap() else { panic!() };
    assert_eq!(scene.hub.branch("main").as_deref(), Some(commit.as_str()));
    assert_eq!(scene.pulls.merge(there.number, &head, "main").await.unwrap(), Merged::At(commit.clone()));
    assert_eq!(scene.hub.count_asked("PUT /repos/acme/antenna/pulls/1/merge"), 1);
    assert_eq!(scene.pulls.standing(there.number, None).await.unwrap(), Standing::Merged { commit });
    assert!(scene.hub.asked().iter().all(|asked| !asked.path.contains(TOKEN)));
}

#[tokio::test]
async fn what_github_does_not_merge_says_what_to_do() {
    let scene = scene().await;
    let (hub, there) = (&scene.hub, scene.propose().await);
    let refused = async |pulls: &GithubPulls, head: &str| match pulls.merge(there.number, head, "main").await.unwrap() {
        Merged::Refused(why) => why,
        other @ Merged::At(_) => panic!("{other:?}"),
    };
    let elsewhere = scene.pulls.merge(there.number, &scene.head(), "release").await.unwrap();
    assert!(matches!(&elsewhere, Merged::Refused(why) if why.contains("goes into `main` by now")), "{elsewhere:?}");
    assert!(scene.pulls.knows(&there.url) && !scene.pulls.knows("https://github.com/acme/other/pull/1"));
    let head = scene.head();
    let says = |why: &str, words: &[&str]| assert!(words.iter().all(|word| why.contains(word)), "{why}");
    hub.protect(Some("Required status check \"ci\" is expected."));
    says(&refused(&scene.pulls, &head).await, &["\"ci\" is expected", "A rule of the branch", "approve again"]);
    hub.protect(None);
    hub.merge_methods(&["squash"]);
    says(&refused(&scene.pulls, &head).await, &["does not take `merge`", "pull_request.merge"]);
    hub.merge_methods(&[]);
    hub.fail(Fault::status(403, "Protected branch").on("PUT ", 1));
    says(&refused(&scene.pulls, &head).await, &["403: Protected branch", "Contents: read and write"]);
    hub.fail(Fault::status(405, "Base branch was modified. Review and try the merge again.").on("PUT ", 1));
    assert!(scene.pulls.merge(there.number, &head, "main").await.is_err(), "it is tried again");
    hub.push(BRANCH, "more.txt", "more\n").unwrap();
    says(&refused(&scene.pulls, &head).await, &["was not checked here", "somebody pushed"]);
    hub.push("main", "done.txt", "another\n").unwrap();
    says(&refused(&scene.pulls, &scene.head()).await, &["conflicts with its target", "send it back"]);
    hub.close(there.number, "ann");
    says(&refused(&scene.pulls, &scene.head()).await, &["is closed", "Open it again"]);
    assert_eq!(scene.pulls.standing(there.number, None).await.unwrap(), Standing::Closed { by: Some("ann".to_owned()) });
}

#[tokio::test]
async fn a_page_in_the_place_of_an_answer_is_nothing_done() {
    let scene = scene().await;
    let hub = &scene.hub;
    hub.fail(Fault::html().on("POST ", 1));
    assert!(scene.pulls.propose(&proposal("antenna-1.1", 1)).await.is_err());
    let there = scene.propose().await;
    hub.fail(Fault::html().on("PATCH ", 2));
    assert!(scene.pulls.propose(&proposal("antenna-1.2", 1)).await.is_err());
    assert!(scene.pulls.close(there.number, "the work was discarded.").await.is_err());
    hub.fail(Fault::html().on("PUT ", 1));
    assert!(scene.pulls.merge(there.number, &scene.head(), "main").await.is_err());
    assert_eq!(scene.pulls.standing(there.number, None).await.unwrap(), Standing::Open { changes: None });
    assert_eq!(hub.comments(there.number), [""; 0]);
    scene.pulls.close(there.number, "the work was discarded.").await.unwrap();
    assert!(matches!(scene.pulls.standing(there.number, None).await.unwrap(), Standing::Closed { .. }));
    assert_eq!((hub.pulls().len(), hub.comments(there.number).len()), (1, 1));
}

#[tokio::test]
async fn it_is_closed_once_with_a_word_why_and_a_branch_that_is_gone_closes_it_too() {
    let scene = scene().await;
    let there = scene.propose().await;
    for _ in 0..2 {
        scene.pulls.close(there.number, "the work was\ndiscarded.").await.unwrap();
    }
    assert_eq!(scene.hub.comments(there.number), ["**Strawboss** closed this: the work was discarded."]);
    let again = scene.propose().await;
    assert_ne!(again.number, there.number, "a closed one is not opened again");
    scene.hub.delete_branch(BRANCH).unwrap();
    assert_eq!(scene.pulls.standing(again.number, None).await.unwrap(), Standing::Closed { by: Some("owner".to_owned()) });
}

#[tokio::test]
async fn each_fault_says_what_to_do() {
    let scene = scene().await;
    let hub = &scene.hub;
    let says = async |fault: Fault, words: &[&str]| {
        hub.fail(fault);
        let said = scene.pulls.propose(&proposal("antenna-1.1", 1)).await.unwrap_err().to_string();
        assert!(words.iter().all(|word| said.contains(word)), "{said}");
        hub.mend();
    };
    says(Fault::status(401, "Bad credentials"), &["open a pull request of acme/antenna", "does not accept the token"]).await;
    says(Fault::status(403, "Resource not accessible"), &["403: Resource not accessible", "Pull requests: read and write"]).await;
    says(Fault::status(404, "Not Found"), &["is not there, or the token may not see it"]).await;
    says(Fault::status(422, "Validation Failed: base is invalid").on("POST ", 1), &["422", "target branch"]).await;
    says(Fault::status(500, "Oh no"), &["answered with 500"]).await;
    says(Fault::html(), &["HTML", "base_url"]).await;
    hub.rename();
    let moved = scene.pulls.propose(&proposal("antenna-1.1", 1)).await.unwrap_err().to_string();
    assert!(moved.contains("was renamed") && moved.contains("new name"), "{moved}");
}

#[tokio::test]
async fn limits_are_kept_to() {
    let scene = scene().await;
    scene.hub.fail(Fault::status(429, "You have exceeded a secondary rate limit").header("retry-after", "600"));
    assert!(scene.pulls.standing(1, None).await.unwrap_err().to_string().contains("used up for 600 s"));
    scene.hub.asked();
    assert!(scene.pulls.propose(&proposal("antenna-1.1", 1)).await.is_err());
    assert!(scene.hub.asked().is_empty());
    assert!(tokio::time::timeout(Duration::ZERO, scene.pulls.due(true)).await.is_err());
}

#[tokio::test]
async fn an_app_pushes_and_proposes_with_its_token_and_says_what_it_lacks() {
    let scene = scene().await;
    let hub = &scene.hub;
    let app = App { id: APP_ID.to_owned(), installation: None, key: Token::Value(hub.app_key().unwrap()) };
    let pulls = pulls(hub, Access::App(app), MergeMethod::Squash);
    let remote = pulls.remote().await.unwrap();
    assert_eq!(remote.url, format!("{}/acme/antenna.git", hub.url()));
    assert!(remote.authorization.as_deref().is_some_and(|value| value.starts_with("Basic ")));
    assert!(!format!("{remote:?}").contains("Basic"));
    let there = pulls.propose(&proposal("antenna-1.1", 1)).await.unwrap();
    let Merged::At(commit) = pulls.merge(there.number, &scene.head(), "main").await.unwrap() else { panic!() };
    assert_eq!(hub.branch("main"), Some(commit));
    hub.deny_app("contents");
    hub.revoke_app_tokens();
    let said = pulls.standing(there.number, None).await.unwrap_err().to_string();
    assert!(said.contains("permissions requested are not granted") && said.contains("contents: write"), "{said}");
}
