//! What is said of each fault of Google's, and that nothing is taken away by it.

use super::{Scene, items, name, put, trouble, write};
use strawboss_backlog::sheets::Spreadsheet;
use strawboss_backlog::{SheetsBacklog, SheetsConfig};
use strawboss_core::backlog::{Backlog, BacklogStatus, Reading, WriteOutcome};
use strawboss_testkit::sheets::{EMAIL, Fault, Role, fault};

#[tokio::test]
async fn each_fault_of_google_is_said_and_takes_nothing_away() {
    let scene = Scene::with(&["First"]).await;
    let source = scene.source();
    items(&source).await;
    let html = || Fault::html();
    let cut = || Fault { body: "{\"sheets\": [{\"prop".to_owned(), ..fault(200, "", "") };
    let mut huge = fault(200, "", "");
    huge.body = " ".repeat((64 << 20) + 1);
    for (broken, why) in [
        (fault(500, "INTERNAL", "Internal error encountered."), "answered with 500"),
        (fault(503, "UNAVAILABLE", "The service is currently unavailable."), "answered with 503"),
        (html(), "HTML instead of JSON"),
        (cut(), "cannot be read"),
        (Fault::status(0, ""), "does not answer"),
        (Fault { status: 302, ..fault(302, "", "") }, "points elsewhere"),
        (huge, "larger than the 64 MiB"),
        (
            fault(400, "FAILED_PRECONDITION", "This operation is not supported for this document"),
            "not supported for this document",
        ),
        (fault(200, "", ""), "no worksheet with cells"),
    ] {
        scene.fail(broken);
        let said = trouble(&source).await;
        assert!(said.contains(why) && said.contains("what is known stays"), "{why}: {said}");
        assert!(put(&source, write("id:1", BacklogStatus::Paused)).await.is_err() || why.contains("not supported"));
        scene.mend();
        assert_eq!(items(&source).await.len(), 1);
    }
    let nobody = SheetsConfig { base_url: Some("http://127.0.0.1:1".to_owned()), ..scene.config() };
    assert!(trouble(&SheetsBacklog::new(nobody).unwrap()).await.contains("does not answer"));
}

#[tokio::test]
async fn quotas_are_kept_to_and_writes_wait_for_them_too() {
    for (refused, waits) in [
        (None, "60 s"),
        (Some(fault(429, "RESOURCE_EXHAUSTED", "Quota exceeded").header("retry-after", "3600")), "3600 s"),
        (
            Some(Fault {
                body: r#"{"error":{"code":403,"errors":[{"reason":"userRateLimitExceeded"}]}}"#.to_owned(),
                ..fault(403, "", "")
            }),
            "60 s",
        ),
    ] {
        let scene = Scene::with(&["First"]).await;
        let source = scene.source();
        let first = name(&source, "First").await;
        match refused {
            Some(fault) => scene.fail(fault),
            None => scene.quota(Some((0, 0))),
        }
        let said = trouble(&source).await;
        assert!(said.contains("quota of requests is used up") && said.contains(waits), "{said}");
        scene.mend();
        scene.quota(None);
        scene.asked();
        assert!(trouble(&source).await.contains("goes on by itself"));
        let error = put(&source, write(&first, BacklogStatus::InProgress)).await.unwrap_err();
        assert!(error.retry, "{error}");
        assert_eq!(scene.asked(), [], "nothing is asked until the quota is filled again");
    }
    // The moment passes, and it goes on by itself; a write that the quota cut short is whole then.
    let scene = Scene::with(&["First"]).await;
    let source = scene.source();
    let first = name(&source, "First").await;
    scene.fail(fault(429, "RESOURCE_EXHAUSTED", "Quota exceeded").header("retry-after", "1").on("/values:batchUpdate", 1));
    assert!(put(&source, write(&first, BacklogStatus::InProgress)).await.unwrap_err().retry);
    // It may have passed already.
    while let Reading::Unreadable { problem } = source.read().await {
        assert!(problem.message.contains("goes on by itself"), "{}", problem.message);
        source.changed().await;
    }
    assert_eq!(items(&source).await.len(), 1);
    assert_eq!(put(&source, write(&first, BacklogStatus::InProgress)).await, Ok(WriteOutcome::Written));
}

#[tokio::test]
async fn a_key_that_was_revoked_is_said_and_another_one_counts_as_soon_as_it_is_there() {
    let scene = Scene::with(&["First"]).await;
    let source = scene.source();
    items(&source).await;
    // One token is enough.
    items(&source).await;
    let tokens = |scene: &Scene| scene.asked().iter().filter(|asked| asked.path == "/token").count();
    assert_eq!(tokens(&scene), 1);
    scene.revoke_tokens();
    items(&source).await;
    assert_eq!(tokens(&scene), 1, "a token that is refused is asked for once more");
    scene.revoke_keys();
    let said = trouble(&source).await;
    assert!(
        said.contains(&format!("does not accept the key of {EMAIL} (Invalid JWT Signature.)"))
            && said.contains("make another key"),
        "{said}"
    );
    assert!(!put(&source, write("id:1", BacklogStatus::Paused)).await.unwrap_err().retry);
    std::fs::write(scene.key(), scene.make_key().unwrap()).unwrap();
    assert_eq!(items(&source).await.len(), 1);
    for (content, why) in [("", "is no JSON"), ("{\"type\": \"authorized_user\"}", "not `service_account`")] {
        std::fs::write(scene.key(), content).unwrap();
        assert!(trouble(&source).await.contains(why));
    }
    std::fs::remove_file(scene.key()).unwrap();
    assert!(trouble(&source).await.contains("key.json cannot be read"));
}

#[tokio::test]
async fn a_token_is_replaced_before_it_ends() {
    let scene = Scene::with(&["First"]).await;
    scene.token_life(30);
    let source = scene.source();
    items(&source).await;
    items(&source).await;
    let asked = scene.asked();
    assert_eq!(asked.iter().filter(|asked| asked.path == "/token").count() as u64, asked.len() as u64 / 2, "{asked:?}");
    assert!(asked.iter().all(|asked| asked.status == 200));
}

#[tokio::test]
async fn a_spreadsheet_that_may_not_be_seen_or_written_is_said_to_be() {
    let scene = Scene::with(&["First"]).await;
    let source = scene.source();
    let first = name(&source, "First").await;
    scene.share(Role::Viewer);
    assert_eq!(items(&source).await.len(), 1);
    let error = put(&source, write(&first, BacklogStatus::InProgress)).await.unwrap_err();
    assert!(!error.retry && error.fix.contains(&format!("Share the spreadsheet with {EMAIL} as Editor")), "{error}");
    scene.share(Role::Stranger);
    assert!(trouble(&source).await.contains("(403) (The caller does not have permission)"));
    scene.turn_off(true);
    let said = trouble(&source).await;
    assert!(said.contains("an API is not turned on") && said.contains("Turn on the Google Sheets API"), "{said}");
    let other = SheetsConfig { spreadsheet: Spreadsheet::Id("1another-spreadsheet-0123456789".to_owned()), ..scene.config() };
    scene.turn_off(false);
    assert!(trouble(&SheetsBacklog::new(other).unwrap()).await.contains("there is no such spreadsheet (404)"));
}
