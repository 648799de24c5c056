//! Whose objects pass: one installation's, named by a flag or remembered from its first call.

use crate::refusal::{Refusal, quoted};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// The one installation that is served. `strawboss doctor` works as one of its own, which lives as long as it.
#[derive(Debug)]
pub(crate) struct Installation {
    known: Mutex<Option<String>>,
    /// Where it is remembered; none: in memory alone.
    file: Option<PathBuf>,
}

impl Installation {
    pub(crate) fn new(named: Option<String>, file: Option<PathBuf>) -> io::Result<Self> {
        if let Some(id) = &named
            && !is_id(id)
        {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, format!("{} is no installation's id", quoted(id))));
        }
        let file = file.filter(|_| named.is_none());
        let remembered = match file.as_deref().map(remembered) {
            Some(Ok(text)) => Some(text.trim().to_owned()).filter(|id| is_id(id)),
            Some(Err(error)) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => None,
        };
        Ok(Self { known: Mutex::new(named.or(remembered)), file })
    }

    /// Whether `id` is served. The first one that comes is from then on.
    pub(crate) fn admit(&self, id: &str) -> Result<(), Refusal> {
        let refuse = |why: String| Err(Refusal::new("installation", why));
        if !is_id(id) {
            return refuse(format!("{} is no installation's id", quoted(id)));
        }
        if is_doctor(id) {
            return Ok(());
        }
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        match known.as_deref() {
            Some(served) if served == id => Ok(()),
            Some(_) => {
                let file = self
                    .file
                    .as_ref()
                    .map(|file| format!("; to serve another one, remove {} and start it again", file.display()));
                refuse(format!("this proxy serves another installation than {}{}", quoted(id), file.unwrap_or_default()))
            }
            None => {
                if let Some(file) = &self.file {
                    let mut options = std::fs::OpenOptions::new();
                    let written = options.write(true).create(true).truncate(true).mode(0o600).custom_flags(NO_LINK).open(file);
                    if let Err(error) = written.and_then(|mut file| writeln!(file, "{id}").and_then(|()| file.sync_all())) {
                        return refuse(format!("which installation is served cannot be written to {}: {error}", file.display()));
                    }
                }
                tracing::info!(installation.id = %id, "from now on this installation alone is served");
                *known = Some(id.to_owned());
                Ok(())
            }
        }
    }
}

const NO_LINK: i32 = rustix::fs::OFlags::NOFOLLOW.bits() as i32;

/// Our own word alone: before the folder was ours, somebody else may have put a file there.
fn remembered(file: &Path) -> io::Result<String> {
    let open = std::fs::OpenOptions::new().read(true).custom_flags(NO_LINK).open(file)?;
    if open.metadata()?.uid() != rustix::process::geteuid().as_raw() {
        return Err(io::Error::other(format!("{} was written by somebody else; remove it", file.display())));
    }
    let mut text = String::new();
    open.take(1024).read_to_string(&mut text)?;
    Ok(text)
}

fn is_id(id: &str) -> bool {
    !id.is_empty() && id.len() <= 128 && id.bytes().all(|b| b.is_ascii_alphanumeric() || b"_.-".contains(&b))
}

fn is_doctor(id: &str) -> bool {
    id.strip_prefix("doctor").is_some_and(|pid| pid.bytes().all(|b| b.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::Installation;

    #[test]
    fn the_first_one_is_served_and_remembered() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("installation");
        let served = Installation::new(None, Some(file.clone())).unwrap();
        assert!(served.admit("doctor12").is_ok() && !file.exists());
        assert!(served.admit("a").is_ok() && served.admit("a").is_ok());
        for served in [served, Installation::new(None, Some(file)).unwrap()] {
            assert_eq!(served.admit("b").unwrap_err().rule, "installation");
            assert!(served.admit("a").is_ok() && served.admit("doctor7").is_ok());
            for wrong in ["", "doctors", "doctor7x", "a b", "a=b"] {
                assert!(served.admit(wrong).is_err(), "{wrong}");
            }
        }
        let named = Installation::new(Some("b".to_owned()), None).unwrap();
        assert!(named.admit("b").is_ok() && named.admit("a").is_err());
        assert!(Installation::new(Some("a b".to_owned()), None).is_err());
    }
}
