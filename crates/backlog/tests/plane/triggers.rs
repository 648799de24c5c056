//! What makes a ticket work, and what a person says by moving it.

use crate::scene::{Scene, items, put, report, statuses, trigger, write};
use strawboss_backlog::plane::{Comments, NewTickets, StatusChange, Triggers};
use strawboss_core::backlog::{BacklogStatus, Report, TicketTrigger};
use strawboss_testkit::plane::{GUEST, OWNER};

#[tokio::test]
async fn new_tickets_are_those_that_came_after_the_first_reading_also_over_a_restart() {
    let scene = Scene::new().await;
    scene.plane.create("Old", "");
    let new = || scene.triggered(Triggers::default());
    assert_eq!(items(&new()).await, []);
    let id = scene.plane.create("New", "");
    let theirs = scene.plane.create("At work on it myself", "");
    scene.plane.move_to(&theirs, "In Progress");
    let source = new();
    let read = items(&source).await;
    assert_eq!((read.len(), read[0].action.as_str(), trigger(&read[0])), (1, "New", TicketTrigger::NewTicket));
    // Somebody looks after it: that asks nothing of us. Closed is closed, opened again is to be done again.
    for (state, status) in [
        ("In Progress", BacklogStatus::Pending),
        ("Cancelled", BacklogStatus::Completed),
        ("In Progress", BacklogStatus::Completed),
        ("Todo", BacklogStatus::Pending),
        ("Done", BacklogStatus::Completed),
    ] {
        scene.plane.move_to(&id, state);
        assert_eq!(statuses(&items(&source).await), [status], "{state}");
        assert_eq!(statuses(&items(&new()).await), [status], "{state}, after a restart");
    }
}

#[tokio::test]
async fn a_move_from_here_to_there_makes_a_ticket_work() {
    let scene = Scene::new().await;
    let plane = &scene.plane;
    let (id, other) = (plane.create("Old", ""), plane.create("Other", ""));
    let change = StatusChange { from: Some("unstarted".to_owned()), to: "In Progress".to_owned() };
    let triggers = Triggers { new_tickets: NewTickets::Off, status_changes: vec![change], ..Triggers::default() };
    let open = || scene.triggered(triggers.clone());
    let source = open();
    assert_eq!(items(&source).await, []);
    plane.create("New", "");
    plane.move_to(&other, "In Progress");
    plane.move_to(&id, "Todo");
    assert_eq!(items(&source).await, [], "neither a new one nor one from elsewhere");
    plane.move_to(&id, "In Progress");
    let read = items(&open()).await;
    assert_eq!((statuses(&read), trigger(&read[0])), (vec![BacklogStatus::Pending], TicketTrigger::StatusChange));
    let source = open();
    put(&source, write(&id, BacklogStatus::Completed, None)).await.unwrap();
    assert_eq!(plane.state_of(&id).as_deref(), Some("Done"));
    // Only the same move makes it work again.
    plane.move_to(&id, "Todo");
    assert_eq!(statuses(&items(&source).await), [BacklogStatus::Completed]);
    plane.move_to(&id, "In Progress");
    assert_eq!(statuses(&items(&source).await), [BacklogStatus::Pending]);
}

#[tokio::test]
async fn a_comment_makes_a_ticket_work_once() {
    let scene = Scene::new().await;
    let plane = &scene.plane;
    let id = plane.create("Old", "");
    plane.comment(&id, OWNER, "<p>@crew long ago</p>");
    let comments = Comments::Holding("@crew".to_owned());
    let triggers = Triggers { new_tickets: NewTickets::Off, comments, ..Triggers::default() };
    let open = || scene.triggered(triggers.clone());
    let source = open();
    assert_eq!(items(&source).await, []);
    plane.comment(&id, OWNER, "<p>something else</p>");
    plane.comment(&id, GUEST, "<p>@crew do it</p>");
    assert_eq!(items(&source).await, [], "neither other words nor a stranger's");
    plane.comment(&id, OWNER, "<p>@Crew do it</p>");
    let source = open();
    let read = items(&source).await;
    assert_eq!((statuses(&read), trigger(&read[0])), (vec![BacklogStatus::Pending], TicketTrigger::CommentAdded));
    assert!(read[0].action.contains("> @Crew do it"), "{}", read[0].action);
    // What is said while it is at work is heard when that is over; what we said ourselves is not.
    put(&source, write(&id, BacklogStatus::InProgress, None)).await.unwrap();
    plane.comment(&id, OWNER, "<p>@crew and that</p>");
    assert_eq!(statuses(&items(&source).await), [BacklogStatus::InProgress]);
    let told = Report { summary: Some("@crew was asked".to_owned()), ..report("antenna-1.1") };
    put(&source, write(&id, BacklogStatus::Completed, Some(told))).await.unwrap();
    assert_eq!(statuses(&items(&source).await), [BacklogStatus::Pending]);
    put(&source, write(&id, BacklogStatus::Completed, None)).await.unwrap();
    for source in [source, open()] {
        assert_eq!(statuses(&items(&source).await), [BacklogStatus::Completed]);
    }
}
