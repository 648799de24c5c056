//! A GitHub App is let in with statements that its key signs; its tokens are renewed, and each refusal says what to do.
#![expect(clippy::unwrap_used, reason = "a test that cannot set its scene has failed")]

use std::sync::Arc;
use std::time::Duration;
use strawboss_backlog::github::{Access, App, Token};
use strawboss_backlog::{GithubBacklog, GithubConfig};
use strawboss_core::backlog::{Backlog, BacklogStatus, Reading, Report, WriteBack, WriteOutcome};
use strawboss_core::run::RunOutcome;
use strawboss_core::{ProjectName, RunId, Timestamp};
use strawboss_testkit::GitHub;
use strawboss_testkit::github::{APP_ID, INSTALLATION, REPOSITORY};

/// A backlog that is read as an App.
fn backlog(hub: &GitHub, id: &str, installation: Option<u64>, key: Token) -> GithubBacklog {
    let project = ProjectName::parse("Antenna").unwrap();
    let access = Access::App(App { id: id.to_owned(), installation, key });
    let config = GithubConfig::new(REPOSITORY, project, Token::Value(String::new()));
    let base_url = format!("{}/", hub.url());
    GithubBacklog::new(GithubConfig { access, base_url, poll_interval: Duration::from_millis(20), ..config }).unwrap()
}

async fn count(backlog: &GithubBacklog) -> usize {
    match backlog.read().await {
        Reading::Items { items, .. } => items.len(),
        Reading::Unreadable { problem } => panic!("{}", problem.message),
    }
}

async fn trouble(backlog: &GithubBacklog) -> String {
    match backlog.read().await {
        Reading::Items { items, .. } => panic!("it could be read: {items:?}"),
        Reading::Unreadable { problem } => problem.message,
    }
}

#[tokio::test]
async fn an_app_reads_and_writes_with_one_token_until_that_ends() {
    let hub = GitHub::start().await.unwrap();
    let pem = hub.app_key().unwrap();
    assert!(pem.starts_with("-----BEGIN RSA PRIVATE KEY-----"), "as GitHub gives them out");
    let number = hub.open("Mend it", "");
    for (id, installation) in [(APP_ID, None), ("1001", Some(INSTALLATION))] {
        let given = hub.app_tokens();
        let backlog = backlog(&hub, id, installation, Token::Value(pem.replace('\n', "\\n")));
        assert_eq!(count(&backlog).await, 1);
        let report = Report {
            run: RunId::parse("antenna-1.1").unwrap(),
            outcome: Some(RunOutcome::Succeeded),
            summary: None,
            checks: Vec::new(),
            branch: "strawboss/antenna-1".to_owned(),
            commit: None,
            cost_microusd: 0,
            trouble: None,
            link: None,
        };
        let write = WriteBack {
            native_ref: format!("github:{REPOSITORY}#{number}"),
            status: BacklogStatus::InReview,
            agent: String::new(),
            at: Timestamp(1_768_471_200_000),
            known: None,
            report: Some(report),
            earlier: Vec::new(),
        };
        for _ in 0..2 {
            assert_eq!(backlog.write_back(std::slice::from_ref(&write)).await, Ok(vec![WriteOutcome::Written]));
        }
        // Its own comment is found by its own login.
        assert_eq!(hub.comments(number).len(), 1);
        assert_eq!(hub.app_tokens(), given + 1);
        let statements: Vec<_> = hub.asked().into_iter().filter(|asked| asked.path.ends_with("/installation")).collect();
        assert_eq!(statements.len(), usize::from(installation.is_none()));
    }
}

#[tokio::test]
async fn a_token_is_renewed_before_its_end_and_once_when_it_is_refused() {
    let hub = GitHub::start().await.unwrap();
    hub.open("Mend it", "");
    let backlog = backlog(&hub, APP_ID, None, Token::Value(hub.app_key().unwrap()));
    assert_eq!((count(&backlog).await, hub.app_tokens()), (1, 1));
    hub.revoke_app_tokens();
    assert_eq!((count(&backlog).await, hub.app_tokens()), (1, 2));
    // One that ends within a minute is not used a second time.
    hub.revoke_app_tokens();
    hub.app_token_life(30);
    assert_eq!(count(&backlog).await, 1);
    let given = hub.app_tokens();
    assert_eq!(count(&backlog).await, 1);
    assert!(hub.app_tokens() > given);
}

#[tokio::test]
async fn one_reading_asks_for_one_token_however_many_ask_at_once() {
    let hub = GitHub::start().await.unwrap();
    let backlog = Arc::new(backlog(&hub, APP_ID, None, Token::Value(hub.app_key().unwrap())));
    let readers: Vec<_> = (0..8)
        .map(|_| {
            tokio::spawn({
                let backlog = Arc::clone(&backlog);
                async move { count(&backlog).await }
            })
        })
        .collect();
    for reader in readers {
        assert_eq!(reader.await.unwrap(), 0);
    }
    assert_eq!(hub.app_tokens(), 1);
}

#[tokio::test]
async fn every_refusal_says_what_to_do_and_nothing_of_the_key() {
    let hub = GitHub::start().await.unwrap();
    let pem = hub.app_key().unwrap();
    let key = || Token::Value(pem.clone());
    let says = async |backlog: &GithubBacklog, words: &[&str]| {
        let said = trouble(backlog).await;
        assert!(words.iter().all(|word| said.contains(word)), "{said}");
        assert!(!said.contains("PRIVATE KEY-----") && !said.contains("eyJ"), "{said}");
    };
    let found = backlog(&hub, APP_ID, None, key());
    says(&backlog(&hub, "Iv23liAnother", None, key()), &["knows no App Iv23liAnother", "`app.id`"]).await;
    says(&backlog(&hub, APP_ID, Some(1), key()), &["no installation 1", "leave `app.installation` out"]).await;
    says(&backlog(&hub, APP_ID, None, Token::Value("s3cret".to_owned())), &["private key is no PEM", ".pem"]).await;
    says(&backlog(&hub, APP_ID, None, Token::File("/no/such.pem".into())), &["/no/such.pem"]).await;
    for (ahead, words) in [(-300, "ahead of GitHub's"), (900, "behind GitHub's")] {
        hub.clock_ahead(ahead);
        says(&found, &[words, "clock right"]).await;
    }
    hub.clock_ahead(0);
    hub.deny_app("issues");
    says(&found, &["permissions requested are not granted", "issues: write"]).await;
    hub.app_reaches(false);
    says(&found, &["not installed on acme/antenna", "Install it there"]).await;
    says(&backlog(&hub, APP_ID, Some(INSTALLATION), key()), &["not accessible", "reach the repository"]).await;
    hub.app_reaches(true);
    hub.suspend_app(true);
    says(&found, &["is suspended", "lifts that"]).await;
    hub.suspend_app(false);
    hub.install_app(false);
    says(&found, &["not installed on acme/antenna"]).await;
    hub.delete_app_keys();
    says(&found, &["does not accept what the App", "private key"]).await;
    // Another key, under the old one's name: it is read at each statement.
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("app.pem");
    std::fs::write(&file, &pem).unwrap();
    let replaced = backlog(&hub, APP_ID, None, Token::File(file.clone()));
    says(&replaced, &["does not accept what the App"]).await;
    std::fs::write(&file, hub.app_key().unwrap()).unwrap();
    hub.install_app(true);
    says(&replaced, &["issues: write"]).await;
}
