//! The environment that set-up, agent and checks get: the image's, without what is the supervisor's own, with a home,
//! the way out, and folders that can be written to.

use crate::place::{DOOR, HOME, TEMP, TOOLS};
use crate::site::Site;
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::Path;

/// The search path of an image that names none.
pub(crate) const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Variables by which images point tools at folders of their own, and where those go below the home when the image's
/// folder cannot be written to (the root is read-only, the user is not the image's).
const FOLDERS: [(&str, &str); 12] = [
    ("CARGO_HOME", ".cargo"),
    ("GOPATH", "go"),
    ("GOMODCACHE", "go/pkg/mod"),
    ("GOCACHE", ".cache/go-build"),
    ("NPM_CONFIG_CACHE", ".npm"),
    ("npm_config_cache", ".npm"),
    ("YARN_CACHE_FOLDER", ".cache/yarn"),
    ("PIP_CACHE_DIR", ".cache/pip"),
    ("UV_CACHE_DIR", ".cache/uv"),
    ("POETRY_CACHE_DIR", ".cache/pypoetry"),
    ("XDG_CACHE_HOME", ".cache"),
    ("GEM_HOME", ".gem"),
];

/// An environment, by name.
pub(crate) type Env = BTreeMap<OsString, OsString>;

/// What every process of the run gets.
pub(crate) fn of(site: &Site) -> Env {
    let own: Vec<_> = std::env::vars_os().filter(|(name, _)| ![DOOR, HOME, TOOLS, TEMP].iter().any(|own| name == own)).collect();
    build(own, &site.place.home, &site.relay, site.orders.proxy, &site.orders.env)
}

fn build(
    own: impl IntoIterator<Item = (OsString, OsString)>,
    home: &Path,
    relay: &str,
    proxy: bool,
    extra: &BTreeMap<String, String>,
) -> Env {
    let mut env: Env = own.into_iter().collect();
    let mut set = |name: &str, value: &OsStr| env.insert(name.into(), value.into());
    set("HOME", home.as_os_str());
    set("TERM", "xterm-256color".as_ref());
    for name in ["http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"] {
        if proxy {
            set(name, relay.as_ref());
        }
    }
    if proxy {
        // Some agents send even their calls to the loopback to a proxy unless they are told not to.
        set("no_proxy", "127.0.0.1,localhost,::1".as_ref());
        set("NO_PROXY", "127.0.0.1,localhost,::1".as_ref());
        // Node's own `fetch` looks at the variables above only when it is told to.
        set("NODE_USE_ENV_PROXY", "1".as_ref());
    }
    for name in ["USER", "LOGNAME"] {
        env.entry(name.into()).or_insert_with(|| "agent".into());
    }
    env.entry("LANG".into()).or_insert_with(|| "C.UTF-8".into());
    for (name, folder) in FOLDERS {
        if let Some(value) = env.get_mut(OsStr::new(name))
            && !can_write(Path::new(value))
        {
            *value = home.join(folder).into();
        }
    }
    let path = env.entry("PATH".into()).or_insert_with(|| DEFAULT_PATH.into());
    // What set-up commands install for this user is found, behind what the image brings.
    for folder in [".local/bin", ".cargo/bin", "go/bin"] {
        path.push(":");
        path.push(home.join(folder));
    }
    for (name, value) in extra {
        // Neither can be in an environment; the configuration refuses both.
        if !name.is_empty() && !name.contains(['=', '\0']) && !value.contains('\0') {
            env.insert(name.into(), value.into());
        }
    }
    env
}

/// Whether a folder can be written to, or could be made.
fn can_write(folder: &Path) -> bool {
    let there = folder.ancestors().find(|folder| folder.exists());
    let is_dir = there.is_some_and(Path::is_dir);
    is_dir
        && folder.is_absolute()
        && there.is_some_and(|there| nix::unistd::access(there, nix::unistd::AccessFlags::W_OK).is_ok())
}

#[cfg(test)]
mod tests {
    use super::build;
    use std::collections::BTreeMap;
    use std::ffi::OsStr;
    use std::path::Path;

    #[test]
    fn folders_that_cannot_be_written_go_home_and_the_rest_stays() {
        let home = tempfile::tempdir().unwrap();
        let writable = home.path().join("gems");
        let own = [
            ("CARGO_HOME", "/dev/null/cargo"),
            ("GEM_HOME", writable.to_str().unwrap()),
            ("RUSTUP_HOME", "/usr/local/rustup"),
            ("PATH", "/usr/local/cargo/bin:/bin"),
            ("HTTPS_PROXY", "http://elsewhere"),
        ];
        let own = own.map(|(name, value)| (name.into(), value.into()));
        let extra = BTreeMap::from([("A".to_owned(), "b".to_owned()), ("=".to_owned(), String::new())]);
        let env = build(own, home.path(), "http://127.0.0.1:9", true, &extra);
        let get = |name: &str| env.get(OsStr::new(name)).map(|value| value.to_str().unwrap().to_owned());
        assert_eq!(get("CARGO_HOME"), Some(home.path().join(".cargo").display().to_string()));
        assert_eq!(get("GEM_HOME"), Some(writable.display().to_string()));
        assert_eq!(get("RUSTUP_HOME").as_deref(), Some("/usr/local/rustup"));
        assert!(get("PATH").unwrap().starts_with("/usr/local/cargo/bin:/bin:"));
        assert_eq!(get("HTTPS_PROXY").as_deref(), Some("http://127.0.0.1:9"));
        assert_eq!(get("https_proxy").as_deref(), Some("http://127.0.0.1:9"));
        assert_eq!(get("NO_PROXY").as_deref(), Some("127.0.0.1,localhost,::1"));
        assert_eq!(get("A").as_deref(), Some("b"));
        assert_eq!(get("="), None);
        assert_eq!(get("GOPATH"), None);
        assert!(Path::new(&get("HOME").unwrap()).is_absolute());
    }
}
