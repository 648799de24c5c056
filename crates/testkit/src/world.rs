//! A whole Strawboss on a folder of its own.

use crate::backlog::BacklogFile;
use crate::programs;
use crate::repository::Repository;
use anyhow::{Context as _, Result, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fmt::Write as _;
use std::fs;
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// The shell agent of tests: the first line of its prompt is the command that it runs.
pub const FIRST_LINE_AGENT: &str = r#"eval "$(printf '%s\n' "$STRAWBOSS_PROMPT" | head -n 1)""#;

/// How long anything that is waited for may take. Machines are shared: it only ends what hangs.
pub const DEADLINE: Duration = Duration::from_mins(3);

/// Which runner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunnerKind {
    /// Processes of this machine.
    Process,
    /// Containers of a real engine.
    Docker,
}

/// How a world is set up.
#[derive(Debug, Clone)]
pub struct WorldOptions {
    /// Which runner.
    pub runner: RunnerKind,
    /// Runs at once.
    pub slots: u32,
    /// The shell agent's command.
    pub shell: String,
    /// A script for the mock model; none: no model.
    pub model_script: Option<String>,
    /// More of strawboss.yaml, at the top level.
    pub more: String,
    /// The engine's address (`DOCKER_HOST`); none: the one that docker clients find by themselves.
    pub engine: Option<String>,
    /// What sandboxes get in place of the supervisor; none: the real one.
    pub supervisor: Option<PathBuf>,
}

impl Default for WorldOptions {
    fn default() -> Self {
        Self {
            runner: RunnerKind::Process,
            slots: 2,
            shell: FIRST_LINE_AGENT.to_owned(),
            model_script: None,
            more: String::new(),
            engine: None,
            supervisor: None,
        }
    }
}

/// A folder with repositories, a backlog and a configuration, and the program running on it.
pub struct World {
    dir: TempDir,
    options: WorldOptions,
    projects: Vec<(String, PathBuf, String)>,
    backlog: BacklogFile,
    server: Option<Child>,
    model: Option<Child>,
    address: String,
    client: reqwest::Client,
    crash_at: Option<String>,
    /// Backlogs beside the file, each a line of YAML.
    backlogs: Vec<String>,
}

impl World {
    /// A world in which nothing runs yet.
    pub fn new(options: WorldOptions) -> Result<Self> {
        // Sandboxes of the process runner are another user's: the folder must be reachable for them.
        let dir = tempfile::Builder::new().prefix("strawboss-e2e-").permissions(fs::Permissions::from_mode(0o755)).tempdir()?;
        let backlog = BacklogFile::create(&dir.path().join("priorities.csv"))?;
        // Two worlds in one test program would install it twice; the second time is refused and harmless.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder().no_proxy().build()?;
        Ok(Self {
            dir,
            options,
            projects: Vec::new(),
            backlog,
            server: None,
            model: None,
            address: String::new(),
            client,
            crash_at: None,
            backlogs: Vec::new(),
        })
    }

    /// Its folder.
    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// Its backlog file.
    pub fn backlog(&self) -> &BacklogFile {
        &self.backlog
    }

    /// The address that the program listens on.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Its state.
    pub fn data_dir(&self) -> PathBuf {
        self.path().join("state")
    }

    /// Adds a repository and configures it as a project; `more` is YAML of the project, one key a line.
    pub fn project(&mut self, name: &str, files: &[(&str, &str)], more: &str) -> Result<Repository> {
        let folder = self.path().join("repositories").join(name);
        let repository = Repository::create(&folder, files)?;
        self.configure(name, &folder, more);
        Ok(repository)
    }

    /// Configures a folder as a project.
    pub fn configure(&mut self, name: &str, folder: &Path, more: &str) {
        self.projects.push((name.to_owned(), folder.to_owned(), more.to_owned()));
    }

    /// Configures another backlog beside the file: its entry in YAML, on one line.
    pub fn add_backlog(&mut self, entry: &str) {
        self.backlogs.push(format!("  - {entry}\n"));
    }

    /// Takes a project out of the configuration; its folder stays.
    pub fn forget(&mut self, name: &str) {
        self.projects.retain(|(known, ..)| known != name);
    }

