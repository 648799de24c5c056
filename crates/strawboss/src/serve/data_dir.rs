//! The data directory: ours alone, held by one control plane at a time, with the installation's own secrets.

use crate::failure::{ExitStatus, Failure, io};

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions, TryLockError};
use std::io::{ErrorKind, Read as _, Seek as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// The id of this installation, which labels its containers and volumes.
pub(crate) const INSTALLATION: &str = "installation";
/// The token that may everything.
pub(crate) const ADMIN_TOKEN: &str = "admin-token";
/// What browsers' cookies are signed with.
const COOKIE_KEY: &str = "cookie-key";
/// Where the service listens, while it runs.
pub(crate) const ADDRESS: &str = "address";
const LOCK: &str = "lock";
/// How long the lock of a control plane that was killed may outlive it.
const LINGER: Duration = Duration::from_secs(5);

/// A data directory that no other control plane uses.
#[derive(Debug)]
pub(crate) struct DataDir {
    path: PathBuf,
    _lock: File,
}

/// The installation's own secrets.
pub(crate) struct Secrets {
    pub(crate) installation: String,
    pub(crate) admin_token: String,
    /// Whether the admin token was made just now.
    pub(crate) fresh: bool,
    pub(crate) cookie_key: [u8; 32],
}

impl DataDir {
    /// Makes the directory when it is not there, closes it to others, and takes its lock.
    pub(crate) fn take(path: &Path) -> Result<Self, Failure> {
        let shown = path.display();
        let fix = "Make it writable for this user, or name another with `server.data_dir`.";
        match fs::read_dir(path) {
            Ok(entries) => {
                let names: Vec<_> =
                    entries.flatten().map(|entry| entry.file_name()).filter(|name| name != "lost+found").collect();
                let ours = names.iter().any(|name| name == INSTALLATION || name == LOCK);
                if !names.is_empty() && !ours {
                    return Err(Failure::usage(format!(
                        "{shown} is not empty and is no data directory of Strawboss: it was not touched"
                    ))
                    .fix("Name a folder that is new or empty with `server.data_dir`."));
                }
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {
                DirBuilder::new()
                    .recursive(true)
                    .mode(0o700)
                    .create(path)
                    .map_err(|error| io(format_args!("make the data directory {shown}"))(error).fix(fix))?;
            }
            Err(error) => return Err(io(format_args!("read the data directory {shown}"))(error).fix(fix)),
        }
        fs::set_permissions(path, Permissions::from_mode(0o700))
            .map_err(|error| io(format_args!("close the data directory {shown} to other users"))(error).fix(fix))?;
        let path = path.canonicalize().map_err(io(format_args!("find the data directory {shown}")))?;
        let lock = lock(&path)?;
        // A data directory in a repository is no change of the repository.
        let ignore = path.join(".gitignore");
        if !ignore.exists() {
            write_whole(&ignore, "*\n").map_err(io(format_args!("write {}", ignore.display())))?;
        }
        Ok(Self { path, _lock: lock })
    }

    /// Where it is, absolute.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The secrets of this installation, made at the first start.
    pub(crate) fn secrets(&self) -> Result<Secrets, Failure> {
        let installation = self.kept(INSTALLATION, || random(8))?.0;
        let (admin_token, fresh) = self.kept(ADMIN_TOKEN, || Ok(format!("sb_{}", random(32)?)))?;
        let (cookie, _) = self.kept(COOKIE_KEY, || random(32))?;
        let cookie_key = unhex(&cookie).ok_or_else(|| {
            Failure::new(format!("{} holds no key", self.path.join(COOKIE_KEY).display()))
                .fix("Remove it: a new one is made, and browsers sign in again.")
        })?;
        if admin_token.len() < 32 || installation.is_empty() || !installation.bytes().all(|b| b.is_ascii_alphanumeric()) {
            return Err(Failure::new(format!("the files of {} are damaged", self.path.display()))
                .fix(format!("Restore `{INSTALLATION}` and `{ADMIN_TOKEN}` from a backup.")));
        }
        Ok(Secrets { installation, admin_token, fresh, cookie_key })
    }

    /// Says where the service listens, for commands on this machine.
    pub(crate) fn say_address(&self, address: std::net::SocketAddr) -> Result<(), Failure> {
        write_whole(&self.path.join(ADDRESS), &format!("{address}\n")).map_err(io("write down where the service listens"))
    }

    /// A small file: as it is, or made.
    fn kept(&self, name: &str, make: impl FnOnce() -> Result<String, Failure>) -> Result<(String, bool), Failure> {
        let path = self.path.join(name);
        match fs::read_to_string(&path) {
            Ok(text) if !text.trim().is_empty() => {
                fs::set_permissions(&path, Permissions::from_mode(0o600))
                    .map_err(io(format_args!("close {} to other users", path.display())))?;
                Ok((text.trim().to_owned(), false))
            }
            Err(error) if error.kind() != ErrorKind::NotFound => Err(io(format_args!("read {}", path.display()))(error)),
            _ => {
                let text = make()?;
                write_whole(&path, &format!("{text}\n")).map_err(io(format_args!("write {}", path.display())))?;
                Ok((text, true))
            }
        }
    }
}

impl Drop for DataDir {
    fn drop(&mut self) {
        // Nobody listens there any more. A service that was killed leaves it, and who asks finds nobody.
        let _ = fs::remove_file(self.path.join(ADDRESS));
    }
}

fn lock(data_dir: &Path) -> Result<File, Failure> {
    let path = data_dir.join(LOCK);
    let what = format!("open {}", path.display());
    let mut file =
        OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(&path).map_err(io(what))?;
    let until = Instant::now() + LINGER;
    while let Err(error) = file.try_lock() {
        let TryLockError::Error(error) = error else {
            let mut holder = String::new();
            // Who holds it is a help, not a need.
            let _ = file.rewind().and_then(|()| file.read_to_string(&mut holder));
            if is_gone(&holder) && Instant::now() < until {
                std::thread::sleep(Duration::from_millis(20));
                continue;
            }
            let holder = match holder.trim() {
                "" => "another control plane".to_owned(),
                holder => format!("another control plane ({holder})"),
            };
            return Err(Failure::new(format!("{} is in use by {holder}", data_dir.display()))
                .fix("Stop that one first, or give this one a data directory of its own with `--data-dir`.")
                .status(ExitStatus::Conflict));
        };
        return Err(io(format_args!("lock {}", path.display()))(error)
            .fix("The data directory needs a file system with locks: a local disk, not every network share."));
    }
    let holder = format!("{}\n", this_process());
    file.set_len(0)
        .and_then(|()| file.rewind())
        .and_then(|()| file.write_all(holder.as_bytes()))
        .map_err(io(format_args!("write {}", path.display())))?;
    Ok(file)
}

/// Who we are, for those who find us holding something.
pub(crate) fn this_process() -> String {
    format!("process {} on {}", std::process::id(), hostname())
}

/// Whether the process that wrote this has ended on this machine: then only a program that it was just starting when it was
/// killed can hold its lock, until that has begun.
fn is_gone(holder: &str) -> bool {
    let Some((process, host)) = holder.trim().strip_prefix("process ").and_then(|rest| rest.split_once(" on ")) else {
        return false;
    };
    host == hostname() && process.parse::<u32>().is_ok_and(|process| !Path::new(&format!("/proc/{process}")).exists())
}

fn hostname() -> String {
    nix::unistd::gethostname().map_or_else(|_| "this machine".to_owned(), |name| name.to_string_lossy().into_owned())
}

/// Writes a file for this user alone: whole or not at all.
pub(crate) fn write_whole(path: &Path, text: &str) -> std::io::Result<()> {
    let path = std::path::absolute(path)?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let fresh = path.with_file_name(format!(".{name}.{}", std::process::id()));
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&fresh)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&fresh, &path)?;
    File::open(path.parent().unwrap_or(Path::new(".")))?.sync_all()
}

