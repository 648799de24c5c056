//! A client written for the ticket daemon that Strawboss replaces.

use crate::old_terminals::{Old, ids};
use crate::support::engine::{Options, Served, print, works};
use crate::support::soon;
use crate::support::tracker::Tracker;
use serde_json::{Value, json};
use std::sync::Arc;
use strawboss_core::backlog::BacklogStatus;

async fn with(tracker: &Arc<Tracker>) -> Served {
    Served::with(Options { tracker: Some(tracker.clone()), legacy: true, ..Options::default() }).await
}

/// Waits until an answer is as it should be.
async fn until(served: &Served, path: &str, holds: impl Fn(&Value) -> bool) -> Value {
    let asking = async {
        loop {
            let answer = served.json(served.admin("GET", path)).await;
            if holds(&answer) {
                return answer;
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    };
    soon(&format!("{path} is as it should be"), asking).await
}

#[tokio::test]
async fn the_session_that_an_approval_names_is_there_by_that_name() {
    let served = with(&Tracker::with(&["Mend it"])).await;
    until(&served, "/api/pending-tickets", |list| list.as_array().is_some_and(|list| list.len() == 1)).await;
    let approving = served.json(served.admin("POST", "/api/approve/WEB-1"));
    let (approved, (_, sandbox, token)) = tokio::join!(approving, served.raised_run_of("demo-1"));
    let session = approved["session_id"].as_str().unwrap();
    assert!(session.starts_with("claude-WEB-1-") && session.len() == "claude-WEB-1-20270104-093000".len(), "{session}");
    let mut link = served.greeted(&sandbox, &token).await;
    works(&mut link).await;
    print(&mut link, 0, b"at work").await;
    let list = served.json(served.admin("GET", "/api/sessions")).await;
    assert_eq!(ids(&list), [session]);
    assert_eq!((&list["sessions"][0]["source"], &list["sessions"][0]["active"]), (&json!("run"), &json!(true)));
    // Whatever name of it was asked for is the one that is answered.
    for name in [session, "claude-web-1-20250101-000000", "demo-1_1"] {
        Old::open(&served, name).await.until("at work").await;
        let path = format!("/api/sessions/{name}");
        let put = served.json(served.admin("PUT", &path).json(&json!({ "projectId": "Demo" }))).await;
        assert_eq!(put["session"]["sessionId"], name);
        let kept = served.json(served.admin("POST", &format!("{path}/keepalive"))).await;
        assert_eq!(kept["session"]["sessionId"], name);
        let windows = served.json(served.admin("GET", &format!("{path}/windows"))).await;
        assert_eq!(windows["sessionId"], name);
    }
    let posted = served.json(served.admin("POST", "/api/sessions").json(&json!({ "terminalId": session }))).await;
    assert_eq!(posted["session"]["sessionId"], session);
    let bare = format!("http://{}/health", served.legacy.unwrap());
    let health = served.json(served.client.get(bare)).await;
    let counts = json!({ "status": "ok", "tmux_service": "ok", "pending_count": 0, "active_count": 1, "completed_count": 0 });
    assert_eq!(health, counts);
}

#[tokio::test]
async fn what_is_said_of_ended_work_is_kept_and_what_is_completed_can_be_deleted() {
    let tracker = Tracker::with(&["Mend it"]);
    let served = with(&tracker).await;
    until(&served, "/api/pending-tickets", |list| list.as_array().is_some_and(|list| list.len() == 1)).await;
    let approving = served.json(served.admin("POST", "/api/approve/WEB-1"));
    let (_, (run, sandbox, token)) = tokio::join!(approving, served.raised_run_of("demo-1"));
    let mut link = served.greeted(&sandbox, &token).await;
    works(&mut link).await;
    served.finishes(&run, &link).await;
    until(&served, "/api/v1/tasks/demo-1", |task| task["state"] == "review").await;
    let update = |summary: &str| served.admin("POST", "/api/update-plane/WEB-1").json(&json!({ "summary": summary }));
    let updated = served.json(update("Mended, says Ann.")).await;
    let said = |posted: bool, moved: bool| json!({ "status": "updated", "ticket_id": "WEB-1", "comment_posted": posted, "state_updated": moved });
    assert_eq!(updated, said(false, false));
    assert_eq!(
        served.json(served.admin("GET", "/api/v1/tasks/demo-1")).await["state"],
        "review",
        "a person decides all the same"
    );
    served.json(served.admin("POST", "/api/v1/reviews/demo-1/approve")).await;
    let done = until(&served, "/api/completed-tickets", |list| list.as_array().is_some_and(|list| !list.is_empty())).await;
    assert_eq!(done[0]["summary"], "Mended, says Ann.");
    let asking = async {
        // Asked first: without a word in between, nobody else would get to write it.
        while served.json(update("Mended, says Ann.")).await != said(true, true)
            || tracker.statuses() != [BacklogStatus::Completed]
        {}
    };
    soon("it is written", asking).await;
    let deleted = served.json(served.admin("DELETE", "/api/tickets/WEB-1")).await;
    assert_eq!(deleted, json!({ "status": "deleted", "ticket_id": "WEB-1" }));
    assert_eq!(served.json(served.admin("GET", "/api/completed-tickets")).await, json!([]));
    assert_eq!(served.status(served.admin("DELETE", "/api/tickets/WEB-1")).await.0, 404);
    assert_eq!(tracker.statuses(), [BacklogStatus::Completed], "there it stays as it is");
}
