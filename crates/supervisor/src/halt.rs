//! Why the work is to stop before its own end, told to everybody who waits for something.

use std::time::Duration;
use tokio::sync::watch;

/// Why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Halt {
    /// A person, the engine, or a signal to the sandbox asks for it.
    Stop {
        /// How long the agent has to end by itself.
        grace: Duration,
    },
    /// The time limit is over.
    TimedOut {
        /// It.
        limit: Duration,
    },
    /// The volume holds more than it may.
    DiskFull {
        /// Bytes on it.
        used: u64,
        /// Bytes allowed.
        limit: u64,
    },
}

impl Halt {
    /// How long a process has between SIGTERM and SIGKILL. What fills a disk gets none.
    pub(crate) fn grace(&self) -> Duration {
        match self {
            Self::Stop { grace } => *grace,
            Self::TimedOut { .. } => Duration::from_secs(5),
            Self::DiskFull { .. } => Duration::ZERO,
        }
    }

    /// The reason in words, for a person.
    pub(crate) fn words(&self) -> String {
        match self {
            Self::Stop { .. } => "stopped on request".to_owned(),
            Self::TimedOut { limit } => format!("timed out: the project's limit is {} s", limit.as_secs()),
            Self::DiskFull { used, limit } => {
                format!("disk full: workspace and home hold {} MiB, the project's limit is {} MiB", used >> 20, limit >> 20)
            }
        }
    }
}

/// Where halts are asked for and waited for. The first reason counts; a stop may shorten its grace later.
#[derive(Debug)]
pub(crate) struct Halts {
    halt: watch::Sender<Option<Halt>>,
    terminated: watch::Sender<bool>,
    dismissed: watch::Sender<bool>,
}

impl Default for Halts {
    fn default() -> Self {
        Self { halt: watch::Sender::new(None), terminated: watch::Sender::new(false), dismissed: watch::Sender::new(false) }
    }
}

impl Halts {
    /// Asks for it.
    pub(crate) fn ask(&self, halt: Halt) {
        self.halt.send_if_modified(|now| match (&*now, &halt) {
            (None, _) => {
                *now = Some(halt);
                true
            }
            (Some(Halt::Stop { grace: old }), Halt::Stop { grace: new }) if new < old => {
                *now = Some(halt);
                true
            }
            _ => false,
        });
    }

    /// The sandbox itself is told to end.
    pub(crate) fn terminate(&self, grace: Duration) {
        self.terminated.send_replace(true);
        self.ask(Halt::Stop { grace });
    }

    /// The control plane wants nothing more.
    pub(crate) fn dismiss(&self) {
        self.dismissed.send_replace(true);
    }

    /// Whether the sandbox is told to end.
    pub(crate) fn is_terminated(&self) -> bool {
        *self.terminated.borrow()
    }

    /// Whether the control plane wants nothing more.
    pub(crate) fn is_dismissed(&self) -> bool {
        *self.dismissed.borrow()
    }

    /// The reason, when there is one already.
    pub(crate) fn now(&self) -> Option<Halt> {
        self.halt.borrow().clone()
    }

    /// Returns when there is a reason.
    pub(crate) async fn asked(&self) -> Halt {
        let mut halt = self.halt.subscribe();
        loop {
            if let Some(halt) = halt.borrow_and_update().clone() {
                return halt;
            }
            if halt.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }

    /// Returns when the reason's grace is over, counted from its asking; follows a stop that becomes more urgent.
    pub(crate) async fn patience(&self) {
        let mut halt = self.halt.subscribe();
        let asked = tokio::time::Instant::now();
        loop {
            let until = halt.borrow_and_update().as_ref().map(|halt| asked + halt.grace());
            let Some(until) = until else {
                let _ = halt.changed().await;
                continue;
            };
            tokio::select! {
                () = tokio::time::sleep_until(until) => return,
                _ = halt.changed() => {}
            }
        }
    }

    /// Returns when the sandbox is told to end.
    pub(crate) async fn terminated(&self) {
        wait(&self.terminated).await;
    }

    /// Returns when the control plane wants nothing more.
    pub(crate) async fn dismissed(&self) {
        wait(&self.dismissed).await;
    }
}

async fn wait(flag: &watch::Sender<bool>) {
    // The sender is borrowed for as long, so the channel cannot close.
    let _ = flag.subscribe().wait_for(|set| *set).await;
}