fn random(bytes: usize) -> Result<String, Failure> {
    let mut buffer = vec![0; bytes];
    getrandom::fill(&mut buffer).map_err(|error| Failure::new(format!("this machine gives no random numbers: {error}")))?;
    Ok(buffer.iter().fold(String::new(), |mut text, byte| {
        use std::fmt::Write as _;
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    }))
}

fn unhex(text: &str) -> Option<[u8; 32]> {
    let mut key = [0; 32];
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    for (at, byte) in key.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(2 * at..2 * at + 2)?, 16).ok()?;
    }
    Some(key)
}

#[cfg(test)]
mod tests {
    use super::{ADMIN_TOKEN, DataDir, hostname};
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn a_directory_is_made_closed_and_held_once() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("deep/state");
        let first = DataDir::take(&path).unwrap();
        let secrets = first.secrets().unwrap();
        assert!(secrets.fresh && secrets.admin_token.starts_with("sb_"));
        let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&path), 0o700);
        assert_eq!(mode(&path.join(ADMIN_TOKEN)), 0o600);
        let second = DataDir::take(&path).unwrap_err();
        assert!(second.message.contains(&format!("process {}", std::process::id())), "{second}");
        drop(first);
        let again = DataDir::take(&path).unwrap().secrets().unwrap();
        assert!(!again.fresh);
        assert_eq!(again.admin_token, secrets.admin_token);
        assert_eq!(again.cookie_key, secrets.cookie_key);
    }

    #[test]
    fn the_lock_of_a_control_plane_that_was_killed_is_waited_for() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("state");
        let held = DataDir::take(&path).unwrap();
        // No process has this number.
        std::fs::write(path.join("lock"), format!("process 0 on {}\n", hostname())).unwrap();
        let next = std::thread::spawn(move || DataDir::take(&path).map(drop));
        // Long enough that it has found the lock held; a program that is being started needs a part of that.
        std::thread::sleep(std::time::Duration::from_millis(200));
        assert!(!next.is_finished(), "it waits");
        drop(held);
        next.join().unwrap().unwrap();
    }

    #[test]
    fn a_folder_of_somebody_else_is_left_alone() {
        let root = tempfile::tempdir().unwrap();
        std::fs::write(root.path().join("thesis.tex"), "").unwrap();
        std::fs::set_permissions(root.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        let refused = DataDir::take(root.path()).unwrap_err();
        assert!(refused.message.contains("not empty"), "{refused}");
        assert_eq!(std::fs::metadata(root.path()).unwrap().permissions().mode() & 0o777, 0o755);
    }
}
