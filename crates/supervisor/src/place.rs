//! Where the supervisor finds its door, its home and its tools: read from the environment once, at the start.

use std::path::{Path, PathBuf};

/// The environment variable that names the door's socket.
pub(crate) const DOOR: &str = "STRAWBOSS_DOOR";
/// The environment variable that names the home, where the run's volume is.
pub(crate) const HOME: &str = "STRAWBOSS_HOME";
/// The environment variable that names the folder of tools.
pub(crate) const TOOLS: &str = "STRAWBOSS_TOOLS";
/// The environment variable that names the folder for temporary files. In a container that is `/tmp`, which is its own.
pub(crate) const TEMP: &str = "STRAWBOSS_TEMP";

/// A wrong environment.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PlaceError {
    /// A variable is not set.
    #[error("{0} is not set: the runner that starts this program sets it")]
    Missing(&'static str),
    /// It is no absolute path.
    #[error("{0} is `{1}`: an absolute path is needed")]
    Relative(&'static str, String),
}

/// Where things are.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    /// The door's socket.
    pub(crate) door: PathBuf,
    /// The agent's home, on the run's volume.
    pub(crate) home: PathBuf,
    /// The folder that holds `<tool>/bin`.
    pub(crate) tools: PathBuf,
    /// The folder for temporary files, no other sandbox's.
    pub(crate) temp: PathBuf,
}

impl Place {
    pub(crate) fn from_env() -> Result<Self, PlaceError> {
        let named = |name| {
            let path = std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
            match path {
                Some(path) if !path.is_absolute() => Err(PlaceError::Relative(name, path.display().to_string())),
                path => Ok(path),
            }
        };
        let path = |name| named(name)?.ok_or(PlaceError::Missing(name));
        let temp = named(TEMP)?.unwrap_or_else(|| "/tmp".into());
        Ok(Self { door: path(DOOR)?, home: path(HOME)?, tools: path(TOOLS)?, temp })
    }

    /// The run's clone. It is there only when it is complete.
    pub(crate) fn workspace(&self) -> PathBuf {
        self.home.join("workspace")
    }

    /// What the supervisor itself keeps on the volume: half-made clones, its own git folders.
    pub(crate) fn state(&self) -> PathBuf {
        self.home.join(".strawboss")
    }
}

/// The first file of that name in the folders of `path`, when it may be executed.
pub(crate) fn find_program(name: &str, path: &std::ffi::OsStr) -> Option<PathBuf> {
    std::env::split_paths(path).map(|folder| folder.join(name)).find(|file| is_program(file))
}

/// Whether it is a file that may be executed.
pub(crate) fn is_program(file: &Path) -> bool {
    file.is_file() && nix::unistd::access(file, nix::unistd::AccessFlags::X_OK).is_ok()
}

/// What the image offers, as JSON: whether git and a shell are there. A runner asks before it trusts an image.
pub(crate) fn probe() -> String {
    let path = std::env::var_os("PATH").unwrap_or_else(|| crate::environment::DEFAULT_PATH.into());
    let version = |program: &str| {
        let output = std::process::Command::new(program).arg("--version").output().ok()?;
        let text = String::from_utf8_lossy(&output.stdout).lines().next()?.chars().take(100).collect::<String>();
        output.status.success().then_some(text)
    };
    let git = find_program("git", &path).and_then(|_| version("git"));
    let probe = serde_json::json!({
        "version": env!("CARGO_PKG_VERSION"),
        "protocol": strawboss_protocol::supervisor::VERSION,
        "git": git,
        "shell": is_program(Path::new("/bin/sh")),
        "bash": find_program("bash", &path).is_some(),
        "uid": nix::unistd::getuid().as_raw(),
        "pid": nix::unistd::getpid().as_raw(),
    });
    probe.to_string()
}
