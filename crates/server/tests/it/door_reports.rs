//! What a sandbox's supervisor may say over its control channel, and that nothing else is believed.

use crate::support::engine::{Served, acknowledged, greet, works};
use crate::support::soon;
use bytes::Bytes;
use strawboss_core::Timestamp;
use strawboss_core::run::CheckResult;
use strawboss_engine::Refused;
use strawboss_engine::link::{FromLink, SupervisorLink, ToLink};
use strawboss_protocol::supervisor::{End, FromSupervisor, Hello, MAX_BINARY_FRAME, Phase, Report, ReportBody, VERSION};

fn text(message: &FromSupervisor) -> FromLink {
    FromLink::Text(serde_json::to_string(message).unwrap())
}

fn report(seq: u64, body: ReportBody) -> FromLink {
    text(&FromSupervisor::Report(Report { seq, at: Timestamp(0), body }))
}

fn pushed(reference: &str, commit: &str) -> ReportBody {
    ReportBody::Pushed { reference: reference.to_owned(), commit: commit.to_owned() }
}

fn terminal(offset: u64, length: usize) -> FromLink {
    let mut frame = offset.to_be_bytes().to_vec();
    frame.resize(8 + length, b'x');
    FromLink::Binary(Bytes::from(frame))
}

/// Returns when the engine has hung up; what it still says before that does not count.
async fn hung_up(link: &mut SupervisorLink, after: &str) {
    let end = async { while link.outgoing.recv().await.is_some() {} };
    soon(&format!("that the engine hangs up on {after}"), end).await;
}

#[tokio::test]
async fn the_token_is_the_first_callers_alone_and_nothing_is_said_without_it() {
    let served = Served::new().await;
    let (_, sandbox, token) = served.raised_run().await;
    let again = served.engine.door_token(&sandbox).await;
    assert!(matches!(again, Err(Refused::Conflict { .. })), "{again:?}");
    for guess in ["", "0", &"0".repeat(64), &token.to_uppercase(), &token[..63]] {
        assert!(matches!(served.engine.door_connect(&sandbox, guess), Err(Refused::Forbidden(_))), "`{guess}` is let in");
    }
    served.greeted(&sandbox, &token).await;
}

#[tokio::test]
async fn what_a_sandbox_cannot_have_done_is_not_believed() {
    let served = Served::new().await;
    let (run, sandbox, token) = served.raised_run().await;
    let own = format!("refs/heads/strawboss/{}", run.task());
    let commit = "0123456789abcdef0123456789abcdef01234567";
    let green = CheckResult { command: "true".to_owned(), exit_code: Some(0), duration_ms: 1, output_tail: String::new() };
    let hello = FromSupervisor::Hello(Hello {
        version: VERSION,
        has_orders: true,
        terminal_end: 0,
        terminal_start: 0,
        report_end: 0,
        takes_questions: true,
    });
    let lies = [
        ("green checks from the agent's sandbox", report(1, ReportBody::Check { index: 0, result: green })),
        ("a push to the target", report(1, pushed("refs/heads/main", commit))),
        ("a push to another run's branch", report(1, pushed("refs/heads/strawboss/demo-99", commit))),
        ("a push of no commit", report(1, pushed(&own, "HEAD"))),
        ("a report out of order", report(2, ReportBody::Phase { phase: Phase::Working })),
        ("a second hello", text(&hello)),
        ("a terminal that begins in a petabyte", terminal(1 << 51, 1)),
        ("a terminal frame without an offset", FromLink::Binary(Bytes::from_static(b"short"))),
        ("a terminal frame that is too long", terminal(0, MAX_BINARY_FRAME)),
        ("no JSON", FromLink::Text("done".to_owned())),
    ];
    for (lie, frame) in lies {
        let mut link = served.greeted(&sandbox, &token).await;
        link.incoming.send(frame).await.unwrap();
        hung_up(&mut link, lie).await;
    }
    let shown = served.json(served.admin("GET", &format!("/api/v1/runs/{run}"))).await;
    assert_eq!((&shown["checks"], &shown["run"]["green"]), (&serde_json::json!([]), &serde_json::Value::Null), "{shown}");
    let (_, printed) = served.status(served.admin("GET", &format!("/api/v1/runs/{run}/terminal?from=0"))).await;
    assert_eq!(printed, "", "nothing of it is recorded");

    // What it can have done is; said twice, it counts once.
    let mut link = served.greeted(&sandbox, &token).await;
    for _ in 0..2 {
        link.incoming.send(report(1, pushed(&own, commit))).await.unwrap();
    }
    link.incoming.send(report(2, ReportBody::Done { end: End::AgentFailed { detail: "it gave up".to_owned() } })).await.unwrap();
    acknowledged(&mut link, "\"reports\":2").await;
}

#[tokio::test]
async fn a_person_is_heard_by_a_supervisor_that_was_greeted_or_told_to_try_again() {
    let served = Served::new().await;
    let (run, sandbox, token) = served.raised_run().await;
    let mut link = served.greeted(&sandbox, &token).await;
    works(&mut link).await;
    // It dials again, and has not said hello yet: what it hears before the greeting, it cannot take.
    let mut link = served.engine.door_connect(&sandbox, &token).unwrap();
    let say = || served.admin("POST", &format!("/api/v1/runs/{run}/say")).json(&serde_json::json!({ "text": "are you there?" }));
    assert_eq!(served.status(say()).await.0, 503);
    greet(&mut link).await;
    // The greeting is on its way a moment before it counts.
    let saying = async {
        while served.status(say()).await.0 != 204 {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    };
    soon("the line is taken", saying).await;
    // How it stands with its agent's questions is told when it was greeted too, before the line or after it.
    let heard =
        async { while !matches!(link.outgoing.recv().await.unwrap(), ToLink::Text(text) if text.contains("are you there?")) {} };
    soon("the line", heard).await;
}
