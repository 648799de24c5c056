//! The moments of a write at which a process can die, a disk fail or a person save, named so that tests can make
//! exactly that happen there.

use std::io;
use std::sync::Arc;

/// A moment of a write: right before what its name says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Step {
    /// The new content is written to a file of its own.
    WriteAside,
    /// That file gets its final name.
    NameAside,
    /// The last look at the person's file.
    LastLook,
    /// The two files change places.
    Exchange,
    /// What was displaced is compared with what was read.
    Verify,
    /// The two change places again, since a person saved meanwhile.
    ExchangeBack,
    /// The displaced file is removed.
    RemoveDisplaced,
    /// The backup of a write in place is made.
    MakeBackup,
    /// The backup gets its final name.
    NameBackup,
    /// The file is opened for writing in place.
    OpenInPlace,
    /// The next piece is written in place.
    WritePiece,
    /// The file is cut to its new length.
    Truncate,
    /// What was written in place is read again.
    VerifyInPlace,
    /// The backup is removed.
    RemoveBackup,
}

/// Who is told of each step. Nobody, outside tests.
#[derive(Clone, Default)]
pub(crate) struct Steps(Option<Arc<dyn Fn(Step) -> io::Result<()> + Send + Sync>>);

impl std::fmt::Debug for Steps {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Steps").field(&self.0.is_some()).finish()
    }
}

impl Steps {
    /// Tells `watcher`; its error stands for the operating system's at this step, its panic for the process's death.
    #[cfg(test)]
    pub(crate) fn watched(watcher: impl Fn(Step) -> io::Result<()> + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(watcher)))
    }

    pub(crate) fn reached(&self, step: Step) -> io::Result<()> {
        self.0.as_ref().map_or(Ok(()), |watcher| watcher(step))
    }

    /// The size of pieces of a write in place in bytes: small when tests watch, so that there are many.
    pub(crate) fn piece(&self) -> usize {
        if self.0.is_some() { 7 } else { 64 << 10 }
    }
}
