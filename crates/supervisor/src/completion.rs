//! The file by which an agent, or whoever sits at its terminal, says that the task is complete: its text is the summary. It
//! lies in the sandbox's own folder for temporary files: agents without walls share a machine, and may have tasks of one name.

use nix::fcntl::OFlag;
use std::fs::OpenOptions;
use std::io::Read as _;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use strawboss_protocol::supervisor::MAX_REPORT_TEXT;

/// The longest name of a task in a file's name.
const MAX_NAME: usize = 64;

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Completion {
    files: Vec<PathBuf>,
    unnamed: PathBuf,
}

impl Completion {
    /// The files of these names in the folder for temporary files. A name that is none is left out.
    pub(crate) fn of(names: &[String], temp: &Path) -> Self {
        let sound = |name: &&String| {
            (1..=MAX_NAME).contains(&name.len())
                && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
        };
        let files = names.iter().filter(sound).map(|name| temp.join(format!("completion-{name}.txt"))).collect();
        Self { files, unnamed: temp.join("completion.txt") }
    }

    /// The one to name to an agent.
    pub(crate) fn file(&self) -> PathBuf {
        self.files.first().unwrap_or(&self.unnamed).clone()
    }

    /// Removes what an earlier run may have left.
    pub(crate) fn clear(&self) {
        for file in &self.files {
            // What cannot be removed is another user's, whose word does not count.
            let _ = std::fs::remove_file(file);
        }
    }

    /// The summary, once one of the files has a text; it is removed then. The first line that says something ends what may
    /// still be in the making: an empty file is one that is being written.
    pub(crate) fn take(&self) -> Option<String> {
        let (file, text) = self.files.iter().find_map(|file| Some((file, read(file)?)))?;
        let _ = std::fs::remove_file(file);
        Some(text)
    }
}

/// A file of this user's own, no link, as far as a summary goes.
fn read(file: &PathBuf) -> Option<String> {
    let flags = (OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK).bits();
    let mut opened = OpenOptions::new().read(true).custom_flags(flags).open(file).ok()?;
    let found = opened.metadata().ok()?;
    if !found.is_file() || found.uid() != nix::unistd::getuid().as_raw() {
        return None;
    }
    let mut bytes = Vec::new();
    opened.by_ref().take(MAX_REPORT_TEXT as u64).read_to_end(&mut bytes).ok()?;
    let text = String::from_utf8_lossy(&bytes).trim().to_owned();
    (!text.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::Completion;
    use std::os::unix::fs::symlink;

    #[test]
    fn the_file_of_a_task_is_read_once_and_only_when_it_is_one() {
        let temp = tempfile::tempdir().unwrap();
        let odd = ["../../etc/passwd", "", "a b", &"x".repeat(65)].map(str::to_owned);
        assert!(Completion::of(&odd, temp.path()).files.is_empty());
        let completion = Completion::of(&["web-1".to_owned()], temp.path());
        let file = completion.file();
        assert_eq!(file, temp.path().join("completion-web-1.txt"));
        assert_eq!(completion.take(), None);
        std::fs::write(&file, " \n").unwrap();
        assert_eq!(completion.take(), None, "it is being written");
        std::fs::write(&file, "All is well.\n").unwrap();
        assert_eq!(completion.take().as_deref(), Some("All is well."));
        assert_eq!(completion.take(), None);
        let named = Completion::of(&["web-1".to_owned(), "acme/app#12".to_owned(), "WEB-12".to_owned()], temp.path());
        assert_eq!((named.files.len(), named.file()), (2, file.clone()), "what is no file's name is left out");
        std::fs::write(temp.path().join("completion-WEB-12.txt"), "By the ticket's name.").unwrap();
        assert_eq!(named.take().as_deref(), Some("By the ticket's name."));
        symlink("/etc/hostname", &file).unwrap();
        assert_eq!(completion.take(), None, "no link is followed");
        completion.clear();
        assert!(!file.exists());
    }
}
