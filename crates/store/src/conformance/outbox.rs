//! The outbox: in order per key, the newest truth only, again until it lands.

use super::{Fixture, sample};
use strawboss_core::Timestamp;
use strawboss_core::store::{ChangeSet, Message, NewMessage, OUTBOX_HORIZON_MS, Store};

async fn send(store: &dyn Store, messages: Vec<NewMessage>) {
    store.commit(&ChangeSet { outbox: messages, ..ChangeSet::default() }).await.unwrap();
}

async fn due(store: &dyn Store, now: i64) -> Vec<Message> {
    store.outbox_due(Timestamp(now), 1_000).await.unwrap()
}

async fn delivered(store: &dyn Store, ids: Vec<i64>) {
    store.commit(&ChangeSet { delivered: ids, ..ChangeSet::default() }).await.unwrap();
}

fn payloads(messages: &[Message]) -> Vec<&str> {
    messages.iter().map(|message| message.payload.as_str()).collect()
}

/// Of each key only the oldest is due; the next comes when it is carried out.
pub async fn the_outbox_keeps_the_order_of_a_key(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    let hard = sample::HARD_TEXT.replace('\u{0}', "");
    send(&*store, vec![sample::message("a", "first", "a1", 10), sample::message("a", "second", "a2", 10)]).await;
    send(&*store, vec![sample::message(&hard, "first", &hard, 10), sample::message("a", "third", "a3", 10)]).await;
    let now = due(&*store, 10).await;
    assert_eq!(payloads(&now), ["a1", &hard]);
    assert_eq!((now[1].key.as_str(), now[1].topic.as_str()), (hard.as_str(), "first"));
    assert_eq!((now[0].failures, &now[0].last_error, now[0].at, now[0].due_at), (0, &None, Timestamp(10), Timestamp(10)));
    // Nothing is taken by asking.
    assert_eq!(due(&*store, 10).await, now);
    assert_eq!(payloads(&store.outbox_due(Timestamp(10), 1).await.unwrap()), ["a1"]);
    assert_eq!(store.outbox_due(Timestamp(10), 0).await.unwrap(), []);
    delivered(&*store, vec![now[0].id]).await;
    assert_eq!(payloads(&due(&*store, 10).await), ["a2", &hard]);
    assert_eq!(payloads(&store.outbox_list(100).await.unwrap()), ["a2", &hard, "a3"]);
    assert_eq!(payloads(&store.outbox_list(2).await.unwrap()), ["a2", &hard]);
}

/// Same key and topic: the old truth goes, with its failures; the new one stands behind the others of its key.
pub async fn a_later_message_replaces_a_waiting_one(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    send(&*store, vec![sample::message("a", "status", "old", 1), sample::message("a", "note", "note", 1)]).await;
    send(&*store, vec![sample::message("b", "status", "other key", 1)]).await;
    let old = due(&*store, 1).await.remove(0);
    store.outbox_failed(old.id, "no", Timestamp(1)).await.unwrap();
    send(&*store, vec![sample::message("a", "status", "new", 2)]).await;
    let waiting = store.outbox_list(100).await.unwrap();
    assert_eq!(payloads(&waiting), ["note", "other key", "new"]);
    assert_eq!((waiting[2].failures, waiting[2].last_error.as_deref()), (0, None));
    assert!(waiting[2].id > old.id);
    // Who carried the old one out meanwhile says so about a message that is gone: the new one stays.
    delivered(&*store, vec![old.id]).await;
    store.outbox_failed(old.id, "late", Timestamp(99)).await.unwrap();
    assert_eq!(store.outbox_list(100).await.unwrap(), waiting);
    // Within one change set the last one counts as well.
    send(&*store, vec![sample::message("c", "status", "1", 3), sample::message("c", "status", "2", 3)]).await;
    assert_eq!(payloads(&store.outbox_list(100).await.unwrap()), ["note", "other key", "new", "2"]);
}