    /// Writes the configuration; its path.
    pub fn write_config(&self) -> Result<PathBuf> {
        let quoted = |text: &str| serde_json::to_string(text);
        let runner = match self.options.runner {
            RunnerKind::Process => "process",
            RunnerKind::Docker => "docker",
        };
        let mut yaml = format!(
            "server: {{ listen: 127.0.0.1:0, data_dir: {} }}\nbacklogs:\n  - {{ type: csv, file: {}, watch_interval: 1 }}\n{}runner: {{ type: {runner}, max_concurrent: {} }}\nagents:\n  shell: {{ command: {} }}\n",
            quoted(&self.data_dir().to_string_lossy())?,
            quoted(&self.backlog.path().to_string_lossy())?,
            self.backlogs.concat(),
            self.options.slots,
            quoted(&self.options.shell)?,
        );
        if let Ok(claude) = programs::claude_tool() {
            writeln!(yaml, "  claude: {{ path: {} }}", quoted(&claude.to_string_lossy())?)?;
        }
        if self.options.model_script.is_some() {
            let address = fs::read_to_string(self.path().join("model.address"))?;
            let key = quoted(&self.path().join("model.key").to_string_lossy())?;
            writeln!(
                yaml,
                "providers:\n  anthropic: {{ base_url: \"http://{}\", auth: api_key, secret_file: {key} }}",
                address.trim()
            )?;
        }
        yaml.push_str(&self.options.more);
        yaml.push_str(if self.projects.is_empty() { "\nprojects: {}\n" } else { "\nprojects:\n" });
        for (name, folder, more) in &self.projects {
            writeln!(yaml, "  {}:\n    directory: {}", quoted(name)?, quoted(&folder.to_string_lossy())?)?;
            for line in more.lines() {
                writeln!(yaml, "    {line}")?;
            }
        }
        let path = self.path().join("strawboss.yaml");
        fs::write(&path, yaml)?;
        Ok(path)
    }

    fn start_model(&mut self) -> Result<()> {
        let Some(script) = &self.options.model_script else { return Ok(()) };
        if self.model.is_some() {
            return Ok(());
        }
        let file = self.path().join("model.yaml");
        fs::write(&file, script)?;
        fs::write(self.path().join("model.key"), "sk-test-of-this-world-only\n")?;
        let address = self.path().join("model.address");
        let log = fs::File::create(self.path().join("model.log"))?;
        let child = Command::new(programs::strawboss()?)
            .args(["mock-model", "--script"])
            .arg(&file)
            .args(["--listen", "127.0.0.1:0", "--address-file"])
            .arg(&address)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()?;
        self.model = Some(child);
        let until = Instant::now() + DEADLINE;
        while fs::read_to_string(&address).map_or(true, |text| text.trim().is_empty()) {
            if Instant::now() > until {
                bail!("the mock model did not start:\n{}", fs::read_to_string(self.path().join("model.log"))?);
            }
            std::thread::park_timeout(Duration::from_millis(10));
        }
        Ok(())
    }

