//! What a ticket waits for, and what it does not wait for any more.

use crate::scene::{Scene, items, put, write};
use strawboss_backlog::PlaneBacklog;
use strawboss_backlog::plane::{NewTickets, Triggers};
use strawboss_core::backlog::BacklogStatus;

/// Whether the ticket of this title waits for something.
async fn waits(source: &PlaneBacklog, title: &str) -> bool {
    !items(source).await.into_iter().find(|item| item.action == title).unwrap().depends_on.is_empty()
}

#[tokio::test]
async fn what_went_away_is_not_waited_for_unless_it_comes_back() {
    let scene = Scene::new().await;
    let plane = &scene.plane;
    let blockers: Vec<String> = ["Deleted", "Archived", "Done", "Archived before"].map(|name| plane.create(name, "")).into();
    plane.archive(&blockers[3]);
    for (at, blocker) in blockers.iter().enumerate() {
        let id = plane.create(&format!("Ticket {at}"), "");
        plane.block(&id, blocker);
    }
    let source = scene.open();
    assert!(waits(&source, "Ticket 0").await && waits(&source, "Ticket 1").await && waits(&source, "Ticket 2").await);
    assert!(!waits(&source, "Ticket 3").await, "it was in the archive before it was ever seen");
    plane.delete(&blockers[0]);
    plane.archive(&blockers[1]);
    plane.move_to(&blockers[2], "Done");
    assert!(!waits(&source, "Ticket 2").await);
    plane.archive(&blockers[2]);
    for source in [source, scene.open()] {
        for at in 0..4 {
            assert!(!waits(&source, &format!("Ticket {at}")).await, "Ticket {at}");
        }
    }
    let source = scene.open();
    items(&source).await;
    plane.asked();
    items(&source).await;
    let asked = plane.asked();
    assert_eq!(asked.len(), 2, "what is known to be gone is not asked for: {asked:?}");
    plane.restore(&blockers[1]);
    assert!(waits(&source, "Ticket 1").await);
    plane.archive(&blockers[1]);
    assert!(!waits(&source, "Ticket 1").await);
}

#[tokio::test]
async fn what_was_never_work_itself_is_known_to_be_gone_as_well() {
    let scene = Scene::new().await;
    let plane = &scene.plane;
    let blocker = plane.create("Old", "");
    let triggers = || Triggers { new_tickets: NewTickets::New, ..Triggers::default() };
    let source = scene.triggered(triggers());
    assert_eq!(items(&source).await, []);
    let id = plane.create("New", "");
    plane.block(&id, &blocker);
    assert!(waits(&source, "New").await);
    put(&source, write(&id, BacklogStatus::Queued, None)).await.unwrap();
    plane.delete(&blocker);
    assert!(!waits(&scene.triggered(triggers()), "New").await);
}

#[tokio::test]
async fn what_moved_to_a_project_that_is_not_read_is_still_waited_for() {
    let scene = Scene::new().await;
    let plane = &scene.plane;
    plane.project("APP");
    let (blocker, id) = (plane.create("Blocker", ""), plane.create("Ticket", ""));
    plane.block(&id, &blocker);
    let source = scene.open();
    assert!(waits(&source, "Ticket").await);
    plane.transfer(&blocker, "APP");
    for source in [source, scene.open()] {
        assert!(waits(&source, "Ticket").await);
    }
    plane.transfer(&blocker, "WEB");
    let source = scene.open();
    assert!(waits(&source, "Ticket").await);
    plane.move_to(&blocker, "Done");
    assert!(!waits(&source, "Ticket").await);
}