/// It is tried again at the time that was said, and what is behind it in its key waits with it.
pub async fn a_failed_message_waits_and_holds_its_key(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    send(&*store, vec![sample::message("a", "one", "a1", 1), sample::message("a", "two", "a2", 1)]).await;
    send(&*store, vec![sample::message("b", "one", "b1", 1)]).await;
    let first = due(&*store, 1).await.remove(0);
    store.outbox_failed(first.id, "the file is locked", Timestamp(50)).await.unwrap();
    store.outbox_failed(first.id, sample::HARD_TEXT, Timestamp(60)).await.unwrap();
    assert_eq!(payloads(&due(&*store, 59).await), ["b1"]);
    let again = due(&*store, 60).await;
    assert_eq!(payloads(&again), ["b1", "a1"]);
    assert_eq!((again[1].failures, again[1].due_at, again[1].at), (2, Timestamp(60), Timestamp(1)));
    assert!(again[1].last_error.as_deref().is_some_and(|error| error.contains("日本語")));
    // An endless text is cut, at a character.
    store.outbox_failed(first.id, &"é".repeat(100_000), Timestamp(70)).await.unwrap();
    let stored = store.outbox_list(1).await.unwrap().remove(0).last_error.unwrap();
    assert!(stored.len() <= 4096 && stored.chars().all(|c| c == 'é'), "{} bytes", stored.len());
    delivered(&*store, vec![first.id]).await;
    assert_eq!(payloads(&due(&*store, 1).await), ["a2", "b1"]);
}

/// Made for later: not carried out before.
pub async fn a_message_is_not_due_before_its_time(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    send(&*store, vec![sample::message("a", "one", "later", 100), sample::message("b", "one", "now", 5)]).await;
    assert_eq!(due(&*store, 4).await, []);
    assert_eq!(payloads(&due(&*store, 5).await), ["now"]);
    assert_eq!(payloads(&due(&*store, 100).await), ["now", "later"]);
}

/// Dated by a clock that was set back since: it does not wait until that moment comes again.
pub async fn a_message_of_a_clock_that_was_set_back_is_due(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    let hour = 3_600_000;
    send(&*store, vec![sample::message("a", "one", "a1", hour), sample::message("a", "two", "a2", hour)]).await;
    send(&*store, vec![sample::message("b", "one", "soon", OUTBOX_HORIZON_MS), sample::message("c", "one", "now", 0)]).await;
    assert_eq!(payloads(&due(&*store, 0).await), ["now", "a1"]);
    assert_eq!(payloads(&store.outbox_due(Timestamp(0), 1).await.unwrap()), ["now"]);
    // Failing, it waits by the clock as it is now.
    let first = due(&*store, 0).await.remove(1);
    store.outbox_failed(first.id, "no", Timestamp(1_000)).await.unwrap();
    assert_eq!(payloads(&due(&*store, 999).await), ["now"]);
    assert_eq!(payloads(&due(&*store, 1_000).await), ["now", "a1"]);
}

/// A short list is not filled for ever by old messages that fail again and again.
pub async fn failing_messages_do_not_keep_others_out(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    let bad = (0..5).map(|number| sample::message(&format!("bad{number}"), "t", "bad", 1)).collect();
    send(&*store, bad).await;
    send(&*store, vec![sample::message("good", "t", "good", 1)]).await;
    for now in 1..=3 {
        for message in store.outbox_due(Timestamp(now), 3).await.unwrap() {
            if message.payload == "good" {
                return;
            }
            store.outbox_failed(message.id, "no", Timestamp(now + 1)).await.unwrap();
        }
    }
    panic!("the good message never came up");
}

/// Gone for good, and numbers are not used again.
pub async fn delivered_messages_are_gone(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    send(&*store, vec![sample::message("a", "t", "1", 1), sample::message("b", "t", "2", 1)]).await;
    let ids: Vec<_> = due(&*store, 1).await.iter().map(|message| message.id).collect();
    // In one change set: the old ones are carried out, a new one is made.
    let changes = ChangeSet {
        delivered: vec![ids[0], ids[1], 987_654],
        outbox: vec![sample::message("a", "t", "3", 1)],
        ..ChangeSet::default()
    };
    store.commit(&changes).await.unwrap();
    let left = store.outbox_list(10).await.unwrap();
    assert_eq!(payloads(&left), ["3"]);
    assert!(left[0].id > ids[1]);
    delivered(&*store, vec![left[0].id]).await;
    assert_eq!(store.outbox_list(10).await.unwrap(), []);
    send(&*store, vec![sample::message("a", "t", "4", 1)]).await;
    assert!(due(&*store, 1).await[0].id > left[0].id);
}