    /// Starts the program, or starts it again; returns when it answers, or has crashed where it was asked to.
    pub async fn start(&mut self) -> Result<()> {
        self.start_model()?;
        let config = self.write_config()?;
        let address_file = self.path().join("address");
        let _ = fs::remove_file(&address_file);
        let log = fs::OpenOptions::new().create(true).append(true).open(self.path().join("serve.log"))?;
        let crash_marker = self.crash_marker();
        let crashed_before = self.has_crashed();
        let child = Command::new(programs::strawboss()?)
            .envs(self.crash_at.iter().map(|point| ("STRAWBOSS_CRASH_AT", point)))
            .env("STRAWBOSS_CRASH_ONCE", crash_marker)
            .arg("serve")
            .arg("--config")
            .arg(&config)
            .arg("--address-file")
            .arg(&address_file)
            .env("STRAWBOSS_SUPERVISOR_DIR", self.supervisor()?)
            .envs(self.options.engine.iter().map(|engine| ("DOCKER_HOST", engine)))
            .env("LOG_LEVEL", std::env::var("LOG_LEVEL").unwrap_or_else(|_| "info".to_owned()))
            .env_remove("ANTHROPIC_API_KEY")
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()?;
        self.server = Some(child);
        let until = Instant::now() + DEADLINE;
        loop {
            // It may crash where it was asked to before it was asked anything else.
            if !crashed_before && self.has_crashed() {
                return Ok(());
            }
            if let Ok(address) = fs::read_to_string(&address_file)
                && !address.trim().is_empty()
            {
                address.trim().clone_into(&mut self.address);
                if self
                    .client
                    .get(format!("http://{}/health", self.address))
                    .send()
                    .await
                    .is_ok_and(|answer| answer.status().is_success())
                {
                    return Ok(());
                }
            }
            if let Some(status) = self.server.as_mut().and_then(|child| child.try_wait().ok().flatten()) {
                bail!("strawboss serve ended with {status}:\n{}", self.log());
            }
            if Instant::now() > until {
                bail!("strawboss serve does not answer:\n{}", self.log());
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    fn supervisor(&self) -> Result<PathBuf> {
        self.options.supervisor.clone().map_or_else(programs::supervisor_tool, Ok)
    }

    /// Replaces what stands beside projects in the configuration (`WorldOptions::more`), for the next start or command.
    pub fn set_more(&mut self, more: &str) {
        more.clone_into(&mut self.options.more);
    }

    /// A command of the program with this world's configuration; what it did, printed and complained.
    pub fn command(&self, args: &[&str]) -> Result<Output> {
        let mut command = Command::new(programs::strawboss()?);
        command.args(args).arg("--config").arg(self.write_config()?);
        command.env("STRAWBOSS_SUPERVISOR_DIR", self.supervisor()?).env_remove("ANTHROPIC_API_KEY");
        Ok(command.stdin(Stdio::null()).output()?)
    }

    /// The same for one that must succeed; what it printed.
    pub fn done(&self, args: &[&str]) -> Result<String> {
        let output = self.command(args)?;
        let complaint = String::from_utf8_lossy(&output.stderr);
        anyhow::ensure!(output.status.success(), "strawboss {args:?} ended with {}:\n{complaint}", output.status);
        Ok(String::from_utf8(output.stdout)?)
    }

    /// The same for one that must fail; its exit code and what it complained.
    pub fn refused(&self, args: &[&str]) -> Result<(i32, String)> {
        let output = self.command(args)?;
        anyhow::ensure!(!output.status.success(), "strawboss {args:?} succeeded:\n{}", String::from_utf8_lossy(&output.stdout));
        Ok((output.status.code().unwrap_or(-1), String::from_utf8(output.stderr)?))
    }

    fn crash_marker(&self) -> PathBuf {
        self.path().join("crashed")
    }

    /// Makes the program crash, once, at a step that it names.
    pub fn crash_at(&mut self, point: &str) {
        self.crash_at = Some(point.to_owned());
    }

    /// Whether it crashed there.
    pub fn has_crashed(&self) -> bool {
        self.crash_marker().exists()
    }

    /// What a run's terminal has shown so far.
    pub async fn terminal(&self, run: &str) -> Result<String> {
        let request =
            self.client.get(format!("http://{}/api/v1/runs/{run}/terminal?from=0", self.address)).bearer_auth(self.token()?);
        Ok(request.send().await?.text().await?)
    }

    /// Whether a run's terminal shows this text so far; the empty text: whether it shows anything.
    pub async fn terminal_has(&self, run: &str, text: &str) -> Result<bool> {
        let shown = self.terminal(run).await?;
        Ok(!shown.is_empty() && shown.contains(text))
    }

    /// What the program logged.
    pub fn log(&self) -> String {
        let mut text = String::new();
        if let Ok(mut file) = fs::File::open(self.path().join("serve.log")) {
            // A log that is no UTF-8 is shown as far as it is.
            let _ = file.read_to_string(&mut text);
        }
        text
    }

    /// The program's process.
    pub fn pid(&self) -> Result<Pid> {
        let id = self.server.as_ref().context("the program does not run")?.id();
        Ok(Pid::from_raw(i32::try_from(id)?))
    }

    /// kill -9.
    pub fn kill(&mut self) -> Result<()> {
        if let Some(mut child) = self.server.take() {
            child.kill()?;
            child.wait()?;
        }
        Ok(())
    }

    /// SIGTERM, and waits for its end.
    pub async fn stop(&mut self) -> Result<()> {
        let Some(mut child) = self.server.take() else { return Ok(()) };
        kill(Pid::from_raw(i32::try_from(child.id())?), Signal::SIGTERM)?;
        let until = Instant::now() + DEADLINE;
        while child.try_wait()?.is_none() {
            if Instant::now() > until {
                child.kill()?;
                bail!("it did not end on SIGTERM:\n{}", self.log());
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Ok(())
    }

    pub(crate) fn token(&self) -> Result<String> {
        Ok(fs::read_to_string(self.data_dir().join("admin-token"))?.trim().to_owned())
    }

    /// Asks the API; the answer's status and JSON.
    pub async fn call(&self, method: &str, path: &str, body: Option<serde_json::Value>) -> Result<(u16, serde_json::Value)> {
        let method = reqwest::Method::from_bytes(method.as_bytes())?;
        let mut request = self.client.request(method, format!("http://{}{path}", self.address)).bearer_auth(self.token()?);
        if let Some(body) = body {
            request = request.json(&body);
        }
        let answer = request.send().await?;
        let status = answer.status().as_u16();
        let text = answer.text().await?;
        Ok((status, serde_json::from_str(&text).unwrap_or(serde_json::Value::String(text))))
    }

    /// Asks for something that must be there.
    pub async fn get(&self, path: &str) -> Result<serde_json::Value> {
        let (status, body) = self.call("GET", path, None).await?;
        if status != 200 {
            bail!("GET {path}: {status} {body}");
        }
        Ok(body)
    }

    /// Tells something that must be taken.
    pub async fn post(&self, path: &str, body: serde_json::Value) -> Result<serde_json::Value> {
        let (status, answer) = self.call("POST", path, Some(body)).await?;
        if !(200..300).contains(&status) {
            bail!("POST {path}: {status} {answer}");
        }
        Ok(answer)
    }

    /// Every task.
    pub async fn tasks(&self) -> Result<Vec<serde_json::Value>> {
        let page = self.get("/api/v1/tasks?limit=1000").await?;
        Ok(page["items"].as_array().cloned().unwrap_or_default())
    }

    /// The task whose action begins with this text.
    pub async fn task_by_action(&self, action: &str) -> Result<serde_json::Value> {
        let tasks = self.tasks().await?;
        let found = tasks.iter().rev().find(|task| task["action"].as_str().is_some_and(|text| text.starts_with(action)));
        found.cloned().with_context(|| format!("no task begins with `{action}`"))
    }

    /// Waits until something holds; says what was waited for, and the log, when it does not.
    pub async fn until<T, F>(&self, what: &str, mut probe: F) -> Result<T>
    where
        F: AsyncFnMut(&Self) -> Result<Option<T>>,
    {
        let until = Instant::now() + DEADLINE;
        let mut last = None;
        loop {
            match probe(self).await {
                Ok(Some(found)) => return Ok(found),
                Ok(None) => {}
                Err(error) => last = Some(error),
            }
            if Instant::now() > until {
                let backlog = self.backlog.text().unwrap_or_default();
                let last = last.map(|error| format!("\nlast error: {error:#}")).unwrap_or_default();
                bail!("waited in vain for: {what}{last}\nbacklog:\n{backlog}\nlog:\n{}", tail(&self.log(), 12_000));
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Waits until the rows' Status cells read like this.
    pub async fn until_statuses(&self, expected: &[&str]) -> Result<()> {
        let what = format!("statuses {expected:?}");
        self.until(&what, async |world| Ok((world.backlog.statuses()? == expected).then_some(()))).await
    }

    /// Waits until the task that begins with `action` is in `state`; gives it.
    pub async fn until_task(&self, action: &str, state: &str) -> Result<serde_json::Value> {
        let what = format!("task `{action}` {state}");
        self.until(&what, async |world| {
            let task = world.task_by_action(action).await?;
            Ok((task["state"] == state).then_some(task))
        })
        .await
    }

    /// Everything of this world that should be gone when no run is live: containers, run volumes, doors, processes.
    pub fn leftovers(&self) -> Result<Vec<String>> {
        let mut left = Vec::new();
        let process = self.process_root();
        let folders = process.iter().flat_map(|root| [root.join("sandboxes"), root.join("homes")]);
        for folder in folders.chain([self.data_dir().join("doors")]) {
            for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
                left.push(entry.path().display().to_string());
            }
        }
        if self.options.runner == RunnerKind::Docker {
            left.extend(self.containers()?);
            left.extend(self.volumes("home")?);
        }
        left.extend(self.processes()?);
        Ok(left)
    }

    /// Where the process runner has its folders: beside `data_dir` when its user cannot enter there. It says so itself.
    pub fn process_root(&self) -> Option<PathBuf> {
        let log = self.log();
        let (_, after) = log.rsplit_once("process.root=")?;
        after.split_whitespace().next().map(PathBuf::from)
    }

    /// Processes of this world's sandboxes on this machine.
    fn processes(&self) -> Result<Vec<String>> {
        let mut found = processes_with(&format!("{}/", self.data_dir().display()))?;
        if let Some(root) = self.process_root() {
            found.extend(processes_with(&format!("{}/", root.display()))?);
        }
        Ok(found)
    }

    /// A call of the docker client to this world's engine.
    pub fn docker(&self, args: &[&str]) -> Result<String> {
        let mut command = Command::new("docker");
        command.envs(self.options.engine.iter().map(|engine| ("DOCKER_HOST", engine))).args(args);
        programs::run(&mut command)
    }

    /// The supervisors of this world's sandboxes, when they are processes of this machine.
    pub fn supervisors(&self) -> Result<Vec<Pid>> {
        let mut found = Vec::new();
        for line in self.processes()? {
            let Some(pid) = line.split(' ').next().and_then(|pid| pid.parse::<i32>().ok()) else { continue };
            let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
            if name.starts_with("strawboss-super") {
                found.push(Pid::from_raw(pid));
            }
        }
        Ok(found)
    }

    /// The id in the labels of everything that is of this world.
    pub fn installation(&self) -> Result<String> {
        Ok(fs::read_to_string(self.data_dir().join("installation"))?.trim().to_owned())
    }

    /// Containers of this world.
    pub fn containers(&self) -> Result<Vec<String>> {
        let filter = format!("label=strawboss.installation={}", self.installation()?);
        let listed = self.docker(&["ps", "--all", "--quiet", "--no-trunc", "--filter", &filter])?;
        Ok(listed.split_whitespace().map(str::to_owned).collect())
    }

    /// Volumes of this world whose name has `part`.
    pub fn volumes(&self, part: &str) -> Result<Vec<String>> {
        let filter = format!("label=strawboss.installation={}", self.installation()?);
        let listed = self.docker(&["volume", "ls", "--quiet", "--filter", &filter])?;
        Ok(listed.split_whitespace().filter(|name| name.contains(part)).map(str::to_owned).collect())
    }
}

fn tail(text: &str, bytes: usize) -> &str {
    let mut from = text.len().saturating_sub(bytes);
    while !text.is_char_boundary(from) {
        from += 1;
    }
    &text[from..]
}

/// Processes whose environment or command line has this text, but for our own.
fn processes_with(text: &str) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc")?.flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
        let holds =
            |name: &str| fs::read(entry.path().join(name)).is_ok_and(|bytes| String::from_utf8_lossy(&bytes).contains(text));
        if pid != std::process::id() && holds("environ") {
            let command = fs::read(entry.path().join("cmdline")).unwrap_or_default();
            found.push(format!("{pid} {}", String::from_utf8_lossy(&command).replace('\0', " ")));
        }
    }
    Ok(found)
}

impl Drop for World {
    fn drop(&mut self) {
        for child in [&mut self.server, &mut self.model] {
            if let Some(mut child) = child.take() {
                // It may have ended by itself.
                let _ = child.kill();
                let _ = child.wait();
            }
        }
        // A failed test leaves sandboxes: they end with the world. What cannot be removed is left to the machine.
        if self.options.runner == RunnerKind::Docker {
            for id in self.containers().unwrap_or_default() {
                let _ = self.docker(&["rm", "--force", &id]);
            }
            for volume in self.volumes("").unwrap_or_default() {
                let _ = self.docker(&["volume", "rm", "--force", &volume]);
            }
        }
        for line in self.processes().unwrap_or_default() {
            if let Some(pid) = line.split(' ').next().and_then(|pid| pid.parse().ok()) {
                let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
            }
        }
        if std::env::var_os("STRAWBOSS_KEEP").is_none()
            && let Some(root) = self.process_root()
        {
            let _ = fs::remove_dir_all(root);
        }
        if std::env::var_os("STRAWBOSS_KEEP").is_some() {
            eprintln!("kept: {}", self.dir.path().display());
            self.dir.disable_cleanup(true);
        }
    }
}
