//! One suite that every database behind [`Store`] must pass.
//!
//! Each case is a function that panics when the store under it breaks a rule of the port. [`conformance_tests!`](crate::conformance_tests)
//! makes one test of each. The suite must not know which database it runs on: what is special to one has tests of its own.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a broken rule is reported by a panic, as in any test"
)]

mod cases;
mod entities;
mod lists;
mod outbox;
pub mod sample;

pub use cases::*;
pub use entities::*;
pub use lists::*;
pub use outbox::*;

use std::sync::Arc;
use strawboss_core::store::Store;

/// One database, empty at first.
#[async_trait::async_trait]
pub trait Fixture: Send + Sync {
    /// A handle on it. Every call gives another one on the same state, as a second process would have it, where the
    /// database can do that; a database in memory gives the same one again.
    async fn open(&self) -> Arc<dyn Store>;
}

/// Makes one `#[tokio::test]` of each case of the suite. The argument is an expression that gives a future of a
/// [`Fixture`], made anew for each case.
#[macro_export]
macro_rules! conformance_tests {
    ($fixture:expr) => {
        $crate::conformance_tests! { @cases $fixture;
            what_is_stored_comes_back_whole
            long_texts_come_back_whole
            versions_guard_every_write
            writers_that_retry_lose_no_update
            a_change_set_is_kept_whole_or_not_at_all
            a_dropped_commit_is_kept_whole_or_not_at_all
            an_empty_change_set_writes_nothing
            a_task_has_at_most_one_live_run
            of_many_runs_at_once_one_becomes_live
            a_run_may_end_and_the_next_start_together
            what_belongs_to_nothing_is_refused
            lists_of_tasks_are_filtered
            lists_of_tasks_are_paged
            tasks_are_counted_by_state
            sessions_are_listed_apart
            states_are_told_by_id
            tasks_are_found_by_their_source
            runs_are_listed_in_order
            sandboxes_are_listed_until_removed
            the_outbox_keeps_the_order_of_a_key
            a_later_message_replaces_a_waiting_one
            a_failed_message_waits_and_holds_its_key
            a_message_is_not_due_before_its_time
            failing_messages_do_not_keep_others_out
            delivered_messages_are_gone
            reports_are_kept_once
            reports_are_paged
            reports_are_bounded
            reports_are_counted_and_removed_by_run
            the_last_run_of_each_project_is_known
            a_message_of_a_clock_that_was_set_back_is_due
            numbers_are_never_given_twice
            a_setting_is_set_once
            tokens_are_kept
            accounts_are_kept
            a_store_answers
            all_is_there_after_opening_again
        }
    };
    (@cases $fixture:expr; $($case:ident)*) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                let fixture = $fixture.await;
                $crate::conformance::$case(&fixture).await;
            }
        )*
    };
}
