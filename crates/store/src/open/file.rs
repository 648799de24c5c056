//! The file under SQLite: finding or making it, keeping others out of it, and noticing when it is taken away.

use super::OpenError;
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Which file it is, whatever its path leads to later.
#[derive(Debug)]
pub(crate) struct Identity {
    path: PathBuf,
    device: u64,
    inode: u64,
}

impl Identity {
    /// The file that is there now.
    pub(crate) fn of(path: &Path) -> io::Result<Self> {
        let found = std::fs::metadata(path)?;
        Ok(Self { path: path.to_owned(), device: found.dev(), inode: found.ino() })
    }

    /// Whether the path still leads to it. SQLite goes on writing into a file that was deleted or replaced, and all of
    /// it would be gone with the process.
    pub(crate) fn is_there(&self) -> bool {
        Self::of(&self.path).is_ok_and(|now| (now.device, now.inode) == (self.device, self.inode))
    }
}

/// Makes the file and its folder when they are not there, and takes other people's rights to it away: it holds prompts
/// and hashes of tokens. Gives back its absolute path.
pub(crate) fn prepare(path: &Path) -> Result<PathBuf, OpenError> {
    let failed = |source| OpenError::File { path: path.to_owned(), source };
    let unusable = |why: &str| OpenError::Unusable { place: path.display().to_string(), why: why.to_owned() };
    let name = path.file_name().ok_or_else(|| unusable("it names no file"))?;
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(failed)?;
    let path = folder.canonicalize().map_err(failed)?.join(name);
    match std::fs::metadata(&path) {
        Ok(found) if !found.is_file() => return Err(unusable("it is no regular file")),
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let made = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
            match made {
                Ok(_) => {}
                // Another process was faster.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(failed(error)),
            }
        }
        Err(error) => return Err(failed(error)),
    }
    // SQLite gives its side files the rights of the main file, but only when it makes them.
    for suffix in ["", "-wal", "-shm"] {
        let mut file = path.clone().into_os_string();
        file.push(suffix);
        take_rights_away(Path::new(&file));
    }
    Ok(path)
}

fn take_rights_away(file: &Path) {
    let Ok(found) = std::fs::metadata(file) else { return };
    let mode = found.permissions().mode() & 0o777;
    if mode == mode & 0o700 {
        return;
    }
    if let Err(error) = std::fs::set_permissions(file, PermissionsExt::from_mode(mode & 0o700)) {
        tracing::warn!(
            store.path = %file.display(), store.mode = format_args!("{mode:o}"), error = %error,
            "others may read the state and its mode cannot be changed: make it 0600"
        );
    }
}

/// The path as a URL: sqlx's `Any` takes no other form.
pub(crate) fn url_of(path: &Path) -> Result<String, OpenError> {
    use std::fmt::Write;
    // Opening a lossy path would open another file.
    let unusable = |why: &str| OpenError::Unusable { place: path.display().to_string(), why: why.to_owned() };
    let text = path.to_str().ok_or_else(|| unusable("its name is not UTF-8"))?;
    let mut url = "sqlite://".to_owned();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"/._-".contains(&byte) {
            url.push(char::from(byte));
        } else if write!(url, "%{byte:02X}").is_err() {
            // Writing to a String does not fail.
            return Err(unusable("its name cannot be written as a URL"));
        }
    }
    url.push_str("?mode=rw");
    Ok(url)
}
