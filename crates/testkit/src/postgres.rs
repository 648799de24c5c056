//! A real PostgreSQL server that only one test uses, so that it may be ended at any moment.

use crate::programs::run;
use anyhow::{Context as _, Result, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, User, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Instant;
use tempfile::TempDir;

/// How a server is asked to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// Sessions are cut off, their transactions rolled back, and all is written down.
    Fast,
    /// At once, as in a power cut: the next start reads its log.
    Immediate,
}

/// A server on a socket in a folder of its own. It ends when it is dropped.
#[derive(Debug)]
pub struct Postgres {
    dir: TempDir,
    /// Where its data lie.
    data: PathBuf,
    options: Vec<String>,
    server: Mutex<Option<Child>>,
    databases: AtomicU32,
}

static SHARED: Mutex<Weak<Postgres>> = Mutex::new(Weak::new());

impl Postgres {
    /// One that the tests of this process share as long as any of them has it.
    pub fn shared() -> Result<Arc<Self>> {
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(server) = shared.upgrade() {
            return Ok(server);
        }
        let server = Arc::new(Self::start(&["fsync=off"])?);
        *shared = Arc::downgrade(&server);
        Ok(server)
    }

    /// One with these settings (`name=value`). It answers.
    pub fn start(settings: &[&str]) -> Result<Self> {
        Self::start_in(None, settings)
    }

    /// The same, with its data below this folder (a small file system, say).
    pub fn start_in(data: Option<&Path>, settings: &[&str]) -> Result<Self> {
        // A socket's path is short: directly in the folder for temporary files.
        let dir = tempfile::Builder::new().prefix("sb-pg-").tempdir()?;
        let data = data.unwrap_or_else(|| dir.path()).join("data");
        let mut options = vec![
            "listen_addresses=".to_owned(),
            format!("unix_socket_directories={}", dir.path().display()),
            "max_connections=60".to_owned(),
        ];
        options.extend(settings.iter().map(|setting| (*setting).to_owned()));
        let server = Self { dir, data, options, server: Mutex::default(), databases: AtomicU32::new(0) };
        if let Some(user) = other_user()? {
            for folder in [server.dir.path(), server.data.parent().unwrap_or(server.dir.path())] {
                chown(folder, Some(user.uid), Some(user.gid))?;
            }
        }
        let arguments =
            ["--username=strawboss", "--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync", "--no-instructions"];
        run(program("initdb")?.args(arguments).arg("--pgdata").arg(&server.data))?;
        server.again()?;
        Ok(server)
    }

    /// The URL of a database of this name.
    pub fn url(&self, database: &str) -> String {
        format!("postgres://strawboss@localhost/{database}?host={}", self.dir.path().display())
    }

    /// Makes an empty database and gives back its URL.
    pub fn database(&self) -> Result<String> {
        let name = format!("case_{}", self.databases.fetch_add(1, Ordering::Relaxed));
        self.sql("postgres", &format!("CREATE DATABASE {name}"))?;
        Ok(self.url(&name))
    }

    /// Runs SQL as the server's administrator and gives back its rows, one a line.
    pub fn sql(&self, database: &str, text: &str) -> Result<String> {
        let mut psql = program("psql")?;
        psql.args(["--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "--set=ON_ERROR_STOP=1", "--username=strawboss"]);
        psql.arg("--host").arg(self.dir.path()).args(["--dbname", database, "--command", text]);
        Ok(run(&mut psql)?.trim().to_owned())
    }

    /// From here on, whoever has made this many tables in the schema `public` of a database is held up, in its transaction,
    /// until [`Self::release`].
    pub fn hold_up(&self, database: &str, tables: u32) -> Result<()> {
        self.sql(
            database,
            &format!(
                "CREATE SCHEMA brake; CREATE TABLE brake.held AS SELECT {tables} AS tables; \
                 CREATE FUNCTION brake.wait() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN \
                 WHILE (SELECT COUNT(*) FROM pg_tables WHERE schemaname = 'public') >= (SELECT MIN(tables) FROM brake.held) \
                 LOOP PERFORM pg_sleep(0.01); END LOOP; END $$; \
                 CREATE EVENT TRIGGER brake ON ddl_command_end EXECUTE FUNCTION brake.wait()"
            ),
        )?;
        Ok(())
    }

    /// How many are held up.
    pub fn held_up(&self, database: &str) -> Result<u32> {
        let held = "SELECT COUNT(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'";
        Ok(self.sql(database, held)?.parse()?)
    }

    /// Lets everybody go on.
    pub fn release(&self, database: &str) -> Result<()> {
        self.sql(database, "DELETE FROM brake.held")?;
        Ok(())
    }

    /// Starts it after [`Self::stop`] or [`Self::kill`], and waits until it answers.
    pub fn again(&self) -> Result<()> {
        let log = std::fs::File::options().create(true).append(true).open(self.dir.path().join("log"))?;
        let mut command = program("postgres")?;
        command.arg("-D").arg(&self.data).stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        for option in &self.options {
            command.args(["-c", option]);
        }
        let mut server = command.spawn().context("postgres")?;
        let deadline = Instant::now() + crate::world::DEADLINE;
        while self.sql("postgres", "SELECT 1").is_err() {
            if let Some(ended) = server.try_wait()? {
                let log = std::fs::read_to_string(self.dir.path().join("log")).unwrap_or_default();
                bail!("the test's own PostgreSQL ended at once ({ended}):\n{log}");
            }
            anyhow::ensure!(Instant::now() < deadline, "the test's own PostgreSQL does not answer");
        }
        *self.server.lock().unwrap_or_else(PoisonError::into_inner) = Some(server);
        Ok(())
    }

    /// Ends it and waits for that.
    pub fn stop(&self, how: Stop) -> Result<()> {
        self.end(match how {
            Stop::Fast => Signal::SIGINT,
            Stop::Immediate => Signal::SIGQUIT,
        })
    }

    fn end(&self, signal: Signal) -> Result<()> {
        let Some(mut server) = self.server.lock().unwrap_or_else(PoisonError::into_inner).take() else { return Ok(()) };
        // The program that changes the user is replaced by the server itself: the pid is the server's.
        kill(Pid::from_raw(i32::try_from(server.id())?), signal)?;
        server.wait()?;
        Ok(())
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        if let Err(error) = self.stop(Stop::Immediate) {
            eprintln!("the test's own PostgreSQL in {} does not end: {error:#}", self.dir.path().display());
        }
    }
}

/// The server refuses to be root's; Debian's package makes a user for it.
fn other_user() -> Result<Option<User>> {
    if !nix::unistd::geteuid().is_root() {
        return Ok(None);
    }
    let user = User::from_name("postgres")?;
    Ok(Some(user.context("there is no user `postgres`: install PostgreSQL with scripts/lab/packages.sh")?))
}

/// A program of the newest PostgreSQL here, as a user that may run it.
fn program(name: &str) -> Result<Command> {
    let mut versions: Vec<PathBuf> = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path().join("bin")))
        .filter(|folder| folder.join("initdb").is_file())
        .collect();
    versions.sort();
    let folder = versions.pop().context("PostgreSQL is not in /usr/lib/postgresql: install it with scripts/lab/packages.sh")?;
    let program = folder.join(name);
    let mut command = match other_user()? {
        Some(user) => {
            let mut command = Command::new("setpriv");
            command.arg(format!("--reuid={}", user.uid)).arg(format!("--regid={}", user.gid)).arg("--init-groups").arg(program);
            command
        }
        None => Command::new(program),
    };
    // Where it starts must be readable for that user.
    command.current_dir("/").stdin(Stdio::null());
    Ok(command)
}
