//! What a command was caused by: a request's number, noted where the command is given and looked up where it is carried
//! out, which is a task of its own and later.
//!
//! For the log and the supervisor's alone: nothing is decided by it, it is kept in memory, and a restart forgets it.

use crate::shared::lock;
use std::collections::HashMap;
use std::future::Future;
use std::hash::Hash;
use std::sync::Mutex;

/// How many causes are kept; what is beyond is forgotten all together.
const KEPT: usize = 10_000;

tokio::task_local! {
    static CAUSE: String;
}

/// Does `work` on behalf of this request.
pub async fn on_behalf<T>(request: String, work: impl Future<Output = T>) -> T {
    CAUSE.scope(request, work).await
}

/// The request on whose behalf this is done, if there is one.
pub fn current() -> Option<String> {
    CAUSE.try_with(Clone::clone).ok()
}

/// Causes of what is to be done to things of one kind.
pub(crate) struct Causes<K>(Mutex<HashMap<K, String>>);

impl<K> Default for Causes<K> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Eq + Hash + Clone> Causes<K> {
    /// Notes on whose behalf something is to be done.
    pub(crate) fn note(&self, key: &K) {
        let Some(cause) = current() else { return };
        let mut causes = lock(&self.0);
        if causes.len() >= KEPT {
            causes.clear();
        }
        causes.insert(key.clone(), cause);
    }

    /// What was noted, once.
    pub(crate) fn take(&self, key: &K) -> Option<String> {
        lock(&self.0).remove(key)
    }
}

#[cfg(test)]
mod tests {
    use super::{Causes, KEPT, current, on_behalf};

    #[tokio::test]
    async fn a_cause_is_found_by_whoever_carries_it_out() {
        let causes = Causes::default();
        causes.note(&1);
        assert_eq!(causes.take(&1), None, "nobody asked");
        on_behalf("r-1".to_owned(), async {
            assert_eq!(current().as_deref(), Some("r-1"));
            causes.note(&1);
        })
        .await;
        assert_eq!((causes.take(&1).as_deref(), causes.take(&1)), (Some("r-1"), None));
    }

    #[tokio::test]
    async fn causes_that_nobody_takes_do_not_pile_up() {
        let causes = Causes::default();
        on_behalf("r".to_owned(), async {
            for key in 0..=KEPT {
                causes.note(&key);
            }
        })
        .await;
        assert!(causes.take(&0).is_none() && causes.take(&KEPT).is_some());
    }
}
